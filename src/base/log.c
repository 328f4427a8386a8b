/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <fcntl.h>
#include <stdarg.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/path.h"

static struct {
	int fd;
	enum bh_log_format format;
	enum bh_log_level level;
	bool ended;
} sink = { .fd = -1, .format = BH_LOG_TEXT, .level = BH_LOG_INFO };

static const char *const level_names[BH_LOG_MAX_] = {
	[BH_LOG_ERROR] = "error",
	[BH_LOG_WARN] = "warning",
	[BH_LOG_INFO] = "info",
	[BH_LOG_DEBUG] = "debug",
};

int bh_log_open(const char *path, enum bh_log_format format, enum bh_log_level level,
		struct bh_err *err)
{
	int fd = STDERR_FILENO;

	if (path) {
		fd = bh_path_open(AT_FDCWD, path, O_WRONLY | O_APPEND | O_CREAT, 0644, BH_PATH_HOST,
				  err);
		if (fd < 0)
			return bh_err_ctx(err, "open log");
	}
	sink.fd = fd;
	sink.format = format;
	sink.level = level;
	return 0;
}

int bh_log_fd(void)
{
	return sink.fd;
}

void bh_log_end(void)
{
	sink.ended = true;
}

bool bh_log_enabled(enum bh_log_level level)
{
	return !sink.ended && level <= sink.level;
}

void bh_log(enum bh_log_level level, const char *fmt, ...)
{
	bh_auto_buf struct bh_buf line = BH_BUF_INIT;
	int fd = sink.fd >= 0 ? sink.fd : STDERR_FILENO, saved = errno;
	char text[BH_ERR_TEXT_BYTES + 512], when[BH_CLOCK_BYTES];
	va_list args;

	if (!bh_log_enabled(level))
		return;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	bh_clock_now(when, false);
	if (sink.format == BH_LOG_JSON) {
		bh_buf_printf(&line, "{\"level\":\"%s\",\"msg\":", level_names[level]);
		bh_buf_json_string(&line, text);
		bh_buf_printf(&line, ",\"time\":\"%s\"}\n", when);
	} else {
		bh_buf_printf(&line, "time=\"%s\" level=%s msg=", when, level_names[level]);
		bh_buf_json_string(&line, text);
		bh_buf_puts(&line, "\n");
	}
	/* A log that cannot be written must not fail what it reports on. */
	if (!line.failed && bh_fd_write(fd, line.data, line.len) < 0)
		saved = errno;
	errno = saved;
}

void bh_log_report(const struct bh_err *err)
{
	char text[BH_ERR_LINE_BYTES];

	bh_err_format(err, text, sizeof(text));
	bh_log(BH_LOG_ERROR, "%s", text);
	if (bh_log_fd() <= STDERR_FILENO)
		return;
	/* Names in the text come from images and configurations: no escape sequences. */
	for (char *p = text; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
	dprintf(STDERR_FILENO, "%s\n", text);
}

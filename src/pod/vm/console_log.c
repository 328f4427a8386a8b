/* SPDX-License-Identifier: Apache-2.0 */
#include "pod/vm/console_log.h"

#include <fcntl.h>
#include <stdio.h>

#include "base/path.h"

static int begin(struct bh_console_log *log)
{
	log->fd = bh_path_try_open(log->dirfd, BH_CONSOLE_LOG, O_WRONLY | O_CREAT | O_TRUNC, 0600,
				   BH_PATH_BENEATH);
	log->bytes = 0;
	return log->fd < 0 ? log->fd : 0;
}

static int turn(struct bh_console_log *log)
{
	log->fd = bh_close(log->fd);
	if (renameat(log->dirfd, BH_CONSOLE_LOG, log->dirfd, BH_CONSOLE_LOG_OLD) < 0)
		return -errno;
	return begin(log);
}

void bh_console_log_add(struct bh_console_log *log, const char *data, size_t len)
{
	int r = log->fd < 0 && !log->failed ? begin(log) : 0;

	while (r == 0 && !log->failed && len > 0) {
		size_t room = log->size - log->bytes, n = len < room ? len : room;

		r = bh_fd_write(log->fd, data, n);
		log->bytes += n;
		data += n;
		len -= n;
		if (r == 0 && log->bytes == log->size)
			r = turn(log);
	}
	log->failed = log->failed || r < 0;
}

void bh_console_log_end(struct bh_console_log *log)
{
	log->fd = bh_close(log->fd);
	log->failed = true;
}

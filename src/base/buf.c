/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <stdarg.h>
#include <string.h>

#include "base/path.h"

void bh_buf_deinit(struct bh_buf *buf)
{
	free(buf->data);
	*buf = BH_BUF_INIT;
}

/* Makes room for @bytes more and the NUL. */
static bool reserve(struct bh_buf *buf, size_t bytes)
{
	size_t want, cap = buf->cap ? buf->cap : 256;
	char *data;

	if (buf->failed || __builtin_add_overflow(buf->len + 1, bytes, &want))
		return false;
	if (want <= buf->cap)
		return true;
	while (cap < want && !__builtin_mul_overflow(cap, 2, &cap))
		;
	data = cap < want ? NULL : realloc(buf->data, cap);
	if (!data) {
		buf->failed = true;
		return false;
	}
	buf->data = data;
	buf->cap = cap;
	return true;
}

void bh_buf_add(struct bh_buf *buf, const void *data, size_t bytes)
{
	if (!reserve(buf, bytes)) {
		buf->failed = true;
		return;
	}
	if (bytes)
		memcpy(buf->data + buf->len, data, bytes);
	buf->len += bytes;
	buf->data[buf->len] = '\0';
}

void bh_buf_puts(struct bh_buf *buf, const char *s)
{
	bh_buf_add(buf, s, strlen(s));
}

void bh_buf_printf(struct bh_buf *buf, const char *fmt, ...)
{
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	if (n < 0 || !reserve(buf, (size_t)n)) {
		buf->failed = true;
		return;
	}
	va_start(args, fmt);
	vsnprintf(buf->data + buf->len, (size_t)n + 1, fmt, args);
	va_end(args);
	buf->len += (size_t)n;
}

void bh_buf_json_string(struct bh_buf *buf, const char *s)
{
	static const char hex[] = "0123456789abcdef";

	if (!s) {
		bh_buf_puts(buf, "null");
		return;
	}
	bh_buf_puts(buf, "\"");
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\')
			bh_buf_add(buf, (char[]){ '\\', (char)c }, 2);
		else if (c == '\n')
			bh_buf_puts(buf, "\\n");
		else if (c == '\t')
			bh_buf_puts(buf, "\\t");
		else if (c < 0x20)
			bh_buf_add(buf, (char[]){ '\\', 'u', '0', '0', hex[c >> 4], hex[c & 15] },
				   6);
		else
			bh_buf_add(buf, s, 1);
	}
	bh_buf_puts(buf, "\"");
}

const char *bh_buf_str(const struct bh_buf *buf)
{
	return buf->data ? buf->data : "";
}

int bh_buf_print(const struct bh_buf *buf, struct bh_err *err)
{
	int r;

	if (buf->failed)
		return bh_err_oom(err);
	r = bh_fd_write(STDOUT_FILENO, bh_buf_str(buf), buf->len);
	return r < 0 ? bh_err_set(err, r, "write to standard output") : 0;
}

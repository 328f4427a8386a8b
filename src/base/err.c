/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <ctype.h>
#include <stdarg.h>
#include <string.h>

static bh_printf(4, 0) void fill(struct bh_err *err, enum bh_err_domain domain, int code,
				 const char *fmt, va_list args)
{
	if (!err)
		return;
	err->code = code;
	err->domain = domain;
	err->where[0] = '\0';
	vsnprintf(err->text, sizeof(err->text), fmt, args);
}

int bh_err_set(struct bh_err *err, int code, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	fill(err, BH_ERR_OS, code, fmt, args);
	va_end(args);
	return code;
}

int bh_err_as(struct bh_err *err, enum bh_err_domain domain, int code, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	fill(err, domain, code, fmt, args);
	va_end(args);
	return code;
}

int bh_err_spec(struct bh_err *err, const char *where, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	fill(err, BH_ERR_SPEC, -EINVAL, fmt, args);
	va_end(args);
	if (err && where)
		snprintf(err->where, sizeof(err->where), "%s", where);
	return -EINVAL;
}

int bh_err_ctx(struct bh_err *err, const char *fmt, ...)
{
	char rest[BH_ERR_TEXT_BYTES];
	va_list args;
	size_t used;

	if (!err)
		return -EIO;
	memcpy(rest, err->text, sizeof(rest));
	rest[sizeof(rest) - 1] = '\0';
	va_start(args, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, args);
	va_end(args);
	used = strlen(err->text);
	snprintf(err->text + used, sizeof(err->text) - used, ": %s", rest);
	return err->code;
}

int bh_err_oom(struct bh_err *err)
{
	return bh_err_set(err, -ENOMEM, "allocate memory");
}

const char *bh_err_format(const struct bh_err *err, char *buf, size_t size)
{
	/* In lower case, as runc's callers know the kernel's answers. */
	if (err->domain == BH_ERR_OS) {
		const char *answer = strerror(-err->code);

		snprintf(buf, size, "%s: %c%s", err->text, tolower(answer[0]), answer + 1);
	} else if (err->where[0])
		snprintf(buf, size, "%s (at %s)", err->text, err->where);
	else
		snprintf(buf, size, "%s", err->text);
	return buf;
}

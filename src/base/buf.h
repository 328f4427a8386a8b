/* SPDX-License-Identifier: Apache-2.0 */
/* A growing text buffer. A failed growth is remembered: writers need not check each call. */
#ifndef BH_BASE_BUF_H
#define BH_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"

struct bh_err;

struct bh_buf {
	char *data; /* NUL-terminated once anything was added; NULL before */
	size_t len, cap;
	bool failed; /* out of memory: the content is incomplete */
};

#define BH_BUF_INIT          \
	(struct bh_buf)      \
	{                    \
		.data = NULL \
	}

/** bh_buf_deinit() - free the content; idempotent */
void bh_buf_deinit(struct bh_buf *buf);

#define bh_auto_buf bh_cleanup(bh_buf_deinit)

/** bh_buf_add() / bh_buf_puts() / bh_buf_printf() - append bytes, a string, formatted text */
void bh_buf_add(struct bh_buf *buf, const void *data, size_t bytes);
void bh_buf_puts(struct bh_buf *buf, const char *s);
void bh_buf_printf(struct bh_buf *buf, const char *fmt, ...) bh_printf(2, 3);

/** bh_buf_json_string() - append @s as a JSON string with its quotes; NULL gives null */
void bh_buf_json_string(struct bh_buf *buf, const char *s);

/** bh_buf_str() - Return: the content, "" when empty; borrowed */
const char *bh_buf_str(const struct bh_buf *buf);

/** bh_buf_print() - all of it to standard output; -errno with @err, also when it is incomplete */
int bh_buf_print(const struct bh_buf *buf, struct bh_err *err) bh_must_check;

#endif

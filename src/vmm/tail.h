/* SPDX-License-Identifier: Apache-2.0 */
/* The last words of someone who is not trusted: a ring of fixed size that forgets what is old. */
#ifndef BH_VMM_TAIL_H
#define BH_VMM_TAIL_H

#include <stddef.h>

#include "base/buf.h"

struct bh_tail {
	char *data;
	size_t size; /* of @data, in bytes */
	size_t at;   /* where the next byte goes */
	size_t len;  /* bytes that are held */
};

/** bh_tail_init() - for the last @size bytes. Return: 0 or -ENOMEM */
int bh_tail_init(struct bh_tail *tail, size_t size) bh_must_check;
void bh_tail_deinit(struct bh_tail *tail);

/** bh_tail_add() - remember @len bytes */
void bh_tail_add(struct bh_tail *tail, const char *data, size_t len);

/**
 * bh_tail_lines() - append the last @lines lines to @out, each with its newline
 *
 * Printable ASCII comes out as it is, carriage returns and the escape sequences of terminals are
 * left out, tabs become spaces and any other byte a question mark. Empty lines do not count.
 */
void bh_tail_lines(const struct bh_tail *tail, size_t lines, struct bh_buf *out);

/** bh_tail_line() - the last @lines lines as one, joined by "; ", without a newline */
void bh_tail_line(const struct bh_tail *tail, size_t lines, struct bh_buf *out);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes of someone who is not trusted, made fit for an administrator's terminal. Printable ASCII
 * and newlines come out as they are, carriage returns and the escape sequences of terminals are
 * left out, tabs become spaces and any other byte a question mark.
 *
 * Source: ECMA-48
 */
#ifndef BH_BASE_HARMLESS_H
#define BH_BASE_HARMLESS_H

#include "base/buf.h"

/* Where in an escape sequence the last byte was. */
enum bh_escape { BH_ESCAPE_NONE = 0, BH_ESCAPE_BEGUN, BH_ESCAPE_PARAMETERS };

/* A text that comes in pieces; zeroed before the first. */
struct bh_harmless {
	enum bh_escape escape;
};

/** bh_harmless_byte() - the next byte of @text. Return: what stands for it; 0 = nothing */
char bh_harmless_byte(struct bh_harmless *text, char c);

/** bh_harmless_add() - append what stands for the next @len bytes of @text to @out */
void bh_harmless_add(struct bh_harmless *text, const char *data, size_t len, struct bh_buf *out);

/** bh_harmless_line() - @text in place: printable ASCII in one line, anything else a question mark,
 * at most @max bytes. Only what has to be changed is written to. Return: @text */
char *bh_harmless_line(char *text, size_t max);

/** bh_harmless_text() - @text in place: well-formed UTF-8 without control characters other than
 * newline and tab, as protocols want it; any other byte becomes a question mark. Return: @text
 * Source: RFC 3629 */
char *bh_harmless_text(char *text);

#endif

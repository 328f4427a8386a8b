/* SPDX-License-Identifier: Apache-2.0 */
#include "base/harmless.h"

#include <stdint.h>
#include <string.h>

#define ESC '\033'

/* ECMA-48: ESC, then '[' and parameters up to a final byte from '@' to '~', or one other byte. */
static enum bh_escape escape_next(enum bh_escape was, char c)
{
	if (c == ESC)
		return BH_ESCAPE_BEGUN;
	if (was == BH_ESCAPE_BEGUN)
		return c == '[' ? BH_ESCAPE_PARAMETERS : BH_ESCAPE_NONE;
	return c >= '@' && c <= '~' ? BH_ESCAPE_NONE : BH_ESCAPE_PARAMETERS;
}

static bool printable(char c)
{
	return c >= ' ' && c <= '~';
}

char bh_harmless_byte(struct bh_harmless *text, char c)
{
	if (c == '\n') {
		text->escape = BH_ESCAPE_NONE; /* one that is cut short ends with its line */
		return c;
	}
	if (text->escape != BH_ESCAPE_NONE || c == ESC) {
		text->escape = escape_next(text->escape, c);
		return 0;
	}
	if (c == '\r')
		return 0;
	if (c == '\t')
		return ' ';
	return printable(c) ? c : '?';
}

void bh_harmless_add(struct bh_harmless *text, const char *data, size_t len, struct bh_buf *out)
{
	for (size_t i = 0; i < len; i++) {
		char c = bh_harmless_byte(text, data[i]);

		if (c)
			bh_buf_add(out, &c, 1);
	}
}

char *bh_harmless_line(char *text, size_t max)
{
	if (strlen(text) > max)
		text[max] = '\0';
	for (char *p = text; *p; p++)
		if (!printable(*p))
			*p = '?';
	return text;
}

/* Bytes of the character at @p that is fit to be kept; 0 = none is. */
static size_t kept_character(const unsigned char *p)
{
	static const uint32_t least[] = { 0, 0, 0xa0, 0x800,
					  0x10000 }; /* U+0080 to U+009F control */
	const size_t len = *p >= 0xf0 ? 4 : *p >= 0xe0 ? 3 : 2;
	uint32_t c = *p & (0x7fU >> len);

	if (*p < 0x80)
		return printable((char)*p) || *p == '\n' || *p == '\t';
	if (*p < 0xc2 || *p > 0xf4)
		return 0;
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3fU);
	}
	return c >= least[len] && c <= 0x10ffff && (c < 0xd800 || c > 0xdfff) ? len : 0;
}

char *bh_harmless_text(char *text)
{
	for (char *p = text; *p;) {
		size_t n = kept_character((const unsigned char *)p);

		if (!n)
			*p = '?';
		p += n ? n : 1;
	}
	return text;
}

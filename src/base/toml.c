/* SPDX-License-Identifier: Apache-2.0 */
#include "base/toml.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/quantity.h"

struct reader {
	const char *at, *end;
	unsigned int line;
	char table[BH_TOML_TEXT_BYTES], key[BH_TOML_TEXT_BYTES], text[BH_TOML_TEXT_BYTES];
	struct bh_err *err;
};

struct target {
	char *text;
	size_t len;
};

static int fail(struct reader *r, const char *fmt, ...) bh_printf(2, 3);

static int fail(struct reader *r, const char *fmt, ...)
{
	char what[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);
	return bh_err_as(r->err, BH_ERR_SPEC, -EINVAL, "line %u: %s", r->line, what);
}

static char next(const struct reader *r)
{
	return r->at < r->end ? *r->at : '\0';
}

static void skip_blanks(struct reader *r)
{
	while (next(r) == ' ' || next(r) == '\t')
		r->at++;
}

static int add(struct reader *r, struct target *t, char c)
{
	if (t->len + 1 >= BH_TOML_TEXT_BYTES)
		return fail(r, "more than %d bytes", BH_TOML_TEXT_BYTES - 1);
	if (c == '\0')
		return fail(r, "a NUL byte");
	t->text[t->len++] = c;
	t->text[t->len] = '\0';
	return 0;
}

/* ---- strings --------------------------------------------------------------------------------- */

/* Code point @c as UTF-8. */
static int add_unicode(struct reader *r, struct target *t, unsigned long c)
{
	static const unsigned char first_bytes[] = { 0, 0xc0, 0xe0, 0xf0 };
	int more = c < 0x80 ? 0 : c < 0x800 ? 1 : c < 0x10000 ? 2 : 3, e;

	if (c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return fail(r, "U+%lX is no character", c);
	e = add(r, t, (char)(first_bytes[more] | (c >> (6 * more))));
	while (e == 0 && more-- > 0)
		e = add(r, t, (char)(0x80 | ((c >> (6 * more)) & 0x3f)));
	return e;
}

static int read_hex(struct reader *r, struct target *t, int digits)
{
	unsigned long c = 0;

	for (; digits > 0; digits--, r->at++) {
		char digit = next(r);

		if (!isxdigit((unsigned char)digit))
			return fail(r, "a wrong \\u in a string");
		c = c * 16 +
		    (unsigned long)(digit <= '9' ? digit - '0' : (digit | 0x20) - 'a' + 10);
	}
	return add_unicode(r, t, c);
}

static int read_escape(struct reader *r, struct target *t)
{
	static const char names[] = "btnfr\"\\", values[] = "\b\t\n\f\r\"\\";
	char c = next(r);
	const char *name = c ? strchr(names, c) : NULL;

	r->at += c != '\0';
	if (name)
		return add(r, t, values[name - names]);
	if (c == 'u' || c == 'U')
		return read_hex(r, t, c == 'u' ? 4 : 8);
	return fail(r, "a wrong escape in a string");
}

/* What stands between two of the quotes that @r is at. */
static int read_string(struct reader *r, struct target *t)
{
	char quote = *r->at++;
	int e = 0;

	if (r->end - r->at >= 2 && r->at[0] == quote && r->at[1] == quote)
		return fail(r, "strings of several lines are not supported");
	while (e == 0 && r->at < r->end && *r->at != quote && *r->at != '\n') {
		char c = *r->at++;

		e = c == '\\' && quote == '"' ? read_escape(r, t) : add(r, t, c);
	}
	if (e < 0)
		return e;
	if (next(r) != quote)
		return fail(r, "a string has no end");
	r->at++;
	return 0;
}

/* ---- keys ------------------------------------------------------------------------------------ */

static bool is_bare(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '-';
}

static int read_key_part(struct reader *r, struct target *t)
{
	size_t before = t->len;
	int e = 0;

	if (next(r) == '"' || next(r) == '\'')
		return read_string(r, t);
	while (e == 0 && is_bare(next(r)))
		e = add(r, t, *r->at++);
	if (e == 0 && t->len == before)
		return fail(r, "a key was expected");
	return e;
}

static int read_key(struct reader *r, struct target *t)
{
	int e;

	for (;;) {
		skip_blanks(r);
		e = read_key_part(r, t);
		skip_blanks(r);
		if (e < 0 || next(r) != '.')
			return e;
		r->at++;
		e = add(r, t, '.');
		if (e < 0)
			return e;
	}
}

/* ---- values ---------------------------------------------------------------------------------- */

static int read_number(struct reader *r, const char *word, struct bh_toml_value *value)
{
	char digits[32];
	size_t n = 0;

	for (const char *p = word; *p && n + 1 < sizeof(digits); p++)
		if (*p != '_')
			digits[n++] = *p;
	digits[n] = '\0';
	value->kind = BH_TOML_INT;
	if (bh_quantity_i64(digits, &value->number) < 0)
		return fail(r, "'%.64s' is no string, whole number, true or false", word);
	return 0;
}

static int read_word(struct reader *r, struct bh_toml_value *value)
{
	struct target t = { .text = r->text };
	int e = 0;

	while (e == 0 && (is_bare(next(r)) || next(r) == '+' || next(r) == '.' || next(r) == ':'))
		e = add(r, &t, *r->at++);
	if (e < 0)
		return e;
	value->number = strcmp(r->text, "true") == 0;
	value->kind = BH_TOML_BOOL;
	if (value->number || strcmp(r->text, "false") == 0)
		return 0;
	if (t.len == 0)
		return fail(r, "lists and tables in a line are not supported");
	return read_number(r, r->text, value);
}

static int read_value(struct reader *r, struct bh_toml_value *value)
{
	struct target t = { .text = r->text };

	r->text[0] = '\0';
	value->text = r->text;
	if (next(r) != '"' && next(r) != '\'')
		return read_word(r, value);
	value->kind = BH_TOML_STRING;
	return read_string(r, &t);
}

/* ---- lines ----------------------------------------------------------------------------------- */

static int read_table(struct reader *r)
{
	struct target t = { .text = r->table };
	int e;

	r->at++;
	if (next(r) == '[')
		return fail(r, "lists of tables are not supported");
	r->table[0] = '\0';
	e = read_key(r, &t);
	if (e < 0)
		return e;
	if (next(r) != ']')
		return fail(r, "the table's name has no end");
	r->at++;
	return add(r, &t, '.');
}

static int read_pair(struct reader *r, bh_toml_fn fn, void *arg)
{
	struct target t = { .text = r->key, .len = strlen(r->table) };
	struct bh_toml_value value = { .number = 0 };
	int e;

	memcpy(r->key, r->table, t.len + 1);
	e = read_key(r, &t);
	if (e < 0)
		return e;
	if (next(r) != '=')
		return fail(r, "'=' was expected after '%.64s'", r->key);
	r->at++;
	skip_blanks(r);
	e = read_value(r, &value);
	if (e < 0)
		return e;
	e = fn(arg, r->key, &value, r->err);
	if (e < 0)
		bh_err_ctx(r->err, "line %u", r->line);
	return e;
}

/* Nothing but a comment may follow. */
static int end_line(struct reader *r)
{
	skip_blanks(r);
	if (next(r) == '#')
		while (r->at < r->end && *r->at != '\n')
			r->at++;
	if (next(r) == '\r')
		r->at++;
	if (r->at < r->end && *r->at != '\n')
		return fail(r, "more than one value");
	r->at += r->at < r->end;
	r->line++;
	return 0;
}

int bh_toml_read(const char *text, size_t len, bh_toml_fn fn, void *arg, struct bh_err *err)
{
	bh_auto_free struct reader *r = calloc(1, sizeof(*r)); /* too large for some stacks */
	int e = 0;

	if (!r)
		return bh_err_oom(err);
	r->at = text;
	r->end = text + len;
	r->line = 1;
	r->err = err;
	while (e == 0 && r->at < r->end) {
		skip_blanks(r);
		if (next(r) == '[')
			e = read_table(r);
		else if (r->at < r->end && !strchr("#\r\n", *r->at))
			e = read_pair(r, fn, arg);
		e = e < 0 ? e : end_line(r);
	}
	return e;
}

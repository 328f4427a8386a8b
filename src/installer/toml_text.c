/* SPDX-License-Identifier: Apache-2.0 */
#include "installer/toml_text.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"

#define BRACKETS_MAX 64 /* lists and tables in a line, one in another */
#define ITEMS_FIRST  64

struct scanner {
	struct bh_arena *arena;
	const char *text, *at, *end;
	unsigned int line;
	const char *table; /* path of the table that keys are in now, "" = the document */
	struct bh_toml_text *doc;
	size_t cap;
	struct bh_err *err;
};

static int fail(const struct scanner *s, const char *what)
{
	return bh_err_as(s->err, BH_ERR_SPEC, -EINVAL, "line %u: %s", s->line, what);
}

static char next(const struct scanner *s)
{
	return s->at < s->end ? *s->at : '\0';
}

static void skip_blanks(struct scanner *s)
{
	while (next(s) == ' ' || next(s) == '\t')
		s->at++;
}

static void skip_comment(struct scanner *s)
{
	if (next(s) == '#')
		while (s->at < s->end && *s->at != '\n')
			s->at++;
}

/* ---- strings --------------------------------------------------------------------------------- */

static bool at_triple(const struct scanner *s, char quote)
{
	return s->end - s->at >= 3 && s->at[0] == quote && s->at[1] == quote && s->at[2] == quote;
}

/* After the opening quotes of a string of several lines. Two more quotes may stand before the end.
 */
static int skip_long_string(struct scanner *s, char quote)
{
	while (s->at < s->end) {
		if (at_triple(s, quote)) {
			s->at += 3;
			for (int more = 0; more < 2 && next(s) == quote; more++)
				s->at++;
			return 0;
		}
		if (*s->at == '\n')
			s->line++;
		if (*s->at == '\\' && quote == '"' && s->end - s->at > 1 && s->at[1] != '\n')
			s->at++;
		s->at++;
	}
	return fail(s, "a string has no end");
}

static int skip_string(struct scanner *s)
{
	char quote = *s->at;

	if (at_triple(s, quote)) {
		s->at += 3;
		return skip_long_string(s, quote);
	}
	s->at++;
	while (s->at < s->end && *s->at != quote && *s->at != '\n') {
		if (*s->at == '\\' && quote == '"' && s->end - s->at > 1 && s->at[1] != '\n')
			s->at++;
		s->at++;
	}
	if (next(s) != quote)
		return fail(s, "a string has no end");
	s->at++;
	return 0;
}

/* ---- values ---------------------------------------------------------------------------------- */

static bool is_word(char c)
{
	return isalnum((unsigned char)c) || (c && strchr("_-+.:", c));
}

static void skip_word(struct scanner *s)
{
	while (is_word(next(s)))
		s->at++;
	/* A date may have a blank before its time. */
	if (s->end - s->at > 1 && s->at[0] == ' ' && isdigit((unsigned char)s->at[1]))
		for (s->at++; is_word(next(s));)
			s->at++;
}

/* A list or a table in a line, whatever is in it; brackets must match. */
static int skip_brackets(struct scanner *s)
{
	char open[BRACKETS_MAX];
	size_t depth = 0;
	int r = 0;

	do {
		char c = next(s);

		if (s->at >= s->end)
			return fail(s, "a list or table has no end");
		if (c == '"' || c == '\'') {
			r = skip_string(s);
			continue;
		}
		if (c == '#') {
			skip_comment(s);
			continue;
		}
		s->at++;
		s->line += c == '\n';
		if (c == '[' || c == '{') {
			if (depth == BRACKETS_MAX)
				return fail(s, "lists and tables are nested too deeply");
			open[depth++] = c;
		} else if (c == ']' || c == '}') {
			if (open[--depth] != (c == ']' ? '[' : '{'))
				return fail(s, "brackets do not match");
		}
	} while (r == 0 && depth > 0);
	return r;
}

static int skip_value(struct scanner *s)
{
	const char *start = s->at;
	char c = next(s);

	if (c == '"' || c == '\'')
		return skip_string(s);
	if (c == '[' || c == '{')
		return skip_brackets(s);
	skip_word(s);
	return s->at > start ? 0 : fail(s, "a value was expected");
}

/* ---- keys ------------------------------------------------------------------------------------ */

static bool is_bare(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '-';
}

/* One part; escapes stay as they are written: names with any are none that are looked for. */
static int read_part(struct scanner *s, struct bh_buf *path)
{
	const char *start = s->at;
	char c = next(s);
	int r;

	if (c == '"' || c == '\'') {
		r = at_triple(s, c) ? fail(s, "a key cannot have several lines") : skip_string(s);
		if (r == 0)
			bh_buf_add(path, start + 1, (size_t)(s->at - start) - 2);
		return r;
	}
	while (is_bare(next(s)))
		s->at++;
	if (s->at == start)
		return fail(s, "a key was expected");
	bh_buf_add(path, start, (size_t)(s->at - start));
	return 0;
}

/* "a.'b.c'.d" below @base. */
static int read_path(struct scanner *s, const char *base, const char **ret, bool *dotted)
{
	bh_auto_buf struct bh_buf path = BH_BUF_INIT;
	int r;

	*dotted = false;
	bh_buf_puts(&path, base);
	for (;;) {
		if (path.len)
			bh_buf_puts(&path, BH_TOML_SEP);
		skip_blanks(s);
		r = read_part(s, &path);
		if (r < 0)
			return r;
		skip_blanks(s);
		if (next(s) != '.')
			break;
		*dotted = true;
		s->at++;
	}
	*ret = path.failed ? NULL : bh_arena_strdup(s->arena, bh_buf_str(&path));
	return *ret ? 0 : bh_err_oom(s->err);
}

/* ---- lines ----------------------------------------------------------------------------------- */

static int add_item(struct scanner *s, const struct bh_toml_item *item)
{
	if (s->doc->n == s->cap) {
		size_t cap = s->cap ? 2 * s->cap : ITEMS_FIRST;
		void *more = bh_arena_grow(s->arena, s->doc->items, s->doc->n, cap, sizeof(*item));

		if (!more)
			return bh_err_oom(s->err);
		s->doc->items = more;
		s->cap = cap;
	}
	s->doc->items[s->doc->n++] = *item;
	return 0;
}

static int read_header(struct scanner *s, struct bh_toml_item *item)
{
	int brackets = 0, r;
	bool dotted;

	for (; next(s) == '[' && brackets < 2; brackets++)
		s->at++;
	item->kind = brackets == 2 ? BH_TOML_TABLE_LIST : BH_TOML_TABLE;
	r = read_path(s, "", &item->path, &dotted);
	for (; r == 0 && brackets > 0; brackets--) {
		if (next(s) != ']')
			return fail(s, "the table's name has no end");
		s->at++;
	}
	s->table = item->path;
	return r;
}

static int read_pair(struct scanner *s, struct bh_toml_item *item)
{
	int r = read_path(s, s->table, &item->path, &item->dotted);

	if (r < 0)
		return r;
	if (next(s) != '=')
		return fail(s, "'=' was expected after a key");
	s->at++;
	skip_blanks(s);
	item->value_start = (size_t)(s->at - s->text);
	r = skip_value(s);
	item->value_end = (size_t)(s->at - s->text);
	return r;
}

/* Nothing but a comment may follow. */
static int end_line(struct scanner *s)
{
	skip_blanks(s);
	skip_comment(s);
	if (next(s) == '\r')
		s->at++;
	if (s->at < s->end && *s->at != '\n')
		return fail(s, "more than one value");
	s->at += s->at < s->end;
	s->line++;
	return 0;
}

static int read_line(struct scanner *s)
{
	struct bh_toml_item item = { .line = s->line, .start = (size_t)(s->at - s->text) };
	bool blank;
	int r = 0;

	skip_blanks(s);
	blank = s->at >= s->end || strchr("#\r\n", *s->at);
	if (!blank)
		r = next(s) == '[' ? read_header(s, &item) : read_pair(s, &item);
	r = r < 0 ? r : end_line(s);
	item.end = (size_t)(s->at - s->text);
	return r < 0 || blank ? r : add_item(s, &item);
}

int bh_toml_text_scan(struct bh_arena *arena, const char *text, size_t len,
		      struct bh_toml_text *ret, struct bh_err *err)
{
	struct scanner s = { .arena = arena,
			     .text = text,
			     .at = text,
			     .end = text + len,
			     .line = 1,
			     .table = "",
			     .doc = ret,
			     .err = err };
	int r = 0;

	*ret = (struct bh_toml_text){ .text = text, .len = len };
	if (memchr(text, '\0', len))
		return fail(&s, "a NUL byte in the file");
	while (r == 0 && s.at < s.end)
		r = read_line(&s);
	return r;
}

const struct bh_toml_item *bh_toml_text_find(const struct bh_toml_text *doc,
					     enum bh_toml_item_kind kind, const char *path)
{
	for (size_t i = 0; i < doc->n; i++)
		if (doc->items[i].kind == kind && !strcmp(doc->items[i].path, path))
			return &doc->items[i];
	return NULL;
}

const char *bh_toml_text_next(struct bh_arena *arena, const struct bh_toml_text *doc,
			      const struct bh_toml_item *item, size_t *at)
{
	struct scanner s = { .at = doc->text + (*at ? *at : item->value_start),
			     .end = doc->text + item->value_end };

	while (s.at < s.end && *s.at != '"' && *s.at != '\'') {
		if (*s.at == '#')
			skip_comment(&s);
		else
			s.at++;
	}
	if (s.at >= s.end)
		return NULL;
	const char *start = s.at;
	size_t quotes = at_triple(&s, *s.at) ? 3 : 1;

	if (skip_string(&s) < 0)
		return NULL;
	*at = (size_t)(s.at - doc->text);
	return bh_arena_strndup(arena, start + quotes, (size_t)(s.at - start) - 2 * quotes);
}

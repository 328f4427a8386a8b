/* SPDX-License-Identifier: Apache-2.0 */
#include "installer/textdiff.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define CONTEXT 3
#define TABLE_MAX \
	(16U << 20) /* cells of the table below; beyond it all lines between are replaced */

struct line {
	const char *text;
	size_t len;
};

struct lines {
	struct line *v;
	size_t n;
};

/* What happens to a line: kept, taken out of the old, put into the new. */
struct change {
	char kind; /* ' ', '-', '+' */
	const struct line *line;
};

struct changes {
	struct change *v;
	size_t n;
};

static bool split(const char *text, struct lines *ret)
{
	size_t n = 0, len = strlen(text);

	for (const char *p = text; *p; p++)
		n += *p == '\n';
	ret->n = 0;
	ret->v = calloc(n + 2, sizeof(*ret->v));
	for (size_t at = 0; ret->v && at < len;) {
		const char *end = memchr(text + at, '\n', len - at);
		size_t bytes = end ? (size_t)(end - text) + 1 - at : len - at;

		ret->v[ret->n++] = (struct line){ text + at, bytes };
		at += bytes;
	}
	return ret->v;
}

static bool same(const struct line *a, const struct line *b)
{
	return a->len == b->len && !memcmp(a->text, b->text, a->len);
}

static void add(struct changes *c, char kind, const struct line *line)
{
	c->v[c->n++] = (struct change){ kind, line };
}

/* The lines between what both begin and end with, by the longest sequence that they share:
 * cell (i, j) is its length from old line i and new line j on. */
static void compare(const struct line *a, size_t n, const struct line *b, size_t m,
		    struct changes *ret)
{
	size_t width = m + 1, i = 0, j = 0;
	bh_auto_free uint32_t *cells = NULL;

	if ((n + 1) <= TABLE_MAX / width)
		cells = calloc((n + 1) * width, sizeof(*cells));
	for (size_t x = n; cells && x-- > 0;)
		for (size_t y = m; y-- > 0;) {
			uint32_t down = cells[(x + 1) * width + y],
				 right = cells[x * width + y + 1];

			cells[x * width + y] = same(&a[x], &b[y])
						       ? cells[(x + 1) * width + y + 1] + 1
					       : down > right ? down
							      : right;
		}
	while (cells && i < n && j < m) {
		if (same(&a[i], &b[j])) {
			add(ret, ' ', &a[i++]);
			j++;
		} else if (cells[(i + 1) * width + j] >= cells[i * width + j + 1]) {
			add(ret, '-', &a[i++]);
		} else {
			add(ret, '+', &b[j++]);
		}
	}
	while (i < n)
		add(ret, '-', &a[i++]);
	while (j < m)
		add(ret, '+', &b[j++]);
}

static void list_changes(const struct lines *a, const struct lines *b, struct changes *ret)
{
	size_t head = 0, tail = 0, less = a->n < b->n ? a->n : b->n;

	while (head < less && same(&a->v[head], &b->v[head]))
		add(ret, ' ', &a->v[head++]);
	while (tail < less - head && same(&a->v[a->n - tail - 1], &b->v[b->n - tail - 1]))
		tail++;
	compare(a->v + head, a->n - head - tail, b->v + head, b->n - head - tail, ret);
	for (; tail > 0; tail--)
		add(ret, ' ', &a->v[a->n - tail]);
}

/* "12,3" of a range, "12" of one line; an empty one is named by the line before it. */
static void put_range(struct bh_buf *out, size_t start, size_t n)
{
	bh_buf_printf(out, n == 1 ? "%zu" : "%zu,%zu", n ? start + 1 : start, n);
}

static void put_line(struct bh_buf *out, const struct change *c)
{
	bh_buf_add(out, &c->kind, 1);
	bh_buf_add(out, c->line->text, c->line->len);
	if (!c->line->len || c->line->text[c->line->len - 1] != '\n')
		bh_buf_puts(out, "\n\\ No newline at end of file\n");
}

/* Changes @from to @to, which start at these lines of old and new. */
static void put_hunk(struct bh_buf *out, const struct changes *c, size_t from, size_t to,
		     size_t old_at, size_t new_at)
{
	size_t old_n = 0, new_n = 0;

	for (size_t i = from; i < to; i++) {
		old_n += c->v[i].kind != '+';
		new_n += c->v[i].kind != '-';
	}
	bh_buf_puts(out, "@@ -");
	put_range(out, old_at, old_n);
	bh_buf_puts(out, " +");
	put_range(out, new_at, new_n);
	bh_buf_puts(out, " @@\n");
	for (size_t i = from; i < to; i++)
		put_line(out, &c->v[i]);
}

/* Where the hunk that begins with the change at @first ends: after its context. */
static size_t hunk_end(const struct changes *c, size_t first)
{
	size_t last = first;

	for (size_t i = first; i < c->n && i <= last + 2 * CONTEXT + 1; i++)
		if (c->v[i].kind != ' ')
			last = i;
	return last + 1 + CONTEXT < c->n ? last + 1 + CONTEXT : c->n;
}

static void put_hunks(struct bh_buf *out, const struct changes *c)
{
	size_t old_at = 0, new_at = 0, at = 0;

	while (at < c->n) {
		size_t first = at, from, to;

		while (first < c->n && c->v[first].kind == ' ')
			first++;
		if (first == c->n)
			return;
		from = first > at + CONTEXT ? first - CONTEXT : at;
		to = hunk_end(c, first);
		old_at += from - at;
		new_at += from - at;
		put_hunk(out, c, from, to, old_at, new_at);
		for (at = from; at < to; at++) {
			old_at += c->v[at].kind != '+';
			new_at += c->v[at].kind != '-';
		}
	}
}

void bh_textdiff(const char *old_name, const char *old, const char *new_name, const char *new_text,
		 struct bh_buf *out)
{
	struct lines a = { .n = 0 }, b = { .n = 0 };
	struct changes changes = { .n = 0 };

	if (!strcmp(old, new_text))
		return;
	if (split(old, &a) && split(new_text, &b))
		changes.v = calloc(a.n + b.n + 1, sizeof(*changes.v));
	if (changes.v) {
		list_changes(&a, &b, &changes);
		bh_buf_printf(out, "--- %s\n+++ %s\n", old_name, new_name);
		put_hunks(out, &changes);
	}
	out->failed |= !changes.v;
	free(changes.v);
	free(a.v);
	free(b.v);
}

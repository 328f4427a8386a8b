/* SPDX-License-Identifier: Apache-2.0 */
#include "installer/marks.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define BEGIN      "# bulkhead node install: begin "
#define END        "# bulkhead node install: end\n"
#define WAS        "#-"
#define NO_NEWLINE " no-newline"
#define SUM_DIGITS 8

/* FNV-1a: against mistakes, not against malice: who may write the file may write anything. */
static uint32_t sum(const char *text, size_t len)
{
	uint32_t hash = 2166136261U;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (unsigned char)text[i]) * 16777619U;
	return hash;
}

static bool starts_with(const char *text, size_t len, const char *prefix)
{
	size_t n = strlen(prefix);

	return len >= n && !memcmp(text, prefix, n);
}

/* Bytes of the line at @text, with its newline. */
static size_t line_length(const char *text, size_t len)
{
	const char *newline = memchr(text, '\n', len);

	return newline ? (size_t)(newline - text) + 1 : len;
}

void bh_marks_add(struct bh_buf *out, const char *old, size_t old_len, const char *new_lines,
		  bool no_newline)
{
	bh_auto_buf struct bh_buf body = BH_BUF_INIT;

	for (size_t at = 0, n; at < old_len; at += n) {
		n = line_length(old + at, old_len - at);
		bh_buf_puts(&body, WAS);
		bh_buf_add(&body, old + at, n);
	}
	if (old_len && old[old_len - 1] != '\n')
		bh_buf_puts(&body, "\n");
	bh_buf_puts(&body, new_lines);
	if (no_newline && !old_len)
		bh_buf_puts(out, "\n");
	bh_buf_printf(out, BEGIN "%08" PRIx32 "%s\n", sum(bh_buf_str(&body), body.len),
		      no_newline ? NO_NEWLINE : "");
	bh_buf_add(out, bh_buf_str(&body), body.len);
	bh_buf_puts(out, END);
	out->failed |= body.failed;
}

/* ---- out again ------------------------------------------------------------------------------- */

struct block {
	const char *body;
	size_t body_len, len; /* of all */
	bool no_newline, intact;
};

/* Whether a block is at @text. */
static bool parse_block(const char *text, size_t len, struct block *b)
{
	char digits[SUM_DIGITS + 1];
	size_t head = line_length(text, len), at = head;
	const char *rest = text + strlen(BEGIN) + SUM_DIGITS;

	if (!starts_with(text, len, BEGIN) || head < strlen(BEGIN) + SUM_DIGITS + 1)
		return false;
	b->no_newline = starts_with(rest, head - (size_t)(rest - text), NO_NEWLINE "\n");
	if (!b->no_newline && *rest != '\n')
		return false;
	while (at < len && !starts_with(text + at, len - at, END)) {
		if (starts_with(text + at, len - at, BEGIN))
			return false; /* its end was lost */
		at += line_length(text + at, len - at);
	}
	if (at >= len)
		return false;
	b->body = text + head;
	b->body_len = at - head;
	b->len = at + strlen(END);
	snprintf(digits, sizeof(digits), "%08" PRIx32, sum(b->body, b->body_len));
	b->intact = !memcmp(digits, text + strlen(BEGIN), SUM_DIGITS);
	return true;
}

struct writer {
	struct bh_buf *out;
	bool owed; /* a newline that is there only if more comes */
};

static void put(struct writer *w, const char *text, size_t len)
{
	if (w->owed && len)
		bh_buf_puts(w->out, "\n");
	w->owed = w->owed && !len;
	bh_buf_add(w->out, text, len);
}

/* Takes back the last newline, until it is known whether anything follows. */
static void owe_newline(struct writer *w)
{
	struct bh_buf *out = w->out;

	if (!out->failed && out->len && out->data[out->len - 1] == '\n') {
		out->data[--out->len] = '\0';
		w->owed = true;
	}
}

static void put_original(struct writer *w, const struct block *b)
{
	for (size_t at = 0, n; at < b->body_len; at += n) {
		n = line_length(b->body + at, b->body_len - at);
		if (!starts_with(b->body + at, n, WAS))
			break;
		put(w, b->body + at + strlen(WAS), n - strlen(WAS));
	}
	if (b->no_newline)
		owe_newline(w);
}

size_t bh_marks_remove(const char *text, size_t len, struct bh_buf *out,
		       bh_marks_changed_fn changed, void *arg)
{
	struct writer w = { .out = out };
	unsigned int line = 1;
	size_t removed = 0;
	struct block b;

	for (size_t at = 0, n; at < len; at += n) {
		bool is_block = parse_block(text + at, len - at, &b);

		n = is_block && b.intact ? b.len : line_length(text + at, len - at);
		if (is_block && b.intact) {
			put_original(&w, &b);
			removed++;
		} else {
			put(&w, text + at, n);
		}
		/* A begin without its sum, or without its end. */
		if (starts_with(text + at, len - at, BEGIN) && !(is_block && b.intact) && changed)
			changed(arg, line);
		for (size_t i = 0; i < n; i++)
			line += text[at + i] == '\n';
	}
	return removed;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_writer.h"

#include <inttypes.h>

static void line(struct bh_json_writer *w)
{
	if (!w->indent)
		return;
	bh_buf_puts(w->out, "\n");
	for (unsigned int i = 0; i < w->depth; i++)
		bh_buf_puts(w->out, w->indent);
}

/* What stands before a value: comma, line, key. */
static void member(struct bh_json_writer *w, const char *key)
{
	if (w->more)
		bh_buf_puts(w->out, ",");
	if (w->depth)
		line(w);
	if (key) {
		bh_buf_json_string(w->out, key);
		bh_buf_puts(w->out, w->indent ? ": " : ":");
	}
	w->more = true;
}

void bh_json_open(struct bh_json_writer *w, const char *key, char bracket)
{
	member(w, key);
	bh_buf_add(w->out, &bracket, 1);
	w->depth++;
	w->more = false;
}

void bh_json_close(struct bh_json_writer *w, char bracket)
{
	w->depth--;
	if (w->more)
		line(w);
	bh_buf_add(w->out, &bracket, 1);
	w->more = true;
}

void bh_json_text(struct bh_json_writer *w, const char *key, const char *value)
{
	member(w, key);
	bh_buf_json_string(w->out, value);
}

void bh_json_bool(struct bh_json_writer *w, const char *key, bool value)
{
	member(w, key);
	bh_buf_puts(w->out, value ? "true" : "false");
}

void bh_json_i64(struct bh_json_writer *w, const char *key, int64_t value)
{
	member(w, key);
	bh_buf_printf(w->out, "%" PRId64, value);
}

void bh_json_u64(struct bh_json_writer *w, const char *key, uint64_t value)
{
	member(w, key);
	bh_buf_printf(w->out, "%" PRIu64, value);
}

void bh_json_raw(struct bh_json_writer *w, const char *key, const char *json)
{
	member(w, key);
	bh_buf_puts(w->out, json);
}

void bh_json_texts(struct bh_json_writer *w, const char *key, const char *const *values)
{
	if (!values || !*values)
		return;
	bh_json_open(w, key, '[');
	for (; *values; values++)
		bh_json_text(w, NULL, *values);
	bh_json_close(w, ']');
}

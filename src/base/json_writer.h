/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON text, member by member, as people and callers expect it from runc: `"key": value`, a member
 * a line, or compact without any white space.
 *
 *	struct bh_json_writer w = { .out = &buf, .indent = "\t" };
 *	bh_json_open(&w, NULL, '{');
 *	bh_json_text(&w, "ociVersion", "1.3.0");
 *	bh_json_close(&w, '}');
 */
#ifndef BH_BASE_JSON_WRITER_H
#define BH_BASE_JSON_WRITER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

struct bh_json_writer {
	struct bh_buf *out;
	const char *indent; /* of one level; NULL = compact */
	unsigned int depth;
	bool more; /* the open object or list has a member already */
};

/* Of all: @key is NULL for an element of a list, and for the document itself. */

/** bh_json_open() / bh_json_close() - an object ('{', '}') or a list ('[', ']') */
void bh_json_open(struct bh_json_writer *w, const char *key, char bracket);
void bh_json_close(struct bh_json_writer *w, char bracket);

/** bh_json_text() - a string; NULL gives null */
void bh_json_text(struct bh_json_writer *w, const char *key, const char *value);
/** bh_json_bool() / bh_json_i64() / bh_json_u64() - true or false, a number */
void bh_json_bool(struct bh_json_writer *w, const char *key, bool value);
void bh_json_i64(struct bh_json_writer *w, const char *key, int64_t value);
void bh_json_u64(struct bh_json_writer *w, const char *key, uint64_t value);

/** bh_json_raw() - a value that is JSON already, or several elements of a list */
void bh_json_raw(struct bh_json_writer *w, const char *key, const char *json);

/** bh_json_texts() - a list of strings up to the first NULL; nothing at all when @values is NULL or
 * empty, as Go leaves out what is empty */
void bh_json_texts(struct bh_json_writer *w, const char *key, const char *const *values);

#endif

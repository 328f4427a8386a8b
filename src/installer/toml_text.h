/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where things stand in a TOML document, for edits that keep every other byte. All of TOML is read,
 * but values are looked at only as far as finding their end asks for.
 *
 * Source: toml.io, version 1.0
 */
#ifndef BH_INSTALL_TOML_TEXT_H
#define BH_INSTALL_TOML_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/err.h"

/* Between the parts of a path: no key of a configuration has it. */
#define BH_TOML_SEP "\x1f"

enum bh_toml_item_kind { BH_TOML_KEY = 0, BH_TOML_TABLE, BH_TOML_TABLE_LIST };

/* A key with its value, or the header of a table. Offsets are in bytes from the document's start.
 */
struct bh_toml_item {
	enum bh_toml_item_kind kind;
	const char *path;  /* of the table, and of the key in it: parts with BH_TOML_SEP */
	unsigned int line; /* from 1 */
	size_t start, end; /* whole lines, with the last one's newline where it has one */
	size_t value_start, value_end; /* of a key */
	bool dotted; /* the key is of several parts: what is before the last is a table without
			header */
};

struct bh_toml_text {
	const char *text; /* borrowed */
	size_t len;
	struct bh_toml_item *items; /* in the document's order */
	size_t n;
};

/** bh_toml_text_scan() - find all tables and keys
 * @arena: keeps them
 * Return: 0; -EINVAL with the line in @err; -ENOMEM */
int bh_toml_text_scan(struct bh_arena *arena, const char *text, size_t len,
		      struct bh_toml_text *ret, struct bh_err *err) bh_must_check;

/** bh_toml_text_find() - Return: the first item of @kind at @path, or NULL */
const struct bh_toml_item *bh_toml_text_find(const struct bh_toml_text *doc,
					     enum bh_toml_item_kind kind, const char *path);

/** bh_toml_text_next() - the strings of a key's value: of a list, or the one that it is; what is
 * no string is left out
 * @at: where to go on, 0 at first
 * Return: the next one, in @arena; NULL when there is no more, or no memory */
const char *bh_toml_text_next(struct bh_arena *arena, const struct bh_toml_text *doc,
			      const struct bh_toml_item *item, size_t *at);

#endif

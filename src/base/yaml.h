/* SPDX-License-Identifier: Apache-2.0 */
/*
 * YAML as trees that remember their lines: what is wrong with a value can be said with the place
 * where it stands. Reading is safe for documents of strangers: size, depth and the number of values
 * are limited, those that aliases stand for included, so a few lines cannot unfold to billions.
 *
 * A scalar is its text; what it means its reader decides, who may ask whether it was quoted. Keys
 * are scalars, each once in a map. Tags other than YAML's own are refused; merge keys ("<<") are
 * keys like others.
 *
 * Source: yaml.org, version 1.1, as libyaml reads it
 */
#ifndef BH_BASE_YAML_H
#define BH_BASE_YAML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"

#define BH_YAML_DEPTH_MAX 64
/* Values of a document, those behind aliases counted each time. */
#define BH_YAML_NODES_MAX 1000000
/* Of a document; each alias looks for its own among them. */
#define BH_YAML_ANCHORS_MAX 1024

enum bh_yaml_kind { BH_YAML_SCALAR = 0, BH_YAML_LIST, BH_YAML_MAP };

struct bh_yaml {
	enum bh_yaml_kind kind;
	bool quoted;     /* a scalar in quotes, in a block, or tagged as a string: is one */
	bool flow;       /* a list or map in brackets, as all are in JSON */
	uint16_t height; /* levels of what is in it */
	/* From 1, columns in characters; behind an alias the place of the anchor's value. The end
	 * is behind the last character, of what is a scalar or flow. */
	uint32_t line, column, end_line, end_column;
	uint32_t weight;  /* values in it, itself included */
	const char *text; /* of a scalar, NUL-terminated, without NUL inside; "" of the others */
	const char *key;  /* in a map; else NULL */
	uint32_t key_line, key_column;
	const struct bh_yaml *first; /* of what is in it, in the order of the document */
	const struct bh_yaml *next;  /* beside it */
};

#define bh_yaml_for_each(item, node) \
	for (const struct bh_yaml *item = (node)->first; item; item = item->next)

/** Called for each document; one that is empty has no @root. It may empty the arena: nothing of one
 * document is needed for the next. Return: 0, or -errno with @err */
typedef int (*bh_yaml_fn)(void *arg, const struct bh_yaml *root, struct bh_err *err);

/**
 * bh_yaml_read() - all documents of a stream, one after the other
 * @text:     @len bytes, UTF-8; may go away afterwards
 * @arena:    keeps the trees
 * @ret_line: where the fault is, from 1; 0 = @fn's; may be NULL
 *
 * Return: 0; -EINVAL (BH_ERR_SPEC) saying what is wrong, -E2BIG which limit is exceeded, -ENOMEM;
 * what @fn returned
 */
int bh_yaml_read(struct bh_arena *arena, const char *text, size_t len, bh_yaml_fn fn, void *arg,
		 uint32_t *ret_line, struct bh_err *err) bh_must_check;

/** bh_yaml_get() - the value of @key in a map. Return: NULL when there is none, or no map */
const struct bh_yaml *bh_yaml_get(const struct bh_yaml *map, const char *key);

/** bh_yaml_is_null() - whether it stands for nothing: "", "~", "null" without quotes */
bool bh_yaml_is_null(const struct bh_yaml *node);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shapes that values of a document take once they are read: lists, numbers that may be absent,
 * string vectors, string maps. All memory is the arena's of the document.
 */
#ifndef BH_BASE_VALUE_H
#define BH_BASE_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

struct bh_arena;

/* A list whose elements live in the document's arena. v is NULL when the document has none, and is
 * not NULL for a list that is there but empty. */
#define BH_LIST(type)     \
	struct {          \
		type *v;  \
		size_t n; \
	}
#define bh_for_each(item, list) \
	for (__typeof__(*(list).v) *item = (list).v; (list).n && item < (list).v + (list).n; item++)

struct bh_opt_bool {
	bool set, v;
};
struct bh_opt_i64 {
	bool set;
	int64_t v;
};
struct bh_opt_u64 {
	bool set;
	uint64_t v;
};
struct bh_opt_u32 {
	bool set;
	uint32_t v;
};

/* Strings; v[n] is NULL once read from a document. v itself as in BH_LIST(). */
struct bh_strv {
	const char **v;
	size_t n;
};
/** bh_strv_add() - one more string, borrowed. Return: 0 or -ENOMEM */
int bh_strv_add(struct bh_arena *arena, struct bh_strv *list, const char *text) bh_must_check;

/** bh_strv_has() - whether @text is one of them */
bool bh_strv_has(const struct bh_strv *list, const char *text);

struct bh_kv {
	const char *key, *value;
};
typedef BH_LIST(struct bh_kv) bh_kv_list;

#endif

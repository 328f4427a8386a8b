/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bump allocator: everything that one document or one plan needs lives and dies together, so
 * nothing in it has an owner of its own and nothing is freed one by one.
 */
#ifndef BH_BASE_ARENA_H
#define BH_BASE_ARENA_H

#include <stdarg.h>
#include <stddef.h>

#include "base/cleanup.h"

struct bh_arena_chunk;

struct bh_arena {
	struct bh_arena_chunk *head;
};

#define BH_ARENA_INIT        \
	(struct bh_arena)    \
	{                    \
		.head = NULL \
	}

/** bh_arena_deinit() - free everything that came from @arena; idempotent */
void bh_arena_deinit(struct bh_arena *arena);

#define bh_auto_arena bh_cleanup(bh_arena_deinit)

/** bh_arena_alloc() - @bytes zeroed bytes, aligned for any type. Return: NULL when out of memory */
void *bh_arena_alloc(struct bh_arena *arena, size_t bytes);

/** bh_arena_array() - @n zeroed elements of @size bytes each, checked for overflow */
void *bh_arena_array(struct bh_arena *arena, size_t n, size_t size);

/** bh_arena_grow() - a copy of @old (@old_n elements) with room for @new_n; the old stays valid */
void *bh_arena_grow(struct bh_arena *arena, const void *old, size_t old_n, size_t new_n,
		    size_t size);

/** bh_arena_strdup() / bh_arena_strndup() / bh_arena_printf() - strings in the arena; @bytes are
 * copied whatever they are, and a NUL follows. Return: NULL when out of memory */
char *bh_arena_strdup(struct bh_arena *arena, const char *s);
char *bh_arena_strndup(struct bh_arena *arena, const char *s, size_t bytes);
char *bh_arena_printf(struct bh_arena *arena, const char *fmt, ...) bh_printf(2, 3);

#define bh_arena_new(arena, type) ((type *)bh_arena_alloc((arena), sizeof(type)))

#endif

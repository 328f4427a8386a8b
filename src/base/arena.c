/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include <stdint.h>
#include <string.h>

/* Most documents fit into a few of these; one page less the allocator's header each. */
#define CHUNK_BYTES 8000

struct bh_arena_chunk {
	struct bh_arena_chunk *next;
	size_t used, size;
	max_align_t data[];
};

void bh_arena_deinit(struct bh_arena *arena)
{
	while (arena->head) {
		struct bh_arena_chunk *next = arena->head->next;

		free(arena->head);
		arena->head = next;
	}
}

void *bh_arena_alloc(struct bh_arena *arena, size_t bytes)
{
	const size_t align = _Alignof(max_align_t);
	struct bh_arena_chunk *chunk = arena->head;
	void *p;

	if (bytes > SIZE_MAX - CHUNK_BYTES)
		return NULL;
	bytes = (bytes + align - 1) & ~(align - 1);
	if (!chunk || chunk->size - chunk->used < bytes) {
		size_t size = bytes > CHUNK_BYTES ? bytes : CHUNK_BYTES;

		chunk = calloc(1, sizeof(*chunk) + size);
		if (!chunk)
			return NULL;
		chunk->size = size;
		chunk->next = arena->head;
		arena->head = chunk;
	}
	p = (char *)chunk->data + chunk->used;
	chunk->used += bytes;
	return p;
}

void *bh_arena_array(struct bh_arena *arena, size_t n, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes))
		return NULL;
	return bh_arena_alloc(arena, bytes);
}

void *bh_arena_grow(struct bh_arena *arena, const void *old, size_t old_n, size_t new_n,
		    size_t size)
{
	void *p = bh_arena_array(arena, new_n, size);

	if (p && old_n)
		memcpy(p, old, old_n * size);
	return p;
}

char *bh_arena_strndup(struct bh_arena *arena, const char *s, size_t bytes)
{
	char *copy = bh_arena_alloc(arena, bytes + 1);

	return copy ? memcpy(copy, s, bytes) : NULL;
}

char *bh_arena_strdup(struct bh_arena *arena, const char *s)
{
	return bh_arena_strndup(arena, s, strlen(s));
}

char *bh_arena_printf(struct bh_arena *arena, const char *fmt, ...)
{
	va_list args;
	char *text;
	int n;

	va_start(args, fmt);
	n = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	text = n < 0 ? NULL : bh_arena_alloc(arena, (size_t)n + 1);
	if (!text)
		return NULL;
	va_start(args, fmt);
	vsnprintf(text, (size_t)n + 1, fmt, args);
	va_end(args);
	return text;
}

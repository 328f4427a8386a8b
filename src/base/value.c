/* SPDX-License-Identifier: Apache-2.0 */
#include "base/value.h"

#include <errno.h>
#include <string.h>

#include "base/arena.h"

int bh_strv_add(struct bh_arena *arena, struct bh_strv *list, const char *text)
{
	const char **v = bh_arena_grow(arena, list->v, list->n, list->n + 2, sizeof(*v));

	if (!v)
		return -ENOMEM;
	v[list->n++] = text;
	v[list->n] = NULL;
	list->v = v;
	return 0;
}

bool bh_strv_has(const struct bh_strv *list, const char *text)
{
	for (size_t i = 0; i < list->n; i++)
		if (strcmp(list->v[i], text) == 0)
			return true;
	return false;
}

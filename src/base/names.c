/* SPDX-License-Identifier: Apache-2.0 */
#include "base/names.h"

#include <string.h>

int64_t bh_names_find(const struct bh_names *names, const char *name, int64_t missing)
{
	for (size_t i = 0; i < names->n; i++)
		if (!strcmp(names->v[i].name, name))
			return names->v[i].value;
	return missing;
}

const char *bh_names_of(const struct bh_names *names, int64_t value)
{
	for (size_t i = 0; i < names->n; i++)
		if (names->v[i].value == value)
			return names->v[i].name;
	return NULL;
}

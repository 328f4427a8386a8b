/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of names and the numbers they stand for. */
#ifndef BH_BASE_NAMES_H
#define BH_BASE_NAMES_H

#include <stddef.h>
#include <stdint.h>

struct bh_name {
	const char *name;
	int64_t value;
};
struct bh_names {
	const struct bh_name *v;
	size_t n;
};

/** bh_names_find() - Return: the value of @name (exact), or @missing */
int64_t bh_names_find(const struct bh_names *names, const char *name, int64_t missing);

/** bh_names_of() - Return: the first name with @value, or NULL */
const char *bh_names_of(const struct bh_names *names, int64_t value);

#endif

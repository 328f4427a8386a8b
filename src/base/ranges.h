/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of numbers and ranges as the kernel writes them for CPUs and memory nodes: "0-3,7". */
#ifndef BH_BASE_RANGES_H
#define BH_BASE_RANGES_H

#include <stddef.h>

#include "base/cleanup.h"

struct bh_range {
	size_t first, last; /* both are in it; last is not below first */
};

/**
 * bh_range_next() - the next part of a list
 * @text:  moves behind it. Blanks around a part and empty parts are passed over
 * @limit: every number is below this
 *
 * Return: 1 with @ret; 0 at the end; -ERANGE for a number that is too large; -EINVAL. Pure
 */
int bh_range_next(const char **text, size_t limit, struct bh_range *ret) bh_must_check;

#endif

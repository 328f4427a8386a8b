/* SPDX-License-Identifier: Apache-2.0 */
/* What is embedded in its owner: the way back from a callback, and lists chained by a member. */
#ifndef BH_BASE_EMBED_H
#define BH_BASE_EMBED_H

#include <stddef.h>

/** bh_owner_of() - the struct @type whose @member @pointer points to */
#define bh_owner_of(pointer, type, member)                              \
	({                                                              \
		__typeof__(((type *)NULL)->member) *at_ = (pointer);    \
		(type *)(void *)((char *)at_ - offsetof(type, member)); \
	})

/** bh_list_remove() - take @item out of the list that begins at *@first and is chained by the
 * member `next`; it is in there */
#define bh_list_remove(first, item)              \
	({                                       \
		__typeof__(first) at_ = (first); \
		while (*at_ != (item))           \
			at_ = &(*at_)->next;     \
		*at_ = (item)->next;             \
	})

#endif

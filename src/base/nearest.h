/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What somebody may have meant: of several words the one that is the fewest typing errors away.
 *
 *	struct bh_nearest near = BH_NEAREST("acelerator");
 *
 *	for (…)
 *		bh_nearest_try(&near, names[i]);
 *	if (near.word)
 *		"did you mean '%s'?"
 */
#ifndef BH_BASE_NEAREST_H
#define BH_BASE_NEAREST_H

struct bh_nearest {
	const char *wanted;
	const char *word; /* the nearest so far; NULL while none is near enough */
	unsigned int distance;
};

#define BH_NEAREST(text)         \
	(struct bh_nearest)      \
	{                        \
		.wanted = (text) \
	}

/** bh_nearest_try() - one more word, borrowed. Case does not count, nor which of "-_." is used */
void bh_nearest_try(struct bh_nearest *near, const char *word);

/** bh_nearest_hint() - "; did you mean 'WORD'?" into @buf, or "". Return: @buf */
#define BH_NEAREST_HINT_BYTES 96
const char *bh_nearest_hint(const struct bh_nearest *near, char buf[static BH_NEAREST_HINT_BYTES]);

#endif

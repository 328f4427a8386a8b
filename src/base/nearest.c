/* SPDX-License-Identifier: Apache-2.0 */
#include "base/nearest.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Longer words are not compared: nobody mistypes one for another. */
#define WORD_MAX 64U

static char plain(char c)
{
	return c == '_' || c == '.' ? '-' : (char)tolower((unsigned char)c);
}

static unsigned int least(unsigned int a, unsigned int b, unsigned int c)
{
	unsigned int m = a < b ? a : b;

	return m < c ? m : c;
}

/* Inserted, missing, wrong and swapped letters (optimal string alignment), row by row. */
static unsigned int distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	unsigned int rows[3][WORD_MAX + 1];
	unsigned int *before = rows[0], *last = rows[1], *now = rows[2];

	for (size_t j = 0; j <= b_len; j++)
		last[j] = (unsigned int)j;
	for (size_t i = 1; i <= a_len; i++) {
		unsigned int *unused = before;

		now[0] = (unsigned int)i;
		for (size_t j = 1; j <= b_len; j++) {
			bool same = plain(a[i - 1]) == plain(b[j - 1]);

			now[j] = least(last[j] + 1, now[j - 1] + 1, last[j - 1] + !same);
			if (i > 1 && j > 1 && plain(a[i - 1]) == plain(b[j - 2]) &&
			    plain(a[i - 2]) == plain(b[j - 1]))
				now[j] = least(now[j], before[j - 2] + 1, now[j]);
		}
		before = last;
		last = now;
		now = unused;
	}
	return last[b_len];
}

void bh_nearest_try(struct bh_nearest *near, const char *word)
{
	size_t a = strlen(near->wanted), b = strlen(word);
	unsigned int d, most;

	if (!a || a > WORD_MAX || b > WORD_MAX)
		return;
	/* A third of a word may be wrong, and of the shortest one letter. */
	most = (unsigned int)(a > b ? a : b) / 3;
	d = distance(near->wanted, a, word, b);
	if (d > (most ? most : 1) || (near->word && d >= near->distance))
		return;
	near->word = word;
	near->distance = d;
}

const char *bh_nearest_hint(const struct bh_nearest *near, char buf[static BH_NEAREST_HINT_BYTES])
{
	buf[0] = '\0';
	if (near->word)
		snprintf(buf, BH_NEAREST_HINT_BYTES, "; did you mean '%s'?", near->word);
	return buf;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "base/ranges.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#define BLANKS " \t\n"

static int read_number(const char **text, size_t limit, size_t *ret)
{
	const char *p = *text;

	if (!isdigit((unsigned char)*p))
		return -EINVAL;
	for (*ret = 0; isdigit((unsigned char)*p); p++) {
		*ret = *ret * 10 + (size_t)(*p - '0');
		if (*ret >= limit)
			return -ERANGE;
	}
	*text = p;
	return 0;
}

int bh_range_next(const char **text, size_t limit, struct bh_range *ret)
{
	const char *p = *text + strspn(*text, BLANKS ",");
	int r;

	if (!*p)
		return 0;
	r = read_number(&p, limit, &ret->first);
	ret->last = ret->first;
	if (r == 0 && *p == '-') {
		p++;
		r = read_number(&p, limit, &ret->last);
	}
	if (r < 0)
		return r;
	p += strspn(p, BLANKS);
	if (ret->last < ret->first || (*p && *p != ','))
		return -EINVAL;
	*text = p;
	return 1;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "base/quantity.h"

#include <stdbool.h>
#include <string.h>

/* A decimal number with a fraction, exact: value = whole + part / scale. */
struct decimal {
	uint64_t whole, part, scale;
};

/* Digits beyond the ninth of a fraction are dropped: they are below the resolution of all units. */
#define FRACTION_SCALE_MAX 1000000000u
#define MILLI              1000u

/* Reads digits at *@text, which moves behind them. Return: how many, or -1 on overflow. */
static int parse_digits(const char **text, uint64_t *ret)
{
	uint64_t v = 0;
	int n = 0;

	for (; **text >= '0' && **text <= '9'; (*text)++, n++)
		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(**text - '0'), &v))
			return -1;
	*ret = v;
	return n;
}

/* Reads "12", "12.5" or ".5" at *@text, which moves behind it. */
static int parse_decimal(const char **text, struct decimal *ret)
{
	struct decimal d = { .scale = 1 };
	int n = parse_digits(text, &d.whole);

	if (n < 0)
		return -EINVAL;
	if (**text == '.') {
		for ((*text)++; **text >= '0' && **text <= '9'; (*text)++, n++) {
			if (d.scale == FRACTION_SCALE_MAX)
				continue;
			d.part = d.part * 10 + (uint64_t)(**text - '0');
			d.scale *= 10;
		}
	}
	*ret = d;
	return n > 0 ? 0 : -EINVAL;
}

/* @d units of @unit each, rounded down. */
static int decimal_times(const struct decimal *d, uint64_t unit, int64_t *ret)
{
	unsigned __int128 total = (unsigned __int128)d->whole * unit +
				  (unsigned __int128)d->part * unit / d->scale;

	if (total > INT64_MAX)
		return -EINVAL;
	*ret = (int64_t)total;
	return 0;
}

int bh_quantity_i64(const char *text, int64_t *ret)
{
	bool negative = *text == '-';
	uint64_t v;

	if (*text == '-' || *text == '+')
		text++;
	if (parse_digits(&text, &v) <= 0 || *text || v > (uint64_t)INT64_MAX + negative)
		return -EINVAL;
	*ret = negative ? (int64_t)(0 - v) : (int64_t)v;
	return 0;
}

int bh_quantity_u64(const char *text, uint64_t *ret)
{
	return parse_digits(&text, ret) > 0 && !*text ? 0 : -EINVAL;
}

int bh_quantity_bool(const char *text, bool *ret)
{
	static const char *const words[2][6] = {
		{ "0", "f", "F", "false", "False", "FALSE" },
		{ "1", "t", "T", "true", "True", "TRUE" },
	};

	for (int v = 0; v < 2; v++)
		for (size_t i = 0; i < BH_ARRAY_SIZE(words[v]); i++)
			if (!strcmp(text, words[v][i])) {
				*ret = v;
				return 0;
			}
	return -EINVAL;
}

int bh_quantity_duration(const char *text, int64_t *ret_ns)
{
	static const struct {
		const char *name;
		uint64_t ns;
	} units[] = {
		/* a name that starts with another stands before it */
		{ "ns", 1 },
		{ "us", 1000 },
		{ "µs", 1000 },
		{ "ms", 1000000 },
		{ "s", 1000000000 },
		{ "m", 60000000000 },
		{ "h", 3600000000000 },
	};
	bool negative = *text == '-';
	int64_t total = 0, part;
	struct decimal d;

	if (*text == '-' || *text == '+')
		text++;
	if (!strcmp(text, "0"))
		text++;
	else if (!*text)
		return -EINVAL;
	while (*text) {
		size_t i;

		if (parse_decimal(&text, &d) < 0)
			return -EINVAL;
		for (i = 0; i < BH_ARRAY_SIZE(units); i++)
			if (!strncmp(text, units[i].name, strlen(units[i].name)))
				break;
		if (i == BH_ARRAY_SIZE(units))
			return -EINVAL;
		text += strlen(units[i].name);
		if (decimal_times(&d, units[i].ns, &part) < 0 ||
		    __builtin_add_overflow(total, part, &total))
			return -EINVAL;
	}
	*ret_ns = negative ? -total : total;
	return 0;
}

int bh_quantity_size(const char *text, int64_t *ret_bytes)
{
	static const char prefixes[] = "kmgtp";
	uint64_t unit = 1;
	struct decimal d;
	const char *p;

	if (!strcmp(text, "-1")) {
		*ret_bytes = -1;
		return 0;
	}
	if (parse_decimal(&text, &d) < 0)
		return -EINVAL;
	if (*text == ' ')
		text++;
	p = *text ? strchr(prefixes, *text | 0x20) : NULL;
	if (p) {
		unit <<= 10 * (p - prefixes + 1);
		text++;
		if ((*text | 0x20) == 'i')
			text++;
	}
	if ((*text | 0x20) == 'b')
		text++;
	return *text ? -EINVAL : decimal_times(&d, unit, ret_bytes);
}

int bh_quantity_milli(const char *text, int64_t *ret_milli)
{
	struct decimal d;
	int64_t milli;
	uint64_t rest;

	if (parse_decimal(&text, &d) < 0)
		return -EINVAL;
	if (!strcmp(text, "m")) {
		rest = d.part;
		if (d.whole > INT64_MAX)
			return -EINVAL;
		milli = (int64_t)d.whole;
	} else {
		rest = d.part * MILLI % d.scale;
		if (*text || decimal_times(&d, MILLI, &milli) < 0)
			return -EINVAL;
	}
	if (rest)
		return -EINVAL;
	*ret_milli = milli;
	return 0;
}

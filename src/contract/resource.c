/* SPDX-License-Identifier: Apache-2.0 */
#include "contract/resource.h"

#include <ctype.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>

/* Digits that count: with the largest binary unit they still fit into 128 bits. */
#define DIGITS_MAX 20
/* Powers of ten beyond which an amount is nothing or the largest. */
#define EXPONENT_MAX 64

__extension__ typedef unsigned __int128 wide;

const char *const bh_resource_names[BH_RESOURCE_MAX_] = { "cpu", "memory" };

#define KI(n) (INT64_C(1) << (10 * (n)))
const struct bh_memory_unit bh_memory_units[] = {
	{ "Ei", KI(6) },
	{ "Pi", KI(5) },
	{ "Ti", KI(4) },
	{ "Gi", KI(3) },
	{ "Mi", KI(2) },
	{ "E", INT64_C(1000000000000000000) },
	{ "P", INT64_C(1000000000000000) },
	{ "T", INT64_C(1000000000000) },
	{ "G", INT64_C(1000000000) },
	{ "M", INT64_C(1000000) },
	{ "Ki", KI(1) },
	{ "k", 1000 },
};
const size_t bh_n_memory_units = BH_ARRAY_SIZE(bh_memory_units);

/* Powers by suffix. */
static const struct {
	const char *suffix;
	int tens, twos;
} suffixes[] = {
	{ "", 0, 0 },    { "n", -9, 0 },  { "u", -6, 0 },  { "m", -3, 0 },
	{ "k", 3, 0 },   { "M", 6, 0 },   { "G", 9, 0 },   { "T", 12, 0 },
	{ "P", 15, 0 },  { "E", 18, 0 },  { "Ki", 0, 10 }, { "Mi", 0, 20 },
	{ "Gi", 0, 30 }, { "Ti", 0, 40 }, { "Pi", 0, 50 }, { "Ei", 0, 60 },
};

struct number {
	wide digits;
	unsigned int n_digits; /* that count */
	int tens, twos;        /* powers that digits are to be multiplied with */
	bool rest;             /* there was more than digits say */
};

static void add_digit(struct number *n, int digit, bool fraction)
{
	if (n->n_digits == DIGITS_MAX) {
		n->rest |= digit != 0;
		n->tens += fraction || n->tens >= EXPONENT_MAX ? 0 : 1;
		return;
	}
	n->digits = n->digits * 10 + (unsigned int)digit;
	n->n_digits += n->digits != 0;
	n->tens -= fraction && n->tens > -EXPONENT_MAX ? 1 : 0;
}

/* Return: behind the digits; NULL when there are none */
static const char *read_digits(const char *text, struct number *n)
{
	bool fraction = false, any = false;

	for (; isdigit((unsigned char)*text) || (*text == '.' && !fraction); text++) {
		if (*text == '.') {
			fraction = true;
			continue;
		}
		any = true;
		add_digit(n, *text - '0', fraction);
	}
	return any ? text : NULL;
}

static int read_exponent(const char *text, struct number *n)
{
	bool negative = *text == '-';
	int exponent = 0;

	text += *text == '-' || *text == '+';
	if (!*text)
		return -EINVAL;
	for (; isdigit((unsigned char)*text); text++)
		if (exponent < 2 * EXPONENT_MAX)
			exponent = exponent * 10 + (*text - '0');
	n->tens += negative ? -exponent : exponent;
	return *text ? -EINVAL : 0;
}

static int read_suffix(const char *text, struct number *n)
{
	for (size_t i = 0; i < BH_ARRAY_SIZE(suffixes); i++)
		if (strcmp(suffixes[i].suffix, text) == 0) {
			n->tens += suffixes[i].tens;
			n->twos = suffixes[i].twos;
			return 0;
		}
	return *text == 'e' || *text == 'E' ? read_exponent(text + 1, n) : -EINVAL;
}

/* Rounded up, at most INT64_MAX. */
static int64_t value_of(const struct number *n)
{
	wide v = n->digits << n->twos;
	bool rest = n->rest;

	for (int i = n->tens; i > 0 && v <= INT64_MAX; i--)
		v *= 10;
	for (int i = n->tens; i < 0 && (v || rest); i++) {
		rest |= v % 10 != 0;
		v /= 10;
		if (!v)
			break;
	}
	v += rest;
	return v > INT64_MAX ? INT64_MAX : (int64_t)v;
}

int bh_amount_parse(enum bh_resource resource, const char *text, int64_t *ret)
{
	struct number n = { .tens = 0 };
	bool negative = *text == '-';
	const char *suffix = read_digits(text + (negative || *text == '+'), &n);
	int r = suffix ? read_suffix(suffix, &n) : -EINVAL;

	if (r < 0 || (negative && (n.digits || n.rest)))
		return -EINVAL;
	n.tens += resource == BH_RESOURCE_CPU ? 3 : 0;
	*ret = value_of(&n);
	return 0;
}

static const char *format_memory(int64_t bytes, char *buf)
{
	for (size_t i = 0; bytes && i < bh_n_memory_units; i++)
		if (bytes % bh_memory_units[i].bytes == 0) {
			snprintf(buf, BH_AMOUNT_BYTES, "%" PRId64 "%s",
				 bytes / bh_memory_units[i].bytes, bh_memory_units[i].suffix);
			return buf;
		}
	snprintf(buf, BH_AMOUNT_BYTES, "%" PRId64, bytes);
	return buf;
}

const char *bh_amount_format(enum bh_resource resource, int64_t amount, char buf[BH_AMOUNT_BYTES])
{
	bool whole = amount % 1000 == 0;

	if (resource == BH_RESOURCE_MEMORY)
		return format_memory(amount, buf);
	snprintf(buf, BH_AMOUNT_BYTES, "%" PRId64 "%s", whole ? amount / 1000 : amount,
		 whole ? "" : "m");
	return buf;
}

int64_t bh_amount_add(int64_t a, int64_t b)
{
	int64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

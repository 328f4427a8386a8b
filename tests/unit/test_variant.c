/* SPDX-License-Identifier: Apache-2.0 */
/* Values of unit properties in GVariant's text format. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "systemd/variant.h"

static struct bh_arena arena;

/* "SIGNATURE VALUE", or the error. */
static const char *parsed(const char *text)
{
	static char out[512];
	struct bh_err err = BH_ERR_INIT;
	struct bh_variant v;
	size_t n = 0;

	if (bh_variant_parse(&arena, text, &v, &err) < 0) {
		assert_int_equal(err.code, -EINVAL);
		return "refused";
	}
	switch (v.signature[0]) {
	case 'b':
		snprintf(out, sizeof(out), "b %s", v.b ? "true" : "false");
		break;
	case 'd':
		snprintf(out, sizeof(out), "d %g", v.d);
		break;
	case 's':
	case 'o':
		snprintf(out, sizeof(out), "%s %s", v.signature, v.s);
		break;
	case 'a':
		n = (size_t)snprintf(out, sizeof(out), "%s %zu", v.signature, v.items.n);
		for (size_t i = 0; i < v.items.n && strcmp(v.signature, "as") == 0; i++)
			n += (size_t)snprintf(out + n, sizeof(out) - n, " %s", v.items.v[i].s);
		break;
	default:
		snprintf(out, sizeof(out), "%s %lld", v.signature, (long long)v.i);
	}
	return out;
}

static void values_have_types(void **state)
{
	static const char *const cases[][2] = {
		{ "true", "b true" },
		{ " false ", "b false" },
		{ "boolean true", "b true" },
		{ "5", "i 5" },
		{ "-5", "i -5" },
		{ "0x10", "i 16" },
		{ "0x1e", "i 30" },
		{ "2.5", "d 2.5" },
		{ "1e3", "d 1000" },
		{ "double 2", "d 2" },
		{ "uint64 18446744073709551615", "t -1" },
		{ "int64 -9223372036854775808", "x -9223372036854775808" },
		{ "byte 255", "y 255" },
		{ "@t 7", "t 7" },
		{ "'it\\'s'", "s it's" },
		{ "\"a b\"", "s a b" },
		{ "objectpath '/a'", "o /a" },
		{ "['a', 'b']", "as 2 a b" },
		{ "[1,2,3]", "ai 3" },
		{ "[uint32 1, 2]", "refused" },
		{ "@as []", "as 0" },
		{ "@at [1, 2]", "at 2" },
		{ "[[1],[2]]", "aai 2" },
	};

	(void)state;
	for (size_t i = 0; i < BH_ARRAY_SIZE(cases); i++)
		assert_string_equal(parsed(cases[i][0]), cases[i][1]);
}

static void nonsense_is_refused(void **state)
{
	static const char *const cases[] = {
		"",
		"x",
		"truex",
		"'open",
		"'a' 'b'",
		"[]",
		"[1,",
		"[1 2]",
		"[1,'a']",
		"2147483648",
		"byte 256",
		"uint64 -1",
		"uint32 ''",
		"@",
		"@z 1",
		"@as 'a'",
		"@at [int32 1]",
		"int64 9223372036854775808",
		"'\\",
		"-",
		"[[[[[[[[[[[[1]]]]]]]]]]]]",
		"('a', 'b')",
		"{}",
		"<1>",
		"uint64",
		"99999999999999999999",
	};

	(void)state;
	for (size_t i = 0; i < BH_ARRAY_SIZE(cases); i++)
		assert_string_equal(parsed(cases[i]), "refused");
}

static void seconds_become_microseconds(void **state)
{
	static const struct {
		const char *text;
		int result;
		uint64_t usec;
	} cases[] = {
		{ "5", 0, 5000000 },
		{ "uint64 5", 0, 5000000 },
		{ "0.25", 0, 250000 },
		{ "-1", -EINVAL, 0 },
		{ "-1.5", -EINVAL, 0 },
		{ "1e300", -EINVAL, 0 },
		{ "uint64 18446744073709551615", -EINVAL, 0 },
		{ "'5'", -EINVAL, 0 },
		{ "[5]", -EINVAL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < BH_ARRAY_SIZE(cases); i++) {
		struct bh_variant v;

		assert_int_equal(bh_variant_parse(&arena, cases[i].text, &v, NULL), 0);
		assert_int_equal(bh_variant_to_usec(&v, NULL), cases[i].result);
		if (cases[i].result == 0) {
			assert_string_equal(v.signature, "t");
			assert_int_equal(v.u, cases[i].usec);
		}
	}
}

static int free_arena(void **state)
{
	(void)state;
	bh_arena_deinit(&arena);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_have_types),
		cmocka_unit_test(nonsense_is_refused),
		cmocka_unit_test(seconds_become_microseconds),
	};

	return cmocka_run_group_tests(tests, NULL, free_arena);
}

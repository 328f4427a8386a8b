/* SPDX-License-Identifier: Apache-2.0 */
/* The TOML that configuration is written in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/toml.h"

struct said {
	char text[8192];
	size_t len;
	const char *fail_at;
};

/* "key=kind:value;" each */
static int collect(void *arg, const char *key, const struct bh_toml_value *v, struct bh_err *err)
{
	static const char kinds[] = "sbi";
	struct said *said = arg;
	size_t room = sizeof(said->text) - said->len;
	int n;

	if (said->fail_at && strcmp(said->fail_at, key) == 0)
		return bh_err_as(err, BH_ERR_SPEC, -ENOTSUP, "not that");
	n = v->kind == BH_TOML_STRING
		    ? snprintf(said->text + said->len, room, "%s=s:%s;", key, v->text)
		    : snprintf(said->text + said->len, room, "%s=%c:%lld;", key, kinds[v->kind],
			       (long long)v->number);
	assert_in_range(n, 1, room - 1);
	said->len += (size_t)n;
	return 0;
}

static void reads(const char *text, const char *wanted)
{
	struct said said = { .len = 0 };
	struct bh_err err = BH_ERR_INIT;

	if (bh_toml_read(text, strlen(text), collect, &said, &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(said.text, wanted);
}

static void refuses(const char *text, const char *why)
{
	struct said said = { .len = 0 };
	struct bh_err err = BH_ERR_INIT;

	assert_int_equal(bh_toml_read(text, strlen(text), collect, &said, &err), -EINVAL);
	if (!strstr(err.text, why))
		fail_msg("'%s' does not say '%s'", err.text, why);
}

static void test_values(void **state)
{
	(void)state;
	reads("", "");
	reads("a = 'x'\nb=\"y\"\n  c\t= true # so\n\n# only this\nd = false\r\ne = -1_000\nf = +7",
	      "a=s:x;b=s:y;c=b:1;d=b:0;e=i:-1000;f=i:7;");
	/* As containerd 1.7 and 2.1 write it. */
	reads("Foo = \"bar\"\nTypeUrl = \"lab.options\"\n", "Foo=s:bar;TypeUrl=s:lab.options;");
	reads("Foo = 'bar'\nNum = 3\n", "Foo=s:bar;Num=i:3;");
	reads("a = ''\nb = \"\"\nc = '\\n'", "a=s:;b=s:;c=s:\\n;");
	reads("a = \"t\\tq\\\"b\\\\\\u00e9\\u20AC\\U0001F600\"",
	      "a=s:t\tq\"b\\\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80;");
}

static void test_tables_and_keys(void **state)
{
	(void)state;
	reads("a=1\n[t]\na=2\n[ t . u ] # x\na=3\n\"odd key\".b = 4\nc.d = 5",
	      "a=i:1;t.a=i:2;t.u.a=i:3;t.u.odd key.b=i:4;t.u.c.d=i:5;");
}

static void test_refusals(void **state)
{
	static const struct {
		const char *text, *why;
	} rows[] = {
		{ "a", "line 1: '=' was expected after 'a'" },
		{ "a = 1\nb =", "line 2: lists" },
		{ "a = 1 2", "line 1: more than one value" },
		{ "a = 'x", "line 1: a string has no end" },
		{ "a = 'x\ny'", "line 1: a string has no end" },
		{ "a = \"\\x\"", "line 1: a wrong escape" },
		{ "a = \"\\u12\"", "line 1: a wrong \\u" },
		{ "a = \"\\ud800\"", "is no character" },
		{ "a = \"\\u0000\"", "a NUL byte" },
		{ "a = \"\"\"x\"\"\"", "several lines" },
		{ "a = [1, 2]", "lists" },
		{ "a = {b = 1}", "lists and tables" },
		{ "a = 1.5", "'1.5' is no string" },
		{ "a = 1979-05-27", "is no string" },
		{ "a = 99999999999999999999", "is no string" },
		{ "a = truer", "'truer' is no string" },
		{ "[a", "line 1: the table's name has no end" },
		{ "[[a]]", "lists of tables" },
		{ "= 1", "a key was expected" },
		{ "a. = 1", "a key was expected" },
	};

	(void)state;
	for (size_t i = 0; i < BH_ARRAY_SIZE(rows); i++)
		refuses(rows[i].text, rows[i].why);
}

static void test_bounds(void **state)
{
	static char text[3 * BH_TOML_TEXT_BYTES];
	struct said said = { .fail_at = "b" };
	struct bh_err err = BH_ERR_INIT;
	const char nul[] = "a = 'x\0y'";

	(void)state;
	memset(text, 'k', sizeof(text) - 1);
	refuses(text, "more than 4095 bytes");
	memcpy(text, "a = '", 5);
	refuses(text, "more than 4095 bytes");
	assert_int_equal(bh_toml_read(nul, sizeof(nul) - 1, collect, &said, &err), -EINVAL);
	assert_int_equal(bh_toml_read("a=1\nb=2\nc=3", 11, collect, &said, &err), -ENOTSUP);
	assert_string_equal(said.text, "a=i:1;");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_tables_and_keys),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

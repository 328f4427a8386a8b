/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/option.h"
#include "base/quantity.h"

struct values {
	bool flag;
	struct bh_opt_bool tristate;
	const char *text, *choice;
	struct bh_strv list;
	struct bh_opt_i64 number, size;
	struct bh_opt_u64 positive;
	int64_t duration_ns;
};

static const char *const choices[] = { "red", "green", NULL };

static const struct bh_option rows[] = {
	{ .name = "flag",
	  .short_name = 'f',
	  .type = BH_OPTION_FLAG,
	  .offset = offsetof(struct values, flag) },
	{ .name = "tristate", .type = BH_OPTION_BOOL, .offset = offsetof(struct values, tristate) },
	{ .name = "text",
	  .short_name = 't',
	  .type = BH_OPTION_STRING,
	  .offset = offsetof(struct values, text) },
	{ .name = "choice",
	  .type = BH_OPTION_STRING,
	  .offset = offsetof(struct values, choice),
	  .choices = choices,
	  .fallback = "red" },
	{ .name = "list",
	  .short_name = 'l',
	  .type = BH_OPTION_STRINGS,
	  .offset = offsetof(struct values, list) },
	{ .name = "number",
	  .type = BH_OPTION_I64,
	  .offset = offsetof(struct values, number),
	  .min = -1,
	  .max = 10 },
	{ .name = "size",
	  .type = BH_OPTION_SIZE,
	  .flags = BH_OPTION_EMPTY_IS_UNSET,
	  .offset = offsetof(struct values, size) },
	{ .name = "positive", .type = BH_OPTION_U64, .offset = offsetof(struct values, positive) },
	{ .name = "duration",
	  .type = BH_OPTION_DURATION,
	  .offset = offsetof(struct values, duration_ns),
	  .fallback = "5s" },
};

static const struct bh_option_set anywhere = { .options = rows, .n = BH_ARRAY_SIZE(rows) };
static const struct bh_option_set in_front = { .options = rows,
					       .n = BH_ARRAY_SIZE(rows),
					       .stop_at_argument = true };

struct outcome {
	struct bh_arena arena;
	struct values values;
	struct bh_strv args;
	struct bh_err err;
	int r;
};

/* Parses the words up to NULL. */
static struct outcome parse(const struct bh_option_set *set, char **words)
{
	struct outcome o = { .arena = BH_ARENA_INIT };
	int n = 0;

	while (words[n])
		n++;
	o.r = bh_option_parse(&o.arena, set, n, words, &o.values, &o.args, &o.err);
	return o;
}

#define PARSE(set, ...) parse(set, (char *[]){ __VA_ARGS__, NULL })

/* The arguments as one text, with a bar after each. */
static const char *joined(struct outcome *o)
{
	const char *all = "";

	for (size_t i = 0; i < o->args.n; i++)
		all = bh_arena_printf(&o->arena, "%s%s|", all, o->args.v[i]);
	return all;
}

static void one_or_two_dashes_and_both_ways_of_values(void **state)
{
	static char *spellings[][3] = {
		{ (char *)"--text", (char *)"v", NULL },
		{ (char *)"-text", (char *)"v", NULL },
		{ (char *)"--text=v", NULL },
		{ (char *)"-text=v", NULL },
		{ (char *)"-t", (char *)"v", NULL },
		{ (char *)"-t=v", NULL },
		{ (char *)"--t=v", NULL },
	};

	(void)state;
	for (size_t i = 0; i < BH_ARRAY_SIZE(spellings); i++) {
		struct outcome o = parse(&anywhere, spellings[i]);

		assert_int_equal(o.r, 0);
		assert_string_equal(o.values.text, "v");
		assert_int_equal(o.args.n, 0);
		bh_arena_deinit(&o.arena);
	}
}

static void fallbacks_come_from_the_table(void **state)
{
	struct outcome o = PARSE(&anywhere, (char *)"id");

	(void)state;
	assert_int_equal(o.r, 0);
	assert_string_equal(o.values.choice, "red");
	assert_int_equal(o.values.duration_ns, 5000000000);
	assert_false(o.values.number.set);
	assert_false(o.values.tristate.set);
	assert_string_equal(joined(&o), "id|");
	assert_null(o.args.v[1]);
	bh_arena_deinit(&o.arena);
}

static void options_follow_arguments_only_where_the_set_allows(void **state)
{
	struct outcome a = PARSE(&anywhere, (char *)"id", (char *)"--flag", (char *)"--list",
				 (char *)"x", (char *)"-l=y", (char *)"-", (char *)"--",
				 (char *)"--flag");
	struct outcome b =
		PARSE(&in_front, (char *)"-f", (char *)"id", (char *)"--flag", (char *)"--");

	(void)state;
	assert_int_equal(a.r, 0);
	assert_true(a.values.flag);
	assert_int_equal(a.values.list.n, 2);
	assert_string_equal(a.values.list.v[0], "x");
	assert_string_equal(a.values.list.v[1], "y");
	assert_string_equal(joined(&a), "id|-|--flag|");
	assert_int_equal(b.r, 0);
	assert_true(b.values.flag);
	assert_string_equal(joined(&b), "id|--flag|--|");
	bh_arena_deinit(&a.arena);
	bh_arena_deinit(&b.arena);
}

static void a_value_may_look_like_an_option(void **state)
{
	struct outcome o = PARSE(&anywhere, (char *)"--size", (char *)"-1", (char *)"--text",
				 (char *)"--flag", (char *)"--number=-1");

	(void)state;
	assert_int_equal(o.r, 0);
	assert_int_equal(o.values.size.v, -1);
	assert_string_equal(o.values.text, "--flag");
	assert_int_equal(o.values.number.v, -1);
	assert_false(o.values.flag);
	bh_arena_deinit(&o.arena);
}

static void booleans_tell_given_from_true(void **state)
{
	struct outcome a = PARSE(&anywhere, (char *)"--tristate=false", (char *)"--flag=false");
	struct outcome b = PARSE(&anywhere, (char *)"--tristate", (char *)"id", (char *)"-f=1");

	(void)state;
	assert_true(a.values.tristate.set);
	assert_false(a.values.tristate.v);
	assert_false(a.values.flag);
	assert_true(b.values.tristate.v);
	assert_true(b.values.flag);
	assert_string_equal(joined(&b), "id|");
	bh_arena_deinit(&a.arena);
	bh_arena_deinit(&b.arena);
}

static void help_wins(void **state)
{
	struct outcome a = PARSE(&anywhere, (char *)"id", (char *)"--help");
	struct outcome b = PARSE(&in_front, (char *)"-h");
	struct outcome c = PARSE(&in_front, (char *)"id", (char *)"-h");

	(void)state;
	assert_int_equal(a.r, BH_OPTION_E_HELP);
	assert_int_equal(b.r, BH_OPTION_E_HELP);
	assert_int_equal(c.r, 0);
	bh_arena_deinit(&a.arena);
	bh_arena_deinit(&b.arena);
	bh_arena_deinit(&c.arena);
}

static void mistakes_name_the_option_and_the_value(void **state)
{
	static const struct {
		const char *word, *text;
	} cases[] = {
		{ "--nosuch", "flag provided but not defined: -nosuch" },
		{ "--nosuch=1", "flag provided but not defined: -nosuch" },
		{ "-ft", "flag provided but not defined: -ft" },
		{ "--nubmer=1", "flag provided but not defined: -nubmer; did you mean 'number'?" },
		{ "---flag", "bad flag syntax: ---flag" },
		{ "--=x", "bad flag syntax: --=x" },
		{ "--text", "flag needs an argument: -text" },
		{ "--flag=maybe", "invalid value \"maybe\" for flag -flag: parse error" },
		{ "--choice=blue", "invalid choice: blue (one of 'red', 'green')" },
		{ "--number=11", "invalid value \"11\" for flag -number: must be from -1 to 10" },
		{ "--number=", "invalid value \"\" for flag -number: parse error" },
		{ "--number=1x", "invalid value \"1x\" for flag -number: parse error" },
		{ "--positive=-1", "invalid value \"-1\" for flag -positive: parse error" },
		{ "--size=1q", "invalid value \"1q\" for flag -size: parse error" },
		{ "--duration=5", "invalid value \"5\" for flag -duration: parse error" },
	};

	(void)state;
	for (size_t i = 0; i < BH_ARRAY_SIZE(cases); i++) {
		struct outcome o = PARSE(&anywhere, (char *)cases[i].word);

		assert_int_equal(o.r, -EINVAL);
		assert_string_equal(o.err.text, cases[i].text);
		bh_arena_deinit(&o.arena);
	}
}

static void an_empty_number_may_mean_none(void **state)
{
	struct outcome o = PARSE(&anywhere, (char *)"--size", (char *)"");

	(void)state;
	assert_int_equal(o.r, 0);
	assert_false(o.values.size.set);
	bh_arena_deinit(&o.arena);
}

static void sizes_are_in_powers_of_1024(void **state)
{
	static const struct {
		const char *text;
		int64_t bytes; /* -2 = wrong */
	} cases[] = {
		{ "0", 0 },
		{ "4096", 4096 },
		{ "1k", 1024 },
		{ "1KiB", 1024 },
		{ "2 mb", 2 << 20 },
		{ "1.5g", 1610612736 },
		{ "0.5k", 512 },
		{ "1T", INT64_C(1) << 40 },
		{ "1p", INT64_C(1) << 50 },
		{ "-1", -1 },
		{ "9223372036854775807", INT64_MAX },
		{ "9223372036854775808", -2 },
		{ "8192p", -2 },
		{ "", -2 },
		{ "k", -2 },
		{ "-2", -2 },
		{ "1kk", -2 },
		{ "0x10", -2 },
		{ "99999999999999999999999", -2 },
	};

	(void)state;
	for (size_t i = 0; i < BH_ARRAY_SIZE(cases); i++) {
		int64_t bytes = -2;
		int r = bh_quantity_size(cases[i].text, &bytes);

		assert_int_equal(r, cases[i].bytes == -2 ? -EINVAL : 0);
		assert_int_equal(bytes, cases[i].bytes);
	}
}

static void durations_are_those_of_go(void **state)
{
	static const struct {
		const char *text;
		int64_t ns; /* -7 = wrong */
	} cases[] = {
		{ "0", 0 },
		{ "5s", 5000000000 },
		{ "1m30s", 90000000000 },
		{ "250ms", 250000000 },
		{ "1.5h", 5400000000000 },
		{ "10us", 10000 },
		{ "10µs", 10000 },
		{ "7ns", 7 },
		{ "-1s", -1000000000 },
		{ "5", -7 },
		{ "", -7 },
		{ "s", -7 },
		{ "5 s", -7 },
		{ "1s2", -7 },
		{ "9999999999h", -7 },
	};

	(void)state;
	for (size_t i = 0; i < BH_ARRAY_SIZE(cases); i++) {
		int64_t ns = -7;
		int r = bh_quantity_duration(cases[i].text, &ns);

		assert_int_equal(r, cases[i].ns == -7 ? -EINVAL : 0);
		assert_int_equal(ns, cases[i].ns);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_or_two_dashes_and_both_ways_of_values),
		cmocka_unit_test(fallbacks_come_from_the_table),
		cmocka_unit_test(options_follow_arguments_only_where_the_set_allows),
		cmocka_unit_test(a_value_may_look_like_an_option),
		cmocka_unit_test(booleans_tell_given_from_true),
		cmocka_unit_test(help_wins),
		cmocka_unit_test(mistakes_name_the_option_and_the_value),
		cmocka_unit_test(an_empty_number_may_mean_none),
		cmocka_unit_test(sizes_are_in_powers_of_1024),
		cmocka_unit_test(durations_are_those_of_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

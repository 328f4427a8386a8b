/* SPDX-License-Identifier: Apache-2.0 */
/* YAML as trees with lines, within limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/yaml.h"

/* {key@line=value …}, [ … ], 'quoted', plain; a node's own line before it. */
static void print(const struct bh_yaml *node, struct bh_buf *out)
{
	static const char brackets[][2] = {
		[BH_YAML_LIST] = { '[', ']' }, [BH_YAML_MAP] = { '{', '}' }
	};

	if (node->key)
		bh_buf_printf(out, "%s@%u=", node->key, node->key_line);
	bh_buf_printf(out, "%u:", node->line);
	if (node->kind == BH_YAML_SCALAR) {
		bh_buf_printf(out, node->quoted ? "'%s'" : "%s", node->text);
		return;
	}
	bh_buf_printf(out, "%c", brackets[node->kind][0]);
	bh_yaml_for_each (item, node) {
		if (item != node->first)
			bh_buf_puts(out, " ");
		print(item, out);
	}
	bh_buf_printf(out, "%c", brackets[node->kind][1]);
}

static int on_document(void *arg, const struct bh_yaml *root, struct bh_err *err)
{
	struct bh_buf *out = arg;

	(void)err;
	if (root)
		print(root, out);
	bh_buf_puts(out, ";");
	return 0;
}

static void reads(const char *text, const char *wanted)
{
	bh_auto_arena struct bh_arena arena = BH_ARENA_INIT;
	bh_auto_buf struct bh_buf out = BH_BUF_INIT;
	struct bh_err err = BH_ERR_INIT;

	if (bh_yaml_read(&arena, text, strlen(text), on_document, &out, NULL, &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(bh_buf_str(&out), wanted);
}

static void refuses(const char *text, size_t len, uint32_t line, int code, const char *why)
{
	bh_auto_arena struct bh_arena arena = BH_ARENA_INIT;
	bh_auto_buf struct bh_buf out = BH_BUF_INIT;
	struct bh_err err = BH_ERR_INIT;
	uint32_t at = 0;

	assert_int_equal(bh_yaml_read(&arena, text, len, on_document, &out, &at, &err), code);
	if (!strstr(err.text, why))
		fail_msg("'%s' does not say '%s'", err.text, why);
	assert_int_equal(at, line);
	/* Without anyone to hear it. */
	assert_int_equal(bh_yaml_read(&arena, text, len, on_document, &out, NULL, NULL), code);
}

static void test_trees(void **state)
{
	(void)state;
	reads("a: 1\nb: {c: [x, 'y', \"z\"], d: ~}\n# e\nf:\n  g: |\n    text\n",
	      "1:{a@1=1:1 b@2=2:{c@2=2:[2:x 2:'y' 2:'z'] d@2=2:~} f@4=5:{g@5=5:'text\n'}};");
	reads("- !!str 1\n- !!int 1\n- ! x\n", "1:[1:'1' 2:1 3:x];");
	reads("plain", "1:plain;");
	reads("", "");
	reads("# nothing\n", "");
	reads("---\n---\na: {}\n...\n---\nnull\n---\n[]\n", ";3:{a@3=3:{}};;8:[];");
}

static void test_aliases(void **state)
{
	(void)state;
	reads("a: &x {b: 1}\nc: *x\nd: [*x, *x]\n",
	      "1:{a@1=1:{b@1=1:1} c@2=1:{b@1=1:1} d@3=3:[1:{b@1=1:1} 1:{b@1=1:1}]};");
	reads("&k key: 1\nb: *k\n", "1:{key@1=1:1 b@2=1:key};");
	/* The later one of the same name; none of another document. */
	reads("[&a 1, *a, &a 2, *a]", "1:[1:1 1:1 1:2 1:2];");
	refuses("&a 1\n---\n*a\n", 12, 3, -EINVAL, "no anchor 'a'");
	refuses("a: &x [*x]\n", 11, 1, -EINVAL, "no anchor 'x'");
	refuses("&a x: 1\n*a : 2\n", 15, 2, -EINVAL, "an alias as a key");
}

static void test_laughs(void **state)
{
	bh_auto_buf struct bh_buf text = BH_BUF_INIT;

	(void)state;
	bh_buf_puts(&text, "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
	for (int i = 1; i < 10; i++) {
		bh_buf_printf(&text, "a%d: &a%d [", i, i);
		for (int j = 0; j < 10; j++)
			bh_buf_printf(&text, "%s*a%d", j ? "," : "", i - 1);
		bh_buf_puts(&text, "]\n");
	}
	/* 10^6 values stand behind the sixth line. */
	refuses(text.data, text.len, 6, -E2BIG, "more than 1000000 values");
}

static void test_depth(void **state)
{
	char text[2 * BH_YAML_DEPTH_MAX + 4];
	bh_auto_buf struct bh_buf aliases = BH_BUF_INIT;

	(void)state;
	memset(text, '[', BH_YAML_DEPTH_MAX + 1);
	refuses(text, BH_YAML_DEPTH_MAX + 1, 1, -E2BIG, "more than 64 levels");
	memset(text + BH_YAML_DEPTH_MAX, ']', BH_YAML_DEPTH_MAX);
	text[(size_t)2 * BH_YAML_DEPTH_MAX] = '\0';
	{
		bh_auto_arena struct bh_arena arena = BH_ARENA_INIT;
		bh_auto_buf struct bh_buf out = BH_BUF_INIT;

		assert_int_equal(
			bh_yaml_read(&arena, text, strlen(text), on_document, &out, NULL, NULL), 0);
	}
	bh_buf_puts(&aliases, "- &a0 x\n");
	for (int i = 1; i < 70; i++)
		bh_buf_printf(&aliases, "- &a%d [*a%d]\n", i, i - 1);
	refuses(aliases.data, aliases.len, 65, -E2BIG, "more than 64 levels");
}

static void test_refusals(void **state)
{
	static const struct {
		const char *text;
		uint32_t line;
		const char *why;
	} cases[] = {
		{ "a: 1\nb: 2\na: 3\n", 3, "'a' once more, after line 1" },
		{ "a: [1\nb: 2\n", 2, "no YAML: did not find expected ',' or ']'" },
		{ "a:\n\t- b\n", 2, "no YAML: found character that cannot start any token" },
		{ "a: !ruby/object x\n", 1, "the tag '!ruby/object' is not known" },
		{ "? [a]\n: b\n", 1, "a key that is no scalar" },
		{ "a: \"x\\0y\"\n", 1, "a NUL in a text" },
		{ "a: \xff\n", 1, "no YAML" },
		{ "a: 'x\n", 2, "no YAML" },
	};

	(void)state;
	for (size_t i = 0; i < BH_ARRAY_SIZE(cases); i++)
		refuses(cases[i].text, strlen(cases[i].text), cases[i].line, -EINVAL, cases[i].why);
}

static int stop(void *arg, const struct bh_yaml *root, struct bh_err *err)
{
	(void)root;
	return ++*(int *)arg < 2 ? 0 : bh_err_as(err, BH_ERR_STATE, -ECANCELED, "enough");
}

static void test_stop(void **state)
{
	bh_auto_arena struct bh_arena arena = BH_ARENA_INIT;
	struct bh_err err = BH_ERR_INIT;
	uint32_t line = 7;
	int n = 0;

	(void)state;
	assert_int_equal(bh_yaml_read(&arena, "a\n---\nb\n---\nc", 13, stop, &n, &line, &err),
			 -ECANCELED);
	assert_int_equal(n, 2);
	assert_int_equal(line, 0);
}

static int find_key(void *arg, const struct bh_yaml *root, struct bh_err *err)
{
	(void)arg;
	(void)err;
	assert_string_equal(bh_yaml_get(root, "b")->text, "2");
	assert_null(bh_yaml_get(root, "c"));
	assert_null(bh_yaml_get(bh_yaml_get(root, "a"), "a"));
	assert_true(bh_yaml_is_null(bh_yaml_get(root, "n")));
	assert_false(bh_yaml_is_null(bh_yaml_get(root, "q")));
	assert_false(bh_yaml_is_null(root));
	return 0;
}

static void test_find(void **state)
{
	static const char text[] = "{a: 1, b: 2, n: , q: ''}";
	bh_auto_arena struct bh_arena arena = BH_ARENA_INIT;

	(void)state;
	assert_int_equal(bh_yaml_read(&arena, text, sizeof(text) - 1, find_key, NULL, NULL, NULL),
			 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_trees),    cmocka_unit_test(test_aliases),
		cmocka_unit_test(test_laughs),   cmocka_unit_test(test_depth),
		cmocka_unit_test(test_refusals), cmocka_unit_test(test_stop),
		cmocka_unit_test(test_find),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

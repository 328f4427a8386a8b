/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <json-c/json_object.h>

#include "base/json.h"
#include "base/json_writer.h"

static void write_all(struct bh_json_writer *w)
{
	static const char *const texts[] = { "a", "b", NULL };
	static const char *const none[] = { NULL };

	bh_json_open(w, NULL, '{');
	bh_json_text(w, "te\"xt", "q\"\\\n\x01/");
	bh_json_text(w, "null", NULL);
	bh_json_bool(w, "yes", true);
	bh_json_i64(w, "low", INT64_MIN);
	bh_json_u64(w, "high", UINT64_MAX);
	bh_json_texts(w, "left out", none);
	bh_json_texts(w, "left out", NULL);
	bh_json_texts(w, "texts", texts);
	bh_json_open(w, "empty", '{');
	bh_json_close(w, '}');
	bh_json_open(w, "list", '[');
	bh_json_open(w, NULL, '[');
	bh_json_close(w, ']');
	bh_json_i64(w, NULL, -1);
	bh_json_close(w, ']');
	bh_json_close(w, '}');
}

static void compact_text_has_no_blanks(void **state)
{
	bh_auto_buf struct bh_buf buf = BH_BUF_INIT;
	struct bh_json_writer w = { .out = &buf };

	(void)state;
	write_all(&w);
	assert_string_equal(bh_buf_str(&buf),
			    "{\"te\\\"xt\":\"q\\\"\\\\\\n\\u0001/\",\"null\":null,\"yes\":true,"
			    "\"low\":-9223372036854775808,\"high\":18446744073709551615,"
			    "\"texts\":[\"a\",\"b\"],\"empty\":{},\"list\":[[],-1]}");
	assert_int_equal(w.depth, 0);
}

static void indented_text_has_a_member_a_line(void **state)
{
	bh_auto_buf struct bh_buf buf = BH_BUF_INIT;
	struct bh_json_writer w = { .out = &buf, .indent = "\t" };

	(void)state;
	bh_json_open(&w, NULL, '{');
	bh_json_open(&w, "list", '[');
	bh_json_i64(&w, NULL, 1);
	bh_json_open(&w, NULL, '{');
	bh_json_close(&w, '}');
	bh_json_close(&w, ']');
	bh_json_bool(&w, "no", false);
	bh_json_close(&w, '}');
	assert_string_equal(bh_buf_str(&buf),
			    "{\n\t\"list\": [\n\t\t1,\n\t\t{}\n\t],\n\t\"no\": false\n}");
}

static void what_is_written_can_be_read(void **state)
{
	bh_auto_buf struct bh_buf buf = BH_BUF_INIT;
	struct bh_json_writer w = { .out = &buf, .indent = "    " };
	struct json_object *tree = NULL, *value;
	struct bh_err err = BH_ERR_INIT;

	(void)state;
	write_all(&w);
	assert_int_equal(bh_json_parse(buf.data, buf.len, &tree, &err), 0);
	assert_int_equal(json_object_object_length(tree), 8);
	assert_true(json_object_object_get_ex(tree, "te\"xt", &value));
	assert_string_equal(json_object_get_string(value), "q\"\\\n\x01/");
	assert_true(json_object_object_get_ex(tree, "high", &value));
	assert_true(json_object_get_uint64(value) == UINT64_MAX);
	json_object_put(tree);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(compact_text_has_no_blanks),
		cmocka_unit_test(indented_text_has_a_member_a_line),
		cmocka_unit_test(what_is_written_can_be_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

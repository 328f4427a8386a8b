/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of a node: what a table's rows become, what follows for the runtimes, and the document. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"

static struct bh_arena arena;

static int fine(const void *context, struct bh_buf *found, struct bh_err *err)
{
	(void)err;
	bh_buf_puts(found, context);
	return 0;
}

static int lacks(const void *context, struct bh_buf *found, struct bh_err *err)
{
	(void)context;
	bh_buf_puts(found, "half of it");
	return bh_err_as(err, BH_ERR_STATE, -ENOENT, "it is \"gone\"");
}

static int spares(const void *context, struct bh_buf *found, struct bh_err *err)
{
	return lacks(context, found, err) < 0 ? BH_CHECK_E_SPARE : 0;
}

static const struct bh_check rows[] = {
	{ "good", BH_CHECK_ALL, true, fine, "nothing" },
	{ "optional", BH_CHECK_RUNC, false, lacks, "add it" },
	{ "spared", BH_CHECK_KATA, true, spares, "add that" },
	{ "bad", BH_CHECK_KATA, true, lacks, "mend it" },
};

static struct bh_check_report run(uint64_t runtimes)
{
	struct bh_check_report report = { .fit = 0 };
	struct bh_err err = BH_ERR_INIT;

	assert_int_equal(bh_check_run(&arena, rows, BH_ARRAY_SIZE(rows), runtimes, "all of it",
				      &report, &err),
			 0);
	bh_check_judge(&report, runtimes);
	return report;
}

static void a_row_becomes_a_result(void **state)
{
	struct bh_check_report report = run(BH_CHECK_ALL);
	const struct bh_check_result *one = report.checks.v;

	(void)state;
	assert_int_equal(report.checks.n, 4);
	assert_true(one[0].ok && one[0].required && !one[0].remedy);
	assert_string_equal(one[0].found, "all of it");
	assert_true(!one[1].ok && !one[1].required);
	assert_string_equal(one[1].found, "it is \"gone\"");
	assert_string_equal(one[1].remedy, "add it");
	assert_true(!one[2].ok && !one[2].required);
	assert_true(!one[3].ok && one[3].required);
}

static void what_is_required_and_lacking_makes_unfit(void **state)
{
	(void)state;
	assert_int_equal(run(BH_CHECK_ALL).fit, BH_CHECK_RUNC);
	assert_int_equal(run(BH_CHECK_KATA).fit, 0);
	assert_int_equal(run(BH_CHECK_RUNC).fit, BH_CHECK_RUNC);
	assert_int_equal(run(BH_CHECK_RUNC).checks.n, 2);
}

static void the_document_is_read_as_it_was_written(void **state)
{
	struct bh_check_report report = run(BH_CHECK_ALL), again = { .fit = 0 };
	bh_auto_buf struct bh_buf out = BH_BUF_INIT;
	struct bh_err err = BH_ERR_INIT;

	(void)state;
	bh_schema_write(&bh_check_schema, &report, &out);
	assert_int_equal(bh_schema_read(&bh_check_schema, &arena, out.data, out.len, &again, &err),
			 0);
	assert_int_equal(again.fit, report.fit);
	assert_int_equal(again.checks.n, report.checks.n);
	for (size_t i = 0; i < again.checks.n; i++) {
		const struct bh_check_result *a = &again.checks.v[i], *b = &report.checks.v[i];

		assert_string_equal(a->name, b->name);
		assert_string_equal(a->found, b->found);
		assert_int_equal(a->runtimes, b->runtimes);
		assert_int_equal(a->ok, b->ok);
		assert_int_equal(a->required, b->required);
		assert_int_equal(!a->remedy, !b->remedy);
	}
}

static int tear_down(void **state)
{
	(void)state;
	bh_arena_deinit(&arena);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(a_row_becomes_a_result, tear_down),
		cmocka_unit_test_teardown(what_is_required_and_lacking_makes_unfit, tear_down),
		cmocka_unit_test_teardown(the_document_is_read_as_it_was_written, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

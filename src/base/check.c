/* SPDX-License-Identifier: Apache-2.0 */
#include "base/check.h"

#include <errno.h>
#include <unistd.h>

static const struct bh_name runtimes_v[] = {
	{ "runc", BH_CHECK_RUNC },
	{ "kata", BH_CHECK_KATA },
};
const struct bh_names bh_check_runtimes = { runtimes_v, BH_ARRAY_SIZE(runtimes_v) };

static const struct bh_field result_fields[] = {
	BH_FIELD(struct bh_check_result, name, "name", .flags = BH_FIELD_REQUIRED),
	BH_FIELD(struct bh_check_result, runtimes, "runtimes", .names = &bh_check_runtimes),
	BH_FIELD(struct bh_check_result, required, "required"),
	BH_FIELD(struct bh_check_result, ok, "ok"),
	BH_FIELD(struct bh_check_result, found, "found"),
	BH_FIELD(struct bh_check_result, remedy, "remedy"),
};
static const struct bh_schema result_schema = BH_SCHEMA(struct bh_check_result, result_fields);

static const struct bh_field report_fields[] = {
	BH_FIELD_AS(BH_KIND_LIST, struct bh_check_report, checks, "checks", .sub = &result_schema),
	BH_FIELD(struct bh_check_report, fit, "fit", .names = &bh_check_runtimes),
};
const struct bh_schema bh_check_schema = BH_SCHEMA(struct bh_check_report, report_fields);

int bh_check_add(struct bh_arena *arena, struct bh_check_report *report,
		 const struct bh_check_result *result, struct bh_err *err)
{
	size_t n = report->checks.n;
	struct bh_check_result *grown =
		bh_arena_grow(arena, report->checks.v, n, n + 1, sizeof(*grown));

	if (!grown)
		return bh_err_oom(err);
	grown[n] = *result;
	report->checks.v = grown;
	report->checks.n = n + 1;
	return 0;
}

/* What an ordinary user was not let do says nothing of what the node has. */
static const char *remedy_of(const struct bh_check *row, const struct bh_err *why)
{
	const bool refused = why->domain == BH_ERR_OS &&
			     (why->code == -EPERM || why->code == -EACCES) && geteuid() != 0;

	if (!refused)
		return row->remedy;
	return row->remedy_refused ? row->remedy_refused : "check as root, who alone may look";
}

static int run_row(struct bh_arena *arena, const struct bh_check *row, const void *context,
		   struct bh_check_report *report, struct bh_err *err)
{
	char text[BH_ERR_LINE_BYTES];
	bh_auto_buf struct bh_buf found = BH_BUF_INIT;
	struct bh_err why = BH_ERR_INIT;
	int r = row->run(context, &found, &why);
	const struct bh_check_result result = {
		.name = row->name,
		.runtimes = row->runtimes,
		.required = row->required && r != BH_CHECK_E_SPARE,
		.ok = r == 0,
		.found = bh_arena_strdup(arena, r == 0 ? bh_buf_str(&found)
						       : bh_err_format(&why, text, sizeof(text))),
		.remedy = r == 0 ? NULL : remedy_of(row, &why),
	};

	return result.found && !found.failed ? bh_check_add(arena, report, &result, err)
					     : bh_err_oom(err);
}

int bh_check_run(struct bh_arena *arena, const struct bh_check *rows, size_t n, uint64_t runtimes,
		 const void *context, struct bh_check_report *report, struct bh_err *err)
{
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++)
		if (rows[i].runtimes & runtimes)
			r = run_row(arena, &rows[i], context, report, err);
	return r;
}

void bh_check_judge(struct bh_check_report *report, uint64_t runtimes)
{
	report->fit = runtimes;
	bh_for_each (one, report->checks)
		if (one->required && !one->ok)
			report->fit &= ~one->runtimes;
}

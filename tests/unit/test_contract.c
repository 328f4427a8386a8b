/* SPDX-License-Identifier: Apache-2.0 */
/* The rule book: quantities, what a pod is accounted with, and what the rules say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "contract/account.h"

#define CPU    BH_RESOURCE_CPU
#define MEMORY BH_RESOURCE_MEMORY
#define MIB    BH_POD_MIB

/* ---- quantities ---- */

static void quantities_are_read_exactly(void **state)
{
	static const struct {
		enum bh_resource resource;
		const char *text;
		int64_t amount;
		const char *printed;
	} rows[] = {
		{ CPU, "0", 0, "0" },
		{ CPU, "1", 1000, "1" },
		{ CPU, "+2", 2000, "2" },
		{ CPU, "-0", 0, "0" },
		{ CPU, "250m", 250, "250m" },
		{ CPU, "0.5", 500, "500m" },
		{ CPU, ".5", 500, "500m" },
		{ CPU, "2.", 2000, "2" },
		{ CPU, "1e3", 1000000, "1000" },
		{ CPU, "1E-3", 1, "1m" },
		{ CPU, "1000m", 1000, "1" },
		{ CPU, "0.0001", 1, "1m" }, /* finer than is accounted: rounded up */
		{ CPU, "1500u", 2, "2m" },
		{ CPU, "1n", 1, "1m" },
		{ CPU, "0.29", 290, "290m" },
		{ CPU, "2k", 2000000, "2000" },
		{ MEMORY, "128Mi", 128 * MIB, "128Mi" },
		{ MEMORY, "1Gi", 1024 * MIB, "1Gi" },
		{ MEMORY, "0.5Gi", 512 * MIB, "512Mi" },
		{ MEMORY, "1.5Gi", 1536 * MIB, "1536Mi" },
		{ MEMORY, "100M", 100000000, "100M" },
		{ MEMORY, "1e3", 1000, "1k" },
		{ MEMORY, "1e+9", 1000000000, "1G" },
		{ MEMORY, "1E", 1000000000000000000, "1E" },
		{ MEMORY, "1Ei", INT64_C(1) << 60, "1Ei" },
		{ MEMORY, "8Ei", INT64_MAX, "9223372036854775807" },
		{ MEMORY, "1e99999999999", INT64_MAX, "9223372036854775807" },
		{ MEMORY, "1e-99999999999", 1, "1" },
		{ MEMORY, "123456789", 123456789, "123456789" },
		{ MEMORY, "128974848000m", 128974848, "123Mi" },
		{ MEMORY, "1m", 1, "1" },
		{ MEMORY, "1025Ki", 1025 * 1024, "1025Ki" },
		{ MEMORY, "00000000000000000000000000000000000000000128Mi", 128 * MIB, "128Mi" },
		{ MEMORY, "0.00000000000000000000000000000000000000000001", 1, "1" },
		{ MEMORY, "1000000000000000000000000000000e-21", 1000000000, "1G" },
		{ MEMORY, "99999999999999999999999999", INT64_MAX, "9223372036854775807" },
	};
	char buf[BH_AMOUNT_BYTES];
	int64_t amount;

	(void)state;
	for (size_t i = 0; i < BH_ARRAY_SIZE(rows); i++) {
		if (bh_amount_parse(rows[i].resource, rows[i].text, &amount) < 0)
			fail_msg("'%s' was refused", rows[i].text);
		if (amount != rows[i].amount)
			fail_msg("'%s' is %lld", rows[i].text, (long long)amount);
		assert_string_equal(bh_amount_format(rows[i].resource, amount, buf),
				    rows[i].printed);
	}
}

static void what_is_no_quantity_is_refused(void **state)
{
	static const char *const texts[] = { "",     " 1",    "1 ",    "1K",   "1ki",  "Mi",
					     "-1",   "-1m",   "1.2.3", "1e",   "1ee3", "1e+",
					     "0x10", "1Mii",  "m",     ".",    "+",    "1,5",
					     "1mi",  "1_000", "ten",   "1e3Mi" };
	int64_t amount;

	(void)state;
	for (size_t i = 0; i < BH_ARRAY_SIZE(texts); i++)
		if (bh_amount_parse(CPU, texts[i], &amount) == 0)
			fail_msg("'%s' is %lld", texts[i], (long long)amount);
}

/* ---- accounting ---- */

static struct bh_container_demand limits(int64_t cpu, int64_t mib)
{
	return (struct bh_container_demand){ .limit = { { cpu, mib * MIB } },
					     .has_limit = { cpu > 0, mib > 0 } };
}

static void init_containers_count_with_the_sidecars_before_them(void **state)
{
	struct bh_container_demand sidecar = limits(100, 64), init = limits(2000, 128),
				   main_ = limits(500, 1024), none = limits(0, 0);
	struct bh_account a = { .mains = { { { 0 } } } };
	struct bh_demand d = { .host_network = false };

	(void)state;
	bh_account_add(&a, BH_CONTAINER_SIDECAR, &sidecar);
	bh_account_add(&a, BH_CONTAINER_INIT, &init);
	bh_account_add(&a, BH_CONTAINER_SIDECAR, &sidecar);
	bh_account_add(&a, BH_CONTAINER_MAIN, &main_);
	bh_account_sum(&a, &none, &d);
	assert_int_equal(d.limit.v[CPU], 2100);          /* the first sidecar and init */
	assert_int_equal(d.limit.v[MEMORY], 1152 * MIB); /* both sidecars and the container */
	assert_int_equal(d.request.v[CPU], 2100);
	assert_int_equal(d.request.v[MEMORY], 1152 * MIB);
}

static void what_is_said_of_the_pod_goes_first(void **state)
{
	struct bh_container_demand main_ = limits(500, 512), pod = limits(1000, 0);
	struct bh_account a = { .mains = { { { 0 } } } };
	struct bh_demand d = { .host_network = false };

	(void)state;
	bh_account_add(&a, BH_CONTAINER_MAIN, &main_);
	bh_account_sum(&a, &pod, &d);
	assert_int_equal(d.limit.v[CPU], 1000);
	assert_int_equal(d.request.v[CPU], 500); /* the containers' */
	assert_int_equal(d.limit.v[MEMORY], 512 * MIB);
	a = (struct bh_account){ .mains = { { { 0 } } } };
	bh_account_sum(&a, &pod, &d);
	assert_int_equal(d.request.v[CPU], 1000); /* the limit, when no container asks */
}

static void sums_do_not_wrap(void **state)
{
	struct bh_container_demand c = { .limit = { { INT64_MAX, INT64_MAX } },
					 .has_limit = { true, true } },
				   none = limits(0, 0);
	struct bh_account a = { .mains = { { { 0 } } } };
	struct bh_demand d;

	(void)state;
	bh_account_add(&a, BH_CONTAINER_SIDECAR, &c);
	bh_account_add(&a, BH_CONTAINER_MAIN, &c);
	bh_account_sum(&a, &none, &d);
	assert_int_equal(d.limit.v[MEMORY], INT64_MAX);
}

/* ---- rules ---- */

static struct bh_findings judge(int64_t cpu_request, int64_t cpu, int64_t request_mib, int64_t mib,
				const struct bh_rule_levels *levels)
{
	const struct bh_demand d = { .request = { { cpu_request, request_mib * MIB } },
				     .limit = { { cpu, mib * MIB } } };
	struct bh_findings found;

	bh_rules_judge(&d, levels, &found);
	return found;
}

static void the_guest_cannot_be_larger_than_what_can_be_said(void **state)
{
	(void)state;
	assert_int_equal(bh_pod_ram(256 * BH_POD_MIB), 304 * BH_POD_MIB);
	assert_in_range(bh_pod_ram(INT64_MAX), INT64_MAX - 2 * BH_POD_MIB, INT64_MAX);
	assert_in_range(bh_pod_ram(UINT64_MAX), INT64_MAX - 2 * BH_POD_MIB, INT64_MAX);
}

static void the_smallest_pod_has_nothing_to_hear(void **state)
{
	(void)state;
	assert_int_equal(judge(250, 250, 256, 256, NULL).n, 0);
	assert_int_equal(judge(1000, 1000, 8192, 8192, NULL).n, 0);
}

static void says(const struct bh_findings *found, size_t i, bool refused, const char *text)
{
	assert_true(found->n > i);
	assert_string_equal(found->v[i].text, text);
	assert_int_equal(found->v[i].refused, refused);
}

static void each_rule_says_what_it_found(void **state)
{
	struct bh_findings f = judge(500, 1000, 128, 256, NULL);

	(void)state;
	assert_int_equal(f.n, 3);
	assert_true(f.refused);
	says(&f, 0, true, "cpu request 500m differs from limit 1; they must be equal");
	says(&f, 1, true, "memory request 128Mi differs from limit 256Mi; they must be equal");
	says(&f, 2, false,
	     "cpu limit 1 to memory limit 256Mi: 1Gi to 8Gi for each core are recommended");
	f = judge(100, 0, 0, 0, NULL);
	assert_int_equal(f.n, 2);
	says(&f, 0, true, "cpu request 100m has no limit; they must be equal");
	says(&f, 1, false, "no memory limit; the pod gets the smallest size, 256Mi");
	f = judge(200, 200, 255, 255, NULL);
	assert_int_equal(f.n, 2);
	says(&f, 0, true, "cpu limit 200m is less than 250m, the smallest pod");
	says(&f, 1, true, "memory limit 255Mi is less than 256Mi, the smallest pod");
	f = judge(1000, 1000, 8193, 8193, NULL);
	assert_int_equal(f.n, 1);
	assert_false(f.refused);
}

static void levels_are_the_administrators(void **state)
{
	struct bh_rule_levels levels = { .v = { [BH_RULE_REQUESTS_EQUAL_LIMITS] = BH_RULE_WARN,
						[BH_RULE_SMALLEST_POD] = BH_RULE_OFF,
						[BH_RULE_RATIO] = BH_RULE_ENFORCE } };
	struct bh_findings f = judge(100, 200, 128, 128, &levels);

	(void)state;
	assert_int_equal(f.n, 2);
	says(&f, 0, false, "cpu request 100m differs from limit 200m; they must be equal");
	says(&f, 1, true,
	     "cpu limit 200m to memory limit 128Mi: 1Gi to 8Gi for each core are recommended");
	/* Advice stays advice. */
	levels.v[BH_RULE_SMALLEST_POD] = BH_RULE_ENFORCE;
	assert_false(judge(0, 0, 0, 0, &levels).refused);
}

/* The longest texts that there can be are not cut. */
static void texts_fit(void **state)
{
	struct bh_findings f;
	const struct bh_demand d = { .request = { { INT64_MAX, INT64_MAX } },
				     .limit = { { INT64_MAX - 1, INT64_MAX - 2 } } };

	(void)state;
	bh_rules_judge(&d, NULL, &f);
	for (size_t i = 0; i < f.n; i++) {
		assert_true(strlen(f.v[i].text) < BH_FINDING_BYTES - 1);
		assert_null(strchr(f.v[i].text, '{'));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quantities_are_read_exactly),
		cmocka_unit_test(what_is_no_quantity_is_refused),
		cmocka_unit_test(init_containers_count_with_the_sidecars_before_them),
		cmocka_unit_test(what_is_said_of_the_pod_goes_first),
		cmocka_unit_test(sums_do_not_wrap),
		cmocka_unit_test(the_guest_cannot_be_larger_than_what_can_be_said),
		cmocka_unit_test(the_smallest_pod_has_nothing_to_hear),
		cmocka_unit_test(each_rule_says_what_it_found),
		cmocka_unit_test(levels_are_the_administrators),
		cmocka_unit_test(texts_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

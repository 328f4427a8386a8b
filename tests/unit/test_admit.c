/* SPDX-License-Identifier: Apache-2.0 */
/* Manifests: what is found in them, where, and how they are mended. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "admit/admit.h"

static const struct bh_admit_terms defaults = BH_ADMIT_TERMS_INIT;

static struct bh_admit judge(const char *text, const char *runtime, struct bh_buf *out)
{
	struct bh_admit admit = { .out = out, .terms = defaults };
	struct bh_err err = BH_ERR_INIT;

	admit.terms.runtime = runtime;
	assert_int_equal(bh_admit_text(&admit, "f", text, strlen(text), &err), 0);
	return admit;
}

/* The report on @text has @words. */
static void says(const char *text, const char *words)
{
	bh_auto_buf struct bh_buf out = BH_BUF_INIT;

	judge(text, NULL, &out);
	if (!strstr(bh_buf_str(&out), words))
		fail_msg("'%s' lacks '%s'", bh_buf_str(&out), words);
}

#define POD(rest) \
	"apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec:\n  runtimeClassName: kata\n" rest
#define ONE(resources) POD("  containers:\n  - name: a\n    resources: " resources "\n")

static void the_line_and_field_are_told(void **state)
{
	(void)state;
	says(ONE("\n      limits: {cpu: 1, memory: 1Gi}\n      requests:\n        memory: 512Mi"),
	     "f:11: spec.containers[0].resources.requests.memory: pod \"web\": kata: memory "
	     "request "
	     "512Mi differs from limit 1Gi; they must be equal");
	says(POD("  hostNetwork: yes\n  containers: []\n"),
	     "f:6: spec.hostNetwork: pod \"web\": kata: the host's network is not supported");
	says(POD("  containers:\n  - {name: a}\n"),
	     "f:6: spec.containers: warning: pod \"web\": kata: no cpu limit; the pod gets");
	says(ONE("{requests: {cpu: 1}}"), "spec.containers[0].resources.requests.cpu: pod \"web\": "
					  "kata: cpu request 1 has no limit");
	says(ONE("{limits: {cpu: 1, memory: 200Mi}}"),
	     "spec.containers[0].resources.limits.memory: pod \"web\": kata: memory limit 200Mi is "
	     "less");
}

static void what_it_is_accounted_with_is_told(void **state)
{
	(void)state;
	says(ONE("{limits: {cpu: 0.5, memory: 256Mi}}"),
	     "kata: accepted; accounted cpu 600m, memory 356Mi; VM: 1 vCPU, 304Mi of RAM\n");
	says(ONE("{limits: {cpu: 1.5, memory: 2Gi}}"),
	     "runc: accepted; accounted cpu 1500m, memory 2Gi");
	says(ONE("{limits: {cpu: 1.5, memory: 2Gi}}"), "VM: 2 vCPUs, 2096Mi of RAM");
	says(ONE("{}"),
	     "accounted requests cpu 100m, memory 100Mi; limits cpu 0, memory 0; VM: 1 vCPU");
}

static size_t templates(const char *text)
{
	bh_auto_buf struct bh_buf out = BH_BUF_INIT;
	struct bh_admit admit = judge(text, NULL, &out);

	assert_int_equal(admit.n_faults, 0);
	return admit.n_templates;
}

#define SPEC "{containers: [{name: a}]}"

static void templates_are_found_in_their_kinds(void **state)
{
	(void)state;
	assert_int_equal(templates("kind: Pod\nspec: " SPEC), 1);
	assert_int_equal(
		templates("apiVersion: apps/v1\nkind: Deployment\nspec: {template: {spec: " SPEC
			  "}}\n---\napiVersion: batch/v1\nkind: CronJob\nspec: {jobTemplate: "
			  "{spec: {template: {spec: " SPEC "}}}}\n---\n# nothing\n---\n"
			  "apiVersion: v1\nkind: ConfigMap\ndata: {kind: Pod}\n"),
		2);
	/* Other groups' kinds of the same name. */
	assert_int_equal(templates("apiVersion: batch.example.org/v1\nkind: Job\nspec: {}\n"), 0);
	assert_int_equal(
		templates("apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Pod, "
			  "spec: " SPEC "}\n- {kind: Service}\n- text\n"),
		1);
	assert_int_equal(
		templates("kind: PodList\nitems:\n- {spec: " SPEC "}\n- {spec: " SPEC "}\n"), 2);
	assert_int_equal(
		templates("{\"kind\": \"Pod\", \"metadata\": {\"name\": \"\\ud83d\\ude00\"},\n"
			  "\"spec\": {\"containers\": [{\"name\": \"a\\/b\"}]}}"),
		1);
	assert_int_equal(templates(""), 0);
	assert_int_equal(templates("- a\n- list\n"), 0);
}

static void aliases_and_merges_are_followed(void **state)
{
	(void)state;
	says(POD("  containers:\n  - &a\n    name: a\n    resources: &r {limits: {cpu: 300m, "
		 "memory: "
		 "1Gi}}\n  - {name: b, resources: *r}\n  - {<<: *a, name: c}\n"),
	     "accounted cpu 1, memory 3172Mi");
}

static void what_is_printed_is_harmless(void **state)
{
	(void)state;
	says("kind: Pod\nmetadata: {name: \"a\\e[31m\\x9b\"}\nspec: {containers: []}\n",
	     "pod \"a?[31m??\"");
	says("kind: Pod\nspec: {containers: [{resources: {limits: {cpu: \"\\e[2J\"}}}]}\n",
	     "'?[2J' is no quantity");
}

static void numbers_are_yamls(void **state)
{
	(void)state;
	says(ONE("{limits: {cpu: 2, memory: 0x40000000}}"), "accounted cpu 2100m, memory 1124Mi");
	says(ONE("{limits: {cpu: '010', memory: 1_073_741_824}}"),
	     "accounted cpu 10100m, memory 1124Mi");
	says(ONE("{limits: {cpu: ~, memory: null}}"), "no memory limit");
}

static void faulty(const char *text, const char *words)
{
	bh_auto_buf struct bh_buf out = BH_BUF_INIT;
	struct bh_admit admit = judge(text, NULL, &out);

	assert_int_equal(admit.n_faults, 1);
	if (!strstr(bh_buf_str(&out), words))
		fail_msg("'%s' lacks '%s'", bh_buf_str(&out), words);
}

static void what_cannot_be_judged_is_told(void **state)
{
	(void)state;
	faulty("kind: Pod\n", "f:1: spec: it is missing");
	faulty("kind: Pod\nspec: {}\n", "f:2: spec: it has no containers");
	faulty("kind: Pod\nspec: {containers: no}\n", "f:2: spec.containers: no list");
	faulty(POD("  hostNetwork: \"true\"\n  containers: []\n"),
	       "f:6: spec.hostNetwork: 'true' is no boolean");
	faulty(ONE("{limits: {cpu: much}}"),
	       "f:8: spec.containers[0].resources.limits.cpu: 'much' is no quantity");
	faulty(ONE("{limits: {cpu: -1}}"), "'-1' is no quantity");
	faulty(ONE("[]"), "resources are no map");
	faulty(ONE("{limits: [cpu]}"), "limits are no map");
	faulty("kind: [\n", "f:2: no YAML");
	faulty("kind: Pod\nkind: Pod\n", "f:2: 'kind' once more");
	faulty("kind: Pod\n\x01", "no YAML: control characters");
}

/* ---- mending ---- */

static void mends(const char *text, const char *wanted)
{
	bh_auto_buf struct bh_buf out = BH_BUF_INIT, changes = BH_BUF_INIT, report = BH_BUF_INIT;
	struct bh_err err = BH_ERR_INIT;

	assert_int_equal(bh_admit_fix(&defaults, "f", text, strlen(text), &out, &changes, &err), 0);
	assert_string_equal(bh_buf_str(&out), wanted);
	assert_int_equal(judge(bh_buf_str(&out), NULL, &report).n_refused, 0);
	assert_true(changes.len > 0);
}

static void requests_are_raised_to_limits(void **state)
{
	(void)state;
	mends(ONE("# of a\n      requests:\n        cpu: 250m # few\n        memory: '1Gi'\n"
		  "      limits: {cpu: \"1\", memory: 2Gi}"),
	      ONE("# of a\n      requests:\n        cpu: 1 # few\n        memory: '2Gi'\n"
		  "      limits: {cpu: \"1\", memory: 2Gi}"));
}

static void missing_limits_are_added(void **state)
{
	(void)state;
	mends(ONE("\n      requests:\n        cpu: 1\n        memory: 2Gi"),
	      ONE("\n      limits:\n        memory: 2Gi\n        cpu: 1\n      requests:\n        "
		  "cpu: 1\n"
		  "        memory: 2Gi"));
	mends(ONE("{requests: {cpu: 1, memory: 2Gi}, limits: {}}"),
	      ONE("{requests: {cpu: 1, memory: 2Gi}, limits: {\"memory\": \"2Gi\", \"cpu\": "
		  "\"1\"}}"));
	mends(ONE("\n      limits:\n        cpu:\n      requests: {cpu: 1}"),
	      ONE("\n      limits:\n        cpu: \"1\"\n      requests: {cpu: 1}"));
	mends(ONE("\n      limits:\n      requests: {cpu: 1}"),
	      ONE("\n      limits: {\"cpu\": \"1\"}\n      requests: {cpu: 1}"));
}

static void small_pods_are_raised(void **state)
{
	(void)state;
	mends(ONE("{limits: {cpu: 100m, memory: 128Mi}}"),
	      ONE("{limits: {cpu: 250m, memory: 256Mi}}"));
	/* By the largest container; what runs before them does not help. */
	mends(POD("  initContainers:\n  - {name: i, resources: {limits: {memory: 64Mi}}}\n  "
		  "containers:\n"
		  "  - {name: a, resources: {limits: {memory: 10Mi}}}\n"
		  "  - {name: b, resources: {limits: {memory: 100Mi}, requests: {memory: "
		  "20Mi}}}\n"),
	      POD("  initContainers:\n  - {name: i, resources: {limits: {memory: 64Mi}}}\n  "
		  "containers:\n"
		  "  - {name: a, resources: {limits: {memory: 10Mi}}}\n"
		  "  - {name: b, resources: {limits: {memory: 246Mi}, requests: {memory: "
		  "246Mi}}}\n"));
}

/* Made equal, and then larger: one value, from what it was to what it is. */
static void a_value_is_told_once(void **state)
{
	static const char text[] =
		ONE("{requests: {cpu: 100m, memory: 100Mi}, limits: {cpu: 50m}}");
	bh_auto_buf struct bh_buf out = BH_BUF_INIT, changes = BH_BUF_INIT;
	struct bh_err err = BH_ERR_INIT;

	(void)state;
	assert_int_equal(bh_admit_fix(&defaults, "f", text, strlen(text), &out, &changes, &err), 0);
#define AT "f: pod \"web\": spec.containers[0].resources."
	assert_string_equal(bh_buf_str(&changes), AT "requests.cpu: 250m instead of 100m\n" AT
						     "requests.memory: 256Mi instead of 100Mi\n" AT
						     "limits.cpu: 250m instead of 50m\n" AT
						     "limits.memory: 256Mi added\n");
#undef AT
}

static void pods_are_mended_as_a_whole(void **state)
{
	(void)state;
	mends(POD("  resources: {limits: {cpu: 1}}\n  containers:\n  - {name: a, resources: "
		  "{requests: "
		  "{cpu: 500m}}}\n"),
	      POD("  resources: {requests: {cpu: 1}, limits: {cpu: 1}}\n  "
		  "containers:\n  - "
		  "{name: a, resources: {requests: {cpu: 500m}}}\n"));
}

static void shared_values_are_mended_once(void **state)
{
	(void)state;
	mends(POD("  containers:\n  - name: \xc3\xa4\xe2\x82\xac\n    resources: &r {limits: "
		  "{memory: &m "
		  "1Gi}, requests: {memory: 512Mi}}\n  - {name: b, resources: *r}\n"),
	      POD("  containers:\n  - name: \xc3\xa4\xe2\x82\xac\n    resources: &r {limits: "
		  "{memory: &m "
		  "1Gi}, requests: {memory: 1Gi}}\n  - {name: b, resources: *r}\n"));
}

static void json_stays_json(void **state)
{
	(void)state;
	mends("{\"kind\": \"Pod\", \"spec\": {\"runtimeClassName\": \"kata\", \"containers\": "
	      "[{\"name\": "
	      "\"a\", \"resources\": {\"requests\": {\"cpu\": 1}}}]}}",
	      "{\"kind\": \"Pod\", \"spec\": {\"runtimeClassName\": \"kata\", \"containers\": "
	      "[{\"name\": "
	      "\"a\", \"resources\": {\"limits\": {\"cpu\": \"1\"}, \"requests\": {\"cpu\": "
	      "1}}}]}}");
}

static void a_number_becomes_a_text(void **state)
{
	(void)state;
	mends("{\"kind\": \"Pod\", \"spec\": {\"runtimeClassName\": \"kata\", \"containers\": "
	      "[{\"name\": "
	      "\"a\", \"resources\": {\"limits\": {\"cpu\": 0.1, \"memory\": \"1Gi\"}}}]}}",
	      "{\"kind\": \"Pod\", \"spec\": {\"runtimeClassName\": \"kata\", \"containers\": "
	      "[{\"name\": "
	      "\"a\", \"resources\": {\"limits\": {\"cpu\": \"250m\", \"memory\": \"1Gi\"}}}]}}");
}

static void what_is_not_meant_for_it_stays(void **state)
{
	static const char text[] =
		"kind: Pod\nspec: {containers: [{name: a, resources: {requests: {cpu: 1}}}]}\n";
	bh_auto_buf struct bh_buf out = BH_BUF_INIT, changes = BH_BUF_INIT;
	struct bh_err err = BH_ERR_INIT;

	(void)state;
	assert_int_equal(bh_admit_fix(&defaults, "f", text, strlen(text), &out, &changes, &err), 0);
	assert_string_equal(bh_buf_str(&out), text);
	assert_int_equal(changes.len, 0);
}

/* A node may be milder, or stricter, and have another overhead. */
static void the_terms_are_anothers(void **state)
{
	static const char text[] =
		ONE("{requests: {memory: 200Mi}, limits: {cpu: 1, memory: 256Mi}}");
	const struct bh_admit_terms terms = { .levels.v = { [BH_RULE_REQUESTS_EQUAL_LIMITS] =
								    BH_RULE_WARN,
							    [BH_RULE_RATIO] = BH_RULE_ENFORCE },
					      .overhead.v = { 200, 128 * BH_POD_MIB } };
	bh_auto_buf struct bh_buf report = BH_BUF_INIT, out = BH_BUF_INIT, changes = BH_BUF_INIT;
	struct bh_admit admit = { .out = &report, .terms = terms };
	struct bh_err err = BH_ERR_INIT;

	(void)state;
	assert_int_equal(bh_admit_text(&admit, "f", text, strlen(text), &err), 0);
	assert_int_equal(admit.n_refused, 1);
	assert_non_null(strstr(bh_buf_str(&report), "limits cpu 1200m, memory 384Mi"));
	assert_non_null(strstr(bh_buf_str(&report), "warning: pod \"web\": kata: memory request"));
	assert_non_null(strstr(bh_buf_str(&report), ": pod \"web\": kata: cpu limit 1 to"));
	/* What is off is not mended. */
	admit.terms.levels.v[BH_RULE_REQUESTS_EQUAL_LIMITS] = BH_RULE_OFF;
	assert_int_equal(bh_admit_fix(&admit.terms, "f", text, strlen(text), &out, &changes, &err),
			 0);
	assert_string_equal(bh_buf_str(&out), text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_line_and_field_are_told),
		cmocka_unit_test(what_it_is_accounted_with_is_told),
		cmocka_unit_test(templates_are_found_in_their_kinds),
		cmocka_unit_test(aliases_and_merges_are_followed),
		cmocka_unit_test(what_is_printed_is_harmless),
		cmocka_unit_test(numbers_are_yamls),
		cmocka_unit_test(what_cannot_be_judged_is_told),
		cmocka_unit_test(requests_are_raised_to_limits),
		cmocka_unit_test(missing_limits_are_added),
		cmocka_unit_test(small_pods_are_raised),
		cmocka_unit_test(a_value_is_told_once),
		cmocka_unit_test(pods_are_mended_as_a_whole),
		cmocka_unit_test(shared_values_are_mended_once),
		cmocka_unit_test(json_stays_json),
		cmocka_unit_test(a_number_becomes_a_text),
		cmocka_unit_test(what_is_not_meant_for_it_stays),
		cmocka_unit_test(the_terms_are_anothers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

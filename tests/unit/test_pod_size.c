/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of a pod in a micro-VM, and the size of its VM. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"
#include "pod/vm/size.h"

#define MIB ((uint64_t)BH_POD_MIB)

static struct bh_arena arena;
static struct bh_config_set set;
static struct bh_config defaults;

static void parse(const char *linux_, const char *annotations, struct bh_spec *spec)
{
	struct bh_err err = BH_ERR_INIT;
	char text[2048];

	snprintf(text, sizeof(text),
		 "{\"ociVersion\":\"1.2.0\",\"process\":{\"cwd\":\"/\",\"args\":[\"true\"]},"
		 "\"root\":{\"path\":\"rootfs\"},\"linux\":{%s},\"annotations\":{%s}}",
		 linux_, annotations);
	assert_int_equal(bh_spec_parse(&arena, text, strlen(text), spec, &err), 0);
}

#define LIMITS(quota, period, memory)                                                      \
	"\"resources\":{\"cpu\":{\"quota\":" #quota ",\"period\":" #period "},\"memory\":" \
	"{\"limit\":" #memory "}}"

static struct bh_vm_size size_of(const char *linux_, const char *annotations)
{
	struct bh_err err = BH_ERR_INIT;
	struct bh_vm_size size;
	struct bh_spec spec;

	parse(linux_, annotations, &spec);
	assert_int_equal(bh_vm_size(&spec, &defaults, BH_ACCELERATOR_KVM, &size, &err), 0);
	return size;
}

/* By rules or by size. */
static void refused(const char *linux_, const char *annotations, const char *words)
{
	struct bh_err err = BH_ERR_INIT;
	struct bh_vm_size size;
	struct bh_spec spec;
	int r;

	parse(linux_, annotations, &spec);
	r = bh_vm_admit(&spec, "p", NULL, &err);
	r = r < 0 ? r : bh_vm_size(&spec, &defaults, BH_ACCELERATOR_KVM, &size, &err);
	assert_int_equal(r, -EINVAL);
	if (!strstr(err.text, words))
		fail_msg("'%s' lacks '%s'", err.text, words);
}

static void half_a_core_and_256_mib(void **state)
{
	struct bh_vm_size s = size_of(LIMITS(50000, 100000, 268435456), "");

	(void)state;
	assert_int_equal(s.vcpus, 1);
	assert_int_equal(s.memory, 256 * MIB);
	assert_true(s.ram > s.memory && s.ram % (2 * MIB) == 0);
	assert_int_equal(s.cgroup_quota_usec, 60000);         /* 0.6 core */
	assert_int_equal(s.cgroup_memory, (256 + 100) * MIB); /* 356 MiB */
}

static void cores_are_rounded_up(void **state)
{
	(void)state;
	assert_int_equal(size_of(LIMITS(100000, 100000, 1073741824), "").vcpus, 1);
	assert_int_equal(size_of(LIMITS(100001, 100000, 1073741824), "").vcpus, 2);
	assert_int_equal(size_of(LIMITS(150000, 50000, 1073741824), "").vcpus, 3);
}

static void no_limits_are_the_smallest_pod(void **state)
{
	struct bh_vm_size s = size_of("", "");

	(void)state;
	assert_int_equal(s.vcpus, 1);
	assert_int_equal(s.memory, 256 * MIB);
	assert_int_equal(s.cgroup_quota_usec, 35000);
	assert_false(s.cpu_given || s.memory_given);
}

static void the_sandbox_counts_before_the_container(void **state)
{
	struct bh_vm_size s = size_of(LIMITS(50000, 100000, 268435456),
				      "\"io.kubernetes.cri.sandbox-cpu-quota\":\"200000\","
				      "\"io.kubernetes.cri.sandbox-cpu-period\":\"100000\","
				      "\"io.kubernetes.cri.sandbox-memory\":\"1073741824\"");

	(void)state;
	assert_int_equal(s.vcpus, 2);
	assert_int_equal(s.memory, 1024 * MIB);
}

/* containerd writes zeros for what the pod does not have. */
static void zero_is_no_limit(void **state)
{
	struct bh_vm_size s = size_of("", "\"io.kubernetes.cri.sandbox-cpu-quota\":\"0\","
					  "\"io.kubernetes.cri.sandbox-memory\":\"0\"");

	(void)state;
	assert_false(s.cpu_given || s.memory_given);
}

static void emulation_has_more_memory(void **state)
{
	struct bh_err err = BH_ERR_INIT;
	struct bh_vm_size size;
	struct bh_spec spec;

	(void)state;
	parse(LIMITS(50000, 100000, 268435456), "", &spec);
	assert_int_equal(bh_vm_size(&spec, &defaults, BH_ACCELERATOR_EMULATION, &size, &err), 0);
	assert_true(size.cgroup_memory > (256 + 100) * MIB);
}

static void config_is(const char *text, struct bh_config *ret)
{
	struct bh_err err = BH_ERR_INIT;

	assert_int_equal(bh_config_read(&set, "t", text, strlen(text), &err), 0);
	assert_int_equal(bh_config_resolve(&set, "kata", NULL, ret, NULL, &err), 0);
}

/* The administrator's numbers: the overhead that is declared, the largest pod. */
static void configuration(void **state)
{
	struct bh_err err = BH_ERR_INIT;
	struct bh_vm_size size;
	struct bh_config config;
	struct bh_spec spec;

	(void)state;
	config_is("overhead: {cpu: 0.25, memory: 64MiB}\nlargest: {cpu: 0.5, memory: 512MiB}\n",
		  &config);
	parse(LIMITS(50000, 100000, 536870912), "", &spec);
	assert_int_equal(bh_vm_size(&spec, &config, BH_ACCELERATOR_KVM, &size, &err), 0);
	assert_int_equal(size.cgroup_quota_usec, 75000);
	assert_int_equal(size.overhead_usec, 25000);
	assert_int_equal(size.cgroup_memory, (512 + 64) * MIB);
	parse(LIMITS(50001, 100000, 536870912), "", &spec);
	assert_int_equal(bh_vm_size(&spec, &config, BH_ACCELERATOR_KVM, &size, &err), -EINVAL);
	assert_string_equal(
		err.text, "kata: cpu limit 501m is more than 500m, the largest pod (largest.cpu)");
	parse(LIMITS(50000, 100000, 1073741824), "", &spec);
	assert_int_equal(bh_vm_size(&spec, &config, BH_ACCELERATOR_KVM, &size, &err), -EINVAL);
	assert_string_equal(
		err.text,
		"kata: memory limit 1Gi is more than 512Mi, the largest pod (largest.memory)");
}

#define NETWORK             "\"namespaces\":[{\"type\":\"network\"}]"
#define NETWORK_AND(limits) NETWORK "," limits

static void less_than_the_smallest_is_refused(void **state)
{
	(void)state;
	refused(NETWORK_AND(LIMITS(24999, 100000, 268435456)), "",
		"pod \"p\": kata: cpu limit 249m is less than 250m, the smallest pod");
	refused(NETWORK_AND(LIMITS(50000, 100000, 268435455)), "",
		"memory limit 268435455 is less than 256Mi, the smallest pod");
	refused(NETWORK, "\"io.kubernetes.cri.sandbox-memory\":\"134217728\"",
		"memory limit 128Mi is less than 256Mi");
	assert_int_equal(size_of(LIMITS(25000, 100000, 268435456), "").vcpus, 1);
}

static void nonsense_is_refused(void **state)
{
	(void)state;
	refused("", "\"io.kubernetes.cri.sandbox-memory\":\"much\"", "'much' is not a number");
	refused(NETWORK_AND(LIMITS(100000000, 100000, 268435456)), "",
		"kata: cpu limit 1000 is more than 255, the largest pod (largest.cpu)");
}

static void the_hosts_network_is_refused(void **state)
{
	struct bh_rule_levels levels = { .v[BH_RULE_HOST_NETWORK] = BH_RULE_WARN };
	struct bh_err err = BH_ERR_INIT;
	struct bh_spec spec;

	(void)state;
	refused("\"namespaces\":[{\"type\":\"pid\"}]", "",
		"pod \"p\": kata: the host's network is not supported");
	parse(NETWORK, "", &spec);
	assert_int_equal(bh_vm_admit(&spec, "p", NULL, &err), 0);
	parse("\"namespaces\":[{\"type\":\"pid\"}]", "", &spec);
	assert_int_equal(bh_vm_admit(&spec, "p", &levels, &err), 0);
}

#define SANDBOX(shares, quota)                                      \
	"\"io.kubernetes.cri.sandbox-name\":\"web\","               \
	"\"io.kubernetes.cri.sandbox-cpu-shares\":\"" #shares "\"," \
	"\"io.kubernetes.cri.sandbox-cpu-quota\":\"" #quota "\","   \
	"\"io.kubernetes.cri.sandbox-memory\":\"1073741824\""

static void a_request_that_is_not_the_limit_is_refused(void **state)
{
	struct bh_err err = BH_ERR_INIT;
	struct bh_spec spec;

	(void)state;
	refused(NETWORK, SANDBOX(256, 50000),
		"pod \"web\": kata: cpu request 250m differs from limit 500m; they must be equal");
	refused(NETWORK, SANDBOX(2, 50000), "cpu request 0 differs from limit 500m");
	refused(NETWORK, SANDBOX(102, 0), "cpu request 100m has no limit");
	refused(NETWORK ",\"resources\":{\"memory\":{\"limit\":268435456,"
			"\"reservation\":134217728}}",
		"",
		"pod \"p\": kata: memory request 128Mi differs from limit 256Mi; they must be "
		"equal");
	parse(NETWORK, SANDBOX(512, 50000), &spec);
	assert_int_equal(bh_vm_admit(&spec, "p", NULL, &err), 0);
	parse(NETWORK, SANDBOX(0, 50000), &spec); /* not told */
	assert_int_equal(bh_vm_admit(&spec, "p", NULL, &err), 0);
	parse(NETWORK, SANDBOX(2, 0), &spec); /* as the kubelet does for a pod without any */
	assert_int_equal(bh_vm_admit(&spec, "p", NULL, &err), 0);
}

/* All that a request can be comes back from the shares that the kubelet makes of it. */
static void requests_come_back_from_shares(void **state)
{
	char annotations[256], words[64];

	(void)state;
	for (int milli = 3; milli < 1000; milli += 7) {
		snprintf(annotations, sizeof(annotations),
			 "\"io.kubernetes.cri.sandbox-cpu-shares\":\"%d\"", milli * 1024 / 1000);
		snprintf(words, sizeof(words), "cpu request %dm has no limit", milli);
		refused(NETWORK, annotations, words);
	}
}

static bool hidden(const char *linux_)
{
	struct bh_err err = BH_ERR_INIT;
	struct bh_demand demand;
	struct bh_spec spec;

	parse(linux_, SANDBOX(512, 50000), &spec);
	assert_int_equal(bh_vm_demand(&spec, &demand, &err), 0);
	return bh_vm_request_hidden(&spec, &demand);
}

static void the_kubelets_class_tells_of_memory_requests(void **state)
{
	(void)state;
	assert_true(hidden("\"cgroupsPath\":\"/kubepods/burstable/pod1/c\""));
	assert_true(hidden("\"cgroupsPath\":\"kubepods-burstable-pod1.slice:cri-containerd:c\""));
	assert_false(hidden("\"cgroupsPath\":\"/kubepods/pod1/c\""));
	assert_false(hidden("\"cgroupsPath\":\"/burstable/c\""));
	assert_false(hidden(NETWORK));
}

static void a_container_larger_than_its_pod_is_told_of(void **state)
{
	struct bh_vm_size size = size_of("", "");
	struct bh_spec spec;

	(void)state;
	parse(LIMITS(25000, 100000, 268435456), "", &spec);
	assert_int_equal(bh_vm_outgrown(&spec, "c", &size, "p"), 0);
	parse("", "", &spec);
	assert_int_equal(bh_vm_outgrown(&spec, "c", &size, "p"), 0);
	parse(LIMITS(50000, 100000, 268435456), "", &spec);
	assert_int_equal(bh_vm_outgrown(&spec, "c", &size, "p"), 1);
	parse(LIMITS(50000, 100000, 268435457), "", &spec);
	assert_int_equal(bh_vm_outgrown(&spec, "c", &size, "p"), 2);
}

static int set_up(void **state)
{
	(void)state;
	if (bh_config_resolve(&set, "kata", NULL, &defaults, NULL, NULL) < 0)
		return -1;
	return bh_log_open("/dev/null", BH_LOG_TEXT, BH_LOG_ERROR, NULL);
}

static int tear_down(void **state)
{
	(void)state;
	bh_arena_deinit(&arena);
	bh_config_set_deinit(&set);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(half_a_core_and_256_mib),
		cmocka_unit_test(cores_are_rounded_up),
		cmocka_unit_test(no_limits_are_the_smallest_pod),
		cmocka_unit_test(the_sandbox_counts_before_the_container),
		cmocka_unit_test(zero_is_no_limit),
		cmocka_unit_test(emulation_has_more_memory),
		cmocka_unit_test(configuration),
		cmocka_unit_test(less_than_the_smallest_is_refused),
		cmocka_unit_test(nonsense_is_refused),
		cmocka_unit_test(the_hosts_network_is_refused),
		cmocka_unit_test(a_request_that_is_not_the_limit_is_refused),
		cmocka_unit_test(requests_come_back_from_shares),
		cmocka_unit_test(a_container_larger_than_its_pod_is_told_of),
		cmocka_unit_test(the_kubelets_class_tells_of_memory_requests),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}

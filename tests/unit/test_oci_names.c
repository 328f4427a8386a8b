/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "base/buf.h"
#include "oci/features.h"
#include "oci/names.h"

static void signals_have_many_spellings(void **state)
{
	static const struct {
		const char *text;
		int want;
	} cases[] = {
		{ "TERM", SIGTERM },
		{ "SIGTERM", SIGTERM },
		{ "term", SIGTERM },
		{ "sigKill", SIGKILL },
		{ "15", 15 },
		{ "0", 0 },
		{ "64", 64 },
		{ "IOT", SIGABRT },
		{ "CLD", SIGCHLD },
		{ "POLL", SIGIO },
		{ "SYS", SIGSYS },
		{ "RTMIN", 34 },
		{ "SIGRTMIN+3", 37 },
		{ "rtmin+0", 34 },
		{ "RTMIN+30", 64 },
		{ "RTMAX", 64 },
		{ "RTMAX-1", 63 },
		{ "SIGRTMAX-30", 34 },
		{ "65", -EINVAL },
		{ "-1", -EINVAL },
		{ "+1", -EINVAL },
		{ "", -EINVAL },
		{ "SIG", -EINVAL },
		{ "SIG9", -EINVAL },
		{ "FOO", -EINVAL },
		{ "SIGSIGTERM", -EINVAL },
		{ "9 ", -EINVAL },
		{ "RTMIN+31", -EINVAL },
		{ "RTMIN-1", -EINVAL },
		{ "RTMIN+", -EINVAL },
		{ "RTMAX+1", -EINVAL },
		{ "RTMIN+-1", -EINVAL },
		{ "4294967305", -EINVAL },
	};

	(void)state;
	for (size_t i = 0; i < BH_ARRAY_SIZE(cases); i++)
		if (bh_signal_parse(cases[i].text) != cases[i].want)
			fail_msg("%s: %d", cases[i].text, bh_signal_parse(cases[i].text));
}

/* The C library knows the same signals by the same names. */
static void signals_are_those_of_the_library(void **state)
{
	(void)state;
	for (int sig = 1; sig < 32; sig++)
		assert_int_equal(bh_signal_parse(sigabbrev_np(sig)), sig);
	assert_int_equal(bh_signal_parse("RTMIN"), SIGRTMIN);
	assert_int_equal(bh_signal_parse("RTMAX"), SIGRTMAX);
}

static void tables_map_both_ways(void **state)
{
	static const struct bh_names *const tables[] = {
		&bh_names_capability,   &bh_names_rlimit,       &bh_names_namespace,
		&bh_names_sched_policy, &bh_names_sched_flag,   &bh_names_ioprio_class,
		&bh_names_seccomp_op,   &bh_names_hook,         &bh_names_seccomp_action,
		&bh_names_seccomp_arch, &bh_names_seccomp_flag, &bh_names_mpol_mode,
		&bh_names_mpol_flag,    &bh_names_propagation,  &bh_names_personality,
	};

	(void)state;
	for (size_t i = 0; i < BH_ARRAY_SIZE(tables); i++)
		for (size_t k = 0; k < tables[i]->n; k++) {
			const struct bh_name *name = &tables[i]->v[k];

			assert_int_equal(bh_names_find(tables[i], name->name, -7), name->value);
			assert_string_equal(bh_names_of(tables[i], name->value), name->name);
		}
	assert_int_equal(bh_names_find(&bh_names_rlimit, "rlimit_cpu", -7), -7);
	assert_null(bh_names_of(&bh_names_rlimit, 99));
}

static void features_are_one_document(void **state)
{
	static const char *const hooks[] = { "prestart", "createRuntime", NULL };
	static const char *const options[] = { "rw", "bind", NULL };
	static const char *const actions[] = { "SCMP_ACT_LOG", "SCMP_ACT_ALLOW", NULL };
	static const char *const none[] = { NULL };
	static const char *const unsafe[] = { "bundle", "org.systemd.property.", NULL };
	static const char *const wanted[] = {
		"{\n    \"ociVersionMin\": \"1.0.0\",\n    \"ociVersionMax\": \"1.3.0\",\n"
		"    \"hooks\": [\n        \"prestart\",\n        \"createRuntime\"\n    ],\n",
		"    \"mountOptions\": [\n        \"bind\",\n        \"rw\"\n    ],\n",
		"        \"namespaces\": [\n            \"cgroup\",\n            \"ipc\",\n",
		"            \"CAP_CHECKPOINT_RESTORE\"\n        ],\n",
		"        \"cgroup\": {\n            \"v1\": true,\n            \"v2\": false,\n",
		"            \"actions\": [\n                \"SCMP_ACT_ALLOW\",\n"
		"                \"SCMP_ACT_LOG\"\n            ]\n        },\n",
		"        \"apparmor\": {\n            \"enabled\": true\n        },\n",
		"        \"selinux\": {\n            \"enabled\": false\n        },\n",
		"            \"schemata\": true,\n            \"monitoring\": false\n",
		"            \"modes\": [\n                \"MPOL_BIND\",\n",
		"                \"MPOL_F_STATIC_NODES\"\n            ]\n        },\n",
		"        \"mountExtensions\": {\n            \"idmap\": {\n"
		"                \"enabled\": true\n            }\n        },\n",
		"        \"netDevices\": {\n            \"enabled\": true\n        }\n    },\n",
		"    \"annotations\": {\n        \"bulkhead.commit\": \"abc\",\n"
		"        \"bulkhead.version\": \"9\",\n"
		"        \"io.github.seccomp.libseccomp.version\": \"2.5.4\"\n    },\n",
		"    \"potentiallyUnsafeConfigAnnotations\": [\n        \"bundle\",\n"
		"        \"org.systemd.property.\"\n    ]\n}\n",
	};
	const struct bh_features features = {
		.hooks = hooks,
		.mount_options = options,
		.cgroup = { .v1 = true },
		.seccomp = { .actions = actions, .archs = none, .library_version = "2.5.4" },
		.intel_rdt = { .schemata = true },
		.apparmor = true,
		.id_mapped_mounts = true,
		.net_devices = true,
		.memory_policy = true,
		.version = "9",
		.commit = "abc",
		.unsafe_annotations = unsafe,
	};
	bh_auto_buf struct bh_buf buf = BH_BUF_INIT;
	const char *at;

	(void)state;
	bh_features_json(&features, &buf);
	at = bh_buf_str(&buf);
	for (size_t i = 0; i < BH_ARRAY_SIZE(wanted); i++) {
		at = strstr(at, wanted[i]);
		if (!at)
			fail_msg("not there, or not in this place: %s", wanted[i]);
		at += strlen(wanted[i]);
	}
	assert_string_equal(at, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(signals_have_many_spellings),
		cmocka_unit_test(signals_are_those_of_the_library),
		cmocka_unit_test(tables_map_both_ways),
		cmocka_unit_test(features_are_one_document),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

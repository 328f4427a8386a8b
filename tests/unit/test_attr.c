/* SPDX-License-Identifier: Apache-2.0 */
/* Attributes of a process, each set in a child and asked for again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <linux/ioprio.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/path.h"
#include "base/sys.h"
#include "linux/attr.h"

#define SKIP 77

static int open_proc(const char *path)
{
	return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* Return: the exit status of @act in a child, 0 = as it should be */
static int in_child(int (*act)(void))
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(act());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void check(const char *what, int (*act)(void))
{
	int status = in_child(act);

	if (status == SKIP)
		print_message("skipped: %s: not possible here\n", what);
	else if (status != 0)
		fail_msg("%s: step %d", what, status);
}

/* ---- limits ---------------------------------------------------------------------------------- */

static int act_rlimits(void)
{
	struct bh_rlimit limits[] = {
		{ .resource = RLIMIT_NOFILE, .name = "RLIMIT_NOFILE", .soft = 100, .hard = 200 },
		{ .resource = RLIMIT_CORE, .name = "RLIMIT_CORE", .soft = 0, .hard = 0 },
	};
	const struct bh_process process = { .rlimits = { limits, 2 } };
	struct rlimit got;
	struct bh_err err = BH_ERR_INIT;

	if (bh_attr_rlimits(0, &process, &err) < 0)
		return 1;
	getrlimit(RLIMIT_NOFILE, &got);
	if (got.rlim_cur != 100 || got.rlim_max != 200)
		return 2;
	getrlimit(RLIMIT_CORE, &got);
	if (got.rlim_cur != 0 || got.rlim_max != 0)
		return 3;
	limits[0].soft = 300;
	if (bh_attr_rlimits(0, &process, &err) != -EINVAL)
		return 4;
	return !strstr(err.text, "RLIMIT_NOFILE") || !strstr(err.text, "300");
}

static int act_oom_score(void)
{
	bh_auto_close int self = open_proc("/proc/self");
	bh_auto_free char *text = NULL;
	struct bh_err err = BH_ERR_INIT;

	if (bh_attr_oom_score_adj(self, 500, false, &err) < 0)
		return 1;
	if (bh_path_read(self, "oom_score_adj", BH_PATH_PROC, 16, &text, NULL, &err) < 0 ||
	    strcmp(text, "500\n") != 0)
		return 2;
	if (bh_attr_oom_score_adj(self, 5000, false, &err) != -EINVAL)
		return 3;
	if (geteuid() != 0 || setresuid(1000, 1000, 1000) < 0)
		return SKIP;
	/* Below what it was before: only with CAP_SYS_RESOURCE. */
	if (bh_attr_oom_score_adj(self, -1000, false, &err) != -EACCES)
		return 4;
	return bh_attr_oom_score_adj(self, -1000, true, &err) != 0;
}

static void limits_are_set(void **state)
{
	(void)state;
	check("rlimits", act_rlimits);
	check("oom_score_adj", act_oom_score);
}

/* ---- scheduling ------------------------------------------------------------------------------ */

static int act_scheduler(void)
{
	const struct bh_scheduler batch = { .set = true, .policy = SCHED_BATCH, .nice = 5 };
	const struct bh_scheduler bad = { .set = true, .policy = SCHED_FIFO, .priority = 1000 };
	struct bh_err err = BH_ERR_INIT;

	if (bh_attr_scheduler(&batch, &err) < 0)
		return 1;
	if (sched_getscheduler(0) != SCHED_BATCH || getpriority(PRIO_PROCESS, 0) != 5)
		return 2;
	return bh_attr_scheduler(&bad, &err) != -EINVAL || !strstr(err.text, "priority 1000");
}

static int act_deadline(void)
{
	const struct bh_scheduler deadline = { .set = true,
					       .policy = 6, /* SCHED_DEADLINE */
					       .runtime_ns = 10000000,
					       .deadline_ns = 50000000,
					       .period_ns = 100000000 };
	struct bh_err err = BH_ERR_INIT;
	int r = bh_attr_scheduler(&deadline, &err);

	if (r == -EPERM || r == -EBUSY)
		return SKIP;
	return r < 0 || sched_getscheduler(0) != 6;
}

static int act_io_priority(void)
{
	const struct bh_io_priority idle = { .set = true,
					     .class = IOPRIO_CLASS_IDLE,
					     .priority = 4 };
	const struct bh_io_priority bad = { .set = true, .class = 7, .priority = 4 };
	struct bh_err err = BH_ERR_INIT;

	if (bh_attr_io_priority(&idle, &err) < 0)
		return 1;
	if (IOPRIO_PRIO_CLASS(syscall(SYS_ioprio_get, IOPRIO_WHO_PROCESS, 0)) != IOPRIO_CLASS_IDLE)
		return 2;
	return bh_attr_io_priority(&bad, &err) != -EINVAL;
}

static int act_affinity(void)
{
	struct bh_err err = BH_ERR_INIT;
	cpu_set_t own, now;
	char list[16];
	int cpu = 0;

	if (sched_getaffinity(0, sizeof(own), &own) < 0)
		return 1;
	while (!CPU_ISSET(cpu, &own))
		cpu++;
	snprintf(list, sizeof(list), "%d", cpu);
	if (bh_attr_affinity(0, list, &err) < 0)
		return 2;
	sched_getaffinity(0, sizeof(now), &now);
	if (CPU_COUNT(&now) != 1 || !CPU_ISSET(cpu, &now))
		return 3;
	/* None of these exists. */
	if (bh_attr_affinity(0, "8190-8191", &err) != -EINVAL || !strstr(err.text, "8190-8191"))
		return 4;
	return bh_attr_affinity(0, "3-1", &err) != -EINVAL;
}

static void scheduling_is_set(void **state)
{
	(void)state;
	check("scheduler", act_scheduler);
	check("SCHED_DEADLINE", act_deadline);
	check("I/O priority", act_io_priority);
	check("affinity", act_affinity);
}

static void lists_of_cpus_are_read(void **state)
{
	static const struct {
		const char *text;
		uint64_t first, second; /* words of the set; 0 and 0: refused */
	} cases[] = {
		{ "0", 1, 0 },
		{ "0-3,7", 0x8f, 0 },
		{ "1,\t3-4 \n", 0x1a, 0 },
		{ "63-64", UINT64_C(1) << 63, 1 },
		{ "127", 0, UINT64_C(1) << 63 },
		{ ",,5,", 0x20, 0 },
		{ "2,2,2-2", 4, 0 },
		{ "", 0, 0 },
		{ ",", 0, 0 },
		{ "128", 0, 0 },
		{ "0-128", 0, 0 },
		{ "3-1", 0, 0 },
		{ "a", 0, 0 },
		{ "1-", 0, 0 },
		{ "-1", 0, 0 },
		{ "1 2", 0, 0 },
		{ "1--2", 0, 0 },
		{ "0x1", 0, 0 },
		{ "+1", 0, 0 },
		{ "99999999999999999999", 0, 0 },
		{ "1-2-3", 0, 0 },
		{ "3 - 4", 0, 0 },
		{ "1:2", 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < BH_ARRAY_SIZE(cases); i++) {
		unsigned long set[2] = { 5, 5 };
		struct bh_err err = BH_ERR_INIT;
		int r = bh_cpu_list_parse(cases[i].text, set, 128, &err);

		if (cases[i].first == 0 && cases[i].second == 0) {
			assert_int_equal(r, -EINVAL);
			assert_non_null(strstr(err.text, cases[i].text));
			continue;
		}
		assert_int_equal(r, 0);
		assert_int_equal(set[0], cases[i].first);
		assert_int_equal(set[1], cases[i].second);
	}
}

/* ---- memory, personality, keys --------------------------------------------------------------- */

static int act_memory_policy(void)
{
	static const char *const flags[] = { "MPOL_F_STATIC_NODES" }, *const odd[] = { "MPOL_F_X" };
	const struct bh_memory_policy bind = { .mode = "MPOL_BIND",
					       .nodes = "0",
					       .flags = { (const char **)flags, 1 } };
	const struct bh_memory_policy none = { .mode = "MPOL_DEFAULT" };
	const struct bh_memory_policy bad_mode = { .mode = "MPOL_X" };
	const struct bh_memory_policy bad_flag = { .mode = "MPOL_BIND",
						   .flags = { (const char **)odd, 1 } };
	const struct bh_memory_policy far = { .mode = "MPOL_BIND", .nodes = "1024" };
	unsigned long nodes[16] = { 0 };
	struct bh_err err = BH_ERR_INIT;
	int mode = 0, r = bh_attr_memory_policy(&bind, &err);

	if (r == -ENOSYS)
		return SKIP;
	if (r < 0 || syscall(SYS_get_mempolicy, &mode, nodes, 1024UL, NULL, 0UL) < 0)
		return 1;
	if (mode != (2 | 1 << 15) || nodes[0] != 1)
		return 2;
	if (bh_attr_memory_policy(&none, &err) < 0 ||
	    syscall(SYS_get_mempolicy, &mode, NULL, 0UL, NULL, 0UL) < 0 || mode != 0)
		return 3;
	if (bh_attr_memory_policy(&bad_mode, &err) != -EINVAL || !strstr(err.text, "MPOL_X"))
		return 4;
	if (bh_attr_memory_policy(&bad_flag, &err) != -EINVAL || !strstr(err.text, "MPOL_F_X"))
		return 5;
	return bh_attr_memory_policy(&far, &err) != -EINVAL || !strstr(err.text, "1024");
}

static int act_personality(void)
{
	const struct bh_personality linux32 = { .set = true, .domain = "LINUX32" };
	const struct bh_personality linux64 = { .set = true, .domain = "LINUX" };
	const struct bh_personality odd = { .set = true, .domain = "MINIX" };
	struct bh_err err = BH_ERR_INIT;

	if (bh_attr_personality(&linux32, &err) < 0 || personality(0xffffffff) != PER_LINUX32)
		return 1;
	if (bh_attr_personality(&linux64, &err) < 0 || personality(0xffffffff) != PER_LINUX)
		return 2;
	return bh_attr_personality(&odd, &err) != -EINVAL || !strstr(err.text, "MINIX");
}

static long keyring;

/* A later process of another session joins the same one. */
static int act_join_again(void)
{
	struct bh_err err = BH_ERR_INIT;

	if (bh_attr_session_keyring("_ses.bh-unit", &err) < 0)
		return 5;
	if (bh_sys_keyctl(KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0) < 0 ||
	    bh_attr_session_keyring("_ses.bh-unit", &err) < 0)
		return 6;
	return bh_sys_keyctl(KEYCTL_GET_KEYRING_ID, (unsigned long)KEY_SPEC_SESSION_KEYRING, 0,
			     0) != keyring;
}

static int act_keyring(void)
{
	struct bh_err err = BH_ERR_INIT;
	char text[256] = "";
	long id;

	if (bh_attr_session_keyring("_ses.bh-unit", &err) < 0)
		return 1;
	id = bh_sys_keyctl(KEYCTL_GET_KEYRING_ID, (unsigned long)KEY_SPEC_SESSION_KEYRING, 0, 0);
	if (id < 0)
		return errno == ENOSYS ? SKIP : 2;
	if (bh_sys_keyctl(KEYCTL_DESCRIBE, (unsigned long)id, (unsigned long)text, sizeof(text)) <
	    0)
		return 3;
	/* Type, owner, group, who may do what, name. */
	if (!strstr(text, "keyring;") || !strstr(text, ";3f1b0000;_ses.bh-unit"))
		return 4;
	keyring = id;
	return in_child(act_join_again);
}

static void the_rest_is_set(void **state)
{
	(void)state;
	check("memory policy", act_memory_policy);
	check("personality", act_personality);
	check("session keyring", act_keyring);
}

/* ---- sysctls --------------------------------------------------------------------------------- */

static void names_of_sysctls_become_paths(void **state)
{
	static const char *const cases[][2] = {
		{ "net.ipv4.ip_forward", "net/ipv4/ip_forward" },
		{ "net/ipv4/ip_forward", "net/ipv4/ip_forward" },
		{ "net.ipv4.conf.eth0/100.forwarding", "net/ipv4/conf/eth0.100/forwarding" },
		{ "net/ipv4/conf/eth0.100/forwarding", "net/ipv4/conf/eth0.100/forwarding" },
		{ "single", "single" },
		{ "", NULL },
		{ ".net", NULL },
		{ "/net", NULL },
		{ "net.", NULL },
		{ "net..ipv4", NULL },
		{ "net/../kernel/core_pattern", NULL },
		{ "net.//.kernel.core_pattern", NULL },
		{ "net/./x", NULL },
		{ "..", NULL },
		{ "../kernel", NULL },
		{ "a.name.that.is.too.long.for.the.buffer.of.this.test", NULL },
	};

	(void)state;
	for (size_t i = 0; i < BH_ARRAY_SIZE(cases); i++) {
		char path[48];
		int r = bh_sysctl_path(cases[i][0], path, sizeof(path));

		if (!cases[i][1]) {
			assert_true(r < 0);
			continue;
		}
		assert_int_equal(r, 0);
		assert_string_equal(path, cases[i][1]);
	}
}

static int check_sysctl(const char *key, struct bh_namespace *namespaces, size_t n,
			struct bh_err *err)
{
	struct bh_kv kv = { .key = key, .value = "1" };
	const struct bh_spec spec = { .linux_ = { .sysctl = { &kv, 1 },
						  .namespaces = { namespaces, n } } };

	return bh_sysctl_check(&spec, err);
}

static void only_the_containers_own_sysctls_are_allowed(void **state)
{
	static const struct {
		const char *key;
		enum bh_ns_kind kind; /* whose it is; BH_NS_MAX_: never allowed */
		const char *text;     /* in the error without it */
	} cases[] = {
		{ "kernel.msgmax", BH_NS_IPC, "IPC namespace" },
		{ "kernel/shm_rmid_forced", BH_NS_IPC, "IPC namespace" },
		{ "fs.mqueue.msg_max", BH_NS_IPC, "IPC namespace" },
		{ "net.core.somaxconn", BH_NS_NETWORK, "network namespace" },
		{ "net/ipv4/ip_forward", BH_NS_NETWORK, "network namespace" },
		{ "kernel.domainname", BH_NS_UTS, "UTS namespace" },
		{ "user.max_user_namespaces", BH_NS_USER, "user namespace" },
		{ "kernel.hostname", BH_NS_MAX_, "conflicts with the OCI \"hostname\" field" },
		{ "kernel.core_pattern", BH_NS_MAX_, "not in a separate kernel namespace" },
		{ "kernel.msgmaxx", BH_NS_MAX_, "not in a separate kernel namespace" },
		{ "vm.swappiness", BH_NS_MAX_, "not in a separate kernel namespace" },
		{ "network.x", BH_NS_MAX_, "not in a separate kernel namespace" },
		{ "net/../kernel/core_pattern", BH_NS_MAX_, "not a valid name" },
	};
	struct bh_namespace all[] = {
		{ .kind = BH_NS_IPC },  { .kind = BH_NS_NETWORK }, { .kind = BH_NS_UTS },
		{ .kind = BH_NS_USER }, { .kind = BH_NS_MOUNT },
	};

	(void)state;
	for (size_t i = 0; i < BH_ARRAY_SIZE(cases); i++) {
		struct bh_namespace own = { .kind = cases[i].kind };
		struct bh_err err = BH_ERR_INIT;
		int r = check_sysctl(cases[i].key, all, BH_ARRAY_SIZE(all), &err);

		assert_int_equal(r, cases[i].kind == BH_NS_MAX_ ? -EINVAL : 0);
		if (r < 0) {
			assert_non_null(strstr(err.text, cases[i].text));
			assert_non_null(strstr(err.text, cases[i].key));
			continue;
		}
		assert_int_equal(check_sysctl(cases[i].key, &own, 1, &err), 0);
		own.kind = BH_NS_MOUNT;
		assert_int_equal(check_sysctl(cases[i].key, &own, 1, &err), -EINVAL);
		assert_non_null(strstr(err.text, cases[i].text));
	}
}

static void a_joined_namespace_may_be_the_hosts(void **state)
{
	struct bh_namespace net = { .kind = BH_NS_NETWORK, .path = "/proc/self/ns/net" };
	struct bh_err err = BH_ERR_INIT;

	(void)state;
	assert_int_equal(check_sysctl("net.ipv4.ip_forward", &net, 1, &err), -EINVAL);
	assert_string_equal(err.where, "/linux/sysctl/net.ipv4.ip_forward");
	assert_int_equal(check_sysctl("net/ipv4/ip_forward", &net, 1, &err), -EINVAL);
	assert_string_equal(err.where, "/linux/sysctl/net~1ipv4~1ip_forward");
	net.path = "/no/such/namespace";
	assert_int_equal(check_sysctl("net.ipv4.ip_forward", &net, 1, &err), -ENOENT);
	net.path = "/proc/self/ns/uts"; /* any that is not the caller's network */
	assert_int_equal(check_sysctl("net.ipv4.ip_forward", &net, 1, &err), 0);
}

static bool sysctl_is(int proc, const char *path, const char *value)
{
	bh_auto_free char *text = NULL;
	struct bh_err err = BH_ERR_INIT;

	return bh_path_read(proc, path, BH_PATH_PROC, 64, &text, NULL, &err) == 0 &&
	       strcmp(text, value) == 0;
}

static int act_sysctls(void)
{
	struct bh_kv kv[] = { { "kernel.msgmax", "12345" },
			      { "net/ipv4/conf/lo/forwarding", "1" },
			      { "kernel.domainname", "bh-unit" } };
	const bh_kv_list list = { kv, 3 };
	bh_auto_close int proc = open_proc("/proc");
	struct bh_err err = BH_ERR_INIT;

	if (unshare(CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWUTS) < 0)
		return SKIP;
	if (bh_attr_sysctls(proc, &list, &err) < 0)
		return 1;
	if (!sysctl_is(proc, "sys/kernel/msgmax", "12345\n") ||
	    !sysctl_is(proc, "sys/net/ipv4/conf/lo/forwarding", "1\n") ||
	    !sysctl_is(proc, "sys/kernel/domainname", "bh-unit\n"))
		return 2;
	kv[2] = (struct bh_kv){ "kernel.no_such_thing", "1" };
	if (bh_attr_sysctls(proc, &list, &err) != -ENOENT ||
	    !strstr(err.text, "kernel.no_such_thing"))
		return 3;
	kv[0] = (struct bh_kv){ "net/../kernel/msgmax", "1" };
	return bh_attr_sysctls(proc, &list, &err) != -EINVAL;
}

/* What is mounted on the procfs is not written to: CVE-2025-52881. */
static int act_sysctl_diverted(void)
{
	struct bh_kv kv = { "kernel.msgmax", "12345" };
	const bh_kv_list list = { &kv, 1 };
	bh_auto_close int proc = -EBADF;
	struct bh_err err = BH_ERR_INIT;
	char file[] = "/tmp/bh-unit-XXXXXX";
	int fd, r;

	if (unshare(CLONE_NEWNS | CLONE_NEWIPC) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return SKIP;
	proc = open_proc("/proc");
	fd = mkostemp(file, O_CLOEXEC);
	if (fd < 0 || mount(file, "/proc/sys/kernel/msgmax", NULL, MS_BIND, NULL) < 0) {
		unlink(file);
		return SKIP;
	}
	r = bh_attr_sysctls(proc, &list, &err);
	unlink(file);
	return r != -EXDEV || lseek(fd, 0, SEEK_END) != 0;
}

static void sysctls_are_written_and_not_diverted(void **state)
{
	(void)state;
	check("sysctls", act_sysctls);
	check("a file mounted over a sysctl", act_sysctl_diverted);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(limits_are_set),
		cmocka_unit_test(scheduling_is_set),
		cmocka_unit_test(lists_of_cpus_are_read),
		cmocka_unit_test(the_rest_is_set),
		cmocka_unit_test(names_of_sysctls_become_paths),
		cmocka_unit_test(only_the_containers_own_sysctls_are_allowed),
		cmocka_unit_test(a_joined_namespace_may_be_the_hosts),
		cmocka_unit_test(sysctls_are_written_and_not_diverted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

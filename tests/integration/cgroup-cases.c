/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cgroup module on the real kernel, one case a run: cgroup-cases NAME. Status 0 passed, 77
 * skipped with the reason printed, else failed. Everything is made below /bh-cases-PID in each
 * hierarchy and taken away at the end, whatever happens in between.
 */
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "base/path.h"
#include "base/sys.h"
#include "linux/cgroup_internal.h"

#define SKIP 77

static char top[64];
static struct bh_err err;

#define CHECK(condition)                                                   \
	do {                                                               \
		char line_[1300];                                          \
		if (!(condition)) {                                        \
			printf("line %d: %s: %s\n", __LINE__, #condition,  \
			       bh_err_format(&err, line_, sizeof(line_))); \
			return 1;                                          \
		}                                                          \
	} while (0)

#define NUMBER(x)                     \
	{                             \
		.set = true, .v = (x) \
	}

/* ---- helpers --------------------------------------------------------------------------------- */

static struct bh_cgroup *plan(const char *name, const struct bh_resources *resources)
{
	char path[128];
	struct bh_spec spec = { .linux_.cgroups_path = path };
	struct bh_cgroup *cg = NULL;

	snprintf(path, sizeof(path), "%s/%s", top, name);
	if (resources)
		spec.linux_.resources = *resources;
	return bh_cgroup_plan(&spec, name, BH_CGROUP_FS, false, &cg, &err) == 0 ? cg : NULL;
}

/* A process born in or entered into @cg that runs @body, and a byte from it once it is there. */
static pid_t start(const struct bh_cgroup *cg, int (*body)(void))
{
	int cgroup_fd = bh_cgroup_clone_fd(cg), ready[2];
	struct clone_args args = { .exit_signal = SIGCHLD };
	char byte;
	pid_t pid;

	if (cgroup_fd >= 0) {
		args.flags = CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)cgroup_fd;
	}
	if (pipe2(ready, O_CLOEXEC) < 0)
		return -1;
	pid = bh_sys_clone3(&args);
	if (pid == 0) {
		bh_close(ready[0]);
		if (bh_cgroup_enter(cg, &err) < 0 || write(ready[1], "!", 1) != 1)
			_exit(99);
		_exit(body());
	}
	bh_close(ready[1]);
	if (read(ready[0], &byte, 1) != 1)
		pid = -1;
	bh_close(ready[0]);
	return pid;
}

static int sleep_long(void)
{
	while (pause() < 0)
		;
	return 0;
}

static int status_of(pid_t pid)
{
	int status;

	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static bool alive(pid_t pid)
{
	return waitpid(pid, NULL, WNOHANG) == 0;
}

/* Whether each hierarchy of @cg lists @pid's group as @cg's. */
static bool is_inside(const struct bh_cgroup *cg, pid_t pid)
{
	char dir[64], text[4096];
	size_t n = 0;

	snprintf(dir, sizeof(dir), "/proc/%d", pid);
	if (bh_cg_read(dir, "cgroup", text, sizeof(text)) < 0)
		return false;
	for (const char *p = text; (p = strstr(p, cg->pub[0].path)); p++)
		n += p[-1] == ':' &&
		     (p[strlen(cg->pub[0].path)] == '\n' || p[strlen(cg->pub[0].path)] == '\0');
	return n == cg->n;
}

static bool gone(const struct bh_cgroup *cg)
{
	for (size_t i = 0; i < cg->n; i++)
		if (access(cg->hier[i].dir, F_OK) == 0)
			return false;
	return true;
}

static bool file_is(const struct bh_cgroup *cg, enum bh_cg_ctrl ctrl, const char *v1_file,
		    const char *v2_file, const char *want)
{
	int i = bh_cg_find(cg, ctrl);
	const char *file = i >= 0 && cg->pub[i].v2 ? v2_file : v1_file;
	char text[256];

	if (i < 0 || bh_cg_read(cg->hier[i].dir, file, text, sizeof(text)) < 0)
		return false;
	if (strcmp(text, want) != 0)
		printf("%s is '%s', not '%s'\n", file, text, want);
	return strcmp(text, want) == 0;
}

static void take_down(void)
{
	struct bh_cgroup *cg = plan("x", NULL);
	int f = cg ? bh_cg_find(cg, BH_CG_FREEZER) : -1;
	char dir[256], freezer[256] = "";

	if (f >= 0 && !cg->pub[f].v2)
		snprintf(freezer, sizeof(freezer), "%s%s", cg->pub[f].mountpoint, top);
	for (size_t i = 0; cg && i < cg->n; i++) {
		snprintf(dir, sizeof(dir), "%s%s", cg->pub[i].mountpoint, top);
		if (bh_cg_remove(dir, true, freezer[0] ? freezer : NULL, NULL) < 0)
			printf("left behind: %s\n", dir);
	}
	bh_cgroup_free(cg);
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

/* ---- cases ----------------------------------------------------------------------------------- */

static int life(void)
{
	bh_auto_cgroup struct bh_cgroup *cg = plan("life", NULL), *again = NULL;
	bh_auto_buf struct bh_buf stats = BH_BUF_INIT, saved = BH_BUF_INIT;
	struct bh_resources r = { .memory = { .limit = NUMBER(64 << 20) },
				  .pids_limit = NUMBER(10) };
	bh_auto_free pid_t *pids = NULL;
	json_object *json;
	size_t n = 0;
	pid_t pid;

	CHECK(cg);
	CHECK(bh_cgroup_create(cg, &err) == 0);
	CHECK(bh_cgroup_apply(cg, &r, &err) == 0);
	pid = start(cg, sleep_long);
	CHECK(pid > 0);
	CHECK(is_inside(cg, pid));
	CHECK(file_is(cg, BH_CG_MEMORY, "memory.limit_in_bytes", "memory.max", "67108864"));
	CHECK(file_is(cg, BH_CG_PIDS, "pids.max", "pids.max", "10"));
	CHECK(bh_cgroup_pids(cg, &pids, &n, &err) == 0);
	CHECK(n == 1 && pids[0] == pid);
	CHECK(bh_cgroup_stats_json(cg, &stats, &err) == 0);
	json = json_tokener_parse(bh_buf_str(&stats));
	CHECK(json && json_object_is_type(json, json_type_object));
	CHECK(json_object_get_int(
		      json_object_object_get(json_object_object_get(json, "pids"), "limit")) == 10);
	json_object_put(json);
	CHECK(bh_cgroup_frozen(cg, &err) == 0);
	CHECK(bh_cgroup_freeze(cg, true, &err) == 0);
	CHECK(bh_cgroup_frozen(cg, &err) == 1);
	CHECK(bh_cgroup_freeze(cg, false, &err) == 0);
	CHECK(bh_cgroup_frozen(cg, &err) == 0);
	/* Another process, which knows only what was saved, takes it down. */
	bh_cgroup_save(cg, &saved);
	json = json_tokener_parse(bh_buf_str(&saved));
	CHECK(bh_cgroup_load(json, &again, &err) == 0);
	json_object_put(json);
	CHECK(bh_cgroup_signal(again, SIGKILL, &err) == 0);
	CHECK(waitpid(pid, NULL, 0) == pid);
	CHECK(bh_cgroup_destroy(again, &err) == 0);
	CHECK(gone(cg));
	CHECK(bh_cgroup_destroy(again, &err) == 0);
	return 0;
}

static int busy(void)
{
	bh_auto_cgroup struct bh_cgroup *mine = plan("busy", NULL), *other = plan("busy", NULL);
	pid_t pid;

	CHECK(mine && other);
	CHECK(bh_cgroup_create(mine, &err) == 0);
	pid = start(mine, sleep_long);
	CHECK(pid > 0);
	CHECK(bh_cgroup_create(other, &err) == -EBUSY);
	CHECK(strstr(err.text, "container's cgroup is not empty"));
	/* Undoing what was refused harms nobody. */
	CHECK(bh_cgroup_destroy(other, &err) == 0);
	CHECK(alive(pid));
	CHECK(is_inside(mine, pid));
	CHECK(bh_cgroup_destroy(mine, &err) == 0);
	CHECK(waitpid(pid, NULL, 0) == pid);
	return 0;
}

/* What was planned, saved, and never made, belongs to whoever is in it now. */
static int planned_only(void)
{
	bh_auto_cgroup struct bh_cgroup *cg = plan("planned", NULL), *mine = plan("planned", NULL),
					*loaded = NULL;
	bh_auto_buf struct bh_buf saved = BH_BUF_INIT;
	json_object *json;
	pid_t pid;

	CHECK(cg && mine);
	bh_cgroup_save(cg, &saved);
	json = json_tokener_parse(bh_buf_str(&saved));
	CHECK(bh_cgroup_load(json, &loaded, &err) == 0);
	json_object_put(json);
	CHECK(bh_cgroup_destroy(loaded, &err) == 0);
	CHECK(bh_cgroup_create(mine, &err) == 0);
	pid = start(mine, sleep_long);
	CHECK(pid > 0);
	CHECK(bh_cgroup_destroy(loaded, &err) == -EBUSY);
	CHECK(alive(pid));
	CHECK(bh_cgroup_destroy(mine, &err) == 0);
	return 0;
}

static int frozen(void)
{
	bh_auto_cgroup struct bh_cgroup *cg = plan("frozen", NULL), *other = plan("frozen", NULL);

	CHECK(cg && other);
	CHECK(bh_cgroup_create(cg, &err) == 0);
	CHECK(bh_cgroup_freeze(cg, true, &err) == 0);
	CHECK(bh_cgroup_create(other, &err) == -EBUSY);
	CHECK(strstr(err.text, "container's cgroup unexpectedly frozen"));
	CHECK(bh_cgroup_destroy(cg, &err) == 0);
	return 0;
}

static int fork_two(void)
{
	if (fork() == 0 && fork() == 0)
		sleep_long();
	return sleep_long();
}

/* Frozen processes in nested groups: all of it goes. */
static int leftovers(void)
{
	bh_auto_cgroup struct bh_cgroup *cg = plan("left", NULL);
	char dir[256], text[16];
	pid_t pid;

	CHECK(cg);
	CHECK(bh_cgroup_create(cg, &err) == 0);
	pid = start(cg, fork_two);
	CHECK(pid > 0);
	for (size_t i = 0; i < cg->n; i++) {
		snprintf(dir, sizeof(dir), "%s/a", cg->hier[i].dir);
		CHECK(mkdir(dir, 0755) == 0);
		snprintf(dir, sizeof(dir), "%s/a/b", cg->hier[i].dir);
		CHECK(mkdir(dir, 0755) == 0);
		if (cg->hier[i].controllers & BH_CG_BIT(BH_CG_CPUSET))
			continue;
		snprintf(text, sizeof(text), "%d", pid);
		CHECK(bh_cg_write(dir, "cgroup.procs", text) == 0);
	}
	CHECK(bh_cgroup_freeze(cg, true, &err) == 0);
	CHECK(bh_cgroup_destroy(cg, &err) == 0);
	CHECK(gone(cg));
	CHECK(waitpid(pid, NULL, 0) == pid);
	return 0;
}

static int eat_memory(void)
{
	const size_t bytes = 64 << 20;
	char *p;

	/* The signal that says that the watcher is there. */
	pause();
	p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return 1;
	memset(p, 1, bytes);
	return 0;
}

static void on_signal(int sig)
{
	(void)sig;
}

static int oom(void)
{
	bh_auto_cgroup struct bh_cgroup *cg = plan("oom", NULL);
	struct bh_resources r = { .memory = { .limit = NUMBER(8 << 20), .swap = NUMBER(8 << 20) } };
	bh_auto_close int fd = -EBADF;
	struct pollfd p = { .events = POLLIN };
	uint64_t kills = 1;
	int status;
	pid_t pid;

	CHECK(cg);
	CHECK(bh_cgroup_create(cg, &err) == 0);
	CHECK(bh_cgroup_apply(cg, &r, &err) == 0);
	signal(SIGUSR1, on_signal);
	pid = start(cg, eat_memory);
	CHECK(pid > 0);
	fd = bh_cgroup_oom_fd(cg, &err);
	CHECK(fd >= 0);
	CHECK(bh_cgroup_oom_kills(cg, &kills, &err) == 0 && kills == 0);
	do {
		kill(pid, SIGUSR1);
		bh_cg_sleep(10000);
	} while (alive(pid) && bh_cgroup_oom_kills(cg, &kills, &err) == 0 && !kills);
	CHECK(waitpid(pid, &status, 0) == pid || errno == ECHILD);
	p.fd = fd;
	CHECK(poll(&p, 1, 5000) == 1 && p.revents & POLLIN);
	CHECK(bh_cgroup_oom_kills(cg, &kills, &err) == 0 && kills > 0);
	CHECK(bh_cgroup_destroy(cg, &err) == 0);
	return 0;
}

/* Return: 0 when null is usable and kmsg is not. */
static int try_devices(void)
{
	char path[64];
	int fd, e;

	fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return 1;
	snprintf(path, sizeof(path), "/dev/bh-cases-kmsg-%d", getpid());
	/* Not in /tmp, which may be mounted nodev. */
	if (mknod(path, S_IFCHR | 0600, makedev(1, 11)) < 0)
		return 2; /* making any node is allowed */
	fd = open(path, O_RDONLY | O_CLOEXEC);
	e = errno;
	unlink(path);
	return fd >= 0 ? 3 : e == EPERM ? 0 : 4;
}

static int use_kmsg(void)
{
	return try_devices() == 3 ? 0 : 1;
}

static int devices(void)
{
	struct bh_device_rule rules[] = { { false, 'a', { 0 }, { 0 }, "rwm" },
					  { true, 'c', NUMBER(1), NUMBER(11), "r" } };
	struct bh_resources none = { .devices = { rules, 1 } }, kmsg = { .devices = { rules, 2 } };
	bh_auto_cgroup struct bh_cgroup *cg = plan("devices", NULL);

	CHECK(cg);
	CHECK(bh_cgroup_create(cg, &err) == 0);
	CHECK(status_of(start(cg, use_kmsg)) == 0);
	CHECK(bh_cgroup_apply(cg, &none, &err) == 0);
	CHECK(status_of(start(cg, try_devices)) == 0);
	/* Again: the old filter must not stay in force beside the new one. */
	CHECK(bh_cgroup_apply(cg, &kmsg, &err) == 0);
	CHECK(status_of(start(cg, use_kmsg)) == 0);
	CHECK(bh_cgroup_apply(cg, &none, &err) == 0);
	CHECK(status_of(start(cg, try_devices)) == 0);
	CHECK(bh_cgroup_destroy(cg, &err) == 0);
	return 0;
}

static int exec_below(void)
{
	bh_auto_cgroup struct bh_cgroup *cg = plan("exec", NULL);
	const char *sub = "sub", *missing = "missing", *up = "..";
	struct bh_strv one = { &sub, 1 }, bad = { &missing, 1 }, worse = { &up, 1 };
	pid_t pid;

	CHECK(cg);
	CHECK(bh_cgroup_create(cg, &err) == 0);
	for (size_t i = 0; i < cg->n; i++) {
		char dir[256];

		snprintf(dir, sizeof(dir), "%s/sub", cg->hier[i].dir);
		CHECK(mkdir(dir, 0755) == 0);
	}
	if (!bh_cg_pure_v2(cg)) { /* a cpuset takes nobody in before it has processors */
		int i = bh_cg_find(cg, BH_CG_CPUSET);
		char dir[256];

		snprintf(dir, sizeof(dir), "%s/sub", cg->hier[i].dir);
		CHECK(bh_cg_write(dir, "cpuset.cpus", "0") == 0);
		CHECK(bh_cg_write(dir, "cpuset.mems", "0") == 0);
	}
	CHECK(bh_cgroup_open(cg, &bad, getpid(), &err) == -ENOENT);
	CHECK(strstr(err.text, "/missing/cgroup.procs"));
	CHECK(bh_cgroup_open(cg, &worse, getpid(), &err) == -EINVAL);
	bh_cgroup_free(cg);
	cg = plan("exec", NULL);
	CHECK(bh_cgroup_open(cg, &one, getpid(), &err) == 0);
	pid = start(cg, sleep_long);
	CHECK(pid > 0);
	CHECK(is_inside(cg, pid));
	return 0;
}

/* What a container with a writable version 2 group may do: move to one below, pass controllers on.
 */
static int exec_beside(void)
{
	bh_auto_cgroup struct bh_cgroup *cg = plan("beside", NULL), *again = plan("beside", NULL);
	char dir[256], text[1024];
	pid_t init, pid;
	int i;

	CHECK(cg && again);
	i = bh_cg_find_v2(cg);
	if (i < 0) {
		printf("no version 2 hierarchy\n");
		return SKIP;
	}
	CHECK(bh_cgroup_create(cg, &err) == 0);
	CHECK(bh_cg_read(cg->hier[i].dir, "cgroup.controllers", text, sizeof(text)) >= 0);
	if (!strstr(text, "memory") && !strstr(text, "hugetlb")) {
		printf("no controller on version 2 that could be passed on\n");
		return SKIP;
	}
	init = start(cg, sleep_long);
	CHECK(init > 0);
	snprintf(dir, sizeof(dir), "%s/foo", cg->hier[i].dir);
	CHECK(mkdir(dir, 0755) == 0);
	CHECK(bh_cg_write(cg->hier[i].dir, "cgroup.subtree_control",
			  strstr(text, "memory") ? "+memory" : "+hugetlb") == -EBUSY);
	CHECK(bh_cgroup_open(again, NULL, init, &err) == 0);
	CHECK(strcmp(again->hier[i].dir, cg->hier[i].dir) == 0);
	snprintf(text + 512, sizeof(text) - 512, "%d", init);
	CHECK(bh_cg_write(dir, "cgroup.procs", text + 512) == 0);
	CHECK(bh_cg_write(cg->hier[i].dir, "cgroup.subtree_control",
			  strstr(text, "memory") ? "+memory" : "+hugetlb") == 0);
	CHECK(bh_cgroup_open(again, NULL, init, &err) == 0);
	CHECK(strcmp(again->hier[i].dir, dir) == 0);
	pid = start(again, sleep_long);
	CHECK(pid > 0);
	CHECK(bh_cgroup_destroy(cg, &err) == 0);
	return 0;
}

static int raise_and_lower(void)
{
	static const int64_t steps[][2] = {
		{ 20 << 20, 40 << 20 }, { 80 << 20, 90 << 20 }, { 10 << 20, 20 << 20 },
		{ 30 << 20, 30 << 20 }, { 20 << 20, -1 },       { -1, -1 },
		{ 20 << 20, 20 << 20 },
	};
	bh_auto_cgroup struct bh_cgroup *cg = plan("steps", NULL);
	struct bh_resources cpu = {
		.cpu = { .quota = NUMBER(50000), .period = NUMBER(100000), .burst = NUMBER(50000) }
	};

	CHECK(cg);
	CHECK(bh_cgroup_create(cg, &err) == 0);
	for (size_t i = 0; i < BH_ARRAY_SIZE(steps); i++) {
		struct bh_resources r = { .memory = { .limit = NUMBER(steps[i][0]),
						      .swap = NUMBER(steps[i][1]) } };

		CHECK(bh_cgroup_apply(cg, &r, &err) == 0);
	}
	CHECK(bh_cgroup_apply(cg, &cpu, &err) == 0);
	cpu.cpu.quota.v = cpu.cpu.burst.v = 10000;
	CHECK(bh_cgroup_apply(cg, &cpu, &err) == 0);
	cpu.cpu = (struct bh_cpu){ .period = NUMBER(20000) };
	CHECK(bh_cgroup_apply(cg, &cpu, &err) == 0);
	CHECK(file_is(cg, BH_CG_CPU, "cpu.cfs_quota_us", "cpu.max",
		      bh_cg_pure_v2(cg) ? "10000 20000" : "10000"));
	cpu.cpu = (struct bh_cpu){ .shares = NUMBER(1) };
	if (!bh_cg_pure_v2(cg)) {
		CHECK(bh_cgroup_apply(cg, &cpu, &err) == -EINVAL);
		CHECK(strstr(err.text, "the minimum allowed cpu-shares is 2"));
	}
	CHECK(bh_cgroup_destroy(cg, &err) == 0);
	return 0;
}

static int hugetlb(void)
{
	struct bh_hugepage_limit limit = { "2MB", 4 << 20 };
	struct bh_resources r = { .hugepage_limits = { &limit, 1 } };
	bh_auto_cgroup struct bh_cgroup *cg = plan("hugetlb", NULL);
	char before[256] = "", text[256];
	int i;

	CHECK(cg);
	i = bh_cg_find(cg, BH_CG_HUGETLB);
	if (i < 0 || access("/sys/kernel/mm/hugepages/hugepages-2048kB", F_OK) < 0) {
		printf("no hugetlb controller or no pages of 2 MB\n");
		return SKIP;
	}
	if (cg->pub[i].v2 &&
	    (bh_cg_read(cg->pub[i].mountpoint, "cgroup.controllers", text, sizeof(text)) < 0 ||
	     !strstr(text, "hugetlb"))) {
		printf("no hugetlb controller on version 2\n");
		return SKIP;
	}
	CHECK(!cg->pub[i].v2 || bh_cg_read(cg->pub[i].mountpoint, "cgroup.subtree_control", before,
					   sizeof(before)) >= 0);
	CHECK(bh_cgroup_create(cg, &err) == 0);
	CHECK(bh_cgroup_apply(cg, &r, &err) == 0);
	CHECK(file_is(cg, BH_CG_HUGETLB, "hugetlb.2MB.limit_in_bytes", "hugetlb.2MB.max",
		      "4194304"));
	CHECK(bh_cgroup_destroy(cg, &err) == 0);
	take_down();
	/* As it was found. */
	if (cg->pub[i].v2 && !strstr(before, "hugetlb"))
		CHECK(bh_cg_write(cg->pub[i].mountpoint, "cgroup.subtree_control", "-hugetlb") ==
		      0);
	return 0;
}

/* A group that cannot be made leaves nothing, and says which. */
static int refused(void)
{
	struct bh_resources r = { .cpu.cpus = "4000" };
	bh_auto_cgroup struct bh_cgroup *cg = plan("refused", &r);

	CHECK(cg);
	CHECK(bh_cgroup_create(cg, &err) == 0);
	CHECK(bh_cgroup_apply(cg, &r, &err) < 0);
	CHECK(strstr(err.text, "cpu.cpus") && strstr(err.text, "4000"));
	CHECK(bh_cgroup_destroy(cg, &err) == 0);
	CHECK(gone(cg));
	return 0;
}

static const struct {
	const char *name;
	int (*run)(void);
} cases[] = {
	{ "life", life },
	{ "busy", busy },
	{ "planned-only", planned_only },
	{ "frozen", frozen },
	{ "leftovers", leftovers },
	{ "oom", oom },
	{ "devices", devices },
	{ "exec-below", exec_below },
	{ "exec-beside", exec_beside },
	{ "raise-and-lower", raise_and_lower },
	{ "hugetlb", hugetlb },
	{ "refused", refused },
};

int main(int argc, char **argv)
{
	snprintf(top, sizeof(top), "/bh-cases-%d", getpid());
	for (size_t i = 0; argc == 2 && i < BH_ARRAY_SIZE(cases); i++) {
		int status;

		if (strcmp(argv[1], cases[i].name) != 0)
			continue;
		status = cases[i].run();
		take_down();
		return status;
	}
	printf("usage: cgroup-cases NAME\n");
	return 2;
}

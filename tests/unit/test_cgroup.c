/* SPDX-License-Identifier: Apache-2.0 */
/* What is decided about control groups before anything is touched: layouts, paths, limits, unit
 * properties; and the saved form. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/path.h"
#include "linux/cgroup_internal.h"

/* ---- a host made of files -------------------------------------------------------------------- */

struct host {
	char dir[32];
	struct bh_arena arena;
	struct bh_cg_layout layout;
};

static void put(const struct host *h, const char *path, const char *text)
{
	char full[512];
	FILE *file;

	snprintf(full, sizeof(full), "%s%s", h->dir, path);
	for (char *p = full + strlen(h->dir) + 1; (p = strchr(p, '/')); *p++ = '/') {
		*p = '\0';
		mkdir(full, 0755);
	}
	file = fopen(full, "we");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void host_init(struct host *h, const char *cgroup, const char *mountinfo)
{
	*h = (struct host){ .dir = "/tmp/bh-unit-XXXXXX" };
	assert_non_null(mkdtemp(h->dir));
	put(h, "/proc/self/cgroup", cgroup);
	if (mountinfo)
		put(h, "/proc/self/mountinfo", mountinfo);
}

static void host_deinit(struct host *h)
{
	bh_arena_deinit(&h->arena);
	assert_int_equal(bh_path_remove_tree(AT_FDCWD, h->dir, NULL), 0);
}

static void read_layout(struct host *h, bool want_own)
{
	assert_int_equal(bh_cg_layout_read(&h->arena, h->dir, want_own, &h->layout, NULL), 0);
}

static const struct bh_cg_mount *mount_named(const struct host *h, const char *name)
{
	for (size_t i = 0; i < h->layout.n; i++)
		if (strcmp(h->layout.v[i].name, name) == 0)
			return &h->layout.v[i];
	return NULL;
}

static void a_version_1_host_needs_no_mountinfo(void **state)
{
	struct host h;

	(void)state;
	host_init(&h, "3:name=systemd:/\n2:cpu,cpuacct:/me\n1:memory:/\n4:name=other:/\n", NULL);
	put(&h, "/sys/fs/cgroup/systemd/cgroup.sane_behavior", "0\n");
	put(&h, "/sys/fs/cgroup/cpu,cpuacct/cgroup.sane_behavior", "0\n");
	put(&h, "/sys/fs/cgroup/memory/cgroup.sane_behavior", "0\n");
	read_layout(&h, true);
	assert_int_equal(h.layout.mode, 1);
	assert_int_equal(h.layout.n, 3);
	assert_null(mount_named(&h, "name=other"));
	assert_int_equal(mount_named(&h, "systemd")->controllers, 0);
	assert_string_equal(mount_named(&h, "systemd")->options, "name=systemd");
	assert_int_equal(mount_named(&h, "cpu,cpuacct")->controllers,
			 BH_CG_BIT(BH_CG_CPU) | BH_CG_BIT(BH_CG_CPUACCT));
	assert_string_equal(mount_named(&h, "cpu,cpuacct")->own, "/me");
	assert_string_equal(mount_named(&h, "memory")->mountpoint, "/sys/fs/cgroup/memory");
	host_deinit(&h);
}

static void a_hybrid_has_version_2_below_unified(void **state)
{
	struct host h;

	(void)state;
	host_init(&h, "1:memory:/a\n0::/b\n", NULL);
	put(&h, "/sys/fs/cgroup/memory/cgroup.sane_behavior", "0\n");
	put(&h, "/sys/fs/cgroup/unified/cgroup.controllers", "hugetlb\n");
	read_layout(&h, true);
	assert_int_equal(h.layout.mode, 3);
	assert_true(mount_named(&h, "unified")->v2);
	assert_string_equal(mount_named(&h, "unified")->own, "/");
	host_deinit(&h);
}

static void version_2_alone(void **state)
{
	struct host h;

	(void)state;
	host_init(&h, "0::/user.slice/session-1.scope\n", NULL);
	put(&h, "/sys/fs/cgroup/cgroup.controllers", "cpu memory\n");
	read_layout(&h, true);
	assert_int_equal(h.layout.mode, 2);
	assert_int_equal(h.layout.n, 1);
	assert_string_equal(h.layout.v[0].mountpoint, "/sys/fs/cgroup");
	assert_string_equal(h.layout.v[0].own, "/user.slice/session-1.scope");
	host_deinit(&h);
}

/* Docker in Docker without a cgroup namespace: /proc says where the host sees us, the mount shows
 * only our part. */
static void a_container_in_a_container_asks_mountinfo(void **state)
{
	struct host h;

	(void)state;
	host_init(&h, "2:memory:/docker/abc/sub\n1:pids:/docker/abc\n3:cpu:/elsewhere\n",
		  "30 20 0:20 / /proc rw - proc proc rw\n"
		  "31 20 0:30 /docker/abc /sys/fs/cgroup/memory ro,relatime shared:9 - cgroup "
		  "cgroup rw,memory\n"
		  "32 20 0:31 /docker/abc /sys/fs/with\\040space rw - cgroup cgroup rw,pids\n");
	read_layout(&h, true);
	assert_int_equal(h.layout.n, 2);
	assert_string_equal(mount_named(&h, "memory")->mountpoint, "/sys/fs/cgroup/memory");
	assert_string_equal(mount_named(&h, "memory")->own, "/sub");
	assert_string_equal(mount_named(&h, "pids")->mountpoint, "/sys/fs/with space");
	assert_string_equal(mount_named(&h, "pids")->own, "/");
	assert_null(mount_named(&h, "cpu"));
	host_deinit(&h);
}

static void a_part_of_version_2_asks_mountinfo(void **state)
{
	struct host h;

	(void)state;
	host_init(&h, "0::/pod/abc/init\n",
		  "32 20 0:31 /pod/abc /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
	put(&h, "/sys/fs/cgroup/cgroup.controllers", "cpu memory\n");
	put(&h, "/sys/fs/cgroup/cgroup.events", "populated 1\n");
	read_layout(&h, true);
	assert_string_equal(h.layout.v[0].own, "/init");
	host_deinit(&h);
}

static void mountinfo_lines_that_are_none_are_passed_over(void **state)
{
	struct host h;

	(void)state;
	host_init(&h, "1:memory:/\nnonsense\n\n::\n",
		  "\n - \na b c d e - cgroup\n1 2 3 4 - x y memory\n");
	read_layout(&h, true);
	assert_int_equal(h.layout.n, 0);
	host_deinit(&h);
}

/* ---- paths ----------------------------------------------------------------------------------- */

static struct bh_cg_mount hybrid_mounts[] = {
	{ .controllers = ~0U,
	  .name = "cpu",
	  .mountpoint = "/sys/fs/cgroup/cpu",
	  .options = "cpu",
	  .own = "/me" },
	{ .v2 = true,
	  .name = "unified",
	  .mountpoint = "/sys/fs/cgroup/unified",
	  .options = "",
	  .own = "/" },
};
static struct bh_cg_mount v2_mounts[] = {
	{ .v2 = true,
	  .name = "",
	  .mountpoint = "/sys/fs/cgroup",
	  .options = "",
	  .own = "/user.slice/user@1000.service/app.slice/me.scope" },
};
static const struct bh_cg_layout hybrid = { 3, hybrid_mounts, 2 };
static const struct bh_cg_layout pure_v2 = { 2, v2_mounts, 1 };

static struct bh_cgroup *plan(const struct bh_cg_layout *layout, const char *path,
			      enum bh_cgroup_manager manager, bool rootless)
{
	struct bh_spec spec = { .linux_.cgroups_path = path };
	struct bh_cgroup *cg = NULL;
	struct bh_err err = BH_ERR_INIT;
	int e = bh_cg_plan_from(layout, &spec, "id", manager, rootless, &cg, &err);

	if (e < 0)
		assert_null(cg);
	return cg;
}

static void expect_paths(const struct bh_cg_layout *layout, const char *path,
			 enum bh_cgroup_manager manager, bool rootless, const char *first,
			 const char *second)
{
	bh_auto_cgroup struct bh_cgroup *cg = plan(layout, path, manager, rootless);
	const struct bh_cgroup_hierarchy *h;
	size_t n;

	assert_non_null(cg);
	h = bh_cgroup_hierarchies(cg, &n);
	assert_int_equal(n, layout->n);
	assert_string_equal(h[0].path, first);
	if (second)
		assert_string_equal(h[1].path, second);
	assert_string_equal(cg->hier[0].dir + strlen(h[0].mountpoint), first);
}

static void paths_are_runcs(void **state)
{
	(void)state;
	expect_paths(&hybrid, NULL, BH_CGROUP_FS, false, "/me/id", "/id");
	expect_paths(&hybrid, "", BH_CGROUP_FS, false, "/me/id", "/id");
	expect_paths(&hybrid, "a/b", BH_CGROUP_FS, false, "/me/a/b", "/a/b");
	expect_paths(&hybrid, "/a//b/../c", BH_CGROUP_FS, false, "/a/c", "/a/c");
	expect_paths(&hybrid, "../../x", BH_CGROUP_FS, false, "/me/x", "/x");
	expect_paths(&pure_v2, NULL, BH_CGROUP_FS, false,
		     "/user.slice/user@1000.service/app.slice/id", NULL);
	expect_paths(&pure_v2, "/x", BH_CGROUP_FS, false, "/x", NULL);
}

static void the_root_is_nobodys_group(void **state)
{
	(void)state;
	assert_null(plan(&hybrid, "/", BH_CGROUP_FS, false));
	assert_null(plan(&hybrid, "/..", BH_CGROUP_FS, false));
	assert_null(plan(&hybrid, ".", BH_CGROUP_FS, false));
}

static void slices_and_scopes(void **state)
{
	const enum bh_cgroup_manager sd = BH_CGROUP_SYSTEMD;

	(void)state;
	expect_paths(&hybrid, "a-b.slice:pre:x", sd, false, "/a.slice/a-b.slice/pre-x.scope",
		     "/a.slice/a-b.slice/pre-x.scope");
	expect_paths(&pure_v2, ":pre:x", sd, false, "/system.slice/pre-x.scope", NULL);
	expect_paths(&pure_v2, "-.slice:p:own.slice", sd, false, "/own.slice", NULL);
	expect_paths(&pure_v2, NULL, sd, false, "/system.slice/bulkhead-id.scope", NULL);
	assert_null(plan(&pure_v2, "/a/b", sd, false));
	assert_null(plan(&pure_v2, "a:b", sd, false));
	assert_null(plan(&pure_v2, "a.slice:b:c:d", sd, false));
	assert_null(plan(&pure_v2, "a.slice:b:../../c", sd, false));
	assert_null(plan(&pure_v2, "a--b.slice:b:c", sd, false));
	assert_null(plan(&pure_v2, "noslice:b:c", sd, false));
	assert_null(plan(&hybrid, "a.slice:b:c", sd, true));
}

static void a_users_scope_is_below_the_users_manager(void **state)
{
	char own[128], want[128];

	(void)state;
	snprintf(own, sizeof(own), "/x/user@%u.service/app.slice/me.scope", geteuid());
	snprintf(want, sizeof(want), "/x/user@%u.service/user.slice/p-x.scope", geteuid());
	v2_mounts[0].own = own;
	expect_paths(&pure_v2, ":p:x", BH_CGROUP_SYSTEMD, true, want, NULL);
	v2_mounts[0].own = "/user.slice/user@1000.service/app.slice/me.scope";
}

static void version_1_takes_no_unified_keys(void **state)
{
	struct bh_kv kv = { "memory.min", "1" };
	struct bh_spec spec = { .linux_.resources.unified = { &kv, 1 } };
	struct bh_cgroup *cg = NULL;
	struct bh_err err = BH_ERR_INIT;

	(void)state;
	assert_int_equal(bh_cg_plan_from(&hybrid, &spec, "id", BH_CGROUP_FS, false, &cg, &err),
			 -EINVAL);
	assert_non_null(strstr(err.text, "invalid configuration"));
	assert_string_equal(err.where, "/linux/resources/unified");
}

static void without_a_devices_controller_nothing_runs(void **state)
{
	struct bh_cg_layout v1 = { 1, hybrid_mounts, 1 };
	struct bh_cgroup *cg;

	(void)state;
	hybrid_mounts[0].controllers = BH_CG_BIT(BH_CG_CPU);
	assert_null(plan(&v1, "/x", BH_CGROUP_FS, false));
	cg = plan(&v1, "/x", BH_CGROUP_FS, true);
	assert_non_null(cg);
	bh_cgroup_free(cg);
	hybrid_mounts[0].controllers = ~0U;
}

static void a_saved_group_is_the_same_again(void **state)
{
	bh_auto_cgroup struct bh_cgroup *cg = plan(&hybrid, "/x/y", BH_CGROUP_FS, false),
					*again = NULL;
	bh_auto_buf struct bh_buf first = BH_BUF_INIT, second = BH_BUF_INIT;
	json_object *json;

	(void)state;
	cg->hier[0].owned = true;
	bh_cgroup_save(cg, &first);
	json = json_tokener_parse(bh_buf_str(&first));
	assert_non_null(json);
	assert_int_equal(bh_cgroup_load(json, &again, NULL), 0);
	json_object_put(json);
	bh_cgroup_save(again, &second);
	assert_string_equal(bh_buf_str(&first), bh_buf_str(&second));
	assert_string_equal(again->hier[1].dir, "/sys/fs/cgroup/unified/x/y");
	assert_true(again->hier[0].owned);
	assert_false(again->hier[1].owned);
}

static void a_damaged_state_is_refused(void **state)
{
	static const char *const bad[] = {
		"[]",
		"{}",
		"{\"manager\":\"cgroupfs\"}",
		"{\"manager\":\"x\",\"hierarchies\":[]}",
		"{\"manager\":\"cgroupfs\",\"hierarchies\":[1]}",
		"{\"manager\":\"cgroupfs\",\"hierarchies\":[{\"v2\":true,\"name\":\"\","
		"\"mountpoint\":\"/m\",\"options\":\"\",\"path\":\"/\"}]}",
		"{\"manager\":\"cgroupfs\",\"hierarchies\":[{\"v2\":true,\"name\":\"\","
		"\"mountpoint\":\"m\",\"options\":\"\",\"path\":\"/x\"}]}",
	};

	(void)state;
	for (size_t i = 0; i < BH_ARRAY_SIZE(bad); i++) {
		json_object *json = json_tokener_parse(bad[i]);
		struct bh_cgroup *cg = NULL;

		assert_int_equal(bh_cgroup_load(json, &cg, NULL), -EINVAL);
		assert_null(cg);
		json_object_put(json);
	}
}

/* ---- limits ---------------------------------------------------------------------------------- */

static struct bh_arena arena;

/* "file=value …" in order; a leading '?' where no such file is fine, '~' where it may come later.
 */
static const char *limits_of(const struct bh_resources *r, bool v2)
{
	static char text[2048];
	struct bh_cg_limits limits;
	struct bh_err err = BH_ERR_INIT;
	size_t n = 0;
	int e = bh_cg_limits(&arena, r, v2 ? ~0U : 0, v2, &limits, &err);

	if (e < 0)
		return bh_err_format(&err, text, sizeof(text));
	text[0] = '\0';
	for (size_t i = 0; i < limits.n; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s%s%s=%s", i ? " " : "",
				      limits.v[i].flags & BH_CG_OPTIONAL ? "?" : "",
				      limits.v[i].flags & BH_CG_LATER ? "~" : "", limits.v[i].file,
				      limits.v[i].value);
	for (size_t i = 0; i < limits.n_warnings; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, " !%s", limits.warnings[i]);
	return text;
}

#define I64(x)                        \
	{                             \
		.set = true, .v = (x) \
	}

static void memory_limits(void **state)
{
	struct bh_resources r = { .memory = { .limit = I64(100),
					      .swap = I64(300),
					      .reservation = I64(50),
					      .swappiness = I64(7) } };

	(void)state;
	assert_string_equal(limits_of(&r, false),
			    "~memory.limit_in_bytes=100 ~memory.memsw.limit_in_bytes=300 "
			    "memory.soft_limit_in_bytes=50 memory.swappiness=7");
	r.memory.swappiness.set = false;
	assert_string_equal(limits_of(&r, true),
			    "memory.swap.max=200 memory.max=100 memory.low=50");
	r.memory.swap.v = 100;
	assert_string_equal(limits_of(&r, true), "?memory.swap.max=0 memory.max=100 memory.low=50");
	r.memory.swap.v = 99;
	assert_non_null(strstr(limits_of(&r, true), "memory+swap limit should be >= memory limit"));
	r.memory = (struct bh_memory){ .limit = I64(-1) };
	assert_string_equal(limits_of(&r, false),
			    "~memory.limit_in_bytes=-1 ?memory.memsw.limit_in_bytes=-1");
	assert_string_equal(limits_of(&r, true), "?memory.swap.max=max memory.max=max");
	r.memory = (struct bh_memory){ .limit = I64(0), .swap = I64(0) };
	assert_string_equal(limits_of(&r, false), "");
	r.memory = (struct bh_memory){ .swappiness = I64(101) };
	assert_non_null(strstr(limits_of(&r, false), "invalid memory swappiness value: 101"));
}

static void what_cannot_be_set_is_said(void **state)
{
	struct bh_resources r = { .memory = { .disable_oom_killer = I64(1), .kernel = I64(5) } };

	(void)state;
	assert_string_equal(limits_of(&r, false),
			    "memory.oom_control=1 !Kernel memory settings are "
			    "ignored and will be removed");
	assert_non_null(strstr(limits_of(&r, true), "!memory.disableOOMKiller"));
}

static void cpu_limits(void **state)
{
	struct bh_resources r = { .cpu = { .shares = I64(1024),
					   .quota = I64(5000),
					   .period = I64(10000),
					   .burst = I64(100),
					   .idle = I64(0),
					   .cpus = "0-1",
					   .mems = "0" } };

	(void)state;
	assert_string_equal(limits_of(&r, false),
			    "~cpu.shares=1024 ~cpu.cfs_period_us=10000 ?~cpu.cfs_burst_us=100 "
			    "cpu.cfs_quota_us=5000 cpu.idle=0 cpuset.cpus=0-1 cpuset.mems=0");
	assert_string_equal(limits_of(&r, true),
			    "~cpu.weight=100 cpu.idle=0 ~cpu.max.burst=100 cpu.max=5000 10000 "
			    "cpuset.cpus=0-1 cpuset.mems=0");
	r.cpu = (struct bh_cpu){ .quota = I64(-1), .period = I64(10000) };
	assert_string_equal(limits_of(&r, true), "cpu.max=max 10000");
	r.cpu = (struct bh_cpu){ .period = I64(10000) };
	assert_string_equal(limits_of(&r, true), "cpu.max=10000");
}

static void shares_become_weights(void **state)
{
	static const uint64_t cases[][2] = {
		{ 0, 0 },          { 1, 1 },          { 2, 1 },          { 256, 35 },
		{ 512, 59 },       { 1024, 100 },     { 2048, 174 },     { 3333, 256 },
		{ 262143, 10000 }, { 262144, 10000 }, { 999999, 10000 },
	};

	(void)state;
	for (size_t i = 0; i < BH_ARRAY_SIZE(cases); i++)
		assert_int_equal(bh_cg_cpu_weight(cases[i][0]), cases[i][1]);
}

static void other_limits(void **state)
{
	struct bh_hugepage_limit huge = { "2MB", 4096 };
	struct bh_rdma_limit rdma = { .device = "mlx5_1", .hca_handles = I64(3) };
	struct bh_net_priority prio = { "eth0", 5 };
	struct bh_blkio_device read = { .major = 8, .minor = 1, .rate = 77 },
			       weight = { .major = 8, .minor = 0, .weight = I64(1000) };
	struct bh_resources r = {
		.pids_limit = I64(-1),
		.hugepage_limits = { &huge, 1 },
		.rdma = { &rdma, 1 },
		.network = { .class_id = I64(9), .priorities = { &prio, 1 } },
		.block_io = { .weight = I64(10),
			      .weight_device = { &weight, 1 },
			      .throttle_read_bps_device = { &read, 1 } },
	};

	(void)state;
	assert_string_equal(limits_of(&r, false),
			    "pids.max=max blkio.weight=10 blkio.weight_device=8:0 1000 "
			    "blkio.throttle.read_bps_device=8:1 77 hugetlb.2MB.limit_in_bytes=4096 "
			    "?hugetlb.2MB.rsvd.limit_in_bytes=4096 rdma.max=mlx5_1 hca_handle=3 "
			    "net_cls.classid=9 net_prio.ifpriomap=eth0 5");
	r.network.class_id.set = false;
	r.network.priorities.n = 0;
	assert_string_equal(limits_of(&r, true),
			    "pids.max=max io.bfq.weight=10 io.bfq.weight=8:0 1000 "
			    "io.max=8:1 rbps=77 hugetlb.2MB.max=4096 ?hugetlb.2MB.rsvd.max=4096 "
			    "rdma.max=mlx5_1 hca_handle=3");
	huge.page_size = "../../x";
	assert_non_null(strstr(limits_of(&r, true), "(at /linux/resources/hugepageLimits)"));
}

static void unified_keys_are_files_of_the_group(void **state)
{
	static const struct {
		const char *key, *says;
	} cases[] = {
		{ "memory.min", "memory.min=1" },    { "cgroup.max.depth", "cgroup.max.depth=1" },
		{ "a/memory.min", "(no slashes)" },  { "..", "must be in the form" },
		{ "memory", "must be in the form" }, { "cgroup.procs", "is no limit" },
		{ "cgroup.kill", "is no limit" },
	};

	(void)state;
	for (size_t i = 0; i < BH_ARRAY_SIZE(cases); i++) {
		struct bh_kv kv = { cases[i].key, "1" };
		struct bh_resources r = { .unified = { &kv, 1 } };

		assert_non_null(strstr(limits_of(&r, true), cases[i].says));
	}
}

/* ---- systemd --------------------------------------------------------------------------------- */

static const char *properties_of(const struct bh_cg_layout *layout, const struct bh_resources *r)
{
	static char text[2048];
	bh_auto_cgroup struct bh_cgroup *cg = plan(layout, ":p:x", BH_CGROUP_SYSTEMD, false);
	struct bh_strv words = { .n = 0 };
	struct bh_err err = BH_ERR_INIT;
	size_t n = 0;

	if (bh_cg_systemd_properties(&arena, cg, r, false, &words, &err) < 0)
		return bh_err_format(&err, text, sizeof(text));
	text[0] = '\0';
	for (size_t i = 0; i < words.n; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", i ? " " : "", words.v[i]);
	return text;
}

static void limits_become_unit_properties(void **state)
{
	struct bh_resources r = { .memory = { .limit = I64(100), .swap = I64(150) },
				  .cpu = { .shares = I64(1024),
					   .quota = I64(3333),
					   .period = I64(100000),
					   .cpus = "0,9" },
				  .pids_limit = I64(-1) };
	struct bh_kv unified[] = { { "memory.high", " 77\n" }, { "cpu.weight", "3" } };

	(void)state;
	assert_string_equal(properties_of(&hybrid, &r),
			    "MemoryLimit t 100 CPUShares t 1024 CPUQuotaPeriodUSec@242 t 100000 "
			    "CPUQuotaPerSecUSec t 40000 TasksMax t 18446744073709551615 "
			    "AllowedCPUs@244 ay 2 1 2");
	assert_string_equal(properties_of(&pure_v2, &r),
			    "MemoryMax t 100 MemorySwapMax t 50 CPUWeight t 100 "
			    "CPUQuotaPeriodUSec@242 t 100000 CPUQuotaPerSecUSec t 40000 "
			    "TasksMax t 18446744073709551615 AllowedCPUs@244 ay 2 1 2");
	assert_int_equal(bh_cg_systemd_quota(&r.cpu), 4000);
	r = (struct bh_resources){ .unified = { unified, 2 } };
	assert_string_equal(properties_of(&pure_v2, &r), "MemoryHigh t 77 CPUWeight t 3");
	unified[0].value = "7x";
	assert_non_null(strstr(properties_of(&pure_v2, &r), "value conversion error: '7x'"));
	/* Blanks and empty parts as in every other list. */
	r = (struct bh_resources){ .cpu.cpus = "0, 9,,\n" };
	assert_string_equal(properties_of(&pure_v2, &r), "AllowedCPUs@244 ay 2 1 2");
	r = (struct bh_resources){ .cpu.cpus = "3-1" };
	assert_non_null(strstr(properties_of(&pure_v2, &r), "'3-1'"));
	r.cpu.cpus = "0-99999999";
	assert_non_null(strstr(properties_of(&pure_v2, &r), "'0-99999999'"));
}

static int free_arena(void **state)
{
	(void)state;
	bh_arena_deinit(&arena);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_version_1_host_needs_no_mountinfo),
		cmocka_unit_test(a_hybrid_has_version_2_below_unified),
		cmocka_unit_test(version_2_alone),
		cmocka_unit_test(a_container_in_a_container_asks_mountinfo),
		cmocka_unit_test(a_part_of_version_2_asks_mountinfo),
		cmocka_unit_test(mountinfo_lines_that_are_none_are_passed_over),
		cmocka_unit_test(paths_are_runcs),
		cmocka_unit_test(the_root_is_nobodys_group),
		cmocka_unit_test(slices_and_scopes),
		cmocka_unit_test(a_users_scope_is_below_the_users_manager),
		cmocka_unit_test(version_1_takes_no_unified_keys),
		cmocka_unit_test(without_a_devices_controller_nothing_runs),
		cmocka_unit_test(a_saved_group_is_the_same_again),
		cmocka_unit_test(a_damaged_state_is_refused),
		cmocka_unit_test(memory_limits),
		cmocka_unit_test(what_cannot_be_set_is_said),
		cmocka_unit_test(cpu_limits),
		cmocka_unit_test(shares_become_weights),
		cmocka_unit_test(other_limits),
		cmocka_unit_test(unified_keys_are_files_of_the_group),
		cmocka_unit_test(limits_become_unit_properties),
	};

	return cmocka_run_group_tests(tests, NULL, free_arena);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel counts and limits, and the root that a snapshotter brings. */
#include "harness.h"
#include "rpc/metrics.pb-c.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define LIMIT_32M ",\"resources\":{\"memory\":{\"limit\":33554432}}"

static void end(struct box *box)
{
	signal_box(box, SIGKILL, false);
	await_exit(box);
	finish(box);
}

static Task__PidsResponse *pids_of(const struct box *box)
{
	return must("Pids", ID(pids, box), &task__pids_response__descriptor);
}

static void test_pids(void **state)
{
	struct box box, exec;
	Task__PidsResponse *pids;
	Task__ProcessDetails *details = NULL;
	uint32_t init, other;
	bool seen = false;

	(void)state;
	init = make(&box, "pids", &(struct recipe){ .script = "exec sleep 1000", .streams = "" });
	pids = pids_of(&box);
	assert_int_equal(pids->n_processes, 1);
	assert_int_equal(pids->processes[0]->pid, init);
	task__pids_response__free_unpacked(pids, NULL);
	start(&box);
	add_exec(&exec, &box, "e1", &(struct recipe){ .script = "exec sleep 1000", .streams = "" });
	other = start(&exec);
	pids = pids_of(&box);
	assert_int_equal(pids->n_processes, 2);
	for (size_t i = 0; i < 2; i++) {
		Task__ProcessInfo *p = pids->processes[i];

		assert_true(p->pid == init || p->pid == other);
		seen |= p->pid == init && !p->info;
		if (p->pid == other) {
			assert_string_equal(p->info->type_url, "containerd.runc.v1.ProcessDetails");
			details = task__process_details__unpack(NULL, p->info->value.len,
								p->info->value.data);
		}
	}
	assert_true(seen);
	assert_string_equal(details->exec_id, "e1");
	task__process_details__free_unpacked(details, NULL);
	task__pids_response__free_unpacked(pids, NULL);
	end(&box);
}

#define HELD_POLLS     300
#define HELD_POLL_USEC 100000

static Task__StatsResponse *stats_of(const struct box *box)
{
	return must("Stats", ID(stats, box), &task__stats_response__descriptor);
}

/* The memory limit in the figures, which are of the host's version. @ret_held: what it has of
 * memory */
static uint64_t limit_in_stats(const struct box *box, uint64_t *ret_held)
{
	Task__StatsResponse *answer = stats_of(box);
	const Wire__Any *any = answer->stats;
	uint64_t limit = 0;

	if (bh_cgroup_host_mode() == 2) {
		Metrics__V2 *v2 = metrics__v2__unpack(NULL, any->value.len, any->value.data);

		assert_string_equal(any->type_url, "io.containerd.cgroups.v2.Metrics");
		assert_non_null(v2);
		assert_int_equal(v2->pids->current, 1);
		assert_true(v2->memory->usage > 0);
		*ret_held = v2->memory->anon;
		limit = v2->memory->usage_limit;
		metrics__v2__free_unpacked(v2, NULL);
	} else {
		Metrics__V1 *v1 = metrics__v1__unpack(NULL, any->value.len, any->value.data);

		assert_string_equal(any->type_url, "io.containerd.cgroups.v1.Metrics");
		assert_non_null(v1);
		assert_int_equal(v1->pids->current, 1);
		assert_true(v1->cpu->usage->total > 0 && v1->memory->usage->usage > 0);
		*ret_held = v1->memory->total_rss;
		limit = v1->memory->usage->limit;
		metrics__v1__free_unpacked(v1, NULL);
	}
	task__stats_response__free_unpacked(answer, NULL);
	return limit;
}

static void test_update(void **state)
{
	static const char good[] = "{\"memory\":{\"limit\":50331648}}", bad[] = "{\"memory\":7}";
	Task__UpdateRequest rq = TASK__UPDATE_REQUEST__INIT;
	Wire__Any any = WIRE__ANY__INIT;
	uint64_t held = 0;
	struct box box;

	(void)state;
	make(&box, "update",
	     &(struct recipe){ .script = "sleep 1000", .streams = "", .linux_ = LIMIT_32M });
	start(&box);
	assert_int_equal(limit_in_stats(&box, &held), 33554432);
	/* The kernel may take two seconds to sum up what so small a group has. */
	for (int i = 0; !held && i < HELD_POLLS; i++) {
		usleep(HELD_POLL_USEC);
		limit_in_stats(&box, &held);
	}
	assert_true(held > 0);
	rq.id = box.id;
	must_fail("Update", &rq, BH_RPC_INVALID, "no resources");
	rq.resources = &any;
	any.value.data = (uint8_t *)good;
	any.value.len = strlen(good);
	must("Update", &rq, NULL);
	assert_int_equal(limit_in_stats(&box, &held), 50331648);
	any.value.data = (uint8_t *)bad;
	any.value.len = strlen(bad);
	must_fail("Update", &rq, BH_RPC_INVALID, "memory");
	end(&box);
}

static void test_pause(void **state)
{
	struct box box, exec;
	char *out, want[256];

	(void)state;
	make(&box, "pause",
	     &(struct recipe){ .script = "read x; echo got $x; sleep 1000", .streams = "io" });
	start(&box);
	add_exec(&exec, &box, "e1", &(struct recipe){ .script = "sleep 1000", .streams = "" });
	start(&exec);
	lab_forget();
	must("Pause", ID(pause, &box), NULL);
	assert_int_equal(status_of(&box), TASK__STATUS__PAUSED);
	assert_int_equal(status_of(&exec), TASK__STATUS__PAUSED);
	must_fail("Pause", ID(pause, &box), BH_RPC_PRECONDITION, "not running");
	must_fail("Delete", IDS(delete, &box), BH_RPC_PRECONDITION, "paused");
	put(box.in, "it\n");
	for (int i = 0; i < 10; i++)
		run_a_bit();
	assert_int_equal(read(box.out, want, sizeof(want)), -1);
	must("Resume", ID(resume, &box), NULL);
	assert_int_equal(status_of(&box), TASK__STATUS__RUNNING);
	out = read_until(box.out, "got it");
	free(out);
	snprintf(want, sizeof(want), "/tasks/paused %s\n/tasks/resumed %s\n", box.id, box.id);
	assert_string_equal(lab.events, want);
	/* A frozen container can be killed. */
	must("Pause", ID(pause, &box), NULL);
	end(&box);
}

static void test_oom(void **state)
{
	struct box box, exec;
	char want[256];

	(void)state;
	make(&box, "oom",
	     &(struct recipe){ .script = "sleep 1000", .streams = "", .linux_ = LIMIT_32M });
	start(&box);
	lab_forget();
	add_exec(&exec, &box, "e1",
		 &(struct recipe){ .script = "dd if=/dev/zero of=/dev/null bs=128M",
				   .streams = "" });
	start(&exec);
	assert_int_equal(await_exit(&exec), 128 + SIGKILL);
	snprintf(want, sizeof(want), "/tasks/oom %s\n", box.id);
	assert_true(run_until(strstr(lab.events, want), 5));
	end(&box);
}

/* Of init: told before its exit, and once. */
static void test_oom_of_init(void **state)
{
	struct box box;
	const char *oom;
	char want[256];

	(void)state;
	lab_forget();
	make(&box, "oom-init",
	     &(struct recipe){ .script = "exec dd if=/dev/zero of=/dev/null "
					 "bs=128M",
			       .streams = "",
			       .linux_ = LIMIT_32M });
	start(&box);
	assert_int_equal(await_exit(&box), 128 + SIGKILL);
	snprintf(want, sizeof(want), "/tasks/oom %s\n/tasks/exit %s 137\n", box.id, box.id);
	oom = strstr(lab.events, "/tasks/oom");
	assert_non_null(oom);
	assert_string_equal(oom, want);
	finish(&box);
}

/* ---- the root -------------------------------------------------------------------------------- */

static int count_mounts(const char *path)
{
	char line[4096];
	FILE *file = fopen("/proc/self/mountinfo", "re");
	int n = 0;

	assert_non_null(file);
	while (fgets(line, sizeof(line), file))
		n += strstr(line, path) != NULL;
	fclose(file);
	return n;
}

static void run_with_root(const char *name, Task__Mount *mounts, size_t n, const char *script,
			  uint32_t status)
{
	Task__CreateRequest rq;
	Task__Mount *list[2] = { &mounts[0], n > 1 ? &mounts[1] : NULL };
	struct box box;
	char *err;

	make(&box, name,
	     &(struct recipe){ .script = script, .own_root = true, .document_only = true });
	rq = *(Task__CreateRequest *)create_request(&box);
	rq.rootfs = list;
	rq.n_rootfs = n;
	must("Create", &rq, NULL);
	assert_int_equal(count_mounts(box.bundle), n);
	start(&box);
	err = read_all(box.err, NULL);
	if (await_exit(&box) != status)
		fail_msg("%s: %s", name, err);
	free(err);
	finish(&box);
	assert_int_equal(count_mounts(box.bundle), 0);
}

static void test_bind_root(void **state)
{
	Task__Mount mount = TASK__MOUNT__INIT;
	char source[96], *options[] = { (char *)"rbind", (char *)"ro" };

	(void)state;
	snprintf(source, sizeof(source), "%s/rootfs", lab.work);
	mount.type = (char *)"bind";
	mount.source = source;
	mount.options = options;
	mount.n_options = 2;
	run_with_root("bind", &mount, 1, "touch /file 2>/dev/null && exit 1; exit 5", 5);
}

/* More lower directories than fit into a page of options. */
#define LOWERS 90

static void test_overlay_root(void **state)
{
	Task__Mount mount = TASK__MOUNT__INIT;
	char upper[256], work[256], path[192], *lower, *options[3] = { upper, work };

	(void)state;
	snprintf(path, sizeof(path), "%s/layers-of-an-image-with-a-long-name", lab.work);
	assert_int_equal(mkdir(path, 0755), 0);
	lower = malloc((size_t)LOWERS * sizeof(path));
	strcpy(lower, "lowerdir=");
	for (int i = 0; i < LOWERS; i++) {
		snprintf(path, sizeof(path), "%s/layers-of-an-image-with-a-long-name/%d", lab.work,
			 i);
		assert_int_equal(mkdir(path, 0755), 0);
		sprintf(lower + strlen(lower), "%s:", path);
		snprintf(path, sizeof(path), "%s/layers-of-an-image-with-a-long-name/%d/layer%d",
			 lab.work, i, i);
		assert_int_equal(mkdir(path, 0755), 0);
	}
	sprintf(lower + strlen(lower), "%s/rootfs", lab.work);
	assert_true(strlen(lower) > 4096);
	options[2] = lower;
	snprintf(path, sizeof(path), "%s/upper", lab.work);
	snprintf(upper, sizeof(upper), "upperdir=%s", path);
	assert_int_equal(mkdir(path, 0755), 0);
	snprintf(path, sizeof(path), "%s/work", lab.work);
	snprintf(work, sizeof(work), "workdir=%s", path);
	assert_int_equal(mkdir(path, 0755), 0);
	mount.type = (char *)"overlay";
	mount.source = (char *)"overlay";
	mount.options = options;
	mount.n_options = 3;
	run_with_root("overlay", &mount, 1, "test -d /layer0 -a -d /layer89 && echo x >/new", 0);
	free(lower);
	snprintf(path, sizeof(path), "%s/upper/new", lab.work);
	assert_int_equal(access(path, F_OK), 0);
}

/* As containerd asks for the root of a container with a user namespace: the layers' files have its
 * ids, and what is written has the writer's. */
static void test_mapped_roots(void **state)
{
	Task__Mount mount = TASK__MOUNT__INIT;
	char upper[160], work[160], lower[256], dir[128], *options[5];

	(void)state;
	snprintf(dir, sizeof(dir), "%s/mapped-upper", lab.work);
	assert_int_equal(mkdir(dir, 0755), 0);
	snprintf(upper, sizeof(upper), "upperdir=%s", dir);
	snprintf(dir, sizeof(dir), "%s/mapped-work", lab.work);
	assert_int_equal(mkdir(dir, 0755), 0);
	snprintf(work, sizeof(work), "workdir=%s", dir);
	snprintf(dir, sizeof(dir), "%s/mapped-layer", lab.work);
	assert_int_equal(mkdir(dir, 0755), 0);
	snprintf(lower, sizeof(lower), "lowerdir=%s:%s/rootfs", dir, lab.work);
	options[0] = (char *)"uidmap=0:5000:1000,1000:9000:1";
	options[1] = (char *)"gidmap=0:6000:2000";
	options[2] = upper;
	options[3] = work;
	options[4] = lower;
	mount.type = (char *)"overlay";
	mount.source = (char *)"overlay";
	mount.options = options;
	mount.n_options = 5;
	run_with_root("mapped", &mount, 1,
		      "[ $(stat -c %u:%g /bin/sh) = 5000:6000 ] && "
		      "[ $(stat -c %u:%g /home/tester) = 9000:7000 ] && : >/new && "
		      "[ $(stat -c %u /new) = 0 ] && exit 5",
		      5);
	mount.type = (char *)"bind";
	snprintf(dir, sizeof(dir), "%s/rootfs", lab.work);
	mount.source = dir;
	options[2] = (char *)"rbind";
	options[3] = (char *)"ro";
	mount.n_options = 4;
	run_with_root("mappedbind", &mount, 1,
		      "touch /file 2>/dev/null; [ $(stat -c %u:%g /bin/sh) = 5000:6000 ] && exit 5",
		      5);
	/* Nothing of it is left on the layers. */
	assert_int_equal(system("! grep -q idmapped /proc/self/mountinfo"), 0);
	options[0] = (char *)"uidmap=0:5000";
	{
		Task__Mount *list[] = { &mount };
		Task__CreateRequest rq;
		struct box box;

		make(&box, "nomap",
		     &(struct recipe){ .script = "true", .own_root = true, .document_only = true });
		rq = *(Task__CreateRequest *)create_request(&box);
		rq.rootfs = list;
		rq.n_rootfs = 1;
		must_fail("Create", &rq, BH_RPC_INVALID, "'0:5000' is no map of ids");
		close_streams(&box);
	}
}

static void test_two_mounts(void **state)
{
	Task__Mount mounts[2] = { TASK__MOUNT__INIT, TASK__MOUNT__INIT };
	char source[96], *bind[] = { (char *)"rbind" };

	(void)state;
	snprintf(source, sizeof(source), "%s/rootfs", lab.work);
	mounts[0].type = (char *)"bind";
	mounts[0].source = source;
	mounts[0].options = bind;
	mounts[0].n_options = 1;
	mounts[1].type = (char *)"tmpfs";
	mounts[1].source = (char *)"tmpfs";
	mounts[1].target = (char *)"mnt";
	run_with_root("two", mounts, 2, "grep ' /mnt ' /proc/mounts >&2 || exit 1", 0);
}

/* A link of the image's leads to a place in the image, not on the host. */
static void test_linked_target(void **state)
{
	Task__Mount mounts[2] = { TASK__MOUNT__INIT, TASK__MOUNT__INIT };
	Task__Mount *list[] = { &mounts[0], &mounts[1] };
	char image[128], link[192], outside[128], *bind[] = { (char *)"rbind" };
	Task__CreateRequest rq;
	struct box box;

	(void)state;
	snprintf(image, sizeof(image), "%s/linked", lab.work);
	snprintf(link, sizeof(link), "%s/out", image);
	assert_int_equal(mkdir(image, 0755), 0);
	snprintf(outside, sizeof(outside), "%s/outside", lab.work);
	assert_int_equal(mkdir(outside, 0755), 0);
	assert_int_equal(symlink(outside, link), 0);
	mounts[0].type = (char *)"bind";
	mounts[0].source = image;
	mounts[0].options = bind;
	mounts[0].n_options = 1;
	mounts[1].type = (char *)"tmpfs";
	mounts[1].source = (char *)"tmpfs";
	mounts[1].target = (char *)"out";
	make(&box, "linkedroot",
	     &(struct recipe){ .script = "true", .own_root = true, .document_only = true });
	rq = *(Task__CreateRequest *)create_request(&box);
	rq.rootfs = list;
	rq.n_rootfs = 2;
	must_fail("Create", &rq, BH_RPC_UNKNOWN, "open 'out': no such file");
	assert_int_equal(count_mounts(outside), 0);
	assert_int_equal(count_mounts(box.bundle), 0);
	close_streams(&box);
}

/* A file system in a file: a loop device that goes with its mount. */
static void test_image_root(void **state)
{
	Task__Mount mount = TASK__MOUNT__INIT;
	char command[256], image[96], *options[] = { (char *)"loop", (char *)"ro" };

	(void)state;
	snprintf(image, sizeof(image), "%s/root.ext4", lab.work);
	snprintf(command, sizeof(command), "mke2fs -q -t ext4 -d %s/rootfs %s 32M", lab.work,
		 image);
	assert_int_equal(system(command), 0);
	mount.type = (char *)"ext4";
	mount.source = image;
	mount.options = options;
	mount.n_options = 2;
	run_with_root("image", &mount, 1, "touch /file 2>/dev/null && exit 1; exit 5", 5);
	/* Somebody's new mount namespace may have had the mount for a moment. */
	snprintf(
		command, sizeof(command),
		"for i in $(seq 300); do grep -qs %s /sys/block/loop*/loop/backing_file || exit 0; "
		"sleep 0.1; done; exit 1",
		lab.token);
	assert_int_equal(system(command), 0);
}

static void test_bad_root(void **state)
{
	Task__Mount mounts[2] = { TASK__MOUNT__INIT, TASK__MOUNT__INIT };
	Task__Mount *list[] = { &mounts[0], &mounts[1] };
	Task__CreateRequest rq;
	struct box box;

	(void)state;
	mounts[0].type = (char *)"tmpfs";
	mounts[0].source = (char *)"tmpfs";
	mounts[1].type = (char *)"nosuchfs";
	mounts[1].source = (char *)"nothing";
	make(&box, "badroot",
	     &(struct recipe){ .script = "true", .own_root = true, .document_only = true });
	rq = *(Task__CreateRequest *)create_request(&box);
	rq.rootfs = list;
	rq.n_rootfs = 2;
	must_fail("Create", &rq, BH_RPC_UNKNOWN, "mount 2 of 2 of the root (nosuchfs 'nothing')");
	assert_int_equal(count_mounts(box.bundle), 0);
	close_streams(&box);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pids),         cmocka_unit_test(test_update),
		cmocka_unit_test(test_pause),        cmocka_unit_test(test_oom),
		cmocka_unit_test(test_oom_of_init),  cmocka_unit_test(test_bind_root),
		cmocka_unit_test(test_overlay_root), cmocka_unit_test(test_mapped_roots),
		cmocka_unit_test(test_two_mounts),   cmocka_unit_test(test_image_root),
		cmocka_unit_test(test_bad_root),     cmocka_unit_test(test_linked_target),
	};

	if (lab_skips())
		return 77;
	return cmocka_run_group_tests(tests, lab_open, lab_close);
}

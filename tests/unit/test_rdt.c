/* SPDX-License-Identifier: Apache-2.0 */
/* resctrl groups on a directory that stands in for the file system, which needs hardware: its
 * control files are made by the test, and a group of it can only be removed when the test has
 * removed them again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/path.h"
#include "linux/rdt_internal.h"

static char dir[32];
static int root_fd;

static int set_up(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/bh-unit-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	root_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return root_fd < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
	struct bh_err err = BH_ERR_INIT;

	(void)state;
	close(root_fd);
	return bh_path_remove_tree(AT_FDCWD, dir, &err);
}

static void put(const char *path, const char *text)
{
	int fd = openat(root_fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void assert_file(const char *path, const char *text)
{
	bh_auto_free char *got = NULL;
	struct bh_err err = BH_ERR_INIT;

	assert_int_equal(bh_path_read(root_fd, path, BH_PATH_BENEATH, 4096, &got, NULL, &err), 0);
	assert_string_equal(got, text);
}

static bool exists(const char *path)
{
	return faccessat(root_fd, path, F_OK, 0) == 0;
}

static void make_group(const char *name, const char *schemata)
{
	char path[64];

	if (name[0])
		assert_int_equal(mkdirat(root_fd, name, 0700), 0);
	snprintf(path, sizeof(path), "%s/schemata", name[0] ? name : ".");
	put(path, schemata);
	snprintf(path, sizeof(path), "%s/tasks", name[0] ? name : ".");
	put(path, "");
	snprintf(path, sizeof(path), "%s/mon_groups", name[0] ? name : ".");
	assert_int_equal(mkdirat(root_fd, path, 0700), 0);
}

static void an_existing_group_must_have_the_schemata(void **state)
{
	static const char *const more[] = { "L2:0=f" };
	struct bh_intel_rdt rdt = { .set = true,
				    .clos_id = "gold",
				    .l3_cache_schema = "L3:0=7f0;1=01f",
				    .mem_bw_schema = "MB:0=20;1=70",
				    .schemata = { (const char **)more, 1 } };
	struct bh_err err = BH_ERR_INIT;
	bool owned = true;

	(void)state;
	make_group("gold", "    MB:0=  20;1=  70\n    L3:0=07f0;1=1f\n");
	assert_int_equal(bh_rdt_create_at(root_fd, &rdt, "c1", &owned, &err), 0);
	assert_false(owned);
	/* In the spec's order. */
	assert_file("gold/schemata", "L3:0=7f0;1=01f\nMB:0=20;1=70\nL2:0=f\n");
	rdt.l3_cache_schema = "L3:0=7f1";
	assert_int_equal(bh_rdt_create_at(root_fd, &rdt, "c1", &owned, &err), -EINVAL);
	assert_string_equal(err.where, "/linux/intelRdt/l3CacheSchema");
	assert_int_equal(bh_rdt_destroy_at(root_fd, &rdt, "c1", owned, false, &err), 0);
	assert_true(exists("gold"));
}

static void a_group_without_schemata_must_exist(void **state)
{
	const struct bh_intel_rdt rdt = { .set = true, .clos_id = "gold" };
	struct bh_err err = BH_ERR_INIT;
	bool owned = true;

	(void)state;
	assert_int_equal(bh_rdt_create_at(root_fd, &rdt, "c1", &owned, &err), -ENOENT);
	assert_false(exists("gold"));
	make_group("gold", "L3:0=fff\n");
	assert_int_equal(bh_rdt_create_at(root_fd, &rdt, "c1", &owned, &err), 0);
	assert_false(owned);
	assert_file("gold/schemata", "L3:0=fff\n");
}

static void an_update_changes_the_schemata(void **state)
{
	const struct bh_intel_rdt rdt = { .set = true, .l3_cache_schema = "L3:0=3" };
	struct bh_err err = BH_ERR_INIT;

	(void)state;
	/* The group is called as the container is, where it has no name. */
	assert_int_equal(bh_rdt_update_at(root_fd, &rdt, "c1", &err), -ENOENT);
	make_group("c1", "");
	assert_int_equal(bh_rdt_update_at(root_fd, &rdt, "c1", &err), 0);
	assert_file("c1/schemata", "L3:0=3\n");
}

/* The stand-in has no schemata file in a new group: the write fails, and the group is gone again.
 */
static void a_failed_create_leaves_nothing(void **state)
{
	struct bh_intel_rdt rdt = { .set = true, .l3_cache_schema = "L3:0=f" };
	struct bh_err err = BH_ERR_INIT;
	bool owned = false;

	(void)state;
	assert_int_equal(bh_rdt_create_at(root_fd, &rdt, "c1", &owned, &err), -ENOENT);
	assert_false(exists("c1"));
	rdt.clos_id = "gold";
	assert_int_equal(bh_rdt_create_at(root_fd, &rdt, "c1", &owned, &err), -ENOENT);
	assert_false(exists("gold"));
}

static void the_containers_own_group_comes_and_goes(void **state)
{
	const struct bh_intel_rdt rdt = { .set = true };
	struct bh_err err = BH_ERR_INIT;
	bool owned = false;

	(void)state;
	assert_int_equal(bh_rdt_create_at(root_fd, &rdt, "c1", &owned, &err), 0);
	assert_true(owned && exists("c1"));
	assert_int_equal(bh_rdt_destroy_at(root_fd, &rdt, "c1", owned, false, &err), 0);
	assert_false(exists("c1"));
	assert_int_equal(bh_rdt_destroy_at(root_fd, &rdt, "c1", owned, false, &err), 0);
}

static void a_named_group_outlives_the_container_that_made_it(void **state)
{
	const struct bh_intel_rdt rdt = { .set = true, .clos_id = "gold" };
	struct bh_err err = BH_ERR_INIT;

	(void)state;
	assert_int_equal(mkdirat(root_fd, "gold", 0700), 0);
	assert_int_equal(bh_rdt_destroy_at(root_fd, &rdt, "c1", true, false, &err), 0);
	assert_true(exists("gold"));
	/* But not a container that never was. */
	assert_int_equal(bh_rdt_destroy_at(root_fd, &rdt, "c1", true, true, &err), 0);
	assert_false(exists("gold"));
}

static void monitoring_has_a_group_of_its_own(void **state)
{
	const struct bh_intel_rdt rdt = { .set = true,
					  .clos_id = "gold",
					  .enable_monitoring = true };
	struct bh_err err = BH_ERR_INIT;
	bool owned;

	(void)state;
	make_group("gold", "");
	assert_int_equal(bh_rdt_create_at(root_fd, &rdt, "c1", &owned, &err), 0);
	assert_true(exists("gold/mon_groups/c1"));
	put("gold/mon_groups/c1/tasks", "");
	assert_int_equal(bh_rdt_add_at(root_fd, &rdt, "c1", 4711, &err), 0);
	assert_file("gold/tasks", "4711");
	assert_file("gold/mon_groups/c1/tasks", "4711");
	assert_int_equal(unlinkat(root_fd, "gold/mon_groups/c1/tasks", 0), 0);
	assert_int_equal(bh_rdt_destroy_at(root_fd, &rdt, "c1", owned, false, &err), 0);
	assert_false(exists("gold/mon_groups/c1"));
	assert_true(exists("gold/mon_groups"));
}

static void the_root_group_is_a_slash(void **state)
{
	const struct bh_intel_rdt rdt = {
		.set = true, .clos_id = "/", .l3_cache_schema = "L3:0=ff", .enable_monitoring = true
	};
	struct bh_err err = BH_ERR_INIT;
	bool owned = true;

	(void)state;
	make_group("", "L3:0=ff\n");
	assert_int_equal(bh_rdt_create_at(root_fd, &rdt, "c1", &owned, &err), 0);
	assert_false(owned);
	assert_true(exists("mon_groups/c1"));
	assert_int_equal(bh_rdt_destroy_at(root_fd, &rdt, "c1", owned, true, &err), 0);
	assert_false(exists("mon_groups/c1"));
	assert_true(exists("schemata"));
}

static void names_stay_inside(void **state)
{
	static const char *const names[] = { "..", ".", "a/b", "/a", "../x" };

	(void)state;
	for (size_t i = 0; i < BH_ARRAY_SIZE(names); i++) {
		const struct bh_intel_rdt rdt = { .set = true,
						  .clos_id = names[i],
						  .l3_cache_schema = "L3:0=f" };
		struct bh_err err = BH_ERR_INIT;
		bool owned;

		assert_int_equal(bh_rdt_create_at(root_fd, &rdt, "c1", &owned, &err), -EINVAL);
		assert_int_equal(bh_rdt_destroy_at(root_fd, &rdt, "c1", true, true, &err), -EINVAL);
		assert_string_equal(err.where, "/linux/intelRdt/closID");
	}
	/* A symlink in the place of a group. */
	assert_int_equal(symlinkat("/tmp", root_fd, "gold"), 0);
	assert_int_equal(bh_rdt_add_at(root_fd,
				       &(struct bh_intel_rdt){ .set = true, .clos_id = "gold" },
				       "c1", 1, &(struct bh_err){ 0 }),
			 -ELOOP);
}

static void the_kernels_words_are_in_the_error(void **state)
{
	const struct bh_intel_rdt rdt = { .set = true,
					  .clos_id = "gold",
					  .enable_monitoring = true };
	struct bh_err err = BH_ERR_INIT;
	bool owned;

	(void)state;
	assert_int_equal(mkdirat(root_fd, "info", 0700), 0);
	put("info/last_cmd_status", "out of RMIDs\n");
	make_group("gold", "");
	assert_int_equal(unlinkat(root_fd, "gold/mon_groups", AT_REMOVEDIR), 0);
	assert_int_equal(mkdirat(root_fd, "gold/mon_groups", 0700), 0);
	/* The name of a container is never so long: what mkdir(2) refuses will do. */
	char id[400];

	memset(id, 'x', sizeof(id));
	id[sizeof(id) - 1] = '\0';
	assert_int_equal(bh_rdt_create_at(root_fd, &rdt, id, &owned, &err), -ENAMETOOLONG);
	assert_non_null(strstr(err.text, "out of RMIDs"));
}

static void schemata_are_compared_by_value(void **state)
{
	static const char current[] = "    L3CODE:0=f\n    L3:0=7ff;1=00c0\n    MB:0= 100;1=  20\n";

	(void)state;
	assert_true(bh_rdt_schema_in("L3:0=7ff;1=c0", current));
	assert_true(bh_rdt_schema_in("L3:1=0C0", current));
	assert_true(bh_rdt_schema_in("L3:1=c0;", current));
	assert_true(bh_rdt_schema_in("MB:0=100", current));
	assert_false(bh_rdt_schema_in("MB:0=64", current)); /* decimal */
	assert_false(bh_rdt_schema_in("L3:0=7fe", current));
	assert_false(bh_rdt_schema_in("L3:2=7ff", current));
	assert_false(bh_rdt_schema_in("L2:0=f", current));
	assert_false(bh_rdt_schema_in("L3", current));
	assert_false(bh_rdt_schema_in("L3:0", current));
	assert_false(bh_rdt_schema_in("L3:0=zz", current));
	assert_false(bh_rdt_schema_in("", current));
}

static void the_mount_is_found(void **state)
{
	char info[] = "22 1 0:20 / /proc rw - proc proc rw\n"
		      "40 22 0:30 / /mnt/a\\040b rw,nosuid shared:5 - resctrl resctrl rw\n"
		      "41 22 0:31 / /later rw - resctrl resctrl rw\n";
	char none[] = "22 1 0:20 / /resctrl rw - proc resctrl rw\n";

	(void)state;
	assert_string_equal(bh_rdt_mountpoint(info), "/mnt/a b");
	assert_null(bh_rdt_mountpoint(none));
}

static void nothing_happens_without_resctrl(void **state)
{
	const struct bh_intel_rdt rdt = { .set = true };
	struct bh_err err = BH_ERR_INIT;
	bool owned;

	(void)state;
	if (access("/sys/fs/resctrl/schemata", F_OK) == 0) {
		print_message("skipped: this machine has a resctrl file system\n");
		return;
	}
	assert_int_equal(bh_rdt_create(&rdt, "c1", &owned, &err), -ENOENT);
	assert_non_null(strstr(err.text, "no resctrl file system is mounted"));
	assert_int_equal(bh_rdt_destroy(&rdt, "c1", true, false, &err), 0);
}

int main(void)
{
#define ON_STAND_IN(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		ON_STAND_IN(an_existing_group_must_have_the_schemata),
		ON_STAND_IN(a_group_without_schemata_must_exist),
		ON_STAND_IN(an_update_changes_the_schemata),
		ON_STAND_IN(a_failed_create_leaves_nothing),
		ON_STAND_IN(the_containers_own_group_comes_and_goes),
		ON_STAND_IN(a_named_group_outlives_the_container_that_made_it),
		ON_STAND_IN(monitoring_has_a_group_of_its_own),
		ON_STAND_IN(the_root_group_is_a_slash),
		ON_STAND_IN(names_stay_inside),
		ON_STAND_IN(the_kernels_words_are_in_the_error),
		cmocka_unit_test(schemata_are_compared_by_value),
		cmocka_unit_test(the_mount_is_found),
		cmocka_unit_test(nothing_happens_without_resctrl),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

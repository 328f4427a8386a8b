/* SPDX-License-Identifier: Apache-2.0 */
/* Images and volumes that want out, or want the runtime to touch what is the host's. */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "box.h"

static void expect_box(const struct box *box)
{
	if (box_needs_root())
		skip();
	assert_true(box_run(box));
}

static void in_nothing(void)
{
}

/* ---- links on the way ----------------------------------------------------------------------- */

static void image_of_links(void)
{
	put_file("host/file", "of the host");
	put_dir("root/real", 0755);
	put_dir("root/etc", 0755);
	put_link("root/conf", "/real/conf");
	put_dir("root/real/conf", 0755);
	put_link("root/out", "/../../../../tmp/bundle/host");
	put_link("root/jump", "/var/foo/bar");
	put_link("root/etc/hosts", "/jump/baz/hosts");
	put_link("root/etc/dangling", "../var/dir/./name");
	put_link("root/relative", "../../../../../../tmp/bundle/host/made");
}

static void in_links(void)
{
	CHECK(is_fs("/real/conf/stack", TMPFS_MAGIC) && mounts_on("/real/conf/stack") == 1);
	/* What would lead out leads to the same name inside. */
	CHECK(text_is("/tmp/bundle/host/sub/file", "of the host"));
	CHECK(text_is("/var/foo/bar/baz/hosts", "of the host"));
	CHECK(text_is("/var/dir/name/file", "of the host"));
	CHECK(text_is("/tmp/bundle/host/made", "of the host"));
}

static void outside_links(void)
{
	CHECK(!exists("host/sub") && !exists("host/made") && !exists("/var/foo"));
	CHECK(mounts_on("/tmp/bundle") == 0);
}

static void links_are_followed_inside(void **state)
{
	static const struct box box = {
		.mounts = { PROC, TMPFS("/conf/stack", ""), BIND("host", "/out/sub", "rbind"),
			    BIND("host/file", "/etc/hosts", "rbind"),
			    BIND("host", "/etc/dangling", "rbind"),
			    BIND("host/file", "/relative", "rbind") },
		.image = image_of_links,
		.inside = in_links,
		.outside = outside_links,
	};

	(void)state;
	expect_box(&box);
}

/* CVE-2019-19921, CVE-2023-27561: /proc or /sys is a symlink */
static void image_of_proc_link(void)
{
	CHECK(rmdir("root/proc") == 0);
	put_dir("root/bad", 0755);
	put_link("root/proc", "/bad");
}

static void image_of_dangling_proc(void)
{
	CHECK(rmdir("root/proc") == 0);
	put_link("root/proc", "/symlink");
}

static void image_of_proc_file(void)
{
	CHECK(rmdir("root/proc") == 0);
	put_file("root/proc", "");
}

static void image_of_sys_link(void)
{
	CHECK(rmdir("root/sys") == 0);
	put_link("root/sys", "proc");
}

static void proc_and_sys_are_directories(void **state)
{
	static const char wanted[] = "must be mounted on ordinary directory";

	(void)state;
	expect_box(
		&(struct box){ .mounts = { PROC }, .image = image_of_proc_link, .error = wanted });
	expect_box(&(struct box){
		.mounts = { PROC }, .image = image_of_dangling_proc, .error = wanted });
	expect_box(
		&(struct box){ .mounts = { PROC }, .image = image_of_proc_file, .error = wanted });
	expect_box(&(struct box){
		.mounts = { PROC, SYS }, .image = image_of_sys_link, .error = wanted });
}

/* CVE-2019-16884, CVE-2025-52881: a volume that lands on files of /proc */
static void image_of_volume_on_proc(void)
{
	put_link("root/data", "/proc/self/attr");
	put_link("root/all", "/proc");
	put_link("root/top", "/");
	put_link("root/up", "../mnt/..");
	put_link("root/magic", "/proc/self/root");
	put_link("root/loop", "loop");
}

static void volumes_do_not_land_in_proc(void **state)
{
	static const struct {
		struct box_mount mount;
		const char *error;
	} cases[] = {
		{ BIND("host", "/data", "rbind"), "cannot be mounted because it is inside /proc" },
		{ TMPFS("/data/exec", ""), "cannot be mounted because it is inside /proc" },
		{ TMPFS("/all", ""), "cannot be mounted because it is inside /proc" },
		{ BIND("host", "/proc", "rbind"),
		  "cannot be mounted because it is not of type proc" },
		{ TMPFS("/top", ""), "is on the top of rootfs" },
		{ BIND("host", "/up", "rbind"), "is on the top of rootfs" },
		{ BIND("host", "/magic", "rbind"), "too many levels of symbolic links" },
		{ TMPFS("/loop/x", ""), "too many levels of symbolic links" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		expect_box(&(struct box){ .mounts = { PROC, cases[i].mount },
					  .error = cases[i].error,
					  .image = image_of_volume_on_proc });
}

static void a_directory_is_no_file(void **state)
{
	(void)state;
	expect_box(&(struct box){ .mounts = { BIND("host", "/mnt/f", "rbind"),
					      BIND("host/../root/proc", "/mnt", "rbind") },
				  .inside = in_nothing });
	expect_box(&(struct box){ .mounts = { BIND("/etc/passwd", "/mnt", "rbind") },
				  .error = "not a directory" });
	expect_box(&(struct box){ .mounts = { BIND("/etc/passwd", "/mnt/f", "rbind"),
					      BIND("host", "/mnt/f", "rbind") },
				  .error = "not a directory" });
	expect_box(&(struct box){ .mounts = { BIND("/nowhere/at/all", "/mnt", "rbind") },
				  .error = "no such file or directory" });
}

/* A source in the image is the image's: a link in it does not open the host's files. */
static void image_of_source_link(void)
{
	put_dir("root/inner", 0755);
	put_link("root/inner/esc", "/tmp/bundle/host");
	put_file("host/file", "secret");
	put_link("root/inner/up", "../../host");
}

static void sources_in_the_root_stay_there(void **state)
{
	(void)state;
	expect_box(&(struct box){ .mounts = { BIND("root/inner/esc", "/mnt", "rbind") },
				  .image = image_of_source_link,
				  .error = "no such file or directory" });
	expect_box(&(struct box){ .mounts = { BIND("root/inner/up", "/mnt", "rbind") },
				  .image = image_of_source_link,
				  .error = "no such file or directory" });
}

/* ---- devices -------------------------------------------------------------------------------- */

static void image_of_wrong_device(void)
{
	CHECK(mknod("root/dev/zero", S_IFCHR | 0666, makedev(1, 3)) == 0);
}

static void image_of_linked_device(void)
{
	put_link("root/dev/null", "/etc/shadow");
}

static void image_of_regular_device(void)
{
	put_file("root/mnt/mine", "");
}

static void devices_in_the_way_must_match(void **state)
{
	(void)state;
	expect_box(&(struct box){ .image = image_of_wrong_device,
				  .error = "'/dev/zero' exists and is not the device 1:5" });
	expect_box(&(struct box){ .image = image_of_linked_device,
				  .error = "'/dev/null' exists and is not the device 1:3" });
	expect_box(&(struct box){ .image = image_of_regular_device,
				  .linux_ = ",\"devices\":[{\"path\":\"/mnt/mine\",\"type\":\"c\","
					    "\"major\":1,\"minor\":5}]",
				  .error = "'/mnt/mine' exists and is not the device 1:5" });
	/* In a user namespace it is bound from the host, where it must be that device too. */
	expect_box(&(struct box){ .userns = true,
				  .mounts = { TMPFS("/dev", "mode=755") },
				  .linux_ = ",\"devices\":[{\"path\":\"/dev/zero\",\"type\":\"c\","
					    "\"major\":1,\"minor\":3}]",
				  .error = "'/dev/zero' exists and is not the device 1:3" });
}

static void image_of_ptmx(void)
{
	put_file("root/dev/ptmx", "");
	put_link("root/dev/fd", "/elsewhere");
}

static void in_ptmx(void)
{
	char target[32] = "";

	CHECK(readlink("/dev/ptmx", target, sizeof(target) - 1) == 8);
	CHECK(strcmp(target, "pts/ptmx") == 0);
}

static void ptmx_is_the_containers_own(void **state)
{
	(void)state;
	expect_box(&(struct box){ .image = image_of_ptmx, .inside = in_ptmx });
}

/* ---- masks ---------------------------------------------------------------------------------- */

#define MASKS ",\"maskedPaths\":[\"/secret\",\"/link\",\"/proc/keys\"]"

/* CVE-2025-31133: the null device that hides files is a link to what it shall not open. */
static void image_of_fake_null(void)
{
	put_dir("host/dev", 0755);
	put_link("host/dev/null", "/proc/sys/kernel/core_pattern");
	put_file("root/secret", "secret");
}

static void image_of_file_null(void)
{
	put_dir("host/dev", 0755);
	put_file("host/dev/null", "");
	put_file("root/secret", "secret");
}

static void image_of_other_null(void)
{
	put_dir("host/dev", 0755);
	CHECK(mknod("host/dev/null", S_IFCHR | 0666, makedev(1, 5)) == 0);
	put_file("root/secret", "secret");
}

static void the_null_device_is_one(void **state)
{
	(void)state;
	expect_box(&(struct box){ .mounts = { PROC, BIND("host/dev", "/dev", "rbind") },
				  .linux_ = MASKS,
				  .image = image_of_fake_null,
				  .error = "can't mask paths" });
	expect_box(&(struct box){ .mounts = { PROC, BIND("host/dev", "/dev", "rbind") },
				  .linux_ = MASKS,
				  .image = image_of_file_null,
				  .error = "container's /dev/null is invalid" });
	expect_box(&(struct box){ .mounts = { PROC, BIND("host/dev", "/dev", "rbind") },
				  .linux_ = MASKS,
				  .image = image_of_other_null,
				  .error = "container's /dev/null is invalid" });
}

static void image_of_mask_link(void)
{
	put_dir("root/dir", 0755);
	put_file("root/dir/secret", "secret");
	put_link("root/link", "../../../../dir");
	put_link("root/secret", "/tmp/bundle/host/file");
	put_file("host/file", "of the host");
}

static void in_mask_link(void)
{
	CHECK(!exists("/dir/secret") && is_readonly("/dir"));
}

static void outside_mask_link(void)
{
	CHECK(text_is("host/file", "of the host"));
}

static void masks_hide_what_links_lead_to(void **state)
{
	(void)state;
	expect_box(&(struct box){ .mounts = { PROC, TMPFS("/dev", "mode=755") },
				  .linux_ = MASKS,
				  .inside = in_mask_link,
				  .image = image_of_mask_link,
				  .outside = outside_mask_link });
}

/* ---- races ---------------------------------------------------------------------------------- */

#define RACE_ROUNDS 150

static pid_t racer;

/* CVE-2021-30465, CVE-2024-45310: another container exchanges a directory of a shared volume for a
 * link to the host, over and over, while this one mounts there. */
static void image_of_race(void)
{
	put_dir("host/etc", 0755);
	put_dir("root/vol", 0777);
	put_dir("root/vol/dir", 0777);
	put_dir("root/vol/dir/etc", 0777);
	put_link("root/vol/link", "/../../tmp/bundle/host");
	racer = fork();
	CHECK(racer >= 0);
	if (racer > 0)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;)
		renameat2(AT_FDCWD, "root/vol/dir", AT_FDCWD, "root/vol/link", RENAME_EXCHANGE);
}

static void outside_race(void)
{
	kill(racer, SIGKILL);
	CHECK(waitpid(racer, NULL, 0) == racer);
	CHECK(!exists("host/etc/made") && !exists("host/etc/file") && !exists("host/made"));
}

static void in_race(void)
{
	/* Wherever the link led, it was inside. */
	CHECK(mounts_on("/vol") + mounts_on("/tmp/bundle/host") == 3);
}

static void exchanged_links_do_not_lead_out(void **state)
{
	static const struct box box = {
		.mounts = { PROC, TMPFS("/vol/dir/etc", ""),
			    BIND("/etc/passwd", "/vol/dir/made/file", "rbind"),
			    TMPFS("/vol/link/made/dir", "") },
		.image = image_of_race,
		.inside = in_race,
		.may_fail = true,
		.outside = outside_race,
	};

	(void)state;
	for (int i = 0; i < RACE_ROUNDS; i++)
		expect_box(&box);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(links_are_followed_inside),
		cmocka_unit_test(proc_and_sys_are_directories),
		cmocka_unit_test(volumes_do_not_land_in_proc),
		cmocka_unit_test(a_directory_is_no_file),
		cmocka_unit_test(sources_in_the_root_stay_there),
		cmocka_unit_test(devices_in_the_way_must_match),
		cmocka_unit_test(ptmx_is_the_containers_own),
		cmocka_unit_test(the_null_device_is_one),
		cmocka_unit_test(masks_hide_what_links_lead_to),
		cmocka_unit_test(exchanged_links_do_not_lead_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

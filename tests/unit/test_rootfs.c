/* SPDX-License-Identifier: Apache-2.0 */
/* What the container finds in its root: mounts, devices, masks; on the real kernel, as root. */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>

#include "box.h"

#define NOSYMFOLLOW 256 /* MS_NOSYMFOLLOW, not in the C library's header of Debian 12 */

/* What engines ask for. */
/* clang-format off */
#define STANDARD                                                                                   \
	{                                                                                          \
		PROC,                                                                              \
		{ "tmpfs", "/dev", "tmpfs", "nosuid,strictatime,mode=755,size=65536k" },           \
		{ "devpts", "/dev/pts", "devpts",                                                  \
		  "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620" },                           \
		{ "shm", "/dev/shm", "tmpfs", "nosuid,noexec,nodev,mode=1777,size=65536k" },       \
		{ "mqueue", "/dev/mqueue", "mqueue", "nosuid,noexec,nodev" },                      \
		{ "sysfs", "/sys", "sysfs", "nosuid,noexec,nodev,ro" },                            \
	}
/* clang-format on */

static void expect_box(const struct box *box)
{
	if (box_needs_root())
		skip();
	assert_true(box_run(box));
}

static void in_standard(void)
{
	struct stat st;

	CHECK(is_fs("/proc", PROC_SUPER_MAGIC) && is_fs("/sys", SYSFS_MAGIC));
	CHECK(is_fs("/dev", TMPFS_MAGIC) && is_fs("/dev/pts", DEVPTS_SUPER_MAGIC));
	CHECK(is_fs("/dev/shm", TMPFS_MAGIC) && is_fs("/dev/mqueue", 0x19800202));
	CHECK(has_options("/dev", "rw,nosuid,!nodev,!relatime,!noatime"));
	CHECK(has_options("/dev/shm", "nosuid,nodev,noexec,relatime"));
	CHECK(has_options("/sys", "ro,nosuid,nodev,noexec"));
	CHECK(stat("/dev/shm", &st) == 0 && (st.st_mode & 07777) == 01777);
	CHECK(is_device("/dev/null", S_IFCHR, 1, 3) && is_device("/dev/zero", S_IFCHR, 1, 5));
	CHECK(is_device("/dev/full", S_IFCHR, 1, 7) && is_device("/dev/random", S_IFCHR, 1, 8));
	CHECK(is_device("/dev/urandom", S_IFCHR, 1, 9) && is_device("/dev/tty", S_IFCHR, 5, 0));
	CHECK(is_device("/dev/pts/ptmx", S_IFCHR, 5, 2));
	CHECK(stat("/dev/null", &st) == 0 && (st.st_mode & 07777) == 0666);
	CHECK(exists("/dev/ptmx") && exists("/dev/fd") && exists("/dev/stdin") &&
	      exists("/dev/stdout") && exists("/dev/stderr"));
	/* Masked: a file, a directory; what is not there is no error. */
	CHECK(is_device("/proc/keys", S_IFCHR, 1, 3) && is_device("/secret", S_IFCHR, 1, 3));
	CHECK(is_fs("/sys/firmware", TMPFS_MAGIC) && is_readonly("/sys/firmware"));
	CHECK(is_fs("/secrets", TMPFS_MAGIC) && is_readonly("/secrets") && !exists("/secrets/x"));
	CHECK(is_readonly("/proc/sys") && is_readonly("/proc/sys/kernel/hostname"));
	CHECK(is_readonly("/proc/bus") && !is_readonly("/proc"));
	/* Nothing that the host mounts at the image later shows up in the container. */
	CHECK(has_options("/", "ro,!master,!shared") && is_readonly("/"));
	/* Root, six of the document, two read-only and four masked; in a user namespace six
	 * devices. */
	CHECK(mounts_on("/") == 1 + 6 + 2 + 4 + 6 * mounts_on("/dev/null"));
}

static void image_of_standard(void)
{
	put_file("root/secret", "secret");
	put_dir("root/secrets", 0755);
	put_file("root/secrets/x", "secret");
}

#define STANDARD_BOX                                                                            \
	.mounts = STANDARD, .readonly_root = true, .image = image_of_standard,                  \
	.inside = in_standard,                                                                  \
	.linux_ = ",\"maskedPaths\":[\"/proc/keys\",\"/none\",\"/proc/none\",\"/secret/none\"," \
		  "\"/sys/firmware\",\"/secret\",\"/secrets\"],"                                \
		  "\"readonlyPaths\":[\"/proc/sys\",\"/proc/bus\",\"/proc/none\",\"/none\"]"

static void outside_standard(void)
{
	/* Nothing was mounted on the host, and nothing made but the places to mount on. */
	CHECK(mounts_on("/tmp/bundle") == 0);
	CHECK(text_is("root/secret", "secret") && text_is("root/secrets/x", "secret"));
	CHECK(!exists("root/dev/null") && !exists("root/dev/pts"));
}

static void the_standard_container(void **state)
{
	(void)state;
	expect_box(&(struct box){ STANDARD_BOX, .outside = outside_standard });
}

static void the_same_without_mount_setattr(void **state)
{
	(void)state;
	expect_box(&(struct box){ STANDARD_BOX, .outside = outside_standard, .no_setattr = true });
}

static void the_same_without_pivot_root(void **state)
{
	(void)state;
	expect_box(&(struct box){ STANDARD_BOX, .outside = outside_standard, .no_pivot = true });
}

static void the_same_in_a_user_namespace(void **state)
{
	(void)state;
	expect_box(&(struct box){ STANDARD_BOX, .userns = true, .outside = outside_standard });
}

static void in_hostns(void)
{
	CHECK(is_fs("/proc", PROC_SUPER_MAGIC) && is_device("/dev/null", S_IFCHR, 1, 3));
	CHECK(!exists("/tmp/bundle"));
}

static void without_a_mount_namespace(void **state)
{
	(void)state;
	expect_box(&(struct box){ .mounts = STANDARD, .no_mountns = true, .inside = in_hostns });
}

/* ---- binds ---------------------------------------------------------------------------------- */

static void image_of_binds(void)
{
	put_dir("host/dir", 0755);
	put_file("host/dir/file", "of the host");
	put_dir("host/dir/sub", 0755);
	CHECK(mount("sub", "host/dir/sub", "tmpfs", MS_NOSUID, "mode=777") == 0);
	put_file("host/dir/sub/file", "below");
	put_link("host/link", "dir");
}

static void in_binds(void)
{
	CHECK(text_is("/mnt/a/b/file", "of the host") && !exists("/mnt/a/b/sub/file"));
	CHECK(text_is("/mnt/rec/sub/file", "below"));
	CHECK(text_is("/mnt/new/file", "of the host") && is_readonly("/mnt/new/file"));
	CHECK(is_readonly("/mnt/ro") && !is_readonly("/mnt/ro/sub"));
	CHECK(is_readonly("/mnt/rro") && is_readonly("/mnt/rro/sub"));
	CHECK(has_options("/mnt/rro/sub", "ro,nosuid,nodev,noexec"));
	CHECK(has_options("/mnt/rec", "rw,!nosuid") && has_options("/mnt/rec/sub", "rw,nosuid"));
	CHECK(has_options("/mnt/rrw/sub", "rw,!nosuid,noatime"));
	CHECK(text_is("/mnt/again/file", "below"));
}

static void bind_mounts(void **state)
{
	static const struct box box = {
		.mounts = { PROC, BIND("host/dir", "/mnt/a/b", "bind"),
			    BIND("host/link", "/mnt/rec", "rbind"),
			    BIND("host/dir/file", "/mnt/new/file", "bind,ro"),
			    BIND("host/dir", "/mnt/ro", "rbind,ro"),
			    BIND("host/dir", "/mnt/rro", "rbind,rro,rnodev,rnoexec"),
			    BIND("host/dir", "/mnt/rrw", "rbind,rsuid,rnoatime"),
			    /* from what an earlier mount put into the root */
			    BIND("root/mnt/rec/sub", "/mnt/again", "bind") },
		.image = image_of_binds,
		.inside = in_binds,
	};

	(void)state;
	expect_box(&box);
}

/* Source's options, options of the bind, what it has then: with and without a user namespace of its
 * own; NULL: refused. As runc has it, see its mounts_sshfs.bats. */
static const struct flag_case {
	unsigned long source;
	const char *bind, *expect, *in_userns;
} flag_cases[] = {
	{ MS_RDONLY | MS_NOEXEC | MS_NODIRATIME, "bind", "ro,noexec,nodiratime",
	  "ro,noexec,nodiratime" },
	{ MS_RDONLY | MS_NOEXEC | MS_NODIRATIME, "bind,dev", "rw,!noexec,nodiratime",
	  "ro,noexec,nodiratime" },
	{ MS_RDONLY, "bind,nosuid,nodev,rprivate", "rw,nosuid,nodev", "ro,nosuid,nodev" },
	{ MS_RDONLY, "bind,rw,nosuid", "rw,nosuid", NULL },
	{ MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME, "bind,dev,suid,exec,atime",
	  "rw,!nosuid,!nodev,!noexec,noatime", NULL },
	{ MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME, "bind,ro",
	  "ro,!nosuid,!nodev,!noexec,noatime", "ro,nosuid,nodev,noexec,noatime" },
	{ MS_NODEV | NOSYMFOLLOW, "bind,ro,symfollow", "ro,!nodev,!nosymfollow",
	  "ro,nodev,!nosymfollow" },
	{ MS_NODEV | NOSYMFOLLOW, "bind,rw", "rw,!nodev,!nosymfollow", "rw,nodev,!nosymfollow" },
	{ MS_NOATIME, "bind,norelatime", "noatime,!relatime", "noatime" },
	{ MS_NOATIME, "bind,relatime", "!noatime,relatime", NULL },
	{ MS_NOATIME, "bind,nodiratime", "!noatime,nodiratime,relatime", NULL },
	{ MS_NODIRATIME, "bind,strictatime", "!noatime,!relatime,!nodiratime", NULL },
	{ MS_NOATIME, "bind,nodiratime,strictatime", "!noatime,!relatime,nodiratime", NULL },
	{ MS_STRICTATIME, "bind,noatime", "noatime", NULL },
	{ MS_STRICTATIME, "bind,relatime", "relatime", NULL },
	{ MS_STRICTATIME, "bind,nostrictatime", "!relatime,!noatime", "!relatime,!noatime" },
	{ MS_NODIRATIME, "bind,diratime", "nodiratime", "nodiratime" },
};
static const struct flag_case *flag_case;
static const char *flags_wanted;

static void image_of_flags(void)
{
	put_dir("host/m", 0755);
	CHECK(mount("m", "host/m", "tmpfs", 0, "") == 0);
	CHECK(mount("m", "host/m", NULL, MS_BIND | MS_REMOUNT | flag_case->source, NULL) == 0);
}

static void in_flags(void)
{
	CHECK(has_options("/mnt", flags_wanted));
}

static void check_flag_case(bool userns, bool no_setattr)
{
	struct box box = { .mounts = { PROC, BIND("host/m", "/mnt", flag_case->bind) },
			   .image = image_of_flags,
			   .inside = in_flags,
			   .userns = userns,
			   .no_setattr = no_setattr };

	flags_wanted = userns ? flag_case->in_userns : flag_case->expect;
	box.error = flags_wanted ? NULL : "not permitted";
	if (!box_run(&box))
		fail_msg("%s%s%s", flag_case->bind, userns ? " in a user namespace" : "",
			 no_setattr ? " without mount_setattr" : "");
}

static void flags_of_bind_mounts(void **state)
{
	(void)state;
	if (box_needs_root())
		skip();
	for (size_t i = 0; i < sizeof(flag_cases) / sizeof(flag_cases[0]); i++) {
		flag_case = &flag_cases[i];
		check_flag_case(false, false);
		check_flag_case(true, false);
		check_flag_case(false, true);
		check_flag_case(true, true);
	}
}

/* ---- file systems --------------------------------------------------------------------------- */

static mode_t mode_of(const char *path)
{
	struct stat st;

	CHECK(lstat(path, &st) == 0);
	return st.st_mode & 07777;
}

/* cap_net_raw, permitted and effective, in version 2 of the format: capabilities(7) */
static const uint8_t file_caps[20] = { 1, 0, 0, 2, 0, 0x20 };

/* An access list: user 7 may read, capped by a mask; acl(5), version 2 */
static const uint8_t access_list[] = { 2,    0,    0,    0, 1,    0,    7,    0,    0xff,
				       0xff, 0xff, 0xff, 2, 0,    4,    0,    7,    0,
				       0,    0,    4,    0, 0,    0,    0xff, 0xff, 0xff,
				       0xff, 16,   0,    4, 0,    0xff, 0xff, 0xff, 0xff,
				       32,   0,    0,    0, 0xff, 0xff, 0xff, 0xff };

static void put_xattr(const char *path, const char *name, const void *value, size_t len)
{
	CHECK(setxattr(path, name, value, len, 0) == 0);
}

static bool xattr_is(const char *path, const char *name, const void *value, size_t len)
{
	uint8_t found[64];

	return getxattr(path, name, found, sizeof(found)) == (ssize_t)len &&
	       memcmp(found, value, len) == 0;
}

static void image_of_tmpfs(void)
{
	put_dir("root/narrow", 0710);
	put_dir("root/up", 0750);
	put_file("root/up/file", "copied");
	CHECK(chmod("root/up/file", 04711) == 0 && chown("root/up/file", 7, 8) == 0);
	CHECK(chmod("root/up/file", 04711) == 0);
	put_dir("root/up/dir", 01777);
	put_file("root/up/dir/deep", "deep");
	put_link("root/up/link", "/etc/shadow");
	CHECK(mkfifo("root/up/fifo", 0640) == 0);
	CHECK(mknod("root/up/null", S_IFCHR | 0600, makedev(1, 3)) == 0);
	put_file("root/up/dir/ping", "ping");
	CHECK(chown("root/up/dir/ping", 7, 8) == 0);
	put_xattr("root/up/dir/ping", "security.capability", file_caps, sizeof(file_caps));
	put_xattr("root/up/dir", "trusted.of-dir", "yes", 3);
	put_xattr("root/up", "trusted.of-root", "", 0);
	put_file("root/up/listed", "");
	put_xattr("root/up/listed", "system.posix_acl_access", access_list, sizeof(access_list));
}

static void in_tmpfs(void)
{
	char target[32] = "";
	struct stat st;

	CHECK(mode_of("/narrow") == 0710 && mode_of("/mnt") == 01500 &&
	      mode_of("/new/dir") == 01777);
	CHECK(has_options("/ro", "ro,nosuid") && exists("/ro/below") && is_readonly("/ro"));
	CHECK(has_options("/dev", "ro,nosuid") && is_device("/dev/null", S_IFCHR, 1, 3));
	CHECK(has_options("/dev/shm", "rw"));
	CHECK(is_fs("/up", TMPFS_MAGIC) && mode_of("/up") == 0750 && text_is("/up/file", "copied"));
	CHECK(stat("/up/file", &st) == 0 && st.st_uid == 7 && st.st_gid == 8);
	CHECK(mode_of("/up/file") == 04711 && mode_of("/up/dir") == 01777);
	CHECK(text_is("/up/dir/deep", "deep") && mode_of("/up/fifo") == 0640);
	CHECK(readlink("/up/link", target, sizeof(target) - 1) > 0);
	CHECK(strcmp(target, "/etc/shadow") == 0 && is_device("/up/null", S_IFCHR, 1, 3));
	CHECK(xattr_is("/up/dir/ping", "security.capability", file_caps, sizeof(file_caps)));
	CHECK(xattr_is("/up/dir", "trusted.of-dir", "yes", 3));
	CHECK(xattr_is("/up", "trusted.of-root", "", 0));
	CHECK(xattr_is("/up/listed", "system.posix_acl_access", access_list, sizeof(access_list)));
	CHECK(has_options("/proc", "ro"));
	CHECK(has_options("/shared", "shared") && has_options("/up", "!shared,!master"));
}

static void outside_tmpfs(void)
{
	CHECK(mode_of("root/new/dir") == 0755 && mode_of("root/narrow") == 0710);
	CHECK(!exists("root/ro/below"));
}

static void kinds_of_tmpfs(void **state)
{
	static const struct box box = {
		.mounts = { PROC,
			    TMPFS("/narrow", ""),
			    TMPFS("/mnt", "mode=1500"),
			    TMPFS("/new/dir", "size=1m,huge=never"),
			    TMPFS("/ro", "ro,nosuid"),
			    TMPFS("/ro/below", ""),
			    TMPFS("/dev", "ro,nosuid"),
			    TMPFS("/dev/shm", ""),
			    TMPFS("/up", "tmpcopyup,rprivate"),
			    TMPFS("/shared", "rshared"),
			    { "proc", "/proc", "proc", "remount,ro" } },
		.image = image_of_tmpfs,
		.inside = in_tmpfs,
		.outside = outside_tmpfs,
	};

	(void)state;
	expect_box(&box);
}

static void options_of_file_systems_are_checked(void **state)
{
	(void)state;
	expect_box(&(struct box){ .mounts = { TMPFS("/mnt", "nonsense=1") }, .error = "nonsense" });
	expect_box(&(struct box){ .mounts = { { "none", "/mnt", "nofs" } }, .error = "nofs" });
}

static bool no_overlay(void)
{
	bool found = false;
	char line[64];
	FILE *file = fopen("/proc/filesystems", "re");

	while (file && fgets(line, sizeof(line), file))
		found |= strstr(line, "\toverlay\n") != NULL;
	if (file)
		fclose(file);
	if (!found)
		printf("# skip: no overlay file system in this kernel\n");
	return !found;
}

static void image_of_overlay(void)
{
	put_dir("host/lower", 0755);
	put_file("host/lower/file", "lower");
}

static void in_overlay(void)
{
	CHECK(text_is("/mnt/file", "lower"));
}

static void in_dev_overlay(void)
{
	CHECK(text_is("/dev/over/file", "lower") && is_device("/dev/null", S_IFCHR, 1, 3));
}

/* A relative path in options is the bundle's, though an earlier mount changed the directory. */
static void image_of_relative(void)
{
	image_of_overlay();
	put_dir("root/mnt/host", 0755);
	put_dir("root/mnt/host/lower", 0755);
	put_file("root/mnt/host/lower/file", "of the image");
}

static void relative_paths_are_of_the_bundle(void **state)
{
	static const struct box box = {
		.mounts = { TMPFS("/mnt/sub", ""),
			    { "overlay", "/mnt", "overlay", "lowerdir=host/lower:root/proc" } },
		.image = image_of_relative,
		.inside = in_overlay,
	};

	(void)state;
	if (no_overlay())
		skip();
	expect_box(&box);
}

/* fsconfig(2) takes 255 bytes, overlays of many layers have more. */
static void options_longer_than_fsconfig_takes(void **state)
{
	char options[600] = "lowerdir=/tmp/bundle/host/lower";
	struct box box = { .mounts = { { "overlay", "/mnt", "overlay", options } },
			   .image = image_of_overlay,
			   .inside = in_overlay };
	struct box in_dev = { .mounts = { TMPFS("/dev", ""),
					  { "overlay", "/dev/over", "overlay", options } },
			      .image = image_of_overlay,
			      .inside = in_dev_overlay };

	(void)state;
	for (int i = 0; i < 16; i++)
		strcat(options, "/../lower/././././.");
	strcat(options, ":/tmp/bundle/root");
	if (no_overlay())
		skip();
	expect_box(&box);
	expect_box(&in_dev);
}

/* ---- propagation ---------------------------------------------------------------------------- */

static void image_of_propagation(void)
{
	CHECK(mount("host", "host", "tmpfs", 0, "") == 0);
	CHECK(mount("none", "host", NULL, MS_SHARED, NULL) == 0);
}

static void in_propagation(void)
{
	CHECK(has_options("/mnt/private", "!shared,!master"));
	CHECK(has_options("/mnt/slave", "master,!shared") && has_options("/mnt/shared", "shared"));
	CHECK(has_options("/", "shared"));
}

static void hooks_of_propagation(void)
{
	/* A mount in the container must not show on the host, whatever the root is. */
	CHECK(mount("none", "tmp", "tmpfs", 0, "") == 0);
}

static void outside_propagation(void)
{
	CHECK(mounts_on("/tmp/bundle/host") == 1 && mounts_on("/tmp/bundle") == 1);
}

static void propagation_is_as_asked_and_not_to_the_host(void **state)
{
	static const struct box box = {
		.mounts = { PROC, BIND("host", "/mnt/private", "bind,private"),
			    BIND("host", "/mnt/slave", "rbind,slave"),
			    BIND("host", "/mnt/shared", "rbind,rshared") },
		.linux_ = ",\"rootfsPropagation\":\"shared\"",
		.image = image_of_propagation,
		.hooks = hooks_of_propagation,
		.inside = in_propagation,
		.outside = outside_propagation,
	};

	(void)state;
	expect_box(&box);
}

static const char *root_propagation;

static void in_root_propagation(void)
{
	CHECK(has_options("/", root_propagation) && text_is("/mnt/file", "here"));
}

static void image_of_root_propagation(void)
{
	put_file("root/mnt/file", "here");
}

static void every_propagation_of_the_root(void **state)
{
	static const char *const cases[][2] = {
		{ "private", "!shared,!master" }, { "rprivate", "!shared,!master" },
		{ "slave", "!shared,!master" },   { "rslave", "!shared,!master" },
		{ "shared", "shared,!master" },   { "rshared", "shared,!master" },
		{ "unbindable", "unbindable" },   { "runbindable", "unbindable" },
	};
	char linux_[64];
	struct box box = { .mounts = { PROC },
			   .linux_ = linux_,
			   .image = image_of_root_propagation,
			   .inside = in_root_propagation };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(linux_, sizeof(linux_), ",\"rootfsPropagation\":\"%s\"", cases[i][0]);
		root_propagation = cases[i][1];
		expect_box(&box);
	}
}

/* ---- devices -------------------------------------------------------------------------------- */

static void image_of_devices(void)
{
	put_dir("root/opt", 0755);
	CHECK(mknod("root/opt/match", S_IFBLK | 0600, makedev(7, 7)) == 0);
}

static void in_devices(void)
{
	struct stat st;

	CHECK(is_device("/dev/mine", S_IFCHR, 1, 5) && mode_of("/dev/mine") == 0666);
	CHECK(is_device("/opt/a/b", S_IFBLK, 7, 9) && mode_of("/opt/a/b") == 02640);
	CHECK(stat("/opt/a/b", &st) == 0 && st.st_uid == 5 && st.st_gid == 6);
	CHECK(is_device("/opt/match", S_IFBLK, 7, 7));
	CHECK(is_device("/dev/pipe", S_IFIFO, 0, 0) && mode_of("/dev/tty") == 0600);
}

static void devices_of_the_document(void **state)
{
	static const struct box box = {
		.mounts = { TMPFS("/dev", "") },
		.linux_ = ",\"devices\":["
			  "{\"path\":\"/dev/mine\",\"type\":\"u\",\"major\":1,\"minor\":5},"
			  "{\"path\":\"/opt/a/b\",\"type\":\"b\",\"major\":7,\"minor\":9,"
			  "\"fileMode\":1440,\"uid\":5,\"gid\":6},"
			  "{\"path\":\"/opt/match\",\"type\":\"b\",\"major\":7,\"minor\":7},"
			  "{\"path\":\"/dev/tty\",\"type\":\"c\",\"major\":5,\"minor\":0,"
			  "\"fileMode\":384},"
			  "{\"path\":\"/dev/ptmx\",\"type\":\"c\",\"major\":5,\"minor\":2},"
			  "{\"path\":\"/dev/pipe\",\"type\":\"p\"}]",
		.image = image_of_devices,
		.inside = in_devices,
	};

	(void)state;
	expect_box(&box);
}

static void in_bound_dev(void)
{
	CHECK(is_device("/dev/null", S_IFCHR, 1, 3) && !exists("/dev/stdin"));
	CHECK(is_fs("/proc/cpuinfo", TMPFS_MAGIC) && text_is("/proc/cpuinfo", "fake"));
}

static void image_of_bound_dev(void)
{
	put_dir("host/dev", 0755);
	CHECK(mknod("host/dev/null", S_IFCHR | 0666, makedev(1, 3)) == 0);
	put_file("host/cpuinfo", "fake");
}

static void a_dev_of_the_hosts_is_left_alone(void **state)
{
	static const struct box box = {
		.mounts = { PROC, BIND("host/dev", "/dev", "rbind,ro"),
			    BIND("host/cpuinfo", "/proc/cpuinfo", "bind") },
		.image = image_of_bound_dev,
		.inside = in_bound_dev,
	};

	(void)state;
	expect_box(&box);
}

static void in_bound_proc(void)
{
	CHECK(is_device("/proc/keys", S_IFCHR, 1, 3) && is_readonly("/proc/sys"));
	CHECK(is_fs("/proc/self", PROC_SUPER_MAGIC) && !is_readonly("/proc"));
	/* Flags that were there stay there. */
	CHECK(has_options("/proc/sys", "ro,nosuid,noexec") &&
	      has_options("/proc/bus", "ro,nosuid"));
}

/* A /proc that is not the plan's own, and one with flags. */
static void masks_in_any_proc(void **state)
{
	static const char masks[] =
		",\"maskedPaths\":[\"/proc/keys\",\"/proc/none\"],"
		"\"readonlyPaths\":[\"/proc/sys\",\"/proc/bus\",\"/proc/none\"]";

	(void)state;
	expect_box(&(struct box){ .mounts = { BIND("/proc", "/proc", "rbind,nosuid,noexec") },
				  .linux_ = masks,
				  .inside = in_bound_proc });
	expect_box(&(struct box){ .mounts = { { "proc", "/proc", "proc", "nosuid,noexec" } },
				  .linux_ = masks,
				  .inside = in_bound_proc });
	expect_box(
		&(struct box){ .mounts = { { "proc", "/proc", "proc", "nosuid,noexec,rprivate" } },
			       .linux_ = masks,
			       .userns = true,
			       .no_setattr = true,
			       .inside = in_bound_proc });
}

/* user_namespaces(7): a procfs may be mounted anew where a whole one is in the mount namespace. */
static void in_nested_user_namespace(void)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID) < 0)
			_exit(2);
		pid = fork();
		if (pid == 0)
			_exit(mount("proc", "/mnt", "proc", 0, NULL) < 0 && errno == EPERM ? 0 : 1);
		_exit(waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status)
									   : 3);
	}
	CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void image_with_procfs_beside_it(void)
{
	put_dir("a b", 0755);
	CHECK(mount("proc", "a b", "proc", 0, NULL) == 0);
}

static void whole_procfs_are_hidden_without_pivot_root(void **state)
{
	(void)state;
	expect_box(&(struct box){ .mounts = STANDARD,
				  .linux_ = ",\"maskedPaths\":[\"/proc/keys\"]",
				  .no_pivot = true,
				  .image = image_with_procfs_beside_it,
				  .inside = in_nested_user_namespace });
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_standard_container),
		cmocka_unit_test(the_same_without_mount_setattr),
		cmocka_unit_test(the_same_without_pivot_root),
		cmocka_unit_test(the_same_in_a_user_namespace),
		cmocka_unit_test(without_a_mount_namespace),
		cmocka_unit_test(bind_mounts),
		cmocka_unit_test(flags_of_bind_mounts),
		cmocka_unit_test(kinds_of_tmpfs),
		cmocka_unit_test(options_of_file_systems_are_checked),
		cmocka_unit_test(relative_paths_are_of_the_bundle),
		cmocka_unit_test(options_longer_than_fsconfig_takes),
		cmocka_unit_test(propagation_is_as_asked_and_not_to_the_host),
		cmocka_unit_test(every_propagation_of_the_root),
		cmocka_unit_test(devices_of_the_document),
		cmocka_unit_test(a_dev_of_the_hosts_is_left_alone),
		cmocka_unit_test(masks_in_any_proc),
		cmocka_unit_test(whole_procfs_are_hidden_without_pivot_root),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

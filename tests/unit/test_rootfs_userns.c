/* SPDX-License-Identifier: Apache-2.0 */
/* Id-mapped mounts, and what a user namespace of its own takes: sources that it may not search,
 * sources in earlier mounts, both at once. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cmocka.h>

#include "box.h"

static bool owned_by(const char *path, uid_t uid, gid_t gid)
{
	struct stat st;

	CHECK(stat(path, &st) == 0);
	if (st.st_uid != uid || st.st_gid != gid)
		fprintf(stderr, "%s: owner is %u:%u\n", path, st.st_uid, st.st_gid);
	return st.st_uid == uid && st.st_gid == gid;
}

static void image(void)
{
	put_dir("host/tree", 0755);
	put_file("host/tree/file", "mapped");
	CHECK(chown("host/tree/file", 3, 4) == 0);
	put_dir("host/tree/sub", 0755);
	CHECK(mount("sub", "host/tree/sub", "tmpfs", 0, "") == 0);
	put_file("host/tree/sub/file", "below");
	CHECK(chown("host/tree/sub/file", 5, 6) == 0);
	put_dir("host/closed", 0700);
	put_dir("host/closed/dir", 0755);
	put_file("host/closed/dir/file", "closed");
	CHECK(mount("host/closed/dir", "host/closed/dir", NULL, MS_BIND, NULL) == 0);
	CHECK(mount("none", "host/closed/dir", NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL) == 0);
}

/* Whether this kernel maps the ids of what is below /tmp, a tmpfs: Linux 6.3. */
static bool no_idmap(void)
{
	static const struct box probe = {
		.mounts = { MAPPED("host", "/mnt", "bind", 100000) },
		.inside = sync,
		.may_fail = false,
	};

	if (box_needs_root())
		return true;
	if (box_run(&probe))
		return false;
	printf("# skip: no id-mapped mounts of tmpfs on this kernel\n");
	return true;
}

static void in_mapped(void)
{
	CHECK(owned_by("/mnt/one/file", 100003, 100004) && owned_by("/mnt/one/sub/file", 5, 6));
	CHECK(owned_by("/mnt/all/file", 200003, 200004));
	CHECK(owned_by("/mnt/all/sub/file", 200005, 200006));
	CHECK(owned_by("/mnt/ro/file", 100003, 100004) && has_options("/mnt/ro", "ro,shared"));
	CHECK(owned_by("/mnt/again/file", 100003, 100004));
}

static void ids_are_mapped(void **state)
{
	static const struct box box = {
		.mounts = { PROC, MAPPED("host/tree", "/mnt/one", "rbind", 100000),
			    MAPPED("host/tree", "/mnt/all", "rbind,ridmap", 200000),
			    MAPPED("host/tree", "/mnt/ro", "bind,ro,shared", 100000),
			    BIND("root/mnt/one", "/mnt/again", "bind") },
		.image = image,
		.inside = in_mapped,
	};

	(void)state;
	if (no_idmap())
		skip();
	assert_true(box_run(&box));
}

static void in_userns(void)
{
	/* The container's own maps undo the mount's: ids of the host show as they are. */
	CHECK(owned_by("/mnt/one/file", 3, 4) && owned_by("/mnt/one/sub/file", 65534, 65534));
	CHECK(owned_by("/mnt/all/file", 3, 4) && owned_by("/mnt/all/sub/file", 5, 6));
	CHECK(owned_by("/mnt/plain/file", 65534, 65534));
	/* From inside a directory that only the host's root may search, and what is locked stays
	 * so. */
	CHECK(text_is("/mnt/closed/file", "closed") && has_options("/mnt/closed", "ro"));
	/* Sources that lie in what earlier mounts brought, mapped and not. */
	CHECK(owned_by("/mnt/again/file", 3, 4) && owned_by("/mnt/remapped/file", 3, 4));
	CHECK(text_is("/mnt/remapped/file", "mapped"));
	CHECK(is_device("/dev/null", S_IFCHR, 1, 3));
	CHECK(mount("none", "/mnt/closed", NULL, MS_BIND | MS_REMOUNT, NULL) < 0 && errno == EPERM);
}

static void a_user_namespace_gets_its_sources(void **state)
{
	static const struct box box = {
		.userns = true,
		.mounts = { PROC, BIND("host/tree", "/mnt/one", "rbind,idmap"),
			    BIND("host/tree", "/mnt/all", "rbind,ridmap"),
			    BIND("host/tree", "/mnt/plain", "rbind"),
			    BIND("host/closed/dir", "/mnt/closed", "rbind,nosuid"),
			    BIND("root/mnt/one", "/mnt/again", "rbind"),
			    BIND("root/mnt/plain", "/mnt/remapped", "rbind,idmap") },
		.image = image,
		.inside = in_userns,
	};

	(void)state;
	if (no_idmap())
		skip();
	assert_true(box_run(&box));
}

static void what_is_locked_cannot_be_asked_away(void **state)
{
	static const struct box box = {
		.userns = true,
		.mounts = { PROC, BIND("host/closed/dir", "/mnt", "rbind,rw") },
		.image = image,
		.error = "cannot clear locked flags: operation not permitted",
	};

	(void)state;
	if (box_needs_root())
		skip();
	assert_true(box_run(&box));
}

static void image_of_closed_root(void)
{
	put_file("root/mnt/file", "root");
	CHECK(chmod(".", 0700) == 0);
}

static void in_closed_root(void)
{
	CHECK(text_is("/mnt/file", "root") && text_is("/tmp/f", "root"));
}

static void a_root_in_a_closed_directory(void **state)
{
	static const struct box box = {
		.userns = true,
		.mounts = { PROC, BIND("root/mnt/file", "/tmp/f", "bind") },
		.image = image_of_closed_root,
		.inside = in_closed_root,
	};

	(void)state;
	if (box_needs_root())
		skip();
	assert_true(box_run(&box));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids_are_mapped),
		cmocka_unit_test(a_user_namespace_gets_its_sources),
		cmocka_unit_test(what_is_locked_cannot_be_asked_away),
		cmocka_unit_test(a_root_in_a_closed_directory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

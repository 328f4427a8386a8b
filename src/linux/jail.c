/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/jail.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "base/sys.h"
#include "linux/mount.h"

/* Top directories, which may be links into /usr, and the linker's cache: without that it looks for
 * each library in several places. */
static const char *const programs[] = {
	"usr", "lib", "lib32", "lib64", "bin", "etc/ld.so.cache",
};

static int show_link(int root, const char *path, const char *name, struct bh_err *err)
{
	char target[PATH_MAX];
	ssize_t n = readlink(path, target, sizeof(target) - 1);

	if (n < 0)
		return bh_err_set(err, -errno, "read link '%s'", path);
	target[n] = '\0';
	return symlinkat(target, root, name) < 0 ? bh_err_set(err, -errno, "make link '%s'", name)
						 : 0;
}

static int make_place(int root, const char *name, bool dir, struct bh_err *err)
{
	bh_auto_close int fd = -EBADF;

	if (dir)
		return mkdirat(root, name, 0755) < 0 ? bh_err_set(err, -errno, "make '%s'", name)
						     : 0;
	fd = openat(root, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0444);
	return fd < 0 ? bh_err_set(err, -errno, "make '%s'", name) : 0;
}

int bh_jail_show(int root, const char *path, const char *name, struct bh_err *err)
{
	static const struct bh_mount_change change = {
		.set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV,
		.propagation = MS_PRIVATE,
	};
	bh_auto_close int tree = -EBADF;
	struct stat st;
	int r;

	if (stat(path, &st) < 0)
		return bh_err_set(err, -errno, "look at '%s'", path);
	r = make_place(root, name, S_ISDIR(st.st_mode), err);
	if (r < 0)
		return r;
	tree = bh_mount_clone(AT_FDCWD, path, 0, err);
	if (tree < 0)
		return tree;
	r = bh_mount_change(tree, &change, err);
	return r < 0 ? r : bh_mount_attach(tree, root, name, err);
}

/* A link as one, since what it leads to is shown as well. */
static int show_program(int root, const char *path, const char *name, struct bh_err *err)
{
	struct stat st;

	if (lstat(path, &st) == 0 && S_ISLNK(st.st_mode))
		return show_link(root, path, name, err);
	return bh_jail_show(root, path, name, err);
}

int bh_jail_show_programs(int root, struct bh_err *err)
{
	char path[64];

	if (mkdirat(root, "etc", 0755) < 0)
		return bh_err_set(err, -errno, "make 'etc'");
	for (size_t i = 0; i < BH_ARRAY_SIZE(programs); i++) {
		int r;

		snprintf(path, sizeof(path), "/%s", programs[i]);
		if (access(path, F_OK) < 0)
			continue; /* not every system has all of them */
		r = show_program(root, path, programs[i], err);
		if (r < 0)
			return r;
	}
	return 0;
}

int bh_jail_become_root(int root, struct bh_err *err)
{
	if (fchdir(root) < 0 || bh_sys_pivot_root(".", ".") < 0)
		return bh_err_set(err, -errno, "pivot_root");
	if (umount2(".", MNT_DETACH) < 0)
		return bh_err_set(err, -errno, "unmount the old root");
	return chdir("/") < 0 ? bh_err_set(err, -errno, "chdir '/'") : 0;
}

int bh_jail_die_with_parent(int report, struct bh_err *err)
{
	struct pollfd reader = { .fd = report };

	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return bh_err_set(err, -errno, "set the parent's death signal");
	if (poll(&reader, 1, 0) > 0 && (reader.revents & POLLERR))
		return bh_err_as(err, BH_ERR_BUG, -ECANCELED, "the creator is gone");
	return 0;
}

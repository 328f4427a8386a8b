/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation
 *
 * Where to mount. The tree below the root belongs to the image, and other containers may rename and
 * relink in it right now (CVE-2021-30465), so a place is a descriptor that was opened inside the
 * root, and what is mounted is moved onto that descriptor: nothing is resolved a second time.
 *
 * First without symlinks: then the place is where its name says, and the plan has already checked
 * the name. Only when there is a symlink on the way is it resolved inside the root, and then the
 * result is checked: neither the root itself nor anything in a procfs.
 *
 * In a tmpfs on /dev and a procfs on /proc that the plan has just mounted no one else makes names:
 * there a place is the directory and the name, without opening anything.
 */
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>

#include "base/path.h"
#include "container/rootfs_internal.h"

#define SYMLINKS_MAX 40 /* as the kernel's own limit, path_resolution(7) */
#define PLACE_MODE   0755

int bh_rootfs_chdir(struct bh_rootfs_plan *plan, int fd, struct bh_err *err)
{
	if (plan->cwd_fd == fd)
		return 0;
	plan->cwd_fd = -EBADF;
	if (fchdir(fd) < 0)
		return bh_err_set(err, -errno, "change directory");
	if (fd == plan->root_fd || fd == plan->dev_fd || fd == plan->proc_fd)
		plan->cwd_fd = fd;
	return 0;
}

/* The plan's own directory that holds @path directly, or -EBADF; *ret_name is then its last name.
 */
static int own_directory(const struct bh_rootfs_plan *plan, const char *path, const char **ret_name)
{
	/* These of procfs are symlinks. */
	static const char *const links[] = { "self", "thread-self", "mounts", "net" };
	const char *name = strrchr(path, '/') + 1;
	size_t len = (size_t)(name - path);

	*ret_name = name;
	if (plan->dev_fd >= 0 && len == strlen("/dev/") && strncmp(path, "/dev/", len) == 0)
		return plan->dev_fd;
	if (plan->proc_fd < 0 || len != strlen("/proc/") || strncmp(path, "/proc/", len) != 0)
		return -EBADF;
	for (size_t i = 0; i < BH_ARRAY_SIZE(links); i++)
		if (strcmp(name, links[i]) == 0)
			return -EBADF;
	return plan->proc_fd;
}

/* A place that was reached through symlinks or had to be made: is it one that may be mounted on? */
static int check_place(const struct bh_rootfs_plan *plan, int fd, const char *path,
		       struct bh_err *err)
{
	struct stat st, root;
	int r;

	if (fstat(fd, &st) < 0 || fstat(plan->root_fd, &root) < 0)
		return bh_err_set(err, -errno, "stat '%s'", path);
	if (st.st_dev == root.st_dev && st.st_ino == root.st_ino)
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL,
				 "mountpoint \"%s\" is on the top of rootfs", path);
	/* CVE-2019-19921: a symlink must not lead a volume over files of /proc. */
	r = bh_mount_is_fs(fd, PROC_SUPER_MAGIC, err);
	if (r > 0)
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL,
				 "\"%s\" cannot be mounted because it is inside /proc", path);
	return r;
}

/* @name in @dir_fd, the last of @path behind @dir_len bytes, is a symlink to nowhere: what it
 * points to, as a clean path in the root. */
static int follow_link(int dir_fd, const char *name, const char *path, size_t dir_len,
		       char ret[static PATH_MAX])
{
	char target[PATH_MAX], next[2 * PATH_MAX];
	ssize_t n = readlinkat(dir_fd, name, target, sizeof(target) - 1);

	if (n < 0)
		return -errno;
	target[n] = '\0';
	if (target[0] == '/')
		snprintf(next, sizeof(next), "%s", target);
	else
		snprintf(next, sizeof(next), "%.*s%s", (int)dir_len, path, target);
	bh_path_clean(next);
	if (strlen(next) >= PATH_MAX || strcmp(next, "/") == 0)
		return -ELOOP;
	strcpy(ret, next);
	return 0;
}

/* An empty file at @path, made through dangling symlinks as open(2) with O_CREAT would, but without
 * ever opening what may have been put there meanwhile (CVE-2024-45310). */
static int make_file(const struct bh_rootfs_plan *plan, const char *path, struct bh_err *err)
{
	char here[PATH_MAX], *name;

	if (snprintf(here, sizeof(here), "%s", path) >= (int)sizeof(here))
		return bh_err_set(err, -ENAMETOOLONG, "make file '%.64s…'", path);
	for (int links = 0; links < SYMLINKS_MAX; links++) {
		bh_auto_close int dir_fd = -EBADF;
		int r;

		name = strrchr(here, '/');
		*name = '\0';
		dir_fd = bh_path_mkdirs(plan->root_fd, here[0] ? here : "/", PLACE_MODE, err);
		if (dir_fd < 0)
			return dir_fd;
		*name++ = '/';
		if (mknodat(dir_fd, name, S_IFREG | 0644, 0) < 0 && errno != EEXIST)
			return bh_err_set(err, -errno, "make file '%s'", here);
		r = bh_path_try_open(dir_fd, name, O_PATH, 0, BH_PATH_BENEATH);
		if (r != -ELOOP)
			return r >= 0 ? r : bh_err_set(err, r, "open '%s'", here);
		r = follow_link(dir_fd, name, here, (size_t)(name - here), here);
		if (r < 0)
			return bh_err_set(err, r, "follow '%s'", path);
	}
	return bh_err_set(err, -ELOOP, "make file '%s'", path);
}

static int make_place(const struct bh_rootfs_plan *plan, const char *path, enum bh_place_kind kind,
		      struct bh_err *err)
{
	if (kind == BH_PLACE_FILE)
		return make_file(plan, path, err);
	return bh_path_mkdirs(plan->root_fd, path, PLACE_MODE, err);
}

/* In a directory of the plan's own: made there, nothing to open. Return: 1 done, 0 not so simple */
static int make_own(int dir_fd, const char *name, enum bh_place_kind kind, struct bh_place *ret)
{
	int r = kind == BH_PLACE_DIR ? mkdirat(dir_fd, name, PLACE_MODE)
				     : mknodat(dir_fd, name, S_IFREG | 0644, 0);

	if (r < 0)
		return 0;
	*ret = (struct bh_place){ .fd = dir_fd, .name = name };
	return 1;
}

int bh_place_open(struct bh_rootfs_plan *plan, const char *path, enum bh_place_kind kind,
		  bool strict, struct bh_place *ret, struct bh_err *err)
{
	bh_auto_close int fd = -EBADF;
	const char *name;
	bool existed = true;
	int r, dir_fd = own_directory(plan, path, &name);

	if (dir_fd >= 0 && dir_fd == plan->dev_fd && make_own(dir_fd, name, kind, ret))
		return 0;
	fd = bh_path_try_open(plan->root_fd, path + 1, O_PATH | (strict ? O_DIRECTORY : 0), 0,
			      BH_PATH_BENEATH);
	if (fd == -ELOOP && !strict) {
		fd = bh_path_try_open(plan->root_fd, path, O_PATH, 0, BH_PATH_IN_ROOT);
		r = fd >= 0 ? check_place(plan, fd, path, err) : 0;
		if (r < 0)
			return r;
	}
	if (fd == -ENOENT) {
		existed = false;
		fd = make_place(plan, path, kind, err);
		r = fd >= 0 ? check_place(plan, fd, path, err) : fd;
		if (r < 0)
			return r;
		/* Made through a dangling symlink: not where it says it is. */
		if (strict) {
			bh_close(fd);
			fd = bh_path_try_open(plan->root_fd, path + 1, O_PATH, 0, BH_PATH_BENEATH);
		}
	}
	if (fd < 0)
		return bh_err_set(err, fd, "open '%s'", path);
	*ret = (struct bh_place){
		.fd = bh_take_fd(&fd), .name = "", .owned = true, .existed = existed
	};
	return 0;
}

int bh_place_find(struct bh_rootfs_plan *plan, const char *path, struct bh_place *ret,
		  struct bh_err *err)
{
	const char *name;
	int fd = own_directory(plan, path, &name);

	/* In /dev there are symlinks, and they are to be followed. */
	if (fd >= 0 && fd == plan->proc_fd) {
		*ret = (struct bh_place){ .fd = fd, .name = name, .existed = true };
		return 1;
	}
	fd = bh_path_try_open(plan->root_fd, path, O_PATH, 0, BH_PATH_IN_ROOT);
	if (fd == -ENOENT || fd == -ENOTDIR)
		return 0;
	if (fd < 0)
		return bh_err_set(err, fd, "open '%s'", path);
	*ret = (struct bh_place){ .fd = fd, .name = "", .owned = true, .existed = true };
	return 1;
}

int bh_place_parent(struct bh_rootfs_plan *plan, const char *path, struct bh_place *ret,
		    struct bh_err *err)
{
	const char *name;
	bh_auto_free char *dir = NULL;
	int fd = own_directory(plan, path, &name);

	if (fd >= 0 && fd == plan->dev_fd) {
		*ret = (struct bh_place){ .fd = fd, .name = name };
		return 0;
	}
	dir = strndup(path, name - path == 1 ? 1 : (size_t)(name - path - 1));
	if (!dir)
		return bh_err_oom(err);
	fd = bh_path_mkdirs(plan->root_fd, dir, PLACE_MODE, err);
	if (fd < 0)
		return fd;
	*ret = (struct bh_place){ .fd = fd, .name = name, .owned = true };
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tmpcopyup: a tmpfs starts with what its place held. The source belongs to the image: it is walked
 * by descriptors, symlinks are copied and never followed, devices are made anew and never opened.
 * Extended attributes come along where the tmpfs takes them (file capabilities, access lists): a
 * kernel without, or a user namespace that may not, gets the rest.
 *
 * Source: runtime-spec config.md "tmpcopyup"; runc's option of that name
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/path.h"
#include "container/rootfs_internal.h"

#define DEPTH_MAX 128

static int copy_dir(int from_fd, int to_fd, unsigned int depth, struct bh_err *err);

/* Those of a file or directory; after its owner is set, which takes file capabilities away. */
static int copy_xattrs(int from_dir, int to_dir, const char *name, struct bh_err *err)
{
	const int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK;
	bh_auto_close int from = bh_path_open(from_dir, name, flags, 0, BH_PATH_BENEATH, err);
	bh_auto_close int to = -EBADF;
	bh_auto_free char *names = NULL, *value = NULL;
	ssize_t len;

	if (from < 0)
		return from;
	len = flistxattr(from, NULL, 0);
	if (len <= 0)
		return 0;
	to = bh_path_open(to_dir, name, flags, 0, BH_PATH_BENEATH, err);
	if (to < 0)
		return to;
	names = malloc((size_t)len);
	value = malloc(XATTR_SIZE_MAX);
	if (!names || !value)
		return bh_err_oom(err);
	len = flistxattr(from, names, (size_t)len);
	for (char *key = names; len > 0 && key < names + len; key += strlen(key) + 1) {
		ssize_t n = fgetxattr(from, key, value, XATTR_SIZE_MAX);

		if (n >= 0 && fsetxattr(to, key, value, (size_t)n, 0) < 0 &&
		    (errno == ENOSPC || errno == ENOMEM))
			return bh_err_set(err, -errno, "copy '%s' of '%s'", key, name);
	}
	return 0;
}

static int copy_file(int from_dir, int to_dir, const char *name, struct bh_err *err)
{
	bh_auto_close int from = bh_path_open(from_dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0,
					      BH_PATH_BENEATH, err);
	bh_auto_close int to = -EBADF;
	struct stat st;
	int r;

	if (from < 0)
		return from;
	if (fstat(from, &st) < 0 || !S_ISREG(st.st_mode))
		return bh_err_set(err, -EIO, "'%s' changed while it was copied", name);
	to = bh_path_open(to_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600,
			  BH_PATH_BENEATH, err);
	if (to < 0)
		return to;
	r = bh_fd_copy(to, from);
	return r < 0 ? bh_err_set(err, r, "copy '%s'", name) : 0;
}

static int copy_link(int from_dir, int to_dir, const char *name, struct bh_err *err)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(from_dir, name, target, sizeof(target) - 1);

	if (n < 0)
		return bh_err_set(err, -errno, "read link '%s'", name);
	target[n] = '\0';
	if (symlinkat(target, to_dir, name) < 0)
		return bh_err_set(err, -errno, "make link '%s'", name);
	return 0;
}

static int copy_subdir(int from_dir, int to_dir, const char *name, unsigned int depth,
		       struct bh_err *err)
{
	bh_auto_close int from = bh_path_open(from_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW,
					      0, BH_PATH_BENEATH, err);
	bh_auto_close int to = -EBADF;

	if (from < 0)
		return from;
	if (mkdirat(to_dir, name, 0700) < 0)
		return bh_err_set(err, -errno, "make directory '%s'", name);
	to = bh_path_open(to_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, BH_PATH_BENEATH,
			  err);
	return to < 0 ? to : copy_dir(from, to, depth + 1, err);
}

/* Owner, then mode, since changing the owner takes away set-id bits; then times. */
static int copy_attributes(int to_dir, const char *name, const struct stat *st, struct bh_err *err)
{
	const struct timespec times[2] = { st->st_atim, st->st_mtim };

	if (fchownat(to_dir, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return bh_err_set(err, -errno, "change owner of '%s'", name);
	if (!S_ISLNK(st->st_mode) && fchmodat(to_dir, name, st->st_mode & 07777, 0) < 0)
		return bh_err_set(err, -errno, "change mode of '%s'", name);
	if (utimensat(to_dir, name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return bh_err_set(err, -errno, "change times of '%s'", name);
	return 0;
}

static int copy_entry(int from_dir, int to_dir, const char *name, unsigned int depth,
		      struct bh_err *err)
{
	struct stat st;
	int r = 0;

	if (fstatat(from_dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return bh_err_set(err, -errno, "stat '%s'", name);
	switch (st.st_mode & S_IFMT) {
	case S_IFREG:
		r = copy_file(from_dir, to_dir, name, err);
		break;
	case S_IFDIR:
		r = copy_subdir(from_dir, to_dir, name, depth, err);
		break;
	case S_IFLNK:
		r = copy_link(from_dir, to_dir, name, err);
		break;
	default:
		if (mknodat(to_dir, name, st.st_mode & (S_IFMT | 0777), st.st_rdev) < 0)
			r = bh_err_set(err, -errno, "make node '%s'", name);
	}
	r = r < 0 ? r : copy_attributes(to_dir, name, &st, err);
	if (r == 0 && (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)))
		r = copy_xattrs(from_dir, to_dir, name, err);
	return r;
}

static int copy_dir(int from_fd, int to_fd, unsigned int depth, struct bh_err *err)
{
	bh_auto_close int fd =
		bh_path_open(from_fd, ".", O_RDONLY | O_DIRECTORY, 0, BH_PATH_BENEATH, err);
	bh_auto_closedir DIR *dir = NULL;
	struct dirent *entry;

	if (fd < 0)
		return fd;
	if (depth > DEPTH_MAX)
		return bh_err_set(err, -ELOOP, "more than %d directories deep", DEPTH_MAX);
	dir = fdopendir(fd);
	if (!dir)
		return bh_err_set(err, -errno, "read directory");
	bh_take_fd(&fd);
	for (errno = 0; (entry = readdir(dir)); errno = 0) {
		int r;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		r = copy_entry(dirfd(dir), to_fd, entry->d_name, depth, err);
		if (r < 0)
			return r;
	}
	return errno ? bh_err_set(err, -errno, "read directory") : 0;
}

int bh_rootfs_copy_up(int from_fd, int to_fd, struct bh_err *err)
{
	int r = copy_dir(from_fd, to_fd, 0, err);

	r = r < 0 ? r : copy_xattrs(from_fd, to_fd, ".", err);
	return r < 0 ? bh_err_ctx(err, "tmpcopyup") : 0;
}

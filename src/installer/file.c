/* SPDX-License-Identifier: Apache-2.0 */
#include "installer/file.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/path.h"

#define BYTES_MAX    (16U << 20)
#define DEFAULT_MODE 0644

void bh_install_file_deinit(struct bh_install_file *file)
{
	free(file->path);
	free(file->text);
	*file = BH_INSTALL_FILE_INIT;
}

int bh_install_file_read(const char *name, struct bh_install_file *ret, struct bh_err *err)
{
	bh_auto_close int fd = -EBADF;
	struct stat st;

	*ret = (struct bh_install_file){ .mode = DEFAULT_MODE };
	ret->path = realpath(name, NULL);
	if (!ret->path) {
		if (errno != ENOENT)
			return bh_err_set(err, -errno, "open '%s'", name);
		ret->path = strdup(name);
		return ret->path ? 0 : bh_err_oom(err);
	}
	fd = bh_path_open(AT_FDCWD, ret->path, O_RDONLY | O_NONBLOCK, 0, BH_PATH_HOST, err);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return bh_err_set(err, -errno, "look at '%s'", name);
	if (!S_ISREG(st.st_mode))
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL, "'%s' is no regular file", name);
	ret->mode = st.st_mode & 07777;
	ret->uid = st.st_uid;
	ret->gid = st.st_gid;
	return bh_fd_read(fd, name, BYTES_MAX, &ret->text, &ret->len, err);
}

/* The directory of @path, made if need be. Return: a descriptor */
static int open_dir(const char *path, const char **base, struct bh_err *err)
{
	char dir[PATH_MAX];
	const char *slash = strrchr(path, '/');
	bh_auto_close int root = -EBADF;

	if (!slash || (size_t)(slash - path) >= sizeof(dir))
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL, "'%s' is no absolute path", path);
	snprintf(dir, sizeof(dir), "%.*s", (int)(slash - path), path);
	*base = slash + 1;
	root = bh_path_open(AT_FDCWD, "/", O_RDONLY | O_DIRECTORY, 0, BH_PATH_HOST, err);
	if (root < 0)
		return root;
	bh_auto_close int made = bh_path_mkdirs(root, dir, 0755, err);
	if (made < 0)
		return made;
	return bh_path_open(AT_FDCWD, *dir ? dir : "/", O_RDONLY | O_DIRECTORY, 0, BH_PATH_HOST,
			    err);
}

/* The new file under a name that no reader takes. */
static int write_beside(int dir, const char *tmp, const struct bh_install_file *like,
			const char *text, size_t len)
{
	bh_auto_close int fd = bh_path_try_open(dir, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW,
						0600, BH_PATH_BENEATH);
	int r = fd < 0 ? fd : bh_fd_write(fd, text, len);

	if (r == 0 &&
	    (fchown(fd, like->uid, like->gid) < 0 || fchmod(fd, like->mode) < 0 || fsync(fd) < 0))
		r = -errno;
	return r;
}

int bh_install_file_write(const struct bh_install_file *like, const char *path, const char *text,
			  size_t len, struct bh_err *err)
{
	char tmp[NAME_MAX + 1];
	const char *base;
	bh_auto_close int dir = open_dir(path, &base, err);
	int r;

	if (dir < 0)
		return dir;
	if (snprintf(tmp, sizeof(tmp), ".%s.bulkhead-new", base) >= (int)sizeof(tmp))
		return bh_err_set(err, -ENAMETOOLONG, "write '%s'", path);
	r = write_beside(dir, tmp, like, text, len);
	if (r == 0 && renameat(dir, tmp, dir, base) < 0)
		r = -errno;
	if (r == 0 && fsync(dir) < 0)
		r = -errno;
	if (r < 0)
		unlinkat(dir, tmp, 0);
	return r < 0 ? bh_err_set(err, r, "write '%s'", path) : 0;
}

int bh_install_file_remove(const char *path, struct bh_err *err)
{
	return unlink(path) < 0 && errno != ENOENT ? bh_err_set(err, -errno, "remove '%s'", path)
						   : 0;
}

int bh_install_dir_remove(const char *path, struct bh_err *err)
{
	const char *slash = strrchr(path, '/');
	char dir[PATH_MAX];

	snprintf(dir, sizeof(dir), "%.*s", slash ? (int)(slash - path) : 0, path);
	return rmdir(dir) < 0 && errno != ENOENT && errno != ENOTEMPTY && errno != EEXIST
		       ? bh_err_set(err, -errno, "remove '%s'", dir)
		       : 0;
}

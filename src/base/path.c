/* SPDX-License-Identifier: Apache-2.0 */
#include "base/path.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include "base/sys.h"

#define COPY_CHUNK (1 << 30) /* bytes that one sendfile(2) is asked for */

static const uint64_t resolve_of[BH_PATH_MAX_] = {
	[BH_PATH_HOST] = 0,
	[BH_PATH_IN_ROOT] = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	[BH_PATH_BENEATH] = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
	[BH_PATH_PROC] = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV,
};

int bh_path_try_open(int dirfd, const char *path, int flags, mode_t mode,
		     enum bh_path_policy policy)
{
	struct open_how how = {
		.flags = (uint64_t)(unsigned int)(flags | O_CLOEXEC),
		.mode = (flags & (O_CREAT | O_TMPFILE)) ? mode : 0,
		.resolve = resolve_of[policy],
	};
	int fd;

	/* A racing rename makes the kernel give up with EAGAIN; openat2(2) says to try again. */
	for (int tries = 0; tries < 128; tries++) {
		fd = bh_sys_openat2(dirfd, path, &how);
		if (fd >= 0 || errno != EAGAIN)
			break;
	}
	return fd >= 0 ? fd : -errno;
}

int bh_path_open(int dirfd, const char *path, int flags, mode_t mode, enum bh_path_policy policy,
		 struct bh_err *err)
{
	int fd = bh_path_try_open(dirfd, path, flags, mode, policy);

	return fd >= 0 ? fd : bh_err_set(err, fd, "open '%s'", path);
}

#define SYMLINKS_MAX 40 /* as the kernel's own limit, path_resolution(7) */

static int make_dirs(int root_fd, char *path, mode_t mode, unsigned int links);

/* @name of @dir_fd is a symlink to nowhere: make the place that it points to, inside the root. */
static int make_link_target(int root_fd, int dir_fd, const char *name, const char *parent,
			    mode_t mode, unsigned int links)
{
	char target[PATH_MAX], path[2 * PATH_MAX];
	ssize_t n = readlinkat(dir_fd, name, target, sizeof(target) - 1);

	if (n < 0)
		return -errno;
	if (links >= SYMLINKS_MAX)
		return -ELOOP;
	target[n] = '\0';
	snprintf(path, sizeof(path), "%s/%s", target[0] == '/' ? "" : parent, target);
	bh_path_clean(path);
	return make_dirs(root_fd, path, mode, links + 1);
}

/* One step: the directory @name of @dir_fd, whose path from the root is @parent, made if missing.
 */
static int enter_or_make(int root_fd, int dir_fd, const char *name, const char *parent, mode_t mode,
			 unsigned int links)
{
	char path[PATH_MAX];
	int fd;

	if (snprintf(path, sizeof(path), "%s/%s", parent, name) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	fd = bh_path_try_open(root_fd, path, O_PATH | O_DIRECTORY, 0, BH_PATH_IN_ROOT);
	if (fd != -ENOENT)
		return fd;
	if (mkdirat(dir_fd, name, mode) < 0) {
		if (errno != EEXIST)
			return -errno;
		fd = make_link_target(root_fd, dir_fd, name, parent, mode, links);
		if (fd != -EINVAL)
			return fd;
	}
	return bh_path_try_open(dir_fd, name, O_PATH | O_DIRECTORY, 0, BH_PATH_BENEATH);
}

/* @path is clean; it is cut apart while walked. */
static int make_dirs(int root_fd, char *path, mode_t mode, unsigned int links)
{
	int fd = bh_path_try_open(root_fd, ".", O_PATH | O_DIRECTORY, 0, BH_PATH_BENEATH);
	char *name = path + (path[0] == '/'), *slash;
	const char *parent = "";

	for (; fd >= 0 && *name; name = slash) {
		int next;

		slash = strchrnul(name, '/');
		if (*slash)
			*slash++ = '\0';
		next = enter_or_make(root_fd, fd, name, parent, mode, links);
		bh_close(fd);
		fd = next;
		/* What was walked so far becomes the next step's parent: put its '/' back. */
		if (name > path)
			name[-1] = '/';
		parent = path;
	}
	return fd;
}

int bh_path_mkdirs(int root_fd, const char *path, mode_t mode, struct bh_err *err)
{
	bh_auto_free char *clean = strdup(path);
	int fd;

	if (!clean)
		return bh_err_oom(err);
	bh_path_clean(clean);
	fd = bh_path_try_open(root_fd, clean[0] ? clean : ".", O_PATH | O_DIRECTORY, 0,
			      BH_PATH_IN_ROOT);
	if (fd == -ENOENT)
		fd = make_dirs(root_fd, clean, mode, 0);
	return fd >= 0 ? fd : bh_err_set(err, fd, "make directory '%s'", path);
}

void bh_path_clean(char *path)
{
	bool absolute = path[0] == '/';
	char *out = path + absolute, *floor = out;

	for (char *in = out, *end; *in; in = end) {
		size_t len;

		while (*in == '/')
			in++;
		end = strchrnul(in, '/');
		len = (size_t)(end - in);
		if (len == 0 || (len == 1 && in[0] == '.'))
			continue;
		if (len == 2 && in[0] == '.' && in[1] == '.') {
			while (out > floor && *--out != '/')
				;
			continue;
		}
		if (out > floor)
			*out++ = '/';
		memmove(out, in, len);
		out += len;
		if (*end == '\0')
			break;
	}
	*out = '\0';
}

int bh_fd_read(int fd, const char *name, size_t max, char **ret, size_t *ret_len,
	       struct bh_err *err)
{
	bh_auto_free char *text = NULL;
	size_t len = 0, cap = 0;

	for (;;) {
		ssize_t n;

		if (len + 1 >= cap) {
			char *bigger;

			cap = cap ? cap * 2 : 4096;
			bigger = realloc(text, cap);
			if (!bigger)
				return bh_err_oom(err);
			text = bigger;
		}
		n = TEMP_FAILURE_RETRY(read(fd, text + len, cap - len - 1));
		if (n < 0)
			return bh_err_set(err, -errno, "read '%s'", name);
		if (n == 0)
			break;
		len += (size_t)n;
		if (len > max)
			return bh_err_set(err, -EFBIG, "read '%s': more than %zu bytes", name, max);
	}
	text[len] = '\0';
	*ret = bh_take(&text);
	if (ret_len)
		*ret_len = len;
	return 0;
}

int bh_path_read(int dirfd, const char *path, enum bh_path_policy policy, size_t max, char **ret,
		 size_t *ret_len, struct bh_err *err)
{
	bh_auto_close int fd = bh_path_open(dirfd, path, O_RDONLY, 0, policy, err);

	return fd < 0 ? fd : bh_fd_read(fd, path, max, ret, ret_len, err);
}

int bh_fd_write(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len) {
		ssize_t n = TEMP_FAILURE_RETRY(write(fd, p, len));

		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int bh_fd_copy(int to, int from)
{
	ssize_t n;

	do {
		n = sendfile(to, from, NULL, COPY_CHUNK);
	} while (n > 0 || (n < 0 && errno == EINTR));
	return n < 0 ? -errno : 0;
}

static int by_number(const void *a, const void *b)
{
	const int *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

int bh_fds_close_from(int first, int *keep, size_t n)
{
	qsort(keep, n, sizeof(*keep), by_number);
	for (size_t i = 0; i < n; i++) {
		if (keep[i] < first)
			continue;
		if (keep[i] > first &&
		    close_range((unsigned int)first, (unsigned int)keep[i] - 1, 0) < 0)
			return -errno;
		first = keep[i] + 1;
	}
	return close_range((unsigned int)first, ~0U, 0) < 0 ? -errno : 0;
}

int bh_path_write(int dirfd, const char *path, const char *text, enum bh_path_policy policy,
		  struct bh_err *err)
{
	bh_auto_close int fd = bh_path_open(dirfd, path, O_WRONLY, 0, policy, err);

	if (fd < 0)
		return fd;
	if (TEMP_FAILURE_RETRY(write(fd, text, strlen(text))) < 0)
		return bh_err_set(err, -errno, "write '%s' to '%s'", text, path);
	return 0;
}

int bh_path_replace(int dirfd, const char *name, const void *data, size_t len, mode_t mode,
		    struct bh_err *err)
{
	char tmp[NAME_MAX + 1];
	bh_auto_close int fd = -EBADF;
	int r;

	if (snprintf(tmp, sizeof(tmp), ".%s.%d", name, getpid()) >= (int)sizeof(tmp))
		return bh_err_set(err, -ENAMETOOLONG, "write '%s'", name);
	/* A file of its own: what has that name was left behind, or put there to be written to. */
	fd = bh_path_try_open(dirfd, tmp, O_WRONLY | O_CREAT | O_EXCL, mode, BH_PATH_BENEATH);
	if (fd == -EEXIST && unlinkat(dirfd, tmp, 0) == 0)
		fd = bh_path_try_open(dirfd, tmp, O_WRONLY | O_CREAT | O_EXCL, mode,
				      BH_PATH_BENEATH);
	if (fd < 0)
		return bh_err_set(err, fd, "open '%s'", tmp);
	r = bh_fd_write(fd, data, len);
	if (r == 0 && renameat(dirfd, tmp, dirfd, name) < 0)
		r = -errno;
	if (r < 0) {
		unlinkat(dirfd, tmp, 0);
		return bh_err_set(err, r, "write '%s'", name);
	}
	return 0;
}

/* Empties the directory behind @fd (consumed); stops at other mounts. */
static int empty_dir_consume(int fd, dev_t dev, unsigned int depth)
{
	bh_auto_closedir DIR *dir = fdopendir(fd);

	if (!dir) {
		bh_close(fd);
		return -errno;
	}
	if (depth > 128)
		return -ELOOP;
	for (struct dirent *entry; (entry = readdir(dir));) {
		struct stat st;
		int child, r;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (unlinkat(dirfd(dir), entry->d_name, 0) == 0)
			continue;
		if (errno != EISDIR)
			return -errno;
		child = openat(dirfd(dir), entry->d_name,
			       O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (child < 0)
			return -errno;
		if (fstat(child, &st) < 0 || st.st_dev != dev) {
			bh_close(child);
			return -EXDEV;
		}
		r = empty_dir_consume(child, dev, depth + 1);
		if (r < 0)
			return r;
		if (unlinkat(dirfd(dir), entry->d_name, AT_REMOVEDIR) < 0)
			return -errno;
	}
	return 0;
}

int bh_path_remove_tree(int dirfd, const char *name, struct bh_err *err)
{
	struct stat st;
	int fd, r;

	fd = bh_path_try_open(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, BH_PATH_HOST);
	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return bh_err_set(err, fd, "open '%s' for removal", name);
	r = fstat(fd, &st) < 0 ? -errno : 0;
	if (r == 0)
		r = empty_dir_consume(fd, st.st_dev, 0);
	else
		bh_close(fd);
	if (r == 0 && unlinkat(dirfd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		r = -errno;
	return r < 0 ? bh_err_set(err, r, "remove '%s'", name) : 0;
}

const char *bh_proc_fd(char buf[static BH_PROC_FD_BYTES], int fd)
{
	snprintf(buf, BH_PROC_FD_BYTES, "/proc/self/fd/%d", fd);
	return buf;
}

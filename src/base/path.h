/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening by (dirfd, path, policy). Every open of a path says whom it trusts; a path below a
 * container's root is never resolved without BH_PATH_IN_ROOT or BH_PATH_BENEATH.
 */
#ifndef BH_BASE_PATH_H
#define BH_BASE_PATH_H

#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

enum bh_path_policy {
	BH_PATH_HOST = 0, /* the administrator's path: symlinks are followed */
	BH_PATH_IN_ROOT,  /* a container's: symlinks resolve inside @dirfd as if by chroot(2) */
	BH_PATH_BENEATH, /* a container's, no symlink anywhere, no magic link, never above @dirfd */
	BH_PATH_PROC,    /* below a procfs descriptor: no magic link, no crossing of mounts; the
			  * kernel's own links ("self") are followed, no one else can make any */
	BH_PATH_MAX_,
};

/**
 * bh_path_open() - openat2(2) under a policy; O_CLOEXEC is always added
 * @dirfd: directory, or AT_FDCWD with BH_PATH_HOST; borrowed
 * @flags: of open(2)
 * @mode:  with O_CREAT or O_TMPFILE, else 0
 *
 * Return: a descriptor, or -errno with @err naming the path
 * Source: openat2(2)
 */
int bh_path_open(int dirfd, const char *path, int flags, mode_t mode, enum bh_path_policy policy,
		 struct bh_err *err) bh_must_check;

/** bh_path_try_open() - bh_path_open() that describes nothing, for callers that expect failure */
int bh_path_try_open(int dirfd, const char *path, int flags, mode_t mode,
		     enum bh_path_policy policy) bh_must_check;

/**
 * bh_path_mkdirs() - make a directory and its parents below a root that is not trusted
 * @root_fd: the root; borrowed
 * @path:    relative or absolute, taken as below @root_fd; symlinks resolve inside it
 * @mode:    of what is made
 *
 * Return: an O_PATH descriptor of the directory, or -errno with @err
 */
int bh_path_mkdirs(int root_fd, const char *path, mode_t mode, struct bh_err *err) bh_must_check;

/** bh_path_clean() - lexical clean-up of @path ("//", "/./", "/../") in place, never above "/" */
void bh_path_clean(char *path);

/** bh_path_read() - the whole of a small file below @dirfd, NUL-terminated, at most @max bytes
 * @ret:     malloc'd text; the caller's
 * @ret_len: bytes without the NUL; may be NULL
 * Return: 0; -EFBIG when longer than @max; -errno with @err
 */
int bh_path_read(int dirfd, const char *path, enum bh_path_policy policy, size_t max, char **ret,
		 size_t *ret_len, struct bh_err *err) bh_must_check;

/** bh_fd_read() - like bh_path_read() from an open descriptor; @name is for @err alone */
int bh_fd_read(int fd, const char *name, size_t max, char **ret, size_t *ret_len,
	       struct bh_err *err) bh_must_check;

/** bh_fd_write() - all of @len bytes to @fd, in as few write(2) as it takes. Return: 0 or -errno */
int bh_fd_write(int fd, const void *data, size_t len) bh_must_check;

/** bh_fd_copy() - from where @from is in its file up to its end, to @to. Return: 0 or -errno */
int bh_fd_copy(int to, int from) bh_must_check;

/** bh_fds_close_from() - close every descriptor from @first on but the @n in @keep
 * @keep: is put into its order; negative ones count for nothing
 * Return: 0 or -errno. Source: close_range(2) */
int bh_fds_close_from(int first, int *keep, size_t n);

/** bh_path_write() - open an existing file below @dirfd for writing and write @text in one
 * write(2), as control files of the kernel want it. Return: 0, or -errno with @err naming path and
 * text */
int bh_path_write(int dirfd, const char *path, const char *text, enum bh_path_policy policy,
		  struct bh_err *err) bh_must_check;

/** bh_path_replace() - put a file of @len bytes in place by rename(2), so that readers see the old
 * or the new. Return: 0, or -errno with @err; the old one is then still there */
int bh_path_replace(int dirfd, const char *name, const void *data, size_t len, mode_t mode,
		    struct bh_err *err) bh_must_check;

/** bh_path_remove_tree() - remove @name below @dirfd with all it holds; never follows a symlink,
 * never crosses into another mount. Return: 0 (also when it is not there) or -errno with @err */
int bh_path_remove_tree(int dirfd, const char *name, struct bh_err *err) bh_must_check;

#define BH_PROC_FD_BYTES sizeof("/proc/self/fd/2147483647")

/** bh_proc_fd() - "/proc/self/fd/N" into @buf. Return: @buf */
const char *bh_proc_fd(char buf[static BH_PROC_FD_BYTES], int fd);

#endif

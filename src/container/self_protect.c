/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation
 *
 * Goal. A process that enters a container is visible there as /proc/PID, and /proc/PID/exe is not a
 * name but the open file itself: a container that gets at it (by having itself executed as
 * "/proc/self/exe", or from a shared PID namespace) could keep a descriptor, wait for the process
 * to end, open the descriptor again for writing and replace the host's runtime (CVE-2019-5736).
 *
 * How. Before anything else, the program executes itself again from where nothing can be written:
 *
 *  1. a detached read-only clone of the mount that it lies on: open_tree(2), mount_setattr(2),
 *     execveat(2) of the descriptor. Any later open for writing through /proc/PID/exe or through a
 *     descriptor made from it meets that mount and gets EROFS, for ever: the clone is in no mount
 *     namespace, so no path leads to it, nobody can remount it, and cloning it needs the mount
 *     namespace that it came from. Pages are shared with the original: no copy, no memory.
 *  2. where that is not allowed (no CAP_SYS_ADMIN over the mount namespace, an old kernel): a copy
 *     in a sealed memfd.
 *
 * An ordinary user whose runtime belongs to root and is writable for nobody else needs neither: no
 * user id that a container of theirs can have may write that file.
 *
 * How the second execution knows. Not by the environment or arguments, which callers control, but
 * by looking at what it runs from: a mount root without a name ("/" as the link's text, which no
 * file reached by a path can have) that is read-only, or a memfd with all seals. The same test is
 * made on the descriptor before execveat(2), so that a second execution that would not recognise
 * itself is never started: no endless loop.
 *
 * Failure. Closed: a program that cannot be protected does not enter a container.
 */
#include "container/self_protect.h"

#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>

#include "base/path.h"
#include "base/sys.h"

#define SELF_EXE "/proc/self/exe"

#define ALL_SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

static bool on_detached_readonly_mount(const char *link)
{
	struct statfs fs;

	return statfs(link, &fs) == 0 && (fs.f_flags & ST_RDONLY);
}

static bool is_sealed(const char *link)
{
	bh_auto_close int fd = bh_path_try_open(AT_FDCWD, link, O_RDONLY, 0, BH_PATH_HOST);

	return fd >= 0 && fcntl(fd, F_GET_SEALS) == ALL_SEALS;
}

/* Whether the file behind @link, a magic link of procfs, is out of reach of writers. */
static bool is_protected(const char *link)
{
	char name[PATH_MAX];
	ssize_t n = readlink(link, name, sizeof(name) - 1);

	if (n < 0)
		return false;
	name[n] = '\0';
	if (!strcmp(name, "/"))
		return on_detached_readonly_mount(link);
	return !strncmp(name, "/memfd:", strlen("/memfd:")) && is_sealed(link);
}

/* An ordinary user's containers have that user's ids and subordinate ones, never the host's root.
 */
static bool is_unwritable_for_user(void)
{
	struct stat st;

	return geteuid() != 0 && stat(SELF_EXE, &st) == 0 && st.st_uid == 0 &&
	       !(st.st_mode & (S_IWGRP | S_IWOTH)) &&
	       faccessat(AT_FDCWD, SELF_EXE, W_OK, AT_EACCESS) < 0;
}

/* Return: descriptor of a detached read-only mount of the program's file, or -errno. */
static int clone_readonly(void)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };
	bh_auto_close int fd = -EBADF;

	fd = open_tree(AT_FDCWD, SELF_EXE, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return -errno;
	return bh_take_fd(&fd);
}

/* FALLBACK(linux-6.3): MFD_EXEC is unknown before and asked for since. */
static int memfd(const char *name)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	return fd < 0 ? -errno : fd;
}

/* Return: descriptor of a sealed copy of the program's file, or -errno with @err. */
static int copy_sealed(const char *name, struct bh_err *err)
{
	bh_auto_close int from = -EBADF, to = -EBADF;
	struct stat st;

	from = bh_path_open(AT_FDCWD, SELF_EXE, O_RDONLY, 0, BH_PATH_HOST, err);
	if (from < 0)
		return from;
	if (fstat(from, &st) < 0)
		return bh_err_set(err, -errno, "stat '%s'", SELF_EXE);
	to = memfd(name);
	if (to < 0)
		return bh_err_set(err, to, "make a memory file");
	for (off_t left = st.st_size; left > 0;) {
		ssize_t n = sendfile(to, from, NULL, (size_t)left);

		if (n <= 0)
			return bh_err_set(err, n < 0 ? -errno : -EIO, "copy '%s'", SELF_EXE);
		left -= n;
	}
	if (fcntl(to, F_ADD_SEALS, ALL_SEALS) < 0)
		return bh_err_set(err, -errno, "seal the copy");
	return bh_take_fd(&to);
}

/* Executes @fd in place of this process. Return: only on failure, -errno. */
static int execute(int fd, char *const argv[])
{
	char link[BH_PROC_FD_BYTES];

	if (!is_protected(bh_proc_fd(link, fd)))
		return -EPERM;
	bh_sys_execveat(fd, "", argv, environ, AT_EMPTY_PATH);
	return -errno;
}

int bh_self_protect(char *const argv[], const char *name, struct bh_err *err)
{
	bh_auto_close int mount_fd = -EBADF, copy_fd = -EBADF;
	int r;

	if (is_protected(SELF_EXE)) {
		/* The kernel named the process after the descriptor's number. */
		prctl(PR_SET_NAME, name);
		return 0;
	}
	if (is_unwritable_for_user())
		return 0;
	mount_fd = clone_readonly();
	if (mount_fd >= 0)
		execute(mount_fd, argv);
	copy_fd = copy_sealed(name, err);
	if (copy_fd < 0)
		return bh_err_ctx(err, "protect the runtime's own file");
	r = execute(copy_fd, argv);
	return bh_err_set(err, r, "protect the runtime's own file: execute the sealed copy");
}

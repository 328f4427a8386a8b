/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/submounts.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "loop/fiber.h"
#include "rpc/guest.h"

/* More than a name of the shared directory is believed without asking the daemon. */
#define BELIEVED_MS      2000
#define BELIEVED_POLL_MS 50

/* Opening a directory mounts what the host has on it. Return: whether that is a file system of its
 * own; -errno */
static int open_submount(int dir, const char *name, dev_t outside, int *ret, struct bh_err *err)
{
	bh_auto_close int fd = openat(dir, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0 && (errno == ENOTDIR || errno == ENOENT))
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return bh_err_set(err, -errno, "open '%s' of the shared directory", name);
	if (st.st_dev == outside)
		return 0;
	*ret = bh_take_fd(&fd);
	return 1;
}

static int hold(struct bh_submounts *held, int fd, struct bh_err *err)
{
	int *bigger = reallocarray(held->fds, held->n + 1, sizeof(*bigger));

	if (!bigger) {
		bh_close(fd);
		return bh_err_oom(err);
	}
	held->fds = bigger;
	held->fds[held->n++] = fd;
	return 0;
}

void bh_submounts_drop(struct bh_submounts *held)
{
	while (held->n > 0)
		bh_close(held->fds[--held->n]);
	free(bh_take(&held->fds));
}

void bh_submounts_hide(const struct bh_submounts *held)
{
	char path[32];

	for (size_t i = 0; i < held->n; i++) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", held->fds[i]);
		if (umount2(path, MNT_DETACH) < 0)
			bh_warn("unmount what is shared: %s", strerror(errno));
	}
}

/* Whether the host has taken the directory away: its name is believed for a while. */
static bool is_gone(int dir)
{
	struct statx st;

	return statx(dir, "", AT_EMPTY_PATH | AT_STATX_FORCE_SYNC, STATX_NLINK, &st) == 0 &&
	       st.stx_nlink == 0;
}

/* What is shared for container @id, not for one before it. Return: 1 with @ret; 0 = nothing is */
static int open_share(struct bh_loop *loop, const char *id, DIR **ret, struct bh_err *err)
{
	char path[PATH_MAX];
	int r = 0;

	snprintf(path, sizeof(path), BH_SHARE_GUEST_DIR "/%s", id);
	for (int waited = 0; r == 0 && waited <= BELIEVED_MS; waited += BELIEVED_POLL_MS) {
		bh_auto_closedir DIR *dir = opendir(path);

		if (!dir)
			return errno == ENOENT ? 0 : bh_err_set(err, -errno, "open '%s'", path);
		if (!is_gone(dirfd(dir))) {
			*ret = bh_take(&dir);
			return 1;
		}
		r = bh_fiber_sleep(loop, BELIEVED_POLL_MS, err);
	}
	return r < 0 ? r : bh_err_set(err, -ESTALE, "open '%s'", path);
}

static int hold_all(DIR *dir, struct bh_submounts *held, struct bh_err *err)
{
	struct dirent *entry;
	struct stat st;
	int fd = -EBADF, r = 0;

	if (fstat(dirfd(dir), &st) < 0)
		return bh_err_set(err, -errno, "stat the shared directory");
	while (r == 0 && (entry = readdir(dir))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		r = open_submount(dirfd(dir), entry->d_name, st.st_dev, &fd, err);
		if (r > 0)
			r = hold(held, fd, err);
	}
	return r;
}

int bh_submounts_hold(struct bh_loop *loop, const char *id, struct bh_submounts *ret,
		      struct bh_err *err)
{
	bh_auto_closedir DIR *dir = NULL;
	int r = open_share(loop, id, &dir, err);

	*ret = (struct bh_submounts){ .n = 0 };
	r = r > 0 ? hold_all(dir, ret, err) : r;
	if (r < 0) {
		bh_submounts_hide(ret);
		bh_submounts_drop(ret);
	}
	return r;
}

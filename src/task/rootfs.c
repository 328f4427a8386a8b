/* SPDX-License-Identifier: Apache-2.0 */
#include "task/rootfs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/loop.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/path.h"
#include "container/rootfs.h"
#include "linux/mount.h"
#include "task/rootfs_idmap.h"

#define ROOTFS_MODE    0711
#define DATA_BYTES_MAX 4095 /* of mount(2): a page with its NUL */
#define LOOP_TRIES     16
#define BUSY_TRIES     50
#define BUSY_WAIT_US   20000
#define LOWERDIR       "lowerdir="
/* Field of proc_pid_mountinfo(5), counted from 1 */
#define MOUNTINFO_PLACE 5

struct parsed {
	struct bh_mount_fs fs;
	struct bh_buf data;
	struct bh_arena arena; /* of the ids */
	struct bh_rootfs_ids ids;
	bool loop;
};

static int parse(const Task__Mount *m, struct parsed *p, struct bh_err *err)
{
	int r;

	p->fs = (struct bh_mount_fs){ .type = m->type, .source = m->source };
	for (size_t i = 0; i < m->n_options; i++) {
		const char *option = m->options[i];

		if (bh_mount_option_flag(option, &p->fs.flags))
			continue;
		if (strcmp(option, "loop") == 0) {
			p->loop = true;
			continue;
		}
		r = bh_rootfs_ids_option(&p->arena, option, &p->ids, err);
		if (r < 0)
			return r;
		if (r > 0)
			continue;
		bh_buf_printf(&p->data, "%s%s", p->data.len ? "," : "", option);
	}
	if (strcmp(m->type, "bind") == 0)
		p->fs.flags |= MS_BIND;
	p->fs.data = bh_buf_str(&p->data);
	return p->data.failed ? bh_err_oom(err) : 0;
}

/* ---- overlays with more lower directories than fit into a page ------------------------------- */

/* Bytes of the directory that all of the colon-separated paths have in common, with its '/'. */
static size_t common_dir(const char *paths, size_t len)
{
	size_t common = 0;

	while (common < len && paths[common] != ':')
		common++;
	for (size_t at = 0; at < len; at++) {
		size_t same = 0;

		while (same < common && at + same < len && paths[at + same] == paths[same])
			same++;
		common = same;
		while (at < len && paths[at] != ':')
			at++;
	}
	while (common && paths[common - 1] != '/')
		common--;
	return common;
}

/* Makes the lower directories relative to one that they are in, and goes there. */
static int shorten(struct parsed *p, struct bh_err *err)
{
	bh_auto_buf struct bh_buf shorter = BH_BUF_INIT;
	const char *start = strstr(p->data.data, LOWERDIR);
	const char *paths = start ? start + strlen(LOWERDIR) : "";
	size_t len = strcspn(paths, ","), common = common_dir(paths, len);
	bh_auto_free char *dir = common ? strndup(paths, common) : NULL;

	if (!dir)
		return common ? bh_err_oom(err) : 0;
	bh_buf_add(&shorter, p->data.data, (size_t)(paths - p->data.data));
	for (size_t at = 0; at < len; at += strcspn(paths + at, ":,") + 1) {
		const char *rest = paths + at + common;

		bh_buf_printf(&shorter, "%s%.*s", at ? ":" : "", (int)strcspn(rest, ":,"), rest);
	}
	bh_buf_puts(&shorter, paths + len);
	if (shorter.failed)
		return bh_err_oom(err);
	if (chdir(dir) < 0)
		return bh_err_set(err, -errno, "chdir '%s'", dir);
	bh_buf_deinit(&p->data);
	p->data = shorter;
	shorter = BH_BUF_INIT;
	p->fs.data = bh_buf_str(&p->data);
	return 0;
}

static int mount_overlay(struct parsed *p, const char *dir, struct bh_err *err)
{
	int r = 0;

	if (p->data.len > DATA_BYTES_MAX)
		r = shorten(p, err);
	if (r == 0 && p->data.len > DATA_BYTES_MAX)
		r = bh_err_as(err, BH_ERR_SPEC, -E2BIG,
			      "overlay: %zu bytes of options, a page holds %u", p->data.len,
			      DATA_BYTES_MAX);
	r = r < 0 ? r : bh_mount_old(&p->fs, dir, err);
	return chdir("/") < 0 && r == 0 ? bh_err_set(err, -errno, "chdir '/'") : r;
}

/* ---- images ---------------------------------------------------------------------------------- */

static int configure_loop(int loop, int image, bool readonly)
{
	struct loop_config config = {
		.fd = (uint32_t)image,
		.info.lo_flags = LO_FLAGS_AUTOCLEAR | (readonly ? LO_FLAGS_READ_ONLY : 0),
	};

	return ioctl(loop, LOOP_CONFIGURE, &config) < 0 ? -errno : 0;
}

/* A free device may be taken by another in between.
 * Return: descriptor of the device, which goes with its last user; @path names it */
static int attach_loop(const char *image, bool readonly, char *path, size_t size,
		       struct bh_err *err)
{
	bh_auto_close int file =
		bh_path_open(AT_FDCWD, image, readonly ? O_RDONLY : O_RDWR, 0, BH_PATH_HOST, err);
	bh_auto_close int control = file < 0 ? file
					     : bh_path_open(AT_FDCWD, "/dev/loop-control", O_RDWR,
							    0, BH_PATH_HOST, err);
	int r = -EBUSY;

	if (control < 0)
		return control;
	for (int try = 0; try < LOOP_TRIES && r == -EBUSY; try++) {
		bh_auto_close int loop = -EBADF;
		int n = ioctl(control, LOOP_CTL_GET_FREE);

		if (n < 0)
			return bh_err_set(err, -errno, "find a free loop device");
		snprintf(path, size, "/dev/loop%d", n);
		loop = bh_path_open(AT_FDCWD, path, O_RDWR, 0, BH_PATH_HOST, err);
		if (loop < 0)
			return loop;
		r = configure_loop(loop, file, readonly);
		if (r == 0)
			return bh_take_fd(&loop);
	}
	return bh_err_set(err, r, "attach '%s' to a loop device", image);
}

static int mount_image(struct parsed *p, const char *dir, struct bh_err *err)
{
	char path[32];
	bh_auto_close int loop =
		attach_loop(p->fs.source, p->fs.flags & MS_RDONLY, path, sizeof(path), err);

	if (loop < 0)
		return loop;
	p->fs.source = path;
	return bh_mount_old(&p->fs, dir, err);
}

/* ---- all of them ----------------------------------------------------------------------------- */

/* Attributes of a bind mount take a second call, mount(2). */
static int mount_bind(struct parsed *p, const char *dir, struct bh_err *err)
{
	const unsigned long kind = MS_BIND | MS_REC, attributes = p->fs.flags & ~kind;
	int r;

	p->fs.type = NULL;
	p->fs.data = NULL;
	p->fs.flags &= kind;
	r = bh_mount_old(&p->fs, dir, err);
	if (r < 0 || !attributes)
		return r;
	p->fs.flags = MS_BIND | MS_REMOUNT | attributes;
	return bh_mount_old(&p->fs, dir, err);
}

static int mount_parsed(void *arg, const char *target, struct bh_err *err)
{
	struct parsed *p = arg;

	if (p->fs.flags & MS_BIND)
		return mount_bind(p, target, err);
	if (strcmp(p->fs.type, "overlay") == 0)
		return mount_overlay(p, target, err);
	return p->loop ? mount_image(p, target, err) : bh_mount_old(&p->fs, target, err);
}

static int mount_with_ids(struct parsed *p, const char *target, struct bh_err *err)
{
	const char *start = strcmp(p->fs.type, "overlay") == 0 ? strstr(p->fs.data, LOWERDIR)
							       : NULL;
	bh_auto_free char *lowers = NULL;

	if (start) {
		start += strlen(LOWERDIR);
		lowers = strndup(start, strcspn(start, ","));
		if (!lowers)
			return bh_err_oom(err);
	}
	return bh_rootfs_mount_mapped(&p->ids, lowers, target, mount_parsed, p, err);
}

/* Where in @dir a mount goes: as names stand in the image that is mounted there already, whose
 * links lead nowhere but into it. */
static int find_place(const char *dir, const char *target, char ret[static PATH_MAX],
		      struct bh_err *err)
{
	bh_auto_close int root = -EBADF, place = -EBADF;
	char link[BH_PROC_FD_BYTES];
	ssize_t n;

	if (!*target)
		return snprintf(ret, PATH_MAX, "%s", dir) < PATH_MAX
			       ? 0
			       : bh_err_set(err, -ENAMETOOLONG, "mount at '%.64s…'", dir);
	root = bh_path_open(AT_FDCWD, dir, O_PATH | O_DIRECTORY, 0, BH_PATH_HOST, err);
	place = root < 0 ? root : bh_path_open(root, target, O_PATH, 0, BH_PATH_IN_ROOT, err);
	if (place < 0)
		return place;
	n = readlink(bh_proc_fd(link, place), ret, PATH_MAX);
	if (n < 0 || n == PATH_MAX)
		return bh_err_set(err, n < 0 ? -errno : -ENAMETOOLONG, "find '%s'", target);
	ret[n] = '\0';
	return 0;
}

static int mount_one(const char *dir, const Task__Mount *m, struct bh_err *err)
{
	struct parsed p = { .loop = false };
	char target[PATH_MAX];
	int r = find_place(dir, m->target, target, err);

	r = r < 0 ? r : parse(m, &p, err);
	if (r == 0)
		r = bh_rootfs_ids_given(&p.ids) ? mount_with_ids(&p, target, err)
						: mount_parsed(&p, target, err);
	bh_buf_deinit(&p.data);
	bh_arena_deinit(&p.arena);
	return r;
}

int bh_task_rootfs_mount(const char *dir, Task__Mount *const *mounts, size_t n, struct bh_err *err)
{
	if (mkdir(dir, ROOTFS_MODE) < 0 && errno != EEXIST)
		return bh_err_set(err, -errno, "make '%s'", dir);
	for (size_t i = 0; i < n; i++)
		if (mount_one(dir, mounts[i], err) < 0) {
			bh_err_ctx(err, "mount %zu of %zu of the root (%s '%s')", i + 1, n,
				   mounts[i]->type, mounts[i]->source);
			bh_task_rootfs_unmount(dir);
			return err->code;
		}
	return 0;
}

static bool unmount_top(const char *dir)
{
	for (int try = 0; try < BUSY_TRIES; try++) {
		if (umount2(dir, UMOUNT_NOFOLLOW) == 0)
			return true;
		if (errno != EBUSY)
			return false;
		usleep(BUSY_WAIT_US);
	}
	bh_warn("'%s' is busy: its mount goes when its last user does", dir);
	return umount2(dir, UMOUNT_NOFOLLOW | MNT_DETACH) == 0;
}

/* The newest mount below @dir. Names that mountinfo escapes are left to a lazy unmount.
 * Return: malloc'd, NULL = none */
static char *mount_below(const char *dir)
{
	bh_auto_fclose FILE *file = fopen("/proc/self/mountinfo", "re");
	bh_auto_free char *line = NULL;
	size_t size = 0, len = strlen(dir);
	char *found = NULL;

	while (file && getline(&line, &size, file) > 0) {
		char *place = line, *save = NULL;

		for (int field = 0; place && field < MOUNTINFO_PLACE; field++)
			place = strtok_r(field ? NULL : line, " ", &save);
		if (!place || strncmp(place, dir, len) != 0 || place[len] != '/')
			continue;
		free(found);
		found = strdup(place);
	}
	return found;
}

static void unmount_below(const char *dir)
{
	for (;;) {
		bh_auto_free char *place = mount_below(dir);

		if (!place || umount2(place, UMOUNT_NOFOLLOW) < 0)
			return;
	}
}

void bh_task_rootfs_unmount(const char *dir)
{
	unmount_below(dir);
	while (unmount_top(dir))
		;
	if (errno != EINVAL && errno != ENOENT)
		bh_warn("unmount '%s': %m", dir);
}

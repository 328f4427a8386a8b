/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Masked and read-only paths, in the entered root. A file is hidden by the null device, a directory
 * by an empty read-only tmpfs, one superblock for all. What is not there needs no hiding.
 *
 * Most of these paths are in /proc, and that is the plan's own: no one else makes names there. So
 * in it a path is made read-only by mount(2) of its name: as safe as a descriptor, and two system
 * calls where a detached tree takes four.
 *
 * Source: runtime-spec config-linux.md "Masked Paths", "Readonly Paths"
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/path.h"
#include "container/rootfs_internal.h"

struct masks {
	int null_fd;  /* the container's null device, checked */
	int empty_fd; /* the tmpfs, on the first directory; all others have a copy of it */
};

static void masks_deinit(struct masks *masks)
{
	masks->null_fd = bh_close(masks->null_fd);
	masks->empty_fd = bh_close(masks->empty_fd);
}

/* What hides files, opened so that no symlink of the image's leads elsewhere. */
static int open_null(struct bh_rootfs_plan *plan, struct bh_err *err)
{
	bool own = plan->dev_fd >= 0;
	bh_auto_close int fd = bh_path_open(own ? plan->dev_fd : plan->root_fd,
					    own ? "null" : "dev/null", O_PATH, 0, BH_PATH_BENEATH,
					    err);
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return bh_err_set(err, -errno, "stat '/dev/null'");
	if (!bh_is_null_device(&st))
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL, "container's /dev/null is invalid");
	return bh_take_fd(&fd);
}

/* Binds what @fd is onto @place. */
static int cover(int fd, const struct bh_place *place, struct bh_err *err)
{
	bh_auto_close int tree = bh_mount_clone(fd, "", 0, err);

	return tree < 0 ? tree : bh_mount_attach(tree, place->fd, place->name, err);
}

static int mask_dir(struct bh_rootfs_plan *plan, struct masks *masks, const struct bh_place *place,
		    struct bh_err *err)
{
	const struct bh_mount_fs tmpfs = { .type = "tmpfs",
					   .source = "tmpfs",
					   .data = "nr_blocks=1,nr_inodes=1",
					   .context = plan->label,
					   .flags = MS_RDONLY };
	bh_auto_close int tree = -EBADF;
	int r;

	if (masks->empty_fd >= 0)
		return cover(masks->empty_fd, place, err);
	/* Attached itself, not kept for copies: to close what was never attached makes the kernel
	 * wait for all processors, which is longer than everything else here takes. */
	tree = bh_mount_new(&tmpfs, err);
	r = tree < 0 ? tree : bh_mount_attach(tree, place->fd, place->name, err);
	if (r == 0)
		masks->empty_fd = bh_take_fd(&tree);
	return r;
}

static int mask_path(struct bh_rootfs_plan *plan, struct masks *masks, const char *path,
		     struct bh_err *err)
{
	bh_auto_place struct bh_place place = BH_PLACE_INIT;
	struct stat st;
	int r = bh_place_find(plan, path, &place, err);

	if (r <= 0)
		return r;
	if (fstatat(place.fd, place.name, &st, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) < 0) {
		/* In the container's own /proc it was not looked for before. */
		return errno == ENOENT ? 0 : bh_err_set(err, -errno, "stat");
	}
	return S_ISDIR(st.st_mode) ? mask_dir(plan, masks, &place, err)
				   : cover(masks->null_fd, &place, err);
}

int bh_rootfs_mask_paths(struct bh_rootfs_plan *plan, struct bh_err *err)
{
	bh_cleanup(masks_deinit) struct masks masks = { -EBADF, -EBADF };

	if (plan->masked_paths.n == 0)
		return 0;
	masks.null_fd = open_null(plan, err);
	if (masks.null_fd < 0)
		return bh_err_ctx(err, "can't mask paths");
	for (size_t i = 0; i < plan->masked_paths.n; i++) {
		const char *path = plan->masked_paths.v[i];

		if (mask_path(plan, &masks, path, err) < 0)
			return bh_err_ctx(err, "can't mask path \"%s\"", path);
	}
	return 0;
}

/* In the plan's own /proc: onto itself, then read-only, with the flags @keep that it has already.
 */
static int readonly_name(struct bh_rootfs_plan *plan, const struct bh_place *place,
			 unsigned long keep, struct bh_err *err)
{
	const struct bh_mount_fs bind = { .source = place->name, .flags = MS_BIND | MS_REC };
	const struct bh_mount_fs remount = { .flags = MS_BIND | MS_REMOUNT | MS_RDONLY | keep };
	int r = bh_rootfs_chdir(plan, place->fd, err);

	r = r < 0 ? r : bh_mount_old(&bind, place->name, err);
	if (r == -ENOENT)
		return 0;
	return r < 0 ? r : bh_mount_old(&remount, place->name, err);
}

static int readonly_path(struct bh_rootfs_plan *plan, const char *path, unsigned long proc_flags,
			 struct bh_err *err)
{
	const struct bh_mount_change readonly = { .set = MOUNT_ATTR_RDONLY };
	bh_auto_place struct bh_place place = BH_PLACE_INIT;
	bh_auto_close int tree = -EBADF;
	int r = bh_place_find(plan, path, &place, err);

	if (r <= 0)
		return r;
	if (place.name[0])
		return readonly_name(plan, &place, proc_flags, err);
	tree = bh_mount_clone(place.fd, "", AT_RECURSIVE, err);
	return tree < 0 ? tree : bh_rootfs_attach(tree, &readonly, 1, &place, err);
}

int bh_rootfs_readonly_paths(struct bh_rootfs_plan *plan, struct bh_err *err)
{
	unsigned long flags = 0;
	int r = 0;

	if (plan->readonly_paths.n && plan->proc_fd >= 0)
		r = bh_mount_flags(plan->proc_fd, &flags, err);
	flags &= MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOSYMFOLLOW;
	for (size_t i = 0; i < plan->readonly_paths.n && r == 0; i++) {
		const char *path = plan->readonly_paths.v[i];

		r = readonly_path(plan, path, flags, err);
		if (r < 0)
			bh_err_ctx(err, "can't make \"%s\" read-only", path);
	}
	return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Devices: made by mknod(2), or bound from the host where that is not permitted, the links beside
 * them, and the terminal. Whatever is found in the way or bound must be the very device: a regular
 * file or another device under its name would be the image's or the volume's choice, not the
 * document's (CVE-2025-31133, CVE-2025-52565).
 *
 * Source: runtime-spec config-linux.md "Devices", "Default Devices"; ptmx(4), devpts in the
 * kernel's Documentation/filesystems/devpts.rst
 */
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/path.h"
#include "container/rootfs_internal.h"

#define PTS_MAJOR     136 /* to 143: Documentation/admin-guide/devices.txt */
#define PTS_MAJOR_MAX 143

static bool is_device(const struct bh_rootfs_device *device, const struct stat *st)
{
	return (st->st_mode & S_IFMT) == (device->mode & S_IFMT) &&
	       (S_ISFIFO(st->st_mode) || st->st_rdev == device->rdev);
}

static int not_the_device(const struct bh_rootfs_device *device, const char *whose,
			  struct bh_err *err)
{
	return bh_err_as(err, BH_ERR_SPEC, -EINVAL, "%s '%s' exists and is not the device %u:%u",
			 whose, device->path, major(device->rdev), minor(device->rdev));
}

/* Owner of a node just made: by a descriptor that was checked, the name may be another's by now. */
static int chown_device(const struct bh_rootfs_device *device, const struct bh_place *place,
			struct bh_err *err)
{
	bh_auto_close int fd =
		bh_path_open(place->fd, place->name, O_PATH | O_NOFOLLOW, 0, BH_PATH_BENEATH, err);
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return bh_err_set(err, -errno, "stat");
	if (!is_device(device, &st))
		return not_the_device(device, "path", err);
	if (fchownat(fd, "", device->uid, device->gid, AT_EMPTY_PATH) < 0)
		return bh_err_set(err, -errno, "change owner to %u:%u", device->uid, device->gid);
	return 0;
}

static int bind_device(const struct bh_rootfs_device *device, const struct bh_place *place,
		       struct bh_err *err)
{
	bh_auto_close int tree = bh_mount_clone(AT_FDCWD, device->path, 0, err), fd = -EBADF;
	struct bh_place target;
	struct stat st;

	if (tree < 0)
		return tree;
	if (fstat(tree, &st) < 0)
		return bh_err_set(err, -errno, "stat");
	if (!is_device(device, &st))
		return not_the_device(device, "host's", err);
	if (mknodat(place->fd, place->name, S_IFREG, 0) < 0 && errno != EEXIST)
		return bh_err_set(err, -errno, "make file");
	fd = bh_path_open(place->fd, place->name, O_PATH | O_NOFOLLOW, 0, BH_PATH_BENEATH, err);
	target = (struct bh_place){ .fd = fd, .name = "" };
	return fd < 0 ? fd : bh_rootfs_attach(tree, NULL, 0, &target, err);
}

static int make_device(struct bh_rootfs_plan *plan, const struct bh_rootfs_device *device,
		       struct bh_err *err)
{
	bh_auto_place struct bh_place place = BH_PLACE_INIT;
	struct stat st;
	int r = bh_place_parent(plan, device->path, &place, err);

	if (r < 0)
		return r;
	if (device->bind)
		return bind_device(device, &place, err);
	if (mknodat(place.fd, place.name, device->mode, device->rdev) == 0)
		return device->uid || device->gid ? chown_device(device, &place, err) : 0;
	if (errno == EPERM)
		return bind_device(device, &place, err);
	if (errno != EEXIST)
		return bh_err_set(err, -errno, "mknod");
	if (fstatat(place.fd, place.name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return bh_err_set(err, -errno, "stat");
	return is_device(device, &st) ? 0 : not_the_device(device, "path", err);
}

static int make_link(struct bh_rootfs_plan *plan, const struct bh_rootfs_link *link,
		     struct bh_err *err)
{
	bh_auto_place struct bh_place place = BH_PLACE_INIT;
	bool ptmx = strcmp(link->path, "/dev/ptmx") == 0;
	int r;

	if (link->only_if && faccessat(AT_FDCWD, link->only_if, F_OK, 0) < 0)
		return 0;
	r = bh_place_parent(plan, link->path, &place, err);
	if (r < 0)
		return r;
	if (symlinkat(link->target, place.fd, place.name) == 0)
		return 0;
	if (errno != EEXIST)
		return bh_err_set(err, -errno, "symlink");
	/* A ptmx of the image's would hand out terminals of another devpts. */
	if (ptmx && (unlinkat(place.fd, place.name, 0) < 0 ||
		     symlinkat(link->target, place.fd, place.name) < 0))
		return bh_err_set(err, -errno, "replace by symlink");
	return 0;
}

int bh_rootfs_make_devices(struct bh_rootfs_plan *plan, struct bh_err *err)
{
	int r;

	if (!plan->setup_dev)
		return 0;
	bh_for_each (device, plan->devices) {
		r = make_device(plan, device, err);
		if (r < 0)
			return bh_err_ctx(err, "device '%s'", device->path);
	}
	bh_for_each (link, plan->links) {
		r = make_link(plan, link, err);
		if (r < 0)
			return bh_err_ctx(err, "link '%s'", link->path);
	}
	return 0;
}

int bh_rootfs_console(struct bh_rootfs_plan *plan, int slave_fd, struct bh_err *err)
{
	bh_auto_place struct bh_place dir = BH_PLACE_INIT;
	bh_auto_close int tree = -EBADF, fd = -EBADF;
	struct bh_place place;
	struct stat st;
	int r;

	if (fstat(slave_fd, &st) < 0)
		return bh_err_set(err, -errno, "stat terminal");
	if (!S_ISCHR(st.st_mode) || major(st.st_rdev) < PTS_MAJOR ||
	    major(st.st_rdev) > PTS_MAJOR_MAX ||
	    bh_mount_is_fs(slave_fd, DEVPTS_SUPER_MAGIC, NULL) != 1)
		return bh_err_as(err, BH_ERR_BUG, -EINVAL, "console is not a pseudoterminal");
	r = bh_place_parent(plan, "/dev/console", &dir, err);
	if (r < 0)
		return r;
	if (mknodat(dir.fd, dir.name, S_IFREG | 0600, 0) < 0 && errno != EEXIST)
		return bh_err_set(err, -errno, "make '/dev/console'");
	fd = bh_path_open(dir.fd, dir.name, O_PATH, 0, BH_PATH_BENEATH, err);
	if (fd < 0)
		return fd;
	tree = bh_mount_clone(slave_fd, "", 0, err);
	place = (struct bh_place){ .fd = fd, .name = "" };
	return tree < 0 ? tree : bh_rootfs_attach(tree, NULL, 0, &place, err);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>

#include "base/path.h"
#include "pod/vm/translate_internal.h"
#include "task/rootfs.h"

static int share_one(struct bh_guest_plan *plan, const struct bh_guest_share *wish,
		     struct bh_share *share, struct bh_err *err)
{
	bh_auto_close int fd = bh_path_open(AT_FDCWD, wish->path, O_PATH, 0, BH_PATH_HOST, err);
	struct bh_share_entry entry = {
		.name = wish->name,
		.source_fd = fd,
		.readonly = wish->readonly,
		.recursive = wish->recursive,
	};

	if (fd < 0)
		return fd;
	plan->shared = true;
	return bh_share_add(share, &entry, err);
}

/* The engine's mounts are made for a moment: the shared directory keeps a copy of them. */
static int share_mounts(struct bh_guest_plan *plan, const struct bh_guest_share *wish,
			struct bh_share *share, struct bh_err *err)
{
	int r = bh_task_rootfs_mount(wish->path, plan->rootfs.v, plan->rootfs.n, err);

	if (r < 0)
		return r;
	r = share_one(plan, wish, share, err);
	bh_task_rootfs_unmount(wish->path);
	return r;
}

/* Opened as the plan has it: what is at the path now must be what was there then. */
static int open_disk(const struct bh_guest_disk *disk, bool *readonly, struct bh_err *err)
{
	int exclusive = disk->exclusive ? O_EXCL : 0;
	bh_auto_close int fd = -EBADF;
	struct stat st;

	*readonly = disk->readonly;
	if (!*readonly)
		fd = bh_path_try_open(AT_FDCWD, disk->path, O_RDWR | exclusive, 0, BH_PATH_HOST);
	if (*readonly || fd == -EROFS || fd == -EACCES || fd == -EPERM) {
		*readonly = true;
		fd = bh_path_try_open(AT_FDCWD, disk->path, O_RDONLY, 0, BH_PATH_HOST);
	}
	if (fd == -EBUSY)
		return bh_err_set(err, fd, "open '%s': mounted or used by somebody else",
				  disk->path);
	if (fd < 0)
		return bh_err_set(err, fd, "open '%s'", disk->path);
	if (fstat(fd, &st) < 0)
		return bh_err_set(err, -errno, "fstat '%s'", disk->path);
	if (disk->block ? !S_ISBLK(st.st_mode) || st.st_rdev != disk->rdev : !S_ISREG(st.st_mode))
		return bh_err_as(err, BH_ERR_PEER, -ESTALE,
				 "'%s' is another file than a moment ago", disk->path);
	return bh_take_fd(&fd);
}

static int add_disk(struct bh_guest_plan *plan, struct bh_guest_disk *disk, struct bh_vm *vm,
		    struct bh_err *err)
{
	bool readonly;
	bh_auto_close int fd = open_disk(disk, &readonly, err);
	/* An image file may be in the page cache already, for other pods as well. */
	struct bh_vm_disk vm_disk = { .fd = fd, .readonly = readonly, .direct = disk->block };
	char *number;
	int r = fd < 0 ? fd : bh_vm_add_disk(vm, &vm_disk, &disk->number, err);

	if (r < 0)
		return r;
	disk->added = true;
	number = bh_arena_printf(&plan->arena, "%u", disk->number);
	if (!number)
		return bh_err_oom(err);
	plan->storages.v[disk->storage]->source = number;
	return 0;
}

static int apply(struct bh_guest_plan *plan, struct bh_share *share, struct bh_vm *vm,
		 struct bh_err *err)
{
	int r = 0;

	bh_for_each (wish, plan->shares) {
		r = wish->mounts ? share_mounts(plan, wish, share, err)
				 : share_one(plan, wish, share, err);
		if (r < 0)
			return r;
	}
	bh_for_each (disk, plan->disks) {
		r = add_disk(plan, disk, vm, err);
		if (r < 0)
			return bh_err_ctx(err, "disk '%s' %s", disk->path, disk->where);
	}
	return 0;
}

int bh_guest_plan_apply(struct bh_guest_plan *plan, struct bh_share *share, struct bh_vm *vm,
			struct bh_err *err)
{
	struct bh_err other = BH_ERR_INIT;
	int r = apply(plan, share, vm, err);

	/* What cannot be undone goes with the VM. */
	if (r < 0)
		(void)!bh_guest_plan_undo(plan, share, vm, &other);
	return r;
}

int bh_guest_plan_undo(struct bh_guest_plan *plan, struct bh_share *share, struct bh_vm *vm,
		       struct bh_err *err)
{
	struct bh_err other = BH_ERR_INIT;
	int r = 0, one;

	bh_for_each (disk, plan->disks) {
		one = disk->added && vm ? bh_vm_remove_disk(vm, disk->number, r ? &other : err) : 0;
		disk->added = false;
		r = r ? r : one;
	}
	one = plan->shared && share ? bh_share_remove(share, plan->id, r ? &other : err) : 0;
	plan->shared = false;
	return r ? r : one;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Roots whose files belong to a user namespace's ids, as a snapshotter asks for by the options
 * uidmap= and gidmap=: of an overlay the lower directories are seen with other ids, of any other
 * mount the mount itself.
 *
 * Source: containerd core/mount/mount_linux.go for the options; mount_setattr(2)
 */
#ifndef BH_TASK_ROOTFS_IDMAP_H
#define BH_TASK_ROOTFS_IDMAP_H

#include "base/arena.h"
#include "oci/spec.h"

struct bh_rootfs_ids {
	bh_id_map_list uids, gids; /* in the arena of whoever parsed them */
};

/** bh_rootfs_ids_option() - take one of the two options. Return: 1; 0 = @option is another one;
 * -EINVAL, -ENOMEM with @err */
int bh_rootfs_ids_option(struct bh_arena *arena, const char *option, struct bh_rootfs_ids *ids,
			 struct bh_err *err) bh_must_check;

/** bh_rootfs_ids_given() - whether there is anything to be mapped */
bool bh_rootfs_ids_given(const struct bh_rootfs_ids *ids);

/**
 * bh_rootfs_mount_mapped() - what @mount puts on @target, with other ids
 * @lowers: colon-separated directories that are to be mapped; NULL = what is mounted is
 *
 * Context: the thread makes the mount in a mount namespace that nobody else sees, and is back at
 * the return with "/" as its working directory.
 */
int bh_rootfs_mount_mapped(const struct bh_rootfs_ids *ids, const char *lowers, const char *target,
			   int (*mount)(void *arg, const char *target, struct bh_err *err),
			   void *arg, struct bh_err *err) bh_must_check;

#endif

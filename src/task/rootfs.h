/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mounts that a Create request brings for the container's root, as snapshotters describe them:
 * overlay, bind, a file system on a device, an image file with the option "loop". The caller is the
 * administrator's engine: its paths are the host's.
 *
 * Source: containerd core/mount/mount_linux.go for the meaning of the options; mount(2),
 * loop(4)
 */
#ifndef BH_TASK_ROOTFS_H
#define BH_TASK_ROOTFS_H

#include "rpc/task.pb-c.h"

#include "base/err.h"

/**
 * bh_task_rootfs_mount() - all of them, in order, on @dir, which is made if missing
 * Changes the working directory for a moment. On failure nothing stays mounted
 */
int bh_task_rootfs_mount(const char *dir, Task__Mount *const *mounts, size_t n,
			 struct bh_err *err) bh_must_check;

/** bh_task_rootfs_unmount() - everything that is mounted on @dir and below it; idempotent. What
 * cannot be is logged */
void bh_task_rootfs_unmount(const char *dir);

#endif

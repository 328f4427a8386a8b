/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The container's file system: from the spec's root, mounts, devices, masked and read-only paths to
 * an ordered plan, and from the plan to a mount namespace. Plan: pure. Prepare: parent, with the
 * host's privileges. Set up, enter, seal: child, in its new mount namespace.
 *
 * The tree below the root is hostile: an image, volumes that other containers write to at this very
 * moment. Nothing in it is opened but by BH_PATH_IN_ROOT, everything is mounted by descriptor
 * (open_tree, fsopen, move_mount), and what was opened is checked to be what was meant.
 *
 * Source: runtime-spec config.md, config-linux.md; mount_setattr(2), open_tree, fsopen, move_mount
 */
#ifndef BH_CONTAINER_ROOTFS_H
#define BH_CONTAINER_ROOTFS_H

#include "base/arena.h"
#include "base/buf.h"
#include "linux/cgroup.h"
#include "oci/spec.h"

struct bh_rootfs_env {
	const char *bundle;         /* absolute; relative root.path and bind sources are below it */
	const struct bh_cgroup *cg; /* for cgroup mounts; NULL with the disabled manager */
	bool new_userns;  /* the container has a user namespace of its own (new or joined) */
	bool rootless;    /* the caller is not root: bind devices instead of mknod */
	bool new_mountns; /* new or joined; false: mounts stay on the host, and chroot(2) */
	bool new_netns;   /* false: a new sysfs cannot be mounted in a user namespace */
	bool new_cgroupns;
	bool no_pivot; /* chroot(2) and MS_MOVE instead of pivot_root(2) */
	bool console;  /* the process gets a terminal: /dev/console will be bound */
};

struct bh_rootfs_plan; /* in the arena */

/** bh_rootfs_plan() - options to flags, destinations cleaned, order fixed, what cannot be refused
 * with the JSON pointer. Pure. Everything is in @arena; @spec must stay */
int bh_rootfs_plan(struct bh_arena *arena, const struct bh_spec *spec,
		   const struct bh_rootfs_env *env, struct bh_rootfs_plan **ret,
		   struct bh_err *err) bh_must_check;

/** bh_rootfs_print() - the plan for people and tests (--dry-run), a line per step */
void bh_rootfs_print(const struct bh_rootfs_plan *plan, struct bh_buf *out);

/** bh_rootfs_prepare() - parent, before clone: what the child could not do: namespaces for id maps,
 * and with a user namespace a helper process that opens sources for the child with the host's
 * privileges. Descriptors stay in the plan and are inherited by the clone */
int bh_rootfs_prepare(struct bh_rootfs_plan *plan, struct bh_err *err) bh_must_check;

/** bh_rootfs_close() - parent, after clone: close what bh_rootfs_prepare() opened; idempotent */
void bh_rootfs_close(struct bh_rootfs_plan *plan);

/** bh_rootfs_reap() - parent, after bh_rootfs_close() and once the child is past bh_rootfs_setup()
 * or dead: wait for the helper process, if there was one. It ends by itself at that point; called
 * earlier, this waits for it. Idempotent */
void bh_rootfs_reap(struct bh_rootfs_plan *plan);

/** bh_rootfs_setup() - child: propagation of the namespace, root, mounts, devices, links. After it
 * the runtime's createRuntime and createContainer hooks run; the working directory is the root */
int bh_rootfs_setup(struct bh_rootfs_plan *plan, struct bh_err *err) bh_must_check;

/** bh_rootfs_root_fd() - child, after setup: the container's root (O_PATH); borrowed; for what else
 * has to be made in it with BH_PATH_IN_ROOT, before seal makes it read-only (the process's cwd) */
int bh_rootfs_root_fd(const struct bh_rootfs_plan *plan);

/** bh_rootfs_console() - child, between setup and seal: bind the terminal @slave_fd, which must be
 * of a devpts in this mount namespace, on /dev/console */
int bh_rootfs_console(struct bh_rootfs_plan *plan, int slave_fd, struct bh_err *err) bh_must_check;

/** bh_rootfs_enter() - child: pivot_root(2) (or what env said) and detach the old root; the working
 * directory is "/" */
int bh_rootfs_enter(struct bh_rootfs_plan *plan, struct bh_err *err) bh_must_check;

/** bh_rootfs_stdio() - child, after enter, once descriptors 0 to 2 are what the process gets: a
 * null device of the host's among them is replaced by the container's, which it may chmod(2) at
 * will */
int bh_rootfs_stdio(struct bh_rootfs_plan *plan, struct bh_err *err) bh_must_check;

/** bh_rootfs_seal() - child, after enter and after sysctls were written: read-only and masked
 * paths, a read-only root, read-only cgroup mounts, final propagation */
int bh_rootfs_seal(struct bh_rootfs_plan *plan, struct bh_err *err) bh_must_check;

/** bh_mount_option_names() - for `features`: every option string that is understood;
 * NULL-terminated */
const char *const *bh_mount_option_names(void);

/** bh_mount_option_flag() - apply an option such as "ro" or "exec" to the MS_* in @flags
 * Return: whether it is one that sets or clears flags of mount(2); others leave @flags as they are
 */
bool bh_mount_option_flag(const char *name, unsigned long *flags);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mounts by descriptor: thin wrappers of the new mount API with errors that say what the kernel
 * said. A mount is made or cloned detached, shaped, and only then attached to a place that was
 * opened beforehand, so that no path is resolved twice.
 *
 * Source: fsopen, fsmount, open_tree, move_mount (Linux 5.2), mount_setattr(2) (5.12), mount(2)
 */
#ifndef BH_LINUX_MOUNT_H
#define BH_LINUX_MOUNT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/mount.h>

#include "base/err.h"

/* Not in the C library's header of Debian 12. */
#ifndef MOUNT_ATTR_NOSYMFOLLOW
#define MOUNT_ATTR_NOSYMFOLLOW 0x00200000
#endif
#ifndef MS_NOSYMFOLLOW
#define MS_NOSYMFOLLOW 256
#endif

/* What mount(2) takes, for a file system that is mounted anew. */
struct bh_mount_fs {
	const char *type;    /* NULL: a bind mount or a remount by bh_mount_old() */
	const char *source;  /* as it shows in mountinfo; a device where the type needs one */
	const char *data;    /* "key=value,flag"; NULL or "" = none */
	const char *context; /* SELinux label of everything in it, or NULL */
	unsigned long flags; /* MS_* */
};

/**
 * bh_mount_new() - a detached mount of a new file system
 * @fs: flags of the mount become its attributes, those of the superblock go to the file system
 *
 * Return: a descriptor of its root (O_PATH), or -errno with the kernel's own message in @err
 * Errors: -E2BIG an option's value is longer than fsconfig(2) takes (255): only mount(2) can do it
 */
int bh_mount_new(const struct bh_mount_fs *fs, struct bh_err *err) bh_must_check;

/** bh_mount_old() - mount(2) of @fs on @target, which the caller resolved: a name in or "." as the
 * working directory, or /proc/self/fd/N. One system call where bh_mount_new() takes ten */
int bh_mount_old(const struct bh_mount_fs *fs, const char *target,
		 struct bh_err *err) bh_must_check;

/**
 * bh_mount_clone() - a detached copy of the tree at @path
 * @dirfd: AT_FDCWD for a path of the host's; with @path "" the descriptor itself
 * @flags: AT_RECURSIVE, AT_SYMLINK_NOFOLLOW
 *
 * Return: a descriptor of its root (O_PATH), or -errno
 */
int bh_mount_clone(int dirfd, const char *path, unsigned int flags,
		   struct bh_err *err) bh_must_check;

/** bh_mount_attach() - move the detached @tree_fd (borrowed) onto @name in @dirfd, or with @name ""
 * onto what @dirfd is. Symlinks and automounts at @name are not followed */
int bh_mount_attach(int tree_fd, int dirfd, const char *name, struct bh_err *err) bh_must_check;

/* A change of a mount's attributes, and of those below it. */
struct bh_mount_change {
	/* MOUNT_ATTR_*; any access time in @set needs MOUNT_ATTR__ATIME cleared. */
	uint64_t set, clear;
	unsigned long propagation; /* MS_SHARED, MS_SLAVE, MS_PRIVATE, MS_UNBINDABLE or 0 */
	bool recursive;
	bool idmap;    /* map ids as the user namespace @userns_fd does */
	int userns_fd; /* borrowed */
};

/**
 * bh_mount_change() - mount_setattr(2) on the mount whose root @fd is
 *
 * Return: 0; -ENOSYS before Linux 5.12: attach first, then bh_mount_change_attached(); -EPERM when
 *         an attribute is locked by a more privileged mount namespace; -errno with @err
 */
int bh_mount_change(int fd, const struct bh_mount_change *change, struct bh_err *err) bh_must_check;

/** bh_mount_change_attached() - FALLBACK(linux-5.12): the same on an attached mount through
 * mount(2) on /proc/self/fd; neither id maps nor attributes of more than the top mount */
int bh_mount_change_attached(int fd, const struct bh_mount_change *change,
			     struct bh_err *err) bh_must_check;

/** bh_mount_attr_of() - MS_* of mount(2) as MOUNT_ATTR_*: rdonly, nosuid, nodev, noexec,
 * nosymfollow, access times; relatime, as mount(2), when nothing else is asked for */
uint64_t bh_mount_attr_of(unsigned long ms_flags);

/** bh_mount_flags() - MS_* that the mount of @fd has now; MS_STRICTATIME when it is neither noatime
 * nor relatime. Return: 0 or -errno */
int bh_mount_flags(int fd, unsigned long *ret, struct bh_err *err) bh_must_check;

/** bh_mount_unescape() - a path of /proc/PID/mountinfo in place: "\040" and the like become what
 * they stand for. Source: proc_pid_mountinfo(5) */
void bh_mount_unescape(char *path);

/** bh_mount_is_fs() - whether @fd is on a file system of type @magic (linux/magic.h). Return: 1, 0
 * or -errno */
int bh_mount_is_fs(int fd, unsigned long magic, struct bh_err *err) bh_must_check;

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The directory that a pod's host and guest share, and the daemon that serves it to the VM
 * (virtiofsd). What is to be seen in the guest is bind-mounted below it, by descriptor.
 *
 * The daemon must act for every owner of files, so it keeps the capabilities that this takes and no
 * other, in a mount namespace that holds the shared directory alone. It dies with its creator.
 *
 * Context: the caller has a mount namespace of its own, so nothing of this is seen on the host or
 * can be left there.
 *
 * Source: virtiofsd(1), Linux Documentation/filesystems/virtiofs.rst
 */
#ifndef BH_POD_VM_SHARE_H
#define BH_POD_VM_SHARE_H

#include "base/err.h"
#include "config/config.h"
#include "loop/loop.h"
#include "rpc/guest.h" /* BH_SHARE_TAG, BH_SHARE_GUEST_DIR */

struct bh_share;

/** The daemon is gone: @why says how, with its last words. Not called by bh_share_free() */
typedef void (*bh_share_dead_fn)(void *arg, const struct bh_err *why);

struct bh_share_config {
	const char *daemon; /* its program; NULL = the first of those known that is there */
	enum bh_share_cache cache;
	const char *dir;       /* an empty directory; becomes the shared one */
	const int *cgroup_fds; /* as in struct bh_vm_config */
	size_t n_cgroup_fds;
};

/** bh_share_ready() - whether there is a daemon on this host. Return: 0 or -errno with @err */
int bh_share_ready(struct bh_err *err) bh_must_check;

/** bh_share_start() - an empty shared directory and its daemon
 * @ret: the caller's, free with bh_share_free() */
int bh_share_start(struct bh_loop *loop, const struct bh_share_config *config,
		   bh_share_dead_fn dead, void *arg, struct bh_share **ret,
		   struct bh_err *err) bh_must_check;

/** bh_share_fd() - socket for the VMM, borrowed */
int bh_share_fd(const struct bh_share *share);

/** bh_share_pid() - of the daemon, for figures */
pid_t bh_share_pid(const struct bh_share *share);

struct bh_share_entry {
	const char *name; /* path below the shared directory; its parents are made */
	int source_fd;    /* O_PATH, directory or file; borrowed */
	bool readonly, recursive;
};

/** bh_share_add() - show a file or directory of the host in the guest. Mounts that appear on the
 * host below it are seen too */
int bh_share_add(struct bh_share *share, const struct bh_share_entry *entry,
		 struct bh_err *err) bh_must_check;

/** bh_share_remove() - not any more; with what is below @name. Idempotent */
int bh_share_remove(struct bh_share *share, const char *name, struct bh_err *err) bh_must_check;

/** bh_share_free() - end the daemon, take all away. Takes NULL. Return: NULL */
struct bh_share *bh_share_free(struct bh_share *share);

#endif

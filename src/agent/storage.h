/* SPDX-License-Identifier: Apache-2.0 */
/* What is to be there before a container is created: disks, parts of the shared directory, memory
 * file systems. */
#ifndef BH_AGENT_STORAGE_H
#define BH_AGENT_STORAGE_H

#include "agent/disk.h"
#include "rpc/agent.pb-c.h"

/* One that was made; undone by bh_storage_undo() in any state. */
struct bh_storage {
	char *target;        /* mounted there; NULL = nowhere */
	struct bh_disk disk; /* scsi "" = none */
};

/** bh_storage_check() - without touching anything: driver, source, target
 * @bundle: its container's, below which a target may be too
 * @owner:  receives whether it is the container's, or else the pod's */
int bh_storage_check(const Agent__Storage *storage, const char *bundle, bool *owner,
		     struct bh_err *err) bh_must_check;

/** bh_storage_make() - a checked one. Suspends
 * @modules_fd: where modules of file systems are, see bh_modules_load_fs()
 * @ret: to be undone by the caller, also after a failure */
int bh_storage_make(struct bh_loop *loop, int modules_fd, const Agent__Storage *storage,
		    struct bh_storage *ret, struct bh_err *err) bh_must_check;

/** bh_storage_undo() - unmount, remove the disk. Suspends. Idempotent; what fails is logged */
void bh_storage_undo(struct bh_loop *loop, struct bh_storage *storage);

/* Options of a storage as mount(2) takes them. */
struct bh_storage_options {
	unsigned long flags; /* MS_* */
	char *data;          /* malloc'd, "" when empty; the caller's */
};

/** bh_storage_options() - from "ro", "nosuid", "size=1m" … Pure */
int bh_storage_options(char *const *options, size_t n, struct bh_storage_options *ret,
		       struct bh_err *err) bh_must_check;

/** bh_storage_share() - have the shared directory mounted if this machine has one; idempotent */
int bh_storage_share(struct bh_err *err) bh_must_check;

#endif

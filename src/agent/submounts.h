/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the host mounted in a container's part of the shared directory, each a file system of its
 * own in the guest. The kernel (6.12) must not unmount one while something is read ahead from it:
 * it takes the reader's file for one that is in use, and panics. A container's mounts go with its
 * last process, which may have been killed while it read; so the agent has them mounted as well,
 * and lets go of them when that is some time ago.
 */
#ifndef BH_AGENT_SUBMOUNTS_H
#define BH_AGENT_SUBMOUNTS_H

#include "base/err.h"
#include "loop/loop.h"

struct bh_submounts {
	int *fds; /* of their roots */
	size_t n;
};

/**
 * bh_submounts_hold() - have those of container @id mounted in the caller's namespace too. Suspends
 * while the name still leads to those of a container before it
 * @ret: the caller's; empty when nothing is shared for it
 */
int bh_submounts_hold(struct bh_loop *loop, const char *id, struct bh_submounts *ret,
		      struct bh_err *err) bh_must_check;

/** bh_submounts_hide() - no name leads to them any more: a container that comes with the same id is
 * not to find them */
void bh_submounts_hide(const struct bh_submounts *held);

/** bh_submounts_drop() - unmount them, once hidden, where nobody else has them; idempotent */
void bh_submounts_drop(struct bh_submounts *held);

#endif

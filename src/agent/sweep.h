/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel remembers of the shared directory after the host took it away: every file of it
 * keeps one open in the host's daemon, until its name is looked for again and not found. So a pod
 * whose containers come and go would have the daemon run out of descriptors.
 */
#ifndef BH_AGENT_SWEEP_H
#define BH_AGENT_SWEEP_H

#include "agent/submounts.h"
#include "loop/loop.h"

struct bh_sweep_entry;

/* Embedded in its owner, who zeroes it and sets loop. */
struct bh_sweep {
	struct bh_loop *loop;
	struct bh_timer timer;
	struct bh_sweep_entry *list;
};

/** bh_sweep_later() - container @id was let go: the host is going to take away what was shared for
 * it, then the kernel is to forget it. Without memory nothing is swept
 * @held: is emptied: cannot be reached by name from now on, and is let go when nobody reads */
void bh_sweep_later(struct bh_sweep *sweep, const char *id, struct bh_submounts *held);

/** bh_sweep_deinit() - no more; what is held stays so, as it is the guest's end; idempotent */
void bh_sweep_deinit(struct bh_sweep *sweep);

#endif

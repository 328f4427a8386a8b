/* SPDX-License-Identifier: Apache-2.0 */
/* A process in its cgroups and namespaces, as cheaply as the kernel allows: one clone3(2), born
 * into the version 2 group, with all new namespaces at once. */
#ifndef BH_CONTAINER_SPAWN_H
#define BH_CONTAINER_SPAWN_H

#include <stdbool.h>

#include "linux/cgroup.h"
#include "linux/ns.h"

struct bh_spawn {
	const struct bh_ns_plan *ns;
	const struct bh_cgroup *cg; /* created or opened; NULL = stay in the caller's */
	bool unseen; /* stay out of a joined pid namespace, which is for the process's own next
		      * child: bh_launch_appear(). Taken back where a joiner is needed */
	/* In the process that counts, before it joins anything: gives up what is the caller's
	 * alone. Not called where a joiner is needed; may be NULL */
	void (*born)(void *arg);
	void *arg;
	int parent_sock, child_sock; /* of container/sync.h; the one that is not ours is closed */
};

/**
 * bh_spawn() - clone the process
 *
 * Where a joiner is needed (see bh_ns_needs_joiner(), or where an unprivileged caller could not
 * come back from a joined pid namespace) two are cloned, and the one that counts is a child of the
 * caller all the same.
 *
 * Return: pid in the parent, which must reap it; 0 in the child, which is in its cgroups and its
 * namespaces but for plan->late; -errno with @err in the parent. A child that fails on the way
 * reports through its socket and ends.
 */
pid_t bh_spawn(struct bh_spawn *spawn, struct bh_err *err) bh_must_check;

#endif

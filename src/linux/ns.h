/* SPDX-License-Identifier: Apache-2.0 */
/* Namespaces as a table, and a process in a chosen set of new and joined ones.
 * Source: namespaces(7), clone(2), setns(2), user_namespaces(7) */
#ifndef BH_LINUX_NS_H
#define BH_LINUX_NS_H

#include <sys/types.h>

#include "oci/spec.h"

struct bh_ns_info {
	const char *spec_name; /* "network" */
	const char *proc_name; /* "net", below /proc/PID/ns/ */
	uint64_t flag;         /* CLONE_NEW* */
};

/** bh_ns_info() - the table's row of @kind */
const struct bh_ns_info *bh_ns_info(enum bh_ns_kind kind);

struct bh_ns_join {
	int fd;    /* namespace, or pidfd with several flags; owned */
	int flags; /* CLONE_NEW* to join by it */
	const char *path;
};

/* Which namespaces a process shall be in. Those that are not named are the caller's. */
struct bh_ns_plan {
	uint64_t create; /* CLONE_NEW* at clone3(2) */
	uint64_t late; /* of these, CLONE_NEWCGROUP and CLONE_NEWTIME: after clone, by unshare(2) */
	struct bh_ns_join joins[BH_NS_MAX_];
	size_t n_joins;
};

/** bh_ns_plan() - from linux.namespaces; opens what is to be joined and checks its type
 * @plan: filled; bh_ns_plan_deinit() closes. An error names the entry's JSON pointer and path */
int bh_ns_plan(const struct bh_spec *spec, struct bh_ns_plan *plan,
	       struct bh_err *err) bh_must_check;
void bh_ns_plan_deinit(struct bh_ns_plan *plan);

/** bh_ns_needs_joiner() - joining a namespace and being under another user namespace takes a
 * process in between: it joins with the host's privileges, then clones the one that is wanted as
 * its sibling */
bool bh_ns_needs_joiner(const struct bh_ns_plan *plan);

/**
 * bh_ns_join() - enter the namespaces of @plan->joins
 * @with_pid: pid namespaces too, which take effect for the caller's next child
 *
 * Those that the host may join come first, then the user namespace, then what it gave access to.
 *
 * Context: child, single-threaded
 */
int bh_ns_join(const struct bh_ns_plan *plan, bool with_pid, struct bh_err *err) bh_must_check;

/** bh_ns_open() - descriptor of the namespace @kind of process @pid */
int bh_ns_open(pid_t pid, enum bh_ns_kind kind, struct bh_err *err) bh_must_check;

/** bh_ns_unshare_late() - the cgroup and time namespaces of @plan, with the time offsets. Context:
 * child */
int bh_ns_unshare_late(const struct bh_ns_plan *plan, const struct bh_linux *linux_,
		       struct bh_err *err) bh_must_check;

/** bh_ns_visit_network() - @fn within the network namespace @netns_fd; what it opens there stays
 * there. Context: the thread enters and comes back. Return: what @fn returned; -errno with @err */
int bh_ns_visit_network(int netns_fd, int (*fn)(void *arg, struct bh_err *err), void *arg,
			struct bh_err *err) bh_must_check;

#endif

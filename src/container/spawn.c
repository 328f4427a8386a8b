/* SPDX-License-Identifier: Apache-2.0 */
#include "container/spawn.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/sys.h"
#include "container/sync.h"

static _Noreturn void fail(int sock, const struct bh_err *err)
{
	bh_sync_send_err(sock, err);
	_exit(1);
}

/* In runc's words. */
static int not_into_cgroup(const struct bh_cgroup *cg, int code, struct bh_err *err)
{
	size_t n;
	const struct bh_cgroup_hierarchy *h = bh_cgroup_hierarchies(cg, &n);

	while (n && !h->v2)
		h++, n--;
	return bh_err_set(err, code, "adding pid of the new process to cgroups: %s%s/cgroup.procs",
			  n ? h->mountpoint : "", n ? h->path : "");
}

static pid_t clone_with(uint64_t flags, const struct bh_cgroup *cg, struct bh_err *err)
{
	struct clone_args args = { .flags = flags | CLONE_CLEAR_SIGHAND };
	int cgroup_fd = cg ? bh_cgroup_clone_fd(cg) : -1;
	pid_t pid;

	if (!(flags & CLONE_PARENT))
		args.exit_signal = SIGCHLD;
	if (cgroup_fd >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)cgroup_fd;
	}
	pid = bh_sys_clone3(&args);
	if (pid >= 0)
		return pid;
	/* The answers that only a cgroup gives, clone(2). */
	if (cgroup_fd >= 0 && (errno == EBUSY || errno == EOPNOTSUPP || errno == EACCES))
		return not_into_cgroup(cg, -errno, err);
	return bh_err_set(
		err, -errno, "clone the container's process%s",
		errno == EPERM && geteuid() != 0 && !(flags & CLONE_NEWUSER)
			? " (for others than root, linux.namespaces needs a user namespace: "
			  "see spec --rootless)"
			: "");
}

/* Whether a pid namespace is among the joins; it takes effect at the next clone. */
static const struct bh_ns_join *pid_join(const struct bh_ns_plan *ns)
{
	for (size_t i = 0; i < ns->n_joins; i++)
		if (ns->joins[i].flags & CLONE_NEWPID)
			return &ns->joins[i];
	return NULL;
}

static void enter_cgroups(const struct bh_spawn *spawn)
{
	struct bh_err err = BH_ERR_INIT;

	if (spawn->cg && bh_cgroup_enter(spawn->cg, &err) < 0)
		fail(spawn->child_sock, &err);
}

/* Between the caller and the container: joins with the host's privileges, clones a sibling, ends.
 */
static pid_t joiner(struct bh_spawn *spawn)
{
	struct bh_err err = BH_ERR_INIT;
	int gate[2];
	pid_t pid;
	char byte;

	enter_cgroups(spawn);
	if (spawn->born)
		spawn->born(spawn->arg);
	if (bh_ns_join(spawn->ns, true, &err) < 0)
		fail(spawn->child_sock, &err);
	if (pipe2(gate, O_CLOEXEC) < 0) {
		bh_err_set(&err, -errno, "pipe");
		fail(spawn->child_sock, &err);
	}
	pid = clone_with(spawn->ns->create | CLONE_PARENT, NULL, &err);
	if (pid == 0) {
		/* Not a word from this process before its pid is known: the gate ends with the
		 * joiner. */
		bh_close(gate[1]);
		TEMP_FAILURE_RETRY(read(gate[0], &byte, 1));
		bh_close(gate[0]);
		return 0;
	}
	if (pid < 0 || bh_sync_send_number(spawn->child_sock, BH_SYNC_JOINED, pid, &err) < 0)
		fail(spawn->child_sock, &err);
	_exit(0);
}

static pid_t spawn_by_joiner(struct bh_spawn *spawn, struct bh_err *err)
{
	struct bh_sync_msg msg = { .number = 0 };
	pid_t pid = clone_with(0, spawn->cg, err);
	int r;

	if (pid == 0) {
		bh_close(spawn->parent_sock);
		return joiner(spawn);
	}
	if (pid < 0)
		return pid;
	/* Our own copy of the child's end is still open, but the joiner speaks before it ends. */
	spawn->child_sock = bh_close(spawn->child_sock);
	r = bh_sync_recv(spawn->parent_sock, &msg, NULL, err);
	TEMP_FAILURE_RETRY(waitpid(pid, NULL, 0));
	if (r < 0)
		return r;
	if (r != BH_SYNC_JOINED)
		return bh_err_as(err, BH_ERR_PEER, -EPIPE, "join namespaces: process ended early");
	return msg.number;
}

/* The caller's own pid namespace for children is changed for the moment of the clone only. */
static pid_t clone_in_pidns(struct bh_spawn *spawn, int own, struct bh_err *err)
{
	const struct bh_ns_join *join = pid_join(spawn->ns);
	pid_t pid;

	if (join && setns(join->fd, CLONE_NEWPID) < 0)
		return bh_err_set(err, -errno, "join pid namespace");
	pid = clone_with(spawn->ns->create, spawn->cg, err);
	if (pid != 0 && join && setns(own, CLONE_NEWPID) < 0 && pid > 0)
		return bh_err_set(err, -errno, "return to the own pid namespace");
	return pid;
}

/* Without privilege over it, the way into a pid namespace is one way; the probe goes nowhere. */
static bool could_not_return(const struct bh_ns_plan *ns, int own)
{
	return pid_join(ns) && (own < 0 || setns(own, CLONE_NEWPID) < 0);
}

/* @own: the caller's pidfd, where a pid namespace is joined */
static pid_t spawn_direct(struct bh_spawn *spawn, int own, struct bh_err *err)
{
	struct bh_err child_err = BH_ERR_INIT;
	pid_t pid;

	pid = spawn->unseen ? clone_with(spawn->ns->create, spawn->cg, err)
			    : clone_in_pidns(spawn, own, err);
	if (pid > 0)
		spawn->child_sock = bh_close(spawn->child_sock);
	if (pid != 0)
		return pid;
	bh_close(spawn->parent_sock);
	enter_cgroups(spawn);
	if (spawn->born)
		spawn->born(spawn->arg);
	if (bh_ns_join(spawn->ns, spawn->unseen, &child_err) < 0)
		fail(spawn->child_sock, &child_err);
	return 0;
}

pid_t bh_spawn(struct bh_spawn *spawn, struct bh_err *err)
{
	const bool into_existing = spawn->ns->n_joins > 0;
	bh_auto_close int own = pid_join(spawn->ns) ? pidfd_open(getpid(), 0) : -EBADF;
	const bool by_joiner = bh_ns_needs_joiner(spawn->ns) || could_not_return(spawn->ns, own);
	pid_t pid;

	/* Whoever is in a joined namespace already must at no moment be able to trace the newcomer,
	 * which still has the host's descriptors and program (CVE-2016-9962). Clones inherit it. */
	if (into_existing && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return bh_err_set(err, -errno, "become undumpable");
	spawn->unseen = spawn->unseen && !by_joiner;
	pid = by_joiner ? spawn_by_joiner(spawn, err) : spawn_direct(spawn, own, err);
	if (pid != 0 && into_existing)
		prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	return pid;
}

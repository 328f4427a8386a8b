/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation
 *
 * A container in a user namespace of its own sets up its root with that namespace's privileges.
 * They do not reach for two things: sources in directories that only the host's root may search,
 * and mapping ids, which takes privilege over the source's file system. Opening such sources before
 * the container exists would not do: a source may lie in what an earlier mount of the container
 * made, and attributes that the host's mounts have locked would come unlocked.
 *
 * So a helper with the host's privileges is forked beforehand. On request it enters the child's
 * mount namespace, opens the source there, maps its ids, and hands the tree back. A request is an
 * index into the plan, which both know: nothing else can be asked for. The helper ends when the
 * child closes its end, which it does when its set-up is done or when it dies.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/path.h"
#include "base/socket.h"
#include "container/rootfs_internal.h"

struct request {
	uint32_t index; /* of the plan's mounts; their number = the root itself */
};

static int open_for_child(struct bh_rootfs_plan *plan, const struct bh_rootfs_mount *m,
			  struct bh_err *err)
{
	unsigned int flags = m->flags & MS_REC ? AT_RECURSIVE : 0;
	bh_auto_close int root = -EBADF, source = -EBADF, tree = -EBADF;

	if (m->source_in_root) {
		root = bh_path_open(AT_FDCWD, plan->root, O_PATH | O_DIRECTORY, 0, BH_PATH_HOST,
				    err);
		source = root < 0 ? root
				  : bh_path_open(root, m->source, O_PATH, 0, BH_PATH_IN_ROOT, err);
		tree = source < 0 ? source : bh_mount_clone(source, "", flags, err);
	} else {
		tree = bh_mount_clone(AT_FDCWD, m->source, flags, err);
	}
	if (tree >= 0 && m->idmap != BH_IDMAP_NONE) {
		int r = bh_rootfs_idmap(tree, m, err);

		if (r < 0)
			return r;
	}
	return bh_take_fd(&tree);
}

static int serve_request(struct bh_rootfs_plan *plan, const struct request *request, int ns_fd,
			 struct bh_err *err)
{
	if (ns_fd < 0 || request->index > plan->mounts.n)
		return bh_err_as(err, BH_ERR_BUG, -EINVAL, "mount helper: request %u",
				 request->index);
	if (setns(ns_fd, CLONE_NEWNS) < 0)
		return bh_err_set(err, -errno, "mount helper: enter mount namespace");
	if (request->index == plan->mounts.n)
		return bh_path_open(AT_FDCWD, plan->root, O_PATH | O_DIRECTORY, 0, BH_PATH_HOST,
				    err);
	return open_for_child(plan, &plan->mounts.v[request->index], err);
}

static _Noreturn void serve(struct bh_rootfs_plan *plan)
{
	struct request request;
	int ns_fd;

	/* The caller's death must not leave it behind. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	bh_close(plan->broker_fd);
	while (bh_fd_receive(plan->broker_parent_fd, &request, sizeof(request), &ns_fd, 0) ==
	       (ssize_t)sizeof(request)) {
		struct bh_err err = BH_ERR_INIT;
		int tree = serve_request(plan, &request, ns_fd, &err);

		bh_close(ns_fd);
		if (bh_fd_send(plan->broker_parent_fd, &err, sizeof(err), tree, 0) < 0)
			break;
		bh_close(tree);
	}
	_exit(0);
}

int bh_rootfs_broker_start(struct bh_rootfs_plan *plan, struct bh_err *err)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return bh_err_set(err, -errno, "socketpair");
	plan->broker_fd = pair[0];
	plan->broker_parent_fd = pair[1];
	plan->broker_pid = fork();
	if (plan->broker_pid == 0)
		serve(plan);
	plan->broker_parent_fd = bh_close(plan->broker_parent_fd);
	if (plan->broker_pid < 0) {
		plan->broker_pid = 0;
		plan->broker_fd = bh_close(plan->broker_fd);
		return bh_err_set(err, -errno, "fork mount helper");
	}
	return 0;
}

int bh_rootfs_broker_open(struct bh_rootfs_plan *plan, const struct bh_rootfs_mount *m,
			  struct bh_err *err)
{
	struct request request = { .index = (uint32_t)(m ? (size_t)(m - plan->mounts.v)
							 : plan->mounts.n) };
	struct bh_err answer = BH_ERR_INIT;
	bh_auto_close int fd = -EBADF;
	ssize_t n;
	bh_auto_close int ns_fd =
		bh_path_open(AT_FDCWD, "/proc/self/ns/mnt", O_RDONLY, 0, BH_PATH_HOST, err);

	if (ns_fd < 0)
		return ns_fd;
	n = bh_fd_send(plan->broker_fd, &request, sizeof(request), ns_fd, 0);
	if (n >= 0)
		n = bh_fd_receive(plan->broker_fd, &answer, sizeof(answer), &fd, 0);
	if (n != (ssize_t)sizeof(answer))
		return bh_err_as(err, BH_ERR_PEER, n < 0 ? (int)n : -EPIPE,
				 "the mount helper is gone");
	if (fd >= 0)
		return bh_take_fd(&fd);
	if (err)
		*err = answer;
	return answer.code < 0 ? answer.code : -EIO;
}

void bh_rootfs_reap(struct bh_rootfs_plan *plan)
{
	if (plan->broker_pid <= 0)
		return;
	TEMP_FAILURE_RETRY(waitpid(plan->broker_pid, NULL, 0));
	plan->broker_pid = 0;
}

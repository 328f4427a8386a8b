/* SPDX-License-Identifier: Apache-2.0 */
#include "container/attend.h"

#include <sys/pidfd.h>
#include <sys/wait.h>

#include "container/create_internal.h"
#include "container/handover.h"
#include "container/sync.h"

static int on_hooks(struct bh_attend *a, const struct bh_sync_msg *msg, int *fd, struct bh_err *err)
{
	int r;

	(void)msg;
	(void)fd;
	r = bh_container_run_hooks(a->c, BH_HOOK_PRESTART, BH_STATUS_CREATED, a->pid, environ, err);
	r = r < 0 ? r
		  : bh_container_run_hooks(a->c, BH_HOOK_CREATE_RUNTIME, BH_STATUS_CREATED, a->pid,
					   environ, err);
	return r < 0 ? r : bh_sync_send(a->sock, BH_SYNC_GO, -1, err);
}

static int on_master(struct bh_attend *a, const struct bh_sync_msg *msg, int *fd,
		     struct bh_err *err)
{
	(void)msg;
	if (!a->io)
		return bh_err_as(err, BH_ERR_BUG, -EBADMSG, "a terminal that nobody waits for");
	return bh_handover_master(a->io, fd, &a->master_fd, err);
}

static int on_listener(struct bh_attend *a, const struct bh_sync_msg *msg, int *fd,
		       struct bh_err *err)
{
	bh_auto_close int pidfd = pidfd_open(a->pid, 0), listener = -EBADF;
	int r;

	(void)fd;
	if (!a->c->spec.linux_.seccomp.listener_path)
		return bh_err_as(err, BH_ERR_BUG, -EBADMSG, "a listener that nobody waits for");
	if (pidfd >= 0)
		listener = pidfd_getfd(pidfd, msg->number, 0);
	if (listener < 0)
		return bh_err_set(err, -errno, "take the seccomp listener of process %d", a->pid);
	r = bh_handover_listener(a->c, a->pid, listener, err);
	return r < 0 ? r : bh_sync_send(a->sock, BH_SYNC_GO, -1, err);
}

static int on_joined(struct bh_attend *a, const struct bh_sync_msg *msg, int *fd,
		     struct bh_err *err)
{
	siginfo_t info;

	(void)fd;
	if (!a->unseen || waitid(P_PID, (id_t)msg->number, &info, WEXITED | WNOHANG | WNOWAIT) < 0)
		return bh_err_as(err, BH_ERR_BUG, -EBADMSG, "odd process %d", msg->number);
	a->pid = msg->number;
	return 0;
}

static int on_ready(struct bh_attend *a, const struct bh_sync_msg *msg, int *fd, struct bh_err *err)
{
	(void)msg;
	(void)fd;
	(void)err;
	a->ready = true;
	return 0;
}

static int (*const handlers[BH_SYNC_MAX_])(struct bh_attend *, const struct bh_sync_msg *, int *,
					   struct bh_err *) = {
	[BH_SYNC_JOINED] = on_joined,     [BH_SYNC_HOOKS] = on_hooks, [BH_SYNC_MASTER] = on_master,
	[BH_SYNC_LISTENER] = on_listener, [BH_SYNC_READY] = on_ready,
};

int bh_attend(struct bh_attend *a, struct bh_err *err)
{
	for (;;) {
		struct bh_sync_msg msg;
		bh_auto_close int fd = -EBADF;
		int r = bh_sync_recv(a->sock, &msg, &fd, err);

		if (r < 0)
			return r;
		if (r == BH_SYNC_EOF && a->ready)
			return 0;
		if (r == BH_SYNC_EOF)
			return bh_err_as(err, BH_ERR_PEER, -ECHILD,
					 "the process died while being set up");
		/* Whoever could trace the process could make it say anything: not a hook twice. */
		if (!handlers[r] || (a->seen & (1U << r)))
			return bh_err_as(err, BH_ERR_BUG, -EBADMSG, "odd message %d", r);
		a->seen |= 1U << r;
		r = handlers[r](a, &msg, &fd, err);
		if (r < 0)
			return r;
		if (a->ready && !a->until_exec)
			return 0;
	}
}

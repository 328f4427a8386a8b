/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs that act on what runs: Kill, Pause, Resume, Update, ResizePty, CloseIO. */
#include <signal.h>
#include <string.h>

#include "task/internal.h"

static void fail_finished(struct bh_rpc_call *call)
{
	bh_rpc_fail(call, BH_RPC_NOT_FOUND, "process already finished: not found");
}

/* ---- Kill ------------------------------------------------------------------------------------ */

static void kill_container(struct bh_tasks *tasks, struct bh_rpc_call *call, const void *request)
{
	const Task__KillRequest *rq = request;
	bh_auto_task struct bh_task *task = bh_task_find(tasks, call, rq->id);
	struct bh_err err = BH_ERR_INIT;

	if (!task)
		return;
	bh_task_ref(task);
	if (bh_task_engine_kill(task, (int)rq->signal, rq->all, &err) == 0)
		bh_rpc_reply(call, NULL);
	else if (err.code == -ESRCH || err.code == -ENOENT)
		fail_finished(call);
	else
		bh_rpc_fail_err(call, &err);
}

/* Not before its turn: a start that hangs is ended by this. The number cannot be another process's:
 * ours is not reaped yet. */
void bh_task_kill(void *self, struct bh_rpc_call *call, const void *request)
{
	const Task__KillRequest *rq = request;
	struct bh_task_process *p = bh_task_process_find(self, call, rq->id, rq->exec_id);

	if (!p)
		return;
	if (rq->signal >= (unsigned int)_NSIG)
		bh_rpc_fail(call, BH_RPC_INVALID, "signal %u: invalid argument", rq->signal);
	else if (p->stage == BH_TASK_ENDED)
		fail_finished(call);
	else if (p->pid == 0)
		bh_rpc_fail(call, BH_RPC_PRECONDITION, "process not created: failed precondition");
	else if (!*rq->exec_id && (rq->all || p->task->paused))
		bh_task_in_fiber(self, call, request, kill_container);
	else if (kill(p->pid, (int)rq->signal) < 0)
		bh_rpc_fail(call, BH_RPC_UNKNOWN, "signal %u to process %d: %s", rq->signal,
			    (int)p->pid, strerrordesc_np(errno));
	else
		bh_rpc_reply(call, NULL);
}

/* ---- Pause, Resume --------------------------------------------------------------------------- */

static void publish_frozen(struct bh_task *task)
{
	Task__TaskPaused paused = TASK__TASK_PAUSED__INIT;
	Task__TaskResumed resumed = TASK__TASK_RESUMED__INIT;

	paused.container_id = (char *)task->id;
	resumed.container_id = (char *)task->id;
	if (task->paused)
		bh_task_publish(task->tasks, "/tasks/paused", &paused);
	else
		bh_task_publish(task->tasks, "/tasks/resumed", &resumed);
}

static int freeze_it(struct bh_task *task, bool frozen, struct bh_err *err)
{
	int r;

	task->maybe_frozen = true;
	r = bh_task_engine_freeze(task, frozen, err);
	if (r == 0)
		task->maybe_frozen = frozen;
	return r;
}

static int set_frozen(struct bh_task *task, bool frozen, struct bh_err *err)
{
	int r = bh_task_take_turn(task, err);

	if (r < 0)
		return r;
	if (task->init.stage != BH_TASK_RUNNING || task->paused == frozen)
		r = bh_err_as(err, BH_ERR_STATE, -EBUSY, "container not %s",
			      frozen ? "running" : "paused");
	else
		r = freeze_it(task, frozen, err);
	if (r == 0) {
		task->paused = frozen && task->init.stage != BH_TASK_ENDED;
		publish_frozen(task);
	}
	bh_task_give_turn(task);
	return r;
}

static void freeze(struct bh_tasks *tasks, struct bh_rpc_call *call, const char *id, bool frozen)
{
	bh_auto_task struct bh_task *task = bh_task_find(tasks, call, id);
	struct bh_err err = BH_ERR_INIT;

	if (!task)
		return;
	bh_task_ref(task);
	if (set_frozen(task, frozen, &err) == 0)
		bh_rpc_reply(call, NULL);
	else if (err.domain == BH_ERR_STATE && err.code == -EBUSY)
		bh_rpc_fail(call, BH_RPC_PRECONDITION, "%s: failed precondition", err.text);
	else
		bh_rpc_fail_err(call, &err);
}

static void pause_container(struct bh_tasks *tasks, struct bh_rpc_call *call, const void *request)
{
	freeze(tasks, call, ((const Task__PauseRequest *)request)->id, true);
}

void bh_task_pause(void *self, struct bh_rpc_call *call, const void *request)
{
	bh_task_in_fiber(self, call, request, pause_container);
}

static void resume_container(struct bh_tasks *tasks, struct bh_rpc_call *call, const void *request)
{
	freeze(tasks, call, ((const Task__ResumeRequest *)request)->id, false);
}

void bh_task_resume(void *self, struct bh_rpc_call *call, const void *request)
{
	bh_task_in_fiber(self, call, request, resume_container);
}

/* ---- Update ---------------------------------------------------------------------------------- */

static int set_limits(struct bh_task *task, const Wire__Any *document, struct bh_err *err)
{
	bh_auto_arena struct bh_arena arena = BH_ARENA_INIT;
	struct bh_resources resources = { .set = false };
	int r;

	if (!document || !document->value.len)
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL, "no resources in the request");
	r = bh_spec_parse_resources(&arena, (const char *)document->value.data, document->value.len,
				    &resources, err);
	r = r < 0 ? r : bh_task_take_turn(task, err);
	if (r < 0)
		return r;
	r = bh_task_engine_update(task, &resources, err);
	bh_task_give_turn(task);
	return r;
}

static void update(struct bh_tasks *tasks, struct bh_rpc_call *call, const void *request)
{
	const Task__UpdateRequest *rq = request;
	bh_auto_task struct bh_task *task = bh_task_find(tasks, call, rq->id);
	struct bh_err err = BH_ERR_INIT;

	if (!task)
		return;
	bh_task_ref(task);
	if (set_limits(task, rq->resources, &err) < 0)
		bh_rpc_fail_err(call, &err);
	else
		bh_rpc_reply(call, NULL);
}

void bh_task_update(void *self, struct bh_rpc_call *call, const void *request)
{
	bh_task_in_fiber(self, call, request, update);
}

/* ---- streams --------------------------------------------------------------------------------- */

void bh_task_resize(void *self, struct bh_rpc_call *call, const void *request)
{
	const Task__ResizePtyRequest *rq = request;
	struct bh_task_process *p = bh_task_process_find(self, call, rq->id, rq->exec_id);
	struct bh_err err = BH_ERR_INIT;

	if (!p)
		return;
	if (bh_task_io_resize(&p->io, rq->width, rq->height, &err) < 0) {
		bh_rpc_fail_err(call, &err);
		return;
	}
	p->size = (struct bh_console_size){ .height = rq->height, .width = rq->width };
	bh_rpc_reply(call, NULL);
}

void bh_task_close_io(void *self, struct bh_rpc_call *call, const void *request)
{
	const Task__CloseIORequest *rq = request;
	struct bh_task_process *p = bh_task_process_find(self, call, rq->id, rq->exec_id);

	if (!p)
		return;
	if (rq->stdin)
		bh_task_io_close_input(&p->io);
	bh_rpc_reply(call, NULL);
}

void bh_task_checkpoint(void *self, struct bh_rpc_call *call, const void *request)
{
	(void)self;
	(void)request;
	bh_rpc_fail(call, BH_RPC_UNIMPLEMENTED, "checkpoint: not implemented");
}

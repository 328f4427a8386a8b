/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation
 *
 * An exec that needs nothing but its own process is begun by the server itself: without a worker in
 * between there is one process less to be forked, which in a guest that is emulated is a fifth of
 * an exec. What takes long, or may never end (a program on a file system that hangs), the new
 * process does by itself, and its words are read once there are no more: each awakening in between
 * would be two changes of the address space.
 *
 * Its end can come before its words were read. Until it is known to have executed it is
 * nobody's: bh_task_reap() leaves its status here.
 */
#include <signal.h>

#include "task/internal.h"

struct bh_task_execution {
	struct bh_task_execution *next;
	struct bh_tasks *tasks;
	struct bh_task_process *process;
	const struct bh_exec_opts *opts;
	struct bh_execution *engine;
	struct bh_deferred begin;
	struct bh_source source; /* hangs up when the process has said all */
	struct bh_wait wait;     /* until it executed or failed */
	struct bh_started *started;
	struct bh_err *err;
	int r;
	pid_t pid; /* 0 = not there yet */
	bool ended;
	int wait_status; /* of one that has ended */
};

static void finish(struct bh_task_execution *ex, int r)
{
	bh_loop_remove(ex->tasks->loop, &ex->source);
	ex->r = r;
	bh_fiber_wake(&ex->wait);
}

static int on_hangup(struct bh_source *source, uint32_t events, struct bh_err *err)
{
	struct bh_task_execution *ex = bh_owner_of(source, struct bh_task_execution, source);

	(void)events;
	(void)err;
	finish(ex, bh_execution_finish(ex->engine, ex->started, ex->err));
	return 0;
}

/* Not in the fiber that asks: its stack, which the process would inherit, is too small for the
 * engine. */
static void on_begin(struct bh_deferred *deferred)
{
	struct bh_task_execution *ex = bh_owner_of(deferred, struct bh_task_execution, begin);
	int r;

	bh_workers_stand_back(&ex->tasks->workers);
	r = bh_execution_begin(ex->process->task->c, ex->opts, &ex->engine, ex->err);
	if (r == 0) {
		ex->pid = bh_execution_pid(ex->engine);
		ex->source.fd = bh_execution_fd(ex->engine);
		r = bh_loop_add(ex->tasks->loop, &ex->source, EPOLLRDHUP, ex->err);
	}
	if (r < 0)
		finish(ex, r);
}

static void forget(struct bh_task_execution *ex)
{
	bh_list_remove(&ex->tasks->executions, ex);
	bh_loop_undefer(ex->tasks->loop, &ex->begin);
	bh_loop_remove(ex->tasks->loop, &ex->source);
	bh_execution_free(ex->engine);
}

int bh_task_execute(struct bh_task_process *p, const struct bh_exec_opts *opts,
		    struct bh_started *started, struct bh_err *err)
{
	struct bh_tasks *tasks = p->task->tasks;
	struct bh_task_execution ex = {
		.next = tasks->executions,
		.tasks = tasks,
		.process = p,
		.opts = opts,
		.begin.fn = on_begin,
		.source = { .fd = -EBADF, .fn = on_hangup, .what = "words of an exec" },
		.started = started,
		.err = err,
	};
	int r;

	tasks->executions = &ex;
	bh_loop_defer(tasks->loop, &ex.begin);
	r = bh_fiber_wait(tasks->loop, &ex.wait, err);
	r = r < 0 ? r : ex.r;
	if (r < 0 && ex.pid > 0 && !ex.ended)
		kill(ex.pid, SIGKILL);
	forget(&ex);
	if (r < 0)
		return r;
	p->pid = ex.pid;
	p->stage = BH_TASK_RUNNING;
	if (ex.ended)
		bh_task_process_end(p, ex.wait_status);
	return 0;
}

bool bh_task_execution_ended(struct bh_tasks *tasks, pid_t pid, int wait_status)
{
	struct bh_task_execution *ex = tasks->executions;

	while (ex && (ex->pid != pid || ex->ended))
		ex = ex->next;
	if (!ex)
		return false;
	ex->ended = true;
	ex->wait_status = wait_status;
	return true;
}

void bh_task_executions_kill(struct bh_tasks *tasks)
{
	for (struct bh_task_execution *ex = tasks->executions; ex; ex = ex->next)
		if (ex->pid > 0 && !ex->ended)
			kill(ex->pid, SIGKILL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "task/task.h"

#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>

#include "base/log.h"
#include "rpc/services.h"
#include "task/internal.h"

#define WORKERS_MS 1000 /* for what is under way at the end of a pod, such as a hook */

/* ---- the table of tasks ---------------------------------------------------------------------- */

static struct bh_task *lookup(const struct bh_tasks *tasks, const char *id)
{
	struct bh_task *task = tasks->first;

	while (task && strcmp(task->id, id) != 0)
		task = task->next;
	return task;
}

struct bh_task *bh_task_find(struct bh_tasks *tasks, struct bh_rpc_call *call, const char *id)
{
	struct bh_task *task = lookup(tasks, id);

	if (task && task->ready)
		return task;
	bh_rpc_fail(call, BH_RPC_NOT_FOUND, "container not created: not found");
	return NULL;
}

struct bh_task_process *bh_task_process_find(struct bh_tasks *tasks, struct bh_rpc_call *call,
					     const char *id, const char *exec_id)
{
	struct bh_task *task = bh_task_find(tasks, call, id);
	struct bh_task_process *p;

	if (!task || !*exec_id)
		return task ? &task->init : NULL;
	for (p = task->execs; p; p = p->next)
		if (strcmp(p->exec_id, exec_id) == 0)
			return p;
	bh_rpc_fail(call, BH_RPC_NOT_FOUND, "exec %s: process does not exist: not found", exec_id);
	return NULL;
}

struct bh_task *bh_task_new(struct bh_tasks *tasks, const char *id, struct bh_err *err)
{
	struct bh_task *task;

	if (bh_container_id_check(id, err) < 0)
		return NULL;
	if (lookup(tasks, id)) {
		bh_err_as(err, BH_ERR_STATE, -EEXIST, "task %s: already exists", id);
		return NULL;
	}
	task = calloc(1, sizeof(*task));
	if (!task) {
		bh_err_oom(err);
		return NULL;
	}
	task->tasks = tasks;
	task->refs = 1;
	task->turns_end = &task->turns;
	task->oom.fd = -EBADF;
	task->no_pivot = tasks->opts.no_pivot;
	task->no_keyring = tasks->opts.no_keyring;
	bh_task_process_init(&task->init, task);
	task->id = bh_arena_strdup(&task->init.arena, id);
	if (!task->id) {
		bh_task_unrefp(&task);
		bh_err_oom(err);
		return NULL;
	}
	task->next = tasks->first;
	tasks->first = task;
	return task;
}

void bh_task_remove(struct bh_task *task)
{
	if (task->deleted)
		return;
	bh_list_remove(&task->tasks->first, task);
	task->deleted = true;
	bh_task_unrefp(&task);
}

struct bh_task *bh_task_ref(struct bh_task *task)
{
	task->refs++;
	return task;
}

void bh_task_unrefp(struct bh_task **at)
{
	struct bh_task *task = bh_take(at);

	if (!task || --task->refs)
		return;
	bh_task_unwatch_oom(task);
	while (task->execs)
		bh_task_exec_remove(task->execs);
	bh_container_free(task->c);
	bh_task_engine_forget_finds(task);
	free(task->rootfs);
	bh_task_process_deinit(&task->init);
	free(task);
}

/* ---- turns ----------------------------------------------------------------------------------- */

static void withdraw(struct bh_task *task, struct bh_task_turn *turn)
{
	struct bh_task_turn **at = &task->turns;

	while (*at && *at != turn)
		at = &(*at)->next;
	if (!*at)
		return;
	*at = turn->next;
	if (!*at)
		task->turns_end = at;
}

int bh_task_take_turn(struct bh_task *task, struct bh_err *err)
{
	struct bh_task_turn turn = { .next = NULL };
	int r = 0;

	if (task->in_turn) {
		*task->turns_end = &turn;
		task->turns_end = &turn.next;
		r = bh_fiber_wait(task->tasks->loop, &turn.wait, err);
	}
	if (r < 0) {
		withdraw(task, &turn);
		return r;
	}
	task->in_turn = true;
	if (!task->deleted)
		return 0;
	bh_task_give_turn(task);
	return bh_err_as(err, BH_ERR_STATE, -ENOENT, "container not created: not found");
}

/* It stays taken when it goes to the next. */
void bh_task_give_turn(struct bh_task *task)
{
	struct bh_task_turn *turn = task->turns;

	task->in_turn = turn != NULL;
	if (!turn)
		return;
	task->turns = turn->next;
	if (!task->turns)
		task->turns_end = &task->turns;
	bh_fiber_wake(&turn->wait);
}

/* ---- verbs in fibers ------------------------------------------------------------------------- */

struct job {
	struct bh_tasks *tasks;
	struct bh_rpc_call *call;
	const void *request;
	bh_task_verb verb;
};

void bh_tasks_enter(struct bh_tasks *tasks)
{
	tasks->n_fibers++;
}

void bh_tasks_leave(struct bh_tasks *tasks)
{
	tasks->n_fibers--;
	if (tasks->n_fibers == 0 && tasks->idle)
		bh_fiber_wake(tasks->idle);
}

static void run_job(void *arg)
{
	struct job job = *(struct job *)arg; /* the starter's is gone at the first suspension */

	bh_tasks_enter(job.tasks);
	job.verb(job.tasks, job.call, job.request);
	bh_tasks_leave(job.tasks);
}

void bh_task_in_fiber(struct bh_tasks *tasks, struct bh_rpc_call *call, const void *request,
		      bh_task_verb verb)
{
	struct job job = { .tasks = tasks, .call = call, .request = request, .verb = verb };
	struct bh_err err = BH_ERR_INIT;

	if (bh_fiber_start(tasks->loop, run_job, &job, &err) < 0)
		bh_rpc_fail_err(call, &err);
}

void bh_task_publish(struct bh_tasks *tasks, const char *topic, const void *event)
{
	if (tasks->opts.publish)
		tasks->opts.publish(tasks->opts.arg, topic, event);
}

/* ---- all of them ----------------------------------------------------------------------------- */

static int on_child(struct bh_source *source, uint32_t events, struct bh_err *err)
{
	struct bh_tasks *tasks = bh_owner_of(source, struct bh_tasks, children);
	struct signalfd_siginfo info;

	(void)events;
	(void)err;
	while (read(source->fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		;
	bh_task_reap(tasks);
	return 0;
}

static int watch_children(struct bh_tasks *tasks, struct bh_err *err)
{
	sigset_t mask;
	int r;

	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
		return bh_err_set(err, -errno, "become a subreaper");
	if (sigprocmask(SIG_BLOCK, &mask, NULL) < 0)
		return bh_err_set(err, -errno, "block SIGCHLD");
	tasks->children.fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	if (tasks->children.fd < 0)
		return bh_err_set(err, -errno, "make a signalfd");
	r = bh_loop_add(tasks->loop, &tasks->children, EPOLLIN, err);
	return r < 0 ? r : 0;
}

int bh_tasks_new(struct bh_loop *loop, const struct bh_task_opts *opts, struct bh_tasks **ret,
		 struct bh_err *err)
{
	struct bh_tasks *tasks = calloc(1, sizeof(*tasks));
	int r;

	if (!tasks)
		return bh_err_oom(err);
	tasks->loop = loop;
	tasks->opts = *opts;
	tasks->workers.loop = loop;
	tasks->workers.may_stand_back = opts->sole && sched_getscheduler(0) == SCHED_OTHER;
	tasks->children =
		(struct bh_source){ .fd = -EBADF, .fn = on_child, .what = "children's ends" };
	r = watch_children(tasks, err);
	if (r < 0) {
		bh_tasks_free(tasks);
		return r;
	}
	*ret = tasks;
	return 0;
}

struct bh_tasks *bh_tasks_free(struct bh_tasks *tasks)
{
	struct bh_wait idle = { .done = false };

	if (!tasks)
		return NULL;
	tasks->idle = &idle;
	if (tasks->n_fibers)
		(void)!bh_fiber_wait(tasks->loop, &idle, NULL);
	while (tasks->first)
		bh_task_remove(tasks->first);
	bh_loop_disarm(tasks->loop, &tasks->workers.back);
	bh_loop_remove(tasks->loop, &tasks->children);
	bh_close(tasks->children.fd);
	free(tasks);
	return NULL;
}

void bh_tasks_kill_all(struct bh_tasks *tasks)
{
	/* Init's end lets most that is under way come to its own. */
	for (struct bh_task *task = tasks->first; task; task = task->next)
		if (task->init.pid > 0 && task->init.stage != BH_TASK_ENDED)
			kill(task->init.pid, SIGKILL);
	bh_task_executions_kill(tasks);
	bh_workers_end(&tasks->workers, WORKERS_MS);
	while (tasks->first) {
		bh_auto_task struct bh_task *task = bh_task_ref(tasks->first);
		int r = bh_task_take_turn(task, NULL);

		if (r < 0 && r != -ENOENT)
			return;
		if (r < 0)
			continue;
		bh_task_destroy(task);
		bh_task_give_turn(task);
	}
}

bool bh_tasks_empty(const struct bh_tasks *tasks)
{
	return !tasks->first;
}

pid_t bh_tasks_pid(const struct bh_tasks *tasks, const char *id)
{
	const struct bh_task *task = lookup(tasks, id);

	return task ? task->init.pid : 0;
}

#define VERB(verb, type, function)                                                       \
	{                                                                                \
		.name = (verb), .request = &task__##type##__descriptor, .fn = (function) \
	}

struct bh_rpc_service bh_tasks_service(struct bh_tasks *tasks)
{
	static const char *const names[] = BH_TASK_SERVICES;
	static const struct bh_rpc_method methods[] = {
		VERB("State", state_request, bh_task_state),
		VERB("Create", create_request, bh_task_create),
		VERB("Start", start_request, bh_task_start),
		VERB("Delete", delete_request, bh_task_delete),
		VERB("Pids", pids_request, bh_task_pids),
		VERB("Pause", pause_request, bh_task_pause),
		VERB("Resume", resume_request, bh_task_resume),
		VERB("Checkpoint", checkpoint_request, bh_task_checkpoint),
		VERB("Kill", kill_request, bh_task_kill),
		VERB("Exec", exec_request, bh_task_exec),
		VERB("ResizePty", resize_pty_request, bh_task_resize),
		VERB("CloseIO", close_iorequest, bh_task_close_io),
		VERB("Update", update_request, bh_task_update),
		VERB("Wait", wait_request, bh_task_wait),
		VERB("Stats", stats_request, bh_task_stats),
	};

	return (struct bh_rpc_service){ .names = names,
					.methods = methods,
					.n_methods = BH_ARRAY_SIZE(methods),
					.self = tasks };
}

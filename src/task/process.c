/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation
 *
 * A process's end is noticed at once (SIGCHLD) and told a little later: after the verb that began
 * it was answered, after what it left in its pipes was passed on as far as its reader takes it, and
 * for init after the ends of all execs. None of this waits long: a reader that is stuck, or an exec
 * that does not die, is given a bound, and streams go on by themselves afterwards.
 *
 * Sources: wait(2), containerd core/runtime/v2/README.md for the order of events
 */
#include <string.h>
#include <sys/wait.h>

#include "base/log.h"
#include "task/internal.h"

#define FAST_ROUNDS   10  /* the first ones, of a millisecond */
#define ROUND_MS      20  /* the others */
#define OUTPUT_ROUNDS 20  /* for a reader that does not take what is there */
#define EXEC_ROUNDS   110 /* for execs that were killed with init */

static void on_telling(struct bh_timer *timer)
{
	struct bh_task_process *p = bh_owner_of(timer, struct bh_task_process, telling);

	p->rounds++;
	bh_task_process_tell(p);
}

static void on_drained(void *data)
{
	bh_task_process_tell(data);
}

void bh_task_process_init(struct bh_task_process *p, struct bh_task *task)
{
	*p = (struct bh_task_process){ .task = task, .exec_id = "", .telling.fn = on_telling };
	for (int i = 0; i < 3; i++)
		p->uris[i] = "";
	bh_task_io_init(&p->io, task->tasks->loop, false);
}

int bh_task_process_set(struct bh_task_process *p, const char *exec_id, const char *const uris[3],
			bool terminal, struct bh_err *err)
{
	p->exec_id = bh_arena_strdup(&p->arena, exec_id);
	p->terminal = terminal;
	for (int i = 0; i < 3; i++) {
		p->uris[i] = bh_arena_strdup(&p->arena, uris[i]);
		if (!p->uris[i])
			return bh_err_oom(err);
	}
	return p->exec_id ? 0 : bh_err_oom(err);
}

static struct bh_task_waiter *next_waiter(struct bh_task_process *p)
{
	struct bh_task_waiter *w = p->waiters;

	if (w)
		p->waiters = w->next;
	return w;
}

void bh_task_process_deinit(struct bh_task_process *p)
{
	struct bh_task_waiter *w;

	bh_loop_disarm(p->task->tasks->loop, &p->telling);
	bh_task_io_end(&p->io);
	while ((w = next_waiter(p))) {
		bh_rpc_fail(w->call, BH_RPC_UNAVAILABLE, "the process is no longer watched");
		free(w);
	}
	bh_arena_deinit(&p->arena);
}

int bh_task_process_open_io(struct bh_task_process *p, pid_t peer, struct bh_err *err)
{
	const struct bh_task_opts *opts = &p->task->tasks->opts;
	const struct bh_task_stdio_request request = { .id = p->task->id,
						       .exec_id = p->exec_id,
						       .uris = p->uris,
						       .terminal = p->terminal,
						       .peer = peer };
	int r;

	bh_task_io_init(&p->io, p->task->tasks->loop, p->terminal);
	p->io.drained = on_drained;
	p->io.data = p;
	r = opts->open_stdio(opts->stdio_arg, &request, &p->io.far, err);
	r = r < 0 ? r : bh_task_io_prepare(&p->io, err);
	if (r < 0)
		bh_task_io_end(&p->io);
	return r;
}

void bh_task_exec_remove(struct bh_task_process *p)
{
	bh_list_remove(&p->task->execs, p);
	bh_task_process_deinit(p);
	free(p);
}

/* ---- its end --------------------------------------------------------------------------------- */

Wire__Timestamp bh_task_timestamp(struct timespec when)
{
	Wire__Timestamp t = WIRE__TIMESTAMP__INIT;

	t.seconds = when.tv_sec;
	t.nanos = (int32_t)when.tv_nsec;
	return t;
}

static bool is_init(const struct bh_task_process *p)
{
	return p == &p->task->init;
}

static bool execs_left(const struct bh_task *task)
{
	for (const struct bh_task_process *e = task->execs; e; e = e->next)
		if (e->busy || e->stage == BH_TASK_RUNNING ||
		    (e->stage == BH_TASK_ENDED && !e->told))
			return true;
	return false;
}

/* Whether there is something to wait for, still within its bound. */
static bool must_wait(struct bh_task_process *p)
{
	/* A client that hears of the end first may not come to read the output any more. */
	if ((bh_task_io_push(&p->io) || bh_task_io_unread(&p->io)) && p->rounds < OUTPUT_ROUNDS)
		return true;
	return is_init(p) && execs_left(p->task) && p->rounds < EXEC_ROUNDS;
}

static void publish_end(struct bh_task_process *p)
{
	Wire__Timestamp at = bh_task_timestamp(p->ended_at);
	Task__TaskExit event = TASK__TASK_EXIT__INIT;

	event.container_id = (char *)p->task->id;
	event.id = (char *)(is_init(p) ? p->task->id : p->exec_id);
	event.pid = (uint32_t)p->pid;
	event.exit_status = (uint32_t)p->status;
	event.exited_at = &at;
	bh_task_publish(p->task->tasks, "/tasks/exit", &event);
}

void bh_task_process_answer(struct bh_task_process *p)
{
	Wire__Timestamp at = bh_task_timestamp(p->ended_at);
	Task__WaitResponse answer = TASK__WAIT_RESPONSE__INIT;
	struct bh_task_waiter *w;

	answer.exit_status = (uint32_t)p->status;
	answer.exited_at = &at;
	while ((w = next_waiter(p))) {
		bh_rpc_reply(w->call, &answer.base);
		free(w);
	}
}

void bh_task_process_tell(struct bh_task_process *p)
{
	struct bh_task *task = p->task;

	if (p->stage != BH_TASK_ENDED || p->busy || p->told)
		return;
	if (must_wait(p)) {
		if (!p->telling.armed)
			bh_loop_arm(task->tasks->loop, &p->telling,
				    p->rounds < FAST_ROUNDS ? 1 : ROUND_MS);
		return;
	}
	/* Pushing can have come here by on_drained() already. */
	if (p->told)
		return;
	p->told = true;
	bh_loop_disarm(task->tasks->loop, &p->telling);
	bh_task_io_close_input(&p->io);
	if (is_init(p))
		bh_task_look_for_oom(task);
	if (p->pid > 0)
		publish_end(p);
	bh_task_process_answer(p);
	if (!is_init(p) && task->init.stage == BH_TASK_ENDED)
		bh_task_process_tell(&task->init);
}

void bh_task_process_settle(struct bh_task_process *p)
{
	while (p->stage == BH_TASK_ENDED && !p->told &&
	       bh_fiber_sleep(p->task->tasks->loop, ROUND_MS, NULL) == 0)
		;
}

/* ---- reaping --------------------------------------------------------------------------------- */

static void kill_rest(void *arg)
{
	bh_auto_task struct bh_task *task = arg;
	struct bh_tasks *tasks = task->tasks;
	struct bh_err err = BH_ERR_INIT;

	bh_tasks_enter(tasks);
	if (bh_task_engine_kill(task, SIGKILL, true, &err) < 0 && err.code != -ESRCH &&
	    err.code != -ENOENT)
		bh_warn("kill what '%s' left: %s", task->id, err.text);
	bh_tasks_leave(tasks);
}

void bh_task_process_end(struct bh_task_process *p, int wait_status)
{
	struct bh_task *task = p->task;
	struct bh_err err = BH_ERR_INIT;

	p->stage = BH_TASK_ENDED;
	p->status = WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status)
					     : WEXITSTATUS(wait_status);
	clock_gettime(CLOCK_REALTIME, &p->ended_at);
	if (is_init(p))
		task->paused = false;
	if (is_init(p) && task->kills_rest && task->c && task->c->cg &&
	    bh_fiber_start(task->tasks->loop, kill_rest, bh_task_ref(task), &err) < 0) {
		bh_warn("kill what '%s' left: %s", task->id, err.text);
		task->refs--;
	}
	bh_task_process_tell(p);
}

static struct bh_task_process *by_pid(struct bh_tasks *tasks, pid_t pid)
{
	for (struct bh_task *task = tasks->first; task; task = task->next) {
		if (task->init.pid == pid && task->init.stage != BH_TASK_ENDED)
			return &task->init;
		for (struct bh_task_process *p = task->execs; p; p = p->next)
			if (p->pid == pid && p->stage != BH_TASK_ENDED)
				return p;
	}
	return NULL;
}

void bh_task_reap(struct bh_tasks *tasks)
{
	for (;;) {
		struct bh_task_process *p;
		siginfo_t info = { .si_pid = 0 };
		int status;

		/* Look before taking: the report that tells whose it is may be unread. */
		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0)
			return;
		bh_workers_collect(&tasks->workers);
		p = by_pid(tasks, info.si_pid);
		if (waitpid(info.si_pid, &status, WNOHANG) != info.si_pid)
			return;
		if (p)
			bh_task_process_end(p, status);
		else
			bh_task_execution_ended(tasks, info.si_pid, status);
	}
}

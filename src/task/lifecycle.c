/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs that begin and end processes: Create, Start, Exec, Delete. */
#include <signal.h>
#include <string.h>

#include "base/log.h"
#include "task/internal.h"

#define LINE_BYTES       BH_ERR_LINE_BYTES
#define OUTPUT_WAIT_MS   500  /* at the deletion, for readers that are slow */
#define END_WAIT_MS      2000 /* for processes that were killed */
#define POLL_MS          10
#define STATUS_NOT_BEGUN 255 /* of an exec that could not be started */

/* The engine's failures; the class is always the same: engines show the text. */
static void fail_runtime(struct bh_rpc_call *call, const char *verb, const struct bh_err *err)
{
	char line[LINE_BYTES];

	bh_rpc_fail(call,
		    err->domain == BH_ERR_SPEC ? BH_RPC_INVALID
		    : err->code == -EEXIST     ? BH_RPC_EXISTS
					       : BH_RPC_UNKNOWN,
		    "OCI runtime %s failed: %s", verb, bh_err_format(err, line, sizeof(line)));
}

static void end_turn(struct bh_task **task)
{
	if (*task)
		bh_task_give_turn(*task);
}
/* Gives the turn back when it goes out of scope; declared after the reference that it needs. */
#define auto_turn bh_cleanup(end_turn)

/* Takes the turn. Return: @task, for an auto_turn; NULL with @call refused */
static struct bh_task *take_turn(struct bh_task *task, struct bh_rpc_call *call)
{
	struct bh_err err = BH_ERR_INIT;

	if (bh_task_take_turn(task, &err) == 0)
		return task;
	bh_rpc_fail(call, err.code == -ENOENT ? BH_RPC_NOT_FOUND : BH_RPC_UNAVAILABLE, "%s",
		    err.text);
	return NULL;
}

/* ---- Create ---------------------------------------------------------------------------------- */

static void publish_create(struct bh_task *task, const Task__CreateRequest *rq)
{
	Task__TaskIO io = TASK__TASK_IO__INIT;
	Task__TaskCreate event = TASK__TASK_CREATE__INIT;

	io.stdin = rq->stdin;
	io.stdout = rq->stdout;
	io.stderr = rq->stderr;
	io.terminal = rq->terminal;
	event.container_id = rq->id;
	event.bundle = rq->bundle;
	event.n_rootfs = rq->n_rootfs;
	event.rootfs = rq->rootfs;
	event.io = &io;
	event.pid = (uint32_t)task->init.pid;
	bh_task_publish(task->tasks, "/tasks/create", &event);
}

/* Whether the container's pid namespace ends with its init. */
static bool has_own_pidns(const struct bh_container *c)
{
	const struct bh_namespace *ns = bh_spec_namespace(&c->spec, BH_NS_PID);

	return ns && !ns->path;
}

static int adopt(struct bh_task *task, struct bh_err *err)
{
	task->c = bh_container_load(task->tasks->opts.root, task->id, err);
	if (!task->c)
		return err->code;
	task->kills_rest = !has_own_pidns(task->c);
	bh_task_watch_oom(task);
	return 0;
}

/* Other runtimes' options are none of a task's business. */
static int read_options(struct bh_task *task, const Wire__Any *any, struct bh_err *err)
{
	Task__RuncOptions *options;

	if (!any || strcmp(any->type_url, "containerd.runc.v1.Options") != 0)
		return 0;
	options = task__runc_options__unpack(NULL, any->value.len, any->value.data);
	if (!options)
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL, "options: no %s", any->type_url);
	task->no_pivot |= options->no_pivot_root;
	task->no_keyring |= options->no_new_keyring;
	task->systemd = options->systemd_cgroup;
	task__runc_options__free_unpacked(options, NULL);
	return 0;
}

static int prepare(struct bh_task *task, const Task__CreateRequest *rq, struct bh_err *err)
{
	const struct bh_task_opts *opts = &task->tasks->opts;

	task->bundle = bh_arena_strdup(&task->init.arena, rq->bundle);
	if (!task->bundle)
		return bh_err_oom(err);
	if (task->bundle[0] != '/')
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL, "bundle '%s' is no absolute path",
				 task->bundle);
	if (opts->prepare)
		return opts->prepare(opts->arg, task->id, task->bundle, err);
	if (rq->n_rootfs && asprintf(&task->rootfs, "%s/rootfs", task->bundle) < 0)
		return bh_err_oom(err);
	return 0;
}

static int make(struct bh_task *task, const Task__CreateRequest *rq, pid_t peer, struct bh_err *err)
{
	const char *const uris[] = { rq->stdin, rq->stdout, rq->stderr };
	struct bh_started started = { .master_fd = -EBADF };
	int r;

	r = bh_task_process_set(&task->init, "", uris, rq->terminal, err);
	r = r < 0 ? r : read_options(task, rq->options, err);
	r = r < 0 ? r : prepare(task, rq, err);
	r = r < 0 ? r : bh_task_process_open_io(&task->init, peer, err);
	if (r < 0)
		return r;
	r = bh_task_engine_create(task, rq, &started, err);
	task->made = r == 0 || r == -ECHILD;
	if (r < 0)
		return r;
	r = bh_task_io_start(&task->init.io, started.master_fd, err);
	return r < 0 ? r : adopt(task, err);
}

static void release(struct bh_task *task)
{
	const struct bh_task_opts *opts = &task->tasks->opts;

	if (opts->release)
		opts->release(opts->arg, task->id);
}

static void create(struct bh_tasks *tasks, struct bh_rpc_call *call, const void *request)
{
	const Task__CreateRequest *rq = request;
	Task__CreateResponse answer = TASK__CREATE_RESPONSE__INIT;
	bh_auto_task struct bh_task *task = NULL;
	auto_turn struct bh_task *turn = NULL;
	struct bh_err err = BH_ERR_INIT;

	if (*rq->checkpoint) {
		bh_rpc_fail(call, BH_RPC_UNIMPLEMENTED, "restore: not implemented");
		return;
	}
	task = bh_task_new(tasks, rq->id, &err);
	if (!task) {
		bh_rpc_fail_err(call, &err);
		return;
	}
	bh_task_ref(task);
	turn = take_turn(task, call); /* nobody else knows it yet: at once */
	if (!turn)
		return;
	task->init.busy = true;
	if (make(task, rq, bh_rpc_call_peer(call), &err) < 0) {
		bh_task_destroy(task);
		fail_runtime(call, "create", &err);
		return;
	}
	task->ready = true;
	publish_create(task, rq);
	answer.pid = (uint32_t)task->init.pid;
	bh_rpc_reply(call, &answer.base);
	task->init.busy = false;
	bh_task_process_tell(&task->init);
}

void bh_task_create(void *self, struct bh_rpc_call *call, const void *request)
{
	bh_task_in_fiber(self, call, request, create);
}

/* ---- Start ----------------------------------------------------------------------------------- */

static void answer_start(struct bh_rpc_call *call, pid_t pid)
{
	Task__StartResponse answer = TASK__START_RESPONSE__INIT;

	answer.pid = (uint32_t)pid;
	bh_rpc_reply(call, &answer.base);
}

static void start_init(struct bh_task *task, struct bh_rpc_call *call)
{
	Task__TaskStart event = TASK__TASK_START__INIT;
	struct bh_task_process *p = &task->init;
	struct bh_err err = BH_ERR_INIT;

	if (p->stage != BH_TASK_CREATED) {
		bh_rpc_fail(call, BH_RPC_PRECONDITION,
			    p->stage == BH_TASK_RUNNING
				    ? "cannot start an already running container: failed "
				      "precondition"
				    : "cannot start a container that has stopped: failed "
				      "precondition");
		return;
	}
	p->busy = true;
	if (bh_task_engine_start(task, &err) < 0) {
		fail_runtime(call, "start", &err);
		/* It cannot be started again: its end is all that is left to be told. */
		if (p->stage == BH_TASK_CREATED)
			kill(p->pid, SIGKILL);
	} else {
		if (p->stage == BH_TASK_CREATED)
			p->stage = BH_TASK_RUNNING;
		event.container_id = (char *)task->id;
		event.pid = (uint32_t)p->pid;
		bh_task_publish(task->tasks, "/tasks/start", &event);
		answer_start(call, p->pid);
	}
	p->busy = false;
	bh_task_process_tell(p);
}

static int execute(struct bh_task_process *p, pid_t peer, struct bh_err *err)
{
	struct bh_started started = { .master_fd = -EBADF };
	int r = bh_task_process_open_io(p, peer, err);

	r = r < 0 ? r : bh_task_engine_exec(p, &started, err);
	return r < 0 ? r : bh_task_io_start(&p->io, started.master_fd, err);
}

/* It was never there: nothing is published, but waiters must not wait for ever. */
static void fail_exec(struct bh_task_process *p)
{
	if (p->pid > 0) {
		kill(p->pid, SIGKILL);
		return;
	}
	bh_task_io_end(&p->io);
	p->stage = BH_TASK_ENDED;
	p->status = STATUS_NOT_BEGUN;
	clock_gettime(CLOCK_REALTIME, &p->ended_at);
}

static void start_exec(struct bh_task_process *p, struct bh_rpc_call *call)
{
	Task__TaskExecStarted event = TASK__TASK_EXEC_STARTED__INIT;
	struct bh_task *task = p->task;
	struct bh_err err = BH_ERR_INIT;

	if (p->stage != BH_TASK_NEW || p->busy) {
		bh_rpc_fail(call, BH_RPC_PRECONDITION,
			    "exec %s was started already: failed precondition", p->exec_id);
		return;
	}
	if (task->init.stage == BH_TASK_ENDED) {
		bh_rpc_fail(call, BH_RPC_PRECONDITION,
			    "container %s init process is not running: failed precondition",
			    task->id);
		return;
	}
	p->busy = true;
	if (execute(p, bh_rpc_call_peer(call), &err) < 0) {
		fail_exec(p);
		fail_runtime(call, "exec", &err);
	} else {
		event.container_id = (char *)task->id;
		event.exec_id = (char *)p->exec_id;
		event.pid = (uint32_t)p->pid;
		bh_task_publish(task->tasks, "/tasks/exec-started", &event);
		answer_start(call, p->pid);
	}
	p->busy = false;
	bh_task_process_tell(p);
}

/* Execs of one container start side by side, init alone. */
static void start(struct bh_tasks *tasks, struct bh_rpc_call *call, const void *request)
{
	const Task__StartRequest *rq = request;
	struct bh_task_process *p = bh_task_process_find(tasks, call, rq->id, rq->exec_id);
	bh_auto_task struct bh_task *task = p ? bh_task_ref(p->task) : NULL;
	auto_turn struct bh_task *turn = NULL;

	if (!p)
		return;
	if (*rq->exec_id) {
		start_exec(p, call);
		return;
	}
	turn = take_turn(task, call);
	if (turn)
		start_init(task, call);
}

void bh_task_start(void *self, struct bh_rpc_call *call, const void *request)
{
	bh_task_in_fiber(self, call, request, start);
}

/* ---- Exec ------------------------------------------------------------------------------------ */

static int add_exec(struct bh_task *task, const Task__ExecRequest *rq, struct bh_err *err)
{
	const char *const uris[] = { rq->stdin, rq->stdout, rq->stderr };
	struct bh_task_process *p = calloc(1, sizeof(*p)), **at = &task->execs;
	int r;

	if (!p)
		return bh_err_oom(err);
	bh_task_process_init(p, task);
	while (*at)
		at = &(*at)->next;
	*at = p;
	r = bh_task_process_set(p, rq->exec_id, uris, rq->terminal, err);
	if (r == 0 && (!rq->spec || !rq->spec->value.len))
		r = bh_err_as(err, BH_ERR_SPEC, -EINVAL, "exec %s: no process document",
			      rq->exec_id);
	r = r < 0 ? r
		  : bh_spec_parse_process(&p->arena, (const char *)rq->spec->value.data,
					  rq->spec->value.len, &p->process, err);
	/* As in containerd's own shim the request decides. */
	p->process.terminal = rq->terminal;
	if (r < 0)
		bh_task_exec_remove(p);
	return r;
}

void bh_task_exec(void *self, struct bh_rpc_call *call, const void *request)
{
	const Task__ExecRequest *rq = request;
	struct bh_task *task = bh_task_find(self, call, rq->id);
	Task__TaskExecAdded event = TASK__TASK_EXEC_ADDED__INIT;
	struct bh_err err = BH_ERR_INIT;

	if (!task)
		return;
	if (task->init.stage == BH_TASK_ENDED) {
		bh_rpc_fail(call, BH_RPC_PRECONDITION,
			    "cannot exec in a stopped state: failed precondition");
		return;
	}
	if (bh_container_id_check(rq->exec_id, &err) < 0) {
		bh_rpc_fail_err(call, &err);
		return;
	}
	for (struct bh_task_process *p = task->execs; p; p = p->next)
		if (strcmp(p->exec_id, rq->exec_id) == 0) {
			bh_rpc_fail(call, BH_RPC_EXISTS, "id %s: already exists", rq->exec_id);
			return;
		}
	if (add_exec(task, rq, &err) < 0) {
		bh_rpc_fail_err(call, &err);
		return;
	}
	event.container_id = rq->id;
	event.exec_id = rq->exec_id;
	bh_task_publish(task->tasks, "/tasks/exec-added", &event);
	bh_rpc_reply(call, NULL);
}

/* ---- Delete ---------------------------------------------------------------------------------- */

static void answer_delete(struct bh_rpc_call *call, const struct bh_task_process *p)
{
	Wire__Timestamp at = bh_task_timestamp(p->ended_at);
	Task__DeleteResponse answer = TASK__DELETE_RESPONSE__INIT;

	answer.pid = (uint32_t)p->pid;
	answer.exit_status = (uint32_t)p->status;
	if (p->stage == BH_TASK_ENDED)
		answer.exited_at = &at;
	bh_rpc_reply(call, &answer.base);
}

/* Readers get a moment to take the rest. */
static void finish_output(struct bh_task_process *p)
{
	for (int ms = 0; ms < OUTPUT_WAIT_MS && bh_task_io_push(&p->io); ms += POLL_MS)
		if (bh_fiber_sleep(p->task->tasks->loop, POLL_MS, NULL) < 0)
			break;
	bh_task_io_end(&p->io);
}

static bool alive(const struct bh_task_process *p)
{
	return p->pid > 0 && p->stage != BH_TASK_ENDED;
}

static bool any_alive(const struct bh_task *task)
{
	for (const struct bh_task_process *p = task->execs; p; p = p->next)
		if (alive(p))
			return true;
	return alive(&task->init);
}

/* All were killed: their ends are on the way, or here already. */
static void await_ends(struct bh_task *task)
{
	bh_task_reap(task->tasks);
	for (int ms = 0; ms < END_WAIT_MS && any_alive(task); ms += POLL_MS)
		if (bh_fiber_sleep(task->tasks->loop, POLL_MS, NULL) < 0)
			return;
	for (struct bh_task_process *p = task->execs; p; p = p->next)
		bh_task_process_settle(p);
	bh_task_process_settle(&task->init);
}

/* What the container is on the machine, is gone: now what it is to us. */
static void take_apart(struct bh_task *task)
{
	await_ends(task);
	for (struct bh_task_process *p = task->execs; p; p = p->next)
		finish_output(p);
	finish_output(&task->init);
	bh_task_unwatch_oom(task);
	release(task);
	bh_task_remove(task);
}

void bh_task_destroy(struct bh_task *task)
{
	struct bh_err err = BH_ERR_INIT;
	char line[LINE_BYTES];

	if (task->made && bh_task_engine_delete(task, true, &err) < 0)
		bh_warn("delete '%s': %s", task->id, bh_err_format(&err, line, sizeof(line)));
	task->init.busy = false;
	take_apart(task);
}

static void publish_delete(struct bh_task *task)
{
	Wire__Timestamp at = bh_task_timestamp(task->init.ended_at);
	Task__TaskDelete event = TASK__TASK_DELETE__INIT;

	event.container_id = (char *)task->id;
	event.id = (char *)task->id;
	event.pid = (uint32_t)task->init.pid;
	event.exit_status = (uint32_t)task->init.status;
	event.exited_at = &at;
	bh_task_publish(task->tasks, "/tasks/delete", &event);
}

static void delete_task(struct bh_task *task, struct bh_rpc_call *call)
{
	struct bh_err err = BH_ERR_INIT;

	if (task->init.stage == BH_TASK_RUNNING) {
		bh_rpc_fail(call, BH_RPC_PRECONDITION,
			    "cannot delete a %s process: failed precondition",
			    task->paused ? "paused" : "running");
		return;
	}
	if (bh_task_engine_delete(task, false, &err) < 0) {
		fail_runtime(call, "delete", &err);
		return;
	}
	take_apart(task);
	publish_delete(task);
	answer_delete(call, &task->init);
}

static void delete_exec(struct bh_task_process *p, struct bh_rpc_call *call)
{
	if (alive(p) || p->busy) {
		bh_rpc_fail(call, BH_RPC_PRECONDITION,
			    "cannot delete a running process: failed precondition");
		return;
	}
	p->busy = true; /* no Start while this one waits */
	finish_output(p);
	p->busy = false;
	bh_task_process_tell(p);
	answer_delete(call, p);
	bh_task_exec_remove(p);
}

static void delete (struct bh_tasks *tasks, struct bh_rpc_call *call, const void *request)
{
	const Task__DeleteRequest *rq = request;
	bh_auto_task struct bh_task *task = bh_task_find(tasks, call, rq->id);
	auto_turn struct bh_task *turn = NULL;
	struct bh_task_process *p;

	if (!task)
		return;
	bh_task_ref(task);
	turn = take_turn(task, call);
	p = turn ? bh_task_process_find(tasks, call, rq->id, rq->exec_id) : NULL;
	if (!p)
		return;
	if (*rq->exec_id)
		delete_exec(p, call);
	else
		delete_task(task, call);
}

void bh_task_delete(void *self, struct bh_rpc_call *call, const void *request)
{
	bh_task_in_fiber(self, call, request, delete);
}

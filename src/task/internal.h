/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of task/ share.
 *
 * A verb that only looks answers at once. One that may take long runs in a fiber, and what it does
 * to the container in a worker (task/worker.h); verbs that change one container take turns. A task
 * that somebody may come back to is held by a reference, since Delete may have gone by meanwhile.
 */
#ifndef BH_TASK_INTERNAL_H
#define BH_TASK_INTERNAL_H

#include "rpc/task.pb-c.h"
#include "task/io.h"
#include "task/worker.h"

enum bh_task_stage {
	BH_TASK_NEW = 0, /* registered; its process is not there yet */
	BH_TASK_CREATED, /* init waits for its start */
	BH_TASK_RUNNING,
	BH_TASK_ENDED, /* reaped; status and time are known */
};

struct bh_task_waiter {
	struct bh_task_waiter *next;
	struct bh_rpc_call *call;
};

/* Init, or an exec. */
struct bh_task_process {
	struct bh_task *task;
	struct bh_task_process *next; /* exec */
	struct bh_arena arena;        /* of the strings, and of @process */
	const char *exec_id;          /* "" = init */
	const char *uris[3];
	bool terminal;
	struct bh_process process;   /* of an exec: what to run */
	struct bh_console_size size; /* asked for before there was a terminal */
	enum bh_task_stage stage;
	pid_t pid; /* also after its end; 0 = never had one */
	bool busy; /* a verb will tell of its beginning: its end waits for that */
	bool told; /* its end was published and answered */
	int status;
	struct timespec ended_at;
	struct bh_task_waiter *waiters;
	struct bh_timer telling; /* of its end, when output or execs are waited for */
	unsigned int rounds;     /* of that */
	struct bh_task_io io;
};

/* A fiber that waits for its turn. */
struct bh_task_turn {
	struct bh_task_turn *next;
	struct bh_wait wait;
};

struct bh_task {
	struct bh_tasks *tasks;
	struct bh_task *next;
	unsigned int refs;
	bool ready;   /* Create was answered: others may see it */
	bool made;    /* there is something on the machine to be deleted */
	bool deleted; /* no longer in the list */
	bool paused;
	bool maybe_frozen; /* somebody wanted it paused, and it was not resumed since */
	bool no_pivot, no_keyring, systemd; /* options of Create */
	bool kills_rest;                    /* no pid namespace that ends with init */
	const char *bundle;
	struct bh_task_process init; /* its arena has the task's strings as well */
	const char *id;
	struct bh_task_process *execs; /* oldest first */
	struct bh_container *c;
	struct bh_finds *finds; /* of its execs, shared with the one that has it; NULL = not yet */
	bool finds_taken;
	struct bh_source oom;
	uint64_t oom_base, oom_told; /* counter at the beginning; how many were published */
	bool in_turn;
	struct bh_task_turn *turns, **turns_end;
	char *rootfs; /* what Create mounted; NULL = nothing */
};

struct bh_task_execution;

struct bh_tasks {
	struct bh_loop *loop;
	struct bh_task_opts opts;
	struct bh_task *first;
	struct bh_workers workers;
	struct bh_task_execution *executions; /* begun, and not known to have executed */
	struct bh_source children;            /* signalfd of SIGCHLD */
	unsigned int n_fibers;
	struct bh_wait *idle; /* of bh_tasks_free(): no fiber is left */
};

/* ---- tasks.c: the table of tasks, and how verbs run ------------------------------------------ */

/** bh_task_find() - a task that others may see; NULL with @call refused, "not found" */
struct bh_task *bh_task_find(struct bh_tasks *tasks, struct bh_rpc_call *call, const char *id);

/** bh_task_process_find() - init for an empty @exec_id, or the exec; NULL with @call refused */
struct bh_task_process *bh_task_process_find(struct bh_tasks *tasks, struct bh_rpc_call *call,
					     const char *id, const char *exec_id);

/** bh_task_new() - in the list, with one reference: the list's. NULL with @err */
struct bh_task *bh_task_new(struct bh_tasks *tasks, const char *id, struct bh_err *err);

/** bh_task_remove() - out of the list, once */
void bh_task_remove(struct bh_task *task);

struct bh_task *bh_task_ref(struct bh_task *task);
void bh_task_unrefp(struct bh_task **task);
#define bh_auto_task bh_cleanup(bh_task_unrefp)

/** bh_task_take_turn() - wait until no other verb changes @task. May suspend. -ENOENT with @err
 * when it was deleted meanwhile; then there is no turn to give back */
int bh_task_take_turn(struct bh_task *task, struct bh_err *err) bh_must_check;
void bh_task_give_turn(struct bh_task *task);

typedef void (*bh_task_verb)(struct bh_tasks *tasks, struct bh_rpc_call *call, const void *request);

/** bh_tasks_enter() / bh_tasks_leave() - a fiber begins, and ends, to work on tasks:
 * bh_tasks_free() waits for it */
void bh_tasks_enter(struct bh_tasks *tasks);
void bh_tasks_leave(struct bh_tasks *tasks);

/** bh_task_in_fiber() - @verb, which may suspend */
void bh_task_in_fiber(struct bh_tasks *tasks, struct bh_rpc_call *call, const void *request,
		      bh_task_verb verb);

void bh_task_publish(struct bh_tasks *tasks, const char *topic, const void *event);

/* ---- process.c: a process from its registration to its end ----------------------------------- */

void bh_task_process_init(struct bh_task_process *p, struct bh_task *task);

/** bh_task_process_set() - copy what the request says. Return: 0 or -ENOMEM */
int bh_task_process_set(struct bh_task_process *p, const char *exec_id, const char *const uris[3],
			bool terminal, struct bh_err *err) bh_must_check;

/** bh_task_process_deinit() - open Waits are answered with a failure */
void bh_task_process_deinit(struct bh_task_process *p);

/** bh_task_process_open_io() - streams, up to the process's own ends. May suspend */
int bh_task_process_open_io(struct bh_task_process *p, pid_t peer,
			    struct bh_err *err) bh_must_check;

/** bh_task_process_tell() - publish and answer its end, as soon as what comes before it is done;
 * idempotent */
void bh_task_process_tell(struct bh_task_process *p);

/** bh_task_process_answer() - its end, to all who wait for it */
void bh_task_process_answer(struct bh_task_process *p);

/** bh_task_process_settle() - wait until its end was told. May suspend */
void bh_task_process_settle(struct bh_task_process *p);

/** bh_task_exec_remove() - out of its task; freed */
void bh_task_exec_remove(struct bh_task_process *p);

/** bh_task_process_end() - it was reaped with @wait_status, see wait(2) */
void bh_task_process_end(struct bh_task_process *p, int wait_status);

/** bh_task_reap() - take in all children that ended */
void bh_task_reap(struct bh_tasks *tasks);

Wire__Timestamp bh_task_timestamp(struct timespec when);

/* ---- execution.c: execs without a worker ----------------------------------------------------- */

/** bh_task_execute() - run @p, whose container must be one that bh_container_execs_alone(). May
 * suspend. Return: 0 with @started, @p runs or has ended already; -errno with @err */
int bh_task_execute(struct bh_task_process *p, const struct bh_exec_opts *opts,
		    struct bh_started *started, struct bh_err *err) bh_must_check;

/** bh_task_execution_ended() - process @pid was reaped with @wait_status. Return: whether it is one
 * of these, which then remember it */
bool bh_task_execution_ended(struct bh_tasks *tasks, pid_t pid, int wait_status);

/** bh_task_executions_kill() - those that are under way, which then fail */
void bh_task_executions_kill(struct bh_tasks *tasks);

/* ---- oom.c ----------------------------------------------------------------------------------- */

/** bh_task_watch_oom() - from now on; a container without a memory controller has none */
void bh_task_watch_oom(struct bh_task *task);
void bh_task_look_for_oom(struct bh_task *task);
void bh_task_unwatch_oom(struct bh_task *task);

/* ---- the verbs, by the file that they are in; all of type bh_rpc_fn -------------------------- */

/* lifecycle.c */
void bh_task_create(void *self, struct bh_rpc_call *call, const void *request);
void bh_task_start(void *self, struct bh_rpc_call *call, const void *request);
void bh_task_exec(void *self, struct bh_rpc_call *call, const void *request);
void bh_task_delete(void *self, struct bh_rpc_call *call, const void *request);
/* May suspend. */
void bh_task_destroy(struct bh_task *task);

/* look.c */
void bh_task_state(void *self, struct bh_rpc_call *call, const void *request);
void bh_task_wait(void *self, struct bh_rpc_call *call, const void *request);
void bh_task_pids(void *self, struct bh_rpc_call *call, const void *request);
void bh_task_stats(void *self, struct bh_rpc_call *call, const void *request);

/* control.c */
void bh_task_kill(void *self, struct bh_rpc_call *call, const void *request);
void bh_task_pause(void *self, struct bh_rpc_call *call, const void *request);
void bh_task_resume(void *self, struct bh_rpc_call *call, const void *request);
void bh_task_update(void *self, struct bh_rpc_call *call, const void *request);
void bh_task_resize(void *self, struct bh_rpc_call *call, const void *request);
void bh_task_close_io(void *self, struct bh_rpc_call *call, const void *request);
void bh_task_checkpoint(void *self, struct bh_rpc_call *call, const void *request);

/* engine.c: the container engine's calls, which block, each in a worker; all may suspend */
int bh_task_engine_create(struct bh_task *task, const Task__CreateRequest *rq,
			  struct bh_started *started, struct bh_err *err) bh_must_check;
int bh_task_engine_start(struct bh_task *task, struct bh_err *err) bh_must_check;
int bh_task_engine_exec(struct bh_task_process *p, struct bh_started *started,
			struct bh_err *err) bh_must_check;
/** bh_task_engine_forget_finds() - what execs found in the container */
void bh_task_engine_forget_finds(struct bh_task *task);
int bh_task_engine_kill(struct bh_task *task, int sig, bool all, struct bh_err *err) bh_must_check;
int bh_task_engine_freeze(struct bh_task *task, bool frozen, struct bh_err *err) bh_must_check;
int bh_task_engine_update(struct bh_task *task, const struct bh_resources *resources,
			  struct bh_err *err) bh_must_check;
int bh_task_engine_delete(struct bh_task *task, bool force, struct bh_err *err) bh_must_check;

#endif

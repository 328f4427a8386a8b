/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls that block, beside an event loop: each runs in a forked process of its own, which reports
 * back what came of it. A process, not a thread: the container engine changes directory, signal
 * mask, dumpability and namespaces of whoever calls it and clones single-threaded children, and a
 * hook that hangs can be told from the server. The fork costs what a few system calls do.
 *
 * What a worker starts (a container's init, an exec) is its child first, and the server's once the
 * worker has ended: the server is a subreaper. The report comes before that end, so the server
 * always knows a process before it can reap it, see bh_workers_collect().
 */
#ifndef BH_TASK_WORKER_H
#define BH_TASK_WORKER_H

#include <signal.h>

#include "container/container.h"
#include "loop/fiber.h"

struct bh_worker;

struct bh_workers {
	struct bh_loop *loop;
	struct bh_worker *first;
	sigset_t ignored; /* by the server, once that is known */
	bool knows_ignored;
	bool may_stand_back, stands_back;
	struct bh_timer back;
};

#define BH_WORKER_KEEP_MAX 4

struct bh_worker_call {
	/* In the worker, which ends with it: what it changes in memory is lost. @started: report of
	 * a new process, or left alone */
	int (*fn)(void *arg, struct bh_started *started, struct bh_err *err);
	void *arg;
	int keep[BH_WORKER_KEEP_MAX]; /* descriptors that fn needs; all others are closed */
	size_t n_keep;
	bool alone; /* the server does not reap its children: this one is reaped by the call */
	/* In the server, as soon as a process is reported and before anyone could reap it; may be
	 * NULL */
	void (*started)(void *data, pid_t pid);
	void *data;
};

/**
 * bh_worker_run() - what fn returned
 * @started: as fn left it; { 0, -1 } when it left it alone. May be NULL if it does
 * May suspend. A worker that dies is an error (BH_ERR_PEER, -ECHILD)
 */
int bh_worker_run(struct bh_workers *workers, const struct bh_worker_call *call,
		  struct bh_started *started, struct bh_err *err) bh_must_check;

/** bh_workers_ignored() - the signals that the server ignores; valid as long as @workers */
const sigset_t *bh_workers_ignored(struct bh_workers *workers);

/** bh_workers_stand_back() - for the time that a process takes to begin, and many to end, let no
 * event interrupt it in the server's favour (SCHED_BATCH, sched(7)): on a single processor each
 * change to the server and back costs both of them what the processor keeps of their memory. A
 * process that is begun meanwhile has to leave that policy. A server that came with a policy of its
 * own keeps it */
void bh_workers_stand_back(struct bh_workers *workers);

/** bh_workers_collect() - take in the reports that were made by now. After it, a child of ours that
 * was ever reported is known, however the loop orders events */
void bh_workers_collect(struct bh_workers *workers);

/** bh_workers_end() - give those that are at work @ms milliseconds, then SIGKILL. May suspend */
void bh_workers_end(struct bh_workers *workers, unsigned int ms);

#endif

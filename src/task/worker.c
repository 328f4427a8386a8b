/* SPDX-License-Identifier: Apache-2.0 */
/* Sources: fork(2), prctl(2) PR_SET_CHILD_SUBREAPER */
#include "task/worker.h"

#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/log.h"
#include "base/path.h"
#include "base/socket.h"

#define POLL_MS 10
#define BACK_MS 30 /* most commands that are executed have ended by then */

struct report {
	int32_t r;
	pid_t pid;
	struct bh_err err;
};

struct bh_worker {
	struct bh_worker *next;
	struct bh_workers *all;
	const struct bh_worker_call *call;
	struct bh_deferred launch;
	struct bh_source source; /* our end of the socket */
	struct bh_wait wait;
	struct report report;
	int master_fd;
	pid_t pid;
	bool done;
};

/* ---- in the worker --------------------------------------------------------------------------- */

static void send_report(int sock, const struct report *report, int fd)
{
	/* A server that is gone is the end of this worker's story too. */
	(void)!bh_fd_send(sock, report, sizeof(*report), fd, 0);
}

/* The server's other descriptors must not live on in a worker whose hook takes long: who waits for
 * the end of a stream would wait for that. */
static void close_others(const struct bh_worker_call *call, int sock)
{
	int keep[BH_WORKER_KEEP_MAX + 2] = { sock, bh_log_fd() };
	size_t n = 2;

	for (size_t i = 0; i < call->n_keep; i++)
		keep[n++] = call->keep[i];
	(void)bh_fds_close_from(STDERR_FILENO + 1, keep, n);
}

static _Noreturn void work(const struct bh_worker_call *call, const sigset_t *ignored, int sock)
{
	struct bh_started started = { .master_fd = -EBADF };
	struct report report = { .r = 0 };
	sigset_t none;

	/* What the server ignores, or waits for otherwise, is not for a container to inherit. What
	 * it handles ends with execve(2). */
	for (int sig = 1; sig < SIGRTMIN; sig++)
		if (sigismember(ignored, sig))
			(void)signal(sig, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	close_others(call, sock);
	report.r = call->fn(call->arg, &started, &report.err);
	report.pid = report.r < 0 ? 0 : started.pid;
	send_report(sock, &report, started.master_fd);
	_exit(0);
}

/* ---- in the server --------------------------------------------------------------------------- */

static void receive(struct bh_worker *w)
{
	bh_auto_close int master = -EBADF;
	ssize_t n;

	if (w->done || w->source.fd < 0)
		return;
	n = bh_fd_receive(w->source.fd, &w->report, sizeof(w->report), &master, MSG_DONTWAIT);
	if (n == -EAGAIN)
		return;
	if (n == (ssize_t)sizeof(w->report))
		w->master_fd = bh_take_fd(&master);
	else
		w->report.r = bh_err_as(&w->report.err, BH_ERR_PEER, -ECHILD,
					"the process that was to do it died");
	w->done = true;
	bh_loop_remove(w->all->loop, &w->source);
	if (w->report.r >= 0 && w->report.pid > 0 && w->call->started)
		w->call->started(w->call->data, w->report.pid);
	bh_fiber_wake(&w->wait);
}

static int on_report(struct bh_source *source, uint32_t events, struct bh_err *err)
{
	(void)events;
	(void)err;
	receive(bh_owner_of(source, struct bh_worker, source));
	return 0;
}

void bh_workers_collect(struct bh_workers *workers)
{
	for (struct bh_worker *w = workers->first; w; w = w->next)
		receive(w);
}

static void forget(struct bh_worker *w)
{
	bh_list_remove(&w->all->first, w);
	bh_loop_remove(w->all->loop, &w->source);
	w->source.fd = bh_close(w->source.fd);
}

/* Asked for once: what a server ignores, it ignores from its beginning on. */
const sigset_t *bh_workers_ignored(struct bh_workers *workers)
{
	struct sigaction now;

	if (workers->knows_ignored)
		return &workers->ignored;
	sigemptyset(&workers->ignored);
	for (int sig = 1; sig < SIGRTMIN; sig++)
		if (sigaction(sig, NULL, &now) == 0 && now.sa_handler == SIG_IGN)
			sigaddset(&workers->ignored, sig);
	workers->knows_ignored = true;
	return &workers->ignored;
}

static void set_back(struct bh_workers *workers, bool back)
{
	const struct sched_param none = { .sched_priority = 0 };

	if (workers->stands_back != back &&
	    sched_setscheduler(0, back ? SCHED_BATCH : SCHED_OTHER, &none) == 0)
		workers->stands_back = back;
}

static void on_back(struct bh_timer *timer)
{
	set_back(bh_owner_of(timer, struct bh_workers, back), false);
}

void bh_workers_stand_back(struct bh_workers *workers)
{
	if (!workers->may_stand_back)
		return;
	set_back(workers, true);
	workers->back.fn = on_back;
	bh_loop_arm(workers->loop, &workers->back, BACK_MS);
}

static int fork_worker(struct bh_worker *w, struct bh_err *err)
{
	const sigset_t *ignored = bh_workers_ignored(w->all);
	bh_auto_close int theirs = -EBADF;
	int socks[2], r;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks) < 0)
		return bh_err_set(err, -errno, "socketpair");
	w->source.fd = socks[0];
	theirs = socks[1];
	r = bh_loop_add(w->all->loop, &w->source, EPOLLIN, err);
	if (r < 0)
		return r;
	set_back(w->all, false);
	pid = fork();
	if (pid == 0)
		work(w->call, ignored, theirs);
	w->pid = pid;
	return pid < 0 ? bh_err_set(err, -errno, "fork") : 0;
}

/* Not in the fiber that asks: its stack, which the worker would inherit, is too small for the
 * engine. The loop's is the process's own. */
static void on_launch(struct bh_deferred *deferred)
{
	struct bh_worker *w = bh_owner_of(deferred, struct bh_worker, launch);

	w->report.r = fork_worker(w, &w->report.err);
	if (w->report.r == 0)
		return;
	w->done = true;
	bh_fiber_wake(&w->wait);
}

int bh_worker_run(struct bh_workers *workers, const struct bh_worker_call *call,
		  struct bh_started *started, struct bh_err *err)
{
	struct bh_worker w = {
		.next = workers->first,
		.all = workers,
		.call = call,
		.launch.fn = on_launch,
		.source = { .fd = -EBADF, .fn = on_report, .what = "report of a worker" },
		.master_fd = -EBADF,
	};
	int r;

	workers->first = &w;
	bh_loop_defer(workers->loop, &w.launch);
	r = bh_fiber_wait(workers->loop, &w.wait, err);
	bh_loop_undefer(workers->loop, &w.launch);
	forget(&w);
	/* What has reported ends at once; what died has ended. */
	if (call->alone && w.pid > 0)
		TEMP_FAILURE_RETRY(waitpid(w.pid, NULL, 0));
	if (r == 0 && w.report.r < 0 && err) {
		*err = w.report.err;
		err->text[sizeof(err->text) - 1] = '\0';
	}
	r = r < 0 ? r : w.report.r;
	if (started)
		*started = (struct bh_started){ .pid = w.report.pid, .master_fd = w.master_fd };
	else
		bh_close(w.master_fd);
	return r;
}

void bh_workers_end(struct bh_workers *workers, unsigned int ms)
{
	for (; workers->first && ms >= POLL_MS; ms -= POLL_MS)
		if (bh_fiber_sleep(workers->loop, POLL_MS, NULL) < 0)
			break;
	/* The number of one that has not reported is its own: it is reaped after its report. */
	for (struct bh_worker *w = workers->first; w; w = w->next)
		if (!w->done && w->pid > 0)
			kill(w->pid, SIGKILL);
}

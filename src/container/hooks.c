/* SPDX-License-Identifier: Apache-2.0 */
#include "container/hooks.h"

#include <ctype.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/sys.h"
#include "oci/names.h"

#define OUTPUT_BYTES_MAX 512 /* of what a hook prints, as much as an error line can carry */

struct running_hook {
	pid_t pid;
	int pidfd, in, out;
	const char *unsent; /* rest of the state document */
	char output[OUTPUT_BYTES_MAX + 1];
	size_t output_len;
};

static _Noreturn void exec_hook(const struct bh_hook *hook, char *const *env, int in, int out)
{
	char *self[] = { (char *)hook->path, NULL };
	sigset_t empty;

	sigemptyset(&empty);
	sigprocmask(SIG_SETMASK, &empty, NULL);
	signal(SIGPIPE, SIG_DFL);
	if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
		_exit(126);
	close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
	execve(hook->path, hook->args.n ? (char **)hook->args.v : self,
	       hook->env.n ? (char **)hook->env.v : env);
	dprintf(2, "%s: %s", hook->path, strerrordesc_np(errno));
	_exit(127);
}

static int start(const struct bh_hook *hook, char *const *env, struct running_hook *run,
		 struct bh_err *err)
{
	int in[2], out[2];

	if (pipe2(in, O_CLOEXEC) < 0)
		return bh_err_set(err, -errno, "pipe");
	if (pipe2(out, O_CLOEXEC) < 0) {
		bh_close(in[0]);
		bh_close(in[1]);
		return bh_err_set(err, -errno, "pipe");
	}
	run->pid = bh_sys_fork(&run->pidfd);
	if (run->pid == 0)
		exec_hook(hook, env, in[0], out[1]);
	bh_close(in[0]);
	bh_close(out[1]);
	run->in = in[1];
	run->out = out[0];
	fcntl(run->in, F_SETFL, O_NONBLOCK);
	fcntl(run->out, F_SETFL, O_NONBLOCK);
	return run->pid < 0 ? bh_err_set(err, -errno, "clone") : 0;
}

static void feed(struct running_hook *run)
{
	ssize_t n = write(run->in, run->unsent, strlen(run->unsent));

	if (n > 0)
		run->unsent += n;
	/* A hook that does not read its state (EPIPE) is within its rights. */
	if (!*run->unsent || (n < 0 && errno != EAGAIN && errno != EINTR))
		run->in = bh_close(run->in);
}

static void drain(struct running_hook *run)
{
	char rest[512];

	for (;;) {
		size_t room = OUTPUT_BYTES_MAX - run->output_len;
		ssize_t n = read(run->out, room ? run->output + run->output_len : rest,
				 room ? room : sizeof(rest));

		if (n <= 0)
			break;
		run->output_len += room ? (size_t)n : 0;
	}
	run->output[run->output_len] = '\0';
}

/* Talks to the hook until it ends. Return: 0, or -ETIMEDOUT with the hook killed */
static int attend(struct running_hook *run, int64_t deadline_ms)
{
	for (;;) {
		int64_t left = deadline_ms < 0 ? -1 : deadline_ms - (int64_t)bh_clock_ms();
		struct pollfd fds[] = {
			{ .fd = run->pidfd, .events = POLLIN },
			{ .fd = run->out, .events = POLLIN },
			{ .fd = run->in, .events = POLLOUT },
		};

		if (deadline_ms >= 0 && left <= 0) {
			pidfd_send_signal(run->pidfd, SIGKILL, NULL, 0);
			return -ETIMEDOUT;
		}
		if (poll(fds, 3, left > INT32_MAX ? INT32_MAX : (int)left) < 0 && errno != EINTR)
			return -errno;
		if (fds[2].revents)
			feed(run);
		if (fds[1].revents & POLLIN)
			drain(run);
		else if (fds[1].revents)
			run->out = bh_close(run->out);
		if (fds[0].revents)
			return 0;
	}
}

static int ended_by_signal(const struct running_hook *run, int sig, struct bh_err *err)
{
	const char *name = strsignal(sig);

	/* In lower case, as runc's callers know it. */
	return bh_err_as(err, BH_ERR_PEER, -ECHILD, "signal: %c%s, output: %s", tolower(name[0]),
			 name + 1, run->output);
}

static int run_one(const struct bh_hook *hook, const char *state, char *const *env,
		   struct bh_err *err)
{
	struct running_hook run = { .pidfd = -1, .in = -1, .out = -1, .unsent = state };
	int64_t deadline = hook->timeout.set ? (int64_t)bh_clock_ms() + hook->timeout.v * 1000 : -1;
	struct sigaction ignore = { .sa_handler = SIG_IGN }, saved;
	int status = 0, r;

	sigaction(SIGPIPE, &ignore, &saved);
	r = start(hook, env, &run, err);
	if (r == 0) {
		int late = attend(&run, deadline);

		TEMP_FAILURE_RETRY(waitpid(run.pid, &status, 0));
		if (run.out >= 0)
			drain(&run);
		if (late == -ETIMEDOUT)
			r = bh_err_as(err, BH_ERR_PEER, -ETIMEDOUT, "still running after %lld s",
				      (long long)hook->timeout.v);
		else if (WIFSIGNALED(status))
			r = ended_by_signal(&run, WTERMSIG(status), err);
		else if (WEXITSTATUS(status))
			r = bh_err_as(err, BH_ERR_PEER, -ECHILD, "exit status %d, output: %s",
				      WEXITSTATUS(status), run.output);
	}
	sigaction(SIGPIPE, &saved, NULL);
	bh_close(run.in);
	bh_close(run.out);
	bh_close(run.pidfd);
	return r;
}

static int run_nth(const struct bh_spec *spec, enum bh_hook_kind kind, size_t i, const char *state,
		   char *const *env, struct bh_err *err)
{
	const struct bh_hook *hook = &spec->hooks[kind].v[i];

	if (run_one(hook, state, env, err) == 0)
		return 0;
	bh_err_ctx(err, "%s", hook->path);
	return bh_err_ctx(err, "error running %s hook #%zu", bh_names_of(&bh_names_hook, kind), i);
}

int bh_hooks_run(const struct bh_spec *spec, enum bh_hook_kind kind, const char *state,
		 char *const *env, struct bh_err *err)
{
	for (size_t i = 0; i < spec->hooks[kind].n; i++) {
		int r = run_nth(spec, kind, i, state, env, err);

		if (r < 0)
			return r;
	}
	return 0;
}

void bh_hooks_run_all(const struct bh_spec *spec, enum bh_hook_kind kind, const char *state,
		      char *const *env)
{
	for (size_t i = 0; i < spec->hooks[kind].n; i++) {
		char line[BH_ERR_LINE_BYTES];
		struct bh_err err = BH_ERR_INIT;

		if (run_nth(spec, kind, i, state, env, &err) < 0)
			bh_warn("%s, ignoring", bh_err_format(&err, line, sizeof(line)));
	}
}

int bh_hooks_refuse(const struct bh_spec *spec, struct bh_err *err)
{
	for (int kind = 0; kind < BH_HOOK_MAX_; kind++) {
		const char *name = bh_names_of(&bh_names_hook, kind);
		char where[BH_ERR_WHERE_BYTES];

		/* That one runs in the container, with no more rights than its process. */
		if (kind == BH_HOOK_START_CONTAINER || !spec->hooks[kind].n)
			continue;
		snprintf(where, sizeof(where), "/hooks/%s", name);
		return bh_err_spec(err, where,
				   "\"%s\": the configuration of this node allows no hooks",
				   spec->hooks[kind].v[0].path);
	}
	return 0;
}

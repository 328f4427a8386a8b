/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation
 *
 * Goal. `run` and `exec` without --detach look to their caller as if the process were theirs: the
 * same bytes, the same signals, the same exit status.
 *
 * Signals. All are blocked and read from a signalfd. SIGCHLD reaps whatever there is to reap (the
 * program is a subreaper unless told otherwise), SIGWINCH carries the terminal's size over, SIGPIPE
 * is our own affair and is dropped, everything else is passed on to the process.
 *
 * Bytes. A process with a terminal: between the terminal's master and the caller's standard input
 * and output; the caller's terminal is raw meanwhile. A process without one gets the caller's
 * pipes, sockets and /dev/null themselves, which costs nothing. Anything else of the caller's is
 * kept from the container, because a descriptor is more than its bytes: with a terminal, a process
 * can change its modes; with a regular file, its contents and permissions. Those are served through
 * pipes.
 *
 * End. When the process has ended, what its terminal and pipes hold at that moment is still
 * delivered; the end of the stream is not waited for, because a process that it left behind in the
 * container may hold the other end for ever. A signal that means "end" cuts the delivery short.
 *
 * Readiness. The caller's service manager takes this program for the service, so that it is this
 * program's pid that goes with the container's READY=1.
 *
 * Contexts. One thread. Sources: signalfd(2), pty(7), tty_ioctl(4), prctl(2) PR_SET_CHILD_SUBREAPER
 */
#include "cli/foreground.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "base/embed.h"
#include "base/log.h"
#include "base/path.h"
#include "base/std_stream.h"
#include "cli/notify.h"

#define NULL_DEVICE makedev(1, 3)

/* ---- the end ----------------------------------------------------------------------------- */

static void stop_when_delivered(void *data)
{
	struct bh_foreground *fg = data;

	if (!fg->pid && !fg->remote && !fg->relays[STDOUT_FILENO].open &&
	    !fg->relays[STDERR_FILENO].open)
		bh_loop_stop(&fg->loop);
}

int bh_foreground_ended(struct bh_foreground *fg, int status, struct bh_err *err)
{
	fg->status = status;
	fg->pid = 0;
	fg->remote = NULL;
	for (int i = STDOUT_FILENO; i <= STDERR_FILENO; i++) {
		int r = bh_relay_drain(&fg->relays[i], err);

		if (r < 0)
			return r;
	}
	stop_when_delivered(fg);
	return 0;
}

/* ---- signals ----------------------------------------------------------------------------- */

static int shell_status(int status)
{
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* Reaps all there are: orphans of the container come to a subreaper. */
static int reap(struct bh_foreground *fg, struct bh_err *err)
{
	for (;;) {
		int status, r = 0;
		pid_t pid = waitpid(-1, &status, WNOHANG);

		if (pid <= 0)
			return 0;
		bh_debug("process %d ended with status %#x", (int)pid, (unsigned int)status);
		if (pid == fg->pid)
			r = bh_foreground_ended(fg, shell_status(status), err);
		if (r < 0)
			return r;
	}
}

static void resize(struct bh_foreground *fg)
{
	struct winsize size;

	if (fg->tty_fd < 0 || fg->master_fd < 0 || ioctl(fg->tty_fd, TIOCGWINSZ, &size) < 0)
		return;
	if (fg->remote)
		fg->remote->resize(fg->remote->arg, &size);
	else
		(void)ioctl(fg->master_fd, TIOCSWINSZ, &size);
}

static bool means_end(int sig)
{
	return sig == SIGTERM || sig == SIGINT || sig == SIGHUP || sig == SIGQUIT;
}

static void pass_on(struct bh_foreground *fg, int sig)
{
	if (fg->pid) {
		bh_debug("forwarding signal %d to %d", sig, (int)fg->pid);
		if (kill(fg->pid, sig) < 0)
			bh_debug("signal %d to %d: %m, ignoring", sig, (int)fg->pid);
	} else if (fg->remote) {
		fg->remote->kill(fg->remote->arg, sig);
	} else if (means_end(sig)) {
		fg->stopped_by = sig;
		if (!fg->hold)
			bh_loop_stop(&fg->loop);
	}
}

static int on_signal(struct bh_source *source, uint32_t events, struct bh_err *err)
{
	struct bh_foreground *fg = bh_owner_of(source, struct bh_foreground, signals);
	struct signalfd_siginfo info;

	(void)events;
	while (read(source->fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		int r = 0;

		if (info.ssi_signo == SIGCHLD)
			r = reap(fg, err);
		else if (info.ssi_signo == SIGWINCH)
			resize(fg);
		else if (info.ssi_signo != SIGPIPE)
			pass_on(fg, (int)info.ssi_signo);
		if (r < 0)
			return r;
	}
	return 0;
}

static int block_signals(struct bh_foreground *fg, struct bh_err *err)
{
	sigset_t all;
	int r;

	sigfillset(&all);
	if (sigprocmask(SIG_SETMASK, &all, NULL) < 0)
		return bh_err_set(err, -errno, "block signals");
	fg->signals.fd = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fg->signals.fd < 0)
		return bh_err_set(err, -errno, "make a signalfd");
	r = bh_loop_add(&fg->loop, &fg->signals, EPOLLIN, err);
	return r < 0 ? r : 0;
}

/* ---- readiness ---------------------------------------------------------------------------- */

static void end_notify(struct bh_foreground *fg)
{
	bh_loop_remove(&fg->loop, &fg->notify);
	fg->notify.fd = bh_close(fg->notify.fd);
}

static int on_notify(struct bh_source *source, uint32_t events, struct bh_err *err)
{
	struct bh_foreground *fg = bh_owner_of(source, struct bh_foreground, notify);

	(void)events;
	(void)err;
	if (!bh_notify_says_ready(source->fd))
		return 0;
	bh_notify_send_ready(bh_notify_host(), getpid(), false);
	end_notify(fg);
	return 0;
}

static int watch_notify(struct bh_foreground *fg, int *fd, struct bh_err *err)
{
	int r;

	fg->notify.fd = bh_take_fd(fd);
	if (fg->notify.fd < 0)
		return 0;
	r = bh_loop_add(&fg->loop, &fg->notify, EPOLLIN, err);
	return r < 0 ? r : 0;
}

/* ---- preparations ------------------------------------------------------------ */

/* Whether the container may have the caller's descriptor itself. */
static bool may_inherit(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return false;
	return S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode) ||
	       (S_ISCHR(st.st_mode) && st.st_rdev == NULL_DEVICE);
}

/* The caller's terminal: mostly all of stdio, but any of it may be redirected. */
static int open_tty(void)
{
	static const int order[] = { STDERR_FILENO, STDOUT_FILENO, STDIN_FILENO };

	for (size_t i = 0; i < BH_ARRAY_SIZE(order); i++)
		if (isatty(order[i]))
			return fcntl(order[i], F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	return bh_path_try_open(AT_FDCWD, "/dev/tty", O_RDWR | O_NOCTTY, 0, BH_PATH_HOST);
}

int bh_foreground_init(struct bh_foreground *fg, struct bh_process_io *io, struct bh_err *err)
{
	struct winsize size;
	int r;

	*fg = (struct bh_foreground){
		.loop = BH_LOOP_INIT,
		.signals = { .fd = -EBADF, .fn = on_signal, .what = "signals" },
		.notify = { .fd = -EBADF, .fn = on_notify, .what = "notification socket" },
		.tty_fd = -EBADF,
		.master_fd = -EBADF,
		.ours = { -EBADF, -EBADF, -EBADF },
		.theirs = { -EBADF, -EBADF, -EBADF },
	};
	r = bh_loop_init(&fg->loop, err);
	if (r == 0)
		r = block_signals(fg, err);
	for (int i = 0; r == 0 && i < 3; i++)
		if (!may_inherit(i))
			r = bh_std_stream_pipe(i, &fg->theirs[i], &fg->ours[i], err);
	if (r < 0)
		return r;
	for (int i = 0; i < 3; i++)
		io->stdio[i] = fg->theirs[i] >= 0 ? fg->theirs[i] : -1;
	io->want_master = true;
	fg->tty_fd = open_tty();
	if (fg->tty_fd >= 0 && ioctl(fg->tty_fd, TIOCGWINSZ, &size) == 0)
		io->console_size =
			(struct bh_console_size){ .height = size.ws_row, .width = size.ws_col };
	return 0;
}

/* ---- stdio without a terminal ------------------------------------------------------------ */

static int relay_stream(struct bh_foreground *fg, int stream, int process_fd, struct bh_err *err)
{
	bool input = stream == STDIN_FILENO;
	struct bh_relay *relay = &fg->relays[stream];
	int caller_fd = bh_relay_reopen(stream, input ? O_RDONLY : O_WRONLY, err);

	if (caller_fd < 0) {
		bh_close(process_fd);
		return caller_fd;
	}
	relay->ended = stop_when_delivered;
	relay->data = fg;
	/* A terminal must be read although nobody listens, or the process would hang in write(2);
	 * with a pipe it is told by SIGPIPE. */
	return bh_relay_start(relay, &fg->loop, input ? caller_fd : process_fd,
			      input ? process_fd : caller_fd, !input && fg->master_fd >= 0,
			      bh_std_stream_names[stream], err);
}

static int relay_pipes(struct bh_foreground *fg, struct bh_err *err)
{
	for (int i = 0; i < 3; i++) {
		int r;

		fg->theirs[i] = bh_close(fg->theirs[i]);
		if (fg->ours[i] < 0)
			continue;
		r = relay_stream(fg, i, bh_take_fd(&fg->ours[i]), err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- stdio with a terminal --------------------------------------------------------------- */

/* Only for who is in front: a background job must not change the terminal under the shell's feet.
 */
static void make_raw(struct bh_foreground *fg)
{
	struct termios raw;

	if (fg->tty_fd < 0 || tcgetpgrp(fg->tty_fd) != getpgrp() ||
	    tcgetattr(fg->tty_fd, &fg->old_termios) < 0)
		return;
	raw = fg->old_termios;
	cfmakeraw(&raw);
	/* The container's terminal leaves line ends to this one. */
	raw.c_oflag = fg->old_termios.c_oflag;
	fg->raw = tcsetattr(fg->tty_fd, TCSANOW, &raw) == 0;
}

static int relay_terminal(struct bh_foreground *fg, struct bh_err *err)
{
	int in, out, r;

	for (int i = 0; i < 3; i++) {
		fg->ours[i] = bh_close(fg->ours[i]);
		fg->theirs[i] = bh_close(fg->theirs[i]);
	}
	if (fcntl(fg->master_fd, F_SETFL, O_NONBLOCK) < 0)
		return bh_err_set(err, -errno, "make the terminal non-blocking");
	resize(fg);
	make_raw(fg);
	out = fcntl(fg->master_fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	if (out < 0)
		return bh_err_set(err, -errno, "duplicate the terminal");
	r = relay_stream(fg, STDOUT_FILENO, out, err);
	if (r < 0)
		return r;
	in = fcntl(fg->master_fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	if (in < 0)
		return bh_err_set(err, -errno, "duplicate the terminal");
	return relay_stream(fg, STDIN_FILENO, in, err);
}

/* ---- all of it --------------------------------------------------------------------------- */

int bh_foreground_wait(struct bh_foreground *fg, struct bh_started *started, struct bh_err *err)
{
	int r;

	fg->pid = started->pid;
	fg->master_fd = bh_take_fd(&started->master_fd);
	r = watch_notify(fg, &started->notify_fd, err);
	if (r == 0)
		r = fg->master_fd >= 0 ? relay_terminal(fg, err) : relay_pipes(fg, err);
	/* It may have ended already, and its SIGCHLD been merged with another's. */
	if (r == 0)
		r = reap(fg, err);
	if (r == 0 && !fg->loop.stopped)
		r = bh_loop_run(&fg->loop, err);
	/* It may have said so with its last breath. */
	if (r == 0 && fg->notify.fd >= 0)
		r = on_notify(&fg->notify, EPOLLIN, err);
	return r < 0 ? bh_err_ctx(err, "stay with process %d", (int)started->pid) : fg->status;
}

int bh_foreground_attend(struct bh_foreground *fg, const struct bh_remote_process *remote,
			 int master_fd, struct bh_err *err)
{
	fg->remote = remote;
	fg->master_fd = master_fd;
	return master_fd >= 0 ? relay_terminal(fg, err) : relay_pipes(fg, err);
}

void bh_foreground_deinit(struct bh_foreground *fg)
{
	if (fg->raw)
		(void)tcsetattr(fg->tty_fd, TCSANOW, &fg->old_termios);
	fg->raw = false;
	for (int i = 0; i < 3; i++) {
		fg->relays[i].ended = NULL;
		bh_relay_end(&fg->relays[i]);
		fg->ours[i] = bh_close(fg->ours[i]);
		fg->theirs[i] = bh_close(fg->theirs[i]);
	}
	end_notify(fg);
	bh_loop_remove(&fg->loop, &fg->signals);
	fg->signals.fd = bh_close(fg->signals.fd);
	fg->master_fd = bh_close(fg->master_fd);
	fg->tty_fd = bh_close(fg->tty_fd);
	bh_loop_deinit(&fg->loop);
}

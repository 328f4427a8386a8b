/* SPDX-License-Identifier: Apache-2.0 */
/* Sources: pipe(2), pty(7), ioctl_tty(2), termios(3) VEOF */
#include "task/io.h"

#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "base/log.h"
#include "base/path.h"
#include "base/std_stream.h"
#include "task/logger.h"

void bh_task_io_init(struct bh_task_io *io, struct bh_loop *loop, bool terminal)
{
	*io = (struct bh_task_io){
		.loop = loop,
		.terminal = terminal,
		.far = BH_TASK_STDIO_INIT,
		.theirs = { -EBADF, -EBADF, -EBADF },
		.ours = { -EBADF, -EBADF, -EBADF },
		.master = -EBADF,
	};
}

static int make_ends(struct bh_task_io *io, int stream, struct bh_err *err)
{
	const int mode = stream == STDIN_FILENO ? O_RDONLY : O_WRONLY;

	if (io->far.fds[stream] >= 0)
		return bh_std_stream_pipe(stream, &io->theirs[stream], &io->ours[stream], err);
	io->theirs[stream] = bh_path_open(AT_FDCWD, "/dev/null", mode, 0, BH_PATH_HOST, err);
	return io->theirs[stream] < 0 ? io->theirs[stream] : 0;
}

int bh_task_io_prepare(struct bh_task_io *io, struct bh_err *err)
{
	int r = 0;

	for (int i = 0; i < 3 && r == 0 && !io->terminal; i++)
		r = make_ends(io, i, err);
	return r;
}

static void on_output_end(void *data)
{
	struct bh_task_io *io = data;

	if (io->drained && !io->relays[STDOUT_FILENO].open && !io->relays[STDERR_FILENO].open)
		io->drained(io->data);
}

/* The end of a terminal's input is a character: hanging up instead would take the output too. */
static void on_terminal_input_end(void *data)
{
	struct bh_task_io *io = data;
	struct termios modes;

	if (tcgetattr(io->master, &modes) == 0 && modes.c_lflag & ICANON)
		(void)!write(io->master, &modes.c_cc[VEOF], 1);
}

/* What may block is opened again, so that it does not. */
static int far_end(struct bh_task_io *io, int stream, struct bh_err *err)
{
	bh_auto_close int fd = bh_take_fd(&io->far.fds[stream]);
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return bh_err_set(err, -errno, "%s", bh_std_stream_names[stream]);
	if (flags & O_NONBLOCK)
		return bh_take_fd(&fd);
	return bh_relay_reopen(fd, stream == STDIN_FILENO ? O_RDONLY : O_WRONLY, err);
}

/* @near: our end of the process's pipe or terminal; consumed. */
static int relay(struct bh_task_io *io, int stream, int near, struct bh_err *err)
{
	struct bh_relay *relay = &io->relays[stream];
	bool input = stream == STDIN_FILENO;
	int far = far_end(io, stream, err);

	if (far < 0) {
		bh_close(near);
		return far;
	}
	relay->data = io;
	relay->ended = !input ? on_output_end : io->terminal ? on_terminal_input_end : NULL;
	/* A terminal must be read although nobody listens, or the process would hang in write(2);
	 * with a pipe it is told by SIGPIPE. */
	return bh_relay_start(relay, io->loop, input ? far : near, input ? near : far,
			      !input && io->terminal, bh_std_stream_names[stream], err);
}

static int start_terminal(struct bh_task_io *io, struct bh_err *err)
{
	int r = 0;

	if (fcntl(io->master, F_SETFL, O_NONBLOCK) < 0)
		return bh_err_set(err, -errno, "make the terminal non-blocking");
	/* Read it must be, or the process would hang in write(2). */
	if (io->far.fds[STDOUT_FILENO] < 0)
		io->far.fds[STDOUT_FILENO] = bh_path_open(
			AT_FDCWD, "/dev/null", O_WRONLY | O_NONBLOCK, 0, BH_PATH_HOST, err);
	if (io->far.fds[STDOUT_FILENO] < 0)
		return io->far.fds[STDOUT_FILENO];
	for (int i = STDIN_FILENO; i <= STDOUT_FILENO && r == 0; i++) {
		int near;

		if (io->far.fds[i] < 0)
			continue;
		near = fcntl(io->master, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
		if (near < 0)
			return bh_err_set(err, -errno, "duplicate the terminal");
		r = relay(io, i, near, err);
	}
	return r;
}

int bh_task_io_start(struct bh_task_io *io, int master, struct bh_err *err)
{
	int r = 0;

	io->master = master;
	for (int i = 0; i < 3; i++)
		io->theirs[i] = bh_close(io->theirs[i]);
	if (io->terminal)
		return start_terminal(io, err);
	for (int i = 0; i < 3 && r == 0; i++)
		if (io->ours[i] >= 0)
			r = relay(io, i, bh_take_fd(&io->ours[i]), err);
	return r;
}

bool bh_task_io_push(struct bh_task_io *io)
{
	bool left = false;

	for (int i = STDOUT_FILENO; i <= STDERR_FILENO; i++) {
		struct bh_err err = BH_ERR_INIT;
		int r = bh_relay_push(&io->relays[i], &err);

		if (r < 0) {
			bh_warn("%s: %s", bh_std_stream_names[i], err.text);
			bh_relay_end(&io->relays[i]);
		}
		left |= r > 0;
	}
	return left;
}

bool bh_task_io_unread(const struct bh_task_io *io)
{
	for (int i = STDOUT_FILENO; i <= STDERR_FILENO; i++) {
		int bytes = 0;

		if (io->far.watch[i] >= 0 && ioctl(io->far.watch[i], FIONREAD, &bytes) == 0 &&
		    bytes > 0)
			return true;
	}
	return false;
}

void bh_task_io_close_input(struct bh_task_io *io)
{
	io->far.hold = bh_close(io->far.hold);
}

int bh_task_io_resize(struct bh_task_io *io, uint32_t width, uint32_t height, struct bh_err *err)
{
	struct winsize size = { .ws_col = (unsigned short)width, .ws_row = (unsigned short)height };

	if (width > UINT16_MAX || height > UINT16_MAX)
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL, "a terminal of %u x %u characters",
				 width, height);
	if (io->master < 0)
		return 0;
	return ioctl(io->master, TIOCSWINSZ, &size) < 0 ? bh_err_set(err, -errno, "resize") : 0;
}

void bh_task_io_end(struct bh_task_io *io)
{
	for (int i = 0; i < 3; i++) {
		io->relays[i].ended = NULL;
		bh_relay_end(&io->relays[i]);
		io->theirs[i] = bh_close(io->theirs[i]);
		io->ours[i] = bh_close(io->ours[i]);
		io->far.fds[i] = bh_close(io->far.fds[i]);
		io->far.watch[i] = bh_close(io->far.watch[i]);
	}
	io->far.hold = bh_close(io->far.hold);
	io->far.logger = bh_logger_end(io->far.logger);
	io->master = bh_close(io->master);
}

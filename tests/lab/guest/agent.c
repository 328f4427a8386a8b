/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs the command: its output goes through pipes, so that it finds what it would find under any
 * other parent, and from there in frames to the launcher. As PID 1 it also reaps orphans.
 */
#include "lab.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum source { FROM_STDOUT = 0, FROM_STDERR, FROM_PORT, FROM_SIGNAL, SOURCES_MAX_ };

struct agent {
	int port;
	pid_t command;
	int status; /* of the command, as waitpid() tells it */
	struct pollfd fds[SOURCES_MAX_];
};

/* The child: becomes the command. Its stderr is the pipe already, so errors can be told there. */
__attribute__((noreturn)) static void become_command(const struct lab_request *req, int out,
						     int err)
{
	char **argv = req->values[LAB_KEY_ARG];
	const char *cwd = req->values[LAB_KEY_CWD][0];
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid();
	close(STDIN_FILENO);
	if (open("/dev/null", O_RDONLY) != STDIN_FILENO || dup2(out, STDOUT_FILENO) < 0 ||
	    dup2(err, STDERR_FILENO) < 0)
		_exit(126);
	clearenv();
	for (char **env = req->values[LAB_KEY_ENV]; *env; env++)
		putenv(*env);
	if (chdir(cwd) < 0) {
		dprintf(STDERR_FILENO, "lab: working directory %s: %s\n", cwd, strerror(errno));
		_exit(126);
	}
	execvp(argv[0], argv);
	dprintf(STDERR_FILENO, "lab: %s: %s\n", argv[0], strerror(errno));
	_exit(errno == ENOENT ? 127 : 126);
}

/* Passes on up to `limit` bytes of what a pipe holds. A pipe that ended is not polled again. */
static void forward(struct agent *agent, enum source source, size_t limit)
{
	static const enum lab_frame_type types[] = { LAB_FRAME_STDOUT, LAB_FRAME_STDERR };
	char buffer[LAB_FRAME_MAX];
	struct pollfd *from = &agent->fds[source];

	while (from->fd >= 0 && limit > 0) {
		ssize_t n = read(from->fd, buffer, limit < sizeof(buffer) ? limit : sizeof(buffer));

		if (n > 0) {
			if (lab_frame_write(agent->port, types[source], buffer, (size_t)n) < 0)
				lab_fail(agent->port, "writing to the launcher");
			limit -= (size_t)n;
		} else if (n < 0 && errno == EAGAIN) {
			return;
		} else if (n == 0 || errno != EINTR) {
			close(from->fd);
			from->fd = -1;
		}
	}
}

/* Passes on what the pipes hold now; what is written to them from now on is lost. */
static void drain(struct agent *agent)
{
	for (enum source s = FROM_STDOUT; s <= FROM_STDERR; s++) {
		int pending = 0;

		if (agent->fds[s].fd >= 0 && ioctl(agent->fds[s].fd, FIONREAD, &pending) == 0)
			forward(agent, s, (size_t)pending);
	}
}

/* Collects every child that ended. Returns true once the command is among them. */
static bool reap(struct agent *agent)
{
	struct signalfd_siginfo info;
	bool ended = false;
	int status;
	pid_t pid;

	while (read(agent->fds[FROM_SIGNAL].fd, &info, sizeof(info)) > 0)
		;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid != agent->command)
			continue;
		agent->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		ended = true;
	}
	return ended;
}

/* Obeys the launcher. */
static void obey(struct agent *agent)
{
	char order = '\0';
	int fd;

	if (read(agent->port, &order, 1) != 1 || order != LAB_ORDER_FORGET)
		return;
	fd = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	/* Twice: the overlay's inodes hold those of the shared file system. */
	for (int i = 0; i < 2; i++)
		if (write(fd, "2", 1) != 1)
			break;
	close(fd);
}

/* Starts the command with pipes for its output. */
static void start(struct agent *agent, const struct lab_request *req)
{
	int out[2], err[2];
	sigset_t chld;

	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigprocmask(SIG_BLOCK, &chld, NULL);
	if (pipe2(out, O_CLOEXEC) < 0 || pipe2(err, O_CLOEXEC) < 0)
		lab_fail(agent->port, "pipes for the command");
	fcntl(out[0], F_SETFL, O_NONBLOCK);
	fcntl(err[0], F_SETFL, O_NONBLOCK);
	agent->fds[FROM_STDOUT] = (struct pollfd){ .fd = out[0], .events = POLLIN };
	agent->fds[FROM_STDERR] = (struct pollfd){ .fd = err[0], .events = POLLIN };
	agent->fds[FROM_PORT] = (struct pollfd){ .fd = agent->port, .events = POLLIN };
	agent->fds[FROM_SIGNAL] = (struct pollfd){
		.fd = signalfd(-1, &chld, SFD_CLOEXEC | SFD_NONBLOCK),
		.events = POLLIN,
	};
	agent->command = agent->fds[FROM_SIGNAL].fd < 0 ? -1 : fork();
	if (agent->command < 0)
		lab_fail(agent->port, "starting the command");
	if (agent->command == 0)
		become_command(req, out[1], err[1]);
	close(out[1]);
	close(err[1]);
}

void lab_agent(const struct lab_request *req, int port)
{
	struct agent agent = { .port = port };
	uint8_t status;

	if (lab_frame_write(port, LAB_FRAME_READY, NULL, 0) < 0)
		lab_fail(port, "greeting the launcher");
	start(&agent, req);
	for (bool ended = false; !ended;) {
		if (poll(agent.fds, SOURCES_MAX_, -1) < 0 && errno != EINTR)
			lab_fail(port, "waiting for the command");
		if (agent.fds[FROM_SIGNAL].revents)
			ended = reap(&agent);
		for (enum source s = FROM_STDOUT; s <= FROM_STDERR; s++)
			if (agent.fds[s].revents)
				forward(&agent, s, LAB_FRAME_MAX);
		if (agent.fds[FROM_PORT].revents)
			obey(&agent);
	}
	drain(&agent);
	for (char **share = req->values[LAB_KEY_SHARE]; *share; share++) {
		int fd = open(*share, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (fd < 0 || syncfs(fd) < 0)
			lab_fail(port, "writing back %s", *share);
		close(fd);
	}
	status = (uint8_t)agent.status;
	lab_frame_write(port, LAB_FRAME_EXIT, &status, 1);
	for (;;)
		pause();
}

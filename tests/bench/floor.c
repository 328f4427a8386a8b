/* SPDX-License-Identifier: Apache-2.0 */
/*
 * floor NAMESPACES COMMAND [ARG...]: clone into new namespaces (comma separated, named as in a
 * runtime-spec document), exec COMMAND there, wait for it. That much is the kernel's share of a
 * container's start.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct {
	const char *name;
	unsigned long flag;
} kinds[] = {
	{ "pid", CLONE_NEWPID }, { "network", CLONE_NEWNET }, { "ipc", CLONE_NEWIPC },
	{ "uts", CLONE_NEWUTS }, { "mount", CLONE_NEWNS },    { "cgroup", CLONE_NEWCGROUP },
};

static unsigned long flag_of(const char *name)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].name, name) == 0)
			return kinds[i].flag;
	fprintf(stderr, "floor: unknown namespace %s\n", name);
	exit(2);
}

int main(int argc, char *argv[])
{
	unsigned long flags = SIGCHLD;
	int status = 0;

	if (argc < 3) {
		fputs("usage: floor NAMESPACES COMMAND [ARG...]\n", stderr);
		return 2;
	}
	for (char *name = strtok(argv[1], ","); name != NULL; name = strtok(NULL, ","))
		flags |= flag_of(name);

	pid_t pid = (pid_t)syscall(SYS_clone, flags, NULL, NULL, NULL, 0);

	if (pid < 0) {
		perror("clone");
		return 1;
	}
	if (pid == 0) {
		execv(argv[2], argv + 2);
		perror(argv[2]);
		_exit(127);
	}
	if (waitpid(pid, &status, 0) != pid) {
		perror("waitpid");
		return 1;
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

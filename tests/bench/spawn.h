/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BH_BENCH_SPAWN_H
#define BH_BENCH_SPAWN_H

#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

/**
 * spawn_wait() - run a program and wait for it
 * @argv:  path and arguments, ended by NULL; the path is not searched for
 * @usage: resource usage of the program and of the children it waited for
 *
 * Return: its exit status, 128 + signal where it was killed; ends the process where it cannot be
 * run
 */
static inline int spawn_wait(char *const argv[], struct rusage *usage)
{
	extern char **environ;
	int status = 0;
	pid_t pid;

	int err = posix_spawn(&pid, argv[0], NULL, NULL, argv, environ);

	if (err != 0) {
		fprintf(stderr, "%s: %s\n", argv[0], strerror(err));
		exit(127);
	}
	if (wait4(pid, &status, 0, usage) != pid) {
		perror("wait4");
		exit(127);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

#endif

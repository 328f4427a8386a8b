/* SPDX-License-Identifier: Apache-2.0 */
/* Cases in network namespaces made for them: each runs in a child, with "the host's" as its own and
 * ip(8) for the work. */
#ifndef BH_TESTS_NETNS_H
#define BH_TESTS_NETNS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"

#define SKIP 77
#define NEED(what)                                                                 \
	do {                                                                       \
		if (!(what)) {                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #what); \
			return 1;                                                  \
		}                                                                  \
	} while (0)
#define NEED_TEXT(text, what)                                                                 \
	do {                                                                                  \
		if (!strstr((text), (what))) {                                                \
			fprintf(stderr, "%s:%d: '%s' not in: %s\n", __FILE__, __LINE__, what, \
				text);                                                        \
			return 1;                                                             \
		}                                                                             \
	} while (0)

static int host; /* in the child: its namespace */

/** new_namespace() - enter one. Return: its descriptor, or -1 */
static inline int new_namespace(void)
{
	if (unshare(CLONE_NEWNET) < 0)
		return -1;
	return open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
}

/** run_in() - a command of the shell in a namespace; then back to the host's. Return: its output,
 * the caller's */
static inline char *run_in(int netns, const char *command)
{
	enum { bytes = 65536 };
	char *text = calloc(1, bytes);
	FILE *pipe;

	if (!text || setns(netns, CLONE_NEWNET) < 0)
		_exit(90);
	pipe = popen(command, "re");
	if (!pipe)
		_exit(91);
	if (fread(text, 1, bytes - 1, pipe) == bytes - 1)
		_exit(93);
	pclose(pipe);
	if (setns(host, CLONE_NEWNET) < 0)
		_exit(92);
	return text;
}

/** do_in() - run_in() for what it does */
static inline void do_in(int netns, const char *command)
{
	free(run_in(netns, command));
}

/** has() - whether the output of @command has @what in it */
static inline bool has(int netns, const char *command, const char *what)
{
	bh_auto_free char *text = run_in(netns, command);

	return strstr(text, what) != NULL;
}

/** check_case() - run @act in a child, in the namespaces that @make makes
 * @make: sets host last. Return: 0, or SKIP where it cannot
 * @act:  Return: 0 when all is as it should be */
static inline void check_case(int (*make)(void), int (*act)(void))
{
	pid_t pid;
	int status;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		status = make();
		status = status ? status : act();
		if (status)
			_exit(status);
		exit(0); /* which looks for leaks of memory, too */
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == SKIP)
		print_message("skipped: needs root, ip(8), veth and macvlan interfaces\n");
	else
		assert_int_equal(status, 0);
}

#endif

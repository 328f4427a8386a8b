/* SPDX-License-Identifier: Apache-2.0 */
#include "base/program.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "base/path.h"

#define CMDLINE_BYTES_MAX (1U << 20)

/* The caller's working directory, which need not be this process's any more; for a relative name.
 */
static const char *start_dir(const char *self)
{
	const char *pwd = getenv("PWD");

	return *self == '/' || !pwd ? "" : pwd;
}

int bh_program_find(const char *const places[], size_t n, const char *name, const char *fallback,
		    char path[static PATH_MAX], struct bh_err *err)
{
	bh_auto_free char *self = NULL;
	char *slash = NULL;

	if (bh_path_read(AT_FDCWD, "/proc/self/cmdline", BH_PATH_HOST, CMDLINE_BYTES_MAX, &self,
			 NULL, NULL) == 0)
		slash = strrchr(self, '/'); /* of the first word: a NUL ends it */
	for (size_t i = 0; slash && i < n; i++) {
		const char *dir = start_dir(self);

		slash[1] = '\0';
		snprintf(path, PATH_MAX, "%s%s%s%s%s", dir, *dir ? "/" : "", self, places[i], name);
		if (access(path, F_OK) == 0)
			return 0;
	}
	snprintf(path, PATH_MAX, "%s/%s", fallback, name);
	return access(path, F_OK) == 0 ? 0 : bh_err_set(err, -errno, "find '%s'", path);
}

/* ---- running one ----------------------------------------------------------------------------- */

int bh_program_start(const char *path, const posix_spawn_file_actions_t *actions,
		     char *const argv[], char *const env[], pid_t *ret_pid)
{
	posix_spawnattr_t attr;
	sigset_t none, all;
	int e;

	sigemptyset(&none);
	sigfillset(&all);
	if (posix_spawnattr_init(&attr) != 0)
		return -ENOMEM;
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	e = posix_spawn(ret_pid, path, actions, &attr, argv, env);
	posix_spawnattr_destroy(&attr);
	return -e;
}

/* With its output going to @out. Return: 0 or -errno */
static int start_with_output(const char *path, char *const argv[], char *const env[], int out,
			     pid_t *ret_pid)
{
	posix_spawn_file_actions_t actions;
	int e;

	if (posix_spawn_file_actions_init(&actions) != 0)
		return -ENOMEM;
	/* Input last: @out may have its number. */
	e = posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	if (e == 0)
		e = posix_spawn_file_actions_adddup2(&actions, out, STDERR_FILENO);
	if (e == 0)
		e = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY,
						     0);
	if (e == 0)
		e = posix_spawn(ret_pid, path, &actions, NULL, argv, env);
	posix_spawn_file_actions_destroy(&actions);
	return -e;
}

/* What there is to read until the end, or until @text is full. */
static void read_text(int fd, char *text, size_t size)
{
	size_t len = 0;
	ssize_t n;

	while ((n = TEMP_FAILURE_RETRY(read(fd, text + len, size - 1 - len))) > 0)
		len += (size_t)n;
	while (len > 0 && text[len - 1] == '\n')
		len--;
	text[len] = '\0';
}

int bh_program_run(const char *path, char *const argv[], char *const env[], char *says, size_t size)
{
	bh_auto_close int reader = -EBADF, writer = -EBADF;
	int ends[2], status, r;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	reader = ends[0];
	writer = ends[1];
	r = start_with_output(path, argv, env, writer, &pid);
	if (r < 0)
		return r;
	writer = bh_close(writer);
	read_text(reader, says, size);
	/* One that has more to say is not to hang on it. */
	reader = bh_close(reader);
	return TEMP_FAILURE_RETRY(waitpid(pid, &status, 0)) < 0 ? -errno : status;
}

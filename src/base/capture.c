/* SPDX-License-Identifier: Apache-2.0 */
#include "base/capture.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "base/path.h"

#define OUTPUT_MAX_BYTES (16 << 20)

static _Noreturn void child(const char *const argv[], int out_fd, bool errors)
{
	if (dup2(out_fd, STDOUT_FILENO) < 0 || (errors && dup2(out_fd, STDERR_FILENO) < 0))
		_exit(126);
	execvp(argv[0], (char *const *)argv);
	dprintf(STDERR_FILENO, "execute %s: %m", argv[0]);
	_exit(127);
}

static int tell_failure(const char *program, int status, char *text, struct bh_err *err)
{
	const bool killed = WIFSIGNALED(status);
	size_t len = strlen(text);

	while (len && text[len - 1] == '\n')
		text[--len] = '\0';
	return bh_err_as(err, BH_ERR_PEER, -EIO, "%s: %s %d%s%s", program,
			 killed ? "signal" : "exit status",
			 killed ? WTERMSIG(status) : WEXITSTATUS(status), len ? ": " : "", text);
}

static int capture(const char *const argv[], bool errors, char **ret, struct bh_err *err)
{
	bh_auto_close int in = -EBADF, out = -EBADF;
	bh_auto_free char *text = NULL;
	int ends[2], status, r;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return bh_err_set(err, -errno, "make a pipe for %s", argv[0]);
	in = ends[0];
	out = ends[1];
	pid = fork();
	if (pid < 0)
		return bh_err_set(err, -errno, "fork for %s", argv[0]);
	if (pid == 0)
		child(argv, out, errors);
	out = bh_close(out);
	r = bh_fd_read(in, argv[0], OUTPUT_MAX_BYTES, &text, NULL, err);
	if (r < 0)
		(void)kill(pid, SIGKILL);
	TEMP_FAILURE_RETRY(waitpid(pid, &status, 0));
	if (r < 0)
		return r;
	if (status != 0)
		return tell_failure(argv[0], status, text, err);
	*ret = bh_take(&text);
	return 0;
}

int bh_capture(const char *const argv[], char **ret, struct bh_err *err)
{
	return capture(argv, true, ret, err);
}

int bh_capture_output(const char *const argv[], char **ret, struct bh_err *err)
{
	return capture(argv, false, ret, err);
}

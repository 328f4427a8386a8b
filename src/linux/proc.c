/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/proc.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/pidfd.h>

#include "base/path.h"

/* Fields of /proc/PID/stat, proc(5). */
enum { FIELD_NAME = 2, FIELD_STATE = 3, FIELD_START = 22 };

/* The @n-th word after @p, or NULL. */
static const char *word(const char *p, int n)
{
	for (; p && n > 0; n--) {
		p = strchr(p, ' ');
		p = p ? p + 1 : NULL;
	}
	return p && *p ? p : NULL;
}

/* Reads state and start time. Return: 0; -ESRCH; -errno */
static int read_stat(pid_t pid, char *ret_state, uint64_t *ret_start)
{
	bh_auto_close int fd = -EBADF;
	char path[32], text[1024], *end;
	const char *p;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = bh_path_try_open(AT_FDCWD, path, O_RDONLY, 0, BH_PATH_HOST);
	if (fd < 0)
		return fd == -ENOENT ? -ESRCH : fd;
	n = read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return n < 0 ? -errno : -ESRCH;
	text[n] = '\0';
	/* The name in parentheses may hold anything, also parentheses: the last one ends it. */
	p = word(strrchr(text, ')'), FIELD_STATE - FIELD_NAME);
	if (!p)
		return -EBADMSG;
	*ret_state = *p;
	p = word(p, FIELD_START - FIELD_STATE);
	if (!p)
		return -EBADMSG;
	*ret_start = strtoull(p, &end, 10);
	return end == p ? -EBADMSG : 0;
}

int bh_proc_identify(pid_t pid, struct bh_proc *proc, struct bh_err *err)
{
	char state;
	int r;

	proc->pid = pid;
	r = read_stat(pid, &state, &proc->start_time);
	return r < 0 ? bh_err_set(err, r, "read /proc/%d/stat", pid) : 0;
}

bool bh_proc_alive(const struct bh_proc *proc)
{
	uint64_t start;
	char state;

	return proc->pid > 0 && read_stat(proc->pid, &state, &start) == 0 &&
	       start == proc->start_time && state != 'Z' && state != 'X';
}

int bh_proc_open(const struct bh_proc *proc, struct bh_err *err)
{
	bh_auto_close int fd = -EBADF;

	if (proc->pid <= 0)
		return bh_err_set(err, -ESRCH, "process");
	fd = pidfd_open(proc->pid, 0);
	if (fd < 0)
		return bh_err_set(err, -errno, "pidfd_open %d", proc->pid);
	/* Only now is the number pinned; before, it could have changed hands. */
	if (!bh_proc_alive(proc))
		return bh_err_set(err, -ESRCH, "process %d", proc->pid);
	return bh_take_fd(&fd);
}

static int add_pid(pid_t **pids, size_t *n, pid_t pid)
{
	pid_t *more = realloc(*pids, (*n + 1) * sizeof(**pids));

	if (!more)
		return -ENOMEM;
	more[(*n)++] = pid;
	*pids = more;
	return 0;
}

int bh_proc_descendants(pid_t pid, pid_t **ret, size_t *ret_n, struct bh_err *err)
{
	bh_auto_free pid_t *pids = NULL;
	size_t n = 0;
	int r = add_pid(&pids, &n, pid);

	for (size_t i = 0; r == 0 && i < n; i++) {
		bh_auto_free char *text = NULL;
		char path[64], *p, *end;

		snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pids[i], pids[i]);
		if (bh_path_read(AT_FDCWD, path, BH_PATH_HOST, 1 << 20, &text, NULL, NULL) < 0)
			continue;
		for (p = text; r == 0; p = end) {
			unsigned long child = strtoul(p, &end, 10);

			if (end == p)
				break;
			r = add_pid(&pids, &n, (pid_t)child);
		}
	}
	if (r < 0)
		return bh_err_oom(err);
	*ret = bh_take(&pids);
	*ret_n = n;
	return 0;
}

int bh_proc_wait_end(int pidfd, int timeout_ms)
{
	struct pollfd pfd = { .fd = pidfd, .events = POLLIN };
	int r = TEMP_FAILURE_RETRY(poll(&pfd, 1, timeout_ms));

	return r > 0 ? 0 : r == 0 ? -ETIMEDOUT : -errno;
}

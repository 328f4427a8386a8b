/* SPDX-License-Identifier: Apache-2.0 */
#include "task/stdio.h"

#include <fcntl.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>

#include "base/path.h"
#include "loop/fiber.h"
#include "task/logger.h"

#define LOG_MODE     0644
#define LOG_DIR_MODE 0755
#define FD_MAX       (1 << 20)
#define POLL_MS      2

static int open_file(const char *path, struct bh_err *err)
{
	bh_auto_close int root = bh_path_open(AT_FDCWD, "/", O_PATH, 0, BH_PATH_HOST, err),
			  dir = -1;
	bh_auto_free char *parent = strdup(path);
	char *slash = parent ? strrchr(parent, '/') : NULL;

	if (root < 0)
		return root;
	if (!slash || *path != '/')
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL, "file '%s' is no absolute path", path);
	*slash = '\0';
	dir = bh_path_mkdirs(root, parent, LOG_DIR_MODE, err);
	if (dir < 0)
		return dir;
	return bh_path_open(AT_FDCWD, path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK, LOG_MODE,
			    BH_PATH_HOST, err);
}

/* Whoever is to read it has said so, but may not have come to it yet.
 * @ret_fd: writing end, to be held until there is another: a reader that finds none reads the end
 */
static int await_reader(const struct bh_stdio *stdio, const char *path, int *ret_fd,
			struct bh_err *err)
{
	for (unsigned int waited = 0;; waited += POLL_MS) {
		*ret_fd = bh_path_try_open(AT_FDCWD, path, O_WRONLY | O_NONBLOCK, 0, BH_PATH_HOST);
		if (*ret_fd != -ENXIO || !stdio->reader_ms)
			return 0; /* what else there is to be said, opening it for good says */
		if (waited >= stdio->reader_ms)
			return bh_err_as(err, BH_ERR_PEER, -ETIMEDOUT, "nobody reads '%s'", path);
		if (bh_fiber_sleep(stdio->loop, POLL_MS, err) < 0)
			return err->code;
	}
}

/* Opening for reading and writing never waits for the other side, fifo(7). */
static int open_output_pipe(const struct bh_stdio *stdio, const char *path, int *ret_watch,
			    struct bh_err *err)
{
	bh_auto_close int fd = -EBADF, held = -EBADF;
	struct stat st;
	int r = await_reader(stdio, path, &held, err);

	if (r < 0)
		return r;
	fd = bh_path_open(AT_FDCWD, path, O_RDWR | O_NONBLOCK, 0, BH_PATH_HOST, err);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return bh_err_set(err, -errno, "stat '%s'", path);
	if (S_ISREG(st.st_mode))
		return open_file(path, err);
	if (S_ISFIFO(st.st_mode))
		*ret_watch =
			bh_path_try_open(AT_FDCWD, path, O_RDONLY | O_NONBLOCK, 0, BH_PATH_HOST);
	return bh_take_fd(&fd);
}

static int open_input_pipe(const char *path, struct bh_task_stdio *ret, struct bh_err *err)
{
	bh_auto_close int fd =
		bh_path_open(AT_FDCWD, path, O_RDONLY | O_NONBLOCK, 0, BH_PATH_HOST, err);
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return bh_err_set(err, -errno, "stat '%s'", path);
	if (S_ISFIFO(st.st_mode)) {
		ret->hold =
			bh_path_open(AT_FDCWD, path, O_WRONLY | O_NONBLOCK, 0, BH_PATH_HOST, err);
		if (ret->hold < 0)
			return ret->hold;
	}
	return bh_take_fd(&fd);
}

static int take_descriptor(const char *number, pid_t peer, struct bh_err *err)
{
	bh_auto_close int pidfd = -EBADF;
	char *end;
	long n = strtol(number, &end, 10);
	int fd;

	if (*number < '0' || *number > '9' || *end || n > FD_MAX)
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL, "'fd:%.32s' is no descriptor", number);
	if (peer <= 0)
		return bh_err_as(err, BH_ERR_PEER, -ENOTSUP,
				 "descriptor %ld of a caller that is not on this machine", n);
	pidfd = pidfd_open(peer, 0);
	if (pidfd < 0)
		return bh_err_set(err, -errno, "open process %d", (int)peer);
	fd = pidfd_getfd(pidfd, (int)n, 0);
	return fd < 0 ? bh_err_set(err, -errno, "take descriptor %ld of process %d", n, (int)peer)
		      : fd;
}

static const char *after(const char *uri, const char *scheme)
{
	size_t len = strlen(scheme);

	return strncmp(uri, scheme, len) == 0 ? uri + len : NULL;
}

static int open_one(const struct bh_stdio *stdio, const char *uri, int stream, pid_t peer,
		    struct bh_task_stdio *ret, struct bh_err *err)
{
	const char *rest = after(uri, "fd:");

	if (rest)
		return take_descriptor(rest, peer, err);
	rest = after(uri, "file://");
	if (rest && stream != STDIN_FILENO)
		return open_file(rest, err);
	rest = after(uri, "fifo://");
	if (!rest && *uri == '/')
		rest = uri;
	if (!rest)
		return bh_err_as(err, BH_ERR_SPEC, -ENOTSUP, "'%.128s': no such kind of stream",
				 uri);
	return stream == STDIN_FILENO ? open_input_pipe(rest, ret, err)
				      : open_output_pipe(stdio, rest, &ret->watch[stream], err);
}

/* One program for both outputs. */
static int open_logger(struct bh_stdio *stdio, const struct bh_task_stdio_request *request,
		       struct bh_task_stdio *ret, struct bh_err *err)
{
	const char *id = *request->exec_id ? request->exec_id : request->id;
	int fds[2], r;

	r = bh_logger_start(stdio, id, request->uris[STDOUT_FILENO], fds, &ret->logger, err);
	if (r < 0)
		return r;
	ret->fds[STDOUT_FILENO] = fds[0];
	if (request->terminal)
		bh_close(fds[1]);
	else
		ret->fds[STDERR_FILENO] = fds[1];
	return 0;
}

static int open_all(struct bh_stdio *stdio, const struct bh_task_stdio_request *request,
		    struct bh_task_stdio *ret, struct bh_err *err)
{
	bool logs = bh_logger_is(request->uris[STDOUT_FILENO]);
	int r = logs ? open_logger(stdio, request, ret, err) : 0;

	for (int i = 0; i < 3 && r == 0; i++) {
		/* A terminal has no standard error of its own. */
		if (!*request->uris[i] || (request->terminal && i == STDERR_FILENO) ||
		    (logs && i != STDIN_FILENO))
			continue;
		ret->fds[i] = open_one(stdio, request->uris[i], i, request->peer, ret, err);
		if (ret->fds[i] < 0)
			r = bh_err_ctx(err, "stream %d", i);
	}
	return r;
}

int bh_stdio_open(void *arg, const struct bh_task_stdio_request *request, struct bh_task_stdio *ret,
		  struct bh_err *err)
{
	int r;

	*ret = BH_TASK_STDIO_INIT;
	r = open_all(arg, request, ret, err);
	if (r == 0)
		return 0;
	for (int i = 0; i < 3; i++) {
		ret->fds[i] = bh_close(ret->fds[i]);
		ret->watch[i] = bh_close(ret->watch[i]);
	}
	ret->hold = bh_close(ret->hold);
	ret->logger = bh_logger_end(ret->logger);
	return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "task/logger.h"

#include <ctype.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>

#include "base/log.h"
#include "base/path.h"
#include "base/program.h"
#include "loop/fiber.h"

#define SCHEME    "binary://"
#define SCHEME_V2 "binary-v2://"
#define READY_MS  10000
/* From the end of its input to SIGTERM, and from there to SIGKILL. */
#define GRACE_MS 1000
#define KILL_MS  12000
/* Its descriptors, and the first that is none of them. */
#define THEIRS_FIRST 3
#define THEIRS       3
#define THEIRS_END   (THEIRS_FIRST + THEIRS)

struct bh_logger {
	struct bh_logger *next;
	struct bh_stdio *stdio;
	struct bh_source source; /* pidfd */
	struct bh_timer timer;
	int next_signal; /* 0 = it may run */
};

/* ---- the URI --------------------------------------------------------------------------------- */

bool bh_logger_is(const char *uri)
{
	return strncmp(uri, SCHEME, strlen(SCHEME)) == 0 ||
	       strncmp(uri, SCHEME_V2, strlen(SCHEME_V2)) == 0;
}

static int hex(char c)
{
	return isdigit((unsigned char)c) ? c - '0' : (c | 0x20) - 'a' + 10;
}

/* @len bytes with %XX, and in a query with '+', decoded. Return: NULL with @err */
static char *decode(struct bh_arena *arena, const char *text, size_t len, bool query,
		    struct bh_err *err)
{
	char *out = bh_arena_alloc(arena, len + 1);
	size_t n = 0;

	if (!out) {
		bh_err_oom(err);
		return NULL;
	}
	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (c == '%' && i + 2 < len && isxdigit((unsigned char)text[i + 1]) &&
		    isxdigit((unsigned char)text[i + 2])) {
			c = (char)(hex(text[i + 1]) * 16 + hex(text[i + 2]));
			i += 2;
		} else if (c == '%') {
			c = '\0';
		} else if (c == '+' && query) {
			c = ' ';
		}
		if (!c) {
			bh_err_as(err, BH_ERR_SPEC, -EINVAL, "a wrong '%%' in '%.128s'", text);
			return NULL;
		}
		out[n++] = c;
	}
	return out;
}

static size_t count(const char *text, char c)
{
	size_t n = 0;

	for (; *text; text++)
		n += *text == c;
	return n;
}

/* Keys and values, one after the other. */
static int parse_query(struct bh_arena *arena, const char *query, char **argv, struct bh_err *err)
{
	size_t n = 1;

	while (*query) {
		size_t len = strcspn(query, "&"), key = strcspn(query, "=&");

		if (len) {
			bool has_value = key < len;

			argv[n] = decode(arena, query, key, true, err);
			argv[n + 1] =
				has_value ? decode(arena, query + key + 1, len - key - 1, true, err)
					  : bh_arena_strdup(arena, "");
			if (!argv[n] || !argv[n + 1])
				return err->code ? err->code : bh_err_oom(err);
			n += 2;
		}
		query += len + (query[len] == '&');
	}
	return 0;
}

int bh_logger_parse(struct bh_arena *arena, const char *uri, struct bh_logger_command *ret,
		    struct bh_err *err)
{
	const char *path, *query;
	size_t len;

	ret->says_ready = strncmp(uri, SCHEME_V2, strlen(SCHEME_V2)) == 0;
	path = uri + strlen(ret->says_ready ? SCHEME_V2 : SCHEME);
	len = strcspn(path, "?#");
	query = path[len] == '?' ? path + len + 1 : "";
	if (*path != '/')
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL, "'%.128s' names no absolute path", uri);
	ret->argv = bh_arena_array(arena, 2 * (count(query, '&') + 1) + 2, sizeof(*ret->argv));
	if (!ret->argv)
		return bh_err_oom(err);
	ret->argv[0] = decode(arena, path, len, false, err);
	return ret->argv[0] ? parse_query(arena, query, ret->argv, err) : err->code;
}

/* ---- its life -------------------------------------------------------------------------------- */

static void forget(struct bh_logger *l)
{
	bh_list_remove(&l->stdio->loggers, l);
	bh_loop_disarm(l->stdio->loop, &l->timer);
	bh_loop_remove(l->stdio->loop, &l->source);
	bh_close(l->source.fd);
	free(l);
}

static int on_end(struct bh_source *source, uint32_t events, struct bh_err *err)
{
	struct bh_logger *l = bh_owner_of(source, struct bh_logger, source);
	siginfo_t info;

	(void)events;
	(void)err;
	/* Whoever reaps all children may have been quicker. */
	(void)!waitid(P_PIDFD, (id_t)source->fd, &info, WEXITED | WNOHANG);
	if (l->next_signal)
		forget(l);
	else
		bh_loop_remove(l->stdio->loop, source); /* its owner learns it from the pipes */
	return 0;
}

static void on_timer(struct bh_timer *timer)
{
	struct bh_logger *l = bh_owner_of(timer, struct bh_logger, timer);

	(void)!pidfd_send_signal(l->source.fd, l->next_signal, NULL, 0);
	if (l->next_signal == SIGKILL)
		return;
	l->next_signal = SIGKILL;
	bh_loop_arm(l->stdio->loop, timer, KILL_MS);
}

struct bh_logger *bh_logger_end(struct bh_logger *l)
{
	if (!l)
		return NULL;
	l->next_signal = SIGTERM;
	if (!l->source.added) /* it has ended */
		forget(l);
	else
		bh_loop_arm(l->stdio->loop, &l->timer, GRACE_MS);
	return NULL;
}

void bh_stdio_end(struct bh_stdio *stdio)
{
	while (stdio->loggers) {
		(void)!pidfd_send_signal(stdio->loggers->source.fd, SIGTERM, NULL, 0);
		forget(stdio->loggers);
	}
}

/* ---- its beginning --------------------------------------------------------------------------- */

/* A pipe whose end for the program is above the numbers that it will have there. */
static int make_pipe(int *ret_theirs, bool they_read, int *ret_ours, struct bh_err *err)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return bh_err_set(err, -errno, "make a pipe for the logger");
	*ret_ours = ends[they_read ? 1 : 0];
	*ret_theirs = fcntl(ends[they_read ? 0 : 1], F_DUPFD_CLOEXEC, THEIRS_END);
	bh_close(ends[they_read ? 0 : 1]);
	if (*ret_theirs < 0 || fcntl(*ret_ours, F_SETFL, O_NONBLOCK) < 0)
		return bh_err_set(err, -errno, "make a pipe for the logger");
	return 0;
}

static int spawn(char *const argv[], char *const env[], const int theirs[THEIRS], pid_t *ret_pid)
{
	posix_spawn_file_actions_t actions;
	int e = 0, r;

	if (posix_spawn_file_actions_init(&actions) != 0)
		return -ENOMEM;
	for (int i = 0; i < THEIRS && e == 0; i++)
		e = posix_spawn_file_actions_adddup2(&actions, theirs[i], THEIRS_FIRST + i);
	if (e == 0)
		e = posix_spawn_file_actions_addclosefrom_np(&actions, THEIRS_END);
	r = e == 0 ? bh_program_start(argv[0], &actions, argv, env, ret_pid) : -e;
	posix_spawn_file_actions_destroy(&actions);
	return r;
}

/* Watches it from now on. It cannot be reaped before the loop goes on. */
static int enlist(struct bh_stdio *stdio, pid_t pid, struct bh_logger **ret, struct bh_err *err)
{
	struct bh_logger *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return bh_err_oom(err);
	l->stdio = stdio;
	l->timer.fn = on_timer;
	l->source = (struct bh_source){ .fd = pidfd_open(pid, 0), .fn = on_end, .what = "logger" };
	l->next = stdio->loggers;
	stdio->loggers = l;
	r = l->source.fd < 0 ? bh_err_set(err, -errno, "open the logger's process")
			     : bh_loop_add(stdio->loop, &l->source, EPOLLIN, err);
	if (r < 0)
		forget(l);
	else
		*ret = l;
	return r;
}

static int await_ready(struct bh_loop *loop, int fd, const struct bh_logger_command *command,
		       struct bh_err *err)
{
	ssize_t n;
	char byte;
	int r = bh_fiber_ready(loop, fd, EPOLLIN, READY_MS, "logger", err);

	if (r < 0)
		return r;
	n = read(fd, &byte, 1);
	if (n < 0)
		return bh_err_as(err, BH_ERR_PEER, -ETIMEDOUT,
				 "logger '%s' was not ready within %d s", command->argv[0],
				 READY_MS / 1000);
	if (n == 0 && command->says_ready)
		return bh_err_as(err, BH_ERR_PEER, -EPIPE, "logger '%s' ended before it was ready",
				 command->argv[0]);
	return 0;
}

/* Everything but waiting. @ret_ready: reading end; the caller's */
static int start(struct bh_stdio *stdio, struct bh_arena *arena, const char *id,
		 const struct bh_logger_command *command, int fds[2], int *ret_ready,
		 struct bh_logger **ret, struct bh_err *err)
{
	char *env[] = { bh_arena_printf(arena, "CONTAINER_ID=%s", id),
			bh_arena_printf(arena, "CONTAINER_NAMESPACE=%s",
					stdio->domain ? stdio->domain : ""),
			NULL };
	int theirs[THEIRS] = { -EBADF, -EBADF, -EBADF }, r;
	pid_t pid;

	if (!env[0] || !env[1])
		return bh_err_oom(err);
	r = make_pipe(&theirs[0], true, &fds[0], err);
	r = r < 0 ? r : make_pipe(&theirs[1], true, &fds[1], err);
	r = r < 0 ? r : make_pipe(&theirs[2], false, ret_ready, err);
	if (r == 0) {
		r = spawn(command->argv, env, theirs, &pid);
		if (r < 0)
			bh_err_set(err, r, "run logger '%s'", command->argv[0]);
	}
	for (int i = 0; i < THEIRS; i++)
		bh_close(theirs[i]);
	return r < 0 ? r : enlist(stdio, pid, ret, err);
}

int bh_logger_start(struct bh_stdio *stdio, const char *id, const char *uri, int ret_fds[2],
		    struct bh_logger **ret, struct bh_err *err)
{
	bh_auto_arena struct bh_arena arena = BH_ARENA_INIT;
	bh_auto_close int ready = -EBADF, out = -EBADF, error = -EBADF;
	int fds[2] = { -EBADF, -EBADF };
	struct bh_logger_command command;
	struct bh_logger *l = NULL;
	int r = bh_logger_parse(&arena, uri, &command, err);

	r = r < 0 ? r : start(stdio, &arena, id, &command, fds, &ready, &l, err);
	out = fds[0];
	error = fds[1];
	r = r < 0 ? r : await_ready(stdio->loop, ready, &command, err);
	if (r < 0) {
		bh_logger_end(l);
		return r;
	}
	ret_fds[0] = bh_take_fd(&out);
	ret_fds[1] = bh_take_fd(&error);
	*ret = l;
	return 0;
}

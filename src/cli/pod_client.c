/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/pod_client.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/capture.h"
#include "base/path.h"
#include "base/program.h"
#include "base/socket.h"
#include "loop/fiber.h"

#define SUPERVISOR "bulkhead-pod"
#define CONNECT_S  5
/* For anything that a supervisor answers from what it knows, on a machine that is busy. */
#define FIRST_WORD_MS 15000
#define DEATH_MS      5000

/* ---- places ------------------------------------------------------------------------------ */

static const char *const supervisor_places[] = { "", "../libexec/bulkhead/", "../supervisor/" };

int bh_pod_supervisor(char path[static PATH_MAX], struct bh_err *err)
{
	return bh_program_find(supervisor_places, BH_ARRAY_SIZE(supervisor_places), SUPERVISOR,
			       BH_LIBEXECDIR, path, err);
}

/* ---- connecting -------------------------------------------------------------------------- */

static void on_closed(void *arg)
{
	struct bh_pod_client *client = arg;

	client->gone = true;
}

static void on_first_word(void *arg, const struct bh_rpc_answer *answer)
{
	struct bh_pod_client *client = arg;
	char why[BH_ERR_WHERE_BYTES];

	if (answer->code != BH_RPC_DEADLINE)
		return;
	client->silent = true;
	snprintf(why, sizeof(why), BH_POD_SILENT, client->pod);
	bh_rpc_client_give_up(client->rpc, why);
}

/* Whether one that hangs took the connection shows in its answer to this, which nobody waits for:
 * what is asked next may take as long as it likes. */
static int ask_first_word(struct bh_pod_client *client, struct bh_err *err)
{
	Pod__StatusRequest q = POD__STATUS_REQUEST__INIT;

	return bh_rpc_call(client->rpc, BH_POD_SERVICE, "Status", &q.base, FIRST_WORD_MS,
			   on_first_word, client, err);
}

int bh_pod_connect(struct bh_loop *loop, const char *root, const char *pod,
		   struct bh_pod_client *ret, struct bh_err *err)
{
	static const struct timeval limit = { .tv_sec = CONNECT_S };
	struct sockaddr_un address;
	bh_auto_close int dir = -EBADF, fd = -EBADF;
	char path[PATH_MAX];
	int r;

	*ret = (struct bh_pod_client){ .loop = loop, .pod = pod };
	snprintf(path, sizeof(path), "%s/" BH_PODS_DIR "/%s", root, pod);
	dir = bh_path_open(AT_FDCWD, path, O_PATH | O_DIRECTORY, 0, BH_PATH_HOST, err);
	if (dir < 0)
		return dir;
	address = bh_socket_at(dir, BH_POD_SOCKET);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	/* One that hangs may have as many waiting as there is room for. */
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) < 0 ||
	    connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return bh_err_set(err, errno == EAGAIN ? -ETIMEDOUT : -errno,
				  "connect to the supervisor of pod '%s'", pod);
	r = bh_rpc_connect(loop, bh_take_fd(&fd), on_closed, ret, &ret->rpc, err);
	return r < 0 ? r : ask_first_word(ret, err);
}

void bh_pod_client_deinit(struct bh_pod_client *client)
{
	client->rpc = bh_rpc_client_free(client->rpc);
}

static int call(struct bh_pod_client *client, const char *service, const char *method,
		const ProtobufCMessage *request, int limit_ms,
		const ProtobufCMessageDescriptor *type, ProtobufCMessage **ret, struct bh_err *err)
{
	return bh_rpc_call_wait(client->rpc, service, method, request, limit_ms, type, ret, err);
}

void bh_pod_plain_words(struct bh_err *err)
{
	static const char *const fronts[] = { "OCI runtime create failed: ",
					      "OCI runtime exec failed: " };
	static const char end[] = ": failed precondition";
	char *text = err->text;
	size_t len;

	for (size_t i = 0; i < BH_ARRAY_SIZE(fronts); i++)
		if (!strncmp(text, fronts[i], strlen(fronts[i])))
			memmove(text, text + strlen(fronts[i]),
				strlen(text + strlen(fronts[i])) + 1);
	len = strlen(text);
	if (len > strlen(end) && !strcmp(text + len - strlen(end), end))
		text[len - strlen(end)] = '\0';
}

int bh_pod_task(struct bh_pod_client *client, const char *method, const ProtobufCMessage *request,
		const ProtobufCMessageDescriptor *type, ProtobufCMessage **ret, struct bh_err *err)
{
	int r = call(client, BH_TASK_SERVICE, method, request, 0, type, ret, err);

	if (r < 0 && err)
		bh_pod_plain_words(err);
	return r;
}

int bh_pod_ask(struct bh_pod_client *client, const char *method, const ProtobufCMessage *request,
	       const ProtobufCMessageDescriptor *type, ProtobufCMessage **ret, struct bh_err *err)
{
	return call(client, BH_POD_SERVICE, method, request, 0, type, ret, err);
}

int bh_pod_ask_death(struct bh_pod_client *client, struct bh_buf *out, struct bh_err *err)
{
	Pod__StatusRequest q = POD__STATUS_REQUEST__INIT;
	Pod__StatusResponse *a = NULL;
	int r = call(client, BH_POD_SERVICE, "Status", &q.base, DEATH_MS,
		     &pod__status_response__descriptor, (ProtobufCMessage **)&a, err);

	if (r < 0)
		return r;
	bh_buf_puts(out, a->dead);
	pod__status_response__free_unpacked(a, NULL);
	return 0;
}

/* ---- starting ---------------------------------------------------------------------------- */

/* Runs the program until it has detached itself. */
static int spawn(const char *path, char *const argv[], struct bh_err *err)
{
	pid_t pid;
	int status, r = bh_program_start(path, NULL, argv, environ, &pid);

	if (r < 0)
		return bh_err_set(err, r, "run '%s'", path);
	if (TEMP_FAILURE_RETRY(waitpid(pid, &status, 0)) < 0)
		return bh_err_set(err, -errno, "wait for '%s'", path);
	return 0;
}

static int read_report(int fd, struct bh_err *ret)
{
	if (read(fd, ret, sizeof(*ret)) != (ssize_t)sizeof(*ret))
		return -EPIPE;
	ret->text[sizeof(ret->text) - 1] = ret->where[sizeof(ret->where) - 1] = '\0';
	return 0;
}

/* The supervisor's word on how the pod came up. */
static int await_report(struct bh_loop *loop, int fd, struct bh_err *err)
{
	struct bh_err said;
	int r = bh_fiber_ready(loop, fd, EPOLLIN, 0, "supervisor", err);

	if (r < 0)
		return r;
	if (read_report(fd, &said) < 0)
		return bh_err_as(err, BH_ERR_PEER, -EPIPE,
				 "the pod's supervisor ended before the pod was up");
	if (said.code < 0)
		*err = said;
	return said.code < 0 ? said.code : 0;
}

#define ARGS_MAX 32

/* The supervisor's command line. */
struct command {
	char program[PATH_MAX];
	const char *argv[ARGS_MAX];
	size_t n;
	char report[16];
};

static void add(struct command *c, const char *option, const char *value)
{
	if (!value)
		return;
	c->argv[c->n++] = option;
	c->argv[c->n++] = value;
}

/* It reads the same files, and what was said before the verb. */
static void add_settings(struct bh_cli *cli, struct command *c)
{
	static const char *const keys[] = { "guest", "accelerator", "log.file", "log.format",
					    "log.level" };

	add(c, "--config", cli->config_file);
	for (size_t i = 0; i < BH_ARRAY_SIZE(keys); i++) {
		const char *value = bh_config_flag_value(&cli->settings, keys[i]);
		const char *option = bh_arena_printf(&cli->arena, "--%s", keys[i]);

		if (option)
			add(c, option, value);
	}
}

static int make_command(struct bh_cli *cli, const char *verb, const char *pod,
			const struct bh_create_opts *create, struct command *c, struct bh_err *err)
{
	int r = bh_pod_supervisor(c->program, err);

	if (r < 0)
		return r;
	memset(c->argv, 0, sizeof(c->argv));
	c->n = 0;
	add(c, c->program, verb);
	add(c, "--root", cli->root);
	add(c, "--pod", pod);
	add(c, "--container", create->id);
	add(c, "--bundle", create->bundle);
	/* auto is for engines whose way it is not known */
	add(c, "--cgroup-manager",
	    bh_names_of(&bh_config_cgroup_managers, (int64_t)cli->cgroup_manager));
	add_settings(cli, c);
	return 0;
}

/* The pipe for what the supervisor has to tell; @ret_writer is its end. */
static int add_report(struct command *c, int *ret_reader, int *ret_writer, struct bh_err *err)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return bh_err_set(err, -errno, "make a pipe for the supervisor's report");
	*ret_reader = fds[0];
	*ret_writer = fds[1];
	if (fcntl(fds[1], F_SETFD, 0) < 0)
		return bh_err_set(err, -errno, "make a pipe for the supervisor's report");
	snprintf(c->report, sizeof(c->report), "%d", fds[1]);
	add(c, "--report", c->report);
	return 0;
}

int bh_pod_start(struct bh_cli *cli, struct bh_loop *loop, const char *pod,
		 const struct bh_create_opts *create, struct bh_pod_client *ret, struct bh_err *err)
{
	struct command command;
	bh_auto_close int reader = -EBADF, writer = -EBADF;
	int r = make_command(cli, "serve", pod, create, &command, err);

	r = r < 0 ? r : add_report(&command, &reader, &writer, err);
	if (r < 0)
		return r;
	r = spawn(command.program, (char *const *)command.argv, err);
	writer = bh_close(writer);
	r = r < 0 ? r : await_report(loop, reader, err);
	return r < 0 ? r : bh_pod_connect(loop, cli->root, pod, ret, err);
}

int bh_pod_plan(struct bh_cli *cli, const char *pod, const struct bh_create_opts *create,
		struct bh_buf *out, struct bh_err *err)
{
	struct command command;
	bh_auto_close int reader = -EBADF, writer = -EBADF;
	bh_auto_free char *text = NULL;
	struct bh_err said;
	int r = make_command(cli, "plan", pod, create, &command, err);

	r = r < 0 ? r : add_report(&command, &reader, &writer, err);
	/* Its warnings are no part of the plan. */
	r = r < 0 ? r : bh_capture_output(command.argv, &text, err);
	if (r == 0) {
		bh_buf_puts(out, text);
		return 0;
	}
	writer = bh_close(writer);
	if (reader >= 0 && read_report(reader, &said) == 0) {
		*err = said;
		r = said.code;
	}
	return r;
}

int bh_pod_check(struct bh_cli *cli, struct bh_check_report *ret, struct bh_err *err)
{
	struct command command = { .n = 0 };
	bh_auto_free char *text = NULL;
	int r = bh_pod_supervisor(command.program, err);

	if (r < 0)
		return r;
	add(&command, command.program, "check");
	add_settings(cli, &command);
	r = bh_capture(command.argv, &text, err);
	if (r < 0)
		return r;
	r = bh_schema_read(&bh_check_schema, &cli->arena, text, strlen(text), ret, err);
	return r < 0 ? bh_err_ctx(err, "answer of '%s check'", command.program) : 0;
}

bool bh_pod_is_gone(int r)
{
	return r == -ENOENT || r == -ECONNREFUSED;
}

int bh_pod_undo_remains(const char *root, const char *pod, struct bh_err *err)
{
	char program[PATH_MAX];
	const char *argv[] = { program, "undo", "--root", root, "--pod", pod, NULL };
	bh_auto_free char *said = NULL;
	int r = bh_pod_supervisor(program, err);

	return r < 0 ? r : bh_capture(argv, &said, err);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include <fcntl.h>
#include <ftw.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/path.h"

#define SECONDS 30

struct lab lab;
static struct bh_buf events;
static int fds_at_start;

/* ---- the lab ----------------------------------------------------------------------------- */

static void note(const char *fmt, ...) bh_printf(1, 2);
static void note(const char *fmt, ...)
{
	char line[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	bh_buf_puts(&events, line);
	lab.events = events.data;
}

static void publish(void *arg, const char *topic, const ProtobufCMessage *event)
{
	(void)arg;
	if (event->descriptor == &task__task_exit__descriptor) {
		const Task__TaskExit *e = (const void *)event;

		assert_true(e->pid > 0 && e->exited_at && e->exited_at->seconds > 0);
		note("%s %s %u\n", topic, e->id, e->exit_status);
	} else if (event->descriptor == &task__task_exec_added__descriptor) {
		note("%s %s\n", topic, ((const Task__TaskExecAdded *)event)->exec_id);
	} else if (event->descriptor == &task__task_exec_started__descriptor) {
		note("%s %s\n", topic, ((const Task__TaskExecStarted *)event)->exec_id);
	} else {
		/* The container's id is the first field of the rest. */
		note("%s %s\n", topic, ((const Task__TaskStart *)event)->container_id);
	}
}

void lab_forget(void)
{
	bh_buf_deinit(&events);
	bh_buf_puts(&events, "");
	lab.events = events.data;
}

static void on_stop(struct bh_timer *timer)
{
	(void)timer;
	bh_loop_stop(&lab.loop);
}

void run_a_bit(void)
{
	struct bh_timer timer = { .fn = on_stop };

	bh_loop_arm(&lab.loop, &timer, 5);
	assert_int_equal(bh_loop_run(&lab.loop, NULL), 0);
	bh_loop_disarm(&lab.loop, &timer);
}

bool lab_skips(void)
{
	if (geteuid() == 0)
		return false;
	printf("# skip: containers need root\n");
	return true;
}

static const char *state_root(void)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/state", lab.work);
	return path;
}

static void serve(void)
{
	static struct bh_stdio stdio;
	struct bh_task_opts opts = { .root = state_root(),
				     .open_stdio = bh_stdio_open,
				     .stdio_arg = &stdio,
				     .publish = publish,
				     .sole = lab.sole };
	struct bh_rpc_service service;
	struct bh_rpc_server *server;
	int socks[2];

	stdio.loop = &lab.loop;
	assert_int_equal(bh_loop_init(&lab.loop, NULL), 0);
	assert_int_equal(bh_tasks_new(&lab.loop, &opts, &lab.tasks, NULL), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socks), 0);
	service = bh_tasks_service(lab.tasks);
	assert_int_equal(bh_rpc_serve(&lab.loop, socks[0], &service, 1, NULL, NULL, &server, NULL),
			 0);
	assert_int_equal(bh_rpc_connect(&lab.loop, socks[1], NULL, NULL, &lab.client, NULL), 0);
}

static int count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

int lab_open(void **state)
{
	char command[256];
	unsigned int number;

	(void)state;
	assert_int_equal(getrandom(&number, sizeof(number), 0), sizeof(number));
	snprintf(lab.token, sizeof(lab.token), "bh%06x", number & 0xffffff);
	snprintf(lab.work, sizeof(lab.work), "/var/tmp/%s", lab.token);
	assert_int_equal(mkdir(lab.work, 0755), 0);
	snprintf(command, sizeof(command), "%s/make-rootfs %s/rootfs", LIB_DIR, lab.work);
	assert_int_equal(system(command), 0);
	lab_forget();
	serve();
	fds_at_start = count_fds();
	return 0;
}

/* Nothing may be left: no state, cgroup, mount, child or descriptor beyond those of the start. */
static int count_left(void)
{
	char command[512];
	pid_t child = waitpid(-1, NULL, WNOHANG);

	if (child >= 0 || errno != ECHILD) {
		fprintf(stderr, "a child is left\n");
		return 1;
	}
	if (count_fds() != fds_at_start) {
		snprintf(command, sizeof(command), "ls -l /proc/%d/fd >&2", (int)getpid());
		return system(command) + 1;
	}

	snprintf(command, sizeof(command),
		 "test -z \"$(ls -A %s 2>/dev/null)\" && ! find /sys/fs/cgroup -type d -name "
		 "'*%s*' | grep . && ! grep %s /proc/self/mountinfo",
		 state_root(), lab.token, lab.token);
	return system(command) != 0;
}

int lab_close(void **state)
{
	char command[128];
	int left;

	(void)state;
	for (int i = 0; i < 20; i++)
		run_a_bit();
	left = count_left();
	lab.client = bh_rpc_client_free(lab.client);
	run_a_bit();
	bh_tasks_kill_all(lab.tasks);
	lab.tasks = bh_tasks_free(lab.tasks);
	bh_loop_deinit(&lab.loop);
	bh_buf_deinit(&events);
	snprintf(command, sizeof(command), "rm -rf --one-file-system %s", lab.work);
	if (system(command) != 0)
		left++;
	return left;
}

/* ---- calls ------------------------------------------------------------------------------- */

static void on_answer(void *arg, const struct bh_rpc_answer *answer)
{
	struct reply *reply = arg;

	reply->done = true;
	reply->code = answer->code;
	snprintf(reply->message, sizeof(reply->message), "%s", answer->message);
	reply->len = answer->len;
	reply->data = malloc(answer->len + 1);
	memcpy(reply->data, answer->data ? answer->data : (const uint8_t *)"", answer->len);
	bh_loop_stop(&lab.loop);
}

struct reply *ask(const char *method, const void *request)
{
	struct reply *reply = calloc(1, sizeof(*reply));

	assert_int_equal(bh_rpc_call(lab.client, "containerd.task.v2.Task", method, request, 0,
				     on_answer, reply, NULL),
			 0);
	return reply;
}

void reply_free(struct reply *reply)
{
	free(reply->data);
	free(reply);
}

void *must(const char *method, const void *request, const ProtobufCMessageDescriptor *type)
{
	struct reply *reply = ask(method, request);
	void *message = NULL;

	if (!run_until(reply->done, SECONDS))
		fail_msg("%s: no answer", method);
	if (reply->code != BH_RPC_OK)
		fail_msg("%s: %d %s", method, reply->code, reply->message);
	if (type) {
		message = protobuf_c_message_unpack(type, NULL, reply->len, reply->data);
		assert_non_null(message);
	}
	reply_free(reply);
	return message;
}

void must_fail(const char *method, const void *request, enum bh_rpc_code code, const char *text)
{
	struct reply *reply = ask(method, request);

	assert_true(run_until(reply->done, SECONDS));
	if (reply->code != code || !strstr(reply->message, text))
		fail_msg("%s: %d '%s', not %d '%s'", method, reply->code, reply->message, code,
			 text);
	reply_free(reply);
}

void *ids(const ProtobufCMessageDescriptor *type, const char *id, const char *exec_id)
{
	static union {
		Task__StateRequest any;
		char room[256];
	} rq;

	assert_true(type->sizeof_message <= sizeof(rq));
	protobuf_c_message_init(type, &rq);
	rq.any.id = (char *)id;
	if (exec_id)
		rq.any.exec_id = (char *)exec_id;
	return &rq;
}

/* ---- containers -------------------------------------------------------------------------- */

static void write_document(const struct box *box, const struct recipe *r)
{
	bh_auto_buf struct bh_buf doc = BH_BUF_INIT;
	char path[160];
	FILE *file;

	bh_buf_puts(&doc,
		    "{\"ociVersion\":\"1.0.2\",\"process\":{\"cwd\":\"/\",\"args\":[\"/bin/sh\","
		    "\"-c\",");
	bh_buf_json_string(&doc, r->script);
	bh_buf_printf(&doc,
		      "],\"terminal\":%s,\"env\":[\"PATH=/bin:/usr/bin:/sbin\"],\"user\":{}},",
		      r->terminal ? "true" : "false");
	bh_buf_printf(&doc, "\"root\":{\"path\":\"%s%s\"},", r->own_root ? box->bundle : lab.work,
		      "/rootfs");
	bh_buf_puts(&doc,
		    "\"mounts\":[{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\"},"
		    "{\"destination\":\"/dev\",\"type\":\"tmpfs\",\"source\":\"tmpfs\"},"
		    "{\"destination\":\"/dev/pts\",\"type\":\"devpts\",\"source\":\"devpts\","
		    "\"options\":[\"newinstance\",\"ptmxmode=0666\",\"mode=0620\"]}],");
	bh_buf_printf(&doc,
		      "\"linux\":{\"cgroupsPath\":\"/%s\",\"namespaces\":[{\"type\":\"mount\"},"
		      "{\"type\":\"ipc\"}%s]%s}%s}",
		      box->id, r->no_pidns ? "" : ",{\"type\":\"pid\"}", r->linux_ ? r->linux_ : "",
		      r->more ? r->more : "");
	snprintf(path, sizeof(path), "%s/config.json", box->bundle);
	file = fopen(path, "we");
	assert_non_null(file);
	fputs(doc.data, file);
	fclose(file);
}

static int make_stream(struct box *box, int n, const struct recipe *r)
{
	int fd;

	box->uris[n][0] = '\0';
	if (!strchr(r->streams ? r->streams : "oe", "ioe"[n]) || (r->terminal && n == 2))
		return -1;
	snprintf(box->uris[n], sizeof(box->uris[n]), "%s/%s%c", box->bundle, box->exec_id,
		 "ioe"[n]);
	assert_int_equal(mkfifo(box->uris[n], 0600), 0);
	/* For writing as well, as there is no reader yet. */
	fd = open(box->uris[n], (n ? O_RDONLY : O_RDWR) | O_NONBLOCK | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static void make_streams(struct box *box, const struct recipe *r)
{
	box->in = make_stream(box, 0, r);
	box->out = make_stream(box, 1, r);
	box->err = make_stream(box, 2, r);
}

void *create_request(const struct box *box)
{
	static Task__CreateRequest rq;

	task__create_request__init(&rq);
	rq.id = (char *)box->id;
	rq.bundle = (char *)box->bundle;
	rq.terminal = box->terminal;
	rq.stdin = (char *)box->uris[0];
	rq.stdout = (char *)box->uris[1];
	rq.stderr = (char *)box->uris[2];
	return &rq;
}

static uint32_t create(const struct box *box)
{
	Task__CreateResponse *answer =
		must("Create", create_request(box), &task__create_response__descriptor);
	uint32_t pid = answer->pid;

	task__create_response__free_unpacked(answer, NULL);
	assert_true(pid > 0);
	return pid;
}

uint32_t make(struct box *box, const char *name, const struct recipe *r)
{
	memset(box, 0, sizeof(*box));
	snprintf(box->id, sizeof(box->id), "%s-%s", lab.token, name);
	snprintf(box->bundle, sizeof(box->bundle), "%s/%s", lab.work, name);
	assert_int_equal(mkdir(box->bundle, 0755), 0);
	write_document(box, r);
	box->terminal = r->terminal;
	make_streams(box, r);
	return r->document_only ? 0 : create(box);
}

static void *exec_request(const struct box *box, const char *document)
{
	static Task__ExecRequest rq;
	static Wire__Any spec;

	task__exec_request__init(&rq);
	wire__any__init(&spec);
	spec.value.data = (uint8_t *)document;
	spec.value.len = strlen(document);
	rq.id = (char *)box->id;
	rq.exec_id = (char *)box->exec_id;
	rq.spec = &spec;
	rq.terminal = box->terminal;
	rq.stdin = (char *)box->uris[0];
	rq.stdout = (char *)box->uris[1];
	rq.stderr = (char *)box->uris[2];
	return &rq;
}

static void name_exec(struct box *box, const struct box *of, const char *exec_id,
		      const struct recipe *r)
{
	*box = *of;
	box->terminal = r->terminal;
	snprintf(box->exec_id, sizeof(box->exec_id), "%s", exec_id);
	make_streams(box, r);
}

void add_exec(struct box *box, const struct box *of, const char *exec_id, const struct recipe *r)
{
	bh_auto_buf struct bh_buf doc = BH_BUF_INIT;

	name_exec(box, of, exec_id, r);
	bh_buf_puts(&doc, "{\"cwd\":\"/\",\"env\":[\"PATH=/bin:/usr/bin\"],\"user\":{},\"args\":["
			  "\"/bin/sh\",\"-c\",");
	bh_buf_json_string(&doc, r->script);
	bh_buf_puts(&doc, "]}");
	must("Exec", exec_request(box, doc.data), NULL);
}

void add_exec_of(struct box *box, const struct box *of, const char *exec_id, const char *document)
{
	name_exec(box, of, exec_id, &(struct recipe){ .streams = "" });
	must("Exec", exec_request(box, document), NULL);
}

void add_exec_fails(const struct box *of, const char *exec_id, enum bh_rpc_code code,
		    const char *text)
{
	struct box box;

	name_exec(&box, of, exec_id, &(struct recipe){ .streams = "" });
	must_fail("Exec", exec_request(&box, "{\"cwd\":\"/\",\"args\":[\"x\"]}"), code, text);
}

void close_input(const struct box *box)
{
	Task__CloseIORequest rq = TASK__CLOSE_IOREQUEST__INIT;

	rq.id = (char *)box->id;
	rq.exec_id = (char *)box->exec_id;
	rq.stdin = true;
	must("CloseIO", &rq, NULL);
}

void close_streams(struct box *box)
{
	box->in = bh_close(box->in);
	box->out = bh_close(box->out);
	box->err = bh_close(box->err);
}

uint32_t start(const struct box *box)
{
	Task__StartRequest rq = TASK__START_REQUEST__INIT;
	Task__StartResponse *answer;
	uint32_t pid;

	rq.id = (char *)box->id;
	rq.exec_id = (char *)box->exec_id;
	answer = must("Start", &rq, &task__start_response__descriptor);
	pid = answer->pid;
	task__start_response__free_unpacked(answer, NULL);
	return pid;
}

uint32_t await_exit(const struct box *box)
{
	Task__WaitRequest rq = TASK__WAIT_REQUEST__INIT;
	Task__WaitResponse *answer;
	uint32_t status;

	rq.id = (char *)box->id;
	rq.exec_id = (char *)box->exec_id;
	answer = must("Wait", &rq, &task__wait_response__descriptor);
	assert_true(answer->exited_at && answer->exited_at->seconds > 0);
	status = answer->exit_status;
	task__wait_response__free_unpacked(answer, NULL);
	return status;
}

uint32_t finish(struct box *box)
{
	Task__DeleteRequest rq = TASK__DELETE_REQUEST__INIT;
	Task__DeleteResponse *answer;
	uint32_t status;

	rq.id = box->id;
	rq.exec_id = box->exec_id;
	answer = must("Delete", &rq, &task__delete_response__descriptor);
	status = answer->exit_status;
	task__delete_response__free_unpacked(answer, NULL);
	close_streams(box);
	return status;
}

void signal_box(const struct box *box, int sig, bool all)
{
	Task__KillRequest rq = TASK__KILL_REQUEST__INIT;

	rq.id = (char *)box->id;
	rq.exec_id = (char *)box->exec_id;
	rq.signal = (uint32_t)sig;
	rq.all = all;
	must("Kill", &rq, NULL);
}

Task__Status status_of(const struct box *box)
{
	Task__StateRequest rq = TASK__STATE_REQUEST__INIT;
	Task__StateResponse *answer;
	Task__Status status;

	rq.id = (char *)box->id;
	rq.exec_id = (char *)box->exec_id;
	answer = must("State", &rq, &task__state_response__descriptor);
	assert_string_equal(answer->stdout, box->uris[1]);
	assert_string_equal(answer->bundle, box->bundle);
	status = answer->status;
	task__state_response__free_unpacked(answer, NULL);
	return status;
}

/* ---- streams ----------------------------------------------------------------------------- */

/* Return: whether the stream has ended, or holds @text */
static bool read_some(int fd, struct bh_buf *buf, const char *text)
{
	char chunk[65536];
	ssize_t n;

	while ((n = read(fd, chunk, sizeof(chunk))) > 0)
		bh_buf_add(buf, chunk, (size_t)n);
	return n == 0 || (text && strstr(bh_buf_str(buf), text));
}

static char *read_stream(int fd, const char *text, size_t *ret_len)
{
	struct bh_buf buf = BH_BUF_INIT;

	bh_buf_puts(&buf, "");
	if (!run_until(read_some(fd, &buf, text), SECONDS))
		fail_msg("no %s after '%s'", text ? text : "end", buf.len < 999 ? buf.data : "…");
	if (ret_len)
		*ret_len = buf.len;
	return buf.data;
}

char *read_all(int fd, size_t *ret_len)
{
	return read_stream(fd, NULL, ret_len);
}

char *read_until(int fd, const char *text)
{
	return read_stream(fd, text, NULL);
}

void put(int fd, const char *text)
{
	assert_int_equal(bh_fd_write(fd, text, strlen(text)), 0);
}

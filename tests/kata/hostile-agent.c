/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /init of a guest that means ill, or is broken. It boots as the agent does, and then does what the
 * word `hostile=` on the kernel's command line says:
 *
 *	silent   nothing
 *	exit     ends, and the kernel with it
 *	console  writes to the console without end, and nothing else
 *	bytes    random bytes on the serial port
 *	greeting HELLO of the link without end
 *	frames   HELLO, then a frame of a kind that there is not
 *	credit   HELLO, then more data than there is credit for
 *	garbage  takes the connection, and sends what is no ttrpc
 *	mute     takes calls, and answers none
 *	empty    answers all with nothing
 *	lies     answers with what cannot be
 */
#include <endian.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "agent/boot.h"
#include "base/path.h"
#include "rpc/agent.pb-c.h"
#include "rpc/link.h"
#include "rpc/mux_internal.h"
#include "rpc/rpc.h"
#include "rpc/task.pb-c.h"

static struct bh_loop loop = BH_LOOP_INIT;

static _Noreturn void forever(void)
{
	for (;;)
		pause();
}

/* ---- below the link -------------------------------------------------------------------------- */

static int open_port(void)
{
	glob_t found;
	int fd = -1;

	for (int i = 0; i < 100 && fd < 0; i++, usleep(20000)) {
		if (glob("/dev/vport*p1", 0, NULL, &found) == 0)
			fd = open(found.gl_pathv[0], O_RDWR | O_CLOEXEC);
		globfree(&found);
	}
	if (fd < 0)
		printf("hostile: no port: %m\n");
	return fd;
}

static void send_all(int fd, const void *data, size_t len)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = write(fd, (const char *)data + done, len - done);

		if (n < 0)
			forever(); /* the host has had enough */
		done += (size_t)n;
	}
}

static void send_frame(int fd, uint32_t stream, uint8_t type, const void *data, uint16_t len)
{
	uint8_t head[BH_MUX_HEAD_BYTES] = { 0 };
	uint32_t id = htobe32(stream);
	uint16_t size = htobe16(len);

	memcpy(head, &id, sizeof(id));
	head[4] = type;
	memcpy(head + 6, &size, sizeof(size));
	send_all(fd, head, sizeof(head));
	send_all(fd, data, len);
}

static void send_hello(int fd)
{
	static const uint8_t magic[8] = "BHmux\r\n\x80";
	const uint32_t numbers[2] = { htobe32(1), htobe32(BH_MUX_WINDOW_BYTES) };
	uint8_t hello[sizeof(magic) + sizeof(numbers)];

	memcpy(hello, magic, sizeof(magic));
	memcpy(hello + sizeof(magic), numbers, sizeof(numbers));
	send_frame(fd, 0, BH_MUX_HELLO, hello, sizeof(hello));
}

static void do_bytes(void)
{
	uint8_t noise[4096];
	int fd = open_port();

	for (;;) {
		if (getrandom(noise, sizeof(noise), 0) > 0)
			send_all(fd, noise, sizeof(noise));
	}
}

static void do_greeting(void)
{
	int fd = open_port();

	for (;;)
		send_hello(fd);
}

static void do_frames(void)
{
	int fd = open_port();

	send_hello(fd);
	send_frame(fd, 1, 0x77, "what?", 5);
	forever();
}

/* The supervisor opens its first stream once it has heard HELLO. */
static void do_credit(void)
{
	static const uint8_t data[BH_MUX_DATA_MAX];
	uint8_t head[BH_MUX_HEAD_BYTES];
	int fd = open_port();

	send_hello(fd);
	while (read(fd, head, sizeof(head)) < 0)
		usleep(1000);
	for (;;)
		send_frame(fd, 1, BH_MUX_DATA, data, sizeof(data));
}

/* ---- calls ----------------------------------------------------------------------------------- */

static const char *mode = "";

static void do_nothing(void *self, struct bh_rpc_call *call, const void *request)
{
	(void)self;
	(void)call;
	(void)request;
}

static void answer_nothing(void *self, struct bh_rpc_call *call, const void *request)
{
	(void)self;
	(void)request;
	bh_rpc_reply(call, NULL);
}

/* ---- lies ---- */

#define LONG_BYTES (1U << 20)

static char *long_text(void)
{
	static char text[LONG_BYTES];

	memset(text, 'k', sizeof(text) - 1);
	memcpy(text, "\033]0;owned\a\n\"", 11);
	return text;
}

static void lie_hello(void *self, struct bh_rpc_call *call, const void *request)
{
	Agent__HelloResponse a = AGENT__HELLO_RESPONSE__INIT;
	const Agent__HelloRequest *q = request;

	(void)self;
	a.version = q->version;
	a.kernel = long_text();
	bh_rpc_reply(call, &a.base);
}

static void lie_prepare(void *self, struct bh_rpc_call *call, const void *request)
{
	Agent__PrepareResponse a = AGENT__PREPARE_RESPONSE__INIT;

	(void)self;
	(void)request;
	a.bundle = long_text();
	bh_rpc_reply(call, &a.base);
}

static void lie_create(void *self, struct bh_rpc_call *call, const void *request)
{
	Task__CreateResponse a = TASK__CREATE_RESPONSE__INIT;

	(void)self;
	(void)request;
	a.pid = UINT32_MAX;
	bh_rpc_reply(call, &a.base);
}

static void lie_wait(void *self, struct bh_rpc_call *call, const void *request)
{
	Task__WaitResponse a = TASK__WAIT_RESPONSE__INIT;
	Wire__Timestamp at = WIRE__TIMESTAMP__INIT;
	const Task__WaitRequest *q = request;

	(void)self;
	if (!*q->exec_id) {
		return; /* the container runs for ever */
	}
	at.seconds = INT64_MAX;
	at.nanos = -1;
	a.exit_status = 0xffffff2a;
	a.exited_at = &at;
	bh_rpc_reply(call, &a.base);
}

/* Out of memory, again and again, the right and the wrong containers. */
static void lie_events(void *self, struct bh_rpc_call *call, const void *request)
{
	static uint8_t nonsense[] = { 0x0a, 0x7f, 'x' };
	Agent__EventsResponse a = AGENT__EVENTS_RESPONSE__INIT;
	Agent__Event event = AGENT__EVENT__INIT;
	Wire__Any any = WIRE__ANY__INIT;
	Agent__Event *list[4096];

	(void)self;
	(void)request;
	any.value.data = nonsense;
	any.value.len = sizeof(nonsense);
	event.topic = (char *)"/tasks/oom";
	event.event = &any;
	for (size_t i = 0; i < BH_ARRAY_SIZE(list); i++)
		list[i] = &event;
	a.n_events = BH_ARRAY_SIZE(list);
	a.events = list;
	bh_rpc_reply(call, &a.base);
}

static void lie_stats(void *self, struct bh_rpc_call *call, const void *request)
{
	static char text[] = "{}}\n{\"type\":\"oom\",\"id\":\"forged\"}\n";
	Agent__StatsResponse a = AGENT__STATS_RESPONSE__INIT;

	(void)self;
	(void)request;
	a.json.data = (uint8_t *)text;
	a.json.len = strlen(text);
	bh_rpc_reply(call, &a.base);
}

static void lie_processes(void *self, struct bh_rpc_call *call, const void *request)
{
	Agent__ProcessesResponse a = AGENT__PROCESSES_RESPONSE__INIT;
	Agent__Process p = AGENT__PROCESS__INIT, *list[] = { &p };

	(void)self;
	(void)request;
	p.user = p.command = (char *)"\033[2Jforged\nline";
	a.n_processes = 1;
	a.processes = list;
	bh_rpc_reply(call, &a.base);
}

static void lie_kill(void *self, struct bh_rpc_call *call, const void *request)
{
	(void)self;
	(void)request;
	bh_rpc_fail(call, (enum bh_rpc_code)1000, "\033[2J\302\2332J\377forged\nline");
}

/* ---- the tables ---- */

#define AGENT_METHOD(name, descriptor, lie)                   \
	{                                                     \
		name, &agent__##descriptor##__descriptor, lie \
	}
#define TASK_METHOD(name, descriptor, lie)                   \
	{                                                    \
		name, &task__##descriptor##__descriptor, lie \
	}

static const struct bh_rpc_method agent_methods[] = {
	AGENT_METHOD("Hello", hello_request, lie_hello),
	AGENT_METHOD("Network", network_request, answer_nothing),
	AGENT_METHOD("Prepare", prepare_request, lie_prepare),
	AGENT_METHOD("Release", release_request, answer_nothing),
	AGENT_METHOD("Events", events_request, lie_events),
	AGENT_METHOD("Figures", figures_request, answer_nothing),
	AGENT_METHOD("Processes", processes_request, lie_processes),
	AGENT_METHOD("Stats", stats_request, lie_stats),
};
static const struct bh_rpc_method task_methods[] = {
	TASK_METHOD("Create", create_request, lie_create),
	TASK_METHOD("Start", start_request, answer_nothing),
	TASK_METHOD("Exec", exec_request, answer_nothing),
	TASK_METHOD("Wait", wait_request, lie_wait),
	TASK_METHOD("Kill", kill_request, lie_kill),
	TASK_METHOD("Delete", delete_request, answer_nothing),
	TASK_METHOD("Pids", pids_request, answer_nothing),
};

static void copy_methods(struct bh_rpc_method *to, const struct bh_rpc_method *from, size_t n,
			 void (*fn)(void *self, struct bh_rpc_call *call, const void *request))
{
	for (size_t i = 0; i < n; i++) {
		to[i] = from[i];
		if (fn)
			to[i].fn = fn;
	}
}

static void serve(int fd)
{
	static const char *const agent_names[] = { "bulkhead.agent.v1.Agent", NULL };
	static const char *const task_names[] = { "containerd.task.v2.Task", NULL };
	static struct bh_rpc_method agent[BH_ARRAY_SIZE(agent_methods)];
	static struct bh_rpc_method task[BH_ARRAY_SIZE(task_methods)];
	const struct bh_rpc_service services[] = {
		{ .names = agent_names, .methods = agent, .n_methods = BH_ARRAY_SIZE(agent) },
		{ .names = task_names, .methods = task, .n_methods = BH_ARRAY_SIZE(task) },
	};
	void (*fn)(void *, struct bh_rpc_call *, const void *) = NULL;
	struct bh_rpc_server *server;
	struct bh_err err = BH_ERR_INIT;

	if (!strcmp(mode, "mute"))
		fn = do_nothing;
	else if (!strcmp(mode, "empty"))
		fn = answer_nothing;
	copy_methods(agent, agent_methods, BH_ARRAY_SIZE(agent), fn);
	copy_methods(task, task_methods, BH_ARRAY_SIZE(task), fn);
	if (bh_rpc_serve(&loop, fd, services, BH_ARRAY_SIZE(services), NULL, NULL, &server, &err) <
	    0)
		bh_boot_fail(&err);
}

static void on_stream(void *arg, enum bh_stream_kind kind, uint32_t token, int fd)
{
	static const char garbage[] = "HTTP/1.1 400 Bad Request\r\nServer: hostile\r\n\r\n";

	(void)arg;
	(void)token;
	if (kind == BH_STREAM_STDIO)
		return; /* stays open, and nobody reads it */
	if (strcmp(mode, "garbage") != 0)
		serve(fd);
	else if (write(fd, garbage, sizeof(garbage)) < 0)
		printf("hostile: %m\n");
}

static void on_dead(void *arg, const struct bh_err *why)
{
	(void)arg;
	bh_boot_fail(why);
}

static void do_calls(void)
{
	struct bh_link *link;
	struct bh_err err = BH_ERR_INIT;

	if (bh_loop_init(&loop, &err) == 0 &&
	    bh_link_listen(&loop, on_stream, on_dead, NULL, &link, &err) == 0)
		(void)!bh_loop_run(&loop, &err);
	bh_boot_fail(&err);
}

/* ---- all of it ------------------------------------------------------------------------------- */

static void do_silent(void)
{
	forever();
}

static void do_exit(void)
{
	printf("hostile: I leave\n");
	fflush(stdout);
	_exit(3);
}

static void do_console(void)
{
	for (;;)
		printf("\033[31mhostile\033[0m: this line is one of very, very many\n");
}

static const struct {
	const char *name;
	void (*fn)(void);
} modes[] = {
	{ "silent", do_silent }, { "exit", do_exit },     { "console", do_console },
	{ "bytes", do_bytes },   { "frames", do_frames }, { "greeting", do_greeting },
	{ "credit", do_credit }, { "garbage", do_calls }, { "mute", do_calls },
	{ "empty", do_calls },   { "lies", do_calls },
};

static void read_mode(void)
{
	static const char word[] = "hostile=";
	struct bh_err err = BH_ERR_INIT;
	char *line = NULL, *at;

	if (bh_path_read(AT_FDCWD, "/proc/cmdline", BH_PATH_HOST, 4096, &line, NULL, &err) < 0)
		bh_boot_fail(&err);
	at = strstr(line, word);
	if (!at)
		return;
	at += strlen(word);
	at[strcspn(at, " \n")] = '\0';
	mode = at;
}

int main(void)
{
	struct bh_modules later = BH_MODULES_INIT;
	struct bh_err err = BH_ERR_INIT;

	if (getpid() != 1)
		return 1;
	if (bh_boot_console(&err) < 0 || bh_boot(&later, &err) < 0)
		bh_boot_fail(&err);
	setvbuf(stdout, NULL, _IOLBF, 0);
	read_mode();
	for (size_t i = 0; i < BH_ARRAY_SIZE(modes); i++)
		if (!strcmp(modes[i].name, mode))
			modes[i].fn();
	printf("hostile: no such mode: '%s'\n", mode);
	return 1;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent-cases SOCKET: calls the agent of a running micro-VM over its serial port, case by case, and
 * tells what came of each on standard output: `ok NAME`, or `not ok NAME: REASON`; figures are told
 * as `# NAME VALUE`. A case builds on those before it. agent.bats starts the machine.
 *
 * The machine has: disks 1 and 2 with a root file system on ext4 (2 is read-only), 3 with text, 4
 * and 5 with the same XFS, 6 with a root on EROFS; the shared directory with "rootfs" and "hello";
 * an interface with MAC.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "base/buf.h"
#include "loop/fiber.h"
#include "loop/loop.h"
#include "rpc/agent.pb-c.h"
#include "rpc/guest.h"
#include "rpc/link.h"
#include "rpc/rpc.h"
#include "rpc/task.pb-c.h"

#define AGENT   "bulkhead.agent.v1.Agent"
#define TASK    "containerd.task.v2.Task"
#define CALL_MS 60000
#define BOOT_MS 60000
#define MANY    100

static struct {
	struct bh_loop loop;
	struct bh_link *link;
	struct bh_rpc_client *client;
	uint32_t token;
	long long started; /* ms: about when the machine was */
	jmp_buf failed;
	char reason[2048];
	struct bh_buf events; /* "TOPIC ID" a line */
} t = { .loop = { .fd = -1 } };

/* Ends the case that runs. */
static _Noreturn void bh_printf(1, 2) fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(t.reason, sizeof(t.reason), fmt, ap);
	va_end(ap);
	longjmp(t.failed, 1);
}

#define CHECK(what)                                                   \
	do {                                                          \
		if (!(what))                                          \
			fail("%s:%d: %s", __func__, __LINE__, #what); \
	} while (0)

static long long milliseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- calls ----------------------------------------------------------------------------------- */

/* Return: 0 or -errno with the agent's words in @err */
static int try_call(const char *service, const char *method, const void *request,
		    const ProtobufCMessageDescriptor *type, void *ret, struct bh_err *err)
{
	*err = BH_ERR_INIT;
	return bh_rpc_call_wait(t.client, service, method, request, CALL_MS, type, ret, err);
}

/* Return: the answer, to be freed; NULL when @type is NULL. A failure ends the case. */
static void *call(const char *service, const char *method, const void *request,
		  const ProtobufCMessageDescriptor *type)
{
	char text[2048];
	struct bh_err err;
	void *ret = NULL;

	if (try_call(service, method, request, type, type ? &ret : NULL, &err) < 0)
		fail("%s: %s", method, bh_err_format(&err, text, sizeof(text)));
	return ret;
}

static void release(void *message)
{
	protobuf_c_message_free_unpacked(message, NULL);
}

/* What @method fails with must say @words. */
static void refused(const char *service, const char *method, const void *request, const char *words)
{
	struct bh_err err;

	if (try_call(service, method, request, NULL, NULL, &err) == 0)
		fail("%s was not refused", method);
	if (!strstr(err.text, words))
		fail("%s: '%s' does not say '%s'", method, err.text, words);
}

static void on_events(void *arg, const struct bh_rpc_answer *answer);

static void poll_events(void)
{
	struct bh_err err = BH_ERR_INIT;

	if (bh_rpc_call(t.client, AGENT, "Events", NULL, 0, on_events, NULL, &err) < 0)
		bh_buf_puts(&t.events, "broken\n");
}

static void on_events(void *arg, const struct bh_rpc_answer *answer)
{
	Agent__EventsResponse *r;

	(void)arg;
	if (answer->code != BH_RPC_OK)
		return;
	r = agent__events_response__unpack(NULL, answer->len, answer->data);
	for (size_t i = 0; r && i < r->n_events; i++) {
		/* Of all of them the container's id is the first field, or none is wanted. */
		Task__TaskOOM *e = task__task_oom__unpack(NULL, r->events[i]->event->value.len,
							  r->events[i]->event->value.data);

		bh_buf_printf(&t.events, "%s %s\n", r->events[i]->topic, e ? e->container_id : "?");
		if (e)
			task__task_oom__free_unpacked(e, NULL);
	}
	if (r)
		agent__events_response__free_unpacked(r, NULL);
	poll_events();
}

static void await_event(const char *line)
{
	for (int i = 0; i < 100; i++) {
		struct bh_err err = BH_ERR_INIT;

		if (strstr(bh_buf_str(&t.events), line))
			return;
		if (bh_fiber_sleep(&t.loop, 50, &err) < 0)
			break;
	}
	fail("no event '%s' among:\n%s", line, bh_buf_str(&t.events));
}

/* ---- containers ------------------------------------------------------------------------------ */

struct container {
	const char *id;
	const char *shell;  /* what sh -c is to run */
	const char *root;   /* of the document; NULL = "rootfs" */
	const char *extra;  /* members of the document's linux, "" or ending with a comma */
	const char *mounts; /* more mounts, "" or beginning with a comma */
	Agent__Storage *storages[4];
	bool terminal, host_pid;
	/* outcome */
	struct bh_buf out;
	uint32_t status;
};

static char *document(const struct container *c)
{
	bh_auto_buf struct bh_buf doc = BH_BUF_INIT;

	bh_buf_printf(&doc,
		      "{\"ociVersion\":\"1.1.0\",\"process\":{\"terminal\":%s,\"cwd\":\"/\","
		      "\"env\":[\"PATH=/bin:/sbin:/usr/bin:/usr/sbin\"],\"args\":[\"/bin/sh\","
		      "\"-c\",",
		      c->terminal ? "true" : "false");
	bh_buf_json_string(&doc, c->shell);
	bh_buf_printf(
		&doc,
		"],\"noNewPrivileges\":true},\"root\":{\"path\":\"%s\"},\"hostname\":\"%s\","
		"\"mounts\":[{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\"},"
		"{\"destination\":\"/dev\",\"type\":\"tmpfs\",\"source\":\"tmpfs\","
		"\"options\":[\"mode=755\"]},"
		"{\"destination\":\"/dev/pts\",\"type\":\"devpts\",\"source\":\"devpts\","
		"\"options\":[\"newinstance\",\"ptmxmode=0666\",\"mode=0620\"]}%s],"
		"\"linux\":{%s\"cgroupsPath\":\"/pod/%s\",\"namespaces\":[%s"
		"{\"type\":\"mount\"},{\"type\":\"uts\"},{\"type\":\"ipc\"},{\"type\":\"cgroup\"}]"
		"}}",
		c->root ? c->root : "rootfs", c->id, c->mounts ? c->mounts : "",
		c->extra ? c->extra : "", c->id, c->host_pid ? "" : "{\"type\":\"pid\"},");
	return strdup(bh_buf_str(&doc));
}

static char *prepare(const struct container *c)
{
	Agent__PrepareRequest request = AGENT__PREPARE_REQUEST__INIT;
	Agent__PrepareResponse *response;
	bh_auto_free char *doc = document(c);
	char *bundle;

	request.id = (char *)c->id;
	request.config = (ProtobufCBinaryData){ .len = strlen(doc), .data = (uint8_t *)doc };
	request.storages = (Agent__Storage **)c->storages;
	while (request.n_storages < BH_ARRAY_SIZE(c->storages) && c->storages[request.n_storages])
		request.n_storages++;
	response = call(AGENT, "Prepare", &request, &agent__prepare_response__descriptor);
	bundle = strdup(response->bundle);
	release(response);
	return bundle;
}

/* Return: the host's end of a new stream, its URI in @uri */
static int open_stream(char uri[32])
{
	struct bh_err err = BH_ERR_INIT;
	uint32_t token = ++t.token;
	int fd = bh_link_open(t.link, BH_STREAM_STDIO, token, &err);

	if (fd < 0)
		fail("open a stream: %s", err.text);
	snprintf(uri, 32, BH_STREAM_URI "%u", token);
	return fd;
}

/* All that comes until the end of the stream. */
static void read_all(int fd, struct bh_buf *out)
{
	char chunk[4096];

	for (int idle = 0; idle < 3000; idle++) {
		struct bh_err err = BH_ERR_INIT;
		ssize_t n = read(fd, chunk, sizeof(chunk));

		if (n == 0)
			break;
		if (n > 0) {
			bh_buf_add(out, chunk, (size_t)n);
			idle = 0;
			continue;
		}
		if (errno != EAGAIN || bh_fiber_sleep(&t.loop, 10, &err) < 0)
			break;
	}
	close(fd);
}

static void await_text(int fd, const char *text)
{
	bh_auto_buf struct bh_buf seen = BH_BUF_INIT;
	struct bh_err err = BH_ERR_INIT;
	char chunk[256];

	for (int i = 0; i < 3000 && !strstr(bh_buf_str(&seen), text); i++) {
		ssize_t n = read(fd, chunk, sizeof(chunk));

		if (n > 0)
			bh_buf_add(&seen, chunk, (size_t)n);
		else if (n == 0 || bh_fiber_sleep(&t.loop, 10, &err) < 0)
			break;
	}
	if (!strstr(bh_buf_str(&seen), text))
		fail("no '%s' in '%s'", text, bh_buf_str(&seen));
}

static void create(struct container *c, const char *in, int *out)
{
	Task__CreateRequest request = TASK__CREATE_REQUEST__INIT;
	bh_auto_free char *bundle = prepare(c);
	char uris[2][32] = { "", "" };

	request.id = (char *)c->id;
	request.bundle = bundle;
	request.terminal = c->terminal;
	if (in) {
		int fd = open_stream(uris[0]);

		CHECK(write(fd, in, strlen(in)) == (ssize_t)strlen(in));
		shutdown(fd, SHUT_WR);
		close(fd);
	}
	*out = open_stream(uris[1]);
	request.stdin = uris[0];
	request.stdout = uris[1];
	release(call(TASK, "Create", &request, &task__create_response__descriptor));
}

static void start(const char *id, const char *exec_id)
{
	Task__StartRequest request = TASK__START_REQUEST__INIT;

	request.id = (char *)id;
	request.exec_id = (char *)exec_id;
	release(call(TASK, "Start", &request, &task__start_response__descriptor));
}

static uint32_t wait_for(const char *id, const char *exec_id)
{
	Task__WaitRequest request = TASK__WAIT_REQUEST__INIT;
	Task__WaitResponse *response;
	uint32_t status;

	request.id = (char *)id;
	request.exec_id = (char *)exec_id;
	response = call(TASK, "Wait", &request, &task__wait_response__descriptor);
	status = response->exit_status;
	release(response);
	return status;
}

static void delete (const char *id, const char *exec_id)
{
	Task__DeleteRequest request = TASK__DELETE_REQUEST__INIT;

	request.id = (char *)id;
	request.exec_id = (char *)exec_id;
	release(call(TASK, "Delete", &request, &task__delete_response__descriptor));
}

static void kill_(const char *id, uint32_t sig)
{
	Task__KillRequest request = TASK__KILL_REQUEST__INIT;

	request.id = (char *)id;
	request.signal = sig;
	call(TASK, "Kill", &request, NULL);
}

/* From its bundle to its end. */
static void run(struct container *c, const char *in)
{
	int out;

	create(c, in, &out);
	start(c->id, "");
	read_all(out, &c->out);
	c->status = wait_for(c->id, "");
	delete (c->id, "");
}

static void expect(struct container *c, uint32_t status, const char *out)
{
	if (c->status != status || strcmp(bh_buf_str(&c->out), out))
		fail("status %u, output '%s' instead of %u, '%s'", c->status, bh_buf_str(&c->out),
		     status, out);
	bh_buf_deinit(&c->out);
}

static Agent__Storage storage(const char *driver, const char *source, const char *target)
{
	Agent__Storage s = AGENT__STORAGE__INIT;

	s.driver = (char *)driver;
	s.source = (char *)source;
	s.target = (char *)target;
	s.device = -1;
	return s;
}

static Agent__FiguresResponse *figures(void)
{
	return call(AGENT, "Figures", NULL, &agent__figures_response__descriptor);
}

#define ROOTFS(id) BH_GUEST_BUNDLE_DIR "/" id "/rootfs"

/* ---- cases ----------------------------------------------------------------------------------- */

static void hello_of_another_version(void)
{
	Agent__HelloRequest request = AGENT__HELLO_REQUEST__INIT;

	request.version = (char *)"0.0.0";
	refused(AGENT, "Hello", &request, "its caller version 0.0.0: they must be the same");
}

static void hello(void)
{
	Agent__HelloRequest request = AGENT__HELLO_REQUEST__INIT;
	Wire__Timestamp now = WIRE__TIMESTAMP__INIT;
	uint8_t entropy[64] = { 1, 2, 3 };
	Agent__HelloResponse *r;
	bool ext4 = false;

	now.seconds = time(NULL);
	request.version = (char *)BH_VERSION;
	request.now = &now;
	request.entropy = (ProtobufCBinaryData){ .len = sizeof(entropy), .data = entropy };
	request.hostname = (char *)"pod-1";
	request.resolv_conf = (char *)"nameserver 192.0.2.53\n";
	r = call(AGENT, "Hello", &request, &agent__hello_response__descriptor);
	for (size_t i = 0; i < r->n_filesystems; i++)
		ext4 |= !strcmp(r->filesystems[i], "ext4");
	CHECK(!strcmp(r->version, BH_VERSION) && r->kernel[0] && strlen(r->boot_id) == 36);
	CHECK(r->memory > 64 << 20 && r->cpus >= 1 && ext4);
	printf("# hello_ms %lld\n", milliseconds() - t.started);
	release(r);
	poll_events();
}

static void a_container_on_a_disk(void)
{
	Agent__Storage root = storage("disk", "1", ROOTFS("disk"));
	struct container c = { .id = "disk",
			       .shell = "read x; echo got $x; hostname; cat /proc/1/comm; exit 7",
			       .storages = { &root } };

	run(&c, "input\n");
	expect(&c, 7, "got input\ndisk\nsh\n");
}

static void a_second_container_on_the_same_disk(void)
{
	Agent__Storage root = storage("disk", "1", ROOTFS("again"));
	struct container c = { .id = "again", .shell = "echo here", .storages = { &root } };

	run(&c, NULL);
	expect(&c, 0, "here\n");
}

static void the_clock_is_the_hosts(void)
{
	Agent__Storage root = storage("disk", "1", ROOTFS("clock"));
	struct container c = { .id = "clock", .shell = "date +%s", .storages = { &root } };
	long long seen;

	run(&c, NULL);
	seen = strtoll(bh_buf_str(&c.out), NULL, 10);
	bh_buf_deinit(&c.out);
	if (seen < time(NULL) - 60 || seen > time(NULL) + 5)
		fail("%lld instead of %lld", seen, (long long)time(NULL));
}

static void names_are_set(void)
{
	Agent__Storage root = storage("disk", "1", ROOTFS("names"));
	struct container c = {
		.id = "names",
		.shell = "cat /etc/resolv.conf",
		.storages = { &root },
		.mounts = ",{\"destination\":\"/etc/resolv.conf\",\"type\":\"bind\",\"source\":"
			  "\"" BH_GUEST_RESOLV_CONF "\",\"options\":[\"bind\",\"ro\"]}",
	};

	run(&c, NULL);
	expect(&c, 0, "nameserver 192.0.2.53\n");
}

static void a_readonly_image(void)
{
	Agent__Storage root = storage("disk", "2", ROOTFS("image"));
	char *ro[] = { (char *)"ro" };
	struct container c = { .id = "image",
			       .shell = "touch /x 2>/dev/null || echo readonly",
			       .storages = { &root } };

	root.options = ro;
	root.n_options = 1;
	run(&c, NULL);
	expect(&c, 0, "readonly\n");
}

/* The document has some other host's numbers; rules follow the device. */
static void a_raw_disk_is_a_device(void)
{
	Agent__Storage root = storage("disk", "1", ROOTFS("raw"));
	Agent__Storage raw = storage("disk", "3", "");
	struct container c = {
		.id = "raw",
		.shell = "head -c 8 /dev/data; echo; cat /dev/other 2>&1 | grep -c permitted",
		.storages = { &root, &raw },
		.extra = "\"devices\":[{\"path\":\"/dev/data\",\"type\":\"b\",\"major\":253,"
			 "\"minor\":7},{\"path\":\"/dev/other\",\"type\":\"b\",\"major\":253,"
			 "\"minor\":9}],\"resources\":{\"devices\":[{\"allow\":false,\"access\":"
			 "\"rwm\"},{\"allow\":true,\"type\":\"b\",\"major\":253,\"minor\":7,"
			 "\"access\":\"r\"}]},",
	};

	raw.fstype = (char *)"none";
	raw.device = 0;
	run(&c, NULL);
	expect(&c, 0, "raw disk\n1\n");
}

static void a_disk_that_is_not_there(void)
{
	Agent__PrepareRequest request = AGENT__PREPARE_REQUEST__INIT;
	Agent__Storage none = storage("disk", "77", ROOTFS("none")), *storages[] = { &none };

	request.id = (char *)"none";
	request.n_storages = 1;
	request.storages = storages;
	refused(AGENT, "Prepare", &request, "no disk on SCSI target 77 within");
}

static void a_target_outside_is_refused(void)
{
	Agent__PrepareRequest request = AGENT__PREPARE_REQUEST__INIT;
	Agent__Storage bad = storage("tmpfs", "", "/etc"), *storages[] = { &bad };

	request.id = (char *)"bad";
	request.n_storages = 1;
	request.storages = storages;
	refused(AGENT, "Prepare", &request, "target '/etc' is not below");
	request.id = (char *)"../bad";
	refused(AGENT, "Prepare", &request, "");
}

/* Found by their superblocks, with the same UUID in both. */
static void two_snapshots_of_one_xfs(void)
{
	Agent__Storage root = storage("disk", "1", ROOTFS("xfs"));
	Agent__Storage one = storage("disk", "4", BH_GUEST_STORAGE_DIR "/xfs/0");
	Agent__Storage two = storage("disk", "5", BH_GUEST_STORAGE_DIR "/xfs/1");
	struct container c = {
		.id = "xfs",
		.shell = "grep -c ' xfs ' /proc/mounts; echo 1 >/mnt/x; ls /tmp | wc -l",
		.storages = { &root, &one, &two },
		.mounts = ",{\"destination\":\"/mnt\",\"type\":\"bind\",\"source\":"
			  "\"" BH_GUEST_STORAGE_DIR "/xfs/0\",\"options\":[\"bind\"]},"
			  "{\"destination\":\"/tmp\",\"type\":\"bind\",\"source\":"
			  "\"" BH_GUEST_STORAGE_DIR "/xfs/1\",\"options\":[\"bind\"]}",
	};

	run(&c, NULL);
	expect(&c, 0, "2\n0\n");
}

static void a_root_on_erofs(void)
{
	Agent__Storage root = storage("disk", "6", ROOTFS("erofs"));
	char *ro[] = { (char *)"ro" };
	struct container c = { .id = "erofs",
			       .shell = "grep -c ' / erofs ' /proc/mounts",
			       .storages = { &root } };

	root.options = ro;
	root.n_options = 1;
	run(&c, NULL);
	expect(&c, 0, "1\n");
}

/* Undone without a container, as often as it is asked for; meanwhile the id is taken. */
static void a_bundle_is_released(void)
{
	Agent__Storage root = storage("disk", "1", ROOTFS("given-up"));
	struct container c = { .id = "given-up", .shell = "true", .storages = { &root } };
	Agent__ReleaseRequest request = AGENT__RELEASE_REQUEST__INIT;
	Agent__PrepareRequest again = AGENT__PREPARE_REQUEST__INIT;

	request.id = again.id = (char *)c.id;
	for (int i = 0; i < 2; i++) {
		free(prepare(&c));
		refused(AGENT, "Prepare", &again, "a bundle for given-up exists");
		call(AGENT, "Release", &request, NULL);
		call(AGENT, "Release", &request, NULL);
	}
}

/* Two containers, one /dev/shm; a tmpfs of a container's own. */
static void memory_file_systems(void)
{
	Agent__Storage root = storage("disk", "2", ROOTFS("shm1"));
	Agent__Storage shm = storage("tmpfs", "shm", BH_GUEST_SHM);
	Agent__Storage own = storage("tmpfs", "scratch", BH_GUEST_STORAGE_DIR "/shm1/0");
	char *small[] = { (char *)"size=1m", (char *)"mode=1777" }, *ro[] = { (char *)"ro" };
	struct container c = {
		.id = "shm1",
		.shell = "echo shared >/dev/shm/x && df -k /tmp | tail -1 | awk '{print $2}'",
		.storages = { &root, &shm, &own },
		.mounts = ",{\"destination\":\"/dev/shm\",\"type\":\"bind\",\"source\":"
			  "\"" BH_GUEST_SHM "\",\"options\":[\"bind\"]},"
			  "{\"destination\":\"/tmp\",\"type\":\"bind\",\"source\":"
			  "\"" BH_GUEST_STORAGE_DIR "/shm1/0\",\"options\":[\"bind\"]}",
	};

	root.options = ro;
	root.n_options = 1;
	shm.options = own.options = small;
	shm.n_options = own.n_options = 2;
	run(&c, NULL);
	expect(&c, 0, "1024\n");
	root.target = (char *)ROOTFS("shm2");
	c = (struct container){
		.id = "shm2",
		.shell = "cat /dev/shm/x",
		.storages = { &root, &shm },
		.mounts = ",{\"destination\":\"/dev/shm\",\"type\":\"bind\",\"source\":"
			  "\"" BH_GUEST_SHM "\",\"options\":[\"bind\"]}",
	};
	run(&c, NULL);
	expect(&c, 0, "shared\n");
}

static void the_shared_directory(void)
{
	Agent__Storage file = storage("share", "hello", BH_GUEST_STORAGE_DIR "/share/0");
	char *ro[] = { (char *)"ro" };
	struct container c = {
		.id = "share",
		.shell = "cat /hello; echo x >/hello 2>/dev/null || echo readonly",
		.root = BH_SHARE_GUEST_DIR "/rootfs",
		.storages = { &file },
		.mounts = ",{\"destination\":\"/hello\",\"type\":\"bind\",\"source\":"
			  "\"" BH_GUEST_STORAGE_DIR "/share/0\",\"options\":[\"bind\"]}",
	};

	file.options = ro;
	file.n_options = 1;
	run(&c, NULL);
	expect(&c, 0, "from the host\nreadonly\n");
}

static void exec(const char *id, const char *exec_id, const char *shell, bool terminal,
		 struct bh_buf *out, uint32_t *status)
{
	Task__ExecRequest request = TASK__EXEC_REQUEST__INIT;
	bh_auto_buf struct bh_buf doc = BH_BUF_INIT;
	Wire__Any spec = WIRE__ANY__INIT;
	char uri[32];
	int fd = open_stream(uri);

	bh_buf_printf(&doc,
		      "{\"terminal\":%s,\"cwd\":\"/\",\"env\":[\"PATH=/bin:/usr/bin\"],"
		      "\"args\":[\"/bin/sh\",\"-c\",",
		      terminal ? "true" : "false");
	bh_buf_json_string(&doc, shell);
	bh_buf_puts(&doc, "]}");
	spec.type_url = (char *)"types.containerd.io/opencontainers/runtime-spec/1/Process";
	spec.value = (ProtobufCBinaryData){ .len = doc.len, .data = (uint8_t *)doc.data };
	request.id = (char *)id;
	request.exec_id = (char *)exec_id;
	request.terminal = terminal;
	request.stdout = uri;
	if (!terminal)
		request.stderr = uri;
	request.spec = &spec;
	call(TASK, "Exec", &request, NULL);
	start(id, exec_id);
	read_all(fd, out);
	*status = wait_for(id, exec_id);
	delete (id, exec_id);
}

static void processes_beside_the_first(void)
{
	Agent__Storage root = storage("disk", "1", ROOTFS("exec"));
	struct container c = { .id = "exec", .shell = "sleep 1000", .storages = { &root } };
	bh_auto_buf struct bh_buf out = BH_BUF_INIT;
	Agent__ProcessesRequest asked = AGENT__PROCESSES_REQUEST__INIT;
	Agent__ProcessesResponse *rows;
	uint32_t status;
	int fd;

	create(&c, NULL, &fd);
	start(c.id, "");
	exec(c.id, "e1", "echo out; echo err >&2; exit 3", false, &out, &status);
	if (status != 3 || strcmp(bh_buf_str(&out), "out\nerr\n"))
		fail("status %u, output '%s'", status, bh_buf_str(&out));
	bh_buf_deinit(&out);
	exec(c.id, "e2", "tty; stty size | tr ' ' x", true, &out, &status);
	if (status || !strstr(bh_buf_str(&out), "/dev/pts/0"))
		fail("terminal: status %u, output '%s'", status, bh_buf_str(&out));
	asked.id = (char *)c.id;
	rows = call(AGENT, "Processes", &asked, &agent__processes_response__descriptor);
	CHECK(rows->n_processes >= 1 && !strcmp(rows->processes[0]->user, "root"));
	CHECK(!strcmp(rows->processes[0]->command, "/bin/sh -c sleep 1000") ||
	      !strcmp(rows->processes[0]->command, "sleep 1000"));
	release(rows);
	kill_(c.id, 9);
	CHECK(wait_for(c.id, "") == 137);
	close(fd);
	delete (c.id, "");
	/* Starts and ends are answers to who asked, not events. */
	CHECK(!strstr(bh_buf_str(&t.events), "/tasks/exit"));
}

static void figures_of_a_container(void)
{
	Agent__Storage root = storage("disk", "1", ROOTFS("stats"));
	struct container c = { .id = "stats", .shell = "sleep 1000", .storages = { &root } };
	Agent__StatsRequest asked = AGENT__STATS_REQUEST__INIT;
	Agent__StatsResponse *stats;
	bh_auto_free char *text = NULL;
	int fd;

	create(&c, NULL, &fd);
	start(c.id, "");
	asked.id = (char *)c.id;
	stats = call(AGENT, "Stats", &asked, &agent__stats_response__descriptor);
	text = strndup((char *)stats->json.data, stats->json.len);
	release(stats);
	kill_(c.id, 9);
	wait_for(c.id, "");
	close(fd);
	delete (c.id, "");
	if (!strstr(text, "\"memory\":{") || !strstr(text, "\"network_interfaces\":[{\"Name\":"))
		fail("%s", text);
	refused(AGENT, "Stats", &asked, "does not exist");
}

static void memory_that_runs_out(void)
{
	Agent__Storage root = storage("disk", "1", ROOTFS("oom"));
	struct container c = {
		.id = "oom",
		.shell = "x=$(head -c 64m /dev/zero | tr '\\0' x); echo ${#x}",
		.storages = { &root },
		.extra = "\"resources\":{\"memory\":{\"limit\":16777216,\"swap\":16777216}},",
	};

	run(&c, NULL);
	bh_buf_deinit(&c.out);
	CHECK(c.status == 137 || c.status == 1 || c.status == 2);
	await_event("/tasks/oom oom");
}

static void set_address(Agent__Address *a, uint8_t *bytes, int family, const char *text, int prefix)
{
	agent__address__init(a);
	inet_pton(family, text, bytes);
	a->ip = (ProtobufCBinaryData){ .len = family == AF_INET ? 4 : 16, .data = bytes };
	a->prefix = (uint32_t)prefix;
}

static void the_network(void)
{
	uint8_t mac[6] = { 2, 0, 0, 0, 0, 1 }, v4[16], v6[16], gateway[4], far_gateway[4], dst[4];
	uint8_t neighbour_ip[4], neighbour_mac[6] = { 2, 0, 0, 0, 0, 99 };
	Agent__NetworkRequest request = AGENT__NETWORK_REQUEST__INIT;
	Agent__Interface interface = AGENT__INTERFACE__INIT, *interfaces[] = { &interface };
	Agent__Address a[2], *addresses[] = { &a[0], &a[1] };
	Agent__Route routes[3], *route_list[] = { &routes[0], &routes[1], &routes[2] };
	Agent__Neighbour neighbour = AGENT__NEIGHBOUR__INIT, *neighbours[] = { &neighbour };
	Agent__Storage root = storage("disk", "1", ROOTFS("net"));
	struct container c = {
		.id = "net",
		.shell = "ip -o addr show dev net0 | awk '{print $4}'; cat /sys/class/net/net0/mtu "
			 "2>/dev/null; ip route; ip neigh show nud permanent dev net0 | "
			 "sed 's/ used .* probes [0-9]*//'",
		.storages = { &root },
		.mounts = ",{\"destination\":\"/sys\",\"type\":\"bind\",\"source\":\"/sys\","
			  "\"options\":[\"rbind\",\"ro\"]}",
	};

	interface.name = (char *)"net0";
	interface.mac = (ProtobufCBinaryData){ .len = 6, .data = mac };
	interface.mtu = 1400;
	interface.no_link_local = true;
	interface.addresses = addresses;
	interface.n_addresses = 2;
	set_address(&a[0], v4, AF_INET, "10.9.0.2", 32);
	set_address(&a[1], v6, AF_INET6, "fd00:9::2", 64);
	/* The worst order: default by a gateway that the last route makes reachable. */
	for (int i = 0; i < 3; i++) {
		agent__route__init(&routes[i]);
		routes[i].family = AF_INET;
		routes[i].device = (char *)"net0";
	}
	inet_pton(AF_INET, "10.9.0.1", gateway);
	routes[0].gateway = (ProtobufCBinaryData){ .len = 4, .data = gateway };
	inet_pton(AF_INET, "10.8.0.0", dst);
	inet_pton(AF_INET, "10.9.0.1", far_gateway);
	routes[1].destination = (ProtobufCBinaryData){ .len = 4, .data = dst };
	routes[1].prefix = 16;
	routes[1].gateway = (ProtobufCBinaryData){ .len = 4, .data = far_gateway };
	routes[2].destination = routes[0].gateway;
	routes[2].prefix = 32;
	routes[2].scope = 253;
	inet_pton(AF_INET, "10.9.0.1", neighbour_ip);
	neighbour.ip = (ProtobufCBinaryData){ .len = 4, .data = neighbour_ip };
	neighbour.mac = (ProtobufCBinaryData){ .len = 6, .data = neighbour_mac };
	neighbour.device = (char *)"net0";
	request.interfaces = interfaces;
	request.n_interfaces = 1;
	request.routes = route_list;
	request.n_routes = 3;
	request.neighbours = neighbours;
	request.n_neighbours = 1;
	call(AGENT, "Network", &request, NULL);
	call(AGENT, "Network", &request, NULL); /* twice is fine */
	run(&c, NULL);
	expect(&c, 0,
	       "10.9.0.2/32\nfd00:9::2/64\n1400\ndefault via 10.9.0.1 dev net0 \n"
	       "10.8.0.0/16 via 10.9.0.1 dev net0 \n10.9.0.1 dev net0 scope link \n"
	       "10.9.0.1 lladdr 02:00:00:00:00:63 PERMANENT\n");
	request.n_interfaces = request.n_neighbours = 0;
	inet_pton(AF_INET, "203.0.113.9", far_gateway);
	refused(AGENT, "Network", &request,
		"interface 'net0': route to 10.8.0.0: Nexthop has invalid gateway");
}

/* What a container sees of the agent: no descriptor, no file that it could write. */
static void nothing_of_the_agent_leaks(void)
{
	Agent__Storage root = storage("disk", "1", ROOTFS("leak"));
	struct container c = {
		.id = "leak",
		.shell = "ls /proc/1/fd; cat /proc/1/oom_score_adj /proc/1/cgroup",
		.storages = { &root },
	};

	run(&c, NULL);
	expect(&c, 0, "0\n1\n2\n0\n0::/\n");
}

/* A container in the guest's own pid namespace, with all that root has: the worst there is. */
static void the_agents_file_cannot_be_written(void)
{
	Agent__Storage root = storage("disk", "1", ROOTFS("evil"));
	struct container c = {
		.id = "evil",
		.shell = "sleep 0.1; cat /host/1/comm; : >/host/1/exe && echo written; "
			 "mount -o remount,rw /host/1/root/ 2>/dev/null && echo remounted; true",
		.storages = { &root },
		.mounts = ",{\"destination\":\"/host\",\"type\":\"bind\",\"source\":\"/proc\","
			  "\"options\":[\"rbind\"]}",
	};

	run(&c, NULL);
	if (strstr(bh_buf_str(&c.out), "written"))
		fail("the agent's file was written");
	bh_buf_deinit(&c.out);
}

/* In the guest's own pid namespace: the agent is there as process 1. */
static void signals_are_not_heeded(void)
{
	Agent__Storage root = storage("disk", "1", ROOTFS("signals"));
	struct container c = {
		.id = "signals",
		.shell = "for s in SEGV BUS ILL FPE ABRT TERM INT HUP USR1 PIPE KILL; do "
			 "kill -$s 1; done; cat /proc/1/comm",
		.storages = { &root },
		.host_pid = true,
	};

	run(&c, NULL);
	expect(&c, 0, "init\n");
}

static void one_of_many(int i)
{
	Agent__Storage root = storage("disk", "2", NULL);
	char id[24], target[64], expected[64];
	struct container c = { .id = id,
			       .shell = "echo $HOSTNAME; hostname",
			       .storages = { &root } };
	char *ro[] = { (char *)"ro" };

	snprintf(id, sizeof(id), "many-%d", i);
	snprintf(target, sizeof(target), BH_GUEST_BUNDLE_DIR "/%s/rootfs", id);
	snprintf(expected, sizeof(expected), "%s\n%s\n", id, id);
	root.target = target;
	root.options = ro;
	root.n_options = 1;
	c.shell = "hostname; hostname";
	run(&c, NULL);
	expect(&c, 0, expected);
}

static void many_containers_leave_nothing(void)
{
	Agent__FiguresResponse *before, *after;
	int64_t lost, agent;

	for (int i = 0; i < 10; i++) /* caches fill */
		one_of_many(i);
	before = figures();
	for (int i = 10; i < 10 + MANY; i++)
		one_of_many(i);
	after = figures();
	lost = (int64_t)before->memory_available - (int64_t)after->memory_available;
	agent = (int64_t)after->agent_rss - (int64_t)before->agent_rss;
	printf("# agent_rss %llu\n", (unsigned long long)after->agent_rss);
	printf("# agent_cpu_usec %llu\n", (unsigned long long)after->agent_cpu_usec);
	printf("# memory_used %llu\n",
	       (unsigned long long)(after->memory_total - after->memory_available));
	printf("# lost_by_%d_containers %lld\n", MANY, (long long)lost);
	release(before);
	release(after);
	if (agent > 256 << 10 || lost > 4 << 20)
		fail("the agent grew by %lld bytes, the guest by %lld", (long long)agent,
		     (long long)lost);
}

/* What was written is on the disk: looked at by the caller once the machine is gone. */
static void stop(void)
{
	Agent__Storage root = storage("disk", "1", ROOTFS("last"));
	struct container c = { .id = "last",
			       .shell = "echo kept >/kept; echo written; sleep 1000",
			       .storages = { &root } };
	int fd;

	create(&c, NULL, &fd);
	start(c.id, "");
	await_text(fd, "written");
	call(AGENT, "Stop", NULL, NULL);
	close(fd);
}

static const struct {
	const char *name;
	void (*fn)(void);
} cases[] = {
	{ "hello_of_another_version", hello_of_another_version },
	{ "hello", hello },
	{ "a_container_on_a_disk", a_container_on_a_disk },
	{ "a_second_container_on_the_same_disk", a_second_container_on_the_same_disk },
	{ "the_clock_is_the_hosts", the_clock_is_the_hosts },
	{ "names_are_set", names_are_set },
	{ "a_readonly_image", a_readonly_image },
	{ "a_raw_disk_is_a_device", a_raw_disk_is_a_device },
	{ "a_disk_that_is_not_there", a_disk_that_is_not_there },
	{ "a_target_outside_is_refused", a_target_outside_is_refused },
	{ "a_bundle_is_released", a_bundle_is_released },
	{ "two_snapshots_of_one_xfs", two_snapshots_of_one_xfs },
	{ "a_root_on_erofs", a_root_on_erofs },
	{ "memory_file_systems", memory_file_systems },
	{ "the_shared_directory", the_shared_directory },
	{ "processes_beside_the_first", processes_beside_the_first },
	{ "the_network", the_network },
	{ "figures_of_a_container", figures_of_a_container },
	{ "memory_that_runs_out", memory_that_runs_out },
	{ "nothing_of_the_agent_leaks", nothing_of_the_agent_leaks },
	{ "the_agents_file_cannot_be_written", the_agents_file_cannot_be_written },
	{ "signals_are_not_heeded", signals_are_not_heeded },
	{ "many_containers_leave_nothing", many_containers_leave_nothing },
	{ "stop", stop },
};

/* ---- the machine ----------------------------------------------------------------------------- */

static void on_dead(void *arg, const struct bh_err *why)
{
	char text[2048];

	(void)arg;
	printf("not ok link: %s\n", bh_err_format(why, text, sizeof(text)));
	fflush(stdout);
	_exit(1);
}

static int connect_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		printf("not ok link: connect to %s: %s\n", path, strerror(errno));
		_exit(1);
	}
	return fd;
}

static int boot(const char *path, struct bh_err *err)
{
	int r = bh_loop_init(&t.loop, err), fd = -1;

	if (r == 0)
		r = bh_link_serial(&t.loop, connect_to(path), on_dead, NULL, &t.link, err);
	for (int ms = 0; r == 0 && (r = bh_link_ready(t.link, err)) == 0; ms += 5)
		r = ms < BOOT_MS ? bh_fiber_sleep(&t.loop, 5, err)
				 : bh_err_as(err, BH_ERR_PEER, -ETIMEDOUT, "no agent");
	if (r > 0)
		fd = bh_link_open(t.link, BH_STREAM_RPC, 0, err);
	if (fd < 0)
		return r < 0 ? r : fd;
	return bh_rpc_connect(&t.loop, fd, NULL, NULL, &t.client, err);
}

int main(int argc, char **argv)
{
	struct bh_err err = BH_ERR_INIT;
	char text[2048];
	volatile int bad = 0;

	t.started = milliseconds();
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc < 2 || boot(argv[1], &err) < 0) {
		printf("not ok link: %s\n", bh_err_format(&err, text, sizeof(text)));
		return 1;
	}
	/* volatile: longjmp(3) comes back here */
	for (volatile size_t i = 0; i < BH_ARRAY_SIZE(cases); i++) {
		if (setjmp(t.failed)) {
			printf("not ok %s: %s\n", cases[i].name, t.reason);
			bad = 1;
			continue;
		}
		cases[i].fn();
		printf("ok %s\n", cases[i].name);
	}
	t.client = bh_rpc_client_free(t.client);
	t.link = bh_link_free(t.link);
	bh_buf_deinit(&t.events);
	return bad;
}

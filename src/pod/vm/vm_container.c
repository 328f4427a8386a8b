/* SPDX-License-Identifier: Apache-2.0 */
/* Containers of a micro-VM pod and their processes, as this host knows them: what a process is,
 * whether it runs and how it ended is answered from here, however slow the guest may be. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/std_stream.h"
#include "container/hooks.h"
#include "container/state.h"
#include "loop/fiber.h"
#include "pod/vm/vm_pod.h"
#include "rpc/guest.h"
#include "task/logger.h"

/* Streams that nothing comes out of for so long have nothing more to tell of a process that ended.
 */
#define QUIET_MS      500
#define QUIET_POLL_MS 1
/* However much comes: what it left behind may write without end. */
#define DRAIN_MS       30000
#define RESIZE_POLL_MS 250

#define NULL_DEVICE      makedev(1, 3)
#define EXIT_STATUS_MASK 0xffU
#define NS_PER_S         1000000000
/* How far a guest's clock may be ahead before it is not believed. */
#define CLOCK_SKEW_MAX_S 3600

/* ---- finding --------------------------------------------------------------------------------- */

struct bh_vm_container *bh_vm_container_find(struct bh_vm_pod *pod, const char *id,
					     struct bh_err *err)
{
	for (struct bh_vm_container *c = pod->containers; c; c = c->next)
		if (!strcmp(c->record->id, id))
			return c;
	bh_err_as(err, BH_ERR_STATE, -ENOENT, "container not created: %s: not found", id);
	return NULL;
}

struct bh_vm_process *bh_vm_process_find(struct bh_vm_pod *pod, const char *id, const char *exec_id,
					 struct bh_err *err)
{
	struct bh_vm_container *c = bh_vm_container_find(pod, id, err);

	if (!c)
		return NULL;
	for (struct bh_vm_process *p = c->processes; p; p = p->next)
		if (!strcmp(p->exec_id, exec_id ? exec_id : ""))
			return p;
	bh_err_as(err, BH_ERR_STATE, -ENOENT, "process does not exist %s: not found",
		  exec_id ? exec_id : "");
	return NULL;
}

/* ---- containers ------------------------------------------------------------------------------ */

static int fill_record(struct bh_vm_pod *pod, struct bh_container *c, struct bh_err *err)
{
	const char *root = c->spec.root.path ? c->spec.root.path : "";
	char now[BH_CLOCK_BYTES];

	c->rootfs = *root == '/' ? root : bh_arena_printf(&c->arena, "%s/%s", c->bundle, root);
	c->created = bh_arena_strdup(&c->arena, bh_clock_now(now, true));
	c->pod = bh_arena_strdup(&c->arena, pod->config.id);
	c->init = pod->vmm;
	return c->rootfs && c->created && c->pod ? 0 : bh_err_oom(err);
}

static int reserve(struct bh_vm_pod *pod, struct bh_container *c, struct bh_err *err)
{
	bh_auto_free char *text = NULL;
	size_t len;
	int r = bh_bundle_read(c->bundle, &text, &len, err);

	r = r < 0 ? r : bh_spec_parse(&c->arena, text, len, &c->spec, err);
	if (r == 0 && !pod->config.settings.hooks)
		r = bh_hooks_refuse(&c->spec, err);
	r = r < 0 ? r : fill_record(pod, c, err);
	if (r < 0)
		return r;
	c->dirfd = bh_state_reserve(c->root, c->id, err);
	if (c->dirfd < 0)
		return c->dirfd;
	r = bh_state_save_config(c->dirfd, text, len, err);
	r = r < 0 ? r : bh_state_save(c, err);
	if (r < 0)
		(void)!bh_state_remove(c->root, c->id, NULL);
	return r;
}

int bh_vm_container_new(struct bh_vm_pod *pod, const char *id, const char *bundle,
			struct bh_vm_container **ret, struct bh_err *err)
{
	bh_auto_container struct bh_container *record = NULL;
	struct bh_vm_container *c, **end = &pod->containers;
	int r;

	if (bh_vm_container_find(pod, id, NULL))
		return bh_err_as(err, BH_ERR_STATE, -EEXIST,
				 "container with given ID already exists: %s", id);
	record = bh_container_new(pod->config.root, id, bundle, err);
	r = record ? reserve(pod, record, err) : err->code;
	if (r < 0)
		return r;
	c = calloc(1, sizeof(*c));
	if (!c) {
		(void)!bh_state_remove(record->root, record->id, NULL);
		return bh_err_oom(err);
	}
	c->pod = pod;
	c->record = bh_take(&record);
	while (*end)
		end = &(*end)->next;
	*end = c;
	*ret = c;
	return 0;
}

struct bh_vm_container *bh_vm_container_free(struct bh_vm_container *c, bool remove)
{
	char text[BH_ERR_LINE_BYTES];
	struct bh_err err = BH_ERR_INIT;

	bh_list_remove(&c->pod->containers, c);
	while (c->processes)
		bh_vm_process_free(c->processes);
	bh_vm_container_answer_oom(c, true);
	bh_guest_plan_free(c->plan);
	if (remove && bh_state_remove(c->record->root, c->record->id, &err) < 0)
		bh_warn("%s", bh_err_format(&err, text, sizeof(text)));
	bh_container_free(c->record);
	free(c);
	return NULL;
}

/* ---- out of memory --------------------------------------------------------------------------- */

void bh_vm_container_answer_oom(struct bh_vm_container *c, bool all)
{
	struct bh_vm_oom_watch **at = &c->oom_watches, *w;

	while ((w = *at)) {
		Pod__OomResponse a = POD__OOM_RESPONSE__INIT;

		if (!all && c->oom_kills <= w->seen) {
			at = &w->next;
			continue;
		}
		*at = w->next;
		a.kills = c->oom_kills;
		bh_rpc_reply(w->call, &a.base);
		free(w);
	}
}

void bh_vm_container_oom(struct bh_vm_container *c)
{
	Task__TaskOOM event = TASK__TASK_OOM__INIT;

	c->oom_kills++;
	event.container_id = (char *)c->record->id;
	bh_vm_pod_event(c->pod, "/tasks/oom", &event.base);
	bh_vm_container_answer_oom(c, false);
}

/* ---- processes ------------------------------------------------------------------------------- */

int bh_vm_process_new(struct bh_vm_container *c, const char *exec_id, const char *const uris[3],
		      bool terminal, struct bh_vm_process **ret, struct bh_err *err)
{
	struct bh_vm_process *p = calloc(1, sizeof(*p)), **end = &c->processes;
	bool complete = p != NULL;

	if (p) {
		p->container = c;
		p->terminal = terminal;
		p->status = TASK__STATUS__CREATED;
		p->input_hold = -EBADF;
		wire__timestamp__init(&p->exited_at);
		p->exec_id = strdup(exec_id);
		complete = p->exec_id != NULL;
		for (int i = 0; i < 3; i++) {
			p->uris[i] = strdup(uris[i] ? uris[i] : "");
			complete = complete && p->uris[i];
		}
		while (*end)
			end = &(*end)->next;
		*end = p;
	}
	if (!complete) {
		if (p)
			bh_vm_process_free(p);
		return bh_err_oom(err);
	}
	*ret = p;
	return 0;
}

/* It ended now. */
static void set_ended(struct bh_vm_process *p, uint32_t status)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	p->exit_status = status;
	p->exited_at.seconds = now.tv_sec;
	p->exited_at.nanos = (int32_t)now.tv_nsec;
}

/* As the guest tells it, as far as that makes sense. */
static void set_told(struct bh_vm_process *p, const Task__WaitResponse *told)
{
	const Wire__Timestamp *at = told->exited_at;

	set_ended(p, told->exit_status & EXIT_STATUS_MASK);
	if (!at || at->seconds <= 0 || at->seconds > p->exited_at.seconds + CLOCK_SKEW_MAX_S ||
	    at->nanos < 0 || at->nanos >= NS_PER_S)
		return;
	p->exited_at.seconds = at->seconds;
	p->exited_at.nanos = at->nanos;
}

static void answer_waiters(struct bh_vm_process *p)
{
	while (p->waiters) {
		struct bh_vm_waiter *w = p->waiters;
		Task__WaitResponse a = TASK__WAIT_RESPONSE__INIT;

		p->waiters = w->next;
		a.exit_status = p->exit_status;
		a.exited_at = &p->exited_at;
		bh_rpc_reply(w->call, &a.base);
		free(w);
	}
}

void bh_vm_process_close_input(struct bh_vm_process *p)
{
	p->input_closed = true;
	p->input_hold = bh_close(p->input_hold);
}

void bh_vm_process_settle(struct bh_vm_process *p)
{
	if (p->container || p->followed || p->adding || p->held)
		return;
	for (int i = 0; i < 3; i++)
		free(p->uris[i]);
	free(p->document);
	free(p->exec_id);
	free(p);
}

static void end_stdio(struct bh_vm_process *p)
{
	bh_loop_disarm(p->container->pod->loop, &p->resize);
	bh_vm_process_close_input(p);
	for (int i = 0; i < 3; i++)
		bh_relay_end(&p->relays[i]);
	p->logger = bh_logger_end(p->logger);
}

struct bh_vm_process *bh_vm_process_free(struct bh_vm_process *p)
{
	bh_list_remove(&p->container->processes, p);
	end_stdio(p);
	if (p->status != TASK__STATUS__STOPPED)
		set_ended(p, BH_VM_STATUS_KILLED);
	answer_waiters(p);
	p->container = NULL;
	bh_vm_process_settle(p);
	return NULL;
}

/* One stream between @host_fd (consumed) and the guest. */
static int connect_stream(struct bh_vm_process *p, int i, int host_fd, uint32_t *ret_token,
			  struct bh_err *err)
{
	struct bh_vm_pod *pod = p->container->pod;
	bh_auto_close int host = host_fd;
	int stream;

	*ret_token = ++pod->last_token;
	stream = bh_vm_pod_stream(pod, BH_STREAM_STDIO, *ret_token, err);
	if (stream < 0)
		return bh_err_ctx(err, "%s", bh_std_stream_names[i]);
	/* Output is read although nobody listens any more: the guest's process is not to hang. */
	return bh_relay_start(&p->relays[i], pod->loop, i == 0 ? bh_take_fd(&host) : stream,
			      i == 0 ? stream : bh_take_fd(&host), i > 0, bh_std_stream_names[i],
			      err);
}

/* ---- a terminal of this host's that stands for the guest's ----------------------------------- */

static void on_resized(void *arg, const struct bh_rpc_answer *answer)
{
	(void)arg;
	(void)answer;
}

/* Its size is set by whoever has its master; only a session of its own would be told by a signal.
 */
static void look_at_size(struct bh_timer *timer)
{
	struct bh_vm_process *p = bh_owner_of(timer, struct bh_vm_process, resize);
	struct bh_vm_pod *pod = p->container->pod;
	Task__ResizePtyRequest q = TASK__RESIZE_PTY_REQUEST__INIT;
	struct bh_err err = BH_ERR_INIT;
	struct winsize now;

	if (!pod->agent || !p->relays[1].open ||
	    ioctl(p->relays[1].out.source.fd, TIOCGWINSZ, &now) < 0)
		return;
	bh_loop_arm(pod->loop, &p->resize, RESIZE_POLL_MS);
	if (now.ws_col == p->size.ws_col && now.ws_row == p->size.ws_row)
		return;
	p->size = now;
	q.id = (char *)p->container->record->id;
	q.exec_id = p->exec_id;
	q.width = now.ws_col;
	q.height = now.ws_row;
	(void)!bh_rpc_call(pod->agent, BH_TASK_SERVICE, "ResizePty", &q.base, 0, on_resized, NULL,
			   &err);
}

static void watch_size(struct bh_vm_process *p)
{
	p->resize.fn = look_at_size;
	if (p->terminal && p->relays[1].open &&
	    ioctl(p->relays[1].out.source.fd, TIOCGWINSZ, &p->size) == 0)
		bh_loop_arm(p->container->pod->loop, &p->resize, RESIZE_POLL_MS);
}

/* The guest has one of its own, which is what a process gets that has no stream. */
static bool is_null_device(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == NULL_DEVICE;
}

int bh_vm_process_connect(struct bh_vm_process *p, pid_t peer, struct bh_arena *arena,
			  const char *ret_uris[3], struct bh_err *err)
{
	const char *const uris[3] = { p->uris[0], p->uris[1], p->uris[2] };
	const struct bh_task_stdio_request request = { .id = p->container->record->id,
						       .exec_id = p->exec_id,
						       .uris = uris,
						       .terminal = p->terminal,
						       .peer = peer };
	struct bh_task_stdio stdio = BH_TASK_STDIO_INIT;
	int r = bh_vm_pod_check(p->container->pod, err);

	r = r < 0 ? r : bh_stdio_open(&p->container->pod->stdio, &request, &stdio, err);
	p->input_hold = p->input_closed ? bh_close(stdio.hold) : stdio.hold;
	p->logger = stdio.logger;
	for (int i = 0; i < 3; i++)
		bh_close(stdio.watch[i]);
	for (int i = 0; i < 3; i++) {
		uint32_t token = 0;

		ret_uris[i] = "";
		if (stdio.fds[i] < 0)
			continue;
		if (r < 0 || (!p->terminal && is_null_device(stdio.fds[i]))) {
			bh_close(stdio.fds[i]);
			continue;
		}
		r = connect_stream(p, i, stdio.fds[i], &token, err);
		ret_uris[i] = bh_arena_printf(arena, BH_STREAM_URI "%u", token);
		if (r == 0 && !ret_uris[i])
			r = bh_err_oom(err);
	}
	if (r == 0)
		watch_size(p);
	return r;
}

/* ---- the end of a process -------------------------------------------------------------------- */

static void publish_exit(struct bh_vm_process *p)
{
	Task__TaskExit event = TASK__TASK_EXIT__INIT;

	event.container_id = (char *)p->container->record->id;
	event.id = *p->exec_id ? p->exec_id : event.container_id;
	event.pid = bh_vm_container_pid(p->container);
	event.exit_status = p->exit_status;
	event.exited_at = &p->exited_at;
	bh_vm_pod_event(p->container->pod, "/tasks/exit", &event.base);
}

static uint64_t output_moved(const struct bh_vm_process *p)
{
	return p->relays[1].moved + p->relays[2].moved;
}

static bool output_open(const struct bh_vm_process *p)
{
	return p->relays[1].open || p->relays[2].open;
}

/* The news of a process's end can come before the last of what it wrote, where its streams wait for
 * the reader. Their end is waited for as long as they move, up to a bound: what it left behind may
 * hold them for ever. */
static void drain_output(struct bh_vm_process *p, struct bh_loop *loop)
{
	struct bh_err err = BH_ERR_INIT;
	uint64_t moved = output_moved(p);

	bh_relay_end(&p->relays[0]);
	for (int quiet = 0, all = 0; quiet < QUIET_MS && all < DRAIN_MS && output_open(p);
	     quiet += QUIET_POLL_MS, all += QUIET_POLL_MS) {
		if (bh_fiber_sleep(loop, QUIET_POLL_MS, &err) < 0 || !p->container)
			return;
		if (output_moved(p) != moved)
			quiet = 0;
		moved = output_moved(p);
	}
}

static void on_forgotten(void *arg, const struct bh_rpc_answer *answer)
{
	(void)arg;
	(void)answer;
}

void bh_vm_process_forget(struct bh_vm_process *p)
{
	const struct bh_vm_pod *pod = p->container->pod;
	Task__DeleteRequest q = TASK__DELETE_REQUEST__INIT;
	struct bh_err err = BH_ERR_INIT;

	q.id = (char *)p->container->record->id;
	q.exec_id = p->exec_id;
	if (!pod->dead && pod->agent && !p->document)
		(void)!bh_rpc_call(pod->agent, BH_TASK_SERVICE, "Delete", &q.base, 0, on_forgotten,
				   NULL, &err);
	bh_vm_process_free(p);
}

static void ended(struct bh_vm_process *p)
{
	struct bh_vm_container *c = p->container;

	p->status = TASK__STATUS__STOPPED;
	if (!*p->exec_id) /* first: who hears of the end may listen to nothing else any more */
		bh_vm_container_answer_oom(c, true);
	answer_waiters(p);
	if (p->pid > 0)
		publish_exit(p);
	if (p->detached)
		bh_vm_process_forget(p);
}

void bh_vm_process_end(struct bh_vm_process *p, uint32_t status)
{
	end_stdio(p);
	set_ended(p, status);
	ended(p);
}

/* A fiber: from the process's start to its end. */
static void follow(void *arg)
{
	struct bh_vm_process *p = arg;
	struct bh_vm_pod *pod = p->container->pod;
	Task__WaitRequest q = TASK__WAIT_REQUEST__INIT;
	Task__WaitResponse *a = NULL;
	struct bh_err err = BH_ERR_INIT;
	int r;

	q.id = (char *)p->container->record->id;
	q.exec_id = p->exec_id;
	r = bh_rpc_call_wait(pod->agent, BH_TASK_SERVICE, "Wait", &q.base, 0,
			     &task__wait_response__descriptor, (ProtobufCMessage **)&a, &err);
	if (r < 0 && p->container)
		bh_vm_pod_await_verdict(pod);
	if (r < 0)
		set_ended(p, p->refusal.code < 0 ? BH_VM_STATUS_NOT_BEGUN : BH_VM_STATUS_KILLED);
	else
		set_told(p, a);
	if (a)
		task__wait_response__free_unpacked(a, NULL);
	if (p->container)
		drain_output(p, pod->loop);
	p->followed = false;
	if (p->container)
		ended(p);
	else
		bh_vm_process_settle(p);
}

int bh_vm_process_follow(struct bh_vm_process *p, struct bh_err *err)
{
	int r;

	p->followed = true;
	r = bh_fiber_start(p->container->pod->loop, follow, p, err);
	if (r < 0)
		p->followed = false;
	return r;
}

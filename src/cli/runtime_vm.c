/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Kata runtime: containers of a pod in a micro-VM. This program asks the pod's supervisor in
 * the Task verbs; a container's stdio is had by the supervisor from this process's descriptors
 * ("fd:N"). When the supervisor is gone its containers have stopped, and what is left of the pod is
 * removed here.
 */
#include "base/embed.h"
#include "cli/runtime.h"

#include <limits.h>
#include <signal.h>
#include <string.h>

#include "base/log.h"
#include "cli/vm.h"
#include "container/state.h"

/* For all processes of a container to end after SIGKILL. */
#define END_TIMEOUT_MS 10000
#define ANSWER_MS      2000
/* For a supervisor, which answers from what it knows, to tell a container's status: to who only
 * wants to know it, and to who wants something done. */
#define LOOK_MS   5000
#define STATUS_MS 10000

void bh_vm_session_deinit(struct bh_vm_session *s)
{
	bh_pod_client_deinit(&s->client);
	bh_loop_deinit(&s->loop);
}

int bh_vm_session_open(struct bh_vm_session *s, const struct bh_container *c, struct bh_err *err)
{
	int r = bh_loop_init(&s->loop, err);

	r = r < 0 ? r : bh_pod_connect(&s->loop, c->root, c->pod, &s->client, err);
	if (bh_pod_is_gone(r))
		bh_err_as(err, BH_ERR_STATE, r,
			  "container not running: the supervisor of its pod '%s' is gone", c->pod);
	return r;
}

/* ---- state ------------------------------------------------------------------------------- */

static const enum bh_status statuses[] = {
	[TASK__STATUS__UNKNOWN] = BH_STATUS_STOPPED, [TASK__STATUS__CREATED] = BH_STATUS_CREATED,
	[TASK__STATUS__RUNNING] = BH_STATUS_RUNNING, [TASK__STATUS__STOPPED] = BH_STATUS_STOPPED,
	[TASK__STATUS__PAUSED] = BH_STATUS_PAUSED,   [TASK__STATUS__PAUSING] = BH_STATUS_RUNNING,
};

/* Errors: -ETIMEDOUT the supervisor hangs, or is stopped */
static int ask_status(struct bh_vm_session *s, const struct bh_container *c, int limit_ms,
		      enum bh_status *ret, struct bh_err *err)
{
	Task__StateRequest q = TASK__STATE_REQUEST__INIT;
	Task__StateResponse *a = NULL;
	int r;

	q.id = (char *)c->id;
	r = bh_rpc_call_wait(s->client.rpc, BH_TASK_SERVICE, "State", &q.base, limit_ms,
			     &task__state_response__descriptor, (ProtobufCMessage **)&a, err);
	if (r == -ETIMEDOUT)
		return bh_err_as(err, BH_ERR_PEER, r, BH_POD_SILENT, c->pod);
	if (r < 0)
		return r;
	*ret = a->status < BH_ARRAY_SIZE(statuses) ? statuses[a->status] : BH_STATUS_STOPPED;
	task__state_response__free_unpacked(a, NULL);
	return 0;
}

static int status_within(const struct bh_container *c, int limit_ms, enum bh_status *ret,
			 struct bh_err *err)
{
	bh_cleanup(bh_vm_session_deinit) struct bh_vm_session s = BH_VM_SESSION_INIT;
	int r = bh_vm_session_open(&s, c, err);

	r = r < 0 ? r : ask_status(&s, c, limit_ms, ret, err);
	if (r == -ETIMEDOUT)
		return r;
	/* A supervisor that does not know it is one of a later pod of the same name. */
	if (!bh_pod_is_gone(r) && !s.client.gone)
		return r;
	*ret = BH_STATUS_STOPPED;
	return 0;
}

int bh_vm_status(const struct bh_container *c, enum bh_status *ret, struct bh_err *err)
{
	return status_within(c, STATUS_MS, ret, err);
}

/* To who only looks, the record says what a supervisor that hangs does not. */
static int look(const struct bh_container *c, enum bh_status *ret, struct bh_err *err)
{
	struct bh_err own = BH_ERR_INIT;
	int r = status_within(c, LOOK_MS, ret, err ? err : &own);

	if (r != -ETIMEDOUT)
		return r;
	*ret = bh_proc_alive(&c->init) ? BH_STATUS_RUNNING : BH_STATUS_STOPPED;
	bh_warn("container '%s': " BH_POD_SILENT "; its VM %s", c->id, c->pod,
		*ret == BH_STATUS_RUNNING ? "runs" : "has ended");
	return 0;
}

static void why_ended(const struct bh_container *c, struct bh_buf *out)
{
	bh_cleanup(bh_vm_session_deinit) struct bh_vm_session s = BH_VM_SESSION_INIT;
	struct bh_err ignored = BH_ERR_INIT;

	if (bh_vm_session_open(&s, c, &ignored) == 0)
		bh_pod_ask_death(&s.client, out, &ignored);
	else
		bh_buf_puts(out, "its supervisor is gone");
}

/* ---- one call ---------------------------------------------------------------------------- */

/* A verb that is one call without an answer. */
static int task(const struct bh_container *c, const char *method, const ProtobufCMessage *request,
		struct bh_err *err)
{
	bh_cleanup(bh_vm_session_deinit) struct bh_vm_session s = BH_VM_SESSION_INIT;
	int r = bh_vm_session_open(&s, c, err);

	return r < 0 ? r : bh_pod_task(&s.client, method, request, NULL, NULL, err);
}

int bh_vm_start(struct bh_container *c, struct bh_err *err)
{
	Task__StartRequest q = TASK__START_REQUEST__INIT;

	q.id = (char *)c->id;
	return task(c, "Start", &q.base, err);
}

static int kill_container(struct bh_container *c, int sig, bool all, struct bh_err *err)
{
	Task__KillRequest q = TASK__KILL_REQUEST__INIT;
	enum bh_status now;
	int r = bh_vm_status(c, &now, err);

	if (r < 0)
		return r;
	if (now == BH_STATUS_STOPPED)
		return bh_runtime_not_running(c, "container not running", err);
	q.id = (char *)c->id;
	q.signal = (uint32_t)sig;
	q.all = all;
	return task(c, "Kill", &q.base, err);
}

static int pause_container(struct bh_container *c, struct bh_err *err)
{
	Task__PauseRequest q = TASK__PAUSE_REQUEST__INIT;

	q.id = (char *)c->id;
	return task(c, "Pause", &q.base, err);
}

static int resume_container(struct bh_container *c, struct bh_err *err)
{
	Task__ResumeRequest q = TASK__RESUME_REQUEST__INIT;

	q.id = (char *)c->id;
	return task(c, "Resume", &q.base, err);
}

static int update(struct bh_container *c, const struct bh_resources *resources,
		  const struct bh_intel_rdt *rdt, struct bh_err *err)
{
	bh_auto_buf struct bh_buf json = BH_BUF_INIT;
	Task__UpdateRequest q = TASK__UPDATE_REQUEST__INIT;
	Wire__Any any = WIRE__ANY__INIT;

	if (rdt)
		return bh_err_as(err, BH_ERR_SPEC, -EOPNOTSUPP,
				 "kata: Intel RDT is not possible in a micro-VM");
	bh_spec_write_resources(resources, &json);
	if (json.failed)
		return bh_err_oom(err);
	any.type_url = (char *)"types.containerd.io/opencontainers/runtime-spec/1/LinuxResources";
	any.value = (ProtobufCBinaryData){ .data = (uint8_t *)json.data, .len = json.len };
	q.id = (char *)c->id;
	q.resources = &any;
	return task(c, "Update", &q.base, err);
}

/* ---- delete ------------------------------------------------------------------------------ */

static int end_processes(struct bh_vm_session *s, const struct bh_container *c, struct bh_err *err)
{
	Task__KillRequest kill = TASK__KILL_REQUEST__INIT;
	Task__WaitRequest wait = TASK__WAIT_REQUEST__INIT;
	struct bh_err ignored = BH_ERR_INIT;

	kill.id = wait.id = (char *)c->id;
	kill.signal = SIGKILL;
	kill.all = true;
	/* The supervisor finds out in that time whether the guest answers at all. */
	if (bh_rpc_call_wait(s->client.rpc, BH_TASK_SERVICE, "Kill", &kill.base,
			     END_TIMEOUT_MS + ANSWER_MS, NULL, NULL, &ignored) == -ETIMEDOUT)
		return bh_err_as(err, BH_ERR_PEER, -ETIMEDOUT, "%s", ignored.text);
	return bh_rpc_call_wait(s->client.rpc, BH_TASK_SERVICE, "Wait", &wait.base, END_TIMEOUT_MS,
				NULL, NULL, err);
}

static int end_pod(const struct bh_container *c, const char *why, struct bh_err *err)
{
	int r;

	bh_warn("kata: pod '%s': %s: it is ended with all that is in it", c->pod, why);
	r = bh_pod_undo_remains(c->root, c->pod, err);
	bh_container_run_poststop(c);
	return r;
}

static int delete_by_supervisor(struct bh_vm_session *s, const struct bh_container *c, bool force,
				struct bh_err *err)
{
	Task__DeleteRequest q = TASK__DELETE_REQUEST__INIT;
	enum bh_status now = BH_STATUS_STOPPED;
	int r = ask_status(s, c, STATUS_MS, &now, err);

	if (r == -ETIMEDOUT && force)
		return end_pod(c, "its supervisor does not answer", err);
	if (r < 0)
		return r;
	if (now != BH_STATUS_STOPPED && now != BH_STATUS_CREATED && !force)
		return bh_err_as(err, BH_ERR_STATE, -EBUSY,
				 "cannot delete container %s that is not stopped: %s", c->id,
				 bh_status_name(now));
	if (now != BH_STATUS_STOPPED)
		r = end_processes(s, c, err);
	if (r == -ETIMEDOUT)
		return end_pod(c, "the guest does not end its processes", err);
	q.id = (char *)c->id;
	return r < 0 ? r : bh_pod_task(&s->client, "Delete", &q.base, NULL, NULL, err);
}

int bh_vm_delete(struct bh_container *c, bool force, struct bh_err *err)
{
	bh_cleanup(bh_vm_session_deinit) struct bh_vm_session s = BH_VM_SESSION_INIT;
	int r = bh_vm_session_open(&s, c, err);
	bool gone = bh_pod_is_gone(r);

	if (r == 0) {
		r = delete_by_supervisor(&s, c, force, err);
		gone = r < 0 && s.client.gone;
	}
	if (gone) {
		r = bh_pod_undo_remains(c->root, c->pod, err);
		bh_container_run_poststop(c);
	}
	/* Also when nobody knew it. */
	return r < 0 && r != -ENOENT ? r : bh_state_remove(c->root, c->id, err);
}

int bh_vm_remove_remains(const char *root, const char *pod, struct bh_err *err)
{
	bh_cleanup(bh_vm_session_deinit) struct bh_vm_session s = BH_VM_SESSION_INIT;
	struct bh_err ignored = BH_ERR_INIT;
	char path[PATH_MAX];
	int r;

	snprintf(path, sizeof(path), "%s/" BH_PODS_DIR "/%s", root, pod);
	if (access(path, F_OK) < 0)
		return 0;
	r = bh_loop_init(&s.loop, err);
	if (r < 0 || !bh_pod_is_gone(bh_pod_connect(&s.loop, root, pod, &s.client, &ignored)))
		return r;
	return bh_pod_undo_remains(root, pod, err);
}

/* ---- processes, figures ------------------------------------------------------------------ */

/* @ret: the caller's, free with pod__processes_response__free_unpacked() */
static int ask_processes(const struct bh_container *c, Pod__ProcessesResponse **ret,
			 struct bh_err *err)
{
	bh_cleanup(bh_vm_session_deinit) struct bh_vm_session s = BH_VM_SESSION_INIT;
	Pod__ContainerRequest q = POD__CONTAINER_REQUEST__INIT;
	int r = bh_vm_session_open(&s, c, err);

	q.id = (char *)c->id;
	return r < 0 ? r
		     : bh_pod_ask(&s.client, "Processes", &q.base,
				  &pod__processes_response__descriptor, (ProtobufCMessage **)ret,
				  err);
}

static int pids(const struct bh_container *c, pid_t **ret, size_t *ret_n, struct bh_err *err)
{
	Pod__ProcessesResponse *a = NULL;
	int r = ask_processes(c, &a, err);

	if (r < 0)
		return r;
	*ret = calloc(a->n_processes + 1, sizeof(**ret));
	*ret_n = *ret ? a->n_processes : 0;
	for (size_t i = 0; i < *ret_n; i++)
		(*ret)[i] = (pid_t)a->processes[i]->pid;
	pod__processes_response__free_unpacked(a, NULL);
	return *ret ? 0 : bh_err_oom(err);
}

static int ps(const struct bh_container *c, const struct bh_strv *args, struct bh_buf *out,
	      struct bh_err *err)
{
	Pod__ProcessesResponse *a = NULL;
	int r;

	if (args->n > 1)
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL,
				 "kata: options of ps(1) are not possible, it does not see into a "
				 "micro-VM: '%s'",
				 args->v[1]);
	r = ask_processes(c, &a, err);
	if (r < 0)
		return r;
	bh_buf_puts(out, "UID          PID    PPID  C STIME TTY          TIME CMD\n");
	for (size_t i = 0; i < a->n_processes; i++) {
		const Pod__Process *p = a->processes[i];

		bh_buf_printf(out, "%-8s %7u %7u %2u %5s %-8s %8s %s\n", p->user, p->pid, p->ppid,
			      p->cpu_percent, p->started, p->tty, p->time, p->command);
	}
	pod__processes_response__free_unpacked(a, NULL);
	return 0;
}

static int stats(const struct bh_container *c, struct bh_buf *out, struct bh_err *err)
{
	bh_cleanup(bh_vm_session_deinit) struct bh_vm_session s = BH_VM_SESSION_INIT;
	Pod__ContainerRequest q = POD__CONTAINER_REQUEST__INIT;
	Pod__StatsResponse *a = NULL;
	int r = bh_vm_session_open(&s, c, err);

	q.id = (char *)c->id;
	r = r < 0 ? r
		  : bh_pod_ask(&s.client, "Stats", &q.base, &pod__stats_response__descriptor,
			       (ProtobufCMessage **)&a, err);
	if (r < 0)
		return r;
	bh_buf_add(out, a->json.data, a->json.len);
	pod__stats_response__free_unpacked(a, NULL);
	return 0;
}

/* ---- events ------------------------------------------------------------------------------ */

struct watch {
	struct bh_vm_session s;
	const struct bh_container *c;
	struct bh_timer timer;
	uint64_t interval_ms, oom_kills;
	bool ended;
	struct bh_err err;
};

static void on_watch_timer(struct bh_timer *timer)
{
	struct watch *w = bh_owner_of(timer, struct watch, timer);
	char text[BH_ERR_LINE_BYTES];
	struct bh_err err = BH_ERR_INIT;

	/* The figures may be unreadable for a moment, as when the container is being deleted. */
	if (bh_events_print_stats(w->c, &err) < 0)
		bh_log(BH_LOG_ERROR, "%s", bh_err_format(&err, text, sizeof(text)));
	bh_loop_arm(&w->s.loop, &w->timer, w->interval_ms);
}

static int ask_oom(struct watch *w);

static void on_oom(void *arg, const struct bh_rpc_answer *answer)
{
	struct watch *w = arg;
	Pod__OomResponse *a = NULL;

	if (answer->code == BH_RPC_OK)
		a = pod__oom_response__unpack(NULL, answer->len, answer->data);
	for (; a && w->oom_kills < a->kills; w->oom_kills++)
		(void)!bh_events_print_oom(w->c, &w->err);
	if (a)
		pod__oom_response__free_unpacked(a, NULL);
	/* After the container's end it would be answered at once, for ever. */
	if (answer->code == BH_RPC_OK && !w->ended)
		(void)!ask_oom(w);
}

static int ask_oom(struct watch *w)
{
	Pod__OomRequest q = POD__OOM_REQUEST__INIT;

	q.id = (char *)w->c->id;
	q.seen = w->oom_kills;
	return bh_rpc_call(w->s.client.rpc, BH_POD_SERVICE, "Oom", &q.base, 0, on_oom, w, &w->err);
}

static int watch(const struct bh_container *c, int64_t interval_ns, struct bh_err *err)
{
	struct watch w = { .s = BH_VM_SESSION_INIT,
			   .c = c,
			   .timer = { .fn = on_watch_timer },
			   .interval_ms = (uint64_t)interval_ns / 1000000 };
	Task__WaitRequest q = TASK__WAIT_REQUEST__INIT;
	int r = bh_vm_session_open(&w.s, c, err);

	q.id = (char *)c->id;
	if (r == 0) {
		bh_loop_arm(&w.s.loop, &w.timer, w.interval_ms);
		r = ask_oom(&w);
		if (r < 0)
			*err = w.err;
		r = r < 0 ? r : bh_pod_task(&w.s.client, "Wait", &q.base, NULL, NULL, err);
		bh_loop_disarm(&w.s.loop, &w.timer);
	}
	w.ended = true;
	bh_vm_session_deinit(&w.s);
	return r;
}

const struct bh_runtime bh_runtime_vm = {
	.name = "kata",
	.create = bh_vm_create,
	.run = bh_vm_run,
	.dry_run = bh_vm_dry_run,
	.exec = bh_vm_exec,
	.status = look,
	.start = bh_vm_start,
	.kill = kill_container,
	.pause = pause_container,
	.resume = resume_container,
	.update = update,
	.remove = bh_vm_delete,
	.pids = pids,
	.ps = ps,
	.stats = stats,
	.why_ended = why_ended,
	.watch = watch,
};

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verbs that begin and end a micro-VM pod's containers: Create, Start, Delete. What the host
 * has made of a container goes after the guest let go of it, and with the last container the pod.
 */
#include <signal.h>
#include <string.h>

#include "container/state.h"
#include "loop/fiber.h"
#include "pod/vm/vm_pod.h"
#include "rpc/agent.pb-c.h"

#define BUSY_POLL_MS   5
#define END_TIMEOUT_MS 10000 /* for a process to end after SIGKILL */

/* Source: containerd internal/cri/annotations */
#define ANNOTATION_TYPE "io.kubernetes.cri.container-type"

/* ---- the end of a container ------------------------------------------------------------------ */

/* To take something apart: of a guest that answers at all. Whether it has is no matter here. */
static void ask_patiently(struct bh_vm_pod *pod, const char *service, const char *method,
			  const ProtobufCMessage *request)
{
	struct bh_err ignored = BH_ERR_INIT;

	if (bh_vm_pulse_feel(pod, &ignored) < 0)
		return;
	pod->pulse.patience++;
	(void)!bh_vm_pod_ask(pod, service, method, request, NULL, NULL, &ignored);
	pod->pulse.patience--;
}

/* The guest lets go, then the host. */
static void undo_container(struct bh_vm_container *c)
{
	struct bh_vm_pod *pod = c->pod;
	Agent__ReleaseRequest q = AGENT__RELEASE_REQUEST__INIT;
	struct bh_err err = BH_ERR_INIT;

	q.id = (char *)c->record->id;
	if (c->prepared)
		ask_patiently(pod, BH_AGENT_SERVICE, "Release", &q.base);
	pod->users++;
	if (c->plan)
		(void)!bh_guest_plan_undo(c->plan, pod->share, pod->vm, &err);
	pod->users--;
	bh_vm_hooks_poststop(c);
	bh_vm_container_free(c, true);
}

/* With the last one the pod goes. */
static void leave_if_empty(struct bh_vm_pod *pod)
{
	if (pod->containers)
		return;
	bh_pod_close(&pod->pod);
	pod->listener.over(pod->listener.arg);
}

/* One that has ended, with all that there is of it. */
static void remove_container(struct bh_vm_container *c, const Task__DeleteRequest *q)
{
	struct bh_vm_pod *pod = c->pod;
	Task__TaskDelete event = TASK__TASK_DELETE__INIT;
	Wire__Timestamp at = c->processes->exited_at;
	struct bh_err err = BH_ERR_INIT;

	event.container_id = q->id;
	event.pid = bh_vm_container_pid(c);
	event.exit_status = c->processes->exit_status;
	event.exited_at = &at;
	c->deleting = true;
	while (c->busy > 0 && bh_fiber_sleep(pod->loop, BUSY_POLL_MS, &err) == 0)
		continue;
	/* What the guest does not know any more is deleted. */
	ask_patiently(pod, BH_TASK_SERVICE, "Delete", &q->base);
	undo_container(c);
	bh_vm_pod_event(pod, "/tasks/delete", &event.base);
}

/* ---- create ---------------------------------------------------------------------------------- */

/* Whose PID namespace Kubernetes means where @c is to join one, in the guest: engines name it by a
 * process, and know all of a pod's by one. Its containers have either all the first one's or each
 * its own; so where another has its own, @c is to look at that (`kubectl debug --target`). Return:
 * 0 = the first container's: also when there are several that may be meant */
static pid_t target_of(const struct bh_vm_container *c)
{
	const struct bh_vm_container *first = c->pod->containers, *found = NULL;
	const char *type = bh_spec_annotation(&first->record->spec, ANNOTATION_TYPE);

	if (!type || strcmp(type, "sandbox") != 0)
		return 0;
	for (const struct bh_vm_container *other = first->next; other; other = other->next) {
		const struct bh_namespace *ns = bh_spec_namespace(&other->record->spec, BH_NS_PID);

		if (other == c || !ns || ns->path || !other->processes ||
		    other->processes->status != TASK__STATUS__RUNNING)
			continue;
		if (found)
			return 0;
		found = other;
	}
	return found ? (pid_t)found->processes->pid : 0;
}

static int plan_container(struct bh_vm_container *c, const Task__CreateRequest *q,
			  struct bh_err *err)
{
	struct bh_vm_pod *pod = c->pod;
	const struct bh_vm_process *sandbox = pod->containers->processes;
	bh_auto_free char *config = NULL;
	struct bh_guest_source source = {
		.id = c->record->id,
		.bundle = c->record->bundle,
		.spec = &c->record->spec,
		.rootfs = q->rootfs,
		.n_rootfs = q->n_rootfs,
		.monitor_pid = pod->vmm.pid,
		.sandbox_pid = pod->containers != c && sandbox ? (pid_t)sandbox->pid : 0,
		.target_pid = target_of(c),
	};
	int r = bh_state_read_config(c->record->dirfd, &config, &source.config_len, err);

	source.config = config;
	r = r < 0 ? r : bh_guest_plan_new(&source, &c->plan, err);
	r = r < 0 ? r : bh_vm_pod_check(pod, err);
	if (r < 0)
		return r;
	pod->users++;
	r = bh_guest_plan_apply(c->plan, pod->share, pod->vm, err);
	pod->users--;
	return r;
}

/* Storages and document in the guest, then the container from them. */
static int create_in_guest(struct bh_vm_container *c, struct bh_vm_process *p,
			   const char *const uris[3], struct bh_err *err)
{
	struct bh_vm_pod *pod = c->pod;
	Task__CreateRequest q = TASK__CREATE_REQUEST__INIT;
	Agent__PrepareResponse *prepared = NULL;
	Task__CreateResponse *a = NULL;
	int r;

	pod->pulse.patience++; /* a file system may have to be mended first */
	r = bh_vm_pod_ask(pod, BH_AGENT_SERVICE, "Prepare", &bh_guest_plan_message(c->plan)->base,
			  &agent__prepare_response__descriptor, (ProtobufCMessage **)&prepared,
			  err);
	pod->pulse.patience--;
	if (r < 0)
		return r;
	c->prepared = true;
	q.id = (char *)c->record->id;
	q.bundle = prepared->bundle;
	q.terminal = p->terminal;
	q.stdin = (char *)uris[0];
	q.stdout = (char *)uris[1];
	q.stderr = (char *)uris[2];
	r = bh_vm_pod_ask(pod, BH_TASK_SERVICE, "Create", &q.base,
			  &task__create_response__descriptor, (ProtobufCMessage **)&a, err);
	agent__prepare_response__free_unpacked(prepared, NULL);
	if (r < 0)
		return r;
	c->created = true;
	p->pid = a->pid;
	task__create_response__free_unpacked(a, NULL);
	return 0;
}

static int create_process(struct bh_vm_container *c, const Task__CreateRequest *q, pid_t peer,
			  struct bh_err *err)
{
	const char *const uris[3] = { q->stdin, q->stdout, q->stderr };
	bh_auto_arena struct bh_arena arena = BH_ARENA_INIT;
	const char *guest_uris[3];
	struct bh_vm_process *p;
	int r = bh_vm_process_new(c, "", uris, q->terminal, &p, err);

	r = r < 0 ? r : bh_vm_process_connect(p, peer, &arena, guest_uris, err);
	r = r < 0 ? r : create_in_guest(c, p, guest_uris, err);
	return r < 0 ? r : bh_vm_process_follow(p, err);
}

static void publish_create(struct bh_vm_container *c, const Task__CreateRequest *q)
{
	Task__TaskCreate event = TASK__TASK_CREATE__INIT;
	Task__TaskIO io = TASK__TASK_IO__INIT;

	io.stdin = q->stdin;
	io.stdout = q->stdout;
	io.stderr = q->stderr;
	io.terminal = q->terminal;
	event.container_id = q->id;
	event.bundle = q->bundle;
	event.rootfs = q->rootfs;
	event.n_rootfs = q->n_rootfs;
	event.io = &io;
	event.pid = bh_vm_container_pid(c);
	bh_vm_pod_event(c->pod, "/tasks/create", &event.base);
}

/* Whatever it is doing, it goes. */
static void abandon(struct bh_vm_container *c, char *id)
{
	struct bh_vm_pod *pod = c->pod;
	Task__KillRequest kill = TASK__KILL_REQUEST__INIT;
	Task__DeleteRequest remove = TASK__DELETE_REQUEST__INIT;
	struct bh_err err = BH_ERR_INIT;
	int waited = 0;

	kill.id = remove.id = id;
	kill.signal = SIGKILL;
	kill.all = c->deleting = true;
	if (bh_vm_pulse_feel(pod, &err) == 0)
		(void)!bh_vm_pod_ask(pod, BH_TASK_SERVICE, "Kill", &kill.base, NULL, NULL, &err);
	while (c->processes->status != TASK__STATUS__STOPPED && waited < END_TIMEOUT_MS &&
	       bh_fiber_sleep(pod->loop, BUSY_POLL_MS, &err) == 0)
		waited += BUSY_POLL_MS;
	remove_container(c, &remove);
}

/* The pod was made for this container: it is gone by the time that the caller hears of the failure.
 */
static int fail_create(struct bh_vm_pod *pod, struct bh_rpc_call *call, const struct bh_err *err)
{
	bool last = !pod->containers && !pod->closed;

	if (last)
		bh_pod_close(&pod->pod);
	bh_rpc_fail_err(call, err);
	if (last)
		pod->listener.over(pod->listener.arg);
	return 0;
}

int bh_vm_create(struct bh_vm_pod *pod, struct bh_rpc_call *call, const void *request,
		 struct bh_err *err)
{
	const Task__CreateRequest *q = request;
	Task__CreateResponse a = TASK__CREATE_RESPONSE__INIT;
	struct bh_vm_container *c;
	int r = bh_vm_pod_check(pod, err);

	if (pod->closed) /* by another call, which tells that the pod is over */
		return r;
	if (r == 0 && *q->checkpoint)
		r = bh_err_as(err, BH_ERR_SPEC, -EOPNOTSUPP, "checkpoint/restore is not supported");
	r = r < 0 ? r : bh_vm_container_new(pod, q->id, q->bundle, &c, err);
	if (r < 0)
		return fail_create(pod, call, err);
	bh_vm_outgrown(&c->record->spec, q->id, &pod->size,
		       bh_vm_pod_name(&pod->spec, pod->config.id));
	c->quota_usec = bh_vm_cpu_quota(pod, &c->record->spec.linux_.resources.cpu);
	r = plan_container(c, q, err);
	r = r < 0 ? r : bh_vm_hooks_create(c, err);
	r = r < 0 ? r : create_process(c, q, bh_rpc_call_peer(call), err);
	if (r < 0) {
		undo_container(c);
		return fail_create(pod, call, err);
	}
	publish_create(c, q);
	if (bh_rpc_call_gone(call)) {
		/* Killed in the middle: it does not know of a container that it could delete. */
		abandon(c, q->id);
		leave_if_empty(pod);
		return bh_err_as(err, BH_ERR_PEER, -ECANCELED, "the caller is gone");
	}
	a.pid = bh_vm_container_pid(c);
	bh_rpc_reply(call, &a.base);
	return 0;
}

/* ---- start ----------------------------------------------------------------------------------- */

static void publish_start(struct bh_vm_container *c)
{
	Task__TaskStart event = TASK__TASK_START__INIT;

	event.container_id = (char *)c->record->id;
	event.pid = bh_vm_container_pid(c);
	bh_vm_pod_event(c->pod, "/tasks/start", &event.base);
}

/* Its start failed with its process running already. */
static void end_container(struct bh_vm_pod *pod, char *id)
{
	Task__KillRequest q = TASK__KILL_REQUEST__INIT;
	struct bh_err ignored = BH_ERR_INIT;

	q.id = id;
	q.signal = SIGKILL;
	q.all = true;
	(void)!bh_vm_pod_ask(pod, BH_TASK_SERVICE, "Kill", &q.base, NULL, NULL, &ignored);
}

static int start_container(struct bh_vm_pod *pod, struct bh_rpc_call *call,
			   const Task__StartRequest *q, struct bh_err *err)
{
	Task__StartResponse *a = NULL, reply = TASK__START_RESPONSE__INIT;
	struct bh_vm_process *p;
	int r = bh_vm_pod_check(pod, err);

	r = r < 0 ? r : bh_vm_network_arrive(pod, err);
	r = r < 0 ? r
		  : bh_vm_pod_ask(pod, BH_TASK_SERVICE, "Start", &q->base,
				  &task__start_response__descriptor, (ProtobufCMessage **)&a, err);
	if (r < 0)
		return r;
	p = bh_vm_process_find(pod, q->id, "", err); /* it may have ended meanwhile */
	if (p) {
		p->pid = a->pid;
		if (p->status == TASK__STATUS__CREATED)
			p->status = TASK__STATUS__RUNNING;
		publish_start(p->container);
		reply.pid = bh_vm_container_pid(p->container);
		r = bh_vm_hooks_poststart(p->container, err);
	}
	task__start_response__free_unpacked(a, NULL);
	if (r == 0)
		bh_rpc_reply(call, &reply.base);
	else
		end_container(pod, q->id);
	return r;
}

int bh_vm_start(struct bh_vm_pod *pod, struct bh_rpc_call *call, const void *request,
		struct bh_err *err)
{
	const Task__StartRequest *q = request;
	struct bh_vm_process *p = bh_vm_process_find(pod, q->id, q->exec_id, err);

	if (!p)
		return err->code;
	return *q->exec_id ? bh_vm_exec_start(p, call, err) : start_container(pod, call, q, err);
}

/* ---- delete ---------------------------------------------------------------------------------- */

static int delete_exec(struct bh_vm_pod *pod, struct bh_rpc_call *call,
		       const Task__DeleteRequest *q, struct bh_vm_process *p, struct bh_err *err)
{
	Task__DeleteResponse a = TASK__DELETE_RESPONSE__INIT;
	Wire__Timestamp at = p->exited_at;

	a.pid = bh_vm_container_pid(p->container);
	a.exit_status = p->exit_status;
	a.exited_at = &at;
	/* What the guest does not know, or not any more, is deleted. */
	if (!p->document && bh_vm_pulse_feel(pod, err) == 0)
		(void)!bh_vm_pod_ask(pod, BH_TASK_SERVICE, "Delete", &q->base, NULL, NULL, err);
	p = bh_vm_process_find(pod, q->id, q->exec_id, NULL);
	if (p)
		bh_vm_process_free(p);
	bh_rpc_reply(call, &a.base);
	return 0;
}

static int delete_container(struct bh_vm_pod *pod, struct bh_rpc_call *call,
			    const Task__DeleteRequest *q, struct bh_vm_container *c)
{
	Task__DeleteResponse a = TASK__DELETE_RESPONSE__INIT;
	Wire__Timestamp at = c->processes->exited_at;

	a.pid = bh_vm_container_pid(c);
	a.exit_status = c->processes->exit_status;
	a.exited_at = &at;
	remove_container(c, q);
	if (!pod->containers)
		bh_pod_close(&pod->pod);
	bh_rpc_reply(call, &a.base);
	leave_if_empty(pod);
	return 0;
}

/* Another call does it: what is left to be said is said when it has. */
static int await_deletion(struct bh_vm_pod *pod, const char *id, struct bh_err *err)
{
	while (bh_vm_container_find(pod, id, NULL) &&
	       bh_fiber_sleep(pod->loop, BUSY_POLL_MS, err) == 0)
		continue;
	return bh_err_as(err, BH_ERR_STATE, -ENOENT, "container not created: %s: not found", id);
}

int bh_vm_delete(struct bh_vm_pod *pod, struct bh_rpc_call *call, const void *request,
		 struct bh_err *err)
{
	const Task__DeleteRequest *q = request;
	struct bh_vm_process *p = bh_vm_process_find(pod, q->id, q->exec_id, err);

	if (!p)
		return err->code;
	if (p->container->deleting)
		return await_deletion(pod, q->id, err);
	/* An exec that never started has no end to wait for. */
	if (p->status != TASK__STATUS__STOPPED && (!*p->exec_id || !p->document || p->starting))
		return bh_err_as(err, BH_ERR_STATE, -EBUSY,
				 "cannot delete a running process: %s: failed precondition", q->id);
	return *p->exec_id ? delete_exec(pod, call, q, p, err)
			   : delete_container(pod, call, q, p->container);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Execs of a micro-VM pod. Exec checks and remembers; all that the guest has to do is asked for by
 * Start, in one go: the exec itself, word of its end, and its start. Each trip to a guest costs
 * more than what it carries.
 */
#include <string.h>

#include "pod/vm/vm_pod.h"

#define BUSY_FAILURE "failed precondition"

/* ---- Exec ------------------------------------------------------------------------------------ */

static int check(struct bh_vm_pod *pod, const Task__ExecRequest *q, struct bh_vm_container **ret,
		 struct bh_err *err)
{
	struct bh_vm_container *c = bh_vm_container_find(pod, q->id, err);
	int r = c ? bh_vm_pod_check(pod, err) : err->code;

	if (r == 0 && !c->created)
		r = bh_err_as(err, BH_ERR_STATE, -ENOENT, "container not created: %s: not found",
			      q->id);
	if (r == 0 && c->deleting)
		r = bh_err_as(err, BH_ERR_STATE, -ESRCH, "container %s is being deleted", q->id);
	if (r == 0 && c->processes->status == TASK__STATUS__STOPPED)
		r = bh_err_as(err, BH_ERR_STATE, -EBUSY,
			      "cannot exec in a stopped state: " BUSY_FAILURE);
	if (r == 0 && !q->spec)
		r = bh_err_as(err, BH_ERR_SPEC, -EINVAL, "exec without a process document");
	r = r < 0 ? r : bh_container_id_check(q->exec_id, err);
	if (r == 0 && bh_vm_process_find(pod, q->id, q->exec_id, NULL))
		r = bh_err_as(err, BH_ERR_STATE, -EEXIST, "id %s: already exists", q->exec_id);
	*ret = c;
	return r;
}

int bh_vm_exec(struct bh_vm_pod *pod, struct bh_rpc_call *call, const void *request,
	       struct bh_err *err)
{
	const Task__ExecRequest *q = request;
	const char *const uris[3] = { q->stdin, q->stdout, q->stderr };
	Task__TaskExecAdded event = TASK__TASK_EXEC_ADDED__INIT;
	bh_auto_free char *document = NULL;
	struct bh_vm_container *c;
	struct bh_vm_process *p;
	int r = check(pod, q, &c, err);

	r = r < 0 ? r
		  : bh_guest_process((const char *)q->spec->value.data, q->spec->value.len,
				     &document, err);
	r = r < 0 ? r : bh_vm_process_new(c, q->exec_id, uris, q->terminal, &p, err);
	if (r < 0)
		return r;
	p->document = bh_take(&document);
	event.container_id = q->id;
	event.exec_id = q->exec_id;
	bh_vm_pod_event(pod, "/tasks/exec-added", &event.base);
	bh_rpc_reply(call, NULL);
	return 0;
}

/* ---- Start ----------------------------------------------------------------------------------- */

/* The guest's word on the first of the calls; those that follow fail with it. */
static void on_added(void *arg, const struct bh_rpc_answer *answer)
{
	struct bh_vm_process *p = arg;

	if (answer->code != BH_RPC_OK)
		bh_rpc_answer_err(answer, &p->refusal);
	p->adding = false;
	bh_vm_process_settle(p);
}

static int add(struct bh_vm_process *p, const char *const uris[3], struct bh_err *err)
{
	struct bh_vm_pod *pod = p->container->pod;
	Task__ExecRequest q = TASK__EXEC_REQUEST__INIT;
	Wire__Any spec = WIRE__ANY__INIT;
	int r = bh_vm_pod_check(pod, err);

	if (r == 0 && !pod->agent)
		r = bh_err_as(err, BH_ERR_STATE, -ENOTCONN, "the pod has no agent");
	if (r < 0)
		return r;
	q.id = (char *)p->container->record->id;
	q.exec_id = p->exec_id;
	q.terminal = p->terminal;
	q.stdin = (char *)uris[0];
	q.stdout = (char *)uris[1];
	q.stderr = (char *)uris[2];
	spec.type_url = (char *)"types.containerd.io/opencontainers/runtime-spec/1/Process";
	spec.value =
		(ProtobufCBinaryData){ .data = (uint8_t *)p->document, .len = strlen(p->document) };
	q.spec = &spec;
	r = bh_rpc_call(pod->agent, BH_TASK_SERVICE, "Exec", &q.base, BH_VM_ASK_TIMEOUT_MS,
			on_added, p, err);
	p->adding = r == 0;
	return r;
}

static void ignore(void *arg, const struct bh_rpc_answer *answer)
{
	(void)arg;
	(void)answer;
}

static void tell_size(const struct bh_vm_process *p)
{
	Task__ResizePtyRequest q = TASK__RESIZE_PTY_REQUEST__INIT;
	struct bh_err err = BH_ERR_INIT;

	if (!p->early_size.ws_col && !p->early_size.ws_row)
		return;
	q.id = (char *)p->container->record->id;
	q.exec_id = p->exec_id;
	q.width = p->early_size.ws_col;
	q.height = p->early_size.ws_row;
	(void)!bh_rpc_call(p->container->pod->agent, BH_TASK_SERVICE, "ResizePty", &q.base, 0,
			   ignore, NULL, &err);
}

/* Its stdio, then all that the guest is asked but its start. Suspends */
static int bring_to_guest(struct bh_vm_process *p, pid_t peer, struct bh_err *err)
{
	bh_auto_arena struct bh_arena arena = BH_ARENA_INIT;
	const char *uris[3];
	int r = bh_vm_process_connect(p, peer, &arena, uris, err);

	r = r < 0 ? r : add(p, uris, err);
	if (r < 0)
		return r;
	free(bh_take(&p->document));
	tell_size(p);
	return bh_vm_process_follow(p, err);
}

static void publish_start(struct bh_vm_process *p)
{
	Task__TaskExecStarted event = TASK__TASK_EXEC_STARTED__INIT;

	event.container_id = (char *)p->container->record->id;
	event.exec_id = p->exec_id;
	event.pid = bh_vm_container_pid(p->container);
	bh_vm_pod_event(p->container->pod, "/tasks/exec-started", &event.base);
}

/* Asked of a process that nobody has started: it is gone only if the pod's end took it. */
static int start_in_guest(struct bh_vm_process *p, struct bh_err *err)
{
	struct bh_vm_pod *pod = p->container->pod;
	Task__StartRequest q = TASK__START_REQUEST__INIT;
	Task__StartResponse *a = NULL;
	int r;

	q.id = (char *)p->container->record->id;
	q.exec_id = p->exec_id;
	p->held = true;
	r = bh_vm_pod_ask(pod, BH_TASK_SERVICE, "Start", &q.base, &task__start_response__descriptor,
			  (ProtobufCMessage **)&a, err);
	p->held = false;
	/* A guest that does not answer at all has refused nothing. */
	if (r < 0 && r != -ETIMEDOUT && p->refusal.code < 0 && !pod->dead) {
		*err = p->refusal;
		r = err->code;
	}
	if (r == 0 && p->container) {
		p->pid = a->pid;
		if (p->status == TASK__STATUS__CREATED)
			p->status = TASK__STATUS__RUNNING;
		publish_start(p);
	}
	if (a)
		task__start_response__free_unpacked(a, NULL);
	bh_vm_process_settle(p);
	return r;
}

int bh_vm_exec_start(struct bh_vm_process *p, struct bh_rpc_call *call, struct bh_err *err)
{
	struct bh_vm_container *c = p->container;
	Task__StartResponse reply = TASK__START_RESPONSE__INIT;
	int r;

	if (!p->document || p->starting)
		return bh_err_as(err, BH_ERR_STATE, -EBUSY,
				 "exec %s was started already: " BUSY_FAILURE, p->exec_id);
	p->starting = true;
	c->busy++;
	r = bring_to_guest(p, bh_rpc_call_peer(call), err);
	c->busy--;
	if (r < 0) {
		bh_vm_process_end(p, BH_VM_STATUS_NOT_BEGUN);
		return r;
	}
	reply.pid = bh_vm_container_pid(c);
	r = start_in_guest(p, err);
	if (r == 0)
		bh_rpc_reply(call, &reply.base);
	return r;
}

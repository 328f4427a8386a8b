/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between a pod and the agent in its micro-VM: questions, calls that are passed on, streams; what
 * the agent tells by itself; and the fibers in which verbs wait for all of it.
 */
#include <string.h>

#include "loop/fiber.h"
#include "pod/vm/vm_pod.h"
#include "rpc/agent.pb-c.h"
#include "rpc/conn.h"

/* What a guest may have this process do by telling of events without end. */
#define EVENTS_MAX     64 /* of an answer */
#define EVENTS_BURST   16 /* answers without a rest between them */
#define EVENTS_REST_MS 20U
#define NS_PER_MS      1000000U

/* ---- what the agent is asked ----------------------------------------------------------------- */

/* Of a guest that owes an answer, what is known of it. While it starts the phase tells that. */
static void tell_silence(const struct bh_vm_pod *pod, struct bh_err *err)
{
	if (!pod->pulse.beat_ms)
		return;
	bh_vm_pulse_tell(pod, err);
	bh_vm_pod_add_console(pod, err);
}

int bh_vm_pod_check(const struct bh_vm_pod *pod, struct bh_err *err)
{
	if (!pod->dead)
		return pod->closed ? bh_err_as(err, BH_ERR_STATE, -ESHUTDOWN, "the pod has ended")
				   : 0;
	if (err)
		*err = pod->why;
	return pod->why.code;
}

int bh_vm_pod_ask(struct bh_vm_pod *pod, const char *service, const char *method,
		  const ProtobufCMessage *request, const ProtobufCMessageDescriptor *type,
		  ProtobufCMessage **ret, struct bh_err *err)
{
	int r = bh_vm_pod_check(pod, err);

	if (r < 0)
		return r;
	if (!pod->agent)
		return bh_err_as(err, BH_ERR_STATE, -ENOTCONN, "the pod has no agent");
	r = bh_rpc_call_wait(pod->agent, service, method, request, BH_VM_ASK_TIMEOUT_MS, type, ret,
			     err);
	if (r == 0) {
		bh_vm_pulse_heard(pod);
		return 0;
	}
	/* The connection's end is the less interesting story. */
	bh_vm_pod_await_verdict(pod);
	if (pod->dead)
		return bh_vm_pod_check(pod, err);
	if (r == -ETIMEDOUT && err)
		tell_silence(pod, err);
	return r;
}

struct forwarded {
	struct bh_vm_pod *pod;
	struct bh_rpc_call *call;
};

/* A fiber: the connection ended under a call. */
static void tell_of_end(void *arg)
{
	struct forwarded f = *(struct forwarded *)arg;
	struct bh_err err = BH_ERR_INIT;

	free(arg);
	bh_vm_pod_await_verdict(f.pod);
	if (bh_vm_pod_check(f.pod, &err) == 0)
		bh_err_as(&err, BH_ERR_PEER, -ECONNRESET, "the connection to the agent ended");
	bh_rpc_fail_err(f.call, &err);
}

static void fail_silent(const struct forwarded *f, const struct bh_rpc_answer *answer)
{
	struct bh_err err = BH_ERR_INIT;

	bh_rpc_answer_err(answer, &err);
	bh_err_ctx(&err, "%s", bh_rpc_call_method(f->call));
	tell_silence(f->pod, &err);
	bh_rpc_fail_err(f->call, &err);
}

static void on_forwarded(void *arg, const struct bh_rpc_answer *answer)
{
	struct forwarded *f = arg;
	struct bh_err err = BH_ERR_INIT;

	if (answer->code == BH_RPC_UNAVAILABLE &&
	    bh_fiber_start(f->pod->loop, tell_of_end, f, &err) == 0)
		return;
	if (answer->code == BH_RPC_OK)
		bh_rpc_reply(f->call, NULL); /* not with bytes of the guest's */
	else if (answer->code == BH_RPC_DEADLINE)
		fail_silent(f, answer);
	else
		bh_rpc_fail(f->call, answer->code, "%s", answer->message);
	free(f);
}

void bh_vm_pod_forward(struct bh_vm_pod *pod, const char *service, struct bh_rpc_call *call)
{
	bh_auto_free struct forwarded *f = malloc(sizeof(*f));
	struct bh_err err = BH_ERR_INIT;
	int r = f ? bh_vm_pod_check(pod, &err) : bh_err_oom(&err);
	const void *payload;
	size_t len;

	payload = bh_rpc_call_payload(call, &len);
	if (r == 0 && !pod->agent)
		r = bh_err_as(&err, BH_ERR_STATE, -ENOTCONN, "the pod has no agent");
	if (r == 0)
		r = bh_rpc_call_bytes(pod->agent, service, bh_rpc_call_method(call), payload, len,
				      BH_VM_ASK_TIMEOUT_MS, on_forwarded, f, &err);
	if (r < 0) {
		bh_rpc_fail_err(call, &err);
		return;
	}
	*bh_take(&f) = (struct forwarded){ .pod = pod, .call = call };
}

int bh_vm_pod_stream(struct bh_vm_pod *pod, enum bh_stream_kind kind, uint32_t token,
		     struct bh_err *err)
{
	int fd = bh_vm_pod_check(pod, err);

	if (fd < 0)
		return fd;
	pod->users++;
	fd = bh_link_open(pod->link, kind, token, err);
	pod->users--;
	return fd;
}

/* ---- what it tells by itself ----------------------------------------------------------------- */

static void on_agent_event(struct bh_vm_pod *pod, const Agent__Event *e)
{
	Task__TaskOOM *oom;
	struct bh_vm_container *c;

	if (strcmp(e->topic, "/tasks/oom") != 0 || !e->event)
		return;
	oom = (Task__TaskOOM *)bh_rpc_unpack(&task__task_oom__descriptor, e->event->value.data,
					     e->event->value.len);
	c = oom ? bh_vm_container_find(pod, oom->container_id, NULL) : NULL;
	if (c)
		bh_vm_container_oom(c);
	if (oom)
		task__task_oom__free_unpacked(oom, NULL);
}

static int rest(struct bh_vm_pod *pod, struct bh_err *err)
{
	int r;

	pod->users++;
	r = bh_fiber_sleep(pod->loop, EVENTS_REST_MS, err);
	pod->users--;
	return r;
}

/* A fiber: until the agent is gone. Where that is told by the answer, @arg may be gone as well. */
static void hear_agent(void *arg)
{
	struct bh_vm_pod *pod = arg;
	struct bh_err err = BH_ERR_INIT;
	unsigned int burst = 0;

	while (!pod->dead && pod->agent) {
		Agent__EventsRequest q = AGENT__EVENTS_REQUEST__INIT;
		Agent__EventsResponse *a = NULL;
		uint64_t asked_ns = bh_clock_ns();

		if (bh_rpc_call_wait(pod->agent, BH_AGENT_SERVICE, "Events", &q.base, 0,
				     &agent__events_response__descriptor, (ProtobufCMessage **)&a,
				     &err) < 0)
			return;
		for (size_t i = 0; i < a->n_events && i < EVENTS_MAX && !pod->dead; i++)
			on_agent_event(pod, a->events[i]);
		agent__events_response__free_unpacked(a, NULL);
		burst = bh_clock_ns() - asked_ns < EVENTS_REST_MS * NS_PER_MS ? burst + 1 : 0;
		if (burst > EVENTS_BURST && rest(pod, &err) < 0)
			return;
	}
}

int bh_vm_pod_hear(struct bh_vm_pod *pod, struct bh_err *err)
{
	return bh_fiber_start(pod->loop, hear_agent, pod, err);
}

/* ---- what containerd is told, and asks ------------------------------------------------------- */

void bh_vm_pod_event(struct bh_vm_pod *pod, const char *topic, const ProtobufCMessage *event)
{
	bh_ledger_event(&pod->ledger, topic, event);
	if (pod->listener.event)
		pod->listener.event(pod->listener.arg, topic, event);
}

struct job {
	struct bh_vm_pod *pod;
	struct bh_rpc_call *call;
	const void *request;
	bh_vm_verb_fn fn;
};

static void run_job(void *arg)
{
	struct job job = *(struct job *)arg; /* the starter's is gone at the first suspension */
	struct bh_err err = BH_ERR_INIT;

	if (job.fn(job.pod, job.call, job.request, &err) < 0)
		bh_rpc_fail_err(job.call, &err);
}

void bh_vm_verb(struct bh_vm_pod *pod, struct bh_rpc_call *call, const void *request,
		bh_vm_verb_fn fn)
{
	struct job job = { .pod = pod, .call = call, .request = request, .fn = fn };
	struct bh_err err = BH_ERR_INIT;

	if (bh_fiber_start(pod->loop, run_job, &job, &err) < 0)
		bh_rpc_fail_err(call, &err);
}

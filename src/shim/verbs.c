/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Task service: the pod's verbs are the pod's, whatever it is of. Create brings it up first;
 * Connect and Shutdown are answered here.
 */
#include <string.h>

#include "rpc/task.pb-c.h"
#include "shim/serve.h"

#define POLL_MS 5

/* ---- the pod's ------------------------------------------------------------------------------- */

static const struct bh_rpc_method *find(const struct bh_rpc_service *services, size_t n,
					const char *method, void **ret_self)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(services[i].names[0], BH_TASK_SERVICE) != 0)
			continue;
		*ret_self = services[i].self;
		for (size_t m = 0; m < services[i].n_methods; m++)
			if (strcmp(services[i].methods[m].name, method) == 0)
				return &services[i].methods[m];
	}
	return NULL;
}

static void pass_on(struct bh_shim *s, struct bh_rpc_call *call, const void *request)
{
	size_t n;
	const struct bh_rpc_service *services = bh_pod_services(s->pod, &n);
	const struct bh_rpc_method *method;
	void *self;

	bh_shim_tidy(s);
	method = find(services, n, bh_rpc_call_method(call), &self);
	if (method)
		method->fn(self, call, request);
	else
		bh_rpc_fail(call, BH_RPC_UNIMPLEMENTED, "method %s", bh_rpc_call_method(call));
}

static void on_verb(void *self, struct bh_rpc_call *call, const void *request)
{
	struct bh_shim *s = self;

	if (s->stage == BH_SHIM_OPEN)
		pass_on(s, call, request);
	else
		bh_rpc_fail(call, BH_RPC_NOT_FOUND, "container not created: not found");
}

/* ---- Create ---------------------------------------------------------------------------------- */

struct job {
	struct bh_shim *s;
	struct bh_rpc_call *call;
	const void *request;
};

static int have_pod(struct bh_shim *s, const Task__CreateRequest *rq, struct bh_err *err)
{
	/* Somebody else's container is the first: this one is of the same pod. */
	while (s->stage == BH_SHIM_OPENING)
		if (bh_fiber_sleep(&s->loop, POLL_MS, err) < 0)
			return err->code;
	if (s->stage == BH_SHIM_OPEN)
		return 0;
	if (s->stage != BH_SHIM_IDLE)
		return bh_err_as(err, BH_ERR_STATE, -ESHUTDOWN, "the pod has ended");
	if (*rq->bundle != '/')
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL, "bundle '%s' is no absolute path",
				 rq->bundle);
	return bh_shim_open_pod(s, rq->id, rq->bundle, rq->options, err);
}

static void create(void *arg)
{
	struct job job = *(struct job *)arg; /* the starter's is gone at the first suspension */
	struct bh_err err = BH_ERR_INIT;

	if (have_pod(job.s, job.request, &err) < 0)
		bh_rpc_fail_err(job.call, &err);
	else
		pass_on(job.s, job.call, job.request);
}

static void on_create(void *self, struct bh_rpc_call *call, const void *request)
{
	struct job job = { .s = self, .call = call, .request = request };
	struct bh_err err = BH_ERR_INIT;

	if (job.s->stage == BH_SHIM_OPEN)
		pass_on(job.s, call, request);
	else if (bh_fiber_start(&job.s->loop, create, &job, &err) < 0)
		bh_rpc_fail_err(call, &err);
}

/* ---- the shim's own -------------------------------------------------------------------------- */

static void on_connect(void *self, struct bh_rpc_call *call, const void *request)
{
	const Task__ConnectRequest *rq = request;
	Task__ConnectResponse answer = TASK__CONNECT_RESPONSE__INIT;
	struct bh_shim *s = self;

	answer.shim_pid = (uint32_t)getpid();
	if (s->stage == BH_SHIM_OPEN)
		answer.task_pid = (uint32_t)bh_pod_pid(s->pod, rq->id);
	bh_rpc_reply(call, &answer.base);
}

/* The socket goes first: a `start` that comes now must not find who is about to leave. */
static void on_shutdown(void *self, struct bh_rpc_call *call, const void *request)
{
	struct bh_shim *s = self;
	bool stay = bh_shim_in_use(s);

	(void)request;
	if (!stay)
		bh_shim_retire(s);
	bh_rpc_reply(call, NULL);
	if (!stay)
		bh_shim_end(s);
}

/* ---- the table ------------------------------------------------------------------------------- */

#define VERB(verb, type, function)                                                       \
	{                                                                                \
		.name = (verb), .request = &task__##type##__descriptor, .fn = (function) \
	}

struct bh_rpc_service bh_shim_service(struct bh_shim *s)
{
	static const char *const names[] = BH_TASK_SERVICES;
	static const struct bh_rpc_method methods[] = {
		VERB("State", state_request, on_verb),
		VERB("Create", create_request, on_create),
		VERB("Start", start_request, on_verb),
		VERB("Delete", delete_request, on_verb),
		VERB("Pids", pids_request, on_verb),
		VERB("Pause", pause_request, on_verb),
		VERB("Resume", resume_request, on_verb),
		VERB("Checkpoint", checkpoint_request, on_verb),
		VERB("Kill", kill_request, on_verb),
		VERB("Exec", exec_request, on_verb),
		VERB("ResizePty", resize_pty_request, on_verb),
		VERB("CloseIO", close_iorequest, on_verb),
		VERB("Update", update_request, on_verb),
		VERB("Wait", wait_request, on_verb),
		VERB("Stats", stats_request, on_verb),
		VERB("Connect", connect_request, on_connect),
		VERB("Shutdown", shutdown_request, on_shutdown),
	};

	return (struct bh_rpc_service){
		.names = names, .methods = methods, .n_methods = BH_ARRAY_SIZE(methods), .self = s
	};
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Task service of a micro-VM pod: its verbs are translated and passed on to the agent, which
 * serves the same. Those that begin and end processes are in vm_lifecycle.c and vm_exec.c.
 */
#include <signal.h>

#include "contract/resource.h"
#include "pod/vm/vm_pod.h"
#include "task/metrics.h"

#define MILLI 1000 /* of a core */

/* ---- state, wait, pids ----------------------------------------------------------------------- */

/* The freezer takes all of a container. */
static Task__Status status_of(const struct bh_vm_process *p)
{
	if (p->status == TASK__STATUS__RUNNING &&
	    p->container->processes->status == TASK__STATUS__PAUSED)
		return TASK__STATUS__PAUSED;
	return p->status;
}

static int state(struct bh_vm_pod *pod, struct bh_rpc_call *call, const void *request,
		 struct bh_err *err)
{
	const Task__StateRequest *q = request;
	struct bh_vm_process *p = bh_vm_process_find(pod, q->id, q->exec_id, err);
	Task__StateResponse a = TASK__STATE_RESPONSE__INIT;

	if (!p)
		return err->code;
	a.id = q->id;
	a.exec_id = p->exec_id;
	a.bundle = (char *)p->container->record->bundle;
	a.pid = bh_vm_container_pid(p->container);
	a.status = status_of(p);
	a.stdin = p->uris[0];
	a.stdout = p->uris[1];
	a.stderr = p->uris[2];
	a.terminal = p->terminal;
	a.exit_status = p->exit_status;
	if (p->status == TASK__STATUS__STOPPED)
		a.exited_at = &p->exited_at;
	bh_rpc_reply(call, &a.base);
	return 0;
}

static int wait_end(struct bh_vm_pod *pod, struct bh_rpc_call *call, const void *request,
		    struct bh_err *err)
{
	const Task__WaitRequest *q = request;
	struct bh_vm_process *p = bh_vm_process_find(pod, q->id, q->exec_id, err);
	Task__WaitResponse a = TASK__WAIT_RESPONSE__INIT;
	struct bh_vm_waiter *w;

	if (!p)
		return err->code;
	if (p->status == TASK__STATUS__STOPPED) {
		a.exit_status = p->exit_status;
		a.exited_at = &p->exited_at;
		bh_rpc_reply(call, &a.base);
		return 0;
	}
	w = malloc(sizeof(*w));
	if (!w)
		return bh_err_oom(err);
	*w = (struct bh_vm_waiter){ .next = p->waiters, .call = call };
	p->waiters = w;
	return 0;
}

/* The guest's numbers would be taken for those of this host's processes, as `docker top` does: what
 * stands for the container here is the monitor. The guest's are the verb Processes. */
static int pids(struct bh_vm_pod *pod, struct bh_rpc_call *call, const void *request,
		struct bh_err *err)
{
	const Task__PidsRequest *q = request;
	const struct bh_vm_container *c = bh_vm_container_find(pod, q->id, err);
	Task__ProcessInfo monitor = TASK__PROCESS_INFO__INIT, *list[] = { &monitor };
	Task__PidsResponse a = TASK__PIDS_RESPONSE__INIT;

	if (!c)
		return err->code;
	monitor.pid = bh_vm_container_pid(c);
	a.n_processes = 1;
	a.processes = list;
	bh_rpc_reply(call, &a.base);
	return 0;
}

/* ---- figures --------------------------------------------------------------------------------- */

/* The guest's, as far as they are what they should be: an engine takes nothing else. */
static int stats(struct bh_vm_pod *pod, struct bh_rpc_call *call, const void *request,
		 struct bh_err *err)
{
	const Task__StatsRequest *q = request;
	Task__StatsResponse *a = NULL;
	int r = bh_vm_container_find(pod, q->id, err) ? 0 : err->code;

	r = r < 0 ? r
		  : bh_vm_pod_ask(pod, BH_TASK_SERVICE, "Stats", &q->base,
				  &task__stats_response__descriptor, (ProtobufCMessage **)&a, err);
	r = r < 0 ? r : bh_task_metrics_check(a->stats, err);
	if (r == 0)
		bh_rpc_reply(call, &a->base);
	if (a)
		task__stats_response__free_unpacked(a, NULL);
	return r;
}

/* ---- input ----------------------------------------------------------------------------------- */

/* The end of the input travels to the guest as the end of the stream. */
static int close_io(struct bh_vm_pod *pod, struct bh_rpc_call *call, const void *request,
		    struct bh_err *err)
{
	const Task__CloseIORequest *q = request;
	struct bh_vm_process *p = bh_vm_process_find(pod, q->id, q->exec_id, err);

	if (!p)
		return err->code;
	if (q->stdin)
		bh_vm_process_close_input(p);
	bh_rpc_reply(call, NULL);
	return 0;
}

/* A size that is set before the process is in the guest is told when it gets there. */
static int resize(struct bh_vm_pod *pod, struct bh_rpc_call *call, const void *request,
		  struct bh_err *err)
{
	const Task__ResizePtyRequest *q = request;
	struct bh_vm_process *p = bh_vm_process_find(pod, q->id, q->exec_id, err);

	if (!p)
		return err->code;
	if (!p->document) {
		bh_vm_pod_forward(pod, BH_TASK_SERVICE, call);
		return 0;
	}
	if (q->width > UINT16_MAX || q->height > UINT16_MAX)
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL, "a terminal of %u x %u characters",
				 q->width, q->height);
	p->early_size = (struct winsize){ .ws_col = (unsigned short)q->width,
					  .ws_row = (unsigned short)q->height };
	bh_rpc_reply(call, NULL);
	return 0;
}

/* ---- kill, pause, resume, update ------------------------------------------------------------- */

static int kill_process(struct bh_vm_pod *pod, struct bh_rpc_call *call, const void *request,
			struct bh_err *err)
{
	const Task__KillRequest *q = request;
	struct bh_vm_process *p = bh_vm_process_find(pod, q->id, q->exec_id, err);
	int r;

	if (!p)
		return err->code;
	/* Engines go on with their deletion at this code alone. */
	if (pod->dead || pod->closed || (p->status == TASK__STATUS__STOPPED && !q->all)) {
		bh_rpc_fail(call, BH_RPC_NOT_FOUND, "process already finished: not found");
		return 0;
	}
	if (p->document) {
		bh_rpc_fail(call, BH_RPC_PRECONDITION, "process not created: failed precondition");
		return 0;
	}
	p->killed |= q->signal == SIGKILL;
	r = bh_vm_pulse_feel(pod, err);
	if (r < 0)
		return r;
	bh_vm_pod_forward(pod, BH_TASK_SERVICE, call);
	return 0;
}

static int freeze(struct bh_vm_pod *pod, const char *id, bool frozen, const char *method,
		  const ProtobufCMessage *request, struct bh_err *err)
{
	struct bh_vm_container *c = bh_vm_container_find(pod, id, err);
	Task__TaskPaused paused = TASK__TASK_PAUSED__INIT;
	Task__TaskResumed resumed = TASK__TASK_RESUMED__INIT;
	struct bh_vm_process *p;
	int r = c ? bh_vm_pod_ask(pod, BH_TASK_SERVICE, method, request, NULL, NULL, err)
		  : err->code;

	if (r < 0)
		return r;
	p = bh_vm_process_find(pod, id, NULL, NULL);
	if (p && p->status != TASK__STATUS__STOPPED)
		p->status = frozen ? TASK__STATUS__PAUSED : TASK__STATUS__RUNNING;
	paused.container_id = resumed.container_id = (char *)id;
	bh_vm_pod_event(pod, frozen ? "/tasks/paused" : "/tasks/resumed",
			frozen ? &paused.base : &resumed.base);
	return 0;
}

static int pause_container(struct bh_vm_pod *pod, struct bh_rpc_call *call, const void *request,
			   struct bh_err *err)
{
	const Task__PauseRequest *q = request;
	int r = freeze(pod, q->id, true, "Pause", &q->base, err);

	if (r == 0)
		bh_rpc_reply(call, NULL);
	return r;
}

static int resume_container(struct bh_vm_pod *pod, struct bh_rpc_call *call, const void *request,
			    struct bh_err *err)
{
	const Task__ResumeRequest *q = request;
	int r = freeze(pod, q->id, false, "Resume", &q->base, err);

	if (r == 0)
		bh_rpc_reply(call, NULL);
	return r;
}

/* What the pod's cgroup has if @c has @quota. */
static uint64_t pod_quota_with(const struct bh_vm_container *c, uint64_t quota)
{
	const uint64_t all = c->pod->size.cgroup_quota_usec;

	return (all > c->quota_usec ? all - c->quota_usec : 0) + quota;
}

/* All of its processors and what they cost. */
static uint64_t most_quota(const struct bh_vm_size *size)
{
	return size->vcpus * size->period_usec + size->overhead_usec;
}

/* The VM's size is fixed; what its containers may have of it is not. */
static int check_update(const struct bh_vm_container *c, const struct bh_resources *r,
			struct bh_err *err)
{
	const struct bh_vm_pod *pod = c->pod;
	const uint64_t quota = bh_vm_cpu_quota(pod, &r->cpu), all = pod_quota_with(c, quota);
	char wanted[BH_AMOUNT_BYTES], made[BH_AMOUNT_BYTES];

	if (quota > c->quota_usec && all > most_quota(&pod->size))
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL,
				 "kata: cpu limits of %llum: the pod was made with %u processor%s, "
				 "and its size is fixed",
				 (unsigned long long)((all - pod->size.overhead_usec) * MILLI /
						      pod->size.period_usec),
				 pod->size.vcpus, pod->size.vcpus == 1 ? "" : "s");
	if (r->memory.limit.set && r->memory.limit.v > (int64_t)pod->size.memory)
		return bh_err_as(
			err, BH_ERR_SPEC, -EINVAL,
			"kata: memory limit %s: the pod was made with %s, and its size is fixed",
			bh_amount_format(BH_RESOURCE_MEMORY, r->memory.limit.v, wanted),
			bh_amount_format(BH_RESOURCE_MEMORY, (int64_t)pod->size.memory, made));
	return 0;
}

/* The pod's quota changes by as much as the container's. */
static int update_quota(struct bh_vm_container *c, const struct bh_cpu *cpu, struct bh_err *err)
{
	struct bh_vm_pod *pod = c->pod;
	const uint64_t now = bh_vm_cpu_quota(pod, cpu), all = pod_quota_with(c, now),
		       most = most_quota(&pod->size);

	if (!now)
		return 0;
	c->quota_usec = now;
	pod->size.cgroup_quota_usec = all < most ? all : most;
	return bh_vm_pod_limit_cpu(pod, err);
}

static int update(struct bh_vm_pod *pod, struct bh_rpc_call *call, const void *request,
		  struct bh_err *err)
{
	const Task__UpdateRequest *q = request;
	bh_auto_arena struct bh_arena arena = BH_ARENA_INIT;
	struct bh_vm_container *c = bh_vm_container_find(pod, q->id, err);
	struct bh_resources resources = { .set = false };
	int r = c ? 0 : err->code;

	if (r == 0 && q->resources)
		r = bh_spec_parse_resources(&arena, (const char *)q->resources->value.data,
					    q->resources->value.len, &resources, err);
	r = r < 0 ? r : check_update(c, &resources, err);
	r = r < 0 ? r : bh_vm_pod_ask(pod, BH_TASK_SERVICE, "Update", &q->base, NULL, NULL, err);
	if (r < 0)
		return r;
	c = bh_vm_container_find(pod, q->id, NULL);
	if (c)
		r = update_quota(c, &resources.cpu, err);
	if (r == 0)
		bh_rpc_reply(call, NULL);
	return r;
}

/* ---- the table ------------------------------------------------------------------------------- */

#define VERB(fn)                                                                       \
	static void on_##fn(void *self, struct bh_rpc_call *call, const void *request) \
	{                                                                              \
		bh_vm_verb(self, call, request, fn);                                   \
	}

VERB(bh_vm_create)
VERB(bh_vm_start)
VERB(bh_vm_delete)
VERB(bh_vm_exec)
VERB(state)
VERB(wait_end)
VERB(pids)
VERB(stats)
VERB(close_io)
VERB(resize)
VERB(kill_process)
VERB(pause_container)
VERB(resume_container)
VERB(update)

static void on_checkpoint(void *self, struct bh_rpc_call *call, const void *request)
{
	(void)self;
	(void)request;
	bh_rpc_fail(call, BH_RPC_UNIMPLEMENTED, "checkpoint/restore is not supported");
}

static const struct bh_rpc_method methods[] = {
	{ "Create", &task__create_request__descriptor, on_bh_vm_create },
	{ "Start", &task__start_request__descriptor, on_bh_vm_start },
	{ "Exec", &task__exec_request__descriptor, on_bh_vm_exec },
	{ "State", &task__state_request__descriptor, on_state },
	{ "Wait", &task__wait_request__descriptor, on_wait_end },
	{ "Kill", &task__kill_request__descriptor, on_kill_process },
	{ "Pause", &task__pause_request__descriptor, on_pause_container },
	{ "Resume", &task__resume_request__descriptor, on_resume_container },
	{ "Update", &task__update_request__descriptor, on_update },
	{ "Delete", &task__delete_request__descriptor, on_bh_vm_delete },
	{ "Pids", &task__pids_request__descriptor, on_pids },
	{ "Stats", &task__stats_request__descriptor, on_stats },
	{ "ResizePty", &task__resize_pty_request__descriptor, on_resize },
	{ "CloseIO", &task__close_iorequest__descriptor, on_close_io },
	{ "Checkpoint", &task__checkpoint_request__descriptor, on_checkpoint },
};

struct bh_rpc_service bh_vm_task_service(struct bh_vm_pod *pod)
{
	static const char *const names[] = BH_TASK_SERVICES;

	return (struct bh_rpc_service){
		.names = names, .methods = methods, .n_methods = BH_ARRAY_SIZE(methods), .self = pod
	};
}

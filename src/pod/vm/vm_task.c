/* SPDX-License-Identifier: Apache-2.0 */
/* The Task verbs of a micro-VM pod: translated and passed on to the agent, which serves the same.
 */
#include <signal.h>
#include <string.h>

#include "container/state.h"
#include "contract/resource.h"
#include "loop/fiber.h"
#include "pod/vm/vm_pod.h"
#include "rpc/agent.pb-c.h"
#include "task/metrics.h"

#define BUSY_POLL_MS   5
#define END_TIMEOUT_MS 10000 /* for a process to end after SIGKILL */
#define MILLI          1000  /* of a core */

/* Source: containerd internal/cri/annotations */
#define ANNOTATION_TYPE "io.kubernetes.cri.container-type"

static uint64_t quota_in(const struct bh_vm_pod *pod, const struct bh_cpu *cpu)
{
	uint64_t period = cpu->period.set ? cpu->period.v : BH_POD_CPU_PERIOD_USEC;

	if (!cpu->quota.set || cpu->quota.v <= 0 || !period)
		return 0;
	return (uint64_t)cpu->quota.v * pod->size.period_usec / period;
}

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

static int create(struct bh_vm_pod *pod, struct bh_rpc_call *call, const void *request,
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
	c->quota_usec = quota_in(pod, &c->record->spec.linux_.resources.cpu);
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

/* ---- start ---- */

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

static int start(struct bh_vm_pod *pod, struct bh_rpc_call *call, const void *request,
		 struct bh_err *err)
{
	const Task__StartRequest *q = request;
	struct bh_vm_process *p = bh_vm_process_find(pod, q->id, q->exec_id, err);

	if (!p)
		return err->code;
	return *q->exec_id ? bh_vm_exec_start(p, call, err) : start_container(pod, call, q, err);
}

/* ---- state, wait, pids ---- */

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

/* ---- figures ---- */

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

/* ---- input ---- */

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
	const uint64_t quota = quota_in(pod, &r->cpu), all = pod_quota_with(c, quota);
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
	const uint64_t now = quota_in(pod, cpu), all = pod_quota_with(c, now),
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

/* ---- delete ---------------------------------------------------------------------------------- */

static void delete_reply(struct bh_rpc_call *call, const Task__DeleteResponse *ended)
{
	bh_rpc_reply(call, &ended->base);
}

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
	delete_reply(call, &a);
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
	delete_reply(call, &a);
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

static int delete (struct bh_vm_pod *pod, struct bh_rpc_call *call, const void *request,
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

/* ---- the table ------------------------------------------------------------------------------- */

#define VERB(fn)                                                                       \
	static void on_##fn(void *self, struct bh_rpc_call *call, const void *request) \
	{                                                                              \
		bh_vm_verb(self, call, request, fn);                                   \
	}

VERB(create)
VERB(start)
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
VERB(delete)

static void on_checkpoint(void *self, struct bh_rpc_call *call, const void *request)
{
	(void)self;
	(void)request;
	bh_rpc_fail(call, BH_RPC_UNIMPLEMENTED, "checkpoint/restore is not supported");
}

static const struct bh_rpc_method methods[] = {
	{ "Create", &task__create_request__descriptor, on_create },
	{ "Start", &task__start_request__descriptor, on_start },
	{ "Exec", &task__exec_request__descriptor, on_bh_vm_exec },
	{ "State", &task__state_request__descriptor, on_state },
	{ "Wait", &task__wait_request__descriptor, on_wait_end },
	{ "Kill", &task__kill_request__descriptor, on_kill_process },
	{ "Pause", &task__pause_request__descriptor, on_pause_container },
	{ "Resume", &task__resume_request__descriptor, on_resume_container },
	{ "Update", &task__update_request__descriptor, on_update },
	{ "Delete", &task__delete_request__descriptor, on_delete },
	{ "Pids", &task__pids_request__descriptor, on_pids },
	{ "Stats", &task__stats_request__descriptor, on_stats },
	{ "ResizePty", &task__resize_pty_request__descriptor, on_resize },
	{ "CloseIO", &task__close_iorequest__descriptor, on_close_io },
	{ "Checkpoint", &task__checkpoint_request__descriptor, on_checkpoint },
};

struct bh_rpc_service bh_vm_task_service(struct bh_vm_pod *pod)
{
	static const char *const names[] = { "containerd.task.v2.Task", "containerd.task.v3.Task",
					     NULL };

	return (struct bh_rpc_service){
		.names = names, .methods = methods, .n_methods = BH_ARRAY_SIZE(methods), .self = pod
	};
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What a micro-VM pod answers beside the Task verbs: how it is, what it costs. */
#include "pod/vm/vm_pod.h"
#include "rpc/agent.pb-c.h"
#include "vmm/figures.h"

#define HOST_PARTS  3
#define GUEST_PARTS 2
/* The longest that somebody waits for a guest that may be silent. */
#define GUEST_MS_MAX 60000

static int status(struct bh_vm_pod *pod, struct bh_rpc_call *call, const void *request,
		  struct bh_err *err)
{
	Pod__StatusResponse a = POD__STATUS_RESPONSE__INIT;
	char text[BH_ERR_LINE_BYTES];

	(void)request;
	(void)err;
	if (pod->dead)
		a.dead = (char *)bh_err_format(&pod->why, text, sizeof(text));
	bh_rpc_reply(call, &a.base);
	return 0;
}

static int detach(struct bh_vm_pod *pod, struct bh_rpc_call *call, const void *request,
		  struct bh_err *err)
{
	const Pod__DetachRequest *q = request;
	struct bh_vm_process *p = bh_vm_process_find(pod, q->id, q->exec_id, err);

	if (!p)
		return err->code;
	if (!*p->exec_id)
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL,
				 "a container's first process cannot be detached: %s", q->id);
	if (p->status == TASK__STATUS__STOPPED)
		bh_vm_process_forget(p);
	else
		p->detached = true;
	bh_rpc_reply(call, NULL);
	return 0;
}

/* ---- figures --------------------------------------------------------------------------------- */

static int host_parts(struct bh_vm_pod *pod, Pod__Part parts[HOST_PARTS], uint64_t *ret_guest_ram,
		      struct bh_err *err)
{
	static const char *const names[HOST_PARTS] = { "vmm", "virtiofsd", "supervisor" };
	const pid_t pids[HOST_PARTS] = { pod->vmm.pid, bh_share_pid(pod->share), getpid() };

	*ret_guest_ram = 0;
	for (int i = 0; i < HOST_PARTS; i++) {
		struct bh_vm_figures f = { .pid = 0 };
		int r = bh_figures_read(pids[i], pod->size.ram, &f, err);

		if (r < 0)
			return r;
		parts[i].name = (char *)names[i];
		parts[i].memory = f.pss;
		parts[i].cpu_usec = f.cpu_usec;
		*ret_guest_ram = f.guest_ram > *ret_guest_ram ? f.guest_ram : *ret_guest_ram;
	}
	return 0;
}

static void guest_parts(const Agent__FiguresResponse *g, Pod__Part parts[GUEST_PARTS])
{
	parts[0].name = (char *)"guest kernel";
	parts[0].memory = g->memory_kernel;
	parts[0].cpu_usec = g->cpu_usec;
	parts[1].name = (char *)"agent";
	parts[1].memory = g->agent_rss;
	parts[1].cpu_usec = g->agent_cpu_usec;
}

static void add_phases(const struct bh_vm_pod *pod, Pod__Phase phases[], Pod__Phase *list[])
{
	for (int i = 0; i < BH_VM_PHASE_MAX_; i++) {
		phases[i] = (Pod__Phase)POD__PHASE__INIT;
		phases[i].name = (char *)bh_vm_phase_names[i];
		phases[i].usec = pod->phase_usec[i];
		list[i] = &phases[i];
	}
}

static const char *const accelerators[] = {
	[BH_ACCELERATOR_KVM] = "kvm", [BH_ACCELERATOR_EMULATION] = "emulation"
};

/* Return: the guest's answer, free with agent__figures_response__free_unpacked(); NULL with @err */
static Agent__FiguresResponse *ask_guest(struct bh_vm_pod *pod, uint32_t limit_ms,
					 struct bh_err *err)
{
	Agent__FiguresRequest ask = AGENT__FIGURES_REQUEST__INIT;
	Agent__FiguresResponse *g = NULL;
	int limit = limit_ms < GUEST_MS_MAX ? (int)limit_ms : GUEST_MS_MAX;
	int r = bh_vm_pod_check(pod, err);

	if (r == 0 && limit && pod->agent)
		r = bh_rpc_call_wait(pod->agent, BH_AGENT_SERVICE, "Figures", &ask.base, limit,
				     &agent__figures_response__descriptor, (ProtobufCMessage **)&g,
				     err);
	else if (r == 0)
		r = bh_vm_pod_ask(pod, BH_AGENT_SERVICE, "Figures", &ask.base,
				  &agent__figures_response__descriptor, (ProtobufCMessage **)&g,
				  err);
	return r < 0 ? NULL : g;
}

/* What the guest tells of its memory, as far as that makes sense. */
static void guest_memory(const struct bh_vm_pod *pod, const Agent__FiguresResponse *g,
			 Pod__FiguresResponse *a)
{
	a->guest_total = g->memory_total < pod->size.ram ? g->memory_total : pod->size.ram;
	a->guest_available = g->memory_available < a->guest_total ? g->memory_available
								  : a->guest_total;
}

static int figures(struct bh_vm_pod *pod, struct bh_rpc_call *call, const void *request,
		   struct bh_err *err)
{
	const Pod__FiguresRequest *q = request;
	Pod__Part host[HOST_PARTS] = { POD__PART__INIT, POD__PART__INIT, POD__PART__INIT };
	Pod__Part guest[GUEST_PARTS] = { POD__PART__INIT, POD__PART__INIT };
	Pod__Part *host_list[] = { &host[0], &host[1], &host[2] };
	Pod__Part *guest_list[] = { &guest[0], &guest[1] };
	Pod__Phase phases[BH_VM_PHASE_MAX_], *phase_list[BH_VM_PHASE_MAX_];
	Pod__FiguresResponse a = POD__FIGURES_RESPONSE__INIT;
	char text[BH_ERR_LINE_BYTES];
	bool partly = q->guest_ms > 0;
	Agent__FiguresResponse *g = ask_guest(pod, q->guest_ms, err);
	int r = g || (partly && bh_vm_pod_check(pod, NULL) == 0) ? 0 : err->code;

	if (g) {
		guest_parts(g, guest);
		guest_memory(pod, g, &a);
		a.n_guest = GUEST_PARTS;
		a.guest = guest_list;
		agent__figures_response__free_unpacked(g, NULL);
	} else if (r == 0) {
		a.guest_silent = (char *)bh_err_format(err, text, sizeof(text));
	}
	r = r < 0 ? r : host_parts(pod, host, &a.guest_ram, err);
	if (r < 0)
		return r;
	add_phases(pod, phases, phase_list);
	a.n_host = HOST_PARTS;
	a.host = host_list;
	a.n_phases = BH_VM_PHASE_MAX_;
	a.phases = phase_list;
	a.vm_memory = pod->size.ram;
	a.vcpus = pod->size.vcpus;
	a.kernel = (char *)pod->kernel;
	a.accelerator = (char *)accelerators[pod->accelerator];
	bh_rpc_reply(call, &a.base);
	return 0;
}

/* ---- description ----------------------------------------------------------------------------- */

static uint32_t milli(uint64_t quota_usec, uint64_t period_usec)
{
	return (uint32_t)(quota_usec * 1000 / period_usec);
}

static int describe(struct bh_vm_pod *pod, struct bh_rpc_call *call, const void *request,
		    struct bh_err *err)
{
	const struct bh_vm_size *size = &pod->size;
	Pod__DescribeResponse a = POD__DESCRIBE_RESPONSE__INIT;
	char text[BH_ERR_LINE_BYTES];
	int r = bh_ledger_describe(&pod->ledger, &a, err);

	(void)request;
	if (r < 0)
		return r;
	a.runtime = (char *)bh_vm_pod_kind.name;
	if (pod->dead)
		a.dead = (char *)bh_err_format(&pod->why, text, sizeof(text));
	a.vcpus = size->vcpus;
	a.vm_memory = size->ram;
	a.accelerator = (char *)accelerators[pod->accelerator];
	a.memory = size->memory;
	a.cpu_milli = milli(size->quota_usec, size->period_usec);
	a.overhead_memory = pod->config.settings.overhead.memory;
	a.overhead_cpu_milli = pod->config.settings.overhead.cpu_milli;
	bh_rpc_reply(call, &a.base);
	bh_ledger_release(&a);
	return 0;
}

/* ---- out of memory --------------------------------------------------------------------------- */

static int oom(struct bh_vm_pod *pod, struct bh_rpc_call *call, const void *request,
	       struct bh_err *err)
{
	const Pod__OomRequest *q = request;
	struct bh_vm_container *c = bh_vm_container_find(pod, q->id, err);
	struct bh_vm_oom_watch *w;

	if (!c)
		return err->code;
	w = malloc(sizeof(*w));
	if (!w)
		return bh_err_oom(err);
	*w = (struct bh_vm_oom_watch){ .next = c->oom_watches, .call = call, .seen = q->seen };
	c->oom_watches = w;
	bh_vm_container_answer_oom(c,
				   c->processes && c->processes->status == TASK__STATUS__STOPPED);
	return 0;
}

/* ---- the table ------------------------------------------------------------------------------- */

#define VERB(fn)                                                                       \
	static void on_##fn(void *self, struct bh_rpc_call *call, const void *request) \
	{                                                                              \
		bh_vm_verb(self, call, request, fn);                                   \
	}

VERB(status)
VERB(detach)
VERB(figures)
VERB(describe)
VERB(oom)
VERB(bh_vm_stats)
VERB(bh_vm_processes)

static const struct bh_rpc_method methods[] = {
	{ "Status", &pod__status_request__descriptor, on_status },
	{ "Detach", &pod__detach_request__descriptor, on_detach },
	{ "Figures", &pod__figures_request__descriptor, on_figures },
	{ "Describe", &pod__describe_request__descriptor, on_describe },
	{ "Oom", &pod__oom_request__descriptor, on_oom },
	{ "Stats", &pod__container_request__descriptor, on_bh_vm_stats },
	{ "Processes", &pod__container_request__descriptor, on_bh_vm_processes },
};

struct bh_rpc_service bh_vm_pod_service(struct bh_vm_pod *pod)
{
	static const char *const names[] = { BH_POD_SERVICE, NULL };

	return (struct bh_rpc_service){
		.names = names, .methods = methods, .n_methods = BH_ARRAY_SIZE(methods), .self = pod
	};
}

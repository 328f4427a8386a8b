/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/exposition.h"

#include <inttypes.h>
#include <string.h>

#define USEC_PER_S  1e6
#define MILLI       1e3
#define PREFIX      "bulkhead_"
#define TYPE_TEXT   "text/plain; version=0.0.4; charset=utf-8"
#define OPENMETRICS "application/openmetrics-text"
#define TYPE_OPEN   OPENMETRICS "; version=1.0.0; charset=utf-8"

const char *bh_exposition_type(enum bh_exposition format)
{
	return format == BH_EXPOSITION_OPENMETRICS ? TYPE_OPEN : TYPE_TEXT;
}

enum bh_exposition bh_exposition_wanted(const char *accept)
{
	return accept && strstr(accept, OPENMETRICS) ? BH_EXPOSITION_OPENMETRICS
						     : BH_EXPOSITION_TEXT;
}

/* ---- families -------------------------------------------------------------------------------- */

struct page {
	enum bh_exposition format;
	const struct bh_node *node;
	const struct bh_counters *counters;
	struct bh_buf *out;
};

struct family;

/** Prints the samples of a family for one pod */
typedef void (*samples_fn)(struct page *p, const struct family *f, const struct bh_node_pod *pod);

/* A number of a pod, or of a container. Return: whether it is known */
typedef bool (*number_fn)(struct page *p, const struct bh_node_pod *pod, double *ret);
typedef bool (*container_fn)(const struct bh_node_container *c, double *ret);

struct family {
	const char *name; /* without prefix, and without a counter's "_total" */
	const char *unit; /* its last word, if it is a unit; "" else */
	bool counter;
	const char *help;
	samples_fn samples;
	number_fn number;
	container_fn container;
};

static void print_head(struct page *p, const struct family *f)
{
	/* In the older format a counter's name is that of its samples. */
	const char *total = f->counter && p->format == BH_EXPOSITION_TEXT ? "_total" : "";

	bh_buf_printf(p->out, "# HELP " PREFIX "%s%s %s\n# TYPE " PREFIX "%s%s %s\n", f->name,
		      total, f->help, f->name, total, f->counter ? "counter" : "gauge");
	if (*f->unit && p->format == BH_EXPOSITION_OPENMETRICS)
		bh_buf_printf(p->out, "# UNIT " PREFIX "%s %s\n", f->name, f->unit);
}

static void print_label(struct bh_buf *out, const char *name, const char *value)
{
	bh_buf_printf(out, ",%s=\"", name);
	for (const char *c = value; *c; c++)
		if (*c == '"' || *c == '\\')
			bh_buf_printf(out, "\\%c", *c);
		else
			bh_buf_add(out, c, 1);
	bh_buf_puts(out, "\"");
}

/* Up to the brace that closes the labels. */
static void begin(struct page *p, const struct family *f, const struct bh_node_pod *pod)
{
	bh_buf_printf(p->out, PREFIX "%s%s{runtime=\"%s\"", f->name, f->counter ? "_total" : "",
		      pod->runtime);
	print_label(p->out, "namespace", pod->name_space);
	print_label(p->out, "name", pod->name);
	print_label(p->out, "id", pod->id);
	print_label(p->out, "root", pod->root);
}

static void end(struct page *p, double value)
{
	bh_buf_printf(p->out, "} %.16g\n", value);
}

/* ---- kinds of samples ------------------------------------------------------------------------ */

static void one_number(struct page *p, const struct family *f, const struct bh_node_pod *pod)
{
	double value;

	if (!f->number(p, pod, &value))
		return;
	begin(p, f, pod);
	end(p, value);
}

static void each_container(struct page *p, const struct family *f, const struct bh_node_pod *pod)
{
	bh_for_each (c, pod->containers) {
		double value;

		if (!f->container(c, &value))
			continue;
		begin(p, f, pod);
		print_label(p->out, "container", *c->name ? c->name : c->id);
		print_label(p->out, "container_id", c->id);
		end(p, value);
	}
}

static void info(struct page *p, const struct family *f, const struct bh_node_pod *pod)
{
	begin(p, f, pod);
	print_label(p->out, "uid", pod->uid);
	print_label(p->out, "accelerator", pod->accelerator);
	end(p, 1);
}

static void state(struct page *p, const struct family *f, const struct bh_node_pod *pod)
{
	for (int s = 0; s < BH_NODE_STATE_MAX_; s++) {
		begin(p, f, pod);
		print_label(p->out, "state", bh_node_state_name(s));
		end(p, pod->state == (enum bh_node_state)s);
	}
}

static void each_phase(struct page *p, const struct family *f, const struct bh_node_pod *pod)
{
	for (size_t i = 0; pod->parts && i < pod->parts->n_phases; i++) {
		begin(p, f, pod);
		print_label(p->out, "phase", pod->parts->phases[i]->name);
		end(p, (double)pod->parts->phases[i]->usec / USEC_PER_S);
	}
}

static double part_memory(const Pod__Part *part)
{
	return (double)part->memory;
}

static double part_cpu(const Pod__Part *part)
{
	return (double)part->cpu_usec / USEC_PER_S;
}

static void print_parts(struct page *p, const struct family *f, const struct bh_node_pod *pod,
			double (*value)(const Pod__Part *part))
{
	const Pod__FiguresResponse *a = pod->parts;

	for (size_t i = 0; a && i < a->n_host + a->n_guest; i++) {
		bool host = i < a->n_host;
		const Pod__Part *part = host ? a->host[i] : a->guest[i - a->n_host];

		begin(p, f, pod);
		print_label(p->out, "where", host ? "host" : "guest");
		print_label(p->out, "part", part->name);
		end(p, value(part));
	}
}

static void parts_memory(struct page *p, const struct family *f, const struct bh_node_pod *pod)
{
	print_parts(p, f, pod, part_memory);
}

static void parts_cpu(struct page *p, const struct family *f, const struct bh_node_pod *pod)
{
	print_parts(p, f, pod, part_cpu);
}

/* ---- numbers --------------------------------------------------------------------------------- */

/* What a pod always has, what it has if @known. */
#define NUMBER(name, known, value)                                                   \
	static bool name(struct page *p, const struct bh_node_pod *pod, double *ret) \
	{                                                                            \
		(void)p;                                                             \
		*ret = (double)(value);                                              \
		return known;                                                        \
	}
#define COUNTED(name, known, field)                                                  \
	static bool name(struct page *p, const struct bh_node_pod *pod, double *ret) \
	{                                                                            \
		*ret = (double)bh_counters_of(p->counters, pod).field / USEC_PER_S;  \
		return known;                                                        \
	}
#define OF_CONTAINER(name, known, value)                                 \
	static bool name(const struct bh_node_container *c, double *ret) \
	{                                                                \
		*ret = (double)(value);                                  \
		return known;                                            \
	}

NUMBER(up, true, pod->up)
NUMBER(created, pod->created > 0, pod->created)
NUMBER(containers, true, pod->containers.n)
NUMBER(containers_running, true, bh_node_running(pod))
NUMBER(restarts, pod->served, pod->restarts)
NUMBER(vcpus, pod->vcpus > 0, pod->vcpus)
NUMBER(vm_memory, pod->vcpus > 0, pod->vm_memory)
NUMBER(limit_memory, pod->vcpus > 0, pod->memory)
NUMBER(limit_cpu, pod->vcpus > 0, pod->cpu_milli / MILLI)
NUMBER(declared_memory, pod->vcpus > 0, pod->overhead_memory)
NUMBER(declared_cpu, pod->vcpus > 0, pod->overhead_cpu_milli / MILLI)
NUMBER(memory, pod->measured.host, pod->measured.host_memory)
NUMBER(guest_memory, pod->measured.guest, pod->measured.guest_memory)
NUMBER(guest_total, pod->measured.guest, pod->measured.guest_total)
NUMBER(guest_cpu, pod->measured.guest, (double)pod->measured.guest_cpu_usec / USEC_PER_S)
NUMBER(overhead_memory, pod->measured.overhead, pod->measured.overhead_memory)
COUNTED(cpu, pod->measured.host, cpu_usec)
COUNTED(overhead_cpu, pod->measured.overhead, overhead_cpu_usec)
OF_CONTAINER(container_running, true, !strcmp(c->status, "running"))
OF_CONTAINER(container_memory, c->measured, c->memory)
OF_CONTAINER(container_cpu, c->measured, (double)c->cpu_usec / USEC_PER_S)
OF_CONTAINER(container_oom, true, c->oom_kills)
OF_CONTAINER(container_exit, c->ended, c->exit_status)

/* ---- the table ------------------------------------------------------------------------------- */

#define GAUGE(name_, unit_, fn, help_)                                                    \
	{                                                                                 \
		.name = (name_), .unit = (unit_), .help = (help_), .samples = one_number, \
		.number = (fn)                                                            \
	}
#define COUNTER(name_, unit_, fn, help_)                                            \
	{                                                                           \
		.name = (name_), .unit = (unit_), .counter = true, .help = (help_), \
		.samples = one_number, .number = (fn)                               \
	}
#define EACH(name_, unit_, counter_, fn, help_)                                           \
	{                                                                                 \
		.name = (name_), .unit = (unit_), .counter = (counter_), .help = (help_), \
		.samples = each_container, .container = (fn)                              \
	}
#define SPECIAL(name_, unit_, counter_, fn, help_)                                        \
	{                                                                                 \
		.name = (name_), .unit = (unit_), .counter = (counter_), .help = (help_), \
		.samples = (fn)                                                           \
	}

static const struct family families[] = {
	SPECIAL("pod_info", "", false, info, "A pod of this node."),
	GAUGE("pod_up", "", up, "Whether all there is to know of the pod was told in time."),
	SPECIAL("pod_state", "", false, state, "1 for the state that the pod is in."),
	GAUGE("pod_created_timestamp_seconds", "seconds", created, "When the pod was created."),
	GAUGE("pod_containers", "", containers, "Containers of the pod."),
	GAUGE("pod_containers_running", "", containers_running, "Containers of the pod that run."),
	COUNTER("pod_restarts", "", restarts,
		"Containers that took the place of an earlier one of their name."),
	GAUGE("pod_vm_vcpus", "", vcpus, "Processors of the pod's virtual machine."),
	GAUGE("pod_vm_memory_bytes", "bytes", vm_memory, "RAM of the pod's virtual machine."),
	GAUGE("pod_limit_memory_bytes", "bytes", limit_memory,
	      "Memory that the pod's containers may use."),
	GAUGE("pod_limit_cpu_cores", "cores", limit_cpu,
	      "Processor time that the pod's containers may use."),
	GAUGE("pod_declared_overhead_memory_bytes", "bytes", declared_memory,
	      "Memory that is accounted for the pod beyond its containers' limits."),
	GAUGE("pod_declared_overhead_cpu_cores", "cores", declared_cpu,
	      "Processor time that is accounted for the pod beyond its containers' limits."),
	GAUGE("pod_overhead_memory_bytes", "bytes", overhead_memory,
	      "Memory of the host that the pod has beyond what its containers have."),
	COUNTER("pod_overhead_cpu_seconds", "seconds", overhead_cpu,
		"Processor time of the host that the pod has used beyond its containers."),
	GAUGE("pod_memory_bytes", "bytes", memory, "Memory of the host that the pod has."),
	COUNTER("pod_cpu_seconds", "seconds", cpu,
		"Processor time of the host that the pod has used."),
	GAUGE("pod_guest_memory_bytes", "bytes", guest_memory,
	      "Memory in use as the pod's guest sees it."),
	GAUGE("pod_guest_memory_size_bytes", "bytes", guest_total,
	      "Memory that the pod's guest manages."),
	COUNTER("pod_guest_cpu_seconds", "seconds", guest_cpu,
		"Processor time used as the pod's guest sees it."),
	SPECIAL("pod_part_memory_bytes", "bytes", false, parts_memory,
		"Memory of a part of the pod that is no container."),
	SPECIAL("pod_part_cpu_seconds", "seconds", true, parts_cpu,
		"Processor time of a part of the pod that is no container."),
	SPECIAL("pod_start_seconds", "seconds", false, each_phase,
		"How long a phase of the pod's start took."),
	EACH("container_running", "", false, container_running, "Whether the container runs."),
	EACH("container_memory_bytes", "bytes", false, container_memory,
	     "Memory of the container, page cache included."),
	EACH("container_cpu_seconds", "seconds", true, container_cpu,
	     "Processor time of the container."),
	EACH("container_oom_kills", "", true, container_oom,
	     "Times that the kernel killed in the container for want of memory."),
	EACH("container_exit_code", "", false, container_exit,
	     "How a container that is stopped has ended."),
};

/* Of the node, not of a pod. */
static void print_own(struct page *p, double seconds)
{
	static const struct family build = { .name = "build_info",
					     .unit = "",
					     .help = "The version that tells this." };
	static const struct family look = { .name = "look_duration_seconds",
					    .unit = "seconds",
					    .help = "How long it took to look at all pods." };

	print_head(p, &build);
	bh_buf_puts(p->out, PREFIX "build_info{version=\"" BH_VERSION "\"} 1\n");
	print_head(p, &look);
	bh_buf_printf(p->out, PREFIX "look_duration_seconds %.6f\n", seconds);
}

void bh_exposition_print(enum bh_exposition format, const struct bh_node *node,
			 const struct bh_counters *counters, double seconds, struct bh_buf *out)
{
	struct page p = { .format = format, .node = node, .counters = counters, .out = out };

	for (size_t i = 0; i < BH_ARRAY_SIZE(families); i++) {
		print_head(&p, &families[i]);
		for (size_t k = 0; k < node->n; k++)
			families[i].samples(&p, &families[i], &node->pods[k]);
	}
	print_own(&p, seconds);
	if (format == BH_EXPOSITION_OPENMETRICS)
		bh_buf_puts(out, "# EOF\n");
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "observer/details.h"

#include <string.h>
#include <time.h>

#include "base/clock.h"

#define MIB        1048576.0
#define USEC_PER_S 1000000.0
#define MILLI      1000.0

/* ---- JSON ------------------------------------------------------------------------------------ */

static void time_member(struct bh_json_writer *w, const char *key, int64_t when)
{
	char text[BH_CLOCK_BYTES];

	if (when)
		bh_json_text(w, key,
			     bh_clock_rfc3339(text, (struct timespec){ .tv_sec = when }, false));
}

static void text_member(struct bh_json_writer *w, const char *key, const char *text)
{
	if (*text)
		bh_json_text(w, key, text);
}

static void container_json(const struct bh_node_container *c, struct bh_json_writer *w)
{
	bh_json_open(w, NULL, '{');
	bh_json_text(w, "id", c->id);
	text_member(w, "name", c->name);
	bh_json_text(w, "state", c->status);
	text_member(w, "reason", c->reason);
	time_member(w, "created", c->created);
	if (c->ended) {
		bh_json_u64(w, "exitCode", c->exit_status);
		time_member(w, "exited", c->exited_at);
	}
	bh_json_u64(w, "oomKills", c->oom_kills);
	if (c->measured) {
		bh_json_u64(w, "memoryBytes", c->memory);
		bh_json_u64(w, "cpuMicroseconds", c->cpu_usec);
	}
	bh_json_close(w, '}');
}

static void vm_json(const struct bh_node_pod *pod, struct bh_json_writer *w)
{
	bh_json_open(w, "vm", '{');
	bh_json_u64(w, "vcpus", pod->vcpus);
	bh_json_u64(w, "ramBytes", pod->vm_memory);
	bh_json_text(w, "accelerator", pod->accelerator);
	bh_json_close(w, '}');
	bh_json_open(w, "limits", '{');
	bh_json_u64(w, "memoryBytes", pod->memory);
	bh_json_u64(w, "cpuMillicores", pod->cpu_milli);
	bh_json_close(w, '}');
	bh_json_open(w, "declaredOverhead", '{');
	bh_json_u64(w, "memoryBytes", pod->overhead_memory);
	bh_json_u64(w, "cpuMillicores", pod->overhead_cpu_milli);
	bh_json_close(w, '}');
}

static void cost_json(struct bh_json_writer *w, const char *key, bool known, uint64_t memory,
		      uint64_t cpu_usec)
{
	if (!known)
		return;
	bh_json_open(w, key, '{');
	bh_json_u64(w, "memoryBytes", memory);
	bh_json_u64(w, "cpuMicroseconds", cpu_usec);
	bh_json_close(w, '}');
}

void bh_details_json(const struct bh_node_pod *pod, struct bh_json_writer *w)
{
	const struct bh_node_figures *m = &pod->measured;

	bh_json_text(w, "id", pod->id);
	text_member(w, "name", pod->name);
	text_member(w, "namespace", pod->name_space);
	text_member(w, "uid", pod->uid);
	bh_json_text(w, "runtime", pod->runtime);
	bh_json_text(w, "root", pod->root);
	bh_json_text(w, "state", bh_node_state_name(pod->state));
	text_member(w, "reason", pod->reason);
	time_member(w, "created", pod->created);
	bh_json_u64(w, "restarts", pod->restarts);
	bh_json_open(w, "containers", '[');
	bh_for_each (c, pod->containers)
		container_json(c, w);
	bh_json_close(w, ']');
	if (pod->vcpus)
		vm_json(pod, w);
	cost_json(w, "hostUse", m->host, m->host_memory, m->host_cpu_usec);
	cost_json(w, "guestUse", m->guest, m->guest_memory, m->guest_cpu_usec);
	cost_json(w, "measuredOverhead", m->overhead, m->overhead_memory, m->overhead_cpu_usec);
}

static void parts_json(struct bh_json_writer *w, const char *key, Pod__Part *const parts[],
		       size_t n)
{
	bh_json_open(w, key, '[');
	for (size_t i = 0; i < n; i++) {
		bh_json_open(w, NULL, '{');
		bh_json_text(w, "name", parts[i]->name);
		bh_json_u64(w, "memoryBytes", parts[i]->memory);
		bh_json_u64(w, "cpuMicroseconds", parts[i]->cpu_usec);
		bh_json_close(w, '}');
	}
	bh_json_close(w, ']');
}

void bh_details_stats_json(const struct bh_node_pod *pod, struct bh_buf *out)
{
	const Pod__FiguresResponse *f = pod->parts;
	struct bh_json_writer w = { .out = out };

	bh_json_open(&w, NULL, '{');
	bh_json_text(&w, "pod", pod->id);
	bh_details_json(pod, &w);
	if (f && pod->vcpus) {
		bh_json_text(&w, "kernel", f->kernel);
		bh_json_text(&w, "accelerator", f->accelerator);
		bh_json_u64(&w, "vcpus", f->vcpus);
		bh_json_u64(&w, "ramBytes", f->vm_memory);
		bh_json_u64(&w, "guestRamBytes", f->guest_ram);
	}
	if (f) {
		parts_json(&w, "host", f->host, f->n_host);
		parts_json(&w, "guest", f->guest, f->n_guest);
		bh_json_open(&w, "startMicroseconds", '{');
		for (size_t i = 0; i < f->n_phases; i++)
			bh_json_u64(&w, f->phases[i]->name, f->phases[i]->usec);
		bh_json_close(&w, '}');
	}
	bh_json_close(&w, '}');
	bh_buf_puts(out, "\n");
}

/* ---- for people ------------------------------------------------------------------------------ */

static void print_cost(struct bh_buf *out, const char *where, const char *what, uint64_t memory,
		       uint64_t cpu_usec)
{
	bh_buf_printf(out, "%-9s %-14s %9.1f MiB %9.2f s\n", where, what, (double)memory / MIB,
		      (double)cpu_usec / USEC_PER_S);
}

static void print_parts(struct bh_buf *out, const char *where, Pod__Part *const parts[], size_t n)
{
	for (size_t i = 0; i < n; i++)
		print_cost(out, where, parts[i]->name, parts[i]->memory, parts[i]->cpu_usec);
}

static uint64_t total(Pod__Part *const parts[], size_t n)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += parts[i]->memory;
	return sum;
}

static void print_containers(const struct bh_node_pod *pod, struct bh_buf *out)
{
	bh_for_each (c, pod->containers) {
		const char *name = *c->name ? c->name : c->id;

		if (c->measured)
			print_cost(out, "container", name, c->memory, c->cpu_usec);
		else
			bh_buf_printf(out, "%-9s %-14s %s%s%s\n", "container", name, c->status,
				      *c->reason ? ", " : "", c->reason);
	}
}

static void print_sums(const struct bh_node_pod *pod, struct bh_buf *out)
{
	const struct bh_node_figures *m = &pod->measured;

	if (m->host)
		print_cost(out, "pod", "on the host", m->host_memory, m->host_cpu_usec);
	if (m->guest)
		print_cost(out, "pod", "in the guest", m->guest_memory, m->guest_cpu_usec);
	if (m->overhead)
		print_cost(out, "overhead", "measured", m->overhead_memory, m->overhead_cpu_usec);
	if (pod->vcpus)
		bh_buf_printf(out, "%-9s %-14s %9.1f MiB %9.2f cores\n", "overhead", "declared",
			      (double)pod->overhead_memory / MIB,
			      (double)pod->overhead_cpu_milli / MILLI);
}

static void print_head(const struct bh_node_pod *pod, struct bh_buf *out)
{
	const Pod__FiguresResponse *f = pod->parts;

	bh_buf_printf(out, "pod %s: ", pod->id);
	if (f && pod->vcpus)
		bh_buf_printf(out, "kernel %s, %s, %u vcpus, %.0f MiB of RAM\n", f->kernel,
			      f->accelerator, f->vcpus, (double)f->vm_memory / MIB);
	else
		bh_buf_puts(out, "on this kernel\n");
	if (*pod->name)
		bh_buf_printf(out, "name %s%s%s\n", pod->name_space, *pod->name_space ? "/" : "",
			      pod->name);
	bh_buf_printf(out, "state %s%s%s, %u restarts\n", bh_node_state_name(pod->state),
		      *pod->reason ? ": " : "", pod->reason, pod->restarts);
}

void bh_details_print(const struct bh_node_pod *pod, struct bh_buf *out)
{
	const Pod__FiguresResponse *f = pod->parts;

	print_head(pod, out);
	bh_buf_printf(out, "%-9s %-14s %13s %11s\n", "WHERE", "PART", "MEMORY", "CPU");
	if (f) {
		print_parts(out, "host", f->host, f->n_host);
		print_parts(out, "guest", f->guest, f->n_guest);
	}
	print_containers(pod, out);
	if (f && pod->vcpus) {
		bh_buf_printf(out, "%-9s %-14s %9.1f MiB\n", "host", "sum of parts",
			      (double)total(f->host, f->n_host) / MIB);
		bh_buf_printf(out, "%-9s %-14s %9.1f MiB\n", "host", "guest RAM",
			      (double)f->guest_ram / MIB);
	}
	print_sums(pod, out);
	for (size_t i = 0; f && i < f->n_phases; i++)
		bh_buf_printf(out, "%-9s %-14s %23.3f s\n", "start", f->phases[i]->name,
			      (double)f->phases[i]->usec / USEC_PER_S);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What follows from what is known: states, reasons, sums. */
#include <json-c/json_object.h>
#include <string.h>

#include "base/json.h"
#include "node/internal.h"

#define NS_PER_USEC    1000U
#define STATUS_SIGNALS 128

static const char *const state_names[BH_NODE_STATE_MAX_] = {
	[BH_NODE_CREATED] = "created", [BH_NODE_RUNNING] = "running", [BH_NODE_PAUSED] = "paused",
	[BH_NODE_STOPPED] = "stopped", [BH_NODE_DEAD] = "dead",       [BH_NODE_GONE] = "gone",
	[BH_NODE_SILENT] = "silent",
};

const char *bh_node_state_name(enum bh_node_state state)
{
	return state_names[state];
}

bool bh_node_attention(const struct bh_node_pod *pod)
{
	return pod->state == BH_NODE_DEAD || pod->state == BH_NODE_GONE ||
	       pod->state == BH_NODE_SILENT;
}

size_t bh_node_running(const struct bh_node_pod *pod)
{
	size_t n = 0;

	bh_for_each (c, pod->containers)
		n += !strcmp(c->status, "running");
	return n;
}

/* ---- figures of a container ------------------------------------------------------------------ */

static bool number_at(struct json_object *tree, const char *const path[], uint64_t *ret)
{
	for (; *path; path++)
		if (!json_object_object_get_ex(tree, *path, &tree))
			return false;
	if (!json_object_is_type(tree, json_type_int))
		return false;
	*ret = json_object_get_uint64(tree);
	return true;
}

bool bh_node_stats(const char *json, size_t len, struct bh_node_container *ret)
{
	static const char *const cpu[] = { "cpu", "usage", "total", NULL };
	static const char *const memory[] = { "memory", "usage", "usage", NULL };
	bh_auto_json struct json_object *tree = NULL;
	uint64_t ns, bytes;

	if (bh_json_parse(json, len, &tree, NULL) < 0 || !number_at(tree, cpu, &ns) ||
	    !number_at(tree, memory, &bytes))
		return false;
	ret->cpu_usec = ns / NS_PER_USEC;
	ret->memory = bytes;
	return true;
}

/* ---- reasons --------------------------------------------------------------------------------- */

static const char *why_ended(struct bh_arena *arena, const struct bh_node_container *c)
{
	if (!c->ended)
		return c->oom_kills > 0 ? "out of memory" : "";
	if (c->oom_kills > 0 && c->exit_status > STATUS_SIGNALS)
		return bh_arena_printf(arena, "out of memory, exit code %u", c->exit_status);
	return bh_arena_printf(arena, "exit code %u", c->exit_status);
}

static const char *called(const struct bh_node_container *c)
{
	return *c->name ? c->name : c->id;
}

/* Of the pod: how its own container ended; while it runs, which other one did not end well. */
static const char *why_so(struct bh_arena *arena, const struct bh_node_pod *pod)
{
	bh_for_each (c, pod->containers) {
		bool own = pod->containers.n == 1 || !strcmp(c->id, pod->id);

		if (strcmp(c->status, "stopped") != 0 || !*c->reason)
			continue;
		if (own && pod->state == BH_NODE_STOPPED)
			return c->reason;
		if (!own && (!c->ended || c->exit_status > 0))
			return bh_arena_printf(arena, "container %s: %s", called(c), c->reason);
	}
	return "";
}

/* ---- states ---------------------------------------------------------------------------------- */

/* A pod runs as long as any of its containers does. */
static enum bh_node_state state_of(const struct bh_node_pod *pod)
{
	static const struct {
		const char *status;
		enum bh_node_state state;
	} order[] = {
		{ "running", BH_NODE_RUNNING },
		{ "paused", BH_NODE_PAUSED },
		{ "created", BH_NODE_CREATED },
		{ "creating", BH_NODE_CREATED },
	};

	for (size_t i = 0; i < BH_ARRAY_SIZE(order); i++)
		bh_for_each (c, pod->containers)
			if (!strcmp(c->status, order[i].status))
				return order[i].state;
	return pod->containers.n > 0 ? BH_NODE_STOPPED : BH_NODE_CREATED;
}

/* A pod on this kernel is what its containers are, whether somebody serves it or not. */
static void sum_up(struct bh_node_pod *pod)
{
	struct bh_node_figures *m = &pod->measured;
	uint64_t memory = 0, cpu = 0;
	bool all = true;

	bh_for_each (c, pod->containers) {
		all = all && (c->measured || !strcmp(c->status, "stopped"));
		memory += c->memory;
		cpu += c->cpu_usec;
	}
	if (!strcmp(pod->runtime, "runc")) {
		m->host = all;
		m->host_memory = memory + m->overhead_memory;
		m->host_cpu_usec = cpu + m->overhead_cpu_usec;
		m->overhead = all && (pod->parts || !pod->served);
	} else if (m->host && m->guest && all) {
		uint64_t guest_own = pod->parts->guest[1]->cpu_usec;
		uint64_t guest = m->guest_cpu_usec > guest_own ? m->guest_cpu_usec - guest_own : 0;

		m->overhead = true;
		m->overhead_memory = m->host_memory > memory ? m->host_memory - memory : 0;
		m->overhead_cpu_usec = m->host_cpu_usec > guest ? m->host_cpu_usec - guest : 0;
	}
}

int bh_node_judge(struct bh_arena *arena, struct bh_node_pod *pod, struct bh_err *err)
{
	bh_for_each (c, pod->containers) {
		if (strcmp(c->status, "stopped") == 0)
			c->reason = why_ended(arena, c);
		if (!c->reason)
			return bh_err_oom(err);
	}
	if (!bh_node_attention(pod)) {
		pod->state = state_of(pod);
		if (pod->reason && !*pod->reason)
			pod->reason = why_so(arena, pod);
	}
	sum_up(pod);
	return pod->reason ? 0 : bh_err_oom(err);
}

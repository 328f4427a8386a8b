/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/counters.h"

#include <string.h>

/* A container that was seen last time. */
struct part {
	char *id;
	uint64_t cpu_usec;
};

struct bh_counter {
	struct bh_counter *next;
	char *root, *id;
	int64_t created; /* a pod of the same name may come after it */
	struct bh_counter_values values;
	uint64_t gone_usec; /* of containers that are no more */
	struct part *parts;
	size_t n_parts;
	bool seen;
};

static void drop_parts(struct bh_counter *c)
{
	for (size_t i = 0; i < c->n_parts; i++)
		free(c->parts[i].id);
	free(c->parts);
	c->parts = NULL;
	c->n_parts = 0;
}

static void drop(struct bh_counter *c)
{
	drop_parts(c);
	free(c->root);
	free(c->id);
	free(c);
}

static struct bh_counter *find(const struct bh_counters *counters, const struct bh_node_pod *pod)
{
	for (struct bh_counter *c = counters->pods; c; c = c->next)
		if (c->created == pod->created && !strcmp(c->id, pod->id) &&
		    !strcmp(c->root, pod->root))
			return c;
	return NULL;
}

static struct bh_counter *find_or_make(struct bh_counters *counters, const struct bh_node_pod *pod)
{
	struct bh_counter *c = find(counters, pod);

	if (c)
		return c;
	c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	c->root = strdup(pod->root);
	c->id = strdup(pod->id);
	c->created = pod->created;
	if (!c->root || !c->id) {
		drop(c);
		return NULL;
	}
	c->next = counters->pods;
	counters->pods = c;
	return c;
}

static const struct bh_node_container *still_there(const struct bh_node_pod *pod, const char *id)
{
	bh_for_each (now, pod->containers)
		if (!strcmp(now->id, id))
			return now;
	return NULL;
}

static int see_parts(struct bh_counter *c, const struct bh_node_pod *pod)
{
	struct part *parts = calloc(pod->containers.n + 1, sizeof(*parts));

	if (!parts)
		return -ENOMEM;
	for (size_t i = 0; i < c->n_parts; i++)
		if (!still_there(pod, c->parts[i].id))
			c->gone_usec += c->parts[i].cpu_usec;
	bh_for_each (now, pod->containers) {
		size_t i = (size_t)(now - pod->containers.v);

		parts[i].id = strdup(now->id);
		parts[i].cpu_usec = now->cpu_usec;
		for (size_t k = 0; k < c->n_parts; k++)
			/* One whose cgroup is gone already tells nothing any more. */
			if (!now->measured && !strcmp(c->parts[k].id, now->id))
				parts[i].cpu_usec = c->parts[k].cpu_usec;
	}
	drop_parts(c);
	c->parts = parts;
	for (c->n_parts = 0; c->n_parts < pod->containers.n; c->n_parts++)
		if (!parts[c->n_parts].id)
			return -ENOMEM;
	return 0;
}

static void raise_to(uint64_t *value, uint64_t now)
{
	*value = now > *value ? now : *value;
}

/* In a micro-VM what is measured is the machine; on this kernel it is the containers. */
static int see(struct bh_counter *c, const struct bh_node_pod *pod)
{
	const struct bh_node_figures *m = &pod->measured;
	uint64_t cpu = m->host ? m->host_cpu_usec : 0;
	int r;

	c->seen = true;
	if (m->overhead)
		raise_to(&c->values.overhead_cpu_usec, m->overhead_cpu_usec);
	if (!pod->vcpus) {
		r = see_parts(c, pod);
		if (r < 0)
			return r;
		cpu = c->gone_usec + m->overhead_cpu_usec;
		for (size_t i = 0; i < c->n_parts; i++)
			cpu += c->parts[i].cpu_usec;
	}
	raise_to(&c->values.cpu_usec, cpu);
	return 0;
}

int bh_counters_see(struct bh_counters *counters, const struct bh_node *node, struct bh_err *err)
{
	struct bh_counter **at = &counters->pods, *c;

	for (c = counters->pods; c; c = c->next)
		c->seen = false;
	for (size_t i = 0; i < node->n; i++) {
		c = find_or_make(counters, &node->pods[i]);
		if (!c || see(c, &node->pods[i]) < 0)
			return bh_err_oom(err);
	}
	for (at = &counters->pods; (c = *at);) {
		if (c->seen) {
			at = &c->next;
			continue;
		}
		*at = c->next;
		drop(c);
	}
	return 0;
}

struct bh_counter_values bh_counters_of(const struct bh_counters *counters,
					const struct bh_node_pod *pod)
{
	const struct bh_counter *c = find(counters, pod);

	return c ? c->values : (struct bh_counter_values){ .cpu_usec = 0 };
}

void bh_counters_deinit(struct bh_counters *counters)
{
	while (counters->pods) {
		struct bh_counter *c = counters->pods;

		counters->pods = c->next;
		drop(c);
	}
}

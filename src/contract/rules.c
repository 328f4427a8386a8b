/* SPDX-License-Identifier: Apache-2.0 */
#include "contract/rules.h"

#include <string.h>

#define CPU    BH_RESOURCE_CPU
#define MEMORY BH_RESOURCE_MEMORY

/* Bytes of RAM that kernel and agent take for themselves: without a container 42 MiB. */
#define GUEST_OWN_MEMORY (48 * BH_POD_MIB)
/* RAM comes in pieces that huge pages can back. */
#define RAM_ALIGN (2 * BH_POD_MIB)

const struct bh_amounts bh_pod_min = { { BH_POD_CPU_MIN, BH_POD_MEMORY_MIN } };

const struct bh_rule_info bh_rules[BH_RULE_MAX_] = {
	[BH_RULE_HOST_NETWORK] = { "host-network", BH_RULE_ENFORCE,
				   "a pod has a network of its own" },
	[BH_RULE_REQUESTS_EQUAL_LIMITS] = { "requests-equal-limits", BH_RULE_ENFORCE,
					    "requests equal limits, for CPU and for memory" },
	[BH_RULE_SMALLEST_POD] = { "smallest-pod", BH_RULE_ENFORCE,
				   "a pod has at least 0.25 core and 256 MiB" },
	[BH_RULE_RATIO] = { "ratio", BH_RULE_WARN, "a core comes with 1 to 8 GiB of memory" },
};

static bool host_network(const struct bh_demand *d, enum bh_resource r)
{
	(void)r;
	return d->host_network;
}

static bool differs(const struct bh_demand *d, enum bh_resource r)
{
	return d->limit.v[r] > 0 && d->request.v[r] != d->limit.v[r];
}

static bool lacks_limit(const struct bh_demand *d, enum bh_resource r)
{
	return d->limit.v[r] == 0 && d->request.v[r] > 0;
}

static bool too_small(const struct bh_demand *d, enum bh_resource r)
{
	return d->limit.v[r] > 0 && d->limit.v[r] < bh_pod_min.v[r];
}

static bool lacks_both(const struct bh_demand *d, enum bh_resource r)
{
	return d->limit.v[r] == 0 && d->request.v[r] == 0;
}

static bool unbalanced(const struct bh_demand *d, enum bh_resource r)
{
	const double cpu = (double)d->limit.v[CPU], memory = (double)d->limit.v[MEMORY] * 1000;

	(void)r;
	return cpu > 0 && memory > 0 &&
	       (memory < cpu * BH_POD_RATIO_MIN || memory > cpu * BH_POD_RATIO_MAX);
}

const struct bh_rule_row bh_rule_rows[] = {
	{ BH_RULE_HOST_NETWORK, BH_SCOPE_POD, false, host_network, "variables.hostNetwork",
	  "the host's network is not supported; the pod must have a network of its own" },
	{ BH_RULE_REQUESTS_EQUAL_LIMITS, BH_SCOPE_EACH, false, differs,
	  "{limit} > 0 && {request} != {limit}",
	  "{resource} request {request} differs from limit {limit}; they must be equal" },
	{ BH_RULE_REQUESTS_EQUAL_LIMITS, BH_SCOPE_EACH, false, lacks_limit,
	  "{limit} == 0 && {request} > 0",
	  "{resource} request {request} has no limit; they must be equal" },
	{ BH_RULE_SMALLEST_POD, BH_SCOPE_EACH, false, too_small, "{limit} > 0 && {limit} < {least}",
	  "{resource} limit {limit} is less than {least}, the smallest pod" },
	{ BH_RULE_SMALLEST_POD, BH_SCOPE_EACH, true, lacks_both, "{limit} == 0 && {request} == 0",
	  "no {resource} limit; the pod gets the smallest size, {least}" },
	{ BH_RULE_RATIO, BH_SCOPE_POD, false, unbalanced,
	  "{cpu} > 0 && {memory} > 0 && "
	  "(double({memory}) * 1000.0 < double({cpu}) * 1073741824.0 || "
	  "double({memory}) * 1000.0 > double({cpu}) * 8589934592.0)",
	  "cpu limit {cpu} to memory limit {memory}: 1Gi to 8Gi for each core are recommended" },
};
const size_t bh_n_rule_rows = BH_ARRAY_SIZE(bh_rule_rows);

enum bh_rule_level bh_rule_level(const struct bh_rule_levels *levels, enum bh_rule rule)
{
	const enum bh_rule_level level = levels ? levels->v[rule] : BH_RULE_DEFAULT;

	return level == BH_RULE_DEFAULT ? bh_rules[rule].fallback : level;
}

/* What {@name} stands for; "" for what the tests would show at once. */
static const char *word(const struct bh_demand *d, enum bh_resource r, const char *name, size_t len,
			char buf[BH_AMOUNT_BYTES])
{
	const struct {
		const char *name;
		enum bh_resource resource;
		int64_t amount;
	} words[] = {
		{ "request", r, d->request.v[r] },        { "limit", r, d->limit.v[r] },
		{ "least", r, bh_pod_min.v[r] },          { "cpu", CPU, d->limit.v[CPU] },
		{ "memory", MEMORY, d->limit.v[MEMORY] },
	};

	if (len == strlen("resource") && strncmp(name, "resource", len) == 0)
		return bh_resource_names[r];
	for (size_t i = 0; i < BH_ARRAY_SIZE(words); i++)
		if (strlen(words[i].name) == len && strncmp(words[i].name, name, len) == 0)
			return bh_amount_format(words[i].resource, words[i].amount, buf);
	return "";
}

static void say(const struct bh_demand *d, struct bh_finding *f)
{
	char amount[BH_AMOUNT_BYTES];
	size_t used = 0;

	for (const char *at = f->row->text; *at && used < sizeof(f->text) - 1;) {
		size_t len = strcspn(at, *at == '{' ? "}" : "{");

		if (*at != '{')
			snprintf(f->text + used, sizeof(f->text) - used, "%.*s", (int)len, at);
		else
			snprintf(f->text + used, sizeof(f->text) - used, "%s",
				 word(d, f->resource, at + 1, len - 1, amount));
		used += strlen(f->text + used);
		at += len + (*at == '{');
	}
}

static void look(const struct bh_rule_row *row, const struct bh_demand *d, enum bh_resource r,
		 const struct bh_rule_levels *levels, struct bh_findings *ret)
{
	enum bh_rule_level level = bh_rule_level(levels, row->rule);
	struct bh_finding *f = &ret->v[ret->n];

	if (level == BH_RULE_OFF || ret->n == BH_FINDINGS_MAX || !row->broken(d, r))
		return;
	*f = (struct bh_finding){ .row = row,
				  .resource = r,
				  .refused = level == BH_RULE_ENFORCE && !row->advice };
	say(d, f);
	ret->refused |= f->refused;
	ret->n++;
}

void bh_rules_judge(const struct bh_demand *demand, const struct bh_rule_levels *levels,
		    struct bh_findings *ret)
{
	ret->n = 0;
	ret->refused = false;
	for (const struct bh_rule_row *row = bh_rule_rows; row < bh_rule_rows + bh_n_rule_rows;
	     row++) {
		look(row, demand, CPU, levels, ret);
		if (row->scope == BH_SCOPE_EACH)
			look(row, demand, MEMORY, levels, ret);
	}
}

uint64_t bh_pod_vcpus(int64_t cpu)
{
	return ((uint64_t)cpu + 999) / 1000;
}

uint64_t bh_pod_ram(uint64_t memory)
{
	const uint64_t own = GUEST_OWN_MEMORY + RAM_ALIGN - 1;

	/* Amounts end at INT64_MAX, in the guest as well. */
	return ((memory < INT64_MAX - own ? memory + own : INT64_MAX) / RAM_ALIGN) * RAM_ALIGN;
}

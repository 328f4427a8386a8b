/* SPDX-License-Identifier: Apache-2.0 */
/* Source of the annotations: containerd internal/cri/annotations */
#include "pod/vm/size.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

#define ANNOTATION_CONTAINER "io.kubernetes.cri.container-name"
#define ANNOTATION_NAME      "io.kubernetes.cri.sandbox-name"
#define ANNOTATION_QUOTA     "io.kubernetes.cri.sandbox-cpu-quota"
#define ANNOTATION_PERIOD    "io.kubernetes.cri.sandbox-cpu-period"
#define ANNOTATION_SHARES    "io.kubernetes.cri.sandbox-cpu-shares"
#define ANNOTATION_MEMORY    "io.kubernetes.cri.sandbox-memory"

/* Translated code and the translator's own data. */
#define EMULATION_MEMORY (160 * BH_POD_MIB)
#define PERIOD_MAX_USEC  1000000
#define MILLI            1000
/* Shares as the kubelet makes them of a request: 1024 a core, within bounds; the least stands for
 * no request as well. */
#define SHARES_OF_CORE 1024
#define SHARES_MIN     2
#define SHARES_MAX     262144

struct limits {
	int64_t quota, memory; /* 0 = none */
	uint64_t period;
	int64_t shares; /* of the sandbox; 0 = not told */
};

static int annotation_number(const struct bh_spec *spec, const char *key, int64_t *ret,
			     struct bh_err *err)
{
	const char *text = bh_spec_annotation(spec, key);
	char *end;

	if (!text || !*text)
		return 0;
	errno = 0;
	*ret = strtoll(text, &end, 10);
	if (errno || *end)
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL, "annotation %s: '%s' is not a number",
				 key, text);
	return 0;
}

static int find_limits(const struct bh_spec *spec, struct limits *l, struct bh_err *err)
{
	const struct bh_resources *r = &spec->linux_.resources;
	int64_t quota = 0, period = 0, memory = 0;
	int e;

	*l = (struct limits){ .quota = 0 };
	e = annotation_number(spec, ANNOTATION_QUOTA, &quota, err);
	e = e < 0 ? e : annotation_number(spec, ANNOTATION_PERIOD, &period, err);
	e = e < 0 ? e : annotation_number(spec, ANNOTATION_SHARES, &l->shares, err);
	e = e < 0 ? e : annotation_number(spec, ANNOTATION_MEMORY, &memory, err);
	if (e < 0)
		return e;
	if (quota > 0) {
		l->quota = quota;
	} else if (r->cpu.quota.set && r->cpu.quota.v > 0) {
		l->quota = r->cpu.quota.v;
		period = r->cpu.period.set ? (int64_t)r->cpu.period.v : 0;
	}
	if (memory > 0)
		l->memory = memory;
	else if (r->memory.limit.set && r->memory.limit.v > 0)
		l->memory = r->memory.limit.v;
	if (period < 0 || period > PERIOD_MAX_USEC)
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL,
				 "kata: cpu period of %" PRId64 " µs: at most %d µs are possible",
				 period, PERIOD_MAX_USEC);
	l->period = period ? (uint64_t)period : BH_POD_CPU_PERIOD_USEC;
	return 0;
}

/* The request that the kubelet made @shares of, where the limit of @cpu is not it. */
static int64_t request_of(int64_t shares, int64_t cpu)
{
	int64_t same = cpu <= SHARES_MAX ? cpu * SHARES_OF_CORE / 1000 : SHARES_MAX;

	same = same < SHARES_MIN ? SHARES_MIN : same > SHARES_MAX ? SHARES_MAX : same;
	if (shares <= 0 || shares > SHARES_MAX || (cpu && shares == same))
		return cpu;
	return shares == SHARES_MIN ? 0 : (shares * 1000 + SHARES_OF_CORE - 1) / SHARES_OF_CORE;
}

/* A pod without annotations is the one container that it is made for, with its soft limit. */
static int64_t memory_request_of(const struct bh_spec *spec, const struct limits *l)
{
	const struct bh_opt_i64 *soft = &spec->linux_.resources.memory.reservation;

	return !l->shares && soft->set && soft->v > 0 ? soft->v : l->memory;
}

static int64_t millicores(const struct limits *l)
{
	const uint64_t period = l->period;
	uint64_t quota = (uint64_t)l->quota;

	if (quota > UINT64_MAX / 1000)
		return INT64_MAX;
	return (int64_t)(quota * 1000 / period);
}

int bh_vm_demand(const struct bh_spec *spec, struct bh_demand *ret, struct bh_err *err)
{
	struct limits l;
	int r = find_limits(spec, &l, err);
	int64_t cpu;

	if (r < 0)
		return r;
	cpu = millicores(&l);
	*ret = (struct bh_demand){
		.host_network = !bh_spec_namespace(spec, BH_NS_NETWORK),
		.limit = { { cpu, l.memory } },
		.request = { { request_of(l.shares, cpu), memory_request_of(spec, &l) } },
	};
	return 0;
}

bool bh_vm_request_hidden(const struct bh_spec *spec, const struct bh_demand *demand)
{
	const char *path = spec->linux_.cgroups_path;
	const int64_t cpu = demand->limit.v[BH_RESOURCE_CPU];

	return path && strstr(path, "kubepods") && strstr(path, "burstable") && cpu > 0 &&
	       demand->request.v[BH_RESOURCE_CPU] == cpu && demand->limit.v[BH_RESOURCE_MEMORY] > 0;
}

const char *bh_vm_pod_name(const struct bh_spec *spec, const char *id)
{
	const char *name = bh_spec_annotation(spec, ANNOTATION_NAME);

	return name && *name ? name : id;
}

int bh_vm_verdict(const struct bh_demand *demand, const char *name,
		  const struct bh_rule_levels *levels, struct bh_err *err)
{
	char text[BH_ERR_TEXT_BYTES] = "";
	struct bh_findings found;
	size_t used = 0;

	bh_rules_judge(demand, levels, &found);
	for (size_t i = 0; i < found.n; i++) {
		const struct bh_finding *f = &found.v[i];

		if (!f->refused) {
			bh_warn(BH_FINDING_PREFIX "%s", "pod", name, f->text);
			continue;
		}
		snprintf(text + used, sizeof(text) - used, "%s%s", used ? "; " : "", f->text);
		used = strlen(text);
	}
	return found.refused ? bh_err_as(err, BH_ERR_SPEC, -EINVAL, BH_FINDING_PREFIX "%s", "pod",
					 name, text)
			     : 0;
}

int bh_vm_admit(const struct bh_spec *spec, const char *id, const struct bh_rule_levels *levels,
		struct bh_err *err)
{
	struct bh_demand demand;
	int r = bh_vm_demand(spec, &demand, err);
	const char *name = bh_vm_pod_name(spec, id);

	if (r < 0)
		return r;
	if (bh_vm_request_hidden(spec, &demand) &&
	    bh_rule_level(levels, BH_RULE_REQUESTS_EQUAL_LIMITS) != BH_RULE_OFF)
		bh_warn(BH_FINDING_PREFIX
			"its QoS class is Burstable: a memory request differs from its "
			"limit, or a container has none; no engine tells which",
			"pod", name);
	return bh_vm_verdict(&demand, name, levels, err);
}

static int too_large(enum bh_resource resource, int64_t limit, int64_t most, struct bh_err *err)
{
	char found[BH_AMOUNT_BYTES], wanted[BH_AMOUNT_BYTES];

	return bh_err_as(err, BH_ERR_SPEC, -EINVAL,
			 "kata: %s limit %s is more than %s, the largest pod (largest.%s)",
			 bh_resource_names[resource], bh_amount_format(resource, limit, found),
			 bh_amount_format(resource, most, wanted), bh_resource_names[resource]);
}

/* Within what the administrator gives to a pod. */
static int check_largest(const struct limits *l, const struct bh_config_amount *largest,
			 struct bh_err *err)
{
	const int64_t most = largest->cpu_milli;
	int64_t cpu = millicores(l);

	/* A part of one more counts. */
	cpu += (unsigned __int128)l->quota * MILLI > (unsigned __int128)cpu * l->period;
	if (cpu > most)
		return too_large(BH_RESOURCE_CPU, cpu, most, err);
	if (largest->memory && l->memory > (int64_t)largest->memory)
		return too_large(BH_RESOURCE_MEMORY, l->memory, (int64_t)largest->memory, err);
	return 0;
}

int bh_vm_size(const struct bh_spec *spec, const struct bh_config *config,
	       enum bh_accelerator accelerator, struct bh_vm_size *ret, struct bh_err *err)
{
	struct limits l;
	int r = find_limits(spec, &l, err);

	r = r < 0 ? r : check_largest(&l, &config->largest, err);
	if (r < 0)
		return r;
	*ret = (struct bh_vm_size){
		.cpu_given = l.quota > 0,
		.memory_given = l.memory > 0,
		.period_usec = l.period,
		.quota_usec = l.quota ? (uint64_t)l.quota : BH_POD_CPU_MIN * l.period / 1000,
		.memory = l.memory ? (uint64_t)l.memory : BH_POD_MEMORY_MIN,
	};
	ret->vcpus = (uint32_t)((ret->quota_usec + ret->period_usec - 1) / ret->period_usec);
	ret->ram = bh_pod_ram(ret->memory);
	ret->overhead_usec = config->overhead.cpu_milli * ret->period_usec / MILLI;
	ret->cgroup_quota_usec = ret->quota_usec + ret->overhead_usec;
	ret->cgroup_memory = ret->memory + config->overhead.memory +
			     (accelerator == BH_ACCELERATOR_EMULATION ? EMULATION_MEMORY : 0);
	return 0;
}

unsigned int bh_vm_outgrown(const struct bh_spec *spec, const char *id,
			    const struct bh_vm_size *size, const char *pod)
{
	const char *name = bh_spec_annotation(spec, ANNOTATION_CONTAINER);
	char found[BH_AMOUNT_BYTES], most[BH_AMOUNT_BYTES];
	struct bh_err ignored = BH_ERR_INIT;
	unsigned int n = 0;
	struct limits l;

	if (find_limits(spec, &l, &ignored) < 0)
		return 0; /* whoever translates the document says so */
	for (int r = 0; r < BH_RESOURCE_MAX_; r++) {
		const struct limits whole = { .quota = (int64_t)size->quota_usec,
					      .period = size->period_usec };
		const bool cpu = r == BH_RESOURCE_CPU;
		const int64_t limit = cpu ? millicores(&l) : l.memory;
		const int64_t has = cpu ? millicores(&whole) : (int64_t)size->memory;

		if (limit <= has)
			continue;
		bh_warn(BH_FINDING_PREFIX
			"container \"%s\": %s limit %s is more than the pod has, %s",
			"pod", pod, name && *name ? name : id, bh_resource_names[r],
			bh_amount_format((enum bh_resource)r, limit, found),
			bh_amount_format((enum bh_resource)r, has, most));
		n++;
	}
	return n;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Source of the annotations: containerd internal/cri/annotations */
#include "pod/vm/size.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

#define ANNOTATION_QUOTA  "io.kubernetes.cri.sandbox-cpu-quota"
#define ANNOTATION_PERIOD "io.kubernetes.cri.sandbox-cpu-period"
#define ANNOTATION_MEMORY "io.kubernetes.cri.sandbox-memory"

/* Bytes of RAM that kernel and agent take for themselves before a container has any. */
#define GUEST_OWN_MEMORY (32 * BH_POD_MIB)
/* RAM comes in pieces that huge pages can back. */
#define RAM_ALIGN (2 * BH_POD_MIB)
/* Translated code and the translator's own data. */
#define EMULATION_MEMORY (160 * BH_POD_MIB)
#define PERIOD_MAX_USEC  1000000
#define VCPUS_MAX        255

struct limits {
	int64_t quota, memory; /* 0 = none */
	uint64_t period;
	const char *quota_name, *memory_name; /* of the field, for messages */
};

int bh_vm_admit(const struct bh_spec *spec, struct bh_err *err)
{
	if (!bh_spec_namespace(spec, BH_NS_NETWORK))
		return bh_err_spec(err, "/linux/namespaces",
				   "kata: the host's network is not supported: a namespace of type "
				   "\"network\" is wanted, none was found");
	return 0;
}

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

	*l = (struct limits){ .quota_name = "linux.resources.cpu.quota",
			      .memory_name = "linux.resources.memory.limit" };
	e = annotation_number(spec, ANNOTATION_QUOTA, &quota, err);
	e = e < 0 ? e : annotation_number(spec, ANNOTATION_PERIOD, &period, err);
	e = e < 0 ? e : annotation_number(spec, ANNOTATION_MEMORY, &memory, err);
	if (e < 0)
		return e;
	if (quota > 0) {
		l->quota = quota;
		l->quota_name = "annotation " ANNOTATION_QUOTA;
	} else if (r->cpu.quota.set && r->cpu.quota.v > 0) {
		l->quota = r->cpu.quota.v;
		period = r->cpu.period.set ? (int64_t)r->cpu.period.v : 0;
	}
	if (memory > 0) {
		l->memory = memory;
		l->memory_name = "annotation " ANNOTATION_MEMORY;
	} else if (r->memory.limit.set && r->memory.limit.v > 0) {
		l->memory = r->memory.limit.v;
	}
	if (period < 0 || period > PERIOD_MAX_USEC)
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL,
				 "kata: cpu period of %" PRId64 " µs: at most %d µs are possible",
				 period, PERIOD_MAX_USEC);
	l->period = period ? (uint64_t)period : BH_POD_CPU_PERIOD_USEC;
	return 0;
}

static int check_minimum(const struct limits *l, struct bh_err *err)
{
	if (l->quota &&
	    (uint64_t)l->quota * BH_POD_CPU_PERIOD_USEC < BH_POD_CPU_MIN_USEC * l->period)
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL,
				 "kata: %s: %" PRId64 " µs of %" PRIu64
				 " µs are less than 0.25 core, the smallest pod",
				 l->quota_name, l->quota, l->period);
	if (l->memory && (uint64_t)l->memory < BH_POD_MEMORY_MIN)
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL,
				 "kata: %s: %" PRId64
				 " bytes are less than 256 MiB, the smallest pod",
				 l->memory_name, l->memory);
	return 0;
}

int bh_vm_size(const struct bh_spec *spec, enum bh_accelerator accelerator, struct bh_vm_size *ret,
	       struct bh_err *err)
{
	struct limits l;
	uint64_t vcpus;
	int r = find_limits(spec, &l, err);

	r = r < 0 ? r : check_minimum(&l, err);
	if (r < 0)
		return r;
	*ret = (struct bh_vm_size){
		.cpu_given = l.quota > 0,
		.memory_given = l.memory > 0,
		.period_usec = l.period,
		.quota_usec = l.quota ? (uint64_t)l.quota
				      : BH_POD_CPU_MIN_USEC * l.period / BH_POD_CPU_PERIOD_USEC,
		.memory = l.memory ? (uint64_t)l.memory : BH_POD_MEMORY_MIN,
	};
	if (!ret->cpu_given || !ret->memory_given)
		bh_warn("kata: no limit of %s%s%s: the pod gets the smallest size",
			ret->cpu_given ? "" : "cpu",
			!ret->cpu_given && !ret->memory_given ? " and " : "",
			ret->memory_given ? "" : "memory");
	vcpus = (ret->quota_usec + ret->period_usec - 1) / ret->period_usec;
	if (vcpus > VCPUS_MAX)
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL,
				 "kata: %s: %" PRIu64 " processors: at most %d are possible",
				 l.quota_name, vcpus, VCPUS_MAX);
	ret->vcpus = (uint32_t)vcpus;
	ret->ram = (ret->memory + GUEST_OWN_MEMORY + RAM_ALIGN - 1) / RAM_ALIGN * RAM_ALIGN;
	ret->cgroup_quota_usec = ret->quota_usec + BH_POD_CPU_OVERHEAD_USEC * ret->period_usec /
							   BH_POD_CPU_PERIOD_USEC;
	ret->cgroup_memory = ret->memory + BH_POD_MEMORY_OVERHEAD +
			     (accelerator == BH_ACCELERATOR_EMULATION ? EMULATION_MEMORY : 0);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/attr.h"

#include <assert.h>
#include <limits.h>
#include <linux/ioprio.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/resource.h>

#include "base/path.h"
#include "base/ranges.h"
#include "base/sys.h"
#include "oci/names.h"

#define LONG_BITS (sizeof(unsigned long) * CHAR_BIT)
#define CPU_BITS  8192 /* the most CPUs that a kernel can be built for */
#define NODE_BITS 1024 /* the same for NUMA nodes */

int bh_attr_rlimits(pid_t pid, const struct bh_process *process, struct bh_err *err)
{
	bh_for_each (limit, process->rlimits) {
		struct rlimit value = { .rlim_cur = limit->soft, .rlim_max = limit->hard };

		if (prlimit(pid, (enum __rlimit_resource)limit->resource, &value, NULL) < 0)
			return bh_err_set(err, -errno, "set %s to soft %llu, hard %llu",
					  limit->name, (unsigned long long)limit->soft,
					  (unsigned long long)limit->hard);
	}
	return 0;
}

int bh_attr_oom_score_adj(int pid_fd, int64_t value, bool tolerate, struct bh_err *err)
{
	char text[24];
	int r;

	snprintf(text, sizeof(text), "%lld", (long long)value);
	r = bh_path_write(pid_fd, "oom_score_adj", text, BH_PATH_PROC, err);
	if (tolerate && (r == -EACCES || r == -EPERM))
		return 0;
	return r;
}

/* struct sched_attr of linux/sched/types.h, whose other names clash with those of <sched.h>. */
struct sched_attributes {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
	uint32_t util_min, util_max;
};
static_assert(sizeof(struct sched_attributes) == 56, "SCHED_ATTR_SIZE_VER1");

int bh_attr_scheduler(const struct bh_scheduler *scheduler, struct bh_err *err)
{
	const struct sched_attributes attr = {
		.size = sizeof(attr),
		.policy = (uint32_t)scheduler->policy,
		.flags = scheduler->flags,
		.nice = scheduler->nice,
		.priority = (uint32_t)scheduler->priority,
		.runtime = scheduler->runtime_ns,
		.deadline = scheduler->deadline_ns,
		.period = scheduler->period_ns,
	};

	if (bh_sys_sched_setattr(0, &attr, 0) < 0)
		return bh_err_set(err, -errno, "set scheduler policy %u, nice %d, priority %u",
				  attr.policy, attr.nice, attr.priority);
	return 0;
}

int bh_attr_io_priority(const struct bh_io_priority *priority, struct bh_err *err)
{
	int value = IOPRIO_PRIO_VALUE(priority->class, priority->priority);

	if (bh_sys_ioprio_set(IOPRIO_WHO_PROCESS, 0, value) < 0)
		return bh_err_set(err, -errno, "set I/O priority class %d, priority %d",
				  priority->class, priority->priority);
	return 0;
}

int bh_cpu_list_parse(const char *text, unsigned long *set, size_t bits, struct bh_err *err)
{
	const char *p = text;
	struct bh_range range;
	bool any = false;
	int r;

	memset(set, 0, (bits + LONG_BITS - 1) / LONG_BITS * sizeof(*set));
	while ((r = bh_range_next(&p, bits, &range)) > 0) {
		any = true;
		for (size_t i = range.first; i <= range.last; i++)
			set[i / LONG_BITS] |= 1UL << (i % LONG_BITS);
	}
	if (r == -ERANGE)
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL,
				 "list '%s' has a number above %zu, the largest there is", text,
				 bits - 1);
	if (r < 0 || !any)
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL,
				 "'%s' is not a list of numbers and ranges such as \"0-3,7\"",
				 text);
	return 0;
}

int bh_attr_affinity(pid_t pid, const char *cpu_list, struct bh_err *err)
{
	unsigned long set[CPU_BITS / LONG_BITS];
	int r = bh_cpu_list_parse(cpu_list, set, CPU_BITS, err);

	if (r < 0)
		return bh_err_ctx(err, "CPU affinity");
	if (sched_setaffinity(pid, sizeof(set), (const cpu_set_t *)set) < 0)
		return bh_err_set(err, -errno, "set CPU affinity '%s'", cpu_list);
	return 0;
}

int bh_attr_affinity_all(struct bh_err *err)
{
	unsigned long set[CPU_BITS / LONG_BITS];

	memset(set, 0xff, sizeof(set));
	if (sched_setaffinity(0, sizeof(set), (const cpu_set_t *)set) < 0)
		return bh_err_set(err, -errno, "reset CPU affinity");
	return 0;
}

int bh_attr_memory_policy(const struct bh_memory_policy *policy, struct bh_err *err)
{
	unsigned long nodes[NODE_BITS / LONG_BITS] = { 0 };
	bool some = policy->nodes && policy->nodes[0];
	int mode = (int)bh_names_find(&bh_names_mpol_mode, policy->mode, -1), r;

	if (mode < 0)
		return bh_err_spec(err, "/linux/memoryPolicy/mode", "unknown mode '%s'",
				   policy->mode);
	for (size_t i = 0; i < policy->flags.n; i++) {
		int flag = (int)bh_names_find(&bh_names_mpol_flag, policy->flags.v[i], -1);

		if (flag < 0)
			return bh_err_spec(err, "/linux/memoryPolicy/flags", "unknown flag '%s'",
					   policy->flags.v[i]);
		mode |= flag;
	}
	if (some) {
		r = bh_cpu_list_parse(policy->nodes, nodes, NODE_BITS, err);
		if (r < 0)
			return bh_err_ctx(err, "memory policy nodes");
	}
	/* The kernel takes one off the number of bits. */
	if (bh_sys_set_mempolicy(mode, some ? nodes : NULL, some ? NODE_BITS + 1 : 0) < 0)
		return bh_err_set(err, -errno, "set memory policy %s with nodes '%s'", policy->mode,
				  some ? policy->nodes : "");
	return 0;
}

int bh_attr_personality(const struct bh_personality *wanted, struct bh_err *err)
{
	int64_t value = bh_names_find(&bh_names_personality, wanted->domain, -1);

	if (value < 0)
		return bh_err_spec(err, "/linux/personality/domain", "unknown domain '%s'",
				   wanted->domain);
	if (personality((unsigned long)value) < 0)
		return bh_err_set(err, -errno, "set personality %s", wanted->domain);
	return 0;
}

/* Of linux/key.h, which is not for user space: the possessor may do all, the owner may see, read,
 * link (these are the kernel's defaults for a session keyring) and search. */
#define KEYRING_PERMISSIONS (0x3f000000 | 0x00010000 | 0x00020000 | 0x00100000 | 0x00080000)

int bh_attr_session_keyring(const char *name, struct bh_err *err)
{
	long id = bh_sys_keyctl(KEYCTL_JOIN_SESSION_KEYRING, (unsigned long)name, 0, 0);

	if (id == 0) /* it is the process's already */
		return 0;
	if (id < 0)
		return errno == ENOSYS ? 0
				       : bh_err_set(err, -errno, "join session keyring '%s'", name);
	/* Joined by someone who is neither its maker nor privileged: the maker has set it already.
	 */
	if (bh_sys_keyctl(KEYCTL_SETPERM, (unsigned long)id, KEYRING_PERMISSIONS, 0) < 0 &&
	    errno != EACCES)
		return bh_err_set(err, -errno, "set permissions of session keyring '%s'", name);
	return 0;
}

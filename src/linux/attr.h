/* SPDX-License-Identifier: Apache-2.0 */
/* The smaller attributes of a process, each a function that applies one part of the spec to the calling
 * process (or to @pid where there is one). Context of all: child, single-threaded, no allocation, unless
 * said otherwise. */
#ifndef BH_LINUX_ATTR_H
#define BH_LINUX_ATTR_H

#include <sys/types.h>

#include "oci/spec.h"

/** bh_attr_rlimits() - prlimit(2) of @pid (0 = self), an error names type and value */
int bh_attr_rlimits(pid_t pid, const struct bh_process *process, struct bh_err *err) bh_must_check;

/** bh_attr_oom_score_adj() - @proc_fd: checked procfs of this pid namespace. Lowering without
 * CAP_SYS_RESOURCE is an error unless @tolerate (rootless) */
int bh_attr_oom_score_adj(int proc_fd, int64_t value, bool tolerate, struct bh_err *err)
	bh_must_check;

/** bh_attr_scheduler() - sched_setattr(2) */
int bh_attr_scheduler(const struct bh_scheduler *scheduler, struct bh_err *err) bh_must_check;

/** bh_attr_io_priority() - ioprio_set(2) */
int bh_attr_io_priority(const struct bh_io_priority *priority, struct bh_err *err) bh_must_check;

/** bh_attr_affinity() - sched_setaffinity(2) of @pid (0 = self) from a CPU list such as "0-3,7" */
int bh_attr_affinity(pid_t pid, const char *cpu_list, struct bh_err *err) bh_must_check;

/** bh_attr_memory_policy() - set_mempolicy(2) */
int bh_attr_memory_policy(const struct bh_memory_policy *policy, struct bh_err *err) bh_must_check;

/** bh_attr_personality() - personality(2) */
int bh_attr_personality(const struct bh_personality *personality, struct bh_err *err) bh_must_check;

/** bh_attr_session_keyring() - join a new session keyring named @name, searchable by its members;
 * kernels without keyrings (ENOSYS) are fine */
int bh_attr_session_keyring(const char *name, struct bh_err *err) bh_must_check;

/** bh_attr_sysctls() - write each below sys/ of @proc_fd, never through a symlink. The check whether
 * a name is one of a namespace of its own belongs to the plan: bh_sysctl_check() */
int bh_attr_sysctls(int proc_fd, const bh_kv_list *sysctls, struct bh_err *err) bh_must_check;

/** bh_sysctl_check() - refuse a sysctl that would change the host: its namespace is not a new one.
 * Pure; names JSON pointer, key and the namespace missing */
int bh_sysctl_check(const struct bh_spec *spec, struct bh_err *err) bh_must_check;

/** bh_cpu_list_parse() - "0-3,7" into @set of @bits bits; -EINVAL with the text. Pure */
int bh_cpu_list_parse(const char *text, unsigned long *set, size_t bits, struct bh_err *err)
	bh_must_check;

#endif

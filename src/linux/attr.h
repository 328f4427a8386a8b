/* SPDX-License-Identifier: Apache-2.0 */
/* The smaller attributes of a process, each a function that applies one part of the spec to the
 * calling process (or to @pid where there is one). Context of all: child, single-threaded, no
 * allocation, unless said otherwise. */
#ifndef BH_LINUX_ATTR_H
#define BH_LINUX_ATTR_H

#include <sys/types.h>

#include "oci/spec.h"

/** bh_attr_rlimits() - prlimit(2) of @pid (0 = self), an error names type and value */
int bh_attr_rlimits(pid_t pid, const struct bh_process *process, struct bh_err *err) bh_must_check;

/** bh_attr_oom_score_adj() - @pid_fd: the process's directory in a checked procfs (/proc/PID).
 * Lowering without CAP_SYS_RESOURCE is an error unless @tolerate (rootless). Context: parent or
 * child */
int bh_attr_oom_score_adj(int pid_fd, int64_t value, bool tolerate,
			  struct bh_err *err) bh_must_check;

/** bh_attr_scheduler() - sched_setattr(2) */
int bh_attr_scheduler(const struct bh_scheduler *scheduler, struct bh_err *err) bh_must_check;

/** bh_attr_io_priority() - ioprio_set(2) */
int bh_attr_io_priority(const struct bh_io_priority *priority, struct bh_err *err) bh_must_check;

/** bh_attr_affinity() - sched_setaffinity(2) of @pid (0 = self) from a CPU list such as "0-3,7" */
int bh_attr_affinity(pid_t pid, const char *cpu_list, struct bh_err *err) bh_must_check;

/** bh_attr_affinity_all() - of the calling process to all CPUs that its cpuset allows. Since
 * Linux 6.2 a process that joins a cpuset otherwise keeps what its parent was bound to */
int bh_attr_affinity_all(struct bh_err *err) bh_must_check;

/** bh_attr_memory_policy() - set_mempolicy(2); unknown modes, flags and node lists are errors
 * naming them */
int bh_attr_memory_policy(const struct bh_memory_policy *policy, struct bh_err *err) bh_must_check;

/** bh_attr_personality() - personality(2); an unknown domain is an error naming it */
int bh_attr_personality(const struct bh_personality *wanted, struct bh_err *err) bh_must_check;

/** bh_attr_session_keyring() - join a new session keyring named @name, searchable by its members;
 * kernels without keyrings (ENOSYS) are fine. The first to join makes the keyring and sets who may
 * search it; a later process (exec) of the same name joins that one and leaves it as it is */
int bh_attr_session_keyring(const char *name, struct bh_err *err) bh_must_check;

/** bh_attr_sysctls() - write each below sys/ of @proc_fd, never through a mount on it. The check
 * whether a name is one of a namespace of its own belongs to the plan: bh_sysctl_check() */
int bh_attr_sysctls(int proc_fd, const bh_kv_list *sysctls, struct bh_err *err) bh_must_check;

/**
 * bh_sysctl_check() - refuse a sysctl that would change the host
 *
 * Allowed is what belongs to a namespace that is not the caller's own: IPC (kernel.msg*,
 * kernel.sem, kernel.shm*, fs.mqueue.*), network (net.*), UTS (kernel.domainname; kernel.hostname
 * has a field of its own and is refused) and user (user.*). A namespace joined by path is compared
 * with the caller's: nothing is changed, but paths are looked at.
 *
 * Return: 0; -EINVAL with @err naming JSON pointer, key and reason
 */
int bh_sysctl_check(const struct bh_spec *spec, struct bh_err *err) bh_must_check;

/** bh_sysctl_path() - a sysctl's name as the path below /proc/sys:
 * "net.ipv4.conf.eth0/1.forwarding" and "net/ipv4/conf/eth0.1/forwarding" are the same; the first
 * separator tells which form it is. Return: 0; -EINVAL for an empty, "." or ".." component;
 * -ENAMETOOLONG. Pure. Source: sysctl(8), sysctl.d(5) */
int bh_sysctl_path(const char *name, char *buf, size_t size) bh_must_check;

/** bh_cpu_list_parse() - "0-3,7" into @set of @bits bits; -EINVAL with the text. Blanks around
 * entries and empty entries are allowed, an empty list is not. Pure */
int bh_cpu_list_parse(const char *text, unsigned long *set, size_t bits,
		      struct bh_err *err) bh_must_check;

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Processes by identity: a pid together with its start time, so that a number that was given to
 * another process is noticed. Source: proc_pid_stat(5), pidfd_open(2) */
#ifndef BH_LINUX_PROC_H
#define BH_LINUX_PROC_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct bh_proc {
	pid_t pid;           /* 0 = none */
	uint64_t start_time; /* clock ticks since boot, field 22 of /proc/PID/stat */
};

/** bh_proc_identify() - fill @proc for @pid, which must be alive or a zombie */
int bh_proc_identify(pid_t pid, struct bh_proc *proc, struct bh_err *err) bh_must_check;

/** bh_proc_alive() - whether it is still the same process and not a zombie */
bool bh_proc_alive(const struct bh_proc *proc);

/** bh_proc_open() - a pidfd of that very process, checked after opening
 * Return: descriptor, the caller's; -ESRCH when it is gone; -errno with @err */
int bh_proc_open(const struct bh_proc *proc, struct bh_err *err) bh_must_check;

/** bh_proc_descendants() - @pid and its descendants, found through /proc/PID/task/…/children
 * @ret: malloc'd, the caller's */
int bh_proc_descendants(pid_t pid, pid_t **ret, size_t *ret_n, struct bh_err *err) bh_must_check;

/** bh_proc_wait_end() - wait until the process behind @pidfd has ended
 * Return: 0; -ETIMEDOUT after @timeout_ms; -errno */
int bh_proc_wait_end(int pidfd, int timeout_ms);

#endif

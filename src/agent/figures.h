/* SPDX-License-Identifier: Apache-2.0 */
/* Figures of the guest, and processes as ps(1) shows them. Source: proc(5) */
#ifndef BH_AGENT_FIGURES_H
#define BH_AGENT_FIGURES_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "rpc/agent.pb-c.h"

/** bh_figures_own_usec() - CPU time of this process so far, the kernel's start with process 1
 * included */
uint64_t bh_figures_own_usec(void);

/** bh_figures() - method Figures
 * @boot_usec: what bh_figures_own_usec() was when this program began */
int bh_figures(uint64_t boot_usec, Agent__FiguresResponse *ret, struct bh_err *err) bh_must_check;

/** bh_figures_memory() - bytes that @name of /proc/meminfo stands for, in @text; 0 when it is not
 * there. Pure */
uint64_t bh_figures_memory(const char *text, const char *name);

/** bh_figures_network() - counters of all interfaces but the loopback in /proc/net/dev's @text, as
 * the list network_interfaces of runc's `events --stats`, appended to @out. Pure */
void bh_figures_network(const char *text, struct bh_buf *out);

/* What the time is for a table of processes. */
struct bh_ps_clock {
	int64_t now;      /* seconds since the epoch */
	int64_t boot;     /* the same of the machine's start */
	unsigned long hz; /* ticks of /proc/PID/stat in a second */
};

/** bh_ps_row() - a process by the content of its files; all that the row points to is in @arena
 * @stat:    /proc/PID/stat
 * @cmdline: /proc/PID/cmdline, @cmdline_len bytes with NULs in it
 * Pure. Return: 0; -EINVAL when @stat is none */
int bh_ps_row(struct bh_arena *arena, const struct bh_ps_clock *clock, const char *stat,
	      const char *cmdline, size_t cmdline_len, uid_t uid,
	      Agent__Process *ret) bh_must_check;

/** bh_ps() - rows of @n processes; those that are gone by now are left out. All in @arena */
int bh_ps(struct bh_arena *arena, const pid_t *pids, size_t n, Agent__ProcessesResponse *ret,
	  struct bh_err *err) bh_must_check;

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What the caller did to our signals and a container must not inherit. */
#ifndef BH_CLI_SIGNALS_H
#define BH_CLI_SIGNALS_H

/**
 * bh_signals_reset() - the default action for every signal that the caller has us ignore
 *
 * nohup(1), shells in the background, supervisors and interpreters leave signals ignored, which
 * execve(2) passes on: a container's process would be deaf to them, as its author did not ask for.
 * runc's processes start with all signals at their defaults, too.
 *
 * Syscalls: openat2 read close rt_sigaction
 * Source: signal(7), proc_pid_stat(5) field 33
 */
void bh_signals_reset(void);

#endif

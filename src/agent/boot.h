/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest from the kernel's first process to one that can run containers: console, modules, a
 * root that pivot_root(2) can leave, file systems, control groups, kernel settings.
 */
#ifndef BH_AGENT_BOOT_H
#define BH_AGENT_BOOT_H

#include "agent/modules.h"
#include "base/err.h"

/** bh_boot_console() - standard input, output and error of a process that was started without any:
 * the console, or where there is none the kernel's log. Also makes fatal signals of this process
 * say a line before they end it, and with it the machine */
int bh_boot_console(struct bh_err *err) bh_must_check;

/** bh_boot() - the rest
 * @later: modules that were not loaded yet; their files stay until they are
 *
 * What fails here is fatal: there is nobody to tell but the console.
 */
int bh_boot(struct bh_modules *later, struct bh_err *err) bh_must_check;

/** bh_boot_fail() - tell the console why the agent ends, and restart the machine, which a VMM
 * takes as its end */
_Noreturn void bh_boot_fail(const struct bh_err *err);

#endif

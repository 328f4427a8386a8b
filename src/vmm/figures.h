/* SPDX-License-Identifier: Apache-2.0 */
/* What a process of a pod costs: the monitor, the shared directory's daemon, this one. Source:
 * proc_pid_smaps(5), clock_getcpuclockid(3) */
#ifndef BH_VMM_FIGURES_H
#define BH_VMM_FIGURES_H

#include "vmm/hypervisor.h"

/**
 * bh_figures_read() - of the process @pid, which must be one that is not reaped by others
 * @memory: size of the guest's RAM in bytes, by which its mapping is known; 0 = it has none
 */
int bh_figures_read(pid_t pid, uint64_t memory, struct bh_vm_figures *ret,
		    struct bh_err *err) bh_must_check;

/** bh_figures_parse() - sum up the text of an smaps file. Pure
 * @ret: pss and guest_ram are set */
void bh_figures_parse(const char *smaps, uint64_t memory, struct bh_vm_figures *ret);

#endif

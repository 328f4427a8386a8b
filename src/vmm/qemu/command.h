/* SPDX-License-Identifier: Apache-2.0 */
/* QEMU's command line, as a function of what is wanted and nothing else. */
#ifndef BH_VMM_QEMU_COMMAND_H
#define BH_VMM_QEMU_COMMAND_H

#include "base/arena.h"
#include "vmm/hypervisor.h"

#define BH_QEMU_ARGS_MAX 128
#define BH_QEMU_FDS_MAX  64
#define BH_QEMU_FD_FIRST 3 /* of those that are handed over, in the process */

/* What QEMU finds in its root at the start. */
#define BH_QEMU_KERNEL    "/kernel"
#define BH_QEMU_INITRAMFS "/initramfs"

/* QEMU's ends of what it talks over; borrowed. */
struct bh_qemu_ends {
	int monitor, console;
	int channel; /* -1 when there is no serial port */
};

struct bh_qemu_command {
	const char *argv[BH_QEMU_ARGS_MAX + 1]; /* NULL at the end */
	size_t n;
	int fds[BH_QEMU_FDS_MAX]; /* the N-th is to be descriptor BH_QEMU_FD_FIRST + N */
	size_t n_fds;
};

/**
 * bh_qemu_command() - what to run
 * @program: path, borrowed
 * @ticks_khz: of an emulated processor's counter, see ticks.h; 0 = not known
 * @arena:   gets what @ret points to
 *
 * Return: 0; -EINVAL with @err when the machine has no place for so many devices; -ENOMEM
 */
int bh_qemu_command(const char *program, const struct bh_vm_config *config,
		    const struct bh_qemu_ends *ends, int64_t ticks_khz, struct bh_arena *arena,
		    struct bh_qemu_command *ret, struct bh_err *err) bh_must_check;

#endif

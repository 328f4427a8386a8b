/* SPDX-License-Identifier: Apache-2.0 */
/* QEMU as a monitor: its microvm machine, with KVM or emulating the processor. */
#ifndef BH_VMM_QEMU_QEMU_H
#define BH_VMM_QEMU_QEMU_H

#include "vmm/hypervisor.h"
#include "vmm/qemu/jail.h"
#include "vmm/qemu/qmp.h"
#include "vmm/stream.h"

extern const struct bh_hypervisor bh_qemu_hypervisor;

#define BH_QEMU_PROGRAM "/usr/bin/qemu-system-x86_64"

/** bh_qemu_program() - the one that is given, or else the installed one */
static inline const char *bh_qemu_program(const char *given)
{
	return given ? given : BH_QEMU_PROGRAM;
}
#define BH_QEMU_DISKS_MAX 256 /* targets of the SCSI controller */
#define BH_QEMU_CALL_MS   10000

enum bh_qemu_disk_state {
	BH_QEMU_DISK_NONE = 0, /* the number is free */
	BH_QEMU_DISK_HERE,
	BH_QEMU_DISK_CHANGING, /* being added or removed */
};

/* Who waits for a device to be gone; on the stack of bh_qemu_remove_disk(). */
struct bh_qemu_removal {
	uint32_t number;
	struct bh_wait wait;
	struct bh_qemu_removal *next;
};

struct bh_qemu {
	struct bh_vm_head head;
	struct bh_loop *loop;
	struct bh_jail_process process;
	struct bh_source end; /* the process's */
	struct bh_qmp qmp;
	struct bh_stream console, words; /* words: what QEMU writes to its standard error */
	int channel;                     /* the host's end, until it is fetched */
	uint64_t memory;
	char shutdown[BH_QMP_NAME_BYTES]; /* QEMU's reason for ending, "" = none was told */
	struct bh_err killed_for;         /* why we killed it, if we did */
	struct bh_err hung_up; /* that it closed its monitor; it has until @grace to end */
	struct bh_timer grace;
	struct bh_err why; /* how it ended */
	bool running, booted;
	bh_vm_dead_fn dead;
	void *arg;
	struct bh_deferred tell; /* @dead */
	uint8_t disks[BH_QEMU_DISKS_MAX];
	struct bh_qemu_removal *removals;
};

/* check.c */
int bh_qemu_check(const char *program, struct bh_buf *found, struct bh_err *err) bh_must_check;

/* disk.c: the driver's calls, and the word that a device is gone. */
int bh_qemu_add_disk(struct bh_vm *vm, const struct bh_vm_disk *disk, uint32_t *ret_number,
		     struct bh_err *err) bh_must_check;
int bh_qemu_remove_disk(struct bh_vm *vm, uint32_t number, struct bh_err *err) bh_must_check;
void bh_qemu_device_gone(struct bh_qemu *qemu, const char *device);
void bh_qemu_end_removals(struct bh_qemu *qemu);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What guest/make left in a directory: vmlinux, initramfs, and guest.json that says how to boot
 * them. */
#ifndef BH_POD_VM_GUEST_IMAGE_H
#define BH_POD_VM_GUEST_IMAGE_H

#include "base/arena.h"
#include "base/err.h"
#include "vmm/hypervisor.h"

struct bh_guest_image {
	const char *kernel, *initramfs; /* paths */
	const char *release;            /* of the kernel */
	const char *cmdline;            /* for @accelerator */
	bool acpi;                      /* how the kernel finds its devices */
};

/** bh_guest_image_read() - @dir is trusted; all of @ret is in @arena */
int bh_guest_image_read(struct bh_arena *arena, const char *dir, enum bh_accelerator accelerator,
			struct bh_guest_image *ret, struct bh_err *err) bh_must_check;

#endif

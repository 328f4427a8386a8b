/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/hypervisor.h"

#include <string.h>

#include "vmm/qemu/qemu.h"

static const struct bh_hypervisor *const drivers[] = {
	&bh_qemu_hypervisor,
};

const struct bh_hypervisor *bh_hypervisor_find(const char *name)
{
	for (size_t i = 0; i < BH_ARRAY_SIZE(drivers); i++)
		if (!strcmp(drivers[i]->name, name))
			return drivers[i];
	return NULL;
}

static const struct bh_hypervisor *driver_of(const struct bh_vm *vm)
{
	return ((const struct bh_vm_head *)vm)->driver;
}

int bh_vm_boot(const struct bh_hypervisor *driver, struct bh_loop *loop,
	       const struct bh_vm_config *config, bh_vm_dead_fn dead, void *arg, struct bh_vm **ret,
	       struct bh_err *err)
{
	return driver->boot(loop, config, dead, arg, ret, err);
}

int bh_vm_channel(struct bh_vm *vm, struct bh_err *err)
{
	return driver_of(vm)->channel(vm, err);
}

int bh_vm_add_disk(struct bh_vm *vm, const struct bh_vm_disk *disk, uint32_t *ret_number,
		   struct bh_err *err)
{
	return driver_of(vm)->add_disk(vm, disk, ret_number, err);
}

int bh_vm_remove_disk(struct bh_vm *vm, uint32_t number, struct bh_err *err)
{
	return driver_of(vm)->remove_disk(vm, number, err);
}

int bh_vm_pause(struct bh_vm *vm, bool paused, struct bh_err *err)
{
	return driver_of(vm)->pause(vm, paused, err);
}

void bh_vm_console_tail(const struct bh_vm *vm, size_t lines, struct bh_buf *out)
{
	driver_of(vm)->console_tail(vm, lines, out);
}

int bh_vm_figures(const struct bh_vm *vm, struct bh_vm_figures *ret, struct bh_err *err)
{
	return driver_of(vm)->figures(vm, ret, err);
}

struct bh_vm *bh_vm_free(struct bh_vm *vm)
{
	return vm ? driver_of(vm)->free(vm) : NULL;
}

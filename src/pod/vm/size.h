/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules of a pod in a micro-VM, and how large its VM is. Requests equal limits, so the size is
 * known when the pod is created: from the engine's annotations of the sandbox, else from the limits
 * of the container that the pod is made for, else it is the smallest pod.
 */
#ifndef BH_POD_VM_SIZE_H
#define BH_POD_VM_SIZE_H

#include "oci/spec.h"
#include "vmm/hypervisor.h"

#define BH_POD_MIB UINT64_C(1048576)
/* The smallest pod: a quarter of a core, 256 MiB. */
#define BH_POD_CPU_MIN_USEC    25000
#define BH_POD_CPU_PERIOD_USEC 100000
#define BH_POD_MEMORY_MIN      (256 * BH_POD_MIB)
/* What a pod costs beyond what its containers were given: 0.1 core, 100 MiB. */
#define BH_POD_CPU_OVERHEAD_USEC 10000
#define BH_POD_MEMORY_OVERHEAD   (100 * BH_POD_MIB)

struct bh_vm_size {
	uint64_t quota_usec; /* of the containers in a period; without the overhead */
	uint64_t period_usec;
	uint64_t memory;              /* bytes of the containers */
	bool memory_given, cpu_given; /* by the pod, not the smallest for want of a limit */
	uint32_t vcpus;
	uint64_t ram;               /* bytes of the VM: memory and what the guest itself needs */
	uint64_t cgroup_quota_usec; /* of the pod's cgroup: with the overhead */
	uint64_t cgroup_memory;     /* bytes of the pod's cgroup: with the overhead */
};

/**
 * bh_vm_admit() - whether @spec may run in a micro-VM at all
 *
 * Return: 0; -EINVAL (BH_ERR_SPEC) naming rule, value found and value wanted
 */
int bh_vm_admit(const struct bh_spec *spec, struct bh_err *err) bh_must_check;

/**
 * bh_vm_size() - the size of the pod that is made for @spec
 * @accelerator: emulation costs the monitor more memory than the overhead has; it gets it on top
 *
 * Return: 0; -EINVAL with @err when a limit is below the smallest pod's
 */
int bh_vm_size(const struct bh_spec *spec, enum bh_accelerator accelerator, struct bh_vm_size *ret,
	       struct bh_err *err) bh_must_check;

#endif

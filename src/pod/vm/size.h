/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules of a pod in a micro-VM, and how large its VM is. Requests equal limits, so the size is
 * known when the pod is created: from the engine's annotations of the sandbox, else from the limits
 * of the container that the pod is made for, else it is the smallest pod.
 */
#ifndef BH_POD_VM_SIZE_H
#define BH_POD_VM_SIZE_H

#include "config/config.h"
#include "contract/rules.h"
#include "oci/spec.h"
#include "vmm/hypervisor.h"

#define BH_POD_CPU_PERIOD_USEC 100000

struct bh_vm_size {
	uint64_t quota_usec; /* of the containers in a period; without the overhead */
	uint64_t period_usec;
	uint64_t memory;              /* bytes of the containers */
	bool memory_given, cpu_given; /* by the pod, not the smallest for want of a limit */
	uint32_t vcpus;
	uint64_t ram;               /* bytes of the VM: memory and what the guest itself needs */
	uint64_t overhead_usec;     /* of the processors in a period, beyond the containers */
	uint64_t cgroup_quota_usec; /* of the pod's cgroup: with the overhead */
	uint64_t cgroup_memory;     /* bytes of the pod's cgroup: with the overhead */
};

/**
 * bh_vm_demand() - what the pod that is made for @spec asks for, as far as the engine tells it: of
 * the requests, that for CPU; an unknown one is the limit
 *
 * Return: 0; -EINVAL with @err when an annotation is nonsense
 */
int bh_vm_demand(const struct bh_spec *spec, struct bh_demand *ret,
		 struct bh_err *err) bh_must_check;

/** bh_vm_request_hidden() - whether requests and limits differ by what is not told: the kubelet put
 * the pod where requests are not limits, although all that is known of it is equal */
bool bh_vm_request_hidden(const struct bh_spec *spec, const struct bh_demand *demand);

/** bh_vm_pod_name() - the pod's name for people; @id where the engine told none */
const char *bh_vm_pod_name(const struct bh_spec *spec, const char *id);

/** bh_vm_verdict() - judge @demand by the rule book; what is only warned of is logged
 * Return: 0; -EINVAL (BH_ERR_SPEC) naming pod, value found and value wanted, of each rule broken */
int bh_vm_verdict(const struct bh_demand *demand, const char *name,
		  const struct bh_rule_levels *levels, struct bh_err *err) bh_must_check;

/** bh_vm_admit() - whether the pod @id that is made for @spec may run in a micro-VM at all; as
 * bh_vm_verdict() */
int bh_vm_admit(const struct bh_spec *spec, const char *id, const struct bh_rule_levels *levels,
		struct bh_err *err) bh_must_check;

/**
 * bh_vm_size() - the size of the pod that is made for @spec
 * @config:      overhead and largest pod
 * @accelerator: emulation costs the monitor more memory than the overhead has; it gets it on top
 *
 * Return: 0; -EINVAL with @err when a limit is nonsense or more than a pod may have
 */
int bh_vm_size(const struct bh_spec *spec, const struct bh_config *config,
	       enum bh_accelerator accelerator, struct bh_vm_size *ret,
	       struct bh_err *err) bh_must_check;

/** bh_vm_outgrown() - warn of limits of a container that are more than its pod has, as when the
 * engine told nothing of the pod. Return: how many */
unsigned int bh_vm_outgrown(const struct bh_spec *spec, const char *id,
			    const struct bh_vm_size *size, const char *pod);

#endif

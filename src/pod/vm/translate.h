/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container's document for the guest: from the one that an engine wrote for this host. A pure
 * function plans (which files are shared, which devices become disks, what the guest mounts, the
 * document with its paths and namespaces as they are in the guest); applying walks the plan.
 *
 * What cannot be had in a micro-VM is refused here, by field: see docs/kata.md.
 */
#ifndef BH_POD_VM_TRANSLATE_H
#define BH_POD_VM_TRANSLATE_H

#include "base/arena.h"
#include "oci/spec.h"
#include "pod/vm/share.h"
#include "rpc/agent.pb-c.h"
#include "rpc/task.pb-c.h"
#include "vmm/hypervisor.h"

struct bh_guest_source {
	const char *id;
	const char *bundle; /* absolute */
	const char *config; /* config.json, config_len bytes */
	size_t config_len;
	const struct bh_spec *spec; /* the same, parsed */
	Task__Mount *const *rootfs; /* of the engine's request: instead of the document's root */
	size_t n_rootfs;
	pid_t monitor_pid; /* what engines know all containers of the pod by; 0 = not yet known */
	pid_t sandbox_pid; /* in the guest, of the pod's first container; 0 when this is the first
			    */
	pid_t target_pid;  /* in the guest, of the container whose PID namespace is meant where one
			    * is named; 0 = the first container */
};

struct bh_guest_plan; /* of one container, from its creation to its end */

/** bh_guest_plan_new() - decide. Reads the host (what kind of file a source is), changes nothing
 * @ret: the caller's, free with bh_guest_plan_free() */
int bh_guest_plan_new(const struct bh_guest_source *source, struct bh_guest_plan **ret,
		      struct bh_err *err) bh_must_check;

/** bh_guest_plan_print() - for people (--dry-run) */
void bh_guest_plan_print(const struct bh_guest_plan *plan, struct bh_buf *out);

/** bh_guest_plan_apply() - share and add disks. Suspends. On failure all is undone */
int bh_guest_plan_apply(struct bh_guest_plan *plan, struct bh_share *share, struct bh_vm *vm,
			struct bh_err *err) bh_must_check;

/** bh_guest_plan_message() - for the agent, after bh_guest_plan_apply(); borrowed, valid as long as
 * @plan */
const Agent__PrepareRequest *bh_guest_plan_message(const struct bh_guest_plan *plan);

/** bh_guest_plan_undo() - after the guest let go: remove disks and shares. Suspends. Idempotent;
 * the first failure is in @err, the rest is undone all the same. @share, @vm: NULL when they are
 * over, and what was added with them */
int bh_guest_plan_undo(struct bh_guest_plan *plan, struct bh_share *share, struct bh_vm *vm,
		       struct bh_err *err) bh_must_check;

/** bh_guest_process() - a process document for exec (JSON) as the guest takes it: malloc'd in @ret,
 * the caller's */
int bh_guest_process(const char *process, size_t len, char **ret, struct bh_err *err) bh_must_check;

/** bh_guest_plan_free() - Takes NULL. Return: NULL */
struct bh_guest_plan *bh_guest_plan_free(struct bh_guest_plan *plan);

#endif

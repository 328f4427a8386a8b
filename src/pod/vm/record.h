/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is on record of a pod, in ROOT/@pods/ID/pod.json: who serves it, and everything of it that
 * outlives the process that serves it. Processes need no mention: they are in the pod's cgroup and
 * die with their creator. Mounts need none: they are in that process's own mount namespace.
 */
#ifndef BH_POD_VM_RECORD_H
#define BH_POD_VM_RECORD_H

#include "linux/cgroup.h"
#include "linux/proc.h"
#include "pod/vm/network.h"

#define BH_POD_RECORD "pod.json"

struct bh_pod_record {
	const char *runtime;              /* name of the pod's kind */
	const char *created;              /* RFC 3339 */
	struct bh_proc server;            /* the process that serves the pod */
	const struct bh_cgroup *cg;       /* NULL = none */
	const struct bh_network *network; /* NULL = none yet */
};

/** bh_pod_dir_make() - ROOT/@pods/ID/, its parents too; -EEXIST when the pod is there already
 * Return: descriptor, the caller's */
int bh_pod_dir_make(const char *root, const char *id, struct bh_err *err) bh_must_check;

/** bh_pod_record_save() - replace what is on record */
int bh_pod_record_save(int dirfd, const struct bh_pod_record *record,
		       struct bh_err *err) bh_must_check;

/** bh_pod_served() - whether the process that serves pod @id is alive; false too when there is no
 * such pod */
bool bh_pod_served(const char *root, const char *id);

/** bh_pod_dir_remove() - the directory and all in it; idempotent */
int bh_pod_dir_remove(const char *root, const char *id, struct bh_err *err) bh_must_check;

#endif

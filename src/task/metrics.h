/* SPDX-License-Identifier: Apache-2.0 */
/* A container's figures as containerd's messages: of cgroup version 1 or 2, as the host is laid
 * out. */
#ifndef BH_TASK_METRICS_H
#define BH_TASK_METRICS_H

#include "linux/cgroup.h"
#include "rpc/wire.pb-c.h"

/**
 * bh_task_metrics() - of @cg, now
 * @ret: its value is malloc'd, the caller's; its type is not to be freed
 */
int bh_task_metrics(const struct bh_cgroup *cg, Wire__Any *ret, struct bh_err *err) bh_must_check;

/** bh_task_metrics_check() - whether @any, from a guest, is one of these messages */
int bh_task_metrics_check(const Wire__Any *any, struct bh_err *err) bh_must_check;

#endif

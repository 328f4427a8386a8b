/* SPDX-License-Identifier: Apache-2.0 */
/* The Pod service of a pod on this kernel. */
#ifndef BH_POD_HOST_HOST_SERVICE_H
#define BH_POD_HOST_HOST_SERVICE_H

#include "pod/ledger.h"
#include "pod/pod.h"

#define BH_HOST_POD_NAME "runc"

/** bh_host_pod_service() - for bh_rpc_serve(); @ledger: of the pod, borrowed for its life */
struct bh_rpc_service bh_host_pod_service(struct bh_ledger *ledger);

#endif

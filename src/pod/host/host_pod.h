/* SPDX-License-Identifier: Apache-2.0 */
/* A pod on this host's kernel: the containers' engine does all the work, see task/. */
#ifndef BH_POD_HOST_HOST_POD_H
#define BH_POD_HOST_HOST_POD_H

#include "pod/pod.h"

extern const struct bh_pod_kind bh_host_pod_kind;

#endif

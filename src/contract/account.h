/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a pod asks for, from what its containers ask for, by Kubernetes' rules: containers are
 * summed; those that run before them count one at a time, each with the sidecars that were started
 * before it; what is said of the pod as a whole goes before the sum.
 *
 * Source: k8s.io/component-helpers resource/helpers.go; the defaults of requests are those that
 * the API server writes into a pod
 */
#ifndef BH_CONTRACT_ACCOUNT_H
#define BH_CONTRACT_ACCOUNT_H

#include "contract/rules.h"

/* As written; the request that is not given is the limit. */
struct bh_container_demand {
	struct bh_amounts request, limit;
	bool has_request[BH_RESOURCE_MAX_], has_limit[BH_RESOURCE_MAX_];
};

enum bh_container_kind {
	BH_CONTAINER_MAIN = 0,
	BH_CONTAINER_INIT,    /* ends before the next one starts */
	BH_CONTAINER_SIDECAR, /* an init container with restartPolicy: Always */
};

struct bh_account {
	struct bh_amounts mains[2]; /* sum of containers and sidecars: [0] requests, [1] limits */
	struct bh_amounts sidecars[2]; /* of those so far */
	struct bh_amounts inits[2];    /* the most that is needed before the containers start */
};

/** bh_account_add() - one container more; init containers and sidecars in their order */
void bh_account_add(struct bh_account *account, enum bh_container_kind kind,
		    const struct bh_container_demand *container);

/** bh_account_sum() - @pod: of spec.resources. Leaves ret->host_network alone */
void bh_account_sum(const struct bh_account *account, const struct bh_container_demand *pod,
		    struct bh_demand *ret);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bundles of the pod's containers, with all that was made for them: storages and the document. One
 * is made by Prepare and undone when its container is deleted, or by Release.
 */
#ifndef BH_AGENT_BUNDLE_H
#define BH_AGENT_BUNDLE_H

#include "agent/sweep.h"
#include "rpc/agent.pb-c.h"

struct bh_bundle;

struct bh_bundles {
	struct bh_loop *loop;
	int modules_fd; /* of what disks may need; borrowed; -1 = none */
	struct bh_bundle *list;
	struct bh_bundle *pod; /* what is the pod's, under no id */
	struct bh_sweep sweep;
};

/** bh_bundles_prepare() - method Prepare. Suspends. On failure nothing is left but what is the
 * pod's
 * @ret: the bundle's path, PATH_MAX bytes */
int bh_bundles_prepare(struct bh_bundles *bundles, const Agent__PrepareRequest *request, char *ret,
		       struct bh_err *err) bh_must_check;

/** bh_bundles_release() - undo it. Suspends. Idempotent; what fails is logged
 * Return: 0; -EBUSY while it is being prepared */
int bh_bundles_release(struct bh_bundles *bundles, const char *id, struct bh_err *err);

/** bh_bundles_release_all() - all of them, and what is the pod's. Suspends */
void bh_bundles_release_all(struct bh_bundles *bundles);

#endif

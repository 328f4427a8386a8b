/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counters that never go back while their pod lives, as Prometheus wants them: what a container has
 * used stays used when it is deleted, and the difference of two figures that were not read at the
 * same moment does not shrink.
 */
#ifndef BH_METRICS_COUNTERS_H
#define BH_METRICS_COUNTERS_H

#include "node/node.h"

struct bh_counter; /* of a pod */

/* Zeroed at first. */
struct bh_counters {
	struct bh_counter *pods;
};

/* Microseconds. */
struct bh_counter_values {
	uint64_t cpu_usec, overhead_cpu_usec;
};

/** bh_counters_see() - @node is what there is now. Pods that are not in it are forgotten */
int bh_counters_see(struct bh_counters *counters, const struct bh_node *node,
		    struct bh_err *err) bh_must_check;

/** bh_counters_of() - of @pod, which was in what was seen last */
struct bh_counter_values bh_counters_of(const struct bh_counters *counters,
					const struct bh_node_pod *pod);

void bh_counters_deinit(struct bh_counters *counters);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* All that is known of a pod. */
#ifndef BH_OBSERVER_DETAILS_H
#define BH_OBSERVER_DETAILS_H

#include "base/json_writer.h"
#include "node/node.h"

/** bh_details_json() - the members of the object that stands for @pod in a list */
void bh_details_json(const struct bh_node_pod *pod, struct bh_json_writer *w);

/** bh_details_stats_json() - the document of `pod stats POD`: the same, and each part of the cost
 */
void bh_details_stats_json(const struct bh_node_pod *pod, struct bh_buf *out);

/** bh_details_print() - the same for people */
void bh_details_print(const struct bh_node_pod *pod, struct bh_buf *out);

#endif

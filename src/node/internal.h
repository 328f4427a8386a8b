/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of node/ share. */
#ifndef BH_NODE_INTERNAL_H
#define BH_NODE_INTERNAL_H

#include "node/node.h"

typedef BH_LIST(struct bh_node_pod) bh_node_pods;

/** bh_node_pod_new() - one of which nothing is known, at the end of @list. Pods that were in it
 * before may have moved. Return: NULL when out of memory */
struct bh_node_pod *bh_node_pod_new(struct bh_arena *arena, bh_node_pods *list, const char *root,
				    const char *id);

/** bh_node_dead() - add those of which nothing but an obituary is left
 * @root: as in a query: of those below it nothing is known here */
int bh_node_dead(struct bh_arena *arena, const char *root, bh_node_pods *list,
		 struct bh_err *err) bh_must_check;

/** bh_node_time() - seconds since the epoch; 0 = not known, as for NULL */
int64_t bh_node_time(const char *rfc3339);

/** bh_node_roots() - directories where states are: @root and what is below, or all that are known
 * @ret: absolute, in @arena, each once */
int bh_node_roots(struct bh_arena *arena, const char *root, const struct bh_strv *known,
		  struct bh_strv *ret, struct bh_err *err) bh_must_check;

/** bh_node_stats() - processor time and memory by a document as `events --stats` has it in "data"
 * Return: whether it has both */
bool bh_node_stats(const char *json, size_t len, struct bh_node_container *ret);

/** bh_node_container_of() - of the pod, by id; a new one at the end when there is none. Return:
 * NULL when out of memory */
struct bh_node_container *bh_node_container_of(struct bh_arena *arena, struct bh_node_pod *pod,
					       const char *id);

/** bh_node_text() - a copy of @text, made harmless. Return: NULL when out of memory */
const char *bh_node_text(struct bh_arena *arena, const char *text);

/** bh_node_judge() - state, reasons and sums that follow from what is known of @pod by now */
int bh_node_judge(struct bh_arena *arena, struct bh_node_pod *pod,
		  struct bh_err *err) bh_must_check;

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bulkhead-observer: what an administrator sees of the pods of a node. list.c and stats.c print,
 * top.c is a live view on a terminal (screen.c), console.c follows a guest's console. columns.c is
 * what all tables are made of.
 */
#ifndef BH_OBSERVER_OBSERVER_H
#define BH_OBSERVER_OBSERVER_H

#include "base/buf.h"
#include "node/node.h"

struct bh_observer_options {
	struct bh_node_query query; /* which pods, and how long each has to answer */
	uint64_t interval_ms;
	bool json, all, follow, raw;
};

/* The verbs. Return: exit status; -errno with @err */
int bh_observe_list(const struct bh_observer_options *o, struct bh_err *err) bh_must_check;
int bh_observe_stats(const struct bh_observer_options *o, struct bh_err *err) bh_must_check;
int bh_observe_top(const struct bh_observer_options *o, struct bh_err *err) bh_must_check;
int bh_observe_log(const struct bh_observer_options *o, struct bh_err *err) bh_must_check;
int bh_observe_console(const struct bh_observer_options *o, struct bh_err *err) bh_must_check;

/** bh_observe() - bh_node_look() as the options want it, outside of any fiber */
int bh_observe(const struct bh_observer_options *o, bool figures, struct bh_node *ret,
	       struct bh_err *err) bh_must_check;

/** bh_observer_wanted() - whether a list shows @pod: one that ended as it should only with --all */
bool bh_observer_wanted(const struct bh_observer_options *o, const struct bh_node_pod *pod);

#endif

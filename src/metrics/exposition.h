/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pods of a node as Prometheus reads them.
 *
 * Sources: prometheus.io/docs/instrumenting/exposition_formats, …/practices/naming;
 * OpenMetrics 1.0 (text format)
 */
#ifndef BH_METRICS_EXPOSITION_H
#define BH_METRICS_EXPOSITION_H

#include "base/buf.h"
#include "metrics/counters.h"
#include "node/node.h"

enum bh_exposition {
	BH_EXPOSITION_TEXT = 0,    /* Prometheus' own, 0.0.4 */
	BH_EXPOSITION_OPENMETRICS, /* 1.0.0: units too */
	BH_EXPOSITION_MAX_,
};

/** bh_exposition_type() - what HTTP calls the format */
const char *bh_exposition_type(enum bh_exposition format);

/** bh_exposition_wanted() - by a request's Accept header; NULL = none */
enum bh_exposition bh_exposition_wanted(const char *accept);

/** bh_exposition_print() - append all families to @out
 * @counters: has seen @node
 * @seconds:  that the look at the node took */
void bh_exposition_print(enum bh_exposition format, const struct bh_node *node,
			 const struct bh_counters *counters, double seconds, struct bh_buf *out);

#endif

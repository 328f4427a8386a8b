/* SPDX-License-Identifier: Apache-2.0 */
/* What the programs that look at a node's pods are told alike by whoever calls them. */
#ifndef BH_NODE_OPTIONS_H
#define BH_NODE_OPTIONS_H

#include "base/option.h"
#include "node/node.h"

struct bh_node_options {
	const char *root;
	struct bh_strv known;
	int64_t timeout_ns;
	const char *log, *log_format;
};

/* The rows of a table for a struct @owner with a @member of them. */
#define BH_NODE_OPTION_ROWS(owner, member)                                                    \
	{ .name = "root", .type = BH_OPTION_STRING, BH_OPTION_AT(owner, member.root) },       \
		{ .name = "known-root",                                                       \
		  .type = BH_OPTION_STRINGS,                                                  \
		  BH_OPTION_AT(owner, member.known) },                                        \
		{ .name = "timeout",                                                          \
		  .type = BH_OPTION_DURATION,                                                 \
		  BH_OPTION_AT(owner, member.timeout_ns),                                     \
		  .fallback = "2s" },                                                         \
		{ .name = "log", .type = BH_OPTION_STRING, BH_OPTION_AT(owner, member.log) }, \
	{                                                                                     \
		.name = "log-format", .type = BH_OPTION_STRING,                               \
		BH_OPTION_AT(owner, member.log_format)                                        \
	}

/**
 * bh_node_options_take() - open the log as they say
 * @ret: the query that they make: of all pods, without figures
 */
int bh_node_options_take(const struct bh_node_options *o, struct bh_node_query *ret,
			 struct bh_err *err) bh_must_check;

#endif

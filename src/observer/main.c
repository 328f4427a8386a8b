/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bulkhead-observer: the pods of this node, for an administrator. Called by `bulkhead pod`, which
 * has read and checked the options; not by hand.
 *
 *	bulkhead-observer list | stats | top | log | console  [options] [POD]
 */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "node/options.h"
#include "observer/observer.h"

#define NS_PER_MS 1000000

int bh_observe(const struct bh_observer_options *o, bool figures, struct bh_node *ret,
	       struct bh_err *err)
{
	struct bh_node_query query = o->query;
	struct bh_loop loop = BH_LOOP_INIT;
	int r = bh_loop_init(&loop, err);

	query.figures = figures;
	query.dead = o->all || query.pod;
	r = r < 0 ? r : bh_node_look(&loop, &query, ret, err);
	bh_loop_deinit(&loop);
	return r;
}

static const struct {
	const char *name;
	int (*run)(const struct bh_observer_options *o, struct bh_err *err);
} verbs[] = {
	{ "list", bh_observe_list }, { "stats", bh_observe_stats },     { "top", bh_observe_top },
	{ "log", bh_observe_log },   { "console", bh_observe_console },
};

struct options {
	struct bh_node_options node;
	int64_t interval_ns;
	struct bh_observer_options observer;
};

static const struct bh_option rows[] = {
	BH_NODE_OPTION_ROWS(struct options, node),
	{ .name = "interval",
	  .type = BH_OPTION_DURATION,
	  BH_OPTION_AT(struct options, interval_ns),
	  .fallback = "2s" },
	{ .name = "json", .type = BH_OPTION_FLAG, BH_OPTION_AT(struct options, observer.json) },
	{ .name = "all", .type = BH_OPTION_FLAG, BH_OPTION_AT(struct options, observer.all) },
	{ .name = "follow", .type = BH_OPTION_FLAG, BH_OPTION_AT(struct options, observer.follow) },
	{ .name = "raw", .type = BH_OPTION_FLAG, BH_OPTION_AT(struct options, observer.raw) },
};
static const struct bh_option_set options = { .options = rows, .n = BH_ARRAY_SIZE(rows) };

/* Return: exit status; -errno with @err */
static int run(int argc, char **argv, struct bh_err *err)
{
	bh_auto_arena struct bh_arena arena = BH_ARENA_INIT;
	struct options o = { .interval_ns = 0 };
	struct bh_strv args = { .n = 0 };
	int r = bh_option_parse(&arena, &options, argc - 1, argv + 1, &o, &args, err);

	r = r < 0 ? r : bh_node_options_take(&o.node, &o.observer.query, err);
	if (r < 0)
		return r;
	o.observer.interval_ms = (uint64_t)(o.interval_ns / NS_PER_MS);
	o.observer.query.pod = args.n > 1 ? args.v[1] : NULL;
	for (size_t i = 0; args.n && i < BH_ARRAY_SIZE(verbs); i++)
		if (!strcmp(verbs[i].name, args.v[0]))
			return verbs[i].run(&o.observer, err);
	return bh_err_as(err, BH_ERR_SPEC, -EINVAL, "list, stats, top, log or console is wanted");
}

int main(int argc, char **argv)
{
	struct bh_err err = BH_ERR_INIT;
	int r = bh_log_open(NULL, BH_LOG_TEXT, BH_LOG_INFO, &err);

	r = r < 0 ? r : run(argc, argv, &err);
	if (r >= 0)
		return r;
	bh_log_report(&err);
	return EXIT_FAILURE;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bulkhead-metrics: the pods of this node, for Prometheus. Called by `bulkhead metrics`, which has
 * read and checked the options; not by hand.
 */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "metrics/exposition.h"
#include "metrics/server.h"
#include "node/options.h"

struct options {
	struct bh_node_options node;
	const char *listen;
	bool once;
};

static const struct bh_option rows[] = {
	BH_NODE_OPTION_ROWS(struct options, node),
	{ .name = "listen", .type = BH_OPTION_STRING, BH_OPTION_AT(struct options, listen) },
	{ .name = "once", .type = BH_OPTION_FLAG, BH_OPTION_AT(struct options, once) },
};
static const struct bh_option_set options = { .options = rows, .n = BH_ARRAY_SIZE(rows) };

static int print_once(const struct bh_node_query *query, struct bh_err *err)
{
	bh_cleanup(bh_counters_deinit) struct bh_counters counters = { .pods = NULL };
	bh_auto_node struct bh_node node = { .n = 0 };
	bh_auto_buf struct bh_buf out = BH_BUF_INIT;
	struct bh_loop loop = BH_LOOP_INIT;
	int r = bh_loop_init(&loop, err);

	r = r < 0 ? r : bh_node_look(&loop, query, &node, err);
	r = r < 0 ? r : bh_counters_see(&counters, &node, err);
	bh_loop_deinit(&loop);
	if (r < 0)
		return r;
	bh_exposition_print(BH_EXPOSITION_TEXT, &node, &counters, 0, &out);
	return bh_buf_print(&out, err);
}

static int run(int argc, char **argv, struct bh_err *err)
{
	bh_auto_arena struct bh_arena arena = BH_ARENA_INIT;
	struct options o = { .once = false };
	struct bh_node_query query;
	struct bh_strv args = { .n = 0 };
	int r = bh_option_parse(&arena, &options, argc - 1, argv + 1, &o, &args, err);

	r = r < 0 ? r : bh_node_options_take(&o.node, &query, err);
	if (r < 0)
		return r;
	query.figures = true;
	if (o.once)
		return print_once(&query, err);
	if (!o.listen)
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL, "--listen is wanted");
	return bh_metrics_serve(&query, o.listen, err);
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

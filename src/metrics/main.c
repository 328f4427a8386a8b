/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bulkhead-metrics: the pods of this node, for Prometheus. Called by `bulkhead metrics`, which has
 * read and checked the options; not by hand.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/path.h"
#include "metrics/exposition.h"
#include "metrics/server.h"

enum option_id { ROOT = 0, KNOWN_ROOT, TIMEOUT, LISTEN, ONCE, LOG, LOG_FORMAT };

static const struct option long_options[] = {
	{ "root", required_argument, NULL, ROOT },
	{ "known-root", required_argument, NULL, KNOWN_ROOT },
	{ "timeout-ms", required_argument, NULL, TIMEOUT },
	{ "listen", required_argument, NULL, LISTEN },
	{ "once", no_argument, NULL, ONCE },
	{ "log", required_argument, NULL, LOG },
	{ "log-format", required_argument, NULL, LOG_FORMAT },
	{ NULL, 0, NULL, 0 },
};

struct options {
	struct bh_metrics_options metrics;
	bool once;
	const char *log;
	enum bh_log_format log_format;
};

static int set_option(struct options *o, int option, struct bh_err *err)
{
	switch (option) {
	case ROOT:
		o->metrics.root = optarg;
		return 0;
	case KNOWN_ROOT:
		o->metrics.known_root = optarg;
		return 0;
	case TIMEOUT:
		o->metrics.timeout_ms = strtoull(optarg, NULL, 10);
		return 0;
	case LISTEN:
		o->metrics.listen = optarg;
		return 0;
	case ONCE:
		o->once = true;
		return 0;
	case LOG:
		o->log = optarg;
		return 0;
	case LOG_FORMAT:
		o->log_format = strcmp(optarg, "json") ? BH_LOG_TEXT : BH_LOG_JSON;
		return 0;
	default:
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL, "unknown option");
	}
}

static int print_once(const struct bh_metrics_options *o, struct bh_err *err)
{
	const struct bh_node_query query = { .root = o->root,
					     .known = o->known_root,
					     .deadline_ms = o->timeout_ms,
					     .figures = true };
	bh_cleanup(bh_counters_deinit) struct bh_counters counters = { .pods = NULL };
	bh_auto_node struct bh_node node = { .n = 0 };
	bh_auto_buf struct bh_buf out = BH_BUF_INIT;
	struct bh_loop loop = BH_LOOP_INIT;
	int r = bh_loop_init(&loop, err);

	r = r < 0 ? r : bh_node_look(&loop, &query, &node, err);
	r = r < 0 ? r : bh_counters_see(&counters, &node, err);
	bh_loop_deinit(&loop);
	if (r < 0)
		return r;
	bh_exposition_print(BH_EXPOSITION_TEXT, &node, &counters, 0, &out);
	r = out.failed ? -ENOMEM : bh_fd_write(STDOUT_FILENO, bh_buf_str(&out), out.len);
	return r < 0 ? bh_err_set(err, r, "write to standard output") : 0;
}

static int run(int argc, char **argv, struct bh_err *err)
{
	struct options o = { .metrics.timeout_ms = BH_NODE_DEADLINE_MS };
	int option, r = 0;

	while (r == 0 && (option = getopt_long(argc, argv, "", long_options, NULL)) != -1)
		r = set_option(&o, option, err);
	if (r == 0 && o.log)
		r = bh_log_open(o.log, o.log_format, BH_LOG_INFO, err);
	if (r < 0)
		return r;
	if (o.once)
		return print_once(&o.metrics, err);
	if (!o.metrics.listen)
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL, "--listen is wanted");
	return bh_metrics_serve(&o.metrics, err);
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

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bulkhead-observer: the pods of this node, for an administrator. Called by `bulkhead pod`, which
 *has read and checked the options; not by hand.
 *
 *	bulkhead-observer list | stats | top | log | console  [options] [POD]
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/path.h"
#include "observer/observer.h"

#define INTERVAL_MS 2000

int bh_observe(const struct bh_observer_options *o, bool figures, struct bh_node *ret,
	       struct bh_err *err)
{
	const struct bh_node_query query = {
		.root = o->root,
		.known = o->known_root,
		.pod = o->pod,
		.deadline_ms = o->timeout_ms,
		.figures = figures,
		.dead = o->all || o->pod,
	};
	struct bh_loop loop = BH_LOOP_INIT;
	int r = bh_loop_init(&loop, err);

	r = r < 0 ? r : bh_node_look(&loop, &query, ret, err);
	bh_loop_deinit(&loop);
	return r;
}

int bh_observer_print(const struct bh_buf *out, struct bh_err *err)
{
	int r;

	if (out->failed)
		return bh_err_oom(err);
	r = bh_fd_write(STDOUT_FILENO, bh_buf_str(out), out->len);
	return r < 0 ? bh_err_set(err, r, "write to standard output") : 0;
}

static const struct {
	const char *name;
	int (*run)(const struct bh_observer_options *o, struct bh_err *err);
} verbs[] = {
	{ "list", bh_observe_list }, { "stats", bh_observe_stats },     { "top", bh_observe_top },
	{ "log", bh_observe_log },   { "console", bh_observe_console },
};

enum option_id { ROOT = 0, KNOWN_ROOT, TIMEOUT, INTERVAL, JSON, ALL, FOLLOW, RAW, LOG, LOG_FORMAT };

static const struct option long_options[] = {
	{ "root", required_argument, NULL, ROOT },
	{ "known-root", required_argument, NULL, KNOWN_ROOT },
	{ "timeout-ms", required_argument, NULL, TIMEOUT },
	{ "interval-ms", required_argument, NULL, INTERVAL },
	{ "json", no_argument, NULL, JSON },
	{ "all", no_argument, NULL, ALL },
	{ "follow", no_argument, NULL, FOLLOW },
	{ "raw", no_argument, NULL, RAW },
	{ "log", required_argument, NULL, LOG },
	{ "log-format", required_argument, NULL, LOG_FORMAT },
	{ NULL, 0, NULL, 0 },
};

struct log_options {
	const char *path;
	enum bh_log_format format;
};

static void set_option(struct bh_observer_options *o, struct log_options *log, int option)
{
	switch (option) {
	case ROOT:
		o->root = optarg;
		break;
	case KNOWN_ROOT:
		o->known_root = optarg;
		break;
	case TIMEOUT:
		o->timeout_ms = strtoull(optarg, NULL, 10);
		break;
	case INTERVAL:
		o->interval_ms = strtoull(optarg, NULL, 10);
		break;
	case JSON:
		o->json = true;
		break;
	case ALL:
		o->all = true;
		break;
	case FOLLOW:
		o->follow = true;
		break;
	case LOG:
		log->path = optarg;
		break;
	case LOG_FORMAT:
		log->format = strcmp(optarg, "json") ? BH_LOG_TEXT : BH_LOG_JSON;
		break;
	default:
		o->raw = true;
		break;
	}
}

static int run(int argc, char **argv, struct bh_err *err)
{
	struct bh_observer_options o = { .timeout_ms = BH_NODE_DEADLINE_MS,
					 .interval_ms = INTERVAL_MS };
	struct log_options log = { .path = NULL };
	int option, r;

	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		if (option == '?')
			return bh_err_as(err, BH_ERR_SPEC, -EINVAL, "unknown option");
		set_option(&o, &log, option);
	}
	r = bh_log_open(log.path, log.format, BH_LOG_INFO, err);
	if (r < 0)
		return r;
	if (optind + 1 < argc)
		o.pod = argv[optind + 1];
	for (size_t i = 0; optind < argc && i < BH_ARRAY_SIZE(verbs); i++)
		if (!strcmp(verbs[i].name, argv[optind]))
			return verbs[i].run(&o, err);
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

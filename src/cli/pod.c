/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verbs that look at the node: pod …, metrics. What they do is in programs of their own, which
 * these execute: they know of pods, terminals and HTTP what no container's start should have to
 * load.
 */
#include <inttypes.h>
#include <limits.h>
#include <string.h>

#include "base/program.h"
#include "cli/verbs.h"

#define NS_PER_MS 1000000
#define ARGS_MAX  24
#define PROGRAM   "bulkhead-observer"
#define EXPORTER  "bulkhead-metrics"

/* ---- the other program ----------------------------------------------------------------------- */

struct command {
	const char *argv[ARGS_MAX + 1];
	size_t n;
	char numbers[2][24];
	size_t n_numbers;
};

static void add(struct command *c, const char *option, const char *value)
{
	if (!value)
		return;
	c->argv[c->n++] = option;
	c->argv[c->n++] = value;
}

static void add_flag(struct command *c, const char *option, bool given)
{
	if (given)
		c->argv[c->n++] = option;
}

static void add_ms(struct command *c, const char *option, int64_t ns)
{
	char *text = c->numbers[c->n_numbers++];

	snprintf(text, sizeof(c->numbers[0]), "%" PRId64 "ms", ns < NS_PER_MS ? 1 : ns / NS_PER_MS);
	add(c, option, text);
}

/* Without a root of one's own root sees all pods of the node, wherever they are on record. */
static void add_globals(const struct bh_cli *cli, struct command *c)
{
	if (geteuid() != 0 || bh_config_flag_value(&cli->settings, "root"))
		add(c, "--root", cli->root);
	else
		for (size_t i = 0; i < cli->roots.n; i++)
			add(c, "--known-root", cli->roots.v[i]); /* as they are configured */
	add(c, "--log", cli->config.log.file);
	add(c, "--log-format", cli->config.log.format == BH_LOG_JSON ? "json" : "text");
}

static int execute(const char *program, struct command *c, struct bh_err *err)
{
	static const char *const places[] = { "", "../libexec/bulkhead/", "../observer/",
					      "../metrics/" };
	char path[PATH_MAX];
	int r = bh_program_find(places, BH_ARRAY_SIZE(places), program, BH_LIBEXECDIR, path, err);

	if (r < 0)
		return r;
	c->argv[0] = path;
	execv(path, (char *const *)c->argv);
	return bh_err_set(err, -errno, "execute '%s'", path);
}

/* ---- pod ------------------------------------------------------------------------------------- */

struct pod_options {
	const char *format;
	int64_t timeout_ns, interval_ns;
	bool all, follow, raw;
};

static const char *const formats[] = { "table", "json", NULL };

static const struct bh_option pod_options[] = {
	{ .name = "format",
	  .short_name = 'f',
	  .type = BH_OPTION_STRING,
	  BH_OPTION_AT(struct pod_options, format),
	  .fallback = "table",
	  .choices = formats,
	  .value = "FORMAT",
	  .help = "table or json" },
	{ .name = "all",
	  .short_name = 'a',
	  .type = BH_OPTION_FLAG,
	  BH_OPTION_AT(struct pod_options, all),
	  .help = "show pods too that have ended as they should" },
	{ .name = "timeout",
	  .type = BH_OPTION_DURATION,
	  BH_OPTION_AT(struct pod_options, timeout_ns),
	  .fallback = "2s",
	  .value = "DURATION",
	  .help = "how long each pod has to answer" },
	{ .name = "interval",
	  .type = BH_OPTION_DURATION,
	  BH_OPTION_AT(struct pod_options, interval_ns),
	  .fallback = "2s",
	  .value = "DURATION",
	  .help = "top: time between two looks" },
	{ .name = "follow",
	  .type = BH_OPTION_FLAG,
	  BH_OPTION_AT(struct pod_options, follow),
	  .help = "log: go on until the pod ends, as console does" },
	{ .name = "raw",
	  .type = BH_OPTION_FLAG,
	  BH_OPTION_AT(struct pod_options, raw),
	  .help = "log, console: the guest's bytes as they are, escape sequences included" },
};

static const struct {
	const char *name;
	uint8_t min_pods, max_pods;
} subs[] = {
	{ "list", 0, 0 }, { "stats", 0, 1 }, { "top", 0, 0 }, { "log", 1, 1 }, { "console", 1, 1 },
};
static const char *const sub_names[] = { "list", "stats", "top", "log", "console", NULL };

static int check_args(const struct bh_strv *args, struct bh_err *err)
{
	size_t pods = args->n - 1;

	for (size_t i = 0; i < BH_ARRAY_SIZE(subs); i++) {
		if (strcmp(subs[i].name, args->v[0]) != 0)
			continue;
		if (pods < subs[i].min_pods)
			return bh_err_as(err, BH_ERR_SPEC, -EINVAL, "pod %s: a pod is wanted",
					 args->v[0]);
		if (pods > subs[i].max_pods)
			return bh_err_as(err, BH_ERR_SPEC, -EINVAL,
					 "pod %s takes no argument: '%s'", args->v[0], args->v[1]);
		return 0;
	}
	return bh_err_as(err, BH_ERR_SPEC, -EINVAL,
			 "pod: list, stats, top, log or console is wanted, not '%s'", args->v[0]);
}

static int run_pod(struct bh_cli *cli, const void *options, const struct bh_strv *args,
		   struct bh_err *err)
{
	const struct pod_options *o = options;
	struct command c = { .n = 1 };
	int r = check_args(args, err);

	if (r < 0)
		return r;
	add_globals(cli, &c);
	add_flag(&c, "--json", !strcmp(o->format, "json"));
	add_flag(&c, "--all", o->all);
	add_flag(&c, "--follow", o->follow);
	add_flag(&c, "--raw", o->raw);
	add_ms(&c, "--timeout", o->timeout_ns);
	add_ms(&c, "--interval", o->interval_ns);
	add(&c, "--", args->v[0]);
	if (args->n > 1)
		c.argv[c.n++] = args->v[1];
	return execute(PROGRAM, &c, err);
}

const struct bh_verb bh_verb_pod = {
	.name = "pod",
	.args = "list | stats [POD] | top | log POD | console POD",
	.summary = "look at the pods of this node and at what they cost",
	.details = "Pods of both runtimes, whoever made them; with --root those that are on record "
		   "there. POD is an id or the beginning of one, a name, NAMESPACE/NAME, or a "
		   "container's id. `stats POD` tells each part of the cost. `top` is a live view: "
		   "q leaves it. `log` prints what a micro-VM's guest wrote to its console, "
		   "`console` goes on until the pod ends.",
	.choices = sub_names,
	BH_VERB_OPTIONS(pod_options, struct pod_options),
	.min_args = 1,
	.max_args = 2,
	.run = run_pod,
};

/* ---- metrics --------------------------------------------------------------------------------- */

struct metrics_options {
	const char *listen, *timeout;
	bool once;
};

static const struct bh_option metrics_options[] = {
	{ .name = "listen",
	  .type = BH_OPTION_STRING,
	  BH_OPTION_AT(struct metrics_options, listen),
	  .value = "ADDRESS",
	  .help = "unix:PATH, 127.0.0.1:PORT or [::1]:PORT (default: metrics.listen of the "
		  "configuration)" },
	{ .name = "timeout",
	  .type = BH_OPTION_STRING,
	  BH_OPTION_AT(struct metrics_options, timeout),
	  .value = "DURATION",
	  .help = "how long each pod has to answer (default: metrics.timeout of the "
		  "configuration)" },
	{ .name = "once",
	  .type = BH_OPTION_FLAG,
	  BH_OPTION_AT(struct metrics_options, once),
	  .help = "print what a scrape would get, and end" },
};

static int flag(struct bh_cli *cli, const char *key, const char *value, const char *option,
		struct bh_err *err)
{
	int r = value ? bh_config_flag(&cli->settings, key, value, option, err) : 0;

	return r < 0 ? bh_err_ctx(err, "%s", option) : 0;
}

static int run_metrics(struct bh_cli *cli, const void *options, const struct bh_strv *args,
		       struct bh_err *err)
{
	const struct metrics_options *o = options;
	struct command c = { .n = 1 };
	int r = flag(cli, "metrics.listen", o->listen, "--listen", err);

	(void)args;
	r = r < 0 ? r : flag(cli, "metrics.timeout", o->timeout, "--timeout", err);
	r = r < 0 ? r : bh_config_resolve(&cli->settings, NULL, NULL, &cli->config, NULL, err);
	if (r < 0)
		return r;
	add_globals(cli, &c);
	add_ms(&c, "--timeout", cli->config.metrics.timeout_ns);
	add_flag(&c, "--once", o->once);
	add(&c, "--listen", cli->config.metrics.listen);
	r = execute(EXPORTER, &c, err);
	return r == -ENOENT ? bh_err_ctx(err, "metrics (Debian's bulkhead-metrics has them)") : r;
}

const struct bh_verb bh_verb_metrics = {
	.name = "metrics",
	.args = "",
	.summary = "tell Prometheus of the pods of this node and of what they cost",
	.details = "Serves GET /metrics until it is ended. Whoever reaches the address may read.",
	BH_VERB_OPTIONS(metrics_options, struct metrics_options),
	.run = run_metrics,
};

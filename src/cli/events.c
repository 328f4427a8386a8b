/* SPDX-License-Identifier: Apache-2.0 */
/* The verb that watches: events. JSON lines until the container's first process ends. */
#include "base/json_writer.h"
#include "cli/runtime.h"
#include "cli/verbs.h"

struct events_options {
	int64_t interval_ns;
	bool stats;
};

static const struct bh_option events_options[] = {
	{ .name = "interval",
	  .type = BH_OPTION_DURATION,
	  BH_OPTION_AT(struct events_options, interval_ns),
	  .fallback = "5s",
	  .value = "DURATION",
	  .help = "time between two lines of figures, such as 500ms or 1m30s" },
	{ .name = "stats",
	  .type = BH_OPTION_FLAG,
	  BH_OPTION_AT(struct events_options, stats),
	  .help = "print the figures once and return" },
};

int bh_events_print_stats(const struct bh_container *c, struct bh_err *err)
{
	bh_auto_buf struct bh_buf out = BH_BUF_INIT;
	int r;

	bh_buf_puts(&out, "{\"type\":\"stats\",\"id\":");
	bh_buf_json_string(&out, c->id);
	bh_buf_puts(&out, ",\"data\":");
	r = bh_runtime_of(c)->stats(c, &out, err);
	bh_buf_puts(&out, "}\n");
	return r < 0 ? r : bh_buf_print(&out, err);
}

int bh_events_print_oom(const struct bh_container *c, struct bh_err *err)
{
	bh_auto_buf struct bh_buf out = BH_BUF_INIT;
	struct bh_json_writer w = { .out = &out };

	bh_json_open(&w, NULL, '{');
	bh_json_text(&w, "type", "oom");
	bh_json_text(&w, "id", c->id);
	bh_json_close(&w, '}');
	bh_buf_puts(&out, "\n");
	return bh_buf_print(&out, err);
}

static int run_events(struct bh_cli *cli, const void *options, const struct bh_strv *args,
		      struct bh_err *err)
{
	const struct events_options *o = options;
	bh_auto_container struct bh_container *c = bh_cli_container(cli, args, err);
	enum bh_status status;
	int r;

	if (!c)
		return err->code;
	if (o->interval_ns <= 0)
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL,
				 "duration interval must be greater than 0");
	r = bh_runtime_of(c)->status(c, &status, err);
	if (r < 0)
		return r;
	if (status == BH_STATUS_STOPPED)
		return bh_runtime_not_running(
			c,
			bh_arena_printf(&cli->arena, "container with id %s is not running", c->id),
			err);
	return o->stats ? bh_events_print_stats(c, err)
			: bh_runtime_of(c)->watch(c, o->interval_ns, err);
}

const struct bh_verb bh_verb_events = {
	.name = "events",
	.args = "CONTAINER",
	.summary = "print figures and out-of-memory events of a container as JSON lines",
	.details = "Goes on until the container's first process ends.",
	BH_VERB_OPTIONS(events_options, struct events_options),
	.min_args = 1,
	.max_args = 1,
	.run = run_events,
};

/* SPDX-License-Identifier: Apache-2.0 */
/* The verb that watches: events. JSON lines until the container's first process ends. */
#include <string.h>
#include <sys/pidfd.h>
#include <sys/timerfd.h>

#include "base/json_writer.h"
#include "base/log.h"
#include "cli/verbs.h"
#include "loop/loop.h"

#define SECOND_NS INT64_C(1000000000)

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

struct watch {
	const struct bh_container *c;
	struct bh_loop loop;
	struct bh_source timer, oom, exit;
	uint64_t oom_kills; /* as of the last line about them */
};

static int print_stats(const struct bh_container *c, struct bh_err *err)
{
	bh_auto_buf struct bh_buf out = BH_BUF_INIT;
	int r;

	bh_buf_puts(&out, "{\"type\":\"stats\",\"id\":");
	bh_buf_json_string(&out, c->id);
	bh_buf_puts(&out, ",\"data\":");
	r = bh_cgroup_stats_json(c->cg, &out, err);
	bh_buf_puts(&out, "}\n");
	return r < 0 ? r : bh_cli_print(&out, err);
}

static int print_oom(const struct bh_container *c, struct bh_err *err)
{
	bh_auto_buf struct bh_buf out = BH_BUF_INIT;
	struct bh_json_writer w = { .out = &out };

	bh_json_open(&w, NULL, '{');
	bh_json_text(&w, "type", "oom");
	bh_json_text(&w, "id", c->id);
	bh_json_close(&w, '}');
	bh_buf_puts(&out, "\n");
	return bh_cli_print(&out, err);
}

static int on_timer(struct bh_source *source, uint32_t events, struct bh_err *err)
{
	struct watch *w = (struct watch *)((char *)source - offsetof(struct watch, timer));
	char text[BH_ERR_TEXT_BYTES + 256];
	uint64_t expirations;

	(void)events;
	if (read(source->fd, &expirations, sizeof(expirations)) < 0)
		return 0;
	/* The figures may be unreadable for a moment, as when the container is being deleted. */
	if (print_stats(w->c, err) < 0)
		bh_log(BH_LOG_ERROR, "%s", bh_err_format(err, text, sizeof(text)));
	return 0;
}

/*
 * Version 1's eventfd speaks of nothing but memory that ran out, and does so before the counter
 * moves; version 2's memory.events changes for other reasons too, and there the counter decides.
 */
static int look_for_oom(struct watch *w, bool announced, struct bh_err *err)
{
	uint64_t now = w->oom_kills;
	bool counted = bh_cgroup_oom_kills(w->c->cg, &now, NULL) == 0 && now > w->oom_kills;

	w->oom_kills = now;
	return announced || counted ? print_oom(w->c, err) : 0;
}

static int on_oom(struct bh_source *source, uint32_t events, struct bh_err *err)
{
	struct watch *w = (struct watch *)((char *)source - offsetof(struct watch, oom));
	char buffer[4096];
	ssize_t n = read(source->fd, buffer, sizeof(buffer));

	(void)events;
	if (n <= 0) {
		bh_loop_remove(&w->loop, source);
		return 0;
	}
	return look_for_oom(w, n == (ssize_t)sizeof(uint64_t), err);
}

static int on_exit_of_init(struct bh_source *source, uint32_t events, struct bh_err *err)
{
	struct watch *w = (struct watch *)((char *)source - offsetof(struct watch, exit));

	(void)events;
	bh_loop_stop(&w->loop);
	/* It may have been the one that was killed, and the news be waiting behind this one. */
	return look_for_oom(w, false, err);
}

static int watch_timer(struct watch *w, int64_t interval_ns, struct bh_err *err)
{
	struct timespec interval = { .tv_sec = interval_ns / SECOND_NS,
				     .tv_nsec = interval_ns % SECOND_NS };
	struct itimerspec spec = { .it_interval = interval, .it_value = interval };
	int r;

	w->timer.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	if (w->timer.fd < 0 || timerfd_settime(w->timer.fd, 0, &spec, NULL) < 0)
		return bh_err_set(err, -errno, "make a timer");
	r = bh_loop_add(&w->loop, &w->timer, EPOLLIN, err);
	return r < 0 ? r : 0;
}

static int watch_oom(struct watch *w, struct bh_err *err)
{
	int r;

	w->oom.fd = bh_cgroup_oom_fd(w->c->cg, err);
	if (w->oom.fd < 0) {
		bh_warn("no memory controller: no oom events, ignoring");
		return 0;
	}
	(void)!bh_cgroup_oom_kills(w->c->cg, &w->oom_kills, NULL);
	r = bh_loop_add(&w->loop, &w->oom, EPOLLIN, err);
	return r < 0 ? r : 0;
}

/* The number may have been given to another process by the time of pidfd_open(2): look again after.
 */
static int watch_exit(struct watch *w, struct bh_err *err)
{
	enum bh_status status;
	int r;

	w->exit.fd = pidfd_open(w->c->init.pid, 0);
	if (w->exit.fd < 0 && errno != ESRCH)
		return bh_err_set(err, -errno, "open process %d", (int)w->c->init.pid);
	r = bh_container_status(w->c, &status, err);
	if (r < 0)
		return r;
	if (status == BH_STATUS_STOPPED || w->exit.fd < 0)
		return bh_err_as(err, BH_ERR_STATE, -ESRCH, "container with id %s is not running",
				 w->c->id);
	r = bh_loop_add(&w->loop, &w->exit, EPOLLIN, err);
	return r < 0 ? r : 0;
}

static int watch(const struct bh_container *c, int64_t interval_ns, struct bh_err *err)
{
	struct watch w = {
		.c = c,
		.loop = BH_LOOP_INIT,
		.timer = { .fd = -EBADF, .fn = on_timer, .what = "timer" },
		.oom = { .fd = -EBADF, .fn = on_oom, .what = "out-of-memory notifications" },
		.exit = { .fd = -EBADF, .fn = on_exit_of_init, .what = "container's process" },
	};
	int r = bh_loop_init(&w.loop, err);

	if (r == 0)
		r = watch_exit(&w, err);
	if (r == 0)
		r = watch_oom(&w, err);
	if (r == 0)
		r = watch_timer(&w, interval_ns, err);
	if (r == 0)
		r = bh_loop_run(&w.loop, err);
	bh_close(w.timer.fd);
	bh_close(w.oom.fd);
	bh_close(w.exit.fd);
	bh_loop_deinit(&w.loop);
	return r;
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
	r = bh_container_status(c, &status, err);
	if (r < 0)
		return r;
	if (status == BH_STATUS_STOPPED)
		return bh_err_as(err, BH_ERR_STATE, -ESRCH, "container with id %s is not running",
				 c->id);
	if (!c->cg)
		return bh_err_as(err, BH_ERR_STATE, -ENODEV, "container %s has no cgroup", c->id);
	return o->stats ? print_stats(c, err) : watch(c, o->interval_ns, err);
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

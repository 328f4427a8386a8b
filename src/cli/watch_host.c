/* SPDX-License-Identifier: Apache-2.0 */
/* `events` of a container on this kernel: a timer, the kernel's word of memory that ran out, a
 * pidfd. */
#include <string.h>
#include <sys/pidfd.h>
#include <sys/timerfd.h>

#include "base/embed.h"
#include "base/log.h"
#include "cli/runtime.h"
#include "loop/loop.h"

#define SECOND_NS INT64_C(1000000000)

struct watch {
	const struct bh_container *c;
	struct bh_loop loop;
	struct bh_source timer, oom, exit;
	uint64_t oom_kills; /* as of the last line about them */
};

static int on_timer(struct bh_source *source, uint32_t events, struct bh_err *err)
{
	struct watch *w = bh_owner_of(source, struct watch, timer);
	char text[BH_ERR_LINE_BYTES];
	uint64_t expirations;

	(void)events;
	if (read(source->fd, &expirations, sizeof(expirations)) < 0)
		return 0;
	/* The figures may be unreadable for a moment, as when the container is being deleted. */
	if (bh_events_print_stats(w->c, err) < 0)
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
	return announced || counted ? bh_events_print_oom(w->c, err) : 0;
}

static int on_oom(struct bh_source *source, uint32_t events, struct bh_err *err)
{
	struct watch *w = bh_owner_of(source, struct watch, oom);
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
	struct watch *w = bh_owner_of(source, struct watch, exit);

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

int bh_watch_host(const struct bh_container *c, int64_t interval_ns, struct bh_err *err)
{
	struct watch w = {
		.c = c,
		.loop = BH_LOOP_INIT,
		.timer = { .fd = -EBADF, .fn = on_timer, .what = "timer" },
		.oom = { .fd = -EBADF, .fn = on_oom, .what = "out-of-memory notifications" },
		.exit = { .fd = -EBADF, .fn = on_exit_of_init, .what = "container's process" },
	};
	int r;

	if (!c->cg)
		return bh_err_as(err, BH_ERR_STATE, -ENODEV, "container %s has no cgroup", c->id);
	r = bh_loop_init(&w.loop, err);

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

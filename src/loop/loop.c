/* SPDX-License-Identifier: Apache-2.0 */
#include "loop/loop.h"

#include <sys/mman.h>

#include "base/clock.h"

#define NS_PER_MS 1000000U

int bh_loop_init(struct bh_loop *loop, struct bh_err *err)
{
	*loop = BH_LOOP_INIT;
	loop->deferred_end = &loop->deferred;
	loop->fd = epoll_create1(EPOLL_CLOEXEC);
	return loop->fd < 0 ? bh_err_set(err, -errno, "make an event loop") : 0;
}

void bh_loop_deinit(struct bh_loop *loop)
{
	loop->fd = bh_close(loop->fd);
	if (loop->stack)
		munmap(loop->stack, loop->stack_bytes);
	loop->stack = NULL;
}

static int control(struct bh_loop *loop, int op, struct bh_source *source, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = source };

	return epoll_ctl(loop->fd, op, source->fd, &event) < 0 ? -errno : 0;
}

int bh_loop_add(struct bh_loop *loop, struct bh_source *source, uint32_t events, struct bh_err *err)
{
	int r = control(loop, EPOLL_CTL_ADD, source, events);

	if (r == -EPERM) /* epoll_ctl(2): "The target file fd does not support epoll." */
		return BH_LOOP_E_ALWAYS_READY;
	if (r < 0)
		return bh_err_set(err, r, "watch the %s", source->what);
	source->added = true;
	source->events = events;
	return 0;
}

int bh_loop_watch(struct bh_loop *loop, struct bh_source *source, uint32_t events,
		  struct bh_err *err)
{
	int op = !events ? EPOLL_CTL_DEL : !source->events ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, r;

	if (!source->added || source->events == events)
		return 0;
	/* Hang-ups are reported even to those who wait for nothing: only leaving silences them. */
	r = control(loop, op, source, events);
	if (r < 0)
		return bh_err_set(err, r, "watch the %s", source->what);
	source->events = events;
	return 0;
}

void bh_loop_remove(struct bh_loop *loop, struct bh_source *source)
{
	if (!source->added)
		return;
	if (source->events)
		control(loop, EPOLL_CTL_DEL, source, 0);
	source->added = false;
	for (int i = loop->next; i < loop->n_ready; i++)
		if (loop->ready[i].data.ptr == source)
			loop->ready[i].data.ptr = NULL;
}

void bh_loop_arm(struct bh_loop *loop, struct bh_timer *timer, uint64_t ms)
{
	struct bh_timer **at = &loop->timers;

	bh_loop_disarm(loop, timer);
	timer->at_ns = bh_clock_ns() + (ms * NS_PER_MS);
	while (*at && (*at)->at_ns <= timer->at_ns)
		at = &(*at)->next;
	timer->next = *at;
	timer->armed = true;
	*at = timer;
}

void bh_loop_disarm(struct bh_loop *loop, struct bh_timer *timer)
{
	if (!timer->armed)
		return;
	bh_list_remove(&loop->timers, timer);
	timer->armed = false;
}

void bh_loop_defer(struct bh_loop *loop, struct bh_deferred *deferred)
{
	if (deferred->queued)
		return;
	deferred->queued = true;
	deferred->next = NULL;
	*loop->deferred_end = deferred;
	loop->deferred_end = &deferred->next;
}

/* Takes out what @at points to. */
static void unlink_deferred(struct bh_loop *loop, struct bh_deferred **at)
{
	struct bh_deferred *deferred = *at;

	*at = deferred->next;
	if (!*at)
		loop->deferred_end = at;
	deferred->queued = false;
}

void bh_loop_undefer(struct bh_loop *loop, struct bh_deferred *deferred)
{
	struct bh_deferred **at = &loop->deferred;

	if (!deferred->queued)
		return;
	while (*at != deferred)
		at = &(*at)->next;
	unlink_deferred(loop, at);
}

static void run_deferred(struct bh_loop *loop)
{
	while (loop->deferred && !loop->stopped) {
		struct bh_deferred *deferred = loop->deferred;

		unlink_deferred(loop, &loop->deferred);
		deferred->fn(deferred);
	}
}

/* Those that are due at the beginning: one that arms itself again at once does not starve others.
 */
static void run_timers(struct bh_loop *loop)
{
	uint64_t now = loop->timers ? bh_clock_ns() : 0;

	while (loop->timers && loop->timers->at_ns <= now && !loop->stopped) {
		struct bh_timer *timer = loop->timers;

		bh_loop_disarm(loop, timer);
		timer->fn(timer);
		run_deferred(loop);
	}
}

/* For epoll_wait(2): rounded up, so that what was waited for is due afterwards. */
static int timeout_ms(const struct bh_loop *loop)
{
	uint64_t now, ms;

	if (!loop->timers)
		return -1;
	now = bh_clock_ns();
	if (loop->timers->at_ns <= now)
		return 0;
	ms = (loop->timers->at_ns - now + NS_PER_MS - 1) / NS_PER_MS;
	return ms > INT32_MAX ? INT32_MAX : (int)ms;
}

static int dispatch(struct bh_loop *loop, struct bh_err *err)
{
	while (loop->next < loop->n_ready && !loop->stopped) {
		struct epoll_event *event = &loop->ready[loop->next++];
		struct bh_source *source = event->data.ptr;
		int r = source ? source->fn(source, event->events, err) : 0;

		if (r < 0)
			return r;
		run_deferred(loop);
	}
	return 0;
}

int bh_loop_run(struct bh_loop *loop, struct bh_err *err)
{
	loop->stopped = false;
	run_deferred(loop);
	while (!loop->stopped) {
		int n = epoll_wait(loop->fd, loop->ready, BH_LOOP_BATCH, timeout_ms(loop)), r;

		if (n < 0 && errno != EINTR)
			return bh_err_set(err, -errno, "wait for events");
		loop->n_ready = n > 0 ? n : 0;
		loop->next = 0;
		r = dispatch(loop, err);
		if (r < 0)
			return r;
		run_timers(loop);
	}
	return 0;
}

void bh_loop_stop(struct bh_loop *loop)
{
	loop->stopped = true;
}

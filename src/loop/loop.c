/* SPDX-License-Identifier: Apache-2.0 */
#include "loop/loop.h"

int bh_loop_init(struct bh_loop *loop, struct bh_err *err)
{
	*loop = BH_LOOP_INIT;
	loop->fd = epoll_create1(EPOLL_CLOEXEC);
	return loop->fd < 0 ? bh_err_set(err, -errno, "make an event loop") : 0;
}

void bh_loop_deinit(struct bh_loop *loop)
{
	loop->fd = bh_close(loop->fd);
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

static int dispatch(struct bh_loop *loop, struct bh_err *err)
{
	while (loop->next < loop->n_ready && !loop->stopped) {
		struct epoll_event *event = &loop->ready[loop->next++];
		struct bh_source *source = event->data.ptr;
		int r = source ? source->fn(source, event->events, err) : 0;

		if (r < 0)
			return r;
	}
	return 0;
}

int bh_loop_run(struct bh_loop *loop, struct bh_err *err)
{
	loop->stopped = false;
	while (!loop->stopped) {
		int n = epoll_wait(loop->fd, loop->ready, BH_LOOP_BATCH, -1), r;

		if (n < 0 && errno != EINTR)
			return bh_err_set(err, -errno, "wait for events");
		loop->n_ready = n > 0 ? n : 0;
		loop->next = 0;
		r = dispatch(loop, err);
		if (r < 0)
			return r;
	}
	return 0;
}

void bh_loop_stop(struct bh_loop *loop)
{
	loop->stopped = true;
}

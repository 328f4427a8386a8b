/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small event loop over epoll(7), level-triggered. Sources are embedded in what owns them; the
 * loop never owns a descriptor. A source is removed before its descriptor is closed.
 */
#ifndef BH_LOOP_LOOP_H
#define BH_LOOP_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "base/embed.h"
#include "base/err.h"

struct bh_source;
struct bh_fiber;

/** Called with what is ready (EPOLLIN …). Return: 0, or -errno with @err, which ends the loop */
typedef int (*bh_source_fn)(struct bh_source *source, uint32_t events, struct bh_err *err);

struct bh_source {
	int fd; /* borrowed; valid while added */
	bool added;
	uint32_t events;
	bh_source_fn fn;
	const char *what; /* for messages: "terminal", "signals" */
};

/* Something to happen once, at a time. Embedded in its owner, who zeroes it and sets fn. */
struct bh_timer {
	void (*fn)(struct bh_timer *timer);
	uint64_t at_ns; /* CLOCK_MONOTONIC */
	struct bh_timer *next;
	bool armed;
};

/* Something to happen soon, outside of the callback that is running. Embedded in its owner, who
 * zeroes it and sets fn. */
struct bh_deferred {
	void (*fn)(struct bh_deferred *deferred);
	struct bh_deferred *next;
	bool queued;
};

#define BH_LOOP_BATCH 16

struct bh_loop {
	int fd;
	bool stopped;
	int n_ready, next; /* of the batch being dispatched */
	struct epoll_event ready[BH_LOOP_BATCH];
	struct bh_timer *timers; /* soonest first */
	struct bh_deferred *deferred, **deferred_end;
	struct bh_fiber *fiber; /* the one that runs, see fiber.h; NULL = none */
	void *stack;            /* of a fiber that has ended, for the next one; NULL = none */
	size_t stack_bytes;
};

#define BH_LOOP_INIT         \
	(struct bh_loop)     \
	{                    \
		.fd = -EBADF \
	}

/* Outcome of bh_loop_add(): a regular file or the like, which never blocks and cannot be waited
 * for. */
#define BH_LOOP_E_ALWAYS_READY 1

/** bh_loop_init() - Return: 0 or -errno with @err */
int bh_loop_init(struct bh_loop *loop, struct bh_err *err) bh_must_check;

/** bh_loop_deinit() - close the loop's own descriptor; idempotent */
void bh_loop_deinit(struct bh_loop *loop);

/**
 * bh_loop_add() - watch a source
 * @source: fd, fn and what are set by the caller
 * @events: EPOLLIN, EPOLLOUT or both; errors and hang-ups come with either. EPOLLRDHUP: them alone
 *
 * Return: 0; BH_LOOP_E_ALWAYS_READY, not added; -errno with @err
 */
int bh_loop_add(struct bh_loop *loop, struct bh_source *source, uint32_t events,
		struct bh_err *err) bh_must_check;

/** bh_loop_watch() - change what an added source waits for; with 0 it hears nothing until the next
 * change, hang-ups included. No system call when nothing changes */
int bh_loop_watch(struct bh_loop *loop, struct bh_source *source, uint32_t events,
		  struct bh_err *err) bh_must_check;

/** bh_loop_remove() - stop watching; events already collected are dropped. Idempotent */
void bh_loop_remove(struct bh_loop *loop, struct bh_source *source);

/** bh_loop_arm() - have @timer's fn called in @ms milliseconds, instead of when it was to be called
 * before */
void bh_loop_arm(struct bh_loop *loop, struct bh_timer *timer, uint64_t ms);

/** bh_loop_disarm() - not any more; idempotent */
void bh_loop_disarm(struct bh_loop *loop, struct bh_timer *timer);

/** bh_loop_defer() - have @deferred's fn called as soon as the callback that is running returned,
 * or at the next turn; once, however often it is asked for before */
void bh_loop_defer(struct bh_loop *loop, struct bh_deferred *deferred);

/** bh_loop_undefer() - not any more; idempotent */
void bh_loop_undefer(struct bh_loop *loop, struct bh_deferred *deferred);

/** bh_loop_run() - dispatch until bh_loop_stop() or a callback fails */
int bh_loop_run(struct bh_loop *loop, struct bh_err *err) bh_must_check;

/** bh_loop_stop() - make bh_loop_run() return after the callback that is running */
void bh_loop_stop(struct bh_loop *loop);

#endif

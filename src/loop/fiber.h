/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Linear code on an event loop: a fiber has a stack of its own and suspends where it would have to
 * wait, while the loop goes on with others. A call that can suspend says so in its docstring;
 * outside of any fiber the same call runs the loop until it is done.
 *
 * Nothing runs at the same time as anything else: between two suspensions a fiber is alone. What it
 * looked at before one may have changed after it.
 */
#ifndef BH_LOOP_FIBER_H
#define BH_LOOP_FIBER_H

#include "loop/loop.h"

struct bh_fiber;

/**
 * bh_fiber_start() - run @fn on a new stack until it suspends for the first time, or returns
 *
 * The fiber ends when @fn returns; it cannot be ended from outside, only woken: its owner makes
 * what it waits for fail. Return: 0; -ENOMEM with @err, @fn was not called
 */
int bh_fiber_start(struct bh_loop *loop, void (*fn)(void *arg), void *arg,
		   struct bh_err *err) bh_must_check;

/* What is waited for. Embedded in whoever will bring it about; zeroed before each wait. */
struct bh_wait {
	struct bh_deferred wake;
	struct bh_loop *loop;
	struct bh_fiber *fiber;
	bool done;
};

/** bh_fiber_wait() - suspend until bh_fiber_wake(@wait); returns at once when that was already.
 * Outside of a fiber: runs @loop meanwhile; -errno with @err, which may be NULL, when the loop
 * fails or is stopped */
int bh_fiber_wait(struct bh_loop *loop, struct bh_wait *wait, struct bh_err *err) bh_must_check;

/** bh_fiber_wake() - what @wait stands for has happened; the fiber goes on after the callback that
 * is running. @wait must stay valid until then. Idempotent */
void bh_fiber_wake(struct bh_wait *wait);

/** bh_fiber_sleep() - suspend for @ms milliseconds */
int bh_fiber_sleep(struct bh_loop *loop, uint64_t ms, struct bh_err *err) bh_must_check;

/** bh_fiber_ready() - suspend until @fd has one of @events, hangs up or fails
 * @ms:   as long as that at the most; 0 = no limit
 * @what: for errors. Return: 0, also when nothing came of it in that time; -errno with @err */
int bh_fiber_ready(struct bh_loop *loop, int fd, uint32_t events, uint64_t ms, const char *what,
		   struct bh_err *err) bh_must_check;

/** bh_fiber_connected() - suspend until the connect(2) of the non-blocking socket @fd has ended
 * @what: for errors. Return: 0 when it is connected; -errno with @err */
int bh_fiber_connected(struct bh_loop *loop, int fd, const char *what,
		       struct bh_err *err) bh_must_check;

#endif

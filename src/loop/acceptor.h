/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A listening socket on the event loop: whoever calls is accepted, one a turn. While that fails for
 * want of descriptors or memory, the callers stay in the socket's queue and the socket stays ready:
 * it is left alone for a moment each time, so that the loop has its rest.
 */
#ifndef BH_LOOP_ACCEPTOR_H
#define BH_LOOP_ACCEPTOR_H

#include "loop/loop.h"

struct bh_acceptor;

/** Called with a connection: close-on-exec, non-blocking, and the callee's. It may stop and free
 * @acceptor */
typedef void (*bh_acceptor_fn)(struct bh_acceptor *acceptor, int fd);

/* Embedded in its owner, who zeroes it and sets source.fd, source.what and fn. */
struct bh_acceptor {
	struct bh_source source; /* fd is borrowed */
	bh_acceptor_fn fn;
	struct bh_loop *loop;
	struct bh_timer again;
	bool held, failing;
};

/** bh_acceptor_start() - from now on who calls is accepted */
int bh_acceptor_start(struct bh_loop *loop, struct bh_acceptor *acceptor,
		      struct bh_err *err) bh_must_check;

/** bh_acceptor_hold() - whether those who call are to wait in the queue; idempotent */
void bh_acceptor_hold(struct bh_acceptor *acceptor, bool hold);

/** bh_acceptor_stop() - to be called before the descriptor is closed; idempotent, also for one that
 * was never started */
void bh_acceptor_stop(struct bh_acceptor *acceptor);

#endif

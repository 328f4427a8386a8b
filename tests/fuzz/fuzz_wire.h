/* SPDX-License-Identifier: Apache-2.0 */
/* For targets that speak over a socket on an event loop. */
#ifndef BH_TESTS_FUZZ_WIRE_H
#define BH_TESTS_FUZZ_WIRE_H

#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "loop/loop.h"

#define CHECK(what)              \
	do {                     \
		if (!(what))     \
			abort(); \
	} while (0)

struct wire_stop {
	struct bh_timer timer;
	struct bh_loop *loop;
};

static void wire_stop(struct bh_timer *timer)
{
	bh_loop_stop(((struct wire_stop *)timer)->loop);
}

/* One turn of the loop: whatever is ready. */
static inline void wire_turn(struct bh_loop *loop)
{
	struct wire_stop stop = { { .fn = wire_stop }, loop };
	struct bh_err err;

	bh_loop_arm(loop, &stop.timer, 0);
	CHECK(bh_loop_run(loop, &err) == 0);
	bh_loop_disarm(loop, &stop.timer);
}

static inline void wire_open(struct bh_loop *loop, int ends[2])
{
	struct bh_err err;

	signal(SIGPIPE, SIG_IGN);
	CHECK(bh_loop_init(loop, &err) == 0);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
}

/* Sends all of it, in pieces whose length the input gives, with a turn after each. */
static inline void wire_feed(struct bh_loop *loop, int fd, const uint8_t *data, size_t size)
{
	while (size) {
		size_t piece = data[0] < 32 ? 1U + data[0] : size;
		ssize_t n = send(fd, data, piece < size ? piece : size, MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN)
			break;
		data += n > 0 ? n : 0;
		size -= n > 0 ? (size_t)n : 0;
		wire_turn(loop);
	}
	wire_turn(loop);
}

#endif

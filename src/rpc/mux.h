/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many streams over one serial channel of bytes, such as a virtio-serial port. Each stream is one
 * end of a socket pair for its user, with all that a stream socket has: back-pressure, the end of
 * one direction by shutdown(2), the end of both by close(2).
 *
 *	bytes 0-3 stream, 4 type, 5 zero, 6-7 length of the content (all big-endian)
 *
 *	HELLO   stream 0; magic, version, window. The guest says it, again and again until the host
 *	        says it too: what is sent while nobody holds the other end of a port is lost, so the
 *	        host is silent until it knows that the guest is there
 *	OPEN    by the host alone; numbers increase and never come again
 *	DATA    at least one byte, at most BH_MUX_DATA_MAX, and only as much as there is credit for
 *	END     no more DATA comes
 *	CREDIT  so many bytes more may be sent (32 bits). A stream begins with a window full of it
 *	CLOSE   nothing more comes, and what comes is dropped. Sent once by each side, as its last
 *	        word on a stream: when both directions have ended, or its user is gone
 *
 * Memory is bounded: whoever has no credit is not read from, and whoever sends without breaks the
 * protocol, which ends the channel. A reader that is slow holds up its own stream and no other.
 *
 * Order: what was written to stream A's socket before something was written to stream B's leaves
 * first, and is in the socket at the other side first, as long as A's reader does not hold it up.
 */
#ifndef BH_RPC_MUX_H
#define BH_RPC_MUX_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "loop/loop.h"

#define BH_MUX_DATA_MAX     16384U
#define BH_MUX_WINDOW_BYTES (128U << 10) /* of each stream and direction */
#define BH_MUX_STREAMS_MAX  1024U

enum bh_mux_side { BH_MUX_HOST, BH_MUX_GUEST };

struct bh_mux;

struct bh_mux_events {
	/* The guest's: a stream that the host opened. @fd (non-blocking) is the callee's. */
	void (*accept)(void *arg, int fd);
	/* The channel has ended, and so have all its streams; said once, not by bh_mux_free(),
	 * which may be called here. */
	void (*dead)(void *arg, const struct bh_err *why);
	void *arg;
};

/**
 * bh_mux_new() - speak over a channel
 * @fd: socket or character device that can be polled; made non-blocking; taken, also on failure
 */
int bh_mux_new(struct bh_loop *loop, int fd, enum bh_mux_side side,
	       const struct bh_mux_events *events, struct bh_mux **ret,
	       struct bh_err *err) bh_must_check;

/** bh_mux_ready() - whether the other side has said HELLO */
bool bh_mux_ready(const struct bh_mux *mux);

/** bh_mux_open() - the host's: a new stream. Return: a non-blocking stream socket, the caller's;
 * -ENOTCONN before the guest's HELLO; -errno; with @err */
int bh_mux_open(struct bh_mux *mux, struct bh_err *err) bh_must_check;

/** bh_mux_free() - end the channel and its streams. Return: NULL */
struct bh_mux *bh_mux_free(struct bh_mux *mux);

#endif

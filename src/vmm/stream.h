/* SPDX-License-Identifier: Apache-2.0 */
/* Listening to someone who may say too much: what is read in a time is limited, what is kept is
 * limited, and who talks on is left waiting. */
#ifndef BH_VMM_STREAM_H
#define BH_VMM_STREAM_H

#include "loop/loop.h"
#include "vmm/tail.h"

/** Called with what was heard, as it came */
typedef void (*bh_stream_fn)(void *arg, const char *data, size_t len);

struct bh_stream {
	struct bh_loop *loop;
	bh_stream_fn heard_fn; /* set before the start; NULL = nobody else listens */
	void *arg;
	struct bh_source source; /* its fd is owned */
	struct bh_timer rest;
	size_t heard;       /* bytes since the last rest */
	unsigned int reads; /* in which it was heard */
	struct bh_tail tail;
};

/**
 * bh_stream_start() - listen to @fd, non-blocking, which becomes @stream's in any case
 * @stream: zeroed but for heard_fn and arg
 * @keep:   bytes of the end to remember
 * @what:   for messages
 */
int bh_stream_start(struct bh_stream *stream, struct bh_loop *loop, int fd, size_t keep,
		    const char *what, struct bh_err *err) bh_must_check;

/** bh_stream_end() - hear what is there already, within the measure of one burst, then close.
 * Idempotent */
void bh_stream_end(struct bh_stream *stream);

/** bh_stream_deinit() - also for one that is zeroed */
void bh_stream_deinit(struct bh_stream *stream);

#endif

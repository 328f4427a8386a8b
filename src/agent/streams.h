/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams of stdio: the host opens one on the link, with a token, and names the token where a
 * request wants a URI. Which of the two arrives first is open: they come by different ways.
 */
#ifndef BH_AGENT_STREAMS_H
#define BH_AGENT_STREAMS_H

#include "loop/fiber.h"
#include "task/task.h"

struct bh_stream;
struct bh_stream_wait;

struct bh_streams {
	struct bh_loop *loop;
	struct bh_stream *arrived;      /* not yet claimed */
	struct bh_stream_wait *waiting; /* for one that has not arrived */
};

/** bh_streams_add() - one arrived. @fd is taken. Unclaimed it is closed after a while; a second one
 * of the same token replaces the first */
void bh_streams_add(struct bh_streams *streams, uint32_t token, int fd);

/** bh_streams_parse() - "stream:TOKEN". Return: 0 or -EINVAL with @err */
int bh_streams_parse(const char *uri, uint32_t *ret, struct bh_err *err) bh_must_check;

/** bh_streams_open() - struct bh_task_opts.open_stdio. One URI for several is one stream for them.
 * Suspends until all have arrived, for some seconds */
int bh_streams_open(struct bh_streams *streams, const char *const uris[3],
		    struct bh_task_stdio *ret, struct bh_err *err) bh_must_check;

#endif

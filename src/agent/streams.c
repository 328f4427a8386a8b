/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/streams.h"

#include <fcntl.h>
#include <string.h>

#include "base/log.h"
#include "rpc/guest.h"

#define CLAIM_MS 60000 /* a stream that nobody asked for by then was given up by the host */
/* One that did not come by then is not going to. A guest on a busy host may load modules for half
 * of it before it looks, and the host waits a minute for the answer. */
#define ARRIVE_MS 45000

struct bh_stream {
	struct bh_stream *next;
	struct bh_streams *streams;
	struct bh_timer timer;
	uint32_t token;
	int fd;
};

struct bh_stream_wait {
	struct bh_stream_wait *next;
	struct bh_wait wait;
	struct bh_timer timer;
	uint32_t token;
};

static struct bh_stream **find(struct bh_streams *streams, uint32_t token)
{
	struct bh_stream **at = &streams->arrived;

	while (*at && (*at)->token != token)
		at = &(*at)->next;
	return at;
}

/* Return: its descriptor, the caller's; -ENOENT */
static int claim(struct bh_streams *streams, uint32_t token)
{
	struct bh_stream **at = find(streams, token), *stream = *at;
	int fd;

	if (!stream)
		return -ENOENT;
	fd = stream->fd;
	*at = stream->next;
	bh_loop_disarm(streams->loop, &stream->timer);
	free(stream);
	return fd;
}

static void on_unclaimed(struct bh_timer *timer)
{
	struct bh_stream *stream = bh_owner_of(timer, struct bh_stream, timer);

	bh_close(claim(stream->streams, stream->token));
}

void bh_streams_add(struct bh_streams *streams, uint32_t token, int fd)
{
	struct bh_stream *stream = calloc(1, sizeof(*stream));

	bh_close(claim(streams, token));
	if (!stream) {
		bh_warn("stream %u: out of memory", token);
		bh_close(fd);
		return;
	}
	*stream = (struct bh_stream){ .next = streams->arrived,
				      .streams = streams,
				      .timer = { .fn = on_unclaimed },
				      .token = token,
				      .fd = fd };
	streams->arrived = stream;
	bh_loop_arm(streams->loop, &stream->timer, CLAIM_MS);
	for (struct bh_stream_wait *w = streams->waiting; w; w = w->next)
		if (w->token == token)
			bh_fiber_wake(&w->wait);
}

static void on_not_arrived(struct bh_timer *timer)
{
	struct bh_stream_wait *w = bh_owner_of(timer, struct bh_stream_wait, timer);

	bh_fiber_wake(&w->wait);
}

static void forget(struct bh_streams *streams, const struct bh_stream_wait *w)
{
	bh_list_remove(&streams->waiting, w);
}

/* Return: the stream's descriptor, the caller's; -errno with @err */
static int await(struct bh_streams *streams, uint32_t token, struct bh_err *err)
{
	struct bh_stream_wait w = { .next = streams->waiting,
				    .timer = { .fn = on_not_arrived },
				    .token = token };
	int fd = claim(streams, token), r;

	if (fd >= 0)
		return fd;
	streams->waiting = &w;
	bh_loop_arm(streams->loop, &w.timer, ARRIVE_MS);
	r = bh_fiber_wait(streams->loop, &w.wait, err);
	bh_loop_disarm(streams->loop, &w.timer);
	forget(streams, &w);
	if (r < 0)
		return r;
	fd = claim(streams, token);
	if (fd < 0)
		return bh_err_as(err, BH_ERR_PEER, -ETIMEDOUT,
				 "stream %u did not arrive within %d s", token, ARRIVE_MS / 1000);
	return fd;
}

int bh_streams_parse(const char *uri, uint32_t *ret, struct bh_err *err)
{
	const size_t prefix = strlen(BH_STREAM_URI);
	const char *digits = strncmp(uri, BH_STREAM_URI, prefix) ? "" : uri + prefix;
	size_t len = strlen(digits);
	unsigned long long value = len && len <= 10 ? strtoull(digits, NULL, 10) : 0;

	if (!len || len > 10 || strspn(digits, "0123456789") != len || value > UINT32_MAX)
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL,
				 "'%.64s' is no stream of the link (" BH_STREAM_URI "TOKEN)", uri);
	*ret = (uint32_t)value;
	return 0;
}

static int open_one(struct bh_streams *streams, const char *const uris[3], int i,
		    struct bh_task_stdio *ret, struct bh_err *err)
{
	uint32_t token;
	int r;

	if (!uris[i] || !*uris[i])
		return 0;
	for (int j = 0; j < i; j++)
		if (ret->fds[j] >= 0 && !strcmp(uris[i], uris[j])) {
			ret->fds[i] = fcntl(ret->fds[j], F_DUPFD_CLOEXEC, 3);
			return ret->fds[i] < 0
				       ? bh_err_set(err, -errno, "duplicate stream '%s'", uris[i])
				       : 0;
		}
	r = bh_streams_parse(uris[i], &token, err);
	if (r < 0)
		return r;
	ret->fds[i] = await(streams, token, err);
	return ret->fds[i] < 0 ? ret->fds[i] : 0;
}

int bh_streams_open(struct bh_streams *streams, const char *const uris[3],
		    struct bh_task_stdio *ret, struct bh_err *err)
{
	int r = 0;

	*ret = BH_TASK_STDIO_INIT;
	for (int i = 0; i < 3 && r == 0; i++)
		r = open_one(streams, uris, i, ret, err);
	for (int i = 0; i < 3 && r < 0; i++)
		ret->fds[i] = bh_close(ret->fds[i]);
	return r;
}

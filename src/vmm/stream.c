/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/stream.h"

/* At most so much, and so often, in so long: 1.3 MB/s, more than a serial line ever gave. A monitor
 * writes each of the guest's characters by itself: the pipe collects them meanwhile. */
#define BURST_BYTES 65536U
#define BURST_READS 8U
#define REST_MS     50U
#define READ_BYTES  8192U

static struct bh_stream *stream_of(struct bh_source *source)
{
	return bh_owner_of(source, struct bh_stream, source);
}

/* Return: bytes heard, 0 at the end, -errno */
static ssize_t hear(struct bh_stream *stream)
{
	char text[READ_BYTES];
	ssize_t n = read(stream->source.fd, text, sizeof(text));

	if (n > 0)
		bh_tail_add(&stream->tail, text, (size_t)n);
	if (n > 0 && stream->heard_fn)
		stream->heard_fn(stream->arg, text, (size_t)n);
	return n < 0 ? -errno : n;
}

static int on_readable(struct bh_source *source, uint32_t events, struct bh_err *err)
{
	struct bh_stream *stream = stream_of(source);
	ssize_t n = hear(stream);

	(void)events;
	if (n == -EAGAIN || n == -EINTR)
		return 0;
	if (n <= 0) {
		bh_loop_remove(stream->loop, source);
		return 0;
	}
	if (!stream->rest.armed)
		bh_loop_arm(stream->loop, &stream->rest, REST_MS);
	stream->heard += (size_t)n;
	stream->reads++;
	if (stream->heard < BURST_BYTES && stream->reads < BURST_READS)
		return 0;
	return bh_loop_watch(stream->loop, source, 0, err);
}

static void on_rested(struct bh_timer *timer)
{
	struct bh_stream *stream = bh_owner_of(timer, struct bh_stream, rest);
	struct bh_err err = BH_ERR_INIT;

	stream->heard = 0;
	stream->reads = 0;
	/* One that cannot be watched any more is not heard any more: nothing else depends on it. */
	if (bh_loop_watch(stream->loop, &stream->source, EPOLLIN, &err) < 0)
		bh_loop_remove(stream->loop, &stream->source);
}

int bh_stream_start(struct bh_stream *stream, struct bh_loop *loop, int fd, size_t keep,
		    const char *what, struct bh_err *err)
{
	stream->loop = loop;
	stream->source = (struct bh_source){ .fd = fd, .fn = on_readable, .what = what };
	stream->rest.fn = on_rested;
	if (bh_tail_init(&stream->tail, keep) < 0)
		return bh_err_oom(err);
	return bh_loop_add(loop, &stream->source, EPOLLIN, err);
}

void bh_stream_end(struct bh_stream *stream)
{
	size_t heard = 0;
	ssize_t n;

	if (!stream->source.fn)
		return;
	bh_loop_disarm(stream->loop, &stream->rest);
	bh_loop_remove(stream->loop, &stream->source);
	while (stream->source.fd >= 0 && heard < BURST_BYTES && (n = hear(stream)) > 0)
		heard += (size_t)n;
	stream->source.fd = bh_close(stream->source.fd);
}

void bh_stream_deinit(struct bh_stream *stream)
{
	bh_stream_end(stream);
	bh_tail_deinit(&stream->tail);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <endian.h>
#include <string.h>
#include <sys/socket.h>

#include "rpc/mux_internal.h"

/* Credit is given back in portions, not for every byte. */
#define CREDIT_STEP (BH_MUX_WINDOW_BYTES / 4)

/* ---- life ------------------------------------------------------------------------------------ */

static struct bh_mux_stream **bucket(struct bh_mux *mux, uint32_t id)
{
	return &mux->streams[id % BH_MUX_BUCKETS];
}

struct bh_mux_stream *bh_mux_stream_find(struct bh_mux *mux, uint32_t id)
{
	struct bh_mux_stream *stream = *bucket(mux, id);

	while (stream && stream->id != id)
		stream = stream->next;
	return stream;
}

static void close_socket(struct bh_mux_stream *stream)
{
	bh_loop_remove(stream->mux->loop, &stream->source);
	stream->source.fd = bh_close(stream->source.fd);
	bh_fifo_deinit(&stream->rx);
}

static void unqueue(struct bh_mux_stream *stream)
{
	struct bh_mux *mux = stream->mux;
	struct bh_mux_stream **at = &mux->queue;

	if (!stream->queued)
		return;
	while (*at != stream)
		at = &(*at)->queue_next;
	*at = stream->queue_next;
	if (!*at)
		mux->queue_end = at;
}

void bh_mux_stream_free(struct bh_mux_stream *stream)
{
	bh_list_remove(bucket(stream->mux, stream->id), stream);
	stream->mux->n_streams--;
	unqueue(stream);
	close_socket(stream);
	free(stream);
}

/* ---- to the user ----------------------------------------------------------------------------- */

/* The user reads no more: what comes is dropped, and paid for as if it were read. A writer that
 * waited for credit would never come to read what the user has still to say. */
static void reader_gone(struct bh_mux_stream *stream)
{
	stream->gone = true;
	stream->delivered += (uint32_t)stream->rx.len;
	bh_fifo_deinit(&stream->rx);
}

/* Hands over what waits and @data; afterwards the end, if it has come. Return: 0, -ENOMEM */
static int deliver(struct bh_mux_stream *stream, const uint8_t *data, uint16_t len)
{
	ssize_t n = 0;

	if (stream->close_sent)
		return 0;
	if (!stream->gone)
		n = bh_fifo_pass(&stream->rx, stream->source.fd, data, len);
	if (n == -ENOMEM)
		return -ENOMEM;
	if (n < 0)
		reader_gone(stream);
	stream->delivered += stream->gone ? len : (uint32_t)n;
	if (stream->gone || stream->rx.len || !stream->end_received || stream->end_told)
		return 0;
	stream->end_told = true;
	shutdown(stream->source.fd, SHUT_WR);
	return 0;
}

static int on_data(struct bh_mux_stream *stream, const uint8_t *data, uint16_t len,
		   struct bh_err *err)
{
	if (stream->end_received)
		return bh_err_as(err, BH_ERR_PEER, -EPROTO, "it comes after END");
	if (!len)
		return bh_err_as(err, BH_ERR_PEER, -EPROTO, "it is empty");
	if (len > stream->allowance)
		return bh_err_as(err, BH_ERR_PEER, -EPROTO,
				 "%u bytes are more than its credit of %u", len, stream->allowance);
	stream->allowance -= len;
	return deliver(stream, data, len) < 0 ? bh_err_oom(err) : 0;
}

static int on_end(struct bh_mux_stream *stream, struct bh_err *err)
{
	if (stream->end_received)
		return bh_err_as(err, BH_ERR_PEER, -EPROTO, "it comes twice");
	stream->end_received = true;
	return deliver(stream, NULL, 0);
}

static int on_credit(struct bh_mux_stream *stream, const uint8_t *data, uint16_t len,
		     struct bh_err *err)
{
	uint32_t bytes = 0;

	if (len == sizeof(bytes))
		memcpy(&bytes, data, sizeof(bytes));
	bytes = be32toh(bytes);
	if (!bytes || bytes > BH_MUX_WINDOW_BYTES - stream->credit)
		return bh_err_as(err, BH_ERR_PEER, -EPROTO, "%u bytes more than %u", bytes,
				 stream->credit);
	stream->credit += bytes;
	return 0;
}

static int on_close(struct bh_mux_stream *stream)
{
	stream->close_received = true;
	stream->end_received = true;
	return deliver(stream, NULL, 0);
}

int bh_mux_stream_frame(struct bh_mux_stream *stream, uint8_t type, const uint8_t *data,
			uint16_t len, struct bh_err *err)
{
	bh_mux_enqueue(stream);
	if (type == BH_MUX_DATA)
		return on_data(stream, data, len, err);
	if (type == BH_MUX_CREDIT)
		return on_credit(stream, data, len, err);
	if (len)
		return bh_err_as(err, BH_ERR_PEER, -EPROTO, "it has a content of %u bytes", len);
	return type == BH_MUX_END ? on_end(stream, err) : on_close(stream);
}

/* ---- to the peer ----------------------------------------------------------------------------- */

/* All that the socket has and credit allows, so that it leaves before what was written to another
 * stream later. */
static int send_data(struct bh_mux_stream *stream)
{
	while (stream->readable && stream->credit) {
		size_t max = stream->credit < BH_MUX_DATA_MAX ? stream->credit : BH_MUX_DATA_MAX;
		ssize_t n = bh_mux_send_from(stream->mux, stream->id, stream->source.fd, max);

		if (n == -ENOMEM)
			return -ENOMEM;
		if (n <= 0)
			stream->readable = false;
		if (n > 0)
			stream->credit -= (uint32_t)n;
		if (n > 0 || n == -EAGAIN)
			continue;
		stream->end_sent = true; /* the end, or ECONNRESET: closed with bytes unread */
		return bh_mux_send(stream->mux, stream->id, BH_MUX_END, NULL, 0);
	}
	return 0;
}

static int send_credit(struct bh_mux_stream *stream)
{
	uint32_t bytes = htobe32(stream->delivered);

	stream->allowance += stream->delivered;
	stream->delivered = 0;
	return bh_mux_send(stream->mux, stream->id, BH_MUX_CREDIT, &bytes, sizeof(bytes));
}

/* Whether there is nothing more to do on our side. Without credit the end of what the user wrote
 * cannot be seen, and need not: to a peer that closed nothing is sent. */
static bool done(const struct bh_mux_stream *stream)
{
	bool sent = stream->end_sent || stream->close_received;
	bool received = stream->gone || stream->end_told;

	return sent && received;
}

static int send_close(struct bh_mux_stream *stream)
{
	stream->close_sent = true;
	close_socket(stream);
	return bh_mux_send(stream->mux, stream->id, BH_MUX_CLOSE, NULL, 0);
}

int bh_mux_stream_serve(struct bh_mux_stream *stream)
{
	int r = 0;

	if (stream->open_due)
		r = bh_mux_send(stream->mux, stream->id, BH_MUX_OPEN, NULL, 0);
	stream->open_due = false;
	if (r == 0 && stream->delivered >= CREDIT_STEP && !stream->end_received &&
	    !stream->close_sent)
		r = send_credit(stream);
	if (r == 0 && !stream->end_sent && !stream->close_received)
		r = send_data(stream);
	if (r == 0 && !stream->close_sent && done(stream))
		r = send_close(stream);
	if (stream->close_sent && stream->close_received)
		bh_mux_stream_free(stream);
	return r;
}

static int on_ready(struct bh_source *source, uint32_t events, struct bh_err *err)
{
	struct bh_mux_stream *stream = bh_owner_of(source, struct bh_mux_stream, source);

	(void)err;
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		stream->readable = true;
	/* A hang-up is told when both directions have ended, and we have not ended the one to the
	 * user: then the user has, by close(2). */
	if (events & (EPOLLHUP | EPOLLERR) && !stream->end_told && !stream->gone)
		reader_gone(stream);
	(void)deliver(stream, NULL, 0); /* nothing is kept, so no memory is needed */
	bh_mux_enqueue(stream);
	bh_mux_pump(stream->mux);
	return 0;
}

/* ---- beginning ------------------------------------------------------------------------------- */

/* Return: the user's end, or -errno */
static int make_pair(struct bh_mux_stream *stream, struct bh_err *err)
{
	int ends[2], r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
		return bh_err_set(err, -errno, "make a socket pair");
	stream->source = (struct bh_source){ .fd = ends[0], .fn = on_ready, .what = "stream" };
	r = bh_loop_add(stream->mux->loop, &stream->source, EPOLLIN | EPOLLOUT | EPOLLET, err);
	if (r == 0)
		return ends[1];
	bh_close(ends[1]);
	return r;
}

static struct bh_mux_stream *add_stream(struct bh_mux *mux, uint32_t id)
{
	struct bh_mux_stream *stream = calloc(1, sizeof(*stream));

	if (!stream)
		return NULL;
	stream->mux = mux;
	stream->id = id;
	stream->source.fd = -EBADF;
	stream->credit = BH_MUX_WINDOW_BYTES;
	stream->allowance = BH_MUX_WINDOW_BYTES;
	stream->next = *bucket(mux, id);
	*bucket(mux, id) = stream;
	mux->n_streams++;
	mux->last_id = id;
	return stream;
}

int bh_mux_open(struct bh_mux *mux, struct bh_err *err)
{
	struct bh_mux_stream *stream;
	int fd;

	if (mux->source.fd < 0)
		return bh_err_as(err, BH_ERR_PEER, -EPIPE, "the channel has ended");
	if (!mux->ready)
		return bh_err_as(err, BH_ERR_PEER, -ENOTCONN, "nobody has said hello");
	if (mux->n_streams >= BH_MUX_STREAMS_MAX || mux->last_id == UINT32_MAX)
		return bh_err_as(err, BH_ERR_PEER, -ENOSPC, "%u streams are open, the last is %u",
				 mux->n_streams, mux->last_id);
	stream = add_stream(mux, mux->last_id + 1);
	if (!stream)
		return bh_err_oom(err);
	fd = make_pair(stream, err);
	if (fd < 0) {
		bh_mux_stream_free(stream);
		return fd;
	}
	stream->open_due = true;
	bh_mux_enqueue(stream);
	bh_loop_defer(mux->loop, &mux->soon); /* the channel may not end under the caller's feet */
	return fd;
}

int bh_mux_stream_accept(struct bh_mux *mux, uint32_t id, uint16_t len, struct bh_err *err)
{
	struct bh_mux_stream *stream;
	int fd;

	if (mux->side != BH_MUX_GUEST || len)
		return bh_err_as(err, BH_ERR_PEER, -EPROTO, "it opens nothing");
	if (id <= mux->last_id || mux->n_streams >= BH_MUX_STREAMS_MAX)
		return bh_err_as(err, BH_ERR_PEER, -EPROTO, "%u streams are open, the last is %u",
				 mux->n_streams, mux->last_id);
	stream = add_stream(mux, id);
	if (!stream)
		return bh_err_oom(err);
	fd = make_pair(stream, err);
	if (fd >= 0) {
		mux->on.accept(mux->on.arg, fd);
		return 0;
	}
	/* Without descriptors this stream ends, not the channel. */
	stream->end_sent = true;
	stream->gone = true;
	bh_mux_enqueue(stream);
	return 0;
}

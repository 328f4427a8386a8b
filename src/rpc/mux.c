/* SPDX-License-Identifier: Apache-2.0 */
/* The channel: frames in and out, HELLO, the end. Streams are in mux_stream.c. */
#include "rpc/mux.h"

#include <endian.h>
#include <fcntl.h>
#include <string.h>

#include "rpc/mux_internal.h"

#define READ_BYTES (64U << 10)
/* More than this waits to be taken by the channel: streams have to wait as well. */
#define OUT_HIGH (64U << 10)
/* How often the guest says HELLO, and looks whether anybody holds the other end. */
#define HELLO_MS 100U

static const uint8_t magic[8] = "BHmux\r\n\x80"; /* a terminal in between would break it */
#define VERSION     1U
#define HELLO_BYTES (sizeof(magic) + 8U)

struct frame {
	uint32_t id;
	uint8_t type;
	const uint8_t *data;
	uint16_t len;
};

/* ---- life ------------------------------------------------------------------------------------ */

static void unref(struct bh_mux *mux)
{
	if (--mux->refs == 0)
		free(mux);
}

/* Closes the channel and the streams' sockets; idempotent. */
static void shut(struct bh_mux *mux)
{
	if (mux->source.fd < 0)
		return;
	for (size_t i = 0; i < BH_ARRAY_SIZE(mux->streams); i++)
		while (mux->streams[i])
			bh_mux_stream_free(mux->streams[i]);
	bh_loop_disarm(mux->loop, &mux->hello);
	bh_loop_undefer(mux->loop, &mux->soon);
	bh_loop_remove(mux->loop, &mux->source);
	mux->source.fd = bh_close(mux->source.fd);
	bh_fifo_deinit(&mux->in);
	bh_fifo_deinit(&mux->out);
	mux->taken = 0;
}

static void die(struct bh_mux *mux, const struct bh_err *why)
{
	if (mux->source.fd < 0)
		return;
	mux->refs++;
	shut(mux);
	if (mux->on.dead)
		mux->on.dead(mux->on.arg, why);
	unref(mux);
}

struct bh_mux *bh_mux_free(struct bh_mux *mux)
{
	if (!mux)
		return NULL;
	mux->on.dead = NULL;
	shut(mux);
	unref(mux);
	return NULL;
}

bool bh_mux_ready(const struct bh_mux *mux)
{
	return mux->ready;
}

/* ---- out ------------------------------------------------------------------------------------- */

static void put_head(uint8_t *head, uint32_t id, enum bh_mux_type type, uint16_t len)
{
	uint32_t be_id = htobe32(id);
	uint16_t be_len = htobe16(len);

	memcpy(head, &be_id, sizeof(be_id));
	head[4] = (uint8_t)type;
	head[5] = 0;
	memcpy(head + 6, &be_len, sizeof(be_len));
}

int bh_mux_send(struct bh_mux *mux, uint32_t id, enum bh_mux_type type, const void *data,
		uint16_t len)
{
	uint8_t *room = bh_fifo_reserve(&mux->out, BH_MUX_HEAD_BYTES + len);

	if (!room)
		return -ENOMEM;
	put_head(room, id, type, len);
	if (len)
		memcpy(room + BH_MUX_HEAD_BYTES, data, len);
	bh_fifo_commit(&mux->out, BH_MUX_HEAD_BYTES + len);
	return 0;
}

ssize_t bh_mux_send_from(struct bh_mux *mux, uint32_t id, int fd, size_t max)
{
	uint8_t *room = bh_fifo_reserve(&mux->out, BH_MUX_HEAD_BYTES + max);
	ssize_t n;

	if (!room)
		return -ENOMEM;
	do
		n = read(fd, room + BH_MUX_HEAD_BYTES, max);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return n < 0 ? -errno : 0;
	put_head(room, id, BH_MUX_DATA, (uint16_t)n);
	bh_fifo_commit(&mux->out, BH_MUX_HEAD_BYTES + (size_t)n);
	return n;
}

void bh_mux_enqueue(struct bh_mux_stream *stream)
{
	struct bh_mux *mux = stream->mux;

	if (stream->queued)
		return;
	stream->queued = true;
	stream->queue_next = NULL;
	*mux->queue_end = stream;
	mux->queue_end = &stream->queue_next;
}

static struct bh_mux_stream *dequeue(struct bh_mux *mux)
{
	struct bh_mux_stream *stream = mux->queue;

	mux->queue = stream->queue_next;
	if (!mux->queue)
		mux->queue_end = &mux->queue;
	stream->queued = false;
	return stream;
}

/* Streams in the order in which something came up, while there is room; then the channel. What one
 * stream sends in a turn is bounded by its credit. */
static int pump(struct bh_mux *mux, struct bh_err *err)
{
	ssize_t n;
	int r;

	do {
		while (mux->queue && mux->out.len < OUT_HIGH) {
			r = bh_mux_stream_serve(dequeue(mux));
			if (r < 0)
				return bh_err_set(err, r, "serve a stream");
		}
		n = bh_fifo_write(&mux->out, mux->source.fd);
		if (n < 0)
			return bh_err_set(err, (int)n, "write to the channel");
	} while (mux->queue && mux->out.len < OUT_HIGH);
	return bh_loop_watch(mux->loop, &mux->source, EPOLLIN | (mux->out.len ? EPOLLOUT : 0), err);
}

void bh_mux_pump(struct bh_mux *mux)
{
	struct bh_err err = BH_ERR_INIT;

	if (mux->source.fd >= 0 && pump(mux, &err) < 0)
		die(mux, &err);
}

static void on_soon(struct bh_deferred *deferred)
{
	bh_mux_pump(bh_owner_of(deferred, struct bh_mux, soon));
}

/* ---- HELLO ----------------------------------------------------------------------------------- */

static int send_hello(struct bh_mux *mux)
{
	uint32_t numbers[] = { htobe32(VERSION), htobe32(BH_MUX_WINDOW_BYTES) };
	uint8_t data[HELLO_BYTES];

	memcpy(data, magic, sizeof(magic));
	memcpy(data + sizeof(magic), numbers, sizeof(numbers));
	return bh_mux_send(mux, 0, BH_MUX_HELLO, data, sizeof(data));
}

static void on_hello_time(struct bh_timer *timer)
{
	struct bh_mux *mux = bh_owner_of(timer, struct bh_mux, hello);

	bh_loop_arm(mux->loop, timer, HELLO_MS);
	/* One that was not taken yet is not followed by another. */
	if (!mux->out.len)
		(void)!send_hello(mux);
	bh_mux_pump(mux);
}

static int on_hello(struct bh_mux *mux, const struct frame *frame, struct bh_err *err)
{
	uint32_t numbers[2];

	if (frame->id || frame->len != HELLO_BYTES || memcmp(frame->data, magic, sizeof(magic)))
		return bh_err_as(err, BH_ERR_PEER, -EPROTO, "HELLO is none");
	memcpy(numbers, frame->data + sizeof(magic), sizeof(numbers));
	if (be32toh(numbers[0]) != VERSION || be32toh(numbers[1]) != BH_MUX_WINDOW_BYTES)
		return bh_err_as(err, BH_ERR_PEER, -EPROTO,
				 "version %u with a window of %u bytes, not %u with %u",
				 be32toh(numbers[0]), be32toh(numbers[1]), VERSION,
				 BH_MUX_WINDOW_BYTES);
	if (mux->ready) /* sent before ours arrived; or a waste of its own time */
		return 0;
	mux->ready = true;
	bh_loop_disarm(mux->loop, &mux->hello);
	if (mux->side == BH_MUX_HOST && send_hello(mux) < 0)
		return bh_err_oom(err);
	return 0;
}

/* ---- in -------------------------------------------------------------------------------------- */

static bool next_frame(struct bh_mux *mux, struct frame *ret)
{
	const uint8_t *head;
	uint32_t id;
	uint16_t len;

	bh_fifo_drop(&mux->in, mux->taken);
	mux->taken = 0;
	if (mux->in.len < BH_MUX_HEAD_BYTES)
		return false;
	head = bh_fifo_front(&mux->in);
	memcpy(&id, head, sizeof(id));
	memcpy(&len, head + 6, sizeof(len));
	*ret = (struct frame){ .id = be32toh(id),
			       /* what is not zero today makes a type that nobody knows */
			       .type = head[5] ? 0 : head[4],
			       .data = head + BH_MUX_HEAD_BYTES,
			       .len = be16toh(len) };
	if (ret->len <= BH_MUX_DATA_MAX && mux->in.len - BH_MUX_HEAD_BYTES < ret->len)
		return false;
	mux->taken = BH_MUX_HEAD_BYTES + (ret->len <= BH_MUX_DATA_MAX ? ret->len : 0);
	return true;
}

static int on_stream_frame(struct bh_mux *mux, const struct frame *frame, struct bh_err *err)
{
	struct bh_mux_stream *stream = bh_mux_stream_find(mux, frame->id);

	if (!mux->ready)
		return bh_err_as(err, BH_ERR_PEER, -EPROTO, "it comes before HELLO");
	if (frame->type == BH_MUX_OPEN)
		return bh_mux_stream_accept(mux, frame->id, frame->len, err);
	if (!stream || stream->close_received)
		return bh_err_as(err, BH_ERR_PEER, -EPROTO, "the stream is not open");
	return bh_mux_stream_frame(stream, frame->type, frame->data, frame->len, err);
}

static const char *const type_names[BH_MUX_TYPE_MAX_] = {
	[BH_MUX_HELLO] = "HELLO", [BH_MUX_OPEN] = "OPEN",     [BH_MUX_DATA] = "DATA",
	[BH_MUX_END] = "END",     [BH_MUX_CREDIT] = "CREDIT", [BH_MUX_CLOSE] = "CLOSE",
};

static int on_frame(struct bh_mux *mux, const struct frame *frame, struct bh_err *err)
{
	int r;

	if (!frame->type || frame->type >= BH_MUX_TYPE_MAX_)
		return bh_err_as(err, BH_ERR_PEER, -EPROTO, "no frame of this protocol");
	if (frame->len > BH_MUX_DATA_MAX)
		r = bh_err_as(err, BH_ERR_PEER, -EPROTO, "%u bytes are too many", frame->len);
	else if (frame->type == BH_MUX_HELLO)
		r = on_hello(mux, frame, err);
	else
		r = on_stream_frame(mux, frame, err);
	if (r < 0)
		bh_err_ctx(err, "%s of stream %u", type_names[frame->type], frame->id);
	return r;
}

/* Nobody holds the other end yet: looked at again in a while, since hang-ups are always told. */
static int not_yet(struct bh_mux *mux, struct bh_err *err)
{
	return bh_loop_watch(mux->loop, &mux->source, 0, err);
}

static int read_frames(struct bh_mux *mux, struct bh_err *err)
{
	ssize_t n = bh_fifo_read(&mux->in, mux->source.fd, READ_BYTES);
	struct frame frame;
	int r = 0;

	if (n == -EPIPE)
		return bh_err_as(err, BH_ERR_PEER, -EPIPE, "the other end was closed");
	if (n < 0 && n != -EAGAIN)
		return bh_err_set(err, (int)n, "read from the channel");
	while (r == 0 && next_frame(mux, &frame))
		r = on_frame(mux, &frame, err);
	return r;
}

static int on_channel(struct bh_source *source, uint32_t events, struct bh_err *loop_err)
{
	struct bh_mux *mux = bh_owner_of(source, struct bh_mux, source);
	struct bh_err err = BH_ERR_INIT;
	int r = 0;

	(void)loop_err; /* a channel that ends does not end the loop */
	mux->refs++;
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		r = read_frames(mux, &err);
	if (r == -EPIPE && mux->side == BH_MUX_GUEST && !mux->ready)
		r = not_yet(mux, &err);
	else if (r == 0 && mux->source.fd >= 0)
		r = pump(mux, &err);
	if (r < 0)
		die(mux, &err);
	unref(mux);
	return 0;
}

/* ---- beginning ------------------------------------------------------------------------------- */

static int begin(struct bh_mux *mux, struct bh_err *err)
{
	int flags = fcntl(mux->source.fd, F_GETFL), r;

	if (flags < 0 || fcntl(mux->source.fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return bh_err_set(err, -errno, "make the channel non-blocking");
	r = bh_loop_add(mux->loop, &mux->source, EPOLLIN, err);
	if (r > 0)
		return bh_err_as(err, BH_ERR_BUG, -EINVAL, "the channel cannot be polled");
	if (r == 0 && mux->side == BH_MUX_GUEST)
		bh_loop_arm(mux->loop, &mux->hello, 0);
	return r;
}

int bh_mux_new(struct bh_loop *loop, int fd, enum bh_mux_side side,
	       const struct bh_mux_events *events, struct bh_mux **ret, struct bh_err *err)
{
	struct bh_mux *mux = calloc(1, sizeof(*mux));
	int r;

	*ret = NULL;
	if (!mux) {
		bh_close(fd);
		return bh_err_oom(err);
	}
	mux->loop = loop;
	mux->source = (struct bh_source){ .fd = fd, .fn = on_channel, .what = "channel" };
	mux->refs = 1;
	mux->side = side;
	mux->on = *events;
	mux->hello.fn = on_hello_time;
	mux->soon.fn = on_soon;
	mux->queue_end = &mux->queue;
	r = begin(mux, err);
	if (r < 0)
		bh_mux_free(mux);
	else
		*ret = mux;
	return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "rpc/conn.h"

#include <endian.h>
#include <fcntl.h>
#include <string.h>

#include "rpc/rpc.h"

#define READ_BYTES (64U << 10)
/* A message of 4 MiB may hold two million empty ones: what it becomes in memory has a bound too. */
#define UNPACKED_MAX (4 * BH_RPC_FRAME_MAX)

int bh_rpc_conn_init(struct bh_rpc_conn *conn, struct bh_loop *loop, int fd, bh_source_fn fn,
		     const char *what, struct bh_err *err)
{
	int r = 0;

	*conn = BH_RPC_CONN_INIT;
	conn->loop = loop;
	conn->source = (struct bh_source){ .fd = fd, .fn = fn, .what = what };
	if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		r = bh_err_set(err, -errno, "make the %s non-blocking", what);
	if (r == 0)
		r = bh_loop_add(loop, &conn->source, EPOLLIN, err);
	if (r > 0)
		r = bh_err_as(err, BH_ERR_BUG, -ENOTSOCK, "the %s is no socket", what);
	if (r < 0)
		bh_rpc_conn_deinit(conn);
	return r;
}

void bh_rpc_conn_deinit(struct bh_rpc_conn *conn)
{
	if (conn->source.fd < 0)
		return;
	bh_loop_remove(conn->loop, &conn->source);
	conn->source.fd = bh_close(conn->source.fd);
	bh_fifo_deinit(&conn->in);
	bh_fifo_deinit(&conn->out);
	conn->taken = 0;
}

bool bh_rpc_conn_open(const struct bh_rpc_conn *conn)
{
	return conn->source.fd >= 0;
}

int bh_rpc_conn_read(struct bh_rpc_conn *conn, struct bh_err *err)
{
	ssize_t n = bh_fifo_read(&conn->in, conn->source.fd, READ_BYTES);

	if (n == -EPIPE)
		return bh_err_as(err, BH_ERR_PEER, -EPIPE, "the peer closed the %s",
				 conn->source.what);
	if (n < 0 && n != -EAGAIN)
		return bh_err_set(err, (int)n, "read from the %s", conn->source.what);
	return 0;
}

static uint32_t be32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return be32toh(v);
}

/* Drops what belongs to frames that were handed out or are too long. */
static void advance(struct bh_rpc_conn *conn)
{
	size_t skipped;

	bh_fifo_drop(&conn->in, conn->taken);
	conn->taken = 0;
	skipped = conn->skip < conn->in.len ? conn->skip : conn->in.len;
	bh_fifo_drop(&conn->in, skipped);
	conn->skip -= skipped;
}

bool bh_rpc_conn_next(struct bh_rpc_conn *conn, struct bh_rpc_frame *ret)
{
	const uint8_t *head;
	size_t len;

	advance(conn);
	if (conn->skip || conn->in.len < BH_RPC_HEAD_BYTES)
		return false;
	head = bh_fifo_front(&conn->in);
	len = be32(head);
	*ret = (struct bh_rpc_frame){
		.stream = be32(head + 4),
		.type = head[8],
		.flags = head[9],
		.oversized = len > BH_RPC_FRAME_MAX,
	};
	conn->taken = BH_RPC_HEAD_BYTES;
	if (ret->oversized) {
		conn->skip = len;
		return true;
	}
	if (conn->in.len - BH_RPC_HEAD_BYTES < len) {
		conn->taken = 0;
		return false;
	}
	ret->data = head + BH_RPC_HEAD_BYTES;
	ret->len = len;
	conn->taken += len;
	return true;
}

int bh_rpc_conn_send(struct bh_rpc_conn *conn, uint32_t stream, enum bh_rpc_type type,
		     const ProtobufCMessage *message, struct bh_err *err)
{
	size_t len = protobuf_c_message_get_packed_size(message);
	uint8_t *room;
	uint32_t word;

	if (len > BH_RPC_FRAME_MAX)
		return bh_err_as(err, BH_ERR_PEER, -EMSGSIZE,
				 "message of %zu bytes, at most %u are allowed", len,
				 BH_RPC_FRAME_MAX);
	if (conn->out.len + len > BH_RPC_QUEUE_MAX)
		return bh_err_as(err, BH_ERR_PEER, -ENOBUFS, "the peer does not read the %s",
				 conn->source.what);
	room = bh_fifo_reserve(&conn->out, BH_RPC_HEAD_BYTES + len);
	if (!room)
		return bh_err_oom(err);
	word = htobe32((uint32_t)len);
	memcpy(room, &word, sizeof(word));
	word = htobe32(stream);
	memcpy(room + 4, &word, sizeof(word));
	room[8] = (uint8_t)type;
	room[9] = 0;
	protobuf_c_message_pack(message, room + BH_RPC_HEAD_BYTES);
	bh_fifo_commit(&conn->out, BH_RPC_HEAD_BYTES + len);
	(void)!bh_fifo_write(&conn->out, conn->source.fd);
	return bh_loop_watch(conn->loop, &conn->source,
			     conn->source.events | (conn->out.len ? EPOLLOUT : 0), err);
}

int bh_rpc_conn_flush(struct bh_rpc_conn *conn, struct bh_err *err)
{
	ssize_t n = bh_fifo_write(&conn->out, conn->source.fd);

	return n < 0 ? bh_err_set(err, (int)n, "write to the %s", conn->source.what) : 0;
}

int bh_rpc_conn_watch(struct bh_rpc_conn *conn, bool reading, struct bh_err *err)
{
	return bh_loop_watch(conn->loop, &conn->source,
			     (reading ? EPOLLIN : 0) | (conn->out.len ? EPOLLOUT : 0), err);
}

/* ---- memory of foreign messages -------------------------------------------------------------- */

static void *alloc_bounded(void *data, size_t bytes)
{
	size_t *left = data;

	if (bytes > *left)
		return NULL;
	*left -= bytes;
	return malloc(bytes);
}

static void free_bounded(void *data, void *p)
{
	(void)data; /* what was used up stays used up: it bounds the sum */
	free(p);
}

ProtobufCMessage *bh_rpc_unpack(const ProtobufCMessageDescriptor *type, const void *data,
				size_t len)
{
	size_t left = UNPACKED_MAX;
	ProtobufCAllocator bounded = { .alloc = alloc_bounded,
				       .free = free_bounded,
				       .allocator_data = &left };

	return protobuf_c_message_unpack(type, &bounded, len, data);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames of ttrpc on a non-blocking stream socket: what client and server have in common.
 *
 *	bytes 0-3 length of the content, 4-7 stream (both big-endian), 8 type, 9 flags
 *
 * Source: containerd/ttrpc PROTOCOL.md
 */
#ifndef BH_RPC_CONN_H
#define BH_RPC_CONN_H

#include <protobuf-c/protobuf-c.h>
#include <stdint.h>

#include "base/err.h"
#include "loop/loop.h"
#include "rpc/fifo.h"

#define BH_RPC_HEAD_BYTES 10U
/* What may wait for a peer that does not read: several of the largest frames. */
#define BH_RPC_QUEUE_MAX (4 * BH_RPC_FRAME_MAX)

enum bh_rpc_type { BH_RPC_REQUEST = 1, BH_RPC_RESPONSE = 2, BH_RPC_DATA = 3 };

struct bh_rpc_frame {
	uint32_t stream;
	uint8_t type, flags;
	bool oversized;      /* longer than BH_RPC_FRAME_MAX; the content is thrown away */
	const uint8_t *data; /* borrowed until the next call on the connection */
	size_t len;
};

struct bh_rpc_conn {
	struct bh_loop *loop;
	struct bh_source source; /* fd is owned */
	struct bh_fifo in, out;
	size_t taken; /* bytes of @in that the frame handed out last lies in */
	size_t skip;  /* bytes of an oversized frame that are still to come */
};

#define BH_RPC_CONN_INIT                  \
	(struct bh_rpc_conn)              \
	{                                 \
		.source = {.fd = -EBADF } \
	}

/** bh_rpc_conn_init() - @fd is taken, also on failure, and made non-blocking */
int bh_rpc_conn_init(struct bh_rpc_conn *conn, struct bh_loop *loop, int fd, bh_source_fn fn,
		     const char *what, struct bh_err *err) bh_must_check;

/** bh_rpc_conn_deinit() - close it; idempotent */
void bh_rpc_conn_deinit(struct bh_rpc_conn *conn);

/** bh_rpc_conn_open() - not yet closed */
bool bh_rpc_conn_open(const struct bh_rpc_conn *conn);

/** bh_rpc_conn_read() - what has arrived, once. Return: 0; -EPIPE at the end; -errno; with @err */
int bh_rpc_conn_read(struct bh_rpc_conn *conn, struct bh_err *err) bh_must_check;

/** bh_rpc_conn_next() - the next frame that is complete. Return: whether there is one */
bool bh_rpc_conn_next(struct bh_rpc_conn *conn, struct bh_rpc_frame *ret);

/**
 * bh_rpc_conn_send() - queue a frame, and send what the socket takes now
 *
 * Trouble of the socket is not told here: it shows as an event.
 * Return: 0; -EMSGSIZE; -ENOBUFS when the peer does not read; -ENOMEM; with @err
 */
int bh_rpc_conn_send(struct bh_rpc_conn *conn, uint32_t stream, enum bh_rpc_type type,
		     const ProtobufCMessage *message, struct bh_err *err) bh_must_check;

/** bh_rpc_conn_flush() - send what the socket takes. Return: 0 or -errno with @err */
int bh_rpc_conn_flush(struct bh_rpc_conn *conn, struct bh_err *err) bh_must_check;

/** bh_rpc_conn_watch() - wait for what is to be done next. @reading: whether more may come */
int bh_rpc_conn_watch(struct bh_rpc_conn *conn, bool reading, struct bh_err *err) bh_must_check;

/**
 * bh_rpc_unpack() - a message from foreign bytes, whose memory is bounded
 *
 * Return: NULL when it cannot be decoded or would become too large; free with
 * protobuf_c_message_free_unpacked(message, NULL)
 */
ProtobufCMessage *bh_rpc_unpack(const ProtobufCMessageDescriptor *type, const void *data,
				size_t len);

#endif

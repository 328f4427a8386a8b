/* SPDX-License-Identifier: Apache-2.0 */
/* What the channel (mux.c) and its streams (mux_stream.c) know of each other. */
#ifndef BH_RPC_MUX_INTERNAL_H
#define BH_RPC_MUX_INTERNAL_H

#include <sys/types.h>

#include "rpc/fifo.h"
#include "rpc/mux.h"

#define BH_MUX_HEAD_BYTES 8U
#define BH_MUX_BUCKETS    64U

enum bh_mux_type {
	BH_MUX_HELLO = 1,
	BH_MUX_OPEN,
	BH_MUX_DATA,
	BH_MUX_END,
	BH_MUX_CREDIT,
	BH_MUX_CLOSE,
	BH_MUX_TYPE_MAX_,
};

struct bh_mux_stream {
	struct bh_mux *mux;
	struct bh_mux_stream *next; /* in its bucket */
	struct bh_mux_stream *queue_next;
	bool queued;             /* has something to send, or may have */
	struct bh_source source; /* our end of the pair; edge-triggered, which keeps the order in
				    which streams became ready */
	uint32_t id;

	/* to the peer */
	uint32_t credit; /* bytes that may be sent */
	bool open_due;   /* OPEN is to be sent */
	bool readable;   /* our end may have bytes */
	bool end_sent;
	bool close_sent;

	/* to the user */
	struct bh_fifo rx;  /* what the user's socket does not take yet */
	uint32_t allowance; /* bytes that the peer may send */
	uint32_t delivered; /* that it was not given back yet */
	bool end_received;
	bool end_told; /* to the user */
	bool close_received;
	bool gone; /* the user reads no more */
};

struct bh_mux {
	struct bh_loop *loop;
	struct bh_source source; /* fd is owned; negative once dead */
	unsigned int refs;       /* the owner, and what runs */
	enum bh_mux_side side;
	struct bh_mux_events on;
	bool ready;
	struct bh_timer hello;
	struct bh_deferred soon; /* a pump */
	struct bh_fifo in, out;
	size_t taken; /* bytes of @in that the frame at hand lies in */

	uint32_t last_id;
	unsigned int n_streams;
	struct bh_mux_stream *streams[BH_MUX_BUCKETS]; /* by id */
	struct bh_mux_stream *queue, **queue_end;
};

/* mux.c */

/** bh_mux_send() - queue a frame. Return: 0 or -ENOMEM */
int bh_mux_send(struct bh_mux *mux, uint32_t id, enum bh_mux_type type, const void *data,
		uint16_t len) bh_must_check;

/** bh_mux_send_from() - queue as DATA what one read(2) of at most @max bytes brings
 * Return: bytes; 0 at the end; -errno */
ssize_t bh_mux_send_from(struct bh_mux *mux, uint32_t id, int fd, size_t max) bh_must_check;

/** bh_mux_enqueue() - have the stream served at the next pump */
void bh_mux_enqueue(struct bh_mux_stream *stream);

/** bh_mux_pump() - serve the queue. The channel, and with it every stream, may be gone afterwards
 */
void bh_mux_pump(struct bh_mux *mux);

/* mux_stream.c */

struct bh_mux_stream *bh_mux_stream_find(struct bh_mux *mux, uint32_t id);

/** bh_mux_stream_accept() - OPEN came */
int bh_mux_stream_accept(struct bh_mux *mux, uint32_t id, uint16_t len,
			 struct bh_err *err) bh_must_check;

/** bh_mux_stream_frame() - another frame of an open stream came. Return: 0; -EPROTO, -ENOMEM */
int bh_mux_stream_frame(struct bh_mux_stream *stream, uint8_t type, const uint8_t *data,
			uint16_t len, struct bh_err *err) bh_must_check;

/** bh_mux_stream_serve() - queue what the stream has to send; it may be freed. Return: 0, -ENOMEM
 */
int bh_mux_stream_serve(struct bh_mux_stream *stream) bh_must_check;

void bh_mux_stream_free(struct bh_mux_stream *stream);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Datagrams over a stream socket: each is its length, two bytes big-endian, and its bytes, which is
 * how DNS has them over TCP. What the peer is too slow for is dropped, as datagrams are.
 *
 * Source: RFC 1035, 4.2.2
 */
#ifndef BH_RPC_DATAGRAMS_H
#define BH_RPC_DATAGRAMS_H

#include <stdint.h>

#include "loop/loop.h"

#define BH_DATAGRAM_MAX  4096U
#define BH_DATAGRAM_HEAD 2U

struct bh_datagrams {
	struct bh_loop *loop;
	struct bh_source source; /* fd is owned */
	void (*arrived)(void *arg, const uint8_t *data, size_t len);
	/* The stream is over: its end, or a length that is none. Called once, and may free this */
	void (*ended)(void *arg);
	void *arg;
	size_t have, left, at; /* bytes of in; of out that are not yet written, and where */
	uint8_t in[BH_DATAGRAM_HEAD + BH_DATAGRAM_MAX];
	uint8_t out[BH_DATAGRAM_HEAD + BH_DATAGRAM_MAX];
};

/** bh_datagrams_start() - with arrived, ended and arg set
 * @fd: non-blocking; taken, also on failure. arrived() must not end @d */
int bh_datagrams_start(struct bh_datagrams *d, struct bh_loop *loop, int fd,
		       struct bh_err *err) bh_must_check;

/** bh_datagrams_send() - 1 to BH_DATAGRAM_MAX bytes */
void bh_datagrams_send(struct bh_datagrams *d, const void *data, size_t len);

/** bh_datagrams_take() - the first whole one of @len bytes at @data. Return: bytes that it takes
 * with its head, its own in @ret and @ret_len; 0 = not whole yet; -EBADMSG. Pure */
int bh_datagrams_take(const uint8_t *data, size_t len, const uint8_t **ret, size_t *ret_len);

/** bh_datagrams_end() - close the stream; ended() is not called. Idempotent */
void bh_datagrams_end(struct bh_datagrams *d);

#endif

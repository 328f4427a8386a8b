/* SPDX-License-Identifier: Apache-2.0 */
/* What both ends of a link agree on, and the parts of the guest's end, for those who test it. */
#ifndef BH_RPC_LINK_INTERNAL_H
#define BH_RPC_LINK_INTERNAL_H

#include "loop/acceptor.h"
#include "rpc/link.h"
#include "rpc/mux.h"

#define BH_LINK_KEY_BYTES      16U
#define BH_LINK_PREAMBLE_BYTES 8U

struct bh_link_incoming;

struct bh_link {
	struct bh_loop *loop;
	bh_link_dead_fn dead;
	void *arg;
	bool is_dead;
	struct bh_err why;

	struct bh_mux *mux; /* over serial */

	/* over vsock */
	uint8_t key[BH_LINK_KEY_BYTES];
	bool keyed;                  /* host: it was acknowledged; guest: it is known */
	struct bh_source first;      /* the connection that brings the key; fd is owned */
	struct bh_acceptor listener; /* host: until the first connection; fd is owned */
	uint32_t cid;                /* the other end's: the only one that may connect */
	uint32_t port;               /* host: where it listens */

	/* guest */
	bh_link_accept_fn accept;
	size_t key_bytes; /* so many have come */
	struct bh_link_incoming *incoming;
	unsigned int n_incoming;
};

/** bh_link_new() - one that goes nowhere yet. Return: NULL when out of memory */
struct bh_link *bh_link_new(struct bh_loop *loop, bh_link_dead_fn dead, void *arg);

/** bh_link_die() - end it, and say why. The link may be freed afterwards */
void bh_link_die(struct bh_link *link, const struct bh_err *why);

/** bh_link_add_mux() - over a channel; @fd is taken, also on failure */
int bh_link_add_mux(struct bh_link *link, int fd, enum bh_mux_side side,
		    struct bh_err *err) bh_must_check;

/** bh_link_add_listener() - the guest's: over a socket that listens, for callers from @cid alone;
 * @fd is taken, also on failure */
int bh_link_add_listener(struct bh_link *link, int fd, uint32_t cid,
			 struct bh_err *err) bh_must_check;

/** bh_link_is_other_end() - whether it is the link's other end that called on @fd */
bool bh_link_is_other_end(const struct bh_link *link, int fd);

/* link_guest.c */

/** bh_link_call() - the guest's first connection, to the supervisor's @port at @cid */
int bh_link_call(struct bh_link *link, uint32_t cid, uint32_t port,
		 struct bh_err *err) bh_must_check;

/** bh_link_take_stream() - a stream that begins with its preamble; @keyed: with the key before it
 */
void bh_link_take_stream(struct bh_link *link, int fd, bool keyed);

/** bh_link_end_incoming() - close what has not said what it is for */
void bh_link_end_incoming(struct bh_link *link);

#endif

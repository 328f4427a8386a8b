/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two connected stream sockets made one connection: bytes both ways, each with back-pressure, and
 * the end of each direction passed on as such. After the end of one direction the other may be
 * silent for a minute: its peer is taken to be gone for good, which no stream can tell from one
 * that only listens.
 */
#ifndef BH_LOOP_DUPLEX_H
#define BH_LOOP_DUPLEX_H

#include "loop/relay.h"

struct bh_duplex {
	struct bh_loop *loop;
	struct bh_relay ways[2];
	struct bh_timer silence;
	uint64_t moved; /* when it was looked at last */
	/** told once both directions have ended, also by bh_duplex_end(); may be NULL. What @duplex
	 * is part of may be freed by it */
	void (*ended)(void *data);
	void *data;
};

/**
 * bh_duplex_start() - connect @a and @b
 * @duplex: zeroed, with ended and data set; embedded in its owner
 * @a, @b:  non-blocking; consumed always
 * @what:   for messages
 *
 * Return: 0; -errno with @err, ended is not called then
 */
int bh_duplex_start(struct bh_duplex *duplex, struct bh_loop *loop, int a, int b, const char *what,
		    struct bh_err *err) bh_must_check;

/** bh_duplex_end() - close both at once; idempotent */
void bh_duplex_end(struct bh_duplex *duplex);

#endif

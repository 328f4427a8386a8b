/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes from one descriptor to another, with back-pressure: nothing more is read before what was
 * read is written. Neither descriptor is made non-blocking behind the back of others that share it.
 */
#ifndef BH_LOOP_RELAY_H
#define BH_LOOP_RELAY_H

#include "loop/loop.h"

#define BH_RELAY_BYTES 16384

struct bh_relay_end {
	struct bh_source source;
	bool blocks; /* shared with others, so that it may not be made non-blocking */
	bool ready;  /* worth a try: poll said so, or it cannot be polled */
};

struct bh_relay {
	struct bh_loop *loop;
	struct bh_relay_end in, out;
	bool open;         /* until the end of input, or of output */
	bool draining;     /* end at the first moment without input */
	bool keep_reading; /* when output is gone: throw away, so that the writer does not block */
	bool discard;      /* output is gone */
	void (*ended)(void *data); /* told once; may be NULL */
	void *data;
	uint64_t moved;    /* bytes written so far */
	size_t start, len; /* what is in the buffer and not yet written */
	char *buffer;      /* BH_RELAY_BYTES, while open */
};

/**
 * bh_relay_start() - begin to copy
 * @relay: embedded in its owner, zeroed
 * @in_fd, @out_fd: consumed always; both are closed when the relay ends. At least one of them
 *   must be no regular file
 * @keep_reading: when @out_fd fails, throw away what comes instead of closing @in_fd
 * @what: for messages
 */
int bh_relay_start(struct bh_relay *relay, struct bh_loop *loop, int in_fd, int out_fd,
		   bool keep_reading, const char *what, struct bh_err *err) bh_must_check;

/** bh_relay_drain() - no more input is to come than is there now: copy that and end. The input must
 * not be one that blocks */
int bh_relay_drain(struct bh_relay *relay, struct bh_err *err) bh_must_check;

/** bh_relay_push() - move now what is there and what the writer takes at once. The input must not
 * be one that blocks. Return: 1 when something is left; 0 when not (or it has ended); -errno with
 * @err */
int bh_relay_push(struct bh_relay *relay, struct bh_err *err) bh_must_check;

/** bh_relay_end() - stop at once and close both ends; idempotent */
void bh_relay_end(struct bh_relay *relay);

/**
 * bh_relay_reopen() - a descriptor of the same terminal, pipe or device that is non-blocking
 * without those who share @fd noticing
 * @flags: O_RDONLY or O_WRONLY
 *
 * Return: the caller's; a duplicate of @fd when it cannot be opened again; -errno with @err
 */
int bh_relay_reopen(int fd, int flags, struct bh_err *err) bh_must_check;

#endif

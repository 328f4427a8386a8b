/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes that wait: put in at the end, taken from the front. Whoever fills it bounds it. */
#ifndef BH_RPC_FIFO_H
#define BH_RPC_FIFO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cleanup.h"

struct bh_fifo {
	uint8_t *data;
	size_t start, len, cap; /* the content is data[start .. start + len) */
	bool no_socket;         /* what it was last written to is none */
};

/** bh_fifo_deinit() - free the content; idempotent */
void bh_fifo_deinit(struct bh_fifo *fifo);

/** bh_fifo_front() - the first byte; valid until the next call that is not this one */
static inline const uint8_t *bh_fifo_front(const struct bh_fifo *fifo)
{
	return fifo->data + fifo->start;
}

/** bh_fifo_reserve() - room for @bytes at the end, to be followed by bh_fifo_commit()
 * Return: NULL when out of memory */
uint8_t *bh_fifo_reserve(struct bh_fifo *fifo, size_t bytes);

/** bh_fifo_commit() - @bytes were written to what bh_fifo_reserve() returned */
static inline void bh_fifo_commit(struct bh_fifo *fifo, size_t bytes)
{
	fifo->len += bytes;
}

/** bh_fifo_drop() - take @bytes, at most all, from the front; an empty one gives memory back */
void bh_fifo_drop(struct bh_fifo *fifo, size_t bytes);

/**
 * bh_fifo_write() - as much of the content as the descriptor takes now
 * @fd: non-blocking; socket, pipe or device. No SIGPIPE comes from a socket
 *
 * Return: bytes written, also 0; -errno
 */
ssize_t bh_fifo_write(struct bh_fifo *fifo, int fd) bh_must_check;

/** bh_fifo_pass() - the content, then @data: written as far as the descriptor takes it now, the
 * rest appended. Return: as bh_fifo_write(); -ENOMEM */
ssize_t bh_fifo_pass(struct bh_fifo *fifo, int fd, const void *data, size_t bytes) bh_must_check;

/** bh_fifo_read() - append what one read(2) of at most @max bytes brings
 * Return: bytes; -EAGAIN when there is nothing now; -EPIPE at the end; -errno */
ssize_t bh_fifo_read(struct bh_fifo *fifo, int fd, size_t max) bh_must_check;

#endif

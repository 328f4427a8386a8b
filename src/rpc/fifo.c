/* SPDX-License-Identifier: Apache-2.0 */
#include "rpc/fifo.h"

#include <string.h>
#include <sys/socket.h>

#define CAP_MIN 4096U
/* An empty one keeps no more than this. */
#define CAP_KEPT (64U << 10)

void bh_fifo_deinit(struct bh_fifo *fifo)
{
	free(fifo->data);
	*fifo = (struct bh_fifo){ .data = NULL };
}

static int grow(struct bh_fifo *fifo, size_t want)
{
	size_t cap = fifo->cap > CAP_MIN ? fifo->cap : CAP_MIN;
	uint8_t *data;

	while (cap < want && !__builtin_mul_overflow(cap, 2, &cap))
		;
	data = cap < want ? NULL : realloc(fifo->data, cap);
	if (!data)
		return -ENOMEM;
	fifo->data = data;
	fifo->cap = cap;
	return 0;
}

uint8_t *bh_fifo_reserve(struct bh_fifo *fifo, size_t bytes)
{
	size_t want;

	if (__builtin_add_overflow(fifo->len, bytes, &want))
		return NULL;
	/* Moved to the front when that makes room and is cheap: at most half is content. */
	if (fifo->start && fifo->cap - fifo->start < want &&
	    (fifo->len <= fifo->start || fifo->cap < want)) {
		memmove(fifo->data, fifo->data + fifo->start, fifo->len);
		fifo->start = 0;
	}
	if ((!fifo->data || fifo->cap - fifo->start < want) && grow(fifo, fifo->start + want) < 0)
		return NULL;
	return fifo->data + fifo->start + fifo->len;
}

/* Append a copy. Return: 0 or -ENOMEM */
static int put(struct bh_fifo *fifo, const void *data, size_t bytes)
{
	uint8_t *room = bh_fifo_reserve(fifo, bytes);

	if (!room)
		return -ENOMEM;
	if (bytes)
		memcpy(room, data, bytes);
	bh_fifo_commit(fifo, bytes);
	return 0;
}

void bh_fifo_drop(struct bh_fifo *fifo, size_t bytes)
{
	fifo->start += bytes;
	fifo->len -= bytes;
	if (fifo->len)
		return;
	fifo->start = 0;
	if (fifo->cap > CAP_KEPT)
		bh_fifo_deinit(fifo);
}

static ssize_t write_some(struct bh_fifo *fifo, int fd, const void *data, size_t bytes)
{
	ssize_t n;

	if (fifo->no_socket)
		return write(fd, data, bytes);
	n = send(fd, data, bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
	fifo->no_socket = n < 0 && errno == ENOTSOCK;
	return fifo->no_socket ? write(fd, data, bytes) : n;
}

ssize_t bh_fifo_write(struct bh_fifo *fifo, int fd)
{
	ssize_t total = 0;

	while (fifo->len) {
		ssize_t n = write_some(fifo, fd, bh_fifo_front(fifo), fifo->len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) /* an error after some progress shows the next time */
			return total || errno == EAGAIN ? total : -errno;
		bh_fifo_drop(fifo, (size_t)n);
		total += n;
	}
	return total;
}

ssize_t bh_fifo_pass(struct bh_fifo *fifo, int fd, const void *data, size_t bytes)
{
	ssize_t before = bh_fifo_write(fifo, fd), n = 0;

	if (before < 0)
		return before;
	if (!fifo->len && bytes) {
		n = write_some(fifo, fd, data, bytes);
		if (n < 0 && !before && errno != EAGAIN && errno != EINTR)
			return -errno;
		n = n < 0 ? 0 : n;
	}
	if ((size_t)n < bytes && put(fifo, (const char *)data + n, bytes - (size_t)n) < 0)
		return -ENOMEM;
	return before + n;
}

ssize_t bh_fifo_read(struct bh_fifo *fifo, int fd, size_t max)
{
	uint8_t *room = bh_fifo_reserve(fifo, max);
	ssize_t n;

	if (!room)
		return -ENOMEM;
	do
		n = read(fd, room, max);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return n < 0 ? -errno : -EPIPE;
	bh_fifo_commit(fifo, (size_t)n);
	return n;
}

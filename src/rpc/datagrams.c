/* SPDX-License-Identifier: Apache-2.0 */
#include "rpc/datagrams.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int bh_datagrams_take(const uint8_t *data, size_t len, const uint8_t **ret, size_t *ret_len)
{
	size_t size;

	if (len < BH_DATAGRAM_HEAD)
		return 0;
	size = (size_t)(data[0] << 8 | data[1]);
	if (size == 0 || size > BH_DATAGRAM_MAX)
		return -EBADMSG;
	if (len < BH_DATAGRAM_HEAD + size)
		return 0;
	*ret = data + BH_DATAGRAM_HEAD;
	*ret_len = size;
	return (int)(BH_DATAGRAM_HEAD + size);
}

void bh_datagrams_end(struct bh_datagrams *d)
{
	if (!d->loop || d->source.fd < 0)
		return;
	bh_loop_remove(d->loop, &d->source);
	d->source.fd = bh_close(d->source.fd);
}

/* Return: whether the stream is still good */
static bool deliver(struct bh_datagrams *d)
{
	const uint8_t *data;
	size_t len, at = 0;
	int n;

	while ((n = bh_datagrams_take(d->in + at, d->have - at, &data, &len)) > 0) {
		d->arrived(d->arg, data, len);
		at += (size_t)n;
	}
	d->have -= at;
	memmove(d->in, d->in + at, d->have);
	return n == 0;
}

static bool receive(struct bh_datagrams *d)
{
	ssize_t n = read(d->source.fd, d->in + d->have, sizeof(d->in) - d->have);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	d->have += (size_t)n;
	return n > 0 && deliver(d);
}

static bool push(struct bh_datagrams *d)
{
	ssize_t n = d->left ? send(d->source.fd, d->out + d->at, d->left, MSG_NOSIGNAL) : 0;
	struct bh_err err = BH_ERR_INIT;

	if (n < 0 && errno != EAGAIN && errno != EINTR)
		return false;
	if (n > 0) {
		d->at += (size_t)n;
		d->left -= (size_t)n;
	}
	return bh_loop_watch(d->loop, &d->source, EPOLLIN | (d->left ? EPOLLOUT : 0), &err) == 0;
}

static int on_stream(struct bh_source *source, uint32_t events, struct bh_err *err)
{
	struct bh_datagrams *d = bh_owner_of(source, struct bh_datagrams, source);
	bool good = true;

	(void)err;
	if (events & EPOLLOUT)
		good = push(d);
	if (good && events & ~(uint32_t)EPOLLOUT)
		good = receive(d);
	if (!good) {
		bh_datagrams_end(d);
		d->ended(d->arg);
	}
	return 0;
}

void bh_datagrams_send(struct bh_datagrams *d, const void *data, size_t len)
{
	if (d->source.fd < 0 || d->left || len == 0 || len > BH_DATAGRAM_MAX)
		return;
	d->out[0] = (uint8_t)(len >> 8);
	d->out[1] = (uint8_t)len;
	memcpy(d->out + BH_DATAGRAM_HEAD, data, len);
	d->at = 0;
	d->left = BH_DATAGRAM_HEAD + len;
	/* What is wrong with the stream is seen when it is read from. */
	(void)push(d);
}

int bh_datagrams_start(struct bh_datagrams *d, struct bh_loop *loop, int fd, struct bh_err *err)
{
	int r;

	d->loop = loop;
	d->have = d->left = 0;
	d->source = (struct bh_source){ .fd = fd, .fn = on_stream, .what = "datagrams" };
	r = bh_loop_add(loop, &d->source, EPOLLIN, err);
	if (r < 0)
		d->source.fd = bh_close(fd);
	return r < 0 ? r : 0;
}

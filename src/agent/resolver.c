/* SPDX-License-Identifier: Apache-2.0 */
/* Source: RFC 1035, 4.1.1: a message begins with its number, which the answer has as well */
#include "agent/resolver.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "rpc/datagrams.h"
#include "rpc/guest.h"

#define HEADER_BYTES 12
#define QUESTIONS    256 /* that wait for an answer; older ones are forgotten */

struct question {
	struct sockaddr_in from;
	uint16_t number; /* on the stream, where all have one of their own; 0 = none */
	uint8_t own[2];  /* as the one who asked has it */
};

struct resolver {
	struct bh_loop *loop;
	struct bh_source socket; /* fd is owned */
	struct bh_datagrams host;
	uint16_t last;
	struct question questions[QUESTIONS];
};

static int on_socket(struct bh_source *source, uint32_t events, struct bh_err *err)
{
	struct resolver *resolver = bh_owner_of(source, struct resolver, socket);
	struct question q = { .number = 0 };
	uint8_t message[BH_DATAGRAM_MAX];
	socklen_t len = sizeof(q.from);
	ssize_t n =
		recvfrom(source->fd, message, sizeof(message), 0, (struct sockaddr *)&q.from, &len);

	(void)events;
	(void)err;
	if (n < HEADER_BYTES)
		return 0;
	memcpy(q.own, message, sizeof(q.own));
	if (++resolver->last == 0)
		resolver->last = 1;
	q.number = resolver->last;
	message[0] = (uint8_t)(q.number >> 8);
	message[1] = (uint8_t)q.number;
	resolver->questions[q.number % QUESTIONS] = q;
	bh_datagrams_send(&resolver->host, message, (size_t)n);
	return 0;
}

static void on_answer(void *arg, const uint8_t *data, size_t len)
{
	struct resolver *resolver = arg;
	uint8_t message[BH_DATAGRAM_MAX];
	uint16_t number;
	struct question *q;

	if (len < HEADER_BYTES)
		return;
	number = (uint16_t)(data[0] << 8 | data[1]);
	q = &resolver->questions[number % QUESTIONS];
	if (!number || q->number != number)
		return;
	memcpy(message, data, len);
	memcpy(message, q->own, sizeof(q->own));
	q->number = 0;
	(void)!sendto(resolver->socket.fd, message, len, MSG_NOSIGNAL,
		      (const struct sockaddr *)&q->from, sizeof(q->from));
}

static void end(void *arg)
{
	struct resolver *resolver = arg;

	bh_datagrams_end(&resolver->host);
	bh_loop_remove(resolver->loop, &resolver->socket);
	bh_close(resolver->socket.fd);
	free(resolver);
}

static int listen_there(struct bh_err *err)
{
	const struct sockaddr_in at = { .sin_family = AF_INET,
					.sin_port = htons(BH_RESOLVER_PORT),
					.sin_addr.s_addr = htonl(BH_RESOLVER_ADDRESS) };
	bh_auto_close int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || bind(fd, (const struct sockaddr *)&at, sizeof(at)) < 0)
		return bh_err_set(err, -errno, "take the resolver's address");
	return bh_take_fd(&fd);
}

static int start(struct resolver *resolver, int stream, struct bh_err *err)
{
	int r = bh_datagrams_start(&resolver->host, resolver->loop, stream, err);

	if (r < 0)
		return r;
	resolver->socket.fd = listen_there(err);
	if (resolver->socket.fd < 0)
		return resolver->socket.fd;
	r = bh_loop_add(resolver->loop, &resolver->socket, EPOLLIN, err);
	return r < 0 ? r : 0;
}

void bh_agent_resolve(struct bh_loop *loop, int fd)
{
	struct resolver *resolver = calloc(1, sizeof(*resolver));
	char text[BH_ERR_LINE_BYTES];
	struct bh_err err = BH_ERR_INIT;

	if (!resolver) {
		bh_close(fd);
		return;
	}
	resolver->loop = loop;
	resolver->socket = (struct bh_source){ .fd = -EBADF, .fn = on_socket, .what = "resolver" };
	resolver->host.arrived = on_answer;
	resolver->host.ended = end;
	resolver->host.arg = resolver;
	if (start(resolver, fd, &err) < 0) {
		bh_warn("resolver: %s", bh_err_format(&err, text, sizeof(text)));
		end(resolver);
	}
}

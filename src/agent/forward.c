/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/forward.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "loop/duplex.h"
#include "loop/fiber.h"
#include "rpc/guest.h"

struct forward {
	struct bh_loop *loop;
	int stream;
	uint16_t port;
	struct bh_duplex duplex;
};

/* Return: connected socket, or -errno with @err */
static int connect_to(struct bh_loop *loop, const struct sockaddr *to, socklen_t len,
		      struct bh_err *err)
{
	bh_auto_close int fd = socket(to->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int r = 0;

	if (fd < 0)
		return bh_err_set(err, -errno, "make a socket");
	/* On the loopback it takes no time, unless the listener's queue is full. */
	if (connect(fd, to, len) < 0)
		r = errno == EINPROGRESS ? bh_fiber_connected(loop, fd, "forward", err)
					 : bh_err_set(err, -errno, "connect");
	return r < 0 ? r : bh_take_fd(&fd);
}

static int connect_loopback(struct bh_loop *loop, uint16_t port, struct bh_err *err)
{
	const struct sockaddr_in four = { .sin_family = AF_INET,
					  .sin_port = htons(port),
					  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const struct sockaddr_in6 six = { .sin6_family = AF_INET6,
					  .sin6_port = htons(port),
					  .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct bh_err unheard = BH_ERR_INIT;
	int fd = connect_to(loop, (const struct sockaddr *)&four, sizeof(four), err);

	if (fd >= 0)
		return fd;
	fd = connect_to(loop, (const struct sockaddr *)&six, sizeof(six), &unheard);
	return fd < 0 ? err->code : fd;
}

static void on_ended(void *data)
{
	free(data);
}

/* A fiber. */
static void run(void *arg)
{
	struct forward *forward = arg;
	struct bh_err err = BH_ERR_INIT;
	char text[BH_ERR_LINE_BYTES];
	bh_auto_close int fd = connect_loopback(forward->loop, forward->port, &err);
	const uint8_t said = fd < 0 ? BH_CONNECT_REFUSED : BH_CONNECT_DONE;
	int r = fd;

	/* A new stream takes one byte at once. */
	if (send(forward->stream, &said, sizeof(said), MSG_NOSIGNAL) != sizeof(said) || fd < 0) {
		bh_close(forward->stream);
		free(forward);
		return;
	}
	forward->duplex = (struct bh_duplex){ .ended = on_ended, .data = forward };
	r = bh_duplex_start(&forward->duplex, forward->loop, forward->stream, bh_take_fd(&fd),
			    "forwarded", &err);
	if (r < 0) {
		bh_warn("port %u: %s", forward->port, bh_err_format(&err, text, sizeof(text)));
		free(forward);
	}
}

void bh_forward(struct bh_loop *loop, uint16_t port, int fd)
{
	struct forward *forward = malloc(sizeof(*forward));
	struct bh_err err = BH_ERR_INIT;

	if (forward) {
		*forward = (struct forward){ .loop = loop, .stream = fd, .port = port };
		if (bh_fiber_start(loop, run, forward, &err) == 0)
			return;
	}
	bh_warn("port %u: out of memory", port);
	free(forward);
	bh_close(fd);
}

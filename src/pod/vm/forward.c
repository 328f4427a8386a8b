/* SPDX-License-Identifier: Apache-2.0 */
/* Source: containerd's sandbox_portforward_linux.go, for what a caller does */
#include "pod/vm/forward.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/path.h"
#include "linux/netdev.h"
#include "linux/ns.h"
#include "linux/sk_lookup.h"
#include "loop/acceptor.h"
#include "loop/duplex.h"
#include "loop/fiber.h"
#include "rpc/guest.h"

/* At a time; others wait in the listener's queue. */
#define CONNECTIONS_MAX 64
#define QUEUE           128
#define ANSWER_MS       10000 /* for the guest to say whether anybody listens */

struct connection {
	struct connection *next;
	struct bh_forward *forward;
	int client; /* until it is part of the duplex */
	uint16_t port;
	struct bh_source stream; /* until the guest's first byte; fd is owned */
	struct bh_timer timer;
	struct bh_duplex duplex;
};

struct bh_forward {
	struct bh_loop *loop;
	bh_forward_reach_fn reach;
	void *arg;
	struct bh_acceptor listener; /* fd is owned */
	int lookup;                  /* what leads all ports to it */
	struct connection *connections;
	unsigned int n;
};

static void log_err(const struct bh_err *err)
{
	char text[BH_ERR_LINE_BYTES];

	bh_warn("forward: %s", bh_err_format(err, text, sizeof(text)));
}

/* ---- a connection ---------------------------------------------------------------------------- */

static void watch_listener(struct bh_forward *forward)
{
	bh_acceptor_hold(&forward->listener, forward->n >= CONNECTIONS_MAX);
}

/* What is not part of the duplex by now was never connected: the client is to see a failure. */
static void drop(struct connection *c)
{
	static const struct linger reset = { .l_onoff = 1 };
	struct bh_forward *forward = c->forward;

	bh_list_remove(&forward->connections, c);
	forward->n--;
	bh_loop_disarm(forward->loop, &c->timer);
	bh_loop_remove(forward->loop, &c->stream);
	bh_close(c->stream.fd);
	if (c->client >= 0)
		(void)!setsockopt(c->client, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	bh_close(c->client);
	free(c);
	watch_listener(forward);
}

static void on_ended(void *data)
{
	drop(data);
}

static void connect_both(struct connection *c)
{
	struct bh_err err = BH_ERR_INIT;
	int stream = bh_take_fd(&c->stream.fd);

	c->duplex = (struct bh_duplex){ .ended = on_ended, .data = c };
	if (bh_duplex_start(&c->duplex, c->forward->loop, bh_take_fd(&c->client), stream,
			    "forwarded", &err) == 0)
		return;
	log_err(&err);
	drop(c);
}

static int on_answer(struct bh_source *source, uint32_t events, struct bh_err *err)
{
	struct connection *c = bh_owner_of(source, struct connection, stream);
	uint8_t said = BH_CONNECT_REFUSED;
	ssize_t n = read(source->fd, &said, sizeof(said));

	(void)events;
	(void)err;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n != sizeof(said) || said != BH_CONNECT_DONE) {
		bh_debug("forward: nobody listens at the guest's port %u", c->port);
		drop(c);
		return 0;
	}
	bh_loop_disarm(c->forward->loop, &c->timer);
	bh_loop_remove(c->forward->loop, source);
	connect_both(c);
	return 0;
}

static void on_no_answer(struct bh_timer *timer)
{
	drop(bh_owner_of(timer, struct connection, timer));
}

/* A fiber. */
static void run(void *arg)
{
	struct connection *c = arg;
	struct bh_forward *forward = c->forward;
	struct bh_err err = BH_ERR_INIT;
	int r = forward->reach(forward->arg, c->port, &err);

	if (r >= 0) {
		c->stream = (struct bh_source){ .fd = r, .fn = on_answer, .what = "forward" };
		c->timer.fn = on_no_answer;
		bh_loop_arm(forward->loop, &c->timer, ANSWER_MS);
		r = bh_loop_add(forward->loop, &c->stream, EPOLLIN, &err);
	}
	if (r < 0) {
		log_err(&err);
		drop(c);
	}
}

static int take(struct bh_forward *forward, int *client, struct bh_err *err)
{
	struct sockaddr_in meant;
	socklen_t len = sizeof(meant);
	struct connection *c;

	if (getsockname(*client, (struct sockaddr *)&meant, &len) < 0)
		return bh_err_set(err, -errno, "find the port that was meant");
	c = calloc(1, sizeof(*c));
	if (!c)
		return bh_err_oom(err);
	c->forward = forward;
	c->client = bh_take_fd(client);
	c->port = ntohs(meant.sin_port);
	c->stream.fd = -EBADF;
	c->next = forward->connections;
	forward->connections = c;
	forward->n++;
	watch_listener(forward);
	if (bh_fiber_start(forward->loop, run, c, err) < 0) {
		drop(c);
		return err->code;
	}
	return 0;
}

static void on_client(struct bh_acceptor *listener, int fd)
{
	struct bh_forward *forward = bh_owner_of(listener, struct bh_forward, listener);
	bh_auto_close int client = fd;
	struct bh_err err = BH_ERR_INIT;

	if (take(forward, &client, &err) < 0)
		log_err(&err);
}

/* ---- the listener ---------------------------------------------------------------------------- */

/* Within the namespace. @arg: where the descriptor goes */
static int make_listener(void *arg, struct bh_err *err)
{
	const struct sockaddr_in at = { .sin_family = AF_INET,
					.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	bh_auto_close int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || bind(fd, (const struct sockaddr *)&at, sizeof(at)) < 0 ||
	    listen(fd, QUEUE) < 0)
		return bh_err_set(err, -errno, "listen on the loopback");
	*(int *)arg = bh_take_fd(&fd);
	return 0;
}

static int listen_in(int netns_fd, struct bh_err *err)
{
	bh_auto_close int fd = -EBADF;
	int r = bh_ns_visit_network(netns_fd, make_listener, &fd, err);

	return r < 0 ? r : bh_take_fd(&fd);
}

static int start(struct bh_forward *forward, int netns_fd, struct bh_err *err)
{
	int fd = listen_in(netns_fd, err);

	forward->listener.source.fd = fd;
	if (fd < 0)
		return fd;
	forward->lookup = bh_sk_lookup_loopback(netns_fd, fd, err);
	if (forward->lookup < 0)
		return forward->lookup;
	return bh_acceptor_start(forward->loop, &forward->listener, err);
}

int bh_forward_try(struct bh_err *err)
{
	const struct sockaddr_in to = { .sin_family = AF_INET,
					.sin_port = htons(1),
					.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	bh_auto_close int netns =
		bh_path_open(AT_FDCWD, "/proc/thread-self/ns/net", O_RDONLY, 0, BH_PATH_HOST, err);
	bh_auto_close int listener = -EBADF, lookup = -EBADF, client = -EBADF;

	if (netns < 0 || bh_netdev_loopback_up(err) < 0)
		return err->code;
	if (make_listener(&listener, err) < 0)
		return err->code;
	lookup = bh_sk_lookup_loopback(netns, listener, err);
	if (lookup < 0)
		return lookup;
	client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (client < 0 || connect(client, (const struct sockaddr *)&to, sizeof(to)) < 0)
		return bh_err_set(err, -errno, "connect to a port that is led elsewhere");
	return 0;
}

int bh_forward_start(struct bh_loop *loop, int netns_fd, bh_forward_reach_fn reach, void *arg,
		     struct bh_forward **ret, struct bh_err *err)
{
	struct bh_forward *forward = calloc(1, sizeof(*forward));
	int r;

	*ret = NULL;
	if (!forward)
		return bh_err_oom(err);
	*forward = (struct bh_forward){
		.loop = loop,
		.reach = reach,
		.arg = arg,
		.listener = { .source = { .fd = -EBADF, .what = "forward" }, .fn = on_client },
		.lookup = -EBADF,
	};
	r = start(forward, netns_fd, err);
	if (r < 0)
		bh_forward_free(forward);
	else
		*ret = forward;
	return r;
}

struct bh_forward *bh_forward_free(struct bh_forward *forward)
{
	struct connection *c, *next;

	if (!forward)
		return NULL;
	for (c = forward->connections; c; c = next) {
		next = c->next;
		if (c->duplex.ended)
			bh_duplex_end(&c->duplex);
		else
			drop(c);
	}
	bh_acceptor_stop(&forward->listener);
	bh_close(forward->listener.source.fd);
	bh_close(forward->lookup);
	free(forward);
	return NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What both ends share, and the host's. Source: vsock(7) */
#include "rpc/link.h"

#include <endian.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#include <linux/vm_sockets.h> /* its older versions want <sys/socket.h> before */

#include "loop/fiber.h"
#include "rpc/link_internal.h"

/* ---- both ends ------------------------------------------------------------------------------- */

struct bh_link *bh_link_new(struct bh_loop *loop, bh_link_dead_fn dead, void *arg)
{
	struct bh_link *link = calloc(1, sizeof(*link));

	if (!link)
		return NULL;
	link->loop = loop;
	link->dead = dead;
	link->arg = arg;
	link->listener.source.fd = link->first.fd = -EBADF;
	return link;
}

static void close_listener(struct bh_link *link)
{
	bh_acceptor_stop(&link->listener);
	link->listener.source.fd = bh_close(link->listener.source.fd);
}

static void shut(struct bh_link *link)
{
	link->mux = bh_mux_free(link->mux);
	close_listener(link);
	bh_loop_remove(link->loop, &link->first);
	link->first.fd = bh_close(link->first.fd);
	bh_link_end_incoming(link);
}

void bh_link_die(struct bh_link *link, const struct bh_err *why)
{
	if (link->is_dead)
		return;
	link->is_dead = true;
	link->why = *why;
	shut(link);
	if (link->dead)
		link->dead(link->arg, why);
}

struct bh_link *bh_link_free(struct bh_link *link)
{
	if (!link)
		return NULL;
	shut(link);
	free(link);
	return NULL;
}

static void on_mux_dead(void *arg, const struct bh_err *why)
{
	bh_link_die(arg, why);
}

static void on_mux_stream(void *arg, int fd)
{
	bh_link_take_stream(arg, fd, false);
}

int bh_link_add_mux(struct bh_link *link, int fd, enum bh_mux_side side, struct bh_err *err)
{
	struct bh_mux_events on = { .accept = on_mux_stream, .dead = on_mux_dead, .arg = link };

	return bh_mux_new(link->loop, fd, side, &on, &link->mux, err);
}

bool bh_link_is_other_end(const struct bh_link *link, int fd)
{
	struct sockaddr_vm from = { .svm_family = AF_UNSPEC };
	socklen_t len = sizeof(from);

	return getpeername(fd, (struct sockaddr *)&from, &len) == 0 &&
	       from.svm_family == AF_VSOCK && from.svm_cid == link->cid;
}

/* ---- host ------------------------------------------------------------------------------------ */

int bh_link_serial(struct bh_loop *loop, int fd, bh_link_dead_fn dead, void *arg,
		   struct bh_link **ret, struct bh_err *err)
{
	struct bh_link *link = bh_link_new(loop, dead, arg);
	int r;

	*ret = NULL;
	if (!link) {
		bh_close(fd);
		return bh_err_oom(err);
	}
	r = bh_link_add_mux(link, fd, BH_MUX_HOST, err);
	if (r < 0)
		bh_link_free(link);
	else
		*ret = link;
	return r;
}

/* What begins a stream. Return: its length */
static size_t preamble(const struct bh_link *link, uint8_t *buf, uint32_t kind, uint32_t token)
{
	uint32_t words[2] = { htobe32(kind), htobe32(token) };
	size_t key = link->mux ? 0 : sizeof(link->key);

	memcpy(buf, link->key, key);
	memcpy(buf + key, words, sizeof(words));
	return key + sizeof(words);
}

/* A new socket takes these few bytes at once. */
static int send_preamble(const struct bh_link *link, int fd, uint32_t kind, uint32_t token,
			 struct bh_err *err)
{
	uint8_t buf[BH_LINK_KEY_BYTES + BH_LINK_PREAMBLE_BYTES];
	size_t len = preamble(link, buf, kind, token);
	ssize_t n = send(fd, buf, len, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n == (ssize_t)len)
		return 0;
	return bh_err_set(err, n < 0 ? -errno : -EIO, "begin a stream to the agent");
}

/* Return: a socket that is connected (@ret_pending false) or about to be; -errno */
static int try_connect(uint32_t cid, bool *ret_pending, struct bh_err *err)
{
	struct sockaddr_vm to = { .svm_family = AF_VSOCK,
				  .svm_cid = cid,
				  .svm_port = BH_LINK_VSOCK_PORT };
	bh_auto_close int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return bh_err_set(err, -errno, "make a vsock socket");
	*ret_pending = connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0;
	if (*ret_pending && errno != EINPROGRESS)
		return bh_err_set(err, -errno, "connect to vsock %u:%u", cid, BH_LINK_VSOCK_PORT);
	return bh_take_fd(&fd);
}

/* One byte acknowledges the key; any other word, and the end, is the end of the link. */
static int first_readable(struct bh_link *link, struct bh_err *err)
{
	uint8_t byte;
	ssize_t n = read(link->first.fd, &byte, sizeof(byte));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n < 0)
		return bh_err_set(err, -errno, "read from the agent's vsock");
	if (n == 0)
		return bh_err_as(err, BH_ERR_PEER, -EPIPE, "the agent closed its vsock");
	if (link->keyed)
		return bh_err_as(err, BH_ERR_PEER, -EPROTO, "the agent spoke out of turn");
	link->keyed = true;
	return 0;
}

static int on_first(struct bh_source *source, uint32_t events, struct bh_err *loop_err)
{
	struct bh_link *link = bh_owner_of(source, struct bh_link, first);
	struct bh_err err = BH_ERR_INIT;

	(void)events;
	(void)loop_err;
	if (first_readable(link, &err) < 0)
		bh_link_die(link, &err);
	return 0;
}

/* The guest's one call; whoever else calls is not heard. */
static int take_first(struct bh_link *link, int fd, struct bh_err *err)
{
	close_listener(link);
	link->first = (struct bh_source){ .fd = fd, .fn = on_first, .what = "agent's vsock" };
	/* A new socket takes these few bytes at once. */
	if (send(fd, link->key, sizeof(link->key), MSG_NOSIGNAL | MSG_DONTWAIT) !=
	    (ssize_t)sizeof(link->key))
		return bh_err_set(err, -EPIPE, "give the agent its key");
	return bh_loop_add(link->loop, &link->first, EPOLLIN, err);
}

static void on_call(struct bh_acceptor *listener, int fd)
{
	struct bh_link *link = bh_owner_of(listener, struct bh_link, listener);
	struct bh_err err = BH_ERR_INIT;

	if (!bh_link_is_other_end(link, fd))
		bh_close(fd);
	else if (take_first(link, fd, &err) < 0)
		bh_link_die(link, &err);
}

static int await_call(struct bh_link *link, struct bh_err *err)
{
	struct sockaddr_vm at = { .svm_family = AF_VSOCK,
				  .svm_cid = VMADDR_CID_ANY,
				  .svm_port = VMADDR_PORT_ANY };
	socklen_t len = sizeof(at);
	int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	link->listener =
		(struct bh_acceptor){ .source = { .fd = fd, .what = "vsock" }, .fn = on_call };
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 ||
	    getsockname(fd, (struct sockaddr *)&at, &len) < 0 || listen(fd, SOMAXCONN) < 0)
		return bh_err_set(err, -errno, "listen on vsock");
	link->port = at.svm_port;
	return bh_acceptor_start(link->loop, &link->listener, err);
}

int bh_link_vsock(struct bh_loop *loop, uint32_t cid, bh_link_dead_fn dead, void *arg,
		  struct bh_link **ret, struct bh_err *err)
{
	struct bh_link *link = bh_link_new(loop, dead, arg);
	int r = 0;

	*ret = NULL;
	if (!link)
		return bh_err_oom(err);
	link->cid = cid;
	if (getrandom(link->key, sizeof(link->key), 0) != (ssize_t)sizeof(link->key))
		r = bh_err_set(err, -EIO, "get random bytes");
	r = r < 0 ? r : await_call(link, err);
	if (r < 0)
		bh_link_free(link);
	else
		*ret = link;
	return r;
}

uint32_t bh_link_vsock_port(const struct bh_link *link)
{
	return link->port;
}

int bh_link_ready(struct bh_link *link, struct bh_err *err)
{
	if (link->is_dead) {
		*err = link->why;
		return link->why.code;
	}
	return link->mux ? bh_mux_ready(link->mux) : link->keyed;
}

static int open_vsock(struct bh_link *link, uint32_t kind, uint32_t token, struct bh_err *err)
{
	struct bh_link copy = { .loop = link->loop }; /* the link may end while this waits */
	bh_auto_close int fd = -EBADF;
	bool pending = false;

	if (!link->keyed)
		return bh_err_as(err, BH_ERR_PEER, -ENOTCONN, "the agent was not reached yet");
	memcpy(copy.key, link->key, sizeof(copy.key));
	fd = try_connect(link->cid, &pending, err);
	if (fd < 0)
		return fd;
	/* The kernel ends it in two seconds at the most: SO_VM_SOCKETS_CONNECT_TIMEOUT. */
	if (pending && bh_fiber_connected(copy.loop, fd, "agent", err) < 0)
		return err->code;
	if (send_preamble(&copy, fd, kind, token, err) < 0)
		return err->code;
	return bh_take_fd(&fd);
}

int bh_link_open(struct bh_link *link, enum bh_stream_kind kind, uint32_t token, struct bh_err *err)
{
	bh_auto_close int fd = -EBADF;

	if (link->is_dead) {
		*err = link->why;
		return link->why.code;
	}
	if (!link->mux)
		return open_vsock(link, kind, token, err);
	fd = bh_mux_open(link->mux, err);
	if (fd < 0)
		return fd;
	if (send_preamble(link, fd, kind, token, err) < 0)
		return err->code;
	return bh_take_fd(&fd);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "pod/vm/resolver.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/path.h"
#include "linux/ns.h"
#include "rpc/datagrams.h"
#include "rpc/guest.h"

#define SOCKETS     "/proc/thread-self/net/udp"
#define SOCKETS_MAX (1U << 20)
/* 127.0.0.11 as that file has it: in the machine's order of bytes. */
#define ADDRESS_FORMAT ": %08X:"
/* Between two looks for a resolver that went away. */
#define AGAIN_MS 1000

struct bh_resolver {
	struct bh_loop *loop;
	int netns_fd;            /* borrowed */
	struct bh_source socket; /* fd is owned */
	struct bh_timer again;
	struct bh_datagrams guest;
};

/* ---- the engine's side ----------------------------------------------------------------------- */

/* Within the namespace. @arg: where the descriptor goes */
static int connect_here(void *arg, struct bh_err *err)
{
	const struct sockaddr_in at = { .sin_family = AF_INET,
					.sin_port = htons(BH_RESOLVER_PORT),
					.sin_addr.s_addr = htonl(BH_RESOLVER_ADDRESS) };
	bh_auto_close int fd = -EBADF;
	bh_auto_free char *list = NULL;
	char wanted[sizeof(ADDRESS_FORMAT) + 8];
	int r = bh_path_read(AT_FDCWD, SOCKETS, BH_PATH_HOST, SOCKETS_MAX, &list, NULL, err);

	if (r < 0)
		return r;
	snprintf(wanted, sizeof(wanted), ADDRESS_FORMAT, htonl(BH_RESOLVER_ADDRESS));
	if (!strstr(list, wanted))
		return -ENOENT;
	/* Its port is another one, to which the namespace's rules lead. */
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&at, sizeof(at)) < 0)
		return bh_err_set(err, -errno, "make a socket to the resolver");
	*(int *)arg = bh_take_fd(&fd);
	return 0;
}

int bh_resolver_find(int netns_fd, struct bh_err *err)
{
	bh_auto_close int fd = -EBADF;
	int r = bh_ns_visit_network(netns_fd, connect_here, &fd, err);

	return r < 0 ? r : bh_take_fd(&fd);
}

/* Its port changes with the engine's restart, which the kernel's memory of the old one outlives. */
static void lose_socket(struct bh_resolver *resolver)
{
	bh_loop_remove(resolver->loop, &resolver->socket);
	resolver->socket.fd = bh_close(resolver->socket.fd);
	bh_loop_arm(resolver->loop, &resolver->again, AGAIN_MS);
}

static int on_socket(struct bh_source *source, uint32_t events, struct bh_err *err)
{
	struct bh_resolver *resolver = bh_owner_of(source, struct bh_resolver, socket);
	uint8_t answer[BH_DATAGRAM_MAX];
	ssize_t n = recv(source->fd, answer, sizeof(answer), 0);

	(void)events;
	(void)err;
	if (n > 0)
		bh_datagrams_send(&resolver->guest, answer, (size_t)n);
	else if (n < 0 && errno != EAGAIN && errno != EINTR)
		lose_socket(resolver);
	return 0;
}

static int watch_socket(struct bh_resolver *resolver, int fd, struct bh_err *err)
{
	int r;

	resolver->socket.fd = fd;
	r = bh_loop_add(resolver->loop, &resolver->socket, EPOLLIN, err);
	if (r < 0)
		resolver->socket.fd = bh_close(fd);
	return r < 0 ? r : 0;
}

static void on_again(struct bh_timer *timer)
{
	struct bh_resolver *resolver = bh_owner_of(timer, struct bh_resolver, again);
	struct bh_err err = BH_ERR_INIT;
	int fd = bh_resolver_find(resolver->netns_fd, &err);

	if (fd < 0 || watch_socket(resolver, fd, &err) < 0)
		bh_loop_arm(resolver->loop, timer, AGAIN_MS);
}

/* ---- the guest's side ------------------------------------------------------------------------ */

static void on_question(void *arg, const uint8_t *data, size_t len)
{
	struct bh_resolver *resolver = arg;

	/* That nobody is there is told once: to the next question, or to who reads. */
	if (resolver->socket.fd >= 0 && send(resolver->socket.fd, data, len, MSG_NOSIGNAL) < 0 &&
	    errno != EAGAIN && errno != EINTR)
		lose_socket(resolver);
}

static void on_guest_ended(void *arg)
{
	struct bh_resolver *resolver = arg;

	bh_loop_disarm(resolver->loop, &resolver->again);
	bh_loop_remove(resolver->loop, &resolver->socket);
	resolver->socket.fd = bh_close(resolver->socket.fd);
}

/* ---- both ------------------------------------------------------------------------------------ */

int bh_resolver_start(struct bh_loop *loop, int netns_fd, int socket, int stream,
		      struct bh_resolver **ret, struct bh_err *err)
{
	struct bh_resolver *resolver = calloc(1, sizeof(*resolver));
	int r;

	if (!resolver) {
		bh_close(socket);
		bh_close(stream);
		return bh_err_oom(err);
	}
	resolver->loop = loop;
	resolver->netns_fd = netns_fd;
	resolver->socket.fn = on_socket;
	resolver->socket.what = "resolver";
	resolver->again.fn = on_again;
	resolver->guest.arrived = on_question;
	resolver->guest.ended = on_guest_ended;
	resolver->guest.arg = resolver;
	r = bh_datagrams_start(&resolver->guest, loop, stream, err);
	if (r < 0)
		resolver->socket.fd = bh_close(socket);
	else
		r = watch_socket(resolver, socket, err);
	if (r < 0)
		bh_resolver_free(resolver);
	else
		*ret = resolver;
	return r;
}

struct bh_resolver *bh_resolver_free(struct bh_resolver *resolver)
{
	if (resolver) {
		on_guest_ended(resolver);
		bh_datagrams_end(&resolver->guest);
	}
	free(resolver);
	return NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The link to an agent over vsock, on a kernel that lets a machine call itself (vsock_loopback):
 * both ends in one process. `link-cases NAME` runs one case; status 77 is a skip, with its reason
 * printed.
 */
#include <endian.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/vm_sockets.h> /* its older versions want <sys/socket.h> before */

#include "loop/fiber.h"
#include "rpc/link.h"
#include "rpc/link_internal.h"

#define SKIP       77
#define WAIT_MS    10U
#define TRIES      500
#define SETTLE_MS  100U
#define KEY_BYTES  BH_LINK_KEY_BYTES
#define HEAD_BYTES (KEY_BYTES + BH_LINK_PREAMBLE_BYTES)

static struct bh_loop loop;
static struct bh_err err;
static struct bh_link *host, *guest;
static int accepted = -EBADF, n_accepted, host_dead, guest_dead;
static uint32_t token;

#define CHECK(condition)                                                   \
	do {                                                               \
		char line_[1300];                                          \
		if (!(condition)) {                                        \
			printf("line %d: %s: %s\n", __LINE__, #condition,  \
			       bh_err_format(&err, line_, sizeof(line_))); \
			return 1;                                          \
		}                                                          \
	} while (0)

static void on_accept(void *arg, enum bh_stream_kind kind, uint32_t which, int fd)
{
	(void)arg;
	(void)kind;
	bh_close(accepted);
	accepted = fd;
	token = which;
	n_accepted++;
}

static void on_dead(void *arg, const struct bh_err *why)
{
	(void)why;
	(*(int *)arg)++;
}

static int listener(void)
{
	struct sockaddr_vm at = { .svm_family = AF_VSOCK,
				  .svm_cid = VMADDR_CID_ANY,
				  .svm_port = BH_LINK_VSOCK_PORT };
	int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0 && listen(fd, 16) == 0
		       ? fd
		       : bh_close(fd);
}

static int call(uint32_t port)
{
	struct sockaddr_vm to = { .svm_family = AF_VSOCK,
				  .svm_cid = VMADDR_CID_LOCAL,
				  .svm_port = port };
	int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0 ? fd : bh_close(fd);
}

static int start(uint32_t from_cid)
{
	int fd = listener(), probe = call(BH_LINK_VSOCK_PORT);

	bh_close(probe);
	if (fd < 0 || probe < 0) {
		printf("needs vsock that reaches its own machine\n");
		return SKIP;
	}
	CHECK(bh_loop_init(&loop, &err) == 0);
	guest = bh_link_new(&loop, on_dead, &guest_dead);
	CHECK(guest);
	guest->accept = on_accept;
	CHECK(bh_link_add_listener(guest, fd, from_cid, &err) == 0);
	CHECK(bh_link_vsock(&loop, from_cid, on_dead, &host_dead, &host, &err) == 0);
	return 0;
}

/* The guest calls the supervisor. */
static int reach(void)
{
	CHECK(bh_link_ready(host, &err) == 0);
	CHECK(bh_link_call(guest, VMADDR_CID_LOCAL, bh_link_vsock_port(host), &err) == 0);
	for (int i = 0; i < TRIES && bh_link_ready(host, &err) == 0; i++)
		CHECK(bh_fiber_sleep(&loop, WAIT_MS, &err) == 0);
	CHECK(bh_link_ready(host, &err) == 1);
	return 0;
}

/* Whether the guest has closed a connection that says @key and @kind. */
static bool is_refused(const uint8_t *key, uint32_t kind)
{
	bh_auto_close int fd = call(BH_LINK_VSOCK_PORT);
	uint8_t head[HEAD_BYTES] = { 0 }, got;
	uint32_t be_kind = htobe32(kind);

	memcpy(head, key, KEY_BYTES);
	memcpy(head + KEY_BYTES, &be_kind, sizeof(be_kind));
	if (fd < 0 || send(fd, head, sizeof(head), MSG_NOSIGNAL) != sizeof(head))
		return false;
	(void)!bh_fiber_sleep(&loop, SETTLE_MS, &err);
	return recv(fd, &got, 1, MSG_DONTWAIT) == 0 || errno == ECONNRESET;
}

static int carries(void)
{
	char got[16];
	int r = start(VMADDR_CID_LOCAL), fd;

	if (r)
		return r;
	CHECK(bh_link_open(host, BH_STREAM_RPC, 0, &err) == -ENOTCONN);
	CHECK(reach() == 0);
	fd = bh_link_open(host, BH_STREAM_STDIO, 77, &err);
	CHECK(fd >= 0);
	CHECK(write(fd, "down", 4) == 4);
	CHECK(bh_fiber_sleep(&loop, SETTLE_MS, &err) == 0);
	CHECK(n_accepted == 1 && token == 77);
	CHECK(read(accepted, got, sizeof(got)) == 4);
	CHECK(write(accepted, "up", 2) == 2 && shutdown(accepted, SHUT_WR) == 0);
	CHECK(bh_fiber_sleep(&loop, SETTLE_MS, &err) == 0);
	CHECK(read(fd, got, sizeof(got)) == 2);
	CHECK(read(fd, got, sizeof(got)) == 0);
	bh_close(fd);
	host = bh_link_free(host);
	CHECK(bh_fiber_sleep(&loop, SETTLE_MS, &err) == 0);
	CHECK(guest_dead == 1);
	return 0;
}

static int others_are_refused(void)
{
	uint8_t wrong[KEY_BYTES] = { 1 };
	int r = start(VMADDR_CID_LOCAL);

	if (r)
		return r;
	CHECK(is_refused(wrong, BH_STREAM_RPC)); /* before there is a key */
	CHECK(reach() == 0);
	CHECK(is_refused(wrong, BH_STREAM_RPC));
	CHECK(is_refused(host->key, 0));
	CHECK(is_refused(host->key, BH_STREAM_KIND_MAX_));
	CHECK(n_accepted == 0 && guest->n_incoming == 0);
	CHECK(!is_refused(host->key, BH_STREAM_RPC) && n_accepted == 1);
	CHECK(!host_dead && !guest_dead);
	return 0;
}

/* Who is called from is not who may call: both ends take the host alone for the other. */
static int callers_from_elsewhere_are_refused(void)
{
	uint8_t key[KEY_BYTES] = { 0 };
	char got;
	int r = start(VMADDR_CID_HOST), fd;

	if (r)
		return r;
	guest->keyed = true;
	CHECK(is_refused(key, BH_STREAM_RPC));
	CHECK(n_accepted == 0 && guest->n_incoming == 0);
	fd = call(bh_link_vsock_port(host));
	CHECK(fd >= 0 && bh_fiber_sleep(&loop, SETTLE_MS, &err) == 0);
	CHECK(recv(fd, &got, 1, MSG_DONTWAIT) == 0 || errno == ECONNRESET);
	CHECK(bh_link_ready(host, &err) == 0 && !host_dead);
	bh_close(fd);
	return 0;
}

/* The supervisor hears the guest once. */
static int there_is_one_call(void)
{
	int r = start(VMADDR_CID_LOCAL);

	if (r)
		return r;
	CHECK(reach() == 0);
	CHECK(call(bh_link_vsock_port(host)) < 0);
	CHECK(bh_link_ready(host, &err) == 1);
	return 0;
}

static const struct {
	const char *name;
	int (*run)(void);
} cases[] = {
	{ "carries", carries },
	{ "refuses", others_are_refused },
	{ "once", there_is_one_call },
	{ "elsewhere", callers_from_elsewhere_are_refused },
};

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; argc == 2 && i < BH_ARRAY_SIZE(cases); i++)
		if (!strcmp(argv[1], cases[i].name))
			return cases[i].run();
	printf("usage: link-cases NAME\n");
	return 2;
}

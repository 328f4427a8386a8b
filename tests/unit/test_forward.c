/* SPDX-License-Identifier: Apache-2.0 */
/* The forward of a pod's ports, in a network namespace made for the test; the guest is the test.
 * Needs root. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>

#include "base/embed.h"
#include "linux/netdev.h"
#include "pod/vm/forward.h"
#include "rpc/guest.h"

#define STEP_MS   20
#define STEPS_MAX 500 /* until the loop comes to rest */

struct bench {
	struct bh_loop loop;
	struct bh_timer timer;
	struct bh_forward *forward;
	struct bh_err err;
	int own, pod; /* namespaces */
	int guests[80];
	size_t n;
	uint16_t port; /* that was asked for last */
	bool fail;
};

static int on_open(void *arg, uint16_t port, struct bh_err *err)
{
	struct bench *b = arg;
	int pair[2];

	b->port = port;
	if (b->fail)
		return bh_err_as(err, BH_ERR_PEER, -ENOTCONN, "there is no link");
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair),
			 0);
	b->guests[b->n++] = pair[0];
	return pair[1];
}

static void on_step(struct bh_timer *timer)
{
	bh_loop_stop(&bh_owner_of(timer, struct bench, timer)->loop);
}

/* For a moment, and on until nothing is left to do. */
static void step(struct bench *b)
{
	struct pollfd events = { .fd = b->loop.fd, .events = POLLIN };

	b->timer.fn = on_step;
	for (int i = 0; i < STEPS_MAX; i++) {
		bh_loop_arm(&b->loop, &b->timer, STEP_MS);
		assert_int_equal(bh_loop_run(&b->loop, &b->err), 0);
		b->loop.stopped = false;
		if (b->loop.next == b->loop.n_ready && poll(&events, 1, 0) == 0)
			return;
	}
	fail_msg("the loop does not come to rest");
}

static int setup(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));

	*state = b;
	if (geteuid() != 0)
		return 0;
	b->own = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	assert_int_equal(bh_netdev_loopback_up(&b->err), 0);
	b->pod = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	assert_int_equal(setns(b->own, CLONE_NEWNET), 0);
	assert_int_equal(bh_loop_init(&b->loop, &b->err), 0);
	if (bh_forward_start(&b->loop, b->pod, on_open, b, &b->forward, &b->err) < 0)
		fail_msg("%s", b->err.text);
	return 0;
}

static int teardown(void **state)
{
	struct bench *b = *state;

	b->forward = bh_forward_free(b->forward);
	for (size_t i = 0; i < b->n; i++)
		bh_close(b->guests[i]);
	if (b->own > 0) {
		bh_loop_deinit(&b->loop);
		bh_close(b->own);
		bh_close(b->pod);
	}
	free(b);
	return 0;
}

#define NEED_ROOT(b)               \
	do {                       \
		if (!(b)->forward) \
			skip();    \
	} while (0)

/* Return: socket, or -errno of connect(2) */
static int connect_in(struct bench *b, int netns, uint32_t host, uint16_t port)
{
	const struct sockaddr_in to = { .sin_family = AF_INET,
					.sin_port = htons(port),
					.sin_addr.s_addr = htonl(host) };
	int fd, r;

	assert_int_equal(setns(netns, CLONE_NEWNET), 0);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	r = connect(fd, (const struct sockaddr *)&to, sizeof(to)) < 0 ? -errno : fd;
	assert_int_equal(setns(b->own, CLONE_NEWNET), 0);
	if (r < 0)
		close(fd);
	else
		assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return r;
}

static void guest_says(struct bench *b, size_t i, uint8_t byte)
{
	assert_int_equal(write(b->guests[i], &byte, 1), 1);
	step(b);
}

static void any_port_of_the_loopback_is_the_guests(void **state)
{
	static const uint16_t ports[] = { 1, 80, 8080, 65535 };
	struct bench *b = *state;
	char buf[8];

	NEED_ROOT(b);
	for (size_t i = 0; i < BH_ARRAY_SIZE(ports); i++) {
		int client = connect_in(b, b->pod, INADDR_LOOPBACK, ports[i]);

		assert_true(client >= 0);
		step(b);
		assert_int_equal(b->port, ports[i]);
		/* Not before the guest has said that it is connected. */
		assert_int_equal(write(client, "ask", 3), 3);
		step(b);
		assert_int_equal(read(b->guests[i], buf, sizeof(buf)), -1);
		guest_says(b, i, BH_CONNECT_DONE);
		assert_int_equal(read(b->guests[i], buf, sizeof(buf)), 3);
		assert_int_equal(write(b->guests[i], "answer", 6), 6);
		b->guests[i] = bh_close(b->guests[i]);
		step(b);
		assert_int_equal(read(client, buf, sizeof(buf)), 6);
		assert_memory_equal(buf, "answer", 6);
		assert_int_equal(read(client, buf, sizeof(buf)), 0);
		close(client);
	}
}

static void reset(int client)
{
	char byte;

	assert_int_equal(read(client, &byte, 1), -1);
	assert_int_equal(errno, ECONNRESET);
	close(client);
}

static void what_nobody_listens_to_is_reset(void **state)
{
	struct bench *b = *state;
	int client;

	NEED_ROOT(b);
	client = connect_in(b, b->pod, INADDR_LOOPBACK, 9);
	step(b);
	guest_says(b, 0, BH_CONNECT_REFUSED);
	reset(client);
	/* A guest that answers what nobody asked for, or nothing at all. */
	client = connect_in(b, b->pod, INADDR_LOOPBACK, 9);
	step(b);
	guest_says(b, 1, 77);
	reset(client);
	client = connect_in(b, b->pod, INADDR_LOOPBACK, 9);
	step(b);
	b->guests[2] = bh_close(b->guests[2]);
	step(b);
	reset(client);
	b->fail = true;
	client = connect_in(b, b->pod, INADDR_LOOPBACK, 9);
	step(b);
	reset(client);
}

static void elsewhere_nothing_changes(void **state)
{
	struct bench *b = *state;

	NEED_ROOT(b);
	/* Another namespace; another address, also of the loopback: an engine's resolver is there.
	 */
	assert_int_equal(connect_in(b, b->pod, 0x7f00000b, 9), -ECONNREFUSED);
	assert_int_equal(connect_in(b, b->own, INADDR_LOOPBACK, 9), -ECONNREFUSED);
	assert_int_equal(connect_in(b, b->pod, 0x0a000001, 9), -ENETUNREACH);
	b->forward = bh_forward_free(b->forward);
	assert_int_equal(connect_in(b, b->pod, INADDR_LOOPBACK, 9), -ECONNREFUSED);
}

static void too_many_wait_for_their_turn(void **state)
{
	struct bench *b = *state;
	int clients[70];

	NEED_ROOT(b);
	for (size_t i = 0; i < BH_ARRAY_SIZE(clients); i++)
		clients[i] = connect_in(b, b->pod, INADDR_LOOPBACK, 80);
	step(b);
	assert_int_equal(b->n, 64);
	guest_says(b, 0, BH_CONNECT_REFUSED);
	assert_int_equal(b->n, 65);
	reset(clients[0]);
	guest_says(b, 1, BH_CONNECT_DONE);
	assert_int_equal(b->n, 65);
	/* The end of all, whatever they are at. */
	b->forward = bh_forward_free(b->forward);
	for (size_t i = 1; i < BH_ARRAY_SIZE(clients); i++)
		close(clients[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(any_port_of_the_loopback_is_the_guests, setup,
						teardown),
		cmocka_unit_test_setup_teardown(what_nobody_listens_to_is_reset, setup, teardown),
		cmocka_unit_test_setup_teardown(elsewhere_nothing_changes, setup, teardown),
		cmocka_unit_test_setup_teardown(too_many_wait_for_their_turn, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

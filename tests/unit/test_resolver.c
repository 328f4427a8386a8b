/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A resolver at 127.0.0.11 of one network namespace, asked at that address in another one, through
 * both sides of the stream between them. Needs root, ip(8).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "agent/resolver.h"
#include "pod/vm/resolver.h"
#include "rpc/datagrams.h"

#define TRIES 200

static const struct sockaddr_in place = { .sin_family = AF_INET };

static struct sockaddr_in resolvers_place(void)
{
	struct sockaddr_in at = place;

	at.sin_port = htons(53);
	inet_pton(AF_INET, "127.0.0.11", &at.sin_addr);
	return at;
}

static int new_namespace(void)
{
	if (unshare(CLONE_NEWNET) < 0 || system("ip link set lo up") != 0)
		return -1;
	return open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
}

static int udp(void)
{
	return socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

static int bound(void)
{
	const struct sockaddr_in at = resolvers_place();
	int fd = udp();

	assert_int_equal(bind(fd, (const struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

static void turn(struct bh_loop *loop)
{
	struct epoll_event event;
	struct bh_err err;

	while (epoll_wait(loop->fd, &event, 1, 1) > 0) {
		struct bh_source *source = event.data.ptr;

		assert_int_equal(source->fn(source, event.events, &err), 0);
	}
}

static ssize_t await(struct bh_loop *loop, int fd, void *data, size_t size,
		     struct sockaddr_in *from)
{
	socklen_t len = sizeof(*from);
	ssize_t n = -1;

	for (int i = 0; i < TRIES && n < 0; i++) {
		turn(loop);
		n = recvfrom(fd, data, size, 0, (struct sockaddr *)from, from ? &len : NULL);
	}
	return n;
}

/* Two who ask with the same number get each what they asked for, in whatever order. */
static void ask(struct bh_loop *loop, int engine, const int clients[2])
{
	const struct sockaddr_in at = resolvers_place();
	uint8_t seen[2][64], answer[64];
	struct sockaddr_in from[2];

	for (int i = 0; i < 2; i++) {
		const char *question = i ? "\7\7question two" : "\7\7question one";

		assert_int_equal(sendto(clients[i], question, 14, 0, (const struct sockaddr *)&at,
					sizeof(at)),
				 14);
		assert_int_equal(await(loop, engine, seen[i], sizeof(seen[i]), &from[i]), 14);
		assert_memory_equal(seen[i] + 2, question + 2, 12);
	}
	assert_memory_not_equal(seen[0], seen[1], 2);
	for (int i = 1; i >= 0; i--) {
		memcpy(seen[i] + 2, "answer", 6);
		assert_int_equal(sendto(engine, seen[i], 14, 0, (struct sockaddr *)&from[i],
					sizeof(from[i])),
				 14);
		assert_int_equal(await(loop, clients[i], answer, sizeof(answer), NULL), 14);
		assert_memory_equal(answer, "\7\7answer", 8);
		assert_int_equal(answer[13], i ? 'o' : 'e');
	}
	/* An answer to nothing goes nowhere. */
	(void)!sendto(engine, seen[0], 14, 0, (struct sockaddr *)&from[0], sizeof(from[0]));
	turn(loop);
	assert_int_equal(recv(clients[0], answer, sizeof(answer), 0), -1);
}

static void in_child(void)
{
	struct bh_loop loop = BH_LOOP_INIT;
	struct bh_err err = BH_ERR_INIT;
	struct bh_resolver *resolver = NULL;
	int ends[2], clients[2], engine, netns, socket;

	netns = new_namespace();
	if (netns < 0)
		_exit(77);
	assert_int_equal(bh_loop_init(&loop, &err), 0);
	assert_int_equal(bh_resolver_find(netns, &err), -ENOENT);
	engine = bound();
	close(new_namespace()); /* the guest's */
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends),
			 0);
	socket = bh_resolver_find(netns, &err);
	assert_true(socket >= 0);
	bh_agent_resolve(&loop, ends[0]);
	assert_int_equal(bh_resolver_start(&loop, netns, socket, ends[1], &resolver, &err), 0);
	clients[0] = udp();
	clients[1] = udp();
	ask(&loop, engine, clients);
	/* Too short for a question; then the stream's end, which is both sides' end. */
	{
		const struct sockaddr_in at = resolvers_place();

		(void)!sendto(clients[0], "short", 5, 0, (const struct sockaddr *)&at, sizeof(at));
	}
	turn(&loop);
	bh_resolver_free(resolver);
	turn(&loop);
	close(bound()); /* the address is free again */
	close(engine);
	close(clients[0]);
	close(clients[1]);
	close(netns);
	bh_loop_deinit(&loop);
}

static void questions_cross_and_answers_find_home(void **state)
{
	pid_t pid = fork();
	int status;

	(void)state;
	if (pid == 0) {
		if (geteuid() != 0)
			_exit(77);
		in_child();
		exit(0); /* which looks for leaks */
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* The first question's failure comes back with the second, and never to who reads. */
static void a_resolver_that_is_gone_is_noticed(void **state)
{
	static const uint8_t questions[] = "\0\14question one\0\14question two";
	struct sockaddr_in nobody = { .sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(nobody);
	struct bh_loop loop = BH_LOOP_INIT;
	struct bh_err err = BH_ERR_INIT;
	struct bh_resolver *resolver = NULL;
	int ends[2], socket = udp(), other = udp();

	(void)state;
	assert_int_equal(bind(other, (struct sockaddr *)&nobody, sizeof(nobody)), 0);
	assert_int_equal(getsockname(other, (struct sockaddr *)&nobody, &len), 0);
	close(other);
	assert_int_equal(connect(socket, (struct sockaddr *)&nobody, sizeof(nobody)), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends),
			 0);
	assert_int_equal(bh_loop_init(&loop, &err), 0);
	assert_int_equal(bh_resolver_start(&loop, -1, socket, ends[1], &resolver, &err), 0);
	assert_int_equal(write(ends[0], questions, sizeof(questions) - 1), sizeof(questions) - 1);
	turn(&loop);
	assert_int_equal(fcntl(socket, F_GETFD), -1);
	bh_resolver_free(resolver);
	close(ends[0]);
	bh_loop_deinit(&loop);
}

/* ---- the stream ------------------------------------------------------------------------------ */

struct log {
	size_t n, bytes;
	int ended;
};

static void on_arrived(void *arg, const uint8_t *data, size_t len)
{
	struct log *log = arg;

	(void)data;
	log->n++;
	log->bytes += len;
}

static void on_ended(void *arg)
{
	((struct log *)arg)->ended++;
}

static void a_stream_is_taken_apart(void **state)
{
	static struct bh_datagrams d;
	static uint8_t big[BH_DATAGRAM_MAX + 1];
	struct bh_loop loop = BH_LOOP_INIT;
	struct bh_err err = BH_ERR_INIT;
	struct log log = { .n = 0 };
	int ends[2];

	(void)state;
	assert_int_equal(bh_loop_init(&loop, &err), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends),
			 0);
	d = (struct bh_datagrams){ .arrived = on_arrived, .ended = on_ended, .arg = &log };
	assert_int_equal(bh_datagrams_start(&d, &loop, ends[0], &err), 0);
	assert_int_equal(write(ends[1], "\0\3abc\0\2d", 8), 8);
	turn(&loop);
	assert_int_equal(log.n, 1);
	assert_int_equal(write(ends[1], "e\0", 2), 2);
	turn(&loop);
	assert_int_equal(log.n, 2);
	assert_int_equal(log.bytes, 5);
	/* A reader that is too slow loses whole ones. */
	for (int i = 0; i < 1000; i++)
		bh_datagrams_send(&d, big, BH_DATAGRAM_MAX);
	bh_datagrams_send(&d, big, BH_DATAGRAM_MAX + 1);
	assert_int_equal(read(ends[1], big, 2), 2);
	assert_int_equal(big[0] << 8 | big[1], BH_DATAGRAM_MAX);
	assert_int_equal(log.ended, 0);
	assert_int_equal(write(ends[1], "\0", 1), 1); /* the second byte of a length of 0 */
	turn(&loop);
	assert_int_equal(log.ended, 1);
	assert_int_equal(d.source.fd, -EBADF);
	bh_datagrams_end(&d);
	close(ends[1]);
	bh_loop_deinit(&loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(questions_cross_and_answers_find_home),
		cmocka_unit_test(a_resolver_that_is_gone_is_noticed),
		cmocka_unit_test(a_stream_is_taken_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Traffic between a micro-VM and others, checked byte by byte; static, so that it runs in
 * any image.
 *
 *	traffic serve PORT              answers the others, TCP and UDP, until it is killed
 *	traffic send ADDRESS PORT BYTES to the server, by TCP
 *	traffic fetch ADDRESS PORT BYTES from the server, by TCP
 *	traffic echo ADDRESS PORT BYTES COUNT  datagrams there and back
 *
 * send and fetch print "BYTES intact, N MiB/s"; echo prints "COUNT intact". All else is a failure.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* Not a power of two: a piece that went astray shows. */
#define PERIOD      1048573U
#define CHUNK_BYTES 262144U
#define PATIENCE    30 /* seconds without any progress */
#define ECHO_TRIES  5

struct order {
	uint64_t bytes; /* network order is nobody's: both ends are this program */
	uint64_t fetch; /* 1: the server sends */
};

static char pattern[PERIOD + CHUNK_BYTES], chunk[CHUNK_BYTES];

static void make_pattern(void)
{
	uint64_t x = 88172645463325252U;

	for (size_t i = 0; i < PERIOD; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		pattern[i] = (char)x;
	}
	memcpy(pattern + PERIOD, pattern, CHUNK_BYTES);
}

static size_t least(uint64_t a, size_t b)
{
	return a < b ? (size_t)a : b;
}

static void send_all(int fd, uint64_t bytes)
{
	for (uint64_t at = 0; at < bytes;) {
		ssize_t n = send(fd, pattern + at % PERIOD, least(bytes - at, CHUNK_BYTES),
				 MSG_NOSIGNAL);

		if (n < 0)
			err(1, "send after %llu bytes", (unsigned long long)at);
		at += (uint64_t)n;
	}
}

static void receive_all(int fd, uint64_t bytes)
{
	for (uint64_t at = 0; at < bytes;) {
		ssize_t n = recv(fd, chunk, least(bytes - at, CHUNK_BYTES), 0);

		if (n < 0)
			err(1, "receive after %llu bytes", (unsigned long long)at);
		if (n == 0)
			errx(1, "ended after %llu bytes", (unsigned long long)at);
		if (memcmp(chunk, pattern + at % PERIOD, (size_t)n) != 0)
			errx(1, "damaged after %llu bytes", (unsigned long long)at);
		at += (uint64_t)n;
	}
}

static void be_patient(int fd)
{
	const struct timeval patience = { .tv_sec = PATIENCE };

	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0)
		err(1, "set a time-out");
}

/* ---- the server ------------------------------------------------------------------------------ */

static int listen_on(int type, const char *port)
{
	const struct sockaddr_in6 any = { .sin6_family = AF_INET6,
					  .sin6_port = htons((uint16_t)atoi(port)) };
	const int on = 1;
	int fd = socket(AF_INET6, type, 0);

	if (fd >= 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (fd < 0 || bind(fd, (const struct sockaddr *)&any, sizeof(any)) < 0 ||
	    (type == SOCK_STREAM && listen(fd, 8) < 0))
		err(1, "listen on port %s", port);
	return fd;
}

static void answer_stream(int listener)
{
	int fd = accept(listener, NULL, NULL);
	struct order order;

	if (fd < 0 || fork() != 0) {
		close(fd);
		return;
	}
	be_patient(fd);
	if (recv(fd, &order, sizeof(order), MSG_WAITALL) != sizeof(order))
		err(1, "no order");
	if (order.fetch)
		send_all(fd, order.bytes);
	else
		receive_all(fd, order.bytes);
	if (send(fd, "+", 1, MSG_NOSIGNAL) != 1)
		err(1, "confirm");
	_exit(0);
}

static void answer_datagram(int fd)
{
	struct sockaddr_in6 peer;
	socklen_t len = sizeof(peer);
	ssize_t n = recvfrom(fd, chunk, sizeof(chunk), 0, (struct sockaddr *)&peer, &len);

	if (n >= 0 && sendto(fd, chunk, (size_t)n, 0, (struct sockaddr *)&peer, len) != n)
		warn("answer a datagram");
}

static int serve(char **argv)
{
	struct pollfd fds[] = { { .fd = listen_on(SOCK_STREAM, argv[0]), .events = POLLIN },
				{ .fd = listen_on(SOCK_DGRAM, argv[0]), .events = POLLIN } };

	signal(SIGCHLD, SIG_IGN);
	printf("serving\n");
	fflush(stdout);
	while (poll(fds, 2, -1) >= 0 || errno == EINTR) {
		if (fds[0].revents)
			answer_stream(fds[0].fd);
		if (fds[1].revents)
			answer_datagram(fds[1].fd);
	}
	err(1, "poll");
}

/* ---- its clients ----------------------------------------------------------------------------- */

static int reach(int type, const char *address, const char *port)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = v4.sin_port };
	int is_v4 = inet_pton(AF_INET, address, &v4.sin_addr) == 1;
	int fd = socket(is_v4 ? AF_INET : AF_INET6, type, 0);

	if (!is_v4 && inet_pton(AF_INET6, address, &v6.sin6_addr) != 1)
		errx(1, "%s: not an address", address);
	be_patient(fd);
	if (connect(fd, is_v4 ? (void *)&v4 : (void *)&v6, is_v4 ? sizeof(v4) : sizeof(v6)) < 0)
		err(1, "connect to %s", address);
	return fd;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int transfer(char **argv, int fetch)
{
	const struct order order = { .bytes = strtoull(argv[2], NULL, 0),
				     .fetch = (uint64_t)fetch };
	int fd = reach(SOCK_STREAM, argv[0], argv[1]);
	double start = now();
	char answer;

	if (send(fd, &order, sizeof(order), MSG_NOSIGNAL) != sizeof(order))
		err(1, "send the order");
	if (fetch)
		receive_all(fd, order.bytes);
	else
		send_all(fd, order.bytes);
	if (recv(fd, &answer, 1, 0) != 1 || answer != '+')
		errx(1, "the server did not get it right");
	printf("%llu intact, %.1f MiB/s\n", (unsigned long long)order.bytes,
	       (double)order.bytes / 1048576 / (now() - start));
	return 0;
}

static int send_there(char **argv)
{
	return transfer(argv, 0);
}

static int fetch_here(char **argv)
{
	return transfer(argv, 1);
}

/* Sends datagram @number until its answer is there; answers that are late are let pass. Datagrams
 * may be lost, but not damaged. */
static void echo_one(int fd, uint32_t number, size_t bytes)
{
	static char data[65536];
	uint32_t answered;

	memcpy(data, &number, sizeof(number));
	memcpy(data + sizeof(number), pattern + ((size_t)number * 7919) % PERIOD,
	       bytes - sizeof(number));
	for (int tries = 0; tries < ECHO_TRIES; tries++) {
		ssize_t n;

		if (send(fd, data, bytes, 0) < 0 && errno != ECONNREFUSED)
			err(1, "send %zu bytes", bytes);
		while ((n = recv(fd, chunk, sizeof(chunk), 0)) >= (ssize_t)sizeof(answered)) {
			memcpy(&answered, chunk, sizeof(answered));
			if (answered < number)
				continue;
			if ((size_t)n != bytes || memcmp(chunk, data, bytes) != 0)
				errx(1, "datagram %u came back damaged", number);
			return;
		}
	}
	errx(1, "no answer to datagram %u", number);
}

static int echo(char **argv)
{
	size_t bytes = strtoul(argv[2], NULL, 0), count = strtoul(argv[3], NULL, 0);
	const struct timeval soon = { .tv_sec = 2 };
	int fd = reach(SOCK_DGRAM, argv[0], argv[1]);

	if (bytes < sizeof(uint32_t) || bytes > 65507 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon)) < 0)
		errx(1, "datagrams of %zu bytes", bytes);
	for (uint32_t i = 0; i < count; i++)
		echo_one(fd, i, bytes);
	printf("%zu intact\n", count);
	return 0;
}

static const struct verb {
	const char *name;
	int args;
	int (*run)(char **argv);
} verbs[] = {
	{ "serve", 1, serve },
	{ "send", 3, send_there },
	{ "fetch", 3, fetch_here },
	{ "echo", 4, echo },
};

int main(int argc, char **argv)
{
	make_pattern();
	for (size_t i = 0; argc > 1 && i < sizeof(verbs) / sizeof(*verbs); i++) {
		if (strcmp(argv[1], verbs[i].name) == 0 && argc - 2 == verbs[i].args)
			return verbs[i].run(argv + 2);
	}
	errx(2, "usage: traffic serve PORT | send|fetch ADDRESS PORT BYTES | echo ADDRESS PORT "
		"BYTES COUNT");
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sys/socket.h>

#include "loop/duplex.h"

#define MUCH_BYTES (1 << 20) /* more than the sockets hold */

struct bench {
	struct bh_loop loop;
	struct bh_duplex duplex;
	struct bh_err err;
	int left, right; /* the test's ends */
	int ended;
};

static void on_ended(void *data)
{
	struct bench *b = data;

	b->ended++;
}

static void setup(struct bench *b)
{
	int left[2], right[2];

	*b = (struct bench){ .duplex = { .ended = on_ended, .data = b } };
	assert_int_equal(bh_loop_init(&b->loop, &b->err), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, left),
			 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, right),
			 0);
	b->left = left[0];
	b->right = right[0];
	assert_int_equal(bh_duplex_start(&b->duplex, &b->loop, left[1], right[1], "test", &b->err),
			 0);
}

static void finish(struct bench *b)
{
	bh_duplex_end(&b->duplex);
	bh_duplex_end(&b->duplex);
	assert_int_equal(b->ended, 1);
	bh_loop_deinit(&b->loop);
	bh_close(b->left);
	bh_close(b->right);
}

static void run_until_idle(struct bench *b)
{
	struct epoll_event event;

	while (!b->ended && epoll_wait(b->loop.fd, &event, 1, 0) > 0) {
		struct bh_source *source = event.data.ptr;

		assert_int_equal(source->fn(source, event.events, &b->err), 0);
	}
}

/* Send @bytes from one end to the other, in pieces as they fit. */
static void carry(struct bench *b, int from, int to, size_t bytes)
{
	static unsigned char sent[MUCH_BYTES], got[MUCH_BYTES];
	size_t out = 0, in = 0;

	for (size_t i = 0; i < bytes; i++)
		sent[i] = (unsigned char)(i * 31 + i / 256);
	while (in < bytes) {
		ssize_t n = out < bytes ? write(from, sent + out, bytes - out) : 0;

		out += n > 0 ? (size_t)n : 0;
		run_until_idle(b);
		n = read(to, got + in, bytes - in);
		in += n > 0 ? (size_t)n : 0;
	}
	assert_memory_equal(sent, got, bytes);
}

static void at_end(int fd)
{
	char byte;

	assert_int_equal(read(fd, &byte, 1), 0);
}

static void bytes_go_both_ways(void **state)
{
	struct bench b;

	(void)state;
	setup(&b);
	carry(&b, b.left, b.right, MUCH_BYTES);
	carry(&b, b.right, b.left, MUCH_BYTES);
	finish(&b);
}

static void the_end_of_one_direction_leaves_the_other(void **state)
{
	struct bench b;

	(void)state;
	setup(&b);
	carry(&b, b.left, b.right, 10);
	shutdown(b.left, SHUT_WR);
	run_until_idle(&b);
	at_end(b.right);
	assert_int_equal(b.ended, 0);
	carry(&b, b.right, b.left, MUCH_BYTES);
	shutdown(b.right, SHUT_WR);
	run_until_idle(&b);
	at_end(b.left);
	assert_int_equal(b.ended, 1);
	finish(&b);
}

static void silence_after_one_end_is_the_end_of_both(void **state)
{
	struct bench b;

	(void)state;
	setup(&b);
	assert_false(b.duplex.silence.armed);
	shutdown(b.left, SHUT_WR);
	run_until_idle(&b);
	assert_true(b.duplex.silence.armed);
	/* Bytes in the meantime: not silent. */
	carry(&b, b.right, b.left, 10);
	bh_loop_disarm(&b.loop, &b.duplex.silence);
	b.duplex.silence.fn(&b.duplex.silence);
	assert_int_equal(b.ended, 0);
	assert_true(b.duplex.silence.armed);
	bh_loop_disarm(&b.loop, &b.duplex.silence);
	b.duplex.silence.fn(&b.duplex.silence);
	assert_int_equal(b.ended, 1);
	at_end(b.left);
	finish(&b);
}

static void who_is_gone_ends_both(void **state)
{
	struct bench b;

	(void)state;
	setup(&b);
	b.right = bh_close(b.right);
	run_until_idle(&b);
	at_end(b.left);
	/* What is written to nobody. */
	assert_int_equal(write(b.left, "x", 1), 1);
	run_until_idle(&b);
	assert_int_equal(b.ended, 1);
	finish(&b);
}

static void it_ends_at_once_when_told(void **state)
{
	struct bench b;

	(void)state;
	setup(&b);
	assert_int_equal(write(b.left, "x", 1), 1);
	bh_duplex_end(&b.duplex);
	assert_int_equal(b.ended, 1);
	at_end(b.right);
	finish(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_go_both_ways),
		cmocka_unit_test(the_end_of_one_direction_leaves_the_other),
		cmocka_unit_test(silence_after_one_end_is_the_end_of_both),
		cmocka_unit_test(who_is_gone_ends_both),
		cmocka_unit_test(it_ends_at_once_when_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

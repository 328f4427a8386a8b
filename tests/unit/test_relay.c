/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>

#include "loop/relay.h"

/* More than a pipe and the relay's buffer hold together. */
#define MUCH_BYTES (1 << 20)

struct bench {
	struct bh_loop loop;
	struct bh_relay relay;
	struct bh_err err;
	int source, sink; /* the test's ends */
	int ended;
};

static void on_ended(void *data)
{
	struct bench *b = data;

	b->ended++;
	bh_loop_stop(&b->loop);
}

/* Stops the loop once nothing is ready any more: a source that is always ready, of the same loop.
 */
static void run_until_idle(struct bench *b)
{
	struct epoll_event event;

	while (!b->ended && epoll_wait(b->loop.fd, &event, 1, 0) > 0) {
		struct bh_source *source = event.data.ptr;

		assert_int_equal(source->fn(source, event.events, &b->err), 0);
	}
}

static void start(struct bench *b, int in, int out, bool keep_reading)
{
	*b = (struct bench){ .source = b->source, .sink = b->sink };
	assert_int_equal(bh_loop_init(&b->loop, &b->err), 0);
	b->relay.ended = on_ended;
	b->relay.data = b;
	assert_int_equal(
		bh_relay_start(&b->relay, &b->loop, in, out, keep_reading, "test", &b->err), 0);
}

/* A pipe into the relay and one out of it; the relay's own ends are @flags. */
static void start_with_pipes(struct bench *b, int flags, bool keep_reading)
{
	int in[2], out[2];

	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	assert_int_equal(fcntl(in[0], F_SETFL, flags), 0);
	assert_int_equal(fcntl(out[1], F_SETFL, flags), 0);
	assert_int_equal(fcntl(in[1], F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(fcntl(out[0], F_SETFL, O_NONBLOCK), 0);
	b->source = in[1];
	b->sink = out[0];
	start(b, in[0], out[1], keep_reading);
}

static void finish(struct bench *b)
{
	bh_relay_end(&b->relay);
	bh_loop_deinit(&b->loop);
	bh_close(b->source);
	bh_close(b->sink);
	assert_int_equal(b->ended, 1);
	assert_null(b->relay.buffer);
}

/* Pushes MUCH_BYTES through, with a reader that only reads when nothing moves any more. */
static void push(struct bench *b)
{
	static char data[4096], got[4096];
	size_t sent = 0, received = 0;

	while (received < MUCH_BYTES) {
		ssize_t n = 0;

		for (size_t i = 0; i < sizeof(data); i++)
			data[i] = (char)((sent + i) % 251);
		if (sent < MUCH_BYTES)
			n = write(b->source, data, sizeof(data));
		if (n > 0)
			sent += (size_t)n;
		run_until_idle(b);
		if (n > 0)
			continue;
		n = read(b->sink, got, sizeof(got));
		assert_true(n > 0);
		for (ssize_t i = 0; i < n; i++)
			assert_int_equal((unsigned char)got[i], (received + (size_t)i) % 251);
		received += (size_t)n;
	}
}

static void a_slow_reader_holds_back_the_writer(void **state)
{
	struct bench b;

	(void)state;
	start_with_pipes(&b, O_NONBLOCK, false);
	push(&b);
	b.source = bh_close(b.source);
	run_until_idle(&b);
	finish(&b);
}

static void descriptors_that_block_are_never_waited_on(void **state)
{
	struct bench b;

	(void)state;
	start_with_pipes(&b, 0, false); /* a blocking call would hang the test */
	push(&b);
	b.source = bh_close(b.source);
	run_until_idle(&b);
	finish(&b);
}

static void nothing_spins_while_output_is_full(void **state)
{
	struct epoll_event event;
	struct bench b;

	(void)state;
	start_with_pipes(&b, O_NONBLOCK, false);
	while (write(b.source, "x", 1) == 1)
		run_until_idle(&b);
	b.source = bh_close(b.source); /* hang-up: reported even to those who do not ask */
	assert_int_equal(epoll_wait(b.loop.fd, &event, 1, 0), 0);
	finish(&b);
}

static void the_end_of_input_closes_output_after_the_last_byte(void **state)
{
	char got[16];
	struct bench b;

	(void)state;
	start_with_pipes(&b, O_NONBLOCK, false);
	assert_int_equal(write(b.source, "last", 4), 4);
	b.source = bh_close(b.source);
	run_until_idle(&b);
	assert_int_equal(read(b.sink, got, sizeof(got)), 4);
	assert_int_equal(read(b.sink, got, sizeof(got)), 0);
	finish(&b);
}

static void a_drain_delivers_what_is_there_and_does_not_wait(void **state)
{
	char got[16];
	struct bench b;

	(void)state;
	start_with_pipes(&b, O_NONBLOCK, false);
	assert_int_equal(write(b.source, "there", 5), 5);
	assert_int_equal(bh_relay_drain(&b.relay, &b.err), 0);
	run_until_idle(&b);
	assert_int_equal(b.ended, 1); /* although b.source is still open */
	assert_int_equal(read(b.sink, got, sizeof(got)), 5);
	finish(&b);
}

static void a_reader_that_went_away_ends_it(void **state)
{
	struct bench b;

	(void)state;
	start_with_pipes(&b, O_NONBLOCK, false);
	b.sink = bh_close(b.sink);
	assert_int_equal(write(b.source, "x", 1), 1);
	run_until_idle(&b);
	assert_int_equal(b.ended, 1);
	assert_int_equal(write(b.source, "x", 1), -1);
	assert_int_equal(errno, EPIPE);
	finish(&b);
}

static void a_terminal_is_read_on_without_a_reader(void **state)
{
	struct bench b;

	(void)state;
	start_with_pipes(&b, O_NONBLOCK, true);
	b.sink = bh_close(b.sink);
	for (int i = 0; i < MUCH_BYTES / 4096; i++) {
		static const char page[4096];

		assert_int_equal(write(b.source, page, sizeof(page)), sizeof(page));
		run_until_idle(&b);
	}
	assert_int_equal(b.ended, 0);
	finish(&b);
}

static void regular_files_work_on_either_side(void **state)
{
	char name[] = "/tmp/test_relay.XXXXXX", got[16];
	int file = mkostemp(name, O_CLOEXEC), ends[2];
	struct bench b = { .source = -EBADF, .sink = -EBADF };

	(void)state;
	assert_true(file >= 0);
	assert_int_equal(unlink(name), 0);
	assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
	assert_int_equal(write(ends[1], "in file", 7), 7);
	bh_close(ends[1]);
	start(&b, ends[0], fcntl(file, F_DUPFD_CLOEXEC, 0), false);
	run_until_idle(&b);
	finish(&b);

	assert_int_equal(lseek(file, 0, SEEK_SET), 0);
	assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
	b = (struct bench){ .source = -EBADF, .sink = ends[0] };
	start(&b, file, ends[1], false);
	run_until_idle(&b);
	assert_int_equal(read(ends[0], got, sizeof(got)), 7);
	assert_memory_equal(got, "in file", 7);
	finish(&b);
}

static void a_reopened_pipe_leaves_the_shared_flags_alone(void **state)
{
	struct bh_err err;
	int ends[2], again, socks[2];

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	again = bh_relay_reopen(ends[1], O_WRONLY, &err);
	assert_true(again >= 0);
	assert_true(fcntl(again, F_GETFL) & O_NONBLOCK);
	assert_false(fcntl(ends[1], F_GETFL) & O_NONBLOCK);
	bh_close(again);
	bh_close(ends[0]);
	bh_close(ends[1]);

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socks), 0);
	again = bh_relay_reopen(socks[0], O_WRONLY, &err);
	assert_true(again >= 0);
	assert_false(fcntl(socks[0], F_GETFL) & O_NONBLOCK);
	bh_close(again);
	bh_close(socks[0]);
	bh_close(socks[1]);
}

/* What can go goes at once; what only waits for the reader is told of. */
static void pushing_tells_what_is_left(void **state)
{
	static char data[16384];
	struct bench b;

	(void)state;
	start_with_pipes(&b, O_NONBLOCK, false);
	assert_int_equal(bh_relay_push(&b.relay, &b.err), 0);
	assert_int_equal(write(b.source, "ab", 2), 2);
	assert_int_equal(bh_relay_push(&b.relay, &b.err), 0);
	assert_int_equal(read(b.sink, data, sizeof(data)), 2);
	do
		assert_true(write(b.source, data, sizeof(data)) > 0);
	while (bh_relay_push(&b.relay, &b.err) == 0);
	assert_int_equal(bh_relay_push(&b.relay, &b.err), 1);
	while (read(b.sink, data, sizeof(data)) > 0)
		assert_true(bh_relay_push(&b.relay, &b.err) >= 0);
	assert_int_equal(bh_relay_push(&b.relay, &b.err), 0);
	b.source = bh_close(b.source);
	assert_int_equal(bh_relay_push(&b.relay, &b.err), 0); /* it has ended */
	finish(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pushing_tells_what_is_left),
		cmocka_unit_test(a_slow_reader_holds_back_the_writer),
		cmocka_unit_test(descriptors_that_block_are_never_waited_on),
		cmocka_unit_test(nothing_spins_while_output_is_full),
		cmocka_unit_test(the_end_of_input_closes_output_after_the_last_byte),
		cmocka_unit_test(a_drain_delivers_what_is_there_and_does_not_wait),
		cmocka_unit_test(a_reader_that_went_away_ends_it),
		cmocka_unit_test(a_terminal_is_read_on_without_a_reader),
		cmocka_unit_test(regular_files_work_on_either_side),
		cmocka_unit_test(a_reopened_pipe_leaves_the_shared_flags_alone),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

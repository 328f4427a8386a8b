/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <endian.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <termios.h>

#include "rpc/mux.h"
#include "rpc/mux_internal.h"

#define STREAMS_MANY 200
#define MUCH_BYTES   (8U << 20)
#define PATIENCE_MS  20000

struct bench {
	struct bh_loop loop;
	struct bh_err err;
	struct bh_mux *host, *guest;
	int raw; /* the other end of the channel where the test speaks for it */
	int accepted[STREAMS_MANY];
	int n_accepted, dead;
	char why[512];
	bool free_in_callback;
};

static void on_accept(void *arg, int fd)
{
	struct bench *b = arg;

	assert_true(b->n_accepted < STREAMS_MANY);
	b->accepted[b->n_accepted++] = fd;
	bh_loop_stop(&b->loop);
}

static void on_dead(void *arg, const struct bh_err *why)
{
	struct bench *b = arg;

	b->dead++;
	bh_err_format(why, b->why, sizeof(b->why));
	if (b->free_in_callback) {
		b->host = bh_mux_free(b->host);
		b->guest = bh_mux_free(b->guest);
	}
	bh_loop_stop(&b->loop);
}

struct stopper {
	struct bh_timer timer;
	struct bh_loop *loop;
};

static void stop_now(struct bh_timer *timer)
{
	bh_loop_stop(((struct stopper *)timer)->loop);
}

static void run_for(struct bench *b, uint64_t ms)
{
	struct stopper stopper = { { .fn = stop_now }, &b->loop };

	bh_loop_arm(&b->loop, &stopper.timer, ms);
	assert_int_equal(bh_loop_run(&b->loop, &b->err), 0);
	bh_loop_disarm(&b->loop, &stopper.timer);
}

/* Until nothing moves any more. */
static void settle(struct bench *b)
{
	run_for(b, 10);
}

static void new_mux(struct bench *b, int fd, enum bh_mux_side side)
{
	struct bh_mux_events on = { on_accept, on_dead, b };

	assert_int_equal(bh_mux_new(&b->loop, fd, side, &on,
				    side == BH_MUX_HOST ? &b->host : &b->guest, &b->err),
			 0);
}

static void prepare(struct bench *b, int ends[2])
{
	*b = (struct bench){ .raw = -EBADF };
	assert_int_equal(bh_loop_init(&b->loop, &b->err), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
}

static void start(struct bench *b)
{
	int ends[2];

	prepare(b, ends);
	new_mux(b, ends[0], BH_MUX_HOST);
	new_mux(b, ends[1], BH_MUX_GUEST);
	settle(b);
	assert_true(bh_mux_ready(b->host));
	assert_true(bh_mux_ready(b->guest));
}

static void finish(struct bench *b)
{
	b->host = bh_mux_free(b->host);
	b->guest = bh_mux_free(b->guest);
	bh_close(b->raw);
	for (int i = 0; i < b->n_accepted; i++)
		bh_close(b->accepted[i]);
	bh_loop_deinit(&b->loop);
}

/* Return: the host's end; the guest's is the last that was accepted */
static int open_stream(struct bench *b)
{
	int before = b->n_accepted, fd = bh_mux_open(b->host, &b->err);

	assert_true(fd >= 0);
	settle(b);
	assert_int_equal(b->n_accepted, before + 1);
	return fd;
}

static void say(struct bench *b, int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	settle(b);
}

static void hear(int fd, const char *text)
{
	char got[64];
	ssize_t n = read(fd, got, sizeof(got));

	assert_int_equal(n, strlen(text));
	assert_memory_equal(got, text, strlen(text));
}

static void hear_end(int fd)
{
	char got;

	assert_int_equal(read(fd, &got, 1), 0);
}

static void hear_nothing(int fd)
{
	char got;

	assert_int_equal(read(fd, &got, 1), -1);
	assert_int_equal(errno, EAGAIN);
}

/* Writes until nothing is taken any more. Return: bytes */
static size_t stuff(struct bench *b, int fd)
{
	static char data[1 << 16];
	size_t total = 0;

	for (int idle = 0; idle < 3;) {
		ssize_t n = write(fd, data, sizeof(data));

		total += n > 0 ? (size_t)n : 0;
		idle = n > 0 ? 0 : idle + 1;
		settle(b);
	}
	return total;
}

/* Reads until nothing comes any more. Return: bytes */
static size_t slurp(struct bench *b, int fd)
{
	static char data[1 << 16];
	size_t total = 0;

	for (int idle = 0; idle < 3;) {
		ssize_t n = read(fd, data, sizeof(data));

		total += n > 0 ? (size_t)n : 0;
		idle = n > 0 ? 0 : idle + 1;
		settle(b);
	}
	return total;
}

/* ---- streams --------------------------------------------------------------------------------- */

static void a_stream_carries_both_directions(void **state)
{
	struct bench b;
	int fd;

	(void)state;
	start(&b);
	fd = open_stream(&b);
	say(&b, fd, "down");
	hear(b.accepted[0], "down");
	say(&b, b.accepted[0], "up");
	hear(fd, "up");
	bh_close(fd);
	finish(&b);
}

static void the_end_of_one_direction_leaves_the_other(void **state)
{
	struct bench b;
	int fd;

	(void)state;
	start(&b);
	fd = open_stream(&b);
	say(&b, fd, "last");
	shutdown(fd, SHUT_WR);
	settle(&b);
	hear(b.accepted[0], "last");
	hear_end(b.accepted[0]);
	say(&b, b.accepted[0], "answer");
	hear(fd, "answer");
	hear_nothing(fd);
	shutdown(b.accepted[0], SHUT_WR);
	settle(&b);
	hear_end(fd);
	assert_int_equal(b.host->n_streams, 0);
	assert_int_equal(b.guest->n_streams, 0);
	bh_close(fd);
	finish(&b);
}

static void what_was_written_before_close_arrives(void **state)
{
	struct bench b;
	int fd;

	(void)state;
	start(&b);
	fd = bh_mux_open(b.host, &b.err);
	assert_int_equal(write(fd, "hi", 2), 2);
	bh_close(fd);
	settle(&b); /* accepted */
	settle(&b);
	hear(b.accepted[0], "hi");
	hear_end(b.accepted[0]);
	bh_close(b.accepted[0]);
	b.n_accepted = 0;
	settle(&b);
	assert_int_equal(b.host->n_streams, 0);
	assert_int_equal(b.guest->n_streams, 0);
	finish(&b);
}

static void a_reader_that_closes_ends_the_writer(void **state)
{
	struct bench b;
	int fd;

	(void)state;
	start(&b);
	fd = open_stream(&b);
	bh_close(fd);
	settle(&b);
	hear_end(b.accepted[0]);
	/* Whoever had only been writing is told by its own end of writing, as on a socket. */
	(void)!write(b.accepted[0], "x", 1);
	settle(&b);
	shutdown(b.accepted[0], SHUT_WR);
	settle(&b);
	assert_int_equal(b.host->n_streams, 0);
	assert_int_equal(b.guest->n_streams, 0);
	finish(&b);
}

static void a_blocked_reader_blocks_no_other(void **state)
{
	struct bench b;
	size_t stuck;
	int a, c;

	(void)state;
	start(&b);
	a = open_stream(&b);
	c = open_stream(&b);
	stuck = stuff(&b, a);
	assert_true(stuck > BH_MUX_WINDOW_BYTES && stuck < (1 << 20));
	say(&b, c, "passes");
	hear(b.accepted[1], "passes");
	say(&b, b.accepted[0], "other direction");
	hear(a, "other direction");
	assert_int_equal(slurp(&b, b.accepted[0]), stuck);
	bh_close(a);
	bh_close(c);
	finish(&b);
}

/* A writer that answers only once its writing was taken: when its reader goes it is not stuck, and
 * what the reader had still said arrives. */
static void a_writer_is_not_stuck_when_its_reader_goes(void **state)
{
	static char data[1 << 16];
	size_t more = 0, said;
	struct bench b;
	int fd;

	(void)state;
	start(&b);
	fd = open_stream(&b);
	stuff(&b, b.accepted[0]);
	said = stuff(&b, fd); /* so that the end of this direction cannot be sent either */
	bh_close(fd);
	for (int i = 0; i < 1000 && more < (1 << 20); i++) {
		ssize_t n = write(b.accepted[0], data, sizeof(data));

		more += n > 0 ? (size_t)n : 0;
		run_for(&b, 1);
	}
	assert_true(more >= 1 << 20);
	assert_int_equal(slurp(&b, b.accepted[0]), said);
	hear_end(b.accepted[0]);
	assert_int_equal(write(b.accepted[0], "x", 1), -1);
	assert_int_equal(errno, EPIPE);
	assert_int_equal(b.host->n_streams, 0);
	assert_int_equal(b.guest->n_streams, 0);
	finish(&b);
}

static void many_streams_carry_what_is_theirs(void **state)
{
	int fds[STREAMS_MANY];
	struct bench b;
	uint32_t got;

	(void)state;
	start(&b);
	for (uint32_t i = 0; i < STREAMS_MANY; i++) {
		fds[i] = bh_mux_open(b.host, &b.err);
		assert_true(fds[i] >= 0);
		assert_int_equal(write(fds[i], &i, sizeof(i)), sizeof(i));
	}
	while (b.n_accepted < STREAMS_MANY)
		settle(&b);
	settle(&b);
	for (uint32_t i = 0; i < STREAMS_MANY; i++) {
		assert_int_equal(read(b.accepted[i], &got, sizeof(got)), sizeof(got));
		assert_int_equal(got, i);
		assert_int_equal(write(b.accepted[i], &got, sizeof(got)), sizeof(got));
	}
	settle(&b);
	for (uint32_t i = 0; i < STREAMS_MANY; i++) {
		assert_int_equal(read(fds[i], &got, sizeof(got)), sizeof(got));
		assert_int_equal(got, i);
		bh_close(fds[i]);
	}
	settle(&b);
	for (int i = 0; i < STREAMS_MANY; i++)
		bh_close(b.accepted[i]);
	b.n_accepted = 0;
	settle(&b);
	assert_int_equal(b.host->n_streams, 0);
	assert_int_equal(b.guest->n_streams, 0);
	finish(&b);
}

/* Bytes in both directions at once, checked one by one. */
static void much_arrives_unchanged(void **state)
{
	static uint8_t data[1 << 15], got[1 << 15];
	size_t sent[2] = { 0 }, received[2] = { 0 };
	struct bench b;
	int ends[2];

	(void)state;
	start(&b);
	ends[0] = open_stream(&b);
	ends[1] = b.accepted[0];
	while (received[0] < MUCH_BYTES || received[1] < MUCH_BYTES) {
		for (int i = 0; i < 2; i++) {
			size_t left = MUCH_BYTES - sent[i];
			ssize_t n;

			for (size_t j = 0; j < sizeof(data); j++)
				data[j] = (uint8_t)((sent[i] + j) % 251);
			n = write(ends[i], data, left < sizeof(data) ? left : sizeof(data));
			sent[i] += n > 0 ? (size_t)n : 0;
			n = read(ends[i], got, sizeof(got));
			for (ssize_t j = 0; j < n; j++)
				assert_int_equal(got[j], (received[i] + (size_t)j) % 251);
			received[i] += n > 0 ? (size_t)n : 0;
		}
		run_for(&b, 0);
	}
	bh_close(ends[0]);
	finish(&b);
}

/* A large write to one stream, then a word on another: when the word is there, so is the rest. */
static void order_holds_between_streams(void **state)
{
	static char data[BH_MUX_WINDOW_BYTES];
	struct bench b;
	int fds[20];

	(void)state;
	start(&b);
	for (int i = 0; i < 20; i++)
		fds[i] = open_stream(&b);
	for (int round = 0; round < 50; round++) {
		int first = rand() % 20, second = (first + 1 + rand() % 19) % 20;
		size_t bytes = 1 + (size_t)rand() % 60000, there = 0;
		ssize_t n;

		assert_int_equal(write(fds[first], data, bytes), bytes);
		assert_int_equal(write(fds[second], "!", 1), 1);
		do
			run_for(&b, 0);
		while (read(b.accepted[second], data, 1) < 0);
		while ((n = read(b.accepted[first], data, sizeof(data))) > 0)
			there += (size_t)n;
		assert_int_equal(there, bytes);
	}
	for (int i = 0; i < 20; i++)
		bh_close(fds[i]);
	finish(&b);
}

static void streams_are_bounded(void **state)
{
	struct bench b;

	(void)state;
	start(&b);
	b.host->n_streams += BH_MUX_STREAMS_MAX; /* as if */
	assert_int_equal(bh_mux_open(b.host, &b.err), -ENOSPC);
	b.host->n_streams -= BH_MUX_STREAMS_MAX;
	finish(&b);
}

/* ---- the channel ----------------------------------------------------------------------------- */

static void a_guest_that_comes_late_is_found(void **state)
{
	struct bench b;
	char lost[64];
	int ends[2];

	(void)state;
	prepare(&b, ends);
	new_mux(&b, ends[1], BH_MUX_GUEST);
	settle(&b);
	assert_true(recv(ends[0], lost, sizeof(lost), MSG_DONTWAIT) >
		    0); /* as if nobody was there */
	settle(&b);
	assert_int_equal(recv(ends[0], lost, sizeof(lost), MSG_DONTWAIT), -1);
	new_mux(&b, ends[0], BH_MUX_HOST);
	assert_int_equal(bh_mux_open(b.host, &b.err), -ENOTCONN);
	run_for(&b, 250);
	assert_true(bh_mux_ready(b.host));
	assert_true(bh_mux_ready(b.guest));
	bh_close(open_stream(&b));
	finish(&b);
}

static void it_works_over_a_terminal(void **state)
{
	struct termios raw;
	struct bench b;
	int unused[2], master, fd;

	(void)state;
	prepare(&b, unused);
	bh_close(unused[0]);
	bh_close(unused[1]);
	master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(master >= 0);
	assert_int_equal(grantpt(master), 0);
	assert_int_equal(unlockpt(master), 0);
	fd = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(tcgetattr(fd, &raw), 0);
	cfmakeraw(&raw);
	assert_int_equal(tcsetattr(fd, TCSANOW, &raw), 0);
	new_mux(&b, master, BH_MUX_HOST);
	new_mux(&b, fd, BH_MUX_GUEST);
	settle(&b);
	fd = open_stream(&b);
	stuff(&b, fd);
	assert_true(slurp(&b, b.accepted[0]) > BH_MUX_WINDOW_BYTES);
	bh_close(fd);
	finish(&b);
}

static void the_end_of_the_channel_is_told_once_and_ends_streams(void **state)
{
	struct bench b;
	int fd;

	(void)state;
	start(&b);
	fd = open_stream(&b);
	b.guest = bh_mux_free(b.guest);
	b.free_in_callback = true;
	settle(&b);
	assert_int_equal(b.dead, 1);
	assert_string_equal(b.why, "the other end was closed");
	assert_null(b.host);
	hear_end(fd);
	hear_end(b.accepted[0]);
	bh_close(fd);
	finish(&b);
}

/* ---- hostile peers --------------------------------------------------------------------------- */

struct raw_frame {
	uint32_t id;
	uint8_t type, zero;
	uint32_t len; /* as claimed */
	const char *data;
	size_t data_len;
};

static void send_raw(struct bench *b, const struct raw_frame *f)
{
	uint8_t buf[64 + BH_MUX_DATA_MAX];
	uint32_t id = htobe32(f->id);
	uint16_t len = htobe16((uint16_t)f->len);

	memcpy(buf, &id, sizeof(id));
	buf[4] = f->type;
	buf[5] = f->zero;
	memcpy(buf + 6, &len, sizeof(len));
	memset(buf + 8, 0, f->data_len);
	if (f->data)
		memcpy(buf + 8, f->data, f->data_len);
	assert_int_equal(write(b->raw, buf, 8 + f->data_len), 8 + f->data_len);
	settle(b);
}

#define HELLO_DATA "BHmux\r\n\x80\0\0\0\1\0\2\0\0"
static const struct raw_frame hello = { 0, BH_MUX_HELLO, 0, 16, HELLO_DATA, 16 };

static void start_raw(struct bench *b, enum bh_mux_side side)
{
	int ends[2];

	prepare(b, ends);
	b->raw = ends[0];
	new_mux(b, ends[1], side);
	settle(b);
}

static void a_broken_frame_ends_the_channel(void **state)
{
	static const struct {
		struct raw_frame frame;
		bool before_hello;
		const char *why;
	} cases[] = {
		{ { 1, 0, 0, 0, NULL, 0 }, false, "no frame of this protocol" },
		{ { 1, 9, 0, 0, NULL, 0 }, false, "no frame of this protocol" },
		{ { 1, BH_MUX_DATA, 1, 1, "x", 1 }, false, "no frame of this protocol" },
		{ { 1, BH_MUX_DATA, 0, 0xffff, NULL, 0 },
		  false,
		  "DATA of stream 1: 65535 bytes are too many" },
		{ { 1, BH_MUX_DATA, 0, 0, NULL, 0 }, false, "DATA of stream 1: it is empty" },
		{ { 2, BH_MUX_DATA, 0, 1, "x", 1 },
		  false,
		  "DATA of stream 2: the stream is not open" },
		{ { 7, BH_MUX_OPEN, 0, 0, NULL, 0 }, false, "OPEN of stream 7: it opens nothing" },
		{ { 1, BH_MUX_CREDIT, 0, 4, "\0\0\0\1", 4 },
		  false,
		  "CREDIT of stream 1: 1 bytes more than 131072" },
		{ { 1, BH_MUX_CREDIT, 0, 4, "\0\0\0\0", 4 },
		  false,
		  "CREDIT of stream 1: 0 bytes more than 131072" },
		{ { 1, BH_MUX_CREDIT, 0, 3, "\0\0\1", 3 },
		  false,
		  "CREDIT of stream 1: 0 bytes more than 131072" },
		{ { 1, BH_MUX_END, 0, 1, "x", 1 },
		  false,
		  "END of stream 1: it has a content of 1 bytes" },
		{ { 1, BH_MUX_CLOSE, 0, 1, "x", 1 },
		  false,
		  "CLOSE of stream 1: it has a content of 1 bytes" },
		{ { 1, BH_MUX_DATA, 0, 1, "x", 1 },
		  true,
		  "DATA of stream 1: it comes before HELLO" },
		{ { 0, BH_MUX_HELLO, 0, 16, "GHmux\r\n\x80\0\0\0\1\0\2\0\0", 16 },
		  true,
		  "HELLO of stream 0: HELLO is none" },
		{ { 0, BH_MUX_HELLO, 0, 16, "BHmux\r\n\x80\0\0\0\2\0\2\0\0", 16 },
		  true,
		  "HELLO of stream 0: version 2 with a window of 131072 bytes, not 1 with 131072" },
	};

	(void)state;
	for (size_t i = 0; i < BH_ARRAY_SIZE(cases); i++) {
		struct bench b;
		int fd = -EBADF;

		start_raw(&b, BH_MUX_HOST);
		if (!cases[i].before_hello) {
			send_raw(&b, &hello);
			fd = bh_mux_open(b.host, &b.err);
			assert_true(fd >= 0);
			settle(&b);
		}
		send_raw(&b, &cases[i].frame);
		assert_int_equal(b.dead, 1);
		assert_string_equal(b.why, cases[i].why);
		assert_int_equal(bh_mux_open(b.host, &b.err), -EPIPE);
		bh_close(fd);
		finish(&b);
	}
}

static void what_follows_the_end_breaks_the_protocol(void **state)
{
	static const struct {
		uint8_t first, second;
		const char *why;
	} cases[] = {
		{ BH_MUX_END, BH_MUX_END, "END of stream 1: it comes twice" },
		{ BH_MUX_END, BH_MUX_DATA, "DATA of stream 1: it comes after END" },
		{ BH_MUX_CLOSE, BH_MUX_END, "END of stream 1: the stream is not open" },
		{ BH_MUX_CLOSE, BH_MUX_CLOSE, "CLOSE of stream 1: the stream is not open" },
	};

	(void)state;
	for (size_t i = 0; i < BH_ARRAY_SIZE(cases); i++) {
		struct bench b;
		int fd;

		start_raw(&b, BH_MUX_HOST);
		send_raw(&b, &hello);
		fd = bh_mux_open(b.host, &b.err);
		settle(&b);
		send_raw(&b, &(struct raw_frame){ .id = 1, .type = cases[i].first });
		assert_int_equal(b.dead, 0);
		send_raw(&b, &(struct raw_frame){ .id = 1,
						  .type = cases[i].second,
						  .len = cases[i].second == BH_MUX_DATA,
						  .data_len = cases[i].second == BH_MUX_DATA });
		assert_int_equal(b.dead, 1);
		assert_string_equal(b.why, cases[i].why);
		bh_close(fd);
		finish(&b);
	}
}

static void more_than_the_credit_breaks_the_protocol(void **state)
{
	const struct raw_frame data = { 1, BH_MUX_DATA, 0, BH_MUX_DATA_MAX, NULL, BH_MUX_DATA_MAX };
	struct bench b;
	int fd, n = 0;

	(void)state;
	start_raw(&b, BH_MUX_HOST);
	send_raw(&b, &hello);
	fd = bh_mux_open(b.host, &b.err);
	settle(&b);
	while (!b.dead && n++ < 1000)
		send_raw(&b, &data);
	/* What the socket took is credit again, though we do not look at it: the socket is finite.
	 */
	assert_true(n < 100);
	assert_non_null(strstr(b.why, "are more than its credit of"));
	bh_close(fd);
	finish(&b);
}

static void a_guest_checks_too(void **state)
{
	struct bench b;

	(void)state;
	start_raw(&b, BH_MUX_GUEST);
	send_raw(&b, &hello);
	send_raw(&b, &(struct raw_frame){ .id = 5, .type = BH_MUX_OPEN });
	assert_int_equal(b.n_accepted, 1);
	send_raw(&b, &(struct raw_frame){ .id = 4, .type = BH_MUX_OPEN });
	assert_int_equal(b.dead, 1);
	finish(&b);
}

/* A flood of frames that say nothing costs time, not memory; the channel is written to only as far
 * as it is read. */
static void a_flood_of_hellos_is_borne(void **state)
{
	struct bench b;

	(void)state;
	start_raw(&b, BH_MUX_HOST);
	for (int i = 0; i < 100; i++)
		send_raw(&b, &hello);
	assert_int_equal(b.dead, 0);
	assert_int_equal(b.host->out.len, 0);
	finish(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stream_carries_both_directions),
		cmocka_unit_test(the_end_of_one_direction_leaves_the_other),
		cmocka_unit_test(what_was_written_before_close_arrives),
		cmocka_unit_test(a_reader_that_closes_ends_the_writer),
		cmocka_unit_test(a_blocked_reader_blocks_no_other),
		cmocka_unit_test(a_writer_is_not_stuck_when_its_reader_goes),
		cmocka_unit_test(many_streams_carry_what_is_theirs),
		cmocka_unit_test(much_arrives_unchanged),
		cmocka_unit_test(order_holds_between_streams),
		cmocka_unit_test(streams_are_bounded),
		cmocka_unit_test(a_guest_that_comes_late_is_found),
		cmocka_unit_test(it_works_over_a_terminal),
		cmocka_unit_test(the_end_of_the_channel_is_told_once_and_ends_streams),
		cmocka_unit_test(a_broken_frame_ends_the_channel),
		cmocka_unit_test(what_follows_the_end_breaks_the_protocol),
		cmocka_unit_test(more_than_the_credit_breaks_the_protocol),
		cmocka_unit_test(a_guest_checks_too),
		cmocka_unit_test(a_flood_of_hellos_is_borne),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

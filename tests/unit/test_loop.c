/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/embed.h"
#include "loop/fiber.h"

struct diary {
	struct bh_loop loop;
	struct bh_err err;
	char text[64]; /* a letter for everything that happened, in order */
	struct bh_wait wait;
};

static void note(struct diary *d, char letter)
{
	d->text[strlen(d->text)] = letter;
}

static int set_up(void **state)
{
	static struct diary d;

	memset(&d, 0, sizeof(d));
	*state = &d;
	return bh_loop_init(&d.loop, &d.err);
}

static int tear_down(void **state)
{
	struct diary *d = *state;

	bh_loop_deinit(&d->loop);
	return 0;
}

/* ---- timers and deferred calls ----------------------------------------------------------- */

struct entry {
	struct bh_timer timer;
	struct bh_deferred deferred;
	struct diary *diary;
	char letter;
	struct bh_deferred *and_defer; /* when called */
};

static void on_timer(struct bh_timer *timer)
{
	struct entry *e = bh_owner_of(timer, struct entry, timer);

	note(e->diary, e->letter);
	if (e->and_defer)
		bh_loop_defer(&e->diary->loop, e->and_defer);
	if (e->letter == 'z')
		bh_loop_stop(&e->diary->loop);
}

static void on_deferred(struct bh_deferred *deferred)
{
	struct entry *e = bh_owner_of(deferred, struct entry, deferred);

	note(e->diary, e->letter);
	if (e->and_defer)
		bh_loop_defer(&e->diary->loop, e->and_defer);
	if (e->letter == 'z')
		bh_loop_stop(&e->diary->loop);
}

static struct entry entry(struct diary *d, char letter)
{
	return (struct entry){ .timer = { .fn = on_timer },
			       .deferred = { .fn = on_deferred },
			       .diary = d,
			       .letter = letter };
}

static void timers_go_off_in_their_order(void **state)
{
	struct diary *d = *state;
	struct entry a = entry(d, 'a'), b = entry(d, 'b'), c = entry(d, 'c'), z = entry(d, 'z');

	bh_loop_arm(&d->loop, &z.timer, 30);
	bh_loop_arm(&d->loop, &a.timer, 1000000);
	bh_loop_arm(&d->loop, &b.timer, 10);
	bh_loop_arm(&d->loop, &c.timer, 10);
	bh_loop_arm(&d->loop, &a.timer, 20); /* instead of the other time */
	assert_int_equal(bh_loop_run(&d->loop, &d->err), 0);
	assert_string_equal(d->text, "bcaz");
	assert_null(d->loop.timers);
}

static void a_disarmed_timer_stays_silent(void **state)
{
	struct diary *d = *state;
	struct entry a = entry(d, 'a'), z = entry(d, 'z');

	bh_loop_arm(&d->loop, &a.timer, 1);
	bh_loop_arm(&d->loop, &z.timer, 5);
	bh_loop_disarm(&d->loop, &a.timer);
	bh_loop_disarm(&d->loop, &a.timer);
	assert_int_equal(bh_loop_run(&d->loop, &d->err), 0);
	assert_string_equal(d->text, "z");
}

static void deferred_calls_come_after_the_callback(void **state)
{
	struct diary *d = *state;
	struct entry a = entry(d, 'a'), b = entry(d, 'b'), c = entry(d, 'c'), z = entry(d, 'z');

	a.and_defer = &b.deferred;
	b.and_defer = &c.deferred;
	bh_loop_arm(&d->loop, &a.timer, 1);
	bh_loop_arm(&d->loop, &z.timer, 1);
	assert_int_equal(bh_loop_run(&d->loop, &d->err), 0);
	assert_string_equal(d->text, "abcz");
}

static void what_is_undeferred_is_not_called(void **state)
{
	struct diary *d = *state;
	struct entry a = entry(d, 'a'), b = entry(d, 'b'), z = entry(d, 'z');

	bh_loop_defer(&d->loop, &a.deferred);
	bh_loop_defer(&d->loop, &b.deferred);
	bh_loop_defer(&d->loop, &b.deferred); /* once all the same */
	bh_loop_undefer(&d->loop, &b.deferred);
	bh_loop_defer(&d->loop, &z.deferred);
	bh_loop_undefer(&d->loop, &a.deferred);
	bh_loop_undefer(&d->loop, &a.deferred);
	assert_int_equal(bh_loop_run(&d->loop, &d->err), 0);
	assert_string_equal(d->text, "z");
}

/* ---- fibers ------------------------------------------------------------------------------ */

static void waits_then_stops(void *arg)
{
	struct diary *d = arg;

	note(d, '1');
	assert_int_equal(bh_fiber_wait(&d->loop, &d->wait, &d->err), 0);
	note(d, '2');
	assert_int_equal(bh_fiber_sleep(&d->loop, 1, &d->err), 0);
	note(d, '3');
	bh_loop_stop(&d->loop);
}

static void wakes(void *arg)
{
	struct diary *d = arg;

	note(d, 'w');
	bh_fiber_wake(&d->wait);
	bh_fiber_wake(&d->wait);
	note(d, 'x'); /* the other goes on after this one */
}

static void a_fiber_suspends_and_goes_on(void **state)
{
	struct diary *d = *state;

	assert_int_equal(bh_fiber_start(&d->loop, waits_then_stops, d, &d->err), 0);
	assert_int_equal(bh_fiber_start(&d->loop, wakes, d, &d->err), 0);
	assert_int_equal(bh_loop_run(&d->loop, &d->err), 0);
	assert_string_equal(d->text, "1wx23");
	assert_null(d->loop.fiber);
}

static void what_has_happened_is_not_waited_for(void **state)
{
	struct diary *d = *state;

	bh_fiber_wake(&d->wait);
	assert_int_equal(bh_fiber_wait(&d->loop, &d->wait, &d->err), 0);
}

static void sleeps_and_wakes(void *arg)
{
	struct diary *d = arg;

	(void)!bh_fiber_sleep(&d->loop, 2, &d->err);
	note(d, 'f');
	bh_fiber_wake(&d->wait);
}

static void outside_of_a_fiber_the_loop_runs(void **state)
{
	struct diary *d = *state;

	assert_int_equal(bh_fiber_start(&d->loop, sleeps_and_wakes, d, &d->err), 0);
	assert_string_equal(d->text, "");
	assert_int_equal(bh_fiber_wait(&d->loop, &d->wait, &d->err), 0);
	assert_string_equal(d->text, "f");
}

struct failing {
	struct bh_source source;
	struct bh_wait wait;
};

static int wakes_and_fails(struct bh_source *source, uint32_t events, struct bh_err *err)
{
	(void)events;
	bh_fiber_wake(&((struct failing *)source)->wait);
	return bh_err_set(err, -EIO, "test");
}

static void a_loop_that_fails_ends_the_wait(void **state)
{
	struct diary *d = *state;
	struct failing f = { .source = { .fn = wakes_and_fails, .what = "test" } };
	int ends[2];

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(write(ends[1], "x", 1), 1);
	f.source.fd = ends[0];
	assert_int_equal(bh_loop_add(&d->loop, &f.source, EPOLLIN, &d->err), 0);
	assert_int_equal(bh_fiber_wait(&d->loop, &f.wait, NULL), -EIO);
	/* Nobody comes back to what may be gone by now. */
	assert_null(d->loop.deferred);
	bh_loop_remove(&d->loop, &f.source);
	bh_close(ends[0]);
	bh_close(ends[1]);
}

static void a_descriptor_is_waited_for_and_not_too_long(void **state)
{
	struct diary *d = *state;
	int ends[2];

	assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
	assert_int_equal(bh_fiber_ready(&d->loop, ends[0], EPOLLIN, 1, "test", &d->err), 0);
	assert_int_equal(read(ends[0], (char[1]){ 0 }, 1), -1);
	assert_int_equal(write(ends[1], "x", 1), 1);
	assert_int_equal(bh_fiber_ready(&d->loop, ends[0], EPOLLIN, 0, "test", &d->err), 0);
	assert_int_equal(read(ends[0], (char[1]){ 0 }, 1), 1);
	bh_close(ends[1]);
	assert_int_equal(bh_fiber_ready(&d->loop, ends[0], EPOLLIN, 0, "test", &d->err), 0);
	bh_close(ends[0]);
	assert_int_equal(bh_fiber_ready(&d->loop, ends[0], EPOLLIN, 0, "test", &d->err), -EBADF);
	assert_null(d->loop.timers);
}

/* Return: socket whose connect(2) to @port of the loopback is under way */
static int begin_connect(in_port_t port)
{
	const struct sockaddr_in to = { .sin_family = AF_INET,
					.sin_port = port,
					.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (const struct sockaddr *)&to, sizeof(to)), -1);
	assert_int_equal(errno, EINPROGRESS);
	return fd;
}

static void a_connect_is_waited_for(void **state)
{
	struct diary *d = *state;
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fd;

	assert_int_equal(bind(listener, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &len), 0);
	fd = begin_connect(at.sin_port); /* nobody listens yet */
	assert_int_equal(bh_fiber_connected(&d->loop, fd, "test", &d->err), -ECONNREFUSED);
	assert_string_equal(d->err.text, "test: connect");
	bh_close(fd);
	assert_int_equal(listen(listener, 1), 0);
	fd = begin_connect(at.sin_port);
	assert_int_equal(bh_fiber_connected(&d->loop, fd, "test", &d->err), 0);
	bh_close(fd);
	bh_close(listener);
}

static void uses_its_stack(void *arg)
{
	struct diary *d = arg;
	char room[64 << 10];

	memset(room, 's', sizeof(room));
	(void)!bh_fiber_sleep(&d->loop, 1, &d->err);
	note(d, room[sizeof(room) / 2]);
	if (strlen(d->text) == 50)
		bh_loop_stop(&d->loop);
}

static void many_fibers_at_once(void **state)
{
	struct diary *d = *state;

	for (int i = 0; i < 50; i++)
		assert_int_equal(bh_fiber_start(&d->loop, uses_its_stack, d, &d->err), 0);
	assert_int_equal(bh_loop_run(&d->loop, &d->err), 0);
	assert_int_equal(strspn(d->text, "s"), 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(timers_go_off_in_their_order, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_disarmed_timer_stays_silent, set_up, tear_down),
		cmocka_unit_test_setup_teardown(deferred_calls_come_after_the_callback, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(what_is_undeferred_is_not_called, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_fiber_suspends_and_goes_on, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_has_happened_is_not_waited_for, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(outside_of_a_fiber_the_loop_runs, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_loop_that_fails_ends_the_wait, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_descriptor_is_waited_for_and_not_too_long, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_connect_is_waited_for, set_up, tear_down),
		cmocka_unit_test_setup_teardown(many_fibers_at_once, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

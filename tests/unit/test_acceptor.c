/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "loop/acceptor.h"

#define CALLERS 3
#define RUN_MS  350
/* So long as one that fails is left alone for 100 ms, and never mind how slow the machine is. */
#define CALLS_MAX 4

struct bench {
	struct bh_loop loop;
	struct bh_acceptor acceptor;
	struct bh_timer timer;
	struct bh_err err;
	int callers[CALLERS], taken[CALLERS];
	size_t n_taken;
	int log;
	bool stop_in_callback;
};

static int fail_with; /* 0 = do as the kernel does */
static unsigned int n_calls;

/* In the place of the C library's: counted, and failed in ways that cannot be had at will. */
int accept4(int fd, struct sockaddr *address, socklen_t *len, int flags)
{
	n_calls++;
	if (fail_with) {
		errno = fail_with;
		return -1;
	}
	return (int)syscall(SYS_accept4, fd, address, len, flags);
}

static void on_caller(struct bh_acceptor *acceptor, int fd)
{
	struct bench *b = bh_owner_of(acceptor, struct bench, acceptor);

	b->taken[b->n_taken++] = fd;
	if (b->stop_in_callback)
		bh_acceptor_stop(acceptor);
}

static void on_timer(struct bh_timer *timer)
{
	bh_loop_stop(&bh_owner_of(timer, struct bench, timer)->loop);
}

static void run(struct bench *b, uint64_t ms)
{
	n_calls = 0;
	bh_loop_arm(&b->loop, &b->timer, ms);
	assert_int_equal(bh_loop_run(&b->loop, &b->err), 0);
}

/* Three who call at once. */
static int set_up(void **state)
{
	static struct bench b;
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	socklen_t len = sizeof(at);
	char path[32];
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	b = (struct bench){ .acceptor = { .source = { .fd = fd, .what = "door" }, .fn = on_caller },
			    .timer = { .fn = on_timer } };
	fail_with = 0;
	b.log = memfd_create("log", MFD_CLOEXEC);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", b.log);
	if (bh_log_open(path, BH_LOG_TEXT, BH_LOG_WARN, &b.err) < 0 ||
	    bind(fd, (struct sockaddr *)&at, sizeof(at.sun_family)) < 0 ||
	    listen(fd, CALLERS) < 0 || getsockname(fd, (struct sockaddr *)&at, &len) < 0)
		return -1;
	for (size_t i = 0; i < CALLERS; i++) {
		b.callers[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (connect(b.callers[i], (struct sockaddr *)&at, len) < 0)
			return -1;
	}
	*state = &b;
	return bh_loop_init(&b.loop, &b.err) < 0 ||
	       bh_acceptor_start(&b.loop, &b.acceptor, &b.err) < 0;
}

static int tear_down(void **state)
{
	struct bench *b = *state;

	bh_acceptor_stop(&b->acceptor);
	bh_acceptor_stop(&b->acceptor);
	bh_close(b->acceptor.source.fd);
	bh_loop_deinit(&b->loop);
	for (size_t i = 0; i < CALLERS; i++)
		bh_close(b->callers[i]);
	for (size_t i = 0; i < b->n_taken; i++)
		bh_close(b->taken[i]);
	bh_close(bh_log_fd());
	bh_close(b->log);
	return bh_log_open(NULL, BH_LOG_TEXT, BH_LOG_WARN, &b->err);
}

static size_t count_lines(const struct bench *b, const char *with)
{
	char text[4096] = "";
	size_t n = 0;

	assert_in_range(pread(b->log, text, sizeof(text) - 1, 0), 0, sizeof(text) - 1);
	for (const char *at = strstr(text, with); at; at = strstr(at + 1, with))
		n++;
	return n;
}

static void whoever_calls_is_accepted(void **state)
{
	struct bench *b = *state;

	run(b, 1);
	assert_int_equal(b->n_taken, CALLERS);
	assert_true(fcntl(b->taken[0], F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(b->taken[0], F_GETFL) & O_NONBLOCK);
	assert_int_equal(count_lines(b, "\n"), 0);
}

/* There is room for none but those that are there. Return: the limit as it was */
static struct rlimit let_descriptors_run_out(void)
{
	int lowest = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
	struct rlimit was, none;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	none = was;
	none.rlim_cur = (rlim_t)lowest;
	bh_close(lowest);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	return was;
}

static void without_descriptors_the_loop_rests(void **state)
{
	struct bench *b = *state;
	const struct rlimit was = let_descriptors_run_out();

	run(b, RUN_MS);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
	assert_in_range(n_calls, 2, CALLS_MAX);
	assert_int_equal(b->n_taken, 0);
	assert_int_equal(count_lines(b, "door: who calls has to wait: Too many open files"), 1);
	/* Then all who have waited get in. */
	run(b, RUN_MS);
	assert_int_equal(b->n_taken, CALLERS);
	assert_int_equal(count_lines(b, "\n"), 1);
}

static void other_failures_rest_as_well(void **state)
{
	static const int failures[] = { ENFILE, ENOMEM, ENOBUFS, EPERM };
	struct bench *b = *state;

	for (size_t i = 0; i < BH_ARRAY_SIZE(failures); i++) {
		fail_with = failures[i];
		run(b, RUN_MS);
		assert_in_range(n_calls, 2, CALLS_MAX);
	}
	assert_int_equal(count_lines(b, "\n"), 1);
	fail_with = 0;
	run(b, RUN_MS);
	assert_int_equal(b->n_taken, CALLERS);
}

/* The next one may be there. */
static void who_went_away_holds_up_nobody(void **state)
{
	static const int failures[] = { EAGAIN, EINTR, ECONNABORTED };
	struct bench *b = *state;

	for (size_t i = 0; i < BH_ARRAY_SIZE(failures); i++) {
		fail_with = failures[i];
		run(b, 20);
		assert_true(n_calls > CALLS_MAX);
	}
	assert_int_equal(count_lines(b, "\n"), 0);
}

static void held_ones_wait(void **state)
{
	struct bench *b = *state;

	bh_acceptor_hold(&b->acceptor, true);
	run(b, 20);
	assert_int_equal(n_calls, 0);
	bh_acceptor_hold(&b->acceptor, false);
	/* Neither the end of a rest nor that of a hold is that of the other. */
	fail_with = EMFILE;
	run(b, 20);
	bh_acceptor_hold(&b->acceptor, false);
	run(b, 20);
	assert_int_equal(n_calls, 0);
	bh_acceptor_hold(&b->acceptor, true);
	fail_with = 0;
	run(b, RUN_MS);
	assert_int_equal(n_calls, 0);
	bh_acceptor_hold(&b->acceptor, false);
	run(b, 20);
	assert_int_equal(b->n_taken, CALLERS);
}

static void a_stopped_one_accepts_nobody(void **state)
{
	struct bench *b = *state;

	b->stop_in_callback = true;
	run(b, 20);
	assert_int_equal(b->n_taken, 1);
	b->stop_in_callback = false;
	assert_int_equal(bh_acceptor_start(&b->loop, &b->acceptor, &b->err), 0);
	fail_with = EMFILE;
	run(b, 20);
	bh_acceptor_stop(&b->acceptor);
	bh_acceptor_hold(&b->acceptor, false);
	fail_with = 0;
	run(b, RUN_MS);
	assert_int_equal(b->n_taken, 1);
	assert_int_equal(n_calls, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(whoever_calls_is_accepted, set_up, tear_down),
		cmocka_unit_test_setup_teardown(without_descriptors_the_loop_rests, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(other_failures_rest_as_well, set_up, tear_down),
		cmocka_unit_test_setup_teardown(who_went_away_holds_up_nobody, set_up, tear_down),
		cmocka_unit_test_setup_teardown(held_ones_wait, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_stopped_one_accepts_nobody, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* QEMU's control protocol, the other end being this test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "vmm/qemu/qmp.h"

static int parse(const char *line, struct bh_qmp_message *m)
{
	struct bh_err err = BH_ERR_INIT;
	int r = bh_qmp_parse(line, strlen(line), m, &err);

	if (r < 0)
		assert_true(err.code == r && err.text[0]);
	return r;
}

static void messages(void **state)
{
	struct bh_qmp_message m;

	(void)state;
	assert_int_equal(parse("{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r", &m), 0);
	assert_int_equal(m.kind, BH_QMP_GREETING);
	assert_int_equal(parse("{\"return\": {}, \"id\": 7}", &m), 0);
	assert_true(m.kind == BH_QMP_RETURN && m.id == 7);
	assert_int_equal(parse("{\"id\": 8, \"error\": {\"class\": \"GenericError\", \"desc\": "
			       "\"no 'x'\\u001b[31m\\n\\u00e9\"}}",
			       &m),
			 0);
	assert_true(m.kind == BH_QMP_ERROR && m.id == 8);
	assert_string_equal(m.text, "no 'x'?[31m???");
	assert_int_equal(parse("{\"timestamp\": {\"seconds\": 1, \"microseconds\": 2}, \"event\": "
			       "\"DEVICE_DELETED\", \"data\": {\"device\": \"disk0\", \"path\": "
			       "\"/x\"}}",
			       &m),
			 0);
	assert_true(m.kind == BH_QMP_EVENT && !m.reason[0]);
	assert_string_equal(m.name, "DEVICE_DELETED");
	assert_string_equal(m.device, "disk0");
}

static void malformed(void **state)
{
	static const char *const lines[] = {
		"",
		"{",
		"[]",
		"7",
		"{}",
		"{\"return\": {}} {}",
		"{\"return\": {}, \"id\": \"7\"}",
		"{\"return\": {}, \"id\": -1}",
		"{\"return\": {}, \"id\": 0}",
		"{\"return\": {}, \"id\": 99999999999999999999}",
		"{\"event\": 1}",
		"{\"event\": \"\"}",
		"{\"event\": \"X\", \"data\": 1}",
		"{\"error\": \"x\", \"id\": 1}",
		"{\"error\": null, \"id\": 1}",
	};
	struct bh_qmp_message m;

	(void)state;
	for (size_t i = 0; i < BH_ARRAY_SIZE(lines); i++) {
		if (parse(lines[i], &m) != -EBADMSG)
			fail_msg("taken: %s", lines[i]);
	}
}

/* Names and texts longer than what they are copied to. */
static void long_texts(void **state)
{
	char line[4096];
	struct bh_qmp_message m;

	(void)state;
	snprintf(line, sizeof(line), "{\"event\":\"%0500d\",\"data\":{\"reason\":\"%0500d\"}}", 0,
		 0);
	assert_int_equal(parse(line, &m), 0);
	assert_int_equal(strlen(m.name), BH_QMP_NAME_BYTES - 1);
	assert_int_equal(strlen(m.reason), BH_QMP_NAME_BYTES - 1);
	snprintf(line, sizeof(line), "{\"error\":{\"desc\":\"%02000d\"},\"id\":1}", 0);
	assert_int_equal(parse(line, &m), 0);
	assert_int_equal(strlen(m.text), BH_QMP_TEXT_BYTES - 1);
}

/* ---- the conversation ------------------------------------------------------------------------ */

struct talk {
	struct bh_loop loop;
	struct bh_qmp qmp;
	int far;
	char events[256];
	struct bh_err broken, err;
	int results[4];
	size_t n_results;
};

static void on_event(void *arg, const struct bh_qmp_message *m)
{
	struct talk *t = arg;

	snprintf(t->events + strlen(t->events), sizeof(t->events) - strlen(t->events), "%s ",
		 m->name);
}

static void on_broken(void *arg, const struct bh_err *why)
{
	struct talk *t = arg;

	t->broken = *why;
	bh_qmp_end(&t->qmp, why);
}

static int set_up(void **state)
{
	struct talk *t = calloc(1, sizeof(*t));
	int pair[2];

	*state = t;
	if (!t || bh_loop_init(&t->loop, &t->err) < 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return -1;
	t->far = pair[1];
	t->qmp.arg = t;
	t->qmp.event = on_event;
	t->qmp.broken = on_broken;
	return bh_qmp_start(&t->qmp, &t->loop, pair[0], &t->err);
}

static int tear_down(void **state)
{
	struct talk *t = *state;

	bh_qmp_deinit(&t->qmp);
	bh_close(t->far);
	bh_loop_deinit(&t->loop);
	free(t);
	return 0;
}

static void say(struct talk *t, const char *text)
{
	assert_int_equal(write(t->far, text, strlen(text)), strlen(text));
}

static void turn(struct talk *t)
{
	assert_int_equal(bh_fiber_sleep(&t->loop, 5, &t->err), 0);
}

static void call_stop(void *arg)
{
	struct talk *t = arg;
	size_t n = t->n_results++;
	struct bh_err err = BH_ERR_INIT;

	t->results[n] = 1; /* not yet */
	t->results[n] = bh_qmp_call(&t->qmp, "stop", NULL, -1, 200, &err);
	if (t->results[n] < 0)
		t->err = err;
}

static void start_call(struct talk *t)
{
	assert_int_equal(bh_fiber_start(&t->loop, call_stop, t, &t->err), 0);
}

/* Answers in another order than the calls, in pieces, with an event in between. */
static void calls(void **state)
{
	struct talk *t = *state;
	char buf[256] = "";

	say(t, "{\"QMP\": {}}\r\n");
	start_call(t);
	start_call(t);
	assert_true(read(t->far, buf, sizeof(buf) - 1) > 0);
	assert_string_equal(buf, "{\"execute\":\"stop\",\"arguments\":{},\"id\":1}\n"
				 "{\"execute\":\"stop\",\"arguments\":{},\"id\":2}\n");
	say(t,
	    "{\"error\": {\"desc\": \"not now\"}, \"id\": 2}\r\n{\"event\": \"STOP\"}\r\n{\"ret");
	turn(t);
	assert_true(t->results[0] == 1 && t->results[1] == -EREMOTEIO);
	assert_string_equal(t->err.text, "QEMU's answer to stop: not now");
	assert_string_equal(t->events, "STOP ");
	say(t, "urn\": {}, \"id\": 1}\r\n");
	turn(t);
	assert_int_equal(t->results[0], 0);
	assert_false(t->broken.code);
}

static void silence(void **state)
{
	struct talk *t = *state;

	say(t, "{\"QMP\": {}}\n");
	start_call(t);
	assert_int_equal(bh_fiber_sleep(&t->loop, 300, &t->err), 0);
	assert_int_equal(t->results[0], -ETIMEDOUT);
	say(t, "{\"return\": {}, \"id\": 1}\n"); /* too late, but no harm */
	turn(t);
	assert_false(t->broken.code);
}

/* What ends the conversation, and every call with it. */
static void breaches(void **state)
{
	static const char *const texts[] = {
		"{\"return\": {}, \"id\": 1}\n",                /* no greeting */
		"{\"QMP\": {}}\n{\"QMP\": {}}\n",               /* two */
		"{\"QMP\": {}}\n{\"return\": {}, \"id\": 2}\n", /* not asked */
		"{\"QMP\": {}}\n{\"return\": {}}\n",            /* for nobody */
		"{\"QMP\": {}}\nrubbish\n",
	};

	for (size_t i = 0; i < BH_ARRAY_SIZE(texts); i++) {
		struct talk *t;

		assert_int_equal(tear_down(state), 0);
		assert_int_equal(set_up(state), 0);
		t = *state;
		start_call(t);
		say(t, texts[i]);
		turn(t);
		assert_int_equal(t->broken.code, -EBADMSG);
		assert_int_equal(t->results[0], -EBADMSG);
		start_call(t); /* answered at once from now on */
		assert_int_equal(t->results[1], -EBADMSG);
	}
}

static void endless_line(void **state)
{
	struct talk *t = *state;
	static char chunk[8192];

	memset(chunk, 'x', sizeof(chunk));
	for (int i = 0; i < 10 && !t->broken.code; i++) {
		(void)!write(t->far, chunk, sizeof(chunk));
		turn(t);
	}
	assert_int_equal(t->broken.code, -EBADMSG);
}

static void hang_up(void **state)
{
	struct talk *t = *state;

	start_call(t);
	t->far = bh_close(t->far);
	turn(t);
	assert_int_equal(t->broken.code, -EPIPE);
	assert_int_equal(t->results[0], -EPIPE);
}

/* A descriptor arrives with the command that it belongs to. */
static void descriptor(void **state)
{
	struct talk *t = *state;
	char buf[256], control[CMSG_SPACE(sizeof(int))];
	struct iovec part = { buf, sizeof(buf) };
	struct msghdr msg = { .msg_iov = &part,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	struct stat sent, got;
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	say(t, "{\"QMP\": {}}\n{\"return\": {}, \"id\": 1}\n");
	assert_int_equal(bh_qmp_call(&t->qmp, "add-fd", "{\"fdset-id\":3}", fd, 500, &t->err), 0);
	assert_true(recvmsg(t->far, &msg, MSG_CMSG_CLOEXEC) > 0 && CMSG_FIRSTHDR(&msg));
	assert_int_equal(fstat(fd, &sent), 0);
	close(fd);
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	assert_int_equal(fstat(fd, &got), 0);
	close(fd);
	assert_true(sent.st_ino == got.st_ino && sent.st_dev == got.st_dev);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages),
		cmocka_unit_test(malformed),
		cmocka_unit_test(long_texts),
		cmocka_unit_test_setup_teardown(calls, set_up, tear_down),
		cmocka_unit_test_setup_teardown(silence, set_up, tear_down),
		cmocka_unit_test_setup_teardown(breaches, set_up, tear_down),
		cmocka_unit_test_setup_teardown(endless_line, set_up, tear_down),
		cmocka_unit_test_setup_teardown(hang_up, set_up, tear_down),
		cmocka_unit_test_setup_teardown(descriptor, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

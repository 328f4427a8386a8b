/* SPDX-License-Identifier: Apache-2.0 */
/* Over a serial port; over vsock it is tests/integration/link.bats that needs a kernel with it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <signal.h>
#include <sys/socket.h>

#include "rpc/link.h"
#include "rpc/link_internal.h"
#include "rpc/rpc.h"
#include "rpc/task.pb-c.h"

struct bench {
	struct bh_loop loop;
	struct bh_err err;
	struct bh_link *host, *guest;
	int n_accepted, fd;
	enum bh_stream_kind kind;
	uint32_t token;
	int dead;
	char why[256];
};

static void on_accept(void *arg, enum bh_stream_kind kind, uint32_t token, int fd)
{
	struct bench *b = arg;

	bh_close(b->fd);
	b->n_accepted++;
	b->kind = kind;
	b->token = token;
	b->fd = fd;
}

static void on_dead(void *arg, const struct bh_err *why)
{
	struct bench *b = arg;

	b->dead++;
	bh_err_format(why, b->why, sizeof(b->why));
}

struct stopper {
	struct bh_timer timer;
	struct bh_loop *loop;
};

static void stop_now(struct bh_timer *timer)
{
	bh_loop_stop(((struct stopper *)timer)->loop);
}

static void settle(struct bench *b)
{
	struct stopper stopper = { { .fn = stop_now }, &b->loop };

	bh_loop_arm(&b->loop, &stopper.timer, 20);
	assert_int_equal(bh_loop_run(&b->loop, &b->err), 0);
	bh_loop_disarm(&b->loop, &stopper.timer);
}

static void start(struct bench *b)
{
	int ends[2];

	*b = (struct bench){ .fd = -EBADF };
	assert_int_equal(bh_loop_init(&b->loop, &b->err), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	assert_int_equal(bh_link_serial(&b->loop, ends[0], on_dead, b, &b->host, &b->err), 0);
	assert_int_equal(bh_link_ready(b->host, &b->err), 0);
	assert_int_equal(bh_link_open(b->host, BH_STREAM_RPC, 0, &b->err), -ENOTCONN);
	b->guest = bh_link_new(&b->loop, on_dead, b);
	assert_non_null(b->guest);
	b->guest->accept = on_accept;
	assert_int_equal(bh_link_add_mux(b->guest, ends[1], BH_MUX_GUEST, &b->err), 0);
	settle(b);
	assert_int_equal(bh_link_ready(b->host, &b->err), 1);
}

static void finish(struct bench *b)
{
	b->host = bh_link_free(b->host);
	b->guest = bh_link_free(b->guest);
	bh_close(b->fd);
	bh_loop_deinit(&b->loop);
}

static void a_stream_says_what_it_is_for(void **state)
{
	char got[8];
	struct bench b;
	int fd;

	(void)state;
	start(&b);
	fd = bh_link_open(b.host, BH_STREAM_STDIO, 0xdeadbeef, &b.err);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "input", 5), 5);
	settle(&b);
	assert_int_equal(b.n_accepted, 1);
	assert_int_equal(b.kind, BH_STREAM_STDIO);
	assert_int_equal(b.token, 0xdeadbeef);
	assert_int_equal(read(b.fd, got, sizeof(got)), 5);
	assert_memory_equal(got, "input", 5);
	bh_close(fd);
	finish(&b);
}

static void a_kind_that_nobody_knows_is_closed(void **state)
{
	struct bench b;
	char got;
	int fds[3];

	(void)state;
	start(&b);
	fds[0] = bh_link_open(b.host, BH_STREAM_KIND_MAX_, 0, &b.err);
	fds[1] = bh_link_open(b.host, 0, 0, &b.err);
	fds[2] = bh_mux_open(b.host->mux, &b.err);
	assert_int_equal(write(fds[2], "\0\0\0", 3), 3);
	shutdown(fds[2], SHUT_WR);
	settle(&b);
	assert_int_equal(b.n_accepted, 0);
	assert_int_equal(b.guest->n_incoming, 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(read(fds[i], &got, 1), 0);
		bh_close(fds[i]);
	}
	finish(&b);
}

static void the_end_is_told_to_the_other_side(void **state)
{
	struct bench b;

	(void)state;
	start(&b);
	b.guest = bh_link_free(b.guest);
	settle(&b);
	assert_int_equal(b.dead, 1);
	assert_string_equal(b.why, "the other end was closed");
	assert_int_equal(bh_link_ready(b.host, &b.err), -EPIPE);
	assert_int_equal(bh_link_open(b.host, BH_STREAM_RPC, 0, &b.err), -EPIPE);
	assert_string_equal(b.err.text, "the other end was closed");
	finish(&b);
}

/* Return: the host's end of a connection over what could be vsock; it says the key, if @key, and
 * what it is for */
static int connection(struct bench *b, const char *key, uint8_t kind)
{
	uint8_t head[BH_LINK_KEY_BYTES + BH_LINK_PREAMBLE_BYTES] = { 0 };
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends),
			 0);
	bh_link_take_stream(b->guest, ends[1], true);
	if (!key)
		return ends[0];
	memcpy(head, key, strlen(key));
	head[BH_LINK_KEY_BYTES + 3] = kind;
	assert_int_equal(write(ends[0], head, sizeof(head)), sizeof(head));
	return ends[0];
}

/* As any process of a host can do to any of its guests. */
static void callers_that_say_nothing_keep_nobody_out(void **state)
{
	int silent[300], stream;
	struct bench b;

	(void)state;
	start(&b);
	memcpy(b.guest->key, "key", 3);
	b.guest->keyed = true;
	for (size_t i = 0; i < BH_ARRAY_SIZE(silent); i++)
		silent[i] = connection(&b, NULL, 0);
	stream = connection(&b, "key", BH_STREAM_STDIO);
	settle(&b);
	assert_int_equal(b.n_accepted, 1);
	assert_int_equal(b.dead, 0);
	assert_in_range(b.guest->n_incoming, 200, 256);
	for (size_t i = 0; i < BH_ARRAY_SIZE(silent); i++)
		bh_close(silent[i]);
	settle(&b);
	assert_int_equal(b.guest->n_incoming, 0);
	bh_close(stream);
	finish(&b);
}

static void echo(void *self, struct bh_rpc_call *call, const void *request)
{
	size_t len;
	const void *payload = bh_rpc_call_payload(call, &len);

	(void)self;
	(void)request;
	bh_rpc_reply_bytes(call, payload, len);
}

static void calls_go_through_a_link(void **state)
{
	static const struct bh_rpc_method methods[] = { { "Echo", &task__state_request__descriptor,
							  echo } };
	static const char *const names[] = { "test.Test", NULL };
	const struct bh_rpc_service service = { names, methods, 1, NULL };
	Task__StateRequest request = TASK__STATE_REQUEST__INIT;
	struct bh_rpc_client *client;
	struct bh_rpc_server *server;
	ProtobufCMessage *answer;
	struct bench b;
	char *id;
	int fd;

	(void)state;
	start(&b);
	fd = bh_link_open(b.host, BH_STREAM_RPC, 0, &b.err);
	settle(&b);
	assert_int_equal(bh_rpc_connect(&b.loop, fd, NULL, NULL, &client, &b.err), 0);
	assert_int_equal(bh_rpc_serve(&b.loop, b.fd, &service, 1, NULL, NULL, &server, &b.err), 0);
	b.fd = -EBADF;
	id = malloc(1 << 20);
	assert_non_null(id);
	memset(id, 'x', 1 << 20);
	id[(1 << 20) - 1] = '\0';
	request.id = id;
	assert_int_equal(bh_rpc_call_wait(client, "test.Test", "Echo", &request.base, 10000,
					  &task__state_request__descriptor, &answer, &b.err),
			 0);
	assert_string_equal(((Task__StateRequest *)answer)->id, id);
	protobuf_c_message_free_unpacked(answer, NULL);
	free(id);
	bh_rpc_client_free(client);
	bh_rpc_server_close(server);
	finish(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stream_says_what_it_is_for),
		cmocka_unit_test(a_kind_that_nobody_knows_is_closed),
		cmocka_unit_test(the_end_is_told_to_the_other_side),
		cmocka_unit_test(callers_that_say_nothing_keep_nobody_out),
		cmocka_unit_test(calls_go_through_a_link),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

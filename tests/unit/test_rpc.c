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
#include <sys/socket.h>

#include "loop/fiber.h"
#include "rpc/rpc.h"
#include "rpc/task.pb-c.h"
#include "rpc/wire.pb-c.h"

#define HEAD_BYTES  10
#define CALLS_MANY  500
#define PATIENCE_MS 20000

struct bench {
	struct bh_loop loop;
	struct bh_err err;
	struct bh_rpc_server *server;
	struct bh_rpc_client *client;
	int raw; /* the peer's end where the test speaks for it */
	int server_closed, client_closed;
	struct bh_rpc_call *held[CALLS_MANY];
	size_t n_held;
	int answers, wanted;
	struct bh_rpc_answer last; /* message and data are copies */
	char message[2048];
	uint8_t data[256];
	bool free_in_callback;
};

/* ---- the service that is called -------------------------------------------------------------- */

static void echo(void *self, struct bh_rpc_call *call, const void *request)
{
	const Task__StateRequest *in = request;
	Task__StateResponse out = TASK__STATE_RESPONSE__INIT;

	(void)self;
	out.id = in->id;
	bh_rpc_reply(call, &out.base);
}

static void hold(void *self, struct bh_rpc_call *call, const void *request)
{
	struct bench *b = self;

	(void)request;
	assert_true(b->n_held < CALLS_MANY);
	b->held[b->n_held++] = call;
	if ((int)b->n_held == b->wanted)
		bh_loop_stop(&b->loop);
}

static void refuse(void *self, struct bh_rpc_call *call, const void *request)
{
	struct bh_err err;

	(void)self;
	(void)request;
	bh_err_as(&err, BH_ERR_STATE, -ENOENT, "container does not exist: %s",
		  bh_rpc_call_method(call));
	bh_rpc_fail_err(call, &err);
}

static void empty(void *self, struct bh_rpc_call *call, const void *request)
{
	(void)self;
	(void)request;
	bh_rpc_reply(call, NULL);
}

static void huge(void *self, struct bh_rpc_call *call, const void *request)
{
	const Task__KillRequest *in = request;
	void *data = calloc(1, in->signal);

	(void)self;
	assert_non_null(data);
	bh_rpc_reply_bytes(call, data, in->signal);
	free(data);
}

static void hang_up(void *self, struct bh_rpc_call *call, const void *request)
{
	struct bench *b = self;

	(void)request;
	bh_rpc_server_close(b->server);
	b->server = NULL;
	bh_rpc_reply(call, NULL);
}

static const struct bh_rpc_method methods[] = {
	{ "Echo", &task__state_request__descriptor, echo },
	{ "Hold", &task__wait_request__descriptor, hold },
	{ "Fail", &task__state_request__descriptor, refuse },
	{ "Empty", &task__state_request__descriptor, empty },
	{ "Huge", &task__kill_request__descriptor, huge },
	{ "HangUp", &task__state_request__descriptor, hang_up },
};
static const char *const names[] = { "test.v1.Test", "test.v2.Test", NULL };

/* ---- bench ----------------------------------------------------------------------------------- */

static void on_server_closed(void *arg, struct bh_rpc_server *server)
{
	struct bench *b = arg;

	assert_ptr_equal(server, b->server);
	b->server = NULL;
	b->server_closed++;
	bh_loop_stop(&b->loop);
}

static void on_client_closed(void *arg)
{
	struct bench *b = arg;

	b->client_closed++;
	if (b->free_in_callback)
		b->client = bh_rpc_client_free(b->client);
	bh_loop_stop(&b->loop);
}

static void serve(struct bench *b, int fd)
{
	struct bh_rpc_service service = { names, methods, BH_ARRAY_SIZE(methods), b };

	assert_int_equal(
		bh_rpc_serve(&b->loop, fd, &service, 1, on_server_closed, b, &b->server, &b->err),
		0);
}

static void connect_to(struct bench *b, int fd)
{
	assert_int_equal(bh_rpc_connect(&b->loop, fd, on_client_closed, b, &b->client, &b->err), 0);
}

enum who { BOTH, SERVER, CLIENT };

static void start(struct bench *b, enum who who)
{
	int ends[2];

	*b = (struct bench){ .raw = -EBADF };
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	assert_int_equal(bh_loop_init(&b->loop, &b->err), 0);
	if (who != CLIENT)
		serve(b, ends[0]);
	if (who != SERVER)
		connect_to(b, ends[1]);
	if (who == CLIENT)
		b->raw = ends[0];
	if (who == SERVER)
		b->raw = ends[1];
}

static void finish(struct bench *b)
{
	if (b->server)
		bh_rpc_server_close(b->server);
	b->client = bh_rpc_client_free(b->client);
	bh_close(b->raw);
	bh_loop_deinit(&b->loop);
}

static void out_of_patience(struct bh_timer *timer)
{
	(void)timer;
	fail_msg("nothing happened for too long");
}

/* Until a callback stops the loop. */
static void run(struct bench *b)
{
	struct bh_timer timer = { .fn = out_of_patience };

	bh_loop_arm(&b->loop, &timer, PATIENCE_MS);
	assert_int_equal(bh_loop_run(&b->loop, &b->err), 0);
	bh_loop_disarm(&b->loop, &timer);
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
	run(b);
	bh_loop_disarm(&b->loop, &stopper.timer);
}

static void on_answer(void *arg, const struct bh_rpc_answer *answer)
{
	struct bench *b = arg;

	b->last = *answer;
	snprintf(b->message, sizeof(b->message), "%s", answer->message);
	b->last.message = b->message;
	if (answer->len && answer->len <= sizeof(b->data))
		memcpy(b->data, answer->data, answer->len);
	b->last.data = b->data;
	if (++b->answers == b->wanted)
		bh_loop_stop(&b->loop);
}

static void ask(struct bench *b, const char *service, const char *method, int timeout_ms)
{
	Task__StateRequest request = TASK__STATE_REQUEST__INIT;

	request.id = (char *)"some-id";
	assert_int_equal(bh_rpc_call(b->client, service, method, &request.base, timeout_ms,
				     on_answer, b, &b->err),
			 0);
}

static void ask_and_run(struct bench *b, const char *service, const char *method)
{
	b->answers = 0;
	b->wanted = 1;
	ask(b, service, method, 0);
	assert_int_equal(b->answers, 0); /* never before the return */
	run(b);
	assert_int_equal(b->answers, 1);
}

/* ---- frames by hand -------------------------------------------------------------------------- */

static size_t put_frame(uint8_t *buf, uint32_t len, uint32_t stream, uint8_t type, const void *data,
			size_t data_len)
{
	uint32_t words[] = { htobe32(len), htobe32(stream) };

	memcpy(buf, words, sizeof(words));
	buf[8] = type;
	buf[9] = 0;
	if (data_len)
		memcpy(buf + HEAD_BYTES, data, data_len);
	return HEAD_BYTES + data_len;
}

static void send_frame(struct bench *b, uint32_t stream, uint8_t type, const void *data, size_t len)
{
	uint8_t buf[512];
	size_t n = put_frame(buf, (uint32_t)len, stream, type, data, len);

	assert_int_equal(write(b->raw, buf, n), n);
}

static size_t request_bytes(uint8_t *buf, const char *service, const char *method,
			    const void *payload, size_t len)
{
	Wire__Request request = WIRE__REQUEST__INIT;

	request.service = (char *)service;
	request.method = (char *)method;
	request.payload.data = (uint8_t *)payload;
	request.payload.len = len;
	return wire__request__pack(&request, buf);
}

static void send_request(struct bench *b, uint32_t stream, const char *method, const void *payload,
			 size_t len)
{
	uint8_t buf[256];

	send_frame(b, stream, 1, buf, request_bytes(buf, "test.v1.Test", method, payload, len));
}

/* The answer to @stream, which has to be the next frame. */
static void expect(struct bench *b, uint32_t stream, int code, const char *message)
{
	uint8_t head[HEAD_BYTES], body[4096];
	Wire__Response *response;
	uint32_t words[2];

	run_for(b, 20);
	assert_int_equal(recv(b->raw, head, sizeof(head), MSG_DONTWAIT), sizeof(head));
	memcpy(words, head, sizeof(words));
	assert_int_equal(be32toh(words[1]), stream);
	assert_int_equal(head[8], 2);
	assert_int_equal(head[9], 0);
	assert_true(be32toh(words[0]) <= sizeof(body));
	if (words[0])
		assert_int_equal(recv(b->raw, body, be32toh(words[0]), MSG_DONTWAIT),
				 be32toh(words[0]));
	response = wire__response__unpack(NULL, be32toh(words[0]), body);
	assert_non_null(response);
	assert_int_equal(response->status ? response->status->code : 0, code);
	if (message)
		assert_string_equal(response->status->message, message);
	wire__response__free_unpacked(response, NULL);
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void a_call_is_answered_under_every_name(void **state)
{
	Task__StateResponse *response;
	struct bench b;

	(void)state;
	start(&b, BOTH);
	for (int i = 0; names[i]; i++) {
		ask_and_run(&b, names[i], "Echo");
		assert_int_equal(b.last.code, BH_RPC_OK);
		response = task__state_response__unpack(NULL, b.last.len, b.data);
		assert_non_null(response);
		assert_string_equal(response->id, "some-id");
		task__state_response__free_unpacked(response, NULL);
	}
	finish(&b);
}

static void what_is_not_there_is_unimplemented(void **state)
{
	struct bench b;

	(void)state;
	start(&b, BOTH);
	ask_and_run(&b, "test.v3.Test", "Echo");
	assert_int_equal(b.last.code, BH_RPC_UNIMPLEMENTED);
	assert_string_equal(b.message, "service test.v3.Test");
	ask_and_run(&b, names[0], "Missing");
	assert_int_equal(b.last.code, BH_RPC_UNIMPLEMENTED);
	assert_string_equal(b.message, "method Missing");
	finish(&b);
}

static void a_failure_keeps_its_code_and_text(void **state)
{
	struct bh_err err;
	struct bench b;

	(void)state;
	start(&b, BOTH);
	ask_and_run(&b, names[0], "Fail");
	assert_int_equal(b.last.code, BH_RPC_NOT_FOUND);
	assert_string_equal(b.message, "container does not exist: Fail");
	assert_int_equal(bh_rpc_answer_err(&b.last, &err), -ENOENT);
	assert_int_equal(err.domain, BH_ERR_PEER);
	assert_int_equal(bh_rpc_code_of(&err), BH_RPC_NOT_FOUND); /* also when it is passed on */
	bh_err_set(&err, -ENOENT, "open '/x'");
	assert_int_equal(bh_rpc_code_of(&err), BH_RPC_UNKNOWN); /* a file, not a container */
	bh_err_spec(&err, "/process", "is missing");
	assert_int_equal(bh_rpc_code_of(&err), BH_RPC_INVALID);
	finish(&b);
}

static void many_calls_are_answered_in_any_order(void **state)
{
	struct bench b;

	(void)state;
	start(&b, BOTH);
	b.wanted = CALLS_MANY;
	for (int i = 0; i < CALLS_MANY; i++)
		ask(&b, names[0], "Hold", 0);
	run(&b);
	assert_int_equal(b.n_held, CALLS_MANY);
	b.answers = 0;
	while (b.n_held)
		bh_rpc_reply(b.held[--b.n_held], NULL);
	run(&b);
	assert_int_equal(b.answers, CALLS_MANY);
	assert_int_equal(b.last.code, BH_RPC_OK);
	finish(&b);
}

static void a_call_knows_its_peer(void **state)
{
	struct bench b;

	(void)state;
	start(&b, BOTH);
	b.wanted = 1;
	ask(&b, names[0], "Hold", 5000);
	run(&b);
	assert_int_equal(bh_rpc_call_peer(b.held[0]), getpid());
	bh_rpc_reply(b.held[0], NULL);
	finish(&b);
}

static void time_runs_out_and_a_late_answer_is_dropped(void **state)
{
	struct bench b;

	(void)state;
	start(&b, BOTH);
	b.wanted = 1;
	ask(&b, names[0], "Hold", 10);
	run(&b); /* held */
	run(&b); /* timed out */
	assert_int_equal(b.answers, 1);
	assert_int_equal(b.last.code, BH_RPC_DEADLINE);
	bh_rpc_reply(b.held[0], NULL);
	ask_and_run(&b, names[0], "Empty");
	assert_int_equal(b.last.code, BH_RPC_OK);
	finish(&b);
}

static void a_server_that_dies_in_mid_call_ends_every_call(void **state)
{
	struct bench b;

	(void)state;
	start(&b, BOTH);
	b.wanted = 3;
	for (int i = 0; i < 3; i++)
		ask(&b, names[0], "Hold", 60000);
	run(&b);
	bh_rpc_server_close(b.server);
	b.server = NULL;
	b.free_in_callback = true;
	b.wanted = -1;
	run(&b);
	assert_int_equal(b.answers, 3);
	assert_int_equal(b.last.code, BH_RPC_UNAVAILABLE);
	assert_int_equal(b.client_closed, 1);
	assert_null(b.client);
	while (b.n_held) /* still valid, and answered into the void */
		bh_rpc_reply(b.held[--b.n_held], NULL);
	finish(&b);
}

static void a_client_that_dies_in_mid_call_leaves_the_call_valid(void **state)
{
	struct bench b;

	(void)state;
	start(&b, BOTH);
	b.wanted = 1;
	ask(&b, names[0], "Hold", 0);
	run(&b);
	b.client = bh_rpc_client_free(b.client);
	assert_int_equal(b.last.code, BH_RPC_UNAVAILABLE);
	assert_int_equal(b.client_closed, 0);
	run(&b);
	assert_int_equal(b.server_closed, 1);
	assert_string_equal(bh_rpc_call_method(b.held[0]), "Hold");
	bh_rpc_fail(b.held[0], BH_RPC_UNKNOWN, "nobody hears");
	finish(&b);
}

static void a_method_may_close_its_connection(void **state)
{
	struct bench b;

	(void)state;
	start(&b, BOTH);
	b.wanted = -1;
	ask(&b, names[0], "HangUp", 0);
	run(&b);
	assert_int_equal(b.client_closed, 1);
	assert_int_equal(b.server_closed, 0); /* it was no surprise */
	assert_int_equal(bh_rpc_call(b.client, names[0], "Echo", NULL, 0, on_answer, &b, &b.err),
			 -ECONNRESET);
	finish(&b);
}

static void frames_come_in_pieces(void **state)
{
	uint8_t request[256], frame[300];
	size_t n = request_bytes(request, names[0], "Empty", NULL, 0);
	struct bench b;

	(void)state;
	start(&b, SERVER);
	n = put_frame(frame, (uint32_t)n, 1, 1, request, n);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(write(b.raw, frame + i, 1), 1);
		run_for(&b, 1);
	}
	expect(&b, 1, 0, NULL);
	finish(&b);
}

static void an_empty_answer_is_a_frame_without_content(void **state)
{
	uint8_t got[64];
	struct bench b;

	(void)state;
	start(&b, SERVER);
	send_request(&b, 7, "Empty", NULL, 0);
	run_for(&b, 20);
	assert_int_equal(recv(b.raw, got, sizeof(got), MSG_DONTWAIT), HEAD_BYTES);
	assert_memory_equal(got, "\0\0\0\0\0\0\0\7\2\0", HEAD_BYTES);
	finish(&b);
}

static void streams_are_odd_and_increase(void **state)
{
	struct bench b;

	(void)state;
	start(&b, SERVER);
	send_request(&b, 2, "Empty", NULL, 0);
	expect(&b, 2, BH_RPC_INVALID, "StreamID must be odd for client initiated streams");
	send_request(&b, 5, "Empty", NULL, 0);
	expect(&b, 5, 0, NULL);
	send_request(&b, 5, "Empty", NULL, 0);
	expect(&b, 5, BH_RPC_INVALID, "StreamID cannot be re-used and must increment");
	send_request(&b, 3, "Empty", NULL, 0);
	expect(&b, 3, BH_RPC_INVALID, "StreamID cannot be re-used and must increment");
	send_frame(&b, 5, 3, "data", 4);
	expect(&b, 5, BH_RPC_INVALID, "StreamID is no longer active");
	finish(&b);
}

static void what_cannot_be_decoded_is_refused(void **state)
{
	struct bench b;

	(void)state;
	start(&b, SERVER);
	send_frame(&b, 1, 1, "\xff\xff\xff\xff", 4);
	expect(&b, 1, BH_RPC_INVALID, NULL);
	send_request(&b, 3, "Echo", "\x0a\x7f", 2); /* a string longer than the message */
	expect(&b, 3, BH_RPC_INVALID, "request of Echo cannot be decoded");
	send_frame(&b, 5, 99, "of the future", 13);
	send_request(&b, 7, "Empty", NULL, 0);
	expect(&b, 7, 0, NULL);
	finish(&b);
}

static void an_oversized_request_is_thrown_away(void **state)
{
	static uint8_t chunk[1 << 16];
	size_t left = BH_RPC_FRAME_MAX + 1;
	struct bench b;

	(void)state;
	start(&b, SERVER);
	put_frame(chunk, BH_RPC_FRAME_MAX + 1, 1, 1, NULL, 0);
	assert_int_equal(write(b.raw, chunk, HEAD_BYTES), HEAD_BYTES);
	expect(&b, 1, BH_RPC_EXHAUSTED, NULL); /* before it has all come */
	while (left) {
		ssize_t n = send(b.raw, chunk, left < sizeof(chunk) ? left : sizeof(chunk),
				 MSG_DONTWAIT);

		left -= n > 0 ? (size_t)n : 0;
		run_for(&b, 1);
	}
	send_request(&b, 3, "Empty", NULL, 0);
	expect(&b, 3, 0, NULL);
	finish(&b);
}

static void the_largest_answer_passes_and_a_larger_one_is_an_error(void **state)
{
	Task__KillRequest request = TASK__KILL_REQUEST__INIT;
	const uint32_t largest = BH_RPC_FRAME_MAX - 5; /* tag and length of the payload */
	struct bench b;

	(void)state;
	start(&b, BOTH);
	for (uint32_t over = 0; over < 2; over++) {
		request.signal = largest + over;
		b.answers = 0;
		b.wanted = 1;
		assert_int_equal(bh_rpc_call(b.client, names[0], "Huge", &request.base, 0,
					     on_answer, &b, &b.err),
				 0);
		run(&b);
		assert_int_equal(b.last.code, over ? BH_RPC_EXHAUSTED : BH_RPC_OK);
		assert_int_equal(b.last.len, over ? 0 : largest);
	}
	finish(&b);
}

static void requests_too_large_are_refused_at_once(void **state)
{
	void *data = calloc(1, BH_RPC_FRAME_MAX);
	struct bench b;

	(void)state;
	start(&b, BOTH);
	assert_non_null(data);
	assert_int_equal(bh_rpc_call_bytes(b.client, names[0], "Empty", data, BH_RPC_FRAME_MAX, 0,
					   on_answer, &b, &b.err),
			 -EMSGSIZE);
	free(data);
	ask_and_run(&b, names[0], "Empty");
	assert_int_equal(b.last.code, BH_RPC_OK);
	finish(&b);
}

/* What a client gets that asks much and reads nothing: requests wait, and nothing is lost. */
static void a_slow_reader_gets_everything(void **state)
{
	Task__KillRequest kill = TASK__KILL_REQUEST__INIT;
	const int n_calls = 64;
	uint8_t payload[64];
	size_t len, total = 0;
	static uint8_t got[1 << 16];
	struct bench b;

	(void)state;
	start(&b, SERVER);
	kill.signal = 256 << 10;
	len = task__kill_request__pack(&kill, payload);
	for (int i = 0; i < n_calls; i++)
		send_request(&b, 1 + (2 * (uint32_t)i), "Huge", payload, len);
	run_for(&b, 50);
	assert_int_equal(b.server_closed, 0);
	for (int idle = 0; idle < 100;) {
		ssize_t n = recv(b.raw, got, sizeof(got), MSG_DONTWAIT);

		total += n > 0 ? (size_t)n : 0;
		idle = n > 0 ? 0 : idle + 1;
		if (n <= 0)
			run_for(&b, 1);
	}
	/* Per answer: head, tag and length, content. */
	assert_int_equal(total, (size_t)n_calls * (HEAD_BYTES + 4 + kill.signal));
	finish(&b);
}

static void answers_that_nobody_reads_end_the_connection(void **state)
{
	static const uint8_t data[1 << 20];
	struct bench b;

	(void)state;
	start(&b, SERVER);
	for (int i = 0; i < 40; i++)
		send_request(&b, 1 + (2 * (uint32_t)i), "Hold", NULL, 0);
	run_for(&b, 50);
	assert_int_equal(b.n_held, 40);
	while (b.n_held)
		bh_rpc_reply_bytes(b.held[--b.n_held], data, sizeof(data));
	assert_int_equal(b.server_closed, 1);
	finish(&b);
}

static void requests_that_nobody_reads_are_refused(void **state)
{
	static const uint8_t data[1 << 20];
	struct bench b;
	int r = 0, n = 0;

	(void)state;
	start(&b, CLIENT);
	while (r == 0 && n++ < 100)
		r = bh_rpc_call_bytes(b.client, names[0], "Echo", data, sizeof(data), 0, on_answer,
				      &b, &b.err);
	assert_int_equal(r, -ENOBUFS);
	assert_true(n > 10);
	finish(&b);
}

static void a_request_of_many_parts_does_not_eat_memory(void **state)
{
	const size_t n_parts = 1 << 20;
	uint8_t *many = malloc(2 * n_parts), *frame = malloc((2 * n_parts) + 64);
	struct bench b;
	size_t len, sent = 0;

	(void)state;
	assert_non_null(many);
	assert_non_null(frame);
	for (size_t i = 0; i < n_parts; i++)
		memcpy(many + (2 * i), "\x2a\x00", 2); /* field 5, an empty KeyValue */
	len = put_frame(frame, (uint32_t)(2 * n_parts), 1, 1, many, 2 * n_parts);
	start(&b, SERVER);
	while (sent < len) {
		ssize_t n = send(b.raw, frame + sent, len - sent, MSG_DONTWAIT);

		sent += n > 0 ? (size_t)n : 0;
		run_for(&b, 1);
	}
	expect(&b, 1, BH_RPC_INVALID, NULL);
	free(many);
	free(frame);
	finish(&b);
}

static void a_client_survives_what_a_server_sends(void **state)
{
	uint8_t head[HEAD_BYTES];
	struct bench b;

	(void)state;
	start(&b, CLIENT);
	send_frame(&b, 99, 2, "\xff", 1); /* nobody asked */
	b.wanted = 1;
	ask(&b, names[0], "Echo", 0);
	send_frame(&b, 1, 1, "", 0); /* a request, to a client */
	send_frame(&b, 1, 2, "\xff\xff", 2);
	run(&b);
	assert_int_equal(b.last.code, BH_RPC_UNKNOWN);
	b.answers = 0;
	ask(&b, names[0], "Echo", 0);
	put_frame(head, UINT32_MAX, 3, 2, NULL, 0);
	assert_int_equal(write(b.raw, head, sizeof(head)), sizeof(head));
	run(&b);
	assert_int_equal(b.last.code, BH_RPC_EXHAUSTED);
	finish(&b);
}

/* ---- calls that wait ------------------------------------------------------------------------- */

struct waiter {
	struct bench *b;
	const char *method;
	int timeout_ms, r;
	bool ended;
	struct bh_err err;
	char id[32];
};

static void wait_for_call(void *arg)
{
	struct waiter *w = arg;
	Task__StateRequest request = TASK__STATE_REQUEST__INIT;
	ProtobufCMessage *message;

	request.id = (char *)"linear";
	w->r = bh_rpc_call_wait(w->b->client, names[0], w->method, &request.base, w->timeout_ms,
				&task__state_response__descriptor, &message, &w->err);
	if (message) {
		snprintf(w->id, sizeof(w->id), "%s", ((Task__StateResponse *)message)->id);
		protobuf_c_message_free_unpacked(message, NULL);
	}
	w->ended = true;
}

static void a_call_waits_outside_of_fibers(void **state)
{
	struct bench b;
	struct waiter w = { .b = &b, .method = "Echo" };

	(void)state;
	start(&b, BOTH);
	wait_for_call(&w);
	assert_int_equal(w.r, 0);
	assert_string_equal(w.id, "linear");
	w = (struct waiter){ .b = &b, .method = "Fail" };
	wait_for_call(&w);
	assert_int_equal(w.r, -ENOENT);
	assert_string_equal(w.err.text, "container does not exist: Fail");
	w = (struct waiter){ .b = &b, .method = "Hold", .timeout_ms = 10 };
	wait_for_call(&w);
	assert_int_equal(w.r, -ETIMEDOUT);
	assert_string_equal(w.err.text, "Hold: no answer in 0.01 s");
	bh_rpc_reply(b.held[0], NULL);
	finish(&b);
}

static void calls_wait_in_fibers_side_by_side(void **state)
{
	struct bench b;
	struct waiter slow = { .b = &b, .method = "Hold" }, quick = { .b = &b, .method = "Echo" };

	(void)state;
	start(&b, BOTH);
	assert_int_equal(bh_fiber_start(&b.loop, wait_for_call, &slow, &b.err), 0);
	assert_int_equal(bh_fiber_start(&b.loop, wait_for_call, &quick, &b.err), 0);
	assert_false(quick.ended);
	run_for(&b, 50);
	assert_true(quick.ended);
	assert_string_equal(quick.id, "linear");
	assert_false(slow.ended);
	bh_rpc_server_close(b.server);
	b.server = NULL;
	run(&b);
	run_for(&b, 1);
	assert_true(slow.ended);
	assert_int_equal(slow.r, -ECONNRESET);
	bh_rpc_reply(b.held[0], NULL);
	finish(&b);
}

static void who_is_given_up_is_not_waited_for(void **state)
{
	struct bench b;
	struct waiter first = { .b = &b, .method = "Hold" }, later = { .b = &b, .method = "Echo" };

	(void)state;
	start(&b, BOTH);
	assert_int_equal(bh_fiber_start(&b.loop, wait_for_call, &first, &b.err), 0);
	while (!b.held[0])
		run_for(&b, 1);
	bh_rpc_client_give_up(b.client, "it hangs");
	bh_rpc_client_give_up(b.client, "once more");
	while (!first.ended)
		run_for(&b, 1);
	assert_int_equal(first.r, -ETIMEDOUT);
	assert_string_equal(first.err.text, "Hold: it hangs");
	wait_for_call(&later);
	assert_int_equal(later.r, -ECONNRESET);
	bh_rpc_reply(b.held[0], NULL);
	finish(&b);
}

static void a_loop_that_is_stopped_abandons_the_call(void **state)
{
	struct bench b;
	struct waiter w = { .b = &b, .method = "Hold" };
	struct stopper stopper = { { .fn = stop_now }, &b.loop };

	(void)state;
	start(&b, BOTH);
	bh_loop_arm(&b.loop, &stopper.timer, 20);
	wait_for_call(&w);
	assert_int_equal(w.r, -ECANCELED);
	bh_rpc_reply(b.held[0], NULL); /* must not reach the waiter, who is gone */
	run_for(&b, 20);
	finish(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_call_is_answered_under_every_name),
		cmocka_unit_test(what_is_not_there_is_unimplemented),
		cmocka_unit_test(a_failure_keeps_its_code_and_text),
		cmocka_unit_test(many_calls_are_answered_in_any_order),
		cmocka_unit_test(a_call_knows_its_peer),
		cmocka_unit_test(time_runs_out_and_a_late_answer_is_dropped),
		cmocka_unit_test(a_server_that_dies_in_mid_call_ends_every_call),
		cmocka_unit_test(a_client_that_dies_in_mid_call_leaves_the_call_valid),
		cmocka_unit_test(a_method_may_close_its_connection),
		cmocka_unit_test(frames_come_in_pieces),
		cmocka_unit_test(an_empty_answer_is_a_frame_without_content),
		cmocka_unit_test(streams_are_odd_and_increase),
		cmocka_unit_test(what_cannot_be_decoded_is_refused),
		cmocka_unit_test(an_oversized_request_is_thrown_away),
		cmocka_unit_test(the_largest_answer_passes_and_a_larger_one_is_an_error),
		cmocka_unit_test(requests_too_large_are_refused_at_once),
		cmocka_unit_test(a_slow_reader_gets_everything),
		cmocka_unit_test(answers_that_nobody_reads_end_the_connection),
		cmocka_unit_test(requests_that_nobody_reads_are_refused),
		cmocka_unit_test(a_request_of_many_parts_does_not_eat_memory),
		cmocka_unit_test(a_client_survives_what_a_server_sends),
		cmocka_unit_test(a_call_waits_outside_of_fibers),
		cmocka_unit_test(calls_wait_in_fibers_side_by_side),
		cmocka_unit_test(who_is_given_up_is_not_waited_for),
		cmocka_unit_test(a_loop_that_is_stopped_abandons_the_call),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

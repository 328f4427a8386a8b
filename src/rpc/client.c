/* SPDX-License-Identifier: Apache-2.0 */
/* Source: containerd/ttrpc PROTOCOL.md. The server may be a guest's: it is not trusted. */
#include <stdio.h>
#include <string.h>

#include "loop/fiber.h"
#include "rpc/conn.h"
#include "rpc/rpc.h"
#include "rpc/wire.pb-c.h"

/* Calls that wait for their answer. */
#define PENDING_MAX 4096U
#define NS_PER_MS   1000000
#define MS_PER_S    1000.0

struct pending {
	struct pending *prev, *next;
	struct bh_rpc_client *client;
	uint32_t stream;
	struct bh_timer timer;
	int timeout_ms;
	bh_rpc_answer_fn fn;
	void *arg;
};

struct bh_rpc_client {
	struct bh_rpc_conn conn;
	unsigned int refs; /* the owner, and what runs */
	uint32_t next_stream;
	struct pending *newest, *oldest;
	unsigned int n_pending;
	void (*closed)(void *arg);
	void *arg;
};

static void unref(struct bh_rpc_client *client)
{
	if (--client->refs == 0)
		free(client);
}

/* ---- answers --------------------------------------------------------------------------------- */

/* Out of the list: it is not answered any more. */
static void forget(struct pending *pending)
{
	struct bh_rpc_client *client = pending->client;

	*(pending->prev ? &pending->prev->next : &client->newest) = pending->next;
	*(pending->next ? &pending->next->prev : &client->oldest) = pending->prev;
	client->n_pending--;
	bh_loop_disarm(client->conn.loop, &pending->timer);
	free(pending);
}

static void finish(struct pending *pending, const struct bh_rpc_answer *answer)
{
	bh_rpc_answer_fn fn = pending->fn;
	void *arg = pending->arg;

	forget(pending);
	fn(arg, answer);
}

static void finish_with(struct pending *pending, enum bh_rpc_code code, const char *message)
{
	finish(pending, &(struct bh_rpc_answer){ .code = code, .message = message });
}

static void on_timeout(struct bh_timer *timer)
{
	struct pending *pending = bh_owner_of(timer, struct pending, timer);
	char why[64];

	snprintf(why, sizeof(why), "no answer in %g s", pending->timeout_ms / MS_PER_S);
	finish_with(pending, BH_RPC_DEADLINE, why);
}

/* Closes; those that wait hear it, oldest first. Calls that they make meanwhile are refused. */
static void end(struct bh_rpc_client *client, enum bh_rpc_code code, const char *why)
{
	client->refs++;
	bh_rpc_conn_deinit(&client->conn);
	while (client->oldest)
		finish_with(client->oldest, code, why);
	unref(client);
}

static void lost(struct bh_rpc_client *client, const struct bh_err *err)
{
	char why[BH_ERR_TEXT_BYTES + 64];

	if (!bh_rpc_conn_open(&client->conn))
		return;
	client->refs++;
	end(client, BH_RPC_UNAVAILABLE, bh_err_format(err, why, sizeof(why)));
	if (client->closed) /* else it was freed meanwhile */
		client->closed(client->arg);
	unref(client);
}

static struct pending *find(struct bh_rpc_client *client, uint32_t stream)
{
	struct pending *pending = client->oldest;

	while (pending && pending->stream != stream)
		pending = pending->prev;
	return pending;
}

static void deliver(struct pending *pending, const Wire__Response *response)
{
	struct bh_rpc_answer answer = { .message = "",
					.data = response->payload.data,
					.len = response->payload.len };

	if (response->status) {
		answer.code = (enum bh_rpc_code)response->status->code;
		answer.message = response->status->message;
	}
	finish(pending, &answer);
}

static void on_frame(struct bh_rpc_client *client, const struct bh_rpc_frame *frame)
{
	struct pending *pending = find(client, frame->stream);
	Wire__Response *response;

	/* Nobody waits any more, or it is of a kind that later versions may have. */
	if (!pending || frame->type != BH_RPC_RESPONSE)
		return;
	if (frame->oversized) {
		finish_with(pending, BH_RPC_EXHAUSTED, "the answer is too long");
		return;
	}
	response = (Wire__Response *)bh_rpc_unpack(&wire__response__descriptor, frame->data,
						   frame->len);
	if (!response) {
		finish_with(pending, BH_RPC_UNKNOWN, "the answer cannot be decoded");
		return;
	}
	deliver(pending, response);
	wire__response__free_unpacked(response, NULL);
}

static int on_ready(struct bh_source *source, uint32_t events, struct bh_err *loop_err)
{
	struct bh_rpc_client *client = bh_owner_of(source, struct bh_rpc_client, conn.source);
	struct bh_err err = BH_ERR_INIT;
	struct bh_rpc_frame frame;
	int r;

	(void)loop_err; /* a connection that ends does not end the loop */
	client->refs++;
	/* Read even when writing fails: the answer to what made the peer close may be there. */
	r = events & (EPOLLIN | EPOLLHUP | EPOLLERR) ? bh_rpc_conn_read(&client->conn, &err) : 0;
	while (r == 0 && bh_rpc_conn_next(&client->conn, &frame))
		on_frame(client, &frame);
	if (r == 0 && bh_rpc_conn_open(&client->conn))
		r = bh_rpc_conn_flush(&client->conn, &err);
	if (r == 0)
		r = bh_rpc_conn_watch(&client->conn, true, &err);
	if (r < 0)
		lost(client, &err);
	unref(client);
	return 0;
}

/* ---- calls ----------------------------------------------------------------------------------- */

int bh_rpc_connect(struct bh_loop *loop, int fd, void (*closed)(void *arg), void *arg,
		   struct bh_rpc_client **ret, struct bh_err *err)
{
	struct bh_rpc_client *client = calloc(1, sizeof(*client));
	int r;

	*ret = NULL;
	if (!client) {
		bh_close(fd);
		return bh_err_oom(err);
	}
	client->refs = 1;
	client->next_stream = 1;
	client->closed = closed;
	client->arg = arg;
	r = bh_rpc_conn_init(&client->conn, loop, fd, on_ready, "connection", err);
	if (r < 0)
		free(client);
	else
		*ret = client;
	return r;
}

struct bh_rpc_client *bh_rpc_client_free(struct bh_rpc_client *client)
{
	if (!client)
		return NULL;
	client->closed = NULL;
	end(client, BH_RPC_UNAVAILABLE, "the connection was closed");
	unref(client);
	return NULL;
}

void bh_rpc_client_give_up(struct bh_rpc_client *client, const char *why)
{
	if (bh_rpc_conn_open(&client->conn))
		end(client, BH_RPC_DEADLINE, why);
}

static int refuse(struct bh_rpc_client *client, struct bh_err *err)
{
	if (!bh_rpc_conn_open(&client->conn))
		return bh_err_as(err, BH_ERR_PEER, -ECONNRESET, "the connection is closed");
	if (client->n_pending >= PENDING_MAX)
		return bh_err_as(err, BH_ERR_PEER, -ENOBUFS, "%u calls wait for their answer",
				 client->n_pending);
	if (client->next_stream == UINT32_MAX) /* the last odd one; ids do not come again */
		return bh_err_as(err, BH_ERR_PEER, -EOVERFLOW, "the connection is used up");
	return 0;
}

static void enlist(struct bh_rpc_client *client, struct pending *pending)
{
	pending->next = client->newest;
	*(client->newest ? &client->newest->prev : &client->oldest) = pending;
	client->newest = pending;
	client->n_pending++;
}

/* Sends, and has @ret wait for the answer. */
static int call(struct bh_rpc_client *client, const Wire__Request *request, int timeout_ms,
		bh_rpc_answer_fn fn, void *arg, struct pending **ret, struct bh_err *err)
{
	bh_auto_free struct pending *pending = NULL;
	int r = refuse(client, err);

	if (r < 0)
		return r;
	pending = calloc(1, sizeof(*pending));
	if (!pending)
		return bh_err_oom(err);
	pending->client = client;
	pending->stream = client->next_stream;
	client->next_stream += 2;
	pending->timer.fn = on_timeout;
	pending->timeout_ms = timeout_ms;
	pending->fn = fn;
	pending->arg = arg;
	r = bh_rpc_conn_send(&client->conn, pending->stream, BH_RPC_REQUEST, &request->base, err);
	if (r < 0)
		return r;
	enlist(client, pending);
	if (timeout_ms > 0)
		bh_loop_arm(client->conn.loop, &pending->timer, (uint64_t)timeout_ms);
	*ret = bh_take(&pending);
	return 0;
}

static int call_bytes(struct bh_rpc_client *client, const char *service, const char *method,
		      const void *data, size_t len, int timeout_ms, bh_rpc_answer_fn fn, void *arg,
		      struct pending **ret, struct bh_err *err)
{
	Wire__Request request = WIRE__REQUEST__INIT;

	request.service = (char *)service;
	request.method = (char *)method;
	request.payload.data = (uint8_t *)data;
	request.payload.len = len;
	request.timeout_nano = timeout_ms > 0 ? (int64_t)timeout_ms * NS_PER_MS : 0;
	if (call(client, &request, timeout_ms, fn, arg, ret, err) < 0)
		return bh_err_ctx(err, "%s", method);
	return 0;
}

static int call_message(struct bh_rpc_client *client, const char *service, const char *method,
			const ProtobufCMessage *request, int timeout_ms, bh_rpc_answer_fn fn,
			void *arg, struct pending **ret, struct bh_err *err)
{
	size_t len = request ? protobuf_c_message_get_packed_size(request) : 0;
	bh_auto_free uint8_t *data = len ? malloc(len) : NULL;

	if (len && !data)
		return bh_err_oom(err);
	if (len)
		protobuf_c_message_pack(request, data);
	return call_bytes(client, service, method, data, len, timeout_ms, fn, arg, ret, err);
}

int bh_rpc_call_bytes(struct bh_rpc_client *client, const char *service, const char *method,
		      const void *data, size_t len, int timeout_ms, bh_rpc_answer_fn fn, void *arg,
		      struct bh_err *err)
{
	struct pending *pending;

	return call_bytes(client, service, method, data, len, timeout_ms, fn, arg, &pending, err);
}

int bh_rpc_call(struct bh_rpc_client *client, const char *service, const char *method,
		const ProtobufCMessage *request, int timeout_ms, bh_rpc_answer_fn fn, void *arg,
		struct bh_err *err)
{
	struct pending *pending;

	return call_message(client, service, method, request, timeout_ms, fn, arg, &pending, err);
}

/* ---- calls that wait ------------------------------------------------------------------------- */

struct waiting {
	struct bh_wait wait;
	const ProtobufCMessageDescriptor *type;
	ProtobufCMessage *message;
	int r;
	struct bh_err *err;
};

static void on_answer(void *arg, const struct bh_rpc_answer *answer)
{
	struct waiting *waiting = arg;

	if (answer->code != BH_RPC_OK)
		waiting->r = bh_rpc_answer_err(answer, waiting->err);
	else if (waiting->type)
		waiting->message = bh_rpc_unpack(waiting->type, answer->data, answer->len);
	if (waiting->r == 0 && waiting->type && !waiting->message)
		waiting->r = bh_err_as(waiting->err, BH_ERR_PEER, -EBADMSG,
				       "the answer cannot be decoded");
	bh_fiber_wake(&waiting->wait);
}

int bh_rpc_call_wait(struct bh_rpc_client *client, const char *service, const char *method,
		     const ProtobufCMessage *request, int timeout_ms,
		     const ProtobufCMessageDescriptor *type, ProtobufCMessage **ret,
		     struct bh_err *err)
{
	struct bh_err answer_err = BH_ERR_INIT;
	struct waiting waiting = { .type = type, .err = &answer_err };
	struct pending *pending;
	int r = call_message(client, service, method, request, timeout_ms, on_answer, &waiting,
			     &pending, err);

	if (ret)
		*ret = NULL;
	if (r < 0)
		return r;
	r = bh_fiber_wait(client->conn.loop, &waiting.wait, err);
	if (!waiting.wait.done) { /* the loop failed: nobody is to write to this stack any more */
		forget(pending);
		return r;
	}
	if (waiting.r < 0 && err)
		*err = answer_err;
	if (waiting.r == -ETIMEDOUT || waiting.r == -ECONNRESET)
		bh_err_ctx(err, "%s", method); /* the peer had no chance to say it */
	if (ret)
		*ret = waiting.message;
	return waiting.r;
}

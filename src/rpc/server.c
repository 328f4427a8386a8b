/* SPDX-License-Identifier: Apache-2.0 */
/* Source: containerd/ttrpc PROTOCOL.md and what its server answers to requests that break it. */
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/harmless.h"
#include "rpc/conn.h"
#include "rpc/rpc.h"
#include "rpc/wire.pb-c.h"

/* Bounds of one connection: calls that are being served, and bytes of their requests. */
#define CALLS_MAX 4096U
#define HELD_MAX  (16 * BH_RPC_FRAME_MAX)
/* More than this waits to be read by the peer: no more requests are read from it meanwhile. */
#define OUT_HIGH (1U << 20)

#define TEXT_BYTES BH_ERR_LINE_BYTES

struct bh_rpc_server {
	struct bh_rpc_conn conn;
	unsigned int refs; /* the open connection, calls, and a dispatch that runs */
	unsigned int n_calls;
	size_t held; /* bytes of their requests */
	uint32_t last_stream;
	pid_t peer;
	bh_rpc_closed_fn closed;
	void *arg;
	size_t n_services;
	struct bh_rpc_service services[];
};

struct bh_rpc_call {
	struct bh_rpc_server *server;
	uint32_t stream;
	size_t held;
	Wire__Request *wire;
	ProtobufCMessage *request;
};

static void unref(struct bh_rpc_server *server)
{
	if (--server->refs == 0)
		free(server);
}

void bh_rpc_server_close(struct bh_rpc_server *server)
{
	if (!bh_rpc_conn_open(&server->conn))
		return;
	bh_rpc_conn_deinit(&server->conn);
	unref(server);
}

/* The peer, or the kernel, has ended the connection. */
static void lost(struct bh_rpc_server *server)
{
	if (!bh_rpc_conn_open(&server->conn))
		return;
	server->refs++;
	bh_rpc_server_close(server);
	if (server->closed)
		server->closed(server->arg, server);
	unref(server);
}

/* ---- answers --------------------------------------------------------------------------------- */

/* A queue that is full of what nobody reads ends the connection: answers cannot be lost singly. */
static void respond(struct bh_rpc_server *server, uint32_t stream, const Wire__Response *response)
{
	struct bh_err err = BH_ERR_INIT;

	if (!bh_rpc_conn_open(&server->conn))
		return;
	if (bh_rpc_conn_send(&server->conn, stream, BH_RPC_RESPONSE, &response->base, &err) < 0)
		lost(server);
}

static void respond_status(struct bh_rpc_server *server, uint32_t stream, enum bh_rpc_code code,
			   const char *text)
{
	Wire__Status status = WIRE__STATUS__INIT;
	Wire__Response response = WIRE__RESPONSE__INIT;

	status.code = (int32_t)code;
	status.message = (char *)text;
	response.status = &status;
	respond(server, stream, &response);
}

static void end_call(struct bh_rpc_call *call)
{
	struct bh_rpc_server *server = call->server;

	server->n_calls--;
	server->held -= call->held;
	if (call->request)
		protobuf_c_message_free_unpacked(call->request, NULL);
	if (call->wire)
		wire__request__free_unpacked(call->wire, NULL);
	free(call);
	unref(server);
}

void bh_rpc_reply_bytes(struct bh_rpc_call *call, const void *data, size_t len)
{
	Wire__Response response = WIRE__RESPONSE__INIT;

	response.payload.data = (uint8_t *)data;
	response.payload.len = len;
	if (wire__response__get_packed_size(&response) > BH_RPC_FRAME_MAX) {
		bh_rpc_fail(call, BH_RPC_EXHAUSTED, "answer of %zu bytes, at most %u are allowed",
			    len, BH_RPC_FRAME_MAX);
		return;
	}
	respond(call->server, call->stream, &response);
	end_call(call);
}

void bh_rpc_reply(struct bh_rpc_call *call, const ProtobufCMessage *message)
{
	size_t len = message ? protobuf_c_message_get_packed_size(message) : 0;
	bh_auto_free uint8_t *data = len ? malloc(len) : NULL;

	if (len && !data) {
		bh_rpc_fail(call, BH_RPC_EXHAUSTED, "out of memory");
		return;
	}
	if (len)
		protobuf_c_message_pack(message, data);
	bh_rpc_reply_bytes(call, data, len);
}

void bh_rpc_fail(struct bh_rpc_call *call, enum bh_rpc_code code, const char *fmt, ...)
{
	char text[TEXT_BYTES];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	/* It may quote a guest, an image or a name that was cut; a peer drops what is no UTF-8. */
	respond_status(call->server, call->stream, code, bh_harmless_text(text));
	end_call(call);
}

void bh_rpc_fail_err(struct bh_rpc_call *call, const struct bh_err *err)
{
	char text[TEXT_BYTES];

	bh_rpc_fail(call, bh_rpc_code_of(err), "%s", bh_err_format(err, text, sizeof(text)));
}

/* ---- requests -------------------------------------------------------------------------------- */

const char *bh_rpc_call_method(const struct bh_rpc_call *call)
{
	return call->wire->method;
}

const void *bh_rpc_call_payload(const struct bh_rpc_call *call, size_t *len)
{
	*len = call->wire->payload.len;
	return call->wire->payload.data;
}

bool bh_rpc_call_gone(const struct bh_rpc_call *call)
{
	return !bh_rpc_conn_open(&call->server->conn);
}

pid_t bh_rpc_call_peer(const struct bh_rpc_call *call)
{
	return call->server->peer;
}

static const struct bh_rpc_service *find_service(const struct bh_rpc_server *server,
						 const char *name)
{
	for (size_t i = 0; i < server->n_services; i++)
		for (const char *const *known = server->services[i].names; *known; known++)
			if (!strcmp(*known, name))
				return &server->services[i];
	return NULL;
}

static const struct bh_rpc_method *find_method(const struct bh_rpc_service *service,
					       const char *name)
{
	for (size_t i = 0; i < service->n_methods; i++)
		if (!strcmp(service->methods[i].name, name))
			return &service->methods[i];
	return NULL;
}

/* What is asked and with what. The call is answered, and gone, when that fails. */
static void dispatch(struct bh_rpc_call *call)
{
	const struct bh_rpc_service *service = find_service(call->server, call->wire->service);
	const struct bh_rpc_method *method;

	if (!service) {
		bh_rpc_fail(call, BH_RPC_UNIMPLEMENTED, "service %s", call->wire->service);
		return;
	}
	method = find_method(service, call->wire->method);
	if (!method) {
		bh_rpc_fail(call, BH_RPC_UNIMPLEMENTED, "method %s", call->wire->method);
		return;
	}
	call->request =
		bh_rpc_unpack(method->request, call->wire->payload.data, call->wire->payload.len);
	if (!call->request) {
		bh_rpc_fail(call, BH_RPC_INVALID, "request of %s cannot be decoded", method->name);
		return;
	}
	method->fn(service->self, call, call->request);
}

static struct bh_rpc_call *new_call(struct bh_rpc_server *server, const struct bh_rpc_frame *frame)
{
	struct bh_rpc_call *call = calloc(1, sizeof(*call));

	if (!call)
		return NULL;
	*call = (struct bh_rpc_call){ .server = server,
				      .stream = frame->stream,
				      .held = frame->len };
	server->refs++;
	server->n_calls++;
	server->held += call->held;
	call->wire =
		(Wire__Request *)bh_rpc_unpack(&wire__request__descriptor, frame->data, frame->len);
	return call;
}

static void on_request(struct bh_rpc_server *server, const struct bh_rpc_frame *frame)
{
	struct bh_rpc_call *call;

	if (frame->stream <= server->last_stream) {
		respond_status(server, frame->stream, BH_RPC_INVALID,
			       "StreamID cannot be re-used and must increment");
		return;
	}
	server->last_stream = frame->stream;
	if (server->n_calls >= CALLS_MAX || server->held + frame->len > HELD_MAX) {
		respond_status(server, frame->stream, BH_RPC_EXHAUSTED,
			       "too many calls are being served");
		return;
	}
	call = new_call(server, frame);
	if (!call)
		respond_status(server, frame->stream, BH_RPC_EXHAUSTED, "out of memory");
	else if (!call->wire)
		bh_rpc_fail(call, BH_RPC_INVALID, "unmarshal request error");
	else
		dispatch(call);
}

static void on_frame(struct bh_rpc_server *server, const struct bh_rpc_frame *frame)
{
	if (frame->oversized)
		respond_status(server, frame->stream, BH_RPC_EXHAUSTED,
			       "message length exceeds the maximum of 4194304 bytes");
	else if (frame->stream % 2 != 1)
		respond_status(server, frame->stream, BH_RPC_INVALID,
			       "StreamID must be odd for client initiated streams");
	else if (frame->type == BH_RPC_DATA) /* no method here streams */
		respond_status(server, frame->stream, BH_RPC_INVALID,
			       "StreamID is no longer active");
	else if (frame->type == BH_RPC_REQUEST)
		on_request(server, frame);
	/* Others are ignored: they may mean something to later versions. */
}

static int on_ready(struct bh_source *source, uint32_t events, struct bh_err *loop_err)
{
	struct bh_rpc_server *server = bh_owner_of(source, struct bh_rpc_server, conn.source);
	struct bh_err err = BH_ERR_INIT;
	struct bh_rpc_frame frame;
	int r;

	(void)loop_err; /* a connection that ends does not end the loop */
	server->refs++;
	r = bh_rpc_conn_flush(&server->conn, &err);
	if (r == 0 && events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		r = bh_rpc_conn_read(&server->conn, &err);
	while (r == 0 && bh_rpc_conn_next(&server->conn, &frame))
		on_frame(server, &frame);
	if (r == 0)
		r = bh_rpc_conn_watch(&server->conn, server->conn.out.len < OUT_HIGH, &err);
	if (r < 0)
		lost(server);
	unref(server);
	return 0;
}

static pid_t peer_of(int fd)
{
	struct ucred cred = { .pid = 0 };
	socklen_t len = sizeof(cred);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0 ? 0 : cred.pid;
}

int bh_rpc_serve(struct bh_loop *loop, int fd, const struct bh_rpc_service *services, size_t n,
		 bh_rpc_closed_fn closed, void *arg, struct bh_rpc_server **ret, struct bh_err *err)
{
	struct bh_rpc_server *server = calloc(1, sizeof(*server) + (n * sizeof(*services)));
	int r;

	*ret = NULL;
	if (!server) {
		bh_close(fd);
		return bh_err_oom(err);
	}
	server->refs = 1;
	server->closed = closed;
	server->arg = arg;
	server->peer = peer_of(fd);
	server->n_services = n;
	memcpy(server->services, services, n * sizeof(*services));
	r = bh_rpc_conn_init(&server->conn, loop, fd, on_ready, "connection", err);
	if (r < 0)
		free(server);
	else
		*ret = server;
	return r;
}

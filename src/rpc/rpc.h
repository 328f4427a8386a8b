/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ttrpc: calls over a stream, many at a time, as containerd speaks it. Both roles live on the event
 * loop and never block: what a peer sends too slowly is waited for, what it reads too slowly is
 * kept up to a bound.
 *
 * Source: containerd/ttrpc PROTOCOL.md; google/rpc/code.proto for the codes
 */
#ifndef BH_RPC_RPC_H
#define BH_RPC_RPC_H

#include <protobuf-c/protobuf-c.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "loop/loop.h"

/* Bytes of a frame's content, either way; a longer one is refused with BH_RPC_EXHAUSTED. */
#define BH_RPC_FRAME_MAX (4U << 20)

enum bh_rpc_code {
	BH_RPC_OK = 0,
	BH_RPC_CANCELED = 1,
	BH_RPC_UNKNOWN = 2,
	BH_RPC_INVALID = 3,
	BH_RPC_DEADLINE = 4,
	BH_RPC_NOT_FOUND = 5,
	BH_RPC_EXISTS = 6,
	BH_RPC_EXHAUSTED = 8,
	BH_RPC_PRECONDITION = 9,
	BH_RPC_UNIMPLEMENTED = 12,
	BH_RPC_UNAVAILABLE = 14,
};

/** bh_rpc_code_of() - the code that tells a peer best what @err is */
enum bh_rpc_code bh_rpc_code_of(const struct bh_err *err);

/* ---- serving --------------------------------------------------------------------------------- */

struct bh_rpc_call;   /* a request that is being served */
struct bh_rpc_server; /* one connection */

/**
 * A method. It answers @call exactly once, by bh_rpc_reply() or bh_rpc_fail(), now or later; @call,
 * @request and the payload are valid until then, also when the peer is gone meanwhile.
 */
typedef void (*bh_rpc_fn)(void *self, struct bh_rpc_call *call, const void *request);

struct bh_rpc_method {
	const char *name;
	const ProtobufCMessageDescriptor *request; /* what the payload is unpacked as */
	bh_rpc_fn fn;
};

struct bh_rpc_service {
	const char *const *names; /* the names that it is known by, NULL-terminated */
	const struct bh_rpc_method *methods;
	size_t n_methods;
	void *self; /* passed to the methods */
};

/** Called once when the connection has ended by itself, not by bh_rpc_server_close(); @server is
 * gone afterwards. Calls that are not yet answered stay valid until they are */
typedef void (*bh_rpc_closed_fn)(void *arg, struct bh_rpc_server *server);

/**
 * bh_rpc_serve() - serve a connection
 * @fd:       connected stream socket; taken, also on failure
 * @services: @n of them; copied, what they point to stays the caller's
 * @closed:   may be NULL
 */
int bh_rpc_serve(struct bh_loop *loop, int fd, const struct bh_rpc_service *services, size_t n,
		 bh_rpc_closed_fn closed, void *arg, struct bh_rpc_server **ret,
		 struct bh_err *err) bh_must_check;

/** bh_rpc_server_close() - end the connection; what the socket has not yet taken is dropped, and so
 * are answers that come later. To be called at most once, and not after bh_rpc_closed_fn */
void bh_rpc_server_close(struct bh_rpc_server *server);

/** bh_rpc_reply() - answer with a message; NULL is an empty one. The socket has it at the return
 * when it has room. bh_rpc_closed_fn may be called before the return: a peer that reads nothing */
void bh_rpc_reply(struct bh_rpc_call *call, const ProtobufCMessage *message);

/** bh_rpc_reply_bytes() - answer with a message that is packed already */
void bh_rpc_reply_bytes(struct bh_rpc_call *call, const void *data, size_t len);

/** bh_rpc_fail() - answer with a failure and its text */
void bh_rpc_fail(struct bh_rpc_call *call, enum bh_rpc_code code, const char *fmt, ...)
	bh_printf(3, 4);

/** bh_rpc_fail_err() - bh_rpc_fail() with @err as its text, and the code that fits it */
void bh_rpc_fail_err(struct bh_rpc_call *call, const struct bh_err *err);

/** bh_rpc_call_method() / _payload() - what was asked; the payload as it came */
const char *bh_rpc_call_method(const struct bh_rpc_call *call);
const void *bh_rpc_call_payload(const struct bh_rpc_call *call, size_t *len);

/** bh_rpc_call_gone() - whether the caller has hung up: nobody will hear the answer */
bool bh_rpc_call_gone(const struct bh_rpc_call *call);

/** bh_rpc_call_peer() - process at the other end of a unix socket (SO_PEERCRED); 0 when there is
 * none or it is unknown */
pid_t bh_rpc_call_peer(const struct bh_rpc_call *call);

/* ---- calling --------------------------------------------------------------------------------- */

struct bh_rpc_client; /* one connection */

/* What came back; borrowed for the time of the callback. */
struct bh_rpc_answer {
	enum bh_rpc_code code; /* BH_RPC_UNAVAILABLE when the connection ended, BH_RPC_DEADLINE when
				  the time was up */
	const char *message;   /* of a failure, else "" */
	const uint8_t *data;   /* packed message */
	size_t len;
};

typedef void (*bh_rpc_answer_fn)(void *arg, const struct bh_rpc_answer *answer);

/**
 * bh_rpc_connect() - be the client on a connection
 * @fd:     connected stream socket; taken, also on failure
 * @closed: called once when the connection ended by itself, after all pending calls were answered
 *          with BH_RPC_UNAVAILABLE; may be NULL. The client is to be freed by its owner all the
 *          same, and that may be done in the callback
 */
int bh_rpc_connect(struct bh_loop *loop, int fd, void (*closed)(void *arg), void *arg,
		   struct bh_rpc_client **ret, struct bh_err *err) bh_must_check;

/** bh_rpc_client_free() - end the connection; pending calls are answered with BH_RPC_UNAVAILABLE.
 * Return: NULL */
struct bh_rpc_client *bh_rpc_client_free(struct bh_rpc_client *client);

/** bh_rpc_client_give_up() - nothing is expected of the peer any more: end the connection; pending
 * calls are answered with BH_RPC_DEADLINE and @why */
void bh_rpc_client_give_up(struct bh_rpc_client *client, const char *why);

/**
 * bh_rpc_call() - ask
 * @request:    packed before the return; NULL = empty
 * @timeout_ms: 0 = none
 * @fn:         called exactly once if 0 is returned, never before the return
 */
int bh_rpc_call(struct bh_rpc_client *client, const char *service, const char *method,
		const ProtobufCMessage *request, int timeout_ms, bh_rpc_answer_fn fn, void *arg,
		struct bh_err *err) bh_must_check;

/** bh_rpc_call_bytes() - bh_rpc_call() with a request that is packed already */
int bh_rpc_call_bytes(struct bh_rpc_client *client, const char *service, const char *method,
		      const void *data, size_t len, int timeout_ms, bh_rpc_answer_fn fn, void *arg,
		      struct bh_err *err) bh_must_check;

/**
 * bh_rpc_call_wait() - bh_rpc_call() that waits for the answer: suspends the fiber that calls it;
 * outside of any, runs the loop
 * @type: of the answer; @ret: unpacked, free with protobuf_c_message_free_unpacked(); both NULL
 * when it is not wanted
 *
 * Return: 0; -errno with the peer's text in @err (BH_ERR_PEER); -ETIMEDOUT
 */
int bh_rpc_call_wait(struct bh_rpc_client *client, const char *service, const char *method,
		     const ProtobufCMessage *request, int timeout_ms,
		     const ProtobufCMessageDescriptor *type, ProtobufCMessage **ret,
		     struct bh_err *err) bh_must_check;

/** bh_rpc_answer_err() - a failed answer as an error object. Return: its -errno */
int bh_rpc_answer_err(const struct bh_rpc_answer *answer, struct bh_err *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Requests to a server: every call is answered once, and what comes out is frames of answers. */
#include <endian.h>
#include <string.h>

#include "fuzz.h"
#include "fuzz_wire.h"
#include "rpc/rpc.h"
#include "rpc/task.pb-c.h"

#define HELD_MAX   64
#define HEAD_BYTES 10U

struct held {
	struct bh_rpc_call *calls[HELD_MAX];
	size_t n;
};

static void echo(void *self, struct bh_rpc_call *call, const void *request)
{
	(void)self;
	CHECK(bh_rpc_call_method(call));
	bh_rpc_reply(call, request);
}

static void hold(void *self, struct bh_rpc_call *call, const void *request)
{
	struct held *held = self;

	(void)request;
	if (held->n == HELD_MAX)
		bh_rpc_fail(call, BH_RPC_EXHAUSTED, "no more");
	else
		held->calls[held->n++] = call;
}

/* Nothing but answers, each complete. */
static void check_output(int fd)
{
	static uint8_t out[1 << 20];
	size_t len = 0, at = 0;
	ssize_t n;

	while (len < sizeof(out) && (n = recv(fd, out + len, sizeof(out) - len, 0)) > 0)
		len += (size_t)n;
	while (at + HEAD_BYTES <= len) {
		uint32_t size;

		memcpy(&size, out + at, sizeof(size));
		CHECK(out[at + 8] == 2 && out[at + 9] == 0);
		at += HEAD_BYTES + be32toh(size);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct bh_rpc_method methods[] = {
		{ "Create", &task__create_request__descriptor, echo },
		{ "Wait", &task__wait_request__descriptor, hold },
	};
	static const char *const names[] = { "t", NULL };
	struct held held = { .n = 0 };
	struct bh_rpc_service service = { names, methods, BH_ARRAY_SIZE(methods), &held };
	struct bh_rpc_server *server;
	struct bh_loop loop;
	struct bh_err err;
	int ends[2];

	wire_open(&loop, ends);
	CHECK(bh_rpc_serve(&loop, ends[0], &service, 1, NULL, NULL, &server, &err) == 0);
	wire_feed(&loop, ends[1], data, size);
	for (size_t i = 0; i < held.n / 2; i++)
		bh_rpc_reply(held.calls[i], NULL);
	wire_turn(&loop);
	check_output(ends[1]);
	bh_close(ends[1]);
	wire_turn(&loop); /* the server ends by itself */
	for (size_t i = held.n / 2; i < held.n; i++)
		bh_rpc_reply(held.calls[i], NULL);
	bh_loop_deinit(&loop);
	return 0;
}

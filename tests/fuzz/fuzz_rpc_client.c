/* SPDX-License-Identifier: Apache-2.0 */
/* Answers to a client: each of its calls ends once, whatever comes. */
#include "fuzz.h"
#include "fuzz_wire.h"
#include "rpc/rpc.h"
#include "rpc/task.pb-c.h"

#define CALLS 4

static void on_answer(void *arg, const struct bh_rpc_answer *answer)
{
	int *n = arg;
	struct bh_err err;

	(*n)++;
	CHECK(answer->message);
	if (answer->code != BH_RPC_OK)
		CHECK(bh_rpc_answer_err(answer, &err) < 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bh_rpc_client *client;
	int ends[2], answers[CALLS] = { 0 };
	struct bh_loop loop;
	struct bh_err err;

	wire_open(&loop, ends);
	CHECK(bh_rpc_connect(&loop, ends[0], NULL, NULL, &client, &err) == 0);
	for (int i = 0; i < CALLS; i++)
		CHECK(bh_rpc_call(client, "t", "Wait", NULL, 0, on_answer, &answers[i], &err) == 0);
	wire_feed(&loop, ends[1], data, size);
	bh_close(ends[1]);
	wire_turn(&loop);
	bh_rpc_client_free(client);
	for (int i = 0; i < CALLS; i++)
		CHECK(answers[i] == 1);
	bh_loop_deinit(&loop);
	return 0;
}

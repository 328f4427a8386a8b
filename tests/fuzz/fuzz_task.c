/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests of the Task service as they come over the wire: the first byte picks the method, the
 * rest is the message. There is no container, and preparing one is refused, so that nothing on the
 * machine is touched; every call is answered, and no task stays.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "fuzz.h"
#include "task/task.h"

#define CHECK(what)              \
	do {                     \
		if (!(what))     \
			abort(); \
	} while (0)

static const char *const methods[] = { "State",     "Create",  "Start",      "Delete", "Pids",
				       "Pause",     "Resume",  "Checkpoint", "Kill",   "Exec",
				       "ResizePty", "CloseIO", "Update",     "Wait",   "Stats" };

static int refuse_stdio(void *arg, const struct bh_task_stdio_request *request,
			struct bh_task_stdio *ret, struct bh_err *err)
{
	(void)arg;
	(void)ret;
	for (int i = 0; i < 3; i++)
		CHECK(strlen(request->uris[i]) < SIZE_MAX);
	return bh_err_as(err, BH_ERR_PEER, -ENOTSUP, "no streams here");
}

static int refuse(void *arg, const char *id, const char *bundle, struct bh_err *err)
{
	(void)arg;
	CHECK(*id && *bundle == '/');
	return bh_err_as(err, BH_ERR_PEER, -ENOTSUP, "no containers here");
}

static void publish(void *arg, const char *topic, const ProtobufCMessage *event)
{
	(void)arg;
	(void)topic;
	(void)event;
	abort();
}

static void on_answer(void *arg, const struct bh_rpc_answer *answer)
{
	CHECK(answer->code != BH_RPC_OK && answer->code != BH_RPC_UNAVAILABLE);
	CHECK(*answer->message);
	bh_loop_stop(arg);
}

static struct bh_loop loop;
static struct bh_tasks *tasks;
static struct bh_rpc_server *server;
static struct bh_rpc_client *client;

static void serve(void)
{
	static const struct bh_task_opts opts = { .root = "/nonexistent",
						  .open_stdio = refuse_stdio,
						  .prepare = refuse,
						  .publish = publish };
	struct bh_rpc_service service;
	int socks[2];

	CHECK(bh_loop_init(&loop, NULL) == 0);
	CHECK(bh_tasks_new(&loop, &opts, &tasks, NULL) == 0);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socks) == 0);
	service = bh_tasks_service(tasks);
	CHECK(bh_rpc_serve(&loop, socks[0], &service, 1, NULL, NULL, &server, NULL) == 0);
	CHECK(bh_rpc_connect(&loop, socks[1], NULL, NULL, &client, NULL) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!client)
		serve();
	if (size == 0)
		return 0;
	CHECK(bh_rpc_call_bytes(client, "containerd.task.v3.Task",
				methods[data[0] % BH_ARRAY_SIZE(methods)], data + 1, size - 1, 0,
				on_answer, &loop, NULL) == 0);
	CHECK(bh_loop_run(&loop, NULL) == 0);
	return 0;
}

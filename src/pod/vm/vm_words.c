/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a guest says of itself and its containers, made fit to be repeated: whoever prints it or
 * puts it into a line of JSON need not know that its author is not trusted.
 */

#include <json-c/json_object.h>

#include "base/harmless.h"
#include "base/json.h"
#include "pod/vm/vm_pod.h"
#include "rpc/agent.pb-c.h"

#define COMMAND_BYTES 4096
#define WORD_BYTES    64

const char *bh_vm_harmless(char *text, size_t max)
{
	/* A field that was not sent is a constant, which this does not write to. */
	return bh_harmless_line(text, max);
}

/* ---- figures of a container ------------------------------------------------------------------ */

/* Parsed and written again: one object, in one line. */
static int answer_stats(struct bh_rpc_call *call, const Agent__StatsResponse *said,
			struct bh_err *err)
{
	bh_auto_json struct json_object *tree = NULL;
	Pod__StatsResponse a = POD__STATS_RESPONSE__INIT;
	const char *text;
	size_t len;

	if (bh_json_parse((const char *)said->json.data, said->json.len, &tree, err) < 0)
		return bh_err_ctx(err, "figures that the guest tells");
	text = json_object_to_json_string_length(tree, JSON_C_TO_STRING_PLAIN, &len);
	if (!text)
		return bh_err_oom(err);
	a.json.data = (uint8_t *)text;
	a.json.len = len;
	bh_rpc_reply(call, &a.base);
	return 0;
}

int bh_vm_stats(struct bh_vm_pod *pod, struct bh_rpc_call *call, const void *request,
		struct bh_err *err)
{
	const Pod__ContainerRequest *q = request;
	Agent__StatsRequest ask = AGENT__STATS_REQUEST__INIT;
	Agent__StatsResponse *said = NULL;
	int r;

	ask.id = q->id;
	r = bh_vm_pod_ask(pod, BH_AGENT_SERVICE, "Stats", &ask.base,
			  &agent__stats_response__descriptor, (ProtobufCMessage **)&said, err);
	if (r < 0)
		return r;
	r = answer_stats(call, said, err);
	agent__stats_response__free_unpacked(said, NULL);
	return r;
}

/* ---- processes of a container ---------------------------------------------------------------- */

static void clean_process(Pod__Process *p)
{
	bh_vm_harmless(p->user, WORD_BYTES);
	bh_vm_harmless(p->started, WORD_BYTES);
	bh_vm_harmless(p->tty, WORD_BYTES);
	bh_vm_harmless(p->time, WORD_BYTES);
	bh_vm_harmless(p->command, COMMAND_BYTES);
}

int bh_vm_processes(struct bh_vm_pod *pod, struct bh_rpc_call *call, const void *request,
		    struct bh_err *err)
{
	const Pod__ContainerRequest *q = request;
	Agent__ProcessesRequest ask = AGENT__PROCESSES_REQUEST__INIT;
	Pod__ProcessesResponse *said = NULL;
	int r;

	ask.id = q->id;
	/* The agent's message is the same on the wire. */
	r = bh_vm_pod_ask(pod, BH_AGENT_SERVICE, "Processes", &ask.base,
			  &pod__processes_response__descriptor, (ProtobufCMessage **)&said, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < said->n_processes; i++)
		clean_process(said->processes[i]);
	bh_rpc_reply(call, &said->base);
	pod__processes_response__free_unpacked(said, NULL);
	return 0;
}

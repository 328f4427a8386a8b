/* SPDX-License-Identifier: Apache-2.0 */
/* Events of the pod's tasks on their way to the host, which polls: they wait in order until asked
 * for, and who asks waits until there is one. */
#ifndef BH_AGENT_EVENTS_H
#define BH_AGENT_EVENTS_H

#include "loop/loop.h"
#include "rpc/agent.pb-c.h"
#include "rpc/rpc.h"

/* Kept at most; the host polls all the time, so that more than this means that it is gone. */
#define BH_EVENTS_MAX 4096

struct bh_events {
	struct bh_loop *loop;
	struct bh_deferred flush;    /* not from within the call that asks */
	struct bh_rpc_call *waiting; /* NULL = nobody asks */
	Agent__Event **queue;
	size_t n, lost;
};

/** bh_events_publish() - struct bh_task_opts.publish */
void bh_events_publish(struct bh_events *events, const char *topic, const ProtobufCMessage *event);

/** bh_events_ask() - method Events. Who asks while another waits takes its place; that one is
 * answered with nothing */
void bh_events_ask(struct bh_events *events, struct bh_rpc_call *call);

/** bh_events_deinit() - throw away what was not asked for */
void bh_events_deinit(struct bh_events *events);

#endif

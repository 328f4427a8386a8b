/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bulkhead-agent: PID 1 of a micro-VM's guest. Boots the guest (boot.h), then serves the host over
 * the link: the Agent service (service.h) and the Task service of task/.
 *
 * The host is trusted, containers are not: nothing that a container can write is read but with a
 * bound, and nothing of the agent's is handed to one.
 */
#ifndef BH_AGENT_AGENT_H
#define BH_AGENT_AGENT_H

#include "agent/bundle.h"
#include "agent/events.h"
#include "agent/modules.h"
#include "agent/streams.h"
#include "loop/loop.h"
#include "rpc/link.h"
#include "rpc/rpc.h"
#include "task/task.h"

#define BH_AGENT_STATE_DIR  "/run/bulkhead/containers"
#define BH_AGENT_FILTER_DIR "/run/bulkhead/seccomp"

struct bh_agent {
	uint64_t boot_usec; /* CPU time of process 1 before it was this program: the kernel's start
			     */
	struct bh_loop loop;
	struct bh_link *link;
	struct bh_tasks *tasks;
	struct bh_modules later; /* modules that no one needs before the first container */
	struct bh_timer load_later;
	struct bh_bundles bundles;
	struct bh_streams streams;
	struct bh_events events;
};

/** bh_agent_service() - the Agent service for bh_rpc_serve(); valid as long as @agent */
struct bh_rpc_service bh_agent_service(struct bh_agent *agent);

#endif

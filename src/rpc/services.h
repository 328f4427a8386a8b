/* SPDX-License-Identifier: Apache-2.0 */
/* Where a pod is asked and what its services are called, for those who serve and those who ask. */
#ifndef BH_RPC_SERVICES_H
#define BH_RPC_SERVICES_H

/* Below the root of the containers' states, a directory for each pod; no container's id starts with
 * "@". */
#define BH_PODS_DIR "@pods"
/* In a pod's directory: where its services are had. */
#define BH_POD_SOCKET "sock"

#define BH_POD_SERVICE   "bulkhead.pod.v1.Pod"
#define BH_AGENT_SERVICE "bulkhead.agent.v1.Agent"
#define BH_TASK_SERVICE  "containerd.task.v2.Task"
/* All that it is called: the messages of both versions are the same. */
#define BH_TASK_SERVICES                                         \
	{                                                        \
		BH_TASK_SERVICE, "containerd.task.v3.Task", NULL \
	}

#endif

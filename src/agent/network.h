/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's network as the pod's network namespace on the host has it: names, addresses, routes,
 * neighbours. Source: rtnetlink(7), ip-route(8) */
#ifndef BH_AGENT_NETWORK_H
#define BH_AGENT_NETWORK_H

#include "base/buf.h"
#include "base/err.h"
#include "rpc/agent.pb-c.h"

/** bh_network_apply() - method Network; idempotent. An error names the interface or the route, and
 * what the kernel said */
int bh_network_apply(const Agent__NetworkRequest *request, struct bh_err *err) bh_must_check;

/** bh_network_order() - sort routes so that each finds its gateway reachable by those before it:
 * without a gateway, to gateways that are taken for on the link, the rest, default routes last.
 * Equals stay in their order. Pure */
void bh_network_order(Agent__Route **routes, size_t n);

/** bh_network_check() - sizes and names in @request, so that applying need not. Pure */
int bh_network_check(const Agent__NetworkRequest *request, struct bh_err *err) bh_must_check;

#endif

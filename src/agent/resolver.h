/* SPDX-License-Identifier: Apache-2.0 */
/* Names that the pod's processes ask for at 127.0.0.11: a resolver of the engine answers, on the
 * host, by a stream of the link (rpc/datagrams.h). */
#ifndef BH_AGENT_RESOLVER_H
#define BH_AGENT_RESOLVER_H

#include "loop/loop.h"

/** bh_agent_resolve() - serve that address. @fd: the stream; taken. It ends by itself, and with the
 * guest */
void bh_agent_resolve(struct bh_loop *loop, int fd);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Connections from the host to what listens on the guest's loopback, a stream of the link each. */
#ifndef BH_AGENT_FORWARD_H
#define BH_AGENT_FORWARD_H

#include <stdint.h>

#include "loop/loop.h"

/**
 * bh_forward() - connect a stream to a TCP port of the guest: 127.0.0.1's, else ::1's; say on it
 * how that went (rpc/guest.h), then pass bytes until both sides have ended
 * @fd: the stream; taken. It ends by itself, and with the guest
 */
void bh_forward(struct bh_loop *loop, uint16_t port, int fd);

#endif

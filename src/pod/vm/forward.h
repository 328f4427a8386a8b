/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's loopback in the pod's network namespace: engines forward a port by connecting to
 * 127.0.0.1 there, where nothing of a micro-VM listens. One listener takes such connections
 * whatever their port, and each is carried to the guest as a stream of the link. One that nobody in
 * the guest accepts is reset.
 *
 * All of it is descriptors of the process that serves the pod: with that it is gone. Nobody but a
 * process that the host puts in the namespace can connect, since all that arrives from outside goes
 * to the guest unseen.
 */
#ifndef BH_POD_VM_FORWARD_H
#define BH_POD_VM_FORWARD_H

#include <stdint.h>

#include "loop/loop.h"

struct bh_forward;

/** A stream to the guest's @port, whose first byte tells whether it was connected (rpc/guest.h).
 * May suspend; the forward must not be freed meanwhile. Return: the caller's, non-blocking; -errno
 * with @err */
typedef int (*bh_forward_reach_fn)(void *arg, uint16_t port, struct bh_err *err);

/** bh_forward_start() - Context: the thread visits the namespace and comes back
 * @netns_fd: borrowed for the call */
int bh_forward_start(struct bh_loop *loop, int netns_fd, bh_forward_reach_fn reach, void *arg,
		     struct bh_forward **ret, struct bh_err *err) bh_must_check;

/** bh_forward_try() - whether this kernel has what it takes. Context: a process in a network
 * namespace of its own, with which all that this makes goes. Return: 0 or -errno with @err */
int bh_forward_try(struct bh_err *err) bh_must_check;

/** bh_forward_free() - ends it with all its connections. Takes NULL. Return: NULL */
struct bh_forward *bh_forward_free(struct bh_forward *forward);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The resolver that an engine keeps in the pod's network namespace, at 127.0.0.11 (Docker's, for
 * networks of the user's own): the guest's loopback is another one, so what the guest asks at that
 * address comes here by a stream of the link, and is asked there.
 */
#ifndef BH_POD_VM_RESOLVER_H
#define BH_POD_VM_RESOLVER_H

#include "loop/loop.h"

struct bh_resolver;

/** bh_resolver_find() - a socket to the one in @netns_fd. Context: the thread visits the namespace
 * and comes back. Return: descriptor, the caller's; -ENOENT when there is none; -errno with @err */
int bh_resolver_find(int netns_fd, struct bh_err *err) bh_must_check;

/**
 * bh_resolver_start() - pass questions and answers
 * @netns_fd: borrowed, to find it again after the engine was restarted
 * @socket:   of bh_resolver_find(); taken, also on failure
 * @stream:   to the guest's agent; taken, also on failure
 */
int bh_resolver_start(struct bh_loop *loop, int netns_fd, int socket, int stream,
		      struct bh_resolver **ret, struct bh_err *err) bh_must_check;

/** bh_resolver_free() - Takes NULL. Return: NULL */
struct bh_resolver *bh_resolver_free(struct bh_resolver *resolver);

#endif

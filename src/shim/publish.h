/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events, told to containerd in their order: one at a time, each until it is taken, across restarts
 * of the daemon.
 *
 * Source: containerd.services.events.ttrpc.v1.Events
 */
#ifndef BH_SHIM_PUBLISH_H
#define BH_SHIM_PUBLISH_H

#include "loop/fiber.h"
#include "rpc/rpc.h"

struct bh_publisher_event;

struct bh_publisher {
	struct bh_loop *loop;
	const char *address;    /* borrowed; NULL = nobody is told */
	const char *name_space; /* borrowed */
	struct bh_publisher_event *first, **end;
	struct bh_publisher_event *sent; /* waits for its answer */
	size_t n;                        /* in the queue */
	size_t dropped;                  /* since it was full */
	struct bh_rpc_client *client;
	struct bh_timer retry;
	uint64_t pause_ms; /* before the next try */
};

/** bh_publisher_init() - nothing to tell yet */
void bh_publisher_init(struct bh_publisher *p, struct bh_loop *loop, const char *address,
		       const char *name_space);

/** bh_publisher_tell() - @event, whose type follows from its descriptor, under @topic */
void bh_publisher_tell(struct bh_publisher *p, const char *topic, const ProtobufCMessage *event);

/** bh_publisher_drain() - wait until all is told, at most @ms milliseconds. Suspends */
void bh_publisher_drain(struct bh_publisher *p, uint64_t ms);

/** bh_publisher_deinit() - what is left is lost. Idempotent */
void bh_publisher_deinit(struct bh_publisher *p);

#endif

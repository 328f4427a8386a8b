/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bulkhead-metrics: an HTTP endpoint for Prometheus. listen.c makes the socket, server.c answers
 * requests on the event loop (libmicrohttpd never blocks it), exposition.c is what is answered.
 */
#ifndef BH_METRICS_SERVER_H
#define BH_METRICS_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "node/node.h"

/* Where it listens. */
struct bh_listener {
	int fd;
	char where[256]; /* for people: "http://127.0.0.1:9758/metrics" */
	char path[108];  /* of a unix socket, to be removed; "" = none */
};

/** bh_listen() - by an address as --listen has it */
int bh_listen(const char *address, struct bh_listener *ret, struct bh_err *err) bh_must_check;

/** bh_listener_deinit() - close and remove it */
void bh_listener_deinit(struct bh_listener *listener);

/** bh_metrics_serve() - what each @query finds, at the address @where, until SIGTERM or SIGINT */
int bh_metrics_serve(const struct bh_node_query *query, const char *where,
		     struct bh_err *err) bh_must_check;

#endif

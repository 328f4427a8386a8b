/* SPDX-License-Identifier: Apache-2.0 */
/* The process that serves a pod: serve.c is its life, verbs.c what containerd asks of it. */
#ifndef BH_SHIM_SERVE_H
#define BH_SHIM_SERVE_H

#include "loop/acceptor.h"
#include "shim/publish.h"
#include "shim/shim.h"

enum bh_shim_stage {
	BH_SHIM_IDLE = 0, /* no pod yet, or its opening failed */
	BH_SHIM_OPENING,
	BH_SHIM_OPEN,
	BH_SHIM_OVER,   /* the pod has ended by itself */
	BH_SHIM_ENDING, /* this process ends */
};

/* Of containerd's, or of the command line's. */
struct bh_shim_connection {
	struct bh_shim_connection *next;
	struct bh_shim *shim;
	struct bh_rpc_server *server;
};

struct bh_shim {
	const struct bh_shim_call *call;
	struct bh_loop loop;
	struct bh_arena arena; /* of what the pod's configuration points to */
	struct bh_shim_settings settings;
	struct bh_pod_config config;
	struct bh_pod *pod;
	enum bh_shim_stage stage;
	struct bh_publisher publisher;
	struct bh_acceptor listener, pod_listener;
	struct bh_source signals;
	struct bh_timer courtesy, tidy;
	struct bh_shim_connection *connections;
	bool ends; /* bh_shim_end() was called */
	char socket_path[128];
};

/** bh_shim_open_pod() - the pod of the first container, as its request wants it. Suspends
 * @id, @bundle: the container's; @options: NULL = none */
int bh_shim_open_pod(struct bh_shim *s, const char *id, const char *bundle,
		     const Wire__Any *options, struct bh_err *err) bh_must_check;

/** bh_shim_in_use() - whether there is a container, or one on its way */
bool bh_shim_in_use(const struct bh_shim *s);

/** bh_shim_tidy() - soon, when nothing more is asked for, give back memory that is not needed to
 * wait
 */
void bh_shim_tidy(struct bh_shim *s);

/** bh_shim_retire() - nobody finds this process any more */
void bh_shim_retire(struct bh_shim *s);

/** bh_shim_end() - take the pod down, tell all events, leave the loop. Idempotent */
void bh_shim_end(struct bh_shim *s);

/** bh_shim_service() - the Task service, for bh_rpc_serve() */
struct bh_rpc_service bh_shim_service(struct bh_shim *s);

#endif

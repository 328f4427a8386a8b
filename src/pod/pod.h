/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pod, to whoever serves it: the command line's supervisor, containerd's shim. Which runtime it
 * is of is decided once, by name; from then on the Task verbs are all that there is.
 *
 * A pod has a directory of its own, ROOT/@pods/ID/. Everything that could outlive the process that
 * serves the pod is on record there before it is made, so that bh_pod_undo() can take it away when
 * that process is gone.
 */
#ifndef BH_POD_POD_H
#define BH_POD_POD_H

#include "base/check.h"
#include "config/config.h"
#include "container/container.h"
#include "linux/cgroup.h"
#include "rpc/rpc.h"
#include "rpc/services.h"

/* For a client to open its end of a named pipe, milliseconds. */
#define BH_POD_READER_MS 30000

struct bh_pod_config {
	const char *root; /* of the containers' states */
	const char *id;
	const char *container; /* id of the container that the pod is made for */
	const char
		*bundle; /* its bundle, absolute: rules, size, network and cgroup follow from it */
	const char *filter_cache; /* of seccomp programs; NULL = none */
	const char *domain;       /* the engine's name space that the pod is of; NULL = none */
	int host_mounts; /* descriptor of the host's mount namespace; 0 = the server is in it */
	struct bh_config settings; /* as bh_pod_settings() finds them */
};

struct bh_pod;

/**
 * bh_pod_settings() - what holds for the pod that is made for the container of a bundle, whose
 * annotations may say something of it as well
 * @kind:   of the pod; one that is NULL is set to what the bundle, or else @set, chooses
 * @bundle: NULL = none: what holds for all pods of the kind
 * @ret:    its strings are @set's. The guest is the installed one, unless said otherwise
 */
int bh_pod_settings(struct bh_config_set *set, const char **kind, const char *bundle,
		    struct bh_config *ret, struct bh_err *err) bh_must_check;

/* What a pod tells whoever serves it. */
struct bh_pod_listener {
	/** event() - of its tasks: the topic and message as containerd has them; may be NULL */
	void (*event)(void *arg, const char *topic, const ProtobufCMessage *event);
	/** over() - the last container was deleted and all of the pod is undone; bh_pod_free() is
	 * all that is left to do */
	void (*over)(void *arg);
	void *arg;
};

struct bh_pod_kind {
	const char *name;
	bool own_mounts; /* is served from a mount namespace of its own */
	int (*bring_up)(struct bh_loop *loop, const struct bh_pod_config *config,
			const struct bh_pod_listener *listener, struct bh_pod **ret,
			struct bh_err *err);
	int (*plan)(const struct bh_pod_config *config, struct bh_buf *out, struct bh_err *err);
	/* NULL = it is up at once */
	void (*give_up)(struct bh_pod *pod, const struct bh_err *why);
	int (*check)(const struct bh_pod_config *config, struct bh_arena *arena,
		     struct bh_check_report *report, struct bh_err *err);
	bool (*empty)(const struct bh_pod *pod);
	pid_t (*pid)(const struct bh_pod *pod, const char *id);
	const struct bh_rpc_service *(*services)(struct bh_pod *pod, size_t *ret_n);
	void (*close)(struct bh_pod *pod);
	struct bh_pod *(*free)(struct bh_pod *pod);
};

/* A kind's own struct starts with it. */
struct bh_pod {
	const struct bh_pod_kind *kind;
};

/**
 * bh_pod_open() - bring a pod up, without any container. Suspends
 * @kind:   "runc": on this host's kernel; "kata": in a micro-VM
 * @config: borrowed for the pod's life
 * @ret:    set as long as the call lasts, for bh_pod_give_up(), and after success
 *
 * SIGCHLD is to be blocked outside of all fibers, each of which has a signal mask of its own.
 * On failure nothing is left.
 */
int bh_pod_open(const char *kind, struct bh_loop *loop, const struct bh_pod_config *config,
		const struct bh_pod_listener *listener, struct bh_pod **ret,
		struct bh_err *err) bh_must_check;

/** bh_pod_give_up() - while bh_pod_open() is at it: it is to fail, with @why, as soon as it can */
void bh_pod_give_up(struct bh_pod *pod, const struct bh_err *why);

/** bh_pod_plan() - what bh_pod_open() and the creation of its first container would do, for people;
 * changes nothing */
int bh_pod_plan(const char *kind, const struct bh_pod_config *config, struct bh_buf *out,
		struct bh_err *err) bh_must_check;

/** bh_pod_own_mounts() - whether pods of @kind are to be served from a mount namespace that is not
 * the host's, so that what they mount goes with their server */
bool bh_pod_own_mounts(const char *kind);

/** bh_pod_leave_mounts() - into a mount namespace of this process's own: what the host mounts later
 * is still seen, what is mounted here is not seen by the host
 * @ret: for bh_pod_config.host_mounts */
int bh_pod_leave_mounts(int *ret, struct bh_err *err) bh_must_check;

/** bh_pod_check() - whether this node is fit for pods of @kind, as far as this program knows: rows
 * added to @report. Makes nothing that outlives the call
 * @config: its settings alone are read */
int bh_pod_check(const char *kind, const struct bh_pod_config *config, struct bh_arena *arena,
		 struct bh_check_report *report, struct bh_err *err) bh_must_check;

/** bh_pod_empty() - whether it has no container */
bool bh_pod_empty(const struct bh_pod *pod);

/** bh_pod_pid() - the process of this host that stands for container @id: it is in the namespaces
 * that the container's peers may join. 0 = none. Answers at once */
pid_t bh_pod_pid(const struct bh_pod *pod, const char *id);

/** bh_pod_services() - for bh_rpc_serve(): Task and Pod; valid as long as @pod */
const struct bh_rpc_service *bh_pod_services(struct bh_pod *pod, size_t *ret_n);

/** bh_pod_listen() - at the socket in the pod's directory, where the command line looks for it
 * Return: descriptor, the caller's; -ENOENT when it has no directory; -errno with @err */
int bh_pod_listen(const char *root, const char *id, struct bh_err *err) bh_must_check;

/** bh_pod_close() - end all containers and the pod, undo everything but the states of containers
 * that nobody deleted. Suspends. Idempotent */
void bh_pod_close(struct bh_pod *pod);

/** bh_pod_free() - Takes NULL. Return: NULL */
struct bh_pod *bh_pod_free(struct bh_pod *pod);

/** bh_pod_undo() - by a process that knows nothing but @root and @id: end what is left of a pod
 * whose server is gone, remove its directory. Idempotent */
int bh_pod_undo(const char *root, const char *id, struct bh_err *err) bh_must_check;

/**
 * bh_pod_sweep() - by a process that knows nothing else: end and undo what is left of container
 * @id, of its pod only what nobody serves any more. Idempotent
 * @bundle:  its directory, absolute: the root that was mounted there is unmounted
 * @ret_pid: the process that stood for it; 0 = unknown
 */
int bh_pod_sweep(const char *root, const char *id, const char *bundle, pid_t *ret_pid,
		 struct bh_err *err) bh_must_check;

#endif

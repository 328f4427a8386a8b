/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All pods of this node, of both runtimes, whoever made them: what they are is read from the
 * records below the directories of states (find.c); how they are and what they cost is asked from
 * who serves them, all at once and each for a limited time (ask.c), so that one that hangs delays
 * nobody. What has no server is looked at by its records and its cgroup alone.
 *
 * A container of the common runtime that is in no pod counts as a pod of its own.
 *
 * What is repeated here of names, annotations and guests is printable ASCII.
 */
#ifndef BH_NODE_NODE_H
#define BH_NODE_NODE_H

#include "base/arena.h"
#include "base/value.h"
#include "loop/loop.h"
#include "rpc/pod.pb-c.h"

enum bh_node_state {
	BH_NODE_CREATED = 0, /* not started yet */
	BH_NODE_RUNNING,
	BH_NODE_PAUSED,
	BH_NODE_STOPPED, /* it ended by itself, or was told to */
	BH_NODE_DEAD,    /* its VM is over although containers of it are not deleted yet */
	BH_NODE_GONE,    /* who served it is no more, and nobody has cleaned up */
	BH_NODE_SILENT,  /* who serves it does not answer */
	BH_NODE_STATE_MAX_,
};

/** bh_node_state_name() - "created" … "silent" */
const char *bh_node_state_name(enum bh_node_state state);

struct bh_node_container {
	const char *id;
	const char *name;   /* in its pod; "" = it was given none */
	const char *status; /* as `state` has it */
	const char *reason; /* of one that is stopped; "" = nothing is known */
	bool ended;         /* it is stopped, and how is known: */
	uint32_t exit_status;
	int64_t exited_at; /* seconds since the epoch; 0 = not known */
	int64_t created;   /* the same */
	uint64_t oom_kills;
	bool measured;     /* the rest is known */
	uint64_t cpu_usec; /* where it runs: of a pod in a micro-VM by the guest's clock */
	uint64_t memory;   /* bytes, page cache included */
};

/* What is measured. Overhead: what the pod has of the host beyond what its containers have. */
struct bh_node_figures {
	bool host, guest, overhead; /* which of them are known */
	uint64_t host_memory;       /* bytes */
	uint64_t host_cpu_usec;
	uint64_t guest_total;  /* bytes that the guest's kernel manages */
	uint64_t guest_memory; /* of them in use */
	uint64_t guest_cpu_usec;
	uint64_t overhead_memory;
	uint64_t overhead_cpu_usec;
};

struct bh_node_pod {
	const char *root; /* directory of its state */
	const char *id;
	const char *runtime;    /* "runc", "kata" */
	const char *name;       /* "" = it was given none */
	const char *name_space; /* of Kubernetes, or of who made it; "" = none */
	const char *uid;        /* of Kubernetes; "" = none */
	int64_t created;        /* seconds since the epoch; 0 = not known */
	enum bh_node_state state;
	const char *reason;   /* why it is not as it should be; "" = it is */
	bool served;          /* it has a server that lives */
	const char *obituary; /* of one that is on record nowhere else: file with its console; "" */
	bool up;              /* all that there is to know of it is here */
	BH_LIST(struct bh_node_container) containers;
	uint32_t restarts;
	/* of a pod in a micro-VM; 0 and "" else */
	uint32_t vcpus;
	uint64_t vm_memory;       /* bytes of RAM */
	const char *accelerator;  /* "kvm", "emulation" */
	uint64_t memory;          /* bytes that its containers may use */
	uint32_t cpu_milli;       /* thousandths of a core */
	uint64_t overhead_memory; /* declared */
	uint32_t overhead_cpu_milli;
	struct bh_node_figures measured;
	const Pod__FiguresResponse *parts; /* NULL = not told */
};

struct bh_node {
	struct bh_arena arena;
	struct bh_node_pod *pods;
	size_t n;
};

struct bh_node_query {
	const char *root; /* only what is there and below; NULL = wherever states are known to be */
	struct bh_strv known; /* more places where states are, when no root is given */
	const char *pod;      /* only this one, see bh_node_find_pod(); NULL = all */
	uint64_t deadline_ms; /* of each pod to answer */
	bool figures;         /* are wanted too */
	bool dead;            /* those too of which nothing but an obituary is left */
};

/**
 * bh_node_look() - at all pods of the node, in the order of their names
 * @ret: free with bh_node_deinit()
 *
 * Suspends; outside of a fiber it runs the loop.
 */
int bh_node_look(struct bh_loop *loop, const struct bh_node_query *query, struct bh_node *ret,
		 struct bh_err *err) bh_must_check;
void bh_node_deinit(struct bh_node *node);
#define bh_auto_node bh_cleanup(bh_node_deinit)

/** bh_node_find() - bh_node_look() without asking anybody. Does not suspend */
int bh_node_find(const struct bh_node_query *query, struct bh_node *ret,
		 struct bh_err *err) bh_must_check;

/** bh_node_find_pod() - by its id, the beginning of it, its name, NAMESPACE/NAME, or a container's
 * id. Return: borrowed; NULL with @err when there is none, or more than one */
struct bh_node_pod *bh_node_find_pod(const struct bh_node *node, const char *name,
				     struct bh_err *err);

/** bh_node_attention() - whether a pod is not as it should be, though nobody ended it */
bool bh_node_attention(const struct bh_node_pod *pod);

/** bh_node_running() - how many of a pod's containers run */
size_t bh_node_running(const struct bh_node_pod *pod);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The containers and execs of one pod, as containerd's Task verbs over container/: state, stdio,
 * exits and events. Linked by whoever serves a pod's processes on the kernel that they run on: the
 * shim's common runtime on the host, the agent in a micro-VM.
 *
 * Source: containerd api/runtime/task/v2/shim.proto, core/runtime/v2/README.md
 */
#ifndef BH_TASK_TASK_H
#define BH_TASK_TASK_H

#include "container/container.h"
#include "rpc/rpc.h"

struct bh_tasks;

/* What a process's streams are to be. */
struct bh_task_stdio_request {
	const char *id, *exec_id; /* the process; exec_id "" = the container's first */
	const char *const *uris;  /* input, output, error, as the request has them */
	bool terminal;
	pid_t peer; /* process that asked; 0 = unknown */
};

struct bh_logger;

/* The two ends of a process's stdio that are the pod's: where its output goes and its input comes
 * from. -1 = none, as for an empty URI. */
struct bh_task_stdio {
	int fds[3]; /* with a terminal: 0 = input, 1 = output; non-blocking or to be reopened so */
	int hold;   /* a writing end of the input, held so that a client that goes is not its end;
		     * closed by CloseIO. -1 = the input ends by itself, and CloseIO does nothing */
	struct bh_logger *logger; /* program that the output goes to; NULL = none */
	int watch[3]; /* reading ends of the outputs' named pipes, to see whether all was read. -1 =
		       * it cannot be seen */
};

#define BH_TASK_STDIO_INIT                                                 \
	(struct bh_task_stdio)                                             \
	{                                                                  \
		.fds = { -1, -1, -1 }, .hold = -1, .watch = { -1, -1, -1 } \
	}

struct bh_task_opts {
	const char *root; /* of the containers' states; borrowed for the pod's life, as the rest */
	const char *filter_cache; /* of seccomp programs; NULL = none */
	enum bh_cgroup_manager cgroup_manager;
	bool no_pivot, no_keyring; /* for all containers; options of Create can ask for more */
	bool no_hooks;
	/* A small machine's only server of containers: nobody else pauses them, or ends them and
	 * takes their end, and it stands back from the processor while an exec begins. */
	bool sole;

	/**
	 * open_stdio() - what the URIs stand for
	 * @ret: as BH_TASK_STDIO_INIT; what is put there is the callee's no more
	 * May suspend. On failure nothing is left open.
	 */
	int (*open_stdio)(void *arg, const struct bh_task_stdio_request *request,
			  struct bh_task_stdio *ret, struct bh_err *err);

	/** prepare() - before a container is created from @bundle: mounts of the request and the
	 * like; NULL = mount request->rootfs at BUNDLE/rootfs. May suspend */
	int (*prepare)(void *arg, const char *id, const char *bundle, struct bh_err *err);

	/** release() - after a container was deleted, or could not be created; NULL = nothing */
	void (*release)(void *arg, const char *id);

	/** publish() - an event: TaskCreate … by its topic ("/tasks/create" …). An exit is
	 * published after the process's output was passed on as far as its reader took it */
	void (*publish)(void *arg, const char *topic, const ProtobufCMessage *event);

	void *arg;
	void *stdio_arg; /* of open_stdio() */
};

/** bh_tasks_new() - none yet. From now on SIGCHLD is blocked, the calling process is a subreaper
 * and all of its children are reaped by the loop: who starts one of its own waits for it
 * (waitpid(2)) before the loop goes on, or watches a pidfd and does without its status. In a fiber:
 * SIGCHLD must be blocked before, for each fiber has a signal mask of its own */
int bh_tasks_new(struct bh_loop *loop, const struct bh_task_opts *opts, struct bh_tasks **ret,
		 struct bh_err *err) bh_must_check;

/** bh_tasks_free() - forget them; the containers stay as they are. Open calls are answered. May
 * suspend, until the verbs that are being carried out have ended. Takes NULL. Return: NULL */
struct bh_tasks *bh_tasks_free(struct bh_tasks *tasks);

/** bh_tasks_service() - the Task service under its v2 and v3 names, for bh_rpc_serve(); valid as
 * long as @tasks. Connect and Shutdown are not in it: they are the server's own */
struct bh_rpc_service bh_tasks_service(struct bh_tasks *tasks);

/** bh_tasks_kill_all() - SIGKILL to all containers, delete them; for the end of a pod. May suspend
 */
void bh_tasks_kill_all(struct bh_tasks *tasks);

/** bh_tasks_empty() - whether there is no container, nor one that is being created */
bool bh_tasks_empty(const struct bh_tasks *tasks);

/** bh_tasks_pid() - first process of a container; 0 = there is none */
pid_t bh_tasks_pid(const struct bh_tasks *tasks, const char *id);

#endif

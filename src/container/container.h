/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The container engine: one container from its bundle to its end. Linked by the command line, the
 * shim and the guest's agent; it keeps everything that outlives a call in ROOT/ID/, so that any
 * later process can go on from there.
 *
 * Source: runtime-spec runtime.md "Lifecycle"; runc(8) for what callers expect
 */
#ifndef BH_CONTAINER_CONTAINER_H
#define BH_CONTAINER_CONTAINER_H

#include <signal.h>
#include <sys/types.h>
#include <time.h>

#include "base/buf.h"
#include "linux/cgroup.h"
#include "linux/proc.h"
#include "oci/spec.h"

enum bh_status {
	BH_STATUS_CREATING = 0,
	BH_STATUS_CREATED,
	BH_STATUS_RUNNING,
	BH_STATUS_PAUSED,
	BH_STATUS_STOPPED,
	BH_STATUS_MAX_,
};

/** bh_status_name() - "creating" … "stopped" */
const char *bh_status_name(enum bh_status status);

/* What ROOT/ID/state.json says, and the documents beside it. */
struct bh_container {
	struct bh_arena arena;
	const char *id, *root, *bundle, *rootfs;
	const char *created; /* RFC 3339 with nanoseconds */
	const char *owner;   /* login name of whoever created it */
	const char *pod; /* id of the micro-VM pod that it is in, whose supervisor is asked; NULL =
			  * on this kernel */
	int dirfd;       /* ROOT/ID */
	struct bh_proc init;
	bool rootless;
	bool rdt_owned;
	struct bh_cgroup *cg; /* NULL with the disabled manager */
	struct bh_spec spec;  /* as it was at create time */
};

/**
 * bh_container_load() - by id
 * @root: directory of all containers' states
 *
 * Return: the container, free with bh_container_free(); NULL with @err: -ENOENT "container does not
 *         exist" (the words that callers match), -EINVAL for an impossible id
 */
struct bh_container *bh_container_load(const char *root, const char *id,
				       struct bh_err *err) bh_must_check;
struct bh_container *bh_container_free(struct bh_container *c);

static inline void bh_container_freep_(struct bh_container **c)
{
	*c = bh_container_free(*c);
}
#define bh_auto_container bh_cleanup(bh_container_freep_)

/** bh_container_list() - ids below @root in the order of their names; @ret and its strings in
 * @arena */
int bh_container_list(struct bh_arena *arena, const char *root, struct bh_strv *ret,
		      struct bh_err *err) bh_must_check;

/** bh_container_status() - looks at the process and the freezer now. Return: 0 or -errno with @err
 */
int bh_container_status(const struct bh_container *c, enum bh_status *ret,
			struct bh_err *err) bh_must_check;

/** bh_container_state_json() - the state document of the spec (`state`, hooks), appended to @out
 * @pretty: indented as runc's `state` prints it, with runc's extra fields; else the bare document
 */
int bh_container_state_json(const struct bh_container *c, enum bh_status status, bool pretty,
			    struct bh_buf *out, struct bh_err *err) bh_must_check;

/* How a process of the container is tied to its caller; used by create, run and exec alike. */
struct bh_process_io {
	const char *console_socket; /* path: receives the terminal's master; NULL = see below */
	const char *pidfd_socket;   /* path: receives a pidfd of the new process */
	const char *pid_file;
	int stdio[3];              /* without a terminal; -1 = the caller's own 0, 1, 2 */
	unsigned int preserve_fds; /* keep 3 … 3+n-1 open; LISTEN_FDS adds its own */
	bool want_master;          /* the terminal's master is returned to the caller */
	bool newlines; /* lines on that terminal end with CR LF, as on any; else with LF */
	struct bh_console_size console_size; /* instead of the document's; zeros = as it says */
	const char *filter_cache; /* of compiled seccomp filters, made if missing; NULL = none */
	bool keyring;             /* join a session keyring of the container's own */
};

/** bh_process_io_check() - whether the terminal that a document asks for, or not, has a receiver.
 * Return: 0 or -EINVAL with @err in the words of runc */
int bh_process_io_check(const struct bh_process_io *io, bool terminal,
			struct bh_err *err) bh_must_check;

#define BH_PROCESS_IO_INIT                               \
	(struct bh_process_io)                           \
	{                                                \
		.stdio = { -1, -1, -1 }, .keyring = true \
	}

struct bh_create_opts {
	const char *root, *id;
	const char *bundle; /* absolute */
	enum bh_cgroup_manager cgroup_manager;
	bool rootless;
	bool no_pivot;
	bool no_hooks; /* one that has any is refused */
	bool run; /* do not wait for a start: execute the process at once (bh_container_start() is
		   * not to be called); poststart hooks run before the return */
	bool notify; /* the process gets a notification socket, see container/notify.h */
	struct bh_process_io io;
};

#define BH_CREATE_OPTS_INIT              \
	(struct bh_create_opts)          \
	{                                \
		.io = BH_PROCESS_IO_INIT \
	}

/* What a caller that waits for the process itself needs; all the caller's. */
struct bh_started {
	pid_t pid;     /* child of the caller */
	int master_fd; /* terminal, or -1 */
	int notify_fd; /* other end of the notification socket when it was asked for, or -1 */
};

#define BH_STARTED_INIT                           \
	(struct bh_started)                       \
	{                                         \
		.master_fd = -1, .notify_fd = -1, \
	}

/**
 * bh_container_create() - from the bundle's config.json to a process that waits for its start
 * @ret:     the new container, or NULL when it is not wanted
 * @started: may be NULL
 *
 * On failure nothing is left: no process, mount, cgroup, directory or socket.
 */
int bh_container_create(const struct bh_create_opts *opts, struct bh_container **ret,
			struct bh_started *started, struct bh_err *err) bh_must_check;

/** bh_container_dry_run() - what bh_container_create() would do, for people; changes nothing */
int bh_container_dry_run(const struct bh_create_opts *opts, struct bh_buf *out,
			 struct bh_err *err) bh_must_check;

/** bh_container_start() - let the created process execute; returns once it has, or with the reason
 * why it did not. Runs the poststart hooks */
int bh_container_start(struct bh_container *c, struct bh_err *err) bh_must_check;

/** bh_container_notify_listen() - before bh_container_start(): make the notification socket of a
 * container that was created with one. What it receives is the container's word: judge it.
 * Return: a non-blocking datagram socket, the caller's; -ENOENT when it was created without */
int bh_container_notify_listen(const struct bh_container *c, struct bh_err *err) bh_must_check;

struct bh_finds;

struct bh_exec_opts {
	const struct bh_process *process; /* complete: the caller merged spec, file and flags */
	struct bh_process_io io;
	struct bh_strv cgroups; /* runc's exec --cgroup, as given */
	bool ignore_paused;
	bool runs;   /* init's parent asks, who knows: neither stopped nor paused */
	bool detach; /* informs the terminal's handling only */
	/* Of a caller that is a server: the signals that it ignores, which the process is not to,
	 * and no descriptor of it but what @io names lives on in the process. NULL: the process is
	 * the caller's heir. */
	const sigset_t *ignored;
	bool leave_batch;       /* such a caller's SCHED_BATCH is not for the process */
	struct bh_finds *finds; /* of earlier execs in this container; NULL = none */
};

/** bh_container_exec() - one more process in a created or running container
 * @started: receives the new child; NULL = it is not wanted */
int bh_container_exec(const struct bh_container *c, const struct bh_exec_opts *opts,
		      struct bh_started *started, struct bh_err *err) bh_must_check;

/*
 * The same for a caller that cannot wait meanwhile. Only where it holds that
 * bh_container_execs_alone(): one process is made, and nothing has to be done for it on the way.
 */
struct bh_execution;

bool bh_container_execs_alone(const struct bh_container *c);

/**
 * bh_execution_begin() - make the process, a child of the caller
 * @opts: must stay as it is, with all that it points to, until bh_execution_free(), as must @c
 *
 * Return: 0 with @ret, which is freed by bh_execution_free(); -errno with @err, nothing is left
 */
int bh_execution_begin(const struct bh_container *c, const struct bh_exec_opts *opts,
		       struct bh_execution **ret, struct bh_err *err) bh_must_check;
struct bh_execution *bh_execution_free(struct bh_execution *ex);

/** bh_execution_pid() - the process, which the caller reaps */
pid_t bh_execution_pid(const struct bh_execution *ex);

/** bh_execution_fd() - borrowed; hangs up when the process has executed or failed */
int bh_execution_fd(const struct bh_execution *ex);

/** bh_execution_finish() - wait for that, and take in what the process said. Return: 0 with
 * @started; -errno with @err: the process is to be killed and reaped */
int bh_execution_finish(struct bh_execution *ex, struct bh_started *started,
			struct bh_err *err) bh_must_check;

/** bh_container_kill() - @sig to init, or to all processes with @all; a stopped container is an
 * error ("container not running", as runc words it) */
int bh_container_kill(struct bh_container *c, int sig, bool all, struct bh_err *err) bh_must_check;

/** bh_container_pause() / bh_container_resume() - -EBUSY with @err when it is not running, or not
 * paused */
int bh_container_pause(struct bh_container *c, struct bh_err *err) bh_must_check;
int bh_container_resume(struct bh_container *c, struct bh_err *err) bh_must_check;

/** bh_container_update() - new limits, in force at once
 * @rdt: new schemata; NULL = as they are */
int bh_container_update(struct bh_container *c, const struct bh_resources *resources,
			const struct bh_intel_rdt *rdt, struct bh_err *err) bh_must_check;

/** bh_container_pids() - as bh_cgroup_pids(), or init and its descendants without a cgroup */
int bh_container_pids(const struct bh_container *c, pid_t **ret, size_t *ret_n,
		      struct bh_err *err) bh_must_check;

/** bh_container_delete() - remove a stopped container (or, with @force, any: kill first), run its
 * poststop hooks, undo everything that ROOT/ID/ tells of. Twice is fine. */
int bh_container_delete(struct bh_container *c, bool force, struct bh_err *err) bh_must_check;

/** bh_container_id_check() - 1 to 1024 of [A-Za-z0-9_+.-], not "." or ".."; runc's rule and words
 */
int bh_container_id_check(const char *id, struct bh_err *err) bh_must_check;

/** bh_container_run_poststop() - the poststop hooks of one that is gone with whoever served it;
 * bh_container_delete() does it by itself. What fails is logged */
void bh_container_run_poststop(const struct bh_container *c);

#endif

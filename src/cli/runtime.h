/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two runtimes behind the verbs: containers on this kernel, which this program makes itself,
 * and containers of a pod in a micro-VM, whose supervisor is asked. A new container's runtime is
 * chosen by --runtime; an existing one's is known from its state.
 */
#ifndef BH_CLI_RUNTIME_H
#define BH_CLI_RUNTIME_H

#include "cli/cli.h"

struct bh_run_opts {
	bool detach, keep, no_subreaper;
	const char *pod; /* that the container is to be in; NULL = one of its own */
};

struct bh_runtime {
	const char *name; /* for --runtime */

	/* What makes a container; run() and exec() return the process's exit status. */
	int (*create)(struct bh_cli *cli, const struct bh_create_opts *create,
		      const struct bh_run_opts *run, struct bh_err *err);
	int (*run)(struct bh_cli *cli, const struct bh_create_opts *create,
		   const struct bh_run_opts *run, struct bh_err *err);
	int (*dry_run)(struct bh_cli *cli, const struct bh_create_opts *create,
		       const struct bh_run_opts *run, struct bh_buf *out, struct bh_err *err);
	int (*exec)(struct bh_container *c, struct bh_exec_opts *exec, struct bh_err *err);

	/* As the functions of container/container.h. */
	int (*status)(const struct bh_container *c, enum bh_status *ret, struct bh_err *err);
	int (*start)(struct bh_container *c, struct bh_err *err);
	int (*kill)(struct bh_container *c, int sig, bool all, struct bh_err *err);
	int (*pause)(struct bh_container *c, struct bh_err *err);
	int (*resume)(struct bh_container *c, struct bh_err *err);
	int (*update)(struct bh_container *c, const struct bh_resources *resources,
		      const struct bh_intel_rdt *rdt, struct bh_err *err);
	int (*remove)(struct bh_container *c, bool force, struct bh_err *err);

	/** pids() - of all processes; malloc'd */
	int (*pids)(const struct bh_container *c, pid_t **ret, size_t *ret_n, struct bh_err *err);
	/** ps() - a table of them, as ps(1) with @args (n from 1 on) prints it */
	int (*ps)(const struct bh_container *c, const struct bh_strv *args, struct bh_buf *out,
		  struct bh_err *err);
	/** stats() - the "data" of `events --stats` */
	int (*stats)(const struct bh_container *c, struct bh_buf *out, struct bh_err *err);
	/** why_ended() - why none of it runs any more, appended to @out; nothing when it ended by
	 * itself. May be NULL */
	void (*why_ended)(const struct bh_container *c, struct bh_buf *out);
	/** watch() - print events until the container's process ends */
	int (*watch)(const struct bh_container *c, int64_t interval_ns, struct bh_err *err);
};

extern const struct bh_runtime bh_runtime_host; /* runtime_host.c */
extern const struct bh_runtime bh_runtime_vm;   /* runtime_vm.c */

/* For --runtime; NULL-terminated. */
extern const char *const bh_runtime_names[];

/** bh_runtime_named() - Return: NULL when there is none of that name */
const struct bh_runtime *bh_runtime_named(const char *name);

/** bh_runtime_of() - the one that @c is of */
const struct bh_runtime *bh_runtime_of(const struct bh_container *c);

/** bh_runtime_not_running() - @err says @what, and why it is so. Return: -ESRCH */
int bh_runtime_not_running(const struct bh_container *c, const char *what, struct bh_err *err);

/* ---- for the runtimes, by the verbs' files ----------------------------------------------- */

/** bh_events_print_stats() / bh_events_print_oom() - a line of `events` (events.c) */
int bh_events_print_stats(const struct bh_container *c, struct bh_err *err) bh_must_check;
int bh_events_print_oom(const struct bh_container *c, struct bh_err *err) bh_must_check;

/** bh_ps_host() - a table of processes by the host's ps(1) (ps_host.c) */
int bh_ps_host(const struct bh_container *c, const struct bh_strv *args, struct bh_buf *out,
	       struct bh_err *err) bh_must_check;

/** bh_watch_host() - `events` by the kernel's notifications (watch_host.c) */
int bh_watch_host(const struct bh_container *c, int64_t interval_ns,
		  struct bh_err *err) bh_must_check;

#endif

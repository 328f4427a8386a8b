/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The last stretch, alike for a container's init and for exec: from a process in the right
 * namespaces and on the right root to execve(2). Prepared in the parent, carried out in the child.
 *
 * Order in the child, each step needing what the next takes away: resource limits and scheduling,
 * keyring and LSM labels, the host's descriptors, user and groups, capabilities, working directory,
 * program found; then, when the word comes to start: seccomp, remaining capabilities, execve(2). A
 * filter that needs CAP_SYS_ADMIN to be loaded (no_new_privs is off) goes before the capabilities,
 * else after them.
 */
#ifndef BH_CONTAINER_PROCESS_H
#define BH_CONTAINER_PROCESS_H

#include <limits.h>

#include "container/container.h"
#include "container/finds.h"
#include "container/terminal.h"
#include "linux/seccomp.h"

struct bh_launch {
	const struct bh_process *process;
	const struct bh_linux *linux_;
	const struct bh_process_io *io;
	struct bh_finds *finds; /* NULL = none */
	const char *id;
	bool userns; /* the parent did what needs the host's privileges */
	bool rootless;
	bool apparmor, selinux; /* the process asks for it and the host has it */
	bool keyring;           /* a new session keyring */
	bool unseen;            /* another process executes, see bh_launch_appear() */
	int proc_fd;            /* the host's procfs, O_PATH: no container can forge it */
	int listen_fds;         /* LISTEN_FDS of the caller, 0 = none */
	struct bh_seccomp_filter filter;
	bool seccomp;
	/* child only */
	char **env;
	char exe[PATH_MAX];
};

/** bh_launch_init() - parent: compile the filter, open procfs, check that preserved descriptors
 * exist */
int bh_launch_init(struct bh_launch *launch, struct bh_err *err) bh_must_check;
/** bh_launch_deinit() - parent; idempotent */
void bh_launch_deinit(struct bh_launch *launch);

/** bh_launch_host_limits() - parent: what a process under a user namespace may not set itself */
int bh_launch_host_limits(const struct bh_launch *launch, pid_t pid,
			  struct bh_err *err) bh_must_check;

/** bh_launch_fds() - child, first: close everything at execve(2) that is not to be kept, default
 * signals */
int bh_launch_fds(const struct bh_launch *launch, struct bh_err *err) bh_must_check;

/** bh_launch_stdio() - child, a session leader: terminal or the given three descriptors as 0, 1, 2
 * @terminal: its slave is used when the process wants one */
int bh_launch_stdio(const struct bh_launch *launch, struct bh_terminal *terminal,
		    struct bh_err *err) bh_must_check;

/** bh_launch_become() - child: everything up to the start signal; finds the program. What is open
 * of the host is closed before any name of the image's or of the process is looked up, but @sock,
 * @listen_fd (or -1) and the log */
int bh_launch_become(struct bh_launch *launch, int sock, int listen_fd,
		     struct bh_err *err) bh_must_check;

/** bh_launch_close() - child that will wait: close what neither it nor the container's program
 * needs, but not @sock and @listen_fd; ends logging. Nothing of the host can be had from it
 * meanwhile */
int bh_launch_close(const struct bh_launch *launch, int sock, int listen_fd,
		    struct bh_err *err) bh_must_check;

/** bh_launch_confine() - child: filter and last capabilities; what runs from now on is the
 * container's
 * @sync: socket that a notify listener is passed over, see container/sync.h */
int bh_launch_confine(struct bh_launch *launch, int sync, struct bh_err *err) bh_must_check;

/** bh_launch_appear() - child that was spawned unseen, last: go on as a new process, the first to
 * be in the container's pid namespace. By now there is nothing left to take from it, whoever may
 * trace it.
 * @sync: its pid goes over it, and the caller's process ends
 * Return: in the new process alone, 0; -errno with @err in either */
int bh_launch_appear(const struct bh_launch *launch, int sync, struct bh_err *err) bh_must_check;

/** bh_launch_exec() - child: execve(2). From here on it is the container that fails, not the
 * runtime: as with runc the reason goes to the container's standard error and the status is 255 */
_Noreturn void bh_launch_exec(const struct bh_launch *launch);

/** bh_launch_print() - the plan for people (--dry-run): what will be executed, and as whom */
void bh_launch_print(const struct bh_spec *spec, struct bh_buf *out);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process that a monitor runs in. It starts in a root of its own that holds, read-only, what a
 * program needs to start; once it runs, bh_jail_empty() takes that away for good.
 */
#ifndef BH_VMM_QEMU_JAIL_H
#define BH_VMM_QEMU_JAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"
#include "loop/loop.h"

/* A file of the host's that is to be in the root. */
struct bh_jail_file {
	const char *host; /* path */
	const char *name; /* in the root's top directory, without a slash */
	bool copy;        /* of its own, for bh_jail_empty() to take back */
};

struct bh_jail {
	const char *const *argv; /* argv[0] is the path below the host's /usr */
	const int *fds;          /* to become descriptors 3, 4 …; borrowed */
	size_t n_fds;
	int stderr_fd; /* standard output as well; borrowed */
	const struct bh_jail_file *files;
	size_t n_files;
	bool kvm;           /* make a /dev/kvm that it may open */
	bool no_huge_pages; /* memory is given in small pages alone, whatever it asks for */
	uid_t uid;          /* and gid */
	int netns_fd;
	const int *cgroup_fds;
	size_t n_cgroup_fds;
};

struct bh_jail_process {
	pid_t pid;
	int pidfd;
	int trouble_fd; /* see bh_jail_trouble(); non-blocking */
};

/** bh_jail_start() - Return: 0 with @ret filled, all of it the caller's; -errno with @err. What
 * goes wrong in the process itself ends it, and bh_jail_trouble() tells */
int bh_jail_start(const struct bh_jail *jail, struct bh_jail_process *ret,
		  struct bh_err *err) bh_must_check;

/** bh_jail_trouble() - what went wrong before the program ran. Return: whether there is such a
 * thing; for after the process's end */
bool bh_jail_trouble(int trouble_fd, struct bh_err *ret);

/**
 * bh_jail_empty() - put an empty directory that nobody can write to in place of the root of the
 * process. Suspends
 * @spent: path in the root of a copy that the program has read for good but keeps mapped: its pages
 *	   go, and whoever reads it all the same gets SIGBUS
 */
int bh_jail_empty(struct bh_loop *loop, int pidfd, const char *spent,
		  struct bh_err *err) bh_must_check;

#endif

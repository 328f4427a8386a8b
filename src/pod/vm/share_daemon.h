/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon of a shared directory as a process: which program, its command line, its jail. Only
 * share.c and its test include this.
 */
#ifndef BH_POD_VM_SHARE_DAEMON_H
#define BH_POD_VM_SHARE_DAEMON_H

#include <stdint.h>

#include "pod/vm/share.h"

/* Where things are for the daemon. */
#define BH_SHARE_JAIL_DIR    "/share"
#define BH_SHARE_JAIL_SOCKET 3

struct bh_share_daemon {
	const char *path;
	const char *const *argv;   /* NULL-terminated; as for the cache `auto` */
	uint8_t cache_at;          /* the word of it that says what the guest remembers */
	const char *const *caches; /* that word, by enum bh_share_cache */
	uint64_t caps;             /* bit n = capability n: the most that it may ever have */
};

/** bh_share_daemons() - those known, the preferred one first */
const struct bh_share_daemon *bh_share_daemons(size_t *ret_n);

/** bh_share_daemon_find() - the first that this host has, or the program at @path, called as the
 * known ones of its kind are. Return: -ENOENT with @err naming all that were looked for */
int bh_share_daemon_find(const char *path, struct bh_share_daemon *ret,
			 struct bh_err *err) bh_must_check;

struct bh_share_jail {
	struct bh_share_daemon daemon;
	enum bh_share_cache cache;
	const char *dir;       /* of the shared directory, absolute */
	int socket, stderr_fd; /* borrowed */
	const int *cgroup_fds;
	size_t n_cgroup_fds;
};

/**
 * bh_share_daemon_spawn() - the daemon, confined, executed
 *
 * Its own pid, mount, network, ipc and uts namespaces; a root that holds the system's programs
 * and libraries read-only and the shared directory, of which the daemon keeps the latter alone.
 *
 * @ret_pidfd: the caller's
 * Return: 0, or -errno with @err saying which step of the child's failed
 */
int bh_share_daemon_spawn(const struct bh_share_jail *jail, pid_t *ret_pid, int *ret_pidfd,
			  struct bh_err *err) bh_must_check;

#endif

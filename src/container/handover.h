/* SPDX-License-Identifier: Apache-2.0 */
/* Giving things of a new process to whoever asked for them: terminal, pidfd, notify listener, pid
 * file. */
#ifndef BH_CONTAINER_HANDOVER_H
#define BH_CONTAINER_HANDOVER_H

#include "container/container.h"

/** bh_handover_master() - to io->console_socket, else into @ret_master when io->want_master
 * @fd: the master; in the second case taken, else still the caller's */
int bh_handover_master(const struct bh_process_io *io, int *fd, int *ret_master,
		       struct bh_err *err) bh_must_check;

/** bh_handover_pidfd() - a pidfd of @pid to the unix socket at @path */
int bh_handover_pidfd(const char *path, pid_t pid, struct bh_err *err) bh_must_check;

/** bh_handover_listener() - the seccomp notify descriptor to linux.seccomp.listenerPath */
int bh_handover_listener(const struct bh_container *c, pid_t pid, int fd,
			 struct bh_err *err) bh_must_check;

/** bh_handover_pid_file() - the number, without newline, whole or not at all */
int bh_handover_pid_file(const char *path, pid_t pid, struct bh_err *err) bh_must_check;

#endif

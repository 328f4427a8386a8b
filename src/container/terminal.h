/* SPDX-License-Identifier: Apache-2.0 */
/* The terminal of a container's process: a pair from the container's own devpts. Source: pty(7),
 * ioctl_tty(2) */
#ifndef BH_CONTAINER_TERMINAL_H
#define BH_CONTAINER_TERMINAL_H

#include "container/container.h"

struct bh_terminal {
	int master, slave;
};

#define BH_TERMINAL_INIT                          \
	(struct bh_terminal)                      \
	{                                         \
		.master = -EBADF, .slave = -EBADF \
	}

/** bh_terminal_deinit() - close both ends; idempotent */
void bh_terminal_deinit(struct bh_terminal *terminal);

/**
 * bh_terminal_open() - a new pair from the devpts at dev/pts of a container
 * @root_fd: the container's root; its tree is not trusted: the multiplexer is checked to be one
 * @proc_fd: the host's procfs, to open again what was checked
 * @size:    characters, as the document says; zeros = leave the kernel's default
 * @io:      its size goes first. Without a console socket output reaches its reader as it was
 *           written, without CR before LF: the caller relays it to a terminal of its own. Who takes
 *           the master through a socket gets it as the kernel makes it. Both as with runc
 *
 * The slave is opened through the master (TIOCGPTPEER), never by a name inside the container.
 */
int bh_terminal_open(int root_fd, int proc_fd, const struct bh_console_size *size,
		     const struct bh_process_io *io, struct bh_terminal *terminal,
		     struct bh_err *err) bh_must_check;

/** bh_terminal_control() - make terminal @fd the controlling one of the calling session leader */
int bh_terminal_control(int fd, struct bh_err *err) bh_must_check;

/** bh_terminal_attach() - make the slave descriptors 0, 1, 2. @uid: owner from now on */
int bh_terminal_attach(struct bh_terminal *terminal, uid_t uid, struct bh_err *err) bh_must_check;

#endif

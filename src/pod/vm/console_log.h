/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a guest wrote to its console, kept in the pod's directory until the pod is deleted: for
 * whoever wants to read it while the guest lives, and after. The bytes are the guest's own, as they
 * came: who reads them makes them harmless (base/harmless.h).
 *
 * Of two files the older one goes when the newer one is full, so that a guest that talks without
 * end has the last @size to twice as many bytes kept, and no more.
 */
#ifndef BH_POD_VM_CONSOLE_LOG_H
#define BH_POD_VM_CONSOLE_LOG_H

#include <stdbool.h>
#include <stddef.h>

#define BH_CONSOLE_LOG     "console.log"
#define BH_CONSOLE_LOG_OLD "console.log.1"

struct bh_console_log {
	int dirfd;   /* of the pod's directory; borrowed */
	int fd;      /* of the newer file; -1 = none yet, or it could not be made */
	size_t size; /* of a file, in bytes */
	size_t bytes;
	bool failed; /* nothing is kept any more */
};

#define BH_CONSOLE_LOG_INIT(dirfd_, size_)                    \
	(struct bh_console_log)                               \
	{                                                     \
		.dirfd = (dirfd_), .fd = -1, .size = (size_), \
	}

/** bh_console_log_add() - keep @len bytes. What cannot be kept is lost, and so is what follows */
void bh_console_log_add(struct bh_console_log *log, const char *data, size_t len);

void bh_console_log_end(struct bh_console_log *log);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The runtime's side of container/sync.h: serving a new process until it is ready or has executed.
 */
#ifndef BH_CONTAINER_ATTEND_H
#define BH_CONTAINER_ATTEND_H

#include "container/container.h"

struct bh_attend {
	int sock;
	const struct bh_container *c;
	pid_t pid;                      /* in the end that of the process that executed */
	const struct bh_process_io *io; /* NULL once the terminal was handed over */
	bool until_exec;                /* else until READY */
	bool unseen;                    /* the process makes another, which it is about */
	bool ready;                     /* READY was seen, or belongs to an earlier call */
	uint32_t seen;                  /* bit n: message n came; none comes twice */
	int master_fd;                  /* the caller's, when io wants it; start with -EBADF */
};

/** bh_attend() - Return: 0, or what the process or the serving of it failed with */
int bh_attend(struct bh_attend *attend, struct bh_err *err) bh_must_check;

#endif

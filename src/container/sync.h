/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The talk between the runtime and the process that becomes a container's: one SOCK_SEQPACKET pair,
 * typed messages.
 *
 *	runtime                                     container process
 *	   | <------------- JOINED pid ----------------- (only with a joiner in between)
 *	   |   id maps, scope, limits that need the host
 *	   |   pid on record
 *	   | --------------- GO -----------------------> (awaited at once if something of that is
 *	   |                                             |  to be done, else before READY)
 *	   |                                             | namespaces, mounts
 *	   | <------------- HOOKS ---------------------- (only if there are any)
 *	   |   prestart and createRuntime hooks
 *	   | --------------- GO ----------------------->
 *	   | <------------- MASTER fd ------------------ (only with a terminal)
 *	   | <------------- READY ----------------------
 *	   |                                             | waits for its start, or goes on
 *	   | <------------- LISTENER number ------------ (only if the filter notifies)
 *	   | --------------- GO ----------------------->
 *	   | <------------- JOINED pid ----------------- (only if another one executes)
 *	   | <--- end of file: execve(2) happened; or ERR at any time
 */
#ifndef BH_CONTAINER_SYNC_H
#define BH_CONTAINER_SYNC_H

#include <sys/types.h>

#include "base/err.h"

enum bh_sync_type {
	BH_SYNC_EOF = 0, /* the peer closed: it executed, or it died */
	BH_SYNC_JOINED,
	BH_SYNC_GO,
	BH_SYNC_HOOKS,
	BH_SYNC_MASTER,
	BH_SYNC_READY,
	BH_SYNC_LISTENER,
	BH_SYNC_ERR,
	BH_SYNC_MAX_,
};

struct bh_sync_msg {
	uint32_t type;     /* enum bh_sync_type */
	int32_t number;    /* of JOINED: a pid; of LISTENER: a descriptor of the sender's */
	struct bh_err err; /* of ERR; not on the wire otherwise */
};

/** bh_sync_send() - one message without a body, with @fd attached unless it is negative */
int bh_sync_send(int sock, enum bh_sync_type type, int fd, struct bh_err *err) bh_must_check;

/** bh_sync_send_number() - JOINED and LISTENER, by write(2) */
int bh_sync_send_number(int sock, enum bh_sync_type type, int number,
			struct bh_err *err) bh_must_check;

/** bh_sync_send_err() - ERR; it cannot fail usefully */
void bh_sync_send_err(int sock, const struct bh_err *what);

/**
 * bh_sync_recv() - the next message
 * @ret_fd: an attached descriptor, the caller's, or -1; may be NULL where none is expected
 *
 * Return: enum bh_sync_type; for ERR its code, with @err = what the peer said; -errno
 */
int bh_sync_recv(int sock, struct bh_sync_msg *msg, int *ret_fd, struct bh_err *err) bh_must_check;

/** bh_sync_expect() - the next message must be @type, otherwise @err says what came instead */
int bh_sync_expect(int sock, enum bh_sync_type type, struct bh_err *err) bh_must_check;

/** bh_sync_connect_send_fd() - connect to the unix socket at @path and pass it @fd with @text as
 * the message, as receivers of terminals and pidfds expect it */
int bh_sync_connect_send_fd(const char *path, int fd, const char *text,
			    struct bh_err *err) bh_must_check;

#endif

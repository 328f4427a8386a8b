/* SPDX-License-Identifier: Apache-2.0 */
/*
 * containerd's shim of the runtime v2 contract: what the parts of the program share.
 *
 * Source: containerd core/runtime/v2/README.md
 */
#ifndef BH_SHIM_SHIM_H
#define BH_SHIM_SHIM_H

#include "base/arena.h"
#include "shim/settings.h"

/* What the program was called with; all borrowed from argv and the environment. */
struct bh_shim_call {
	const char *program; /* argv[0] */
	const char *name_space, *id;
	const char *address; /* containerd's gRPC socket */
	const char *ttrpc_address;
	const char *bundle; /* absolute */
	const char *action; /* "" = none */
	bool debug, info, version;
};

/* In the working directory, which is the bundle's. */
#define BH_SHIM_ADDRESS_FILE "address"
#define BH_SHIM_LOG_FIFO     "log"
#define BH_SHIM_ROOT_FILE                                                                        \
	"bulkhead.root" /* settings.root when it is not the default, for `delete`, which is told \
			   no options */

/* Where the sockets are, when containerd does not say so; and the words of bh_shim_mark(). */
#define BH_SHIM_SOCKET_DIR "/run/bulkhead/@shim"

/* Descriptor of the listening socket in the process that serves. */
#define BH_SHIM_SOCKET_FD 3

#define BH_SHIM_STDIN_MAX (4U << 20)

/** bh_shim_root() - ROOT/NAMESPACE in @arena. NULL with @err */
const char *bh_shim_root(struct bh_arena *arena, const char *root, const char *name_space,
			 struct bh_err *err);

/* The actions. Return: 0 or -errno with @err */

/** bh_shim_start() - have a process that serves the container's pod; tells its address on standard
 * output */
int bh_shim_start(const struct bh_shim_call *call, char *const argv[],
		  struct bh_err *err) bh_must_check;

/** bh_shim_serve() - be that process */
int bh_shim_serve(const struct bh_shim_call *call, char *const argv[],
		  struct bh_err *err) bh_must_check;

/** bh_shim_delete() - after it: undo what is left, print a DeleteResponse */
int bh_shim_delete(const struct bh_shim_call *call, struct bh_err *err) bh_must_check;

/** bh_shim_info() - print a RuntimeInfo */
int bh_shim_info(const struct bh_shim_call *call, struct bh_err *err) bh_must_check;

/** bh_shim_mark() - leave word where @root is, the states' directory of the pod that is served at
 * @socket_path, for those who look at all pods of the node. As far as that can be done
 * bh_shim_unmark() - take it back; idempotent */
void bh_shim_mark(const char *socket_path, const char *root);
void bh_shim_unmark(const char *socket_path);

/** bh_shim_enter_cgroup() - this process, in all hierarchies where there is that group */
int bh_shim_enter_cgroup(const char *path, struct bh_err *err) bh_must_check;

/** bh_shim_read_input() - standard input to its end, at most BH_SHIM_STDIN_MAX bytes; malloc'd */
int bh_shim_read_input(char **ret, size_t *ret_len, struct bh_err *err) bh_must_check;

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What the runtime (create.c) and the process that becomes the container's init (init.c) share
 * across the clone: filled by the one, used by both. */
#ifndef BH_CONTAINER_CREATE_INTERNAL_H
#define BH_CONTAINER_CREATE_INTERNAL_H

#include "container/container.h"
#include "container/process.h"
#include "container/rootfs.h"
#include "container/spawn.h"

struct bh_creation {
	const struct bh_create_opts *opts;
	struct bh_container *c;
	struct bh_ns_plan ns;
	struct bh_rootfs_plan *rootfs;
	struct bh_launch launch;
	struct bh_spawn spawn;
	int listen_fd;      /* where init waits for its start; -1 with opts->run */
	int notify_fd;      /* the runtime's end of the notification socket; -1 = none */
	bool wait_for_host; /* init waits for GO at once, not only before READY: maps, scope,
			     * interfaces, limits by the host; hooks have a GO of their own */
	bool host_hooks;    /* prestart or createRuntime hooks, which the runtime runs */
};

/** bh_init_main() - the container's process, from clone(2) to execve(2) */
_Noreturn void bh_init_main(struct bh_creation *creation);

/** bh_hook_state_json() - the state document for a hook, appended to @out */
void bh_hook_state_json(const struct bh_container *c, enum bh_status status, pid_t pid,
			struct bh_buf *out);

/** bh_container_run_hooks() - as bh_hooks_run(), with the container's state as it then is; nothing
 * when there are none of @kind
 * @pid: of init, as they see it; 0 = this process is it */
int bh_container_run_hooks(const struct bh_container *c, enum bh_hook_kind kind,
			   enum bh_status status, pid_t pid, char *const *env,
			   struct bh_err *err) bh_must_check;

#endif

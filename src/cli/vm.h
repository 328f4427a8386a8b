/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the Kata runtime's verbs share. */
#ifndef BH_CLI_VM_H
#define BH_CLI_VM_H

#include "cli/pod_client.h"
#include "cli/runtime.h"

/* A connection to a pod's supervisor, and the loop that it lives on. */
struct bh_vm_session {
	struct bh_loop loop;
	struct bh_pod_client client;
};

#define BH_VM_SESSION_INIT           \
	(struct bh_vm_session)       \
	{                            \
		.loop = BH_LOOP_INIT \
	}

/** bh_vm_session_open() / bh_vm_session_deinit() - to the supervisor of @c's pod
 * Return: 0; -ENOENT or -ECONNREFUSED with @err when nobody serves it; -errno */
int bh_vm_session_open(struct bh_vm_session *s, const struct bh_container *c,
		       struct bh_err *err) bh_must_check;
void bh_vm_session_deinit(struct bh_vm_session *s);

/** bh_vm_remove_remains() - a pod that nobody serves, whether or not a container of it is known.
 * Nothing when there is none, or it is served */
int bh_vm_remove_remains(const char *root, const char *pod, struct bh_err *err);

/* As in struct bh_runtime. */
int bh_vm_status(const struct bh_container *c, enum bh_status *ret, struct bh_err *err);
int bh_vm_start(struct bh_container *c, struct bh_err *err);
int bh_vm_delete(struct bh_container *c, bool force, struct bh_err *err);
int bh_vm_create(struct bh_cli *cli, const struct bh_create_opts *create,
		 const struct bh_run_opts *run, struct bh_err *err);
int bh_vm_run(struct bh_cli *cli, const struct bh_create_opts *create,
	      const struct bh_run_opts *run, struct bh_err *err);
int bh_vm_dry_run(struct bh_cli *cli, const struct bh_create_opts *create,
		  const struct bh_run_opts *run, struct bh_buf *out, struct bh_err *err);
int bh_vm_exec(struct bh_container *c, struct bh_exec_opts *exec, struct bh_err *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bulkhead-installer: what makes a node one that runs both runtimes, and takes it back. `bulkhead
 * node` executes it; its words are those of that command's options, "NAME=VALUE" or "NAME" each.
 *
 *	plan (files as they would be, the pool, the daemons) → print → apply
 */
#ifndef BH_INSTALLER_INSTALLER_H
#define BH_INSTALLER_INSTALLER_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "installer/file.h"

struct bh_install_options {
	bool dry_run, restart, discard_pool;
	const char *bin;        /* directory of the program `bulkhead` */
	const char *engine;     /* "containerd", "docker", "all" = those that are installed */
	const char *containerd; /* file of its configuration */
	const char *docker;
	const char *address; /* containerd's socket */
	const char *device;  /* whole block device for the pool */
	int64_t pool_bytes;  /* of a file for the pool; 0 = none */
};

/* What becomes of the copy of a file as it was before, which stands beside it. */
enum bh_install_copy {
	BH_INSTALL_COPY_NONE = 0, /* as it is */
	BH_INSTALL_COPY_MAKE,     /* of the text before */
	BH_INSTALL_COPY_DROP,     /* when the new text is the same */
};

/* One file that changes. */
struct bh_install_step {
	const char *what;
	struct bh_install_file file; /* as it is */
	struct bh_buf text;          /* as it shall be */
	bool remove;                 /* it shall not be there */
	bool dir_made;               /* its directory was not there before it */
	enum bh_install_copy copy;
};

/* Files a step is about, at most: containerd's, its drop-in, Docker's. */
#define BH_INSTALL_STEPS_MAX 4

struct bh_install_plan {
	struct bh_arena arena;
	struct bh_install_step steps[BH_INSTALL_STEPS_MAX];
	size_t n;
	bool has_containerd, has_docker; /* engines that this is about */
	bool wants_pool;                 /* one is made, or there */
	struct bh_buf notes;             /* lines on what is left as it is */
};

/** bh_install_plan_install() / bh_install_plan_uninstall() - what would change, without changing it
 */
int bh_install_plan_install(const struct bh_install_options *o, struct bh_install_plan *ret,
			    struct bh_err *err) bh_must_check;
int bh_install_plan_uninstall(const struct bh_install_options *o, struct bh_install_plan *ret,
			      struct bh_err *err) bh_must_check;

/** bh_install_plan_deinit() - free; idempotent */
void bh_install_plan_deinit(struct bh_install_plan *plan);

/** bh_install_step_changes() - whether a step changes anything */
bool bh_install_step_changes(const struct bh_install_step *step);

/** bh_install_step_apply() - write it, after the copy of what was before
 * @out: lines for the administrator */
int bh_install_step_apply(const struct bh_install_step *step, struct bh_buf *out,
			  struct bh_err *err) bh_must_check;

/** bh_install_step_revert() - the file as it was when planned */
int bh_install_step_revert(const struct bh_install_step *step, struct bh_err *err) bh_must_check;

/** bh_install_copy_name() - where the copy of a file from before is. Return: @ret */
const char *bh_install_copy_name(const char *path, char ret[static PATH_MAX]);

/** bh_install_check() - run a pod of each kind by containerd, the way that crictl or ctr offers
 * @out: lines of what was found */
int bh_install_check(const struct bh_install_options *o, struct bh_buf *out,
		     struct bh_err *err) bh_must_check;

/** bh_install_accepts() - let containerd read its configuration, and see that both handlers are in
 * it
 */
int bh_install_accepts(const char *config, struct bh_err *err) bh_must_check;

/** bh_install_has() - whether a program is in $PATH */
bool bh_install_has(const char *program);

#endif

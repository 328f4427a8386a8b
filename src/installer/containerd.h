/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The handlers `runc` and `kata`, and a thin pool, in a configuration of containerd: format 2 (1.6,
 * 1.7), 3 and 4 (2.x). The text is edited, not written anew: nothing in it changes but what is
 * said here, and that stands between marks (marks.h), so that it can be taken out again.
 *
 * Source: containerd's docs/man/containerd-config.toml.5.md, docs/cri/config.md and docs/ops.md
 */
#ifndef BH_INSTALL_CONTAINERD_H
#define BH_INSTALL_CONTAINERD_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

struct bh_containerd_wants {
	const char *shim_dir; /* with the shims */
	bool found;           /* containerd looks into it by itself */
	/* User namespaces of pods are granted to containerd's own type alone: from 2.0 on, where
	 * Kubernetes asks for them, it is that type of which `runc` is, run by our shim. */
	bool own_type;
	const char *pool;         /* thin pool of the snapshotter devmapper; NULL = none */
	bool handler_snapshotter; /* a handler can have a snapshotter of its own: from 1.7 on */
	bool dir_made;            /* of a drop-in: its directory is made for it */
};

/* A line of a drop-in: who takes it away takes its directory as well. */
#define BH_CONTAINERD_DIR_MADE "# its directory was made for it\n"

/* Outcome of bh_containerd_edit(): CRI is switched off, so there is nothing to set up; @err says
 * where. */
#define BH_CONTAINERD_E_OFF 1

/**
 * bh_containerd_edit() - put the handlers into a configuration without marks
 * @name: of the file, for @err
 * @ret:  the new text
 *
 * Return: 0; BH_CONTAINERD_E_OFF; -EINVAL with @err naming file, line and value; -ENOMEM
 */
int bh_containerd_edit(const char *name, const char *text, size_t len,
		       const struct bh_containerd_wants *wants, struct bh_buf *ret,
		       struct bh_err *err) bh_must_check;

/** bh_containerd_drop_in() - a whole file with the handlers alone, all of it between marks.
 * @format: of the file that imports it; a newer one would be refused */
void bh_containerd_drop_in(int format, const struct bh_containerd_wants *wants, struct bh_buf *ret);

/**
 * bh_containerd_imports() - the directory whose every *.toml a configuration imports
 * @ret_format: the configuration's format
 * @ret_dir:    in @arena; NULL when it imports none
 */
int bh_containerd_imports(struct bh_arena *arena, const char *name, const char *text, size_t len,
			  int *ret_format, const char **ret_dir, struct bh_err *err) bh_must_check;

/** bh_containerd_handler_shim() - what runs a handler's pods by a configuration: runtime_path, else
 * runtime_type, else ""; for what `containerd config dump` prints. In @arena */
int bh_containerd_handler_shim(struct bh_arena *arena, const char *text, size_t len,
			       const char *handler, const char **ret,
			       struct bh_err *err) bh_must_check;

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Hooks: programs that run at named points of a container's life with its state on standard input.
 * Source: runtime-spec config.md "POSIX-platform Hooks" */
#ifndef BH_CONTAINER_HOOKS_H
#define BH_CONTAINER_HOOKS_H

#include "oci/spec.h"

/**
 * bh_hooks_run() - all hooks of @kind, one after another, until one fails
 * @state: the state document
 * @env:   of those whose document says nothing about theirs; NULL-terminated
 *
 * Each gets no descriptor but 0, 1, 2, the working directory of the caller, and at most its
 * timeout, then SIGKILL.
 *
 * Return: 0; -errno with @err naming the hook, how it ended, and what it printed
 */
int bh_hooks_run(const struct bh_spec *spec, enum bh_hook_kind kind, const char *state,
		 char *const *env, struct bh_err *err) bh_must_check;

/** bh_hooks_refuse() - where none are allowed: -EINVAL (BH_ERR_SPEC) when @spec has one that runs
 * outside of the container's own root */
int bh_hooks_refuse(const struct bh_spec *spec, struct bh_err *err) bh_must_check;

/** bh_hooks_run_all() - like bh_hooks_run(), but a failure is logged as a warning and the next one
 * runs, as the spec wants it of poststart and poststop */
void bh_hooks_run_all(const struct bh_spec *spec, enum bh_hook_kind kind, const char *state,
		      char *const *env);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The environment that a process of the container is given. */
#ifndef BH_CONTAINER_ENVIRONMENT_H
#define BH_CONTAINER_ENVIRONMENT_H

#include "container/finds.h"
#include "oci/spec.h"

/**
 * bh_env_make() - the document's environment, made ready for execve(2)
 * @listen_fds: how many listening sockets are handed over, sd_listen_fds(3)
 * @finds:      may know HOME, or be told; NULL = none
 *
 * Of several values for one name the last stays. HOME is looked up in the container's /etc/passwd
 * where it is missing or empty, as runc does; so it is to be called in the container's root.
 *
 * Return: a NULL-terminated list, which the caller frees as one block; its strings are borrowed
 *         from @process. NULL with @err
 */
char **bh_env_make(const struct bh_process *process, int listen_fds, struct bh_finds *finds,
		   struct bh_err *err) bh_must_check;

/** bh_env_forget() - overwrite the strings of @env, the caller's own environment */
void bh_env_forget(char **env);

/** bh_env_value() - of @name in the NULL-terminated @env, which may be NULL; NULL if not there */
const char *bh_env_value(char *const *env, const char *name);

#endif

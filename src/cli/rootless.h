/* SPDX-License-Identifier: Apache-2.0 */
/* Who is calling: root of the machine, root of a user namespace, or an ordinary user. */
#ifndef BH_CLI_ROOTLESS_H
#define BH_CLI_ROOTLESS_H

#include <stdbool.h>

/** bh_rootless_user() - whether state belongs below $XDG_RUNTIME_DIR: the caller is not root, or is
 * root of a user namespace that kept its user's environment ($USER is not root) */
bool bh_rootless_user(void);

/** bh_rootless_cgroups() - whether cgroups may turn out not to be writable
 * @choice: "true", "false", or "auto": not root, or in a user namespace */
bool bh_rootless_cgroups(const char *choice);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* AppArmor profiles and SELinux labels. Everything is written through a procfs that was checked to
 * be one, so that a container cannot divert it (CVE-2019-16884, CVE-2025-52881).
 *
 * Whether the host has the module is asked by the parent, which still sees the host's /sys: where
 * it has not, a profile or label in the spec is warned about and left out, since nothing could obey
 * it. */
#ifndef BH_LINUX_LSM_H
#define BH_LINUX_LSM_H

#include <stdbool.h>

#include "base/err.h"

/** bh_apparmor_enabled() / bh_selinux_enabled() - context: the host's mount namespace */
bool bh_apparmor_enabled(void);
bool bh_selinux_enabled(void);

/** bh_apparmor_on_exec() - the profile that the next execve(2) enters
 * @self_fd: the calling process's directory in a checked procfs (/proc/self); borrowed
 * Context:  child, no allocation */
int bh_apparmor_on_exec(int self_fd, const char *profile, struct bh_err *err) bh_must_check;

/** bh_selinux_on_exec() - the label that the next execve(2) gets */
int bh_selinux_on_exec(int self_fd, const char *label, struct bh_err *err) bh_must_check;

/** bh_selinux_key_label() - the label of keyrings made from now on */
int bh_selinux_key_label(int self_fd, const char *label, struct bh_err *err) bh_must_check;

#endif

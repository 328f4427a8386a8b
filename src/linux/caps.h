/* SPDX-License-Identifier: Apache-2.0 */
/* Capability sets of a process. Source: capabilities(7), runtime-spec config.md "capabilities" */
#ifndef BH_LINUX_CAPS_H
#define BH_LINUX_CAPS_H

#include "oci/spec.h"

/**
 * bh_caps_bound() - drop from the bounding set what @caps does not name
 *
 * Context: child, with CAP_SETPCAP effective; no allocation
 * Errors:  -EPERM without CAP_SETPCAP, unless there is nothing to drop
 */
int bh_caps_bound(const struct bh_caps *caps, struct bh_err *err) bh_must_check;

/**
 * bh_caps_apply() - set permitted, effective and inheritable, then ambient
 *
 * What the caller does not have cannot be gained: it is left out with a warning that names it, as
 * the spec demands ("SHOULD NOT fail"); so is an ambient one that is not both permitted and
 * inheritable.
 *
 * Context: child, after bh_caps_bound() and setuid(2) with PR_SET_KEEPCAPS; no allocation but for
 * the warning's text
 */
int bh_caps_apply(const struct bh_caps *caps, struct bh_err *err) bh_must_check;

/** bh_caps_raise_effective() - effective = permitted: between setuid(2), which empties the
 * effective set, and bh_caps_apply(). Context: child, no allocation */
int bh_caps_raise_effective(struct bh_err *err) bh_must_check;

#endif

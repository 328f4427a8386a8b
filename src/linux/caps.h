/* SPDX-License-Identifier: Apache-2.0 */
/* Capability sets of a process. Source: capabilities(7) */
#ifndef BH_LINUX_CAPS_H
#define BH_LINUX_CAPS_H

#include "oci/spec.h"

/** bh_caps_last() - the highest capability of the running kernel */
int bh_caps_last(void);

/** bh_caps_bound() - drop from the bounding set what @caps does not name. Context: child */
int bh_caps_bound(const struct bh_caps *caps, struct bh_err *err) bh_must_check;

/** bh_caps_apply() - set permitted, effective, inheritable, then ambient (an ambient one that the
 * kernel refuses because it is not in both sets is skipped, as runc does). Capabilities that the
 * caller does not have cannot be gained: an error names them. Context: child */
int bh_caps_apply(const struct bh_caps *caps, struct bh_err *err) bh_must_check;

/** bh_caps_full() - all five sets empty but what is needed is not touched: all effective = permitted,
 * used between setuid and bh_caps_apply(). Context: child */
int bh_caps_raise_effective(struct bh_err *err) bh_must_check;

#endif

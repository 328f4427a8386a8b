/* SPDX-License-Identifier: Apache-2.0 */
/* The config.json that `spec` writes for people to start from. */
#ifndef BH_OCI_DEFAULT_SPEC_H
#define BH_OCI_DEFAULT_SPEC_H

#include <stdbool.h>

#include "base/buf.h"

/**
 * bh_spec_default_json() - the document of `runc spec`, key for key
 * @rootless:         for a user without privileges: a user namespace that maps the caller's own
 * ids, the host's network and /sys, no limits
 * @cgroup_namespace: with a cgroup namespace, which is runc's choice on hosts that have cgroup v2
 *                    alone
 * @out:              the document is appended, without a line break at its end
 */
void bh_spec_default_json(bool rootless, bool cgroup_namespace, struct bh_buf *out);

#endif

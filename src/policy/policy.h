/* SPDX-License-Identifier: Apache-2.0 */
/* The rule book as Kubernetes takes it: runtime classes, and an admission policy in CEL. */
#ifndef BH_POLICY_POLICY_H
#define BH_POLICY_POLICY_H

#include "base/buf.h"

/* A file of deploy/kubernetes/. */
struct bh_policy_file {
	const char *name;
	void (*write)(struct bh_buf *out);
};
extern const struct bh_policy_file bh_policy_files[];
extern const size_t bh_n_policy_files;

#endif

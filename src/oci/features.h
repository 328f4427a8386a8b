/* SPDX-License-Identifier: Apache-2.0 */
/* The document of `features`. Source: runtime-spec features.md, features-linux.md */
#ifndef BH_OCI_FEATURES_H
#define BH_OCI_FEATURES_H

#include <stdbool.h>

#include "base/buf.h"

/* What the layers below know about themselves. All lists end with NULL and are borrowed; the
 * document has them in the order of their names, but for hooks. */
struct bh_features {
	const char *const *hooks;
	const char *const *mount_options;
	struct {
		bool v1, v2, systemd, systemd_user, rdma;
	} cgroup;
	struct {
		const char *const *actions, *const *operators, *const *archs;
		const char *const *known_flags, *const *supported_flags;
		const char *library_version; /* "2.5.4" */
	} seccomp;
	struct {
		bool enabled, schemata, monitoring;
	} intel_rdt;
	bool apparmor, selinux, id_mapped_mounts, net_devices, memory_policy;
	const char *version, *commit; /* of this program; commit may be NULL */
	/* Annotations of a config.json that give its author more than its other fields do; one that
	 * ends with "." stands for all that begin so. */
	const char *const *unsafe_annotations;
};

/** bh_features_json() - @out: the document is appended, indented by four blanks as runc's, with a
 * line break at its end */
void bh_features_json(const struct bh_features *features, struct bh_buf *out);

#endif

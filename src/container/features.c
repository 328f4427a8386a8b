/* SPDX-License-Identifier: Apache-2.0 */
#include "container/features.h"

#include "container/commit.h"
#include "container/rootfs.h"
#include "linux/seccomp.h"
#include "oci/features.h"
#include "oci/names.h"

/* Those of createContainer would need their program on the host and their namespaces in the guest.
 */
static void list_hooks(bool guest, const char *ret[static BH_HOOK_MAX_ + 1])
{
	size_t n = 0;

	for (size_t i = 0; i < bh_names_hook.n; i++)
		if (!guest || bh_names_hook.v[i].value != BH_HOOK_CREATE_CONTAINER)
			ret[n++] = bh_names_hook.v[i].name;
	ret[n] = NULL;
}

void bh_container_features_json(bool guest, struct bh_buf *out)
{
	static const char *const unsafe_annotations[] = { "org.systemd.property.", NULL };
	const char *hooks[BH_HOOK_MAX_ + 1];
	const char *supported_flags[9] = { NULL };
	char library_version[32];
	const struct bh_features features = {
		.hooks = hooks,
		.mount_options = bh_mount_option_names(),
		.cgroup = { .v1 = true,
			    .v2 = true,
			    .systemd = true,
			    .systemd_user = true,
			    .rdma = true },
		.seccomp = { .actions = bh_seccomp_actions(),
			     .operators = bh_seccomp_operators(),
			     .archs = bh_seccomp_archs(),
			     .known_flags = bh_seccomp_known_flags(),
			     .supported_flags = supported_flags,
			     .library_version = bh_seccomp_library_version(library_version) },
		/* The host's processors, policies, files and interfaces are not the guest's. */
		.intel_rdt = { .enabled = !guest, .schemata = !guest, .monitoring = !guest },
		.apparmor = !guest,
		.selinux = !guest,
		.id_mapped_mounts = !guest,
		.net_devices = !guest,
		.memory_policy = !guest,
		.version = BH_VERSION,
		.commit = BH_COMMIT,
		.unsafe_annotations = unsafe_annotations,
	};

	list_hooks(guest, hooks);
	supported_flags[bh_seccomp_supported_flags(supported_flags)] = NULL;
	bh_features_json(&features, out);
}

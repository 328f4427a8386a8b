/* SPDX-License-Identifier: Apache-2.0 */
#include <limits.h>

#include "base/program.h"
#include "base/schema.h"
#include "container/state.h"
#include "pod/pod.h"

/* From the directory of the program that serves the pod. */
static const char *const guest_places[] = { "../share/bulkhead/", "../../share/bulkhead/",
					    "../../" };

/* A pod that needs it says that it is not there. */
static int find_guest(struct bh_config_set *set, struct bh_config *config, struct bh_err *err)
{
	char path[PATH_MAX];

	if (config->guest)
		return 0;
	if (bh_program_find(guest_places, BH_ARRAY_SIZE(guest_places), "guest", BH_DATADIR, path,
			    NULL) < 0)
		config->guest = BH_DATADIR "/guest";
	else
		config->guest = bh_arena_strdup(&set->arena, path);
	return config->guest ? 0 : bh_err_oom(err);
}

int bh_pod_settings(struct bh_config_set *set, const char **kind, const char *bundle,
		    struct bh_config *ret, struct bh_err *err)
{
	bh_kv_list annotations = { .n = 0 };
	int r = bundle ? bh_bundle_annotations(&set->arena, bundle, &annotations, err) : 0;

	if (r == 0 && !*kind) {
		r = bh_config_resolve(set, NULL, &annotations, ret, NULL, err);
		*kind = ret->runtime;
	}
	r = r < 0 ? r : bh_config_resolve(set, *kind, &annotations, ret, NULL, err);
	return r < 0 ? r : find_guest(set, ret, err);
}

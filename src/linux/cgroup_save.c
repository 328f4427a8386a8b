/* SPDX-License-Identifier: Apache-2.0 */
/* A cgroup object as JSON, for the container's state. */
#include <string.h>

#include "base/json_writer.h"
#include "linux/cgroup_internal.h"

static const char *const manager_names[BH_CGROUP_MANAGER_MAX_] = {
	[BH_CGROUP_FS] = "cgroupfs",
	[BH_CGROUP_SYSTEMD] = "systemd",
	[BH_CGROUP_DISABLED] = "disabled",
};

void bh_cgroup_save(const struct bh_cgroup *cg, struct bh_buf *out)
{
	struct bh_json_writer w = { .out = out };

	bh_json_open(&w, NULL, '{');
	bh_json_text(&w, "manager", manager_names[cg->manager]);
	bh_json_bool(&w, "rootless", cg->rootless);
	bh_json_bool(&w, "explicitPath", cg->explicit_path);
	bh_json_text(&w, "unit", cg->unit);
	bh_json_open(&w, "hierarchies", '[');
	for (size_t i = 0; i < cg->n; i++) {
		const struct bh_cgroup_hierarchy *h = &cg->pub[i];

		bh_json_open(&w, NULL, '{');
		bh_json_bool(&w, "v2", h->v2);
		bh_json_bool(&w, "owned", cg->hier[i].owned);
		bh_json_u64(&w, "controllers", cg->hier[i].controllers);
		bh_json_text(&w, "name", h->name);
		bh_json_text(&w, "mountpoint", h->mountpoint);
		bh_json_text(&w, "path", h->path);
		bh_json_text(&w, "options", h->options);
		bh_json_close(&w, '}');
	}
	bh_json_close(&w, ']');
	bh_json_close(&w, '}');
}

/* A string member of @object, in the arena; NULL when there is none. */
static const char *get_string(struct bh_arena *arena, json_object *object, const char *key)
{
	json_object *value;

	if (!json_object_object_get_ex(object, key, &value) ||
	    !json_object_is_type(value, json_type_string))
		return NULL;
	return bh_arena_strdup(arena, json_object_get_string(value));
}

static bool get_bool(json_object *object, const char *key)
{
	json_object *value;

	return json_object_object_get_ex(object, key, &value) && json_object_get_boolean(value);
}

static int load_hierarchy(struct bh_cgroup *cg, size_t i, json_object *saved, struct bh_err *err)
{
	struct bh_cgroup_hierarchy *h = &cg->pub[i];
	const char *path = get_string(&cg->arena, saved, "path");
	json_object *mask = NULL;

	json_object_object_get_ex(saved, "controllers", &mask);
	*h = (struct bh_cgroup_hierarchy){
		.v2 = get_bool(saved, "v2"),
		.name = get_string(&cg->arena, saved, "name"),
		.mountpoint = get_string(&cg->arena, saved, "mountpoint"),
		.options = get_string(&cg->arena, saved, "options"),
	};
	cg->hier[i] = (struct bh_cg_hier){
		.controllers = mask ? (uint32_t)json_object_get_int64(mask) : 0,
		.owned = get_bool(saved, "owned"),
		.fd = -EBADF,
	};
	cg->n = i + 1;
	if (!h->name || !h->mountpoint || h->mountpoint[0] != '/' || !h->options || !path ||
	    path[0] != '/' || strcmp(path, "/") == 0)
		return bh_err_as(err, BH_ERR_STATE, -EINVAL,
				 "saved control group: hierarchy %zu is incomplete", i);
	return bh_cg_set_path(cg, i, path, err);
}

int bh_cgroup_load(json_object *saved, struct bh_cgroup **ret, struct bh_err *err)
{
	bh_auto_cgroup struct bh_cgroup *cg = calloc(1, sizeof(*cg));
	json_object *list = NULL;
	const char *manager;
	size_t n;

	if (!cg)
		return bh_err_oom(err);
	cg->owner_uid = -1;
	cg->loaded = true;
	if (!json_object_is_type(saved, json_type_object) ||
	    !json_object_object_get_ex(saved, "hierarchies", &list) ||
	    !json_object_is_type(list, json_type_array))
		return bh_err_as(err, BH_ERR_STATE, -EINVAL,
				 "saved control group: no list of hierarchies");
	manager = get_string(&cg->arena, saved, "manager");
	while (cg->manager < BH_CGROUP_MANAGER_MAX_ &&
	       (!manager || strcmp(manager, manager_names[cg->manager]) != 0))
		cg->manager++;
	if (cg->manager == BH_CGROUP_MANAGER_MAX_)
		return bh_err_as(err, BH_ERR_STATE, -EINVAL,
				 "saved control group: unknown manager '%s'",
				 manager ? manager : "");
	cg->rootless = get_bool(saved, "rootless");
	cg->explicit_path = get_bool(saved, "explicitPath");
	cg->unit = get_string(&cg->arena, saved, "unit");
	n = json_object_array_length(list);
	cg->pub = bh_arena_array(&cg->arena, n + 1, sizeof(*cg->pub));
	cg->hier = bh_arena_array(&cg->arena, n + 1, sizeof(*cg->hier));
	if (!cg->pub || !cg->hier)
		return bh_err_oom(err);
	for (size_t i = 0; i < n; i++) {
		int e = load_hierarchy(cg, i, json_object_array_get_idx(list, i), err);

		if (e < 0)
			return e;
	}
	*ret = bh_take(&cg);
	return 0;
}

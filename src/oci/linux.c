/* SPDX-License-Identifier: Apache-2.0 */
/* Source: runtime-spec config-linux.md */
#include <string.h>

#include "oci/names.h"
#include "oci/spec_internal.h"
#include "oci/text.h"

/* Lines that the kernel takes in /proc/PID/uid_map. Source: user_namespaces(7) */
#define ID_MAPS_MAX 340

/* ---- id mappings ------------------------------------------------------------------------ */

static int id_map_check(struct bh_reader *r, void *object)
{
	const struct bh_id_map *map = object;
	uint64_t room = UINT32_MAX - (uint64_t)(map->container_id > map->host_id ? map->container_id
										 : map->host_id);

	if (!map->size)
		return bh_reader_fail(r, bh_reader_at(r, "size"), "0 ids cannot be mapped");
	/* The last id, 4294967295, stands for "none" and cannot be mapped. */
	if (map->size <= room)
		return 0;
	return bh_reader_fail(r, bh_reader_at(r, "size"),
			      "%u is more than what follows the first id", map->size);
}

static const struct bh_field id_map_fields[] = {
	BH_FIELD(struct bh_id_map, container_id, "containerID"),
	BH_FIELD(struct bh_id_map, host_id, "hostID"),
	BH_FIELD(struct bh_id_map, size, "size", .flags = BH_FIELD_REQUIRED),
};
const struct bh_schema bh_schema_id_map =
	BH_SCHEMA(struct bh_id_map, id_map_fields, .check = id_map_check);

static bool overlap(uint32_t a, uint32_t a_size, uint32_t b, uint32_t b_size)
{
	return a < (uint64_t)b + b_size && b < (uint64_t)a + a_size;
}

int bh_id_maps_check(struct bh_reader *r, const char *field, const bh_id_map_list *maps)
{
	if (maps->n > ID_MAPS_MAX)
		return bh_reader_fail(r, bh_reader_at(r, "%s", field),
				      "%zu entries are more than the kernel's %d", maps->n,
				      ID_MAPS_MAX);
	for (size_t i = 0; i < maps->n; i++) {
		const struct bh_id_map *a = &maps->v[i];

		for (const struct bh_id_map *b = maps->v; b < a; b++) {
			const char *side = NULL;

			if (overlap(a->container_id, a->size, b->container_id, b->size))
				side = "containerID";
			else if (overlap(a->host_id, a->size, b->host_id, b->size))
				side = "hostID";
			if (side)
				return bh_reader_fail(
					r, bh_reader_at(r, "%s/%zu/%s", field, i, side),
					"overlaps with entry %zu", (size_t)(b - maps->v));
		}
	}
	return 0;
}

/* ---- namespaces, devices ---------------------------------------------------------------- */

static const struct bh_field namespace_fields[] = {
	BH_FIELD(struct bh_namespace, kind, "type", .names = &bh_names_namespace,
		 .flags = BH_FIELD_REQUIRED),
	BH_FIELD(struct bh_namespace, path, "path", .rule = &bh_text_absolute),
};
static const struct bh_schema namespace_schema = BH_SCHEMA(struct bh_namespace, namespace_fields);

static const struct bh_name device_types_v[] = {
	{ "b", 'b' }, { "c", 'c' }, { "u", 'u' }, { "p", 'p' }
};
static const struct bh_names device_types = { device_types_v, BH_ARRAY_SIZE(device_types_v) };

static const struct bh_field device_fields[] = {
	BH_FIELD(struct bh_device, path, "path", .rule = &bh_text_absolute,
		 .flags = BH_FIELD_REQUIRED),
	BH_FIELD(struct bh_device, type, "type", .names = &device_types,
		 .flags = BH_FIELD_REQUIRED),
	BH_FIELD(struct bh_device, major, "major", .max = UINT32_MAX),
	BH_FIELD(struct bh_device, minor, "minor", .max = UINT32_MAX),
	BH_FIELD(struct bh_device, file_mode, "fileMode"),
	BH_FIELD(struct bh_device, uid, "uid"),
	BH_FIELD(struct bh_device, gid, "gid"),
};
static const struct bh_schema device_schema = BH_SCHEMA(struct bh_device, device_fields);

static const struct bh_field net_device_fields[] = {
	BH_FIELD(struct bh_net_device, name, "name", .rule = &bh_text_interface),
};
static const struct bh_schema net_device_schema =
	BH_SCHEMA(struct bh_net_device, net_device_fields);

/* ---- Intel RDT, memory policy, personality, clocks -------------------------------------- */

#define F(member, key, ...) BH_FIELD(struct bh_intel_rdt, member, key, __VA_ARGS__)
static const struct bh_field rdt_fields[] = {
	F(clos_id, "closID", .rule = &bh_text_group),
	F(schemata, "schemata", .rule = &bh_text_line),
	F(l3_cache_schema, "l3CacheSchema"),
	F(mem_bw_schema, "memBwSchema", .rule = &bh_text_line),
	F(enable_cmt, "enableCMT"),
	F(enable_mbm, "enableMBM"),
	F(enable_monitoring, "enableMonitoring"),
};
#undef F
static const struct bh_schema rdt_schema =
	BH_SCHEMA(struct bh_intel_rdt, rdt_fields, .has_set = true);

/* set_mempolicy(2): two modes take no node, one takes any number, the others at least one. */
static int memory_policy_check(struct bh_reader *r, void *object)
{
	const struct bh_memory_policy *policy = object;
	bool any = policy->nodes && bh_text_cpu_list_any(policy->nodes);
	bool none = !strcmp(policy->mode, "MPOL_DEFAULT") || !strcmp(policy->mode, "MPOL_LOCAL");

	if (none && any)
		return bh_reader_fail(r, bh_reader_at(r, "nodes"), "%s cannot be with mode \"%s\"",
				      bh_reader_quote(r, policy->nodes), policy->mode);
	if (!none && !any && strcmp(policy->mode, "MPOL_PREFERRED"))
		return bh_reader_fail(r, bh_reader_at(r, "nodes"), "mode \"%s\" needs at least one",
				      policy->mode);
	return 0;
}

static const struct bh_field memory_policy_fields[] = {
	BH_FIELD(struct bh_memory_policy, mode, "mode", .names = &bh_names_mpol_mode,
		 .flags = BH_FIELD_REQUIRED),
	BH_FIELD(struct bh_memory_policy, nodes, "nodes", .rule = &bh_text_cpu_list),
	BH_FIELD(struct bh_memory_policy, flags, "flags", .names = &bh_names_mpol_flag),
};
static const struct bh_schema memory_policy_schema =
	BH_SCHEMA(struct bh_memory_policy, memory_policy_fields, .check = memory_policy_check);

static const struct bh_field personality_fields[] = {
	BH_FIELD(struct bh_personality, domain, "domain", .names = &bh_names_personality,
		 .flags = BH_FIELD_REQUIRED),
	BH_FIELD(struct bh_personality, flags, "flags"),
};
static const struct bh_schema personality_schema =
	BH_SCHEMA(struct bh_personality, personality_fields, .has_set = true);

static const struct bh_field time_offset_fields[] = {
	BH_FIELD(struct bh_time_offset, secs, "secs"),
	BH_FIELD(struct bh_time_offset, nanosecs, "nanosecs", .max = 999999999),
};
static const struct bh_schema time_offset_schema =
	BH_SCHEMA(struct bh_time_offset, time_offset_fields, .has_set = true);

#define ROW(kind, member, key, ...) \
	BH_FIELD_AS(BH_KIND_##kind, struct bh_linux, member, key, __VA_ARGS__)

static const struct bh_field time_offsets_fields[] = {
	ROW(OBJECT, time_monotonic, "monotonic", .sub = &time_offset_schema),
	ROW(OBJECT, time_boottime, "boottime", .sub = &time_offset_schema),
};
static const struct bh_schema time_offsets_schema =
	BH_SCHEMA(struct bh_linux, time_offsets_fields, .closed = true);

/* ---- what belongs together -------------------------------------------------------------- */

/* Which namespaces the document lists, and which of them by path. */
struct ns_set {
	bool listed[BH_NS_MAX_], by_path[BH_NS_MAX_];
};

static int collect_namespaces(struct bh_reader *r, const struct bh_linux *l, struct ns_set *set)
{
	for (size_t i = 0; i < l->namespaces.n; i++) {
		const struct bh_namespace *ns = &l->namespaces.v[i];

		if (set->listed[ns->kind])
			return bh_reader_fail(r, bh_reader_at(r, "namespaces/%zu/type", i),
					      "\"%s\" is listed twice",
					      bh_names_of(&bh_names_namespace, ns->kind));
		set->listed[ns->kind] = true;
		set->by_path[ns->kind] = ns->path;
	}
	return 0;
}

static int needs_namespace(struct bh_reader *r, const char *field, const char *namespace)
{
	return bh_reader_fail(r, bh_reader_at(r, "%s", field),
			      "not possible without a %s namespace in linux.namespaces", namespace);
}

static bool maps_root(const bh_id_map_list *maps)
{
	for (size_t i = 0; i < maps->n; i++)
		if (!maps->v[i].container_id)
			return true;
	return false;
}

static int user_check(struct bh_reader *r, const struct bh_linux *l, const struct ns_set *set)
{
	const bh_id_map_list *maps[] = { &l->uid_mappings, &l->gid_mappings };
	const char *const fields[] = { "uidMappings", "gidMappings" };
	bool fresh = set->listed[BH_NS_USER] && !set->by_path[BH_NS_USER];

	for (size_t i = 0; i < BH_ARRAY_SIZE(maps); i++) {
		int e = bh_id_maps_check(r, fields[i], maps[i]);

		if (e)
			return e;
		if (maps[i]->n && !set->listed[BH_NS_USER])
			return needs_namespace(r, fields[i], "user");
		if (fresh && !maps_root(maps[i]))
			return bh_reader_fail(r, bh_reader_at(r, "%s", fields[i]),
					      "a new user namespace needs a mapping of id 0");
	}
	return 0;
}

static int linux_check(struct bh_reader *r, void *object)
{
	const struct bh_linux *l = object;
	struct ns_set set = { 0 };
	bool offsets = l->time_monotonic.set || l->time_boottime.set;
	int e;

	e = collect_namespaces(r, l, &set);
	e = e ? e : user_check(r, l, &set);
	if (e)
		return e;
	if (offsets && !set.listed[BH_NS_TIME])
		return needs_namespace(r, "timeOffsets", "time");
	if (offsets && set.by_path[BH_NS_TIME])
		return bh_reader_fail(r, bh_reader_at(r, "timeOffsets"),
				      "not possible for a time namespace that is joined by path");
	if (l->net_devices.n && !set.listed[BH_NS_NETWORK])
		return needs_namespace(r, "netDevices", "network");
	if (l->masked_paths.n && !set.listed[BH_NS_MOUNT])
		return needs_namespace(r, "maskedPaths", "mount");
	if (l->readonly_paths.n && !set.listed[BH_NS_MOUNT])
		return needs_namespace(r, "readonlyPaths", "mount");
	return 0;
}

/* ---- linux ------------------------------------------------------------------------------ */

#define F(member, key, ...) BH_FIELD(struct bh_linux, member, key, __VA_ARGS__)
static const struct bh_field linux_fields[] = {
	ROW(LIST, uid_mappings, "uidMappings", .sub = &bh_schema_id_map),
	ROW(LIST, gid_mappings, "gidMappings", .sub = &bh_schema_id_map),
	F(sysctl, "sysctl"),
	ROW(OBJECT, resources, "resources", .sub = &bh_schema_resources),
	F(cgroups_path, "cgroupsPath", .rule = &bh_text_line),
	ROW(LIST, namespaces, "namespaces", .sub = &namespace_schema),
	ROW(LIST, devices, "devices", .sub = &device_schema),
	ROW(MAP, net_devices, "netDevices", .sub = &net_device_schema, .rule = &bh_text_interface),
	ROW(OBJECT, seccomp, "seccomp", .sub = &bh_schema_seccomp),
	F(rootfs_propagation, "rootfsPropagation", .names = &bh_names_propagation),
	F(masked_paths, "maskedPaths"),
	F(readonly_paths, "readonlyPaths"),
	F(mount_label, "mountLabel", .rule = &bh_text_line),
	ROW(OBJECT, intel_rdt, "intelRdt", .sub = &rdt_schema),
	ROW(OBJECT, memory_policy, "memoryPolicy", .sub = &memory_policy_schema),
	ROW(OBJECT, personality, "personality", .sub = &personality_schema),
	BH_FIELD_INLINE("timeOffsets", &time_offsets_schema),
};
const struct bh_schema bh_schema_linux =
	BH_SCHEMA(struct bh_linux, linux_fields, .has_set = true, .check = linux_check);

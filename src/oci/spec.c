/* SPDX-License-Identifier: Apache-2.0 */
/* Source: runtime-spec config.md */
#include "oci/spec.h"

#include <limits.h>
#include <string.h>

#include "oci/spec_internal.h"
#include "oci/text.h"

/* ---- root, mounts, hooks ---------------------------------------------------------------- */

static const struct bh_field root_fields[] = {
	BH_FIELD(struct bh_root, path, "path", .flags = BH_FIELD_REQUIRED),
	BH_FIELD(struct bh_root, readonly, "readonly"),
};
static const struct bh_schema root_schema = BH_SCHEMA(struct bh_root, root_fields, .has_set = true);

/* Whether one of the two options is there. */
static bool has_option(const struct bh_mount *mount, const char *a, const char *b)
{
	for (size_t i = 0; i < mount->options.n; i++)
		if (!strcmp(mount->options.v[i], a) || !strcmp(mount->options.v[i], b))
			return true;
	return false;
}

static int mapped_mount_check(struct bh_reader *r, const struct bh_mount *mount)
{
	int e = bh_id_maps_check(r, "uidMappings", &mount->uid_mappings);

	e = e ? e : bh_id_maps_check(r, "gidMappings", &mount->gid_mappings);
	if (e)
		return e;
	if (!mount->uid_mappings.n != !mount->gid_mappings.n)
		return bh_reader_fail(
			r, bh_reader_at(r, mount->uid_mappings.n ? "gidMappings" : "uidMappings"),
			"uidMappings and gidMappings go together, and this one is missing");
	if ((mount->uid_mappings.n || has_option(mount, "idmap", "ridmap")) &&
	    !has_option(mount, "bind", "rbind"))
		return bh_reader_fail(r, bh_reader_at(r, "options"),
				      "only a bind mount can have its ids mapped");
	return 0;
}

static int mount_check(struct bh_reader *r, void *object)
{
	struct bh_mount *mount = object;

	/* Relative destinations are deprecated, and relative to "/". */
	if (mount->destination[0] != '/') {
		mount->destination = bh_arena_printf(bh_reader_arena(r), "/%s", mount->destination);
		if (!mount->destination)
			return bh_reader_oom(r);
	}
	return mapped_mount_check(r, mount);
}

#define F(member, key, ...) BH_FIELD(struct bh_mount, member, key, __VA_ARGS__)
static const struct bh_field mount_fields[] = {
	F(destination, "destination", .flags = BH_FIELD_REQUIRED),
	F(source, "source"),
	F(type, "type"),
	F(options, "options"),
	BH_FIELD_AS(BH_KIND_LIST, struct bh_mount, uid_mappings, "uidMappings",
		    .sub = &bh_schema_id_map),
	BH_FIELD_AS(BH_KIND_LIST, struct bh_mount, gid_mappings, "gidMappings",
		    .sub = &bh_schema_id_map),
};
#undef F
static const struct bh_schema mount_schema =
	BH_SCHEMA(struct bh_mount, mount_fields, .check = mount_check);

static const struct bh_field hook_fields[] = {
	BH_FIELD(struct bh_hook, path, "path", .rule = &bh_text_absolute,
		 .flags = BH_FIELD_REQUIRED),
	BH_FIELD(struct bh_hook, args, "args"),
	BH_FIELD(struct bh_hook, env, "env"),
	BH_FIELD(struct bh_hook, timeout, "timeout", .min = 1, .max = INT32_MAX),
};
static const struct bh_schema hook_schema = BH_SCHEMA(struct bh_hook, hook_fields);

#define HOOKS(kind, key) \
	BH_FIELD_AS(BH_KIND_LIST, struct bh_spec, hooks[kind], key, .sub = &hook_schema)
static const struct bh_field hooks_fields[] = {
	HOOKS(BH_HOOK_PRESTART, "prestart"),
	HOOKS(BH_HOOK_CREATE_RUNTIME, "createRuntime"),
	HOOKS(BH_HOOK_CREATE_CONTAINER, "createContainer"),
	HOOKS(BH_HOOK_START_CONTAINER, "startContainer"),
	HOOKS(BH_HOOK_POSTSTART, "poststart"),
	HOOKS(BH_HOOK_POSTSTOP, "poststop"),
};
static const struct bh_schema hooks_schema = BH_SCHEMA(struct bh_spec, hooks_fields);

/* ---- the document ----------------------------------------------------------------------- */

static int names_check(struct bh_reader *r, const struct bh_spec *spec)
{
	const char *const fields[] = { "hostname", "domainname" };
	const char *const values[] = { spec->hostname, spec->domainname };

	if (bh_spec_namespace(spec, BH_NS_UTS))
		return 0;
	for (size_t i = 0; i < BH_ARRAY_SIZE(fields); i++)
		if (values[i])
			return bh_reader_fail(r, bh_reader_at(r, "%s", fields[i]),
					      "%s cannot be set without a uts namespace in "
					      "linux.namespaces",
					      bh_reader_quote(r, values[i]));
	return 0;
}

static int spec_check(struct bh_reader *r, void *object)
{
	const struct bh_spec *spec = object;

	for (size_t i = 0; i < spec->mounts.n; i++) {
		const struct bh_mount *mount = &spec->mounts.v[i];

		if (has_option(mount, "idmap", "ridmap") && !mount->uid_mappings.n &&
		    !bh_spec_namespace(spec, BH_NS_USER))
			return bh_reader_fail(r, bh_reader_at(r, "mounts/%zu/options", i),
					      "an id-mapped mount needs mappings of its own or a "
					      "user namespace");
	}
	return names_check(r, spec);
}

#define F(member, key, ...) BH_FIELD(struct bh_spec, member, key, __VA_ARGS__)
#define ROW(kind, member, key, ...) \
	BH_FIELD_AS(BH_KIND_##kind, struct bh_spec, member, key, __VA_ARGS__)
static const struct bh_field spec_fields[] = {
	F(oci_version, "ociVersion", .rule = &bh_text_version, .flags = BH_FIELD_REQUIRED),
	ROW(OBJECT, process, "process", .sub = &bh_schema_process),
	ROW(OBJECT, root, "root", .sub = &root_schema, .flags = BH_FIELD_REQUIRED),
	F(hostname, "hostname"),
	F(domainname, "domainname"),
	ROW(LIST, mounts, "mounts", .sub = &mount_schema),
	BH_FIELD_INLINE("hooks", &hooks_schema),
	F(annotations, "annotations"),
	ROW(OBJECT, linux_, "linux", .sub = &bh_schema_linux),
};
static const struct bh_schema spec_schema =
	BH_SCHEMA(struct bh_spec, spec_fields, .check = spec_check);

int bh_spec_parse(struct bh_arena *arena, const char *text, size_t len, struct bh_spec *spec,
		  struct bh_err *err)
{
	*spec = (struct bh_spec){ 0 };
	return bh_schema_read(&spec_schema, arena, text, len, spec, err);
}

int bh_spec_parse_process(struct bh_arena *arena, const char *text, size_t len,
			  struct bh_process *process, struct bh_err *err)
{
	*process = (struct bh_process){ 0 };
	return bh_schema_read(&bh_schema_process, arena, text, len, process, err);
}

int bh_spec_parse_resources(struct bh_arena *arena, const char *text, size_t len,
			    struct bh_resources *resources, struct bh_err *err)
{
	*resources = (struct bh_resources){ 0 };
	return bh_schema_read(&bh_schema_resources, arena, text, len, resources, err);
}

void bh_spec_write_process(const struct bh_process *process, struct bh_buf *out)
{
	bh_schema_write(&bh_schema_process, process, out);
}

void bh_spec_write_resources(const struct bh_resources *resources, struct bh_buf *out)
{
	bh_schema_write(&bh_schema_resources, resources, out);
}

const char *bh_spec_annotation(const struct bh_spec *spec, const char *key)
{
	bh_for_each (kv, spec->annotations)
		if (!strcmp(kv->key, key))
			return kv->value;
	return NULL;
}

const struct bh_namespace *bh_spec_namespace(const struct bh_spec *spec, enum bh_ns_kind kind)
{
	bh_for_each (ns, spec->linux_.namespaces)
		if (ns->kind == kind)
			return ns;
	return NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/settings.h"

#include <string.h>

#include "base/log.h"
#include "base/names.h"
#include "base/path.h"
#include "base/toml.h"

#define CONFIG_BYTES_MAX (1U << 20)

static const struct bh_name accelerators_v[] = {
	{ "kvm", BH_ACCELERATE_KVM },
	{ "emulation", BH_ACCELERATE_EMULATION },
	{ "auto", BH_ACCELERATE_AUTO },
};
static const struct bh_name managers_v[] = {
	{ "auto", BH_CGROUP_AUTO },
	{ "cgroupfs", BH_CGROUP_FS },
	{ "systemd", BH_CGROUP_SYSTEMD },
};
static const struct bh_names accelerators = { accelerators_v, BH_ARRAY_SIZE(accelerators_v) };
static const struct bh_names managers = { managers_v, BH_ARRAY_SIZE(managers_v) };

#define AT(member) offsetof(struct bh_shim_settings, member)

enum key_kind { KEY_TEXT, KEY_PATH, KEY_NAME, KEY_BOOL, KEY_SYSTEMD, KEY_NOTHING };

/* The one table of all keys. Those in capitals are runc's, as containerd's configuration has them.
 */
static const struct key {
	const char *name;
	enum key_kind kind;
	size_t offset;
	const struct bh_names *names;
} keys[] = {
	{ "runtime", KEY_TEXT, AT(runtime) },
	{ "root", KEY_PATH, AT(root) },
	{ "guest", KEY_PATH, AT(guest) },
	{ "accelerator", KEY_NAME, AT(accelerator), &accelerators },
	{ "hypervisor", KEY_TEXT, AT(hypervisor) },
	{ "cgroup_manager", KEY_NAME, AT(cgroup_manager), &managers },
	{ "Root", KEY_PATH, AT(root) },
	{ "SystemdCgroup", KEY_SYSTEMD, AT(cgroup_manager) },
	{ "NoPivotRoot", KEY_BOOL, AT(no_pivot) },
	{ "NoNewKeyring", KEY_BOOL, AT(no_keyring) },
	{ "ShimCgroup", KEY_TEXT, AT(shim_cgroup) },
	/* Of other programs, or nothing that is needed: streams belong to the container's user. */
	{ "BinaryName", KEY_NOTHING },
	{ "CriuPath", KEY_NOTHING },
	{ "CriuImagePath", KEY_NOTHING },
	{ "CriuWorkPath", KEY_NOTHING },
	{ "IoUid", KEY_NOTHING },
	{ "IoGid", KEY_NOTHING },
	{ "TypeUrl", KEY_NOTHING },
	{ "ConfigPath", KEY_NOTHING },
};

struct target {
	struct bh_arena *arena;
	struct bh_shim_settings *settings;
};

static int set_text(const struct target *t, const struct key *key, const char *text,
		    struct bh_err *err)
{
	const char **member = (const char **)((char *)t->settings + key->offset);

	if (!*text)
		return 0; /* as if it were not there */
	if (key->kind == KEY_PATH && *text != '/')
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL, "%s: '%s' is no absolute path",
				 key->name, text);
	*member = bh_arena_strdup(t->arena, text);
	return *member ? 0 : bh_err_oom(err);
}

static int set_name(const struct target *t, const struct key *key, const char *text,
		    struct bh_err *err)
{
	int64_t number = bh_names_find(key->names, text, -1);

	if (number < 0)
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL, "%s: there is no '%s'", key->name,
				 text);
	*(unsigned int *)((char *)t->settings + key->offset) = (unsigned int)number;
	return 0;
}

static int set_key(const struct target *t, const struct key *key, const struct bh_toml_value *v,
		   struct bh_err *err)
{
	bool wants_bool = key->kind == KEY_BOOL || key->kind == KEY_SYSTEMD;

	if (key->kind == KEY_NOTHING)
		return 0;
	if (v->kind != (wants_bool ? BH_TOML_BOOL : BH_TOML_STRING))
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL, "%s: is no %s", key->name,
				 wants_bool ? "boolean" : "string");
	if (key->kind == KEY_BOOL)
		*((bool *)((char *)t->settings + key->offset)) = v->number;
	else if (key->kind == KEY_SYSTEMD)
		t->settings->cgroup_manager = v->number ? BH_CGROUP_SYSTEMD : BH_CGROUP_AUTO;
	else if (key->kind == KEY_NAME)
		return set_name(t, key, v->text, err);
	else
		return set_text(t, key, v->text, err);
	return 0;
}

static int on_key(void *arg, const char *name, const struct bh_toml_value *value,
		  struct bh_err *err)
{
	for (size_t i = 0; i < BH_ARRAY_SIZE(keys); i++)
		if (strcmp(keys[i].name, name) == 0)
			return set_key(arg, &keys[i], value, err);
	bh_warn("options: '%s' is not known", name);
	return 0;
}

int bh_shim_settings_toml(struct bh_arena *arena, const char *name, const char *text, size_t len,
			  struct bh_shim_settings *settings, struct bh_err *err)
{
	struct target t = { .arena = arena, .settings = settings };
	int r = bh_toml_read(text, len, on_key, &t, err);

	return r < 0 ? bh_err_ctx(err, "%s", name) : 0;
}

static int read_file(struct bh_arena *arena, const char *path, struct bh_shim_settings *settings,
		     struct bh_err *err)
{
	bh_auto_free char *text = NULL;
	size_t len;
	int r = *path == '/' ? 0
			     : bh_err_as(err, BH_ERR_SPEC, -EINVAL,
					 "options: '%s' is no absolute path", path);

	r = r < 0 ? r
		  : bh_path_read(AT_FDCWD, path, BH_PATH_HOST, CONFIG_BYTES_MAX, &text, &len, err);
	return r < 0 ? r : bh_shim_settings_toml(arena, path, text, len, settings, err);
}

/* The document by value goes before the file. */
static int read_runtime_options(struct bh_arena *arena, const Wire__Any *any,
				struct bh_shim_settings *settings, struct bh_err *err)
{
	Shim__RuntimeOptions *o =
		shim__runtime_options__unpack(NULL, any->value.len, any->value.data);
	int r = 0;

	if (!o)
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL, "options: no %s", any->type_url);
	if (o->config_body.len)
		r = bh_shim_settings_toml(arena, "options", (const char *)o->config_body.data,
					  o->config_body.len, settings, err);
	else if (*o->config_path)
		r = read_file(arena, o->config_path, settings, err);
	shim__runtime_options__free_unpacked(o, NULL);
	return r;
}

static int set_runc(struct bh_arena *arena, const Shim__RuncOptions *o,
		    struct bh_shim_settings *settings, struct bh_err *err)
{
	const struct target t = { .arena = arena, .settings = settings };
	static const struct key root = { "root", KEY_PATH, AT(root) },
				shim_cgroup = { "shim_cgroup", KEY_TEXT, AT(shim_cgroup) };
	int r;

	settings->no_pivot |= o->no_pivot_root;
	settings->no_keyring |= o->no_new_keyring;
	if (o->systemd_cgroup)
		settings->cgroup_manager = BH_CGROUP_SYSTEMD;
	r = set_text(&t, &root, o->root, err);
	return r < 0 ? r : set_text(&t, &shim_cgroup, o->shim_cgroup, err);
}

static int read_runc_options(struct bh_arena *arena, const Wire__Any *any,
			     struct bh_shim_settings *settings, struct bh_err *err)
{
	Shim__RuncOptions *o = shim__runc_options__unpack(NULL, any->value.len, any->value.data);
	int r;

	if (!o)
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL, "options: no %s", any->type_url);
	r = set_runc(arena, o, settings, err);
	shim__runc_options__free_unpacked(o, NULL);
	return r;
}

/* `ctr` sends them for runtimes that it does not know. */
static int read_create_options(struct bh_arena *arena, const Wire__Any *any,
			       struct bh_shim_settings *settings, struct bh_err *err)
{
	Shim__RuncCreateOptions *o =
		shim__runc_create_options__unpack(NULL, any->value.len, any->value.data);
	Shim__RuncOptions same = SHIM__RUNC_OPTIONS__INIT;
	int r;

	if (!o)
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL, "options: no %s", any->type_url);
	same.no_pivot_root = o->no_pivot_root;
	same.no_new_keyring = o->no_new_keyring;
	same.shim_cgroup = o->shim_cgroup;
	r = set_runc(arena, &same, settings, err);
	shim__runc_create_options__free_unpacked(o, NULL);
	return r;
}

int bh_shim_settings_read(struct bh_arena *arena, const Wire__Any *options,
			  struct bh_shim_settings *settings, struct bh_err *err)
{
	static const struct {
		const char *type;
		int (*read)(struct bh_arena *arena, const Wire__Any *any,
			    struct bh_shim_settings *settings, struct bh_err *err);
	} types[] = {
		{ "containerd.runc.v1.Options", read_runc_options },
		{ "containerd.linux.runc.CreateOptions", read_create_options },
		{ "runtimeoptions.v1.Options", read_runtime_options },
	};
	const char *slash, *type;

	if (!options || !*options->type_url)
		return 0;
	slash = strrchr(options->type_url, '/');
	type = slash ? slash + 1 : options->type_url;
	for (size_t i = 0; i < BH_ARRAY_SIZE(types); i++)
		if (strcmp(types[i].type, type) == 0)
			return types[i].read(arena, options, settings, err);
	bh_warn("options of type '%s' are not known", options->type_url);
	return 0;
}

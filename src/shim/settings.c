/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/settings.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/path.h"
#include "base/toml.h"
#include "shim/shim.h"

#define CONFIG_BYTES_MAX (1U << 20)
#define OPTIONS          "options"

/* Keys that are runc's, as containerd's configuration has them, and whose they are here. */
static const struct foreign {
	const char *name;
	const char *key;     /* NULL = of other programs, or nothing that is needed */
	const char *if_true; /* of a boolean: what it sets when it is true; NULL = itself */
} foreign_keys[] = {
	{ "Root", "root" },
	{ "SystemdCgroup", "cgroup-manager", "systemd" },
	{ "NoPivotRoot", "no-pivot", "true" },
	{ "NoNewKeyring", "no-new-keyring", "true" },
	{ "ShimCgroup", "shim-cgroup" },
	{ "BinaryName", NULL },
	{ "CriuPath", NULL },
	{ "CriuImagePath", NULL },
	{ "CriuWorkPath", NULL },
	{ "IoUid", NULL }, /* streams belong to the container's user */
	{ "IoGid", NULL },
	{ "TypeUrl", NULL },
	{ "ConfigPath", NULL },
};

struct target {
	struct bh_config_set *set;
	const char *name; /* of the document */
};

static int set_foreign(const struct target *t, const struct foreign *f,
		       const struct bh_toml_value *v, struct bh_err *err)
{
	if (!f->key)
		return 0;
	if (v->kind != (f->if_true ? BH_TOML_BOOL : BH_TOML_STRING))
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL, "%s: is no %s", f->name,
				 f->if_true ? "boolean" : "string");
	if (f->if_true)
		return v->number ? bh_config_flag(t->set, f->key, f->if_true, t->name, err) : 0;
	return *v->text ? bh_config_flag(t->set, f->key, v->text, t->name, err) : 0;
}

/* A value as a file of ours would have it. */
static const char *text_of(const struct bh_toml_value *v, char buf[static 24])
{
	if (v->kind == BH_TOML_BOOL)
		return v->number ? "true" : "false";
	if (v->kind == BH_TOML_INT) {
		snprintf(buf, 24, "%lld", (long long)v->number);
		return buf;
	}
	return v->text;
}

static int on_key(void *arg, const char *name, const struct bh_toml_value *value,
		  struct bh_err *err)
{
	const struct target *t = arg;
	char buf[24];
	const char *text = text_of(value, buf);
	int r;

	for (size_t i = 0; i < BH_ARRAY_SIZE(foreign_keys); i++)
		if (strcmp(foreign_keys[i].name, name) == 0)
			return set_foreign(t, &foreign_keys[i], value, err);
	if (!*text)
		return 0; /* as if it were not there */
	r = bh_config_flag(t->set, name, text, t->name, err);
	if (r != -ENOENT)
		return r < 0 ? bh_err_ctx(err, "%s", name) : 0;
	/* containerd may have put it there for itself. */
	bh_warn("%s: %s", t->name, err->text);
	return 0;
}

/* From a document, @len bytes; @name is for @err. */
static int read_toml(struct bh_config_set *set, const char *name, const char *text, size_t len,
		     struct bh_err *err)
{
	struct target t = { .set = set, .name = name };
	struct bh_err own = BH_ERR_INIT;
	int r = bh_toml_read(text, len, on_key, &t, err ? err : &own);

	return r < 0 ? bh_err_ctx(err, "%s", name) : 0;
}

static int read_file(struct bh_config_set *set, const char *path, struct bh_err *err)
{
	bh_auto_free char *text = NULL;
	size_t len;
	int r = *path == '/' ? 0
			     : bh_err_as(err, BH_ERR_SPEC, -EINVAL,
					 "options: '%s' is no absolute path", path);

	r = r < 0 ? r
		  : bh_path_read(AT_FDCWD, path, BH_PATH_HOST, CONFIG_BYTES_MAX, &text, &len, err);
	return r < 0 ? r : read_toml(set, path, text, len, err);
}

/* The document by value goes before the file. */
static int read_runtime_options(struct bh_config_set *set, const Wire__Any *any, struct bh_err *err)
{
	Shim__RuntimeOptions *o =
		shim__runtime_options__unpack(NULL, any->value.len, any->value.data);
	int r = 0;

	if (!o)
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL, "options: no %s", any->type_url);
	if (o->config_body.len)
		r = read_toml(set, OPTIONS, (const char *)o->config_body.data, o->config_body.len,
			      err);
	else if (*o->config_path)
		r = read_file(set, o->config_path, err);
	shim__runtime_options__free_unpacked(o, NULL);
	return r;
}

static int set_runc(struct bh_config_set *set, const Shim__RuncOptions *o, struct bh_err *err)
{
	const struct {
		const char *key, *value;
	} flags[] = {
		{ "no-pivot", o->no_pivot_root ? "true" : "" },
		{ "no-new-keyring", o->no_new_keyring ? "true" : "" },
		{ "cgroup-manager", o->systemd_cgroup ? "systemd" : "" },
		{ "root", o->root },
		{ "shim-cgroup", o->shim_cgroup },
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < BH_ARRAY_SIZE(flags); i++)
		if (*flags[i].value) {
			r = bh_config_flag(set, flags[i].key, flags[i].value, OPTIONS, err);
			r = r < 0 ? bh_err_ctx(err, "%s", flags[i].key) : 0;
		}
	return r;
}

static int read_runc_options(struct bh_config_set *set, const Wire__Any *any, struct bh_err *err)
{
	Shim__RuncOptions *o = shim__runc_options__unpack(NULL, any->value.len, any->value.data);
	int r;

	if (!o)
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL, "options: no %s", any->type_url);
	r = set_runc(set, o, err);
	shim__runc_options__free_unpacked(o, NULL);
	return r;
}

/* `ctr` sends them for runtimes that it does not know. */
static int read_create_options(struct bh_config_set *set, const Wire__Any *any, struct bh_err *err)
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
	r = set_runc(set, &same, err);
	shim__runc_create_options__free_unpacked(o, NULL);
	return r;
}

int bh_shim_settings_read(struct bh_config_set *set, const Wire__Any *options, struct bh_err *err)
{
	static const struct {
		const char *type;
		int (*read)(struct bh_config_set *set, const Wire__Any *any, struct bh_err *err);
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
			return types[i].read(set, options, err);
	bh_warn("options of type '%s' are not known", options->type_url);
	return 0;
}

/* ---- all of it ------------------------------------------------------------------------------- */

void bh_shim_settings_deinit(struct bh_shim_settings *settings)
{
	bh_config_set_deinit(&settings->set);
}

const char *bh_shim_kind_by_name(const char *program)
{
	static const struct {
		const char *program, *runtime;
	} names[] = {
		{ "containerd-shim-bulkhead-kata-v2", "kata" },
	};
	const char *slash = strrchr(program, '/');

	for (size_t i = 0; i < BH_ARRAY_SIZE(names); i++)
		if (strcmp(names[i].program, slash ? slash + 1 : program) == 0)
			return names[i].runtime;
	return NULL;
}

/* An option names it as it is; of a file's root containerd's are a part. */
static int find_root(struct bh_shim_settings *s, struct bh_err *err)
{
	const char *root = s->config.root;

	s->root = BH_SHIM_ROOT_DEFAULT;
	if (root)
		s->root = bh_config_flag_value(&s->set, "root")
				  ? root
				  : bh_arena_printf(&s->set.arena, "%s/" BH_SHIM_ROOT_DIR, root);
	return s->root ? 0 : bh_err_oom(err);
}

int bh_shim_settings_find(struct bh_shim_settings *s, const char *program, const char *bundle,
			  const Wire__Any *options, struct bh_err *err)
{
	int r;

	bh_config_set_deinit(&s->set);
	*s = BH_SHIM_SETTINGS_INIT;
	r = bh_config_load(&s->set, NULL, err);
	r = r < 0 ? r : bh_shim_settings_read(&s->set, options, err);
	if (r < 0)
		return r;
	s->kind = bh_shim_kind_by_name(program);
	r = bh_pod_settings(&s->set, &s->kind, bundle, &s->config, err);
	return r < 0 ? r : find_root(s, err);
}

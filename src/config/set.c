/* SPDX-License-Identifier: Apache-2.0 */
/* A set of settings, and what holds of it for a handler and a pod. */
#include <string.h>

#include "base/nearest.h"
#include "config/config_internal.h"

void bh_config_set_deinit(struct bh_config_set *set)
{
	bh_arena_deinit(&set->arena);
}

const struct bh_config_key *bh_config_key_find(const char *name, struct bh_err *err)
{
	struct bh_nearest near = BH_NEAREST(name);
	char hint[BH_NEAREST_HINT_BYTES];

	for (size_t i = 0; i < bh_config_n_keys; i++)
		if (strcmp(bh_config_keys[i].name, name) == 0)
			return &bh_config_keys[i];
	for (size_t i = 0; err && i < bh_config_n_keys; i++)
		bh_nearest_try(&near, bh_config_keys[i].name);
	bh_err_as(err, BH_ERR_SPEC, -ENOENT, "there is no key '%.100s'%s", name,
		  bh_nearest_hint(&near, hint));
	return NULL;
}

int bh_config_add(struct bh_config_set *set, const struct bh_config_setting *setting,
		  struct bh_err *err)
{
	struct bh_config scratch = { .runtime = NULL };
	struct bh_config_setting *v;
	int r = bh_config_apply(&set->arena, setting->key, &setting->values, &scratch, err);

	if (r < 0)
		return r;
	v = bh_arena_grow(&set->arena, set->settings.v, set->settings.n, set->settings.n + 1,
			  sizeof(*v));
	if (!v)
		return bh_err_oom(err);
	v[set->settings.n++] = *setting;
	set->settings.v = v;
	return 0;
}

int bh_config_flag(struct bh_config_set *set, const char *key, const char *value,
		   const char *origin, struct bh_err *err)
{
	char *name = bh_arena_strdup(&set->arena, key);
	struct bh_config_setting s = { .origin = { .rank = BH_CONFIG_FROM_FLAG,
						   .name = bh_arena_strdup(&set->arena, origin) } };
	const char *kept = bh_arena_strdup(&set->arena, value);
	int r;

	if (!name || !kept || !s.origin.name)
		return bh_err_oom(err);
	for (char *p = name; *p; p++)
		if (*p == '_')
			*p = '-';
	s.key = bh_config_key_find(name, err);
	if (!s.key)
		return -ENOENT;
	r = bh_strv_add(&set->arena, &s.values, kept);
	return r < 0 ? bh_err_oom(err) : bh_config_add(set, &s, err);
}

const char *bh_config_flag_value(const struct bh_config_set *set, const char *key)
{
	const char *value = NULL;

	bh_for_each (s, set->settings)
		if (s->origin.rank == BH_CONFIG_FROM_FLAG && strcmp(s->key->name, key) == 0)
			value = s->values.v[0];
	return value;
}

void bh_config_origin(const struct bh_config_origin *origin, struct bh_buf *out)
{
	if (origin->rank == BH_CONFIG_DEFAULT)
		bh_buf_puts(out, "default");
	else if (origin->line)
		bh_buf_printf(out, "%s:%u", origin->name, origin->line);
	else
		bh_buf_puts(out, origin->name);
}

/* ---- what holds ---------------------------------------------------------------------------- */

struct resolution {
	struct bh_config_set *set;
	struct bh_config *config;
	struct bh_config_origin *origins; /* NULL = nobody asks */
};

static int put(struct resolution *to, const struct bh_config_setting *s, struct bh_err *err)
{
	int r = bh_config_apply(&to->set->arena, s->key, &s->values, to->config, err);

	if (r == 0 && to->origins)
		to->origins[s->key - bh_config_keys] = s->origin;
	return r;
}

static int put_defaults(struct resolution *to, struct bh_err *err)
{
	for (size_t i = 0; i < bh_config_n_keys; i++) {
		struct bh_config_setting s = { .key = &bh_config_keys[i] };
		int r;

		if (!s.key->fallback)
			continue;
		s.values =
			(struct bh_strv){ .v = (const char *[]){ s.key->fallback, NULL }, .n = 1 };
		r = put(to, &s, err);
		if (r < 0)
			return bh_err_ctx(err, "%s", s.key->name);
	}
	return 0;
}

static int put_settings(struct resolution *to, enum bh_config_rank rank, const char *handler,
			struct bh_err *err)
{
	bh_for_each (s, to->set->settings) {
		bool holds = !s->handler || (handler && strcmp(s->handler, handler) == 0);
		int r = s->origin.rank == rank && holds ? put(to, s, err) : 0;

		if (r < 0)
			return r;
	}
	return 0;
}

/* Which handler it is was asked first. */
static int put_annotation(struct resolution *to, const char *handler, const struct bh_kv *kv,
			  struct bh_err *err)
{
	struct bh_config_setting s = { .origin = { .rank = BH_CONFIG_FROM_ANNOTATION } };
	const char *values[] = { kv->value, NULL };

	if ((strcmp(kv->key, BH_CONFIG_ANNOTATION "runtime") == 0) != !handler)
		return 0;
	s.key = bh_config_key_find(kv->key + strlen(BH_CONFIG_ANNOTATION), err);
	if (!s.key) {
		if (err)
			err->code = -EINVAL;
		return -EINVAL;
	}
	if (!bh_strv_has(&to->config->annotations, s.key->name))
		return bh_err_as(err, BH_ERR_SPEC, -EPERM,
				 "the administrator does not leave '%s' to pods ('annotations' in "
				 "the configuration)",
				 s.key->name);
	s.origin.name = bh_arena_printf(&to->set->arena, "annotation %s", kv->key);
	if (!s.origin.name)
		return bh_err_oom(err);
	s.values = (struct bh_strv){ .v = values, .n = 1 };
	return put(to, &s, err);
}

static int put_annotations(struct resolution *to, const char *handler,
			   const bh_kv_list *annotations, struct bh_err *err)
{
	if (!annotations)
		return 0;
	bh_for_each (kv, *annotations) {
		int r;

		if (strncmp(kv->key, BH_CONFIG_ANNOTATION, strlen(BH_CONFIG_ANNOTATION)) != 0)
			continue;
		r = put_annotation(to, handler, kv, err);
		if (r < 0)
			return bh_err_ctx(err, "annotation %.100s", kv->key);
	}
	return 0;
}

int bh_config_resolve(struct bh_config_set *set, const char *handler, const bh_kv_list *annotations,
		      struct bh_config *ret, struct bh_config_origin *ret_origins,
		      struct bh_err *err)
{
	struct resolution to = { .set = set, .config = ret, .origins = ret_origins };
	int r;

	*ret = (struct bh_config){ .runtime = NULL };
	if (ret_origins)
		memset(ret_origins, 0, bh_config_n_keys * sizeof(*ret_origins));
	r = put_defaults(&to, err);
	r = r < 0 ? r : put_settings(&to, BH_CONFIG_FROM_FILE, NULL, err);
	r = r < 0 ? r : put_settings(&to, BH_CONFIG_FROM_HANDLER, handler, err);
	r = r < 0 ? r : put_annotations(&to, handler, annotations, err);
	return r < 0 ? r : put_settings(&to, BH_CONFIG_FROM_FLAG, handler, err);
}

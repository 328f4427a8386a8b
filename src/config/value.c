/* SPDX-License-Identifier: Apache-2.0 */
/* Values of keys: from text into their members, and back. One row a kind. */
#include <inttypes.h>
#include <string.h>

#include "base/buf.h"
#include "base/nearest.h"
#include "base/quantity.h"
#include "config/config_internal.h"

#define UNLIMITED "unlimited"
#define MILLI     1000
#define NS_PER_MS 1000000
#define NS_PER_S  1000000000

/* Return: 0; -EINVAL when @text is no such value; -ENOMEM */
typedef int (*read_fn)(struct bh_arena *arena, const struct bh_config_key *key, const char *text,
		       void *member);
/* Return: false when it is not set */
typedef bool (*print_fn)(const struct bh_config_key *key, const void *member, struct bh_buf *out);

/* ---- texts --------------------------------------------------------------------------------- */

static int read_text(struct bh_arena *arena, const struct bh_config_key *key, const char *text,
		     void *member)
{
	const char *kept;

	(void)key;
	if (!*text)
		return -EINVAL;
	for (const char *p = text; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return -EINVAL;
	kept = bh_arena_strdup(arena, text);
	if (!kept)
		return -ENOMEM;
	*(const char **)member = kept;
	return 0;
}

static bool has_parent_step(const char *path)
{
	for (const char *p = path; (p = strstr(p, "/..")) != NULL; p++)
		if (p[3] == '/' || !p[3])
			return true;
	return false;
}

static int read_path(struct bh_arena *arena, const struct bh_config_key *key, const char *text,
		     void *member)
{
	const char *within = key->within ? key->within : "/";

	if (strncmp(text, within, strlen(within)) != 0 || has_parent_step(text))
		return -EINVAL;
	return read_text(arena, key, text, member);
}

static bool print_text(const struct bh_config_key *key, const void *member, struct bh_buf *out)
{
	const char *text = *(const char *const *)member;

	(void)key;
	if (text)
		bh_buf_puts(out, text);
	return text;
}

/* ---- choices ------------------------------------------------------------------------------- */

static int read_name(struct bh_arena *arena, const struct bh_config_key *key, const char *text,
		     void *member)
{
	(void)arena;
	for (size_t i = 0; i < key->names->n; i++) {
		if (strcmp(key->names->v[i].name, text) != 0)
			continue;
		*(const char **)member = key->names->v[i].name;
		return 0;
	}
	return -EINVAL;
}

static int read_choice(struct bh_arena *arena, const struct bh_config_key *key, const char *text,
		       void *member)
{
	int64_t value = bh_names_find(key->names, text, -1);

	(void)arena;
	if (value < 0)
		return -EINVAL;
	*(unsigned int *)member = (unsigned int)value;
	return 0;
}

static bool print_choice(const struct bh_config_key *key, const void *member, struct bh_buf *out)
{
	bh_buf_puts(out, bh_names_of(key->names, *(const unsigned int *)member));
	return true;
}

static int read_bool(struct bh_arena *arena, const struct bh_config_key *key, const char *text,
		     void *member)
{
	bool yes = strcmp(text, "true") == 0;

	(void)arena;
	(void)key;
	if (!yes && strcmp(text, "false") != 0)
		return -EINVAL;
	*(bool *)member = yes;
	return 0;
}

static bool print_bool(const struct bh_config_key *key, const void *member, struct bh_buf *out)
{
	(void)key;
	bh_buf_puts(out, *(const bool *)member ? "true" : "false");
	return true;
}

/* ---- numbers ------------------------------------------------------------------------------- */

static bool in_range(const struct bh_config_key *key, int64_t v)
{
	return v >= key->min && v <= key->max;
}

static int read_cpu(struct bh_arena *arena, const struct bh_config_key *key, const char *text,
		    void *member)
{
	int64_t v;

	(void)arena;
	if (bh_quantity_milli(text, &v) < 0 || !in_range(key, v))
		return -EINVAL;
	*(uint32_t *)member = (uint32_t)v;
	return 0;
}

static void put_cpu(int64_t milli, struct bh_buf *out)
{
	char fraction[8];
	size_t n = (size_t)snprintf(fraction, sizeof(fraction), ".%03d", (int)(milli % MILLI));

	while (fraction[n - 1] == '0' || fraction[n - 1] == '.')
		if (fraction[--n] == '.')
			break;
	bh_buf_printf(out, "%" PRId64 "%.*s", milli / MILLI, (int)n, fraction);
}

static bool print_cpu(const struct bh_config_key *key, const void *member, struct bh_buf *out)
{
	(void)key;
	put_cpu(*(const uint32_t *)member, out);
	return true;
}

static int read_size(struct bh_arena *arena, const struct bh_config_key *key, const char *text,
		     void *member)
{
	int64_t v = 0;

	(void)arena;
	if (!(key->flags & BH_CONFIG_UNBOUNDED) || strcmp(text, UNLIMITED) != 0)
		if (bh_quantity_size(text, &v) < 0 || !in_range(key, v))
			return -EINVAL;
	*(uint64_t *)member = (uint64_t)v;
	return 0;
}

static void put_size(int64_t bytes, struct bh_buf *out)
{
	static const char *const units[] = { "", "KiB", "MiB", "GiB", "TiB" };
	size_t unit = 0;

	while (bytes && bytes % 1024 == 0 && unit < BH_ARRAY_SIZE(units) - 1) {
		bytes /= 1024;
		unit++;
	}
	bh_buf_printf(out, "%" PRId64 "%s", bytes, units[unit]);
}

static bool print_size(const struct bh_config_key *key, const void *member, struct bh_buf *out)
{
	uint64_t v = *(const uint64_t *)member;

	if (!v && key->flags & BH_CONFIG_UNBOUNDED)
		bh_buf_puts(out, UNLIMITED);
	else
		put_size((int64_t)v, out);
	return true;
}

static int read_duration(struct bh_arena *arena, const struct bh_config_key *key, const char *text,
			 void *member)
{
	int64_t v;

	(void)arena;
	if (bh_quantity_duration(text, &v) < 0 || !in_range(key, v))
		return -EINVAL;
	*(int64_t *)member = v;
	return 0;
}

static void put_duration(int64_t ns, struct bh_buf *out)
{
	if (ns % NS_PER_S == 0)
		bh_buf_printf(out, "%" PRId64 "s", ns / NS_PER_S);
	else if (ns % NS_PER_MS == 0)
		bh_buf_printf(out, "%" PRId64 "ms", ns / NS_PER_MS);
	else
		bh_buf_printf(out, "%" PRId64 "ns", ns);
}

static bool print_duration(const struct bh_config_key *key, const void *member, struct bh_buf *out)
{
	(void)key;
	put_duration(*(const int64_t *)member, out);
	return true;
}

/* ---- lists --------------------------------------------------------------------------------- */

static int read_key(struct bh_arena *arena, const struct bh_config_key *key, const char *text,
		    void *member)
{
	const struct bh_config_key *named = bh_config_key_find(text, NULL);

	(void)key;
	if (!named || named->not_for_pods)
		return -EINVAL;
	return bh_strv_add(arena, member, named->name);
}

static bool print_keys(const struct bh_config_key *key, const void *member, struct bh_buf *out)
{
	const struct bh_strv *list = member;

	(void)key;
	for (size_t i = 0; i < list->n; i++)
		bh_buf_printf(out, "%s%s", i ? ", " : "", list->v[i]);
	return true;
}

/* ---- kinds --------------------------------------------------------------------------------- */

static const struct {
	read_fn read;
	print_fn print;
	void (*put)(int64_t number, struct bh_buf *out); /* a bound, for messages */
	const char *wanted;
	bool is_list;
} kinds[BH_CONFIG_KIND_MAX_] = {
	[BH_CONFIG_NAME] = { read_name, print_text, NULL, "one of" },
	[BH_CONFIG_CHOICE] = { read_choice, print_choice, NULL, "one of" },
	[BH_CONFIG_PATH] = { read_path, print_text, NULL, "an absolute path" },
	[BH_CONFIG_TEXT] = { read_text, print_text, NULL, "a line of text" },
	[BH_CONFIG_BOOL] = { read_bool, print_bool, NULL, "true or false" },
	[BH_CONFIG_CPU] = { read_cpu, print_cpu, put_cpu, "cores such as 0.5 or 500m" },
	[BH_CONFIG_SIZE] = { read_size, print_size, put_size, "a size such as 512MiB" },
	[BH_CONFIG_DURATION] = { read_duration, print_duration, put_duration,
				 "a time such as 10s or 1m30s" },
	[BH_CONFIG_KEYS] = { read_key, print_keys, NULL, "a list of keys that pods may be left",
			     true },
};

void bh_config_wanted(const struct bh_config_key *key, struct bh_buf *out)
{
	bh_buf_puts(out, kinds[key->kind].wanted);
	for (size_t i = 0; key->names && i < key->names->n; i++)
		bh_buf_printf(out, "%s%s", i ? ", " : " ", key->names->v[i].name);
	if (key->within)
		bh_buf_printf(out, " below %s", key->within);
	if (!kinds[key->kind].put)
		return;
	bh_buf_puts(out, ", from ");
	kinds[key->kind].put(key->min, out);
	bh_buf_puts(out, " to ");
	kinds[key->kind].put(key->max, out);
	if (key->flags & BH_CONFIG_UNBOUNDED)
		bh_buf_puts(out, ", or " UNLIMITED);
}

/* The name that may have been meant. */
static void look_for_nearest(const struct bh_config_key *key, struct bh_nearest *near)
{
	static const char *const bools[] = { "true", "false" };

	for (size_t i = 0; key->names && i < key->names->n; i++)
		bh_nearest_try(near, key->names->v[i].name);
	for (size_t i = 0; key->kind == BH_CONFIG_BOOL && i < BH_ARRAY_SIZE(bools); i++)
		bh_nearest_try(near, bools[i]);
	for (size_t i = 0; key->kind == BH_CONFIG_KEYS && i < bh_config_n_keys; i++)
		if (!bh_config_keys[i].not_for_pods)
			bh_nearest_try(near, bh_config_keys[i].name);
}

static int not_wanted(const struct bh_config_key *key, const char *text, struct bh_err *err)
{
	bh_auto_buf struct bh_buf wanted = BH_BUF_INIT;
	struct bh_nearest near = BH_NEAREST(text);
	char hint[BH_NEAREST_HINT_BYTES];
	const struct bh_config_key *named =
		key->kind == BH_CONFIG_KEYS ? bh_config_key_find(text, NULL) : NULL;

	if (named)
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL, "'%s' is never left to pods: %s", text,
				 named->not_for_pods);
	bh_config_wanted(key, &wanted);
	look_for_nearest(key, &near);
	return bh_err_as(err, BH_ERR_SPEC, -EINVAL, "'%.100s' is not %s%s", text,
			 bh_buf_str(&wanted), bh_nearest_hint(&near, hint));
}

int bh_config_apply(struct bh_arena *arena, const struct bh_config_key *key,
		    const struct bh_strv *values, struct bh_config *config, struct bh_err *err)
{
	void *member = (char *)config + key->offset;

	if (kinds[key->kind].is_list)
		*(struct bh_strv *)member = (struct bh_strv){ .n = 0 };
	for (size_t i = 0; i < values->n; i++) {
		int r = kinds[key->kind].read(arena, key, values->v[i], member);

		if (r < 0)
			return r == -ENOMEM ? bh_err_oom(err) : not_wanted(key, values->v[i], err);
	}
	return 0;
}

bool bh_config_value(const struct bh_config_key *key, const struct bh_config *config,
		     struct bh_buf *out)
{
	return kinds[key->kind].print(key, (const char *)config + key->offset, out);
}

bool bh_config_is_list(const struct bh_config_key *key)
{
	return kinds[key->kind].is_list;
}

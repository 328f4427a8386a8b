/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the host has mounted where. By convention version 2 is mounted at /sys/fs/cgroup itself, or
 * version 1 hierarchies at /sys/fs/cgroup/CONTROLLERS with version 2 at /sys/fs/cgroup/unified.
 * /proc/self/cgroup names the version 1 hierarchies; one access(2) each proves the convention,
 * which is an order of magnitude cheaper than /proc/self/mountinfo on a host with many containers.
 * Where the convention does not hold, or a mount shows only a part of its hierarchy (a container in
 * a container), mountinfo has the truth.
 *
 * Source: cgroups(7), proc(5)
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/path.h"
#include "linux/cgroup_internal.h"
#include "linux/mount.h"

#define CGROUP_ROOT     "/sys/fs/cgroup"
#define MOUNTINFO_MAX   (16 << 20)             /* bytes */
#define V1_WHOLE_FILE   "cgroup.sane_behavior" /* in a version 1 hierarchy's true root alone */
#define V2_FILE         "cgroup.controllers"   /* in every version 2 group */
#define V2_PARTIAL_FILE "cgroup.events"        /* in every version 2 group but the true root */

struct reader {
	struct bh_arena *arena;
	const char *prefix;
	char *mountinfo; /* read once when needed */
};

static bool exists(const char *prefix, const char *dir, const char *file)
{
	char path[PATH_MAX];

	return snprintf(path, sizeof(path), "%s%s/%s", prefix, dir, file) < (int)sizeof(path) &&
	       access(path, F_OK) == 0;
}

static int read_proc(struct reader *r, const char *file, char **ret, struct bh_err *err)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/proc/self/%s", r->prefix, file) >= (int)sizeof(path))
		return bh_err_set(err, -ENAMETOOLONG, "read '%s'", file);
	return bh_path_read(AT_FDCWD, path, BH_PATH_HOST, MOUNTINFO_MAX, ret, NULL, err);
}

static bool has_option(const char *options, const char *want, size_t len)
{
	while (*options) {
		size_t n = strcspn(options, ",");

		if (n == len && memcmp(options, want, len) == 0)
			return true;
		options += n + (options[n] == ',');
	}
	return false;
}

/* The columns of a mountinfo line that matter here. */
struct mount_line {
	char *root, *point, *type, *options;
};

/* Takes one line apart in place. Return: false for one that is none. */
static bool parse_mount_line(char *line, struct mount_line *m)
{
	char *field[5], *tail = strstr(line, " - "), *save = NULL, *word;
	size_t n = 0;

	if (!tail)
		return false;
	*tail = '\0';
	for (word = strtok_r(line, " ", &save); word && n < 5; word = strtok_r(NULL, " ", &save))
		field[n++] = word;
	if (n < 5)
		return false;
	m->root = field[3];
	m->point = field[4];
	m->type = strtok_r(tail + 3, " ", &save);
	if (!m->type || !strtok_r(NULL, " ", &save))
		return false;
	m->options = strtok_r(NULL, " ", &save);
	bh_mount_unescape(m->root);
	bh_mount_unescape(m->point);
	return m->options != NULL;
}

/* @own, a path from the hierarchy's root, as seen below a mount of @root. */
static char *below_root(struct bh_arena *arena, const char *own, const char *root)
{
	size_t len = strlen(root);

	if (strcmp(root, "/") == 0)
		return bh_arena_strdup(arena, own);
	if (strncmp(own, root, len) != 0 || (own[len] && own[len] != '/'))
		return bh_arena_strdup(arena, "/");
	return bh_arena_strdup(arena, own[len] ? own + len : "/");
}

/*
 * Finds the mount of the hierarchy with option @key (@len bytes; version 2: NULL) and sets
 * mountpoint and own. Return: 1 found, 0 not mounted here, -errno.
 */
static int resolve(struct reader *r, const char *key, size_t len, const char *own,
		   struct bh_cg_mount *m, struct bh_err *err)
{
	bh_auto_free char *text = NULL;
	char *save = NULL;
	int e = 0;

	if (!r->mountinfo)
		e = read_proc(r, "mountinfo", &r->mountinfo, err);
	if (e < 0)
		return e;
	text = strdup(r->mountinfo);
	if (!text)
		return bh_err_oom(err);
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		struct mount_line ml;

		if (!parse_mount_line(line, &ml) ||
		    strcmp(ml.type, key ? "cgroup" : "cgroup2") != 0 ||
		    (key && !has_option(ml.options, key, len)) ||
		    (!key && strcmp(ml.point, m->mountpoint) != 0))
			continue;
		m->mountpoint = bh_arena_strdup(r->arena, ml.point);
		m->own = own ? below_root(r->arena, own, ml.root) : NULL;
		return m->mountpoint && (!own || m->own) ? 1 : bh_err_oom(err);
	}
	return 0;
}

static struct bh_cg_mount *add(struct reader *r, struct bh_cg_layout *l)
{
	struct bh_cg_mount *v = l->v;

	if (l->n % 16 == 0)
		v = bh_arena_grow(r->arena, l->v, l->n, l->n + 16, sizeof(*v));
	if (!v)
		return NULL;
	l->v = v;
	return &v[l->n];
}

static uint32_t controller_mask(const char *list)
{
	uint32_t mask = 0;

	while (*list) {
		size_t n = strcspn(list, ",");
		enum bh_cg_ctrl ctrl = bh_cg_ctrl_find(list, n);

		if (ctrl < BH_CG_MAX_)
			mask |= BH_CG_BIT(ctrl);
		list += n + (list[n] == ',');
	}
	return mask;
}

/* One "ID:LIST:PATH" of a version 1 hierarchy. Named ones other than systemd's are somebody's own.
 */
static int add_v1(struct reader *r, struct bh_cg_layout *l, const char *list, const char *own,
		  struct bh_err *err)
{
	bool systemd = strcmp(list, "name=systemd") == 0;
	const char *name = systemd ? "systemd" : list;
	uint32_t mask = systemd ? 0 : controller_mask(list);
	struct bh_cg_mount *m;
	int found = 1;

	if (!systemd && !mask)
		return 0;
	m = add(r, l);
	if (!m)
		return bh_err_oom(err);
	*m = (struct bh_cg_mount){
		.controllers = mask,
		.name = bh_arena_strdup(r->arena, name),
		.mountpoint = bh_arena_printf(r->arena, CGROUP_ROOT "/%s", name),
		.options = bh_arena_strdup(r->arena, list),
		.own = own ? bh_arena_strdup(r->arena, own) : NULL,
	};
	if (!m->name || !m->mountpoint || !m->options || (own && !m->own))
		return bh_err_oom(err);
	if (!exists(r->prefix, m->mountpoint, V1_WHOLE_FILE))
		found = resolve(r, list, strcspn(list, ","), own, m, err);
	if (found > 0)
		l->n++;
	return found < 0 ? found : 0;
}

static int add_v2(struct reader *r, struct bh_cg_layout *l, const char *mountpoint,
		  const char *name, const char *own, struct bh_err *err)
{
	struct bh_cg_mount *m;
	int e = 0;

	m = add(r, l);
	if (!m)
		return bh_err_oom(err);
	*m = (struct bh_cg_mount){
		.v2 = true,
		.name = name,
		.mountpoint = mountpoint,
		.options = "",
		.own = own ? bh_arena_strdup(r->arena, own) : NULL,
	};
	if (own && !m->own)
		return bh_err_oom(err);
	if (own && strcmp(own, "/") != 0 && exists(r->prefix, mountpoint, V2_PARTIAL_FILE))
		e = resolve(r, NULL, 0, own, m, err);
	if (e >= 0)
		l->n++;
	return e < 0 ? e : 0;
}

/* Walks /proc/self/cgroup, which is cut apart. */
static int add_all(struct reader *r, struct bh_cg_layout *l, char *text, bool pure_v2,
		   bool want_own, struct bh_err *err)
{
	char *save = NULL;

	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *list = strchr(line, ':'), *own = list ? strchr(list + 1, ':') : NULL;
		int e = 0;

		if (!own)
			continue;
		*list++ = *own++ = '\0';
		if (list[0] == '\0' && pure_v2)
			e = add_v2(r, l, CGROUP_ROOT, "", want_own ? own : NULL, err);
		else if (list[0] == '\0' && exists(r->prefix, CGROUP_ROOT "/unified", V2_FILE))
			e = add_v2(r, l, CGROUP_ROOT "/unified", "unified", want_own ? "/" : NULL,
				   err);
		else if (list[0] && !pure_v2)
			e = add_v1(r, l, list, want_own ? own : NULL, err);
		if (e < 0)
			return e;
	}
	return 0;
}

int bh_cg_layout_read(struct bh_arena *arena, const char *prefix, bool want_own,
		      struct bh_cg_layout *ret, struct bh_err *err)
{
	struct reader r = { .arena = arena, .prefix = prefix };
	bool pure_v2 = exists(prefix, CGROUP_ROOT, V2_FILE);
	bh_auto_free char *text = NULL;
	bool v1 = false, v2 = false;
	int e = 0;

	*ret = (struct bh_cg_layout){ .n = 0 };
	if (pure_v2 && !want_own)
		e = add_v2(&r, ret, CGROUP_ROOT, "", NULL, err);
	else
		e = read_proc(&r, "cgroup", &text, err);
	if (e == 0 && text)
		e = add_all(&r, ret, text, pure_v2, want_own, err);
	free(r.mountinfo);
	for (size_t i = 0; i < ret->n; i++) {
		v1 |= !ret->v[i].v2;
		v2 |= ret->v[i].v2;
	}
	ret->mode = v1 && v2 ? 3 : v2 ? 2 : 1;
	return e < 0 ? bh_err_ctx(err, "find control groups") : 0;
}

int bh_cgroup_host_mode(void)
{
	bh_auto_arena struct bh_arena arena = BH_ARENA_INIT;
	struct bh_cg_layout layout;

	return bh_cg_layout_read(&arena, "", false, &layout, NULL) == 0 ? layout.mode : 1;
}

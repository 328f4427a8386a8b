/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files: which there are, whether they may be trusted, and the way from their trees to settings. A
 * problem ends nothing: it is noted, and what else is right is taken.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#include "base/nearest.h"
#include "base/path.h"
#include "base/yaml.h"
#include "config/config_internal.h"
#include "linux/userns.h"

#define FILE_BYTES_MAX (1U << 20)
#define DROP_INS_MAX   256
#define PROBLEMS_MAX   100
#define NAME_BYTES     128
#define HANDLERS       "handlers"
#define SUFFIX         ".yaml"
/* What files of root's belong to where root is not mapped: in a user namespace. */
#define OVERFLOW_UID 65534

struct reading {
	struct bh_config_set *set;
	const char *file;
	const char *handler; /* NULL = of all */
	size_t n_documents;
	int fatal; /* out of memory */
};

/* ---- problems ------------------------------------------------------------------------------ */

static void bh_printf(3, 4) problem(struct reading *r, uint32_t line, const char *fmt, ...)
{
	struct bh_config_set *set = r->set;
	char what[BH_ERR_TEXT_BYTES];
	const char *text;
	va_list ap;

	if (set->problems.n >= PROBLEMS_MAX)
		return;
	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	text = line ? bh_arena_printf(&set->arena, "%s:%u: %s", r->file, line, what)
		    : bh_arena_printf(&set->arena, "%s: %s", r->file, what);
	if (!text || bh_strv_add(&set->arena, &set->problems, text) < 0)
		r->fatal = -ENOMEM;
}

/* ---- trees --------------------------------------------------------------------------------- */

static const char *const kind_names[] = {
	[BH_YAML_SCALAR] = "a value",
	[BH_YAML_LIST] = "a list",
	[BH_YAML_MAP] = "a group of keys",
};

/* @node as values of @key. Return: false when it is of the wrong kind, which was noted */
static bool take_values(struct reading *r, const struct bh_config_key *key,
			const struct bh_yaml *node, struct bh_strv *ret)
{
	enum bh_yaml_kind wanted = bh_config_is_list(key) ? BH_YAML_LIST : BH_YAML_SCALAR;
	const struct bh_yaml *first = node->kind == BH_YAML_LIST ? node->first : node;

	if (node->kind != wanted) {
		problem(r, node->line, "%s: is %s, wanted is %s", key->name, kind_names[node->kind],
			kind_names[wanted]);
		return false;
	}
	for (const struct bh_yaml *item = first; item; item = item == node ? NULL : item->next) {
		if (item->kind != BH_YAML_SCALAR || bh_yaml_is_null(item)) {
			problem(r, item->line, "%s: has no value", key->name);
			return false;
		}
		if (bh_strv_add(&r->set->arena, ret, item->text) < 0)
			r->fatal = -ENOMEM;
	}
	return !r->fatal;
}

/* A user's containers are elsewhere than root's. */
static bool is_roots(void)
{
	return geteuid() == 0 && !bh_userns_inside();
}

static void set_key(struct reading *r, const struct bh_config_key *key, const struct bh_yaml *node)
{
	struct bh_config_setting s = {
		.key = key,
		.handler = r->handler,
		.origin = { .rank = r->handler ? BH_CONFIG_FROM_HANDLER : BH_CONFIG_FROM_FILE,
			    .name = r->file,
			    .line = node->key_line },
	};
	struct bh_err err = BH_ERR_INIT;
	int e;

	if (r->handler && key->not_for_handlers) {
		problem(r, node->key_line, "%s: is for the whole node, not for one handler: %s",
			key->name, key->not_for_handlers);
		return;
	}
	if (!take_values(r, key, node, &s.values))
		return;
	e = bh_config_add(r->set, &s, &err);
	if (e == 0 && key->flags & BH_CONFIG_ROOTS && !is_roots())
		r->set->settings.n--;
	if (e == -ENOMEM)
		r->fatal = e;
	else if (e < 0)
		problem(r, node->line, "%s: %s", key->name, err.text);
}

/* What @name is followed by in a key's name, at the next dot or the end. Return: 0 = nothing */
static size_t step_of(const char *key, const char *prefix)
{
	size_t n = strlen(prefix);

	return strncmp(key, prefix, n) == 0 ? strcspn(key + n, ".") : 0;
}

static bool is_group(const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < bh_config_n_keys; i++)
		if (strncmp(bh_config_keys[i].name, name, n) == 0 &&
		    bh_config_keys[i].name[n] == '.')
			return true;
	return false;
}

/* Of the names that may stand here, or in full, the one that may have been meant. */
static void unknown(struct reading *r, const char *prefix, const struct bh_yaml *node)
{
	struct bh_nearest near = BH_NEAREST(node->key);
	char hint[BH_NEAREST_HINT_BYTES];

	for (size_t i = 0; i < bh_config_n_keys; i++) {
		const char *key = bh_config_keys[i].name;
		size_t n = step_of(key, prefix);
		const char *step = n ? bh_arena_strndup(&r->set->arena, key + strlen(prefix), n)
				     : NULL;

		if (step)
			bh_nearest_try(&near, step);
	}
	if (!*prefix && !r->handler)
		bh_nearest_try(&near, HANDLERS);
	for (size_t i = 0; !near.word && i < bh_config_n_keys; i++) {
		const char *dot = strrchr(bh_config_keys[i].name, '.');

		if (dot && strcmp(dot + 1, node->key) == 0)
			near.word = bh_config_keys[i].name;
	}
	problem(r, node->key_line, "there is no key '%s%.100s'%s", prefix, node->key,
		bh_nearest_hint(&near, hint));
}

static void walk(struct reading *r, const char *prefix, const struct bh_yaml *map);

static void walk_handlers(struct reading *r, const struct bh_yaml *map)
{
	if (map->kind != BH_YAML_MAP) {
		problem(r, map->line, HANDLERS ": is %s, wanted is %s", kind_names[map->kind],
			kind_names[BH_YAML_MAP]);
		return;
	}
	bh_yaml_for_each (item, map) {
		struct bh_nearest near = BH_NEAREST(item->key);
		char hint[BH_NEAREST_HINT_BYTES];

		r->handler = NULL;
		for (const char *const *h = bh_config_handlers; *h; h++) {
			bh_nearest_try(&near, *h);
			if (strcmp(*h, item->key) == 0)
				r->handler = *h;
		}
		if (r->handler)
			walk(r, "", item);
		else
			problem(r, item->key_line, HANDLERS ": there is no handler '%.100s'%s",
				item->key, bh_nearest_hint(&near, hint));
	}
	r->handler = NULL;
}

static void walk_item(struct reading *r, const char *prefix, const struct bh_yaml *item)
{
	const struct bh_config_key *key;
	char name[NAME_BYTES];

	if ((size_t)snprintf(name, sizeof(name), "%s%s", prefix, item->key) >= sizeof(name)) {
		unknown(r, prefix, item);
		return;
	}
	key = bh_config_key_find(name, NULL);
	if (key) {
		set_key(r, key, item);
	} else if (is_group(name)) {
		strncat(name, ".", sizeof(name) - strlen(name) - 1);
		walk(r, name, item);
	} else if (!*prefix && !r->handler && strcmp(name, HANDLERS) == 0) {
		walk_handlers(r, item);
	} else {
		unknown(r, prefix, item);
	}
}

static void walk(struct reading *r, const char *prefix, const struct bh_yaml *map)
{
	if (map->kind != BH_YAML_MAP) {
		problem(r, map->line, "%s%sis %s, wanted is %s", map->key ? map->key : "",
			map->key ? ": " : "", kind_names[map->kind], kind_names[BH_YAML_MAP]);
		return;
	}
	bh_yaml_for_each (item, map)
		walk_item(r, prefix, item);
}

static int on_document(void *arg, const struct bh_yaml *root, struct bh_err *err)
{
	struct reading *r = arg;

	if (r->n_documents++)
		problem(r, root ? root->line : 0, "a second document: one is wanted");
	else if (root)
		walk(r, "", root);
	return r->fatal ? bh_err_oom(err) : 0;
}

/* The first problem since there were @before. */
static int first_problem(const struct bh_config_set *set, size_t before, struct bh_err *err)
{
	size_t n = set->problems.n - before;

	if (!n)
		return 0;
	if (n == 1)
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL, "%s", set->problems.v[before]);
	return bh_err_as(err, BH_ERR_SPEC, -EINVAL, "%s (and %zu more: bulkhead config check)",
			 set->problems.v[before], n - 1);
}

/* Nothing but comments, as packages install it: that is no reason to read YAML. */
static bool says_nothing(const char *text, size_t len)
{
	bool comment = false;

	for (size_t i = 0; i < len; i++) {
		if (text[i] == '\n')
			comment = false;
		else if (text[i] == '#')
			comment = true;
		else if (!comment && text[i] != ' ')
			return false;
	}
	return true;
}

static int read_text(struct bh_config_set *set, const char *file, const char *text, size_t len)
{
	struct reading r = { .set = set, .file = bh_arena_strdup(&set->arena, file) };
	struct bh_err err = BH_ERR_INIT;
	uint32_t line;
	int e = r.file ? bh_strv_add(&set->arena, &set->files, r.file) : -ENOMEM;

	if (e < 0 || says_nothing(text, len))
		return e;
	e = bh_yaml_read(&set->arena, text, len, on_document, &r, &line, &err);
	if (e == -ENOMEM)
		return e;
	if (e < 0)
		problem(&r, line, "%s", err.text);
	return r.fatal;
}

int bh_config_read(struct bh_config_set *set, const char *file, const char *text, size_t len,
		   struct bh_err *err)
{
	size_t before = set->problems.n;

	return read_text(set, file, text, len) < 0 ? bh_err_oom(err)
						   : first_problem(set, before, err);
}

/* ---- files --------------------------------------------------------------------------------- */

/* Nobody but root, and whoever runs this, may have written it. */
static int check_owner(const char *path, int fd, mode_t type, struct bh_err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return bh_err_set(err, -errno, "look at '%s'", path);
	if ((st.st_mode & S_IFMT) != type)
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL, "%s: is no %s", path,
				 type == S_IFDIR ? "directory" : "file");
	if (st.st_uid != 0 && st.st_uid != geteuid() &&
	    !(st.st_uid == OVERFLOW_UID && bh_userns_inside()))
		return bh_err_as(err, BH_ERR_SPEC, -EPERM,
				 "%s: belongs to user %u: it must be root's (chown root)", path,
				 st.st_uid);
	if (st.st_mode & (S_IWGRP | S_IWOTH))
		return bh_err_as(err, BH_ERR_SPEC, -EPERM,
				 "%s: has mode %04o: others than root could write it (chmod go-w)",
				 path, st.st_mode & 07777);
	return 0;
}

static int read_open(struct bh_config_set *set, const char *path, int fd, struct bh_err *err)
{
	bh_auto_free char *text = NULL;
	size_t len;
	int r = check_owner(path, fd, S_IFREG, err);

	r = r < 0 ? r : bh_fd_read(fd, path, FILE_BYTES_MAX, &text, &len, err);
	if (r < 0)
		return r;
	return read_text(set, path, text, len) < 0 ? bh_err_oom(err) : 0;
}

/* Return: 0, or -errno with @err; -ENOENT when it is not there, undescribed */
static int read_at(struct bh_config_set *set, int dirfd, const char *name, const char *path,
		   struct bh_err *err)
{
	/* What is no file must not keep us waiting. */
	bh_auto_close int fd =
		bh_path_try_open(dirfd, name, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0, BH_PATH_HOST);

	if (fd == -ENOENT)
		return fd;
	return fd < 0 ? bh_err_set(err, fd, "open '%s'", path) : read_open(set, path, fd, err);
}

/* A problem with the file as such is one of all. */
static int note(struct bh_config_set *set, int r, const struct bh_err *what)
{
	char text[BH_ERR_LINE_BYTES];
	const char *kept;

	if (r == 0 || r == -ENOMEM)
		return r;
	kept = bh_arena_strdup(&set->arena, bh_err_format(what, text, sizeof(text)));
	return kept ? bh_strv_add(&set->arena, &set->problems, kept) : -ENOMEM;
}

static int is_drop_in(const struct dirent *e)
{
	size_t n = strlen(e->d_name);

	return e->d_name[0] != '.' && n > strlen(SUFFIX) &&
	       strcmp(e->d_name + n - strlen(SUFFIX), SUFFIX) == 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int read_drop_in(struct bh_config_set *set, int dir, const char *dir_path, const char *name)
{
	const char *path = bh_arena_printf(&set->arena, "%s/%s", dir_path, name);
	struct bh_err err = BH_ERR_INIT;
	int r = path ? read_at(set, dir, name, path, &err) : -ENOMEM;

	return r == -ENOENT ? 0 : note(set, r, &err);
}

static int read_drop_ins(struct bh_config_set *set, const char *path)
{
	bh_auto_close int dir =
		bh_path_try_open(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0, BH_PATH_HOST);
	struct bh_err err = BH_ERR_INIT;
	struct dirent **names = NULL;
	int n, r = 0;

	if (dir == -ENOENT)
		return 0;
	if (dir < 0)
		return note(set, bh_err_set(&err, dir, "open '%s'", path), &err);
	r = check_owner(path, dir, S_IFDIR, &err);
	if (r < 0)
		return note(set, r, &err);
	n = scandirat(dir, ".", &names, is_drop_in, by_name);
	if (n < 0 || n > DROP_INS_MAX)
		r = note(set, bh_err_set(&err, n < 0 ? -errno : -E2BIG, "read '%s'", path), &err);
	for (int i = 0; i < n; i++) {
		if (r == 0 && n <= DROP_INS_MAX)
			r = read_drop_in(set, dir, path, names[i]->d_name);
		free(names[i]);
	}
	free(names);
	return r;
}

static int read_all(struct bh_config_set *set, const char *file, bool must_be)
{
	const char *dir = bh_arena_printf(&set->arena, "%s.d", file);
	struct bh_err err = BH_ERR_INIT;
	int r = dir ? read_at(set, AT_FDCWD, file, file, &err) : -ENOMEM;

	if (r == -ENOENT)
		r = must_be ? bh_err_set(&err, r, "open '%s'", file) : 0;
	r = note(set, r, &err);
	return r < 0 ? r : read_drop_ins(set, dir);
}

/* Whether there is any configuration: most nodes have none, and a container's start is to cost no
 * more than this call to find out. */
static bool node_has_any(void)
{
	bh_auto_close int dir =
		bh_path_try_open(AT_FDCWD, BH_CONFIG_DIR, O_PATH | O_DIRECTORY, 0, BH_PATH_HOST);

	return dir != -ENOENT;
}

int bh_config_load(struct bh_config_set *set, const char *file, struct bh_err *err)
{
	size_t before = set->problems.n;
	bool given = true;
	int r;

	if (!file)
		file = getenv(BH_CONFIG_ENV);
	if (!file) {
		given = false;
		file = BH_CONFIG_FILE;
	}
	if (!*file || (!given && !node_has_any()))
		return 0;
	r = read_all(set, file, given);
	return r < 0 ? bh_err_oom(err) : first_problem(set, before, err);
}

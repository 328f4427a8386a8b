/* SPDX-License-Identifier: Apache-2.0 */
/* Where states are: the directories that this project's programs use, and those that engines pass
 * to a runtime that is called in runc's place. */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include <dirent.h>
#include <sys/stat.h>

#include "base/path.h"
#include "node/internal.h"

#define ROOTS_MAX 256

/* How to get from a directory to roots. */
enum kind {
	ITSELF = 0,
	CHILDREN,      /* each directory in it */
	GRANDCHILDREN, /* each in each */
	LINKS,         /* symbolic links *.root to them: the shim's, for pods elsewhere */
};

static const struct {
	const char *path;
	enum kind kind;
} places[] = {
	{ "/run/bulkhead", ITSELF },
	{ "/run/bulkhead/@containerd", CHILDREN },
	{ "/run/bulkhead/@shim", LINKS },
	{ "/run/containerd/runc", CHILDREN }, /* containerd's runc shim, one a name space */
	{ "/run/docker", GRANDCHILDREN },     /* runtime-NAME/moby */
	{ "/run/runc", ITSELF },              /* Podman, where bulkhead is called runc */
};

struct roots {
	struct bh_arena *arena;
	struct bh_strv list;
	bool failed;
};

static void add(struct roots *roots, const char *path)
{
	char real[PATH_MAX], *copy;

	if (!realpath(path, real) || bh_strv_has(&roots->list, real) || roots->list.n == ROOTS_MAX)
		return;
	copy = bh_arena_strdup(roots->arena, real);
	roots->failed = roots->failed || !copy;
	if (copy)
		roots->list.v[roots->list.n++] = copy;
}

/* Not a container's. */
static bool is_directory(const char *path)
{
	char state[PATH_MAX];
	struct stat st;

	return lstat(path, &st) == 0 && S_ISDIR(st.st_mode) &&
	       (size_t)snprintf(state, sizeof(state), "%s/state.json", path) < sizeof(state) &&
	       access(state, F_OK) < 0;
}

/* The shim's link of a pod that is not in the usual place. */
static bool is_link(const char *path)
{
	const char *dot = strrchr(path, '.');
	struct stat st;

	return dot && !strcmp(dot, ".root") && lstat(path, &st) == 0 && S_ISLNK(st.st_mode);
}

static void add_below(struct roots *roots, const char *dir, enum kind kind)
{
	bh_auto_closedir DIR *stream = opendir(dir);
	char path[PATH_MAX];
	const struct dirent *e;

	while (stream && (e = readdir(stream))) {
		if (*e->d_name == '.' || *e->d_name == '@' ||
		    (size_t)snprintf(path, sizeof(path), "%s/%s", dir, e->d_name) >= sizeof(path))
			continue;
		if (kind == LINKS ? is_link(path) : is_directory(path) && kind == CHILDREN)
			add(roots, path);
		else if (kind == GRANDCHILDREN && is_directory(path))
			add_below(roots, path, CHILDREN);
	}
}

static void add_place(struct roots *roots, const char *path, enum kind kind)
{
	if (kind == ITSELF)
		add(roots, path);
	else
		add_below(roots, path, kind);
}

/* One that this project's programs have made: the containers', and those of containerd below it. */
static void add_ours(struct roots *roots, const char *root)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/@containerd", root);
	add(roots, root);
	add_below(roots, path, CHILDREN);
}

int bh_node_roots(struct bh_arena *arena, const char *root, const struct bh_strv *known,
		  struct bh_strv *ret, struct bh_err *err)
{
	struct roots roots = { .arena = arena };

	roots.list.v = bh_arena_array(arena, ROOTS_MAX + 1, sizeof(*roots.list.v));
	if (!roots.list.v)
		return bh_err_oom(err);
	if (root) {
		if (access(root, F_OK) < 0)
			return bh_err_set(err, -errno, "open %s", root);
		add_ours(&roots, root);
		add_below(&roots, root, CHILDREN);
	}
	for (size_t i = 0; !root && i < known->n; i++)
		add_ours(&roots, known->v[i]);
	for (size_t i = 0; !root && i < BH_ARRAY_SIZE(places); i++)
		add_place(&roots, places[i].path, places[i].kind);
	*ret = roots.list;
	return roots.failed ? bh_err_oom(err) : 0;
}

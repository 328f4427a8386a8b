/* SPDX-License-Identifier: Apache-2.0 */
#include "task/rootfs_idmap.h"

#include <fcntl.h>
#include <sched.h>
#include <string.h>

#include "base/path.h"
#include "linux/mount.h"
#include "linux/userns.h"

#define MAPS_MAX 340 /* lines of a map, as the kernel has it */

/* ---- options --------------------------------------------------------------------------------- */

static bool parse_id(const char **at, char end, uint32_t *ret)
{
	char *rest;
	unsigned long value;

	if (**at < '0' || **at > '9')
		return false;
	errno = 0;
	value = strtoul(*at, &rest, 10);
	if (errno || value > UINT32_MAX || (*rest != end && !(end == ',' && *rest == '\0')))
		return false;
	*ret = (uint32_t)value;
	*at = *rest ? rest + 1 : rest;
	return true;
}

/* CONTAINER:HOST:SIZE, several with commas between. */
static int parse_maps(struct bh_arena *arena, const char *text, bh_id_map_list *ret,
		      struct bh_err *err)
{
	const char *at = text;

	ret->n = 0;
	ret->v = bh_arena_array(arena, MAPS_MAX, sizeof(*ret->v));
	if (!ret->v)
		return bh_err_oom(err);
	do {
		struct bh_id_map *map = &ret->v[ret->n++];

		if (!parse_id(&at, ':', &map->container_id) || !parse_id(&at, ':', &map->host_id) ||
		    !parse_id(&at, ',', &map->size) || !map->size)
			return bh_err_as(err, BH_ERR_SPEC, -EINVAL, "'%s' is no map of ids", text);
	} while (*at && ret->n < MAPS_MAX);
	return *at ? bh_err_as(err, BH_ERR_SPEC, -E2BIG, "more than %d maps of ids", MAPS_MAX) : 0;
}

int bh_rootfs_ids_option(struct bh_arena *arena, const char *option, struct bh_rootfs_ids *ids,
			 struct bh_err *err)
{
	const struct {
		const char *start;
		bh_id_map_list *list;
	} options[] = { { "uidmap=", &ids->uids }, { "gidmap=", &ids->gids } };

	for (size_t i = 0; i < BH_ARRAY_SIZE(options); i++) {
		size_t len = strlen(options[i].start);

		if (strncmp(option, options[i].start, len) == 0)
			return parse_maps(arena, option + len, options[i].list, err) < 0 ? err->code
											 : 1;
	}
	return 0;
}

bool bh_rootfs_ids_given(const struct bh_rootfs_ids *ids)
{
	return ids->uids.n || ids->gids.n;
}

/* ---- mounts ---------------------------------------------------------------------------------- */

static int map_tree(int tree, int userns, struct bh_err *err)
{
	const struct bh_mount_change change = { .idmap = true, .userns_fd = userns };

	return bh_mount_change(tree, &change, err);
}

/* The directory as it is, with other ids, on itself. */
static int cover(const char *dir, int userns, struct bh_err *err)
{
	bh_auto_close int place =
		bh_path_open(AT_FDCWD, dir, O_PATH | O_DIRECTORY, 0, BH_PATH_HOST, err);
	bh_auto_close int tree = place < 0 ? place : bh_mount_clone(place, "", 0, err);
	int r = tree < 0 ? tree : map_tree(tree, userns, err);

	r = r < 0 ? r : bh_mount_attach(tree, place, "", err);
	return r < 0 ? bh_err_ctx(err, "lower directory '%s'", dir) : 0;
}

static int cover_all(const char *lowers, int userns, struct bh_err *err)
{
	bh_auto_free char *list = strdup(lowers);
	char *rest = list, *dir;
	int r = 0;

	if (!list)
		return bh_err_oom(err);
	while (r == 0 && (dir = strsep(&rest, ":")))
		r = *dir ? cover(dir, userns, err) : 0;
	return r;
}

/* Return: the finished mount, detached, or -errno */
static int make(const struct bh_rootfs_ids *ids, const char *lowers, const char *target,
		int (*mount)(void *arg, const char *target, struct bh_err *err), void *arg,
		struct bh_err *err)
{
	bh_auto_close int userns = bh_userns_open(&ids->uids, &ids->gids, err);
	bh_auto_close int tree = -EBADF;
	int r = userns < 0 ? userns : 0;

	if (r == 0 && lowers)
		r = cover_all(lowers, userns, err);
	r = r < 0 ? r : mount(arg, target, err);
	if (r < 0)
		return r;
	tree = bh_mount_clone(AT_FDCWD, target, AT_RECURSIVE, err);
	if (tree < 0)
		return tree;
	if (!lowers && map_tree(tree, userns, err) < 0)
		return err->code;
	return bh_take_fd(&tree);
}

static int attach(int tree, const char *target, struct bh_err *err)
{
	bh_auto_close int place =
		bh_path_open(AT_FDCWD, target, O_PATH | O_DIRECTORY, 0, BH_PATH_HOST, err);

	return place < 0 ? place : bh_mount_attach(tree, place, "", err);
}

int bh_rootfs_mount_mapped(const struct bh_rootfs_ids *ids, const char *lowers, const char *target,
			   int (*mount_on)(void *arg, const char *target, struct bh_err *err),
			   void *arg, struct bh_err *err)
{
	bh_auto_close int own =
		bh_path_open(AT_FDCWD, "/proc/thread-self/ns/mnt", O_RDONLY, 0, BH_PATH_HOST, err);
	bh_auto_close int tree = -EBADF;

	if (own < 0)
		return own;
	if (unshare(CLONE_NEWNS) < 0)
		return bh_err_set(err, -errno, "make a mount namespace");
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		tree = bh_err_set(err, -errno, "make its mounts private");
	else
		tree = make(ids, lowers, target, mount_on, arg, err);
	if (setns(own, CLONE_NEWNS) < 0)
		return bh_err_set(err, -errno, "return to the own mount namespace");
	return tree < 0 ? tree : attach(tree, target, err);
}

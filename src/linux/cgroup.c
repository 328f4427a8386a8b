/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation. A cgroup object is a list of hierarchies, each with the path of the
 * container's group in it. The plan decides the paths and touches nothing. Creating a group costs a
 * mkdir(2) and, on version 1, the opening of its `tasks` file; the child that is cloned later
 * inherits these descriptors and writes "0" to each, which moves the single task without the
 * kernel's global lock, or it is born inside a version 2 group by CLONE_INTO_CGROUP.
 *
 * A group is "owned" once it was made here or found empty and taken over. Only owned groups are
 * killed and emptied on removal: a create that was refused because somebody lives in the group must
 * not kill them when it is undone. What was saved before the create knows of no owned group, and
 * then the removal takes away empty directories only.
 *
 * Paths follow runc: an absolute linux.cgroupsPath starts at the mount's root, a relative one (or
 * the container's id) at the caller's own group, on version 2 beside it since a group with
 * processes cannot pass controllers on; on the version 2 part of a hybrid at the mount's root.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/path.h"
#include "linux/cgroup_internal.h"

struct bh_cgroup *bh_cgroup_free(struct bh_cgroup *cg)
{
	if (!cg)
		return NULL;
	for (size_t i = 0; i < cg->n; i++)
		bh_close(cg->hier[i].fd);
	bh_arena_deinit(&cg->arena);
	free(cg);
	return NULL;
}

struct bh_cgroup *bh_cgroup_copy(const struct bh_cgroup *cg)
{
	struct bh_cgroup *copy = calloc(1, sizeof(*copy));

	if (!copy)
		return NULL;
	*copy = *cg;
	copy->arena = BH_ARENA_INIT;
	copy->pub = bh_arena_array(&copy->arena, cg->n + 1, sizeof(*cg->pub));
	copy->hier = bh_arena_array(&copy->arena, cg->n + 1, sizeof(*cg->hier));
	if (!copy->pub || !copy->hier) {
		copy->n = 0;
		return bh_cgroup_free(copy);
	}
	for (size_t i = 0; i < cg->n; i++) {
		copy->pub[i] = cg->pub[i];
		copy->hier[i] = cg->hier[i];
		copy->hier[i].fd = -EBADF;
	}
	return copy;
}

int bh_cg_find_v2(const struct bh_cgroup *cg)
{
	for (size_t i = 0; i < cg->n; i++)
		if (cg->pub[i].v2)
			return (int)i;
	return -1;
}

bool bh_cg_pure_v2(const struct bh_cgroup *cg)
{
	return cg->n == 1 && cg->pub[0].v2 && cg->pub[0].name[0] == '\0';
}

int bh_cg_find(const struct bh_cgroup *cg, enum bh_cg_ctrl ctrl)
{
	for (size_t i = 0; i < cg->n; i++)
		if (cg->hier[i].controllers & BH_CG_BIT(ctrl))
			return (int)i;
	return bh_cg_find_v2(cg);
}

uint32_t bh_cg_v2_mask(const struct bh_cgroup *cg)
{
	uint32_t mask = 0;

	if (bh_cg_find_v2(cg) < 0)
		return 0;
	for (size_t i = 0; i < cg->n; i++)
		mask |= cg->hier[i].controllers;
	return ~mask & (BH_CG_BIT(BH_CG_MAX_) - 1);
}

int bh_cg_set_path(struct bh_cgroup *cg, size_t i, const char *path, struct bh_err *err)
{
	char *dir;

	if (strcmp(cg->pub[i].mountpoint, "/") == 0)
		dir = bh_arena_strdup(&cg->arena, path);
	else
		dir = bh_arena_printf(&cg->arena, "%s%s", cg->pub[i].mountpoint,
				      strcmp(path, "/") == 0 ? "" : path);
	if (!dir)
		return bh_err_oom(err);
	cg->hier[i].dir = dir;
	cg->pub[i].path = dir + (strcmp(path, "/") == 0 ? 0 : strlen(dir) - strlen(path));
	if (strcmp(path, "/") == 0)
		cg->pub[i].path = "/";
	return 0;
}

/* Hierarchy @i is left out from now on. */
static void drop(struct bh_cgroup *cg, size_t i)
{
	bh_close(cg->hier[i].fd);
	cg->n--;
	memmove(cg->hier + i, cg->hier + i + 1, (cg->n - i) * sizeof(*cg->hier));
	memmove(cg->pub + i, cg->pub + i + 1, (cg->n - i) * sizeof(*cg->pub));
}

static struct bh_cgroup *cgroup_new(size_t n)
{
	struct bh_cgroup *cg = calloc(1, sizeof(*cg));

	if (!cg)
		return NULL;
	cg->owner_uid = -1;
	cg->pub = bh_arena_array(&cg->arena, n + 1, sizeof(*cg->pub));
	cg->hier = bh_arena_array(&cg->arena, n + 1, sizeof(*cg->hier));
	return cg->pub && cg->hier ? cg : bh_cgroup_free(cg);
}

/* ---- plan ------------------------------------------------------------------------------------ */

/* The host's uid to which a version 2 group is given, so that the container can use it: when it has
 * a cgroup namespace of its own and the cgroup mount is writable. Source: config-linux.md "Cgroup
 * ownership" */
static int64_t plan_owner(const struct bh_spec *spec)
{
	const struct bh_namespace *cgroup_ns = bh_spec_namespace(spec, BH_NS_CGROUP);
	const struct bh_namespace *user_ns = bh_spec_namespace(spec, BH_NS_USER);
	uint32_t uid = spec->process.user.uid;
	bool writable = false;

	bh_for_each (m, spec->mounts) {
		bool ro = false;

		if (!m->type || strcmp(m->type, "cgroup") != 0 || !m->destination ||
		    strcmp(m->destination, "/sys/fs/cgroup") != 0)
			continue;
		for (size_t i = 0; i < m->options.n; i++)
			ro |= strcmp(m->options.v[i], "ro") == 0;
		writable |= !ro;
	}
	if (!cgroup_ns || cgroup_ns->path || !writable)
		return -1;
	if (!user_ns)
		return uid ? (int64_t)uid : -1;
	bh_for_each (map, spec->linux_.uid_mappings)
		if (uid >= map->container_id && uid - map->container_id < map->size)
			return (int64_t)map->host_id + (uid - map->container_id);
	return -1;
}

static bool any_limit(const struct bh_resources *r)
{
	const struct bh_memory *m = &r->memory;
	const struct bh_cpu *c = &r->cpu;
	const struct bh_block_io *b = &r->block_io;

	return m->limit.set || m->reservation.set || m->swap.set || c->shares.set || c->quota.set ||
	       c->period.set || c->burst.set || c->idle.set || c->realtime_period.set ||
	       c->realtime_runtime.set || c->cpus || c->mems ||
	       (r->pids_limit.set && r->pids_limit.v != 0) || b->weight.set || b->weight_device.n ||
	       b->throttle_read_bps_device.n || b->throttle_write_bps_device.n ||
	       b->throttle_read_iops_device.n || b->throttle_write_iops_device.n ||
	       r->hugepage_limits.n || r->rdma.n || r->unified.n;
}

/* The group's path in one hierarchy. @inner is clean. Return: NULL when out of memory */
static char *plan_path(struct bh_cgroup *cg, const struct bh_cg_mount *m, const char *inner)
{
	char *path, *slash;

	if (inner[0] == '/')
		return bh_arena_strdup(&cg->arena, inner);
	path = bh_arena_printf(&cg->arena, "%s/", m->own);
	if (!path)
		return NULL;
	bh_path_clean(path);
	slash = strrchr(path, '/');
	if (m->v2 && m->name[0] == '\0')
		*slash = '\0';
	return bh_arena_printf(&cg->arena, "%s/%s", strcmp(path, "/") == 0 ? "" : path, inner);
}

/* Fills in the hierarchies with the group's path in each. */
static int plan_hierarchies(struct bh_cgroup *cg, const struct bh_cg_layout *layout,
			    const char *inner, struct bh_err *err)
{
	for (size_t i = 0; i < layout->n; i++) {
		const struct bh_cg_mount *m = &layout->v[i];
		const char *path;

		cg->pub[i] = (struct bh_cgroup_hierarchy){
			.v2 = m->v2,
			.name = bh_arena_strdup(&cg->arena, m->name),
			.mountpoint = bh_arena_strdup(&cg->arena, m->mountpoint),
			.options = bh_arena_strdup(&cg->arena, m->options),
		};
		cg->hier[i] = (struct bh_cg_hier){ .controllers = m->controllers, .fd = -EBADF };
		cg->n = i + 1;
		if (!cg->pub[i].name || !cg->pub[i].mountpoint || !cg->pub[i].options)
			return bh_err_oom(err);
		path = inner ? plan_path(cg, m, inner) : bh_cg_systemd_path(cg, m->own, err);
		if (!path)
			return inner ? bh_err_oom(err) : err ? err->code : -EINVAL;
		if (bh_cg_set_path(cg, i, path, err) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* linux.cgroupsPath or @id for the cgroupfs manager, cleaned. */
static int plan_inner(struct bh_cgroup *cg, const char *cgroups_path, const char *id, char **ret,
		      struct bh_err *err)
{
	char *inner = bh_arena_strdup(&cg->arena, cg->explicit_path ? cgroups_path : id);

	if (!inner)
		return bh_err_oom(err);
	bh_path_clean(inner);
	if (inner[0] == '\0' || strcmp(inner, "/") == 0)
		return bh_err_spec(err, "/linux/cgroupsPath", "'%s' names no group of its own",
				   cgroups_path);
	*ret = inner;
	return 0;
}

int bh_cg_plan_from(const struct bh_cg_layout *layout, const struct bh_spec *spec, const char *id,
		    enum bh_cgroup_manager manager, bool rootless, struct bh_cgroup **ret,
		    struct bh_err *err)
{
	bh_auto_cgroup struct bh_cgroup *cg = cgroup_new(layout->n);
	const char *cgroups_path = spec->linux_.cgroups_path;
	const struct bh_cpu *cpu = &spec->linux_.resources.cpu;
	char *inner = NULL;
	int e;

	if (!cg)
		return bh_err_oom(err);
	cg->manager = manager;
	cg->rootless = rootless;
	cg->explicit_path = cgroups_path && cgroups_path[0];
	cg->wants_limits = any_limit(&spec->linux_.resources);
	cg->owner_uid = plan_owner(spec);
	cg->cpus = cpu->cpus ? bh_arena_strdup(&cg->arena, cpu->cpus) : NULL;
	cg->mems = cpu->mems ? bh_arena_strdup(&cg->arena, cpu->mems) : NULL;
	if (manager == BH_CGROUP_SYSTEMD)
		e = bh_cg_systemd_names(cg, cgroups_path, id, err);
	else
		e = plan_inner(cg, cgroups_path, id, &inner, err);
	if (e == 0)
		e = plan_hierarchies(cg, layout, inner, err);
	if (e < 0)
		return e;
	if (bh_cg_find(cg, BH_CG_DEVICES) < 0 && !rootless)
		return bh_err_set(err, -ENODEV,
				  "no control group hierarchy with the devices controller");
	if (manager == BH_CGROUP_SYSTEMD && rootless && !bh_cg_pure_v2(cg))
		return bh_err_as(err, BH_ERR_OS, -EOPNOTSUPP,
				 "cannot use rootless systemd cgroups manager on cgroup v1");
	if (spec->linux_.resources.unified.n && !bh_cg_pure_v2(cg))
		return bh_err_spec(err, "/linux/resources/unified",
				   "invalid configuration: cannot use unified on cgroup v1");
	*ret = bh_take(&cg);
	return 0;
}

int bh_cgroup_plan(const struct bh_spec *spec, const char *id, enum bh_cgroup_manager manager,
		   bool rootless, struct bh_cgroup **ret, struct bh_err *err)
{
	const char *path = spec->linux_.cgroups_path;
	bool want_own;
	bh_auto_arena struct bh_arena arena = BH_ARENA_INIT;
	struct bh_cg_layout layout = { .n = 0 };
	int e = 0;

	if (manager == BH_CGROUP_AUTO)
		manager = path && path[0] != '/' && strchr(path, ':') ? BH_CGROUP_SYSTEMD
								      : BH_CGROUP_FS;
	want_own = manager == BH_CGROUP_SYSTEMD ? rootless : !path || path[0] != '/';
	if (manager == BH_CGROUP_SYSTEMD && access("/run/systemd/system", F_OK) < 0)
		return bh_err_as(
			err, BH_ERR_OS, -EOPNOTSUPP,
			"systemd not running on this host, cannot use systemd cgroups manager");
	if (manager != BH_CGROUP_DISABLED)
		e = bh_cg_layout_read(&arena, "", want_own, &layout, err);
	else
		rootless = true;
	return e < 0 ? e : bh_cg_plan_from(&layout, spec, id, manager, rootless, ret, err);
}

void bh_cgroup_print(const struct bh_cgroup *cg, const struct bh_resources *resources,
		     struct bh_buf *out)
{
	bh_auto_arena struct bh_arena arena = BH_ARENA_INIT;
	struct bh_cg_limits limits = { .n = 0 };
	struct bh_cg_devices devices;
	struct bh_err err = BH_ERR_INIT;
	char text[256];

	for (size_t i = 0; i < cg->n; i++)
		bh_buf_printf(out, "cgroup v%d %s: %s\n", cg->pub[i].v2 ? 2 : 1,
			      cg->pub[i].name[0] ? cg->pub[i].name : "(all)", cg->hier[i].dir);
	if (cg->unit)
		bh_buf_printf(out, "cgroup unit: %s in %s\n", cg->unit, cg->slice);
	if (cg->n == 0)
		return;
	if (bh_cg_limits(&arena, resources, bh_cg_v2_mask(cg), bh_cg_pure_v2(cg), &limits, &err) <
		    0 ||
	    bh_cg_devices(&arena, resources, &devices, &err) < 0) {
		bh_buf_printf(out, "limits: %s\n", bh_err_format(&err, text, sizeof(text)));
		return;
	}
	for (size_t i = 0; i < limits.n; i++)
		bh_buf_printf(out, "limit %s = %s\n", limits.v[i].file, limits.v[i].value);
	bh_buf_printf(out, "devices: %s all", devices.default_allow ? "allow" : "deny");
	for (size_t i = 0; i < devices.n; i++) {
		char line[BH_CG_DEVICE_BYTES];

		bh_buf_printf(out, "%s %s", i ? "," : " but",
			      bh_cg_device_text(&devices.v[i], line));
	}
	bh_buf_puts(out, "\n");
}

const struct bh_cgroup_hierarchy *bh_cgroup_hierarchies(const struct bh_cgroup *cg, size_t *ret_n)
{
	*ret_n = cg->n;
	return cg->pub;
}

/* ---- create, open, enter --------------------------------------------------------------------- */

/* Whether a failure to make a group only means that there will be none there. */
static bool may_leave_out(const struct bh_cgroup *cg, int e)
{
	return cg->rootless && !cg->explicit_path && (e == -EACCES || e == -EPERM || e == -EROFS);
}

static int create_all(struct bh_cgroup *cg, struct bh_err *err)
{
	bool pure_v2 = bh_cg_pure_v2(cg);

	for (size_t i = 0; i < cg->n;) {
		int e = cg->pub[i].v2 ? bh_cg_v2_create(cg, i, err) : bh_cg_v1_create(cg, i, err);

		if (e == 0) {
			i++;
			continue;
		}
		if (!may_leave_out(cg, e))
			return bh_err_ctx(err, "unable to apply cgroup configuration");
		if (pure_v2 && cg->wants_limits)
			return bh_err_ctx(err, "rootless needs no limits + no cgrouppath when no "
					       "permission is granted for cgroups");
		if (cg->hier[i].owned && rmdir(cg->hier[i].dir) < 0)
			return bh_err_set(err, -errno, "remove '%s'", cg->hier[i].dir);
		drop(cg, i);
	}
	return 0;
}

int bh_cgroup_create(struct bh_cgroup *cg, struct bh_err *err)
{
	int e = cg->manager == BH_CGROUP_FS ? create_all(cg, err) : 0;

	/* Whoever lives in one of the groups may be about to enter those that were still empty. */
	for (size_t i = 0; e < 0 && i < cg->n; i++)
		if (cg->hier[i].found)
			cg->hier[i].owned = false;
	return e;
}

bool bh_cgroup_needs_scope(const struct bh_cgroup *cg)
{
	return cg->manager == BH_CGROUP_SYSTEMD && !cg->started && !cg->loaded;
}

int bh_cgroup_clone_fd(const struct bh_cgroup *cg)
{
	int i = bh_cg_find_v2(cg);

	return i >= 0 && cg->hier[i].fd >= 0 ? cg->hier[i].fd : -1;
}

int bh_cgroup_enter(const struct bh_cgroup *cg, struct bh_err *err)
{
	for (size_t i = 0; i < cg->n; i++) {
		if (cg->pub[i].v2 || cg->hier[i].fd < 0)
			continue;
		if (write(cg->hier[i].fd, "0", 1) < 0)
			return bh_err_set(err, -errno, "enter '%s'", cg->hier[i].dir);
	}
	return 0;
}

/* Where @ctrl (@len bytes; none: everywhere) of `exec --cgroup` leads, noted in @paths[i]. */
static int apply_sub(struct bh_cgroup *cg, const char **paths, const char *arg, const char *ctrl,
		     size_t len, const char *sub, struct bh_err *err)
{
	bool found = false;

	for (size_t i = 0; i < cg->n; i++) {
		struct bh_cgroup_hierarchy *h = &cg->pub[i];
		enum bh_cg_ctrl c = len ? bh_cg_ctrl_find(ctrl, len) : BH_CG_MAX_;
		bool named = len == strlen(h->options) && memcmp(h->options, ctrl, len) == 0;
		char *path;

		if (ctrl && !named && !(c < BH_CG_MAX_ && cg->hier[i].controllers & BH_CG_BIT(c)))
			continue;
		if (ctrl && paths[i] && named)
			return bh_err_as(err, BH_ERR_SPEC, -EINVAL,
					 "invalid --cgroup argument(s): controller %.*s specified "
					 "multiple times",
					 (int)len, ctrl);
		path = bh_arena_printf(&cg->arena, "/%s", sub);
		if (!path)
			return bh_err_oom(err);
		/* Lexically, as runc: what leaves the group on the way is refused, not clamped. */
		for (const char *p = path; (p = strstr(p, "..")); p += 2)
			if ((p[2] == '\0' || p[2] == '/') && p[-1] == '/')
				return bh_err_as(err, BH_ERR_SPEC, -EINVAL,
						 "%s is not a sub cgroup path", sub);
		bh_path_clean(path);
		paths[i] = bh_arena_printf(&cg->arena, "%s%s", h->path,
					   strcmp(path, "/") == 0 ? "" : path);
		if (!paths[i])
			return bh_err_oom(err);
		found = true;
	}
	return found ? 0
		     : bh_err_as(err, BH_ERR_SPEC, -EINVAL,
				 "unknown controller %.*s in --cgroup argument %s", (int)len, ctrl,
				 arg);
}

/* "PATH" alone or "CTRL[,CTRL]:PATH", as runc reads them. */
static int parse_subs(struct bh_cgroup *cg, const struct bh_strv *subs, const char **paths,
		      struct bh_err *err)
{
	for (size_t i = 0; subs && i < subs->n; i++) {
		const char *arg = subs->v[i], *colon = strchr(arg, ':'), *ctrl = arg;
		int e = 0;

		if (!colon && subs->n != 1)
			return bh_err_as(
				err, BH_ERR_SPEC, -EINVAL,
				"invalid --cgroup argument: %s (missing <controller>: prefix)",
				arg);
		if (!colon)
			return apply_sub(cg, paths, arg, NULL, 0, arg, err);
		do {
			size_t len = strcspn(ctrl, ",:");

			if (len == 0)
				return bh_err_as(
					err, BH_ERR_SPEC, -EINVAL,
					"invalid --cgroup argument: %s (empty <controller> "
					"prefix)",
					arg);
			e = apply_sub(cg, paths, arg, ctrl, len, colon + 1, err);
			if (e < 0)
				return e;
			ctrl += len + 1;
		} while (ctrl <= colon);
	}
	return 0;
}

/*
 * A version 2 group that passes controllers on can have no processes of its own: the container's
 * init has gone to one below, and so does what is executed beside it. Only from the container's own
 * group on: an init that was moved out of it leads nowhere.
 */
static int go_beside(struct bh_cgroup *cg, size_t i, pid_t pid, struct bh_err *err)
{
	char dir[64], text[8192], *path, *end;
	ssize_t n = bh_cg_read(cg->hier[i].dir, "cgroup.subtree_control", text, sizeof(text));

	if (n <= 0)
		return 0;
	snprintf(dir, sizeof(dir), "/proc/%d", pid);
	n = bh_cg_read(dir, "cgroup", text, sizeof(text));
	path = n < 0 ? NULL : strstr(text, "0::/");
	path = path ? strstr(path + 3, cg->pub[i].path) : NULL;
	end = path ? path + strlen(cg->pub[i].path) : NULL;
	if (!path || *end != '/' || strstr(end, "/../"))
		return 0;
	path[strcspn(path, "\n")] = '\0';
	return bh_cg_set_path(cg, i, path, err);
}

/* The descriptor by which a process gets into hierarchy @i. */
static int open_entrance(struct bh_cgroup *cg, size_t i, struct bh_err *err)
{
	struct bh_cg_hier *h = &cg->hier[i];
	bool v2 = cg->pub[i].v2;

	h->fd = bh_close(h->fd);
	if (v2 && cg->rootless && !bh_cg_v2_may_enter(cg->pub[i].mountpoint, cg->pub[i].path)) {
		cg->needs_attach = cg->manager == BH_CGROUP_SYSTEMD;
		return 0;
	}
	h->fd = bh_cg_open(h->dir, v2 ? "." : "tasks", v2 ? O_RDONLY | O_DIRECTORY : O_WRONLY);
	if (h->fd >= 0 || cg->rootless)
		return 0;
	return bh_err_set(err, h->fd,
			  "adding pid of the new process to cgroups: open %s/cgroup.procs", h->dir);
}

int bh_cgroup_open(struct bh_cgroup *cg, const struct bh_strv *subs, pid_t init, struct bh_err *err)
{
	const char **paths = bh_arena_array(&cg->arena, cg->n + 1, sizeof(*paths));
	int e = paths ? parse_subs(cg, subs, paths, err) : bh_err_oom(err);

	for (size_t i = 0; e == 0 && i < cg->n; i++) {
		if (paths[i])
			e = bh_cg_set_path(cg, i, paths[i], err);
		else if (cg->pub[i].v2)
			e = go_beside(cg, i, init, err);
		if (e == 0)
			e = open_entrance(cg, i, err);
	}
	return e;
}

bool bh_cgroup_needs_attach(const struct bh_cgroup *cg)
{
	return cg->needs_attach;
}

int bh_cgroup_attach(const struct bh_cgroup *cg, pid_t pid, struct bh_err *err)
{
	return bh_cg_systemd_attach(cg, pid, err);
}

/* ---- the rest that is a choice of version ---------------------------------------------------- */

int bh_cgroup_freeze(struct bh_cgroup *cg, bool frozen, struct bh_err *err)
{
	int i = bh_cg_find(cg, BH_CG_FREEZER);

	if (i < 0)
		return bh_err_as(err, BH_ERR_OS, -EOPNOTSUPP,
				 "cannot toggle freezer: cgroups not configured for container");
	return cg->pub[i].v2 ? bh_cg_v2_freeze(cg->hier[i].dir, frozen, err)
			     : bh_cg_v1_freeze(cg->hier[i].dir, frozen, err);
}

int bh_cgroup_frozen(const struct bh_cgroup *cg, struct bh_err *err)
{
	int i = bh_cg_find(cg, BH_CG_FREEZER);

	if (i < 0)
		return 0;
	return cg->pub[i].v2 ? bh_cg_v2_frozen(cg->hier[i].dir, err)
			     : bh_cg_v1_frozen(cg->hier[i].dir, err);
}

int bh_cgroup_oom_kills(const struct bh_cgroup *cg, uint64_t *ret, struct bh_err *err)
{
	int i = bh_cg_find(cg, BH_CG_MEMORY), e;
	const char *file;

	*ret = 0;
	if (i < 0)
		return 0;
	file = cg->pub[i].v2 ? "memory.events" : "memory.oom_control";
	e = bh_cg_read_key(cg->hier[i].dir, file, "oom_kill", ret);
	if (e == -ENOENT && cg->rootless)
		return 0;
	return e < 0 ? bh_err_set(err, e, "read '%s/%s'", cg->hier[i].dir, file) : 0;
}

int bh_cgroup_oom_fd(const struct bh_cgroup *cg, struct bh_err *err)
{
	int i = bh_cg_find(cg, BH_CG_MEMORY);

	if (i < 0)
		return -1;
	return cg->pub[i].v2 ? bh_cg_v2_oom_fd(cg->hier[i].dir, err)
			     : bh_cg_v1_oom_fd(cg->hier[i].dir, err);
}

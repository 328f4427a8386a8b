/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A mount of type "cgroup": what the host's control groups look like from inside. Version 1 and
 * hybrid: a tmpfs with a directory for each hierarchy and links for controllers that share one;
 * version 2: the hierarchy itself. With a cgroup namespace they are mounted anew and show the
 * container's group as their root; without one its group is bound (version 1), or all of it is
 * shown as on the host (version 2), which is what /proc/self/cgroup then refers to.
 *
 * Source: cgroup_namespaces(7), runc(8)
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/path.h"
#include "container/rootfs_internal.h"

#define HOST_CGROUP "/sys/fs/cgroup"
#define SAFE_FLAGS  (MS_NOSUID | MS_NODEV | MS_NOEXEC)
#define BOUND_FLAGS (MS_RDONLY | SAFE_FLAGS | MS_NOSYMFOLLOW)

static int bind_group(const struct bh_rootfs_mount *m, const char *path, unsigned int flags,
		      const struct bh_place *place, struct bh_err *err)
{
	bh_auto_close int tree = bh_mount_clone(AT_FDCWD, path, flags, err);
	struct bh_mount_change changes[BH_CHANGES_MAX] = {
		{ .set = bh_mount_attr_of((m->flags | SAFE_FLAGS) & BOUND_FLAGS),
		  .recursive = flags & AT_RECURSIVE },
	};
	size_t n = 1;
	int r = tree < 0 ? tree : bh_rootfs_changes(m, changes, &n, err);

	return r < 0 ? r : bh_rootfs_attach(tree, changes, n, place, err);
}

/* One hierarchy in its directory below the tmpfs, which is the working directory: mount(2), since
 * with ten of them the descriptors of the new interface cost more than anything else of a start. */
static int mount_hierarchy(struct bh_rootfs_plan *plan, const struct bh_rootfs_mount *m,
			   const struct bh_cgroup_hierarchy *h, struct bh_err *err)
{
	const struct bh_mount_fs fs = {
		.type = h->v2 ? "cgroup2" : "cgroup",
		.source = h->v2 ? "cgroup2" : "cgroup",
		.data = h->v2 ? NULL : h->options,
		.flags = SAFE_FLAGS | (m->flags & MS_RDONLY),
	};
	char path[PATH_MAX];
	int r = -EPERM;

	if (mkdir(h->name, 0755) < 0)
		return bh_err_set(err, -errno, "make directory '%s'", h->name);
	if (plan->env.new_cgroupns)
		r = bh_mount_old(&fs, h->name, err);
	if (r != -EPERM && r != -EBUSY)
		return r;
	snprintf(path, sizeof(path), "%s%s", h->mountpoint, h->path);
	return bh_mount_old(&(struct bh_mount_fs){ .source = path, .flags = MS_BIND }, h->name,
			    err);
}

/* All that is mounted below the tmpfs, and the tmpfs if it is to be read-only, in one go. */
static int restrict_hierarchies(const struct bh_rootfs_mount *m, int tmpfs_fd,
				const struct bh_cgroup_hierarchy *list, size_t n,
				struct bh_err *err)
{
	const unsigned long flags = (m->flags | SAFE_FLAGS) & BOUND_FLAGS;
	const struct bh_mount_change change = { .set = bh_mount_attr_of(flags), .recursive = true };
	const struct bh_mount_change top = { .set = change.set };
	int r = bh_mount_change(tmpfs_fd, &change, err);

	if (r != -ENOSYS)
		return r;
	/* FALLBACK(linux-5.12): one by one. */
	r = 0;
	for (size_t i = 0; i < n && r == 0; i++)
		r = bh_mount_old(&(struct bh_mount_fs){ .flags = MS_BIND | MS_REMOUNT | flags },
				 list[i].name, err);
	return r < 0 ? r : bh_mount_change_attached(tmpfs_fd, &top, err);
}

/* "cpu,cpuacct" is also found as cpu and as cpuacct. */
static int link_controllers(int tmpfs_fd, const char *name, struct bh_err *err)
{
	char link[NAME_MAX + 1];

	if (!strchr(name, ','))
		return 0;
	for (const char *p = name, *end; *p; p = end + (*end == ',')) {
		end = strchrnul(p, ',');
		snprintf(link, sizeof(link), "%.*s", (int)(end - p), p);
		if (symlinkat(name, tmpfs_fd, link) < 0 && errno != EEXIST)
			return bh_err_set(err, -errno, "link '%s'", link);
	}
	return 0;
}

static int mount_v1(struct bh_rootfs_plan *plan, struct bh_rootfs_mount *m,
		    const struct bh_cgroup_hierarchy *list, size_t n_list,
		    const struct bh_place *place, struct bh_err *err)
{
	const struct bh_mount_fs tmpfs = { .type = "tmpfs",
					   .source = "tmpfs",
					   .data = "mode=755",
					   .context = plan->label,
					   .flags = SAFE_FLAGS };
	struct bh_mount_change changes[BH_CHANGES_MAX];
	bh_auto_close int fd = bh_mount_new(&tmpfs, err);
	size_t n = 0;
	int r = fd < 0 ? fd : bh_rootfs_changes(m, changes, &n, err);

	if (r == 0)
		r = bh_rootfs_attach(fd, changes, n, place, err);
	if (r == 0)
		r = bh_rootfs_chdir(plan, fd, err);
	for (size_t i = 0; i < n_list && r == 0; i++) {
		r = mount_hierarchy(plan, m, &list[i], err);
		if (r == 0)
			r = link_controllers(fd, list[i].name, err);
		if (r < 0)
			bh_err_ctx(err, "cgroup hierarchy '%s'", list[i].name);
	}
	return r < 0 ? r : restrict_hierarchies(m, fd, list, n_list, err);
}

/* Nothing of the container's own to show: an empty directory in place of the host's groups. */
static int mask_groups(const struct bh_place *place, struct bh_err *err)
{
	const struct bh_mount_fs tmpfs = { .type = "tmpfs",
					   .source = "tmpfs",
					   .data = "nr_blocks=1,nr_inodes=1",
					   .flags = MS_RDONLY | SAFE_FLAGS };
	bh_auto_close int fd = bh_mount_new(&tmpfs, err);

	return fd < 0 ? fd : bh_mount_attach(fd, place->fd, place->name, err);
}

static int mount_v2_fs(struct bh_rootfs_plan *plan, const struct bh_rootfs_mount *m,
		       const struct bh_place *place, struct bh_err *err)
{
	const struct bh_mount_fs fs = {
		.type = "cgroup2", .source = m->source, .data = m->data, .flags = m->flags
	};
	struct bh_mount_change changes[BH_CHANGES_MAX];
	bh_auto_close int fd = -EBADF;
	size_t n = 0;
	int r = bh_rootfs_changes(m, changes, &n, err);

	if (r == 0 && n == 0) {
		r = bh_rootfs_chdir(plan, place->fd, err);
		return r < 0 ? r : bh_mount_old(&fs, place->name[0] ? place->name : ".", err);
	}
	fd = r < 0 ? r : bh_mount_new(&fs, err);
	return fd < 0 ? fd : bh_rootfs_attach(fd, changes, n, place, err);
}

static int mount_v2(struct bh_rootfs_plan *plan, struct bh_rootfs_mount *m,
		    const struct bh_cgroup_hierarchy *own, const struct bh_place *place,
		    struct bh_err *err)
{
	char path[PATH_MAX] = HOST_CGROUP;
	int r = mount_v2_fs(plan, m, place, err);

	if (r != -EPERM && r != -EBUSY)
		return r;
	/* In a user namespace without a cgroup namespace of its own it cannot be mounted. */
	if (own && plan->env.new_cgroupns)
		snprintf(path, sizeof(path), "%s%s", own->mountpoint, own->path);
	r = bind_group(m, path, 0, place, err);
	return r == -ENOENT && plan->env.rootless ? mask_groups(place, err) : r;
}

int bh_rootfs_mount_cgroup(struct bh_rootfs_plan *plan, struct bh_rootfs_mount *m,
			   struct bh_err *err)
{
	bh_auto_place struct bh_place place = BH_PLACE_INIT;
	const struct bh_cgroup_hierarchy *list = NULL;
	size_t n = 0;
	int r = bh_place_open(plan, m->destination, BH_PLACE_DIR, false, &place, err);

	if (r < 0)
		return r;
	if (plan->env.cg)
		list = bh_cgroup_hierarchies(plan->env.cg, &n);
	if (strcmp(m->type, "cgroup2") == 0 || (n == 1 && list[0].v2) ||
	    (n == 0 && bh_cgroup_host_mode() == 2)) {
		const struct bh_cgroup_hierarchy *own = NULL;

		for (size_t i = 0; i < n; i++)
			if (list[i].v2)
				own = &list[i];
		return mount_v2(plan, m, own, &place, err);
	}
	/* Without a manager the container has no groups: the host's, which it shares, read-only. */
	if (n == 0) {
		struct bh_rootfs_mount readonly = *m;

		readonly.flags |= MS_RDONLY;
		return bind_group(&readonly, HOST_CGROUP, AT_RECURSIVE, &place, err);
	}
	return mount_v1(plan, m, list, n, &place, err);
}

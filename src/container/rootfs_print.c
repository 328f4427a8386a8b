/* SPDX-License-Identifier: Apache-2.0 */
/* The plan as text: a line per step, in the order of the steps. */
#include <string.h>
#include <sys/sysmacros.h>

#include "container/rootfs_internal.h"

static const struct {
	unsigned long flag;
	const char *set, *clear;
} flag_names[] = {
	{ MS_RDONLY, "ro", "rw" },
	{ MS_NOSUID, "nosuid", "suid" },
	{ MS_NODEV, "nodev", "dev" },
	{ MS_NOEXEC, "noexec", "exec" },
	{ MS_NOSYMFOLLOW, "nosymfollow", "symfollow" },
	{ MS_SYNCHRONOUS, "sync", "async" },
	{ MS_DIRSYNC, "dirsync", NULL },
	{ MS_MANDLOCK, "mand", "nomand" },
	{ MS_NOATIME, "noatime", "atime" },
	{ MS_NODIRATIME, "nodiratime", "diratime" },
	{ MS_RELATIME, "relatime", "norelatime" },
	{ MS_STRICTATIME, "strictatime", "nostrictatime" },
	{ MS_LAZYTIME, "lazytime", "nolazytime" },
	{ MS_I_VERSION, "iversion", "noiversion" },
	{ MS_SILENT, "silent", "loud" },
};

static const struct {
	uint64_t attr;
	const char *name;
} attr_names[] = {
	{ MOUNT_ATTR_RDONLY, "rdonly" },         { MOUNT_ATTR_NOSUID, "nosuid" },
	{ MOUNT_ATTR_NODEV, "nodev" },           { MOUNT_ATTR_NOEXEC, "noexec" },
	{ MOUNT_ATTR_NODIRATIME, "nodiratime" }, { MOUNT_ATTR_NOSYMFOLLOW, "nosymfollow" },
};

static const char *const kind_names[BH_ROOTFS_MOUNT_KIND_MAX_] = {
	[BH_ROOTFS_FS] = "mount",
	[BH_ROOTFS_BIND] = "bind",
	[BH_ROOTFS_CGROUP] = "cgroup",
	[BH_ROOTFS_REMOUNT] = "remount",
};

static void print_list(struct bh_buf *out, bool *first, const char *label, const char *name)
{
	bh_buf_printf(out, "%s%s", *first ? label : ",", name);
	*first = false;
}

static void print_flags(struct bh_buf *out, const struct bh_rootfs_mount *m)
{
	bool first = true;

	for (size_t i = 0; i < BH_ARRAY_SIZE(flag_names); i++)
		if (m->flags & flag_names[i].flag)
			print_list(out, &first, " flags=", flag_names[i].set);
	first = true;
	for (size_t i = 0; i < BH_ARRAY_SIZE(flag_names); i++)
		if (m->cleared & flag_names[i].flag)
			print_list(out, &first, " cleared=", flag_names[i].clear);
}

static void print_attrs(struct bh_buf *out, const char *label, uint64_t attrs, bool set)
{
	static const char *const atimes[] = { "relatime", "noatime", "strictatime" };
	bool first = true;

	for (size_t i = 0; i < BH_ARRAY_SIZE(attr_names); i++)
		if (attrs & attr_names[i].attr)
			print_list(out, &first, label, attr_names[i].name);
	if (!set && (attrs & MOUNT_ATTR__ATIME))
		print_list(out, &first, label, "atime");
	else if (attrs & MOUNT_ATTR__ATIME)
		print_list(out, &first, label, atimes[((attrs & MOUNT_ATTR__ATIME) >> 4) % 3]);
}

static const char *propagation_name(unsigned long flags)
{
	static const struct {
		unsigned long type;
		const char *names[2];
	} table[] = {
		{ MS_SHARED, { "shared", "rshared" } },
		{ MS_SLAVE, { "slave", "rslave" } },
		{ MS_PRIVATE, { "private", "rprivate" } },
		{ MS_UNBINDABLE, { "unbindable", "runbindable" } },
	};

	for (size_t i = 0; i < BH_ARRAY_SIZE(table); i++)
		if (flags & table[i].type)
			return table[i].names[!!(flags & MS_REC)];
	return "unchanged";
}

static void print_mount(struct bh_buf *out, const struct bh_rootfs_mount *m)
{
	bool first = true;

	bh_buf_printf(out, "%s %s", kind_names[m->kind], m->destination);
	if (m->kind != BH_ROOTFS_BIND)
		bh_buf_printf(out, " type=%s", m->type);
	if (m->source)
		bh_buf_printf(out, " %s=%s", m->source_in_root ? "source-in-root" : "source",
			      m->source);
	if (m->flags & MS_REC)
		bh_buf_puts(out, " recursive");
	print_flags(out, m);
	print_attrs(out, " recursive-set=", m->rec_set, true);
	print_attrs(out, " recursive-clear=", m->rec_clear, false);
	bh_for_each (flags, m->propagation)
		print_list(out, &first, " propagation=", propagation_name(*flags));
	if (m->data)
		bh_buf_printf(out, " data=%s", m->data);
	if (m->copy_up)
		bh_buf_puts(out, " copy-up");
	if (m->late_readonly)
		bh_buf_puts(out, " read-only-at-last");
	if (m->idmap != BH_IDMAP_NONE)
		bh_buf_printf(out, " %s", m->idmap == BH_IDMAP_TOP ? "idmap" : "ridmap");
	for (size_t i = 0; m->uid_maps && i < m->uid_maps->n; i++)
		bh_buf_printf(out, " uid=%u:%u:%u", m->uid_maps->v[i].container_id,
			      m->uid_maps->v[i].host_id, m->uid_maps->v[i].size);
	for (size_t i = 0; m->gid_maps && i < m->gid_maps->n; i++)
		bh_buf_printf(out, " gid=%u:%u:%u", m->gid_maps->v[i].container_id,
			      m->gid_maps->v[i].host_id, m->gid_maps->v[i].size);
	if (m->userns_path)
		bh_buf_printf(out, " maps-of=%s", m->userns_path);
	bh_buf_puts(out, "\n");
}

static void print_device(struct bh_buf *out, const struct bh_rootfs_device *device)
{
	if (device->bind)
		bh_buf_printf(out, "bind-device %s", device->path);
	else
		bh_buf_printf(out, "device %s mode=%04o owner=%u:%u", device->path,
			      device->mode & 07777, device->uid, device->gid);
	if (S_ISFIFO(device->mode))
		bh_buf_puts(out, " fifo\n");
	else
		bh_buf_printf(out, " %c=%u:%u\n", S_ISBLK(device->mode) ? 'b' : 'c',
			      major(device->rdev), minor(device->rdev));
}

void bh_rootfs_print(const struct bh_rootfs_plan *plan, struct bh_buf *out)
{
	const struct bh_rootfs_env *env = &plan->env;
	bool readonly = plan->spec->root.readonly && env->new_mountns;

	bh_buf_printf(out, "root %s\n", plan->root);
	bh_for_each (m, plan->mounts)
		print_mount(out, m);
	if (plan->setup_dev) {
		bh_for_each (device, plan->devices)
			print_device(out, device);
		bh_for_each (link, plan->links)
			bh_buf_printf(out, "link %s -> %s\n", link->path, link->target);
	}
	if (env->console)
		bh_buf_puts(out, "console /dev/console\n");
	bh_buf_printf(out, "enter %s\n",
		      !env->new_mountns ? "chroot"
		      : env->no_pivot   ? "move"
					: "pivot");
	bh_for_each (m, plan->mounts)
		if (m->late_readonly)
			bh_buf_printf(out, "read-only mount %s\n", m->destination);
	for (size_t i = 0; i < plan->readonly_paths.n; i++)
		bh_buf_printf(out, "read-only %s\n", plan->readonly_paths.v[i]);
	for (size_t i = 0; i < plan->masked_paths.n; i++)
		bh_buf_printf(out, "mask %s\n", plan->masked_paths.v[i]);
	if (plan->root_propagation)
		bh_buf_printf(out, "propagation / %s\n", propagation_name(plan->root_propagation));
	if (readonly)
		bh_buf_puts(out, "read-only /\n");
}

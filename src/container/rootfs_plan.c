/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation
 *
 * The document's mounts, devices and paths become lists in the order in which the child walks them:
 * mounts as listed, then devices and links, and after the root was entered read-only paths, masked
 * paths, the read-only mounts and root. Nothing here touches the kernel, so that the plan can be
 * printed and tested without privilege.
 *
 * Options follow runc: a name of the table sets or clears a flag, everything else is data for the
 * file system, which a bind mount cannot have. A destination is text: whether it is where it says
 * is found out when it is opened (rootfs_place.c).
 *
 * Source: runtime-spec config.md "Mounts", config-linux.md "Devices", "Default Devices", "Rootfs
 * Mount Propagation"; mount(8)
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "base/log.h"
#include "base/path.h"
#include "container/rootfs_internal.h"

enum option_kind {
	OPT_SET = 0,
	OPT_CLEAR,
	OPT_PROPAGATION,
	OPT_REC_SET,
	OPT_REC_CLEAR,
	OPT_COPY_UP,
	OPT_IDMAP,
};

/* In the order of their names: looked up by bsearch(3), listed by `features`. */
#define OPTIONS(X)                                                 \
	X("async", OPT_CLEAR, MS_SYNCHRONOUS)                      \
	X("atime", OPT_CLEAR, MS_NOATIME)                          \
	X("bind", OPT_SET, MS_BIND)                                \
	X("defaults", OPT_SET, 0)                                  \
	X("dev", OPT_CLEAR, MS_NODEV)                              \
	X("diratime", OPT_CLEAR, MS_NODIRATIME)                    \
	X("dirsync", OPT_SET, MS_DIRSYNC)                          \
	X("exec", OPT_CLEAR, MS_NOEXEC)                            \
	X("idmap", OPT_IDMAP, BH_IDMAP_TOP)                        \
	X("iversion", OPT_SET, MS_I_VERSION)                       \
	X("lazytime", OPT_SET, MS_LAZYTIME)                        \
	X("loud", OPT_CLEAR, MS_SILENT)                            \
	X("mand", OPT_SET, MS_MANDLOCK)                            \
	X("noatime", OPT_SET, MS_NOATIME)                          \
	X("nodev", OPT_SET, MS_NODEV)                              \
	X("nodiratime", OPT_SET, MS_NODIRATIME)                    \
	X("noexec", OPT_SET, MS_NOEXEC)                            \
	X("noiversion", OPT_CLEAR, MS_I_VERSION)                   \
	X("nolazytime", OPT_CLEAR, MS_LAZYTIME)                    \
	X("nomand", OPT_CLEAR, MS_MANDLOCK)                        \
	X("norelatime", OPT_CLEAR, MS_RELATIME)                    \
	X("nostrictatime", OPT_CLEAR, MS_STRICTATIME)              \
	X("nosuid", OPT_SET, MS_NOSUID)                            \
	X("nosymfollow", OPT_SET, MS_NOSYMFOLLOW)                  \
	X("private", OPT_PROPAGATION, MS_PRIVATE)                  \
	X("ratime", OPT_REC_CLEAR, MOUNT_ATTR_NOATIME)             \
	X("rbind", OPT_SET, MS_BIND | MS_REC)                      \
	X("rdev", OPT_REC_CLEAR, MOUNT_ATTR_NODEV)                 \
	X("rdiratime", OPT_REC_CLEAR, MOUNT_ATTR_NODIRATIME)       \
	X("relatime", OPT_SET, MS_RELATIME)                        \
	X("remount", OPT_SET, MS_REMOUNT)                          \
	X("rexec", OPT_REC_CLEAR, MOUNT_ATTR_NOEXEC)               \
	X("ridmap", OPT_IDMAP, BH_IDMAP_RECURSIVE)                 \
	X("rnoatime", OPT_REC_SET, MOUNT_ATTR_NOATIME)             \
	X("rnodev", OPT_REC_SET, MOUNT_ATTR_NODEV)                 \
	X("rnodiratime", OPT_REC_SET, MOUNT_ATTR_NODIRATIME)       \
	X("rnoexec", OPT_REC_SET, MOUNT_ATTR_NOEXEC)               \
	X("rnorelatime", OPT_REC_CLEAR, MOUNT_ATTR_RELATIME)       \
	X("rnostrictatime", OPT_REC_CLEAR, MOUNT_ATTR_STRICTATIME) \
	X("rnosuid", OPT_REC_SET, MOUNT_ATTR_NOSUID)               \
	X("rnosymfollow", OPT_REC_SET, MOUNT_ATTR_NOSYMFOLLOW)     \
	X("ro", OPT_SET, MS_RDONLY)                                \
	X("rprivate", OPT_PROPAGATION, MS_PRIVATE | MS_REC)        \
	X("rrelatime", OPT_REC_SET, MOUNT_ATTR_RELATIME)           \
	X("rro", OPT_REC_SET, MOUNT_ATTR_RDONLY)                   \
	X("rrw", OPT_REC_CLEAR, MOUNT_ATTR_RDONLY)                 \
	X("rshared", OPT_PROPAGATION, MS_SHARED | MS_REC)          \
	X("rslave", OPT_PROPAGATION, MS_SLAVE | MS_REC)            \
	X("rstrictatime", OPT_REC_SET, MOUNT_ATTR_STRICTATIME)     \
	X("rsuid", OPT_REC_CLEAR, MOUNT_ATTR_NOSUID)               \
	X("rsymfollow", OPT_REC_CLEAR, MOUNT_ATTR_NOSYMFOLLOW)     \
	X("runbindable", OPT_PROPAGATION, MS_UNBINDABLE | MS_REC)  \
	X("rw", OPT_CLEAR, MS_RDONLY)                              \
	X("shared", OPT_PROPAGATION, MS_SHARED)                    \
	X("silent", OPT_SET, MS_SILENT)                            \
	X("slave", OPT_PROPAGATION, MS_SLAVE)                      \
	X("strictatime", OPT_SET, MS_STRICTATIME)                  \
	X("suid", OPT_CLEAR, MS_NOSUID)                            \
	X("symfollow", OPT_CLEAR, MS_NOSYMFOLLOW)                  \
	X("sync", OPT_SET, MS_SYNCHRONOUS)                         \
	X("tmpcopyup", OPT_COPY_UP, 0)                             \
	X("unbindable", OPT_PROPAGATION, MS_UNBINDABLE)

struct option {
	const char *name;
	enum option_kind kind;
	unsigned long value;
};

#define OPTION_ROW(name, kind, value)  { name, kind, value },
#define OPTION_NAME(name, kind, value) name,

static const struct option options[] = { OPTIONS(OPTION_ROW) };
static const char *const option_names[] = { OPTIONS(OPTION_NAME) NULL };

/* The devices that every container has, in runc's order. */
static const struct {
	const char *path;
	unsigned int major, minor;
} default_devices[] = {
	{ "/dev/null", 1, 3 }, { "/dev/random", 1, 8 }, { "/dev/full", 1, 7 },
	{ "/dev/tty", 5, 0 },  { "/dev/zero", 1, 5 },   { "/dev/urandom", 1, 9 },
};

/* core only where the kernel has it: CONFIG_PROC_KCORE. */
static const struct bh_rootfs_link default_links[] = {
	{ "/dev/fd", "/proc/self/fd", NULL },          { "/dev/stdin", "/proc/self/fd/0", NULL },
	{ "/dev/stdout", "/proc/self/fd/1", NULL },    { "/dev/stderr", "/proc/self/fd/2", NULL },
	{ "/dev/core", "/proc/kcore", "/proc/kcore" }, { "/dev/ptmx", "pts/ptmx", NULL },
};

#define WHERE_BYTES 96

const char *const *bh_mount_option_names(void)
{
	return option_names;
}

static int compare_option(const void *name, const void *row)
{
	return strcmp(name, ((const struct option *)row)->name);
}

static const struct option *find_option(const char *name)
{
	return bsearch(name, options, BH_ARRAY_SIZE(options), sizeof(options[0]), compare_option);
}

bool bh_mount_option_flag(const char *name, unsigned long *flags)
{
	const struct option *option = find_option(name);

	if (!option || (option->kind != OPT_SET && option->kind != OPT_CLEAR))
		return false;
	if (option->kind == OPT_SET)
		*flags |= option->value;
	else
		*flags &= ~option->value;
	return true;
}

/* Absolute and clean, whatever the document said: relative ones are relative to "/". */
static char *clean_path(struct bh_arena *arena, const char *path)
{
	char *clean = bh_arena_printf(arena, "/%s", path);

	if (clean)
		bh_path_clean(clean);
	return clean;
}

/* What follows @dir and its "/" in the clean @path; NULL = it is not below. */
static const char *below_dir(const char *path, const char *dir)
{
	size_t len = strcmp(dir, "/") == 0 ? 0 : strlen(dir);

	return strncmp(path, dir, len) == 0 && path[len] == '/' && path[len + 1] ? path + len + 1
										 : NULL;
}

static bool is_allowed_in_proc(const char *path)
{
	/* What lxcfs emulates, and two knobs that some containers fake; nothing else of /proc. */
	static const char *const allowed[] = {
		"/proc/cpuinfo",
		"/proc/diskstats",
		"/proc/meminfo",
		"/proc/stat",
		"/proc/swaps",
		"/proc/uptime",
		"/proc/loadavg",
		"/proc/slabinfo",
		"/proc/sys/kernel/ns_last_pid",
		"/proc/sys/crypto/fips_enabled",
	};

	for (size_t i = 0; i < BH_ARRAY_SIZE(allowed); i++)
		if (strcmp(path, allowed[i]) == 0)
			return true;
	return false;
}

static void apply_rec(struct bh_rootfs_mount *m, bool set, uint64_t attr)
{
	bool atime = (attr & MOUNT_ATTR__ATIME) == attr;

	/* Access times are an enum: a new value replaces the old one, mount_setattr(2). */
	if (set) {
		m->rec_set &= atime ? ~(uint64_t)MOUNT_ATTR__ATIME : ~0ULL;
		m->rec_set |= attr;
		m->rec_clear &= ~attr;
	} else {
		m->rec_set &= ~attr;
		m->rec_clear |= attr;
	}
	if (atime)
		m->rec_clear |= MOUNT_ATTR__ATIME;
}

static int apply_option(struct bh_arena *arena, struct bh_rootfs_mount *m,
			const struct option *option, size_t max_propagation)
{
	switch (option->kind) {
	case OPT_SET:
		m->flags |= option->value;
		m->cleared &= ~option->value;
		break;
	case OPT_CLEAR:
		m->flags &= ~option->value;
		m->cleared |= option->value;
		break;
	case OPT_PROPAGATION:
		if (!m->propagation.v)
			m->propagation.v =
				bh_arena_array(arena, max_propagation, sizeof(*m->propagation.v));
		if (!m->propagation.v)
			return -ENOMEM;
		m->propagation.v[m->propagation.n++] = option->value;
		break;
	case OPT_REC_SET:
	case OPT_REC_CLEAR:
		apply_rec(m, option->kind == OPT_REC_SET, option->value);
		break;
	case OPT_COPY_UP:
		m->copy_up = true;
		break;
	case OPT_IDMAP:
		m->idmap = (enum bh_rootfs_idmap)option->value;
		break;
	}
	return 0;
}

static int parse_options(struct bh_arena *arena, const struct bh_strv *list,
			 struct bh_rootfs_mount *m, struct bh_err *err)
{
	const char *data = NULL;

	for (size_t i = 0; i < list->n; i++) {
		const struct option *option = find_option(list->v[i]);

		if (option) {
			if (apply_option(arena, m, option, list->n) < 0)
				return bh_err_oom(err);
			continue;
		}
		data = data ? bh_arena_printf(arena, "%s,%s", data, list->v[i]) : list->v[i];
		if (!data)
			return bh_err_oom(err);
	}
	m->data = data;
	return 0;
}

/* idmap without maps of its own takes the container's. That it is a bind mount, and that there are
 * maps, the parser has checked. */
static int plan_idmap(const struct bh_spec *spec, const struct bh_rootfs_env *env,
		      const struct bh_mount *doc, const char *where, struct bh_rootfs_mount *m,
		      struct bh_err *err)
{
	const struct bh_namespace *userns = bh_spec_namespace(spec, BH_NS_USER);

	if (doc->uid_mappings.n && m->idmap == BH_IDMAP_NONE)
		m->idmap = BH_IDMAP_TOP;
	if (m->idmap == BH_IDMAP_NONE)
		return 0;
	if (env->rootless)
		return bh_err_spec(err, where,
				   "id-mapped mounts are not supported for rootless "
				   "containers");
	if (!doc->uid_mappings.n && userns && userns->path) {
		m->userns_path = userns->path;
		return 0;
	}
	m->uid_maps = doc->uid_mappings.n ? &doc->uid_mappings : &spec->linux_.uid_mappings;
	m->gid_maps = doc->uid_mappings.n ? &doc->gid_mappings : &spec->linux_.gid_mappings;
	return 0;
}

/* CVE-2019-16884, CVE-2025-31133: a /proc that is not one would be written to and trusted. */
static int check_proc(const struct bh_rootfs_mount *m, const char *where, struct bh_err *err)
{
	bool proc = m->kind == BH_ROOTFS_FS && strcmp(m->type, "proc") == 0;

	if (m->kind == BH_ROOTFS_REMOUNT)
		return 0;
	if (strcmp(m->destination, "/proc") == 0 && !proc && m->kind != BH_ROOTFS_BIND)
		return bh_err_spec(err, where,
				   "\"%s\" cannot be mounted because it is not of type "
				   "proc",
				   m->destination);
	if (below_dir(m->destination, "/proc") && !is_allowed_in_proc(m->destination))
		return bh_err_spec(err, where,
				   "\"%s\" cannot be mounted because it is inside "
				   "/proc",
				   m->destination);
	return 0;
}

static int plan_source(struct bh_rootfs_plan *plan, const struct bh_mount *doc, const char *where,
		       struct bh_rootfs_mount *m, struct bh_err *err)
{
	const char *below;
	char *path;

	if (m->kind != BH_ROOTFS_BIND) {
		m->source = doc->source;
		return 0;
	}
	if (!doc->source || !doc->source[0])
		return bh_err_spec(err, where, "a bind mount needs a source");
	if (m->data) {
		bh_warn("%s: a bind mount has no options of a file system, ignoring '%s'", where,
			m->data);
		m->data = NULL;
	}
	if (doc->source[0] == '/')
		path = bh_arena_strdup(plan->arena, doc->source);
	else
		path = bh_arena_printf(plan->arena, "%s/%s", plan->env.bundle, doc->source);
	if (!path)
		return bh_err_oom(err);
	m->source = path;
	path = bh_arena_strdup(plan->arena, path);
	if (!path)
		return bh_err_oom(err);
	bh_path_clean(path);
	/* What lies in the root is the image's: its symlinks must not lead to the host's files. */
	below = below_dir(path, plan->root);
	if (below) {
		m->source = below;
		m->source_in_root = true;
	}
	return 0;
}

/* Where the mount goes, clean and below the root. */
static int plan_destination(struct bh_rootfs_plan *plan, const struct bh_mount *doc,
			    const char *where, struct bh_rootfs_mount *m, struct bh_err *err)
{
	char *destination = clean_path(plan->arena, doc->destination);
	const char *below;

	if (!destination)
		return bh_err_oom(err);
	/* Old tools write the root's path on the host in front. */
	below = below_dir(destination, plan->root);
	m->destination = below ? below - 1 : destination;
	if (strcmp(m->destination, "/") == 0 || strcmp(destination, plan->root) == 0)
		return bh_err_spec(err, where, "mountpoint \"%s\" is on the top of rootfs",
				   doc->destination);
	return 0;
}

static enum bh_rootfs_mount_kind kind_of(const struct bh_rootfs_mount *m)
{
	if (m->flags & MS_REMOUNT)
		return BH_ROOTFS_REMOUNT;
	if (m->flags & MS_BIND)
		return BH_ROOTFS_BIND;
	return strcmp(m->type, "cgroup") == 0 || strcmp(m->type, "cgroup2") == 0 ? BH_ROOTFS_CGROUP
										 : BH_ROOTFS_FS;
}

/* What a file system of its own asks for beyond flags and data. */
static int plan_fs(struct bh_rootfs_mount *m, const char *where, struct bh_err *err)
{
	const bool tmpfs = strcmp(m->type, "tmpfs") == 0;

	if (!m->type[0])
		return bh_err_spec(err, where, "a mount that is no bind mount needs a type");
	if (m->copy_up && !tmpfs)
		return bh_err_spec(err, where, "tmpcopyup is for type tmpfs, not '%s'", m->type);
	/* Later mounts and devices need places in it. */
	m->late_readonly = (m->flags & MS_RDONLY) && (tmpfs || strcmp(m->destination, "/dev") == 0);
	if (m->late_readonly)
		m->flags &= ~(unsigned long)MS_RDONLY;
	m->context = strcmp(m->type, "proc") != 0 && strcmp(m->type, "sysfs") != 0 &&
		     strcmp(m->type, "mqueue") != 0;
	return 0;
}

static int plan_mount(struct bh_rootfs_plan *plan, size_t index, struct bh_rootfs_mount *m,
		      struct bh_err *err)
{
	const struct bh_mount *doc = &plan->spec->mounts.v[index];
	char where[WHERE_BYTES];
	int r;

	snprintf(where, sizeof(where), "/mounts/%zu", index);
	*m = (struct bh_rootfs_mount){ .index = index,
				       .type = doc->type ? doc->type : "",
				       .fd = -EBADF,
				       .userns_fd = -EBADF };
	r = plan_destination(plan, doc, where, m, err);
	r = r < 0 ? r : parse_options(plan->arena, &doc->options, m, err);
	if (r < 0)
		return r;
	m->kind = kind_of(m);
	if (m->kind == BH_ROOTFS_FS)
		r = plan_fs(m, where, err);
	r = r < 0 ? r : plan_source(plan, doc, where, m, err);
	r = r < 0 ? r : check_proc(m, where, err);
	return r < 0 ? r : plan_idmap(plan->spec, &plan->env, doc, where, m, err);
}

static int plan_mounts(struct bh_rootfs_plan *plan, struct bh_err *err)
{
	size_t n = plan->spec->mounts.n;

	plan->setup_dev = true;
	plan->mounts.v = bh_arena_array(plan->arena, n, sizeof(*plan->mounts.v));
	if (!plan->mounts.v)
		return bh_err_oom(err);
	for (size_t i = 0; i < n; i++) {
		struct bh_rootfs_mount *m = &plan->mounts.v[i];
		int r = plan_mount(plan, i, m, err);

		if (r < 0)
			return r;
		plan->mounts.n++;
		if (m->kind == BH_ROOTFS_BIND && strcmp(m->destination, "/dev") == 0)
			plan->setup_dev = false;
	}
	return 0;
}

static bool is_mounted_on(const struct bh_rootfs_plan *plan, const char *path)
{
	bh_for_each (m, plan->mounts)
		if (strcmp(m->destination, path) == 0)
			return true;
	return false;
}

static int plan_device(struct bh_rootfs_plan *plan, size_t index, struct bh_err *err)
{
	const struct bh_device *doc = &plan->spec->linux_.devices.v[index];
	struct bh_rootfs_device *device = &plan->devices.v[plan->devices.n];
	char where[WHERE_BYTES];
	mode_t type;

	snprintf(where, sizeof(where), "/linux/devices/%zu", index);
	type = doc->type == 'b' ? S_IFBLK : doc->type == 'p' ? S_IFIFO : S_IFCHR;
	*device = (struct bh_rootfs_device){
		.path = clean_path(plan->arena, doc->path),
		.mode = type | ((doc->file_mode.set ? doc->file_mode.v : 0666) & 07777),
		.rdev = type == S_IFIFO
				? 0
				: makedev((unsigned int)doc->major, (unsigned int)doc->minor),
		.uid = doc->uid.set ? doc->uid.v : 0,
		.gid = doc->gid.set ? doc->gid.v : 0,
		/* mknod(2) of a device is never permitted in a user namespace; a FIFO is. */
		.bind = (plan->env.new_userns || plan->env.rootless) && type != S_IFIFO,
		.index = (int)index,
	};
	if (!device->path)
		return bh_err_oom(err);
	if (strcmp(device->path, "/") == 0)
		return bh_err_spec(err, where, "'%s' cannot be a device", doc->path);
	/* The link to the container's own pts/ptmx takes its place, whatever the document says. */
	if (strcmp(device->path, "/dev/ptmx") != 0)
		plan->devices.n++;
	return 0;
}

static int plan_devices(struct bh_rootfs_plan *plan, struct bh_err *err)
{
	size_t listed = plan->spec->linux_.devices.n;

	plan->devices.v = bh_arena_array(plan->arena, listed + BH_ARRAY_SIZE(default_devices),
					 sizeof(*plan->devices.v));
	plan->links.v =
		bh_arena_array(plan->arena, BH_ARRAY_SIZE(default_links), sizeof(*plan->links.v));
	if (!plan->devices.v || !plan->links.v)
		return bh_err_oom(err);
	for (size_t i = 0; i < listed; i++) {
		int r = plan_device(plan, i, err);

		if (r < 0)
			return r;
	}
	listed = plan->devices.n;
	for (size_t i = 0; i < BH_ARRAY_SIZE(default_devices); i++) {
		bool given = is_mounted_on(plan, default_devices[i].path);

		for (size_t j = 0; j < listed && !given; j++)
			given = strcmp(plan->devices.v[j].path, default_devices[i].path) == 0;
		if (!given)
			plan->devices.v[plan->devices.n++] = (struct bh_rootfs_device){
				.path = default_devices[i].path,
				.mode = S_IFCHR | 0666,
				.rdev = makedev(default_devices[i].major, default_devices[i].minor),
				.bind = plan->env.new_userns || plan->env.rootless,
				.index = -1,
			};
	}
	for (size_t i = 0; i < BH_ARRAY_SIZE(default_links); i++)
		if (!is_mounted_on(plan, default_links[i].path))
			plan->links.v[plan->links.n++] = default_links[i];
	return 0;
}

static int plan_paths(struct bh_rootfs_plan *plan, const struct bh_strv *list, struct bh_strv *ret,
		      struct bh_err *err)
{
	ret->v = bh_arena_array(plan->arena, list->n, sizeof(*ret->v));
	if (!ret->v)
		return bh_err_oom(err);
	for (size_t i = 0; i < list->n; i++) {
		ret->v[i] = clean_path(plan->arena, list->v[i]);
		if (!ret->v[i])
			return bh_err_oom(err);
	}
	ret->n = list->n;
	return 0;
}

static int plan_root(struct bh_rootfs_plan *plan, struct bh_err *err)
{
	const struct bh_spec *spec = plan->spec;
	const char *name = spec->linux_.rootfs_propagation;
	const struct option *option;
	char *root;

	if (!spec->root.set || !spec->root.path)
		return bh_err_spec(err, "/root", "a container needs a root");
	root = spec->root.path[0] == '/'
		       ? bh_arena_strdup(plan->arena, spec->root.path)
		       : bh_arena_printf(plan->arena, "%s/%s", plan->env.bundle, spec->root.path);
	if (!root)
		return bh_err_oom(err);
	bh_path_clean(root);
	plan->root = root;
	if (strcmp(root, "/") == 0 && plan->env.new_mountns)
		return bh_err_spec(err, "/root/path", "'%s' is the host's own root",
				   spec->root.path);
	if (!name || !name[0])
		return 0;
	option = find_option(name);
	if (!option || option->kind != OPT_PROPAGATION)
		return bh_err_spec(err, "/linux/rootfsPropagation", "'%s' is not supported", name);
	if (plan->env.no_pivot && (option->value & MS_PRIVATE))
		return bh_err_spec(err, "/linux/rootfsPropagation",
				   "[r]private is not safe without pivot_root");
	plan->root_propagation = option->value;
	return 0;
}

int bh_rootfs_plan(struct bh_arena *arena, const struct bh_spec *spec,
		   const struct bh_rootfs_env *env, struct bh_rootfs_plan **ret, struct bh_err *err)
{
	struct bh_rootfs_plan *plan = bh_arena_new(arena, struct bh_rootfs_plan);
	int r;

	if (!plan)
		return bh_err_oom(err);
	*plan = (struct bh_rootfs_plan){
		.arena = arena,
		.spec = spec,
		.env = *env,
		.label = spec->linux_.mount_label,
		.root_fd = -EBADF,
		.dev_fd = -EBADF,
		.proc_fd = -EBADF,
		.cwd_fd = -EBADF,
		.broker_fd = -EBADF,
		.broker_parent_fd = -EBADF,
	};
	r = plan_root(plan, err);
	if (r == 0)
		r = plan_mounts(plan, err);
	if (r == 0)
		r = plan_devices(plan, err);
	if (r == 0)
		r = plan_paths(plan, &spec->linux_.readonly_paths, &plan->readonly_paths, err);
	if (r == 0)
		r = plan_paths(plan, &spec->linux_.masked_paths, &plan->masked_paths, err);
	if (r == 0)
		*ret = plan;
	return r;
}

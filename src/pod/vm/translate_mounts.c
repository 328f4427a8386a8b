/* SPDX-License-Identifier: Apache-2.0 */
/* Root and mounts: what is shared, what becomes a disk, what the guest mounts itself. */
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/statfs.h>

#include "base/log.h"
#include "base/path.h"
#include "container/rootfs.h"
#include "pod/vm/translate_internal.h"
#include "rpc/guest.h"

/* Not in the kernel's headers of Debian 12. */
#ifndef MQUEUE_MAGIC
#define MQUEUE_MAGIC 0x19800202
#endif

#define SHM_DIR   "/dev/shm"
#define EMPTY_DIR "/kubernetes.io~empty-dir/"

/* A mount of the document that is being planned. */
struct mount_plan {
	const struct bh_mount *doc;
	json_object *json;
	size_t index;
	unsigned long flags; /* MS_* of its options */
	bool idmap;
	char where[BH_WHERE_BYTES]; /* of its source */
	const char *source;         /* on the host, absolute */
	const char *real;           /* the same without symbolic links */
	struct stat st;
	struct statfs fs;
};

/* ---- root ------------------------------------------------------------------------------------ */

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* Absolute: relative ones are below the bundle. Return: in the arena; NULL = no memory */
static char *absolute(struct bh_guest_plan *plan, const char *path)
{
	return path[0] == '/' ? bh_arena_strdup(&plan->arena, path)
			      : bh_arena_printf(&plan->arena, "%s/%s", plan->bundle, path);
}

/* What follows @dir in the clean @path, from its '/' on; NULL when it is elsewhere. */
static const char *below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return !strncmp(path, dir, len) && path[len] == '/' ? path + len : NULL;
}

static int add_share(struct bh_guest_plan *plan, const struct bh_guest_share *share,
		     struct bh_err *err)
{
	struct bh_guest_share *mine = bh_plan_more(plan, &plan->shares);

	if (!mine || !share->name || !share->path)
		return bh_err_oom(err);
	*mine = *share;
	return 0;
}

static int share_root(struct bh_guest_plan *plan, const char *path, bool mounts, struct bh_err *err)
{
	struct bh_guest_share share = {
		.name = bh_arena_printf(&plan->arena, "%s/rootfs", plan->id),
		.path = path,
		.recursive = true,
		.mounts = mounts,
	};

	plan->guest_root = bh_arena_printf(&plan->arena, BH_SHARE_GUEST_DIR "/%s", share.name);
	return plan->guest_root ? add_share(plan, &share, err) : bh_err_oom(err);
}

/* What only this host's mount(8) takes. */
static bool is_host_option(const char *option)
{
	return !strcmp(option, "loop") || !strcmp(option, "bind") || !strcmp(option, "rbind");
}

static int copy_options(struct bh_guest_plan *plan, char *const *from, size_t n,
			struct bh_guest_disk_wish *wish, struct bh_err *err)
{
	unsigned long flags = 0;

	wish->options = bh_arena_array(&plan->arena, n + 1, sizeof(*wish->options));
	for (size_t i = 0; wish->options && i < n; i++) {
		char *option = bh_arena_strdup(&plan->arena, from[i]);

		if (!option)
			return bh_err_oom(err);
		bh_mount_option_flag(option, &flags);
		if (!is_host_option(option))
			wish->options[wish->n_options++] = option;
	}
	wish->readonly = flags & MS_RDONLY;
	return wish->options ? 0 : bh_err_oom(err);
}

static int root_disk(struct bh_guest_plan *plan, const char *path, const struct stat *st,
		     const Task__Mount *mount, const char *where, struct bh_err *err)
{
	struct bh_guest_disk_wish wish = {
		.path = path,
		.where = where,
		.st = st,
		.fstype = mount ? mount->type : "",
		.target =
			bh_arena_printf(&plan->arena, BH_GUEST_STORAGE_DIR "/%s/rootfs", plan->id),
		.device = -1,
	};

	int r = mount ? copy_options(plan, mount->options, mount->n_options, &wish, err) : 0;

	if (r < 0)
		return r;
	if (!wish.target)
		return bh_err_oom(err);
	plan->guest_root = wish.target;
	return bh_guest_add_disk(plan, &wish, err);
}

static bool has_option(const Task__Mount *mount, const char *name)
{
	for (size_t i = 0; i < mount->n_options; i++)
		if (!strcmp(mount->options[i], name))
			return true;
	return false;
}

/* A single file system on a device or in an image file is the guest's to mount; all else that an
 * engine asks for is mounted here. */
static int plan_engine_root(struct bh_guest_plan *plan, struct bh_err *err)
{
	const Task__Mount *mount = plan->rootfs.v[0];
	struct stat st;
	char *dir;

	if (plan->rootfs.n == 1 && mount->source[0] == '/' && !mount->target[0] &&
	    !stat(mount->source, &st) &&
	    (S_ISBLK(st.st_mode) || (S_ISREG(st.st_mode) && has_option(mount, "loop"))))
		return root_disk(plan, mount->source, &st, mount, "", err);
	dir = bh_arena_printf(&plan->arena, "%s/rootfs", plan->bundle);
	return dir ? share_root(plan, dir, true, err) : bh_err_oom(err);
}

/* The root's path as the document has it: a directory, or (for the command line) a block device or
 * an image file with a file system. */
static int plan_document_root(struct bh_guest_plan *plan, struct bh_err *err)
{
	static const char where[] = "/root/path";
	bh_auto_close int fd = -EBADF;
	struct stat st;

	fd = bh_guest_look(plan->host_root, where, &st, err);
	if (fd < 0)
		return fd;
	if (S_ISDIR(st.st_mode))
		return share_root(plan, plan->host_root, false, err);
	if (S_ISBLK(st.st_mode) || S_ISREG(st.st_mode))
		return root_disk(plan, plan->host_root, &st, NULL, where, err);
	return bh_err_spec(err, where, "'%s' is no directory, block device or image file",
			   plan->host_root);
}

int bh_guest_plan_root(struct bh_guest_plan *plan, struct bh_err *err)
{
	json_object *root = bh_guest_member(plan->doc, "root");
	char *path = absolute(plan, plan->spec->root.path);
	int r;

	if (!path)
		return bh_err_oom(err);
	bh_path_clean(path);
	plan->host_root = path;
	r = plan->rootfs.n ? plan_engine_root(plan, err) : plan_document_root(plan, err);
	return r < 0 ? r
		     : bh_guest_set(root, "path", json_object_new_string(plan->guest_root), err);
}

/* ---- mounts that are no binds ---------------------------------------------------------------- */

static int set_source(struct mount_plan *m, const char *source, struct bh_err *err)
{
	return source ? bh_guest_set(m->json, "source", json_object_new_string(source), err)
		      : bh_err_oom(err);
}

/* What a guest mounts by itself, from nothing of the host's. */
static const char *const guest_types[] = {
	"proc",    "sysfs",   "tmpfs",   "ramfs", "devpts",     "mqueue",   "cgroup",
	"cgroup2", "debugfs", "tracefs", "bpf",   "securityfs", "configfs", "fusectl",
};

static bool is_guest_type(const char *type)
{
	for (size_t i = 0; i < BH_ARRAY_SIZE(guest_types); i++)
		if (!strcmp(type, guest_types[i]))
			return true;
	return false;
}

/* A mount whose storage the guest has at @target becomes a bind of it. */
static int become_bind(struct mount_plan *m, const char *target, bool readonly, struct bh_err *err)
{
	json_object *options = json_object_new_array();
	int r;

	if (!options || json_object_array_add(options, json_object_new_string("rbind")) ||
	    (readonly && json_object_array_add(options, json_object_new_string("ro")))) {
		json_object_put(options);
		return bh_err_oom(err);
	}
	r = bh_guest_set(m->json, "options", options, err);
	if (!r)
		r = bh_guest_set(m->json, "type", json_object_new_string("bind"), err);
	return r < 0 ? r : set_source(m, target, err);
}

/* A file system on a device of the host's: the guest mounts the disk. */
static int plan_volume(struct bh_guest_plan *plan, struct mount_plan *m, struct bh_err *err)
{
	struct bh_guest_disk_wish wish = {
		.path = m->doc->source,
		.where = bh_arena_strdup(&plan->arena, m->where),
		.st = &m->st,
		.fstype = m->doc->type,
		.target = bh_arena_printf(&plan->arena, BH_GUEST_STORAGE_DIR "/%s/m%zu", plan->id,
					  m->index),
		.device = -1,
	};
	int r = copy_options(plan, (char *const *)m->doc->options.v, m->doc->options.n, &wish, err);

	if (r < 0)
		return r;
	if (!wish.where || !wish.target)
		return bh_err_oom(err);
	r = bh_guest_add_disk(plan, &wish, err);
	return r < 0 ? r : become_bind(m, wish.target, wish.readonly, err);
}

static int plan_file_system(struct bh_guest_plan *plan, struct mount_plan *m, struct bh_err *err)
{
	const char *type = m->doc->type ? m->doc->type : "";
	const char *source = m->doc->source ? m->doc->source : "";
	char where[BH_WHERE_BYTES];

	if (is_guest_type(type))
		return 0;
	if (type[0] && source[0] == '/' && !stat(source, &m->st) && S_ISBLK(m->st.st_mode))
		return plan_volume(plan, m, err);
	snprintf(where, sizeof(where), "/mounts/%zu/type", m->index);
	return bh_err_spec(err, where, "'%s' of '%s' cannot be mounted in a micro-VM", type,
			   source);
}

/* ---- binds ----------------------------------------------------------------------------------- */

/* A tmpfs of the host becomes one of the guest that all containers of the pod share, with its
 * owner, mode and size. */
static int bind_tmpfs(struct bh_guest_plan *plan, struct mount_plan *m, const char *target,
		      bool sized, struct bh_err *err)
{
	Agent__Storage *storage = bh_guest_add_storage(plan, "tmpfs", "tmpfs", target);
	char **options = storage ? bh_arena_array(&plan->arena, 6, sizeof(*options)) : NULL;
	size_t n = 0;

	if (!options)
		return bh_err_oom(err);
	options[n++] = bh_arena_printf(&plan->arena, "mode=%o", m->st.st_mode & 07777);
	options[n++] = bh_arena_printf(&plan->arena, "uid=%u", m->st.st_uid);
	options[n++] = bh_arena_printf(&plan->arena, "gid=%u", m->st.st_gid);
	options[n++] = bh_arena_strdup(&plan->arena, "nosuid");
	options[n++] = bh_arena_strdup(&plan->arena, "nodev");
	if (sized)
		options[n++] = bh_arena_printf(&plan->arena, "size=%llu",
					       (unsigned long long)m->fs.f_blocks *
						       (unsigned long long)m->fs.f_bsize);
	for (size_t i = 0; i < n; i++)
		if (!options[i])
			return bh_err_oom(err);
	storage->options = options;
	storage->n_options = n;
	return set_source(m, target, err);
}

/* CRI's and Docker's shm of a pod; the host's own has a size that means nothing here. */
static int bind_shm(struct bh_guest_plan *plan, struct mount_plan *m, struct bh_err *err)
{
	return bind_tmpfs(plan, m, BH_GUEST_SHM, strcmp(m->real, SHM_DIR) != 0, err);
}

static bool is_shm(const struct mount_plan *m)
{
	return m->fs.f_type == TMPFS_MAGIC && S_ISDIR(m->st.st_mode) &&
	       !strcmp(m->doc->destination, SHM_DIR) && !strcmp(last_part(m->real), "shm");
}

/* One name for one directory of the host, whichever container binds it: FNV-1a, 64 bit. */
static unsigned long long path_hash(const char *path)
{
	unsigned long long hash = 0xcbf29ce484222325;

	for (; *path; path++)
		hash = (hash ^ (unsigned char)*path) * 0x100000001b3;
	return hash;
}

static int bind_empty_dir(struct bh_guest_plan *plan, struct mount_plan *m, struct bh_err *err)
{
	char *target = bh_arena_printf(&plan->arena, BH_GUEST_POD_DIR "/tmpfs-%016llx",
				       path_hash(m->real));

	return target ? bind_tmpfs(plan, m, target, true, err) : bh_err_oom(err);
}

/* A memory volume of Kubernetes, and not something in it. */
static bool is_empty_dir(const struct mount_plan *m)
{
	const char *name = strstr(m->real, EMPTY_DIR);

	return m->fs.f_type == TMPFS_MAGIC && S_ISDIR(m->st.st_mode) && name &&
	       !strchr(name + strlen(EMPTY_DIR), '/');
}

/* Views of a kernel: in a micro-VM those of its own. */
static int bind_kernel(struct bh_guest_plan *plan, struct mount_plan *m, struct bh_err *err)
{
	(void)plan;
	bh_warn("%s: '%s' is that of the micro-VM, not the host's", m->where, m->real);
	return set_source(m, m->real, err);
}

static bool is_kernel(const struct mount_plan *m)
{
	static const long magics[] = {
		PROC_SUPER_MAGIC,   SYSFS_MAGIC,   CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC,
		DEBUGFS_MAGIC,      TRACEFS_MAGIC, SECURITYFS_MAGIC,   BPF_FS_MAGIC,
		DEVPTS_SUPER_MAGIC, MQUEUE_MAGIC,
	};

	if (S_ISCHR(m->st.st_mode) || S_ISBLK(m->st.st_mode))
		return false;
	for (size_t i = 0; i < BH_ARRAY_SIZE(magics); i++)
		if (m->fs.f_type == magics[i])
			return true;
	return !strcmp(m->real, "/dev") || !strcmp(m->real, "/sys/fs/cgroup");
}

static int refuse_hugepages(struct bh_guest_plan *plan, struct mount_plan *m, struct bh_err *err)
{
	(void)plan;
	return bh_err_spec(err, m->where, "'%s' is in huge pages: a micro-VM has none", m->source);
}

static bool is_hugepages(const struct mount_plan *m)
{
	return m->fs.f_type == HUGETLBFS_MAGIC;
}

static int bind_disk(struct bh_guest_plan *plan, struct mount_plan *m, struct bh_err *err)
{
	bool readonly = m->flags & MS_RDONLY;
	struct bh_guest_disk_wish wish = {
		.path = m->source,
		.where = bh_arena_strdup(&plan->arena, m->where),
		.st = &m->st,
		.readonly = readonly,
		.fstype = "none",
		.target = "",
	};

	wish.device = bh_guest_add_device(plan, m->doc->destination, &m->st, readonly, err);
	if (wish.device < 0)
		return wish.device;
	if (!wish.where)
		return bh_err_oom(err);
	m->json = NULL; /* it is a device now */
	return bh_guest_add_disk(plan, &wish, err);
}

static bool is_disk(const struct mount_plan *m)
{
	return S_ISBLK(m->st.st_mode);
}

static int bind_character(struct bh_guest_plan *plan, struct mount_plan *m, struct bh_err *err)
{
	const char *path = bh_guest_char_device(m->st.st_rdev);

	(void)plan;
	if (!path)
		return bh_err_spec(err, m->where,
				   "'%s' is a device of the host: a micro-VM has none of that kind",
				   m->source);
	return set_source(m, path, err);
}

static bool is_character(const struct mount_plan *m)
{
	return S_ISCHR(m->st.st_mode);
}

static int bind_share(struct bh_guest_plan *plan, struct mount_plan *m, struct bh_err *err)
{
	struct bh_guest_share share = {
		.name = bh_arena_printf(&plan->arena, "%s/m%zu", plan->id, m->index),
		.path = m->source,
		.readonly = m->flags & MS_RDONLY,
		.recursive = m->flags & MS_REC,
	};
	char where[BH_WHERE_BYTES];
	int r;

	if (m->idmap) {
		snprintf(where, sizeof(where), "/mounts/%zu/uidMappings", m->index);
		return bh_err_spec(err, where,
				   "ids of '%s', which is shared with a micro-VM, cannot be mapped",
				   m->source);
	}
	r = add_share(plan, &share, err);
	return r < 0 ? r
		     : set_source(
			       m,
			       bh_arena_printf(&plan->arena, BH_SHARE_GUEST_DIR "/%s", share.name),
			       err);
}

static bool is_share(const struct mount_plan *m)
{
	return S_ISDIR(m->st.st_mode) || S_ISREG(m->st.st_mode);
}

static int refuse_kind(struct bh_guest_plan *plan, struct mount_plan *m, struct bh_err *err)
{
	(void)plan;
	return bh_err_spec(err, m->where,
			   "'%s' is a %s: whoever is at its other end is outside the micro-VM",
			   m->source, S_ISSOCK(m->st.st_mode) ? "socket" : "pipe");
}

static bool is_rest(const struct mount_plan *m)
{
	(void)m;
	return true;
}

/* What the host has at a bind's source decides; the first row that fits. */
static const struct {
	bool (*is)(const struct mount_plan *m);
	int (*plan)(struct bh_guest_plan *plan, struct mount_plan *m, struct bh_err *err);
} binds[] = {
	{ is_disk, bind_disk },
	{ is_character, bind_character },
	{ is_hugepages, refuse_hugepages },
	{ is_kernel, bind_kernel },
	{ is_shm, bind_shm },
	{ is_empty_dir, bind_empty_dir },
	{ is_share, bind_share },
	{ is_rest, refuse_kind },
};

/* What the source is, and where it really is. */
static int look_at_source(struct bh_guest_plan *plan, struct mount_plan *m, struct bh_err *err)
{
	bh_auto_close int fd = bh_guest_look(m->source, m->where, &m->st, err);
	char name[BH_PROC_FD_BYTES], real[PATH_MAX];
	ssize_t len;

	if (fd < 0)
		return fd;
	if (fstatfs(fd, &m->fs) < 0)
		return bh_err_set(err, -errno, "statfs '%s'", m->source);
	len = readlink(bh_proc_fd(name, fd), real, sizeof(real) - 1);
	m->real = len < 0 ? NULL : bh_arena_strndup(&plan->arena, real, (size_t)len);
	return m->real ? 0 : bh_err_set(err, len < 0 ? -errno : -ENOMEM, "find '%s'", m->source);
}

static int plan_bind(struct bh_guest_plan *plan, struct mount_plan *m, struct bh_err *err)
{
	size_t row = 0;
	const char *inside;
	char *path;
	int r;

	if (!m->doc->source)
		return bh_err_spec(err, m->where, "a bind mount needs a source");
	path = absolute(plan, m->doc->source);
	if (!path)
		return bh_err_oom(err);
	m->source = bh_arena_strdup(&plan->arena, path);
	bh_path_clean(path);
	/* What lies in the root is the image's, and resolved inside it by whoever mounts it. */
	inside = below(path, plan->host_root);
	if (inside)
		return set_source(
			m, bh_arena_printf(&plan->arena, "%s%s", plan->guest_root, inside), err);
	r = m->source ? look_at_source(plan, m, err) : bh_err_oom(err);
	if (r < 0)
		return r;
	while (!binds[row].is(m))
		row++;
	return binds[row].plan(plan, m, err);
}

static void read_options(struct mount_plan *m)
{
	m->idmap = m->doc->uid_mappings.n || m->doc->gid_mappings.n;
	for (size_t i = 0; i < m->doc->options.n; i++) {
		const char *option = m->doc->options.v[i];

		bh_mount_option_flag(option, &m->flags);
		if (!strcmp(option, "rro"))
			m->flags |= MS_RDONLY;
		if (!strcmp(option, "idmap") || !strcmp(option, "ridmap"))
			m->idmap = true;
	}
}

int bh_guest_plan_mounts(struct bh_guest_plan *plan, struct bh_err *err)
{
	json_object *list = bh_guest_member(plan->doc, "mounts");

	/* From the end, as some leave the list. */
	for (size_t i = plan->spec->mounts.n; i-- > 0;) {
		struct mount_plan m = {
			.doc = &plan->spec->mounts.v[i],
			.json = json_object_array_get_idx(list, i),
			.index = i,
		};
		int r = 0;

		snprintf(m.where, sizeof(m.where), "/mounts/%zu/source", i);
		read_options(&m);
		if (m.flags & MS_BIND)
			r = plan_bind(plan, &m, err);
		else if (!(m.flags & MS_REMOUNT))
			r = plan_file_system(plan, &m, err);
		if (r < 0)
			return r;
		if (!m.json)
			json_object_array_del_idx(list, i, 1);
	}
	return 0;
}

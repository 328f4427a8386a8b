/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation
 *
 * One entry of the document's mounts. Whatever needs a descriptor afterwards (the tmpfs on /dev,
 * the procfs on /proc, anything with propagation or recursive attributes) is made detached, shaped
 * and attached. The rest, file systems of the kernel's own, is mounted by mount(2) with the place
 * as working directory: as safe, since the place was opened before, and two system calls instead of
 * ten. No other type may be mounted so: its options can hold paths, and relative ones would lead
 * into the image.
 *
 * Flags of bind mounts follow runc: without any the tree keeps what it had; with some, exactly
 * those are set and all others cleared; attributes locked by a more privileged mount namespace
 * stay, unless the document asks for their contrary.
 *
 * Source: mount(2), mount_setattr(2), mount_namespaces(7) "Restrictions on mount namespaces"
 */
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>

#include "base/path.h"
#include "container/rootfs_internal.h"

#define ATIME_FLAGS (MS_NOATIME | MS_RELATIME | MS_STRICTATIME | MS_NODIRATIME)
#define LOCK_FLAGS  (MS_RDONLY | MS_NODEV | MS_NOEXEC | MS_NOSUID | ATIME_FLAGS)
#define BIND_FLAGS  (MS_RDONLY | MS_NODEV | MS_NOEXEC | MS_NOSUID | MS_NOSYMFOLLOW)

/* Types whose mounts take no path but the one they are mounted on. */
static bool is_plain_type(const char *type)
{
	static const char *const plain[] = { "devpts", "mqueue", "proc", "sysfs", "tmpfs" };

	for (size_t i = 0; i < BH_ARRAY_SIZE(plain); i++)
		if (strcmp(type, plain[i]) == 0)
			return true;
	return false;
}

/* move_mount(2) says EINVAL to a directory on a file and to the reverse, mount(2) says ENOTDIR,
 * which engines know and explain to their users. */
static int explain_attach(int tree_fd, const struct bh_place *place, struct bh_err *err)
{
	struct stat tree, st;

	if (fstat(tree_fd, &tree) == 0 &&
	    fstatat(place->fd, place->name, &st, place->name[0] ? 0 : AT_EMPTY_PATH) == 0 &&
	    S_ISDIR(tree.st_mode) != S_ISDIR(st.st_mode))
		return bh_err_set(err, -ENOTDIR, "move_mount");
	return -EINVAL;
}

int bh_rootfs_attach(int tree_fd, const struct bh_mount_change *changes, size_t n,
		     const struct bh_place *place, struct bh_err *err)
{
	size_t done = 0;
	int r = 0;

	for (; done < n; done++) {
		r = bh_mount_change(tree_fd, &changes[done], err);
		if (r == -ENOSYS)
			break;
		if (r < 0)
			return r;
	}
	r = bh_mount_attach(tree_fd, place->fd, place->name, err);
	if (r == -EINVAL)
		r = explain_attach(tree_fd, place, err);
	/* FALLBACK(linux-5.12): only attached mounts can be changed by mount(2). */
	for (; done < n && r == 0; done++)
		r = bh_mount_change_attached(tree_fd, &changes[done], err);
	return r;
}

int bh_rootfs_changes(const struct bh_rootfs_mount *m, struct bh_mount_change *changes, size_t *n,
		      struct bh_err *err)
{
	if (m->rec_set || m->rec_clear)
		changes[(*n)++] = (struct bh_mount_change){ .set = m->rec_set,
							    .clear = m->rec_clear,
							    .recursive = true };
	bh_for_each (flags, m->propagation) {
		struct bh_mount_change *last = *n > 0 ? &changes[*n - 1] : NULL;
		bool recursive = *flags & MS_REC;
		unsigned long type = *flags & ~(unsigned long)MS_REC;

		if (last && last->recursive == recursive && !last->propagation) {
			last->propagation = type;
			continue;
		}
		if (*n == BH_CHANGES_MAX)
			return bh_err_as(err, BH_ERR_SPEC, -EINVAL, "too many propagation options");
		changes[(*n)++] =
			(struct bh_mount_change){ .propagation = type, .recursive = recursive };
	}
	return 0;
}

/* What a bind mount's own flags ask of its top mount; no access time in them keeps the old one. */
static bool bind_change(const struct bh_rootfs_mount *m, struct bh_mount_change *change)
{
	unsigned long flags = m->flags & ~(unsigned long)(MS_BIND | MS_REC);

	if (!flags && !m->cleared)
		return false;
	*change = (struct bh_mount_change){ .set = bh_mount_attr_of(flags & BIND_FLAGS) };
	change->clear = bh_mount_attr_of(BIND_FLAGS) & ~change->set;
	if (flags & ATIME_FLAGS) {
		change->set |= bh_mount_attr_of(flags & ATIME_FLAGS);
		change->clear |= MOUNT_ATTR__ATIME |
				 (flags & MS_NODIRATIME ? 0 : MOUNT_ATTR_NODIRATIME);
	}
	return true;
}

/* The change was refused: keep what is locked, unless the document wants the contrary of that. */
static int keep_locked(int tree_fd, const struct bh_rootfs_mount *m, struct bh_mount_change *change,
		       struct bh_err *err)
{
	unsigned long now;
	int r = bh_mount_flags(tree_fd, &now, err);

	if (r < 0)
		return r;
	if (now & m->cleared & LOCK_FLAGS)
		return bh_err_set(err, -EPERM, "cannot clear locked flags");
	if ((m->flags & ATIME_FLAGS) && (m->flags & ATIME_FLAGS) != (now & ATIME_FLAGS))
		return bh_err_set(err, -EPERM, "cannot change locked atime flags");
	change->set &= ~(uint64_t)(MOUNT_ATTR__ATIME | MOUNT_ATTR_NODIRATIME);
	change->clear &= MOUNT_ATTR_NOSYMFOLLOW; /* the one that is never locked */
	return 0;
}

/* Sets the flags of the bind mount itself by @apply, one of the two ways to change a mount.
 * Return: 0, 1 where mount_setattr(2) is missing, -errno */
static int change_bind(int tree_fd, const struct bh_rootfs_mount *m,
		       int (*apply)(int, const struct bh_mount_change *, struct bh_err *),
		       struct bh_err *err)
{
	struct bh_mount_change change;
	int r;

	if (!bind_change(m, &change))
		return 0;
	r = apply(tree_fd, &change, err);
	if (r == -EPERM) {
		r = keep_locked(tree_fd, m, &change, err);
		if (r == 0)
			r = apply(tree_fd, &change, err);
	}
	return r == -ENOSYS && apply == bh_mount_change ? 1 : r;
}

/* A detached copy of the source. */
static int open_source(struct bh_rootfs_plan *plan, const struct bh_rootfs_mount *m,
		       struct bh_err *err)
{
	unsigned int flags = m->flags & MS_REC ? AT_RECURSIVE : 0;
	bh_auto_close int fd = -EBADF;
	int tree;

	/* Mapping ids takes privilege over the file system, which a user namespace has not. */
	if (m->idmap != BH_IDMAP_NONE && plan->broker_fd >= 0)
		return bh_rootfs_broker_open(plan, m, err);
	if (m->source_in_root) {
		fd = bh_path_open(plan->root_fd, m->source, O_PATH, 0, BH_PATH_IN_ROOT, err);
		tree = fd < 0 ? fd : bh_mount_clone(fd, "", flags, err);
	} else {
		tree = bh_mount_clone(AT_FDCWD, m->source, flags, err);
	}
	if (tree == -EACCES && plan->broker_fd >= 0)
		return bh_rootfs_broker_open(plan, m, err);
	return tree;
}

int bh_rootfs_idmap(int tree_fd, const struct bh_rootfs_mount *m, struct bh_err *err)
{
	int r = bh_mount_change(tree_fd,
				&(struct bh_mount_change){
					.idmap = true,
					.userns_fd = m->userns_fd,
					.recursive = m->idmap == BH_IDMAP_RECURSIVE,
				},
				err);

	if (r == -EINVAL)
		bh_err_ctx(err, "maybe the filesystem used doesn't support idmap mounts on this "
				"kernel");
	return r;
}

static int mount_bind(struct bh_rootfs_plan *plan, struct bh_rootfs_mount *m, struct bh_err *err)
{
	bh_auto_close int tree = open_source(plan, m, err);
	bh_auto_place struct bh_place place = BH_PLACE_INIT;
	struct bh_mount_change changes[BH_CHANGES_MAX];
	enum bh_place_kind kind = BH_PLACE_DIR;
	struct stat st;
	size_t n = 0;
	int r = 0, late;

	if (tree < 0)
		return tree;
	if (m->idmap != BH_IDMAP_NONE && plan->broker_fd < 0)
		r = bh_rootfs_idmap(tree, m, err);
	late = r < 0 ? r : change_bind(tree, m, bh_mount_change, err);
	if (late < 0)
		return late;
	r = bh_rootfs_changes(m, changes, &n, err);
	if (r < 0)
		return r;
	if (fstat(tree, &st) < 0)
		return bh_err_set(err, -errno, "stat");
	if (!S_ISDIR(st.st_mode))
		kind = BH_PLACE_FILE;
	/* A file system of the image's making on /proc would be taken for the kernel's. */
	if (strcmp(m->destination, "/proc") == 0) {
		r = bh_mount_is_fs(tree, PROC_SUPER_MAGIC, err);
		if (r <= 0)
			return r < 0 ? r
				     : bh_err_as(err, BH_ERR_SPEC, -EINVAL,
						 "\"/proc\" cannot be mounted because it is not of "
						 "type proc");
	}
	r = bh_place_open(plan, m->destination, kind, false, &place, err);
	if (r == 0)
		r = bh_rootfs_attach(tree, changes, n, &place, err);
	return r == 0 && late ? change_bind(tree, m, bh_mount_change_attached, err) : r;
}

/* A tmpfs looks as the directory did that it hides, unless the document gives it a mode. */
static int inherit_mode(const struct bh_place *place, const char *data, char *buf, size_t size,
			struct bh_err *err)
{
	struct stat st;

	if (fstat(place->fd, &st) < 0)
		return bh_err_set(err, -errno, "stat");
	if (snprintf(buf, size, "mode=%04o%s%s", st.st_mode & 07777, data ? "," : "",
		     data ? data : "") >= (int)size)
		return bh_err_set(err, -E2BIG, "options '%.64s…'", data);
	return 0;
}

static bool has_mode(const char *data)
{
	for (const char *p = data; p; p = strchr(p, ',')) {
		p += *p == ',';
		if (strncmp(p, "mode=", 5) == 0)
			return true;
	}
	return false;
}

/* Of a file system of its own: whether it is a @type, on @destination. */
static bool is_fs_on(const struct bh_rootfs_mount *m, const char *type, const char *destination)
{
	return strcmp(m->type, type) == 0 && strcmp(m->destination, destination) == 0;
}

/* The mount's descriptor is needed: it is changed, filled, kept or made read-only later. */
static bool needs_fd(const struct bh_rootfs_plan *plan, const struct bh_rootfs_mount *m)
{
	return m->late_readonly || m->copy_up || m->propagation.n || m->rec_set || m->rec_clear ||
	       is_fs_on(m, "tmpfs", "/dev") || is_fs_on(m, "proc", "/proc") ||
	       (plan->label && strcmp(m->type, "mqueue") == 0);
}

/* Whether this mount is what later steps find at its destination. */
static bool is_last_on(const struct bh_rootfs_plan *plan, const struct bh_rootfs_mount *m)
{
	for (const struct bh_rootfs_mount *later = m + 1; later < plan->mounts.v + plan->mounts.n;
	     later++)
		if (strcmp(later->destination, m->destination) == 0)
			return false;
	return true;
}

/* Keeps what bh_rootfs_seal() and others go on with. Takes @fd in every case. */
static void keep_fd(struct bh_rootfs_plan *plan, struct bh_rootfs_mount *m, int fd)
{
	bool last = is_last_on(plan, m);

	if (is_fs_on(m, "tmpfs", "/dev") && last && !m->copy_up)
		plan->dev_fd = fd;
	if (is_fs_on(m, "proc", "/proc") && last)
		plan->proc_fd = fd;
	if (m->late_readonly || plan->dev_fd == fd || plan->proc_fd == fd)
		m->fd = fd;
	else
		bh_close(fd);
}

/* Paths in a source or in options are relative to the bundle, as those of binds are; never to a
 * directory of the image, where an earlier mount may have left the process. */
static int go_to_bundle(struct bh_rootfs_plan *plan, struct bh_err *err)
{
	plan->cwd_fd = -EBADF;
	/* A user namespace may not be allowed in; then relative paths lead nowhere. */
	if (chdir(plan->env.bundle) < 0 && (errno != EACCES || chdir("/") < 0))
		return bh_err_set(err, -errno, "change to '%s'", plan->env.bundle);
	return 0;
}

static int mount_by_fd(struct bh_rootfs_plan *plan, struct bh_rootfs_mount *m,
		       const struct bh_mount_fs *fs, const struct bh_place *place,
		       struct bh_err *err)
{
	bh_auto_close int fd = bh_mount_new(fs, err);
	struct bh_mount_change changes[BH_CHANGES_MAX];
	char path[BH_PROC_FD_BYTES + 1 + NAME_MAX];
	size_t n = 0;
	int r;

	/* Options of more than 255 bytes (lowerdir=…) fit only through mount(2). */
	if (fd == -E2BIG && !needs_fd(plan, m)) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", place->fd, place->name);
		return bh_mount_old(fs, path, err);
	}
	if (fd < 0)
		return fd;
	r = bh_rootfs_changes(m, changes, &n, err);
	if (r == 0 && m->copy_up && place->existed)
		r = bh_rootfs_copy_up(place->fd, fd, err);
	if (r == 0)
		r = bh_rootfs_attach(fd, changes, n, place, err);
	if (r < 0)
		return r;
	if (plan->label && strcmp(m->type, "mqueue") == 0 &&
	    setxattr(bh_proc_fd(path, fd), "security.selinux", plan->label, strlen(plan->label) + 1,
		     0) < 0)
		return bh_err_set(err, -errno, "label '%s'", plan->label);
	keep_fd(plan, m, bh_take_fd(&fd));
	return 0;
}

/* A new sysfs takes a network namespace of one's own: without it the host's is shown, as rootless
 * containers with the host's network have always had it. What is mounted on it comes along, which
 * the document knows nothing of (control groups, tracing): its flags are theirs too. */
static int bind_host_sys(struct bh_rootfs_mount *m, const struct bh_place *place,
			 struct bh_err *err)
{
	bh_auto_close int tree = bh_mount_clone(AT_FDCWD, "/sys", AT_RECURSIVE, err);
	struct bh_mount_change change = { .set = bh_mount_attr_of(m->flags & BIND_FLAGS),
					  .recursive = true };

	return tree < 0 ? tree : bh_rootfs_attach(tree, &change, change.set ? 1 : 0, place, err);
}

static int mount_fs(struct bh_rootfs_plan *plan, struct bh_rootfs_mount *m, struct bh_err *err)
{
	bool plain = is_plain_type(m->type), here = plain && !needs_fd(plan, m);
	bool strict = strcmp(m->type, "proc") == 0 || strcmp(m->type, "sysfs") == 0;
	struct bh_mount_fs fs = { .type = m->type,
				  .source = m->source,
				  .data = m->data,
				  .flags = m->flags,
				  .context = m->context ? plan->label : NULL };
	bh_auto_place struct bh_place place = BH_PLACE_INIT;
	char data[4096];
	int r;

	r = bh_place_open(plan, m->destination, BH_PLACE_DIR, strict, &place, err);
	if (r == 0 && place.existed && strcmp(m->type, "tmpfs") == 0 && !has_mode(m->data)) {
		r = inherit_mode(&place, m->data, data, sizeof(data), err);
		fs.data = data;
	}
	if (r == 0 && here)
		r = bh_rootfs_chdir(plan, place.fd, err);
	else if (r == 0 && !plain)
		r = go_to_bundle(plan, err);
	if (r == 0)
		r = here ? bh_mount_old(&fs, place.name[0] ? place.name : ".", err)
			 : mount_by_fd(plan, m, &fs, &place, err);
	/* CVE-2023-27561: a symlink at /proc or /sys would put the kernel's files elsewhere. */
	if (strict && (r == -ELOOP || r == -ENOTDIR))
		return bh_err_as(err, BH_ERR_SPEC, r,
				 "filesystem \"%s\" must be mounted on ordinary directory",
				 m->type);
	if (r == -EPERM && strcmp(m->type, "sysfs") == 0 && !plan->env.new_netns)
		r = bind_host_sys(m, &place, err);
	return r;
}

/* Without symlinks: they could lead from a mount of the document's to one that is the host's. */
static int remount(struct bh_rootfs_plan *plan, struct bh_rootfs_mount *m, struct bh_err *err)
{
	struct bh_mount_fs fs = {
		.type = m->type, .source = m->source, .data = m->data, .flags = m->flags
	};
	bh_auto_close int fd =
		bh_path_open(plan->root_fd, m->destination + 1, O_PATH, 0, BH_PATH_BENEATH, err);
	char path[BH_PROC_FD_BYTES];

	return fd < 0 ? fd : bh_mount_old(&fs, bh_proc_fd(path, fd), err);
}

int bh_rootfs_mount(struct bh_rootfs_plan *plan, struct bh_rootfs_mount *m, struct bh_err *err)
{
	static int (*const mounters[])(struct bh_rootfs_plan *, struct bh_rootfs_mount *,
				       struct bh_err *) = {
		[BH_ROOTFS_FS] = mount_fs,
		[BH_ROOTFS_BIND] = mount_bind,
		[BH_ROOTFS_CGROUP] = bh_rootfs_mount_cgroup,
		[BH_ROOTFS_REMOUNT] = remount,
	};
	int r = mounters[m->kind](plan, m, err);

	if (r < 0)
		bh_err_ctx(err, "error mounting \"%s\" to rootfs at \"%s\"",
			   m->source ? m->source : m->type, m->destination);
	return r;
}

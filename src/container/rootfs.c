/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation
 *
 * The child's way from the host's mounts to the container's:
 *
 *	setup   the namespace stops sending mounts to the host; the root is cloned onto itself,
 *	        so that it is a mount and pivot_root(2) can make it "/"; then mounts, devices, links
 *	hooks   the caller's: the host's tree is still there, the container's is at its path
 *	enter   the root becomes "/", the host's tree is detached
 *	seal    what was writable for the work becomes read-only, what is to be hidden is hidden
 *
 * Descriptors that are held meanwhile: the root, a tmpfs on /dev, a procfs, mounts to be made
 * read-only. All have O_CLOEXEC; bh_rootfs_seal() closes what no one needs after it.
 *
 * Source: runtime-spec config.md, config-linux.md; pivot_root(2), mount_namespaces(7)
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/path.h"
#include "base/sys.h"
#include "container/rootfs_internal.h"
#include "linux/lsm.h"
#include "linux/userns.h"

static bool same_maps(const bh_id_map_list *a, const bh_id_map_list *b)
{
	return a == b || (a && b && a->n == b->n && memcmp(a->v, b->v, a->n * sizeof(*a->v)) == 0);
}

/* A namespace with the ids that @m wants; each only once, since making one takes a process. */
static int open_maps(struct bh_rootfs_plan *plan, struct bh_rootfs_mount *m, struct bh_err *err)
{
	for (struct bh_rootfs_mount *other = plan->mounts.v; other < m; other++)
		if (other->userns_fd >= 0 && same_maps(other->uid_maps, m->uid_maps) &&
		    same_maps(other->gid_maps, m->gid_maps)) {
			m->userns_fd = other->userns_fd;
			return 0;
		}
	m->userns_fd = m->userns_path ? bh_path_open(AT_FDCWD, m->userns_path, O_RDONLY, 0,
						     BH_PATH_HOST, err)
				      : bh_userns_open(m->uid_maps, m->gid_maps, err);
	return m->userns_fd < 0 ? m->userns_fd : 0;
}

int bh_rootfs_prepare(struct bh_rootfs_plan *plan, struct bh_err *err)
{
	bool binds = false;
	int r;

	bh_for_each (m, plan->mounts) {
		binds |= m->kind == BH_ROOTFS_BIND;
		r = m->idmap == BH_IDMAP_NONE ? 0 : open_maps(plan, m, err);
		if (r < 0)
			return bh_err_ctx(err, "id map of mount \"%s\"", m->destination);
	}
	if (!plan->env.new_userns || plan->env.rootless || !binds)
		return 0;
	return bh_rootfs_broker_start(plan, err);
}

void bh_rootfs_close(struct bh_rootfs_plan *plan)
{
	bh_for_each (m, plan->mounts) {
		int fd = m->userns_fd;

		if (fd < 0)
			continue;
		bh_close(fd);
		bh_for_each (other, plan->mounts)
			if (other->userns_fd == fd)
				other->userns_fd = -EBADF;
	}
	plan->broker_fd = bh_close(plan->broker_fd);
}

/* The mount that holds the root must not be shared: what is mounted on the root would show up on
 * the host, and pivot_root(2) refuses it. Upwards from the root until a mount point is found. */
static int make_parent_private(const char *root, struct bh_err *err)
{
	bh_auto_free char *path = strdup(root);

	if (!path)
		return bh_err_oom(err);
	while (mount("none", path, NULL, MS_PRIVATE, NULL) < 0) {
		char *slash = strrchr(path, '/');

		if (errno != EINVAL || slash[1] == '\0')
			return bh_err_set(err, -errno, "make '%s' private", path);
		slash[slash == path] = '\0';
	}
	return 0;
}

/* Whether mounts in the new namespace may have peers outside: not after rslave, the default, or
 * rprivate. */
static bool has_peers(const struct bh_rootfs_plan *plan)
{
	unsigned long propagation = plan->root_propagation;

	return propagation && propagation != (MS_SLAVE | MS_REC) &&
	       propagation != (MS_PRIVATE | MS_REC);
}

/* The root as a mount of its own, at its path, so that hooks find it there. */
static int attach_root(struct bh_rootfs_plan *plan, struct bh_err *err)
{
	const struct bh_mount_change private = { .propagation = MS_PRIVATE };
	unsigned long propagation = plan->root_propagation ? plan->root_propagation
							   : MS_SLAVE | MS_REC;
	bh_auto_close int dir = -EBADF;
	struct bh_place place;
	int r = 0;

	if (plan->env.new_mountns) {
		if (mount("none", "/", NULL, propagation, NULL) < 0)
			return bh_err_set(err, -errno, "change propagation of '/'");
		if (has_peers(plan))
			r = make_parent_private(plan->root, err);
	}
	dir = r < 0 ? r
		    : bh_path_open(AT_FDCWD, plan->root, O_PATH | O_DIRECTORY, 0, BH_PATH_HOST,
				   err);
	if (dir == -EACCES && plan->broker_fd >= 0)
		dir = bh_rootfs_broker_open(plan, NULL, err);
	if (dir < 0)
		return dir;
	plan->root_fd = bh_mount_clone(dir, "", AT_RECURSIVE, err);
	place = (struct bh_place){ .fd = dir, .name = "" };
	return plan->root_fd < 0 ? plan->root_fd
				 : bh_rootfs_attach(plan->root_fd, &private, 1, &place, err);
}

int bh_rootfs_setup(struct bh_rootfs_plan *plan, struct bh_err *err)
{
	mode_t umask_before = umask(0);
	int r;

	if (plan->label && (!plan->label[0] || !bh_selinux_enabled()))
		plan->label = NULL;
	r = attach_root(plan, err);
	if (r < 0)
		bh_err_ctx(err, "error preparing rootfs \"%s\"", plan->root);
	for (size_t i = 0; i < plan->mounts.n && r >= 0; i++)
		r = bh_rootfs_mount(plan, &plan->mounts.v[i], err);
	if (r >= 0)
		r = bh_rootfs_make_devices(plan, err);
	if (r >= 0)
		r = bh_rootfs_chdir(plan, plan->root_fd, err);
	umask(umask_before);
	bh_rootfs_close(plan);
	return r < 0 ? r : 0;
}

int bh_rootfs_root_fd(const struct bh_rootfs_plan *plan)
{
	return plan->root_fd;
}

/* pivot_root(2), "pivot_root(".", ".")": the old root ends up on top of the new one, where "."
 * still leads, and is detached from there. */
static int pivot(struct bh_rootfs_plan *plan, struct bh_err *err)
{
	const bool peers = has_peers(plan);
	bh_auto_close int old = -EBADF;

	if (peers) {
		old = bh_path_open(AT_FDCWD, "/", O_PATH | O_DIRECTORY, 0, BH_PATH_HOST, err);
		if (old < 0)
			return old;
	}
	if (bh_sys_pivot_root(".", ".") < 0)
		return bh_err_set(err, -errno, "pivot_root");
	if (peers) {
		/* Detaching must not spread to peers of the old mounts, the host's among them. */
		if (fchdir(old) < 0 || mount("none", ".", NULL, MS_SLAVE | MS_REC, NULL) < 0)
			return bh_err_set(err, -errno, "make the old root a slave");
	}
	if (umount2(".", MNT_DETACH) < 0)
		return bh_err_set(err, -errno, "detach the old root");
	if (peers && chdir("/") < 0)
		return bh_err_set(err, -errno, "change to the new root");
	return 0;
}

/* Whether the line of mountinfo is a whole procfs or sysfs outside @root; *ret_path points into it.
 */
static bool is_full_pseudo(char *line, const char *root, char **ret_path)
{
	char *save = NULL, *mount_root = NULL, *path = NULL, *type;
	char *dash = strstr(line, " - ");
	size_t len = strlen(root);
	int field = 0;

	if (!dash)
		return false;
	type = dash + 3;
	*dash = '\0';
	for (char *token = strtok_r(line, " ", &save); token && field < 5;
	     token = strtok_r(NULL, " ", &save), field++) {
		if (field == 3)
			mount_root = token;
		else if (field == 4)
			path = token;
	}
	if (path)
		bh_mount_unescape(path);
	*ret_path = path;
	return path && strcmp(mount_root, "/") == 0 &&
	       (strncmp(type, "proc ", 5) == 0 || strncmp(type, "sysfs ", 6) == 0) &&
	       !(strncmp(path, root, len) == 0 && (path[len] == '/' || path[len] == '\0'));
}

/* Without pivot_root(2) the host's mounts stay in the namespace, out of sight. A whole procfs or
 * sysfs among them would let a user namespace in the container mount a new one without the masks.
 */
static int hide_host_pseudo(struct bh_rootfs_plan *plan, struct bh_err *err)
{
	bh_auto_free char *text = NULL;
	char *save = NULL;
	int r = bh_path_read(AT_FDCWD, "/proc/self/mountinfo", BH_PATH_HOST, 16 << 20, &text, NULL,
			     err);

	if (r < 0)
		return r;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *path;

		if (!is_full_pseudo(line, plan->root, &path))
			continue;
		if (mount("none", path, NULL, MS_SLAVE | MS_REC, NULL) < 0) {
			/* It was below one that is gone already. */
			if (errno == ENOENT)
				continue;
			return bh_err_set(err, -errno, "make '%s' a slave", path);
		}
		if (umount2(path, MNT_DETACH) == 0)
			continue;
		if ((errno != EINVAL && errno != EPERM) || mount("tmpfs", path, "tmpfs", 0, "") < 0)
			return bh_err_set(err, -errno, "hide '%s'", path);
	}
	return 0;
}

static int move_root(struct bh_rootfs_plan *plan, struct bh_err *err)
{
	int r = hide_host_pseudo(plan, err);

	if (r < 0)
		return r;
	if (fchdir(plan->root_fd) < 0 || mount(plan->root, "/", NULL, MS_MOVE, NULL) < 0)
		return bh_err_set(err, -errno, "move '%s' to '/'", plan->root);
	return 0;
}

int bh_rootfs_enter(struct bh_rootfs_plan *plan, struct bh_err *err)
{
	int r = bh_rootfs_chdir(plan, plan->root_fd, err);

	if (r == 0 && plan->env.new_mountns && !plan->env.no_pivot)
		return pivot(plan, err);
	if (r == 0 && plan->env.new_mountns)
		r = move_root(plan, err);
	if (r < 0)
		return r;
	if (chroot(".") < 0 || chdir("/") < 0)
		return bh_err_set(err, -errno, "chroot");
	return 0;
}

int bh_rootfs_stdio(struct bh_rootfs_plan *plan, struct bh_err *err)
{
	bh_auto_close int null = -EBADF;
	struct stat st;

	for (int fd = 0; fd < 3; fd++) {
		if (fstat(fd, &st) < 0 || !bh_is_null_device(&st))
			continue;
		if (null < 0)
			null = bh_path_open(plan->root_fd, "dev/null", O_RDWR, 0, BH_PATH_BENEATH,
					    err);
		if (null < 0)
			return null;
		if (fstat(null, &st) < 0 || !bh_is_null_device(&st))
			return bh_err_as(err, BH_ERR_SPEC, -EINVAL,
					 "container's /dev/null is invalid");
		if (dup3(null, fd, 0) < 0) /* cloexec: the program's own */
			return bh_err_set(err, -errno, "replace descriptor %d", fd);
	}
	return 0;
}

static int make_readonly(int fd, struct bh_err *err)
{
	const struct bh_mount_change change = { .set = MOUNT_ATTR_RDONLY };
	int r = bh_mount_change(fd, &change, err);

	return r == -ENOSYS ? bh_mount_change_attached(fd, &change, err) : r;
}

int bh_rootfs_seal(struct bh_rootfs_plan *plan, struct bh_err *err)
{
	bool private = plan->root_propagation & MS_PRIVATE;
	int r = bh_rootfs_readonly_paths(plan, err);

	if (r == 0)
		r = bh_rootfs_mask_paths(plan, err);
	if (r == 0)
		r = bh_rootfs_chdir(plan, plan->root_fd, err);
	bh_for_each (m, plan->mounts) {
		if (r == 0 && m->late_readonly && (r = make_readonly(m->fd, err)) < 0)
			bh_err_ctx(err, "make mount \"%s\" read-only", m->destination);
		m->fd = bh_close(m->fd);
	}
	plan->dev_fd = plan->proc_fd = -EBADF; /* were of mounts */
	if (r == 0 && plan->root_propagation && !private && plan->env.new_mountns &&
	    mount("none", "/", NULL, plan->root_propagation, NULL) < 0)
		r = bh_err_set(err, -errno, "apply rootfsPropagation");
	if (r == 0 && plan->spec->root.readonly && plan->env.new_mountns)
		r = make_readonly(plan->root_fd, err);
	return r;
}

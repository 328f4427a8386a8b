/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/storage.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/modules.h"
#include "base/buf.h"
#include "base/log.h"
#include "base/path.h"
#include "container/rootfs.h"
#include "linux/mount.h"
#include "rpc/guest.h"

#define OPTIONS_MAX  64
#define FUSE_MAGIC   0x65735546
#define FSTYPE_NONE  "none"
#define SHARE_FSTYPE "virtiofs"

/* What a driver is given. */
struct making {
	struct bh_loop *loop;
	int modules_fd;
	const Agent__Storage *storage;
	struct bh_storage_options options;
};

struct driver {
	const char *name;
	/* Return: descriptor of a detached mount; BH_NO_MOUNT; -errno with @err */
	int (*make)(const struct making *m, struct bh_storage *ret, struct bh_err *err);
	int (*check_source)(const Agent__Storage *storage, struct bh_err *err);
};

#define BH_NO_MOUNT -1000000 /* below every -errno: there is a disk and nothing to attach */

/* ---- options --------------------------------------------------------------------------------- */

int bh_storage_options(char *const *options, size_t n, struct bh_storage_options *ret,
		       struct bh_err *err)
{
	bh_auto_buf struct bh_buf data = BH_BUF_INIT;

	*ret = (struct bh_storage_options){ .flags = 0 };
	if (n > OPTIONS_MAX)
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL, "%zu options: %d are allowed", n,
				 OPTIONS_MAX);
	for (size_t i = 0; i < n; i++)
		if (!bh_mount_option_flag(options[i], &ret->flags))
			bh_buf_printf(&data, "%s%s", data.len ? "," : "", options[i]);
	ret->data = data.failed ? NULL : strdup(bh_buf_str(&data));
	return ret->data ? 0 : bh_err_oom(err);
}

/* ---- drivers --------------------------------------------------------------------------------- */

int bh_storage_share(struct bh_err *err)
{
	bh_auto_close int fd = -EBADF;
	int r;

	fd = bh_path_mkdirs(AT_FDCWD, BH_SHARE_GUEST_DIR, 0755, err);
	r = fd < 0 ? fd : bh_mount_is_fs(fd, FUSE_MAGIC, err);
	if (r != 0)
		return r < 0 ? r : 0;
	/* EINVAL: no device has the tag. ENODEV: not even the file system is known. */
	if (mount(BH_SHARE_TAG, BH_SHARE_GUEST_DIR, SHARE_FSTYPE, MS_NODEV, NULL) < 0 &&
	    errno != EINVAL && errno != ENODEV)
		return bh_err_set(err, -errno, "mount the shared directory");
	return 0;
}

static int check_share(const Agent__Storage *storage, struct bh_err *err)
{
	if (!storage->source[0])
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL, "no path in the shared directory");
	if (storage->device >= 0)
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL, "a share is no device");
	return 0;
}

static int make_share(const struct making *m, struct bh_storage *ret, struct bh_err *err)
{
	const struct bh_mount_change change = { .set = bh_mount_attr_of(m->options.flags),
						.clear = MOUNT_ATTR__ATIME,
						.recursive = true };
	bh_auto_close int dir = -EBADF, source = -EBADF, tree = -EBADF;
	int r;

	(void)ret;
	if (m->options.data[0])
		bh_warn("share '%s': options are ignored: %s", m->storage->source, m->options.data);
	dir = bh_path_open(AT_FDCWD, BH_SHARE_GUEST_DIR, O_PATH | O_DIRECTORY, 0, BH_PATH_HOST,
			   err);
	source = dir < 0 ? dir
			 : bh_path_open(dir, m->storage->source, O_PATH, 0, BH_PATH_BENEATH, err);
	tree = source < 0 ? source : bh_mount_clone(source, "", AT_RECURSIVE, err);
	if (tree < 0)
		return tree;
	r = bh_mount_change(tree, &change, err);
	return r < 0 ? r : bh_take_fd(&tree);
}

static int check_disk(const Agent__Storage *storage, struct bh_err *err)
{
	unsigned int target;

	return bh_disk_parse_target(storage->source, &target, err);
}

/* Disks that are snapshots of one image have one UUID, which XFS takes for one disk seen twice. */
static int add_nouuid(struct bh_storage_options *options, struct bh_err *err)
{
	char *data;

	if (strstr(options->data, "nouuid"))
		return 0;
	if (asprintf(&data, "%s%snouuid", options->data, options->data[0] ? "," : "") < 0)
		return bh_err_oom(err);
	free(options->data);
	options->data = data;
	return 0;
}

static int mount_disk(const struct making *m, const struct bh_disk *disk, struct bh_err *err)
{
	const char *fstype = m->storage->fstype[0] ? m->storage->fstype : bh_disk_probe(disk, err);
	struct bh_storage_options options = { .data = strdup(m->options.data) };
	char device[sizeof("/dev/") + sizeof(disk->name)];
	struct bh_mount_fs fs = { .type = fstype, .source = device, .flags = m->options.flags };
	int r = fstype ? 0 : err->code;

	snprintf(device, sizeof(device), "/dev/%s", disk->name);
	if (r == 0 && !options.data)
		r = bh_err_oom(err);
	if (r == 0 && !strcmp(fstype, "xfs"))
		r = add_nouuid(&options, err);
	fs.data = options.data;
	if (r == 0) {
		bh_modules_load_fs(m->modules_fd, fstype);
		r = bh_mount_new(&fs, err);
	}
	free(options.data);
	return r;
}

static int make_disk(const struct making *m, struct bh_storage *ret, struct bh_err *err)
{
	unsigned int target;
	int r = bh_disk_parse_target(m->storage->source, &target, err);

	if (r == 0)
		r = bh_disk_wait(m->loop, target, &ret->disk, err);
	if (r < 0 || !strcmp(m->storage->fstype, FSTYPE_NONE))
		return r < 0 ? r : BH_NO_MOUNT;
	return mount_disk(m, &ret->disk, err);
}

static int check_tmpfs(const Agent__Storage *storage, struct bh_err *err)
{
	if (storage->device >= 0)
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL, "a tmpfs is no device");
	return 0;
}

static int make_tmpfs(const struct making *m, struct bh_storage *ret, struct bh_err *err)
{
	const char *source = m->storage->source;
	const struct bh_mount_fs fs = { .type = "tmpfs",
					.source = source[0] ? source : "tmpfs",
					.data = m->options.data,
					.flags = m->options.flags };

	(void)ret;
	return bh_mount_new(&fs, err);
}

static const struct driver drivers[] = {
	{ "share", make_share, check_share },
	{ "disk", make_disk, check_disk },
	{ "tmpfs", make_tmpfs, check_tmpfs },
};

static const struct driver *find_driver(const char *name)
{
	for (size_t i = 0; i < BH_ARRAY_SIZE(drivers); i++)
		if (!strcmp(drivers[i].name, name))
			return &drivers[i];
	return NULL;
}

/* ---- checks ---------------------------------------------------------------------------------- */

static bool is_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return !strncmp(path, dir, len) && path[len] == '/' && path[len + 1];
}

/* Whether @path is absolute and says plainly where it is. */
static bool is_clean(const char *path)
{
	char copy[PATH_MAX];

	if (path[0] != '/' || strlen(path) >= sizeof(copy))
		return false;
	strcpy(copy, path);
	bh_path_clean(copy);
	return !strcmp(copy, path);
}

static int check_target(const char *target, const char *bundle, bool *owner, struct bh_err *err)
{
	bool own = is_below(target, BH_GUEST_STORAGE_DIR) || is_below(target, bundle);

	if (!is_clean(target) || (!own && !is_below(target, BH_GUEST_POD_DIR)))
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL,
				 "target '%.200s' is not below '%s', '%s' or '%s'", target,
				 BH_GUEST_STORAGE_DIR, BH_GUEST_POD_DIR, bundle);
	*owner = own;
	return 0;
}

int bh_storage_check(const Agent__Storage *storage, const char *bundle, bool *owner,
		     struct bh_err *err)
{
	const struct driver *driver = find_driver(storage->driver);
	bool raw = !strcmp(storage->fstype, FSTYPE_NONE) || !storage->target[0];

	*owner = true;
	if (!driver)
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL, "driver '%.64s' is unknown",
				 storage->driver);
	if (raw && (driver->make != make_disk || strcmp(storage->fstype, FSTYPE_NONE)))
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL,
				 "no target: only a disk with fstype \"none\" can do without");
	if (!raw && check_target(storage->target, bundle, owner, err) < 0)
		return err->code;
	return driver->check_source(storage, err);
}

/* ---- making and undoing ---------------------------------------------------------------------- */

/* A place of the kind that is going to be mounted there. */
static int make_place(const char *target, bool directory, struct bh_err *err)
{
	char parent[PATH_MAX];
	bh_auto_close int dir = -EBADF, file = -EBADF;
	char *slash;

	if (directory) {
		dir = bh_path_mkdirs(AT_FDCWD, target, 0755, err);
		return dir < 0 ? dir : bh_take_fd(&dir);
	}
	snprintf(parent, sizeof(parent), "%s", target);
	slash = strrchr(parent, '/');
	*slash = '\0';
	dir = bh_path_mkdirs(AT_FDCWD, parent, 0755, err);
	if (dir < 0)
		return dir;
	file = bh_path_open(dir, slash + 1, O_RDONLY | O_CREAT | O_NOFOLLOW, 0600, BH_PATH_BENEATH,
			    err);
	if (file < 0)
		return file;
	return bh_path_open(dir, slash + 1, O_PATH | O_NOFOLLOW, 0, BH_PATH_BENEATH, err);
}

static int attach(int tree, const char *target, struct bh_storage *ret, struct bh_err *err)
{
	bh_auto_close int place = -EBADF;
	struct stat st;
	int r;

	if (fstat(tree, &st) < 0)
		return bh_err_set(err, -errno, "stat its root");
	place = make_place(target, S_ISDIR(st.st_mode), err);
	if (place < 0)
		return place;
	r = bh_mount_attach(tree, place, "", err);
	if (r < 0)
		return r;
	ret->target = strdup(target);
	if (!ret->target) {
		umount2(target, MNT_DETACH);
		return bh_err_oom(err);
	}
	return 0;
}

int bh_storage_make(struct bh_loop *loop, int modules_fd, const Agent__Storage *storage,
		    struct bh_storage *ret, struct bh_err *err)
{
	struct making m = { .loop = loop, .modules_fd = modules_fd, .storage = storage };
	bh_auto_close int tree = -EBADF;
	int r;

	*ret = (struct bh_storage){ .target = NULL };
	r = bh_storage_options(storage->options, storage->n_options, &m.options, err);
	if (r < 0)
		return r;
	tree = find_driver(storage->driver)->make(&m, ret, err);
	free(m.options.data);
	if (tree == BH_NO_MOUNT)
		return 0;
	return tree < 0 ? tree : attach(tree, storage->target, ret, err);
}

void bh_storage_undo(struct bh_loop *loop, struct bh_storage *storage)
{
	if (storage->target) {
		/* A busy one is out of sight at once and gone with its last user. */
		if (umount2(storage->target, UMOUNT_NOFOLLOW) < 0 && errno != EINVAL &&
		    umount2(storage->target, UMOUNT_NOFOLLOW | MNT_DETACH) < 0)
			bh_warn("unmount '%s': %s", storage->target, strerror(errno));
		if (rmdir(storage->target) < 0 && errno == ENOTDIR)
			unlink(storage->target);
	}
	free(bh_take(&storage->target));
	bh_disk_remove(loop, &storage->disk);
	storage->disk.scsi[0] = '\0';
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/mount.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include "base/path.h"
#include "base/sys.h"

#define FSCONFIG_VALUE_MAX 255 /* fsconfig(2) copies at most 256 bytes with the NUL */

/* Flags of mount(2) that belong to the superblock, under the names that every file system knows. */
static const struct {
	unsigned long flag;
	const char *name;
} super_flags[] = {
	{ MS_RDONLY, "ro" },     { MS_SYNCHRONOUS, "sync" },  { MS_DIRSYNC, "dirsync" },
	{ MS_MANDLOCK, "mand" }, { MS_LAZYTIME, "lazytime" },
};

/* The flags of the mount itself, as mount(2), mount_setattr(2) and statfs(2) call them. */
static const struct {
	unsigned long ms;
	uint64_t attr;
	unsigned long st;
} mount_flags[] = {
	{ MS_RDONLY, MOUNT_ATTR_RDONLY, 0x0001 },
	{ MS_NOSUID, MOUNT_ATTR_NOSUID, 0x0002 },
	{ MS_NODEV, MOUNT_ATTR_NODEV, 0x0004 },
	{ MS_NOEXEC, MOUNT_ATTR_NOEXEC, 0x0008 },
	{ MS_NOSYMFOLLOW, MOUNT_ATTR_NOSYMFOLLOW, 0x2000 },
	{ MS_NODIRATIME, MOUNT_ATTR_NODIRATIME, 0x0800 },
	{ MS_NOATIME, MOUNT_ATTR_NOATIME, 0x0400 },
	{ MS_RELATIME, MOUNT_ATTR_RELATIME, 0x1000 },
};

uint64_t bh_mount_attr_of(unsigned long ms_flags)
{
	uint64_t attr = 0;

	/* As in mount(2): strictatime beats noatime, noatime beats relatime. */
	if (ms_flags & MS_STRICTATIME)
		ms_flags &= ~(unsigned long)(MS_NOATIME | MS_RELATIME);
	for (size_t i = 0; i < BH_ARRAY_SIZE(mount_flags); i++)
		if (ms_flags & mount_flags[i].ms)
			attr |= mount_flags[i].attr;
	if (ms_flags & MS_STRICTATIME)
		attr |= MOUNT_ATTR_STRICTATIME;
	return attr;
}

int bh_mount_flags(int fd, unsigned long *ret, struct bh_err *err)
{
	unsigned long flags = 0;
	struct statfs st;

	if (fstatfs(fd, &st) < 0)
		return bh_err_set(err, -errno, "statfs");
	for (size_t i = 0; i < BH_ARRAY_SIZE(mount_flags); i++)
		if ((unsigned long)st.f_flags & mount_flags[i].st)
			flags |= mount_flags[i].ms;
	if (!(flags & (MS_NOATIME | MS_RELATIME)))
		flags |= MS_STRICTATIME;
	*ret = flags;
	return 0;
}

static bool is_octal(char c)
{
	return c >= '0' && c <= '7';
}

void bh_mount_unescape(char *path)
{
	char *out = path;

	for (char *p = path; *p; p++) {
		if (*p == '\\' && is_octal(p[1]) && p[1] <= '3' && is_octal(p[2]) &&
		    is_octal(p[3])) {
			*out++ = (char)((p[1] - '0') << 6 | (p[2] - '0') << 3 | (p[3] - '0'));
			p += 3;
		} else {
			*out++ = *p;
		}
	}
	*out = '\0';
}

int bh_mount_is_fs(int fd, unsigned long magic, struct bh_err *err)
{
	struct statfs st;

	if (fstatfs(fd, &st) < 0)
		return bh_err_set(err, -errno, "statfs");
	return (unsigned long)st.f_type == magic;
}

/* The reason that the file system left in its context, if it did: "e tmpfs: Bad value for 'size'".
 */
static int fs_error(int fs_fd, int code, const char *type, const char *step, struct bh_err *err)
{
	char text[256];
	ssize_t n = read(fs_fd, text, sizeof(text) - 1);

	while (n > 0 && text[n - 1] == '\n')
		n--;
	if (n <= 2)
		return bh_err_set(err, code, "%s '%s'", step, type);
	text[n] = '\0';
	return bh_err_set(err, code, "%s '%s': %s", step, type, text + 2);
}

static int set_string(int fs_fd, const char *type, const char *key, const char *value,
		      struct bh_err *err)
{
	if (strlen(value) > FSCONFIG_VALUE_MAX)
		return bh_err_set(err, -E2BIG, "option '%s' of '%s'", key, type);
	if (fsconfig(fs_fd, FSCONFIG_SET_STRING, key, value, 0) < 0)
		return fs_error(fs_fd, -errno, type, key, err);
	return 0;
}

/* One "key=value" or "flag" of @len bytes. */
static int set_option(int fs_fd, const char *type, const char *option, size_t len,
		      struct bh_err *err)
{
	char buf[2 * FSCONFIG_VALUE_MAX + 2], *value;

	if (len >= sizeof(buf))
		return bh_err_set(err, -E2BIG, "option '%.32s…' of '%s'", option, type);
	memcpy(buf, option, len);
	buf[len] = '\0';
	value = strchr(buf, '=');
	if (value) {
		*value++ = '\0';
		return set_string(fs_fd, type, buf, value, err);
	}
	if (fsconfig(fs_fd, FSCONFIG_SET_FLAG, buf, NULL, 0) < 0)
		return fs_error(fs_fd, -errno, type, buf, err);
	return 0;
}

static int set_options(int fs_fd, const struct bh_mount_fs *fs, struct bh_err *err)
{
	int r = 0;

	if (fs->source && fs->source[0])
		r = set_string(fs_fd, fs->type, "source", fs->source, err);
	for (size_t i = 0; i < BH_ARRAY_SIZE(super_flags) && r == 0; i++)
		if ((fs->flags & super_flags[i].flag) &&
		    fsconfig(fs_fd, FSCONFIG_SET_FLAG, super_flags[i].name, NULL, 0) < 0)
			r = fs_error(fs_fd, -errno, fs->type, super_flags[i].name, err);
	if (r == 0 && fs->context)
		r = set_string(fs_fd, fs->type, "context", fs->context, err);
	for (const char *p = fs->data ? fs->data : "", *end; *p && r == 0;
	     p = end + (*end == ',')) {
		end = strchrnul(p, ',');
		if (end > p)
			r = set_option(fs_fd, fs->type, p, (size_t)(end - p), err);
	}
	return r;
}

int bh_mount_new(const struct bh_mount_fs *fs, struct bh_err *err)
{
	bh_auto_close int fs_fd = fsopen(fs->type, FSOPEN_CLOEXEC);
	int fd, r;

	if (fs_fd < 0)
		return bh_err_set(err, -errno, "fsopen '%s'", fs->type);
	r = set_options(fs_fd, fs, err);
	if (r < 0)
		return r;
	if (fsconfig(fs_fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return fs_error(fs_fd, -errno, fs->type, "mount", err);
	fd = fsmount(fs_fd, FSMOUNT_CLOEXEC, (unsigned int)bh_mount_attr_of(fs->flags));
	if (fd < 0)
		return fs_error(fs_fd, -errno, fs->type, "fsmount", err);
	return fd;
}

int bh_mount_old(const struct bh_mount_fs *fs, const char *target, struct bh_err *err)
{
	const char *data = fs->data && fs->data[0] ? fs->data : NULL;
	bh_auto_free char *labelled = NULL;

	if (fs->context && asprintf(&labelled, "%s%scontext=\"%s\"", data ? data : "",
				    data ? "," : "", fs->context) < 0)
		return bh_err_oom(err);
	if (mount(fs->source && fs->source[0] ? fs->source : "none", target, fs->type, fs->flags,
		  labelled ? labelled : data) < 0)
		return bh_err_set(err, -errno, "mount '%s'%s%s", fs->type ? fs->type : "none",
				  data ? " with options " : "", data ? data : "");
	return 0;
}

int bh_mount_clone(int dirfd, const char *path, unsigned int flags, struct bh_err *err)
{
	int fd;

	flags |= OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (path[0] ? 0 : AT_EMPTY_PATH);
	fd = open_tree(dirfd, path, flags);
	return fd >= 0 ? fd : bh_err_set(err, -errno, "open_tree '%s'", path);
}

int bh_mount_attach(int tree_fd, int dirfd, const char *name, struct bh_err *err)
{
	unsigned int flags = MOVE_MOUNT_F_EMPTY_PATH | (name[0] ? 0 : MOVE_MOUNT_T_EMPTY_PATH);

	if (move_mount(tree_fd, "", dirfd, name, flags) < 0)
		return bh_err_set(err, -errno, "move_mount%s%s", name[0] ? " to " : "", name);
	return 0;
}

int bh_mount_change(int fd, const struct bh_mount_change *change, struct bh_err *err)
{
	struct mount_attr attr = {
		.attr_set = change->set | (change->idmap ? MOUNT_ATTR_IDMAP : 0),
		.attr_clr = change->clear,
		.propagation = change->propagation,
		.userns_fd = change->idmap ? (uint64_t)change->userns_fd : 0,
	};

	if (mount_setattr(fd, "", AT_EMPTY_PATH | (change->recursive ? AT_RECURSIVE : 0), &attr,
			  sizeof(attr)) < 0)
		return bh_err_set(err, -errno, "mount_setattr%s", change->idmap ? " idmap" : "");
	return 0;
}

int bh_mount_change_attached(int fd, const struct bh_mount_change *change, struct bh_err *err)
{
	unsigned long rec = change->recursive ? MS_REC : 0, flags = 0;
	uint64_t attr = 0;
	char path[BH_PROC_FD_BYTES];
	int r;

	bh_proc_fd(path, fd);
	if (change->idmap || ((change->set || change->clear) && change->recursive))
		return bh_err_set(err, -ENOSYS, "mount_setattr");
	if (change->set || change->clear) {
		r = bh_mount_flags(fd, &flags, err);
		if (r < 0)
			return r;
		attr = (bh_mount_attr_of(flags) & ~change->clear) | change->set;
		flags = 0;
		for (size_t i = 0; i < BH_ARRAY_SIZE(mount_flags); i++)
			if (attr & mount_flags[i].attr)
				flags |= mount_flags[i].ms;
		if ((attr & MOUNT_ATTR__ATIME) == MOUNT_ATTR_STRICTATIME)
			flags |= MS_STRICTATIME;
		else if ((attr & MOUNT_ATTR__ATIME) == MOUNT_ATTR_RELATIME)
			flags |= MS_RELATIME;
		if (mount("none", path, NULL, MS_BIND | MS_REMOUNT | flags, NULL) < 0)
			return bh_err_set(err, -errno, "remount");
	}
	if (change->propagation && mount("none", path, NULL, change->propagation | rec, NULL) < 0)
		return bh_err_set(err, -errno, "change propagation");
	return 0;
}

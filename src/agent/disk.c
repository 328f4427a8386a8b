/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/disk.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/path.h"
#include "loop/fiber.h"

#define SCSI_DEVICES "/sys/bus/scsi/devices"
#define SCSI_HOSTS   "/sys/class/scsi_host"

#define APPEAR_MS 10000
#define SCAN_MS   500 /* then the bus is asked: the news of a new disk may have been missed */
#define UNUSED_MS \
	3000        /* file systems are let go of a little after the last process that saw them */
#define PAUSE_MS  2 /* of the first look after another; doubled each time up to the last */
#define PAUSE_MAX 64

int bh_disk_parse_target(const char *text, unsigned int *ret, struct bh_err *err)
{
	size_t len = strlen(text);
	unsigned long value;

	/* A target of virtio-scsi is one byte; the kernel has 16 bits for targets. */
	if (!len || len > 5 || strspn(text, "0123456789") != len)
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL, "'%.64s' is no number of a SCSI target",
				 text);
	value = strtoul(text, NULL, 10);
	if (value > 16383)
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL, "SCSI target %lu is above 16383",
				 value);
	*ret = (unsigned int)value;
	return 0;
}

/* ---- finding --------------------------------------------------------------------------------- */

/* The only entry of a folder that is no dot file. Return: 0 or -ENOENT */
static int only_entry(int dirfd, const char *path, char *ret, size_t size)
{
	int fd = bh_path_try_open(dirfd, path, O_RDONLY | O_DIRECTORY, 0, BH_PATH_HOST);
	bh_auto_closedir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir) {
		bh_close(fd);
		return -ENOENT;
	}
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.' && strlen(entry->d_name) < size) {
			strcpy(ret, entry->d_name);
			return 0;
		}
	return -ENOENT;
}

/* Whether the device can be opened by now: it appears in sysfs a moment before. */
static int look_at_node(struct bh_disk *disk)
{
	char path[sizeof("/dev/") + sizeof(disk->name)];
	bh_auto_close int fd = -EBADF;
	struct stat st;

	snprintf(path, sizeof(path), "/dev/%s", disk->name);
	fd = bh_path_try_open(AT_FDCWD, path, O_RDONLY, 0, BH_PATH_HOST);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0 || !S_ISBLK(st.st_mode))
		return -ENODEV;
	disk->device = st.st_rdev;
	return 0;
}

static int find(unsigned int target, struct bh_disk *ret)
{
	bh_auto_closedir DIR *dir = opendir(SCSI_DEVICES);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		unsigned int host, channel, number, unit;
		char block[sizeof(ret->scsi) + sizeof("/block")];

		if (sscanf(entry->d_name, "%u:%u:%u:%u", &host, &channel, &number, &unit) != 4 ||
		    number != target || channel || unit ||
		    strlen(entry->d_name) >= sizeof(ret->scsi))
			continue;
		strcpy(ret->scsi, entry->d_name);
		snprintf(block, sizeof(block), "%s/block", ret->scsi);
		if (only_entry(dirfd(dir), block, ret->name, sizeof(ret->name)) == 0)
			return look_at_node(ret);
	}
	return -ENOENT;
}

/* Has all SCSI hosts look at @target again. */
static void scan(unsigned int target)
{
	bh_auto_closedir DIR *dir = opendir(SCSI_HOSTS);
	struct dirent *entry;
	char path[sizeof(entry->d_name) + sizeof("/scan")], order[32];
	struct bh_err why = BH_ERR_INIT;

	snprintf(order, sizeof(order), "0 %u 0", target);
	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/scan", entry->d_name);
		if (bh_path_write(dirfd(dir), path, order, BH_PATH_HOST, &why) < 0)
			bh_warn("scan of %s: %s", entry->d_name, strerror(-why.code));
	}
}

int bh_disk_wait(struct bh_loop *loop, unsigned int target, struct bh_disk *ret, struct bh_err *err)
{
	unsigned int waited = 0, pause = PAUSE_MS;
	bool scanned = false;
	int r;

	*ret = (struct bh_disk){ .scsi = "" };
	while ((r = find(target, ret)) < 0 && waited < APPEAR_MS) {
		if (waited >= SCAN_MS && !scanned) {
			scan(target);
			scanned = true;
			continue;
		}
		r = bh_fiber_sleep(loop, pause, err);
		if (r < 0)
			return r;
		waited += pause;
		pause = pause < PAUSE_MAX ? pause * 2 : pause;
	}
	if (r < 0)
		return bh_err_as(err, BH_ERR_PEER, -ETIMEDOUT,
				 "no disk on SCSI target %u within %d s", target, APPEAR_MS / 1000);
	return 0;
}

/* ---- removing -------------------------------------------------------------------------------- */

/* Whether a file system or anything else still holds it. */
static bool in_use(const struct bh_disk *disk)
{
	char path[sizeof("/dev/") + sizeof(disk->name)];
	int fd;

	snprintf(path, sizeof(path), "/dev/%s", disk->name);
	fd = bh_path_try_open(AT_FDCWD, path, O_RDONLY | O_EXCL, 0, BH_PATH_HOST);
	bh_close(fd);
	return fd == -EBUSY;
}

void bh_disk_remove(struct bh_loop *loop, const struct bh_disk *disk)
{
	unsigned int waited = 0, pause = PAUSE_MS;
	struct bh_err why = BH_ERR_INIT;
	char path[sizeof(SCSI_DEVICES) + sizeof(disk->scsi) + sizeof("/delete")];

	if (!disk->scsi[0])
		return;
	while (in_use(disk) && waited < UNUSED_MS) {
		if (bh_fiber_sleep(loop, pause, &why) < 0)
			break;
		waited += pause;
		pause = pause < PAUSE_MAX ? pause * 2 : pause;
	}
	if (waited >= UNUSED_MS)
		bh_warn("disk %s is still in use and is removed all the same", disk->name);
	snprintf(path, sizeof(path), SCSI_DEVICES "/%s/delete", disk->scsi);
	if (bh_path_write(AT_FDCWD, path, "1", BH_PATH_HOST, &why) < 0 && why.code != -ENOENT)
		bh_warn("remove disk %s: %s", disk->name, strerror(-why.code));
}

/* ---- file systems ---------------------------------------------------------------------------- */

static const struct {
	const char *fstype;
	size_t offset;
	const char *magic;
	size_t len;
} superblocks[] = {
	{ "ext4", 1024 + 56, "\x53\xef", 2 },
	{ "xfs", 0, "XFSB", 4 },
	{ "erofs", 1024, "\xe2\xe1\xf5\xe0", 4 },
	{ "squashfs", 0, "hsqs", 4 },
};

const char *bh_disk_filesystem(size_t n)
{
	return n < BH_ARRAY_SIZE(superblocks) ? superblocks[n].fstype : NULL;
}

const char *bh_disk_fstype(const unsigned char *head, size_t len)
{
	for (size_t i = 0; i < BH_ARRAY_SIZE(superblocks); i++)
		if (superblocks[i].offset + superblocks[i].len <= len &&
		    !memcmp(head + superblocks[i].offset, superblocks[i].magic, superblocks[i].len))
			return superblocks[i].fstype;
	return NULL;
}

const char *bh_disk_probe(const struct bh_disk *disk, struct bh_err *err)
{
	char path[sizeof("/dev/") + sizeof(disk->name)];
	unsigned char head[BH_DISK_HEAD_BYTES];
	bh_auto_close int fd = -EBADF;
	const char *fstype;
	ssize_t n;

	snprintf(path, sizeof(path), "/dev/%s", disk->name);
	fd = bh_path_open(AT_FDCWD, path, O_RDONLY, 0, BH_PATH_HOST, err);
	if (fd < 0)
		return NULL;
	n = pread(fd, head, sizeof(head), 0);
	if (n < 0) {
		bh_err_set(err, -errno, "read '%s'", path);
		return NULL;
	}
	fstype = bh_disk_fstype(head, (size_t)n);
	if (!fstype)
		bh_err_as(err, BH_ERR_SPEC, -EINVAL,
			  "no file system that is known (ext4, xfs, erofs, squashfs) on it");
	return fstype;
}

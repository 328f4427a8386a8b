/* SPDX-License-Identifier: Apache-2.0 */
#include "installer/pool.h"

#include <fcntl.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/capture.h"
#include "base/json.h"
#include "base/json_writer.h"
#include "base/path.h"
#include "installer/file.h"
#include "installer/installer.h"

#define STATE_DIR     "/var/lib/bulkhead"
#define RECORD        STATE_DIR "/pool.json"
#define FILE_NAME     STATE_DIR "/pool.img"
#define META_NAME     BH_POOL_NAME "_meta"
#define DATA_NAME     BH_POOL_NAME "_data"
#define MAGIC         "bulkhead thin pool 1 "
#define SECTOR        512
#define MIB           ((int64_t)1 << 20)
#define HEADER_BYTES  MIB
#define BLOCK_SECTORS 128  /* 64 KiB: what a write to shared data copies */
#define LOW_WATER     256  /* free blocks at which the kernel tells */
#define META_RATIO    1000 /* of the whole: 48 bytes a block, and room for snapshots */
#define META_MIN      (4 * MIB)
#define META_MAX      ((int64_t)15 << 30) /* the kernel uses no more than just below 16 GiB */

/* ---- record ---------------------------------------------------------------------------------- */

static bool copy_text(struct json_object *record, const char *key, char *to, size_t size)
{
	struct json_object *value;

	if (!json_object_object_get_ex(record, key, &value) ||
	    !json_object_is_type(value, json_type_string))
		return false;
	return snprintf(to, size, "%s", json_object_get_string(value)) < (int)size;
}

int bh_pool_load(struct bh_pool *ret, struct bh_err *err)
{
	bh_auto_install_file struct bh_install_file file = BH_INSTALL_FILE_INIT;
	struct json_object *record = NULL, *bytes;
	bool good;
	int r = bh_install_file_read(RECORD, &file, err);

	*ret = (struct bh_pool){ .bytes = 0 };
	if (r < 0 || !file.text)
		return r < 0 ? r : -ENOENT;
	r = bh_json_parse(file.text, file.len, &record, err);
	if (r < 0)
		return bh_err_ctx(err, RECORD);
	good = copy_text(record, "device", ret->device, sizeof(ret->device)) &&
	       copy_text(record, "file", ret->file, sizeof(ret->file)) &&
	       copy_text(record, "id", ret->id, sizeof(ret->id)) && ret->id[0] &&
	       json_object_object_get_ex(record, "bytes", &bytes);
	ret->bytes = good ? json_object_get_int64(bytes) : 0;
	json_object_put(record);
	if (!good || ret->bytes < BH_POOL_BYTES_MIN)
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL, RECORD ": incomplete");
	return 0;
}

static int save(const struct bh_pool *pool, struct bh_err *err)
{
	bh_auto_buf struct bh_buf out = BH_BUF_INIT;
	struct bh_json_writer w = { .out = &out, .indent = "    " };
	struct bh_install_file like = { .mode = 0600 };

	bh_json_open(&w, NULL, '{');
	bh_json_text(&w, "device", pool->device);
	bh_json_text(&w, "file", pool->file);
	bh_json_text(&w, "id", pool->id);
	bh_json_i64(&w, "bytes", pool->bytes);
	bh_json_close(&w, '}');
	bh_buf_puts(&out, "\n");
	return out.failed ? bh_err_oom(err)
			  : bh_install_file_write(&like, RECORD, bh_buf_str(&out), out.len, err);
}

/* ---- plan ------------------------------------------------------------------------------------ */

/* blkid(8) -p finds nothing: exit status 2 and no word. */
static int check_bears_nothing(const char *device, struct bh_err *err)
{
	const char *const argv[] = { "sh", "-c", "blkid -p -o export \"$0\" || [ $? -eq 2 ]",
				     device, NULL };
	bh_auto_free char *said = NULL;
	int r = bh_capture(argv, &said, err);

	if (r < 0)
		return bh_err_ctx(err, "look at '%s'", device);
	for (char *p = said; *p; p++)
		if (*p == '\n')
			*p = ' ';
	return !*said ? 0
		      : bh_err_as(err, BH_ERR_SPEC, -EEXIST,
				  "'%s' bears something already: %s; see wipefs(8)", device, said);
}

static int plan_device(const char *device, struct bh_pool *ret, struct bh_err *err)
{
	bh_auto_free char *path = realpath(device, NULL);
	bh_auto_close int fd = -EBADF;
	uint64_t bytes = 0;
	struct stat st;

	if (!path)
		return bh_err_set(err, -errno, "find '%s'", device);
	/* O_EXCL: nobody has it mounted, in a pool or in an array. */
	fd = bh_path_open(AT_FDCWD, path, O_RDWR | O_EXCL, 0, BH_PATH_HOST, err);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0 || !S_ISBLK(st.st_mode))
		return bh_err_as(err, BH_ERR_SPEC, -ENOTBLK, "'%s' is no block device", device);
	if (ioctl(fd, BLKGETSIZE64, &bytes) < 0)
		return bh_err_set(err, -errno, "ask '%s' for its size", device);
	ret->bytes = (int64_t)bytes;
	/* As it was given: a name of /dev/disk/by-id stays right when disks come in another order.
	 */
	if (snprintf(ret->device, sizeof(ret->device), "%s", device) >= (int)sizeof(ret->device))
		return bh_err_set(err, -ENAMETOOLONG, "use '%s'", device);
	return check_bears_nothing(path, err);
}

static int plan_file(int64_t bytes, struct bh_pool *ret, struct bh_err *err)
{
	struct statvfs fs;

	if (access(FILE_NAME, F_OK) == 0)
		return bh_err_as(err, BH_ERR_STATE, -EEXIST,
				 "'%s' is there already, of a pool that is not on record",
				 FILE_NAME);
	if (statvfs("/var/lib", &fs) < 0)
		return bh_err_set(err, -errno, "look at /var/lib");
	if ((int64_t)(fs.f_bavail * fs.f_frsize) < bytes / 10)
		return bh_err_as(err, BH_ERR_SPEC, -ENOSPC,
				 "/var/lib has %" PRIu64 " MiB free: too little for a pool of "
				 "%" PRId64 " MiB",
				 (uint64_t)fs.f_bavail * fs.f_frsize / (uint64_t)MIB, bytes / MIB);
	ret->bytes = bytes;
	snprintf(ret->file, sizeof(ret->file), FILE_NAME);
	return 0;
}

int bh_pool_plan(const char *device, int64_t bytes, struct bh_pool *ret, struct bh_err *err)
{
	static const char *const programs[] = { "dmsetup", "losetup", "blkid" };
	int r;

	*ret = (struct bh_pool){ .bytes = 0 };
	for (size_t i = 0; i < BH_ARRAY_SIZE(programs); i++)
		if (!bh_install_has(programs[i]))
			return bh_err_as(err, BH_ERR_SPEC, -ENOENT,
					 "a thin pool needs the program %s", programs[i]);
	if (access("/dev/mapper/control", F_OK) < 0)
		return bh_err_set(err, -errno, "find Device Mapper: '/dev/mapper/control'");
	r = device ? plan_device(device, ret, err) : plan_file(bytes, ret, err);
	if (r == 0 && ret->bytes < BH_POOL_BYTES_MIN)
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL,
				 "%" PRId64 " MiB are too little for a pool: at least %" PRId64
				 " MiB",
				 ret->bytes / MIB, BH_POOL_BYTES_MIN / MIB);
	return r;
}

/* ---- devices --------------------------------------------------------------------------------- */

static bool is_mapped(const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/dev/mapper/%s", name);
	return access(path, F_OK) == 0;
}

static int map(const char *name, const char *table, struct bh_err *err)
{
	const char *const argv[] = { "dmsetup", "create", name, "--table", table, NULL };
	bh_auto_free char *said = NULL;
	int r = is_mapped(name) ? 0 : bh_capture(argv, &said, err);

	return r < 0 ? bh_err_ctx(err, "make '%s'", name) : 0;
}

static int unmap(const char *name, struct bh_err *err)
{
	const char *const argv[] = { "dmsetup", "remove", "--retry", name, NULL };
	bh_auto_free char *said = NULL;
	int r = is_mapped(name) ? bh_capture(argv, &said, err) : 0;

	return r < 0 ? bh_err_ctx(err, "remove '%s'", name) : 0;
}

/* Cuts what follows the first line of @text. */
static void first_line(char *text)
{
	text[strcspn(text, "\n")] = '\0';
}

/* No second copy of the pool's data in the host's memory, where the file system can do without. */
static void cache_once(const char *loop)
{
	const char *const argv[] = { "losetup", "--direct-io=on", loop, NULL };
	struct bh_err ignored = BH_ERR_INIT;
	bh_auto_free char *said = NULL;

	(void)!bh_capture(argv, &said, &ignored);
}

/* The loop device of the pool's file, attached if need be and @attach. "" when it has none. */
static int loop_device(const struct bh_pool *pool, bool attach, char *ret, size_t size,
		       struct bh_err *err)
{
	const char *const ask[] = { "losetup",      "--noheadings", "--output", "NAME",
				    "--associated", pool->file,     NULL };
	const char *const add[] = { "losetup", "--find", "--show", pool->file, NULL };
	bh_auto_free char *said = NULL, *added = NULL;
	int r = bh_capture(ask, &said, err);

	if (r < 0)
		return r;
	first_line(said);
	if (*said || !attach) {
		snprintf(ret, size, "%s", said);
		return 0;
	}
	r = bh_capture(add, &added, err);
	if (r < 0)
		return bh_err_ctx(err, "attach '%s'", pool->file);
	first_line(added);
	snprintf(ret, size, "%s", added);
	cache_once(ret);
	return 0;
}

static int open_base(const struct bh_pool *pool, char *ret, size_t size, struct bh_err *err)
{
	if (pool->file[0])
		return loop_device(pool, true, ret, size, err);
	return snprintf(ret, size, "%s", pool->device) < (int)size
		       ? 0
		       : bh_err_set(err, -ENAMETOOLONG, "use '%s'", pool->device);
}

static int check_header(const struct bh_pool *pool, const char *base, struct bh_err *err)
{
	char header[sizeof(MAGIC) + sizeof(pool->id)] = "", wanted[sizeof(header)];
	bh_auto_close int fd = bh_path_open(AT_FDCWD, base, O_RDONLY, 0, BH_PATH_HOST, err);

	if (fd < 0)
		return fd;
	if (pread(fd, header, sizeof(header) - 1, 0) < 0)
		return bh_err_set(err, -errno, "read '%s'", base);
	snprintf(wanted, sizeof(wanted), MAGIC "%s", pool->id);
	return !strcmp(header, wanted)
		       ? 0
		       : bh_err_as(err, BH_ERR_STATE, -ENXIO,
				   "'%s' is not the pool's device: its header says otherwise",
				   base);
}

/* Metadata and data as devices of their own, of which the kernel makes the pool. */
static int map_all(const struct bh_pool *pool, const char *base, struct bh_err *err)
{
	int64_t meta = pool->bytes / META_RATIO / MIB * MIB, data;
	char table[512];
	int r;

	meta = meta < META_MIN ? META_MIN : meta > META_MAX ? META_MAX : meta;
	data = (pool->bytes - HEADER_BYTES - meta) / SECTOR / BLOCK_SECTORS * BLOCK_SECTORS;
	snprintf(table, sizeof(table), "0 %" PRId64 " linear %.200s %" PRId64, meta / SECTOR, base,
		 HEADER_BYTES / SECTOR);
	r = map(META_NAME, table, err);
	snprintf(table, sizeof(table), "0 %" PRId64 " linear %.200s %" PRId64, data, base,
		 (HEADER_BYTES + meta) / SECTOR);
	r = r < 0 ? r : map(DATA_NAME, table, err);
	/* New blocks are zeroed, which costs a little: a pod must not read what another one left.
	 */
	snprintf(table, sizeof(table),
		 "0 %" PRId64 " thin-pool /dev/mapper/" META_NAME " /dev/mapper/" DATA_NAME
		 " %d %d 1 error_if_no_space",
		 data, BLOCK_SECTORS, LOW_WATER);
	return r < 0 ? r : map(BH_POOL_NAME, table, err);
}

int bh_pool_start(const struct bh_pool *pool, struct bh_err *err)
{
	char base[sizeof(pool->device)];
	int r;

	if (is_mapped(BH_POOL_NAME))
		return 0;
	r = open_base(pool, base, sizeof(base), err);
	r = r < 0 ? r : check_header(pool, base, err);
	return r < 0 ? r : map_all(pool, base, err);
}

int bh_pool_stop(const struct bh_pool *pool, struct bh_err *err)
{
	char loop[64] = "";
	int r = unmap(BH_POOL_NAME, err);

	r = r < 0 ? r : unmap(DATA_NAME, err);
	r = r < 0 ? r : unmap(META_NAME, err);
	if (r == 0 && pool->file[0])
		r = loop_device(pool, false, loop, sizeof(loop), err);
	if (r == 0 && loop[0]) {
		const char *const argv[] = { "losetup", "--detach", loop, NULL };
		bh_auto_free char *said = NULL;

		r = bh_capture(argv, &said, err);
	}
	return r;
}

/* "0 SECTORS thin-pool TRANSACTION USED/TOTAL USED/TOTAL …" */
int bh_pool_used(int64_t *ret, struct bh_err *err)
{
	const char *const argv[] = { "dmsetup", "status", BH_POOL_NAME, NULL };
	bh_auto_free char *said = NULL;
	int64_t used;
	int r;

	*ret = 0;
	if (!is_mapped(BH_POOL_NAME))
		return 0;
	r = bh_capture(argv, &said, err);
	if (r < 0)
		return r;
	if (sscanf(said, "%*d %*d thin-pool %*d %*d/%*d %" SCNd64 "/", &used) != 1)
		return bh_err_as(err, BH_ERR_PEER, -EPROTO, "dmsetup says of the pool: %s", said);
	*ret = used * BLOCK_SECTORS * SECTOR;
	return 0;
}

/* ---- making and destroying ------------------------------------------------------------------- */

static int new_id(struct bh_pool *pool, struct bh_err *err)
{
	bh_auto_free char *text = NULL;
	int r = bh_path_read(AT_FDCWD, "/proc/sys/kernel/random/uuid", BH_PATH_HOST, 64, &text,
			     NULL, err);

	if (r < 0)
		return r;
	first_line(text);
	snprintf(pool->id, sizeof(pool->id), "%s", text);
	return 0;
}

/* The header, and zeroes where the kernel would look for metadata of a former pool. */
static int write_header(const struct bh_pool *pool, const char *path, bool blank,
			struct bh_err *err)
{
	bh_auto_close int fd = bh_path_open(AT_FDCWD, path, O_RDWR, 0, BH_PATH_HOST, err);
	bh_auto_free char *start = calloc(1, HEADER_BYTES + META_MIN);

	if (fd < 0)
		return fd;
	if (!start)
		return bh_err_oom(err);
	if (!blank)
		snprintf(start, HEADER_BYTES, MAGIC "%s", pool->id);
	if (pwrite(fd, start, HEADER_BYTES + META_MIN, 0) != HEADER_BYTES + META_MIN ||
	    fsync(fd) < 0)
		return bh_err_set(err, errno ? -errno : -EIO, "write to '%s'", path);
	return 0;
}

static int make_file(const struct bh_pool *pool, struct bh_err *err)
{
	struct bh_install_file like = { .mode = 0600 };
	int r = bh_install_file_write(&like, pool->file, "", 0, err);

	if (r == 0 && truncate(pool->file, pool->bytes) < 0)
		r = bh_err_set(err, -errno, "make '%s' %" PRId64 " MiB long", pool->file,
			       pool->bytes / MIB);
	return r;
}

int bh_pool_make(struct bh_pool *pool, struct bh_err *err)
{
	const char *path = pool->file[0] ? pool->file : pool->device;
	struct bh_err ignored = BH_ERR_INIT;
	int r = new_id(pool, err);

	r = r < 0 || !pool->file[0] ? r : make_file(pool, err);
	r = r < 0 ? r : save(pool, err);
	r = r < 0 ? r : write_header(pool, path, false, err);
	r = r < 0 ? r : bh_pool_start(pool, err);
	if (r < 0)
		(void)!bh_pool_destroy(pool, &ignored);
	return r;
}

int bh_pool_destroy(const struct bh_pool *pool, struct bh_err *err)
{
	int r = bh_pool_stop(pool, err);

	if (r == 0 && pool->file[0])
		r = bh_install_file_remove(pool->file, err);
	else if (r == 0)
		r = write_header(pool, pool->device, true, err);
	return r < 0 ? r : bh_install_file_remove(RECORD, err);
}

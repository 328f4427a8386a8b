/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/rdt.h"

#include <ctype.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/buf.h"
#include "base/path.h"
#include "linux/mount.h"
#include "linux/rdt_internal.h"

#define RESCTRL_MAGIC 0x7655821 /* RDTGROUP_SUPER_MAGIC of linux/magic.h, newer than Debian 12 */
#define SCHEMATA_MAX  65536
#define MOUNTINFO_MAX (16 << 20)

/* ---- where resctrl is ------------------------------------------------------------------------ */

char *bh_rdt_mountpoint(char *mountinfo)
{
	char *line, *rest = mountinfo;

	while ((line = strsep(&rest, "\n"))) {
		char *type = strstr(line, " - "), *field = line, *point = NULL;

		if (!type || strncmp(type + 3, "resctrl ", 8) != 0)
			continue;
		for (int i = 0; i < 5 && field; i++)
			point = strsep(&field, " ");
		if (point) {
			bh_mount_unescape(point);
			return point;
		}
	}
	return NULL;
}

/* Return: a descriptor of the resctrl root, or -errno; -ENOENT when none is mounted */
static int open_root(struct bh_err *err)
{
	bh_auto_free char *mountinfo = NULL;
	const char *point = "/sys/fs/resctrl";
	struct statfs fs;
	int r;

	if (statfs(point, &fs) < 0 || fs.f_type != RESCTRL_MAGIC) {
		r = bh_path_read(AT_FDCWD, "/proc/self/mountinfo", BH_PATH_HOST, MOUNTINFO_MAX,
				 &mountinfo, NULL, err);
		if (r < 0)
			return r;
		point = bh_rdt_mountpoint(mountinfo);
		if (!point)
			return bh_err_as(err, BH_ERR_OS, -ENOENT,
					 "Intel RDT: no resctrl file system is mounted");
	}
	return bh_path_open(AT_FDCWD, point, O_RDONLY | O_DIRECTORY, 0, BH_PATH_HOST, err);
}

/* ---- groups ---------------------------------------------------------------------------------- */

/* The kernel's own words on what it refused, for the end of an error. */
static int rdt_err(int root_fd, struct bh_err *err, int code, const char *doing, const char *what)
{
	bh_auto_free char *status = NULL;
	size_t len = 0;

	if (bh_path_read(root_fd, "info/last_cmd_status", BH_PATH_BENEATH, SCHEMATA_MAX, &status,
			 &len, NULL) == 0) {
		while (len > 0 && isspace((unsigned char)status[len - 1]))
			status[--len] = '\0';
	}
	if (len > 0 && strcmp(status, "ok") != 0)
		return bh_err_set(err, code, "Intel RDT: %s '%s' (the kernel says: %s)", doing,
				  what, status);
	return bh_err_set(err, code, "Intel RDT: %s '%s'", doing, what);
}

static bool given(const char *text)
{
	return text && text[0];
}

static const char *group_name(const struct bh_intel_rdt *rdt, const char *id)
{
	return given(rdt->clos_id) ? rdt->clos_id : id;
}

static bool is_root(const char *name)
{
	return strcmp(name, "/") == 0;
}

static int check_name(const char *name, struct bh_err *err)
{
	if (is_root(name))
		return 0;
	if (name[0] == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
	    strchr(name, '/'))
		return bh_err_spec(err, "/linux/intelRdt/closID", "invalid intelRdt.ClosID \"%s\"",
				   name);
	return 0;
}

static int open_group(int root_fd, const char *name, struct bh_err *err)
{
	int fd;

	if (check_name(name, err) < 0)
		return -EINVAL;
	fd = bh_path_try_open(root_fd, is_root(name) ? "." : name, O_RDONLY | O_DIRECTORY, 0,
			      BH_PATH_BENEATH);
	return fd < 0 ? bh_err_set(err, fd, "Intel RDT: open group '%s'", name) : fd;
}

/* ---- schemata -------------------------------------------------------------------------------- */

static bool has_schemata(const struct bh_intel_rdt *rdt)
{
	return given(rdt->l3_cache_schema) || given(rdt->mem_bw_schema) || rdt->schemata.n > 0;
}

/* All in one write, in the spec's order: L3, MB, the rest. */
static int write_schemata(int root_fd, int group_fd, const struct bh_intel_rdt *rdt,
			  struct bh_err *err)
{
	bh_auto_buf struct bh_buf text = BH_BUF_INIT;
	bh_auto_close int fd = -EBADF;

	if (given(rdt->l3_cache_schema))
		bh_buf_printf(&text, "%s\n", rdt->l3_cache_schema);
	if (given(rdt->mem_bw_schema))
		bh_buf_printf(&text, "%s\n", rdt->mem_bw_schema);
	for (size_t i = 0; i < rdt->schemata.n; i++)
		bh_buf_printf(&text, "%s\n", rdt->schemata.v[i]);
	if (text.failed)
		return bh_err_oom(err);
	if (text.len == 0)
		return 0;
	fd = bh_path_open(group_fd, "schemata", O_WRONLY | O_TRUNC, 0, BH_PATH_BENEATH, err);
	if (fd < 0)
		return bh_err_ctx(err, "Intel RDT");
	if (write(fd, text.data, text.len) < 0)
		return rdt_err(root_fd, err, -errno, "write schemata", text.data);
	return 0;
}

/* The next "id=value" of a schema line; *@p moves behind it and its ';'. */
static bool next_value(const char **p, int base, unsigned long *ret_id, unsigned long *ret_value)
{
	char *end;

	while (isspace((unsigned char)**p))
		++*p;
	if (!isdigit((unsigned char)**p))
		return false;
	*ret_id = strtoul(*p, &end, 10);
	if (*end != '=')
		return false;
	end += 1 + strspn(end + 1, " "); /* the kernel lines its numbers up */
	if (!isxdigit((unsigned char)*end))
		return false;
	*ret_value = strtoul(end, &end, base);
	while (isspace((unsigned char)*end))
		end++;
	if (*end != ';' && *end != '\0')
		return false;
	*p = end + (*end == ';');
	return true;
}

/* The values of resource @name (@len bytes) in a schemata file, cut out into @buf. */
static bool find_resource(const char *current, const char *name, size_t len, char *buf, size_t size)
{
	for (const char *line = current; *line; line += line[0] == '\n') {
		size_t line_len;

		while (*line == ' ' || *line == '\t')
			line++;
		line_len = strcspn(line, "\n");
		if (line_len > len && strncmp(line, name, len) == 0 && line[len] == ':' &&
		    line_len - len - 1 < size) {
			memcpy(buf, line + len + 1, line_len - len - 1);
			buf[line_len - len - 1] = '\0';
			return true;
		}
		line += line_len;
	}
	return false;
}

bool bh_rdt_schema_in(const char *schema, const char *current)
{
	char values[4096];
	const char *wanted = schema + strspn(schema, " \t");
	size_t len = strcspn(wanted, ":");
	int base = strncmp(wanted, "MB", 2) == 0 ? 10 : 16;
	unsigned long id, value, other_id, other;

	if (wanted[len] != ':' || !find_resource(current, wanted, len, values, sizeof(values)))
		return false;
	for (wanted += len + 1; *wanted;) {
		const char *p = values;
		bool same = false;

		if (!next_value(&wanted, base, &id, &value))
			return false;
		while (!same && next_value(&p, base, &other_id, &other))
			same = id == other_id && value == other;
		if (!same)
			return false;
	}
	return true;
}

static int check_schemata(int group_fd, const struct bh_intel_rdt *rdt, struct bh_err *err)
{
	const char *const wanted[] = { rdt->l3_cache_schema, rdt->mem_bw_schema };
	static const char *const where[] = { "/linux/intelRdt/l3CacheSchema",
					     "/linux/intelRdt/memBwSchema" };
	bh_auto_free char *current = NULL;
	int r;

	if (!given(wanted[0]) && !given(wanted[1]))
		return 0;
	r = bh_path_read(group_fd, "schemata", BH_PATH_BENEATH, SCHEMATA_MAX, &current, NULL, err);
	if (r < 0)
		return bh_err_ctx(err, "Intel RDT");
	for (size_t i = 0; i < BH_ARRAY_SIZE(wanted); i++) {
		if (given(wanted[i]) && !bh_rdt_schema_in(wanted[i], current))
			return bh_err_spec(err, where[i],
					   "'%s' is not what the existing group '%s' has",
					   wanted[i], rdt->clos_id);
	}
	return 0;
}

/* ---- the life of a group --------------------------------------------------------------------- */

static int make_monitor(int root_fd, int group_fd, const char *id, struct bh_err *err)
{
	bh_auto_close int fd = bh_path_open(group_fd, "mon_groups", O_RDONLY | O_DIRECTORY, 0,
					    BH_PATH_BENEATH, err);

	if (fd < 0)
		return bh_err_ctx(err, "Intel RDT monitoring");
	if (mkdirat(fd, id, 0755) < 0 && errno != EEXIST)
		return rdt_err(root_fd, err, -errno, "make monitoring group", id);
	return 0;
}

int bh_rdt_create_at(int root_fd, const struct bh_intel_rdt *rdt, const char *id, bool *ret_owned,
		     struct bh_err *err)
{
	const char *name = group_name(rdt, id);
	bh_auto_close int group_fd = -EBADF;
	bool owned = false;
	int r = check_name(name, err);

	if (r < 0)
		return r;
	if (!is_root(name) && (!given(rdt->clos_id) || has_schemata(rdt))) {
		owned = mkdirat(root_fd, name, 0755) == 0;
		if (!owned && errno != EEXIST)
			return rdt_err(root_fd, err, -errno, "make group", name);
	}
	group_fd = open_group(root_fd, name, err);
	r = group_fd;
	if (r < 0 && !owned)
		return bh_err_ctx(err, "a closID without schemata must exist");
	if (r >= 0 && !owned && given(rdt->clos_id))
		r = check_schemata(group_fd, rdt, err);
	if (r >= 0)
		r = write_schemata(root_fd, group_fd, rdt, err);
	if (r >= 0 && rdt->enable_monitoring)
		r = make_monitor(root_fd, group_fd, id, err);
	if (r < 0) {
		if (owned)
			unlinkat(root_fd, name, AT_REMOVEDIR);
		return r;
	}
	*ret_owned = owned;
	return 0;
}

static int add_task(int root_fd, int dirfd, const char *path, pid_t pid, struct bh_err *err)
{
	char text[16];
	bh_auto_close int fd = bh_path_open(dirfd, path, O_WRONLY, 0, BH_PATH_BENEATH, err);
	int n = snprintf(text, sizeof(text), "%d", pid);

	if (fd < 0)
		return bh_err_ctx(err, "Intel RDT");
	if (write(fd, text, (size_t)n) < 0)
		return rdt_err(root_fd, err, -errno, "add process to", path);
	return 0;
}

int bh_rdt_add_at(int root_fd, const struct bh_intel_rdt *rdt, const char *id, pid_t pid,
		  struct bh_err *err)
{
	bh_auto_close int group_fd = open_group(root_fd, group_name(rdt, id), err);
	char path[NAME_MAX + 32];
	int r;

	if (group_fd < 0)
		return group_fd;
	r = add_task(root_fd, group_fd, "tasks", pid, err);
	if (r < 0 || !rdt->enable_monitoring)
		return r;
	if (snprintf(path, sizeof(path), "mon_groups/%s/tasks", id) >= (int)sizeof(path))
		return bh_err_set(err, -ENAMETOOLONG, "Intel RDT monitoring");
	return add_task(root_fd, group_fd, path, pid, err);
}

int bh_rdt_update_at(int root_fd, const struct bh_intel_rdt *rdt, const char *id,
		     struct bh_err *err)
{
	bh_auto_close int group_fd = open_group(root_fd, group_name(rdt, id), err);

	return group_fd < 0 ? group_fd : write_schemata(root_fd, group_fd, rdt, err);
}

int bh_rdt_destroy_at(int root_fd, const struct bh_intel_rdt *rdt, const char *id, bool owned,
		      bool failed, struct bh_err *err)
{
	const char *name = group_name(rdt, id);
	bh_auto_close int fd = -EBADF;
	char path[2 * NAME_MAX + 32];
	int r = check_name(name, err);

	if (r < 0)
		return r;
	if (owned && (failed || !given(rdt->clos_id))) {
		/* Takes its monitoring groups with it. */
		if (unlinkat(root_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
			return rdt_err(root_fd, err, -errno, "remove group", name);
		return 0;
	}
	if (!rdt->enable_monitoring)
		return 0;
	if (snprintf(path, sizeof(path), "%s/mon_groups", is_root(name) ? "." : name) >=
	    (int)sizeof(path))
		return bh_err_set(err, -ENAMETOOLONG, "Intel RDT monitoring");
	fd = bh_path_try_open(root_fd, path, O_RDONLY | O_DIRECTORY, 0, BH_PATH_BENEATH);
	if (fd >= 0 && unlinkat(fd, id, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return rdt_err(root_fd, err, -errno, "remove monitoring group", id);
	return 0;
}

/* ---- on the mounted resctrl ------------------------------------------------------------------ */

int bh_rdt_create(const struct bh_intel_rdt *rdt, const char *id, bool *ret_owned,
		  struct bh_err *err)
{
	bh_auto_close int root_fd = open_root(err);

	return root_fd < 0 ? root_fd : bh_rdt_create_at(root_fd, rdt, id, ret_owned, err);
}

int bh_rdt_add(const struct bh_intel_rdt *rdt, const char *id, pid_t pid, struct bh_err *err)
{
	bh_auto_close int root_fd = open_root(err);

	return root_fd < 0 ? root_fd : bh_rdt_add_at(root_fd, rdt, id, pid, err);
}

int bh_rdt_update(const struct bh_intel_rdt *rdt, const char *id, struct bh_err *err)
{
	bh_auto_close int root_fd = open_root(err);

	return root_fd < 0 ? root_fd : bh_rdt_update_at(root_fd, rdt, id, err);
}

int bh_rdt_destroy(const struct bh_intel_rdt *rdt, const char *id, bool owned, bool failed,
		   struct bh_err *err)
{
	bh_auto_close int root_fd = open_root(err);

	/* Without resctrl there is nothing left to remove. */
	if (root_fd == -ENOENT)
		return 0;
	return root_fd < 0 ? root_fd : bh_rdt_destroy_at(root_fd, rdt, id, owned, failed, err);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Reading and writing control files, and the names of controllers. */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/path.h"
#include "linux/cgroup_internal.h"

static const char *const names[BH_CG_MAX_] = {
	[BH_CG_CPU] = "cpu",           [BH_CG_CPUACCT] = "cpuacct",
	[BH_CG_CPUSET] = "cpuset",     [BH_CG_MEMORY] = "memory",
	[BH_CG_DEVICES] = "devices",   [BH_CG_FREEZER] = "freezer",
	[BH_CG_BLKIO] = "blkio",       [BH_CG_PIDS] = "pids",
	[BH_CG_HUGETLB] = "hugetlb",   [BH_CG_NET_CLS] = "net_cls",
	[BH_CG_NET_PRIO] = "net_prio", [BH_CG_PERF_EVENT] = "perf_event",
	[BH_CG_RDMA] = "rdma",         [BH_CG_MISC] = "misc",
};

const char *bh_cg_ctrl_name(enum bh_cg_ctrl ctrl, bool v2)
{
	return v2 && ctrl == BH_CG_BLKIO ? "io" : names[ctrl];
}

enum bh_cg_ctrl bh_cg_ctrl_find(const char *name, size_t len)
{
	enum bh_cg_ctrl ctrl = 0;

	if (len == 2 && memcmp(name, "io", 2) == 0)
		return BH_CG_BLKIO;
	while (ctrl < BH_CG_MAX_ &&
	       (strlen(names[ctrl]) != len || memcmp(names[ctrl], name, len) != 0))
		ctrl++;
	return ctrl;
}

int bh_cg_open(const char *dir, const char *file, int flags)
{
	char path[PATH_MAX];

	/* A file name may come from a document (page size, `unified`): it must not lead elsewhere.
	 */
	if (strchr(file, '/') || strcmp(file, "..") == 0)
		return -EINVAL;
	if (snprintf(path, sizeof(path), "%s/%s", dir, file) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	return bh_path_try_open(AT_FDCWD, path, flags, 0, BH_PATH_HOST);
}

ssize_t bh_cg_read(const char *dir, const char *file, char *buf, size_t size)
{
	bh_auto_close int fd = bh_cg_open(dir, file, O_RDONLY);
	size_t len = 0;
	ssize_t n;

	if (fd < 0)
		return fd;
	/* A file shorter than a page comes in one piece: a second read would only say "end". */
	do {
		n = read(fd, buf + len, size - 1 - len);
		if (n < 0)
			return -errno;
		len += (size_t)n;
	} while (n > 0 && len >= 2048 && len < size - 1);
	while (len && buf[len - 1] == '\n')
		len--;
	buf[len] = '\0';
	return (ssize_t)len;
}

int bh_cg_write(const char *dir, const char *file, const char *value)
{
	bh_auto_close int fd = bh_cg_open(dir, file, O_WRONLY);

	return fd < 0 ? fd : bh_fd_write(fd, value, strlen(value));
}

static int parse_u64(const char *text, uint64_t *ret)
{
	char *end;

	errno = 0;
	if (text[0] == '-') {
		*ret = 0;
		return 0;
	}
	*ret = strtoull(text, &end, 10);
	return errno || end == text || (*end && *end != '\n' && *end != ' ') ? -EIO : 0;
}

int bh_cg_read_u64(const char *dir, const char *file, uint64_t *ret)
{
	char text[64];
	ssize_t n = bh_cg_read(dir, file, text, sizeof(text));

	if (n < 0)
		return (int)n;
	if (strcmp(text, "max") == 0) {
		*ret = UINT64_MAX;
		return 0;
	}
	return parse_u64(text, ret);
}

int bh_cg_read_key(const char *dir, const char *file, const char *key, uint64_t *ret)
{
	size_t len = strlen(key);
	char text[4096];
	ssize_t n = bh_cg_read(dir, file, text, sizeof(text));

	*ret = 0;
	if (n < 0)
		return (int)n;
	for (char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n')
		if (strncmp(line, key, len) == 0 && line[len] == ' ')
			return parse_u64(line + len + 1, ret);
	return 0;
}

void bh_cg_sleep(unsigned int us)
{
	nanosleep(&(struct timespec){ .tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000L },
		  NULL);
}

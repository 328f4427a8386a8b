/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/modules.h"

#include <fcntl.h>
#include <string.h>

#include "base/log.h"
#include "base/path.h"
#include "base/sys.h"

#define LIST_BYTES_MAX 65536

int bh_modules_open(int dirfd, const char *name, struct bh_modules *ret, struct bh_err *err)
{
	struct bh_err ignored = BH_ERR_INIT;
	int r;

	*ret = (struct bh_modules){ .dirfd = dirfd };
	if (dirfd < 0)
		return 0;
	r = bh_path_read(dirfd, name, BH_PATH_BENEATH, LIST_BYTES_MAX, &ret->text, NULL, &ignored);
	if (r < 0 && r != -ENOENT) {
		*err = ignored;
		return bh_err_ctx(err, "list of modules");
	}
	ret->next = ret->text;
	return 0;
}

const char *bh_modules_next(struct bh_modules *modules)
{
	while (modules->next && *modules->next) {
		char *line = modules->next, *end = line + strcspn(line, "\n");
		char *slash;

		modules->next = *end ? end + 1 : end;
		*end = '\0';
		slash = strrchr(line, '/');
		line = slash ? slash + 1 : line;
		if (*line && strcmp(line, ".") && strcmp(line, ".."))
			return line;
	}
	return NULL;
}

/* Those that would make things by themselves which nobody asked for. */
static const struct {
	const char *file, *parameters;
} quiet[] = {
	{ "dummy.ko", "numdummies=0" },
};

static const char *parameters_of(const char *file)
{
	for (size_t i = 0; i < BH_ARRAY_SIZE(quiet); i++)
		if (!strcmp(quiet[i].file, file))
			return quiet[i].parameters;
	return "";
}

/* Return: 0 or -errno */
static int load(int dirfd, const char *name)
{
	bh_auto_close int fd = bh_path_try_open(dirfd, name, O_RDONLY, 0, BH_PATH_BENEATH);

	if (fd < 0)
		return fd;
	return bh_sys_finit_module(fd, parameters_of(name), 0) < 0 ? -errno : 0;
}

bool bh_modules_load_one(struct bh_modules *modules)
{
	const char *name = bh_modules_next(modules);
	int r;

	if (!name)
		return false;
	r = load(modules->dirfd, name);
	/* ENODEV: for a device that this machine does not have. */
	if (r < 0 && r != -EEXIST && r != -ENODEV)
		bh_warn("module %s: %s", name, strerror(-r));
	unlinkat(modules->dirfd, name, 0);
	return true;
}

void bh_modules_load_all(struct bh_modules *modules)
{
	while (bh_modules_load_one(modules))
		continue;
}

/* Return: whether @fstype can be a file system's name */
static bool fs_list(const char *fstype, char ret[static BH_MODULES_FS_BYTES])
{
	if (!fstype[0] || strchr(fstype, '/'))
		return false;
	return snprintf(ret, BH_MODULES_FS_BYTES, "fs-%s", fstype) < BH_MODULES_FS_BYTES;
}

void bh_modules_load_fs(int dirfd, const char *fstype)
{
	struct bh_modules list = BH_MODULES_INIT;
	char name[BH_MODULES_FS_BYTES], text[BH_ERR_LINE_BYTES];
	struct bh_err err = BH_ERR_INIT;

	if (dirfd < 0 || !fs_list(fstype, name))
		return;
	if (bh_modules_open(dirfd, name, &list, &err) < 0)
		bh_warn("%s", bh_err_format(&err, text, sizeof(text)));
	if (list.text)
		unlinkat(dirfd, name, 0);
	bh_modules_load_all(&list);
	bh_modules_deinit(&list);
}

bool bh_modules_has_fs(int dirfd, const char *fstype)
{
	char name[BH_MODULES_FS_BYTES];

	return dirfd >= 0 && fs_list(fstype, name) && faccessat(dirfd, name, F_OK, 0) == 0;
}

void bh_modules_deinit(struct bh_modules *modules)
{
	free(modules->text);
	modules->text = modules->next = NULL;
}

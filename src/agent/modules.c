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

/* Return: 0 or -errno */
static int load(int dirfd, const char *name)
{
	bh_auto_close int fd = bh_path_try_open(dirfd, name, O_RDONLY, 0, BH_PATH_BENEATH);

	if (fd < 0)
		return fd;
	return bh_sys_finit_module(fd, "", 0) < 0 ? -errno : 0;
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

bool bh_modules_has(const struct bh_modules *modules, const char *name)
{
	size_t len = strlen(name);

	for (const char *at = modules->next; at && (at = strstr(at, name)); at += len)
		if ((at == modules->text || at[-1] == '/' || at[-1] == '\n') &&
		    (at[len] == '\n' || at[len] == '\0'))
			return true;
	return false;
}

void bh_modules_deinit(struct bh_modules *modules)
{
	free(modules->text);
	*modules = BH_MODULES_INIT;
}

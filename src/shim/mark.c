/* SPDX-License-Identifier: Apache-2.0 */
/* A symbolic link for each pod whose states are not in the usual place; it comes and goes with the
 * pod's socket, and is called as that is. node/roots.c finds it. */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/path.h"
#include "shim/shim.h"

static const char *mark_of(const char *socket_path, char path[static PATH_MAX])
{
	const char *slash = strrchr(socket_path, '/');

	snprintf(path, PATH_MAX, BH_SHIM_SOCKET_DIR "/%s.root", slash ? slash + 1 : socket_path);
	return path;
}

void bh_shim_mark(const char *socket_path, const char *root)
{
	bh_auto_close int top = bh_path_try_open(AT_FDCWD, "/", O_PATH, 0, BH_PATH_HOST);
	bh_auto_close int dir = top < 0 ? top : bh_path_mkdirs(top, BH_SHIM_SOCKET_DIR, 0700, NULL);
	char path[PATH_MAX];

	if (dir < 0)
		return;
	mark_of(socket_path, path);
	unlink(path);
	(void)!symlink(root, path);
}

void bh_shim_unmark(const char *socket_path)
{
	char path[PATH_MAX];

	unlink(mark_of(socket_path, path));
}

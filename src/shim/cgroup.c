/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <string.h>

#include "base/path.h"
#include "linux/cgroup.h"
#include "shim/shim.h"

/* Itself, and with it what it will start. Return: 0; -ENOENT when there is no such group */
static int enter(const struct bh_cgroup_hierarchy *h, struct bh_err *err)
{
	bh_auto_close int root = bh_path_open(AT_FDCWD, h->mountpoint, O_PATH | O_DIRECTORY, 0,
					      BH_PATH_HOST, err),
			  dir = -EBADF;

	if (root < 0)
		return root;
	dir = bh_path_open(root, h->path, O_PATH | O_DIRECTORY, 0, BH_PATH_IN_ROOT, err);
	return dir < 0 ? dir : bh_path_write(dir, "cgroup.procs", "0", BH_PATH_BENEATH, err);
}

int bh_shim_enter_cgroup(const char *path, struct bh_err *err)
{
	const struct bh_spec spec = { .linux_.cgroups_path = path };
	bh_auto_cgroup struct bh_cgroup *cg = NULL;
	const struct bh_cgroup_hierarchy *h;
	size_t n, entered = 0;
	int r = bh_cgroup_plan(&spec, "shim", BH_CGROUP_FS, false, &cg, err);

	if (r < 0)
		return bh_err_ctx(err, "the shim's control group '%s'", path);
	h = bh_cgroup_hierarchies(cg, &n);
	for (size_t i = 0; i < n; i++) {
		r = enter(&h[i], err);
		if (r < 0 && r != -ENOENT)
			return bh_err_ctx(err, "the shim's control group '%s'", path);
		entered += r == 0;
	}
	return entered ? 0
		       : bh_err_as(err, BH_ERR_SPEC, -ENOENT,
				   "the shim's control group '%s' is in no hierarchy", path);
}

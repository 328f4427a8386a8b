/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/lsm.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>

#include "base/path.h"

#define PROFILE_BYTES 4096 /* attr files take one page at most */

bool bh_apparmor_enabled(void)
{
	bh_auto_close int fd = bh_path_try_open(AT_FDCWD, "/sys/module/apparmor/parameters/enabled",
						O_RDONLY, 0, BH_PATH_HOST);
	char answer;

	return fd >= 0 && read(fd, &answer, 1) == 1 && answer == 'Y' &&
	       access("/sys/kernel/security/apparmor", F_OK) == 0;
}

bool bh_selinux_enabled(void)
{
	struct statfs fs;

	return statfs("/sys/fs/selinux", &fs) == 0 && fs.f_type == SELINUX_MAGIC;
}

int bh_apparmor_on_exec(int self_fd, const char *profile, struct bh_err *err)
{
	char text[PROFILE_BYTES];
	bh_auto_close int fd = -EBADF;
	int n = snprintf(text, sizeof(text), "exec %s", profile);

	if (n >= (int)sizeof(text))
		return bh_err_set(err, -ENAMETOOLONG, "apply AppArmor profile '%.64s…'", profile);
	fd = bh_path_try_open(self_fd, "attr/apparmor/exec", O_WRONLY, 0, BH_PATH_PROC);
	/* FALLBACK(linux-5.8): no directory of AppArmor's own */
	if (fd == -ENOENT)
		fd = bh_path_try_open(self_fd, "attr/exec", O_WRONLY, 0, BH_PATH_PROC);
	if (fd < 0)
		return bh_err_set(err, fd, "apply AppArmor profile '%s': open attr/exec", profile);
	if (write(fd, text, (size_t)n) < 0)
		return bh_err_set(err, -errno, "apply AppArmor profile '%s'", profile);
	return 0;
}

int bh_selinux_on_exec(int self_fd, const char *label, struct bh_err *err)
{
	int r = bh_path_write(self_fd, "attr/exec", label, BH_PATH_PROC, err);

	return r < 0 ? bh_err_ctx(err, "set SELinux label") : 0;
}

int bh_selinux_key_label(int self_fd, const char *label, struct bh_err *err)
{
	int r = bh_path_write(self_fd, "attr/keycreate", label, BH_PATH_PROC, err);

	return r < 0 ? bh_err_ctx(err, "set SELinux label of keyrings") : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* bulkhead-policy DIR: write the files of deploy/kubernetes/ into DIR. Of the build, not installed.
 */
#include <fcntl.h>
#include <stdio.h>

#include "base/path.h"
#include "policy/policy.h"

static int write_file(int dir, const struct bh_policy_file *file)
{
	bh_auto_buf struct bh_buf out = BH_BUF_INIT;
	bh_auto_close int fd =
		openat(dir, file->name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	file->write(&out);
	if (fd < 0 || out.failed)
		return -EIO;
	return bh_fd_write(fd, bh_buf_str(&out), out.len);
}

int main(int argc, char **argv)
{
	bh_auto_close int dir = open(argc == 2 ? argv[1] : "", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (size_t i = 0; dir >= 0 && i < bh_n_policy_files; i++)
		if (write_file(dir, &bh_policy_files[i]) < 0) {
			fprintf(stderr, "bulkhead-policy: %s: %m\n", bh_policy_files[i].name);
			return 1;
		}
	if (dir < 0)
		fprintf(stderr, "bulkhead-policy DIR: %m\n");
	return dir < 0;
}

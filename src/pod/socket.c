/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/path.h"
#include "base/socket.h"
#include "pod/pod.h"

#define LISTEN_BACKLOG 64

int bh_pod_listen(const char *root, const char *id, struct bh_err *err)
{
	struct sockaddr_un address;
	bh_auto_close int dir = -EBADF, fd = -EBADF;
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/" BH_PODS_DIR "/%s", root, id);
	dir = bh_path_open(AT_FDCWD, path, O_PATH | O_DIRECTORY, 0, BH_PATH_HOST, err);
	if (dir < 0)
		return dir;
	address = bh_socket_at(dir, BH_POD_SOCKET);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(fd, LISTEN_BACKLOG) < 0)
		return bh_err_set(err, -errno, "listen at '%s/" BH_POD_SOCKET "'", path);
	return bh_take_fd(&fd);
}

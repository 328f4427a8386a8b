/* SPDX-License-Identifier: Apache-2.0 */
#include "container/handover.h"

#include <fcntl.h>
#include <string.h>
#include <sys/pidfd.h>

#include "base/json_writer.h"
#include "base/path.h"
#include "container/create_internal.h"
#include "container/sync.h"
#include "linux/seccomp.h"

int bh_handover_master(const struct bh_process_io *io, int *fd, int *ret_master, struct bh_err *err)
{
	if (*fd < 0)
		return bh_err_as(err, BH_ERR_BUG, -EBADMSG, "a terminal without descriptor");
	if (io->console_socket)
		return bh_sync_connect_send_fd(io->console_socket, *fd, "/dev/ptmx", err);
	*ret_master = bh_take_fd(fd);
	return 0;
}

int bh_handover_pidfd(const char *path, pid_t pid, struct bh_err *err)
{
	bh_auto_close int fd = pidfd_open(pid, 0);

	if (fd < 0)
		return bh_err_set(err, -errno, "pidfd_open %d", pid);
	return bh_sync_connect_send_fd(path, fd, "pidfd", err);
}

int bh_handover_listener(const struct bh_container *c, pid_t pid, int fd, struct bh_err *err)
{
	const struct bh_seccomp *seccomp = &c->spec.linux_.seccomp;
	bh_auto_buf struct bh_buf doc = BH_BUF_INIT, state = BH_BUF_INIT;
	struct bh_json_writer w = { .out = &doc };

	bh_hook_state_json(c, pid == c->init.pid ? BH_STATUS_CREATING : BH_STATUS_RUNNING,
			   c->init.pid, &state);
	bh_json_open(&w, NULL, '{');
	bh_json_text(&w, "ociVersion", c->spec.oci_version);
	bh_json_texts(&w, "fds", (const char *const[]){ "seccompFd", NULL });
	bh_json_i64(&w, "pid", pid);
	if (seccomp->listener_metadata)
		bh_json_text(&w, "metadata", seccomp->listener_metadata);
	bh_json_raw(&w, "state", bh_buf_str(&state));
	bh_json_close(&w, '}');
	if (doc.failed || state.failed)
		return bh_err_oom(err);
	return bh_seccomp_send_listener(seccomp->listener_path, fd, doc.data, doc.len, err);
}

int bh_handover_pid_file(const char *path, pid_t pid, struct bh_err *err)
{
	const char *slash = strrchr(path, '/');
	bh_auto_free char *dir = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
	bh_auto_close int fd = -EBADF;
	char text[16];
	int r;

	if (!dir)
		return bh_err_oom(err);
	fd = bh_path_open(AT_FDCWD, dir, O_PATH | O_DIRECTORY, 0, BH_PATH_HOST, err);
	if (fd < 0)
		return bh_err_ctx(err, "pid file");
	snprintf(text, sizeof(text), "%d", pid);
	r = bh_path_replace(fd, slash ? slash + 1 : path, text, strlen(text), 0644, err);
	return r < 0 ? bh_err_ctx(err, "pid file") : 0;
}

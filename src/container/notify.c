/* SPDX-License-Identifier: Apache-2.0 */
#include "container/notify.h"

#include <sys/socket.h>
#include <sys/stat.h>

#include "base/socket.h"

#define DIRECTORY  "notify"
#define SOCKET     DIRECTORY "/notify.sock"
#define MOUNTED_AT "/run/notify"

static const char *const options[] = { "bind", "nosuid", "noexec", "nodev", "ro", NULL };

static int add_mount(struct bh_container *c, struct bh_err *err)
{
	const size_t n = c->spec.mounts.n;
	struct bh_mount *v =
		bh_arena_grow(&c->arena, c->spec.mounts.v, n, n + 1, sizeof(*c->spec.mounts.v));
	char *source = bh_arena_printf(&c->arena, "%s/%s/" DIRECTORY, c->root, c->id);

	if (!v || !source)
		return bh_err_oom(err);
	v[n] = (struct bh_mount){ .destination = MOUNTED_AT,
				  .source = source,
				  .options = { .v = (const char **)options,
					       .n = BH_ARRAY_SIZE(options) - 1 } };
	c->spec.mounts.v = v;
	c->spec.mounts.n = n + 1;
	return 0;
}

static int add_variable(struct bh_container *c, struct bh_err *err)
{
	return bh_strv_add(&c->arena, &c->spec.process.env, "NOTIFY_SOCKET=/run/" SOCKET) < 0
		       ? bh_err_oom(err)
		       : 0;
}

int bh_notify_plan(struct bh_container *c, struct bh_err *err)
{
	int r = add_mount(c, err);

	return r < 0 ? r : add_variable(c, err);
}

int bh_notify_make_dir(const struct bh_container *c, struct bh_err *err)
{
	/* Open to all: who can come here decides the mode of ROOT/ID, and in the container the
	 * mount. */
	const mode_t old = umask(0);
	int r = mkdirat(c->dirfd, DIRECTORY, 0755) < 0 ? -errno : 0;

	umask(old);
	return r < 0 ? bh_err_set(err, r, "make the directory of the notification socket") : 0;
}

int bh_container_notify_listen(const struct bh_container *c, struct bh_err *err)
{
	const struct sockaddr_un addr = bh_socket_at(c->dirfd, SOCKET);
	bh_auto_close int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mode_t old;
	int r;

	if (fd < 0)
		return bh_err_set(err, -errno, "socket");
	old = umask(0); /* whoever the process becomes may write to it */
	r = bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0 ? -errno : 0;
	umask(old);
	return r < 0 ? bh_err_set(err, r, "make the notification socket") : bh_take_fd(&fd);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "container/sync.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/socket.h"

#define ERRNO_MAX 4095 /* of the kernel's interface */

static const char *const names[BH_SYNC_MAX_] = {
	[BH_SYNC_EOF] = "end of file", [BH_SYNC_JOINED] = "joined",     [BH_SYNC_GO] = "go",
	[BH_SYNC_HOOKS] = "hooks",     [BH_SYNC_MASTER] = "master",     [BH_SYNC_READY] = "ready",
	[BH_SYNC_ERR] = "error",       [BH_SYNC_LISTENER] = "listener",
};

int bh_sync_send(int sock, enum bh_sync_type type, int fd, struct bh_err *err)
{
	struct bh_sync_msg msg = { .type = type };
	ssize_t n = bh_fd_send(sock, &msg, offsetof(struct bh_sync_msg, err), fd, 0);

	return n < 0 ? bh_err_set(err, (int)n, "send %s", names[type]) : 0;
}

int bh_sync_send_number(int sock, enum bh_sync_type type, int number, struct bh_err *err)
{
	struct bh_sync_msg msg = { .type = type, .number = number };

	if (TEMP_FAILURE_RETRY(write(sock, &msg, offsetof(struct bh_sync_msg, err))) < 0)
		return bh_err_set(err, -errno, "send %s", names[type]);
	return 0;
}

void bh_sync_send_err(int sock, const struct bh_err *what)
{
	struct bh_sync_msg msg = { .type = BH_SYNC_ERR, .err = *what };

	/* write(2), which a filter that is in place by now is the least likely to refuse. */
	if (TEMP_FAILURE_RETRY(write(sock, &msg, sizeof(msg))) < 0)
		return;
}

/* Whether it is what one of the senders above could have sent. */
static bool is_message(const struct bh_sync_msg *msg, size_t n)
{
	if (n < offsetof(struct bh_sync_msg, err) || msg->type == BH_SYNC_EOF ||
	    msg->type >= BH_SYNC_MAX_)
		return false;
	return msg->type != BH_SYNC_ERR ||
	       (n == sizeof(*msg) && msg->err.code < 0 && msg->err.code >= -ERRNO_MAX &&
		msg->err.domain < BH_ERR_MAX_);
}

int bh_sync_recv(int sock, struct bh_sync_msg *msg, int *ret_fd, struct bh_err *err)
{
	bh_auto_close int fd = -EBADF;
	ssize_t n;

	/* A peer that died with a message of ours unread resets the connection, which is told once
	 * and before what it had said. */
	do
		n = bh_fd_receive(sock, msg, sizeof(*msg), &fd, 0);
	while (n == -ECONNRESET);
	if (ret_fd)
		*ret_fd = -EBADF;
	if (n < 0)
		return bh_err_set(err, (int)n, "receive from the container's process");
	if (n <= 0)
		return BH_SYNC_EOF;
	if (!is_message(msg, (size_t)n))
		return bh_err_as(err, BH_ERR_BUG, -EBADMSG, "odd message of %zd bytes", n);
	if (msg->type == BH_SYNC_ERR) {
		msg->err.text[sizeof(msg->err.text) - 1] = '\0';
		msg->err.where[sizeof(msg->err.where) - 1] = '\0';
		if (err)
			*err = msg->err;
		return msg->err.code;
	}
	if (ret_fd)
		*ret_fd = bh_take_fd(&fd);
	return (int)msg->type;
}

int bh_sync_expect(int sock, enum bh_sync_type type, struct bh_err *err)
{
	struct bh_sync_msg msg;
	int r = bh_sync_recv(sock, &msg, NULL, err);

	if (r < 0 || r == (int)type)
		return r < 0 ? r : 0;
	return bh_err_as(err, BH_ERR_PEER, -EPIPE, "expected %s, got %s", names[type], names[r]);
}

int bh_sync_connect_send_fd(const char *path, int fd, const char *text, struct bh_err *err)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	bh_auto_close int sock = -EBADF;
	ssize_t n;

	if (strlen(path) >= sizeof(addr.sun_path))
		return bh_err_set(err, -ENAMETOOLONG, "socket '%s'", path);
	strcpy(addr.sun_path, path);
	sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (sock < 0)
		return bh_err_set(err, -errno, "socket");
	if (connect(sock, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return bh_err_set(err, -errno, "connect '%s'", path);
	n = bh_fd_send(sock, text, strlen(text), fd, 0);
	return n < 0 ? bh_err_set(err, (int)n, "send to '%s'", path) : 0;
}

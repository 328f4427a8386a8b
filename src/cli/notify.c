/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/notify.h"

#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/log.h"
#include "base/socket.h"

#define READY             "READY=1"
#define MESSAGE_BYTES_MAX 4096 /* of one that is looked at; READY=1 stands in its beginning */
#define BARRIER           "BARRIER=1"
#define BARRIER_MS        30000 /* a manager that does not know barriers lets us wait so long */

const char *bh_notify_host(void)
{
	const char *host = getenv("NOTIFY_SOCKET");

	if (!host || !*host)
		return NULL;
	if ((host[0] == '/' || host[0] == '@') &&
	    strlen(host) < sizeof(((struct sockaddr_un *)0)->sun_path))
		return host;
	bh_warn("NOTIFY_SOCKET '%s' is no address of a Unix socket, ignoring", host);
	return NULL;
}

bool bh_notify_says_ready(int fd)
{
	char text[MESSAGE_BYTES_MAX + 1];
	/* Without room for control data the kernel drops what descriptors are attached. */
	ssize_t n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);

	if (n <= 0)
		return false;
	text[n] = '\0';
	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, READY, strlen(READY)) == 0 &&
		    (line[strlen(READY)] == '\n' || line[strlen(READY)] == '\0'))
			return true;
	}
	return false;
}

static int connect_host(const char *host)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(host));
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	memcpy(addr.sun_path, host, strlen(host));
	if (host[0] == '@')
		addr.sun_path[0] = '\0';
	else
		len++;
	if (fd >= 0 && connect(fd, (struct sockaddr *)&addr, len) < 0)
		return bh_close(fd);
	return fd;
}

/* The manager closes the descriptor that comes with it once everything before it is dealt with. */
static void barrier(int sock)
{
	bh_auto_close int ours = -EBADF, theirs = -EBADF;
	struct pollfd wait = { .events = 0 };
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return;
	ours = ends[0];
	theirs = ends[1];
	if (bh_fd_send(sock, BARRIER, strlen(BARRIER), theirs, 0) < 0)
		return;
	theirs = bh_close(theirs);
	wait.fd = ours;
	if (TEMP_FAILURE_RETRY(poll(&wait, 1, BARRIER_MS)) == 0)
		bh_warn("NOTIFY_SOCKET: no answer to " BARRIER " within %d s", BARRIER_MS / 1000);
}

void bh_notify_send_ready(const char *host, pid_t main_pid, bool leaving)
{
	bh_auto_close int sock = connect_host(host);
	char text[64];
	int n = snprintf(text, sizeof(text), "MAINPID=%d\n" READY "\n", (int)main_pid);

	if (sock < 0 || send(sock, text, (size_t)n, MSG_NOSIGNAL) < 0) {
		bh_warn("tell '%s' that the container is ready: %m", host);
		return;
	}
	if (leaving)
		barrier(sock);
}

void bh_notify_wait(const char *host, int fd, pid_t pid)
{
	bh_auto_close int sock = fd, pidfd = pidfd_open(pid, 0);
	struct pollfd wait[] = { { .fd = sock, .events = POLLIN },
				 { .fd = pidfd, .events = POLLIN } };

	/* It may have spoken and ended before it was looked at: its word comes first. */
	for (bool ended = pidfd < 0;; ended = wait[1].revents) {
		if (TEMP_FAILURE_RETRY(poll(wait, BH_ARRAY_SIZE(wait), ended ? 0 : -1)) < 0)
			return;
		if (wait[0].revents && bh_notify_says_ready(sock)) {
			bh_notify_send_ready(host, pid, true);
			return;
		}
		if (!wait[0].revents && (ended || wait[1].revents))
			return;
	}
}

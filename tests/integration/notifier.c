/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two ends of sd_notify(3), for notify.bats; static, so that it runs in any container.
 *
 *	notifier send TEXT [fd]    to $NOTIFY_SOCKET, with a descriptor attached
 *	notifier listen PATH       prints each message as a line, its own line ends as spaces;
 *	                           "@…" is an abstract address
 */
#include <err.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static socklen_t address(const char *path, struct sockaddr_un *addr)
{
	*addr = (struct sockaddr_un){ .sun_family = AF_UNIX };
	strncpy(addr->sun_path, path, sizeof(addr->sun_path) - 1);
	if (path[0] == '@')
		addr->sun_path[0] = '\0';
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path) +
			   (path[0] != '@'));
}

static void say(const char *text, int fd)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { .iov_base = (void *)text, .iov_len = strlen(text) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	int sock = socket(AF_UNIX, SOCK_DGRAM, 0);
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un addr;

	if (!path)
		errx(1, "no NOTIFY_SOCKET");
	msg.msg_namelen = address(path, &addr);
	msg.msg_name = &addr;
	if (fd >= 0) {
		msg.msg_control = control;
		msg.msg_controllen = sizeof(control);
		struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	}
	if (sendmsg(sock, &msg, 0) < 0)
		err(1, "send to %s", path);
}

static void listen_at(const char *path)
{
	int sock = socket(AF_UNIX, SOCK_DGRAM, 0);
	struct sockaddr_un addr;
	socklen_t len = address(path, &addr);
	char text[65536];
	ssize_t n;

	if (bind(sock, (struct sockaddr *)&addr, len) < 0)
		err(1, "bind %s", path);
	printf("listening\n");
	/* Descriptors that come along are closed by the kernel: a barrier is answered at once. */
	for (fflush(stdout); (n = recv(sock, text, sizeof(text) - 1, 0)) >= 0; fflush(stdout)) {
		text[n] = '\0';
		for (char *c = text; *c; c++)
			*c = *c == '\n' ? ' ' : *c;
		printf("%s\n", text);
	}
}

int main(int argc, char **argv)
{
	if (argc >= 3 && strcmp(argv[1], "send") == 0)
		say(argv[2], argc > 3 ? open("/", O_PATH) : -1);
	else if (argc == 3 && strcmp(argv[1], "listen") == 0)
		listen_at(argv[2]);
	else
		errx(2, "usage: notifier send TEXT [fd] | listen PATH");
	return 0;
}

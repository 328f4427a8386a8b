/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/log.h"
#include "metrics/server.h"

#define UNIX    "unix:"
#define BACKLOG 64

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	struct sockaddr_un path;
};

static int bad(const char *text, struct bh_err *err)
{
	return bh_err_as(err, BH_ERR_SPEC, -EINVAL,
			 "--listen: '%s' is none of unix:PATH, 127.0.0.1:PORT, [::1]:PORT", text);
}

/* "HOST:PORT", "[HOST]:PORT", in numbers. */
static int parse_inet(const char *text, union address *ret, socklen_t *len, struct bh_err *err)
{
	const char *colon = strrchr(text, ':');
	char host[INET6_ADDRSTRLEN + 2], *end;
	unsigned long port;
	size_t n;

	if (!colon || colon == text || (size_t)(colon - text) >= sizeof(host))
		return bad(text, err);
	n = (size_t)(colon - text);
	memcpy(host, text, n);
	host[n] = '\0';
	port = strtoul(colon + 1, &end, 10);
	if (!colon[1] || *end || port > UINT16_MAX)
		return bad(text, err);
	if (inet_pton(AF_INET, host, &ret->v4.sin_addr) == 1) {
		ret->v4.sin_family = AF_INET;
		ret->v4.sin_port = htons((uint16_t)port);
		*len = sizeof(ret->v4);
		return 0;
	}
	if (host[0] != '[' || host[n - 1] != ']')
		return bad(text, err);
	host[n - 1] = '\0';
	if (inet_pton(AF_INET6, host + 1, &ret->v6.sin6_addr) != 1)
		return bad(text, err);
	ret->v6.sin6_family = AF_INET6;
	ret->v6.sin6_port = htons((uint16_t)port);
	*len = sizeof(ret->v6);
	return 0;
}

static int parse_unix(const char *path, union address *ret, socklen_t *len, struct bh_err *err)
{
	if (*path != '/' || strlen(path) >= sizeof(ret->path.sun_path))
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL,
				 "--listen: '%s' is no absolute path of at most %zu bytes", path,
				 sizeof(ret->path.sun_path) - 1);
	ret->path.sun_family = AF_UNIX;
	strcpy(ret->path.sun_path, path);
	*len = sizeof(ret->path);
	return 0;
}

/* A socket that nobody answers at is one that was left. A file answers in the same way. */
static void remove_left(const union address *at)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct stat st;

	if (fd >= 0 && lstat(at->path.sun_path, &st) == 0 && S_ISSOCK(st.st_mode) &&
	    connect(fd, &at->any, sizeof(at->path)) < 0 && errno == ECONNREFUSED)
		unlink(at->path.sun_path);
	bh_close(fd);
}

/* Where it is: the port may have been the kernel's choice. */
static void describe(struct bh_listener *l, const char *text)
{
	union address at = { .any.sa_family = AF_UNSPEC };
	socklen_t len = sizeof(at);
	char host[INET6_ADDRSTRLEN] = "";

	getsockname(l->fd, &at.any, &len);
	if (at.any.sa_family == AF_INET)
		snprintf(l->where, sizeof(l->where), "http://%s:%u/metrics",
			 inet_ntop(AF_INET, &at.v4.sin_addr, host, sizeof(host)),
			 ntohs(at.v4.sin_port));
	else if (at.any.sa_family == AF_INET6)
		snprintf(l->where, sizeof(l->where), "http://[%s]:%u/metrics",
			 inet_ntop(AF_INET6, &at.v6.sin6_addr, host, sizeof(host)),
			 ntohs(at.v6.sin6_port));
	else
		snprintf(l->where, sizeof(l->where), "%s", text);
}

static bool is_local(const union address *at)
{
	if (at->any.sa_family == AF_INET)
		return ntohl(at->v4.sin_addr.s_addr) >> IN_CLASSA_NSHIFT == IN_LOOPBACKNET;
	return at->any.sa_family != AF_INET6 || IN6_IS_ADDR_LOOPBACK(&at->v6.sin6_addr);
}

int bh_listen(const char *text, struct bh_listener *ret, struct bh_err *err)
{
	bool is_path = strncmp(text, UNIX, strlen(UNIX)) == 0;
	union address at = { .any.sa_family = AF_UNSPEC };
	bh_auto_close int fd = -EBADF;
	socklen_t len = 0;
	mode_t mask;
	int one = 1;
	int r = is_path ? parse_unix(text + strlen(UNIX), &at, &len, err)
			: parse_inet(text, &at, &len, err);

	*ret = (struct bh_listener){ .fd = -EBADF };
	if (r < 0)
		return r;
	if (is_path)
		remove_left(&at);
	fd = socket(at.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return bh_err_set(err, -errno, "make a socket");
	if (!is_path)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	mask = umask(0177);
	r = bind(fd, &at.any, len) < 0 ? -errno : 0;
	umask(mask);
	if (r < 0 || listen(fd, BACKLOG) < 0)
		return bh_err_set(err, r < 0 ? r : -errno, "listen at %s", text);
	ret->fd = bh_take_fd(&fd);
	if (is_path)
		strcpy(ret->path, at.path.sun_path);
	describe(ret, text);
	if (!is_local(&at))
		bh_warn("%s is open to the network: whoever reaches it may read, nobody is asked "
			"who they are",
			ret->where);
	return 0;
}

void bh_listener_deinit(struct bh_listener *listener)
{
	listener->fd = bh_close(listener->fd);
	if (*listener->path)
		unlink(listener->path);
	*listener->path = '\0';
}

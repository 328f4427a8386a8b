/* SPDX-License-Identifier: Apache-2.0 */
/* Unix sockets: their addresses, and messages that a descriptor may come with. Sources: sendmsg(2),
 * recvmsg(2), unix(7) SCM_RIGHTS */
#ifndef BH_BASE_SOCKET_H
#define BH_BASE_SOCKET_H

#include <stddef.h>
#include <sys/types.h>
#include <sys/un.h>

#include "base/cleanup.h"

/** bh_socket_at() - the address of @name in the directory @dirfd, which is to stay open until the
 * address was used. Names of sockets are 107 bytes at most; the descriptor keeps this one short */
struct sockaddr_un bh_socket_at(int dirfd, const char *name);

/** bh_fd_send() - @len bytes at @data, with @fd attached unless it is negative
 * @flags: MSG_DONTWAIT, or 0. Return: bytes sent; -errno */
ssize_t bh_fd_send(int sock, const void *data, size_t len, int fd, int flags) bh_must_check;

/** bh_fd_receive() - one message, or what of it fits into @len bytes
 * @ret_fd: the one descriptor that came along, close-on-exec; -EBADF = none, also on failure
 * @flags:  MSG_DONTWAIT, or 0. Return: bytes received, 0 at the end; -errno */
ssize_t bh_fd_receive(int sock, void *data, size_t len, int *ret_fd, int flags) bh_must_check;

#endif

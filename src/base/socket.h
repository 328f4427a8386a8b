/* SPDX-License-Identifier: Apache-2.0 */
/* Messages over unix sockets that a descriptor may come with. Sources: sendmsg(2), recvmsg(2),
 * unix(7) SCM_RIGHTS */
#ifndef BH_BASE_SOCKET_H
#define BH_BASE_SOCKET_H

#include <stddef.h>
#include <sys/types.h>

#include "base/cleanup.h"

/** bh_fd_send() - @len bytes at @data, with @fd attached unless it is negative
 * @flags: MSG_DONTWAIT, or 0. Return: bytes sent; -errno */
ssize_t bh_fd_send(int sock, const void *data, size_t len, int fd, int flags) bh_must_check;

/** bh_fd_receive() - one message, or what of it fits into @len bytes
 * @ret_fd: the one descriptor that came along, close-on-exec; -EBADF = none, also on failure
 * @flags:  MSG_DONTWAIT, or 0. Return: bytes received, 0 at the end; -errno */
ssize_t bh_fd_receive(int sock, void *data, size_t len, int *ret_fd, int flags) bh_must_check;

#endif

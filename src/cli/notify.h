/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between a container and the service manager that called this program: of what the container
 * says on its notification socket READY=1 alone is passed on, in words of our own. It must not name
 * another main process, leave descriptors or speak for the unit in any other way.
 *
 * Source: sd_notify(3), sd_notify_barrier(3)
 */
#ifndef BH_CLI_NOTIFY_H
#define BH_CLI_NOTIFY_H

#include <stdbool.h>
#include <sys/types.h>

/** bh_notify_host() - the caller's notification socket, "/…" or "@…"; NULL where there is none */
const char *bh_notify_host(void);

/** bh_notify_says_ready() - take one message from @fd. Return: whether READY=1 is among its lines
 */
bool bh_notify_says_ready(int fd);

/** bh_notify_send_ready() - tell @host that process @main_pid is the service and is ready
 * @leaving: this program is about to end: wait until it was heard, or nobody would know whose word
 * it was. What fails is logged: the container runs all the same */
void bh_notify_send_ready(const char *host, pid_t main_pid, bool leaving);

/** bh_notify_wait() - until the container is ready, which is passed on, or its process @pid ended
 * @fd: the container's notification socket, consumed */
void bh_notify_wait(const char *host, int fd, pid_t pid);

#endif

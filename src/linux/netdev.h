/* SPDX-License-Identifier: Apache-2.0 */
/* Network interfaces: the loopback of a new namespace, and linux.netDevices: moving a host
 * interface into the container with its name and its global addresses. Source: rtnetlink(7),
 * config-linux.md */
#ifndef BH_LINUX_NETDEV_H
#define BH_LINUX_NETDEV_H

#include "oci/spec.h"

/** bh_netdev_loopback_up() - in the calling process's namespace. Context: child, no allocation */
int bh_netdev_loopback_up(struct bh_err *err) bh_must_check;

/**
 * bh_netdev_move() - from the caller's network namespace to @netns_fd, and up
 * @device: host_name must be there; name, or host_name where it is NULL, must not be in @netns_fd;
 *          a name with "%d" in it stands for the first number that is free there
 *
 * Permanent addresses of global scope are kept, all else that hangs on the namespace (routes, other
 * addresses) is not. After a failure the interface is back where it was, as far as the kernel
 * allows, with its name and addresses. Names are checked by the parser.
 *
 * Context: parent, thread with CAP_SYS_ADMIN in both namespaces; the thread visits the other
 *          namespace and comes back
 * Errors:  -ENODEV no such interface; -EEXIST the name is taken in @netns_fd
 */
int bh_netdev_move(const struct bh_net_device *device, int netns_fd,
		   struct bh_err *err) bh_must_check;

#endif

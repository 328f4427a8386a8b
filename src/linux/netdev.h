/* SPDX-License-Identifier: Apache-2.0 */
/* Network interfaces: the loopback of a new namespace, and linux.netDevices: moving a host interface into
 * the container with its name and its global addresses. Source: rtnetlink(7), config-linux.md */
#ifndef BH_LINUX_NETDEV_H
#define BH_LINUX_NETDEV_H

#include "oci/spec.h"

/** bh_netdev_loopback_up() - in the calling process's namespace. Context: child, no allocation */
int bh_netdev_loopback_up(struct bh_err *err) bh_must_check;

/** bh_netdev_move() - from the caller's network namespace to @netns_fd, renamed to @device->name if
 * given, global addresses kept, brought up if it was up. Names are checked by the parser */
int bh_netdev_move(const struct bh_net_device *device, int netns_fd, struct bh_err *err)
	bh_must_check;

#endif

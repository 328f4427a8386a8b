/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A service manager's notification socket, passed on to the container: the container gets one of
 * its own, at /run/notify/notify.sock, whose other end the caller reads and judges. It lies in
 * ROOT/ID/notify/, a directory that is mounted read-only, so that the socket may be made later than
 * the mount: `create` makes the directory, `start` the socket.
 *
 * Source: sd_notify(3) "NOTIFY_SOCKET"; the paths are runc's
 */
#ifndef BH_CONTAINER_NOTIFY_H
#define BH_CONTAINER_NOTIFY_H

#include "container/container.h"

/** bh_notify_plan() - add mount and environment variable to the container's document in memory; a
 * later `exec` does not get them */
int bh_notify_plan(struct bh_container *c, struct bh_err *err) bh_must_check;

/** bh_notify_make_dir() - ROOT/ID/notify; goes with ROOT/ID */
int bh_notify_make_dir(const struct bh_container *c, struct bh_err *err) bh_must_check;

#endif

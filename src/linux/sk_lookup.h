/* SPDX-License-Identifier: Apache-2.0 */
/* One listener for every TCP port of a network namespace's 127.0.0.1.
 * Source: Linux Documentation/bpf/prog_sk_lookup.rst */
#ifndef BH_LINUX_SK_LOOKUP_H
#define BH_LINUX_SK_LOOKUP_H

#include "base/err.h"

/**
 * bh_sk_lookup_loopback() - TCP connections from within the namespace to 127.0.0.1, whatever the
 * port, are accepted by @listener; getsockname(2) of what was accepted tells which port was meant
 * @netns_fd: borrowed for the call
 * @listener: IPv4 socket of that namespace, listening; borrowed for the call
 *
 * Nothing of it outlives the descriptors: no rule, no tracking of connections.
 * Return: descriptor, the caller's, whose close is the end of it; -errno with @err
 */
int bh_sk_lookup_loopback(int netns_fd, int listener, struct bh_err *err) bh_must_check;

#endif

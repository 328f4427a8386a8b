/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests of rtnetlink(7), one at a time. Written here: libnl would add 400 KiB to a static
 * program and constructors that every start pays for.
 */
#ifndef BH_LINUX_RTNETLINK_H
#define BH_LINUX_RTNETLINK_H

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define BH_RTNL_ATTRS_BYTES 256

/* The struct that the type of message begins with, then attributes. */
struct bh_rtnl_request {
	struct nlmsghdr header;
	union {
		struct ifinfomsg link;
		struct ifaddrmsg address;
		struct rtmsg route;
		struct ndmsg neighbour;
	};
	char attrs[BH_RTNL_ATTRS_BYTES];
};

/** bh_rtnl_open() - a socket for requests about the calling thread's network namespace, also after
 * the thread left it. Return: the caller's, or -errno */
int bh_rtnl_open(struct bh_err *err) bh_must_check;

/** bh_rtnl_request() - a request of @type (RTM_*) without attributes
 * @flags: NLM_F_* besides NLM_F_REQUEST
 * @body:  bytes of the struct that @type begins with */
struct bh_rtnl_request bh_rtnl_request(uint16_t type, uint16_t flags, size_t body);

/** bh_rtnl_add() - append an attribute. Return: 0; -EMSGSIZE when there is no room */
int bh_rtnl_add(struct bh_rtnl_request *request, uint16_t type, const void *data,
		size_t len) bh_must_check;

/** bh_rtnl_nest() - append an attribute that holds those which follow. Return: its place, for
 * bh_rtnl_nest_end(); -EMSGSIZE */
int bh_rtnl_nest(struct bh_rtnl_request *request, uint16_t type) bh_must_check;
void bh_rtnl_nest_end(struct bh_rtnl_request *request, int at);

/** bh_rtnl_talk() - send @request, wait for the kernel's yes or no. Return: 0 or -errno
 * @why: receives the kernel's reason in words, or ""; NULL = not wanted */
#define BH_RTNL_WHY_BYTES 128
int bh_rtnl_talk(int fd, struct bh_rtnl_request *request,
		 char why[BH_RTNL_WHY_BYTES]) bh_must_check;

/** bh_rtnl_find() - number of the interface @name in the namespace of @fd. Return: -ENODEV, -errno
 */
int bh_rtnl_find(int fd, const char *name) bh_must_check;

#endif

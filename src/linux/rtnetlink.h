/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests of rtnetlink(7), one at a time, and lists of what there is. Written here: libnl would
 * add 400 KiB to a static program and constructors that every start pays for.
 */
#ifndef BH_LINUX_RTNETLINK_H
#define BH_LINUX_RTNETLINK_H

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define BH_RTNL_ATTRS_BYTES 256
#define BH_RTNL_ATTRS       64 /* numbers of attributes that a reader gets to see */

/* The struct that the type of message begins with, then attributes. */
struct bh_rtnl_request {
	struct nlmsghdr header;
	union {
		struct ifinfomsg link;
		struct ifaddrmsg address;
		struct rtmsg route;
		struct ndmsg neighbour;
		struct tcmsg tc;
	};
	char attrs[BH_RTNL_ATTRS_BYTES];
	bool overflow; /* an attribute had no room: the request is not to be sent */
};

/** bh_rtnl_open() - a socket for requests about the calling thread's network namespace, also after
 * the thread left it. Return: the caller's, or -errno */
int bh_rtnl_open(struct bh_err *err) bh_must_check;

/** bh_rtnl_listen() - a socket that can be read whenever interfaces, addresses or routes of the
 * calling thread's network namespace change. Return: the caller's, non-blocking, or -errno */
int bh_rtnl_listen(struct bh_err *err) bh_must_check;

/** bh_rtnl_skip() - drop all that has come on a socket by bh_rtnl_listen() */
void bh_rtnl_skip(int fd);

/** bh_rtnl_request() - a request of @type (RTM_*) without attributes
 * @flags: NLM_F_* besides NLM_F_REQUEST
 * @body:  bytes of the struct that @type begins with */
struct bh_rtnl_request bh_rtnl_request(uint16_t type, uint16_t flags, size_t body);

/** bh_rtnl_add() - append an attribute. Return: 0; -EMSGSIZE when there is no room, which
 * bh_rtnl_talk() will answer as well, so that it need not be checked each time */
int bh_rtnl_add(struct bh_rtnl_request *request, uint16_t type, const void *data, size_t len);

/** bh_rtnl_nest() - append an attribute that holds those which follow. Return: its place, for
 * bh_rtnl_nest_end(); -EMSGSIZE */
int bh_rtnl_nest(struct bh_rtnl_request *request, uint16_t type);
void bh_rtnl_nest_end(struct bh_rtnl_request *request, int at);

/** bh_rtnl_talk() - send @request, wait for the kernel's yes or no. Return: 0 or -errno
 * @why: receives the kernel's reason in words, or ""; NULL = not wanted */
#define BH_RTNL_WHY_BYTES 128
int bh_rtnl_talk(int fd, struct bh_rtnl_request *request,
		 char why[BH_RTNL_WHY_BYTES]) bh_must_check;

/** bh_rtnl_find() - number of the interface @name in the namespace of @fd. Return: -ENODEV, -errno
 */
int bh_rtnl_find(int fd, const char *name) bh_must_check;

/* An object of a list. Return: 0, or -errno, which is what bh_rtnl_dump() will return */
typedef int (*bh_rtnl_each_fn)(void *arg, const struct nlmsghdr *message);

/**
 * bh_rtnl_dump() - send a request for a list and call @each for every object of it that is no
 * shorter than the request's own struct
 *
 * Return: 0; -EINTR when the list changed while it was read, so that it may be wrong; -errno
 */
int bh_rtnl_dump(int fd, struct bh_rtnl_request *request, bh_rtnl_each_fn each,
		 void *arg) bh_must_check;

/* Attributes by number, borrowed from the message; NULL = not there. */
struct bh_rtnl_attrs {
	const struct rtattr *v[BH_RTNL_ATTRS];
};

/** bh_rtnl_attrs() - of @message behind a struct of @body bytes; checked for bounds */
void bh_rtnl_attrs(const struct nlmsghdr *message, size_t body, struct bh_rtnl_attrs *ret);

/** bh_rtnl_block() - of those in @bytes from @attr on */
void bh_rtnl_block(const struct rtattr *attr, size_t bytes, struct bh_rtnl_attrs *ret);

/** bh_rtnl_nested() - of those within @attr; none when it is NULL */
void bh_rtnl_nested(const struct rtattr *attr, struct bh_rtnl_attrs *ret);

/** bh_rtnl_u32() - Return: the number in @attr; @missing when it is NULL or holds no such number */
uint32_t bh_rtnl_u32(const struct rtattr *attr, uint32_t missing);

/** bh_rtnl_text() - copy the string of @attr, cut at @size bytes with the NUL; "" when it is NULL
 */
void bh_rtnl_text(const struct rtattr *attr, char *ret, size_t size);

#endif

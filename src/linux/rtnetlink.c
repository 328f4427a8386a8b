/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/rtnetlink.h"

#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/cleanup.h"

#define SOL_NETLINK_ 270   /* <linux/socket.h> is not for programs */
#define ANSWER_BYTES 32768 /* more than the kernel puts into one datagram of a list */

int bh_rtnl_open(struct bh_err *err)
{
	/* Connected to the kernel, it hears nobody else. */
	const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	bh_auto_close int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	int on = 1;

	if (fd < 0 || connect(fd, (const struct sockaddr *)&kernel, sizeof(kernel)) < 0)
		return bh_err_set(err, -errno, "open a netlink socket");
	/* Reasons in words, and without the request that they answer: both are a convenience. */
	(void)!setsockopt(fd, SOL_NETLINK_, NETLINK_EXT_ACK, &on, sizeof(on));
	(void)!setsockopt(fd, SOL_NETLINK_, NETLINK_CAP_ACK, &on, sizeof(on));
	return bh_take_fd(&fd);
}

int bh_rtnl_listen(struct bh_err *err)
{
	static const int groups[] = { RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR,
				      RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE };
	/* One without an address hears nothing. */
	const struct sockaddr_nl any = { .nl_family = AF_NETLINK };
	bh_auto_close int fd =
		socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

	if (fd < 0 || bind(fd, (const struct sockaddr *)&any, sizeof(any)) < 0)
		return bh_err_set(err, -errno, "open a netlink socket");
	for (size_t i = 0; i < BH_ARRAY_SIZE(groups); i++)
		if (setsockopt(fd, SOL_NETLINK_, NETLINK_ADD_MEMBERSHIP, &groups[i],
			       sizeof(groups[i])) < 0)
			return bh_err_set(err, -errno, "listen to what changes in a network");
	return bh_take_fd(&fd);
}

void bh_rtnl_skip(int fd)
{
	char some[64];

	/* More than there was room for is told once, as an error. */
	while (recv(fd, some, sizeof(some), MSG_DONTWAIT) >= 0 || errno == ENOBUFS)
		continue;
}

struct bh_rtnl_request bh_rtnl_request(uint16_t type, uint16_t flags, size_t body)
{
	return (struct bh_rtnl_request){ .header = { .nlmsg_len = (uint32_t)NLMSG_LENGTH(body),
						     .nlmsg_type = type,
						     .nlmsg_flags = NLM_F_REQUEST | flags } };
}

int bh_rtnl_add(struct bh_rtnl_request *request, uint16_t type, const void *data, size_t len)
{
	size_t at = NLMSG_ALIGN(request->header.nlmsg_len);
	struct rtattr attr = { .rta_type = type, .rta_len = (uint16_t)RTA_LENGTH(len) };

	if (len > BH_RTNL_ATTRS_BYTES ||
	    at + RTA_SPACE(len) > offsetof(struct bh_rtnl_request, overflow)) {
		request->overflow = true;
		return -EMSGSIZE;
	}
	memcpy((char *)request + at, &attr, sizeof(attr));
	if (len)
		memcpy((char *)request + at + RTA_LENGTH(0), data, len);
	request->header.nlmsg_len = (uint32_t)(at + RTA_LENGTH(len));
	return 0;
}

int bh_rtnl_nest(struct bh_rtnl_request *request, uint16_t type)
{
	size_t at = NLMSG_ALIGN(request->header.nlmsg_len);
	int r = bh_rtnl_add(request, type | NLA_F_NESTED, NULL, 0);

	return r < 0 ? r : (int)at;
}

void bh_rtnl_nest_end(struct bh_rtnl_request *request, int at)
{
	uint16_t len = (uint16_t)(request->header.nlmsg_len - (uint32_t)at);

	if (at >= 0)
		memcpy((char *)request + at + offsetof(struct rtattr, rta_len), &len, sizeof(len));
}

/* The answer of the kernel to one request; with a reason it goes on with attributes. */
struct answer {
	struct nlmsghdr header;
	struct nlmsgerr error;
	char rest[1024];
};

static void take_reason(const struct answer *answer, size_t len, char why[BH_RTNL_WHY_BYTES])
{
	const struct rtattr *attr = (const struct rtattr *)answer->rest;
	int left = (int)len - (int)offsetof(struct answer, rest);

	if (!(answer->header.nlmsg_flags & NLM_F_ACK_TLVS) ||
	    !(answer->header.nlmsg_flags & NLM_F_CAPPED))
		return;
	for (; RTA_OK(attr, left); attr = RTA_NEXT(attr, left)) {
		if ((attr->rta_type & NLA_TYPE_MASK) != NLMSGERR_ATTR_MSG)
			continue;
		snprintf(why, BH_RTNL_WHY_BYTES, "%.*s", (int)RTA_PAYLOAD(attr),
			 (const char *)RTA_DATA(attr));
		return;
	}
}

int bh_rtnl_talk(int fd, struct bh_rtnl_request *request, char why[BH_RTNL_WHY_BYTES])
{
	struct answer answer;
	ssize_t n;

	if (why)
		why[0] = '\0';
	if (request->overflow)
		return -EMSGSIZE;
	request->header.nlmsg_flags |= NLM_F_ACK;
	if (send(fd, request, request->header.nlmsg_len, 0) < 0)
		return -errno;
	n = TEMP_FAILURE_RETRY(recv(fd, &answer, sizeof(answer), 0));
	if (n < 0)
		return -errno;
	if ((size_t)n < NLMSG_LENGTH(sizeof(answer.error)) ||
	    answer.header.nlmsg_type != NLMSG_ERROR)
		return -EPROTO;
	if (why)
		take_reason(&answer, (size_t)n, why);
	return answer.error.error;
}

int bh_rtnl_find(int fd, const char *name)
{
	struct ifreq request = { .ifr_ifindex = 0 };

	if (strlen(name) >= sizeof(request.ifr_name))
		return -ENODEV;
	strcpy(request.ifr_name, name);
	return ioctl(fd, SIOCGIFINDEX, &request) < 0 ? -errno : request.ifr_ifindex;
}

/* ---- lists ----------------------------------------------------------------------------------- */

struct walk {
	bh_rtnl_each_fn each;
	void *arg;
	size_t body; /* bytes that an object has at least */
	bool changed;
	int failed; /* what @each answered; the rest is read all the same, and dropped */
};

/* Return: 1 when @message was the last; 0; -errno */
static int walk_message(struct walk *walk, const struct nlmsghdr *message)
{
	int code = 0;

	if (message->nlmsg_flags & NLM_F_DUMP_INTR)
		walk->changed = true;
	if (message->nlmsg_type == NLMSG_DONE || message->nlmsg_type == NLMSG_ERROR) {
		if (message->nlmsg_len >= NLMSG_LENGTH(sizeof(code)))
			memcpy(&code, NLMSG_DATA(message), sizeof(code));
		return code < 0 ? code : 1;
	}
	if (message->nlmsg_len >= NLMSG_LENGTH(walk->body) && walk->failed == 0)
		walk->failed = walk->each(walk->arg, message);
	return 0;
}

static int walk_answers(int fd, struct walk *walk)
{
	bh_auto_free char *answer = malloc(ANSWER_BYTES);
	int r = 0;

	if (!answer)
		return -ENOMEM;
	while (r == 0) {
		ssize_t n = TEMP_FAILURE_RETRY(recv(fd, answer, ANSWER_BYTES, MSG_TRUNC));
		size_t left = n < 0 ? 0 : (size_t)n;

		if (n < 0)
			return -errno;
		if (n == 0 || n > ANSWER_BYTES)
			return -EMSGSIZE;
		for (const struct nlmsghdr *message = (struct nlmsghdr *)answer;
		     r == 0 && NLMSG_OK(message, left); message = NLMSG_NEXT(message, left))
			r = walk_message(walk, message);
	}
	return r < 0 ? r : 0;
}

int bh_rtnl_dump(int fd, struct bh_rtnl_request *request, bh_rtnl_each_fn each, void *arg)
{
	struct walk walk = { .each = each,
			     .arg = arg,
			     .body = request->header.nlmsg_len - NLMSG_HDRLEN };
	int r;

	request->header.nlmsg_flags |= NLM_F_DUMP;
	if (send(fd, request, request->header.nlmsg_len, 0) < 0)
		return -errno;
	r = walk_answers(fd, &walk);
	if (r == 0)
		r = walk.failed;
	return r == 0 && walk.changed ? -EINTR : r;
}

void bh_rtnl_block(const struct rtattr *attr, size_t bytes, struct bh_rtnl_attrs *ret)
{
	int left = (int)bytes;

	*ret = (struct bh_rtnl_attrs){ .v = { NULL } };
	for (; RTA_OK(attr, left); attr = RTA_NEXT(attr, left)) {
		uint16_t type = attr->rta_type & NLA_TYPE_MASK;

		if (type < BH_RTNL_ATTRS)
			ret->v[type] = attr;
	}
}

void bh_rtnl_attrs(const struct nlmsghdr *message, size_t body, struct bh_rtnl_attrs *ret)
{
	size_t at = NLMSG_SPACE(body);

	bh_rtnl_block((const struct rtattr *)((const char *)message + at),
		      message->nlmsg_len > at ? message->nlmsg_len - at : 0, ret);
}

void bh_rtnl_nested(const struct rtattr *attr, struct bh_rtnl_attrs *ret)
{
	bh_rtnl_block(attr ? RTA_DATA(attr) : NULL, attr ? RTA_PAYLOAD(attr) : 0, ret);
}

uint32_t bh_rtnl_u32(const struct rtattr *attr, uint32_t missing)
{
	uint32_t value;

	if (!attr || RTA_PAYLOAD(attr) != sizeof(value))
		return missing;
	memcpy(&value, RTA_DATA(attr), sizeof(value));
	return value;
}

void bh_rtnl_text(const struct rtattr *attr, char *ret, size_t size)
{
	size_t n = attr ? strnlen(RTA_DATA(attr), RTA_PAYLOAD(attr)) : 0;

	n = n < size ? n : size - 1;
	if (n)
		memcpy(ret, RTA_DATA(attr), n);
	ret[n] = '\0';
}

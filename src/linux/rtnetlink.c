/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/rtnetlink.h"

#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/cleanup.h"

#define SOL_NETLINK_ 270 /* <linux/socket.h> is not for programs */

int bh_rtnl_open(struct bh_err *err)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), on = 1;

	if (fd < 0)
		return bh_err_set(err, -errno, "open a netlink socket");
	/* Reasons in words, and without the request that they answer: both are a convenience. */
	(void)!setsockopt(fd, SOL_NETLINK_, NETLINK_EXT_ACK, &on, sizeof(on));
	(void)!setsockopt(fd, SOL_NETLINK_, NETLINK_CAP_ACK, &on, sizeof(on));
	return fd;
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

	if (len > BH_RTNL_ATTRS_BYTES || at + RTA_SPACE(len) > sizeof(*request))
		return -EMSGSIZE;
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

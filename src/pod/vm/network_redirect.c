/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A tap beside an interface, and what arrives at the one redirected to the other: an ingress qdisc
 * on each, with a filter that matches everything and sends it out of the other (action mirred).
 *
 * Filters are known by their handle, the pod's token, and stand behind all that others may have put
 * there: what a filter of the administrator drops does not reach the VM.
 *
 * Source: tc(8), tc-mirred(8), tc-matchall(8), tc-bpf(8); Linux
 * Documentation/networking/tuntap.rst
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_tun.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/tc_act/tc_mirred.h>
#include <string.h>
#include <sys/ioctl.h>

#include "linux/rtnetlink.h"
#include "pod/vm/network_internal.h"

#define TAP_NAME  "bhtap%d"
#define DUMPS_MAX 5 /* of a list that changes while it is read */
/* Longest frame of a tap; what is longer goes through all the same, since a redirect does not look
 * at the MTU. */
#define TAP_MTU_MAX (65535U - ETH_HLEN)

/* Behind those that the kernel chooses, which are 49152 (0xc000) and less. */
#define PREFERENCE     50000U
#define INGRESS_FILTER TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS) /* of ingress qdiscs as well */

static int talk(int rtnl, struct bh_rtnl_request *request, const char *doing, struct bh_err *err)
{
	char why[BH_RTNL_WHY_BYTES];
	int r = bh_rtnl_talk(rtnl, request, why);

	if (r == 0)
		return 0;
	return bh_err_set(err, r, "%s%s%s%s", doing, why[0] ? " (" : "", why, why[0] ? ")" : "");
}

static void add_u32(struct bh_rtnl_request *request, uint16_t type, uint32_t value)
{
	bh_rtnl_add(request, type, &value, sizeof(value));
}

static void add_text(struct bh_rtnl_request *request, uint16_t type, const char *text)
{
	bh_rtnl_add(request, type, text, strlen(text) + 1);
}

/* ---- looking --------------------------------------------------------------------------------- */

/* A list; @each must not mind to be told twice. */
static int dump(int rtnl, struct bh_rtnl_request *request, bh_rtnl_each_fn each, void *arg)
{
	int r = -EINTR;

	for (int i = 0; i < DUMPS_MAX && r == -EINTR; i++)
		r = bh_rtnl_dump(rtnl, request, each, arg);
	return r;
}

struct look {
	uint32_t index, token;
	struct bh_network_ingress *found;
};

static int see_qdisc(void *arg, const struct nlmsghdr *message)
{
	const struct tcmsg *tc = NLMSG_DATA(message);
	struct look *look = arg;

	if (message->nlmsg_type == RTM_NEWQDISC && (uint32_t)tc->tcm_ifindex == look->index &&
	    tc->tcm_parent == TC_H_INGRESS)
		look->found->qdisc = true;
	return 0;
}

static int see_filter(void *arg, const struct nlmsghdr *message)
{
	const struct tcmsg *tc = NLMSG_DATA(message);
	struct look *look = arg;

	/* A handle of 0 is the classifier itself, which may hold none. */
	if (message->nlmsg_type != RTM_NEWTFILTER || (uint32_t)tc->tcm_ifindex != look->index)
		return 0;
	if (TC_H_MAJ(tc->tcm_info) >> 16 != PREFERENCE)
		look->found->others = true;
	else if (look->token && tc->tcm_handle == look->token)
		look->found->ours = true;
	else if (tc->tcm_handle)
		look->found->same_pref = true;
	return 0;
}

int bh_network_ingress(int rtnl, const struct bh_network_link *link, uint32_t token,
		       struct bh_network_ingress *ret, struct bh_err *err)
{
	struct look look = { .index = link->index, .token = token, .found = ret };
	struct bh_rtnl_request request = bh_rtnl_request(RTM_GETQDISC, 0, sizeof(request.tc));
	int r;

	*ret = (struct bh_network_ingress){ .qdisc = false };
	request.tc.tcm_ifindex = (int)link->index;
	r = dump(rtnl, &request, see_qdisc, &look);
	if (r < 0)
		return bh_err_set(err, r, "list its qdiscs");
	if (!ret->qdisc)
		return 0;
	request = bh_rtnl_request(RTM_GETTFILTER, 0, sizeof(request.tc));
	request.tc.tcm_ifindex = (int)link->index;
	request.tc.tcm_parent = INGRESS_FILTER;
	r = dump(rtnl, &request, see_filter, &look);
	return r < 0 ? bh_err_set(err, r, "list its filters") : 0;
}

/* ---- the tap --------------------------------------------------------------------------------- */

/* Nothing to be made when it is one already. Return: number of the interface, or -errno */
static int make_tap(int rtnl, int fd, struct bh_err *err)
{
	struct ifreq request = { .ifr_name = TAP_NAME,
				 .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int index;

	if (ioctl(fd, TUNGETIFF, &request) < 0 && ioctl(fd, TUNSETIFF, &request) < 0)
		return bh_err_set(err, -errno, "make a tap");
	index = bh_rtnl_find(rtnl, request.ifr_name);
	return index < 0 ? bh_err_set(err, index, "find the tap '%s'", request.ifr_name) : index;
}

/* @silent: no addresses of its own; a kernel without IPv6 knows of no such thing */
static struct bh_rtnl_request tap_settings(int index, const char *alias, uint32_t mtu, bool silent)
{
	struct bh_rtnl_request request = bh_rtnl_request(RTM_NEWLINK, 0, sizeof(request.link));
	const uint8_t mode = IN6_ADDR_GEN_MODE_NONE;

	request.link.ifi_index = index;
	add_text(&request, IFLA_IFALIAS, alias);
	add_u32(&request, IFLA_MTU, mtu < TAP_MTU_MAX ? mtu : TAP_MTU_MAX);
	if (silent) {
		int families = bh_rtnl_nest(&request, IFLA_AF_SPEC);
		int inet6 = bh_rtnl_nest(&request, AF_INET6);

		bh_rtnl_add(&request, IFLA_INET6_ADDR_GEN_MODE, &mode, sizeof(mode));
		bh_rtnl_nest_end(&request, inet6);
		bh_rtnl_nest_end(&request, families);
	}
	return request;
}

/* @flag: IFF_* */
static int set_flag(int rtnl, uint32_t index, unsigned int flag, bool on, const char *doing,
		    struct bh_err *err)
{
	struct bh_rtnl_request request = bh_rtnl_request(RTM_NEWLINK, 0, sizeof(request.link));

	request.link.ifi_index = (int)index;
	request.link.ifi_flags = on ? flag : 0;
	request.link.ifi_change = flag;
	return talk(rtnl, &request, doing, err);
}

static int set_up_tap(int rtnl, int index, const char *alias, uint32_t mtu, struct bh_err *err)
{
	struct bh_rtnl_request request = tap_settings(index, alias, mtu, true);
	int r = talk(rtnl, &request, "set up the tap", err);

	if (r == -EAFNOSUPPORT) {
		request = tap_settings(index, alias, mtu, false);
		r = talk(rtnl, &request, "set up the tap", err);
	}
	if (r < 0)
		return r;
	return set_flag(rtnl, (uint32_t)index, IFF_UP, true, "set the tap up", err);
}

/* Return: number of the interface, or -errno */
static int spare_tap(int rtnl, const struct bh_network_trace *trace, int fd, struct bh_err *err)
{
	char alias[BH_NETWORK_ALIAS_BYTES];
	int tap = make_tap(rtnl, fd, err), r;

	if (tap < 0)
		return tap;
	snprintf(alias, sizeof(alias), BH_NETWORK_ALIAS "%08x: spare", trace->token);
	r = set_up_tap(rtnl, tap, alias, TAP_MTU_MAX, err);
	return r < 0 ? r : tap;
}

int bh_network_spare_tap(const struct bh_network_sockets *sockets,
			 const struct bh_network_trace *trace, size_t number, struct bh_err *err)
{
	int r = spare_tap(sockets->rtnl, trace, sockets->taps[number], err);

	return r < 0 ? r : 0;
}

/* ---- redirects ------------------------------------------------------------------------------- */

static int add_qdisc(int rtnl, uint32_t index, struct bh_err *err)
{
	struct bh_rtnl_request request =
		bh_rtnl_request(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, sizeof(request.tc));

	request.tc.tcm_ifindex = (int)index;
	request.tc.tcm_parent = TC_H_INGRESS;
	request.tc.tcm_handle = TC_H_MAKE(TC_H_INGRESS, 0);
	add_text(&request, TCA_KIND, "ingress");
	return talk(rtnl, &request, "add an ingress qdisc", err);
}

/* A program that answers "matches" to everything. */
static void add_match_by_bpf(struct bh_rtnl_request *request)
{
	const struct sock_filter program[] = { BPF_STMT(BPF_RET | BPF_K, UINT32_MAX) };
	const uint16_t len = BH_ARRAY_SIZE(program);

	bh_rtnl_add(request, TCA_BPF_OPS_LEN, &len, sizeof(len));
	bh_rtnl_add(request, TCA_BPF_OPS, program, sizeof(program));
}

/* Classifiers that match everything under a handle of our own, the cheapest first; kernels are
 * built with or without each. */
static const struct classifier {
	const char *kind;
	uint16_t action; /* its attribute */
	void (*add_match)(struct bh_rtnl_request *request);
} classifiers[] = {
	{ "matchall", TCA_MATCHALL_ACT, NULL },
	{ "bpf", TCA_BPF_ACT, add_match_by_bpf },
};

static void add_redirect(struct bh_rtnl_request *request, uint16_t type, uint32_t to)
{
	const struct tc_mirred mirred = { .action = TC_ACT_STOLEN,
					  .eaction = TCA_EGRESS_REDIR,
					  .ifindex = to };
	int actions = bh_rtnl_nest(request, type);
	int first = bh_rtnl_nest(request, 1);
	int options;

	add_text(request, TCA_ACT_KIND, "mirred");
	options = bh_rtnl_nest(request, TCA_ACT_OPTIONS);
	bh_rtnl_add(request, TCA_MIRRED_PARMS, &mirred, sizeof(mirred));
	bh_rtnl_nest_end(request, options);
	bh_rtnl_nest_end(request, first);
	bh_rtnl_nest_end(request, actions);
}

static struct bh_rtnl_request filter_request(uint16_t type, uint16_t flags, uint32_t index,
					     uint32_t token)
{
	struct bh_rtnl_request request = bh_rtnl_request(type, flags, sizeof(request.tc));

	request.tc.tcm_ifindex = (int)index;
	request.tc.tcm_parent = INGRESS_FILTER;
	request.tc.tcm_handle = token;
	request.tc.tcm_info = TC_H_MAKE(PREFERENCE << 16, htons(ETH_P_ALL));
	return request;
}

static int redirect(int rtnl, uint32_t from, uint32_t to, uint32_t token, struct bh_err *err)
{
	int r = -ENOENT;

	for (size_t i = 0; i < BH_ARRAY_SIZE(classifiers) && r == -ENOENT; i++) {
		const struct classifier *by = &classifiers[i];
		struct bh_rtnl_request request =
			filter_request(RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, from, token);
		int options;

		add_text(&request, TCA_KIND, by->kind);
		options = bh_rtnl_nest(&request, TCA_OPTIONS);
		if (by->add_match)
			by->add_match(&request);
		add_redirect(&request, by->action, to);
		bh_rtnl_nest_end(&request, options);
		r = talk(rtnl, &request, "redirect what arrives, by matchall or bpf", err);
	}
	return r;
}

int bh_network_connect(const struct bh_network_sockets *sockets,
		       const struct bh_network_trace *trace, size_t number, uint32_t mtu,
		       struct bh_err *err)
{
	const struct bh_network_link *link = &trace->links[number];
	char alias[BH_NETWORK_ALIAS_BYTES];
	int rtnl = sockets->rtnl, r;
	int tap = make_tap(rtnl, sockets->taps[number], err);

	if (tap < 0)
		return tap;
	snprintf(alias, sizeof(alias), BH_NETWORK_ALIAS "%08x: %s", trace->token, link->name);
	r = set_up_tap(rtnl, tap, alias, mtu, err);
	if (r == 0)
		r = add_qdisc(rtnl, (uint32_t)tap, err);
	if (r == 0)
		r = redirect(rtnl, (uint32_t)tap, link->index, trace->token, err);
	if (r < 0)
		return bh_err_ctx(err, "its tap");
	/* Which groups the guest joins is not known here: a macvlan would filter them out. */
	if (!link->had_allmulti)
		r = set_flag(rtnl, link->index, IFF_ALLMULTI, true, "take all multicast", err);
	if (r == 0 && !link->had_ingress)
		r = add_qdisc(rtnl, link->index, err);
	return r < 0 ? r : redirect(rtnl, link->index, (uint32_t)tap, trace->token, err);
}

/* ---- undoing --------------------------------------------------------------------------------- */

static int remove_filter(int rtnl, const struct bh_network_link *link, uint32_t token,
			 struct bh_err *err)
{
	struct bh_rtnl_request request = filter_request(RTM_DELTFILTER, 0, link->index, token);

	return talk(rtnl, &request, "remove its redirect", err);
}

static int remove_qdisc(int rtnl, uint32_t index, struct bh_err *err)
{
	struct bh_rtnl_request request = bh_rtnl_request(RTM_DELQDISC, 0, sizeof(request.tc));

	request.tc.tcm_ifindex = (int)index;
	request.tc.tcm_parent = TC_H_INGRESS;
	return talk(rtnl, &request, "remove its ingress qdisc", err);
}

static int restore_link(int rtnl, const struct bh_network_link *link, uint32_t token,
			struct bh_err *err)
{
	struct bh_network_ingress found;
	int r = bh_network_ingress(rtnl, link, token, &found, err);

	if (r == 0 && found.ours)
		r = remove_filter(rtnl, link, token, err);
	/* A qdisc on which somebody else relies by now is theirs. */
	if (r == 0 && found.qdisc && !link->had_ingress && !found.others && !found.same_pref)
		r = remove_qdisc(rtnl, link->index, err);
	if (r == 0 && !link->had_allmulti && !found.same_pref)
		r = set_flag(rtnl, link->index, IFF_ALLMULTI, false, "take all multicast no more",
			     err);
	if (r == -ENODEV) /* it went away meanwhile */
		return 0;
	return r < 0 ? bh_err_ctx(err, "interface '%s'", link->name) : 0;
}

int bh_network_disconnect(int rtnl, const struct bh_network_trace *trace, size_t number, int tap,
			  struct bh_err *err)
{
	int r = restore_link(rtnl, &trace->links[number], trace->token, err);
	int index = r < 0 ? r : spare_tap(rtnl, trace, tap, err);

	if (index < 0)
		return index;
	r = remove_qdisc(rtnl, (uint32_t)index, err);
	/* It has none: this was done before, or the link was never connected. */
	return r == -ENOENT || r == -EINVAL ? 0 : r;
}

/* Taps of a token. */
struct taps {
	char alias[BH_NETWORK_ALIAS_BYTES]; /* how it begins */
	int index[2 * BH_NETWORK_INTERFACES_MAX];
	size_t n; /* may hold one twice */
};

static int see_tap(void *arg, const struct nlmsghdr *message)
{
	const struct ifinfomsg *link = NLMSG_DATA(message);
	char alias[BH_NETWORK_ALIAS_BYTES];
	struct bh_rtnl_attrs attrs;
	struct taps *taps = arg;

	bh_rtnl_attrs(message, sizeof(*link), &attrs);
	bh_rtnl_text(attrs.v[IFLA_IFALIAS], alias, sizeof(alias));
	if (message->nlmsg_type == RTM_NEWLINK && taps->n < BH_ARRAY_SIZE(taps->index) &&
	    strncmp(alias, taps->alias, strlen(taps->alias)) == 0)
		taps->index[taps->n++] = link->ifi_index;
	return 0;
}

/* They go with their descriptors; this is for one that somebody still holds. */
static int remove_taps(int rtnl, uint32_t token, struct bh_err *err)
{
	struct bh_rtnl_request request = bh_rtnl_request(RTM_GETLINK, 0, sizeof(request.link));
	struct taps taps = { .n = 0 };
	int r;

	snprintf(taps.alias, sizeof(taps.alias), BH_NETWORK_ALIAS "%08x: ", token);
	r = dump(rtnl, &request, see_tap, &taps);
	if (r < 0)
		return bh_err_set(err, r, "list interfaces");
	for (size_t i = 0; i < taps.n && r == 0; i++) {
		request = bh_rtnl_request(RTM_DELLINK, 0, sizeof(request.link));
		request.link.ifi_index = taps.index[i];
		r = talk(rtnl, &request, "remove a tap", err);
		r = r == -ENODEV ? 0 : r;
	}
	return r;
}

int bh_network_remove(int rtnl, const struct bh_network_trace *trace, struct bh_err *err)
{
	struct bh_err unheard;
	int r = 0, one;

	for (size_t i = 0; i < trace->n; i++) {
		one = restore_link(rtnl, &trace->links[i], trace->token, r ? &unheard : err);
		r = r ? r : one;
	}
	one = remove_taps(rtnl, trace->token, r ? &unheard : err);
	return r ? r : one;
}

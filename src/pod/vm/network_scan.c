/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a network namespace has, as the message from which the guest makes the same: interfaces with
 * their addresses, the routes of the main table, permanent neighbours. What cannot be had in a
 * guest is refused by name; what is of no use without the rest is left out.
 *
 * Source: rtnetlink(7), Linux include/uapi/linux/{if_link,if_addr,rtnetlink,neighbour}.h
 */
#include <arpa/inet.h>
#include <linux/ipv6.h>
#include <net/if_arp.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "linux/rtnetlink.h"
#include "pod/vm/network_internal.h"

#define LINKS_MAX      256 /* looked at */
#define ADDRESSES_MAX  1024
#define ROUTES_MAX     4096
#define NEIGHBOURS_MAX 4096
#define KIND_BYTES     16
#define MAC_BYTES      6

/* What of an address is about itself. Its connected route is among the routes, or is not wanted;
 * that nobody else has it was found out by whoever gave it to the namespace. */
#define KEPT_FLAGS     (IFA_F_HOMEADDRESS | IFA_F_MANAGETEMPADDR | IFA_F_MCAUTOJOIN)
#define ADDED_FLAGS    IFA_F_NOPREFIXROUTE
#define ADDED_FLAGS_V6 IFA_F_NODAD

/* Pointers in an arena, doubled when full. */
struct list {
	void **v;
	size_t n;
};

struct link {
	char name[IF_NAMESIZE], kind[KIND_BYTES];
	uint32_t index, flags, mtu;
	uint16_t type; /* ARPHRD_* */
	uint8_t mac[MAC_BYTES];
	size_t mac_bytes;
	bool our_tap, port, stacked; /* a port of a bridge or bond; on top of another one here */
	bool ipvlan_l3;
	bool no_link_local; /* the kernel makes none here */
	bool has_link_local, taken;
	struct list addresses; /* Agent__Address */
};

struct scan {
	struct bh_network *network;
	struct bh_arena *arena;
	struct bh_err *err; /* described when its code is not 0 */
	struct list links, routes, neighbours;
};

/* Return: 0; -E2BIG, -ENOMEM described */
static int append(struct scan *scan, struct list *list, size_t max, const char *what, void *item)
{
	if (!item)
		return bh_err_oom(scan->err);
	if (list->n == max)
		return bh_err_as(scan->err, BH_ERR_SPEC, -E2BIG, "more than %zu %s", max, what);
	if ((list->n & (list->n - 1)) == 0) {
		size_t room = list->n ? 2 * list->n : 1;
		void **bigger = bh_arena_grow(scan->arena, list->v, list->n, room, sizeof(void *));

		if (!bigger)
			return bh_err_oom(scan->err);
		list->v = bigger;
	}
	list->v[list->n++] = item;
	return 0;
}

static struct link *find_link(const struct scan *scan, uint32_t index)
{
	for (size_t i = 0; i < scan->links.n; i++) {
		struct link *link = scan->links.v[i];

		if (link->index == index)
			return link;
	}
	return NULL;
}

/* A copy of @attr; empty when it is NULL or has not @bytes (0 = any number). Return: 0, -ENOMEM */
static int copy_bytes(struct scan *scan, const struct rtattr *attr, size_t bytes,
		      ProtobufCBinaryData *ret)
{
	size_t n = attr ? RTA_PAYLOAD(attr) : 0;

	if (n == 0 || (bytes && n != bytes))
		return 0;
	ret->data = bh_arena_alloc(scan->arena, n);
	if (!ret->data)
		return bh_err_oom(scan->err);
	memcpy(ret->data, RTA_DATA(attr), n);
	ret->len = n;
	return 0;
}

static size_t ip_bytes(int family)
{
	return family == AF_INET ? 4 : 16;
}

/* ---- links ----------------------------------------------------------------------------------- */

static void read_inet6(const struct rtattr *families, struct link *link)
{
	struct bh_rtnl_attrs by_family, inet6;
	const struct rtattr *conf;
	uint32_t disabled = 1;

	bh_rtnl_nested(families, &by_family);
	bh_rtnl_nested(by_family.v[AF_INET6], &inet6);
	conf = inet6.v[IFLA_INET6_CONF];
	if (conf && RTA_PAYLOAD(conf) >= (DEVCONF_DISABLE_IPV6 + 1) * sizeof(disabled))
		memcpy(&disabled,
		       (const char *)RTA_DATA(conf) + DEVCONF_DISABLE_IPV6 * sizeof(disabled),
		       sizeof(disabled));
	link->no_link_local = disabled;
	if (inet6.v[IFLA_INET6_ADDR_GEN_MODE] &&
	    *(const uint8_t *)RTA_DATA(inet6.v[IFLA_INET6_ADDR_GEN_MODE]) == IN6_ADDR_GEN_MODE_NONE)
		link->no_link_local = true;
}

static void read_kind(const struct rtattr *info, struct link *link)
{
	struct bh_rtnl_attrs attrs, data;
	uint16_t mode = IPVLAN_MODE_L2;

	bh_rtnl_nested(info, &attrs);
	bh_rtnl_text(attrs.v[IFLA_INFO_KIND], link->kind, sizeof(link->kind));
	if (strcmp(link->kind, "ipvlan") != 0)
		return;
	bh_rtnl_nested(attrs.v[IFLA_INFO_DATA], &data);
	if (data.v[IFLA_IPVLAN_MODE] && RTA_PAYLOAD(data.v[IFLA_IPVLAN_MODE]) == sizeof(mode))
		memcpy(&mode, RTA_DATA(data.v[IFLA_IPVLAN_MODE]), sizeof(mode));
	link->ipvlan_l3 = mode != IPVLAN_MODE_L2;
}

static int take_link(void *arg, const struct nlmsghdr *message)
{
	const struct ifinfomsg *info = NLMSG_DATA(message);
	char alias[sizeof(BH_NETWORK_ALIAS)];
	struct scan *scan = arg;
	struct bh_rtnl_attrs attrs;
	struct link *link;
	int r;

	if (message->nlmsg_type != RTM_NEWLINK)
		return 0;
	link = bh_arena_new(scan->arena, struct link);
	r = append(scan, &scan->links, LINKS_MAX, "interfaces", link);
	if (r < 0)
		return r;
	bh_rtnl_attrs(message, sizeof(*info), &attrs);
	bh_rtnl_text(attrs.v[IFLA_IFNAME], link->name, sizeof(link->name));
	bh_rtnl_text(attrs.v[IFLA_IFALIAS], alias, sizeof(alias));
	link->index = (uint32_t)info->ifi_index;
	link->flags = info->ifi_flags;
	link->type = info->ifi_type;
	link->mtu = bh_rtnl_u32(attrs.v[IFLA_MTU], 0);
	if (attrs.v[IFLA_ADDRESS]) {
		link->mac_bytes = RTA_PAYLOAD(attrs.v[IFLA_ADDRESS]);
		if (link->mac_bytes == MAC_BYTES)
			memcpy(link->mac, RTA_DATA(attrs.v[IFLA_ADDRESS]), MAC_BYTES);
	}
	read_kind(attrs.v[IFLA_LINKINFO], link);
	read_inet6(attrs.v[IFLA_AF_SPEC], link);
	link->our_tap = strcmp(link->kind, "tun") == 0 && strcmp(alias, BH_NETWORK_ALIAS) == 0;
	link->port = bh_rtnl_u32(attrs.v[IFLA_MASTER], 0) != 0;
	/* Of a veth, the other interface is its peer and not what it stands on. */
	link->stacked = bh_rtnl_u32(attrs.v[IFLA_LINK], 0) != 0 && !attrs.v[IFLA_LINK_NETNSID] &&
			bh_rtnl_u32(attrs.v[IFLA_LINK], 0) != link->index &&
			strcmp(link->kind, "veth") != 0;
	return 0;
}

/* ---- addresses ------------------------------------------------------------------------------- */

static int fill_address(struct scan *scan, const struct ifaddrmsg *found,
			const struct bh_rtnl_attrs *attrs, Agent__Address *ret)
{
	const struct rtattr *local = attrs->v[IFA_LOCAL], *address = attrs->v[IFA_ADDRESS];
	size_t bytes = ip_bytes(found->ifa_family);
	uint32_t flags = bh_rtnl_u32(attrs->v[IFA_FLAGS], found->ifa_flags) & KEPT_FLAGS;
	int r = copy_bytes(scan, local ? local : address, bytes, &ret->ip);

	/* IFA_ADDRESS is the peer's where there is one. */
	if (r == 0 && local && address && RTA_PAYLOAD(local) == RTA_PAYLOAD(address) &&
	    memcmp(RTA_DATA(local), RTA_DATA(address), RTA_PAYLOAD(local)) != 0)
		r = copy_bytes(scan, address, bytes, &ret->peer);
	if (r == 0)
		r = copy_bytes(scan, attrs->v[IFA_BROADCAST], bytes, &ret->broadcast);
	ret->prefix = found->ifa_prefixlen;
	ret->scope = found->ifa_scope;
	ret->flags = flags | ADDED_FLAGS | (found->ifa_family == AF_INET6 ? ADDED_FLAGS_V6 : 0);
	ret->metric = bh_rtnl_u32(attrs->v[IFA_RT_PRIORITY], 0);
	return r;
}

static int take_address(void *arg, const struct nlmsghdr *message)
{
	const struct ifaddrmsg *found = NLMSG_DATA(message);
	struct scan *scan = arg;
	struct link *link = find_link(scan, found->ifa_index);
	struct bh_rtnl_attrs attrs;
	Agent__Address *address;
	int r;

	if (message->nlmsg_type != RTM_NEWADDR || !link ||
	    (found->ifa_family != AF_INET && found->ifa_family != AF_INET6))
		return 0;
	address = bh_arena_new(scan->arena, Agent__Address);
	r = append(scan, &link->addresses, ADDRESSES_MAX, "addresses", address);
	if (r < 0)
		return r;
	agent__address__init(address);
	bh_rtnl_attrs(message, sizeof(*found), &attrs);
	if (found->ifa_family == AF_INET6 && found->ifa_scope == RT_SCOPE_LINK)
		link->has_link_local = true;
	return fill_address(scan, found, &attrs, address);
}

/* ---- which interfaces the guest gets --------------------------------------------------------- */

/* Those that are there by themselves (sit0, tunl0, gre0 …) are down and have no address. */
static bool is_of_use(const struct link *link)
{
	return !(link->flags & IFF_LOOPBACK) && !link->our_tap && !link->port &&
	       (link->flags & IFF_UP || link->addresses.n > 0);
}

static const char *unfit_because(const struct scan *scan, const struct link *link)
{
	if (link->type != ARPHRD_ETHER || link->mac_bytes != MAC_BYTES)
		return "it has no Ethernet address";
	if (link->ipvlan_l3)
		return "it routes instead of switching; ipvlan mode l2 is supported";
	if (link->stacked)
		return "it stands on another interface of the same namespace";
	for (size_t i = 0; i < scan->links.n; i++) {
		const struct link *other = scan->links.v[i];

		if (other != link && other->taken && memcmp(other->mac, link->mac, MAC_BYTES) == 0)
			return "another one has the same Ethernet address";
	}
	return NULL;
}

static int select_link(struct scan *scan, struct link *link)
{
	const char *unfit = unfit_because(scan, link);

	if (unfit)
		return bh_err_as(scan->err, BH_ERR_SPEC, -EOPNOTSUPP,
				 "interface '%s' (%s) cannot be given to a micro-VM: %s",
				 link->name, link->kind[0] ? link->kind : "no kind", unfit);
	link->taken = true;
	return 0;
}

static int select_links(struct scan *scan)
{
	const struct bh_network *network = scan->network;
	size_t n = 0, room = network->reserved ? network->n_nics : BH_NETWORK_INTERFACES_MAX;

	for (size_t i = 0; i < scan->links.n; i++)
		n += is_of_use(scan->links.v[i]);
	if (n > room)
		return bh_err_as(scan->err, BH_ERR_SPEC, -E2BIG,
				 "%zu interfaces; a micro-VM can have %zu%s", n, room,
				 network->reserved ? " that come after it was created" : "");
	for (size_t i = 0; i < scan->links.n; i++) {
		int r = is_of_use(scan->links.v[i]) ? select_link(scan, scan->links.v[i]) : 0;

		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- routes ---------------------------------------------------------------------------------- */

/* What the message has no field for. Return: words, or NULL */
static const char *unsupported_in(const struct rtmsg *route, const struct bh_rtnl_attrs *attrs)
{
	if (attrs->v[RTA_ENCAP_TYPE])
		return "with an encapsulation";
	if (route->rtm_src_len)
		return "for one source";
	return route->rtm_tos ? "for one type of service" : NULL;
}

static const char *destination_text(struct scan *scan, const struct rtmsg *route,
				    const struct rtattr *destination)
{
	char text[INET6_ADDRSTRLEN];

	if (!destination || RTA_PAYLOAD(destination) != ip_bytes(route->rtm_family) ||
	    !inet_ntop(route->rtm_family, RTA_DATA(destination), text, sizeof(text)))
		return "default";
	return bh_arena_printf(scan->arena, "%s/%u", text, route->rtm_dst_len);
}

struct hop {
	uint32_t device;
	struct bh_rtnl_attrs attrs; /* with its gateway */
	bool onlink;
};

/* The route's next hop: of several the first whose interface the guest has. */
static struct hop next_hop(const struct scan *scan, const struct rtmsg *route,
			   const struct bh_rtnl_attrs *attrs, size_t *ret_n)
{
	const struct rtattr *several = attrs->v[RTA_MULTIPATH];
	const struct rtnexthop *next = several ? RTA_DATA(several) : NULL;
	int left = several ? (int)RTA_PAYLOAD(several) : 0;
	struct hop hop = { .device = bh_rtnl_u32(attrs->v[RTA_OIF], 0),
			   .attrs = *attrs,
			   .onlink = route->rtm_flags & RTNH_F_ONLINK };
	bool found = false;

	for (*ret_n = 0; several && left >= (int)sizeof(*next) && RTNH_OK(next, left);
	     left -= RTNH_ALIGN(next->rtnh_len), next = RTNH_NEXT(next), (*ret_n)++) {
		const struct link *link = find_link(scan, (uint32_t)next->rtnh_ifindex);

		if (found || !link || !link->taken)
			continue;
		found = true;
		hop.device = link->index;
		hop.onlink = next->rtnh_flags & RTNH_F_ONLINK;
		bh_rtnl_block((const struct rtattr *)RTNH_DATA(next),
			      next->rtnh_len - RTNH_LENGTH(0), &hop.attrs);
	}
	return hop;
}

/* Its length tells of which family it is: it may be another one than the route's. */
static int copy_gateway(struct scan *scan, const struct rtmsg *route, const struct hop *hop,
			ProtobufCBinaryData *ret)
{
	const struct rtattr *via = hop->attrs.v[RTA_VIA];
	size_t bytes = via ? RTA_PAYLOAD(via) : 0;

	if (bytes != offsetof(struct rtvia, rtvia_addr) + 4 &&
	    bytes != offsetof(struct rtvia, rtvia_addr) + 16)
		return copy_bytes(scan, hop->attrs.v[RTA_GATEWAY], ip_bytes(route->rtm_family),
				  ret);
	ret->len = bytes - offsetof(struct rtvia, rtvia_addr);
	ret->data = bh_arena_alloc(scan->arena, ret->len);
	if (!ret->data)
		return bh_err_oom(scan->err);
	memcpy(ret->data, (const char *)RTA_DATA(via) + offsetof(struct rtvia, rtvia_addr),
	       ret->len);
	return 0;
}

static int fill_route(struct scan *scan, const struct rtmsg *found,
		      const struct bh_rtnl_attrs *attrs, const struct hop *hop, Agent__Route *ret)
{
	size_t bytes = ip_bytes(found->rtm_family);
	struct bh_rtnl_attrs metrics;
	int r = copy_bytes(scan, attrs->v[RTA_DST], bytes, &ret->destination);

	if (r == 0)
		r = copy_gateway(scan, found, hop, &ret->gateway);
	if (r == 0)
		r = copy_bytes(scan, attrs->v[RTA_PREFSRC], bytes, &ret->source);
	bh_rtnl_nested(attrs->v[RTA_METRICS], &metrics);
	ret->family = found->rtm_family;
	ret->prefix = found->rtm_dst_len;
	ret->metric = bh_rtnl_u32(attrs->v[RTA_PRIORITY], 0);
	ret->scope = found->rtm_scope;
	ret->onlink = hop->onlink;
	ret->mtu = bh_rtnl_u32(metrics.v[RTAX_MTU], 0);
	ret->type = found->rtm_type;
	ret->protocol = found->rtm_protocol;
	return r;
}

static bool is_wanted_route(const struct rtmsg *route, const struct bh_rtnl_attrs *attrs)
{
	bool refuses = route->rtm_type == RTN_BLACKHOLE || route->rtm_type == RTN_UNREACHABLE ||
		       route->rtm_type == RTN_PROHIBIT || route->rtm_type == RTN_THROW;

	return bh_rtnl_u32(attrs->v[RTA_TABLE], route->rtm_table) == RT_TABLE_MAIN &&
	       !(route->rtm_flags & RTM_F_CLONED) && (refuses || route->rtm_type == RTN_UNICAST) &&
	       (route->rtm_family == AF_INET || route->rtm_family == AF_INET6);
}

static int add_route(struct scan *scan, const struct rtmsg *found,
		     const struct bh_rtnl_attrs *attrs)
{
	const char *to = destination_text(scan, found, attrs->v[RTA_DST]);
	size_t n_hops;
	struct hop hop = next_hop(scan, found, attrs, &n_hops);
	const char *unsupported = unsupported_in(found, &hop.attrs);
	const struct link *link = find_link(scan, hop.device);
	bool leads_on = found->rtm_type == RTN_UNICAST;
	Agent__Route *route;
	int r;

	if (unsupported)
		return bh_err_as(scan->err, BH_ERR_SPEC, -EOPNOTSUPP,
				 "the route to %s %s cannot be given to a micro-VM", to,
				 unsupported);
	if (leads_on && (!link || !link->taken)) {
		bh_warn("the route to %s through '%s' is left out: the micro-VM has no such "
			"interface",
			to, link ? link->name : "");
		return 0;
	}
	if (n_hops > 1)
		bh_warn("of the %zu next hops to %s the micro-VM gets the first, through '%s'",
			n_hops, to, link ? link->name : "");
	route = bh_arena_new(scan->arena, Agent__Route);
	r = append(scan, &scan->routes, ROUTES_MAX, "routes", route);
	if (r < 0)
		return r;
	agent__route__init(route);
	if (leads_on)
		route->device = (char *)link->name;
	return fill_route(scan, found, attrs, &hop, route);
}

static int take_route(void *arg, const struct nlmsghdr *message)
{
	const struct rtmsg *found = NLMSG_DATA(message);
	struct scan *scan = arg;
	struct bh_rtnl_attrs attrs;

	bh_rtnl_attrs(message, sizeof(*found), &attrs);
	if (message->nlmsg_type != RTM_NEWROUTE || !is_wanted_route(found, &attrs))
		return 0;
	return add_route(scan, found, &attrs);
}

/* ---- neighbours ------------------------------------------------------------------------------ */

static int take_neighbour(void *arg, const struct nlmsghdr *message)
{
	const struct ndmsg *found = NLMSG_DATA(message);
	struct scan *scan = arg;
	const struct link *link = find_link(scan, (uint32_t)found->ndm_ifindex);
	struct bh_rtnl_attrs attrs;
	Agent__Neighbour *neighbour;
	int r;

	bh_rtnl_attrs(message, sizeof(*found), &attrs);
	if (message->nlmsg_type != RTM_NEWNEIGH || !link || !link->taken ||
	    !(found->ndm_state & NUD_PERMANENT) || found->ndm_flags & NTF_PROXY ||
	    (found->ndm_family != AF_INET && found->ndm_family != AF_INET6) ||
	    !attrs.v[NDA_LLADDR] || RTA_PAYLOAD(attrs.v[NDA_LLADDR]) != MAC_BYTES)
		return 0;
	neighbour = bh_arena_new(scan->arena, Agent__Neighbour);
	r = append(scan, &scan->neighbours, NEIGHBOURS_MAX, "neighbours", neighbour);
	if (r < 0)
		return r;
	agent__neighbour__init(neighbour);
	neighbour->device = (char *)link->name;
	r = copy_bytes(scan, attrs.v[NDA_DST], ip_bytes(found->ndm_family), &neighbour->ip);
	return r < 0 ? r : copy_bytes(scan, attrs.v[NDA_LLADDR], MAC_BYTES, &neighbour->mac);
}

/* ---- all together ---------------------------------------------------------------------------- */

/* The lists, in an order in which each can refer to those before. */
static const struct object {
	const char *doing;
	uint16_t type;
	uint16_t body;
	bh_rtnl_each_fn take;
	int (*then)(struct scan *scan);
} objects[] = {
	{ "list interfaces", RTM_GETLINK, sizeof(struct ifinfomsg), take_link, NULL },
	{ "list addresses", RTM_GETADDR, sizeof(struct ifaddrmsg), take_address, select_links },
	{ "list routes", RTM_GETROUTE, sizeof(struct rtmsg), take_route, NULL },
	{ "list neighbours", RTM_GETNEIGH, sizeof(struct ndmsg), take_neighbour, NULL },
};

static int list_objects(int rtnl, struct scan *scan, const struct object *object)
{
	struct bh_rtnl_request request = bh_rtnl_request(object->type, 0, object->body);
	int r = bh_rtnl_dump(rtnl, &request, object->take, scan);

	if (r == -EINTR)
		return r;
	if (r < 0)
		return scan->err->code ? r : bh_err_set(scan->err, r, "%s", object->doing);
	return object->then ? object->then(scan) : 0;
}

static void fill_nic(struct bh_network *network, const struct link *link)
{
	struct bh_vm_nic *nic = &network->nics[network->n_nics++];

	*nic = (struct bh_vm_nic){ .tap_fd = -EBADF, .vhost_fd = -1, .mtu = link->mtu };
	memcpy(nic->mac, link->mac, MAC_BYTES);
}

static int add_interface(int rtnl, struct scan *scan, const struct link *link)
{
	struct bh_network *network = scan->network;
	struct bh_network_link *changed = &network->trace.links[network->trace.n];
	struct bh_vm_nic *nic = &network->nics[network->trace.n];
	Agent__Interface *interface = bh_arena_new(scan->arena, Agent__Interface);
	struct bh_network_ingress ingress;
	int r;

	if (!interface)
		return bh_err_oom(scan->err);
	agent__interface__init(interface);
	interface->name = (char *)link->name;
	interface->mac.data = (uint8_t *)link->mac;
	interface->mac.len = MAC_BYTES;
	interface->mtu = link->mtu;
	interface->flags = link->flags;
	interface->addresses = (Agent__Address **)link->addresses.v;
	interface->n_addresses = link->addresses.n;
	/* The one that is here is among the addresses. */
	interface->no_link_local = link->no_link_local || link->has_link_local;
	if (network->reserved)
		interface->device_mac =
			(ProtobufCBinaryData){ .data = nic->mac, .len = sizeof(nic->mac) };
	else
		fill_nic(network, link);
	memcpy(changed->name, link->name, sizeof(changed->name));
	changed->index = link->index;
	changed->nic = (uint8_t)network->trace.n;
	changed->had_allmulti = link->flags & IFF_ALLMULTI;
	network->message.interfaces[network->trace.n++] = interface;
	r = bh_network_ingress(rtnl, changed, network->trace.token, &ingress, scan->err);
	changed->had_ingress = ingress.qdisc;
	changed->redirected = ingress.ours;
	if (r == 0 && ingress.same_pref)
		return bh_err_as(scan->err, BH_ERR_STATE, -EBUSY,
				 "interface '%s' is another micro-VM's already", link->name);
	return r < 0 ? bh_err_ctx(scan->err, "interface '%s'", link->name) : 0;
}

int bh_network_scan(int rtnl, struct bh_network *network, struct bh_err *err)
{
	struct scan scan = { .network = network, .arena = &network->arena, .err = err };
	int r = 0;

	*err = BH_ERR_INIT;
	for (size_t i = 0; i < BH_ARRAY_SIZE(objects) && r == 0; i++)
		r = list_objects(rtnl, &scan, &objects[i]);
	if (r < 0)
		return r;
	network->message.interfaces = bh_arena_array(scan.arena, BH_NETWORK_INTERFACES_MAX,
						     sizeof(*network->message.interfaces));
	if (!network->message.interfaces)
		return bh_err_oom(err);
	for (size_t i = 0; i < scan.links.n && r == 0; i++) {
		const struct link *link = scan.links.v[i];

		r = link->taken ? add_interface(rtnl, &scan, link) : 0;
	}
	network->message.n_interfaces = network->trace.n;
	network->message.routes = (Agent__Route **)scan.routes.v;
	network->message.n_routes = scan.routes.n;
	network->message.neighbours = (Agent__Neighbour **)scan.neighbours.v;
	network->message.n_neighbours = scan.neighbours.n;
	return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/network.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>

#include "base/path.h"
#include "linux/rtnetlink.h"

#define NET_CLASS   "/sys/class/net"
#define VIRTIO      "/sys/bus/virtio"
#define VIRTIO_NET  "0x0001\n" /* kind of a device, as sysfs has it */
#define MAC_BYTES   6
#define COUNT_MAX   4096 /* interfaces, addresses of one, routes, neighbours */
#define ADDRESS_MAX sizeof(struct in6_addr)
#define NAME_SHORT  32 /* longer than that of any virtio device */

/* What a process may set of an interface's flags; that it is up comes last. */
#define LINK_FLAGS (IFF_NOARP | IFF_ALLMULTI | IFF_PROMISC | IFF_MULTICAST)
/* What of an address's flags is about how it is used, not in what state it is. */
#define ADDRESS_FLAGS \
	(IFA_F_HOMEADDRESS | IFA_F_MANAGETEMPADDR | IFA_F_NOPREFIXROUTE | IFA_F_MCAUTOJOIN)

#define TEXT_BYTES (INET6_ADDRSTRLEN + 8)

/* ---- checks ---------------------------------------------------------------------------------- */

static bool is_ip(const ProtobufCBinaryData *ip)
{
	return ip->len == sizeof(struct in_addr) || ip->len == sizeof(struct in6_addr);
}

static int family_of(const ProtobufCBinaryData *ip)
{
	return ip->len == sizeof(struct in_addr) ? AF_INET : AF_INET6;
}

static const char *print_ip(const ProtobufCBinaryData *ip, char buf[static TEXT_BYTES])
{
	if (!is_ip(ip) || !inet_ntop(family_of(ip), ip->data, buf, TEXT_BYTES))
		strcpy(buf, "default");
	return buf;
}

static bool is_name(const char *name)
{
	size_t len = strlen(name);

	return len > 0 && len < IF_NAMESIZE && !strpbrk(name, "/: \t\n%") && strcmp(name, ".") &&
	       strcmp(name, "..");
}

static int refuse(struct bh_err *err, const char *what, const char *name)
{
	return bh_err_as(err, BH_ERR_SPEC, -EINVAL, "%s of '%.32s' is not valid", what, name);
}

static int check_interface(const Agent__Interface *interface, struct bh_err *err)
{
	if (!is_name(interface->name))
		return refuse(err, "name", interface->name);
	if (interface->mac.len != MAC_BYTES ||
	    (interface->device_mac.len && interface->device_mac.len != MAC_BYTES))
		return refuse(err, "hardware address", interface->name);
	if (interface->n_addresses > COUNT_MAX)
		return refuse(err, "number of addresses", interface->name);
	for (size_t i = 0; i < interface->n_addresses; i++) {
		const Agent__Address *a = interface->addresses[i];

		if (!is_ip(&a->ip) || a->prefix > 8 * a->ip.len ||
		    (a->peer.len && a->peer.len != a->ip.len) ||
		    (a->broadcast.len && a->broadcast.len != a->ip.len) || a->scope > UINT8_MAX)
			return refuse(err, "an address", interface->name);
	}
	return 0;
}

static int check_route(const Agent__Route *route, struct bh_err *err)
{
	size_t len = route->family == AF_INET ? sizeof(struct in_addr) : sizeof(struct in6_addr);

	if ((route->family != AF_INET && route->family != AF_INET6) ||
	    (route->destination.len && route->destination.len != len) || route->prefix > 8 * len ||
	    (route->gateway.len && !is_ip(&route->gateway)) ||
	    (route->source.len && route->source.len != len) || route->scope > UINT8_MAX ||
	    route->type > UINT8_MAX || route->protocol > UINT8_MAX ||
	    strlen(route->device) >= IF_NAMESIZE)
		return refuse(err, "a route", route->device);
	return 0;
}

static int check_interfaces(Agent__Interface *const *interfaces, size_t n, struct bh_err *err)
{
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++)
		r = check_interface(interfaces[i], err);
	return r;
}

static int check_routes(Agent__Route *const *routes, size_t n, struct bh_err *err)
{
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++)
		r = check_route(routes[i], err);
	return r;
}

int bh_network_check(const Agent__NetworkRequest *request, struct bh_err *err)
{
	int r = 0;

	if (request->n_interfaces > COUNT_MAX || request->n_routes > COUNT_MAX ||
	    request->n_neighbours > COUNT_MAX || request->n_surplus > COUNT_MAX ||
	    request->n_gone_addresses > COUNT_MAX || request->n_gone_routes > COUNT_MAX)
		return bh_err_as(err, BH_ERR_SPEC, -E2BIG,
				 "more than %d interfaces, routes or neighbours", COUNT_MAX);
	for (size_t i = 0; i < request->n_surplus; i++)
		if (request->surplus[i].len != MAC_BYTES)
			return refuse(err, "hardware address", "surplus");
	r = check_interfaces(request->interfaces, request->n_interfaces, err);
	r = r < 0 ? r : check_interfaces(request->gone_addresses, request->n_gone_addresses, err);
	r = r < 0 ? r : check_routes(request->routes, request->n_routes, err);
	r = r < 0 ? r : check_routes(request->gone_routes, request->n_gone_routes, err);
	for (size_t i = 0; i < request->n_neighbours && r == 0; i++) {
		const Agent__Neighbour *n = request->neighbours[i];

		if (!is_ip(&n->ip) || n->mac.len > ADDRESS_MAX || !is_name(n->device))
			r = refuse(err, "a neighbour", n->device);
	}
	return r;
}

/* ---- talking --------------------------------------------------------------------------------- */

/* The kernel's answer as an error that names what was asked for. */
static int failed(struct bh_err *err, int r, const char *why, const char *fmt, const char *what)
{
	if (why[0])
		return bh_err_set(err, r, "%s %s: %s", fmt, what, why);
	return bh_err_set(err, r, "%s %s", fmt, what);
}

/* A request that is put together piece by piece; the first piece without room is told at the end.
 */
struct message {
	struct bh_rtnl_request request;
	int r;
};

static void put(struct message *m, uint16_t type, const void *data, size_t len)
{
	if (m->r == 0)
		m->r = bh_rtnl_add(&m->request, type, data, len);
}

static void put_u32(struct message *m, uint16_t type, uint32_t value)
{
	put(m, type, &value, sizeof(value));
}

static int send_message(int fd, struct message *m, const char *what, const char *name,
			struct bh_err *err)
{
	char why[BH_RTNL_WHY_BYTES] = "";
	int r = m->r < 0 ? m->r : bh_rtnl_talk(fd, &m->request, why);

	return r < 0 ? failed(err, r, why, what, name) : 0;
}

/* ---- interfaces ------------------------------------------------------------------------------ */

static bool has_mac(int dirfd, const char *name, const ProtobufCBinaryData *mac)
{
	char path[NAME_MAX + sizeof("/address")], want[3 * MAC_BYTES + 1];
	bh_auto_free char *text = NULL;
	struct bh_err ignored;

	snprintf(path, sizeof(path), "%s/address", name);
	if (bh_path_read(dirfd, path, BH_PATH_HOST, 256, &text, NULL, &ignored) < 0)
		return false;
	snprintf(want, sizeof(want), "%02x:%02x:%02x:%02x:%02x:%02x\n", mac->data[0], mac->data[1],
		 mac->data[2], mac->data[3], mac->data[4], mac->data[5]);
	return !strcmp(text, want);
}

/* Its name in @ret. Return: whether there is one */
static bool find_by_mac(const ProtobufCBinaryData *mac, char ret[static IF_NAMESIZE])
{
	bh_auto_closedir DIR *dir = opendir(NET_CLASS);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.' || strlen(entry->d_name) >= IF_NAMESIZE ||
		    !has_mac(dirfd(dir), entry->d_name, mac))
			continue;
		strcpy(ret, entry->d_name);
		return true;
	}
	return false;
}

/* Whether it is a network device that was surplus, and so has no driver. */
static bool is_idle(const char *device)
{
	bh_auto_free char *kind = NULL;
	struct bh_err ignored;
	char path[128];

	snprintf(path, sizeof(path), VIRTIO "/devices/%s/driver", device);
	if (access(path, F_OK) == 0)
		return false;
	snprintf(path, sizeof(path), VIRTIO "/devices/%s/device", device);
	return bh_path_read(AT_FDCWD, path, BH_PATH_HOST, 64, &kind, NULL, &ignored) == 0 &&
	       !strcmp(kind, VIRTIO_NET);
}

/* @verb: "bind" or "unbind" */
static int tell_driver(const char *verb, const char *device, struct bh_err *err)
{
	char path[64];

	snprintf(path, sizeof(path), VIRTIO "/drivers/virtio_net/%s", verb);
	return bh_path_write(AT_FDCWD, path, device, BH_PATH_HOST, err);
}

/* Of a device that was surplus until now. Its name in @ret. Return: whether there is one */
static bool bring_back(const ProtobufCBinaryData *mac, char ret[static IF_NAMESIZE])
{
	bh_auto_closedir DIR *dir = opendir(VIRTIO "/devices");
	struct bh_err ignored;
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.' || strlen(entry->d_name) > NAME_SHORT ||
		    !is_idle(entry->d_name) || tell_driver("bind", entry->d_name, &ignored) < 0)
			continue;
		if (find_by_mac(mac, ret))
			return true;
		(void)!tell_driver("unbind", entry->d_name, &ignored);
	}
	return false;
}

/* Return: number of the interface, its name in @ret; -ENODEV with @err. One that has its address
 * already was told of before */
static int find_device(int fd, const Agent__Interface *interface, char ret[static IF_NAMESIZE],
		       struct bh_err *err)
{
	const uint8_t *mac = interface->mac.data;

	if ((interface->device_mac.len && find_by_mac(&interface->device_mac, ret)) ||
	    find_by_mac(&interface->mac, ret) ||
	    (interface->device_mac.len && bring_back(&interface->device_mac, ret)))
		return bh_rtnl_find(fd, ret);
	return bh_err_set(err, -ENODEV,
			  "find an interface with hardware address %02x:%02x:%02x:%02x:%02x:%02x",
			  mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
}

static struct message link_message(int index)
{
	struct message m = { .request = bh_rtnl_request(RTM_NEWLINK, 0, sizeof(struct ifinfomsg)) };

	m.request.link.ifi_index = index;
	return m;
}

static int rename_link(int fd, int index, const char *from, const char *to, struct bh_err *err)
{
	struct message m = link_message(index);

	/* Before Linux 6.1 only an interface that is down can be renamed. */
	m.request.link.ifi_change = IFF_UP;
	put(&m, IFLA_IFNAME, to, strlen(to) + 1);
	if (send_message(fd, &m, "rename to", to, err) < 0)
		return bh_err_ctx(err, "interface '%s'", from);
	return 0;
}

/* Gives the interface its name; one that has it, and will be given another, makes room. */
static int set_name(int fd, int index, const char *now, const char *wanted, struct bh_err *err)
{
	char aside[IF_NAMESIZE];
	int other, r = 0;

	if (!strcmp(now, wanted))
		return 0;
	other = bh_rtnl_find(fd, wanted);
	if (other >= 0) {
		snprintf(aside, sizeof(aside), "was%d", other);
		r = rename_link(fd, other, wanted, aside, err);
	}
	return r < 0 ? r : rename_link(fd, index, now, wanted, err);
}

/* The kernel makes no link-local address of its own: the host's has none either. */
static void put_no_link_local(struct message *m)
{
	const uint8_t mode = IN6_ADDR_GEN_MODE_NONE;
	int spec = m->r < 0 ? m->r : bh_rtnl_nest(&m->request, IFLA_AF_SPEC);
	int inet6 = spec < 0 ? spec : bh_rtnl_nest(&m->request, AF_INET6);

	if (inet6 < 0) {
		m->r = inet6;
		return;
	}
	put(m, IFLA_INET6_ADDR_GEN_MODE, &mode, sizeof(mode));
	bh_rtnl_nest_end(&m->request, inet6);
	bh_rtnl_nest_end(&m->request, spec);
}

static bool have_ipv6(void)
{
	return access("/proc/sys/net/ipv6", F_OK) == 0;
}

static int set_link(int fd, int index, const Agent__Interface *interface, struct bh_err *err)
{
	struct message m = link_message(index);

	m.request.link.ifi_flags = (interface->flags & LINK_FLAGS) | IFF_UP;
	m.request.link.ifi_change = LINK_FLAGS | IFF_UP;
	if (!interface->flags) /* not told: as they are */
		m.request.link.ifi_change = IFF_UP;
	if (interface->device_mac.len)
		put(&m, IFLA_ADDRESS, interface->mac.data, interface->mac.len);
	if (interface->mtu)
		put_u32(&m, IFLA_MTU, interface->mtu);
	if (interface->no_link_local && have_ipv6())
		put_no_link_local(&m);
	return send_message(fd, &m, "set up", interface->name, err);
}

static struct message address_message(uint16_t type, uint16_t flags, int index,
				      const Agent__Address *a)
{
	struct message m = { .request = bh_rtnl_request(type, flags, sizeof(struct ifaddrmsg)) };
	const ProtobufCBinaryData *peer = a->peer.len ? &a->peer : &a->ip;

	m.request.address = (struct ifaddrmsg){ .ifa_family = (uint8_t)family_of(&a->ip),
						.ifa_prefixlen = (uint8_t)a->prefix,
						.ifa_scope = (uint8_t)a->scope,
						.ifa_index = (uint32_t)index };
	put(&m, IFA_LOCAL, a->ip.data, a->ip.len);
	put(&m, IFA_ADDRESS, peer->data, peer->len);
	return m;
}

static int add_address(int fd, int index, const Agent__Address *a, struct bh_err *err)
{
	struct message m = address_message(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, index, a);
	int family = family_of(&a->ip);
	char text[TEXT_BYTES];

	if (a->broadcast.len && family == AF_INET)
		put(&m, IFA_BROADCAST, a->broadcast.data, a->broadcast.len);
	/* That no one else has it was found out on the host, whose namespace keeps it. */
	put_u32(&m, IFA_FLAGS,
		(a->flags & ADDRESS_FLAGS) | (family == AF_INET6 ? IFA_F_NODAD : 0U));
	if (a->metric)
		put_u32(&m, IFA_RT_PRIORITY, a->metric);
	return send_message(fd, &m, "add address", print_ip(&a->ip, text), err);
}

static int apply_interface(int fd, const Agent__Interface *interface, struct bh_err *err)
{
	char name[IF_NAMESIZE];
	int index = find_device(fd, interface, name, err), r;

	if (index < 0)
		return bh_err_ctx(err, "interface '%s'", interface->name);
	r = set_name(fd, index, name, interface->name, err);
	if (r == 0)
		r = set_link(fd, index, interface, err);
	for (size_t i = 0; i < interface->n_addresses && r == 0; i++)
		r = add_address(fd, index, interface->addresses[i], err);
	return r < 0 ? bh_err_ctx(err, "interface '%s'", interface->name) : 0;
}

/* An interface, or an address, that is gone already stays so. */
static int remove_addresses(int fd, const Agent__Interface *interface, struct bh_err *err)
{
	char name[IF_NAMESIZE], text[TEXT_BYTES];
	int index = find_by_mac(&interface->mac, name) ? bh_rtnl_find(fd, name) : -ENODEV;

	for (size_t i = 0; index >= 0 && i < interface->n_addresses; i++) {
		const Agent__Address *a = interface->addresses[i];
		struct message m = address_message(RTM_DELADDR, 0, index, a);
		int r = send_message(fd, &m, "remove address", print_ip(&a->ip, text), err);

		if (r < 0 && r != -EADDRNOTAVAIL && r != -ENODEV)
			return bh_err_ctx(err, "interface '%s'", name);
	}
	return 0;
}

/* Its driver lets it go; one that is gone stays so. */
static int remove_surplus(const ProtobufCBinaryData *mac, struct bh_err *err)
{
	char name[IF_NAMESIZE], path[128], device[PATH_MAX];
	const char *slash;
	ssize_t n;

	if (!find_by_mac(mac, name))
		return 0;
	snprintf(path, sizeof(path), NET_CLASS "/%s/device", name);
	n = readlink(path, device, sizeof(device) - 1);
	device[n < 0 ? 0 : n] = '\0';
	slash = strrchr(device, '/');
	if (!slash)
		return bh_err_set(err, -ENODEV, "find the device of interface '%s'", name);
	return tell_driver("unbind", slash + 1, err);
}

/* ---- routes ---------------------------------------------------------------------------------- */

static int rank(const Agent__Route *route)
{
	bool to_all = !route->destination.len || !route->prefix;

	if (!route->gateway.len)
		return to_all ? 2 : 0;
	if (route->onlink)
		return to_all ? 3 : 1;
	return to_all ? 4 : 2;
}

void bh_network_order(Agent__Route **routes, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		Agent__Route *route = routes[i];
		size_t at = i;

		for (; at > 0 && rank(routes[at - 1]) > rank(route); at--)
			routes[at] = routes[at - 1];
		routes[at] = route;
	}
}

static void put_gateway(struct message *m, const Agent__Route *route)
{
	struct {
		uint16_t family;
		uint8_t ip[ADDRESS_MAX];
	} via = { .family = (uint16_t)family_of(&route->gateway) };

	if (!route->gateway.len)
		return;
	if (via.family == route->family) {
		put(m, RTA_GATEWAY, route->gateway.data, route->gateway.len);
		return;
	}
	memcpy(via.ip, route->gateway.data, route->gateway.len);
	put(m, RTA_VIA, &via, sizeof(via.family) + route->gateway.len);
}

static void put_mtu(struct message *m, uint32_t mtu)
{
	int metrics = m->r < 0 ? m->r : bh_rtnl_nest(&m->request, RTA_METRICS);

	if (metrics < 0) {
		m->r = metrics;
		return;
	}
	put_u32(m, RTAX_MTU, mtu);
	bh_rtnl_nest_end(&m->request, metrics);
}

/* @index: of its interface; 0 = none */
static struct message route_message(uint16_t type, uint16_t flags, int index,
				    const Agent__Route *route)
{
	struct message m = { .request = bh_rtnl_request(type, flags, sizeof(struct rtmsg)) };

	m.request.route = (struct rtmsg){
		.rtm_family = (uint8_t)route->family,
		.rtm_dst_len = route->destination.len ? (uint8_t)route->prefix : 0,
		.rtm_table = RT_TABLE_MAIN,
		.rtm_protocol = route->protocol ? (uint8_t)route->protocol : RTPROT_BOOT,
		.rtm_scope = (uint8_t)route->scope,
		.rtm_type = route->type ? (uint8_t)route->type : RTN_UNICAST,
		.rtm_flags = route->onlink ? RTNH_F_ONLINK : 0U,
	};
	if (route->destination.len)
		put(&m, RTA_DST, route->destination.data, route->destination.len);
	put_gateway(&m, route);
	if (index > 0)
		put_u32(&m, RTA_OIF, (uint32_t)index);
	if (route->source.len)
		put(&m, RTA_PREFSRC, route->source.data, route->source.len);
	if (route->metric)
		put_u32(&m, RTA_PRIORITY, route->metric);
	return m;
}

static int add_route(int fd, const Agent__Route *route, struct bh_err *err)
{
	char text[TEXT_BYTES], why[BH_RTNL_WHY_BYTES] = "";
	int index = route->device[0] ? bh_rtnl_find(fd, route->device) : 0, r;
	struct message m;

	print_ip(&route->destination, text);
	if (index < 0)
		return bh_err_set(err, index, "route to %s: find interface '%s'", text,
				  route->device);
	/* Not NLM_F_REPLACE: two routes to one destination by two interfaces are two. */
	m = route_message(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_APPEND, index, route);
	if (route->mtu)
		put_mtu(&m, route->mtu);
	r = m.r < 0 ? m.r : bh_rtnl_talk(fd, &m.request, why);
	/* There is this very one already: made by the kernel with an address, or by a call before.
	 */
	if (r == 0 || r == -EEXIST)
		return 0;
	failed(err, r, why, "route to", text);
	return bh_err_ctx(err, "interface '%s'", route->device);
}

/* One that went with its interface or address stays so. */
static int remove_route(int fd, const Agent__Route *route, struct bh_err *err)
{
	int index = route->device[0] ? bh_rtnl_find(fd, route->device) : 0, r;
	char text[TEXT_BYTES];
	struct message m;

	if (index < 0)
		return 0;
	m = route_message(RTM_DELROUTE, 0, index, route);
	r = send_message(fd, &m, "remove the route to", print_ip(&route->destination, text), err);
	return r == -ESRCH ? 0 : r;
}

static int add_neighbour(int fd, const Agent__Neighbour *n, struct bh_err *err)
{
	struct message m = { .request = bh_rtnl_request(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE,
							sizeof(struct ndmsg)) };
	int index = bh_rtnl_find(fd, n->device);
	char text[TEXT_BYTES];

	print_ip(&n->ip, text);
	if (index < 0)
		return bh_err_set(err, index, "neighbour %s: find interface '%s'", text, n->device);
	m.request.neighbour = (struct ndmsg){ .ndm_family = (uint8_t)family_of(&n->ip),
					      .ndm_ifindex = index,
					      .ndm_state = NUD_PERMANENT };
	put(&m, NDA_DST, n->ip.data, n->ip.len);
	put(&m, NDA_LLADDR, n->mac.data, n->mac.len);
	if (send_message(fd, &m, "add neighbour", text, err) < 0)
		return bh_err_ctx(err, "interface '%s'", n->device);
	return 0;
}

/* ---- all of it ------------------------------------------------------------------------------- */

static int add_routes(int fd, const Agent__NetworkRequest *request, struct bh_err *err)
{
	bh_auto_free Agent__Route **routes = calloc(request->n_routes + 1, sizeof(*routes));
	int r = 0;

	if (!routes)
		return bh_err_oom(err);
	if (request->n_routes)
		memcpy(routes, request->routes, request->n_routes * sizeof(*routes));
	bh_network_order(routes, request->n_routes);
	for (size_t i = 0; i < request->n_routes && r == 0; i++)
		r = add_route(fd, routes[i], err);
	return r;
}

int bh_network_apply(const Agent__NetworkRequest *request, struct bh_err *err)
{
	bh_auto_close int fd = -EBADF;
	int r = bh_network_check(request, err);

	if (r < 0)
		return r;
	fd = bh_rtnl_open(err);
	if (fd < 0)
		return fd;
	for (size_t i = 0; i < request->n_surplus && r == 0; i++)
		r = remove_surplus(&request->surplus[i], err);
	for (size_t i = 0; i < request->n_interfaces && r == 0; i++)
		r = apply_interface(fd, request->interfaces[i], err);
	for (size_t i = 0; i < request->n_gone_addresses && r == 0; i++)
		r = remove_addresses(fd, request->gone_addresses[i], err);
	for (size_t i = 0; i < request->n_gone_routes && r == 0; i++)
		r = remove_route(fd, request->gone_routes[i], err);
	if (r == 0)
		r = add_routes(fd, request, err);
	for (size_t i = 0; i < request->n_neighbours && r == 0; i++)
		r = add_neighbour(fd, request->neighbours[i], err);
	return r;
}

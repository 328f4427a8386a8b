/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The network of a pod in a micro-VM, in network namespaces made for the test: "the host's" with a
 * bridge, "the pod's" with a veth to it, and in place of a VM "the guest's", whose interface is a
 * tap between which and the pod's tap a process carries frames. Needs root, ip(8), tc(8).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/buf.h"
#include "linux/ns.h"
#include "linux/rtnetlink.h"
#include "netns.h"
#include "pod/vm/network.h"

static unsigned int fails; /* which of the next requests to the kernel; 0 = none */

/* In the place of the C library's. */
ssize_t send(int fd, const void *data, size_t n, int flags)
{
	if (fails && --fails == 0) {
		errno = ENOBUFS;
		return -1;
	}
	return sendto(fd, data, n, flags, NULL, 0);
}

static int pod, guest; /* the other namespaces, in the child that runs a case */
static char pod_path[32];

/* The pod: eth0, 10.9.0.2/24, fd00:9::2/64 behind the host's bridge br0, 10.9.0.1, fd00:9::1. */
static int make_namespaces(void)
{
	char command[128];

	if (geteuid() != 0 || (pod = new_namespace()) < 0 || (guest = new_namespace()) < 0 ||
	    (host = new_namespace()) < 0)
		return SKIP;
	snprintf(pod_path, sizeof(pod_path), "/proc/%d/fd/%d", getpid(), pod);
	do_in(pod, "for i in all default; do"
		   " echo 0 >/proc/sys/net/ipv6/conf/$i/accept_dad; done");
	snprintf(command, sizeof(command), "ip link add veth1 type veth peer name eth0 netns %s",
		 pod_path);
	do_in(host, command);
	do_in(pod, "ip link set lo up; ip link set eth0 address 02:00:00:00:09:02");
	do_in(host, "ip link add br0 type bridge; ip link set veth1 master br0;"
		    "ip addr add 10.9.0.1/24 dev br0; ip -6 addr add fd00:9::1/64 dev br0 nodad;"
		    "ip link set veth1 up; ip link set br0 up");
	do_in(pod, "ip addr add 10.9.0.2/24 broadcast + dev eth0;"
		   "ip -6 addr add fd00:9::2/64 dev eth0 nodad; ip link set eth0 up;"
		   "ip route add default via 10.9.0.1; ip -6 route add default via fd00:9::1");
	for (int i = 0; i < 50 && !has(pod, "ip -6 -o addr show dev eth0", "fe80::"); i++)
		usleep(100000); /* until the kernel saw that the bridge is up */
	return has(host, "ip -o link", "br0") ? 0 : SKIP;
}

static void check(int (*act)(void))
{
	check_case(make_namespaces, act);
}

/* What must be as before. Addresses of IPv6 that are being looked at settle first; of carriers the
 * kernel tells up to a second later, and they are nobody's doing here; actions it counts. */
static char *picture_of(int netns)
{
	for (int i = 0; i < 50 && has(netns, "ip -6 addr", "tentative"); i++)
		usleep(100000);
	return run_in(netns,
		      "{ ip -d link; ip addr; ip route show table all;"
		      "ip -6 route show table all; ip neigh show nud permanent; tc qdisc; } |"
		      "sed -E 's/NO-CARRIER,//; s/,M-DOWN//; s/ linkdown//; s/ state [A-Z]+//';"
		      "for i in $(ip -o link | cut -d: -f2 | cut -d@ -f1); do tc filter show "
		      "dev $i ingress;"
		      "tc filter show dev $i egress; done | sed -E 's/index [0-9]+ ref/ref/'");
}

static char *picture(void)
{
	return picture_of(pod);
}

static bool is_as_it_was(int netns, const char *before)
{
	bh_auto_free char *after = picture_of(netns);
	bool same = strcmp(before, after) == 0;

	if (!same)
		fprintf(stderr, "before:\n%s\nafter:\n%s\n", before, after);
	return same;
}

static bool is_as_before(const char *before)
{
	return is_as_it_was(pod, before);
}

static struct bh_network *plan(struct bh_err *err)
{
	struct bh_network *network = NULL;

	*err = BH_ERR_INIT;
	return bh_network_plan(pod, pod_path, &network, err) < 0 ? NULL : network;
}

static json_object *saved_of(const struct bh_network *network)
{
	bh_auto_buf struct bh_buf text = BH_BUF_INIT;

	bh_network_save(network, &text);
	return json_tokener_parse(bh_buf_str(&text));
}

/* ---- plans ----------------------------------------------------------------------------------- */

static int act_message(void)
{
	struct bh_err err;
	bh_auto_free char *before = NULL;
	struct bh_network *network;
	const Agent__NetworkRequest *message;
	const Agent__Interface *eth0;
	const struct bh_vm_nic *nics;
	size_t n, gateways = 0;

	do_in(pod, "ip addr add 10.9.9.9 peer 10.9.9.8/32 scope link dev eth0 metric 77;"
		   "ip neigh add 10.9.0.77 lladdr 02:00:00:00:00:77 dev eth0 nud permanent;"
		   "ip neigh add 10.9.0.78 lladdr 02:00:00:00:00:78 dev eth0 nud reachable;"
		   "ip -6 neigh add fd00:9::77 lladdr 02:00:00:00:00:76 dev eth0 nud permanent;"
		   "ip route add 10.20.0.0/16 via 10.9.0.3 src 10.9.0.2 metric 5 mtu 1300;"
		   "ip route add unreachable 10.30.0.0/16;"
		   "ip route add 10.40.0.0/16 via 10.41.0.1 dev eth0 onlink;"
		   "ip route add 10.50.0.0/16 nexthop via 10.9.0.4 nexthop via 10.9.0.5;"
		   "ip route add 10.60.0.0/16 via 10.9.0.3 table 100;"
		   "ip route add 10.70.0.0/16 via inet6 fd00:9::7 dev eth0;"
		   "ip tuntap add idle mode tap; ip link set eth0 mtu 1400");
	before = picture();
	network = plan(&err);
	NEED(network);
	message = bh_network_message(network);
	NEED(bh_network_nics(network, &n) && n == 1 && message->n_interfaces == 1);
	nics = bh_network_nics(network, &n);
	eth0 = message->interfaces[0];
	NEED(strcmp(eth0->name, "eth0") == 0 && eth0->mtu == 1400 && nics->mtu == 1400);
	NEED(eth0->mac.len == 6 && memcmp(eth0->mac.data, "\2\0\0\0\11\2", 6) == 0);
	NEED(memcmp(nics->mac, eth0->mac.data, 6) == 0 && eth0->flags & IFF_UP);
	NEED(eth0->n_addresses == 4 && eth0->no_link_local); /* fe80:: is one of the addresses */
	for (size_t i = 0; i < eth0->n_addresses; i++) {
		const Agent__Address *address = eth0->addresses[i];

		if (address->ip.len == 4 && address->ip.data[2] == 0)
			NEED(address->prefix == 24 && address->broadcast.data[3] == 255 &&
			     address->peer.len == 0 && address->scope == 0);
		else if (address->ip.len == 4)
			NEED(address->ip.data[3] == 9 && address->peer.data[3] == 8 &&
			     address->prefix == 32 && address->scope == 253 &&
			     address->metric == 77 && address->broadcast.len == 0);
		else
			NEED(address->ip.len == 16 && address->prefix == 64);
	}
	for (size_t i = 0; i < message->n_routes; i++) {
		const Agent__Route *route = message->routes[i];
		uint8_t second = route->family == AF_INET && route->destination.len
					 ? route->destination.data[1]
					 : 0;

		gateways += route->gateway.len != 0;
		NEED(second != 60); /* not in the main table */
		if (second == 20)
			NEED(route->gateway.data[3] == 3 && route->source.data[3] == 2 &&
			     route->metric == 5 && route->mtu == 1300 && route->prefix == 16);
		if (second == 30)
			NEED(route->type == RTN_UNREACHABLE && route->device[0] == '\0');
		if (second == 40)
			NEED(route->onlink);
		if (second == 70)
			NEED(route->gateway.len == 16 && route->gateway.data[15] == 7);
		if (second == 50)
			NEED(route->gateway.data[3] == 4);
	}
	NEED(gateways == 6);
	NEED(message->n_neighbours == 2 && message->neighbours[0]->mac.len == 6);
	NEED(is_as_before(before)); /* a plan changes nothing */
	network = bh_network_free(network);
	return 0;
}

static bool is_refused(const char *why)
{
	struct bh_err err;
	struct bh_network *network = plan(&err);
	char line[BH_ERR_LINE_BYTES];

	if (network) {
		fprintf(stderr, "taken, and not refused: %s\n", why);
		bh_network_free(network);
		return false;
	}
	bh_err_format(&err, line, sizeof(line));
	if (strstr(line, why) && strstr(line, pod_path))
		return true;
	fprintf(stderr, "not '%s' but: %s\n", why, line);
	return false;
}

static int act_refusals(void)
{
	struct bh_network *network = NULL;
	struct bh_err err = BH_ERR_INIT;

	NEED(bh_network_plan(host, "/run/netns/h", &network, &err) == -EINVAL);
	NEED_TEXT(err.text, "the host's network");

	do_in(pod, "ip tuntap add vpn0 mode tun; ip link set vpn0 up");
	NEED(is_refused(
		"interface 'vpn0' (tun) cannot be given to a micro-VM: it has no Ethernet"));
	do_in(pod, "ip link del vpn0; ip link add mv0 link eth0 type macvlan;"
		   "ip link set mv0 up");
	NEED(is_refused("interface 'mv0' (macvlan)"));
	do_in(pod, "ip link del mv0; ip link add iv0 link eth0 type ipvlan mode l3 2>&1;"
		   "ip link set iv0 up 2>&1");
	if (has(pod, "ip link", "iv0")) /* not every kernel has them */
		NEED(is_refused(
			"interface 'iv0' (ipvlan) cannot be given to a micro-VM: it routes"));
	do_in(pod, "ip link del iv0 2>&1; ip link add x1 type veth peer name x2;"
		   "ip link set x1 address 02:00:00:00:09:02 up");
	NEED(is_refused("interface 'x1' (veth) cannot be given to a micro-VM: another one has"));
	do_in(pod, "ip link del x1; ip route add 10.66.0.0/16 tos 0x10 via 10.9.0.1");
	NEED(is_refused("the route to 10.66.0.0/16 for one type of service cannot be given"));
	do_in(pod, "ip route del 10.66.0.0/16 tos 0x10; for i in 1 2 3 4; do"
		   " ip link add a$i type veth peer name b$i; ip link set a$i up;"
		   " ip link set b$i up; done");
	NEED(is_refused("9 interfaces; a micro-VM can have 8"));
	do_in(pod, "ip link del a1"); /* both ends of the other three are seven with eth0 */
	network = plan(&err);
	NEED(network && bh_network_message(network)->n_interfaces == 7);
	bh_network_free(network);
	return 0;
}

static int act_nothing(void)
{
	struct bh_err err;
	struct bh_network *network;
	json_object *saved;

	do_in(pod, "ip link del eth0");
	network = plan(&err);
	NEED(network && bh_network_message(network)->n_interfaces == 0);
	saved = saved_of(network);
	NEED(bh_network_apply(network, &err) == 0 && bh_network_undo(saved, &err) == 0);
	bh_network_free(network);
	json_object_put(saved);
	return 0;
}

/* ---- what comes later ------------------------------------------------------------------------ */

/* An engine moves an interface into the namespace that was made for it. */
static int bring(int netns, const char *name, int n)
{
	char command[256];

	snprintf(command, sizeof(command),
		 "ip link add l%d address 02:00:00:00:08:%02d type veth peer name h%d;"
		 "ip link set l%d netns /proc/%d/fd/%d",
		 n, n, n, n, getpid(), netns);
	do_in(host, command);
	snprintf(command, sizeof(command),
		 "ip link set l%d name %s; ip addr add 10.8.%d.2/24 dev %s; ip link set %s up", n,
		 name, n, name, name);
	do_in(netns, command);
	return 0;
}

static int act_late(void)
{
	bh_auto_close int netns = -EBADF;
	struct bh_err err = BH_ERR_INIT;
	struct bh_network *network = NULL;
	const Agent__NetworkRequest *message;
	const struct bh_vm_nic *nics;
	json_object *saved;
	size_t n;

	NEED(bh_network_reserve(3, &netns, &network, &err) == 0);
	NEED(bh_network_is_reserved(network));
	nics = bh_network_nics(network, &n);
	NEED(n == 3 && nics[0].tap_fd >= 0 && nics[2].tap_fd >= 0 && (nics[1].mac[0] & 3) == 2);
	NEED(memcmp(nics[0].mac, nics[1].mac, 6) != 0);
	saved = saved_of(network);
	NEED(bh_network_undo(saved, &err) == 0); /* there is nothing that it takes away but taps */
	json_object_put(saved);
	bh_network_free(network);
	close(netns);

	NEED(bh_network_reserve(3, &netns, &network, &err) == 0);
	nics = bh_network_nics(network, &n);
	bring(netns, "eth0", 1);
	bring(netns, "eth1", 2);
	NEED(bh_network_arrive(network, &err) == 0 && bh_network_is_reserved(network));
	message = bh_network_message(network);
	NEED(message->n_interfaces == 2 && message->n_surplus == 1);
	for (size_t i = 0; i < 2; i++) {
		const Agent__Interface *interface = message->interfaces[i];

		NEED(interface->mac.data[4] == 8 && interface->n_addresses >= 1);
		NEED(interface->device_mac.len == 6 &&
		     memcmp(interface->device_mac.data, nics[i].mac, 6) == 0);
	}
	NEED(message->surplus[0].len == 6 && memcmp(message->surplus[0].data, nics[2].mac, 6) == 0);
	saved = saved_of(network);
	NEED(bh_network_apply(network, &err) == 0 && !bh_network_is_reserved(network));
	NEED(has(netns, "tc filter show dev eth0 ingress", "mirred"));
	NEED(has(netns, "tc filter show dev eth1 ingress", "mirred"));
	NEED(nics[0].tap_fd >= 0 && nics[1].tap_fd >= 0);
	NEED(bh_network_undo(saved, &err) == 0);
	NEED(!has(netns, "tc filter show dev eth0 ingress; ip link", "mirred"));
	NEED(!has(netns, "ip link", "bhtap"));
	json_object_put(saved);
	bh_network_free(network);
	return 0;
}

/* @old is exchanged for what is there now, of which @ret_news tells. Return: the network */
static struct bh_network *exchange(struct bh_network *old, Agent__NetworkRequest *ret_news)
{
	struct bh_err err = BH_ERR_INIT;
	struct bh_network *next;

	if (bh_network_renew(old, &next, &err) < 0)
		_exit(94);
	if (!next) {
		agent__network_request__init(ret_news);
		return old;
	}
	if (bh_network_exchange(old, next, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		_exit(95);
	}
	*ret_news = *bh_network_news(next);
	return next;
}

static bool is_mac(const ProtobufCBinaryData *data, const uint8_t *mac)
{
	return data->len == 6 && memcmp(data->data, mac, 6) == 0;
}

static int listen_here(void *arg, struct bh_err *err)
{
	return (*(int *)arg = bh_rtnl_listen(err)) < 0 ? -1 : 0;
}

static int act_change(void)
{
	static const uint8_t first[] = { 2, 0, 0, 0, 8, 1 };
	bh_auto_close int netns = -EBADF;
	struct bh_err err = BH_ERR_INIT;
	struct bh_network *network = NULL, *old;
	Agent__NetworkRequest news;
	const struct bh_vm_nic *nics;
	json_object *saved;
	struct pollfd news_fd = { .events = POLLIN };
	size_t n;

	NEED(bh_network_reserve(2, &netns, &network, &err) == 0);
	NEED(bh_ns_visit_network(netns, listen_here, &news_fd.fd, &err) == 0);
	NEED(poll(&news_fd, 1, 0) == 0);
	bring(netns, "eth0", 1);
	do_in(netns, "ip route add default via 10.8.1.1");
	NEED(bh_network_arrive(network, &err) == 0 && bh_network_apply(network, &err) == 0);
	old = network;
	NEED(poll(&news_fd, 1, 0) == 1);
	bh_rtnl_skip(news_fd.fd);
	NEED(poll(&news_fd, 1, 0) == 0);
	NEED(exchange(network, &news) == old); /* what we changed ourselves is no change */

	/* One that comes, with an address, and takes the default route over. */
	bring(netns, "eth1", 2);
	do_in(netns, "ip route replace default via 10.8.2.1");
	network = exchange(old, &news);
	nics = bh_network_nics(network, &n);
	NEED(n == 2 && news.n_surplus == 0 && news.n_interfaces == 1 && news.n_gone_routes == 1);
	NEED_TEXT(news.interfaces[0]->name, "eth1");
	NEED(is_mac(&news.interfaces[0]->device_mac, nics[1].mac));
	NEED_TEXT(news.gone_routes[0]->device, "eth0");
	NEED(news.n_gone_addresses == 0 && nics[0].tap_fd >= 0 && nics[1].tap_fd >= 0);
	NEED(has(netns, "tc filter show dev eth1 ingress", "mirred"));
	NEED(has(netns, "tc filter show dev eth0 ingress", "mirred"));
	bh_network_free(old);

	/* An address for another; then the first interface goes. */
	do_in(netns, "ip addr add 10.9.9.9/24 dev eth1; ip addr del 10.8.2.2/24 dev eth1");
	old = network;
	network = exchange(old, &news);
	NEED(news.n_interfaces == 1 && news.n_gone_addresses == 1 && news.n_surplus == 0);
	NEED(news.interfaces[0]->device_mac.len == 0);
	NEED(news.gone_addresses[0]->n_addresses == 1 &&
	     news.gone_addresses[0]->addresses[0]->ip.data[3] == 2);
	bh_network_free(old);
	do_in(netns, "ip link del eth0");
	old = network;
	network = exchange(old, &news);
	NEED(news.n_surplus == 1 && is_mac(&news.surplus[0], first) && news.n_interfaces == 0);
	NEED(has(netns, "ip link show type tun", "spare") ||
	     has(netns, "ip -d link show", ": spare"));
	bh_network_free(old);

	/* Its device serves another one. */
	bring(netns, "eth0", 3);
	old = network;
	network = exchange(old, &news);
	nics = bh_network_nics(network, &n);
	NEED(news.n_interfaces == 1 && is_mac(&news.interfaces[0]->device_mac, nics[0].mac));
	NEED(has(netns, "tc filter show dev eth0 ingress", "mirred"));
	bh_network_free(old);

	/* One too many changes nothing. */
	bring(netns, "eth2", 4);
	NEED(bh_network_renew(network, &old, &err) == -E2BIG && !old);
	saved = saved_of(network);
	NEED(bh_network_undo(saved, &err) == 0);
	NEED(!has(netns,
		  "tc filter show dev eth0 ingress; tc filter show dev eth1 ingress; ip link",
		  "mirred"));
	NEED(!has(netns, "ip link", "bhtap"));
	json_object_put(saved);
	bh_network_free(network);
	close(news_fd.fd);
	return 0;
}

/* Return: the network of a namespace into which eth0 came */
static struct bh_network *with_eth0(int *ret_netns)
{
	struct bh_err err = BH_ERR_INIT;
	struct bh_network *network;

	if (bh_network_reserve(2, ret_netns, &network, &err) < 0)
		_exit(96);
	bring(*ret_netns, "eth0", 1);
	if (bh_network_arrive(network, &err) < 0 || bh_network_apply(network, &err) < 0)
		_exit(97);
	return network;
}

#define BLOCK                                                                                  \
	"tc qdisc add dev eth1 ingress; tc filter add dev eth1 ingress pref 9 protocol ip u32" \
	" match ip src 192.0.2.1 action mirred egress redirect dev lo"

/* One goes, and its device is for the one that comes and cannot be had. */
static int act_change_fails(void)
{
	bh_auto_close int netns = -EBADF;
	bh_auto_free char *before = NULL;
	struct bh_network *old = with_eth0(&netns), *next;
	struct bh_err err = BH_ERR_INIT;
	Agent__NetworkRequest news;
	json_object *saved;

	bring(netns, "eth1", 2);
	do_in(netns, "ip addr flush dev eth0; ip link set eth0 down");
	NEED(bh_network_renew(old, &next, &err) == 0 && next);
	do_in(netns, BLOCK);
	before = picture_of(netns);
	NEED_TEXT(before, "(Egress Redirect to device bhtap0) stolen");
	NEED(bh_network_exchange(old, next, &err) == -EEXIST);
	NEED_TEXT(err.text, "interface 'eth1': add an ingress qdisc");
	NEED(is_as_it_was(netns, before));
	bh_network_free(next);

	/* One that went by itself is not missed. */
	do_in(netns, "tc qdisc del dev eth1 ingress");
	NEED(bh_network_renew(old, &next, &err) == 0 && next);
	do_in(netns, "ip link del eth0; " BLOCK);
	NEED(bh_network_exchange(old, next, &err) == -EEXIST);
	NEED(!strstr(err.text, "undone") && has(netns, "ip -d link show", ": spare"));
	bh_network_free(next);

	do_in(netns, "tc qdisc del dev eth1 ingress");
	next = exchange(old, &news);
	NEED(next != old && news.n_surplus == 1 && news.n_interfaces == 1);
	NEED(has(netns, "tc filter show dev eth1 ingress", "mirred"));
	saved = saved_of(next);
	NEED(bh_network_undo(saved, &err) == 0 && !has(netns, "tc qdisc", "ingress"));
	json_object_put(saved);
	bh_network_free(old);
	bh_network_free(next);
	return 0;
}

/* Whichever request fails, all is as it was found. @what: becomes of eth0 when eth1 comes */
static int fail_each_step(const char *what)
{
	bh_auto_close int netns = -EBADF;
	bh_auto_free char *before = NULL;
	struct bh_network *old = with_eth0(&netns), *next;
	struct bh_err err = BH_ERR_INIT;
	unsigned int step = 0;
	int r;

	bring(netns, "eth1", 2);
	do_in(netns, what);
	NEED(bh_network_renew(old, &next, &err) == 0 && next);
	before = picture_of(netns);
	do {
		fails = ++step;
		r = bh_network_exchange(old, next, &err);
		if (fails == 0)
			NEED(r == -ENOBUFS && is_as_it_was(netns, before));
	} while (fails == 0);
	NEED(r == 0 && step > 10 && has(netns, "ip -d link show", ": eth1"));
	fails = 0;
	bh_network_free(old);
	bh_network_free(next);
	return 0;
}

static int act_one_goes_and_one_comes(void)
{
	return fail_each_step("ip addr flush dev eth0; ip link set eth0 down");
}

static int act_one_is_another(void)
{
	return fail_each_step("ip link set eth0 address 02:00:00:00:08:55");
}

/* The interface is another one to the guest, and has what we put there. */
static int act_change_of_address(void)
{
	bh_auto_close int netns = -EBADF;
	bh_auto_free char *before = NULL;
	struct bh_network *old = with_eth0(&netns), *next;
	struct bh_err err = BH_ERR_INIT;
	Agent__NetworkRequest news;
	json_object *saved;

	before = picture_of(netns);
	do_in(netns, "ip link set eth0 address 02:00:00:00:08:55");
	next = exchange(old, &news);
	NEED(news.n_surplus == 1 && news.surplus[0].data[5] == 1 && news.n_interfaces == 1);
	NEED(news.interfaces[0]->mac.data[5] == 0x55 && news.interfaces[0]->device_mac.len == 6);
	NEED(!(news.interfaces[0]->flags & IFF_ALLMULTI));
	bh_network_free(old);
	do_in(netns, "ip link set eth0 address 02:00:00:00:08:01");
	old = next;
	next = exchange(old, &news);
	bh_network_free(old);
	NEED(is_as_it_was(netns, before));
	/* The interface is left as it came. */
	saved = saved_of(next);
	NEED(bh_network_undo(saved, &err) == 0);
	NEED(!has(netns, "tc qdisc", "ingress") && !has(netns, "ip link", "ALLMULTI"));
	json_object_put(saved);
	bh_network_free(next);
	return 0;
}

static int act_too_many(void)
{
	bh_auto_close int netns = -EBADF;
	struct bh_err err = BH_ERR_INIT;
	struct bh_network *network = NULL;

	NEED(bh_network_reserve(1, &netns, &network, &err) == 0);
	bring(netns, "eth0", 1);
	bring(netns, "eth1", 2);
	NEED(bh_network_arrive(network, &err) == -E2BIG);
	NEED_TEXT(err.text, "2 interfaces; a micro-VM can have 1 that come after");
	bh_network_free(network);
	return 0;
}

/* ---- applied and undone ---------------------------------------------------------------------- */

/* Two interfaces; @prepare in the pod's namespace first. */
static int apply_and_undo(const char *prepare)
{
	struct bh_err err;
	bh_auto_free char *before = NULL, *during = NULL;
	struct bh_network *network;
	json_object *saved;
	size_t n;

	do_in(pod, "ip link add eth1 type veth peer name far1; ip link set far1 up;"
		   "ip link set eth1 mtu 9000 txqueuelen 321 promisc on up");
	do_in(pod, "ip link set far1 mtu 9000 down");
	do_in(pod, prepare);
	before = picture();
	network = plan(&err);
	NEED(network);
	saved = saved_of(network);
	NEED(saved && bh_network_apply(network, &err) == 0);
	during = picture();
	NEED(bh_network_nics(network, &n)[1].tap_fd >= 0 && n == 2);
	NEED_TEXT(during, "bhtap0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500");
	NEED_TEXT(during, "bhtap1: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 9000");
	NEED_TEXT(during, "(Egress Redirect to device bhtap0) stolen");
	NEED_TEXT(during, "(Egress Redirect to device eth1) stolen");
	NEED_TEXT(during, ": eth0\n"); /* the alias */
	NEED_TEXT(during, "vnet_hdr on");
	NEED_TEXT(during, "ALLMULTI");
	NEED(!has(pod, "ip addr show dev bhtap0", "inet"));
	/* Whoever only has the record undoes it, twice, while a VMM still holds the taps. */
	NEED(bh_network_undo(saved, &err) == 0 && is_as_before(before));
	NEED(bh_network_undo(saved, &err) == 0 && is_as_before(before));
	network = bh_network_free(network);
	NEED(is_as_before(before));
	json_object_put(saved);
	return 0;
}

static int act_plain(void)
{
	return apply_and_undo("true");
}

/* Qdiscs and filters of others stay. */
static int act_ingress(void)
{
	return apply_and_undo("tc qdisc add dev eth0 ingress;"
			      "tc filter add dev eth0 ingress pref 7 protocol ip u32"
			      " match ip src 192.0.2.1 action mirred egress redirect dev eth1");
}

static int act_clsact(void)
{
	return apply_and_undo("tc qdisc add dev eth0 clsact;"
			      "tc filter add dev eth0 egress pref 7 protocol ip u32"
			      " match ip src 192.0.2.1 action mirred egress redirect dev eth1");
}

static int act_filter_added_later(void)
{
	struct bh_err err;
	struct bh_network *network = plan(&err);
	json_object *saved;

	NEED(network);
	saved = saved_of(network);
	NEED(bh_network_apply(network, &err) == 0);
	do_in(pod, "tc filter add dev eth0 ingress pref 9 protocol ip u32"
		   " match ip src 192.0.2.1 action mirred egress redirect dev lo");
	NEED(bh_network_undo(saved, &err) == 0);
	NEED(has(pod, "tc filter show dev eth0 ingress", "pref 9"));
	NEED(!has(pod, "tc filter show dev eth0 ingress", "bhtap"));
	NEED(!has(pod, "ip link", "bhtap"));
	bh_network_free(network);
	json_object_put(saved);
	return 0;
}

/* What fails at the second interface is undone at the first. */
static int act_failure(void)
{
	struct bh_err err;
	bh_auto_free char *before = NULL;
	struct bh_network *network;
	char line[BH_ERR_LINE_BYTES];

	do_in(pod, "ip link add eth1 type veth peer name far1; ip link set eth1 up");
	network = plan(&err);
	NEED(network);
	do_in(pod,
	      "tc qdisc add dev eth1 ingress; tc filter add dev eth1 ingress pref 9 protocol ip"
	      " u32 match ip src 192.0.2.1 action mirred egress redirect dev lo");
	before = picture();
	NEED(bh_network_apply(network, &err) == -EEXIST && is_as_before(before));
	bh_err_format(&err, line, sizeof(line));
	NEED_TEXT(line, "interface 'eth1': add an ingress qdisc (");
	NEED_TEXT(line, pod_path);
	do_in(pod, "ip link del eth1");
	NEED(bh_network_apply(network, &err) < 0);
	NEED_TEXT(err.text, "interface 'eth1'");
	bh_network_free(network);
	return 0;
}

static int act_killed(void)
{
	struct bh_err err;
	bh_auto_free char *before = NULL;

	do_in(pod, "ip link add eth1 type veth peer name far1; ip link set eth1 up");
	before = picture();
	for (int i = 0; i < 40; i++) {
		struct bh_network *network = plan(&err);
		json_object *saved;
		pid_t pid;

		NEED(network);
		saved = saved_of(network);
		pid = fork();
		if (pid == 0)
			_exit(bh_network_apply(network, &err) < 0);
		usleep((useconds_t)(i * 150)); /* it takes some milliseconds */
		kill(pid, SIGKILL);
		NEED(waitpid(pid, NULL, 0) == pid);
		NEED(bh_network_undo(saved, &err) == 0 && is_as_before(before));
		bh_network_free(network);
		json_object_put(saved);
	}
	return 0;
}

static int act_gone(void)
{
	struct bh_err err;
	struct bh_network *network = plan(&err);
	bh_auto_free char *there = NULL;
	json_object *saved;

	NEED(network);
	saved = saved_of(network);
	NEED(bh_network_apply(network, &err) == 0);
	do_in(pod, "ip link del eth0");
	NEED(bh_network_undo(saved, &err) == 0 && !has(pod, "ip link", "bhtap"));
	network = bh_network_free(network);
	/* Another namespace has its place now. */
	NEED(dup3(guest, pod, O_CLOEXEC) == pod);
	there = picture();
	NEED(bh_network_undo(saved, &err) == 0 && is_as_before(there));
	close(pod);
	NEED(bh_network_undo(saved, &err) == 0);
	json_object_object_del(saved, "token");
	NEED(bh_network_undo(saved, &err) == -EINVAL);
	json_object_put(saved);
	return 0;
}

/* An interface serves one VM; who is late with undoing the last does no harm to the next. */
static int act_one_after_another(void)
{
	struct bh_err err;
	struct bh_network *first = plan(&err), *second;
	json_object *saved, *saved_second;

	NEED(first);
	saved = saved_of(first);
	NEED(bh_network_apply(first, &err) == 0);
	NEED(is_refused("interface 'eth0' is another micro-VM's already"));
	NEED(bh_network_undo(saved, &err) == 0);
	bh_network_free(first);
	second = plan(&err);
	NEED(second);
	saved_second = saved_of(second);
	NEED(bh_network_apply(second, &err) == 0);
	NEED(bh_network_undo(saved, &err) == 0);
	NEED(has(pod, "tc filter show dev eth0 ingress", "bhtap0") &&
	     has(pod, "ip link", "bhtap0"));
	NEED(bh_network_undo(saved_second, &err) == 0 && !has(pod, "tc qdisc", "ingress"));
	bh_network_free(second);
	json_object_put(saved);
	json_object_put(saved_second);
	return 0;
}

/* ---- traffic --------------------------------------------------------------------------------- */

#define HEADERS_BYTES (12 + 14)
#define FRAME_BYTES   (HEADERS_BYTES + 65536)
#define TAP_MTU_MAX   65521

static volatile size_t *largest; /* frame that was carried; shared by the processes */

static void carry(int from, int to)
{
	static char frame[FRAME_BYTES];
	ssize_t n = read(from, frame, sizeof(frame));

	if (n > (ssize_t)*largest)
		*largest = (size_t)n;
	if (n > 0 && write(to, frame, (size_t)n) != n && errno != EAGAIN && errno != EIO)
		_exit(5);
}

/* As a VMM does: headers of 12 bytes, checksums and segments left to whoever needs them. */
static int set_offloads(int tap, unsigned int offloads)
{
	const int bytes = 12;

	return ioctl(tap, TUNSETVNETHDRSZ, &bytes) < 0 || ioctl(tap, TUNSETOFFLOAD, offloads) < 0;
}

/* The guest's interface, made of what it is told, and a process that is its VMM. */
static pid_t start_guest(const struct bh_network *network, unsigned int mtu, unsigned int offloads)
{
	struct ifreq request = { .ifr_name = "eth0",
				 .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	char command[512];
	size_t n;
	int outer = bh_network_nics(network, &n)->tap_fd, inner;
	pid_t pid;

	if (setns(guest, CLONE_NEWNET) < 0)
		return -1;
	inner = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	if (ioctl(inner, TUNSETIFF, &request) < 0 || setns(host, CLONE_NEWNET) < 0 ||
	    set_offloads(inner, offloads) || set_offloads(outer, offloads))
		return -1;
	snprintf(command, sizeof(command),
		 "ip link set eth0 address 02:00:00:00:09:02 mtu %u; ip link set eth0 up;"
		 "ip addr add 10.9.0.2/24 dev eth0; ip -6 addr add fd00:9::2/64 dev eth0 nodad",
		 mtu);
	do_in(guest, command);
	pid = fork();
	if (pid == 0) {
		struct pollfd fds[] = { { .fd = outer, .events = POLLIN },
					{ .fd = inner, .events = POLLIN } };

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		while (poll(fds, 2, -1) > 0) {
			if (fds[0].revents)
				carry(outer, inner);
			if (fds[1].revents)
				carry(inner, outer);
		}
		_exit(0);
	}
	close(inner);
	return pid;
}

static char pattern(size_t at)
{
	return (char)((at * 2654435761U) >> 13);
}

/* Return: a socket in @netns for IPv6 and, by mapped addresses, IPv4 */
static int socket_in(int netns, int type)
{
	const struct timeval patience = { .tv_sec = 20 };
	const int off = 0;
	int fd;

	if (setns(netns, CLONE_NEWNET) < 0)
		return -1;
	fd = socket(AF_INET6, type | SOCK_CLOEXEC, 0);
	if (setns(host, CLONE_NEWNET) < 0 ||
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0)
		return -1;
	return fd;
}

static struct sockaddr_in6 address_of(const char *text)
{
	struct sockaddr_in6 address = { .sin6_family = AF_INET6, .sin6_port = htons(7777) };

	if (inet_pton(AF_INET6, text, &address.sin6_addr) != 1)
		_exit(94);
	return address;
}

static int send_pattern(int fd, size_t bytes)
{
	static char block[65536];

	for (size_t at = 0; at < bytes;) {
		size_t n = bytes - at < sizeof(block) ? bytes - at : sizeof(block);

		for (size_t i = 0; i < n; i++)
			block[i] = pattern(at + i);
		if (send(fd, block, n, MSG_NOSIGNAL) != (ssize_t)n)
			return 1;
		at += n;
	}
	return 0;
}

/* @bytes go by TCP from one namespace to @to in another, where they arrive as they were sent. */
static bool transfer(int from_ns, int to_ns, const char *to, size_t bytes)
{
	const struct sockaddr_in6 address = address_of(to), any = address_of("::");
	bh_auto_close int listener = socket_in(to_ns, SOCK_STREAM), fd = -1;
	static char block[65536];
	size_t at = 0;
	bool right = true;
	const int on = 1;
	ssize_t n;
	pid_t pid;

	if (setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    bind(listener, (const struct sockaddr *)&any, sizeof(any)) < 0 ||
	    listen(listener, 1) < 0)
		return false;
	pid = fork();
	if (pid == 0) {
		int out = socket_in(from_ns, SOCK_STREAM);

		if (connect(out, (const struct sockaddr *)&address, sizeof(address)) < 0)
			_exit(1);
		_exit(send_pattern(out, bytes));
	}
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	while (fd >= 0 && (n = recv(fd, block, sizeof(block), 0)) > 0) {
		for (ssize_t i = 0; i < n; i++, at++)
			right = right && block[i] == pattern(at);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	if (!right || at != bytes)
		fprintf(stderr, "%s: %zu of %zu bytes, %s\n", to, at, bytes,
			right ? "intact" : "damaged");
	return right && at == bytes;
}

/* A datagram of @bytes there and back. */
static bool echo(int from_ns, int to_ns, const char *to, size_t bytes)
{
	const struct sockaddr_in6 address = address_of(to), any = address_of("::");
	bh_auto_close int far = socket_in(to_ns, SOCK_DGRAM), near = socket_in(from_ns, SOCK_DGRAM);
	static char block[65536], back[65536];
	struct sockaddr_in6 peer;
	socklen_t len = sizeof(peer);

	for (size_t i = 0; i < bytes; i++)
		block[i] = pattern(i);
	return bind(far, (const struct sockaddr *)&any, sizeof(any)) == 0 &&
	       connect(near, (const struct sockaddr *)&address, sizeof(address)) == 0 &&
	       send(near, block, bytes, 0) == (ssize_t)bytes &&
	       recvfrom(far, back, sizeof(back), 0, (struct sockaddr *)&peer, &len) ==
		       (ssize_t)bytes &&
	       sendto(far, back, bytes, 0, (struct sockaddr *)&peer, len) == (ssize_t)bytes &&
	       memset(back, 0, sizeof(back)) &&
	       recv(near, back, sizeof(back), 0) == (ssize_t)bytes &&
	       memcmp(block, back, bytes) == 0;
}

static int pass_traffic(unsigned int mtu, unsigned int offloads)
{
	static const char *const guests[] = { "::ffff:10.9.0.2", "fd00:9::2" };
	static const char *const hosts[] = { "::ffff:10.9.0.1", "fd00:9::1" };
	const size_t bytes = 24U << 20;
	char command[128];
	struct bh_err err;
	struct bh_network *network;
	json_object *saved;
	pid_t vmm;

	snprintf(command, sizeof(command), "ip link set veth1 mtu %u; ip link set br0 mtu %u", mtu,
		 mtu);
	do_in(host, command);
	snprintf(command, sizeof(command), "ip link set eth0 mtu %u", mtu);
	do_in(pod, command);
	network = plan(&err);
	NEED(network);
	largest = mmap(NULL, sizeof(*largest), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);
	NEED(largest != MAP_FAILED);
	saved = saved_of(network);
	NEED(bh_network_apply(network, &err) == 0);
	vmm = start_guest(network, mtu < TAP_MTU_MAX ? mtu : TAP_MTU_MAX, offloads);
	NEED(vmm > 0);
	for (size_t i = 0; i < 2; i++) {
		NEED(echo(host, guest, guests[i], 100) && echo(guest, host, hosts[i], 100));
		NEED(echo(host, guest, guests[i], mtu - 48) &&
		     echo(guest, host, hosts[i], mtu - 48));
		NEED(echo(host, guest, guests[i], 30000)); /* in fragments */
		NEED(transfer(host, guest, guests[i], bytes));
		NEED(transfer(guest, host, hosts[i], bytes));
	}
	/* Segments and checksums were the receiver's, or were not. */
	NEED((*largest > mtu + HEADERS_BYTES) == (offloads && mtu < TAP_MTU_MAX));
	kill(vmm, SIGKILL);
	waitpid(vmm, NULL, 0);
	NEED(bh_network_undo(saved, &err) == 0);
	bh_network_free(network);
	/* The namespace has its interface back. */
	NEED(echo(host, pod, guests[0], 100) && echo(pod, host, hosts[1], 100));
	json_object_put(saved);
	return 0;
}

#define ALL_OFFLOADS (TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN)

static int act_traffic(void)
{
	return pass_traffic(1500, ALL_OFFLOADS);
}

/* A macvlan lets only those multicast frames through that are wanted: who asks for the guest's IPv6
 * address, which is none of the namespace's here, is heard nevertheless. */
static int act_macvlan(void)
{
	char command[256];

	do_in(pod, "ip link del eth0");
	snprintf(command, sizeof(command),
		 "ip link add veth1 type veth peer name lower; ip link set veth1 master br0 up;"
		 "ip link set lower up; ip link add mv0 link lower address 02:00:00:00:09:02 type"
		 " macvlan mode bridge; ip link set mv0 netns %s name eth0",
		 pod_path);
	do_in(host, command);
	do_in(pod, "ip addr add 10.9.0.2/24 dev eth0; ip -6 addr add fd00:9::3/64 dev eth0 nodad;"
		   "ip link set eth0 up");
	return has(pod, "ip -d link", "macvlan") ? pass_traffic(1500, ALL_OFFLOADS) : SKIP;
}

static int act_traffic_no_offloads(void)
{
	return pass_traffic(1500, 0);
}

static int act_traffic_large(void)
{
	return pass_traffic(9000, ALL_OFFLOADS);
}

static int act_traffic_small(void)
{
	return pass_traffic(1400, ALL_OFFLOADS);
}

static int act_traffic_largest(void)
{
	return pass_traffic(65535, ALL_OFFLOADS);
}

/* ---------------------------------------------------------------------------------------------- */

static void the_guest_is_told_all_that_is_there(void **state)
{
	(void)state;
	check(act_message);
}

static void what_a_guest_cannot_have_is_refused_by_name(void **state)
{
	(void)state;
	check(act_refusals);
	check(act_nothing);
}

static void interfaces_may_come_later(void **state)
{
	(void)state;
	check(act_late);
	check(act_change);
	check(act_change_of_address);
	check(act_change_fails);
	check(act_one_goes_and_one_comes);
	check(act_one_is_another);
	check(act_too_many);
}

static void interfaces_are_as_they_were_found(void **state)
{
	(void)state;
	check(act_plain);
	check(act_ingress);
	check(act_clsact);
	check(act_filter_added_later);
}

static void a_failure_half_way_is_undone(void **state)
{
	(void)state;
	check(act_failure);
}

static void what_a_killed_process_left_is_undone(void **state)
{
	(void)state;
	check(act_killed);
}

static void what_is_gone_is_undone(void **state)
{
	(void)state;
	check(act_gone);
}

static void an_interface_serves_one_micro_vm(void **state)
{
	(void)state;
	check(act_one_after_another);
}

static void frames_pass_both_ways(void **state)
{
	(void)state;
	check(act_traffic);
	check(act_traffic_no_offloads);
	check(act_macvlan);
}

static void frames_of_all_sizes_pass(void **state)
{
	(void)state;
	check(act_traffic_large);
	check(act_traffic_small);
	check(act_traffic_largest);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_guest_is_told_all_that_is_there),
		cmocka_unit_test(what_a_guest_cannot_have_is_refused_by_name),
		cmocka_unit_test(interfaces_may_come_later),
		cmocka_unit_test(interfaces_are_as_they_were_found),
		cmocka_unit_test(a_failure_half_way_is_undone),
		cmocka_unit_test(what_a_killed_process_left_is_undone),
		cmocka_unit_test(what_is_gone_is_undone),
		cmocka_unit_test(an_interface_serves_one_micro_vm),
		cmocka_unit_test(frames_pass_both_ways),
		cmocka_unit_test(frames_of_all_sizes_pass),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

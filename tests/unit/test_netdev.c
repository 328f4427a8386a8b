/* SPDX-License-Identifier: Apache-2.0 */
/* Interfaces between two network namespaces that are made for the test: "the host's" and "the
 * container's". Needs root, ip(8) and veth interfaces. */
#include <sys/stat.h>

#include "base/path.h"
#include "linux/netdev.h"
#include "netns.h"

static int container; /* the other namespace, in the child that runs a case */

static int make_namespaces(void)
{
	if (geteuid() != 0 || (container = new_namespace()) < 0 || (host = new_namespace()) < 0)
		return SKIP;
	do_in(host, "ip link add eth7 type veth peer name other; ip link set eth7 mtu 1400 "
		    "address 02:00:00:00:00:07");
	return has(host, "ip -o link", "eth7") ? 0 : SKIP;
}

static void check(int (*act)(void))
{
	check_case(make_namespaces, act);
}

static int act_move(void)
{
	const struct bh_net_device device = { .host_name = "eth7" };
	struct bh_err err = BH_ERR_INIT;
	bh_auto_free char *text = NULL;

	do_in(host, "ip addr add 10.1.2.3/24 broadcast + dev eth7;"
		    "ip addr add 10.9.9.9 peer 10.9.9.8/32 dev eth7;"
		    "ip addr add 127.0.0.33 scope host dev eth7;"
		    "ip -6 addr add fd00::7/64 nodad dev eth7;"
		    "ip addr add 10.5.5.5/24 dev eth7 valid_lft 1000 preferred_lft 1000;"
		    "ip link set eth7 up");
	NEED(bh_netdev_move(&device, container, &err) == 0);
	NEED(!has(host, "ip -o link", "eth7"));
	text = run_in(container, "ip -o addr show dev eth7; ip link show dev eth7");
	NEED_TEXT(text, "inet 10.1.2.3/24 brd 10.1.2.255 scope global");
	NEED_TEXT(text, "inet 10.9.9.9 peer 10.9.9.8/32 scope global");
	NEED_TEXT(text, "inet6 fd00::7/64 scope global");
	NEED(!strstr(text, "127.0.0.33")); /* not global */
	NEED(!strstr(text, "10.5.5.5"));   /* not permanent */
	NEED_TEXT(text, "mtu 1400");
	NEED_TEXT(text, "02:00:00:00:00:07");
	NEED_TEXT(text, ",UP");
	return 0;
}

static int act_rename(void)
{
	const struct bh_net_device device = { .host_name = "eth7", .name = "net1" };
	const struct bh_net_device back = { .host_name = "other", .name = "eth%d" };
	struct bh_err err = BH_ERR_INIT;

	do_in(host, "ip addr add 10.1.2.3/24 dev eth7");
	do_in(container, "ip link add eth0 type veth peer name eth2");
	NEED(bh_netdev_move(&device, container, &err) == 0);
	NEED(has(container, "ip -o addr show dev net1", "10.1.2.3/24"));
	/* The first number that is free. */
	NEED(bh_netdev_move(&back, container, &err) == 0);
	NEED(has(container, "ip -o link", "eth1@"));
	NEED(has(container, "ip -o link show dev eth1", ",UP"));
	return 0;
}

static int act_taken(void)
{
	const struct bh_net_device device = { .host_name = "eth7" };
	const struct bh_net_device renamed = { .host_name = "eth7", .name = "eth1" };
	const struct bh_net_device missing = { .host_name = "eth9" };
	struct bh_err err = BH_ERR_INIT;
	char line[1024];

	do_in(container, "ip link add eth7 type veth peer name eth1");
	do_in(host, "ip addr add 10.1.2.3/24 dev eth7");
	NEED(bh_netdev_move(&device, container, &err) == -EEXIST);
	NEED(strstr(bh_err_format(&err, line, sizeof(line)), "network device 'eth7'"));
	NEED(bh_netdev_move(&renamed, container, &err) == -EEXIST);
	NEED(bh_netdev_move(&missing, container, &err) == -ENODEV);
	NEED(strstr(err.text, "eth9"));
	NEED(has(host, "ip -o addr show dev eth7", "10.1.2.3/24"));
	return 0;
}

/* An address that the container cannot have makes the move fail half way: the interface is back,
 * with its name and addresses. */
static int act_half_way(void)
{
	const struct bh_net_device device = { .host_name = "eth7", .name = "net1" };
	struct bh_err err = BH_ERR_INIT;
	int fd;

	do_in(host, "ip addr add 10.1.2.3/24 dev eth7; ip -6 addr add fd00::7/64 nodad dev eth7");
	if (setns(container, CLONE_NEWNET) < 0)
		return SKIP;
	fd = open("/proc/sys/net/ipv6/conf/default/disable_ipv6", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "1", 1) != 1 || setns(host, CLONE_NEWNET) < 0)
		return SKIP;
	close(fd);
	NEED(bh_netdev_move(&device, container, &err) < 0);
	NEED(strstr(err.text, "add its addresses"));
	NEED(!has(container, "ip -o link", "02:00:00:00:00:07"));
	NEED(has(host, "ip -o link show dev eth7", "02:00:00:00:00:07"));
	NEED(has(host, "ip -o addr show dev eth7", "10.1.2.3/24"));
	NEED(has(host, "ip -o addr show dev eth7", "fd00::7/64"));
	return 0;
}

/* Many addresses take several datagrams. */
static int act_many(void)
{
	const struct bh_net_device device = { .host_name = "eth7" };
	struct bh_err err = BH_ERR_INIT;

	do_in(host, "for a in 1 2; do for b in $(seq 250); do echo addr add 10.7.$a.$b/16 dev eth7;"
		    "done; done | ip -batch -");
	NEED(bh_netdev_move(&device, container, &err) == 0);
	NEED(has(container, "ip -4 -o addr show dev eth7 | wc -l", "500\n"));
	return 0;
}

static int act_loopback(void)
{
	struct bh_err err = BH_ERR_INIT;

	NEED(!has(host, "ip -o link show dev lo", ",UP"));
	NEED(bh_netdev_loopback_up(&err) == 0);
	NEED(has(host, "ip -o link show dev lo", ",UP"));
	NEED(has(host, "ip -o addr show dev lo", "127.0.0.1/8"));
	return 0;
}

static void an_interface_moves_with_its_addresses(void **state)
{
	(void)state;
	check(act_move);
	check(act_many);
}

static void an_interface_gets_its_new_name(void **state)
{
	(void)state;
	check(act_rename);
}

static void a_name_that_is_taken_is_refused(void **state)
{
	(void)state;
	check(act_taken);
}

static void a_failure_half_way_is_taken_back(void **state)
{
	(void)state;
	check(act_half_way);
}

static void the_loopback_comes_up(void **state)
{
	(void)state;
	check(act_loopback);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_interface_moves_with_its_addresses),
		cmocka_unit_test(an_interface_gets_its_new_name),
		cmocka_unit_test(a_name_that_is_taken_is_refused),
		cmocka_unit_test(a_failure_half_way_is_taken_back),
		cmocka_unit_test(the_loopback_comes_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

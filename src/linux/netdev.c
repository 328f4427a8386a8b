/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/netdev.h"

#include <fcntl.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/path.h"
#include "linux/ns.h"
#include "linux/rtnetlink.h"

#define ADDRESSES_MAX 1024
#define TEMPLATE_MAX  1024 /* numbers tried for a "%d" */

/* What of an address is about itself and not about the namespace that it was in. */
#define KEPT_FLAGS                                                                      \
	(IFA_F_NODAD | IFA_F_HOMEADDRESS | IFA_F_MANAGETEMPADDR | IFA_F_NOPREFIXROUTE | \
	 IFA_F_MCAUTOJOIN)
static const uint16_t kept_attrs[] = { IFA_ADDRESS, IFA_LOCAL, IFA_BROADCAST, IFA_RT_PRIORITY };

struct address_list {
	struct bh_rtnl_request *v; /* malloc'd: RTM_NEWADDR, ready but for the interface's number */
	size_t n;
	int index; /* of the interface */
};

static void address_list_deinit(struct address_list *list)
{
	free(list->v);
	*list = (struct address_list){ .v = NULL };
}

/* ---- addresses ------------------------------------------------------------------------------- */

/* Appends the address of @message to the list if it is one to keep. */
static int keep_address(void *arg, const struct nlmsghdr *message)
{
	const struct ifaddrmsg *address = NLMSG_DATA(message);
	struct bh_rtnl_request request =
		bh_rtnl_request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, sizeof(request.address));
	struct address_list *list = arg;
	struct bh_rtnl_request *bigger;
	struct bh_rtnl_attrs attrs;
	uint32_t flags;

	bh_rtnl_attrs(message, sizeof(*address), &attrs);
	flags = bh_rtnl_u32(attrs.v[IFA_FLAGS], address->ifa_flags);
	if (message->nlmsg_type != RTM_NEWADDR || address->ifa_index != (unsigned int)list->index ||
	    !(flags & IFA_F_PERMANENT) || address->ifa_scope != RT_SCOPE_UNIVERSE)
		return 0;
	flags &= KEPT_FLAGS;
	for (size_t i = 0; i < BH_ARRAY_SIZE(kept_attrs); i++) {
		const struct rtattr *attr = attrs.v[kept_attrs[i]];

		if (attr)
			bh_rtnl_add(&request, kept_attrs[i], RTA_DATA(attr), RTA_PAYLOAD(attr));
	}
	bh_rtnl_add(&request, IFA_FLAGS, &flags, sizeof(flags));
	if (list->n == ADDRESSES_MAX)
		return -E2BIG;
	request.address.ifa_family = address->ifa_family;
	request.address.ifa_prefixlen = address->ifa_prefixlen;
	request.address.ifa_scope = address->ifa_scope;
	bigger = reallocarray(list->v, list->n + 1, sizeof(*list->v));
	if (!bigger)
		return -ENOMEM;
	list->v = bigger;
	list->v[list->n++] = request;
	return 0;
}

static int list_addresses(int fd, int index, struct address_list *list)
{
	struct bh_rtnl_request request = bh_rtnl_request(RTM_GETADDR, 0, sizeof(request.address));

	list->index = index;
	return bh_rtnl_dump(fd, &request, keep_address, list);
}

static int add_addresses(int fd, int index, const struct address_list *list)
{
	int r = 0;

	for (size_t i = 0; i < list->n && r == 0; i++) {
		list->v[i].address.ifa_index = (unsigned int)index;
		r = bh_rtnl_talk(fd, &list->v[i], NULL);
	}
	return r;
}

/* ---- moving ---------------------------------------------------------------------------------- */

static int move_link(int fd, int index, int netns_fd, const char *name)
{
	struct bh_rtnl_request request = bh_rtnl_request(RTM_NEWLINK, 0, sizeof(request.link));
	int r;

	request.link.ifi_index = index;
	r = bh_rtnl_add(&request, IFLA_NET_NS_FD, &netns_fd, sizeof(netns_fd));
	if (r == 0)
		r = bh_rtnl_add(&request, IFLA_IFNAME, name, strlen(name) + 1);
	return r < 0 ? r : bh_rtnl_talk(fd, &request, NULL);
}

static int set_up(int fd, int index)
{
	struct bh_rtnl_request request = bh_rtnl_request(RTM_NEWLINK, 0, sizeof(request.link));

	request.link.ifi_index = index;
	request.link.ifi_flags = IFF_UP;
	request.link.ifi_change = IFF_UP;
	return bh_rtnl_talk(fd, &request, NULL);
}

/* A socket stays in the namespace that it was made in. */
static int open_netlink(void *arg, struct bh_err *err)
{
	int *fd = arg;

	*fd = bh_rtnl_open(err);
	return *fd < 0 ? *fd : 0;
}

/* The name that the interface will have: @wanted, with "%d" replaced by the first free number. */
static int choose_name(int fd, const char *wanted, char ret[static IF_NAMESIZE], struct bh_err *err)
{
	const char *mark = strstr(wanted, "%d");
	int stem = mark ? (int)(mark - wanted) : (int)strlen(wanted), r = 0;

	for (unsigned int i = 0; r >= 0 && i < (mark ? TEMPLATE_MAX : 1); i++) {
		int n = mark ? snprintf(ret, IF_NAMESIZE, "%.*s%u%s", stem, wanted, i, mark + 2)
			     : snprintf(ret, IF_NAMESIZE, "%s", wanted);

		if (n >= IF_NAMESIZE)
			return bh_err_set(err, -ENAMETOOLONG, "interface name '%s'", wanted);
		r = bh_rtnl_find(fd, ret);
		if (r == -ENODEV)
			return 0;
	}
	return bh_err_set(err, r < 0 ? r : -EEXIST, "'%s' in the container", wanted);
}

/* What must be known of an interface before it is moved, to set it up there or bring it back. */
struct move {
	const char *host_name;
	char name[IF_NAMESIZE];
	int netns_fd, own_fd, here, there; /* namespaces and a socket in each */
	struct address_list addresses;
};

static void bring_back(struct move *move, int index)
{
	if (index < 0 || move_link(move->there, index, move->own_fd, move->host_name) < 0)
		return;
	index = bh_rtnl_find(move->here, move->host_name);
	if (index >= 0 && add_addresses(move->here, index, &move->addresses) < 0)
		return;
}

static int move_over(struct move *move, int index, struct bh_err *err)
{
	const char *doing = "move it";
	int r = move_link(move->here, index, move->netns_fd, move->name);

	if (r == 0) {
		doing = "find it again";
		index = bh_rtnl_find(move->there, move->name);
		r = index < 0 ? index : 0;
	}
	if (r == 0) {
		doing = "add its addresses";
		r = add_addresses(move->there, index, &move->addresses);
	}
	if (r == 0) {
		doing = "set it up";
		r = set_up(move->there, index);
	}
	if (r == 0)
		return 0;
	/* A rename that failed leaves it there under its old name. */
	if (bh_rtnl_find(move->here, move->host_name) == -ENODEV)
		bring_back(move, index >= 0 && bh_rtnl_find(move->there, move->name) == index
					 ? index
					 : bh_rtnl_find(move->there, move->host_name));
	return bh_err_set(err, r, "%s", doing);
}

static int prepare_and_move(struct move *move, const struct bh_net_device *device,
			    struct bh_err *err)
{
	int index = bh_rtnl_find(move->here, device->host_name), r;

	if (index < 0)
		return bh_err_set(err, index, "find it on the host");
	r = choose_name(move->there, device->name ? device->name : device->host_name, move->name,
			err);
	if (r < 0)
		return r;
	r = list_addresses(move->here, index, &move->addresses);
	if (r < 0)
		return bh_err_set(err, r, "list its addresses");
	return move_over(move, index, err);
}

int bh_netdev_move(const struct bh_net_device *device, int netns_fd, struct bh_err *err)
{
	bh_auto_close int own_fd =
		bh_path_open(AT_FDCWD, "/proc/self/ns/net", O_RDONLY, 0, BH_PATH_HOST, err);
	bh_auto_close int here = own_fd < 0 ? own_fd : bh_rtnl_open(err);
	bh_auto_close int there = -EBADF;
	struct move move = {
		.host_name = device->host_name, .netns_fd = netns_fd, .own_fd = own_fd, .here = here
	};
	int r = here < 0 ? here : bh_ns_visit_network(netns_fd, open_netlink, &there, err);

	move.there = there;
	r = r < 0 ? r : prepare_and_move(&move, device, err);
	address_list_deinit(&move.addresses);
	return r < 0 ? bh_err_ctx(err, "network device '%s'", device->host_name) : 0;
}

int bh_netdev_loopback_up(struct bh_err *err)
{
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	bh_auto_close int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0)
		return bh_err_set(err, -errno, "set the loopback interface up");
	return 0;
}

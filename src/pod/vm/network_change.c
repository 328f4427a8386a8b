/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What changes in a pod's network while it lives: the namespace is looked at again, and what is not
 * as it was is made so on the host, and told to the guest. An interface that comes gets one of the
 * devices that nothing is behind, and gives it back when it goes.
 */
#include <net/if.h>
#include <string.h>

#include "pod/vm/network_internal.h"

/* What a guest is told of an interface's flags; the others tell in what state it is. */
#define TOLD_FLAGS (IFF_NOARP | IFF_ALLMULTI | IFF_PROMISC | IFF_MULTICAST)

/* ---- comparing ------------------------------------------------------------------------------- */

static bool is_same(const ProtobufCMessage *a, const ProtobufCMessage *b)
{
	size_t n = protobuf_c_message_get_packed_size(a);
	bh_auto_free uint8_t *packed = malloc(2 * n + 1);

	if (!packed || protobuf_c_message_get_packed_size(b) != n)
		return false;
	protobuf_c_message_pack(a, packed);
	protobuf_c_message_pack(b, packed + n);
	return memcmp(packed, packed + n, n) == 0;
}

static bool is_same_interface(const Agent__Interface *a, const Agent__Interface *b)
{
	Agent__Interface x = *a, y = *b;

	x.flags &= TOLD_FLAGS;
	y.flags &= TOLD_FLAGS;
	x.device_mac = y.device_mac = (ProtobufCBinaryData){ .len = 0 };
	return is_same(&x.base, &y.base);
}

static bool has(ProtobufCMessage *const *list, size_t n, const ProtobufCMessage *wanted)
{
	for (size_t i = 0; i < n; i++)
		if (is_same(list[i], wanted))
			return true;
	return false;
}

/* Those of @list, @n, that are not among @others. Return: how many; into @ret, which has room */
static size_t missing(ProtobufCMessage *const *list, size_t n, ProtobufCMessage *const *others,
		      size_t n_others, ProtobufCMessage **ret)
{
	size_t found = 0;

	for (size_t i = 0; i < n; i++)
		if (!has(others, n_others, list[i]))
			ret[found++] = list[i];
	return found;
}

/* ---- which interface is which ---------------------------------------------------------------- */

/* The place of the link @i of @network in @other. Return: -1 = it has none */
static int find_again(const struct bh_network *network, size_t i, const struct bh_network *other)
{
	const ProtobufCBinaryData *mac = &network->message.interfaces[i]->mac;

	for (size_t j = 0; j < other->trace.n; j++) {
		if (other->trace.links[j].index == network->trace.links[i].index &&
		    memcmp(other->message.interfaces[j]->mac.data, mac->data, mac->len) == 0)
			return (int)j;
	}
	return -1;
}

/* What is there of ours was not found: of an interface that has another address by now. */
static void inherit(const struct bh_network *old, struct bh_network_link *link)
{
	for (size_t j = 0; j < old->trace.n && link->redirected; j++) {
		const struct bh_network_link *was = &old->trace.links[j];

		if (was->index != link->index)
			continue;
		link->had_ingress = was->had_ingress;
		link->had_allmulti = was->had_allmulti;
	}
}

/* Those that were there keep their devices; those that are new get what is left. */
static void give_devices(const struct bh_network *old, struct bh_network *next)
{
	bool used[BH_NETWORK_INTERFACES_MAX] = { false };

	for (size_t i = 0; i < next->trace.n; i++) {
		struct bh_network_link *link = &next->trace.links[i];
		Agent__Interface *interface = next->message.interfaces[i];
		int j = find_again(next, i, old);

		inherit(old, link);
		if (j >= 0) {
			*link = old->trace.links[j];
			memcpy(link->name, interface->name, strlen(interface->name) + 1);
			used[link->nic] = true;
			interface->device_mac.len = 0;
		}
		if (!link->had_allmulti) /* it is ours */
			interface->flags &= ~(uint32_t)IFF_ALLMULTI;
	}
	for (size_t i = 0, free = 0; i < next->trace.n; i++) {
		if (find_again(next, i, old) >= 0)
			continue;
		while (used[free])
			free++;
		used[free] = true;
		next->trace.links[i].nic = (uint8_t)free;
		next->message.interfaces[i]->device_mac.data = next->nics[free].mac;
	}
}

/* ---- what the guest is told ------------------------------------------------------------------ */

static int add_gone_addresses(struct bh_network *next, const Agent__Interface *was,
			      const Agent__Interface *is, struct bh_err *err)
{
	Agent__Interface *gone = bh_arena_new(&next->arena, Agent__Interface);
	ProtobufCMessage **list =
		bh_arena_array(&next->arena, was->n_addresses + 1, sizeof(ProtobufCMessage *));

	if (!gone || !list)
		return bh_err_oom(err);
	agent__interface__init(gone);
	gone->name = is->name;
	gone->mac = is->mac;
	gone->addresses = (Agent__Address **)list;
	gone->n_addresses = missing((ProtobufCMessage *const *)was->addresses, was->n_addresses,
				    (ProtobufCMessage *const *)is->addresses, is->n_addresses,
				    list);
	if (gone->n_addresses)
		next->news.gone_addresses[next->news.n_gone_addresses++] = gone;
	return 0;
}

/* @old is kept while the news are: they have strings of it. */
static int tell_interfaces(const struct bh_network *old, struct bh_network *next,
			   struct bh_err *err)
{
	Agent__NetworkRequest *news = &next->news;
	int r = 0;

	for (size_t j = 0; j < old->trace.n; j++)
		if (find_again(old, j, next) < 0)
			news->surplus[news->n_surplus++] = old->message.interfaces[j]->mac;
	for (size_t i = 0; i < next->trace.n && r == 0; i++) {
		Agent__Interface *interface = next->message.interfaces[i];
		int j = find_again(next, i, old);

		if (j >= 0 && is_same_interface(old->message.interfaces[j], interface))
			continue;
		news->interfaces[news->n_interfaces++] = interface;
		if (j >= 0)
			r = add_gone_addresses(next, old->message.interfaces[j], interface, err);
	}
	return r;
}

/* Return: 1 when there is something to tell, 0 when not; -errno with @err */
static int tell(const struct bh_network *old, struct bh_network *next, struct bh_err *err)
{
	const Agent__NetworkRequest *was = &old->message, *is = &next->message;
	struct bh_arena *arena = &next->arena;
	Agent__NetworkRequest *news = &next->news;
	ProtobufCMessage **scratch;
	size_t n_new;
	int r;

	agent__network_request__init(news);
	news->interfaces = bh_arena_array(arena, is->n_interfaces + 1, sizeof(*news->interfaces));
	news->gone_addresses =
		bh_arena_array(arena, is->n_interfaces + 1, sizeof(*news->gone_addresses));
	news->surplus = bh_arena_array(arena, was->n_interfaces + 1, sizeof(*news->surplus));
	news->gone_routes = bh_arena_array(arena, was->n_routes + 1, sizeof(*news->gone_routes));
	scratch = bh_arena_array(arena, is->n_routes + is->n_neighbours + 1, sizeof(*scratch));
	if (!news->interfaces || !news->gone_addresses || !news->surplus || !news->gone_routes ||
	    !scratch)
		return bh_err_oom(err);
	r = tell_interfaces(old, next, err);
	if (r < 0)
		return r;
	news->n_gone_routes = missing((ProtobufCMessage *const *)was->routes, was->n_routes,
				      (ProtobufCMessage *const *)is->routes, is->n_routes,
				      (ProtobufCMessage **)news->gone_routes);
	n_new = missing((ProtobufCMessage *const *)is->routes, is->n_routes,
			(ProtobufCMessage *const *)was->routes, was->n_routes, scratch);
	n_new += missing((ProtobufCMessage *const *)is->neighbours, is->n_neighbours,
			 (ProtobufCMessage *const *)was->neighbours, was->n_neighbours, scratch);
	/* All of them: some go with an address, or an interface, that is another now. */
	news->routes = is->routes;
	news->n_routes = is->n_routes;
	news->neighbours = is->neighbours;
	news->n_neighbours = is->n_neighbours;
	return n_new || news->n_surplus || news->n_interfaces || news->n_gone_routes;
}

const Agent__NetworkRequest *bh_network_news(const struct bh_network *network)
{
	return &network->news;
}

/* ---- looking again --------------------------------------------------------------------------- */

static int look(const struct bh_network *old, struct bh_network *next, struct bh_err *err)
{
	int r;

	next->trace.path = bh_arena_strdup(&next->arena, old->trace.path);
	if (!next->trace.path)
		return bh_err_oom(err);
	r = bh_network_scan_again(next, err);
	if (r < 0)
		return r;
	give_devices(old, next);
	next->reserved = false;
	return tell(old, next, err);
}

int bh_network_renew(const struct bh_network *old, struct bh_network **ret, struct bh_err *err)
{
	struct bh_network *next = calloc(1, sizeof(*next));
	int r;

	*ret = NULL;
	if (!next)
		return bh_err_oom(err);
	next->netns_fd = old->netns_fd;
	next->trace.device = old->trace.device;
	next->trace.inode = old->trace.inode;
	next->trace.token = old->trace.token;
	next->reserved = true;
	next->n_nics = old->n_nics;
	memcpy(next->nics, old->nics, sizeof(next->nics));
	for (size_t i = 0; i < next->n_nics; i++)
		next->nics[i].tap_fd = -EBADF;
	r = look(old, next, err);
	if (r > 0)
		*ret = next;
	else
		bh_network_free(next);
	return r < 0 ? bh_err_ctx(err, "what changed in the pod's network") : 0;
}

/* ---- making it so ---------------------------------------------------------------------------- */

/* Which links of @old are to go and are connected: others went by themselves. */
static int find_leaving(int rtnl, const struct bh_network *old, const struct bh_network *next,
			bool ret[static BH_NETWORK_INTERFACES_MAX], struct bh_err *err)
{
	const struct bh_network_trace *trace = &old->trace;
	struct bh_network_ingress found;
	int r = 0;

	for (size_t i = 0; i < trace->n && r == 0; i++) {
		if (find_again(old, i, next) >= 0)
			continue;
		r = bh_network_ingress(rtnl, &trace->links[i], trace->token, &found, err);
		ret[i] = r == 0 && found.ours;
	}
	return r;
}

/* @nics: of those whose taps are open */
static int connect_link(struct bh_network_sockets *sockets, const struct bh_network *network,
			size_t i, const struct bh_vm_nic *nics, struct bh_err *err)
{
	const struct bh_network_link *link = &network->trace.links[i];
	int r;

	sockets->taps[i] = nics[link->nic].tap_fd; /* borrowed */
	r = bh_network_connect(sockets, &network->trace, i, network->message.interfaces[i]->mtu,
			       err);
	return r < 0 ? bh_err_ctx(err, "interface '%s'", link->name) : 0;
}

static int disconnect_link(int rtnl, const struct bh_network *network, size_t i,
			   const struct bh_vm_nic *nics, struct bh_err *err)
{
	return bh_network_disconnect(rtnl, &network->trace, i,
				     nics[network->trace.links[i].nic].tap_fd, err);
}

static int disconnect_old(int rtnl, const struct bh_network *old, const struct bh_network *next,
			  struct bh_err *err)
{
	int r = 0;

	for (size_t i = 0; i < old->trace.n && r == 0; i++)
		if (find_again(old, i, next) < 0)
			r = disconnect_link(rtnl, old, i, old->nics, err);
	return r;
}

static int connect_new(struct bh_network_sockets *sockets, const struct bh_network *old,
		       const struct bh_network *next, struct bh_err *err)
{
	int r = 0;

	for (size_t i = 0; i < next->trace.n && r == 0; i++)
		if (find_again(next, i, old) < 0)
			r = connect_link(sockets, next, i, old->nics, err);
	return r;
}

/* A link that may be half taken away, or whose device served another one. */
static int reconnect(struct bh_network_sockets *sockets, const struct bh_network *network, size_t i,
		     struct bh_err *err)
{
	int r = disconnect_link(sockets->rtnl, network, i, network->nics, err);

	r = r < 0 ? r : connect_link(sockets, network, i, network->nics, err);
	if (r == -ENODEV) /* it went away meanwhile */
		r = disconnect_link(sockets->rtnl, network, i, network->nics, err);
	return r;
}

/* Goes on after a failure. */
static int restore(struct bh_network_sockets *sockets, const struct bh_network *old,
		   const struct bh_network *next,
		   const bool leaving[static BH_NETWORK_INTERFACES_MAX], struct bh_err *err)
{
	struct bh_err unheard;
	int r = 0, one;

	for (size_t i = 0; i < next->trace.n; i++) {
		if (find_again(next, i, old) >= 0)
			continue;
		one = disconnect_link(sockets->rtnl, next, i, old->nics, r ? &unheard : err);
		r = r ? r : one;
	}
	for (size_t i = 0; i < old->trace.n; i++) {
		one = leaving[i] ? reconnect(sockets, old, i, r ? &unheard : err) : 0;
		r = r ? r : one;
	}
	return r;
}

static int change(struct bh_network_sockets *sockets, const struct bh_network *old,
		  const struct bh_network *next, struct bh_err *err)
{
	bool leaving[BH_NETWORK_INTERFACES_MAX] = { false };
	struct bh_err why;
	int r = find_leaving(sockets->rtnl, old, next, leaving, err);

	if (r < 0)
		return r;
	r = disconnect_old(sockets->rtnl, old, next, err);
	r = r < 0 ? r : connect_new(sockets, old, next, err);
	if (r < 0 && restore(sockets, old, next, leaving, &why) < 0)
		bh_err_ctx(err, "(and what was changed is not undone: %s)", why.text);
	return r;
}

int bh_network_exchange(struct bh_network *old, struct bh_network *next, struct bh_err *err)
{
	struct bh_network_sockets sockets;
	int r = bh_network_sockets_open(old->netns_fd, 0, &sockets, err);

	r = r < 0 ? r : change(&sockets, old, next, err);
	for (size_t i = 0; i < next->n_nics && r == 0; i++)
		next->nics[i].tap_fd = bh_take_fd(&old->nics[i].tap_fd);
	bh_network_sockets_close(&sockets);
	return r;
}

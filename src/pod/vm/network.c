/* SPDX-License-Identifier: Apache-2.0 */
#include "pod/vm/network.h"

#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/json_writer.h"
#include "base/path.h"
#include "linux/ns.h"
#include "linux/rtnetlink.h"
#include "pod/vm/network_internal.h"

#define SCANS_MAX 5 /* of a namespace that changes while it is read */
#define MAC_BYTES 6
#define MAC_GROUP 1U /* in the first byte: an address of several */
#define MAC_LOCAL 2U /* not given by a maker */

/* ---- the namespace --------------------------------------------------------------------------- */

struct wanted {
	size_t n_taps;
	struct bh_network_sockets *ret;
};

/* Within the namespace. */
static int open_all(void *arg, struct bh_err *err)
{
	const struct wanted *wanted = arg;
	struct bh_network_sockets *ret = wanted->ret;

	ret->rtnl = bh_rtnl_open(err);
	for (size_t i = 0; ret->rtnl >= 0 && i < wanted->n_taps; i++) {
		int fd = bh_path_open(AT_FDCWD, "/dev/net/tun", O_RDWR, 0, BH_PATH_HOST, err);

		if (fd < 0)
			return fd;
		ret->taps[ret->n_taps++] = fd;
	}
	return ret->rtnl < 0 ? ret->rtnl : 0;
}

int bh_network_sockets_open(int netns_fd, size_t n_taps, struct bh_network_sockets *ret,
			    struct bh_err *err)
{
	struct wanted wanted = { .n_taps = n_taps, .ret = ret };

	*ret = BH_NETWORK_SOCKETS_INIT;
	return bh_ns_visit_network(netns_fd, open_all, &wanted, err);
}

void bh_network_sockets_close(struct bh_network_sockets *sockets)
{
	sockets->rtnl = bh_close(sockets->rtnl);
	for (size_t i = 0; i < sockets->n_taps; i++)
		bh_close(sockets->taps[i]);
	sockets->n_taps = 0;
}

/* Everything that arrives would go to the VM: the host would be cut off. The first process's
 * namespace cannot be seen by everyone; the caller is where the host is as well. */
static int refuse_the_hosts(const struct stat *netns, struct bh_err *err)
{
	static const char *const paths[] = { "/proc/thread-self/ns/net", "/proc/1/ns/net" };
	struct stat other;

	for (size_t i = 0; i < BH_ARRAY_SIZE(paths); i++) {
		if (stat(paths[i], &other) == 0 && other.st_dev == netns->st_dev &&
		    other.st_ino == netns->st_ino)
			return bh_err_as(err, BH_ERR_SPEC, -EINVAL,
					 "it is the host's network, which a micro-VM cannot have");
	}
	return 0;
}

static int identify(struct bh_network *network, const char *path, struct bh_err *err)
{
	struct stat netns;

	if (fstat(network->netns_fd, &netns) < 0)
		return bh_err_set(err, -errno, "look at it");
	network->trace.path = bh_arena_strdup(&network->arena, path);
	if (!network->trace.path)
		return bh_err_oom(err);
	network->trace.device = netns.st_dev;
	network->trace.inode = netns.st_ino;
	while (network->trace.token == 0) {
		if (getrandom(&network->trace.token, sizeof(network->trace.token), 0) < 0)
			return bh_err_set(err, -errno, "get a random number");
	}
	return refuse_the_hosts(&netns, err);
}

/* ---- plan ------------------------------------------------------------------------------------ */

static void network_clear(struct bh_network *network)
{
	for (size_t i = 0; i < network->n_nics; i++)
		bh_close(network->nics[i].tap_fd);
	bh_arena_deinit(&network->arena);
	*network = (struct bh_network){ .netns_fd = network->netns_fd };
}

static int plan_once(int rtnl, const char *path, struct bh_network *network, struct bh_err *err)
{
	int r = identify(network, path, err);

	agent__network_request__init(&network->message);
	return r < 0 ? r : bh_network_scan(rtnl, network, err);
}

static int plan(struct bh_network *network, const char *path, struct bh_err *err)
{
	struct bh_network_sockets sockets;
	int r = bh_network_sockets_open(network->netns_fd, 0, &sockets, err);

	if (r == 0)
		r = plan_once(sockets.rtnl, path, network, err);
	for (int i = 1; r == -EINTR && i < SCANS_MAX; i++) {
		network_clear(network);
		r = plan_once(sockets.rtnl, path, network, err);
	}
	bh_network_sockets_close(&sockets);
	return r == -EINTR ? bh_err_set(err, r, "it changes all the time") : r;
}

int bh_network_plan(int netns_fd, const char *netns_path, struct bh_network **ret,
		    struct bh_err *err)
{
	struct bh_network *network = calloc(1, sizeof(*network));
	int r;

	if (!network)
		return bh_err_oom(err);
	network->netns_fd = netns_fd;
	r = plan(network, netns_path, err);
	if (r < 0) {
		bh_network_free(network);
		return bh_err_ctx(err, "network namespace '%s'", netns_path);
	}
	*ret = network;
	return 0;
}

struct bh_network *bh_network_free(struct bh_network *network)
{
	if (network)
		network_clear(network);
	free(network);
	return NULL;
}

const struct bh_vm_nic *bh_network_nics(const struct bh_network *network, size_t *ret_n)
{
	*ret_n = network->n_nics;
	return network->nics;
}

const Agent__NetworkRequest *bh_network_message(const struct bh_network *network)
{
	return &network->message;
}

/* ---- before there is anything ---------------------------------------------------------------- */

static int make_namespace(struct bh_err *err)
{
	bh_auto_close int own =
		bh_path_open(AT_FDCWD, "/proc/thread-self/ns/net", O_RDONLY, 0, BH_PATH_HOST, err);
	bh_auto_close int made = -EBADF;

	if (own < 0)
		return own;
	if (unshare(CLONE_NEWNET) < 0)
		return bh_err_set(err, -errno, "make a network namespace");
	made = bh_path_open(AT_FDCWD, "/proc/thread-self/ns/net", O_RDONLY, 0, BH_PATH_HOST, err);
	if (setns(own, CLONE_NEWNET) < 0)
		return bh_err_set(err, -errno, "return to the own network namespace");
	return bh_take_fd(&made);
}

/* An address that the guest has until it is told the interface's. */
static int choose_mac(uint8_t mac[static MAC_BYTES], struct bh_err *err)
{
	if (getrandom(mac, MAC_BYTES, 0) != MAC_BYTES)
		return bh_err_set(err, -errno, "get a random number");
	mac[0] = (uint8_t)((mac[0] & ~MAC_GROUP) | MAC_LOCAL);
	return 0;
}

static int make_spares(const struct bh_network_sockets *sockets, struct bh_network *network,
		       struct bh_err *err)
{
	int r = 0;

	for (size_t i = 0; i < sockets->n_taps && r >= 0; i++) {
		network->nics[i] = (struct bh_vm_nic){ .tap_fd = -EBADF, .vhost_fd = -1 };
		r = bh_network_spare_tap(sockets, &network->trace, i, err);
		r = r < 0 ? r : choose_mac(network->nics[i].mac, err);
	}
	return r < 0 ? r : 0;
}

static int reserve(struct bh_network *network, size_t n, struct bh_err *err)
{
	struct bh_network_sockets sockets;
	char path[sizeof("/proc/2147483647/fd/2147483647")];
	int r;

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", getpid(), network->netns_fd);
	r = identify(network, path, err);
	if (r < 0)
		return r;
	r = bh_network_sockets_open(network->netns_fd, n, &sockets, err);
	r = r < 0 ? r : make_spares(&sockets, network, err);
	for (size_t i = 0; i < n && r == 0; i++)
		network->nics[network->n_nics++].tap_fd = bh_take_fd(&sockets.taps[i]);
	bh_network_sockets_close(&sockets);
	return r;
}

int bh_network_reserve(size_t n, int *ret_netns, struct bh_network **ret, struct bh_err *err)
{
	struct bh_network *network = calloc(1, sizeof(*network));
	bh_auto_close int netns = make_namespace(err);
	int r = netns < 0 ? netns : 0;

	if (!network)
		return bh_err_oom(err);
	network->netns_fd = netns;
	network->reserved = true;
	agent__network_request__init(&network->message);
	r = r < 0 ? r : reserve(network, n, err);
	if (r < 0) {
		bh_network_free(network);
		return bh_err_ctx(err, "a network for later");
	}
	*ret_netns = bh_take_fd(&netns);
	*ret = network;
	return 0;
}

bool bh_network_is_reserved(const struct bh_network *network)
{
	return network->reserved;
}

/* Devices without an interface would be seen by the pod's processes. */
static int count_surplus(struct bh_network *network, struct bh_err *err)
{
	Agent__NetworkRequest *m = &network->message;

	m->n_surplus = network->n_nics - network->trace.n;
	m->surplus = bh_arena_array(&network->arena, m->n_surplus + 1, sizeof(*m->surplus));
	if (!m->surplus)
		return bh_err_oom(err);
	for (size_t i = 0; i < m->n_surplus; i++)
		m->surplus[i] =
			(ProtobufCBinaryData){ .data = network->nics[network->trace.n + i].mac,
					       .len = MAC_BYTES };
	return 0;
}

int bh_network_scan_again(struct bh_network *network, struct bh_err *err)
{
	struct bh_network_sockets sockets;
	int r = bh_network_sockets_open(network->netns_fd, 0, &sockets, err);

	if (r == 0)
		r = -EINTR;
	for (int i = 0; r == -EINTR && i < SCANS_MAX; i++) {
		network->trace.n = 0;
		agent__network_request__init(&network->message);
		r = bh_network_scan(sockets.rtnl, network, err);
	}
	bh_network_sockets_close(&sockets);
	return r == -EINTR ? bh_err_set(err, r, "it changes all the time") : r;
}

int bh_network_arrive(struct bh_network *network, struct bh_err *err)
{
	int r = bh_network_scan_again(network, err);

	r = r < 0 ? r : count_surplus(network, err);
	return r < 0 ? bh_err_ctx(err, "the network that came after the pod was made") : 0;
}

/* ---- apply ----------------------------------------------------------------------------------- */

/* With taps that are there already, or new ones. */
static int open_ends(struct bh_network *network, struct bh_network_sockets *ret, struct bh_err *err)
{
	const size_t n = network->trace.n;
	bool there = n && network->nics[0].tap_fd >= 0;
	int r;

	if (network->reserved && n && !there)
		return bh_err_as(err, BH_ERR_STATE, -ENODEV,
				 "its devices went with an attempt before");
	r = bh_network_sockets_open(network->netns_fd, there ? 0 : n, ret, err);

	for (size_t i = 0; i < n && there && r == 0; i++)
		ret->taps[ret->n_taps++] = bh_take_fd(&network->nics[i].tap_fd);
	return r;
}

int bh_network_apply(struct bh_network *network, struct bh_err *err)
{
	const struct bh_network_trace *trace = &network->trace;
	struct bh_network_sockets sockets;
	struct bh_err unheard;
	int r = open_ends(network, &sockets, err);

	for (size_t i = 0; i < trace->n && r == 0; i++) {
		r = bh_network_connect(&sockets, trace, i, network->message.interfaces[i]->mtu,
				       err);
		if (r < 0)
			bh_err_ctx(err, "interface '%s'", trace->links[i].name);
	}
	if (r == 0) {
		network->reserved = false;
		for (size_t i = 0; i < trace->n; i++)
			network->nics[i].tap_fd = bh_take_fd(&sockets.taps[i]);
	} else if (sockets.rtnl >= 0 && bh_network_remove(sockets.rtnl, trace, &unheard) < 0) {
		bh_err_ctx(err, "(and what was made is not undone: %s)", unheard.text);
	}
	bh_network_sockets_close(&sockets);
	return r < 0 ? bh_err_ctx(err, "network namespace '%s'", trace->path) : 0;
}

/* ---- saving and undoing ---------------------------------------------------------------------- */

void bh_network_save(const struct bh_network *network, struct bh_buf *out)
{
	const struct bh_network_trace *trace = &network->trace;
	struct bh_json_writer w = { .out = out };

	bh_json_open(&w, NULL, '{');
	bh_json_text(&w, "path", trace->path);
	bh_json_u64(&w, "device", trace->device);
	bh_json_u64(&w, "inode", trace->inode);
	bh_json_u64(&w, "token", trace->token);
	bh_json_open(&w, "interfaces", '[');
	for (size_t i = 0; i < trace->n; i++) {
		bh_json_open(&w, NULL, '{');
		bh_json_text(&w, "name", trace->links[i].name);
		bh_json_u64(&w, "index", trace->links[i].index);
		bh_json_bool(&w, "hadIngress", trace->links[i].had_ingress);
		bh_json_bool(&w, "hadAllmulti", trace->links[i].had_allmulti);
		bh_json_close(&w, '}');
	}
	bh_json_close(&w, ']');
	bh_json_close(&w, '}');
}

static uint64_t saved_u64(json_object *from, const char *key)
{
	json_object *value = NULL;

	if (!json_object_object_get_ex(from, key, &value) ||
	    !json_object_is_type(value, json_type_int))
		return 0;
	return json_object_get_uint64(value);
}

static const char *saved_text(json_object *from, const char *key)
{
	json_object *value = NULL;

	if (!json_object_object_get_ex(from, key, &value) ||
	    !json_object_is_type(value, json_type_string))
		return "";
	return json_object_get_string(value);
}

static bool saved_bool(json_object *from, const char *key)
{
	json_object *value = NULL;

	return json_object_object_get_ex(from, key, &value) && json_object_get_boolean(value);
}

static void load_link(json_object *from, struct bh_network_link *link)
{
	snprintf(link->name, sizeof(link->name), "%s", saved_text(from, "name"));
	link->index = (uint32_t)saved_u64(from, "index");
	link->had_ingress = saved_bool(from, "hadIngress");
	link->had_allmulti = saved_bool(from, "hadAllmulti");
}

/* @ret: borrows its path from @saved */
static int load(json_object *saved, struct bh_network_trace *ret, struct bh_err *err)
{
	json_object *list = NULL;

	*ret = (struct bh_network_trace){
		.path = saved_text(saved, "path"),
		.device = saved_u64(saved, "device"),
		.inode = saved_u64(saved, "inode"),
		.token = (uint32_t)saved_u64(saved, "token"),
	};
	if (json_object_object_get_ex(saved, "interfaces", &list) &&
	    json_object_is_type(list, json_type_array))
		ret->n = json_object_array_length(list);
	if (!ret->path[0] || ret->inode == 0 || ret->token == 0 || !list ||
	    ret->n > BH_NETWORK_INTERFACES_MAX)
		return bh_err_as(err, BH_ERR_STATE, -EINVAL, "the pod's record of it is damaged");
	for (size_t i = 0; i < ret->n; i++)
		load_link(json_object_array_get_idx(list, i), &ret->links[i]);
	return 0;
}

/* Return: a descriptor of the namespace that was changed; -ENOENT when it is gone; -errno */
static int find_again(const struct bh_network_trace *trace)
{
	bh_auto_close int fd = bh_path_try_open(AT_FDCWD, trace->path, O_RDONLY, 0, BH_PATH_HOST);
	struct stat found;

	if (fd < 0)
		return fd == -ENOTDIR || fd == -ESRCH ? -ENOENT : fd;
	if (fstat(fd, &found) < 0)
		return -errno;
	if (found.st_dev != trace->device || found.st_ino != trace->inode)
		return -ENOENT;
	return bh_take_fd(&fd);
}

int bh_network_undo(json_object *saved, struct bh_err *err)
{
	struct bh_network_sockets sockets = BH_NETWORK_SOCKETS_INIT;
	bh_auto_close int fd = -EBADF;
	struct bh_network_trace trace;
	int r = load(saved, &trace, err);

	if (r < 0)
		return bh_err_ctx(err, "undo the pod's network");
	fd = find_again(&trace);
	if (fd == -ENOENT)
		return 0;
	r = fd < 0 ? bh_err_set(err, fd, "open it") : bh_network_sockets_open(fd, 0, &sockets, err);
	if (r == 0)
		r = bh_network_remove(sockets.rtnl, &trace, err);
	bh_network_sockets_close(&sockets);
	return r < 0 ? bh_err_ctx(err, "undo the network of namespace '%s'", trace.path) : 0;
}

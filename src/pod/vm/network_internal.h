/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of the pod's network (vm/network.h): what is found in a namespace, and what
 * is changed there and undone. */
#ifndef BH_POD_VM_NETWORK_INTERNAL_H
#define BH_POD_VM_NETWORK_INTERNAL_H

#include <net/if.h>
#include <stdbool.h>

#include "base/arena.h"
#include "pod/vm/network.h"

#define BH_NETWORK_INTERFACES_MAX 8

/* An interface that is changed. */
struct bh_network_link {
	char name[IF_NAMESIZE];
	uint32_t index;
	uint8_t nic;       /* its place among those of the network; not saved */
	bool had_ingress;  /* there was an ingress or clsact qdisc, which stays */
	bool had_allmulti; /* it took all multicast frames */
	bool redirected;   /* it has our filter; of the moment, not saved */
};

/* All that undoing needs: what is saved. */
struct bh_network_trace {
	const char *path;       /* of the namespace, in the arena of whoever holds this */
	uint64_t device, inode; /* of the namespace: its identity */
	uint32_t token;         /* handle of our filters, and in the taps' alias: by it we know what
				 * is ours and not another VM's; not 0 */
	struct bh_network_link links[BH_NETWORK_INTERFACES_MAX];
	size_t n;
};

struct bh_network {
	struct bh_arena arena; /* of the message and all strings */
	int netns_fd;          /* borrowed */
	struct bh_network_trace trace;
	Agent__NetworkRequest message; /* all of it */
	Agent__NetworkRequest news;    /* what became another, see bh_network_renew() */
	struct bh_vm_nic nics[BH_NETWORK_INTERFACES_MAX]; /* one a link; the taps are ours */
	size_t n_nics;
	bool reserved; /* nics are there before their links */
};

/* Sockets in a namespace, opened by a short visit there. */
struct bh_network_sockets {
	int rtnl;
	int taps[BH_NETWORK_INTERFACES_MAX]; /* /dev/net/tun: their taps will be in there */
	size_t n_taps;
};

/** bh_network_sockets_open() - @n_taps of them. Context: the thread visits the namespace and comes
 * back. @ret: bh_network_sockets_close(), also after failure */
int bh_network_sockets_open(int netns_fd, size_t n_taps, struct bh_network_sockets *ret,
			    struct bh_err *err) bh_must_check;
void bh_network_sockets_close(struct bh_network_sockets *sockets);

#define BH_NETWORK_SOCKETS_INIT     \
	(struct bh_network_sockets) \
	{                           \
		.rtnl = -EBADF      \
	}

/** bh_network_scan() - fill links, nics and message of @network with what the namespace has
 * @rtnl: a socket in it
 * Return: 0; -EINTR (not described) when it changed meanwhile: @network is to be thrown away and
 * filled anew; -errno with @err */
int bh_network_scan(int rtnl, struct bh_network *network, struct bh_err *err) bh_must_check;

/** bh_network_scan_again() - of a namespace whose nics are there before the links: as often as it
 * takes */
int bh_network_scan_again(struct bh_network *network, struct bh_err *err) bh_must_check;

/* What else hangs on an interface's arriving traffic. */
struct bh_network_ingress {
	bool qdisc;     /* ingress or clsact */
	bool ours;      /* the filter with our token */
	bool same_pref; /* another filter with our preference: another VM's */
	bool others;    /* filters */
};

/** bh_network_ingress() - look. @token: 0 = none of ours */
int bh_network_ingress(int rtnl, const struct bh_network_link *link, uint32_t token,
		       struct bh_network_ingress *ret, struct bh_err *err) bh_must_check;

/** bh_network_spare_tap() - a tap that bh_network_connect() will find there */
int bh_network_spare_tap(const struct bh_network_sockets *sockets,
			 const struct bh_network_trace *trace, size_t number,
			 struct bh_err *err) bh_must_check;

/** bh_network_connect() - tap and redirects of one link. What was made is undone by
 * bh_network_remove() */
int bh_network_connect(const struct bh_network_sockets *sockets,
		       const struct bh_network_trace *trace, size_t number, uint32_t mtu,
		       struct bh_err *err) bh_must_check;

/** bh_network_disconnect() - the link @number, which may be gone, is as it was found, and @tap a
 * spare one. Idempotent */
int bh_network_disconnect(int rtnl, const struct bh_network_trace *trace, size_t number, int tap,
			  struct bh_err *err) bh_must_check;

/** bh_network_remove() - all that @trace tells of and is there; goes on after a failure */
int bh_network_remove(int rtnl, const struct bh_network_trace *trace,
		      struct bh_err *err) bh_must_check;

/* Taps are known by the beginning of their alias. */
#define BH_NETWORK_ALIAS       "micro-VM "
#define BH_NETWORK_ALIAS_BYTES 48

#endif

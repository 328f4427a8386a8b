/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The network of a pod in a micro-VM: whatever interfaces a network namespace has (of any CNI
 * plugin: veth, macvlan, ipvlan …), each with a tap beside it and everything that arrives at the
 * one redirected to the other, both ways. The guest gets the interfaces' addresses, routes and
 * neighbours; the namespace keeps them too, and is as it was found once all is undone.
 *
 * Source: tc(8), tc-mirred(8), tc-matchall(8), rtnetlink(7), Linux
 * Documentation/networking/tuntap.rst
 */
#ifndef BH_POD_VM_NETWORK_H
#define BH_POD_VM_NETWORK_H

#include <json-c/json.h>

#include "base/buf.h"
#include "rpc/agent.pb-c.h"
#include "vmm/hypervisor.h"

struct bh_network;

/**
 * bh_network_plan() - look at a network namespace; changes nothing
 * @netns_fd:   borrowed for the life of the network
 * @netns_path: by which a later process finds it; copied
 * @ret:        the caller's, free with bh_network_free()
 */
int bh_network_plan(int netns_fd, const char *netns_path, struct bh_network **ret,
		    struct bh_err *err) bh_must_check;

/**
 * bh_network_reserve() - a new network namespace, empty, with @n devices for interfaces that come
 * into it before the first process starts: Docker from 28 on brings them between Create and Start
 * @ret_netns: the namespace's descriptor, the caller's, to be open for the life of the network
 */
int bh_network_reserve(size_t n, int *ret_netns, struct bh_network **ret,
		       struct bh_err *err) bh_must_check;

/** bh_network_is_reserved() - whether it is still to be looked at and applied */
bool bh_network_is_reserved(const struct bh_network *network);

/** bh_network_arrive() - look at what has come into a namespace by bh_network_reserve(); then to be
 * saved and applied like any other. Again when that failed */
int bh_network_arrive(struct bh_network *network, struct bh_err *err) bh_must_check;

/**
 * bh_network_renew() - look once more at the namespace of @old, by bh_network_reserve() and applied
 * @ret: the network as it is now, the caller's, to be saved in the place of @old and then exchanged
 * for it; it borrows from @old until it has been told; NULL = nothing changed
 */
int bh_network_renew(const struct bh_network *old, struct bh_network **ret,
		     struct bh_err *err) bh_must_check;

/** bh_network_exchange() - change on the host what @next has and @old has not, and the other way
 * round; the taps are @next's then. On failure they stay @old's, and all is as it was found */
int bh_network_exchange(struct bh_network *old, struct bh_network *next,
			struct bh_err *err) bh_must_check;

/** bh_network_news() - of one by bh_network_renew(): what the guest is to be told */
const Agent__NetworkRequest *bh_network_news(const struct bh_network *network);

/** bh_network_save() - the JSON object from which bh_network_undo() works, appended to @out; to be
 * stored before bh_network_apply() */
void bh_network_save(const struct bh_network *network, struct bh_buf *out);

/** bh_network_apply() - make taps and redirects. On failure those made are undone */
int bh_network_apply(struct bh_network *network, struct bh_err *err) bh_must_check;

/** bh_network_nics() - for the VM's configuration; borrowed, valid as long as @network */
const struct bh_vm_nic *bh_network_nics(const struct bh_network *network, size_t *ret_n);

/** bh_network_message() - what the guest is to set up; borrowed, valid as long as @network */
const Agent__NetworkRequest *bh_network_message(const struct bh_network *network);

/** bh_network_free() - close the taps, which takes them away once the VMM is gone; redirects stay.
 * Takes NULL. Return: NULL */
struct bh_network *bh_network_free(struct bh_network *network);

/** bh_network_undo() - by what was saved: the interfaces as they were found. Idempotent; a
 * namespace or an interface that is gone is undone */
int bh_network_undo(json_object *saved, struct bh_err *err) bh_must_check;

#endif

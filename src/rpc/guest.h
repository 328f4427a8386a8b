/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names on which a pod's supervisor and the agent in its micro-VM agree besides the messages of
 * proto/agent.proto: what both write into documents for the guest.
 */
#ifndef BH_RPC_GUEST_H
#define BH_RPC_GUEST_H

/* Tag of the shared directory (virtiofs), and where the agent mounts it. */
#define BH_SHARE_TAG       "bulkhead"
#define BH_SHARE_GUEST_DIR "/run/bulkhead/share"

/* Targets of storages are below one of these. A container's own go with it; a target that is the
 * pod's is made by the first who asks for it, and stays. */
#define BH_GUEST_STORAGE_DIR "/run/bulkhead/storage"
#define BH_GUEST_POD_DIR     "/run/bulkhead/pod"

/* The pod's /dev/shm: a storage "tmpfs" with this target, bound into each container. */
#define BH_GUEST_SHM BH_GUEST_POD_DIR "/shm"

/* Bundles: what Prepare answers is one of these, by the container's id. Its rootfs/ is there and
 * empty. */
#define BH_GUEST_BUNDLE_DIR "/run/bulkhead/bundles"

/* What Hello was told of DNS, for documents to bind. */
#define BH_GUEST_RESOLV_CONF "/etc/resolv.conf"

/* A process's stdio as a stream of the link: this and the stream's token in decimal. */
#define BH_STREAM_URI "stream:"

/* Where the pod's processes find a resolver that an engine keeps for them: 127.0.0.11, Docker's. */
#define BH_RESOLVER_ADDRESS 0x7f00000bU
#define BH_RESOLVER_PORT    53

/* What the agent says first on a stream that is to be connected to a port: one byte. Bytes of the
 * connection follow if it was done, else the end. */
#define BH_CONNECT_DONE    0U
#define BH_CONNECT_REFUSED 1U

#endif

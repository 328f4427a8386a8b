/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The link between a pod's supervisor and the agent in its micro-VM: any number of streams, each a
 * connected stream socket for whoever uses it, over vsock(7) or over one serial port (rpc/mux.h).
 * The host opens streams, the guest accepts them; none blocks another.
 *
 * A stream starts with 8 bytes from the host: what it is for, and which one (two big-endian
 * numbers of 32 bits). The guest is not trusted: it can end the link, nothing else.
 *
 * Over vsock any process of the host can reach the guest, whatever its user or its network
 * namespace. So it is the guest that makes the first connection: to a port that the supervisor has
 * taken before the guest starts, which the kernel's command line names, and where the supervisor
 * takes nobody but the guest. This connection, which stays open and is otherwise silent, brings the
 * guest a key of 16 random bytes, which it acknowledges with one byte; it takes no stream that does
 * not begin with the key. The connection's end is the link's end.
 */
#ifndef BH_RPC_LINK_H
#define BH_RPC_LINK_H

#include <stdint.h>

#include "base/err.h"
#include "loop/loop.h"

#define BH_LINK_VSOCK_PORT 1024U
/* On the command line of the guest's kernel, before the port to call. */
#define BH_LINK_VSOCK_OPTION "bulkhead.vsock="
/* Name of the virtio-serial port, as /sys/class/virtio-ports/vportNpM/name has it in the guest. */
#define BH_LINK_SERIAL_NAME "bulkhead.agent"

enum bh_stream_kind {
	BH_STREAM_RPC = 1,     /* ttrpc; the token is 0 */
	BH_STREAM_STDIO = 2,   /* bytes of a process's input, output, or terminal */
	BH_STREAM_CONNECT = 3, /* a TCP connection to the guest's loopback; the token is the port */
	BH_STREAM_RESOLVE = 4, /* questions for names and their answers, rpc/datagrams.h */
	BH_STREAM_KIND_MAX_,
};

struct bh_link;

/** The link is dead: @why says what happened. Called once; not by bh_link_free() */
typedef void (*bh_link_dead_fn)(void *arg, const struct bh_err *why);

/* ---- host ------------------------------------------------------------------------------------ */

/** bh_link_serial() - over the host's end of the serial port
 * @fd: stream socket of the VMM's chardev; taken, also on failure */
int bh_link_serial(struct bh_loop *loop, int fd, bh_link_dead_fn dead, void *arg,
		   struct bh_link **ret, struct bh_err *err) bh_must_check;

/** bh_link_vsock() - over vsock, to the guest @cid, which has not started yet */
int bh_link_vsock(struct bh_loop *loop, uint32_t cid, bh_link_dead_fn dead, void *arg,
		  struct bh_link **ret, struct bh_err *err) bh_must_check;

/** bh_link_vsock_port() - what the guest is to call; for BH_LINK_VSOCK_OPTION */
uint32_t bh_link_vsock_port(const struct bh_link *link);

/** bh_link_ready() - whether the agent can be reached by now.
 * Return: 1; 0 = not yet; -errno = the link is dead, as bh_link_dead_fn said */
int bh_link_ready(struct bh_link *link, struct bh_err *err) bh_must_check;

/**
 * bh_link_open() - a new stream to the agent; may suspend the fiber that calls it, outside of any
 * run the loop
 *
 * Return: a connected, non-blocking stream socket, the caller's, with its preamble sent; -ENOTCONN
 * before it is ready; -errno
 */
int bh_link_open(struct bh_link *link, enum bh_stream_kind kind, uint32_t token,
		 struct bh_err *err) bh_must_check;

/* ---- guest ----------------------------------------------------------------------------------- */

/** A stream from the host; @fd (non-blocking) is the callee's */
typedef void (*bh_link_accept_fn)(void *arg, enum bh_stream_kind kind, uint32_t token, int fd);

/** bh_link_listen() - the guest's side, over whichever of the two this machine has, or both (the
 * serial port is found by its name, vsock by the port to call). Return: 0; -ENODEV when it has
 * neither; -errno; with @err */
int bh_link_listen(struct bh_loop *loop, bh_link_accept_fn accept, bh_link_dead_fn dead, void *arg,
		   struct bh_link **ret, struct bh_err *err) bh_must_check;

/** bh_link_free() - end it and its streams. Return: NULL */
struct bh_link *bh_link_free(struct bh_link *link);

#endif

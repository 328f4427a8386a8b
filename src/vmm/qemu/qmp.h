/* SPDX-License-Identifier: Apache-2.0 */
/*
 * QEMU's control protocol: a JSON object a line, both ways. Who is at the other end is taken to be
 * the guest's: lines have a maximum, only what was asked for is believed, no answer is waited for
 * without end, and its words are made printable before anybody repeats them.
 *
 * Source: QEMU docs/interop/qmp-spec
 */
#ifndef BH_VMM_QEMU_QMP_H
#define BH_VMM_QEMU_QMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "loop/fiber.h"

#define BH_QMP_LINE_BYTES 65536 /* the longest line that is taken; QEMU's own stay below 2000 */
#define BH_QMP_NAME_BYTES 64
#define BH_QMP_TEXT_BYTES 512

enum bh_qmp_kind {
	BH_QMP_GREETING = 0,
	BH_QMP_RETURN,
	BH_QMP_ERROR,
	BH_QMP_EVENT,
	BH_QMP_KIND_MAX_,
};

struct bh_qmp_message {
	enum bh_qmp_kind kind;
	uint64_t id;                  /* of what is answered; 0 = none was named */
	char name[BH_QMP_NAME_BYTES]; /* of an event, printable */
	char text[BH_QMP_TEXT_BYTES]; /* an error's description; printable, perhaps cut */
	/* What the data of an event has under these names; printable, "" when absent. */
	char device[BH_QMP_NAME_BYTES], reason[BH_QMP_NAME_BYTES];
};

/** bh_qmp_parse() - one line, without its end. Return: 0; -EBADMSG (BH_ERR_PEER), -ENOMEM with @err
 */
int bh_qmp_parse(const char *line, size_t len, struct bh_qmp_message *ret,
		 struct bh_err *err) bh_must_check;

struct bh_qmp_call;

struct bh_qmp {
	struct bh_loop *loop;
	struct bh_source source; /* its fd is owned */
	char *in;                /* BH_QMP_LINE_BYTES */
	size_t len;
	bool greeted;
	uint64_t last_id;
	struct bh_qmp_call *calls; /* that wait for their answers */
	bool ended;
	struct bh_err why; /* it ended; what every call then answers */
	/* Set by the owner before bh_qmp_start(): */
	void *arg;
	void (*event)(void *arg, const struct bh_qmp_message *message);
	/* The other end hung up or does not keep to the protocol. The owner ends it */
	void (*broken)(void *arg, const struct bh_err *why);
};

/** bh_qmp_start() - talk over @fd, a non-blocking stream socket, which becomes @qmp's in any case
 */
int bh_qmp_start(struct bh_qmp *qmp, struct bh_loop *loop, int fd,
		 struct bh_err *err) bh_must_check;

/** bh_qmp_end() - every call, those that wait and those to come, fails with @why. Idempotent */
void bh_qmp_end(struct bh_qmp *qmp, const struct bh_err *why);

/** bh_qmp_deinit() - no call may be waiting any more */
void bh_qmp_deinit(struct bh_qmp *qmp);

/**
 * bh_qmp_call() - a command whose answer is no more than that it was done. Suspends
 * @arguments:  JSON object, or NULL
 * @fd:         descriptor that goes with it, borrowed; -1 = none
 * @timeout_ms: until which it must be answered
 *
 * Return: 0; -EREMOTEIO (BH_ERR_PEER) with QEMU's words; -ETIMEDOUT; what bh_qmp_end() was given
 */
int bh_qmp_call(struct bh_qmp *qmp, const char *command, const char *arguments, int fd,
		uint64_t timeout_ms, struct bh_err *err) bh_must_check;

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a pod's server knows of the pod's containers beside what it serves them with: how each is,
 * how it ended, how often the kernel killed in it for want of memory, how many took the place of an
 * earlier one. It is written from the pod's own events, which are the same for all kinds of pods.
 */
#ifndef BH_POD_LEDGER_H
#define BH_POD_LEDGER_H

#include "rpc/pod.pb-c.h"

#include "base/err.h"

struct bh_ledger_row;
struct bh_ledger_name;

/* Zeroed at first. */
struct bh_ledger {
	struct bh_ledger_row *rows;   /* containers, and those that had a name before */
	struct bh_ledger_name *names; /* that containers have had */
	size_t n_rows, n_names;
	uint32_t restarts;
};

/** bh_ledger_event() - by its topic, as containerd has them; what does not concern it is passed
 * over. What there is no memory for is not on record */
void bh_ledger_event(struct bh_ledger *ledger, const char *topic, const ProtobufCMessage *event);

/** bh_ledger_describe() - fill containers and restarts of @ret; free with bh_ledger_release() */
int bh_ledger_describe(const struct bh_ledger *ledger, Pod__DescribeResponse *ret,
		       struct bh_err *err) bh_must_check;
void bh_ledger_release(Pod__DescribeResponse *described);

void bh_ledger_deinit(struct bh_ledger *ledger);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What a guest needs of its host before anything else: time, randomness, names. */
#ifndef BH_AGENT_HELLO_H
#define BH_AGENT_HELLO_H

#include "agent/modules.h"
#include "base/arena.h"
#include "rpc/agent.pb-c.h"

/** bh_hello() - method Hello
 * @modules_fd: of modules whose file systems count as there; -1 = none
 * @arena: receives what @ret points to */
int bh_hello(struct bh_arena *arena, const Agent__HelloRequest *request, int modules_fd,
	     Agent__HelloResponse *ret, struct bh_err *err) bh_must_check;

/** bh_hello_clock() - set the clock; NULL = leave it */
int bh_hello_clock(const Wire__Timestamp *now, struct bh_err *err) bh_must_check;

#endif

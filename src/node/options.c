/* SPDX-License-Identifier: Apache-2.0 */
#include "node/options.h"

#include <string.h>

#include "base/log.h"

#define NS_PER_MS 1000000

int bh_node_options_take(const struct bh_node_options *o, struct bh_node_query *ret,
			 struct bh_err *err)
{
	bool json = o->log_format && !strcmp(o->log_format, "json");

	*ret = (struct bh_node_query){ .root = o->root,
				       .known = o->known,
				       .deadline_ms = (uint64_t)(o->timeout_ns / NS_PER_MS) };
	return bh_log_open(o->log, json ? BH_LOG_JSON : BH_LOG_TEXT, BH_LOG_INFO, err);
}

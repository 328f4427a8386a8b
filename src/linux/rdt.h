/* SPDX-License-Identifier: Apache-2.0 */
/* Intel RDT: resctrl groups. Source: kernel Documentation/filesystems/resctrl.rst, config-linux.md
 */
#ifndef BH_LINUX_RDT_H
#define BH_LINUX_RDT_H

#include <stdbool.h>
#include <sys/types.h>

#include "oci/spec.h"

/**
 * bh_rdt_create() - make or check the CLOS group (clos_id or the container's @id), write the
 * schemata, and with monitoring make mon_groups/@id
 * @ret_owned: whether the group was made here
 *
 * clos_id "/" is the root group. A clos_id without any schema must exist; one that exists must
 * already have the l3_cache_schema and mem_bw_schema that the spec asks for. After a failure
 * nothing is left.
 */
int bh_rdt_create(const struct bh_intel_rdt *rdt, const char *id, bool *ret_owned,
		  struct bh_err *err) bh_must_check;

/** bh_rdt_add() - move @pid into the group, and into its monitoring group */
int bh_rdt_add(const struct bh_intel_rdt *rdt, const char *id, pid_t pid,
	       struct bh_err *err) bh_must_check;

/** bh_rdt_update() - new schemata (update --l3-cache-schema, --mem-bw-schema) */
int bh_rdt_update(const struct bh_intel_rdt *rdt, const char *id, struct bh_err *err) bh_must_check;

/**
 * bh_rdt_destroy() - remove what bh_rdt_create() made
 * @owned:  what it returned
 * @failed: the container did not come to be: a group made for its clos_id goes too, which otherwise
 * stays, as the spec demands
 *
 * Idempotent: what is not there counts as removed.
 */
int bh_rdt_destroy(const struct bh_intel_rdt *rdt, const char *id, bool owned, bool failed,
		   struct bh_err *err) bh_must_check;

#endif

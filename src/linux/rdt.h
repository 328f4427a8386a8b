/* SPDX-License-Identifier: Apache-2.0 */
/* Intel RDT: resctrl groups. Source: kernel Documentation/filesystems/resctrl.rst, config-linux.md */
#ifndef BH_LINUX_RDT_H
#define BH_LINUX_RDT_H

#include <stdbool.h>
#include <sys/types.h>

#include "oci/spec.h"

bool bh_rdt_available(void);

/** bh_rdt_create() - make or check the CLOS group (clos_id or the container's @id), write the schemata,
 * and with monitoring a mon_groups directory. @ret_owned: whether the group was made here and so must be
 * removed by bh_rdt_destroy() */
int bh_rdt_create(const struct bh_intel_rdt *rdt, const char *id, bool *ret_owned,
		  struct bh_err *err) bh_must_check;
int bh_rdt_add(const struct bh_intel_rdt *rdt, const char *id, pid_t pid, struct bh_err *err)
	bh_must_check;
/** bh_rdt_update() - new schemata (update --l3-cache-schema, --mem-bw-schema) */
int bh_rdt_update(const struct bh_intel_rdt *rdt, const char *id, struct bh_err *err) bh_must_check;
int bh_rdt_destroy(const char *clos_id, const char *id, bool owned, struct bh_err *err)
	bh_must_check;

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of the document's sections, shared among the files that hold them. */
#ifndef BH_OCI_SPEC_INTERNAL_H
#define BH_OCI_SPEC_INTERNAL_H

#include "base/schema.h"
#include "oci/spec.h"

extern const struct bh_schema bh_schema_process;   /* struct bh_process */
extern const struct bh_schema bh_schema_resources; /* struct bh_resources */
extern const struct bh_schema bh_schema_seccomp;   /* struct bh_seccomp */
extern const struct bh_schema bh_schema_linux;     /* struct bh_linux */
extern const struct bh_schema bh_schema_id_map;    /* struct bh_id_map */

/** bh_id_maps_check() - no more than the kernel takes, none empty, none twice; @field is their name
 * in the object at hand */
int bh_id_maps_check(struct bh_reader *r, const char *field, const bh_id_map_list *maps);

#endif

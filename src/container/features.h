/* SPDX-License-Identifier: Apache-2.0 */
/* What this build of the engine can do, as the document of `features`. */
#ifndef BH_CONTAINER_FEATURES_H
#define BH_CONTAINER_FEATURES_H

#include "base/buf.h"

/** bh_container_features_json() - append it to @out
 * @guest: of containers in a micro-VM, which have not all of it */
void bh_container_features_json(bool guest, struct bh_buf *out);

#endif

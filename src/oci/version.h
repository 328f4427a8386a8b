/* SPDX-License-Identifier: Apache-2.0 */
/* The versions of the runtime-spec that this runtime implements. */
#ifndef BH_OCI_VERSION_H
#define BH_OCI_VERSION_H

#define BH_OCI_VERSION_MIN "1.0.0"
#define BH_OCI_VERSION     "1.3.0"

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Until kvm_probe.c is there: nothing is believed. */
#include "vmm/kvm_probe.h"
int bh_kvm_probe(struct bh_err *err)
{
	return bh_err_as(err, BH_ERR_OS, -ENOTSUP, "no probe");
}

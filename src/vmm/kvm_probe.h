/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether KVM works here. A /dev/kvm that opens proves nothing: some machines then run guests in an
 * instruction emulator that is a thousand times too slow and dies at what it does not know.
 *
 * Source: Linux Documentation/virt/kvm/api.rst
 */
#ifndef BH_VMM_KVM_PROBE_H
#define BH_VMM_KVM_PROBE_H

#include "base/err.h"

/**
 * bh_kvm_probe() - run some thousand guest instructions, cmpxchg16b and xrstor among them, against
 * the clock
 *
 * Takes milliseconds where KVM works, and at most a second.
 *
 * Return: 0 when it is to be believed; -errno with @err saying what happened and the figure found
 */
int bh_kvm_probe(struct bh_err *err) bh_must_check;

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* How fast the processor's own counter runs: an emulated guest's runs just so, and has nothing to
 * measure it by. */
#ifndef BH_VMM_QEMU_TICKS_H
#define BH_VMM_QEMU_TICKS_H

#include "loop/loop.h"

/** bh_ticks_khz() - Suspends for some milliseconds. Return: kHz; 0 when there is no such counter;
 * -errno with @err */
int64_t bh_ticks_khz(struct bh_loop *loop, struct bh_err *err) bh_must_check;

#endif

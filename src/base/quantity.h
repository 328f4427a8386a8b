/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers with their units, as people write them: exact, without floating point. */
#ifndef BH_BASE_QUANTITY_H
#define BH_BASE_QUANTITY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"

/** bh_quantity_duration() - "1h2m3.5s", "250ms" to nanoseconds. Return: 0 or -EINVAL */
int bh_quantity_duration(const char *text, int64_t *ret_ns) bh_must_check;

/** bh_quantity_size() - "1.5g", "512MiB", "4096", "-1" to bytes. Return: 0 or -EINVAL */
int bh_quantity_size(const char *text, int64_t *ret_bytes) bh_must_check;

/** bh_quantity_milli() - "0.25", "2" or "250m" to thousandths; finer ones are refused. Return: 0 or
 * -EINVAL */
int bh_quantity_milli(const char *text, int64_t *ret_milli) bh_must_check;

/** bh_quantity_i64() - a decimal number, nothing around it. Return: 0 or -EINVAL */
int bh_quantity_i64(const char *text, int64_t *ret) bh_must_check;

/** bh_quantity_u64() - the same without a sign. Return: 0 or -EINVAL */
int bh_quantity_u64(const char *text, uint64_t *ret) bh_must_check;

/** bh_quantity_bool() - "true", "1", "f", … as Go's flags have it. Return: 0 or -EINVAL */
int bh_quantity_bool(const char *text, bool *ret) bh_must_check;

#endif

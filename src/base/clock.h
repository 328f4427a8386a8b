/* SPDX-License-Identifier: Apache-2.0 */
/* The time of day as documents and logs write it, without the C library's time zone files; and the
 * clock that durations are measured by. */
#ifndef BH_BASE_CLOCK_H
#define BH_BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#define BH_CLOCK_BYTES sizeof("-292277022656-12-31T23:59:59.999999999Z")

/** bh_clock_rfc3339() - @when in UTC, "2026-01-31T23:59:59Z", with nanoseconds if @fine
 * Return: @buf. Source: RFC 3339 */
const char *bh_clock_rfc3339(char buf[static BH_CLOCK_BYTES], struct timespec when, bool fine);

/** bh_clock_now() - the same for the present moment */
const char *bh_clock_now(char buf[static BH_CLOCK_BYTES], bool fine);

/** bh_clock_ns() / bh_clock_ms() - CLOCK_MONOTONIC in nanoseconds, in milliseconds */
uint64_t bh_clock_ns(void);
uint64_t bh_clock_ms(void);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/qemu/ticks.h"

#include <time.h>

#include "loop/fiber.h"

#if defined(__x86_64__)
#include <x86intrin.h>

#define MEASURE_MS 10U /* the clock is read in less than a microsecond: an error below 1/10000 */
#define NS_PER_S   1000000000ULL
#define NS_PER_MS  1000000ULL

struct moment {
	uint64_t ticks, ns;
};

static struct moment now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_RAW, &ts);
	return (struct moment){ .ticks = __rdtsc(),
				.ns = ((uint64_t)ts.tv_sec * NS_PER_S) + (uint64_t)ts.tv_nsec };
}

int64_t bh_ticks_khz(struct bh_loop *loop, struct bh_err *err)
{
	struct moment from = now(), to;

	if (bh_fiber_sleep(loop, MEASURE_MS, err) < 0)
		return err->code;
	to = now();
	return (int64_t)((to.ticks - from.ticks) * NS_PER_MS / (to.ns - from.ns));
}
#else
int64_t bh_ticks_khz(struct bh_loop *loop, struct bh_err *err)
{
	(void)loop;
	(void)err;
	return 0;
}
#endif

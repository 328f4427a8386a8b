/* SPDX-License-Identifier: Apache-2.0 */
/* What is told of a guest that owes an answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

#include "pod/vm/vm_pod.h"

static struct bh_vm_pod pod;

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ((uint64_t)ts.tv_sec * 1000) + ((uint64_t)ts.tv_nsec / 1000000);
}

static void it_is_told_when_the_guest_answered_last(void **state)
{
	struct bh_err err = BH_ERR_INIT;
	const uint64_t before = now_ms();
	unsigned long long ago = 0;
	int end = 0;

	(void)state;
	pod.pulse.answered_ms = before - 1000; /* a machine may be up for no longer than seconds */
	bh_err_as(&err, BH_ERR_PEER, -ETIMEDOUT, "Prepare: no answer in 60 s");
	bh_vm_pulse_tell(&pod, &err);
	assert_int_equal(sscanf(err.text,
				"Prepare: no answer in 60 s; guest: last answer %llu s ago%n", &ago,
				&end),
			 1);
	assert_int_equal(err.text[end], '\0');
	assert_in_range(ago, 1, (now_ms() - pod.pulse.answered_ms) / 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_told_when_the_guest_answered_last),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Where nobody else handles the containers, as in a micro-VM: what is then known without a look. */
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include "harness.h"

#define ROUNDS 20

/* The server stands back while an exec begins; what it begins does not, neither the exec nor what
 * is created meanwhile. */
static void test_exec_is_scheduled_as_others(void **state)
{
	struct box box, exec, other;
	bool stood_back = false;

	(void)state;
	make(&box, "policy", &(struct recipe){ .script = "sleep 1000" });
	start(&box);
	for (int i = 0; i < ROUNDS && !stood_back; i++) {
		add_exec(&exec, &box, "e0", &(struct recipe){ .script = "true" });
		start(&exec);
		stood_back = sched_getscheduler(0) == SCHED_BATCH; /* unless that took too long */
		await_exit(&exec);
		finish(&exec);
	}
	assert_true(stood_back);
	add_exec(&exec, &box, "e1", &(struct recipe){ .script = "sleep 1000" });
	assert_int_equal(sched_getscheduler((pid_t)start(&exec)), SCHED_OTHER);
	assert_int_equal(sched_getscheduler((pid_t)make(
				 &other, "meanwhile", &(struct recipe){ .script = "sleep 1000" })),
			 SCHED_OTHER);
	usleep(100000);
	for (int i = 0; i < 3; i++)
		assert_int_equal(status_of(&exec), TASK__STATUS__RUNNING);
	assert_int_equal(sched_getscheduler(0), SCHED_OTHER);
	for (int i = 0; i < 2; i++) {
		signal_box(i ? &other : &box, SIGKILL, true);
		await_exit(i ? &other : &box);
	}
	await_exit(&exec);
	finish(&exec);
	finish(&box);
	finish(&other);
}

static void test_paused(void **state)
{
	struct box box, exec;

	(void)state;
	make(&box, "paused", &(struct recipe){ .script = "sleep 1000" });
	start(&box);
	add_exec(&exec, &box, "e1", &(struct recipe){ .script = "exit 5", .streams = "" });
	must("Pause", ID(pause, &box), NULL);
	must_fail("Start", IDS(start, &exec), BH_RPC_UNKNOWN, "cannot exec in a paused container");
	finish(&exec);
	must("Resume", ID(resume, &box), NULL);
	add_exec(&exec, &box, "e2", &(struct recipe){ .script = "exit 5", .streams = "" });
	start(&exec);
	assert_int_equal(await_exit(&exec), 5);
	finish(&exec);
	signal_box(&box, SIGKILL, true);
	await_exit(&box);
	finish(&box);
}

/* Whether its end was told of or not. */
static void test_ended(void **state)
{
	struct box box, exec;
	uint32_t pid;

	(void)state;
	pid = make(&box, "ended", &(struct recipe){ .script = "sleep 1000" });
	start(&box);
	add_exec(&exec, &box, "e1", &(struct recipe){ .script = "true", .streams = "" });
	assert_int_equal(kill((pid_t)pid, SIGKILL), 0);
	usleep(100000);
	must_fail("Start", IDS(start, &exec), BH_RPC_PRECONDITION, "is not running");
	finish(&exec);
	await_exit(&box);
	finish(&box);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exec_is_scheduled_as_others),
		cmocka_unit_test(test_paused),
		cmocka_unit_test(test_ended),
	};

	if (lab_skips())
		return 77;
	lab.sole = true;
	return cmocka_run_group_tests(tests, lab_open, lab_close);
}

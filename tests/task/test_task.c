/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

/* A fifo that nobody writes to any more reads as ended: only what is there before the server opened
 * it. */

static void test_life(void **state)
{
	struct box box;
	char *out, *err, want[400];
	uint32_t pid;

	(void)state;
	lab_forget();
	pid = make(&box, "life", &(struct recipe){ .script = "echo out; echo err >&2; exit 7" });
	assert_int_equal(status_of(&box), TASK__STATUS__CREATED);
	assert_int_equal(start(&box), pid);
	assert_int_equal(await_exit(&box), 7);
	assert_int_equal(await_exit(&box), 7);
	assert_int_equal(status_of(&box), TASK__STATUS__STOPPED);
	out = read_all(box.out, NULL);
	err = read_all(box.err, NULL);
	assert_string_equal(out, "out\n");
	assert_string_equal(err, "err\n");
	free(out);
	free(err);
	assert_int_equal(finish(&box), 7);
	snprintf(want, sizeof(want),
		 "/tasks/create %s\n/tasks/start %s\n/tasks/exit %s 7\n/tasks/delete %s\n", box.id,
		 box.id, box.id, box.id);
	assert_string_equal(lab.events, want);
}

static void test_exec(void **state)
{
	struct box box, exec;
	char *out;

	(void)state;
	make(&box, "exec", &(struct recipe){ .script = "sleep 1000" });
	start(&box);
	add_exec(&exec, &box, "e1", &(struct recipe){ .script = "cat; exit 3", .streams = "ioe" });
	assert_int_equal(status_of(&exec), TASK__STATUS__CREATED);
	start(&exec);
	put(exec.in, "hello\n");
	exec.in = bh_close(exec.in);
	assert_int_equal(status_of(&exec), TASK__STATUS__RUNNING);
	must("CloseIO",
	     &(Task__CloseIORequest){ .base.descriptor = &task__close_iorequest__descriptor,
				      .id = exec.id,
				      .exec_id = exec.exec_id,
				      .stdin = true },
	     NULL);
	assert_int_equal(await_exit(&exec), 3);
	out = read_all(exec.out, NULL);
	assert_string_equal(out, "hello\n");
	free(out);
	assert_int_equal(finish(&exec), 3);
	signal_box(&box, SIGKILL, false);
	assert_int_equal(await_exit(&box), 128 + SIGKILL);
	finish(&box);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_life),
		cmocka_unit_test(test_exec),
	};

	if (lab_skips())
		return 77;
	return cmocka_run_group_tests(tests, lab_open, lab_close);
}

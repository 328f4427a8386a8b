/* SPDX-License-Identifier: Apache-2.0 */
/* deploy/kubernetes/ is what the rule book says. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/path.h"
#include "policy/policy.h"

static void the_files_are_those_that_are_generated(void **state)
{
	(void)state;
	for (size_t i = 0; i < bh_n_policy_files; i++) {
		bh_auto_buf struct bh_buf made = BH_BUF_INIT;
		bh_auto_free char *there = NULL;
		struct bh_err err = BH_ERR_INIT;
		char path[512];

		snprintf(path, sizeof(path), BH_SOURCE_ROOT "/deploy/kubernetes/%s",
			 bh_policy_files[i].name);
		if (bh_path_read(AT_FDCWD, path, BH_PATH_HOST, 1U << 20, &there, NULL, &err) < 0)
			fail_msg("%s", err.text);
		bh_policy_files[i].write(&made);
		if (strcmp(there, bh_buf_str(&made)) != 0)
			fail_msg("%s is another one: ./dev policy", path);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_files_are_those_that_are_generated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

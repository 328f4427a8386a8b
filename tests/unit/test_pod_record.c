/* SPDX-License-Identifier: Apache-2.0 */
/* What is on record of a pod, and how it is taken back by whoever finds it. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "pod/pod.h"
#include "pod/vm/record.h"

#define SWEEPERS 6
#define FILES    400

static char root[] = "/tmp/test-record.XXXXXX";

static int make_root(void **state)
{
	(void)state;
	return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state)
{
	char pods[sizeof(root) + 8];

	(void)state;
	snprintf(pods, sizeof(pods), "%s/@pods", root);
	(void)!rmdir(pods);
	return rmdir(root);
}

/* A pod whose server is gone, with so many files that removing them takes a while. */
static void make_pod(const char *id)
{
	struct bh_pod_record record = { .runtime = "kata", .created = "2026-01-01T00:00:00Z" };
	struct bh_err err = BH_ERR_INIT;
	bh_auto_close int dirfd = bh_pod_dir_make(root, id, &err);
	char name[16];

	assert_true(dirfd >= 0);
	assert_int_equal(bh_pod_record_save(dirfd, &record, &err), 0);
	for (int i = 0; i < FILES; i++) {
		snprintf(name, sizeof(name), "file%d", i);
		bh_close(openat(dirfd, name, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	}
}

/* As containerd does it with the containers of a pod whose shim was killed. */
static void many_take_the_same_pod_back(void **state)
{
	struct bh_err err = BH_ERR_INIT;
	pid_t sweepers[SWEEPERS];
	int status;

	(void)state;
	for (int round = 0; round < 10; round++) {
		make_pod("p");
		for (int i = 0; i < SWEEPERS; i++) {
			sweepers[i] = fork();
			assert_true(sweepers[i] >= 0);
			if (sweepers[i] == 0)
				_exit(bh_pod_undo(root, "p", &err) == 0 ? 0 : 1);
		}
		for (int i = 0; i < SWEEPERS; i++) {
			assert_int_equal(waitpid(sweepers[i], &status, 0), sweepers[i]);
			assert_int_equal(status, 0);
		}
		assert_false(bh_pod_served(root, "p"));
		assert_int_equal(bh_pod_undo(root, "p", &err), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(many_take_the_same_pod_back),
	};

	return cmocka_run_group_tests(tests, make_root, remove_root);
}

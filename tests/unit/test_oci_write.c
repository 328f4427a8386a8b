/* SPDX-License-Identifier: Apache-2.0 */
/* What is written from a struct is read as the same again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "oci/spec.h"

static struct bh_arena arena;

/* @text → struct → text → struct → text: the two texts are equal. Return: the first of them */
static const char *process_twice(const char *text)
{
	bh_auto_buf struct bh_buf again = BH_BUF_INIT;
	struct bh_buf once = BH_BUF_INIT;
	struct bh_err err = BH_ERR_INIT;
	struct bh_process p;
	const char *kept;

	assert_int_equal(bh_spec_parse_process(&arena, text, strlen(text), &p, &err), 0);
	bh_spec_write_process(&p, &once);
	assert_non_null(once.data);
	if (bh_spec_parse_process(&arena, once.data, once.len, &p, &err) < 0)
		fail_msg("%s: %s", once.data, err.text);
	bh_spec_write_process(&p, &again);
	assert_string_equal(once.data, bh_buf_str(&again));
	kept = bh_arena_strdup(&arena, once.data);
	bh_buf_deinit(&once);
	return kept;
}

static const char *resources_twice(const char *text)
{
	bh_auto_buf struct bh_buf again = BH_BUF_INIT;
	struct bh_buf once = BH_BUF_INIT;
	struct bh_err err = BH_ERR_INIT;
	struct bh_resources r;
	const char *kept;

	assert_int_equal(bh_spec_parse_resources(&arena, text, strlen(text), &r, &err), 0);
	bh_spec_write_resources(&r, &once);
	assert_non_null(once.data);
	if (bh_spec_parse_resources(&arena, once.data, once.len, &r, &err) < 0)
		fail_msg("%s: %s", once.data, err.text);
	bh_spec_write_resources(&r, &again);
	assert_string_equal(once.data, bh_buf_str(&again));
	kept = bh_arena_strdup(&arena, once.data);
	bh_buf_deinit(&once);
	return kept;
}

static void has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("%s lacks %s", text, part);
}

static void a_whole_process(void **state)
{
	const char *text = process_twice(
		"{\"terminal\":true,\"consoleSize\":{\"height\":25,\"width\":80},\"cwd\":\"/x\","
		"\"args\":[\"sh\",\"-c\",\"a \\\"b\\\"\"],\"env\":[\"A=1\"],"
		"\"user\":{\"uid\":1,\"gid\":2,\"umask\":18,\"additionalGids\":[3,4]},"
		"\"rlimits\":[{\"type\":\"RLIMIT_NOFILE\",\"soft\":5,\"hard\":18446744073709551615}"
		"],"
		"\"capabilities\":{\"bounding\":[\"CAP_CHOWN\",\"CAP_BPF\"],\"ambient\":[]},"
		"\"noNewPrivileges\":true,\"apparmorProfile\":\"p\",\"oomScoreAdj\":-7,"
		"\"scheduler\":{\"policy\":\"SCHED_FIFO\",\"priority\":3,"
		"\"flags\":[\"SCHED_FLAG_RESET_ON_FORK\"]},"
		"\"ioPriority\":{\"class\":\"IOPRIO_CLASS_BE\",\"priority\":4},"
		"\"execCPUAffinity\":{\"initial\":\"0-1\"}}");

	(void)state;
	has(text, "\"args\":[\"sh\",\"-c\",\"a \\\"b\\\"\"]");
	has(text, "\"umask\":18");
	has(text, "\"additionalGids\":[3,4]");
	has(text, "\"bounding\":[\"CAP_CHOWN\",\"CAP_BPF\"]");
	has(text, "\"hard\":18446744073709551615");
	has(text, "\"oomScoreAdj\":-7");
	has(text, "\"flags\":[\"SCHED_FLAG_RESET_ON_FORK\"]");
	has(text, "\"class\":\"IOPRIO_CLASS_BE\"");
	has(text, "\"initial\":\"0-1\"");
}

static void what_is_absent_is_left_out(void **state)
{
	const char *text = process_twice("{\"cwd\":\"/\",\"args\":[\"x\"]}");

	(void)state;
	assert_null(strstr(text, "capabilities"));
	assert_null(strstr(text, "scheduler"));
	assert_null(strstr(text, "umask"));
	assert_null(strstr(text, "env"));
}

static void resources(void **state)
{
	const char *text = resources_twice(
		"{\"devices\":[{\"allow\":false,\"type\":\"c\",\"major\":1,\"access\":\"rw\"}],"
		"\"memory\":{\"limit\":-1,\"swappiness\":60},\"cpu\":{\"shares\":512,\"quota\":-1},"
		"\"pids\":{\"limit\":10},\"blockIO\":{\"weight\":100,"
		"\"throttleReadBpsDevice\":[{\"major\":8,\"minor\":0,\"rate\":1000}]},"
		"\"hugepageLimits\":[{\"pageSize\":\"2MB\",\"limit\":4096}],"
		"\"rdma\":{\"mlx5_1\":{\"hcaHandles\":3}},\"unified\":{\"memory.high\":\"5\"}}");

	(void)state;
	has(text, "\"limit\":-1");
	has(text, "\"pids\":{\"limit\":10}");
	has(text, "\"rdma\":{\"mlx5_1\":{\"hcaHandles\":3");
	has(text, "\"unified\":{\"memory.high\":\"5\"}");
	has(text, "\"type\":\"c\"");
}

static int tear_down(void **state)
{
	(void)state;
	bh_arena_deinit(&arena);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_process),
		cmocka_unit_test(what_is_absent_is_left_out),
		cmocka_unit_test(resources),
	};

	return cmocka_run_group_tests(tests, NULL, tear_down);
}

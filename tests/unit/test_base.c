/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/path.h"
#include "base/program.h"

static void errors_chain_from_the_outside_in(void **state)
{
	struct bh_err err = BH_ERR_INIT;
	char line[256];

	(void)state;
	assert_int_equal(bh_err_set(&err, -EACCES, "open '%s'", "/x"), -EACCES);
	assert_int_equal(bh_err_ctx(&err, "mount %d of %d", 3, 9), -EACCES);
	assert_string_equal(bh_err_format(&err, line, sizeof(line)),
			    "mount 3 of 9: open '/x': permission denied");
}

static void spec_errors_name_the_field(void **state)
{
	struct bh_err err = BH_ERR_INIT;
	char line[256];

	(void)state;
	assert_int_equal(bh_err_spec(&err, "/process/cwd", "'%s' is not absolute", "x"), -EINVAL);
	assert_string_equal(bh_err_format(&err, line, sizeof(line)),
			    "'x' is not absolute (at /process/cwd)");
}

static void long_errors_are_cut_not_overrun(void **state)
{
	struct bh_err err = BH_ERR_INIT;

	(void)state;
	bh_err_set(&err, -EIO, "%02000d", 1);
	for (int i = 0; i < 300; i++)
		bh_err_ctx(&err, "frame %d", i);
	assert_int_equal(strlen(err.text), BH_ERR_TEXT_BYTES - 1);
}

static void paths_are_cleaned(void **state)
{
	static const char *const cases[][2] = {
		{ "/a//b/./c/../d", "/a/b/d" },
		{ "/../../etc", "/etc" },
		{ "a/../../b", "b" },
		{ "/", "/" },
		{ "", "" },
		{ "/a/b/", "/a/b" },
		{ "./x", "x" },
		{ "/..", "/" },
		{ "a/..", "" },
	};

	(void)state;
	for (size_t i = 0; i < BH_ARRAY_SIZE(cases); i++) {
		char path[64];

		strcpy(path, cases[i][0]);
		bh_path_clean(path);
		assert_string_equal(path, cases[i][1]);
	}
}

static void directories_are_made_inside_the_root(void **state)
{
	char dir[] = "/tmp/bh-unit-XXXXXX", path[128];
	struct bh_err err = BH_ERR_INIT;
	struct stat st;
	int root, fd;

	(void)state;
	assert_non_null(mkdtemp(dir));
	root = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(symlinkat("/inside", root, "link"), 0);
	fd = bh_path_mkdirs(root, "/link/../link/deep/er", 0755, &err);
	assert_true(fd >= 0);
	bh_close(fd);
	snprintf(path, sizeof(path), "%s/inside/deep/er", dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(symlinkat("loop", root, "loop"), 0);
	assert_int_equal(bh_path_mkdirs(root, "loop/x", 0755, &err), -ELOOP);
	fd = bh_path_mkdirs(root, "one/two//three", 0755, &err);
	assert_true(fd >= 0);
	bh_close(fd);
	snprintf(path, sizeof(path), "%s/one/two/three", dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(stat("/inside", &st), -1);
	bh_close(root);
	assert_int_equal(bh_path_remove_tree(AT_FDCWD, dir, &err), 0);
	assert_int_equal(stat(dir, &st), -1);
}

static void what_lies_in_the_way_of_a_new_file_is_not_written_to(void **state)
{
	bh_auto_close int fd = -EBADF;
	bh_auto_free char *text = NULL;
	struct bh_err err = BH_ERR_INIT;
	char dir[] = "/tmp/bh-unit-XXXXXX", way[32];

	(void)state;
	assert_non_null(mkdtemp(dir));
	fd = bh_path_open(AT_FDCWD, dir, O_RDONLY | O_DIRECTORY, 0, BH_PATH_HOST, &err);
	assert_true(fd >= 0);
	assert_int_equal(bh_path_replace(fd, "victim", "mine", 4, 0600, &err), 0);
	snprintf(way, sizeof(way), ".file.%d", getpid());
	assert_int_equal(linkat(fd, "victim", fd, way, 0), 0);
	assert_int_equal(bh_path_replace(fd, "file", "new", 3, 0600, &err), 0);
	assert_int_equal(bh_path_read(fd, "victim", BH_PATH_BENEATH, 16, &text, NULL, &err), 0);
	assert_string_equal(text, "mine");
	/* To open a pipe would wait for a reader. */
	assert_int_equal(mkfifoat(fd, way, 0600), 0);
	assert_int_equal(bh_path_replace(fd, "file", "newer", 5, 0600, &err), 0);
	free(bh_take(&text));
	assert_int_equal(bh_path_read(fd, "file", BH_PATH_BENEATH, 16, &text, NULL, &err), 0);
	assert_string_equal(text, "newer");
	assert_int_equal(bh_path_remove_tree(AT_FDCWD, dir, &err), 0);
}

static void json_strings_are_escaped(void **state)
{
	bh_auto_buf struct bh_buf buf = BH_BUF_INIT;

	(void)state;
	bh_buf_json_string(&buf, "a\"b\\c\n\x01");
	assert_string_equal(bh_buf_str(&buf), "\"a\\\"b\\\\c\\n\\u0001\"");
}

static void arena_gives_zeroed_aligned_memory(void **state)
{
	bh_auto_arena struct bh_arena arena = BH_ARENA_INIT;

	(void)state;
	for (size_t i = 1; i < 20000; i += 997) {
		char *p = bh_arena_alloc(&arena, i);

		assert_non_null(p);
		assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
		for (size_t j = 0; j < i; j++)
			assert_int_equal(p[j], 0);
		memset(p, 0xff, i);
	}
	assert_null(bh_arena_array(&arena, SIZE_MAX / 2, 16));
	assert_string_equal(bh_arena_printf(&arena, "%d-%s", 7, "x"), "7-x");
}

static void times_are_written_in_utc(void **state)
{
	static const struct {
		time_t sec;
		const char *text;
	} cases[] = {
		{ 0, "1970-01-01T00:00:00Z" },          { 951782400, "2000-02-29T00:00:00Z" },
		{ 4102444799, "2099-12-31T23:59:59Z" }, { -1, "1969-12-31T23:59:59Z" },
		{ 1709251199, "2024-02-29T23:59:59Z" }, { 4107542400, "2100-03-01T00:00:00Z" },
	};
	char buf[BH_CLOCK_BYTES];

	(void)state;
	for (size_t i = 0; i < BH_ARRAY_SIZE(cases); i++)
		assert_string_equal(
			bh_clock_rfc3339(buf, (struct timespec){ .tv_sec = cases[i].sec }, false),
			cases[i].text);
	assert_string_equal(bh_clock_rfc3339(buf, (struct timespec){ .tv_nsec = 5 }, true),
			    "1970-01-01T00:00:00.000000005Z");
}

static int run_shell(const char *script, char *says, size_t size)
{
	const char *const argv[] = { "sh", "-c", script, NULL }, *const env[] = { "WORD=x", NULL };

	return bh_program_run("/bin/sh", (char *const *)argv, (char *const *)env, says, size);
}

static void a_program_is_run_for_what_it_says(void **state)
{
	char says[8];
	int status;

	(void)state;
	assert_int_equal(run_shell("cat; echo $WORD$HOME; echo y >&2; echo", says, sizeof(says)),
			 0);
	assert_string_equal(says, "x\ny");
	status = run_shell("exit 3", says, sizeof(says));
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 3);
	assert_string_equal(says, "");
	/* More than there is room for, and more than a pipe holds. */
	status = run_shell("printf 1234567; exec cat /dev/zero", says, sizeof(says));
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE);
	assert_string_equal(says, "1234567");
	assert_int_equal(bh_program_run("/nowhere/x", environ, environ, says, sizeof(says)),
			 -ENOENT);
}

static void a_program_starts_with_fresh_signals(void **state)
{
	const char *const argv[] = { "sh", "-c", "kill -TERM $$; exit 7", NULL };
	sigset_t term, old;
	pid_t pid;
	int status;

	(void)state;
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	assert_int_equal(sigprocmask(SIG_BLOCK, &term, &old), 0);
	signal(SIGTERM, SIG_IGN);
	assert_int_equal(bh_program_start("/bin/sh", NULL, (char *const *)argv, environ, &pid), 0);
	signal(SIGTERM, SIG_DFL);
	assert_int_equal(sigprocmask(SIG_SETMASK, &old, NULL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(errors_chain_from_the_outside_in),
		cmocka_unit_test(spec_errors_name_the_field),
		cmocka_unit_test(long_errors_are_cut_not_overrun),
		cmocka_unit_test(paths_are_cleaned),
		cmocka_unit_test(directories_are_made_inside_the_root),
		cmocka_unit_test(what_lies_in_the_way_of_a_new_file_is_not_written_to),
		cmocka_unit_test(json_strings_are_escaped),
		cmocka_unit_test(times_are_written_in_utc),
		cmocka_unit_test(arena_gives_zeroed_aligned_memory),
		cmocka_unit_test(a_program_is_run_for_what_it_says),
		cmocka_unit_test(a_program_starts_with_fresh_signals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

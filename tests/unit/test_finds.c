/* SPDX-License-Identifier: Apache-2.0 */
/* What an exec found is believed as long as nothing has changed, and not a moment longer. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/sys.h"
#include "container/finds.h"
#include "container/passwd.h"

#define SETTLED_S 4

/* Directories of one test: "first" and "second" without a program, "third" with it; "absent" is
 * none. */
struct place {
	char dir[64], path[400];
	size_t third; /* where that begins in @path */
};

/* One for each test, since what has just been made is not kept from. */
enum { SAME, PROGRAM, ABSENT, OTHER, LINK, RELATIVE, RECENT, PLACES };
static struct place places[PLACES];
static char top[] = "/tmp/finds-XXXXXX";

static void name_in(char *buf, size_t size, const struct place *place, const char *name)
{
	assert_true(snprintf(buf, size, "%s/%s", place->dir, name) < (int)size);
}

static void make_dir(const struct place *place, const char *name)
{
	char path[128];

	name_in(path, sizeof(path), place, name);
	assert_int_equal(mkdir(path, 0755), 0);
}

static void make_program(const struct place *place, const char *name)
{
	char path[128];
	FILE *file;

	name_in(path, sizeof(path), place, name);
	file = fopen(path, "we");
	assert_non_null(file);
	fclose(file);
}

static int make_places(void **state)
{
	(void)state;
	if (!mkdtemp(top))
		return -1;
	for (size_t i = 0; i < PLACES; i++) {
		struct place *place = &places[i];

		snprintf(place->dir, sizeof(place->dir), "%s/%zu", top, i);
		assert_int_equal(mkdir(place->dir, 0755), 0);
		make_dir(place, "first");
		make_dir(place, "second");
		make_dir(place, "third");
		make_program(place, "third/program");
		place->third = (size_t)snprintf(place->path, sizeof(place->path),
						"%s/first:%s/absent/below:%s/second:", place->dir,
						place->dir, place->dir);
		snprintf(place->path + place->third, sizeof(place->path) - place->third,
			 "%s/third:/nowhere", place->dir);
	}
	sleep(SETTLED_S);
	return 0;
}

static int remove_places(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof(command), "rm -r %s", top);
	return system(command);
}

static size_t kept(struct bh_finds *finds, const struct place *place)
{
	*finds = (struct bh_finds){ .exe.known = false };
	bh_finds_keep_skip(finds, place->path, "program", place->third);
	return bh_finds_skip(finds, place->path, "program");
}

static void test_nothing_changed(void **state)
{
	const struct place *place = &places[SAME];
	char shorter[400];
	struct bh_finds finds;

	(void)state;
	assert_int_equal(kept(&finds, place), place->third);
	assert_string_equal(place->path + place->third + strlen(place->dir), "/third:/nowhere");
	assert_int_equal(bh_finds_skip(&finds, place->path, "other"), 0);
	snprintf(shorter, sizeof(shorter), "%s", place->path);
	*strrchr(shorter, ':') = '\0';
	assert_int_equal(bh_finds_skip(&finds, shorter, "program"), 0);
	assert_int_equal(bh_finds_skip(NULL, place->path, "program"), 0);
	bh_finds_keep_skip(NULL, place->path, "program", place->third);
}

static void test_program_appears(void **state)
{
	const struct place *place = &places[PROGRAM];
	struct bh_finds finds;

	(void)state;
	assert_int_equal(kept(&finds, place), place->third);
	make_program(place, "second/program");
	assert_int_equal(bh_finds_skip(&finds, place->path, "program"), 0);
}

static void test_directory_appears(void **state)
{
	const struct place *place = &places[ABSENT];
	struct bh_finds finds;

	(void)state;
	assert_int_equal(kept(&finds, place), place->third);
	make_dir(place, "absent");
	assert_int_equal(bh_finds_skip(&finds, place->path, "program"), 0);
}

static void test_directory_is_another(void **state)
{
	struct place *place = &places[OTHER];
	char from[128], to[128];
	struct bh_finds finds;

	(void)state;
	/* With its own time of change, that of the directory above aside. */
	snprintf(place->path, sizeof(place->path), "%s/first:%s/third", place->dir, place->dir);
	place->third = strlen(place->dir) + strlen("/first:");
	assert_int_equal(kept(&finds, place), place->third);
	name_in(from, sizeof(from), place, "second");
	name_in(to, sizeof(to), place, "first");
	assert_int_equal(rmdir(to), 0);
	assert_int_equal(rename(from, to), 0);
	assert_int_equal(bh_finds_skip(&finds, place->path, "program"), 0);
}

/* Its target can come without a change of the directory that has the link. */
static void test_link_to_nowhere(void **state)
{
	const struct place *place = &places[LINK];
	char link[128];
	struct bh_finds finds;

	(void)state;
	name_in(link, sizeof(link), place, "second/program");
	assert_int_equal(symlink("/nowhere/at/all", link), 0);
	sleep(SETTLED_S);
	assert_int_equal(kept(&finds, place), 0);
}

static void test_relative_directory(void **state)
{
	struct place *place = &places[RELATIVE];
	struct bh_finds finds;

	(void)state;
	place->third = (size_t)snprintf(place->path, sizeof(place->path), "first:");
	snprintf(place->path + place->third, sizeof(place->path) - place->third, "%s/third",
		 place->dir);
	assert_int_equal(kept(&finds, place), 0);
}

static void test_recent_change(void **state)
{
	const struct place *place = &places[RECENT];
	struct bh_finds finds;

	(void)state;
	make_program(place, "first/another");
	assert_int_equal(kept(&finds, place), 0);
}

static void test_too_much(void **state)
{
	char path[600] = "", name[200];
	struct bh_finds finds = { .exe.known = false };
	size_t n = 0;

	(void)state;
	for (int i = 0; i <= BH_FINDS_DIRS; i++)
		n += (size_t)snprintf(path + n, sizeof(path) - n, "/etc:");
	bh_finds_keep_skip(&finds, path, "no such program", n);
	assert_int_equal(bh_finds_skip(&finds, path, "no such program"), 0);
	memset(path, '/', sizeof(path) - 1);
	path[4] = ':';
	path[sizeof(path) - 1] = '\0';
	bh_finds_keep_skip(&finds, path, "no such program", 5);
	assert_int_equal(bh_finds_skip(&finds, path, "no such program"), 0);
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	bh_finds_keep_skip(&finds, "/etc:/bin", name, 5);
	assert_int_equal(bh_finds_skip(&finds, "/etc:/bin", name), 0);
}

static void test_home(void **state)
{
	struct bh_finds finds = { .home.known = false };
	char home[256], small[2], from_file[256];

	(void)state;
	assert_false(bh_finds_home(&finds, 0, home, sizeof(home)));
	assert_false(bh_finds_home(NULL, 0, home, sizeof(home)));
	bh_finds_look_home(&finds);
	assert_true(bh_passwd_home(0, from_file, sizeof(from_file)));
	bh_finds_keep_home(&finds, 0, from_file);
	assert_true(bh_finds_home(&finds, 0, home, sizeof(home)));
	assert_string_equal(home, from_file);
	assert_false(bh_finds_home(&finds, 1, home, sizeof(home)));
	assert_false(bh_finds_home(&finds, 0, small, sizeof(small)));
	finds.home.passwd.changed_nsec ^= 1;
	assert_false(bh_finds_home(&finds, 0, home, sizeof(home)));
}

/* What is kept is worth nothing where mounts cannot be told apart, and then nothing is kept. */
static bool tells_mounts_apart(void)
{
	struct statx st;

	return statx(AT_FDCWD, "/", 0, STATX_MNT_ID_UNIQUE, &st) == 0 &&
	       (st.stx_mask & STATX_MNT_ID_UNIQUE);
}

/* Memory that was tampered with leads to another look, not beyond its bounds. */
static void test_nonsense(void **state)
{
	const struct place *place = &places[SAME];
	struct bh_finds finds, good;

	(void)state;
	assert_int_equal(kept(&good, place), place->third);
	for (size_t i = 0; i < 5; i++) {
		finds = good;
		if (i == 0)
			finds.exe.offset = SIZE_MAX;
		else if (i == 1)
			finds.exe.offset = strlen(place->path) + 1;
		else if (i == 2)
			finds.exe.n_dirs = BH_FINDS_DIRS + 1;
		else if (i == 3)
			finds.exe.dirs[1].len = SIZE_MAX;
		else
			finds.exe.n_dirs--;
		assert_int_equal(bh_finds_skip(&finds, place->path, "program"), 0);
	}
	finds = good;
	memset(finds.exe.path, 'x', sizeof(finds.exe.path));
	memset(finds.exe.name, 'x', sizeof(finds.exe.name));
	assert_int_equal(bh_finds_skip(&finds, place->path, "program"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_changed),
		cmocka_unit_test(test_nonsense),
		cmocka_unit_test(test_program_appears),
		cmocka_unit_test(test_directory_appears),
		cmocka_unit_test(test_directory_is_another),
		cmocka_unit_test(test_link_to_nowhere),
		cmocka_unit_test(test_relative_directory),
		cmocka_unit_test(test_recent_change),
		cmocka_unit_test(test_too_much),
		cmocka_unit_test(test_home),
	};

	if (!tells_mounts_apart()) {
		puts("this kernel cannot tell mounts apart: nothing is kept");
		return 77;
	}
	return cmocka_run_group_tests(tests, make_places, remove_places);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <linux/nsfs.h>

#include "base/path.h"
#include "linux/userns.h"

#define MAPS(...)                                                                           \
	{                                                                                   \
		.v = (struct bh_id_map[]){ __VA_ARGS__ },                                   \
		.n = sizeof((struct bh_id_map[]){ __VA_ARGS__ }) / sizeof(struct bh_id_map) \
	}

#define ORDINARY 1000 /* an id without any right */

/* A child in a new user namespace that waits to be killed; made by @uid. Return: its pid */
static pid_t start_waiting(void)
{
	int pipes[2];
	pid_t pid;
	char byte;

	if (pipe2(pipes, O_CLOEXEC) < 0)
		_exit(90);
	pid = fork();
	if (pid == 0) {
		if (unshare(CLONE_NEWUSER) < 0)
			_exit(91);
		close(pipes[0]);
		if (write(pipes[1], "", 1) != 1)
			_exit(92);
		for (;;)
			pause();
	}
	close(pipes[1]);
	if (read(pipes[0], &byte, 1) != 1)
		pid = -1;
	close(pipes[0]);
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* /proc/PID/NAME with its runs of spaces made one */
static void read_map(pid_t pid, const char *name, char *buf, size_t size)
{
	bh_auto_free char *text = NULL;
	struct bh_err err = BH_ERR_INIT;
	char path[64];
	size_t n = 0;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	if (bh_path_read(AT_FDCWD, path, BH_PATH_HOST, 65536, &text, NULL, &err) < 0)
		_exit(93);
	for (const char *p = text; *p && n + 1 < size; p++) {
		if (*p != ' ')
			buf[n++] = *p;
		else if (n > 0 && buf[n - 1] != ' ' && buf[n - 1] != '\n')
			buf[n++] = ' ';
	}
	buf[n] = '\0';
}

static void root_writes_maps_of_many_lines(void **state)
{
	const bh_id_map_list uids = MAPS({ 0, 100000, 1000 }, { 1000, 5, 1 }, { 1001, 200000, 10 });
	const bh_id_map_list gids = MAPS({ 0, 100000, 65536 });
	struct bh_err err = BH_ERR_INIT;
	char text[512];
	pid_t pid;
	int r;

	(void)state;
	if (geteuid() != 0) {
		print_message("skipped: needs root\n");
		return;
	}
	pid = start_waiting();
	assert_true(pid > 0);
	r = bh_userns_write_maps(pid, &uids, &gids, &err);
	read_map(pid, "uid_map", text, sizeof(text));
	assert_int_equal(r, 0);
	assert_string_equal(text, "0 100000 1000\n1000 5 1\n1001 200000 10\n");
	read_map(pid, "gid_map", text, sizeof(text));
	assert_string_equal(text, "0 100000 65536\n");
	/* Only once. */
	assert_int_equal(bh_userns_write_maps(pid, &uids, &gids, &err), -EPERM);
	assert_non_null(strstr(err.text, "uid_map"));
	end(pid);
}

/* Becomes the ordinary user and runs @act. Return: its exit status */
static int as_ordinary_user(int (*act)(void))
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		if (setgroups(0, NULL) < 0 || setresgid(ORDINARY, ORDINARY, ORDINARY) < 0 ||
		    setresuid(ORDINARY, ORDINARY, ORDINARY) < 0)
			_exit(94);
		_exit(act());
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int act_own_ids(void)
{
	const bh_id_map_list uids = MAPS({ 0, ORDINARY, 1 }), gids = MAPS({ 0, ORDINARY, 1 });
	struct bh_err err = BH_ERR_INIT;
	char uid_map[64], gid_map[64], setgroups_text[16];
	pid_t pid = start_waiting();
	int r;

	if (pid < 0)
		return 77;
	r = bh_userns_write_maps(pid, &uids, &gids, &err);
	read_map(pid, "uid_map", uid_map, sizeof(uid_map));
	read_map(pid, "gid_map", gid_map, sizeof(gid_map));
	read_map(pid, "setgroups", setgroups_text, sizeof(setgroups_text));
	end(pid);
	return !(r == 0 && strcmp(uid_map, "0 1000 1\n") == 0 &&
		 strcmp(gid_map, "0 1000 1\n") == 0 && strcmp(setgroups_text, "deny\n") == 0);
}

/* No /etc/subuid gives this range to anyone: refused, with the words of who refused it. */
static int act_foreign_ids(void)
{
	const bh_id_map_list uids = MAPS({ 0, 3000000000, 65536 });
	struct bh_err err = BH_ERR_INIT;
	pid_t pid = start_waiting();
	int r;

	if (pid < 0)
		return 77;
	r = bh_userns_write_maps(pid, &uids, &uids, &err);
	end(pid);
	if (r != -EPERM || !strstr(err.text, "write uid_map: "))
		return 1;
	if (access("/usr/bin/newuidmap", X_OK) < 0)
		return !strstr(err.text, "newuidmap is not installed");
	return !strstr(err.text, "/usr/bin/newuidmap failed: ") ||
	       strstr(err.text, "it says nothing");
}

static void an_ordinary_user_maps_the_own_ids_alone(void **state)
{
	int status;

	(void)state;
	if (geteuid() != 0) {
		print_message("skipped: needs root to become another user\n");
		return;
	}
	status = as_ordinary_user(act_own_ids);
	if (status == 77) {
		print_message("skipped: no user namespaces for ordinary users here\n");
		return;
	}
	assert_int_equal(status, 0);
	assert_int_equal(as_ordinary_user(act_foreign_ids), 0);
}

static size_t count_children(void)
{
	bh_auto_free char *text = NULL;
	struct bh_err err = BH_ERR_INIT;
	size_t n = 0;

	assert_int_equal(bh_path_read(AT_FDCWD, "/proc/thread-self/children", BH_PATH_HOST, 4096,
				      &text, NULL, &err),
			 0);
	for (const char *p = text; *p; p++)
		n += *p == ' ';
	return n;
}

static void a_namespace_is_opened_for_its_maps(void **state)
{
	const bh_id_map_list uids = MAPS({ 0, 100000, 1000 }), gids = MAPS({ 0, 200000, 1000 });
	struct bh_err err = BH_ERR_INIT;
	struct stat own, other;
	size_t children;
	int fd;

	(void)state;
	if (geteuid() != 0) {
		print_message("skipped: needs root\n");
		return;
	}
	children = count_children();
	fd = bh_userns_open(&uids, &gids, &err);
	assert_true(fd >= 0);
	assert_int_equal(ioctl(fd, NS_GET_NSTYPE), CLONE_NEWUSER);
	assert_int_equal(fstat(fd, &other), 0);
	assert_int_equal(stat("/proc/self/ns/user", &own), 0);
	assert_int_not_equal(own.st_ino, other.st_ino);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	close(fd);
	assert_int_equal(count_children(), children);
}

static void a_map_that_is_refused_leaves_no_child(void **state)
{
	const bh_id_map_list good = MAPS({ 0, 100000, 1000 });
	const bh_id_map_list twice = MAPS({ 0, 100000, 1000 }, { 500, 100000, 10 });
	struct bh_err err = BH_ERR_INIT;
	size_t children;

	(void)state;
	if (geteuid() != 0) {
		print_message("skipped: needs root\n");
		return;
	}
	children = count_children();
	assert_int_equal(bh_userns_open(&good, &twice, &err), -EINVAL);
	assert_non_null(strstr(err.text, "write gid_map"));
	assert_int_equal(count_children(), children);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(root_writes_maps_of_many_lines),
		cmocka_unit_test(an_ordinary_user_maps_the_own_ids_alone),
		cmocka_unit_test(a_namespace_is_opened_for_its_maps),
		cmocka_unit_test(a_map_that_is_refused_leaves_no_child),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shared directory with a real daemon, in a mount namespace of the test's own. The test is a
 * vhost-user client as far as saying nothing goes: what a guest sees is for tests/kata.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/path.h"
#include "linux/proc.h"
#include "pod/vm/share_daemon.h"

#define ROOT   "/tmp/bulkhead-test-share"
#define DIR_   ROOT "/shared"
#define SOURCE ROOT "/source"

struct bench {
	struct bh_loop loop;
	struct bh_share *share;
	struct bh_err err;
	int dead;
	char why[1400];
};

static bool has(const char *const *argv, const char *word)
{
	for (; *argv; argv++)
		if (strstr(*argv, word))
			return true;
	return false;
}

/* What every daemon must be told, in whatever words. */
static void test_argv(void **state)
{
	size_t n;
	const struct bh_share_daemon *d = bh_share_daemons(&n);

	(void)state;
	assert_true(n >= 2);
	for (size_t i = 0; i < n; i++, d++) {
		bool c = !strcmp(d->path, "/usr/lib/qemu/virtiofsd");

		assert_true(has(d->argv, "--fd=3"));
		assert_true(has(d->argv, "--rlimit-nofile=0"));
		assert_true(has(d->argv, "sandbox=namespace"));
		assert_true(has(d->argv, c ? "cache=always,timeout=1" : "--cache=auto"));
		assert_true(has(d->argv, "xattr"));
		assert_true(has(d->argv, c ? "announce_submounts" : "--announce-submounts"));
		assert_true(has(d->argv, c ? "allow_direct_io" : "--allow-direct-io"));
		assert_true(has(d->argv, c ? "source=/share" : "--shared-dir=/share"));
		assert_int_equal(has(d->argv, "--inode-file-handles=never"), !c);
		assert_string_equal(d->argv[d->cache_at], d->caches[BH_SHARE_CACHE_AUTO]);
		assert_string_equal(d->caches[BH_SHARE_CACHE_ALWAYS],
				    c ? "-ocache=always" : "--cache=always");
		assert_string_equal(d->caches[BH_SHARE_CACHE_NEVER],
				    c ? "-ocache=none" : "--cache=never");
		/* Nothing that reaches beyond files, but for what its own sandbox takes. */
		assert_int_equal(d->caps & (1ULL << CAP_SYS_PTRACE | 1ULL << CAP_NET_ADMIN |
					    1ULL << CAP_SYS_MODULE | 1ULL << CAP_SYS_RAWIO |
					    1ULL << CAP_DAC_READ_SEARCH),
				 0);
	}
}

static void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static void on_dead(void *arg, const struct bh_err *why)
{
	struct bench *b = arg;

	b->dead++;
	bh_err_format(why, b->why, sizeof(b->why));
	bh_loop_stop(&b->loop);
}

static int setup(void **state)
{
	static struct bench b;
	struct bh_share_config config = { .dir = DIR_ };

	if (geteuid() || bh_share_ready(NULL) < 0)
		return 0;
	b = (struct bench){ .loop = BH_LOOP_INIT };
	mkdir(ROOT, 0700);
	/* A host that shares its mounts, and a namespace that hears of them. */
	if (mount("none", ROOT, "tmpfs", 0, NULL) || mount(NULL, ROOT, NULL, MS_SHARED, NULL))
		return -1;
	mkdir(DIR_, 0700);
	mkdir(SOURCE, 0755);
	mkdir(SOURCE "/later", 0755);
	write_text(SOURCE "/file", "hello");
	if (bh_loop_init(&b.loop, &b.err) ||
	    bh_share_start(&b.loop, &config, on_dead, &b, &b.share, &b.err)) {
		char text[1400];

		print_error("%s\n", bh_err_format(&b.err, text, sizeof(text)));
		return -1;
	}
	*state = &b;
	return 0;
}

static int teardown(void **state)
{
	struct bench *b = *state;

	if (!b)
		return 0;
	bh_share_free(b->share);
	bh_loop_deinit(&b->loop);
	umount2(ROOT, MNT_DETACH);
	rmdir(ROOT);
	return 0;
}

#define NEEDS(b)                \
	do {                    \
		if (!(b)) {     \
			skip(); \
			return; \
		}               \
	} while (0)

static int add(struct bench *b, const char *name, const char *path, bool readonly)
{
	bh_auto_close int fd = open(path, O_PATH | O_CLOEXEC);
	struct bh_share_entry entry = {
		.name = name, .source_fd = fd, .readonly = readonly, .recursive = true
	};

	assert_true(fd >= 0);
	return bh_share_add(b->share, &entry, &b->err);
}

/* The daemon's jail, by the process that serves: its child appears once it is set up. */
static pid_t server(struct bench *b)
{
	bh_auto_free char *status = NULL;
	char path[64];
	pid_t pid = 0;

	for (int i = 0; i < 500; i++, usleep(10000)) {
		pid = bh_share_pid(b->share);
		snprintf(path, sizeof(path), "/proc/%d/status", pid);
		free(bh_take(&status));
		assert_int_equal(
			bh_path_read(AT_FDCWD, path, BH_PATH_HOST, 65536, &status, NULL, NULL), 0);
		/* Its own seccomp filter is the last thing. */
		if (strstr(status, "Seccomp:\t2"))
			return pid;
	}
	fail_msg("no filter: %s", status);
	return 0;
}

static void test_jail(void **state)
{
	struct bench *b = *state;
	bh_auto_free char *status = NULL, *mounts = NULL;
	char path[64];
	pid_t pid;

	NEEDS(b);
	pid = server(b);
	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	assert_int_equal(bh_path_read(AT_FDCWD, path, BH_PATH_HOST, 65536, &status, NULL, NULL), 0);
	assert_non_null(strstr(status, "NoNewPrivs:\t1"));
	assert_null(strstr(status, "CapEff:\t00000000002")); /* no CAP_SYS_ADMIN (bit 21) */
	assert_non_null(strstr(status, "CapEff:\t00000000880000db"));
	assert_non_null(strstr(status, "CapPrm:\t00000000880000db"));
	snprintf(path, sizeof(path), "/proc/%d/mountinfo", pid);
	assert_int_equal(bh_path_read(AT_FDCWD, path, BH_PATH_HOST, 65536, &mounts, NULL, NULL), 0);
	/* One mount: the shared directory. */
	assert_non_null(strstr(mounts, " / / ro,"));
	assert_ptr_equal(strchr(mounts, '\n'), mounts + strlen(mounts) - 1);
	snprintf(path, sizeof(path), "/proc/%d/fd", bh_share_pid(b->share));
	for (int fd = 4; fd < 64; fd++) {
		char name[96], target[128] = "";

		snprintf(name, sizeof(name), "%s/%d", path, fd);
		if (readlink(name, target, sizeof(target) - 1) > 0 && strstr(target, "/tmp/"))
			fail_msg("descriptor %d is %s", fd, target);
	}
}

/* As the daemon sees it. */
static int in_jail(struct bench *b, const char *name, struct stat *st)
{
	char path[256];

	snprintf(path, sizeof(path), "/proc/%d/root/%s", bh_share_pid(b->share), name);
	return stat(path, st) < 0 ? -errno : 0;
}

static int write_in_jail(struct bench *b, const char *name)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/root/%s", bh_share_pid(b->share), name);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	return fd < 0 ? -errno : close(fd);
}

static void test_add_and_remove(void **state)
{
	struct bench *b = *state;
	struct stat st;

	NEEDS(b);
	server(b);
	assert_int_equal(add(b, "web/rootfs", SOURCE, false), 0);
	assert_int_equal(add(b, "web/ro", SOURCE, true), 0);
	assert_int_equal(add(b, "web/files/hosts", SOURCE "/file", false), 0);
	assert_int_equal(in_jail(b, "web/rootfs/file", &st), 0);
	assert_int_equal(in_jail(b, "web/files/hosts", &st), 0);
	assert_int_equal(st.st_size, 5);
	assert_int_equal(write_in_jail(b, "web/rootfs/new"), 0);
	assert_int_equal(write_in_jail(b, "web/ro/new"), -EROFS);
	/* The directory itself is not to be written to. */
	assert_int_equal(write_in_jail(b, "new"), -EROFS);
	assert_int_equal(write_in_jail(b, "web/new"), -EROFS);
	/* A mount that the host makes later, and its end. */
	assert_int_equal(mount("late", SOURCE "/later", "tmpfs", 0, NULL), 0);
	write_text(SOURCE "/later/seen", "x");
	assert_int_equal(in_jail(b, "web/rootfs/later/seen", &st), 0);
	assert_int_equal(umount(SOURCE "/later"), 0);
	assert_int_equal(in_jail(b, "web/rootfs/later/seen", &st), -ENOENT);

	assert_int_equal(bh_share_remove(b->share, "web", &b->err), 0);
	assert_int_equal(in_jail(b, "web", &st), -ENOENT);
	assert_int_equal(bh_share_remove(b->share, "web", &b->err), 0);
	assert_int_equal(add(b, "web/rootfs", SOURCE, false), 0);
	assert_int_equal(stat(SOURCE "/file", &st), 0);
}

static void test_names(void **state)
{
	static const char *const bad[] = {
		"", "/", "/abs", "a/", "a//b", ".", "..", "a/../b", "a/.", "../x",
	};
	struct bench *b = *state;

	NEEDS(b);
	for (size_t i = 0; i < BH_ARRAY_SIZE(bad); i++)
		if (add(b, bad[i], SOURCE, false) != -EINVAL)
			fail_msg("'%s' is taken", bad[i]);
	assert_int_equal(add(b, "...", SOURCE, false), 0);
	assert_int_equal(add(b, "a", SOURCE, false), 0);
	assert_int_equal(add(b, "a", SOURCE, false), -EEXIST);
	assert_int_equal(add(b, "a/later", SOURCE, false), -EEXIST);
	assert_int_equal(add(b, "ab", SOURCE, false), 0);
}

static void test_sources(void **state)
{
	struct bench *b = *state;

	NEEDS(b);
	assert_int_equal(mkfifo(SOURCE "/fifo", 0600), 0);
	assert_int_equal(add(b, "fifo", SOURCE "/fifo", false), -EINVAL);
	assert_non_null(strstr(b->err.text, "neither a directory nor a file"));
	/* Nothing of it is left. */
	assert_int_equal(add(b, "fifo", SOURCE, false), 0);
}

static void test_death(void **state)
{
	struct bench *b = *state;
	bh_auto_free pid_t *pids = NULL;
	struct bh_proc serving;
	size_t n;

	NEEDS(b);
	assert_int_equal(bh_proc_identify(server(b), &serving, &b->err), 0);
	assert_int_equal(bh_proc_descendants(getpid(), &pids, &n, NULL), 0);
	assert_true(n >= 2);
	kill(pids[1], SIGKILL); /* our child, first of the pid namespace */
	assert_int_equal(bh_loop_run(&b->loop, &b->err), 0);
	assert_int_equal(b->dead, 1);
	assert_non_null(strstr(b->why, "virtiofsd was ended by signal 9"));
	assert_false(bh_proc_alive(&serving));
	assert_int_equal(bh_share_pid(b->share), 0);
}

/* The VMM's end closes: the daemon ends by itself, which is told with what it said. */
static void test_vmm_gone(void **state)
{
	struct bench *b = *state;

	NEEDS(b);
	server(b);
	assert_int_equal(shutdown(bh_share_fd(b->share), 2), 0);
	assert_int_equal(bh_loop_run(&b->loop, &b->err), 0);
	assert_int_equal(b->dead, 1);
	assert_non_null(strstr(b->why, "virtiofsd ended with status"));
}

static void test_no_cgroup(void **state)
{
	struct bench *b = *state;
	struct bh_share *other = NULL;
	int fd;
	struct bh_share_config config = { .dir = SOURCE "/later",
					  .cgroup_fds = &fd,
					  .n_cgroup_fds = 1 };

	NEEDS(b);
	fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
	assert_int_equal(bh_share_start(&b->loop, &config, NULL, NULL, &other, &b->err), -ENOSPC);
	assert_non_null(strstr(b->err.text, "jail of virtiofsd: enter the pod's cgroup"));
	close(fd);
	/* Nothing is mounted any more. */
	assert_int_equal(rmdir(SOURCE "/later"), 0);
}

int main(void)
{
#define WITH_SHARE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_argv),     WITH_SHARE(test_jail),
		WITH_SHARE(test_add_and_remove), WITH_SHARE(test_names),
		WITH_SHARE(test_sources),        WITH_SHARE(test_death),
		WITH_SHARE(test_vmm_gone),       WITH_SHARE(test_no_cgroup),
	};

	if (!geteuid() && (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL)))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

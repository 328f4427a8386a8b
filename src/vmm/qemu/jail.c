/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sources: pivot_root(2) (which moves every process whose root was the old one, and so can empty
 * the root of a process that runs), capabilities(7), pid_namespaces(7)
 */
#include "vmm/qemu/jail.h"

#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "base/log.h"
#include "base/path.h"
#include "base/sys.h"
#include "linux/caps.h"
#include "linux/jail.h"
#include "linux/mount.h"
#include "loop/fiber.h"

#define FD_FIRST   3
#define NOFILE     1024
#define ROOT_BYTES 65536 /* of the root without what is copied into it */
#define KVM_MAJOR  10
#define KVM_MINOR  232

/* ---- the root -------------------------------------------------------------------------------- */

static int make_kvm(int root, uid_t uid, struct bh_err *err)
{
	mode_t old = umask(0);
	int r = mkdirat(root, "dev", 0755);

	if (r == 0)
		r = mknodat(root, "dev/kvm", S_IFCHR | 0600, makedev(KVM_MAJOR, KVM_MINOR));
	if (r == 0)
		r = fchownat(root, "dev/kvm", uid, uid, AT_SYMLINK_NOFOLLOW);
	r = r < 0 ? bh_err_set(err, -errno, "make /dev/kvm") : 0;
	umask(old);
	return r;
}

static int copy_file(const struct bh_jail_file *file, int root, struct bh_err *err)
{
	bh_auto_close int to = -EBADF, from = open(file->host, O_RDONLY | O_CLOEXEC);
	int r;

	if (from < 0)
		return bh_err_set(err, -errno, "open '%s'", file->host);
	to = openat(root, file->name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0444);
	if (to < 0)
		return bh_err_set(err, -errno, "make '%s'", file->name);
	r = bh_fd_copy(to, from);
	return r < 0 ? bh_err_set(err, r, "copy '%s'", file->host) : 0;
}

static int fill_root(const struct bh_jail *jail, int root, struct bh_err *err)
{
	if (bh_jail_show_programs(root, err) < 0)
		return err->code;
	for (size_t i = 0; i < jail->n_files; i++) {
		const struct bh_jail_file *file = &jail->files[i];
		int r = file->copy ? copy_file(file, root, err)
				   : bh_jail_show(root, file->host, file->name, err);

		if (r < 0)
			return r;
	}
	return jail->kvm ? make_kvm(root, jail->uid, err) : 0;
}

/* Bytes of the files that are copied into the root. */
static uint64_t copied_bytes(const struct bh_jail *jail)
{
	uint64_t sum = 0;
	struct stat st;

	for (size_t i = 0; i < jail->n_files; i++)
		if (jail->files[i].copy && stat(jail->files[i].host, &st) == 0)
			sum += (uint64_t)st.st_size;
	return sum;
}

static int enter_root(const struct bh_jail *jail, struct bh_err *err)
{
	char data[64];
	const struct bh_mount_fs fs = {
		.type = "tmpfs",
		.source = "vmm",
		.data = data,
		.flags = MS_NOSUID | MS_NOEXEC,
	};
	const struct bh_mount_change seal = { .set = MOUNT_ATTR_RDONLY };
	bh_auto_close int root = -EBADF;

	snprintf(data, sizeof(data), "mode=755,nr_inodes=32,size=%" PRIu64,
		 copied_bytes(jail) + ROOT_BYTES);
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return bh_err_set(err, -errno, "make the mounts private");
	root = bh_mount_new(&fs, err);
	/* Attached first: nothing can be mounted on what is detached. */
	if (root < 0 || bh_mount_attach(root, AT_FDCWD, "/", err) < 0 ||
	    fill_root(jail, root, err) < 0 || bh_mount_change(root, &seal, err) < 0)
		return err->code;
	return bh_jail_become_root(root, err);
}

/* ---- the process ----------------------------------------------------------------------------- */

/* Move all descriptors where they are to be, and close the others. They are copied out of the way
 * first, so that none is overwritten before its turn; @trouble is moved along. */
static int place_fds(const struct bh_jail *jail, int *trouble, struct bh_err *err)
{
	int after = FD_FIRST + (int)jail->n_fds;
	int copies[64];

	if (jail->n_fds > BH_ARRAY_SIZE(copies))
		return bh_err_as(err, BH_ERR_BUG, -E2BIG, "too many descriptors for the monitor");
	for (size_t i = 0; i < jail->n_fds; i++) {
		copies[i] = fcntl(jail->fds[i], F_DUPFD_CLOEXEC, after + 1);
		if (copies[i] < 0)
			return bh_err_set(err, -errno, "copy descriptor %d", jail->fds[i]);
	}
	*trouble = fcntl(*trouble, F_DUPFD_CLOEXEC, after + 1);
	if (*trouble < 0 || dup2(jail->stderr_fd, STDERR_FILENO) < 0 ||
	    dup2(jail->stderr_fd, STDOUT_FILENO) < 0)
		return bh_err_set(err, -errno, "dup2");
	for (size_t i = 0; i < jail->n_fds; i++)
		if (dup2(copies[i], FD_FIRST + (int)i) < 0)
			return bh_err_set(err, -errno, "dup2");
	if (dup3(*trouble, after, O_CLOEXEC) < 0 || close_range((unsigned)after + 1, ~0U, 0) < 0)
		return bh_err_set(err, -errno, "close descriptors");
	*trouble = after;
	return 0;
}

static int open_stdin(struct bh_err *err)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || dup2(fd, STDIN_FILENO) < 0)
		return bh_err_set(err, -errno, "open /dev/null");
	return 0;
}

static int enter_cgroups(const struct bh_jail *jail, struct bh_err *err)
{
	for (size_t i = 0; i < jail->n_cgroup_fds; i++)
		if (write(jail->cgroup_fds[i], "0", 1) < 0)
			return bh_err_set(err, -errno, "enter cgroup %zu of %zu", i + 1,
					  jail->n_cgroup_fds);
	return 0;
}

static int set_limits(const struct bh_jail *jail, struct bh_err *err)
{
	const struct rlimit nofile = { NOFILE, NOFILE }, core = { 0, 0 };

	if (jail->no_huge_pages && prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) < 0)
		return bh_err_set(err, -errno, "turn off huge pages");
	if (setrlimit(RLIMIT_CORE, &core) < 0)
		return bh_err_set(err, -errno, "set RLIMIT_CORE");
	return setrlimit(RLIMIT_NOFILE, &nofile) < 0 ? bh_err_set(err, -errno, "set RLIMIT_NOFILE")
						     : 0;
}

static int drop_privileges(uid_t uid, struct bh_err *err)
{
	static const struct bh_caps none = { .set = true };

	if (bh_caps_bound(&none, err) < 0)
		return err->code;
	if (setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0)
		return bh_err_set(err, -errno, "become user %u", (unsigned)uid);
	if (bh_caps_apply(&none, err) < 0)
		return err->code;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0
		       ? bh_err_set(err, -errno, "set no_new_privs")
		       : 0;
}

static void reset_signals(void)
{
	sigset_t none;

	sigemptyset(&none);
	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static int confine(const struct bh_jail *jail, int *trouble, struct bh_err *err)
{
	reset_signals();
	setsid(); /* away from the terminal's signals */
	if (enter_cgroups(jail, err) < 0 || open_stdin(err) < 0)
		return err->code;
	if (jail->netns_fd >= 0 && setns(jail->netns_fd, CLONE_NEWNET) < 0)
		return bh_err_set(err, -errno, "enter the network namespace");
	if (sethostname("vmm", strlen("vmm")) < 0)
		return bh_err_set(err, -errno, "set the host name");
	if (enter_root(jail, err) < 0)
		return bh_err_ctx(err, "root of the monitor");
	if (place_fds(jail, trouble, err) < 0 || set_limits(jail, err) < 0 ||
	    drop_privileges(jail->uid, err) < 0)
		return err->code;
	return bh_jail_die_with_parent(*trouble, err);
}

static _Noreturn void tell_and_exit(int trouble, const struct bh_err *err)
{
	/* One write below PIPE_BUF: all of it or nothing. */
	if (write(trouble, err, sizeof(*err)) < 0)
		_exit(2);
	_exit(1);
}

static _Noreturn void run(const struct bh_jail *jail, int trouble)
{
	static char *const env[] = { (char *)"LC_ALL=C", NULL };
	struct bh_err err = BH_ERR_INIT;

	bh_log_end();
	if (confine(jail, &trouble, &err) == 0) {
		execve(jail->argv[0], (char *const *)jail->argv, env);
		bh_err_set(&err, -errno, "execute '%s'", jail->argv[0]);
	}
	tell_and_exit(trouble, &err);
}

int bh_jail_start(const struct bh_jail *jail, struct bh_jail_process *ret, struct bh_err *err)
{
	unsigned long flags = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS |
			      (jail->netns_fd < 0 ? CLONE_NEWNET : 0);
	int trouble[2];

	_Static_assert(sizeof(struct bh_err) <= 4096, "written to a pipe at once");
	if (pipe2(trouble, O_CLOEXEC | O_NONBLOCK) < 0)
		return bh_err_set(err, -errno, "pipe");
	ret->pidfd = -EBADF;
	ret->pid = bh_sys_fork_into(flags, &ret->pidfd);
	if (ret->pid == 0) {
		close(trouble[0]);
		run(jail, trouble[1]);
	}
	bh_close(trouble[1]);
	ret->trouble_fd = trouble[0];
	if (ret->pid > 0)
		return 0;
	bh_err_set(err, -errno, "clone");
	ret->trouble_fd = bh_close(ret->trouble_fd);
	return err->code;
}

bool bh_jail_trouble(int trouble_fd, struct bh_err *ret)
{
	return read(trouble_fd, ret, sizeof(*ret)) == sizeof(*ret);
}

/* ---- emptying -------------------------------------------------------------------------------- */

static int give_back(const char *spent, struct bh_err *err)
{
	const struct bh_mount_change unseal = { .clear = MOUNT_ATTR_RDONLY };
	bh_auto_close int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (root < 0)
		return bh_err_set(err, -errno, "open the root");
	if (bh_mount_change(root, &unseal, err) < 0)
		return err->code;
	return truncate(spent, 0) < 0 ? bh_err_set(err, -errno, "truncate '%s'", spent) : 0;
}

static int empty(int pidfd, const char *spent, struct bh_err *err)
{
	const struct bh_mount_fs fs = {
		.type = "tmpfs",
		.source = "empty",
		.data = "mode=555,size=4k,nr_inodes=1",
		.flags = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
	};
	bh_auto_close int root = -EBADF;

	if (setns(pidfd, CLONE_NEWNS) < 0)
		return bh_err_set(err, -errno, "enter the monitor's mounts");
	if (give_back(spent, err) < 0)
		return err->code;
	root = bh_mount_new(&fs, err);
	if (root < 0 || bh_mount_attach(root, AT_FDCWD, "/", err) < 0)
		return err->code;
	return bh_jail_become_root(root, err);
}

/* Wait for the helper's end. Return: 0 when it was well */
static int wait_for(struct bh_loop *loop, int helper_fd, struct bh_err *err)
{
	siginfo_t info = { .si_status = -1 };
	int r = bh_fiber_ready(loop, helper_fd, EPOLLIN, 0, "helper", err);

	if (r < 0)
		pidfd_send_signal(helper_fd, SIGKILL, NULL, 0);
	if (waitid(P_PIDFD, (id_t)helper_fd, &info, WEXITED) < 0 && errno != ECHILD && r == 0)
		r = bh_err_set(err, -errno, "wait for a helper");
	return r;
}

int bh_jail_empty(struct bh_loop *loop, int pidfd, const char *spent, struct bh_err *err)
{
	bh_auto_close int told = -EBADF, helper_fd = -EBADF;
	struct bh_err trouble = BH_ERR_INIT;
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return bh_err_set(err, -errno, "pipe");
	told = ends[0];
	pid = bh_sys_fork(&helper_fd);
	if (pid == 0) {
		bh_log_end();
		/* The text tells how it went, also when it went well. */
		empty(pidfd, spent, &trouble);
		tell_and_exit(ends[1], &trouble);
	}
	bh_close(ends[1]);
	if (pid < 0)
		return bh_err_set(err, -errno, "clone");
	if (wait_for(loop, helper_fd, err) < 0)
		return err->code;
	if (!bh_jail_trouble(told, &trouble))
		return bh_err_as(err, BH_ERR_BUG, -ECHILD, "the helper was killed");
	if (trouble.code < 0)
		*err = trouble;
	return trouble.code;
}

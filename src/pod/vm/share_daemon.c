/* SPDX-License-Identifier: Apache-2.0 */
#include "pod/vm/share_daemon.h"

#include <assert.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/path.h"
#include "base/sys.h"
#include "linux/caps.h"
#include "linux/jail.h"
#include "linux/mount.h"

#define CAP(name) (UINT64_C(1) << CAP_##name)
/* What acting for every owner of files takes. */
#define CAPS_FILES                                                                                \
	(CAP(CHOWN) | CAP(DAC_OVERRIDE) | CAP(FOWNER) | CAP(FSETID) | CAP(SETGID) | CAP(SETUID) | \
	 CAP(MKNOD) | CAP(SETFCAP))
/* Until it has made the directory its root; it gives these up itself. */
#define CAPS_SETUP (CAP(SYS_ADMIN) | CAP(SETPCAP))

/* As many descriptors as it may have: it holds one for each file that the guest remembers. A handle
 * instead would be stale where a name is replaced between its lookup and its open. */
#define NOFILE_MAX 1000000

/*
 * The guest asks again after a second what a name stands for, and drops the pages of a file that
 * has changed, so what the host changes is seen. "auto" alone would drop them at every open: each
 * execve(2) would fetch its program anew, which cost an exec in an emulated guest three quarters of
 * its time. Without any cache (none) there would be no shared mmap(2). Locks stay in the guest,
 * whose containers are all that share them: passed on, blocking ones would fail. No write-back
 * cache: the host sees what was written. No pool of threads: with one, Debian 12's daemon ends
 * under load. No file handles in place of descriptors: the right to open by handle reaches every
 * file of the file system that a shared directory lies on, and so out of the jail.
 */
#define CACHE_AT_RUST 1
static const char *const caches_rust[] = {
	[BH_SHARE_CACHE_AUTO] = "--cache=auto",
	[BH_SHARE_CACHE_ALWAYS] = "--cache=always",
	[BH_SHARE_CACHE_NEVER] = "--cache=never",
};
static const char *const argv_rust[] = {
	"virtiofsd",
	[CACHE_AT_RUST] = "--cache=auto",
	"--fd=3",
	"--shared-dir=" BH_SHARE_JAIL_DIR,
	"--sandbox=namespace",
	"--seccomp=kill",
	"--xattr",
	"--announce-submounts",
	"--inode-file-handles=never",
	"--allow-direct-io",
	"--thread-pool-size=0",
	"--rlimit-nofile=0",
	"--log-level=warn",
	NULL,
};
#define CACHE_AT_C 1
static const char *const caches_c[] = {
	[BH_SHARE_CACHE_AUTO] = "-ocache=always,timeout=1",
	[BH_SHARE_CACHE_ALWAYS] = "-ocache=always",
	[BH_SHARE_CACHE_NEVER] = "-ocache=none",
};
static const char *const argv_c[] = {
	"virtiofsd",
	[CACHE_AT_C] = "-ocache=always,timeout=1",
	"-f",
	"--fd=3",
	"--thread-pool-size=0",
	"--rlimit-nofile=0",
	"-o",
	"source=" BH_SHARE_JAIL_DIR ",sandbox=namespace,xattr,no_posix_lock,no_flock,no_writeback,"
	"announce_submounts,allow_direct_io,log_level=warn",
	NULL,
};
#define ARGS_MAX 24
/* What tells QEMU's own daemon from the one that came after it. */
#define C_DIRECTORY "/qemu/"
static const struct bh_share_daemon daemons[] = {
	{ "/usr/libexec/virtiofsd", argv_rust, CACHE_AT_RUST, caches_rust,
	  CAPS_FILES | CAPS_SETUP },
	{ "/usr/lib/virtiofsd", argv_rust, CACHE_AT_RUST, caches_rust, CAPS_FILES | CAPS_SETUP },
	{ "/usr/lib/qemu/virtiofsd", argv_c, CACHE_AT_C, caches_c, CAPS_FILES | CAPS_SETUP },
};
static_assert(BH_ARRAY_SIZE(argv_rust) <= ARGS_MAX && BH_ARRAY_SIZE(argv_c) <= ARGS_MAX,
	      "too many arguments");

const struct bh_share_daemon *bh_share_daemons(size_t *ret_n)
{
	*ret_n = BH_ARRAY_SIZE(daemons);
	return daemons;
}

static int find_given(const char *path, struct bh_share_daemon *ret, struct bh_err *err)
{
	if (access(path, X_OK) < 0)
		return bh_err_set(err, -errno, "virtiofsd '%s'", path);
	for (size_t i = 0; i < BH_ARRAY_SIZE(daemons); i++)
		if (!strstr(daemons[i].path, C_DIRECTORY) == !strstr(path, C_DIRECTORY))
			*ret = daemons[i];
	ret->path = path;
	return 0;
}

int bh_share_daemon_find(const char *path, struct bh_share_daemon *ret, struct bh_err *err)
{
	char names[256] = "";
	size_t len = 0;

	if (path)
		return find_given(path, ret, err);
	for (size_t i = 0; i < BH_ARRAY_SIZE(daemons); i++) {
		if (!access(daemons[i].path, X_OK)) {
			*ret = daemons[i];
			return 0;
		}
		len += (size_t)snprintf(names + len, sizeof(names) - len, "%s%s", i ? ", " : "",
					daemons[i].path);
	}
	return bh_err_as(err, BH_ERR_PEER, -ENOENT, "no virtiofsd: none of %s", names);
}

/* The daemon reads /proc/sys before it goes into its own sandbox. */
static int show_proc(int root, struct bh_err *err)
{
	static const struct bh_mount_fs proc = {
		.type = "proc",
		.source = "proc",
		.flags = MS_NOSUID | MS_NODEV | MS_NOEXEC,
	};
	bh_auto_close int tree = -EBADF;

	if (mkdirat(root, "proc", 0755) < 0)
		return bh_err_set(err, -errno, "make 'proc'");
	tree = bh_mount_new(&proc, err);
	return tree < 0 ? tree : bh_mount_attach(tree, root, "proc", err);
}

/* The new root: attached over the shared directory, of which a copy is in it. */
static int fill_root(int root, int share, struct bh_err *err)
{
	static const struct bh_mount_change ro = { .set = MOUNT_ATTR_RDONLY };
	int r = bh_jail_show_programs(root, err);

	r = r < 0 ? r : show_proc(root, err);
	if (r == 0 && mkdirat(root, BH_SHARE_JAIL_DIR + 1, 0755) < 0)
		r = bh_err_set(err, -errno, "make '" BH_SHARE_JAIL_DIR "'");
	r = r < 0 ? r : bh_mount_attach(share, root, BH_SHARE_JAIL_DIR + 1, err);
	return r < 0 ? r : bh_mount_change(root, &ro, err);
}

static int enter_root(const char *dir, struct bh_err *err)
{
	static const struct bh_mount_fs tmpfs = {
		.type = "tmpfs",
		.source = "tmpfs",
		.data = "mode=755,size=64k",
		.flags = MS_NOSUID | MS_NODEV,
	};
	bh_auto_close int share = -EBADF, root = -EBADF;
	int r;

	/* What is mounted in the shared directory later is to arrive; nothing goes back. */
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return bh_err_set(err, -errno, "make all mounts slaves");
	share = bh_mount_clone(AT_FDCWD, dir, AT_RECURSIVE, err);
	if (share < 0)
		return share;
	root = bh_mount_new(&tmpfs, err);
	if (root < 0)
		return root;
	r = bh_mount_attach(root, AT_FDCWD, dir, err);
	if (r < 0)
		return r;
	r = fill_root(root, share, err);
	if (r < 0)
		return r;
	return bh_jail_become_root(root, err);
}

/* Standard input is /dev/null, output and error the pipe, then the socket; all else is closed by
 * execve(2). */
static int place_descriptors(const struct bh_share_jail *jail, struct bh_err *err)
{
	bh_auto_close int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	/* Away from the numbers that are to be filled. */
	int socket = fcntl(jail->socket, F_DUPFD_CLOEXEC, 10);
	int out = fcntl(jail->stderr_fd, F_DUPFD_CLOEXEC, 10);
	int in = fcntl(null, F_DUPFD_CLOEXEC, 10);

	if (socket < 0 || out < 0 || in < 0)
		return bh_err_set(err, -errno, "open the standard descriptors");
	if (close_range(0, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
		return bh_err_set(err, -errno, "close_range");
	/* cloexec: these are what it is handed */
	if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0 ||
	    dup2(socket, BH_SHARE_JAIL_SOCKET) < 0)
		return bh_err_set(err, -errno, "dup2");
	return 0;
}

static int confine(const struct bh_share_jail *jail, struct bh_err *err)
{
	const struct bh_caps caps = { .set = true, .bounding = jail->daemon.caps };
	struct rlimit files = { NOFILE_MAX, NOFILE_MAX }, core = { 0, 0 };

	if (setrlimit(RLIMIT_NOFILE, &files) < 0) {
		/* Without CAP_SYS_RESOURCE: what may be had. */
		if (getrlimit(RLIMIT_NOFILE, &files) < 0)
			return bh_err_set(err, -errno, "getrlimit");
		files.rlim_cur = files.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &files) < 0)
			return bh_err_set(err, -errno, "setrlimit");
	}
	if (setrlimit(RLIMIT_CORE, &core) < 0)
		return bh_err_set(err, -errno, "setrlimit");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return bh_err_set(err, -errno, "no_new_privs");
	return bh_caps_bound(&caps, err);
}

static int enter_cgroups(const struct bh_share_jail *jail, struct bh_err *err)
{
	for (size_t i = 0; i < jail->n_cgroup_fds; i++)
		if (write(jail->cgroup_fds[i], "0", 1) != 1)
			return bh_err_set(err, -errno, "enter the pod's cgroup");
	return 0;
}

static void execute(const struct bh_share_jail *jail, char *const env[])
{
	const struct bh_share_daemon *d = &jail->daemon;
	const char *argv[ARGS_MAX] = { NULL };

	for (size_t i = 0; d->argv[i]; i++)
		argv[i] = d->argv[i];
	argv[d->cache_at] = d->caches[jail->cache];
	execve(d->path, (char *const *)argv, env);
}

/* In the child, which is alone in its memory; @report closes at execve(2), or has what failed. */
static _Noreturn void child(const struct bh_share_jail *jail, int report)
{
	static char *const env[] = { NULL };
	struct bh_err err = BH_ERR_INIT;
	sigset_t none;
	int fd, r;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid(); /* a terminal's signals are not for it */
	umask(0);
	r = bh_jail_die_with_parent(report, &err);
	if (!r)
		r = enter_cgroups(jail, &err);
	/* Clear of the numbers that place_descriptors() fills. */
	fd = fcntl(report, F_DUPFD_CLOEXEC, 10);
	if (!r)
		r = place_descriptors(jail, &err);
	if (!r)
		r = enter_root(jail->dir, &err);
	if (!r)
		r = confine(jail, &err);
	if (!r) {
		execute(jail, env);
		bh_err_set(&err, -errno, "execute '%s'", jail->daemon.path);
	}
	if (write(fd, &err, sizeof(err)) < 0)
		_exit(2);
	_exit(1);
}

int bh_share_daemon_spawn(const struct bh_share_jail *jail, pid_t *ret_pid, int *ret_pidfd,
			  struct bh_err *err)
{
	bh_auto_close int pidfd = -EBADF, report_in = -EBADF, report_out = -EBADF;
	struct clone_args args = {
		.flags = CLONE_PIDFD | CLONE_CLEAR_SIGHAND | CLONE_NEWPID | CLONE_NEWNS |
			 CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS,
		.pidfd = (uint64_t)(uintptr_t)&pidfd,
		.exit_signal = SIGCHLD,
	};
	struct bh_err said = BH_ERR_INIT;
	int pipe_fds[2];
	ssize_t len;
	pid_t pid;

	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return bh_err_set(err, -errno, "pipe2");
	report_in = pipe_fds[0];
	report_out = pipe_fds[1];
	pid = bh_sys_clone3(&args);
	if (pid < 0)
		return bh_err_set(err, -errno, "clone the shared directory's daemon");
	if (!pid) {
		close(report_in);
		child(jail, report_out);
	}
	report_out = bh_close(report_out);
	do
		len = read(report_in, &said, sizeof(said));
	while (len < 0 && errno == EINTR);
	if (!len) {
		*ret_pid = pid;
		*ret_pidfd = bh_take_fd(&pidfd);
		return 0;
	}
	waitid(P_PIDFD, (id_t)pidfd, &(siginfo_t){ 0 }, WEXITED);
	if (len != (ssize_t)sizeof(said))
		return bh_err_as(err, BH_ERR_BUG, -EIO, "virtiofsd's jail ended without a word");
	if (err)
		*err = said;
	return bh_err_ctx(err, "jail of virtiofsd");
}

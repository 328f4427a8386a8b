/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation
 *
 * The kernel starts the agent in rootfs, its first file system, which holds the initramfs: the
 * agent itself and modules. pivot_root(2) refuses to leave rootfs, so a small tmpfs is made the
 * root before anything else is mounted; containers then start as they do anywhere.
 *
 * rootfs stays below it, out of reach of every path and read-only: /proc/PID/exe of a process that
 * enters a container leads to the agent's file, but through that mount nobody can write it (see
 * container/self_protect.c for the attack). The modules that are not yet loaded are reached by a
 * descriptor of a mount of their own.
 *
 * Every system call counts: in an emulated machine each costs twelve times what it costs elsewhere.
 *
 * The kernel's OOM killer never takes the process with the number 1 (oom_unkillable_task() in
 * mm/oom_kill.c), so the agent's own oom_score_adj stays as it is: containers would inherit it.
 *
 * Source: Linux Documentation/filesystems/ramfs-rootfs-initramfs.rst, pivot_root(2), init/main.c
 */
#include "agent/boot.h"

#include <fcntl.h>
#include <linux/reboot.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/path.h"
#include "linux/mount.h"
#include "linux/netdev.h"

#define NEW_ROOT    "/run" /* a folder of the initramfs, until the new root is "/" */
#define MODULES_DIR "/modules"

#define NOTHING (MS_NOSUID | MS_NODEV | MS_NOEXEC)

/* In the new root, in order. */
static const struct boot_mount {
	const char *type, *target;
	unsigned long flags;
	const char *data;
	bool optional; /* not every kernel has it, and only containers that ask for it miss it */
} mounts[] = {
	{ "proc", "proc", NOTHING, NULL, false },
	{ "sysfs", "sys", NOTHING, NULL, false },
	{ "devtmpfs", "dev", MS_NOSUID | MS_NOEXEC, "mode=755", false },
	{ "devpts", "dev/pts", MS_NOSUID | MS_NOEXEC, "gid=5,mode=620,ptmxmode=666", false },
	{ "tmpfs", "dev/shm", MS_NOSUID | MS_NODEV, "mode=1777", false },
	{ "mqueue", "dev/mqueue", NOTHING, NULL, true },
	{ "cgroup2", "sys/fs/cgroup", NOTHING, "nsdelegate,memory_recursiveprot", false },
	{ "bpf", "sys/fs/bpf", NOTHING, "mode=700", true },
	{ "securityfs", "sys/kernel/security", NOTHING, NULL, true },
};

/* Folders of the new root: for mounts, for programs that expect them, for what containers hold. */
static const struct {
	const char *path;
	mode_t mode;
} folders[] = {
	{ "proc", 0555 }, { "sys", 0555 },          { "dev", 0755 },  { "etc", 0755 },
	{ "run", 0755 },  { "run/bulkhead", 0711 }, { "tmp", 01777 },
};

/* Settings of the kernel that a node which runs containers has. */
static const struct {
	const char *name, *value;
} settings[] = {
	/* A broken kernel ends, and its VM with it, instead of going on somehow. */
	{ "kernel/panic", "-1" },
	{ "kernel/panic_on_oops", "1" },
	/* Memory that runs out costs a process, not the machine. */
	{ "vm/panic_on_oom", "0" },
	/* As the kubelet has them on its node. */
	{ "vm/overcommit_memory", "1" },
	{ "kernel/keys/root_maxkeys", "1000000" },
	{ "kernel/keys/root_maxbytes", "25000000" },
	/* As systemd has them. */
	{ "kernel/pid_max", "4194304" },
	{ "fs/protected_hardlinks", "1" },
	{ "fs/protected_symlinks", "1" },
};

/* What containers get unless their documents say otherwise; as a service manager has it. */
static const struct {
	int resource;
	struct rlimit limit;
} limits[] = {
	{ RLIMIT_NOFILE, { 1048576, 1048576 } },
	{ RLIMIT_NPROC, { RLIM_INFINITY, RLIM_INFINITY } },
	{ RLIMIT_CORE, { 0, RLIM_INFINITY } },
	{ RLIMIT_MEMLOCK, { 8 << 20, 8 << 20 } },
};

/* ---- failing --------------------------------------------------------------------------------- */

static void say(const char *text)
{
	(void)!write(STDERR_FILENO, text, strlen(text));
}

/* What containers wrote is still worth keeping. A kernel's panic would end the machine too, but
 * the last lines on the console were then its registers instead of the reason. */
static _Noreturn void end_machine(void)
{
	sync();
	reboot(RB_AUTOBOOT);
	_exit(1); /* not reached: the kernel panics when its first process ends */
}

void bh_boot_fail(const struct bh_err *err)
{
	char text[BH_ERR_LINE_BYTES];

	say("bulkhead-agent: ");
	say(bh_err_format(err, text, sizeof(text)));
	say("\n");
	end_machine();
}

static const struct {
	int signal;
	const char *line;
} fatal_signals[] = {
	{ SIGSEGV, "bulkhead-agent: killed by SIGSEGV\n" },
	{ SIGBUS, "bulkhead-agent: killed by SIGBUS\n" },
	{ SIGILL, "bulkhead-agent: killed by SIGILL\n" },
	{ SIGFPE, "bulkhead-agent: killed by SIGFPE\n" },
	{ SIGABRT, "bulkhead-agent: killed by SIGABRT\n" },
};

/*
 * The agent takes the machine along; a child that has not yet executed its program dies as it
 * should: in a pid namespace of its own it may think that it is the first process, but reboot(2)
 * there ends that namespace. What somebody else sent is not heeded, as the kernel would not have it
 * for a first process without a handler: a container may be in the guest's own pid namespace.
 */
static void on_fatal_signal(int sig, siginfo_t *info, void *context)
{
	(void)context;
	if (info->si_code <= 0 && info->si_pid != getpid())
		return;
	for (size_t i = 0; i < BH_ARRAY_SIZE(fatal_signals); i++)
		if (fatal_signals[i].signal == sig)
			say(fatal_signals[i].line);
	if (getpid() == 1)
		end_machine();
	signal(sig, SIG_DFL);
	raise(sig);
}

static void watch_fatal_signals(void)
{
	const struct sigaction action = { .sa_sigaction = on_fatal_signal,
					  .sa_flags = SA_SIGINFO | SA_NODEFER };

	for (size_t i = 0; i < BH_ARRAY_SIZE(fatal_signals); i++)
		sigaction(fatal_signals[i].signal, &action, NULL);
}

/* ---- console --------------------------------------------------------------------------------- */

/* Return: 0; -errno when there is no such console (yet) */
static int use_console(const char *path)
{
	int fd = bh_path_try_open(AT_FDCWD, path, O_RDWR | O_NOCTTY, 0, BH_PATH_HOST);

	if (fd < 0)
		return fd;
	for (int i = 0; i <= STDERR_FILENO; i++)
		if (i != fd && dup3(fd, i, O_CLOEXEC) < 0)
			return -errno;
	if (fd > STDERR_FILENO)
		bh_close(fd);
	return 0;
}

int bh_boot_console(struct bh_err *err)
{
	/* What the kernel opened for its first process it opened in the initramfs, if at all. */
	if (mount("devtmpfs", "/dev", "devtmpfs", MS_NOSUID | MS_NOEXEC, "mode=755") < 0 &&
	    errno != EBUSY)
		return bh_err_set(err, -errno, "mount devtmpfs on '/dev'");
	watch_fatal_signals();
	if (use_console("/dev/console") < 0 && use_console("/dev/kmsg") < 0)
		return bh_err_set(err, -ENODEV, "open the console");
	return bh_log_open(NULL, BH_LOG_TEXT, BH_LOG_WARN, err);
}

/* ---- steps ----------------------------------------------------------------------------------- */

static int load_modules(struct bh_modules *later, struct bh_err *err)
{
	struct bh_modules boot = BH_MODULES_INIT;
	int dirfd, r;

	/* A mount of its own: rootfs is going to be read-only, and loaded files are removed. */
	dirfd = open_tree(AT_FDCWD, MODULES_DIR, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (dirfd < 0 && errno == ENOENT)
		return 0;
	if (dirfd < 0)
		return bh_err_set(err, -errno, "open '%s'", MODULES_DIR);
	r = bh_modules_open(dirfd, "boot", &boot, err);
	if (r == 0)
		r = bh_modules_open(dirfd, "later", later, err);
	bh_modules_load_all(&boot);
	bh_modules_deinit(&boot);
	return r;
}

static int make_folders(struct bh_err *err)
{
	for (size_t i = 0; i < BH_ARRAY_SIZE(folders); i++)
		if (mkdir(folders[i].path, folders[i].mode) < 0 && errno != EEXIST)
			return bh_err_set(err, -errno, "make '/%s'", folders[i].path);
	return 0;
}

static int mount_one(const struct boot_mount *m, struct bh_err *err)
{
	/* Places in devtmpfs are made here; the others are there already. */
	if (!strncmp(m->target, "dev/", 4) && mkdir(m->target, 0755) < 0 && errno != EEXIST)
		return bh_err_set(err, -errno, "make '/%s'", m->target);
	if (mount(m->type, m->target, m->type, m->flags, m->data) == 0)
		return 0;
	if (m->optional && (errno == ENODEV || errno == ENOENT))
		return 0;
	return bh_err_set(err, -errno, "mount %s on '/%s'", m->type, m->target);
}

/* rootfs read-only, the working directory's mount over it as the root. */
static int enter_root(struct bh_err *err)
{
	const struct bh_mount_change readonly = { .set = MOUNT_ATTR_RDONLY };
	bh_auto_close int rootfs =
		bh_path_open(AT_FDCWD, "/", O_PATH | O_DIRECTORY, 0, BH_PATH_HOST, err);
	int r = rootfs < 0 ? rootfs : bh_mount_change(rootfs, &readonly, err);

	if (r < 0)
		return bh_err_ctx(err, "make the initramfs read-only");
	if (mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 || chdir("/") < 0)
		return bh_err_set(err, -errno, "change the root");
	return 0;
}

static int make_root(struct bh_err *err)
{
	int r;

	umount2("/dev", MNT_DETACH);
	if (mount("root", NEW_ROOT, "tmpfs", 0, "mode=755,size=64m") < 0 || chdir(NEW_ROOT) < 0)
		return bh_err_set(err, -errno, "mount the root");
	r = make_folders(err);
	for (size_t i = 0; i < BH_ARRAY_SIZE(mounts) && r == 0; i++)
		r = mount_one(&mounts[i], err);
	return r < 0 ? r : enter_root(err);
}

/* Hands every controller on to the groups of containers. */
static int enable_controllers(struct bh_err *err)
{
	bh_auto_buf struct bh_buf order = BH_BUF_INIT;
	bh_auto_free char *names = NULL;
	char *save = NULL;
	int r = bh_path_read(AT_FDCWD, "/sys/fs/cgroup/cgroup.controllers", BH_PATH_HOST, 4096,
			     &names, NULL, err);

	if (r < 0)
		return r;
	for (char *name = strtok_r(names, " \n", &save); name; name = strtok_r(NULL, " \n", &save))
		bh_buf_printf(&order, "+%s ", name);
	if (order.failed)
		return bh_err_oom(err);
	return bh_path_write(AT_FDCWD, "/sys/fs/cgroup/cgroup.subtree_control", bh_buf_str(&order),
			     BH_PATH_HOST, err);
}

/* A setting that this kernel does not have is not missed. */
static int apply_settings(struct bh_err *err)
{
	bh_auto_close int dirfd =
		bh_path_open(AT_FDCWD, "/proc/sys", O_PATH | O_DIRECTORY, 0, BH_PATH_HOST, err);
	struct bh_err why = BH_ERR_INIT;

	if (dirfd < 0)
		return dirfd;
	for (size_t i = 0; i < BH_ARRAY_SIZE(settings); i++) {
		int r = bh_path_write(dirfd, settings[i].name, settings[i].value, BH_PATH_PROC,
				      &why);

		if (r < 0 && r != -ENOENT)
			bh_warn("setting %s: %s", settings[i].name, strerror(-r));
	}
	for (size_t i = 0; i < BH_ARRAY_SIZE(limits); i++)
		if (setrlimit((__rlimit_resource_t)limits[i].resource, &limits[i].limit) < 0)
			return bh_err_set(err, -errno, "set resource limit %d", limits[i].resource);
	return 0;
}

int bh_boot(struct bh_modules *later, struct bh_err *err)
{
	int r;

	umask(0);
	r = load_modules(later, err);
	if (r == 0)
		r = make_root(err);
	if (r < 0)
		return r;
	umask(022);
	/* It may have come with a module, and the descriptors are of the old /dev. */
	(void)!use_console("/dev/console");
	r = enable_controllers(err);
	if (r == 0)
		r = apply_settings(err);
	return r < 0 ? r : bh_netdev_loopback_up(err);
}

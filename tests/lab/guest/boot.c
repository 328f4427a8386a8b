/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /init of the lab's initramfs: loads the kernel modules, makes the host's file system (read-only,
 * virtiofs) under a tmpfs overlay the root, mounts what a machine has mounted, and goes on as the
 * agent (`--init minimal`) or starts systemd with the agent as its only wish (`--init systemd`).
 */
#include "lab.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

/* Module lists of the initramfs, see image.py: paths in the order of loading. */
#define MODULES_FOR_ROOT  "/modules/root"
#define MODULES_FOR_TESTS "/modules/tests"
#define NEW_ROOT          "/new"
#define CLOCK_SOURCE      "/sys/devices/system/clocksource/clocksource0/current_clocksource"

struct lab_mount {
	const char *type;
	const char *target; /* in the new root; made when it is missing */
	unsigned long flags;
	const char *options;
};

static const struct lab_mount mounts[] = {
	{ "proc", "/proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL },
	{ "sysfs", "/sys", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL },
	{ "devtmpfs", "/dev", MS_NOSUID | MS_NOEXEC, "mode=755" },
	{ "devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC, "gid=5,mode=620,ptmxmode=000" },
	{ "tmpfs", "/dev/shm", MS_NOSUID | MS_NODEV, "mode=1777" },
	{ "mqueue", "/dev/mqueue", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL },
	{ "bpf", "/sys/fs/bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=700" },
	{ "securityfs", "/sys/kernel/security", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL },
	{ "tmpfs", "/run", MS_NOSUID | MS_NODEV, "mode=755" },
	{ "tmpfs", "/tmp", MS_NOSUID | MS_NODEV, "mode=1777" },
	{ "tmpfs", "/var/tmp", MS_NOSUID | MS_NODEV, "mode=1777" },
	/* Engines begin without state, on a file system that can be an overlay's upper layer. */
	{ "tmpfs", "/var/lib/cni", MS_NOSUID | MS_NODEV, "mode=755" },
	{ "tmpfs", "/var/lib/containerd", 0, "mode=711" },
	{ "tmpfs", "/var/lib/containers", 0, "mode=755" },
	{ "tmpfs", "/var/lib/docker", 0, "mode=711" },
	{ "cgroup2", "/sys/fs/cgroup", MS_NOSUID | MS_NODEV | MS_NOEXEC,
	  "nsdelegate,memory_recursiveprot" },
};

/* Links that every path goes through, and files that every program opens. */
static const char *const hot_files[] = {
	"/bin",
	"/lib",
	"/lib64",
	"/sbin",
	"/etc/group",
	"/etc/ld.so.cache",
	"/etc/nsswitch.conf",
	"/etc/passwd",
	"/usr/bin/bash",
	"/usr/bin/cat",
	"/usr/bin/dash",
	"/usr/bin/grep",
	"/usr/bin/mkdir",
	"/usr/bin/rm",
	"/usr/bin/sed",
	"/usr/bin/sh",
	"/usr/bin/sleep",
	"/usr/lib/locale/C.utf8/*",
	"/usr/lib/locale/C.utf8/LC_MESSAGES/*",
	"/usr/lib/x86_64-linux-gnu/gconv/gconv-modules.cache",
	"/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
	"/usr/lib/x86_64-linux-gnu/libc.so.6",
	"/usr/lib/x86_64-linux-gnu/libm.so.6",
	"/usr/lib/x86_64-linux-gnu/libpcre2-8.so.0*",
	"/usr/lib/x86_64-linux-gnu/libselinux.so.1",
	"/usr/lib/x86_64-linux-gnu/libtinfo.so.6*",
	"/usr/lib64/ld-linux-x86-64.so.2",
};

/* Makes a folder and those above it; failures show at its use. */
static void make_path(const char *path)
{
	char part[4096];

	for (const char *p = strchr(path + 1, '/'); p; p = strchr(p + 1, '/')) {
		snprintf(part, sizeof(part), "%.*s", (int)(p - path), path);
		mkdir(part, 0755);
	}
	mkdir(path, 0755);
}

/* Writes a string to a file, made if it is missing. Returns 0, or -1 with errno set. */
static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	ssize_t n;

	if (fd < 0)
		return -1;
	n = write(fd, text, strlen(text));
	close(fd);
	return n == (ssize_t)strlen(text) ? 0 : -1;
}

/* Loads the modules of a list. A module that this machine refuses (ENODEV) is none of the lab's
 * business, all else is. */
static void load_modules(const char *list)
{
	FILE *file = fopen(list, "re");
	char path[256];

	if (!file)
		lab_fail(-1, "%s", list);
	while (fgets(path, sizeof(path), file)) {
		int fd;

		path[strcspn(path, "\n")] = '\0';
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			lab_fail(-1, "%s", path);
		if (syscall(SYS_finit_module, fd, "", 0) < 0 && errno != EEXIST && errno != ENODEV)
			lab_fail(-1, "loading %s", path);
		close(fd);
		unlink(path); /* its memory is free */
	}
	fclose(file);
}

/* KVM keeps the processor's clock rate that it finds when it is loaded. Where that is refined a
 * moment later by more than 250 ppm, its virtual machines' timers come late or never: without a
 * processor that scales clocks KVM believes theirs to stand still (kvm_set_tsc_khz()). A rate that
 * cannot be refined is given up within a second too. */
static void await_clock_rate(void)
{
	char name[32] = "tsc-early";

	for (int i = 0; i < 5000 && strncmp(name, "tsc-early", 9) == 0; i++) {
		FILE *file = fopen(CLOCK_SOURCE, "re");

		if (!file || !fgets(name, sizeof(name), file))
			lab_fail(-1, "reading %s", CLOCK_SOURCE);
		fclose(file);
		usleep(1000);
	}
}

/* Opens the port to the launcher, which appears a moment after its driver. Waits for ever: the
 * launcher has a limit for the boot and tells what the console says. */
static int open_port(void)
{
	int port;

	while ((port = open(LAB_PORT_PATH, O_RDWR | O_CLOEXEC)) < 0)
		usleep(1000);
	return port;
}

/* The host's files, read-only, and over them a layer in memory. */
static void mount_root(const struct lab_request *req, int port)
{
	char size[64];

	snprintf(size, sizeof(size), "mode=755,size=%s", req->values[LAB_KEY_MEMORY][0]);
	mkdir("/host", 0755);
	mkdir("/layer", 0755);
	mkdir(NEW_ROOT, 0755);
	if (mount("host", "/host", "virtiofs", MS_RDONLY, NULL) < 0)
		lab_fail(port, "mounting the host's files");
	if (mount("layer", "/layer", "tmpfs", 0, size) < 0)
		lab_fail(port, "mounting the writable layer");
	mkdir("/layer/upper", 0755);
	mkdir("/layer/work", 0755);
	if (mount("lab", NEW_ROOT, "overlay", 0,
		  "lowerdir=/host,upperdir=/layer/upper,workdir=/layer/work") < 0)
		lab_fail(port, "mounting the overlay");
}

/* Copies what nearly every program opens into the overlay's upper layer: a file there costs no
 * round trips to the host, three an open. Setting a time makes the overlay copy. */
static void copy_hot_files(void)
{
	const struct timespec times[2] = { { .tv_nsec = UTIME_NOW }, { .tv_nsec = UTIME_OMIT } };
	glob_t found = { 0 };

	for (size_t i = 0; i < sizeof(hot_files) / sizeof(hot_files[0]); i++)
		glob(hot_files[i], i > 0 ? GLOB_APPEND : 0, NULL, &found);
	for (size_t i = 0; i < found.gl_pathc; i++)
		utimensat(AT_FDCWD, found.gl_pathv[i], times, AT_SYMLINK_NOFOLLOW);
	globfree(&found);
}

/* Mounts the table under the new root, and the shares. systemd does the control groups itself. */
static void populate_root(const struct lab_request *req, bool systemd, int port)
{
	char path[4096], tag[32];
	int n = 0;

	for (size_t i = 0; i < sizeof(mounts) / sizeof(mounts[0]); i++) {
		const struct lab_mount *m = &mounts[i];

		if (systemd && strcmp(m->type, "cgroup2") == 0)
			continue;
		snprintf(path, sizeof(path), NEW_ROOT "%s", m->target);
		make_path(path);
		if (mount(m->type, path, m->type, m->flags, m->options) < 0)
			lab_fail(port, "mounting %s", m->target);
	}
	for (char **share = req->values[LAB_KEY_SHARE]; *share; share++) {
		snprintf(path, sizeof(path), NEW_ROOT "%s", *share);
		snprintf(tag, sizeof(tag), "share%d", n++);
		make_path(path);
		if (mount(tag, path, "virtiofs", 0, NULL) < 0)
			lab_fail(port, "mounting share %s", *share);
	}
}

/* Puts what the new root needs of this one into its /run/lab. */
static void hand_over(int port)
{
	static const char *const files[][2] = {
		{ "/init", NEW_ROOT LAB_RUN_DIR "/agent" },
		{ LAB_REQUEST_PATH, NEW_ROOT LAB_RUN_DIR "/request" },
	};

	make_path(NEW_ROOT LAB_RUN_DIR);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (write_file(files[i][1], "") < 0 ||
		    mount(files[i][0], files[i][1], NULL, MS_BIND, NULL) < 0)
			lab_fail(port, "handing over %s", files[i][0]);
}

/* Makes the new root the root. */
static void enter_root(int port)
{
	if (chdir(NEW_ROOT) < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 ||
	    chdir("/") < 0)
		lab_fail(port, "changing the root");
	/* As systemd has it, and so nearly every machine that runs containers. */
	if (mount(NULL, "/", NULL, MS_SHARED | MS_REC, NULL) < 0)
		lab_fail(port, "making mounts shared");
}

/* Brings an interface up. */
static int interface_up(const char *name)
{
	struct ifreq request = { .ifr_flags = IFF_UP };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int r;

	if (fd < 0)
		return -1;
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	r = ioctl(fd, SIOCSIFFLAGS, &request);
	close(fd);
	return r;
}

/* What is left of a machine's early life: names, limits, /dev's links, the loopback interface. */
static void furnish(int port)
{
	static const char *const links[][2] = {
		{ "/proc/self/fd", "/dev/fd" },
		{ "/proc/self/fd/0", "/dev/stdin" },
		{ "/proc/self/fd/1", "/dev/stdout" },
		{ "/proc/self/fd/2", "/dev/stderr" },
	};
	const struct rlimit files = { .rlim_cur = 1024, .rlim_max = 1048576 };

	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++)
		if (symlink(links[i][0], links[i][1]) < 0 && errno != EEXIST)
			lab_fail(port, "making %s", links[i][1]);
	mkdir("/run/lock", 01777);
	chmod("/run/lock", 01777);
	if (sethostname("lab", 3) < 0 || setrlimit(RLIMIT_NOFILE, &files) < 0)
		lab_fail(port, "name and limits");
	if (interface_up("lo") < 0)
		lab_fail(port, "loopback interface");
}

/* Hands every controller on to the children of the root group. */
static void enable_controllers(int port)
{
	char names[512], order[1024] = "";
	FILE *file = fopen("/sys/fs/cgroup/cgroup.controllers", "re");

	if (!file || !fgets(names, sizeof(names), file))
		lab_fail(port, "reading cgroup.controllers");
	fclose(file);
	for (char *name = strtok(names, " \n"); name; name = strtok(NULL, " \n")) {
		size_t n = strlen(order);

		snprintf(order + n, sizeof(order) - n, "+%s ", name);
	}
	if (write_file("/sys/fs/cgroup/cgroup.subtree_control", order) < 0)
		lab_fail(port, "enabling %s", order);
}

/* Units: only what a system bus needs, and the agent. What the host's packages and administrator
 * want to have started is hidden, so that a lab is quick, and the same wherever it runs. */
static void prepare_systemd(int port)
{
	static const char *const hidden[] = {
		"/etc/systemd/system",
		"/usr/lib/systemd/system-generators",
		"/usr/lib/systemd/system/sockets.target.wants",
		"/usr/lib/systemd/system/sysinit.target.wants",
		"/usr/lib/systemd/system/timers.target.wants",
	};

	for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++)
		if (mount("tmpfs", hidden[i], "tmpfs", MS_NOSUID | MS_NODEV, "mode=755") < 0)
			lab_fail(port, "hiding %s", hidden[i]);
	make_path("/run/systemd/system.conf.d");
	/* With an empty one systemd takes this for a first boot and enables whatever is installed.
	 */
	if (write_file("/etc/machine-id", "1ab1ab1ab1ab1ab1ab1ab1ab1ab1ab1a\n") < 0 ||
	    write_file("/run/systemd/system.conf.d/lab.conf",
		       "[Manager]\n"
		       "DefaultEnvironment=DM_DISABLE_UDEV=1\n") < 0 ||
	    write_file("/etc/systemd/system/lab.target",
		       "[Unit]\n"
		       "Requires=basic.target dbus.socket lab.service\n"
		       "After=basic.target dbus.socket\n"
		       "AllowIsolate=yes\n") < 0 ||
	    write_file("/etc/systemd/system/lab.service",
		       "[Unit]\n"
		       "After=basic.target dbus.socket\n"
		       "[Service]\n"
		       /* Idle: once the machine is up. */
		       "Type=idle\n"
		       "ExecStart=" LAB_RUN_DIR "/agent " LAB_RUN_DIR "/request\n"
		       "Delegate=yes\n"
		       "OOMPolicy=continue\n"
		       "TasksMax=infinity\n"
		       "LimitNOFILE=1024:1048576\n") < 0)
		lab_fail(port, "writing units");
}

/* From the kernel's first process to a machine that can run the command. */
__attribute__((noreturn)) static void boot(void)
{
	struct lab_request req;
	int port, status;
	bool systemd;
	pid_t loader;

	mkdir("/proc", 0755);
	mkdir("/sys", 0755);
	mkdir("/dev", 0755);
	if (mount("proc", "/proc", "proc", 0, NULL) < 0 ||
	    mount("sysfs", "/sys", "sysfs", 0, NULL) < 0 ||
	    (mount("devtmpfs", "/dev", "devtmpfs", 0, NULL) < 0 && errno != EBUSY))
		lab_fail(-1, "first mounts");
	load_modules(MODULES_FOR_ROOT);
	port = open_port();
	if (lab_request_read(&req, LAB_REQUEST_PATH) < 0)
		lab_fail(port, "reading the request");
	systemd = strcmp(req.values[LAB_KEY_INIT][0], "systemd") == 0;
	/* The second processor does the rest of the modules meanwhile. */
	loader = fork();
	if (loader == 0) {
		await_clock_rate();
		load_modules(MODULES_FOR_TESTS);
		_exit(0);
	}
	mount_root(&req, port);
	populate_root(&req, systemd, port);
	if (systemd)
		hand_over(port);
	enter_root(port);
	copy_hot_files();
	furnish(port);
	if (loader < 0 || waitpid(loader, &status, 0) != loader || status != 0)
		lab_fail(port, "loading modules");
	if (!systemd) {
		enable_controllers(port);
		lab_agent(&req, port);
	}
	prepare_systemd(port);
	close(port);
	execl("/lib/systemd/systemd", "systemd", "--unit=lab.target", (char *)NULL);
	lab_fail(-1, "starting systemd");
}

/* As PID 1 of the initramfs: boots. As `agent REQUEST`, in systemd's service: runs the request. */
int main(int argc, char **argv)
{
	struct lab_request req;
	int port;

	if (getpid() == 1)
		boot();
	port = open_port();
	if (argc != 2 || lab_request_read(&req, argv[1]) < 0)
		lab_fail(port, "reading the request");
	lab_agent(&req, port);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An /init that stands in for the agent where only the guest itself is tested: it loads the modules
 * of the initramfs, tells on the console what the kernel is, takes and can, one `probe: KEY VALUE`
 * a line, and ends the machine. VALUE of a probed feature is `yes`, or `no (reason)`.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <linux/io_uring.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/seccomp.h>
#include <linux/vm_sockets.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

__attribute__((format(printf, 2, 3))) static void tell(const char *key, const char *format, ...)
{
	va_list args;

	printf("probe: %s ", key);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
}

static void tell_able(const char *kind, const char *name, bool able)
{
	int error = errno;
	char key[128];

	snprintf(key, sizeof(key), "%s.%s", kind, name);
	if (able)
		tell(key, "yes");
	else
		tell(key, "no (%s)", strerror(error));
}

static long milliseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Returns a KiB figure of /proc/meminfo, or -1. */
static long meminfo(const char *name)
{
	FILE *file = fopen("/proc/meminfo", "re");
	size_t length = strlen(name);
	char line[128];
	long value = -1;

	while (file && fgets(line, sizeof(line), file))
		if (strncmp(line, name, length) == 0 && line[length] == ':')
			value = strtol(line + length + 1, NULL, 10);
	if (file)
		fclose(file);
	return value;
}

static void tell_memory(const char *key)
{
	tell(key, "total %ld available %ld used %ld KiB", meminfo("MemTotal"),
	     meminfo("MemAvailable"), meminfo("MemTotal") - meminfo("MemAvailable"));
}

/* Loads a list of modules and removes their files, whose memory is the guest's. */
static void load_modules(const char *name)
{
	long start = milliseconds(), count = 0;
	char path[256], key[64];
	FILE *file;

	snprintf(path, sizeof(path), "/modules/%s", name);
	file = fopen(path, "re");
	while (file && fgets(path, sizeof(path), file)) {
		int fd;

		path[strcspn(path, "\n")] = '\0';
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 && errno == ENOENT)
			continue; /* loaded by another list */
		if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) < 0 && errno != EEXIST &&
			       errno != ENODEV))
			tell("module-failed", "%s: %s", path, strerror(errno));
		close(fd);
		unlink(path);
		count++;
	}
	if (file)
		fclose(file);
	snprintf(key, sizeof(key), "modules.%s", name);
	tell(key, "%ld in %ld ms", count, milliseconds() - start);
}

/* What /proc and /sys list. */
static void probe_lists(void)
{
	static const char *const namespaces[] = { "cgroup", "ipc",  "mnt",  "net",
						  "pid",    "time", "user", "uts" };
	char word[64], path[128];
	FILE *file = fopen("/proc/filesystems", "re");

	while (file && fscanf(file, "%63s", word) == 1)
		if (strcmp(word, "nodev") != 0)
			tell_able("fs", word, true);
	if (file)
		fclose(file);
	for (size_t i = 0; i < ARRAY_SIZE(namespaces); i++) {
		snprintf(path, sizeof(path), "/proc/self/ns/%s", namespaces[i]);
		tell_able("ns", namespaces[i], access(path, F_OK) == 0);
	}
	mkdir("/cgroup", 0755);
	if (mount("cgroup2", "/cgroup", "cgroup2", 0, NULL) < 0)
		tell_able("cgroup", "mount", false);
	file = fopen("/cgroup/cgroup.controllers", "re");
	while (file && fscanf(file, "%63s", word) == 1)
		tell_able("cgroup", word, true);
	if (file)
		fclose(file);
	tell_able("proc", "pressure", access("/proc/pressure/memory", F_OK) == 0);
}

static void probe_sockets(void)
{
	static const struct {
		const char *name;
		int family, type, protocol;
	} sockets[] = {
		{ "unix", AF_UNIX, SOCK_STREAM, 0 },
		{ "inet", AF_INET, SOCK_STREAM, 0 },
		{ "inet6", AF_INET6, SOCK_STREAM, 0 },
		{ "ping", AF_INET, SOCK_RAW, 1 },
		{ "packet", AF_PACKET, SOCK_RAW, 0 },
		{ "vsock", AF_VSOCK, SOCK_STREAM, 0 },
		{ "netlink-route", AF_NETLINK, SOCK_RAW, NETLINK_ROUTE },
		{ "netlink-diag", AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG },
		{ "netlink-netfilter", AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER },
		{ "netlink-generic", AF_NETLINK, SOCK_RAW, NETLINK_GENERIC },
		{ "netlink-uevent", AF_NETLINK, SOCK_RAW, NETLINK_KOBJECT_UEVENT },
	};

	for (size_t i = 0; i < ARRAY_SIZE(sockets); i++) {
		int fd = socket(sockets[i].family, sockets[i].type | SOCK_CLOEXEC,
				sockets[i].protocol);

		tell_able("socket", sockets[i].name, fd >= 0);
		if (fd >= 0)
			close(fd);
	}
}

/* A call that the kernel has fails for its arguments; one that it has not fails with ENOSYS. */
static void probe_calls(void)
{
	static const struct {
		const char *name;
		long number;
	} calls[] = {
		{ "bpf", SYS_bpf },
		{ "clone3", SYS_clone3 },
		{ "close_range", SYS_close_range },
		{ "epoll_create1", SYS_epoll_create1 },
		{ "eventfd2", SYS_eventfd2 },
		{ "fanotify_init", SYS_fanotify_init },
		{ "fsopen", SYS_fsopen },
		{ "inotify_init1", SYS_inotify_init1 },
		{ "io_setup", SYS_io_setup },
		{ "io_uring_setup", SYS_io_uring_setup },
		{ "keyctl", SYS_keyctl },
		{ "landlock_create_ruleset", SYS_landlock_create_ruleset },
		{ "membarrier", SYS_membarrier },
		{ "memfd_create", SYS_memfd_create },
		{ "mount_setattr", SYS_mount_setattr },
		{ "mq_open", SYS_mq_open },
		{ "open_by_handle_at", SYS_open_by_handle_at },
		{ "openat2", SYS_openat2 },
		{ "perf_event_open", SYS_perf_event_open },
		{ "pidfd_open", SYS_pidfd_open },
		{ "process_vm_readv", SYS_process_vm_readv },
		{ "rseq", SYS_rseq },
		{ "seccomp", SYS_seccomp },
		{ "semget", SYS_semget },
		{ "setns", SYS_setns },
		{ "signalfd4", SYS_signalfd4 },
		{ "timer_create", SYS_timer_create },
		{ "timerfd_create", SYS_timerfd_create },
		{ "userfaultfd", SYS_userfaultfd },
	};

	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		long r = syscall(calls[i].number, -1L, -1L, -1L, -1L, -1L, -1L);

		tell_able("call", calls[i].name, r >= 0 || errno != ENOSYS);
	}
}

/* What calls that every kernel has can do in this one. */
static void probe_programs(void)
{
	unsigned int action = SECCOMP_RET_USER_NOTIF;
	const struct bpf_insn allow[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 1 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr program = {
		.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE,
		.insns = (unsigned long)allow,
		.insn_cnt = ARRAY_SIZE(allow),
		.license = (unsigned long)"Apache-2.0",
	};
	int fd;

	tell_able("feature", "seccomp-filter",
		  syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0);
	fd = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &program, sizeof(program));
	tell_able("feature", "cgroup-device-program", fd >= 0);
}

/* What file systems can do. */
static void probe_files(void)
{
	mkdir("/t", 0755);
	tell_able("feature", "tmpfs", mount("t", "/t", "tmpfs", 0, "size=1m,mode=755") == 0);
	close(open("/t/f", O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
	tell_able("feature", "tmpfs-user-xattr", setxattr("/t/f", "user.a", "b", 1, 0) == 0);
	tell_able("feature", "tmpfs-trusted-xattr", setxattr("/t/f", "trusted.a", "b", 1, 0) == 0);
	tell_able("feature", "tmpfs-acl",
		  getxattr("/t/f", "system.posix_acl_access", NULL, 0) >= 0 || errno == ENODATA);
	tell_able("feature", "file-capabilities",
		  getxattr("/t/f", "security.capability", NULL, 0) >= 0 || errno == ENODATA);
	mkdir("/t/lower", 0755);
	mkdir("/t/upper", 0755);
	mkdir("/t/work", 0755);
	mkdir("/t/merged", 0755);
	tell_able("feature", "overlay",
		  mount("o", "/t/merged", "overlay", 0,
			"lowerdir=/t/lower,upperdir=/t/upper,workdir=/t/work") == 0);
}

static void probe_devices(void)
{
	static const char *const devices[] = { "fuse", "net/tun", "ptmx", "vda", "sda" };
	char path[64];

	mkdir("/dev/pts", 0755);
	mount("devpts", "/dev/pts", "devpts", 0, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(devices); i++) {
		snprintf(path, sizeof(path), "/dev/%s", devices[i]);
		tell_able("device", devices[i], open(path, O_RDWR | O_CLOEXEC) >= 0);
	}
}

/* Makes an interface of a kind in a network namespace of the probe's own. */
static bool make_link(const char *kind, const char *name)
{
	struct {
		struct nlmsghdr header;
		struct ifinfomsg info;
		char attributes[256];
	} request = {
		.header = { .nlmsg_len = NLMSG_LENGTH(sizeof(struct ifinfomsg)),
			    .nlmsg_type = RTM_NEWLINK,
			    .nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK },
	};
	struct rtattr *attribute, *nested;
	struct {
		struct nlmsghdr header;
		struct nlmsgerr error;
		char rest[512];
	} answer;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	bool made = false;

	attribute = (struct rtattr *)((char *)&request + NLMSG_ALIGN(request.header.nlmsg_len));
	attribute->rta_type = IFLA_IFNAME;
	attribute->rta_len = (unsigned short)RTA_LENGTH(strlen(name) + 1);
	strcpy(RTA_DATA(attribute), name);
	nested = (struct rtattr *)((char *)attribute + RTA_ALIGN(attribute->rta_len));
	nested->rta_type = IFLA_LINKINFO;
	attribute = RTA_DATA(nested);
	attribute->rta_type = IFLA_INFO_KIND;
	attribute->rta_len = (unsigned short)RTA_LENGTH(strlen(kind));
	memcpy(RTA_DATA(attribute), kind, strlen(kind));
	nested->rta_len = (unsigned short)RTA_LENGTH(RTA_ALIGN(attribute->rta_len));
	request.header.nlmsg_len =
		(unsigned int)((char *)nested + RTA_ALIGN(nested->rta_len) - (char *)&request);
	if (fd >= 0 && send(fd, &request, request.header.nlmsg_len, 0) > 0 &&
	    recv(fd, &answer, sizeof(answer), 0) > 0) {
		errno = -answer.error.error;
		made = answer.error.error == 0;
	}
	if (fd >= 0) {
		int error = errno;

		close(fd);
		errno = error;
	}
	return made;
}

static void probe_links(void)
{
	static const char *const kinds[] = { "bridge", "dummy", "veth" };

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		tell_able("link", kinds[i], make_link(kinds[i], kinds[i]));
}

int main(int argc, char **argv)
{
	struct utsname name;

	if (argc > 1 && strcmp(argv[1], "--version") == 0) {
		printf("guest-init test\n");
		return 0;
	}
	if (getpid() != 1)
		return 1;
	mount("proc", "/proc", "proc", 0, NULL);
	mount("sysfs", "/sys", "sysfs", 0, NULL);
	mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	tell("init", "%ld ms", milliseconds());
	tell_memory("memory.init");
	uname(&name);
	tell("release", "%s", name.release);
	tell("cpus", "%ld", sysconf(_SC_NPROCESSORS_ONLN));
	load_modules("boot");
	tell_memory("memory.boot");
	load_modules("later");
	load_modules("fs-ext4");
	load_modules("fs-xfs");
	load_modules("fs-erofs");
	tell_memory("memory.later");
	probe_lists();
	probe_sockets();
	probe_calls();
	probe_programs();
	probe_files();
	probe_devices();
	probe_links();
	tell("end", "%ld ms", milliseconds());
	sync();
	reboot(RB_AUTOBOOT);
}

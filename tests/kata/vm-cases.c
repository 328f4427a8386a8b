/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A real guest under the monitor's driver, one case a run: vm-cases NAME [kvm]. $GUEST is a folder
 * with vmlinux and initramfs of test-guest. Status 0 passed, else failed with the reason printed.
 */
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>

#include <linux/if_tun.h>

#include "base/log.h"
#include "base/path.h"
#include "base/sys.h"
#include "loop/fiber.h"
#include "vmm/hypervisor.h"
#include "vmm/kvm_probe.h"

#define UID        870001
#define PATIENCE_S 120 /* an emulated guest on a busy machine; times $PATIENCE in a slower one */
#define MIB        (UINT64_C(1) << 20)

static struct bh_err err;
static struct bh_loop loop;
static struct bh_vm *vm;
static struct bh_err dead;
static int port = -1;
static enum bh_accelerator accelerator = BH_ACCELERATOR_EMULATION;

static int failed(int line, const char *condition)
{
	char text[1300];
	bh_auto_buf struct bh_buf tail = BH_BUF_INIT;

	printf("line %d: %s: %s\n", line, condition, bh_err_format(&err, text, sizeof(text)));
	if (vm)
		bh_vm_console_tail(vm, 60, &tail);
	printf("dead: %s\nconsole:\n%s\n", dead.text, bh_buf_str(&tail));
	return 1;
}

#define CHECK(condition)                                     \
	do {                                                 \
		if (!(condition))                            \
			return failed(__LINE__, #condition); \
	} while (0)

/* ---- helpers --------------------------------------------------------------------------------- */

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + ((double)ts.tv_nsec / 1e9);
}

static double patience(void)
{
	const char *text = getenv("PATIENCE");

	return text ? strtod(text, NULL) : 1;
}

static void on_dead(void *arg, const struct bh_err *why)
{
	(void)arg;
	dead = *why;
	bh_loop_stop(&loop);
}

static struct bh_vm_config config(void)
{
	static char kernel[4096], initramfs[4096];

	snprintf(kernel, sizeof(kernel), "%s/vmlinux", getenv("GUEST"));
	snprintf(initramfs, sizeof(initramfs), "%s/initramfs", getenv("GUEST"));
	return (struct bh_vm_config){
		.kernel = kernel,
		.initramfs = initramfs,
		.cmdline = "quiet tsc=reliable no_timer_check random.trust_cpu=on audit=0",
		.acpi = true,
		.accelerator = accelerator,
		.vcpus = 1,
		.memory = 128 * MIB,
		.serial_name = "test",
		.netns_fd = -1,
		.uid = UID,
		.name = "vm-cases,pod",
	};
}

static int boot_with(const struct bh_vm_config *c)
{
	return bh_vm_boot(bh_hypervisor_find("qemu"), &loop, c, on_dead, NULL, &vm, &err);
}

/* The loop goes on meanwhile. Return: whether @want stood in what came, which is in @buf */
static bool hear(char *buf, size_t size, const char *want)
{
	double until = now() + (PATIENCE_S * patience());
	size_t len = 0;

	buf[0] = '\0';
	while (now() < until && !dead.code) {
		ssize_t n = read(port, buf + len, size - len - 1);

		if (n > 0)
			len += (size_t)n;
		buf[len] = '\0';
		if (strstr(buf, want))
			return true;
		if (bh_fiber_sleep(&loop, 5, &err) < 0 && dead.code)
			return false;
	}
	return false;
}

static bool ask(const char *verb, char *buf, size_t size)
{
	char line[64];
	int n = snprintf(line, sizeof(line), "%s\n", verb);

	return write(port, line, (size_t)n) == n && hear(buf, size, "\n");
}

static bool boot_and_meet(const struct bh_vm_config *c)
{
	char buf[256];

	if (boot_with(c) < 0)
		return false;
	port = bh_vm_channel(vm, &err);
	return port >= 0 && hear(buf, sizeof(buf), "ready\n");
}

static bool wait_dead(double seconds)
{
	double until = now() + seconds;

	while (!dead.code && now() < until)
		if (bh_fiber_sleep(&loop, 20, &err) < 0 && !dead.code)
			return false;
	return dead.code;
}

static pid_t monitor(void)
{
	struct bh_vm_figures figures = { .pid = -1 };

	return bh_vm_figures(vm, &figures, &err) < 0 ? -1 : figures.pid;
}

/* The value of @key in /proc/PID/status. */
static const char *status_of(pid_t pid, const char *key)
{
	static char value[256];
	bh_auto_free char *text = NULL;
	char path[64], *at;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	value[0] = '\0';
	if (bh_path_read(AT_FDCWD, path, BH_PATH_HOST, 65536, &text, NULL, &err) < 0)
		return value;
	at = strstr(text, key);
	if (!at || at[strlen(key)] != ':')
		return value;
	at += strlen(key) + 1;
	at += strspn(at, " \t");
	snprintf(value, sizeof(value), "%.*s", (int)strcspn(at, " \n"), at);
	return value;
}

static size_t entries(const char *path)
{
	bh_auto_closedir DIR *dir = opendir(path);
	struct dirent *entry;
	size_t n = 0;

	while (dir && (entry = readdir(dir)))
		n += strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..");
	return dir ? n : SIZE_MAX;
}

static bool same_ns(pid_t pid, const char *kind)
{
	char mine[64], its[64];
	struct stat a, b;

	snprintf(mine, sizeof(mine), "/proc/self/ns/%s", kind);
	snprintf(its, sizeof(its), "/proc/%d/ns/%s", (int)pid, kind);
	return stat(mine, &a) < 0 || stat(its, &b) < 0 || a.st_ino == b.st_ino;
}

/* ---- cases ----------------------------------------------------------------------------------- */

/* Whether it is closed, or no way to anything but what is between us: sockets, pipes, the null
 * device, KVM. */
static bool harmless_fd(pid_t pid, int fd)
{
	char path[64], target[256];
	struct stat st;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)pid, fd);
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return true;
	target[n] = '\0';
	if (!strncmp(target, "anon_inode:", 11) || !strncmp(target, "/memfd:", 7))
		return true;
	if (stat(path, &st) < 0)
		return false;
	return S_ISSOCK(st.st_mode) || S_ISFIFO(st.st_mode) ||
	       (S_ISCHR(st.st_mode) &&
		(st.st_rdev == makedev(1, 3) || st.st_rdev == makedev(10, 232)));
}

/* Every wall of the jail, as the host sees it, and the guest is well behind them. */
static int case_jail(void)
{
	static const char *const namespaces[] = { "pid", "mnt", "ipc", "uts", "net" };
	static const char *const cap_sets[] = { "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb" };
	struct bh_vm_config c = config();
	char path[64], buf[256], target[256];
	pid_t pid;

	CHECK(boot_and_meet(&c));
	pid = monitor();
	CHECK(pid > 0);
	CHECK(!strcmp(status_of(pid, "Uid"), "870001\t870001\t870001\t870001"));
	CHECK(!strcmp(status_of(pid, "Gid"), "870001\t870001\t870001\t870001"));
	CHECK(!strcmp(status_of(pid, "Groups"), ""));
	for (size_t i = 0; i < BH_ARRAY_SIZE(cap_sets); i++)
		CHECK(!strcmp(status_of(pid, cap_sets[i]), "0000000000000000"));
	CHECK(!strcmp(status_of(pid, "NoNewPrivs"), "1"));
	CHECK(!strcmp(status_of(pid, "Seccomp"), "2"));
	for (size_t i = 0; i < BH_ARRAY_SIZE(namespaces); i++)
		CHECK(!same_ns(pid, namespaces[i]));
	snprintf(path, sizeof(path), "/proc/%d/root", (int)pid);
	CHECK(entries(path) == 0);
	snprintf(path, sizeof(path), "/proc/%d/root/x", (int)pid);
	CHECK(mkdir(path, 0700) < 0);
	snprintf(path, sizeof(path), "/proc/%d/cwd", (int)pid);
	CHECK(readlink(path, target, sizeof(target) - 1) == 1 && target[0] == '/');
	for (int fd = 0; fd < 256; fd++)
		CHECK(harmless_fd(pid, fd));
	CHECK(ask("uptime", buf, sizeof(buf)));
	return 0;
}

static int case_killed(void)
{
	struct bh_vm_config c = config();
	double start;

	CHECK(boot_and_meet(&c));
	start = now();
	CHECK(kill(monitor(), SIGKILL) == 0);
	CHECK(wait_dead(5) && now() - start < 2);
	CHECK(strstr(dead.text, "killed by signal 9"));
	CHECK(bh_vm_pause(vm, true, &err) < 0 && strstr(err.text, "killed by signal 9"));
	return 0;
}

static int case_panic(void)
{
	struct bh_vm_config c = config();
	bh_auto_buf struct bh_buf tail = BH_BUF_INIT;

	CHECK(boot_and_meet(&c));
	CHECK(write(port, "panic\n", 6) == 6);
	CHECK(wait_dead(30));
	CHECK(strstr(dead.text, "guest-reset"));
	bh_vm_console_tail(vm, 100, &tail);
	CHECK(strstr(bh_buf_str(&tail), "Kernel panic"));
	return 0;
}

static int case_console(void)
{
	struct bh_vm_config c = config();
	bh_auto_buf struct bh_buf tail = BH_BUF_INIT;
	char buf[64];

	CHECK(boot_and_meet(&c));
	CHECK(ask("colours", buf, sizeof(buf)));
	CHECK(bh_fiber_sleep(&loop, 200, &err) == 0);
	bh_vm_console_tail(vm, 1, &tail);
	CHECK(!strcmp(bh_buf_str(&tail), "red bell? tab end\n"));
	return 0;
}

/* A guest that never stops talking: we neither grow nor spin, and it still answers. */
static int case_flood(void)
{
	struct bh_vm_config c = config();
	bh_auto_buf struct bh_buf tail = BH_BUF_INIT;
	struct timespec before, after;
	char buf[64], before_kb[64];
	double used;

	CHECK(boot_and_meet(&c));
	snprintf(before_kb, sizeof(before_kb), "%s", status_of(getpid(), "VmRSS"));
	CHECK(ask("flood", buf, sizeof(buf)));
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
	CHECK(bh_fiber_sleep(&loop, 5000, &err) == 0);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
	used = (double)(after.tv_sec - before.tv_sec) +
	       ((double)(after.tv_nsec - before.tv_nsec) / 1e9);
	printf("processor time in 5 s: %.3f s\n", used);
	CHECK(used < 1.5); /* without a bound it would be all of it */
	CHECK(atol(status_of(getpid(), "VmRSS")) - atol(before_kb) < 256);
	bh_vm_console_tail(vm, 10, &tail);
	CHECK(tail.len > 4096 && tail.len <= 16384);
	CHECK(ask("uptime", buf, sizeof(buf)));
	return 0;
}

static int case_pause(void)
{
	struct bh_vm_config c = config();
	char buf[64];

	CHECK(boot_and_meet(&c));
	CHECK(ask("uptime", buf, sizeof(buf)));
	CHECK(bh_vm_pause(vm, true, &err) == 0);
	CHECK(write(port, "uptime\n", 7) == 7);
	CHECK(bh_fiber_sleep(&loop, 1000, &err) == 0);
	CHECK(read(port, buf, sizeof(buf)) < 0 && errno == EAGAIN);
	CHECK(bh_vm_pause(vm, false, &err) == 0);
	CHECK(hear(buf, sizeof(buf), "\n"));
	return 0;
}

static int disk_fd(const char *word, uint64_t bytes)
{
	int fd = open("/var/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd >= 0 && (ftruncate(fd, (off_t)bytes) < 0 || pwrite(fd, word, strlen(word), 0) < 0))
		fd = bh_close(fd);
	return fd;
}

/* Wait until the guest's disks are, or are not, of that name and size. */
static bool guest_sees(const char *disk, bool there)
{
	char buf[1024] = "";

	for (int i = 0; i < 100; i++) {
		if (!ask("disks", buf, sizeof(buf)))
			return false;
		if (!strstr(buf, disk) == !there)
			return true;
		if (bh_fiber_sleep(&loop, 50, &err) < 0)
			return false;
	}
	printf("disks: %s", buf);
	return false;
}

static int case_disk(void)
{
	struct bh_vm_config c = config();
	bh_auto_close int a = disk_fd("host", 8 * MIB), b = disk_fd("second", 16 * MIB);
	uint32_t first = 99, second = 99;
	char buf[1024], path[64];
	size_t fds;

	CHECK(boot_and_meet(&c));
	snprintf(path, sizeof(path), "/proc/%d/fd", (int)monitor());
	fds = entries(path);
	CHECK(bh_vm_add_disk(vm, &(struct bh_vm_disk){ .fd = a }, &first, &err) == 0);
	CHECK(first == 0 && guest_sees("sda=16384 ", true));
	CHECK(ask("swap", buf, sizeof(buf)) && !strcmp(buf, "host\n"));
	CHECK(pread(a, buf, 6, 0) == 6 && !strcmp(buf, "guest"));
	CHECK(bh_vm_add_disk(vm, &(struct bh_vm_disk){ .fd = b, .direct = true }, &second, &err) ==
	      0);
	CHECK(second == 1 && guest_sees("sdb=32768 ", true));
	CHECK(bh_vm_remove_disk(vm, first, &err) == 0);
	CHECK(guest_sees("sda=", false) && guest_sees("sdb=", true));
	CHECK(bh_vm_remove_disk(vm, first, &err) == -ENOENT);
	CHECK(bh_vm_remove_disk(vm, second, &err) == 0);
	CHECK(guest_sees("sdb=", false));
	CHECK(entries(path) == fds);
	CHECK(bh_vm_add_disk(vm, &(struct bh_vm_disk){ .fd = b }, &first, &err) == 0);
	CHECK(first == 0 && guest_sees("=32768 ", true));
	return 0;
}

/* A descriptor that cannot be written to, and what is no disk at all. */
static int case_disk_readonly(void)
{
	struct bh_vm_config c = config();
	bh_auto_close int a = disk_fd("host", 8 * MIB), ro = -EBADF, null = -EBADF;
	char buf[1024], path[BH_PROC_FD_BYTES];
	uint32_t number;

	ro = open(bh_proc_fd(path, a), O_RDONLY | O_CLOEXEC);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	CHECK(boot_and_meet(&c));
	CHECK(bh_vm_add_disk(vm, &(struct bh_vm_disk){ .fd = ro }, &number, &err) < 0);
	CHECK(strstr(err.text, "add disk 0 to the VM: QEMU's answer to blockdev-add: "));
	CHECK(bh_vm_add_disk(vm, &(struct bh_vm_disk){ .fd = null }, &number, &err) < 0);
	CHECK(bh_vm_add_disk(vm, &(struct bh_vm_disk){ .fd = ro, .readonly = true }, &number,
			     &err) == 0);
	CHECK(number == 0 && guest_sees("sda=16384 ", true));
	CHECK(ask("swap", buf, sizeof(buf)));
	CHECK(pread(a, buf, 4, 0) == 4 && !memcmp(buf, "host", 4));
	return 0;
}

static int tap(const char *name)
{
	struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	if (fd >= 0 && ioctl(fd, TUNSETIFF, &request) < 0)
		fd = bh_close(fd);
	return fd;
}

/* Network devices come in the order of the list, in the network namespace that was given. */
static int case_network(void)
{
	struct bh_vm_config c = config();
	bh_auto_close int netns = -EBADF, one = -EBADF, two = -EBADF;
	struct bh_vm_nic nics[2] = {
		{ .vhost_fd = -1, .mac = { 2, 0, 0, 0, 0, 0x99 }, .mtu = 1400 },
		{ .vhost_fd = -1, .mac = { 2, 0, 0, 0, 0, 0x11 } },
	};
	struct stat a, b;
	char buf[1024], path[64];

	CHECK(unshare(CLONE_NEWNET) == 0);
	netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	CHECK(netns >= 0);
	nics[0].tap_fd = one = tap("one");
	nics[1].tap_fd = two = tap("two");
	CHECK(one >= 0 && two >= 0);
	c.netns_fd = netns;
	c.nics = nics;
	c.n_nics = 2;
	CHECK(boot_and_meet(&c));
	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)monitor());
	CHECK(stat(path, &a) == 0 && fstat(netns, &b) == 0 && a.st_ino == b.st_ino);
	CHECK(ask("links", buf, sizeof(buf)));
	printf("links: %s", buf);
	CHECK(strstr(buf, "eth0=02:00:00:00:00:99 ") && strstr(buf, "eth1=02:00:00:00:00:11 "));
	return 0;
}

/* KiB in memory of what the monitor has mapped by that name; -1 when it has not. */
static long resident(pid_t pid, const char *name)
{
	bh_auto_free char *text = NULL;
	char path[64], *at;

	snprintf(path, sizeof(path), "/proc/%d/smaps", (int)pid);
	if (bh_path_read(AT_FDCWD, path, BH_PATH_HOST, 1 << 20, &text, NULL, &err) < 0)
		return -1;
	at = strstr(text, name);
	at = at ? strstr(at, "\nRss:") : NULL;
	return at ? strtol(at + strlen("\nRss:"), NULL, 10) : -1;
}

static int case_figures(void)
{
	struct bh_vm_config c = config();
	struct bh_vm_figures f;

	CHECK(boot_and_meet(&c));
	CHECK(bh_vm_figures(vm, &f, &err) == 0);
	printf("pss %.1f MiB, the guest's RAM %.1f MiB, processor %.2f s\n",
	       (double)f.pss / (double)MIB, (double)f.guest_ram / (double)MIB,
	       (double)f.cpu_usec / 1e6);
	CHECK(f.guest_ram > 8 * MIB && f.guest_ram <= c.memory);
	/* Of these the emulator's code is 64 at most. */
	CHECK(f.pss > MIB && f.pss < 120 * MIB);
	CHECK(resident(monitor(), " /kernel\n") == 0); /* it is in the guest */
	CHECK(f.cpu_usec > 10000);
	return 0;
}

/* Whatever ends the creator ends the VM. */
static int case_parent(void)
{
	struct bh_vm_config c = config();
	int pipe_fds[2], status, pidfd;
	pid_t child, pid = -1;
	struct pollfd end;

	CHECK(pipe2(pipe_fds, O_CLOEXEC) == 0);
	child = fork();
	if (child == 0) {
		pid = boot_and_meet(&c) ? monitor() : -1;
		if (write(pipe_fds[1], &pid, sizeof(pid)) < 0)
			_exit(1);
		pause();
	}
	CHECK(read(pipe_fds[0], &pid, sizeof(pid)) == sizeof(pid) && pid > 0);
	pidfd = pidfd_open(pid, 0);
	CHECK(pidfd >= 0);
	CHECK(kill(child, SIGKILL) == 0 && waitpid(child, &status, 0) == child);
	end = (struct pollfd){ .fd = pidfd, .events = POLLIN };
	CHECK(poll(&end, 1, 2000) == 1);
	return 0;
}

static int case_no_kernel(void)
{
	struct bh_vm_config c = config();

	c.kernel = "/nonexistent/vmlinux";
	CHECK(boot_with(&c) == -ENOENT);
	CHECK(strstr(err.text, "start QEMU: ") && strstr(err.text, "/nonexistent/vmlinux"));
	c = config();
	c.kernel = "/etc/passwd";
	CHECK(boot_with(&c) < 0);
	printf("%s\n", err.text);
	CHECK(strstr(err.text, "QEMU ended with status 1; its last words: "));
	return 0;
}

/* How long it takes until the processors run, and until the guest's init speaks. */
static int case_time(void)
{
	struct bh_vm_config c = config();
	double start = now(), running;
	char buf[64];

	CHECK(boot_with(&c) == 0);
	running = now();
	port = bh_vm_channel(vm, &err);
	CHECK(hear(buf, sizeof(buf), "ready\n"));
	printf("running after %.3f s, ready after %.3f s\n", running - start, now() - start);
	return 0;
}

/* Says what it found: "works", or why not. That it is quick is checked here. */
static int case_kvm_probe(void)
{
	char text[1300];
	double start = now();
	int r;

	CHECK(bh_log_open(NULL, BH_LOG_TEXT, BH_LOG_DEBUG, &err) == 0);
	r = bh_kvm_probe(&err);
	printf("%s\n", r == 0 ? "works" : bh_err_format(&err, text, sizeof(text)));
	printf("after %.3f s\n", now() - start);
	CHECK(now() - start < 1);
	return 0;
}

static const struct {
	const char *name;
	int (*run)(void);
} cases[] = {
	{ "console", case_console },
	{ "disk", case_disk },
	{ "disk-readonly", case_disk_readonly },
	{ "figures", case_figures },
	{ "flood", case_flood },
	{ "jail", case_jail },
	{ "kvm-probe", case_kvm_probe },
	{ "killed", case_killed },
	{ "network", case_network },
	{ "no-kernel", case_no_kernel },
	{ "panic", case_panic },
	{ "parent", case_parent },
	{ "pause", case_pause },
	{ "time", case_time },
};

int main(int argc, char **argv)
{
	int r = 2;

	setvbuf(stdout, NULL, _IONBF, 0);
	if (argc > 2 && !strcmp(argv[2], "kvm"))
		accelerator = BH_ACCELERATOR_KVM;
	if (argc < 2 || !getenv("GUEST") || bh_loop_init(&loop, &err) < 0)
		return 2;
	for (size_t i = 0; i < BH_ARRAY_SIZE(cases); i++)
		if (!strcmp(cases[i].name, argv[1]))
			r = cases[i].run();
	bh_close(port);
	vm = bh_vm_free(vm);
	bh_loop_deinit(&loop);
	return r;
}

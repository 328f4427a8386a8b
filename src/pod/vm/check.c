/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a node needs for pods in micro-VMs, tried rather than looked up: guest instructions are run,
 * a tap and its redirects are made in a network namespace that is gone afterwards. What the kernel
 * has as a module may get loaded by that, as it would by the first pod.
 */
#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/wait.h>

#include "base/path.h"
#include "base/sys.h"
#include "linux/caps.h"
#include "linux/rtnetlink.h"
#include "pod/vm/forward.h"
#include "pod/vm/guest_image.h"
#include "pod/vm/network_internal.h"
#include "pod/vm/share.h"
#include "pod/vm/share_daemon.h"
#include "pod/vm/vm_pod.h"
#include "vmm/kvm_probe.h"

/* ---- privileges ------------------------------------------------------------------------------ */

static int check_root(const void *context, struct bh_buf *found, struct bh_err *err)
{
	(void)context;
	if (geteuid() != 0)
		return bh_err_as(err, BH_ERR_STATE, -EPERM, "the user is %u", geteuid());
	bh_buf_puts(found, "root");
	return 0;
}

/* ---- the virtual machine --------------------------------------------------------------------- */

static int check_kvm(const void *context, struct bh_buf *found, struct bh_err *err)
{
	const struct bh_pod_config *config = context;
	int r = bh_kvm_probe(err);

	if (r == 0)
		bh_buf_puts(found, "a guest's instructions run at the processor's speed");
	return r < 0 && config->settings.accelerator != BH_ACCELERATE_KVM ? BH_CHECK_E_SPARE : r;
}

static int check_hypervisor(const void *context, struct bh_buf *found, struct bh_err *err)
{
	const struct bh_pod_config *config = context;
	const struct bh_hypervisor *hypervisor = bh_hypervisor_find(config->settings.hypervisor);
	int r;

	if (!hypervisor)
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL, "there is no hypervisor '%s'",
				 config->settings.hypervisor);
	r = hypervisor->ready(config->settings.qemu, err);
	return r < 0 ? r : hypervisor->check(config->settings.qemu, found, err);
}

static int check_virtiofsd(const void *context, struct bh_buf *found, struct bh_err *err)
{
	const struct bh_pod_config *config = context;
	struct bh_share_daemon daemon;
	int r = bh_share_daemon_find(config->settings.virtiofsd, &daemon, err);

	if (r == 0)
		bh_buf_puts(found, daemon.path);
	return r;
}

static int check_guest(const void *context, struct bh_buf *found, struct bh_err *err)
{
	const struct bh_pod_config *config = context;
	bh_auto_arena struct bh_arena arena = BH_ARENA_INIT;
	struct bh_guest_image image;
	int r;

	if (!config->settings.guest)
		return bh_err_as(err, BH_ERR_STATE, -ENOENT, "no directory is given");
	r = bh_guest_image_read(&arena, config->settings.guest, BH_ACCELERATOR_KVM, &image, err);
	if (r < 0)
		return r;
	for (const char *const *file = (const char *const[]){ image.kernel, image.initramfs, NULL };
	     *file; file++)
		if (access(*file, R_OK) < 0)
			return bh_err_set(err, -errno, "guest image '%s'", *file);
	bh_buf_printf(found, "Linux %s in %s", image.release, config->settings.guest);
	return 0;
}

static int check_vsock(const void *context, struct bh_buf *found, struct bh_err *err)
{
	bh_auto_close int fd =
		bh_path_open(AT_FDCWD, "/dev/vhost-vsock", O_RDWR, 0, BH_PATH_HOST, err);

	(void)context;
	if (fd < 0)
		return fd;
	bh_buf_puts(found, "/dev/vhost-vsock");
	return 0;
}

/* ---- network --------------------------------------------------------------------------------- */

#define NETWORK_LIMIT_MS 10000
#define LOOPBACK_INDEX   1

static int open_tun(struct bh_err *err)
{
	return bh_path_open(AT_FDCWD, "/dev/net/tun", O_RDWR, 0, BH_PATH_HOST, err);
}

static int make_tap(struct bh_err *err)
{
	struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	bh_auto_close int fd = open_tun(err);

	if (fd < 0)
		return fd;
	return ioctl(fd, TUNSETIFF, &request) < 0 ? bh_err_set(err, -errno, "make a tap") : 0;
}

/* Loopback serves as the interface of a pod: it is in every namespace. */
static int redirect(struct bh_err *err)
{
	const struct bh_network_trace trace = {
		.token = 1,
		.links = { { .name = "lo", .index = LOOPBACK_INDEX } },
		.n = 1,
	};
	struct bh_network_sockets sockets = BH_NETWORK_SOCKETS_INIT;
	int r = 0;

	sockets.rtnl = bh_rtnl_open(err);
	if (sockets.rtnl >= 0)
		sockets.taps[sockets.n_taps++] = open_tun(err);
	if (sockets.rtnl < 0 || sockets.taps[0] < 0)
		r = err->code;
	r = r < 0 ? r : bh_network_connect(&sockets, &trace, 0, 1500, err);
	bh_network_sockets_close(&sockets);
	return r;
}

/* What the child said. Return: 0 or -errno with @err */
static int attend(int pidfd, int told, struct bh_err *err)
{
	struct pollfd end = { .fd = pidfd, .events = POLLIN };
	struct bh_err said = BH_ERR_INIT;

	if (poll(&end, 1, NETWORK_LIMIT_MS) <= 0)
		pidfd_send_signal(pidfd, SIGKILL, NULL, 0);
	waitid(P_PIDFD, (id_t)pidfd, &(siginfo_t){ 0 }, WEXITED);
	if (read(told, &said, sizeof(said)) != (ssize_t)sizeof(said))
		return bh_err_as(err, BH_ERR_PEER, -EIO, "it was not done within %d s",
				 NETWORK_LIMIT_MS / 1000);
	if (said.code < 0)
		*err = said;
	return said.code;
}

/* Runs @fn in a network namespace of its own, with which all that it made goes. */
static int in_own_network(int (*fn)(struct bh_err *err), struct bh_err *err)
{
	bh_auto_close int pidfd = -EBADF, reader = -EBADF, writer = -EBADF;
	struct bh_err said = BH_ERR_INIT;
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return bh_err_set(err, -errno, "pipe");
	reader = ends[0];
	writer = ends[1];
	pid = bh_sys_fork_into(CLONE_NEWNET, &pidfd);
	if (pid < 0)
		return bh_err_set(err, -errno, "make a network namespace");
	if (pid == 0) {
		if (fn(&said) == 0)
			said.code = 0; /* of what was tried before something worked */
		_exit(write(writer, &said, sizeof(said)) == (ssize_t)sizeof(said) ? 0 : 1);
	}
	return attend(pidfd, reader, err);
}

static int check_tap(const void *context, struct bh_buf *found, struct bh_err *err)
{
	int r = in_own_network(make_tap, err);

	(void)context;
	if (r == 0)
		bh_buf_puts(found, "a tap was made by /dev/net/tun");
	return r;
}

static int check_tc(const void *context, struct bh_buf *found, struct bh_err *err)
{
	int r = in_own_network(redirect, err);

	(void)context;
	if (r == 0)
		bh_buf_puts(found, "what arrives was redirected");
	return r;
}

static int check_forward(const void *context, struct bh_buf *found, struct bh_err *err)
{
	int r = in_own_network(bh_forward_try, err);

	(void)context;
	if (r == 0)
		bh_buf_puts(found, "a port was led to another listener");
	return r;
}

/* ---- storage --------------------------------------------------------------------------------- */

#define DM_ANSWER_BYTES 16384

/* A list of struct dm_target_versions, each with the offset of the next. */
static bool has_target(const struct dm_ioctl *answer, const char *name)
{
	const char *at = (const char *)answer + answer->data_start;
	const char *end = (const char *)answer + DM_ANSWER_BYTES;
	uint32_t next = 0;

	if (answer->data_start >= DM_ANSWER_BYTES)
		return false;
	do {
		const struct dm_target_versions *target;

		at += next;
		if ((size_t)(end - at) < sizeof(*target) + strlen(name) + 1)
			return false;
		target = (const struct dm_target_versions *)at;
		if (!strcmp(target->name, name))
			return true;
		next = target->next;
	} while (next && next < (size_t)(end - at));
	return false;
}

static int check_device_mapper(const void *context, struct bh_buf *found, struct bh_err *err)
{
	bh_auto_close int fd =
		bh_path_open(AT_FDCWD, "/dev/mapper/control", O_RDWR, 0, BH_PATH_HOST, err);
	_Alignas(8) union {
		struct dm_ioctl head;
		char bytes[DM_ANSWER_BYTES];
	} call = { .head = { .version = { DM_VERSION_MAJOR, 0, 0 },
			     .data_size = DM_ANSWER_BYTES,
			     .data_start = sizeof(struct dm_ioctl) } };

	(void)context;
	if (fd < 0)
		return fd;
	if (ioctl(fd, DM_LIST_VERSIONS, &call) < 0)
		return bh_err_set(err, -errno, "list device mapper's targets");
	if (!has_target(&call.head, "thin-pool"))
		return bh_err_as(err, BH_ERR_STATE, -ENOTSUP,
				 "device mapper has no target thin-pool");
	bh_buf_printf(found, "version %u.%u, thin-pool", call.head.version[0],
		      call.head.version[1]);
	return 0;
}

/* ---- the table ------------------------------------------------------------------------------- */

#define KATA(name_, required_, run_, remedy_)                          \
	{                                                              \
		(name_), BH_CHECK_KATA, (required_), (run_), (remedy_) \
	}

static const struct bh_check rows[] = {
	KATA("privileges", true, check_root, "run as root"),
	KATA("kvm", true, check_kvm,
	     "take a machine with hardware virtualization (in a VM: nested), load kvm_intel or "
	     "kvm_amd; or allow emulation, which is slow: --accelerator auto"),
	KATA("hypervisor", true, check_hypervisor, "install QEMU (Debian: qemu-system-x86)"),
	KATA("virtiofsd", true, check_virtiofsd,
	     "install it (Debian 12: qemu-system-common, later: virtiofsd)"),
	KATA("guest-image", true, check_guest,
	     "make kernel and initramfs with ./dev guest, or name their directory by --guest"),
	KATA("tap", true, check_tap, "load the module tun"),
	KATA("tc", true, check_tc, "load sch_ingress, act_mirred, and cls_matchall or cls_bpf"),
	KATA("port-forward", false, check_forward,
	     "take a kernel with BPF at the look-up of sockets (Linux 5.9); until then no port of "
	     "a "
	     "pod can be forwarded"),
	KATA("vsock", false, check_vsock,
	     "load vhost_vsock; until then the agent is reached by a serial port"),
	KATA("device-mapper", false, check_device_mapper,
	     "load dm_thin_pool for an engine with devmapper snapshots; directories are shared "
	     "without it"),
};

int bh_vm_node_check(const struct bh_pod_config *config, struct bh_arena *arena,
		     struct bh_check_report *report, struct bh_err *err)
{
	return bh_check_run(arena, rows, BH_ARRAY_SIZE(rows), BH_CHECK_KATA, config, report, err);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A micro-VM pod from its start to its end, in phases: what fails names its phase, and from the
 * boot on the guest's last console lines.
 *
 *	admit     rules, size, accelerator                      nothing has been made
 *	prepare   ROOT/@pods/ID/, cgroup, network, shared directory
 *	boot      the monitor, confined, in the pod's namespaces and cgroup
 *	hello     the agent answers
 *	network   addresses and routes in the guest; then the cpu quota, so that boot does not crawl
 */
#include "pod/vm/vm_pod.h"

#include <fcntl.h>
#include <linux/vhost.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/path.h"
#include "container/state.h"
#include "loop/fiber.h"
#include "rpc/agent.pb-c.h"
#include "vmm/kvm_probe.h"

#define RESOLV_BYTES_MAX (64U << 10)
#define ENTROPY_BYTES    64
#define KERNEL_BYTES     64 /* of a release, as uname(2) has it */
#define NS_PER_USEC      1000U
#define NS_PER_MS        1000000
#define MS_PER_S         1000
#define HELLO_POLL_MS    2
#define SHARE_DIR        "share"
/* No user or vsock address on this range; one for each process that there can be. */
#define VMM_UID_BASE   0x42000000U
#define VSOCK_CID_BASE 0x1000000U
#define VSOCK_TRIES    64

const char *const bh_vm_phase_names[BH_VM_PHASE_MAX_] = {
	[BH_VM_PHASE_ADMIT] = "admit",     [BH_VM_PHASE_PREPARE] = "prepare",
	[BH_VM_PHASE_BOOT] = "boot",       [BH_VM_PHASE_HELLO] = "hello",
	[BH_VM_PHASE_NETWORK] = "network",
};

static uint64_t now_usec(void)
{
	return bh_clock_ns() / NS_PER_USEC;
}

/* ---- admit ----------------------------------------------------------------------------------- */

static int read_spec(struct bh_vm_pod *pod, struct bh_err *err)
{
	bh_auto_free char *text = NULL;
	size_t len;
	int r = bh_bundle_read(pod->config.bundle, &text, &len, err);

	return r < 0 ? r : bh_spec_parse(&pod->arena, text, len, &pod->spec, err);
}

static int choose_accelerator(struct bh_vm_pod *pod, struct bh_err *err)
{
	char text[BH_ERR_LINE_BYTES];
	struct bh_err why = BH_ERR_INIT;
	int r;

	pod->accelerator = BH_ACCELERATOR_EMULATION;
	if (pod->config.settings.accelerator == BH_ACCELERATE_EMULATION) {
		bh_log(BH_LOG_INFO, "kata: software emulation, as it was asked for: many times "
				    "slower than KVM");
		return 0;
	}
	r = bh_kvm_probe(&why);
	if (r == 0) {
		pod->accelerator = BH_ACCELERATOR_KVM;
		return 0;
	}
	if (pod->config.settings.accelerator == BH_ACCELERATE_AUTO) {
		bh_warn("kata: software emulation, many times slower than KVM: %s",
			bh_err_format(&why, text, sizeof(text)));
		return 0;
	}
	*err = why;
	return bh_err_ctx(err, "emulation is not allowed (accelerator: emulation or auto)");
}

static int admit(struct bh_vm_pod *pod, struct bh_err *err)
{
	int r = read_spec(pod, err);

	r = r < 0 ? r : bh_vm_admit(&pod->spec, pod->config.id, &pod->config.settings.rules, err);
	r = r < 0 ? r : choose_accelerator(pod, err);
	r = r < 0 ? r
		  : bh_vm_size(&pod->spec, &pod->config.settings, pod->accelerator, &pod->size,
			       err);
	if (r < 0)
		return r;
	r = bh_guest_image_read(&pod->arena, pod->config.settings.guest, pod->accelerator,
				&pod->image, err);
	if (r < 0)
		return r;
	pod->hypervisor = bh_hypervisor_find(pod->config.settings.hypervisor);
	if (!pod->hypervisor)
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL, "there is no hypervisor '%s'",
				 pod->config.settings.hypervisor);
	return pod->hypervisor->ready(pod->config.settings.qemu, err);
}

/* ---- prepare --------------------------------------------------------------------------------- */

int bh_vm_pod_save(const struct bh_vm_pod *pod, struct bh_err *err)
{
	const struct bh_pod_record record = { .runtime = bh_vm_pod_kind.name,
					      .created = pod->created,
					      .server = pod->server,
					      .cg = pod->cg,
					      .network = pod->network };

	return bh_pod_record_save(pod->dirfd, &record, err);
}

static void on_share_dead(void *arg, const struct bh_err *why)
{
	bh_vm_pod_died(arg, "shared directory", why);
}

static int start_share(struct bh_vm_pod *pod, struct bh_err *err)
{
	bh_cleanup(bh_vm_cgroup_fds_close) struct bh_vm_cgroup_fds fds = { .n = 0 };
	const char *dir = bh_arena_printf(&pod->arena, "%s/" BH_PODS_DIR "/%s/" SHARE_DIR,
					  pod->config.root, pod->config.id);
	struct bh_share_config config;
	int r = dir ? bh_vm_cgroup_open(pod, &fds, err) : bh_err_oom(err);

	if (r == 0 && mkdirat(pod->dirfd, SHARE_DIR, 0700) < 0)
		r = bh_err_set(err, -errno, "make '%s'", dir);
	if (r < 0)
		return r;
	config = (struct bh_share_config){ .daemon = pod->config.settings.virtiofsd,
					   .cache = pod->config.settings.share_cache,
					   .dir = dir,
					   .cgroup_fds = fds.v,
					   .n_cgroup_fds = fds.n };
	return bh_share_start(pod->loop, &config, on_share_dead, pod, &pod->share, err);
}

static int prepare(struct bh_vm_pod *pod, struct bh_err *err)
{
	int r = bh_proc_identify(getpid(), &pod->server, err);

	if (r < 0)
		return r;
	pod->dirfd = bh_pod_dir_make(pod->config.root, pod->config.id, err);
	if (pod->dirfd < 0)
		return pod->dirfd;
	pod->console = BH_CONSOLE_LOG_INIT(pod->dirfd, pod->config.settings.console_log);
	bh_clock_now(pod->created, false);
	r = bh_vm_pod_save(pod, err);
	r = r < 0 ? r : bh_vm_cgroup_make(pod, err);
	r = r < 0 ? r : bh_vm_network_make(pod, err);
	return r < 0 ? r : start_share(pod, err);
}

/* ---- boot ------------------------------------------------------------------------------------ */

static void on_vm_dead(void *arg, const struct bh_err *why)
{
	bh_vm_pod_died(arg, "virtual machine", why);
}

/* Take an address that no other guest of this host has: who else makes some does not ask us. Sets
 * pod->vsock_cid, which stays 0 where there is no vsock. Return: descriptor of the device, or
 * -errno; -ENODEV without @err when there is none */
static int claim_vsock(struct bh_vm_pod *pod, struct bh_err *err)
{
	int fd = open("/dev/vhost-vsock", O_RDWR | O_CLOEXEC), tries = VSOCK_TRIES;
	uint64_t cid = VSOCK_CID_BASE + (uint64_t)getpid();

	if (fd < 0)
		return -ENODEV;
	while (ioctl(fd, VHOST_VSOCK_SET_GUEST_CID, &cid) < 0) {
		if (errno != EADDRINUSE || --tries == 0) {
			bh_err_set(err, -errno, "take the vsock address %llu",
				   (unsigned long long)cid);
			bh_close(fd);
			return err->code;
		}
		cid++;
	}
	pod->vsock_cid = (uint32_t)cid;
	return fd;
}

static void on_console(void *arg, const char *data, size_t len)
{
	bh_console_log_add(arg, data, len);
}

static void on_link_dead(void *arg, const struct bh_err *why)
{
	bh_vm_pod_lost(arg, "link to the agent", why);
}

/* The guest calls the supervisor, at a port that nobody else can take any more. */
static int listen_vsock(struct bh_vm_pod *pod, const char **ret_cmdline, struct bh_err *err)
{
	int r = bh_link_vsock(pod->loop, pod->vsock_cid, on_link_dead, pod, &pod->link, err);

	if (r < 0)
		return r;
	*ret_cmdline = bh_arena_printf(&pod->arena, "%s " BH_LINK_VSOCK_OPTION "%u",
				       pod->image.cmdline, bh_link_vsock_port(pod->link));
	return *ret_cmdline ? 0 : bh_err_oom(err);
}

static int boot(struct bh_vm_pod *pod, struct bh_err *err)
{
	bh_cleanup(bh_vm_cgroup_fds_close) struct bh_vm_cgroup_fds fds = { .n = 0 };
	struct bh_vm_figures figures;
	struct bh_vm_config c = {
		.program = pod->config.settings.qemu,
		.console_bytes = pod->config.settings.console_log,
		.kernel = pod->image.kernel,
		.initramfs = pod->image.initramfs,
		.cmdline = pod->image.cmdline,
		.acpi = pod->image.acpi,
		.accelerator = pod->accelerator,
		.vcpus = pod->size.vcpus,
		.memory = pod->size.ram,
		.share_tag = BH_SHARE_TAG,
		.share_fd = bh_share_fd(pod->share),
		.serial_name = BH_LINK_SERIAL_NAME,
		.netns_fd = pod->netns_fd,
		.uid = VMM_UID_BASE + (uid_t)getpid(),
		.name = pod->config.id,
		.console = on_console,
		.console_arg = &pod->console,
	};
	bh_auto_close int vsock = claim_vsock(pod, err);
	int r = vsock < 0 && vsock != -ENODEV ? vsock : bh_vm_cgroup_open(pod, &fds, err);

	if (r < 0)
		return r;
	if (vsock >= 0) {
		c.vsock_cid = pod->vsock_cid;
		c.vsock_fd = vsock;
		c.serial_name = NULL;
		r = listen_vsock(pod, &c.cmdline, err);
		if (r < 0)
			return r;
	}
	if (pod->network)
		c.nics = bh_network_nics(pod->network, &c.n_nics);
	c.cgroup_fds = fds.v;
	c.n_cgroup_fds = fds.n;
	r = bh_vm_boot(pod->hypervisor, pod->loop, &c, on_vm_dead, pod, &pod->vm, err);
	bh_vm_cgroup_settled(pod);
	r = r < 0 ? r : bh_vm_figures(pod->vm, &figures, err);
	return r < 0 ? r : bh_proc_identify(figures.pid, &pod->vmm, err);
}

/* ---- hello ----------------------------------------------------------------------------------- */

static void on_agent_closed(void *arg)
{
	struct bh_err why = BH_ERR_INIT;

	bh_err_as(&why, BH_ERR_PEER, -EPIPE, "the agent closed it");
	bh_vm_pod_lost(arg, "connection to the agent", &why);
}

static int connect_link(struct bh_vm_pod *pod, struct bh_err *err)
{
	int fd;

	if (pod->link) /* over vsock */
		return 0;
	fd = bh_vm_channel(pod->vm, err);
	return fd < 0 ? fd : bh_link_serial(pod->loop, fd, on_link_dead, pod, &pod->link, err);
}

static int await_agent(struct bh_vm_pod *pod, struct bh_err *err)
{
	int64_t limit = pod->config.settings.hello_timeout_ns / NS_PER_MS;
	int r;

	if (pod->accelerator == BH_ACCELERATOR_EMULATION)
		limit *= BH_VM_EMULATION_FACTOR;
	for (int64_t waited = 0; waited < limit; waited += HELLO_POLL_MS) {
		r = bh_vm_pod_check(pod, err);
		r = r < 0 ? r : bh_link_ready(pod->link, err);
		if (r != 0)
			return r < 0 ? r : 0;
		r = bh_fiber_sleep(pod->loop, HELLO_POLL_MS, err);
		if (r < 0)
			return r;
	}
	return bh_err_as(err, BH_ERR_PEER, -ETIMEDOUT, "no hello within %g s",
			 (double)limit / MS_PER_S);
}

static int say_hello(struct bh_vm_pod *pod, struct bh_err *err)
{
	Agent__HelloRequest q = AGENT__HELLO_REQUEST__INIT;
	Agent__HelloResponse *a = NULL;
	Wire__Timestamp now = WIRE__TIMESTAMP__INIT;
	bh_auto_free char *resolv = NULL;
	uint8_t entropy[ENTROPY_BYTES];
	struct timespec ts;
	int r;

	(void)!bh_path_read(AT_FDCWD, "/etc/resolv.conf", BH_PATH_HOST, RESOLV_BYTES_MAX, &resolv,
			    NULL, NULL);
	if (getrandom(entropy, sizeof(entropy), 0) != (ssize_t)sizeof(entropy))
		return bh_err_set(err, -errno, "get random bytes");
	clock_gettime(CLOCK_REALTIME, &ts);
	now.seconds = ts.tv_sec;
	now.nanos = (int32_t)ts.tv_nsec;
	q.version = (char *)BH_VERSION;
	q.now = &now;
	q.entropy = (ProtobufCBinaryData){ .data = entropy, .len = sizeof(entropy) };
	q.hostname = (char *)(pod->spec.hostname ? pod->spec.hostname : pod->config.id);
	q.resolv_conf = resolv ? resolv : (char *)"";
	r = bh_vm_pod_ask(pod, BH_AGENT_SERVICE, "Hello", &q.base,
			  &agent__hello_response__descriptor, (ProtobufCMessage **)&a, err);
	if (r < 0)
		return r;
	pod->kernel = bh_arena_strdup(&pod->arena, bh_vm_harmless(a->kernel, KERNEL_BYTES));
	agent__hello_response__free_unpacked(a, NULL);
	return pod->kernel ? 0 : bh_err_oom(err);
}

static int hello(struct bh_vm_pod *pod, struct bh_err *err)
{
	int r = connect_link(pod, err), fd;

	r = r < 0 ? r : await_agent(pod, err);
	if (r < 0)
		return r;
	fd = bh_link_open(pod->link, BH_STREAM_RPC, 0, err);
	if (fd < 0)
		return fd;
	r = bh_rpc_connect(pod->loop, fd, on_agent_closed, pod, &pod->agent, err);
	return r < 0 ? r : say_hello(pod, err);
}

/* ---- network, and the quota ------------------------------------------------------------------ */

/* For the forward: a stream to a port of the guest. */
static int open_port(void *arg, uint16_t port, struct bh_err *err)
{
	return bh_vm_pod_stream(arg, BH_STREAM_CONNECT, port, err);
}

/* A pod is a pod without it. */
static void forward_ports(struct bh_vm_pod *pod)
{
	char text[BH_ERR_LINE_BYTES];
	struct bh_err err = BH_ERR_INIT;

	if (pod->netns_fd >= 0 &&
	    bh_forward_start(pod->loop, pod->netns_fd, open_port, pod, &pod->forward, &err) < 0)
		bh_warn("pod '%s': no port of it can be forwarded: %s", pod->config.id,
			bh_err_format(&err, text, sizeof(text)));
}

static int network(struct bh_vm_pod *pod, struct bh_err *err)
{
	int r = bh_vm_network_tell(pod, err);

	if (r == 0)
		forward_ports(pod);
	return r < 0 ? r : bh_vm_pod_limit_cpu(pod, err);
}

/* ---- the beginning --------------------------------------------------------------------------- */

static int (*const phases[BH_VM_PHASE_MAX_])(struct bh_vm_pod *pod, struct bh_err *err) = {
	[BH_VM_PHASE_ADMIT] = admit, [BH_VM_PHASE_PREPARE] = prepare, [BH_VM_PHASE_BOOT] = boot,
	[BH_VM_PHASE_HELLO] = hello, [BH_VM_PHASE_NETWORK] = network,
};

/* What a phase stumbles over is most often the consequence of a death. */
static int tell_failure(struct bh_vm_pod *pod, struct bh_err *err)
{
	bh_vm_pod_await_verdict(pod);
	if (pod->dead)
		*err = pod->why;
	else
		bh_vm_pod_add_console(pod, err);
	return err->code;
}

static int run_phases(struct bh_vm_pod *pod, struct bh_err *err)
{
	for (int i = 0; i < BH_VM_PHASE_MAX_; i++) {
		uint64_t start = now_usec();
		int r = phases[i](pod, err);

		pod->phase_usec[i] = now_usec() - start;
		bh_debug("pod '%s': %s took %llu µs", pod->config.id, bh_vm_phase_names[i],
			 (unsigned long long)pod->phase_usec[i]);
		/* The pod may also have died, or been given up, while the phase did well. */
		r = r < 0 ? tell_failure(pod, err) : bh_vm_pod_check(pod, err);
		if (r < 0)
			return bh_err_ctx(err, "%s", bh_vm_phase_names[i]);
	}
	bh_vm_pulse_begin(pod);
	return bh_vm_pod_hear(pod, err);
}

/* Without the probe of KVM: a plan says what is wanted. */
static int plan(struct bh_vm_pod *pod, struct bh_buf *out, struct bh_err *err)
{
	static const char *const choices[BH_ACCELERATE_MAX_] = { "kvm", "emulation",
								 "kvm, else emulation" };
	bool emulated = pod->config.settings.accelerator == BH_ACCELERATE_EMULATION;
	bh_auto_free char *text = NULL;
	struct bh_guest_source source = { .id = pod->config.container,
					  .bundle = pod->config.bundle,
					  .spec = &pod->spec };
	struct bh_guest_plan *guest = NULL;
	const struct bh_namespace *ns;
	int r = read_spec(pod, err);

	r = r < 0 ? r : bh_vm_admit(&pod->spec, pod->config.id, &pod->config.settings.rules, err);
	r = r < 0 ? r
		  : bh_vm_size(&pod->spec, &pod->config.settings,
			       emulated ? BH_ACCELERATOR_EMULATION : BH_ACCELERATOR_KVM, &pod->size,
			       err);
	r = r < 0 ? r : bh_bundle_read(pod->config.bundle, &text, &source.config_len, err);
	source.config = text;
	r = r < 0 ? r : bh_guest_plan_new(&source, &guest, err);
	if (r < 0)
		return r;
	ns = bh_spec_namespace(&pod->spec, BH_NS_NETWORK);
	bh_buf_printf(out,
		      "container %s\nbundle %s\npod %s: a micro-VM by %s, accelerator %s\n"
		      "vm: %u vcpus, %llu MiB of RAM; cgroup: %llu µs of %llu µs, %llu MiB\n"
		      "network: %s\n",
		      pod->config.container, pod->config.bundle, pod->config.id,
		      pod->config.settings.hypervisor, choices[pod->config.settings.accelerator],
		      pod->size.vcpus, (unsigned long long)(pod->size.ram / BH_POD_MIB),
		      (unsigned long long)pod->size.cgroup_quota_usec,
		      (unsigned long long)pod->size.period_usec,
		      (unsigned long long)(pod->size.cgroup_memory / BH_POD_MIB),
		      ns && ns->path ? ns->path : "loopback only");
	bh_guest_plan_print(guest, out);
	bh_guest_plan_free(guest);
	return out->failed ? bh_err_oom(err) : 0;
}

static int plan_pod(const struct bh_pod_config *config, struct bh_buf *out, struct bh_err *err)
{
	struct bh_vm_pod pod = { .config = *config };
	int r = plan(&pod, out, err);

	bh_arena_deinit(&pod.arena);
	return r;
}

static void give_up(struct bh_pod *base, const struct bh_err *why)
{
	bh_vm_pod_died((struct bh_vm_pod *)base, "caller", why);
}

static void close_pod(struct bh_pod *base)
{
	bh_vm_pod_undo((struct bh_vm_pod *)base);
}

static bool empty(const struct bh_pod *base)
{
	const struct bh_vm_pod *pod = (const struct bh_vm_pod *)base;

	return !pod->containers;
}

static pid_t pid(const struct bh_pod *base, const char *id)
{
	const struct bh_vm_pod *pod = (const struct bh_vm_pod *)base;

	for (const struct bh_vm_container *c = pod->containers; c; c = c->next)
		if (!strcmp(c->record->id, id))
			return pod->vmm.pid;
	return 0;
}

static struct bh_pod *free_pod(struct bh_pod *base)
{
	struct bh_vm_pod *pod = (struct bh_vm_pod *)base;

	close_pod(base);
	while (pod->containers)
		bh_vm_container_free(pod->containers, false);
	bh_stdio_end(&pod->stdio);
	bh_ledger_deinit(&pod->ledger);
	bh_cgroup_free(pod->cg);
	bh_arena_deinit(&pod->arena);
	free(pod);
	return NULL;
}

static int open_pod(struct bh_loop *loop, const struct bh_pod_config *config,
		    const struct bh_pod_listener *listener, struct bh_pod **ret, struct bh_err *err)
{
	struct bh_vm_pod *pod = calloc(1, sizeof(*pod));
	int r;

	if (!pod)
		return bh_err_oom(err);
	pod->pod.kind = &bh_vm_pod_kind;
	pod->loop = loop;
	pod->config = *config;
	pod->listener = *listener;
	pod->dirfd = -EBADF;
	pod->console = BH_CONSOLE_LOG_INIT(-EBADF, 0);
	pod->netns_fd = -EBADF;
	pod->scope_fd = -EBADF;
	bh_vm_pod_end_init(pod);
	bh_vm_network_init(pod);
	pod->workers.loop = loop;
	pod->stdio = (struct bh_stdio){ .loop = loop,
					.domain = config->domain,
					.reader_ms = BH_POD_READER_MS };
	pod->services[0] = bh_vm_task_service(pod);
	pod->services[1] = bh_vm_pod_service(pod);
	*ret = &pod->pod;
	r = run_phases(pod, err);
	if (r < 0) {
		*ret = free_pod(&pod->pod);
		return bh_err_ctx(err, "pod '%s'", config->id);
	}
	return 0;
}

static const struct bh_rpc_service *services(struct bh_pod *base, size_t *ret_n)
{
	struct bh_vm_pod *pod = (struct bh_vm_pod *)base;

	*ret_n = BH_ARRAY_SIZE(pod->services);
	return pod->services;
}

const struct bh_pod_kind bh_vm_pod_kind = {
	.name = "kata",
	.own_mounts = true,
	.bring_up = open_pod,
	.plan = plan_pod,
	.give_up = give_up,
	.check = bh_vm_node_check,
	.empty = empty,
	.pid = pid,
	.services = services,
	.close = close_pod,
	.free = free_pod,
};

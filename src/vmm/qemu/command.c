/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machine is microvm: no PCI, no firmware to speak of, devices on virtio-mmio. Each is put on a
 * transport by number, so that the guest finds them in the order in which they are listed here.
 *
 * Sources: qemu(1), QEMU docs/system/i386/microvm.rst
 */
#include "vmm/qemu/command.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Transports of the machine, which the guest finds from the highest number down. With ACPI there is
 * a second interrupt controller to serve them, whose first line never gets through to the guest
 * (seen with QEMU 7.2). */
struct transports {
	unsigned int last, left;
};
static const struct transports transports = { 7, 8 }, transports_acpi = { 23, 23 };

/* The console is a serial port, since that is there from the first instruction to the last. A
 * kernel that gives up must not wait: its restart ends the VM (-no-reboot). */
#define CMDLINE "console=ttyS0 panic=-1 reboot=t"

struct builder {
	struct bh_qemu_command *out;
	struct bh_arena *arena;
	struct transports free;
	bool no_memory, too_many;
};

static void put(struct builder *b, const char *arg)
{
	if (!arg)
		b->no_memory = true;
	else if (b->out->n == BH_QEMU_ARGS_MAX)
		b->too_many = true;
	else
		b->out->argv[b->out->n++] = arg;
}

static const char *bh_printf(2, 0) format(struct builder *b, const char *fmt, va_list ap)
{
	bh_auto_free char *text = NULL;

	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	return text ? bh_arena_strdup(b->arena, text) : NULL;
}

/* An option and its formatted value. */
static void bh_printf(3, 4) option(struct builder *b, const char *name, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	put(b, name);
	put(b, format(b, fmt, ap));
	va_end(ap);
}

/* A device, with its properties, on the next transport. */
static void bh_printf(3, 4) device(struct builder *b, const char *name, const char *fmt, ...)
{
	const char *properties;
	va_list ap;

	va_start(ap, fmt);
	properties = format(b, fmt, ap);
	va_end(ap);
	if (!b->free.left) {
		b->too_many = true;
		return;
	}
	b->free.left--;
	option(b, "-device", "%s,bus=virtio-mmio-bus.%u,%s", name, b->free.last--,
	       properties ? properties : "");
}

/* Return: the number that @fd will have in the process */
static int hand_over(struct builder *b, int fd)
{
	if (b->out->n_fds == BH_QEMU_FDS_MAX) {
		b->too_many = true;
		return -1;
	}
	b->out->fds[b->out->n_fds] = fd;
	return BH_QEMU_FD_FIRST + (int)b->out->n_fds++;
}

/* @text as the value of an option, in which a comma is written twice. */
static const char *quote(struct builder *b, const char *text)
{
	char *buf = bh_arena_alloc(b->arena, (2 * strlen(text)) + 1), *p = buf;

	if (!buf) {
		b->no_memory = true;
		return "";
	}
	for (; *text; text++) {
		if (*text == ',')
			*p++ = ',';
		*p++ = *text;
	}
	return buf;
}

/* ---- parts ----------------------------------------------------------------------------------- */

static void put_machine(struct builder *b, const struct bh_vm_config *config)
{
	bool kvm = config->accelerator == BH_ACCELERATOR_KVM;

	/* Emulated, a guest needs the timer to measure its clock by. It waits seconds for a clock
	 * that does not tell the time; the rest is ballast. */
	option(b, "-machine",
	       "microvm,memory-backend=ram,x-option-roms=off,pcie=off,isa-serial=on,rtc=on,"
	       "pit=%s,acpi=%s,mem-merge=off,dump-guest-core=off",
	       kvm ? "off" : "on", config->acpi ? "on" : "off");
	/* Not version 0.9 of virtio, which some devices never knew. */
	option(b, "-global", "virtio-mmio.force-legacy=false");
	if (kvm)
		option(b, "-accel", "kvm");
	else
		option(b, "-accel", "tcg,thread=multi,tb-size=64");
	/* An emulated processor does string instructions a byte at a time: a kernel that is told
	 * they are fast copies and clears pages by them. Five levels of page tables give nothing
	 * here. */
	option(b, "-cpu", "%s", kvm ? "host" : "max,la57=off,erms=off,fsrm=off");
	option(b, "-smp", "%" PRIu32, config->vcpus);
	option(b, "-m", "%" PRIu64 "k", config->memory >> 10);
	/* Another process works in a shared one; a private one is cheaper to fault in, but takes
	 * huge pages where the process may have them: as an emulator, for what it translates. A
	 * shared one takes them only where the administrator wants them in shared memory. */
	if (config->share_tag || !kvm)
		option(b, "-object", "memory-backend-memfd,id=ram,size=%" PRIu64 ",share=on",
		       config->memory);
	else
		option(b, "-object", "memory-backend-ram,id=ram,size=%" PRIu64, config->memory);
}

static void put_kernel(struct builder *b, const struct bh_vm_config *config, int64_t ticks_khz)
{
	char ticks[48] = "";

	/* Without it a kernel on a busy host may wait for a clock for ever. */
	if (config->accelerator == BH_ACCELERATOR_EMULATION && ticks_khz)
		snprintf(ticks, sizeof(ticks), " tsc_early_khz=%" PRId64, ticks_khz);
	option(b, "-kernel", "%s", BH_QEMU_KERNEL);
	option(b, "-initrd", "%s", BH_QEMU_INITRAMFS);
	option(b, "-append", "%s%s%s%s", CMDLINE, ticks, *config->cmdline ? " " : "",
	       config->cmdline);
}

static void put_lines(struct builder *b, const struct bh_qemu_ends *ends)
{
	option(b, "-chardev", "socket,id=monitor,fd=%d", hand_over(b, ends->monitor));
	option(b, "-mon", "chardev=monitor,mode=control");
	option(b, "-chardev", "socket,id=console,fd=%d", hand_over(b, ends->console));
	option(b, "-serial", "chardev:console");
}

static void put_nic(struct builder *b, const struct bh_vm_nic *nic, size_t number)
{
	const uint8_t *mac = nic->mac;
	char mtu[32] = "";
	int tap;

	tap = hand_over(b, nic->tap_fd);
	if (nic->vhost_fd >= 0)
		option(b, "-netdev", "tap,id=net%zu,fd=%d,vhost=on,vhostfd=%d", number, tap,
		       hand_over(b, nic->vhost_fd));
	else
		option(b, "-netdev", "tap,id=net%zu,fd=%d,vhost=off", number, tap);
	if (nic->mtu)
		snprintf(mtu, sizeof(mtu), ",host_mtu=%" PRIu32, nic->mtu);
	device(b, "virtio-net-device", "netdev=net%zu,mac=%02x:%02x:%02x:%02x:%02x:%02x%s", number,
	       mac[0], mac[1], mac[2], mac[3], mac[4], mac[5], mtu);
}

static void put_devices(struct builder *b, const struct bh_vm_config *config,
			const struct bh_qemu_ends *ends)
{
	if (config->serial_name) {
		device(b, "virtio-serial-device", "id=serial,max_ports=2");
		option(b, "-chardev", "socket,id=channel,fd=%d", hand_over(b, ends->channel));
		option(b, "-device", "virtserialport,bus=serial.0,nr=1,chardev=channel,name=%s",
		       quote(b, config->serial_name));
	}
	if (config->vsock_cid)
		device(b, "vhost-vsock-device", "guest-cid=%" PRIu32 ",vhostfd=%d",
		       config->vsock_cid, hand_over(b, config->vsock_fd));
	option(b, "-object", "rng-builtin,id=random");
	device(b, "virtio-rng-device", "rng=random");
	device(b, "virtio-scsi-device", "id=scsi");
	/* What the guest frees goes back to the host by itself. */
	device(b, "virtio-balloon-device", "free-page-reporting=on,deflate-on-oom=on");
	if (config->share_tag) {
		option(b, "-chardev", "socket,id=share,fd=%d", hand_over(b, config->share_fd));
		device(b, "vhost-user-fs-device", "chardev=share,queue-size=1024,tag=%s",
		       quote(b, config->share_tag));
	}
	for (size_t i = 0; i < config->n_nics; i++)
		put_nic(b, &config->nics[i], i);
}

/* It denies what no monitor needs once it runs. Processes and privileges are out of its reach
 * anyhow: this takes away the kernel's code for them as well. */
#define SANDBOX "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"

int bh_qemu_command(const char *program, const struct bh_vm_config *config,
		    const struct bh_qemu_ends *ends, int64_t ticks_khz, struct bh_arena *arena,
		    struct bh_qemu_command *ret, struct bh_err *err)
{
	struct builder b = {
		.out = ret,
		.arena = arena,
		.free = config->acpi ? transports_acpi : transports,
	};

	*ret = (struct bh_qemu_command){ .n = 0 };
	put(&b, program);
	option(&b, "-name", "guest=%s", quote(&b, config->name));
	put(&b, "-no-user-config");
	put(&b, "-nodefaults");
	put(&b, "-no-reboot");
	put(&b, "-S"); /* the processors start once the root is empty */
	option(&b, "-display", "none");
	option(&b, "-sandbox", "%s", SANDBOX);
	put_machine(&b, config);
	put_kernel(&b, config, ticks_khz);
	put_lines(&b, ends);
	put_devices(&b, config, ends);
	if (b.no_memory)
		return bh_err_oom(err);
	if (b.too_many)
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL,
				 "%zu network interfaces are more than the VM has places for",
				 config->n_nics);
	return 0;
}

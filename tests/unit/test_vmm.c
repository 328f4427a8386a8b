/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the monitor's driver that need no monitor. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>

#include "loop/fiber.h"
#include "vmm/figures.h"
#include "vmm/qemu/command.h"
#include "vmm/stream.h"

/* ---- last words ------------------------------------------------------------------------------ */

static void expect_lines(const char *said, size_t keep, size_t lines, const char *want)
{
	bh_auto_buf struct bh_buf out = BH_BUF_INIT;
	struct bh_tail tail;

	assert_int_equal(bh_tail_init(&tail, keep), 0);
	for (const char *p = said; *p; p++) /* byte by byte, and all at once below */
		bh_tail_add(&tail, p, 1);
	bh_tail_lines(&tail, lines, &out);
	assert_string_equal(bh_buf_str(&out), want);
	out.len = 0;
	bh_tail_deinit(&tail);
	assert_int_equal(bh_tail_init(&tail, keep), 0);
	bh_tail_add(&tail, said, strlen(said));
	bh_tail_lines(&tail, lines, &out);
	assert_string_equal(out.len ? bh_buf_str(&out) : "", want);
	bh_tail_deinit(&tail);
}

static void tails(void **state)
{
	(void)state;
	expect_lines("", 16, 3, "");
	expect_lines("one\ntwo\nthree\n", 64, 2, "two\nthree\n");
	expect_lines("one\ntwo\nthree", 64, 2, "two\nthree\n");
	expect_lines("one\ntwo", 64, 9, "one\ntwo\n");
	expect_lines("one\ntwo", 64, 0, "");
	expect_lines("0123456789abcdef", 8, 1, "89abcdef\n");
	expect_lines("0123456789\nabc\n", 8, 5, "789\nabc\n");
	expect_lines("a\r\n\r\n\n\nb\r\n", 64, 2, "a\nb\n");
}

static void harmless(void **state)
{
	(void)state;
	expect_lines("\033[1;31mred\033[0m\033]0;title\007x", 64, 1, "red0;title?x\n");
	expect_lines("a\tb\001\177\377\xc2\x9b"
		     "c",
		     64, 1, "a b?????c\n");
	expect_lines("\033[31", 64, 1, "");
	expect_lines("\033[31\nnext", 64, 2, "next\n"); /* a sequence does not eat the next line */
	expect_lines("\033\033[mx", 64, 1, "x\n");
}

static void one_line(void **state)
{
	bh_auto_buf struct bh_buf out = BH_BUF_INIT;
	struct bh_tail tail;

	(void)state;
	assert_int_equal(bh_tail_init(&tail, 64), 0);
	bh_tail_add(&tail, "one\ntwo\nthree\n", 14);
	bh_tail_line(&tail, 2, &out);
	assert_string_equal(bh_buf_str(&out), "two; three");
	bh_tail_deinit(&tail);
}

/* Who talks without end gets its share of our time and no more. */
static void flood(void **state)
{
	static char chunk[32768];
	struct bh_loop loop;
	struct bh_stream stream = { .loop = NULL };
	struct bh_err err;
	size_t total = 0;
	int ends[2];

	(void)state;
	memset(chunk, 'x', sizeof(chunk));
	assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
	assert_int_equal(bh_loop_init(&loop, &err), 0);
	assert_int_equal(bh_stream_start(&stream, &loop, ends[0], 100, "test", &err), 0);
	for (int i = 0; i < 200; i++) {
		ssize_t n = write(ends[1], chunk, sizeof(chunk));

		total += n > 0 ? (size_t)n : 0;
		assert_int_equal(bh_fiber_sleep(&loop, 1, &err), 0);
	}
	/* 200 ms and more at 64 KiB in 50 ms; without a limit it would be all of 6.5 MB. */
	assert_in_range(total, 65536, 200 * sizeof(chunk) / 2);
	assert_int_equal(stream.tail.len, 100);
	bh_stream_end(&stream); /* closes it */
	signal(SIGPIPE, SIG_IGN);
	assert_true(write(ends[1], chunk, 1) < 0 && errno == EPIPE);
	bh_close(ends[1]);
	bh_stream_deinit(&stream);
	bh_loop_deinit(&loop);
}

/* ---- the command line ------------------------------------------------------------------------ */

static struct bh_vm_config config(void)
{
	return (struct bh_vm_config){
		.kernel = "/k",
		.initramfs = "/i",
		.cmdline = "quiet",
		.accelerator = BH_ACCELERATOR_KVM,
		.vcpus = 2,
		.memory = 256U << 20,
		.netns_fd = -1,
		.uid = 1,
		.name = "a,b",
	};
}

static const struct bh_qemu_ends far_ends = { .monitor = 20, .console = 21, .channel = 22 };

/* The whole as one text, a blank between two words. */
static const char *line(const struct bh_vm_config *c, struct bh_qemu_command *command)
{
	static char text[8192];
	bh_auto_arena struct bh_arena arena = BH_ARENA_INIT;
	struct bh_err err = BH_ERR_INIT;

	assert_int_equal(bh_qemu_command("/qemu", c, &far_ends, 2000000, &arena, command, &err), 0);
	assert_null(command->argv[command->n]);
	text[0] = '\0';
	for (size_t i = 0; i < command->n; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s ", command->argv[i]);
	return text;
}

static void has(const char *text, const char *part)
{
	if (strstr(text, part))
		return;
	print_error("not there: %s\n", part);
	fail();
}

static void has_not(const char *text, const char *part)
{
	if (!strstr(text, part))
		return;
	print_error("there: %s\n", part);
	fail();
}

static void smallest(void **state)
{
	struct bh_vm_config c = config();
	struct bh_qemu_command command;
	const char *text = line(&c, &command);

	(void)state;
	has(text, "/qemu -name guest=a,,b ");
	has(text, " -S ");
	has(text, " -sandbox on,obsolete=deny,elevateprivileges=deny,spawn=deny,"
		  "resourcecontrol=deny ");
	has(text, " -accel kvm -cpu host -smp 2 -m 262144k ");
	has(text, " -object memory-backend-ram,id=ram,size=268435456 ");
	has(text, " -append console=ttyS0 panic=-1 reboot=t quiet ");
	has(text, "acpi=off");
	has(text, " -chardev socket,id=monitor,fd=3 ");
	has(text, " -chardev socket,id=console,fd=4 ");
	has(text, "virtio-rng-device,bus=virtio-mmio-bus.7,");
	assert_int_equal(command.n_fds, 2);
	assert_true(command.fds[0] == 20 && command.fds[1] == 21);
	has_not(text, "tsc_early_khz");
	has_not(text, "serial.0");
	has_not(text, "vsock");
	has_not(text, "share=on");
}

/* Huge pages are for the emulator's translations, not for the guest. */
static void emulated(void **state)
{
	struct bh_vm_config c = config();
	struct bh_qemu_command command;

	(void)state;
	c.accelerator = BH_ACCELERATOR_EMULATION;
	has(line(&c, &command), " -object memory-backend-memfd,id=ram,size=268435456,share=on ");
}

static void everything(void **state)
{
	const struct bh_vm_nic nics[] = {
		{ .tap_fd = 30, .vhost_fd = 31, .mac = { 2, 0, 0, 0, 0xab, 1 }, .mtu = 9000 },
		{ .tap_fd = 32, .vhost_fd = -1, .mac = { 2 } },
	};
	const int want[] = { 20, 21, 22, 23, 40, 30, 31, 32 };
	struct bh_vm_config c = config();
	struct bh_qemu_command command;
	const char *text;

	(void)state;
	c.accelerator = BH_ACCELERATOR_EMULATION;
	c.acpi = true;
	c.nics = nics;
	c.n_nics = 2;
	c.share_tag = "t,g";
	c.share_fd = 40;
	c.vsock_cid = 5;
	c.vsock_fd = 23;
	c.serial_name = "port";
	text = line(&c, &command);
	has(text, "acpi=on");
	has(text, " -accel tcg,");
	has(text, " tsc_early_khz=2000000 quiet ");
	has(text, " -object memory-backend-memfd,id=ram,size=268435456,share=on ");
	has(text, " -device virtio-serial-device,bus=virtio-mmio-bus.23,");
	has(text, " -chardev socket,id=channel,fd=5 -device virtserialport,");
	has(text, "guest-cid=5,vhostfd=6 ");
	has(text, " -chardev socket,id=share,fd=7 ");
	has(text, "tag=t,,g ");
	has(text, " -netdev tap,id=net0,fd=8,vhost=on,vhostfd=9 ");
	has(text, "netdev=net0,mac=02:00:00:00:ab:01,host_mtu=9000 ");
	has(text, " -netdev tap,id=net1,fd=10,vhost=off ");
	has(text, "netdev=net1,mac=02:00:00:00:00:00 ");
	assert_int_equal(command.n_fds, BH_ARRAY_SIZE(want));
	assert_memory_equal(command.fds, want, sizeof(want));
}

static void too_many(void **state)
{
	static struct bh_vm_nic nics[80];
	bh_auto_arena struct bh_arena arena = BH_ARENA_INIT;
	struct bh_vm_config c = config();
	struct bh_qemu_command command;
	struct bh_err err = BH_ERR_INIT;

	(void)state;
	c.nics = nics;
	for (size_t n = 0; n <= BH_ARRAY_SIZE(nics); n++) {
		/* Eight transports, of which random, disks and balloon take one each. */
		int want = n <= 5 ? 0 : -EINVAL;

		c.n_nics = n;
		assert_int_equal(bh_qemu_command("/qemu", &c, &far_ends, 0, &arena, &command, &err),
				 want);
	}
	assert_string_equal(err.text, "80 network interfaces are more than the VM has places for");
}

/* ---- figures --------------------------------------------------------------------------------- */

static void figures(void **state)
{
	static const char smaps[] =
		"55d0-55d1 r-xp 00000000 08:01 1 /usr/bin/qemu\n"
		"Size:                100 kB\nRss:                  90 kB\nPss:                  "
		"40 kB\n"
		"Pss_Dirty:           999 kB\nSwapPss: 7 kB\n"
		"7f00-7f01 rw-p 00000000 00:00 0 \n"
		"Size:               1024 kB\nRss:                 512 kB\nPss:                 "
		"512 kB\n"
		"7f02-7f03 rw-p 00000000 00:00 0 \n"
		"Size:                  4 kB\nRss:                   4 kB\nPss: 4 kB";
	struct bh_vm_figures f = { .pid = 1 };
	struct bh_err err = BH_ERR_INIT;

	(void)state;
	bh_figures_parse(smaps, 1U << 20, &f);
	assert_int_equal(f.pss, (40 + 4) * 1024);
	assert_int_equal(f.guest_ram, 512 * 1024);
	bh_figures_parse("", 1U << 20, &f);
	assert_true(f.pss == 0 && f.guest_ram == 0);
	assert_int_equal(bh_figures_read(getpid(), 1U << 20, &f, &err), 0);
	assert_true(f.pss > 100000 && f.cpu_usec > 0 && f.pid == getpid());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tails),      cmocka_unit_test(harmless),
		cmocka_unit_test(one_line),   cmocka_unit_test(flood),
		cmocka_unit_test(smallest),   cmocka_unit_test(emulated),
		cmocka_unit_test(everything), cmocka_unit_test(too_many),
		cmocka_unit_test(figures),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/qemu/qemu.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/arena.h"
#include "vmm/figures.h"
#include "vmm/qemu/command.h"
#include "vmm/qemu/ticks.h"

#define START_MS      30000 /* until the machine is built; a loaded host takes its time */
#define GRACE_MS      2000  /* for it to end by itself once it hung up */
#define CONSOLE_BYTES 16384
#define WORDS_BYTES   4096
/* From this size on a guest gets huge pages: they are faster, but each that it touches anywhere is
 * owned as a whole (Debian's kernel at its /init: 88 MiB instead of 82). With an emulated processor
 * they are for the emulator's translations alone, see put_machine(). */
#define HUGE_PAGES_BYTES (1ULL << 30)
#define WORDS_LINES      3 /* of QEMU's last words that an error repeats */

/* ---- the end --------------------------------------------------------------------------------- */

static void kill_for(struct bh_qemu *qemu, const struct bh_err *why)
{
	if (!qemu->running || qemu->killed_for.code < 0)
		return;
	qemu->killed_for = *why;
	pidfd_send_signal(qemu->process.pidfd, SIGKILL, NULL, 0);
}

static void add_last_words(struct bh_qemu *qemu, struct bh_err *err)
{
	bh_auto_buf struct bh_buf words = BH_BUF_INIT;
	struct bh_err plain = *err;

	bh_tail_line(&qemu->words.tail, WORDS_LINES, &words);
	if (words.len)
		bh_err_as(err, plain.domain, plain.code, "%s; its last words: %s", plain.text,
			  bh_buf_str(&words));
}

static void describe_end(struct bh_qemu *qemu, const siginfo_t *info)
{
	struct bh_err *why = &qemu->why;

	if (bh_jail_trouble(qemu->process.trouble_fd, why)) {
		bh_err_ctx(why, "start QEMU");
		return;
	}
	if (info->si_code == CLD_EXITED && info->si_status == 0 && qemu->shutdown[0])
		bh_err_as(why, BH_ERR_PEER, -ECHILD, "the VM ended (%s)", qemu->shutdown);
	else if (info->si_code == CLD_EXITED)
		bh_err_as(why, BH_ERR_PEER, -ECHILD, "QEMU ended with status %d", info->si_status);
	else if (info->si_status == SIGKILL && qemu->killed_for.code < 0)
		*why = qemu->killed_for;
	else if (info->si_code == CLD_KILLED || info->si_code == CLD_DUMPED)
		bh_err_as(why, BH_ERR_PEER, -ECHILD, "QEMU was killed by signal %d (%s)",
			  info->si_status, strsignal(info->si_status));
	else
		bh_err_as(why, BH_ERR_PEER, -ECHILD, "QEMU ended, how is not known");
	add_last_words(qemu, why);
}

static void tell_dead(struct bh_deferred *deferred)
{
	struct bh_qemu *qemu = bh_owner_of(deferred, struct bh_qemu, tell);

	qemu->dead(qemu->arg, &qemu->why);
}

static int on_end(struct bh_source *source, uint32_t events, struct bh_err *err)
{
	struct bh_qemu *qemu = bh_owner_of(source, struct bh_qemu, end);
	siginfo_t info = { .si_code = 0 };

	(void)events;
	(void)err;
	if (waitid(P_PIDFD, (id_t)source->fd, &info, WEXITED | WNOHANG) == 0 && info.si_pid == 0)
		return 0;
	bh_loop_remove(qemu->loop, source);
	bh_loop_disarm(qemu->loop, &qemu->grace);
	qemu->running = false;
	bh_stream_end(&qemu->console);
	bh_stream_end(&qemu->words);
	describe_end(qemu, &info);
	/* Whoever waits is woken before @dead is told, so that nobody waits when it frees the VM.
	 */
	bh_qmp_end(&qemu->qmp, &qemu->why);
	bh_qemu_end_removals(qemu);
	if (qemu->booted)
		bh_loop_defer(qemu->loop, &qemu->tell);
	return 0;
}

static void on_event(void *arg, const struct bh_qmp_message *message)
{
	struct bh_qemu *qemu = arg;

	if (!strcmp(message->name, "SHUTDOWN"))
		memcpy(qemu->shutdown, message->reason, sizeof(qemu->shutdown));
	else if (!strcmp(message->name, "DEVICE_DELETED"))
		bh_qemu_device_gone(qemu, message->device);
}

static void on_grace_over(struct bh_timer *timer)
{
	struct bh_qemu *qemu = bh_owner_of(timer, struct bh_qemu, grace);

	kill_for(qemu, &qemu->hung_up);
}

/* The process is ended with its protocol. One that hung up is most likely ending by itself, and how
 * it ends says more. */
static void on_broken(void *arg, const struct bh_err *why)
{
	struct bh_qemu *qemu = arg;

	if (why->code != -EPIPE) {
		kill_for(qemu, why);
	} else if (!qemu->grace.armed) {
		qemu->hung_up = *why;
		bh_loop_arm(qemu->loop, &qemu->grace, GRACE_MS);
	}
}

static struct bh_vm *qemu_free(struct bh_vm *vm)
{
	struct bh_qemu *qemu = (struct bh_qemu *)vm;
	siginfo_t info;

	bh_loop_undefer(qemu->loop, &qemu->tell);
	bh_loop_disarm(qemu->loop, &qemu->grace);
	bh_loop_remove(qemu->loop, &qemu->end);
	if (qemu->running) {
		pidfd_send_signal(qemu->process.pidfd, SIGKILL, NULL, 0);
		waitid(P_PIDFD, (id_t)qemu->process.pidfd, &info, WEXITED);
	}
	bh_qmp_deinit(&qemu->qmp);
	bh_stream_deinit(&qemu->console);
	bh_stream_deinit(&qemu->words);
	bh_close(qemu->process.pidfd);
	bh_close(qemu->process.trouble_fd);
	bh_close(qemu->channel);
	free(qemu);
	return NULL;
}

/* ---- the beginning --------------------------------------------------------------------------- */

static int check_config(const struct bh_vm_config *config, struct bh_err *err)
{
	if (!config->uid)
		return bh_err_as(err, BH_ERR_BUG, -EINVAL, "a monitor is not run as root");
	if (!config->vcpus || !config->memory || config->memory % (2U << 20))
		return bh_err_as(err, BH_ERR_BUG, -EINVAL,
				 "%u processors and %llu bytes make no VM", config->vcpus,
				 (unsigned long long)config->memory);
	return 0;
}

/* Ours and QEMU's ends of what is between us; all owned. */
struct ends {
	int monitor[2], console[2], channel[2], words[2];
};

#define ENDS_INIT                                                                    \
	(struct ends)                                                                \
	{                                                                            \
		.monitor = { -1, -1 }, .console = { -1, -1 }, .channel = { -1, -1 }, \
		.words = { -1, -1 },                                                 \
	}

static void close_ends(struct ends *ends)
{
	int *pairs[] = { ends->monitor, ends->console, ends->channel, ends->words };

	for (size_t i = 0; i < BH_ARRAY_SIZE(pairs); i++) {
		bh_closep_(&pairs[i][0]);
		bh_closep_(&pairs[i][1]);
	}
}

/* Index 0 is ours. QEMU makes its ends non-blocking itself. */
static int make_pair(int pair[2], struct bh_err *err)
{
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0 ||
	    fcntl(pair[0], F_SETFL, O_NONBLOCK) < 0)
		return bh_err_set(err, -errno, "socket pair");
	return 0;
}

static int make_ends(struct ends *ends, const struct bh_vm_config *config, struct bh_err *err)
{
	if (make_pair(ends->monitor, err) < 0 || make_pair(ends->console, err) < 0)
		return err->code;
	if (config->serial_name && make_pair(ends->channel, err) < 0)
		return err->code;
	if (pipe2(ends->words, O_CLOEXEC | O_NONBLOCK) < 0)
		return bh_err_set(err, -errno, "pipe");
	return 0;
}

static int start_process(struct bh_qemu *qemu, const struct bh_vm_config *config, struct ends *ends,
			 struct bh_err *err)
{
	const struct bh_jail_file files[] = {
		{ config->kernel, BH_QEMU_KERNEL + 1, .copy = true },
		{ config->initramfs, BH_QEMU_INITRAMFS + 1, .copy = false },
	};
	const struct bh_qemu_ends far = {
		.monitor = ends->monitor[1],
		.console = ends->console[1],
		.channel = ends->channel[1],
	};
	bh_auto_arena struct bh_arena arena = BH_ARENA_INIT;
	struct bh_qemu_command command;
	int64_t ticks_khz = 0;
	struct bh_jail jail = {
		.argv = command.argv,
		.fds = command.fds,
		.stderr_fd = ends->words[1],
		.files = files,
		.n_files = BH_ARRAY_SIZE(files),
		.kvm = config->accelerator == BH_ACCELERATOR_KVM,
		.no_huge_pages = config->accelerator == BH_ACCELERATOR_KVM &&
				 config->memory < HUGE_PAGES_BYTES,
		.uid = config->uid,
		.netns_fd = config->netns_fd,
		.cgroup_fds = config->cgroup_fds,
		.n_cgroup_fds = config->n_cgroup_fds,
	};

	if (config->accelerator == BH_ACCELERATOR_EMULATION) {
		ticks_khz = bh_ticks_khz(qemu->loop, err);
		if (ticks_khz < 0)
			return err->code;
	}
	if (bh_qemu_command(bh_qemu_program(config->program), config, &far, ticks_khz, &arena,
			    &command, err) < 0)
		return err->code;
	jail.n_fds = command.n_fds;
	if (bh_jail_start(&jail, &qemu->process, err) < 0)
		return err->code;
	qemu->running = true;
	return 0;
}

static int listen_to(struct bh_qemu *qemu, const struct bh_vm_config *config, struct ends *ends,
		     struct bh_err *err)
{
	const size_t kept = config->console_bytes ? config->console_bytes : CONSOLE_BYTES;

	qemu->end = (struct bh_source){ .fd = qemu->process.pidfd, .fn = on_end, .what = "QEMU" };
	qemu->qmp.arg = qemu;
	qemu->qmp.event = on_event;
	qemu->qmp.broken = on_broken;
	qemu->channel = bh_take_fd(&ends->channel[0]);
	if (bh_loop_add(qemu->loop, &qemu->end, EPOLLIN, err) < 0 ||
	    bh_stream_start(&qemu->console, qemu->loop, bh_take_fd(&ends->console[0]), kept,
			    "guest's console", err) < 0 ||
	    bh_stream_start(&qemu->words, qemu->loop, bh_take_fd(&ends->words[0]), WORDS_BYTES,
			    "QEMU's standard error", err) < 0)
		return err->code;
	return bh_qmp_start(&qemu->qmp, qemu->loop, bh_take_fd(&ends->monitor[0]), err);
}

/* The machine is built when the first command is answered. From there on nothing is opened by name
 * any more, so the root can go before the guest runs its first instruction. The kernel is in the
 * guest's RAM by then; QEMU keeps the file mapped for a reset, which -no-reboot makes the end. */
static int set_going(struct bh_qemu *qemu, struct bh_err *err)
{
	if (bh_qmp_call(&qemu->qmp, "qmp_capabilities", NULL, -1, START_MS, err) < 0)
		return err->code;
	if (bh_jail_empty(qemu->loop, qemu->process.pidfd, BH_QEMU_KERNEL, err) < 0)
		return bh_err_ctx(err, "empty the root of QEMU");
	return bh_qmp_call(&qemu->qmp, "cont", NULL, -1, BH_QEMU_CALL_MS, err);
}

static int boot(struct bh_qemu *qemu, const struct bh_vm_config *config, struct bh_err *err)
{
	bh_cleanup(close_ends) struct ends ends = ENDS_INIT;

	if (make_ends(&ends, config, err) < 0 || start_process(qemu, config, &ends, err) < 0 ||
	    listen_to(qemu, config, &ends, err) < 0)
		return err->code;
	close_ends(&ends); /* QEMU's own, so that its end shows */
	if (set_going(qemu, err) == 0)
		return 0;
	if (!qemu->running)
		*err = qemu->why; /* that is the cause */
	else
		add_last_words(qemu, err);
	return err->code;
}

static int qemu_boot(struct bh_loop *loop, const struct bh_vm_config *config, bh_vm_dead_fn dead,
		     void *arg, struct bh_vm **ret, struct bh_err *err)
{
	struct bh_qemu *qemu;

	if (check_config(config, err) < 0)
		return err->code;
	qemu = calloc(1, sizeof(*qemu));
	if (!qemu)
		return bh_err_oom(err);
	*qemu = (struct bh_qemu){
		.head.driver = &bh_qemu_hypervisor,
		.loop = loop,
		.process = { .pidfd = -EBADF, .trouble_fd = -EBADF },
		.channel = -EBADF,
		.memory = config->memory,
		.console = { .heard_fn = config->console, .arg = config->console_arg },
		.dead = dead,
		.arg = arg,
		.tell.fn = tell_dead,
		.grace.fn = on_grace_over,
	};
	if (boot(qemu, config, err) < 0) {
		qemu_free((struct bh_vm *)qemu);
		return err->code;
	}
	qemu->booted = true;
	if (!qemu->running) /* it died while its last answer was on its way */
		bh_loop_defer(loop, &qemu->tell);
	*ret = (struct bh_vm *)qemu;
	return 0;
}

/* ---- calls ----------------------------------------------------------------------------------- */

static int qemu_ready(const char *given, struct bh_err *err)
{
	const char *program = bh_qemu_program(given);

	if (access(program, X_OK) < 0)
		return bh_err_set(err, -errno, "%s (Debian's qemu-system-x86 has it)", program);
	return 0;
}

static int qemu_channel(struct bh_vm *vm, struct bh_err *err)
{
	struct bh_qemu *qemu = (struct bh_qemu *)vm;

	if (qemu->channel < 0)
		return bh_err_as(err, BH_ERR_BUG, -EBADF, "the VM's channel is not there");
	return bh_take_fd(&qemu->channel);
}

static int qemu_pause(struct bh_vm *vm, bool paused, struct bh_err *err)
{
	struct bh_qemu *qemu = (struct bh_qemu *)vm;

	return bh_qmp_call(&qemu->qmp, paused ? "stop" : "cont", NULL, -1, BH_QEMU_CALL_MS, err);
}

static void qemu_console_tail(const struct bh_vm *vm, size_t lines, struct bh_buf *out)
{
	bh_tail_lines(&((const struct bh_qemu *)vm)->console.tail, lines, out);
}

static int qemu_figures(const struct bh_vm *vm, struct bh_vm_figures *ret, struct bh_err *err)
{
	const struct bh_qemu *qemu = (const struct bh_qemu *)vm;

	if (!qemu->running) {
		*err = qemu->why;
		return err->code;
	}
	return bh_figures_read(qemu->process.pid, qemu->memory, ret, err);
}

const struct bh_hypervisor bh_qemu_hypervisor = {
	.name = "qemu",
	.ready = qemu_ready,
	.check = bh_qemu_check,
	.boot = qemu_boot,
	.channel = qemu_channel,
	.add_disk = bh_qemu_add_disk,
	.remove_disk = bh_qemu_remove_disk,
	.pause = qemu_pause,
	.console_tail = qemu_console_tail,
	.figures = qemu_figures,
	.free = qemu_free,
};

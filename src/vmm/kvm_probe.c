/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The same few instructions run on the processor itself and then in a guest, and the times are
 * compared: as a ratio, since an emulated machine with a KVM that works is as slow in both. The
 * guest's clock has to go on meanwhile. A child does it, so that one that hangs can be killed, and
 * what it shares with us tells how far it came.
 */
#include "vmm/kvm_probe.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <time.h>

#include "base/log.h"
#include "base/sys.h"

#define ROUNDS_WARM 64   /* until everything is mapped */
#define ROUNDS      4000 /* about half a millisecond on a processor of today */
#define RATIO_MAX   60   /* of guest to processor; where KVM works it is 1, emulated below 10 */
#define LIMIT_MS    800
#define KILLED_MS   150 /* for the child to be gone after SIGKILL */
#define CPUID_MAX   256
#define XCR0_SSE    3U /* x87 and SSE: what xsave and xrstor carry here */
#define MSR_TSC     0x10

/* ---- the guest's memory, shared with it and with the child ----------------------------------- */

#define PAGE      4096U
#define DONE_PORT 0x10

struct work {
	_Alignas(16) uint64_t pair[2]; /* counted up by cmpxchg16b */
	uint64_t rounds;               /* to do */
	uint64_t done;
	uint64_t xsave;                  /* whether the processor has it; else fxsave */
	_Alignas(64) uint8_t area[1024]; /* of xsave */
};

struct guest {
	uint8_t null[PAGE];
	uint64_t pml4[PAGE / 8], pdpt[PAGE / 8], pd[PAGE / 8];
	uint8_t code[PAGE];
	struct work work;
	_Alignas(4096) uint8_t stack[PAGE];
};

/* Offsets in struct work, as the code below has them. */
_Static_assert(offsetof(struct work, rounds) == 16 && offsetof(struct work, done) == 24 &&
		       offsetof(struct work, xsave) == 32 && offsetof(struct work, area) == 64,
	       "the code knows the struct");

void bh_kvm_probe_work(struct work *work);
extern const char bh_kvm_probe_guest[], bh_kvm_probe_end[];

/* The guest starts at the first line and does a batch of rounds each time it is run; bh_kvm_probe_
 * work() is called by it and by us. rdi: struct work. Pages that are executable, never written. */
__asm__(".pushsection .text\n"
	".globl bh_kvm_probe_guest, bh_kvm_probe_work, bh_kvm_probe_end\n"
	".hidden bh_kvm_probe_guest, bh_kvm_probe_work, bh_kvm_probe_end\n"
	".type bh_kvm_probe_work, @function\n"
	"bh_kvm_probe_guest:\n"
	"	call bh_kvm_probe_work\n"
	"	out %al, $0x10\n"
	"	jmp bh_kvm_probe_guest\n"
	"bh_kvm_probe_work:\n"
	"	push %rbx\n"
	"	mov 16(%rdi), %r8\n"
	"1:	mov (%rdi), %rax\n"
	"	mov 8(%rdi), %rdx\n"
	"	lea 1(%rax), %rbx\n"
	"	lea 1(%rdx), %rcx\n"
	"	lock cmpxchg16b (%rdi)\n"
	"	jne 2f\n"
	"	cmpq $0, 32(%rdi)\n"
	"	je 3f\n"
	"	mov $3, %eax\n"
	"	xor %edx, %edx\n"
	"	xsave 64(%rdi)\n"
	"	xrstor 64(%rdi)\n"
	"	jmp 4f\n"
	"3:	fxsave 64(%rdi)\n"
	"	fxrstor 64(%rdi)\n"
	"4:	incq 24(%rdi)\n"
	"	dec %r8\n"
	"	jne 1b\n"
	"2:	pop %rbx\n"
	"	ret\n"
	"bh_kvm_probe_end:\n"
	".popsection\n");

static uint64_t thread_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return ((uint64_t)ts.tv_sec * 1000000000U) + (uint64_t)ts.tv_nsec;
}

/* ---- the child: a virtual machine of one processor ------------------------------------------- */

struct machine {
	int kvm, vm, vcpu;
	struct kvm_run *run;
	struct guest *guest;
};

static int call(int fd, unsigned long request, void *arg, const char *what, struct bh_err *err)
{
	int r = ioctl(fd, request, arg);

	return r < 0 ? bh_err_set(err, -errno, "KVM: %s", what) : r;
}

static int set_cpuid(struct machine *m, struct bh_err *err)
{
	bh_auto_free struct kvm_cpuid2 *cpuid =
		calloc(1, sizeof(*cpuid) + (CPUID_MAX * sizeof(cpuid->entries[0])));

	if (!cpuid)
		return bh_err_oom(err);
	cpuid->nent = CPUID_MAX;
	if (call(m->kvm, KVM_GET_SUPPORTED_CPUID, cpuid, "ask what processors it has", err) < 0)
		return err->code;
	return call(m->vcpu, KVM_SET_CPUID2, cpuid, "say what the processor has", err);
}

/* 64-bit mode from the start: the first 2 MiB are mapped as they are. */
static int set_mode(struct machine *m, struct bh_err *err)
{
	const struct kvm_segment code = {
		.limit = ~0U, .selector = 8, .type = 11, .present = 1, .s = 1, .l = 1, .g = 1
	};
	const struct kvm_segment data = {
		.limit = ~0U, .selector = 16, .type = 3, .present = 1, .s = 1, .db = 1, .g = 1
	};
	struct kvm_xcrs xcrs = { .nr_xcrs = 1, .xcrs = { { .xcr = 0, .value = XCR0_SSE } } };
	struct kvm_sregs sregs;

	if (call(m->vcpu, KVM_GET_SREGS, &sregs, "read registers", err) < 0)
		return err->code;
	sregs.cs = code;
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = data;
	sregs.cr3 = offsetof(struct guest, pml4);
	sregs.cr4 = 1U << 5 | 1U << 9 | 1U << 10; /* PAE, OSFXSR, OSXMMEXCPT */
	if (m->guest->work.xsave)
		sregs.cr4 |= 1U << 18;                          /* OSXSAVE */
	sregs.cr0 = 1U << 31 | 1U << 5 | 1U << 4 | 1U << 1 | 1; /* PG, NE, ET, MP, PE */
	sregs.efer = 1U << 10 | 1U << 8;                        /* LMA, LME */
	if (call(m->vcpu, KVM_SET_SREGS, &sregs, "set registers", err) < 0)
		return err->code;
	if (!m->guest->work.xsave)
		return 0;
	return call(m->vcpu, KVM_SET_XCRS, &xcrs, "set extended registers", err);
}

static int set_start(struct machine *m, struct bh_err *err)
{
	struct kvm_regs regs = {
		.rip = offsetof(struct guest, code),
		.rdi = offsetof(struct guest, work),
		.rsp = sizeof(struct guest),
		.rflags = 2, /* the bit that is always set */
	};

	m->guest->pml4[0] = offsetof(struct guest, pdpt) | 3; /* present, writable */
	m->guest->pdpt[0] = offsetof(struct guest, pd) | 3;
	m->guest->pd[0] = 1U << 7 | 3; /* 2 MiB at 0 */
	memcpy(m->guest->code, bh_kvm_probe_guest, (size_t)(bh_kvm_probe_end - bh_kvm_probe_guest));
	return call(m->vcpu, KVM_SET_REGS, &regs, "set registers", err);
}

static int open_kvm(struct bh_err *err)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC), version;

	if (fd < 0)
		return bh_err_set(err, -errno, "open /dev/kvm");
	version = ioctl(fd, KVM_GET_API_VERSION, 0);
	if (version == KVM_API_VERSION)
		return fd;
	bh_close(fd);
	return bh_err_as(err, BH_ERR_PEER, -EPROTO, "KVM's interface has version %d, not %d",
			 version, KVM_API_VERSION);
}

static int make_machine(struct machine *m, struct bh_err *err)
{
	struct kvm_userspace_memory_region region = {
		.memory_size = sizeof(struct guest),
		.userspace_addr = (uintptr_t)m->guest,
	};
	int run_bytes;

	m->kvm = open_kvm(err);
	if (m->kvm < 0)
		return err->code;
	m->vm = call(m->kvm, KVM_CREATE_VM, NULL, "make a VM", err);
	if (m->vm < 0)
		return err->code;
	/* Intel's older processors want a place for it; others do not know the call. */
	ioctl(m->vm, KVM_SET_TSS_ADDR, 0xfffbd000UL);
	if (call(m->vm, KVM_SET_USER_MEMORY_REGION, &region, "give the VM memory", err) < 0)
		return err->code;
	m->vcpu = call(m->vm, KVM_CREATE_VCPU, NULL, "make a virtual processor", err);
	run_bytes = m->vcpu < 0 ? m->vcpu
				: call(m->kvm, KVM_GET_VCPU_MMAP_SIZE, NULL, "ask a size", err);
	if (run_bytes < 0)
		return err->code;
	m->run = mmap(NULL, (size_t)run_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, m->vcpu, 0);
	if (m->run == MAP_FAILED)
		return bh_err_set(err, -errno, "KVM: map the virtual processor");
	if (set_cpuid(m, err) < 0 || set_mode(m, err) < 0)
		return err->code;
	return set_start(m, err);
}

static int bad_exit(const struct machine *m, struct bh_err *err)
{
	const struct kvm_run *run = m->run;
	unsigned long long done = m->guest->work.done;

	switch (run->exit_reason) {
	case KVM_EXIT_INTERNAL_ERROR:
		return bh_err_as(err, BH_ERR_PEER, -EIO,
				 "KVM does not work: internal error %u%s after %llu of %u rounds",
				 run->internal.suberror,
				 run->internal.suberror == KVM_INTERNAL_ERROR_EMULATION
					 ? " (an instruction that it should run it emulates, and "
					   "does not know)"
					 : "",
				 done, ROUNDS_WARM + ROUNDS);
	case KVM_EXIT_FAIL_ENTRY:
		return bh_err_as(err, BH_ERR_PEER, -EIO,
				 "KVM does not work: the processor refuses to enter a guest "
				 "(reason %#llx)",
				 (unsigned long long)run->fail_entry.hardware_entry_failure_reason);
	default:
		return bh_err_as(err, BH_ERR_PEER, -EIO,
				 "KVM does not work: exit %u after %llu of %u rounds",
				 run->exit_reason, done, ROUNDS_WARM + ROUNDS);
	}
}

/* A batch of rounds in the guest. */
static int run_batch(struct machine *m, uint64_t rounds, struct bh_err *err)
{
	uint64_t want = m->guest->work.done + rounds;
	int r;

	m->guest->work.rounds = rounds;
	do
		r = ioctl(m->vcpu, KVM_RUN, 0);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return bh_err_set(err, -errno, "KVM: run a guest");
	if (m->run->exit_reason != KVM_EXIT_IO || m->run->io.port != DONE_PORT)
		return bad_exit(m, err);
	if (m->guest->work.done != want || m->guest->work.pair[0] != want ||
	    m->guest->work.pair[1] != want)
		return bh_err_as(err, BH_ERR_PEER, -EIO,
				 "KVM does not work: a guest counted to %llu instead of %llu",
				 (unsigned long long)m->guest->work.done, (unsigned long long)want);
	return 0;
}

/* The time stamp counter as KVM reckons it, to set the guest's timers by. */
static int read_clock(struct machine *m, uint64_t *ret, struct bh_err *err)
{
	bh_auto_free struct kvm_msrs *msrs = calloc(1, sizeof(*msrs) + sizeof(msrs->entries[0]));

	if (!msrs)
		return bh_err_oom(err);
	msrs->nmsrs = 1;
	msrs->entries[0].index = MSR_TSC;
	if (call(m->vcpu, KVM_GET_MSRS, msrs, "read the guest's clock", err) < 0)
		return err->code;
	*ret = msrs->entries[0].data;
	return 0;
}

/* Return: nanoseconds that the processor itself takes for the rounds, the best of some */
static uint64_t native_ns(const struct guest *guest)
{
	uint64_t best = UINT64_MAX;

	for (int i = 0; i < 4; i++) {
		struct work work = { .rounds = ROUNDS, .xsave = guest->work.xsave };
		uint64_t start = thread_ns(), took;

		bh_kvm_probe_work(&work);
		took = thread_ns() - start;
		if (took < best)
			best = took;
	}
	return best ? best : 1;
}

static int probe(struct guest *guest, struct bh_err *err)
{
	struct machine m = { .guest = guest };
	uint64_t native = native_ns(guest), start, took, before, after;

	if (make_machine(&m, err) < 0 || run_batch(&m, ROUNDS_WARM, err) < 0 ||
	    read_clock(&m, &before, err) < 0)
		return err->code;
	start = thread_ns();
	if (run_batch(&m, ROUNDS, err) < 0)
		return err->code;
	took = thread_ns() - start;
	if (read_clock(&m, &after, err) < 0)
		return err->code;
	/* As where KVM was loaded before the processor's rate was known (kvm_set_tsc_khz()). */
	if (after == before)
		return bh_err_as(err, BH_ERR_PEER, -EIO,
				 "KVM does not work: for it a guest's clock stands still, so that "
				 "no timer of the guest ends; load its module anew");
	bh_debug("KVM: a guest takes %.2f times as long as the processor (%.3f ms)",
		 (double)took / (double)native, (double)native / 1e6);
	if (took / native > RATIO_MAX)
		return bh_err_as(err, BH_ERR_PEER, -EIO,
				 "KVM does not work: a guest takes %llu times as long as the "
				 "processor itself",
				 (unsigned long long)(took / native));
	return 0;
}

/* ---- the parent ------------------------------------------------------------------------------ */

static bool ended(int pidfd, int limit_ms)
{
	struct pollfd end = { .fd = pidfd, .events = POLLIN };

	return poll(&end, 1, limit_ms) > 0;
}

/* Wait for the child, but not without end. Return: 0; -errno with @err */
static int attend(int pidfd, const struct guest *guest, struct bh_err *err)
{
	int r = 0;

	if (!ended(pidfd, LIMIT_MS)) {
		unsigned long long done = *(volatile const uint64_t *)&guest->work.done;

		pidfd_send_signal(pidfd, SIGKILL, NULL, 0);
		r = bh_err_as(err, BH_ERR_PEER, -ETIMEDOUT,
			      "KVM does not work: a guest did %llu of %u rounds of some "
			      "instructions in %u ms",
			      done, ROUNDS_WARM + ROUNDS, LIMIT_MS);
		if (!ended(pidfd, KILLED_MS))
			return r; /* stuck in the kernel: somebody else's to reap */
	}
	waitid(P_PIDFD, (id_t)pidfd, &(siginfo_t){ 0 }, WEXITED);
	return r;
}

/* Bits of CPUID leaf 1, ECX. */
static unsigned int features(void)
{
	unsigned int a, b, c, d;

	return __get_cpuid(1, &a, &b, &c, &d) ? c : 0;
}

static int run_child(struct guest *guest, int told, struct bh_err *err)
{
	bh_auto_close int pidfd = -EBADF;
	struct bh_err said = BH_ERR_INIT;
	pid_t pid = bh_sys_fork(&pidfd);

	if (pid < 0)
		return bh_err_set(err, -errno, "clone");
	if (pid == 0) {
		probe(guest, &said); /* what it says is the outcome, also when all is well */
		_exit(write(told, &said, sizeof(said)) == sizeof(said) ? 0 : 1);
	}
	return attend(pidfd, guest, err);
}

int bh_kvm_probe(struct bh_err *err)
{
	struct bh_err said = BH_ERR_INIT;
	struct guest *guest;
	int told[2], r;

	if (!(features() & bit_CMPXCHG16B))
		return bh_err_as(err, BH_ERR_STATE, -ENOTSUP,
				 "the processor is too old: it has no cmpxchg16b");
	guest = mmap(NULL, sizeof(*guest), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	if (guest == MAP_FAILED)
		return bh_err_set(err, -errno, "map memory");
	guest->work.xsave = !!(features() & bit_OSXSAVE);
	if (pipe2(told, O_CLOEXEC | O_NONBLOCK) < 0) {
		munmap(guest, sizeof(*guest));
		return bh_err_set(err, -errno, "pipe");
	}
	r = run_child(guest, told[1], err);
	if (r == 0 && read(told[0], &said, sizeof(said)) != sizeof(said))
		r = bh_err_as(err, BH_ERR_PEER, -EIO, "KVM does not work: the probe died of it");
	bh_close(told[0]);
	bh_close(told[1]);
	munmap(guest, sizeof(*guest));
	if (r == 0 && said.code < 0)
		*err = said;
	return r < 0 ? r : said.code;
}

#else
int bh_kvm_probe(struct bh_err *err)
{
	return bh_err_as(err, BH_ERR_STATE, -ENOTSUP,
			 "whether KVM works cannot be probed on this architecture yet");
}
#endif

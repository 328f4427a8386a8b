/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation
 *
 * The program's entry point in static builds: what runs before the C library.
 *
 * A program that enters a container executes itself twice (container/self_protect.c says why). The
 * first execution needs nothing but three system calls, yet a C library would set itself up for it:
 * it asks the processor for its features some thirty times, and in a virtual machine each of these
 * is a trip to the hypervisor. On such machines that is a tenth of a container's start. So the
 * three calls are made here first, by hand. Whatever goes wrong is not handled: the program then
 * starts as usual, and bh_self_protect() does its work in full.
 *
 * Nothing is decided here that main() does not check again. That this is the second execution is
 * seen by the name that the kernel gave to the file, "/dev/fd/N", which a caller could bring about
 * as well: it would only take the usual way.
 *
 * Rules of this file: no library function, no stack protector, no static data that is written:
 * nothing of that is set up yet.
 */
#include <elf.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/syscall.h>

#if defined(__x86_64__)
/* The stack pointer is all that the kernel hands over; _start wants it untouched. */
__asm__(".globl bh_entry\n"
	".hidden bh_entry\n"
	".type bh_entry, @function\n"
	"bh_entry:\n"
	"	xor %ebp, %ebp\n"
	"	mov %rsp, %rdi\n"
	"	mov %rsp, %rbx\n"
	"	mov %rdx, %r12\n"
	"	and $-16, %rsp\n"
	"	call bh_entry_early\n"
	"	mov %r12, %rdx\n"
	"	mov %rbx, %rsp\n"
	"	jmp _start\n");

static inline long raw(long nr, long a, long b, long c, long d, long e)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
			 : "rcx", "r11", "memory");
	return ret;
}
#elif defined(__aarch64__)
__asm__(".globl bh_entry\n"
	".hidden bh_entry\n"
	".type bh_entry, %function\n"
	"bh_entry:\n"
	"	mov x29, #0\n"
	"	mov x19, x0\n"
	"	mov x0, sp\n"
	"	bl bh_entry_early\n"
	"	mov x0, x19\n"
	"	b _start\n");

static inline long raw(long nr, long a, long b, long c, long d, long e)
{
	register long x8 __asm__("x8") = nr;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;

	__asm__ volatile("svc 0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4)
			 : "memory");
	return x0;
}
#endif

static inline bool same(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return *a == *b;
}

/* Whether one of the words could be a verb that enters a container. A wrong guess costs an
 * execve(2). */
static inline bool enters_container(char *const *argv)
{
	for (argv += *argv ? 1 : 0; *argv; argv++)
		if (same(*argv, "create") || same(*argv, "run") || same(*argv, "exec"))
			return true;
	return false;
}

/* Whether the kernel calls the program "/dev/fd/…": it was executed through a descriptor. */
static inline bool is_second_execution(const Elf64_auxv_t *aux)
{
	for (; aux->a_type != AT_NULL; aux++) {
		const char *name = (const char *)aux->a_un.a_val;

		if (aux->a_type == AT_EXECFN)
			return name[0] == '/' && name[1] == 'd' && name[2] == 'e' &&
			       name[3] == 'v' && name[4] == '/' && name[5] == 'f' &&
			       name[6] == 'd' && name[7] == '/';
	}
	return true; /* not to be told: the usual way */
}

void bh_entry_early(long *stack);

/* Context: before the C library; @stack as in the System V ABI: argc, argv, NULL, envp, NULL, auxv
 */
__attribute__((used, no_stack_protector)) void bh_entry_early(long *stack)
{
	char **argv = (char **)(stack + 1), **envp = argv + stack[0] + 1, **end = envp;
	struct mount_attr attr;
	long fd;

	while (*end)
		end++;
	if (is_second_execution((const Elf64_auxv_t *)(end + 1)) || !enters_container(argv))
		return;
	fd = raw(SYS_open_tree, AT_FDCWD, (long)"/proc/self/exe",
		 OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC, 0, 0);
	if (fd < 0)
		return;
	attr.attr_set = MOUNT_ATTR_RDONLY;
	attr.attr_clr = 0;
	attr.propagation = 0;
	attr.userns_fd = 0;
	if (raw(SYS_mount_setattr, fd, (long)"", AT_EMPTY_PATH, (long)&attr, sizeof(attr)) == 0)
		raw(SYS_execveat, fd, (long)"", (long)argv, (long)envp, AT_EMPTY_PATH);
	raw(SYS_close, fd, 0, 0, 0, 0);
}

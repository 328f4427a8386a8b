/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ends the guest's agent from a container that has the guest's pid namespace and all privileges, as
 * a bug would: end-init crash makes it run at address 0, end-init kill ends it by SIGKILL, which a
 * tracer may send to the first process.
 */
#include <elf.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__aarch64__)
#define PC(regs) ((regs)->pc)
#else
#define PC(regs) ((regs)->rip)
#endif

/* Also out of a system call: it is in its event loop's most of the time. */
static int crash(void)
{
	struct user_regs_struct regs;
	struct iovec part = { .iov_base = &regs, .iov_len = sizeof(regs) };

	if (ptrace(PTRACE_GETREGSET, 1, NT_PRSTATUS, &part) < 0)
		return -1;
	PC(&regs) = 0;
#if defined(__x86_64__)
	regs.orig_rax = (unsigned long long)-1; /* no system call to restart */
#endif
	if (ptrace(PTRACE_SETREGSET, 1, NT_PRSTATUS, &part) < 0)
		return -1;
	return (int)ptrace(PTRACE_DETACH, 1, NULL, NULL);
}

int main(int argc, char **argv)
{
	int status;

	if (argc != 2 || ptrace(PTRACE_ATTACH, 1, NULL, NULL) < 0 || waitpid(1, &status, 0) < 0) {
		perror("end-init");
		return 1;
	}
	if (!strcmp(argv[1], "crash") ? crash() : (int)ptrace(PTRACE_CONT, 1, NULL, SIGKILL)) {
		perror("end-init");
		return 1;
	}
	for (;;)
		pause();
}

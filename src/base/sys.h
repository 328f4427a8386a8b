/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The system calls that Debian 12's C library has no wrapper for, as thin functions that answer
 * like their wrapped neighbours: -1 and errno. Nothing else in the tree calls syscall(2).
 */
#ifndef BH_BASE_SYS_H
#define BH_BASE_SYS_H

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

/* Not in the headers of Debian 12's kernel packages. */
#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif
#ifndef CLONE_INTO_CGROUP
#define CLONE_INTO_CGROUP 0x200000000ULL
#endif
#ifndef STATX_MNT_ID_UNIQUE
#define STATX_MNT_ID_UNIQUE 0x4000U
#endif

/** bh_sys_has() - whether the kernel has a system call of six arguments or less, SYS_*. For those
 * that refuse descriptor -1, an impossible pointer and all flags at once before they do anything */
static inline bool bh_sys_has(long number)
{
	return syscall(number, -1L, 0L, -1L, -1L, -1L, -1L) >= 0 || errno != ENOSYS;
}

/** bh_sys_openat2() - openat2(2) */
static inline int bh_sys_openat2(int dirfd, const char *path, const struct open_how *how)
{
	return (int)syscall(SYS_openat2, dirfd, path, how, sizeof(*how));
}

/** bh_sys_fork() - fork(2) that also opens a pidfd; by clone(2), since filters that are made for
 * containers answer clone3(2) with ENOSYS */
static inline pid_t bh_sys_fork(int *ret_pidfd)
{
	return (pid_t)syscall(SYS_clone, (unsigned long)(CLONE_PIDFD | SIGCHLD), 0UL, ret_pidfd,
			      NULL, 0UL);
}

/** bh_sys_fork_into() - the same, into new namespaces: @flags are CLONE_NEW* */
static inline pid_t bh_sys_fork_into(unsigned long flags, int *ret_pidfd)
{
	return (pid_t)syscall(SYS_clone, flags | CLONE_PIDFD | SIGCHLD, 0UL, ret_pidfd, NULL, 0UL);
}

/** bh_sys_fork_sibling() - fork(2) of a process whose parent is the caller's; by clone(2) for the
 * same reason */
static inline pid_t bh_sys_fork_sibling(void)
{
	return (pid_t)syscall(SYS_clone, (unsigned long)(CLONE_PARENT | SIGCHLD), 0UL, NULL, NULL,
			      0UL);
}

/** bh_sys_clone3() - clone3(2) without a stack of its own: returns twice, like fork(2) */
static inline pid_t bh_sys_clone3(struct clone_args *args)
{
	return (pid_t)syscall(SYS_clone3, args, sizeof(*args));
}

/** bh_sys_pivot_root() - pivot_root(2) */
static inline int bh_sys_pivot_root(const char *new_root, const char *put_old)
{
	return (int)syscall(SYS_pivot_root, new_root, put_old);
}

/** bh_sys_execveat() - execveat(2) */
static inline int bh_sys_execveat(int dirfd, const char *path, char *const argv[],
				  char *const envp[], int flags)
{
	return (int)syscall(SYS_execveat, dirfd, path, argv, envp, flags);
}

/** bh_sys_getcwd() - getcwd(2) without the C library's checks: "(unreachable)" shows */
static inline long bh_sys_getcwd(char *buf, size_t size)
{
	return syscall(SYS_getcwd, buf, size);
}

/** bh_sys_finit_module() - finit_module(2) */
static inline int bh_sys_finit_module(int fd, const char *options, int flags)
{
	return (int)syscall(SYS_finit_module, fd, options, flags);
}

/** bh_sys_keyctl() - keyctl(2) */
static inline long bh_sys_keyctl(int op, unsigned long a2, unsigned long a3, unsigned long a4)
{
	return syscall(SYS_keyctl, op, a2, a3, a4, 0UL);
}

/** bh_sys_ioprio_set() - ioprio_set(2) */
static inline int bh_sys_ioprio_set(int which, int who, int ioprio)
{
	return (int)syscall(SYS_ioprio_set, which, who, ioprio);
}

/** bh_sys_sched_setattr() - sched_setattr(2); @attr is a struct sched_attr of the kernel */
static inline int bh_sys_sched_setattr(pid_t pid, const void *attr, unsigned int flags)
{
	return (int)syscall(SYS_sched_setattr, pid, attr, flags);
}

/** bh_sys_set_mempolicy() - set_mempolicy(2) */
static inline int bh_sys_set_mempolicy(int mode, const unsigned long *nodemask, unsigned long max)
{
	return (int)syscall(SYS_set_mempolicy, mode, nodemask, max);
}

/** bh_sys_seccomp() - seccomp(2) */
static inline int bh_sys_seccomp(unsigned int op, unsigned int flags, void *args)
{
	return (int)syscall(SYS_seccomp, op, flags, args);
}

/** bh_bpf_pointer() - @p as the members of union bpf_attr have it */
static inline uint64_t bh_bpf_pointer(const void *p)
{
	return (uint64_t)(uintptr_t)p;
}

/** bh_sys_bpf() - bpf(2); @attr is a union bpf_attr */
static inline int bh_sys_bpf(int cmd, void *attr, unsigned int size)
{
	return (int)syscall(SYS_bpf, cmd, attr, size);
}

/** bh_sys_capget() / bh_sys_capset() - capget(2), capset(2) */
static inline int bh_sys_capget(void *header, void *data)
{
	return (int)syscall(SYS_capget, header, data);
}

static inline int bh_sys_capset(void *header, const void *data)
{
	return (int)syscall(SYS_capset, header, data);
}

#endif

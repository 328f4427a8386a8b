/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Seccomp filters: a profile is compiled to BPF here (seccomp_build.c), with libseccomp's numbers
 * for the names; the program is kept by content hash. A cached program is only used if the user
 * made the file and no one else can write it, and after its checks.
 *
 * Source: seccomp(2), seccomp_unotify(2), libseccomp, runtime-spec config-linux.md "Seccomp"
 */
#ifndef BH_LINUX_SECCOMP_H
#define BH_LINUX_SECCOMP_H

#include <linux/filter.h>

#include "base/buf.h"
#include "oci/spec.h"

struct bh_seccomp_filter {
	struct sock_filter *insns; /* malloc'd */
	uint16_t n;
	unsigned int flags; /* SECCOMP_FILTER_FLAG_*, NEW_LISTENER where the profile notifies */
};

#define BH_SECCOMP_FILTER_INIT     \
	(struct bh_seccomp_filter) \
	{                          \
		.insns = NULL      \
	}

/** bh_seccomp_filter_deinit() - idempotent */
void bh_seccomp_filter_deinit(struct bh_seccomp_filter *filter);

#define bh_auto_seccomp_filter bh_cleanup(bh_seccomp_filter_deinit)

/**
 * bh_seccomp_compile() - the profile as a program for the running kernel
 * @cache_dirfd: directory of cached programs (0700, the caller's own), or -1 for none; a cache that
 * is damaged, foreign or not writable is worked around, never an error
 * @filter:      filled; deinit with bh_seccomp_filter_deinit()
 *
 * Names of system calls that libseccomp does not know are skipped with a log line at debug level,
 * as runc does, and so are architectures that this machine cannot run; unknown actions,
 * architectures and flags are errors naming them, and so is an errno for an action that takes none.
 * System calls newer than the profile answer ENOSYS, not the default errno, as runc's filters do. A
 * profile whose list of flags is absent (flags.v is NULL) gets SPEC_ALLOW, an empty one (flags.v is
 * not NULL) no flag: runc's rule. TSYNC is known and has no effect: the process that loads the
 * filter has one thread.
 */
int bh_seccomp_compile(const struct bh_seccomp *profile, int cache_dirfd,
		       struct bh_seccomp_filter *filter, struct bh_err *err) bh_must_check;

/**
 * bh_seccomp_load() - put the calling process under @filter
 * @ret_listener: descriptor of the notify listener (close-on-exec), the caller's, or -1; may be
 * NULL without NOTIFY
 *
 * With NOTIFY the only system calls after it that are sure to be answered are write(2), which no
 * profile can ask to be notified of, and what the profile allows: the caller writes the
 * descriptor's number to its parent, which takes it with pidfd_getfd(2) and sends it to the agent.
 *
 * Context: child right before execve(2), with no_new_privs or CAP_SYS_ADMIN: no allocation
 */
int bh_seccomp_load(const struct bh_seccomp_filter *filter, int *ret_listener,
		    struct bh_err *err) bh_must_check;

/** bh_seccomp_notifies() - whether some rule has SCMP_ACT_NOTIFY, so that there will be a listener
 */
bool bh_seccomp_notifies(const struct bh_seccomp *profile);

/** bh_seccomp_send_listener() - pass @listener_fd to the agent at @path (SCM_RIGHTS) with the
 * ContainerProcessState document @state as the spec demands; a @path that begins with '@' is an
 * abstract socket */
int bh_seccomp_send_listener(const char *path, int listener_fd, const char *state, size_t len,
			     struct bh_err *err) bh_must_check;

/** bh_seccomp_actions() / …operators() / …archs() / …known_flags() - for `features`: what this
 * build knows, NULL-terminated, in the order of the names */
const char *const *bh_seccomp_actions(void);
const char *const *bh_seccomp_operators(void);
const char *const *bh_seccomp_archs(void);
const char *const *bh_seccomp_known_flags(void);
/** bh_seccomp_supported_flags() - asks the kernel; subset of the known ones. Return: how many */
size_t bh_seccomp_supported_flags(const char *ret[static 8]);
/** bh_seccomp_library_version() - "2.5.4" of the linked library */
const char *bh_seccomp_library_version(char buf[static 32]);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/seccomp.h"

#include <assert.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/log.h"
#include "base/socket.h"
#include "base/sys.h"
#include "linux/seccomp_internal.h"

/* ---- names ----------------------------------------------------------------------------------- */

static const char *const action_names[] = {
	"SCMP_ACT_ALLOW",       "SCMP_ACT_ERRNO",
	"SCMP_ACT_KILL",        "SCMP_ACT_KILL_PROCESS",
	"SCMP_ACT_KILL_THREAD", "SCMP_ACT_LOG",
	"SCMP_ACT_NOTIFY",      "SCMP_ACT_TRACE",
	"SCMP_ACT_TRAP",        NULL,
};
static const struct {
	uint32_t value, errno_max; /* errno_max 0: the action takes none */
} actions[] = {
	{ SCMP_ACT_ALLOW, 0 },        { SCMP_ACT_ERRNO(0), 4095 },  { SCMP_ACT_KILL, 0 },
	{ SCMP_ACT_KILL_PROCESS, 0 }, { SCMP_ACT_KILL_THREAD, 0 },  { SCMP_ACT_LOG, 0 },
	{ SCMP_ACT_NOTIFY, 0 },       { SCMP_ACT_TRACE(0), 65535 }, { SCMP_ACT_TRAP, 0 },
};
static_assert(BH_ARRAY_SIZE(actions) + 1 == BH_ARRAY_SIZE(action_names), "a value each");

int bh_seccomp_action(const char *name, const struct bh_opt_u32 *errno_ret, const char *where,
		      uint32_t *ret, struct bh_err *err)
{
	for (size_t i = 0; action_names[i]; i++) {
		if (strcmp(action_names[i], name) != 0)
			continue;
		*ret = actions[i].value;
		if (actions[i].errno_max)
			*ret |= errno_ret->set ? errno_ret->v : EPERM;
		if (errno_ret->set && errno_ret->v > actions[i].errno_max)
			return bh_err_spec(err, where, "%s does not take errno %u", name,
					   errno_ret->v);
		return 0;
	}
	return bh_err_spec(err, where, "unknown seccomp action '%s'", name);
}

static const char *const operator_names[] = {
	"SCMP_CMP_EQ", "SCMP_CMP_GE",        "SCMP_CMP_GT", "SCMP_CMP_LE",
	"SCMP_CMP_LT", "SCMP_CMP_MASKED_EQ", "SCMP_CMP_NE", NULL,
};

static const char *const flag_names[] = {
	"SECCOMP_FILTER_FLAG_LOG",
	"SECCOMP_FILTER_FLAG_SPEC_ALLOW",
	"SECCOMP_FILTER_FLAG_TSYNC",
	"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
	NULL,
};
static const struct {
	unsigned int load;  /* what seccomp(2) is given */
	unsigned int probe; /* what the kernel is asked about */
} flags[] = {
	{ SECCOMP_FILTER_FLAG_LOG, SECCOMP_FILTER_FLAG_LOG },
	{ SECCOMP_FILTER_FLAG_SPEC_ALLOW, SECCOMP_FILTER_FLAG_SPEC_ALLOW },
	{ 0, SECCOMP_FILTER_FLAG_TSYNC },
	{ SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
	  SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV | SECCOMP_FILTER_FLAG_NEW_LISTENER },
};
static_assert(BH_ARRAY_SIZE(flags) + 1 == BH_ARRAY_SIZE(flag_names), "a value each");

static const char *const arch_names[] = {
	"SCMP_ARCH_AARCH64",     "SCMP_ARCH_ARM",    "SCMP_ARCH_LOONGARCH64",
	"SCMP_ARCH_M68K",        "SCMP_ARCH_MIPS",   "SCMP_ARCH_MIPS64",
	"SCMP_ARCH_MIPS64N32",   "SCMP_ARCH_MIPSEL", "SCMP_ARCH_MIPSEL64",
	"SCMP_ARCH_MIPSEL64N32", "SCMP_ARCH_PARISC", "SCMP_ARCH_PARISC64",
	"SCMP_ARCH_PPC",         "SCMP_ARCH_PPC64",  "SCMP_ARCH_PPC64LE",
	"SCMP_ARCH_RISCV64",     "SCMP_ARCH_S390",   "SCMP_ARCH_S390X",
	"SCMP_ARCH_SH",          "SCMP_ARCH_SHEB",   "SCMP_ARCH_X32",
	"SCMP_ARCH_X86",         "SCMP_ARCH_X86_64", NULL,
};

/* Those that a process on this machine can be of, the program's own first. */
static const struct bh_seccomp_arch archs_here[] = {
#if defined(__x86_64__)
	{ "SCMP_ARCH_X86_64", SCMP_ARCH_X86_64, AUDIT_ARCH_X86_64 },
	{ "SCMP_ARCH_X86", SCMP_ARCH_X86, AUDIT_ARCH_I386 },
	{ "SCMP_ARCH_X32", SCMP_ARCH_X32, AUDIT_ARCH_X86_64 },
#elif defined(__aarch64__)
	{ "SCMP_ARCH_AARCH64", SCMP_ARCH_AARCH64, AUDIT_ARCH_AARCH64 },
	{ "SCMP_ARCH_ARM", SCMP_ARCH_ARM, AUDIT_ARCH_ARM },
#elif defined(__riscv) && __riscv_xlen == 64
	{ "SCMP_ARCH_RISCV64", SCMP_ARCH_RISCV64, AUDIT_ARCH_RISCV64 },
#else
#error "seccomp: add this architecture here; see about socketcall(2) in seccomp_build.c"
#endif
};
static_assert(BH_ARRAY_SIZE(archs_here) <= BH_SECCOMP_ARCHS_MAX, "each has its place in a filter");

bool bh_seccomp_arch_known(const char *name)
{
	for (size_t i = 0; arch_names[i]; i++) {
		if (strcmp(arch_names[i], name) == 0)
			return true;
	}
	return false;
}

const struct bh_seccomp_arch *bh_seccomp_arch_here(const char *name)
{
	for (size_t i = 0; i < BH_ARRAY_SIZE(archs_here); i++) {
		if (strcmp(archs_here[i].name, name) == 0)
			return &archs_here[i];
	}
	return NULL;
}

const struct bh_seccomp_arch *bh_seccomp_arch_native(void)
{
	return &archs_here[0];
}

const char *const *bh_seccomp_archs(void)
{
	return arch_names;
}

const char *const *bh_seccomp_actions(void)
{
	return action_names;
}

const char *const *bh_seccomp_operators(void)
{
	return operator_names;
}

const char *const *bh_seccomp_known_flags(void)
{
	return flag_names;
}

size_t bh_seccomp_supported_flags(const char *ret[static 8])
{
	size_t n = 0;

	/* A filter at no address: a known flag gets as far as finding that out. */
	for (size_t i = 0; flag_names[i]; i++) {
		if (bh_sys_seccomp(SECCOMP_SET_MODE_FILTER, flags[i].probe, NULL) < 0 &&
		    errno == EFAULT)
			ret[n++] = flag_names[i];
	}
	return n;
}

const char *bh_seccomp_library_version(char buf[static 32])
{
	const struct scmp_version *version = seccomp_version();

	snprintf(buf, 32, "%u.%u.%u", version->major, version->minor, version->micro);
	return buf;
}

/* ---- from profile to filter ------------------------------------------------------------------ */

void bh_seccomp_filter_deinit(struct bh_seccomp_filter *filter)
{
	free(filter->insns);
	*filter = BH_SECCOMP_FILTER_INIT;
}

bool bh_seccomp_notifies(const struct bh_seccomp *profile)
{
	bh_for_each (rule, profile->syscalls) {
		if (strcmp(rule->action, "SCMP_ACT_NOTIFY") == 0)
			return true;
	}
	return false;
}

static int find_flags(const struct bh_seccomp *profile, unsigned int *ret, struct bh_err *err)
{
	bool notifies = bh_seccomp_notifies(profile);

	*ret = profile->flags.v ? 0 : SECCOMP_FILTER_FLAG_SPEC_ALLOW;
	for (size_t i = 0; i < profile->flags.n; i++) {
		size_t k = 0;

		while (flag_names[k] && strcmp(flag_names[k], profile->flags.v[i]) != 0)
			k++;
		if (!flag_names[k])
			return bh_err_spec(err, "/linux/seccomp/flags",
					   "seccomp flag %s is not known", profile->flags.v[i]);
		*ret |= flags[k].load;
	}
	/* Without a listener there is no one to wait for, and the kernel refuses the flag. */
	if (notifies)
		*ret |= SECCOMP_FILTER_FLAG_NEW_LISTENER;
	else
		*ret &= ~(unsigned int)SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
	if (notifies && (!profile->listener_path || !profile->listener_path[0]))
		return bh_err_spec(err, "/linux/seccomp/listenerPath",
				   "seccomp listenerPath is not set");
	return 0;
}

int bh_seccomp_compile(const struct bh_seccomp *profile, int cache_dirfd,
		       struct bh_seccomp_filter *filter, struct bh_err *err)
{
	bh_auto_seccomp_filter struct bh_seccomp_filter made = BH_SECCOMP_FILTER_INIT;
	bh_auto_buf struct bh_buf key = BH_BUF_INIT;
	unsigned int load_flags;
	int r = find_flags(profile, &load_flags, err);

	if (r < 0)
		return r;
	bh_debug("seccomp filter flags: %u", load_flags);
	if (cache_dirfd >= 0)
		bh_seccomp_key(profile, &key);
	r = cache_dirfd >= 0 ? bh_seccomp_cache_load(cache_dirfd, &key, &made) : -ENOENT;
	if (r < 0) {
		r = bh_seccomp_build(profile, &made, err);
		if (r < 0)
			return r;
		if (cache_dirfd >= 0)
			bh_seccomp_cache_store(cache_dirfd, &key, &made);
	}
	*filter = (struct bh_seccomp_filter){
		.insns = bh_take(&made.insns),
		.n = made.n,
		.flags = load_flags,
	};
	return 0;
}

/* ---- in the child ---------------------------------------------------------------------------- */

int bh_seccomp_load(const struct bh_seccomp_filter *filter, int *ret_listener, struct bh_err *err)
{
	struct sock_fprog program = { .len = filter->n, .filter = filter->insns };
	int r = bh_sys_seccomp(SECCOMP_SET_MODE_FILTER, filter->flags, &program);

	if (r < 0)
		return bh_err_set(err, -errno, "load seccomp filter of %u instructions, flags %#x",
				  filter->n, filter->flags);
	if (ret_listener)
		*ret_listener = (filter->flags & SECCOMP_FILTER_FLAG_NEW_LISTENER) ? r : -1;
	return 0;
}

/* ---- the agent ------------------------------------------------------------------------------- */

static int connect_agent(const char *path, struct bh_err *err)
{
	bh_auto_close int fd = -EBADF;
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	size_t len = strlen(path);

	if (len >= sizeof(addr.sun_path))
		return bh_err_set(err, -ENAMETOOLONG, "failed to connect with seccomp agent '%s'",
				  path);
	memcpy(addr.sun_path, path, len);
	if (path[0] == '@')
		addr.sun_path[0] = '\0';
	else
		len++;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&addr,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) < 0)
		return bh_err_set(err, -errno, "failed to connect with seccomp agent '%s'", path);
	return bh_take_fd(&fd);
}

int bh_seccomp_send_listener(const char *path, int listener_fd, const char *state, size_t len,
			     struct bh_err *err)
{
	bh_auto_close int fd = connect_agent(path, err);

	if (fd < 0)
		return fd;
	/* The descriptor goes with the first bytes; a full socket takes the rest later. */
	for (size_t sent = 0; sent < len;) {
		ssize_t n =
			bh_fd_send(fd, state + sent, len - sent, sent ? -EBADF : listener_fd, 0);

		if (n < 0)
			return bh_err_set(err, (int)n, "cannot send seccomp fd to '%s'", path);
		sent += (size_t)n;
	}
	return 0;
}

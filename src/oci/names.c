/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/names.h"

#include <assert.h>
#include <linux/capability.h>
#include <linux/ioprio.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/resource.h>

/* The real-time signals as glibc numbers them: the kernel's first two are its own. */
#define RTMIN 34
#define RTMAX 64

static const struct bh_name capability[] = {
	{ "CAP_CHOWN", CAP_CHOWN },
	{ "CAP_DAC_OVERRIDE", CAP_DAC_OVERRIDE },
	{ "CAP_DAC_READ_SEARCH", CAP_DAC_READ_SEARCH },
	{ "CAP_FOWNER", CAP_FOWNER },
	{ "CAP_FSETID", CAP_FSETID },
	{ "CAP_KILL", CAP_KILL },
	{ "CAP_SETGID", CAP_SETGID },
	{ "CAP_SETUID", CAP_SETUID },
	{ "CAP_SETPCAP", CAP_SETPCAP },
	{ "CAP_LINUX_IMMUTABLE", CAP_LINUX_IMMUTABLE },
	{ "CAP_NET_BIND_SERVICE", CAP_NET_BIND_SERVICE },
	{ "CAP_NET_BROADCAST", CAP_NET_BROADCAST },
	{ "CAP_NET_ADMIN", CAP_NET_ADMIN },
	{ "CAP_NET_RAW", CAP_NET_RAW },
	{ "CAP_IPC_LOCK", CAP_IPC_LOCK },
	{ "CAP_IPC_OWNER", CAP_IPC_OWNER },
	{ "CAP_SYS_MODULE", CAP_SYS_MODULE },
	{ "CAP_SYS_RAWIO", CAP_SYS_RAWIO },
	{ "CAP_SYS_CHROOT", CAP_SYS_CHROOT },
	{ "CAP_SYS_PTRACE", CAP_SYS_PTRACE },
	{ "CAP_SYS_PACCT", CAP_SYS_PACCT },
	{ "CAP_SYS_ADMIN", CAP_SYS_ADMIN },
	{ "CAP_SYS_BOOT", CAP_SYS_BOOT },
	{ "CAP_SYS_NICE", CAP_SYS_NICE },
	{ "CAP_SYS_RESOURCE", CAP_SYS_RESOURCE },
	{ "CAP_SYS_TIME", CAP_SYS_TIME },
	{ "CAP_SYS_TTY_CONFIG", CAP_SYS_TTY_CONFIG },
	{ "CAP_MKNOD", CAP_MKNOD },
	{ "CAP_LEASE", CAP_LEASE },
	{ "CAP_AUDIT_WRITE", CAP_AUDIT_WRITE },
	{ "CAP_AUDIT_CONTROL", CAP_AUDIT_CONTROL },
	{ "CAP_SETFCAP", CAP_SETFCAP },
	{ "CAP_MAC_OVERRIDE", CAP_MAC_OVERRIDE },
	{ "CAP_MAC_ADMIN", CAP_MAC_ADMIN },
	{ "CAP_SYSLOG", CAP_SYSLOG },
	{ "CAP_WAKE_ALARM", CAP_WAKE_ALARM },
	{ "CAP_BLOCK_SUSPEND", CAP_BLOCK_SUSPEND },
	{ "CAP_AUDIT_READ", CAP_AUDIT_READ },
	{ "CAP_PERFMON", CAP_PERFMON },
	{ "CAP_BPF", CAP_BPF },
	{ "CAP_CHECKPOINT_RESTORE", CAP_CHECKPOINT_RESTORE },
};
const struct bh_names bh_names_capability = { capability, BH_ARRAY_SIZE(capability) };
static_assert(BH_ARRAY_SIZE(capability) == CAP_LAST_CAP + 1, "a capability without a name");

static const struct bh_name rlimit[] = {
	{ "RLIMIT_CPU", RLIMIT_CPU },           { "RLIMIT_FSIZE", RLIMIT_FSIZE },
	{ "RLIMIT_DATA", RLIMIT_DATA },         { "RLIMIT_STACK", RLIMIT_STACK },
	{ "RLIMIT_CORE", RLIMIT_CORE },         { "RLIMIT_RSS", RLIMIT_RSS },
	{ "RLIMIT_NPROC", RLIMIT_NPROC },       { "RLIMIT_NOFILE", RLIMIT_NOFILE },
	{ "RLIMIT_MEMLOCK", RLIMIT_MEMLOCK },   { "RLIMIT_AS", RLIMIT_AS },
	{ "RLIMIT_LOCKS", RLIMIT_LOCKS },       { "RLIMIT_SIGPENDING", RLIMIT_SIGPENDING },
	{ "RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE }, { "RLIMIT_NICE", RLIMIT_NICE },
	{ "RLIMIT_RTPRIO", RLIMIT_RTPRIO },     { "RLIMIT_RTTIME", RLIMIT_RTTIME },
};
const struct bh_names bh_names_rlimit = { rlimit, BH_ARRAY_SIZE(rlimit) };
static_assert(BH_ARRAY_SIZE(rlimit) == RLIM_NLIMITS, "a resource limit without a name");

static const struct bh_name namespace[] = {
	{ "user", BH_NS_USER },     { "pid", BH_NS_PID },   { "network", BH_NS_NETWORK },
	{ "ipc", BH_NS_IPC },       { "uts", BH_NS_UTS },   { "mount", BH_NS_MOUNT },
	{ "cgroup", BH_NS_CGROUP }, { "time", BH_NS_TIME },
};
const struct bh_names bh_names_namespace = { namespace, BH_ARRAY_SIZE(namespace) };
static_assert(BH_ARRAY_SIZE(namespace) == BH_NS_MAX_, "a namespace without a name");

/* linux/sched.h, which does not go together with glibc's sched.h. */
static const struct bh_name sched_policy[] = {
	{ "SCHED_OTHER", 0 }, { "SCHED_FIFO", 1 }, { "SCHED_RR", 2 },       { "SCHED_BATCH", 3 },
	{ "SCHED_ISO", 4 },   { "SCHED_IDLE", 5 }, { "SCHED_DEADLINE", 6 },
};
const struct bh_names bh_names_sched_policy = { sched_policy, BH_ARRAY_SIZE(sched_policy) };

static const struct bh_name sched_flag[] = {
	{ "SCHED_FLAG_RESET_ON_FORK", 0x1 },   { "SCHED_FLAG_RECLAIM", 0x2 },
	{ "SCHED_FLAG_DL_OVERRUN", 0x4 },      { "SCHED_FLAG_KEEP_POLICY", 0x8 },
	{ "SCHED_FLAG_KEEP_PARAMS", 0x10 },    { "SCHED_FLAG_UTIL_CLAMP_MIN", 0x20 },
	{ "SCHED_FLAG_UTIL_CLAMP_MAX", 0x40 },
};
const struct bh_names bh_names_sched_flag = { sched_flag, BH_ARRAY_SIZE(sched_flag) };

static const struct bh_name ioprio_class[] = {
	{ "IOPRIO_CLASS_RT", IOPRIO_CLASS_RT },
	{ "IOPRIO_CLASS_BE", IOPRIO_CLASS_BE },
	{ "IOPRIO_CLASS_IDLE", IOPRIO_CLASS_IDLE },
};
const struct bh_names bh_names_ioprio_class = { ioprio_class, BH_ARRAY_SIZE(ioprio_class) };

static const struct bh_name seccomp_op[] = {
	{ "SCMP_CMP_NE", BH_SECCOMP_NE },
	{ "SCMP_CMP_LT", BH_SECCOMP_LT },
	{ "SCMP_CMP_LE", BH_SECCOMP_LE },
	{ "SCMP_CMP_EQ", BH_SECCOMP_EQ },
	{ "SCMP_CMP_GE", BH_SECCOMP_GE },
	{ "SCMP_CMP_GT", BH_SECCOMP_GT },
	{ "SCMP_CMP_MASKED_EQ", BH_SECCOMP_MASKED_EQ },
};
const struct bh_names bh_names_seccomp_op = { seccomp_op, BH_ARRAY_SIZE(seccomp_op) };
static_assert(BH_ARRAY_SIZE(seccomp_op) == BH_SECCOMP_OP_MAX_, "an operator without a name");

static const struct bh_name hook[] = {
	{ "prestart", BH_HOOK_PRESTART },
	{ "createRuntime", BH_HOOK_CREATE_RUNTIME },
	{ "createContainer", BH_HOOK_CREATE_CONTAINER },
	{ "startContainer", BH_HOOK_START_CONTAINER },
	{ "poststart", BH_HOOK_POSTSTART },
	{ "poststop", BH_HOOK_POSTSTOP },
};
const struct bh_names bh_names_hook = { hook, BH_ARRAY_SIZE(hook) };
static_assert(BH_ARRAY_SIZE(hook) == BH_HOOK_MAX_, "a hook without a name");

static const struct bh_name seccomp_action[] = {
	{ "SCMP_ACT_KILL", 0 },  { "SCMP_ACT_KILL_PROCESS", 1 }, { "SCMP_ACT_KILL_THREAD", 2 },
	{ "SCMP_ACT_TRAP", 3 },  { "SCMP_ACT_ERRNO", 4 },        { "SCMP_ACT_TRACE", 5 },
	{ "SCMP_ACT_ALLOW", 6 }, { "SCMP_ACT_LOG", 7 },          { "SCMP_ACT_NOTIFY", 8 },
};
const struct bh_names bh_names_seccomp_action = { seccomp_action, BH_ARRAY_SIZE(seccomp_action) };

static const struct bh_name seccomp_arch[] = {
	{ "SCMP_ARCH_X86", 0 },          { "SCMP_ARCH_X86_64", 1 },  { "SCMP_ARCH_X32", 2 },
	{ "SCMP_ARCH_ARM", 3 },          { "SCMP_ARCH_AARCH64", 4 }, { "SCMP_ARCH_LOONGARCH64", 5 },
	{ "SCMP_ARCH_M68K", 6 },         { "SCMP_ARCH_MIPS", 7 },    { "SCMP_ARCH_MIPS64", 8 },
	{ "SCMP_ARCH_MIPS64N32", 9 },    { "SCMP_ARCH_MIPSEL", 10 }, { "SCMP_ARCH_MIPSEL64", 11 },
	{ "SCMP_ARCH_MIPSEL64N32", 12 }, { "SCMP_ARCH_PARISC", 13 }, { "SCMP_ARCH_PARISC64", 14 },
	{ "SCMP_ARCH_PPC", 15 },         { "SCMP_ARCH_PPC64", 16 },  { "SCMP_ARCH_PPC64LE", 17 },
	{ "SCMP_ARCH_RISCV64", 18 },     { "SCMP_ARCH_S390", 19 },   { "SCMP_ARCH_S390X", 20 },
	{ "SCMP_ARCH_SH", 21 },          { "SCMP_ARCH_SHEB", 22 },
};
const struct bh_names bh_names_seccomp_arch = { seccomp_arch, BH_ARRAY_SIZE(seccomp_arch) };

static const struct bh_name seccomp_flag[] = {
	{ "SECCOMP_FILTER_FLAG_TSYNC", 0 },
	{ "SECCOMP_FILTER_FLAG_LOG", 1 },
	{ "SECCOMP_FILTER_FLAG_SPEC_ALLOW", 2 },
	{ "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", 3 },
};
const struct bh_names bh_names_seccomp_flag = { seccomp_flag, BH_ARRAY_SIZE(seccomp_flag) };

/* linux/mempolicy.h; the last mode came with Linux 6.9. */
static const struct bh_name mpol_mode[] = {
	{ "MPOL_DEFAULT", 0 },
	{ "MPOL_PREFERRED", 1 },
	{ "MPOL_BIND", 2 },
	{ "MPOL_INTERLEAVE", 3 },
	{ "MPOL_LOCAL", 4 },
	{ "MPOL_PREFERRED_MANY", 5 },
	{ "MPOL_WEIGHTED_INTERLEAVE", 6 },
};
const struct bh_names bh_names_mpol_mode = { mpol_mode, BH_ARRAY_SIZE(mpol_mode) };

static const struct bh_name mpol_flag[] = {
	{ "MPOL_F_STATIC_NODES", 1 << 15 },
	{ "MPOL_F_RELATIVE_NODES", 1 << 14 },
	{ "MPOL_F_NUMA_BALANCING", 1 << 13 },
};
const struct bh_names bh_names_mpol_flag = { mpol_flag, BH_ARRAY_SIZE(mpol_flag) };

static const struct bh_name propagation[] = {
	{ "shared", MS_SHARED },         { "rshared", MS_SHARED | MS_REC },
	{ "slave", MS_SLAVE },           { "rslave", MS_SLAVE | MS_REC },
	{ "private", MS_PRIVATE },       { "rprivate", MS_PRIVATE | MS_REC },
	{ "unbindable", MS_UNBINDABLE }, { "runbindable", MS_UNBINDABLE | MS_REC },
};
const struct bh_names bh_names_propagation = { propagation, BH_ARRAY_SIZE(propagation) };

static const struct bh_name personalities[] = {
	{ "LINUX", PER_LINUX },
	{ "LINUX32", PER_LINUX32 },
};
const struct bh_names bh_names_personality = { personalities, BH_ARRAY_SIZE(personalities) };

static const struct bh_name signals[] = {
	{ "HUP", SIGHUP },   { "INT", SIGINT },       { "QUIT", SIGQUIT }, { "ILL", SIGILL },
	{ "TRAP", SIGTRAP }, { "ABRT", SIGABRT },     { "BUS", SIGBUS },   { "FPE", SIGFPE },
	{ "KILL", SIGKILL }, { "USR1", SIGUSR1 },     { "SEGV", SIGSEGV }, { "USR2", SIGUSR2 },
	{ "PIPE", SIGPIPE }, { "ALRM", SIGALRM },     { "TERM", SIGTERM }, { "STKFLT", SIGSTKFLT },
	{ "CHLD", SIGCHLD }, { "CONT", SIGCONT },     { "STOP", SIGSTOP }, { "TSTP", SIGTSTP },
	{ "TTIN", SIGTTIN }, { "TTOU", SIGTTOU },     { "URG", SIGURG },   { "XCPU", SIGXCPU },
	{ "XFSZ", SIGXFSZ }, { "VTALRM", SIGVTALRM }, { "PROF", SIGPROF }, { "WINCH", SIGWINCH },
	{ "IO", SIGIO },     { "PWR", SIGPWR },       { "SYS", SIGSYS },   { "CLD", SIGCHLD },
	{ "IOT", SIGABRT },  { "POLL", SIGPOLL },     { "RTMIN", RTMIN },  { "RTMAX", RTMAX },
};

/* Up to two decimal digits, all of @text. Return: -EINVAL otherwise */
static int parse_number(const char *text)
{
	int n = 0;

	for (size_t i = 0; text[i]; i++) {
		if (i == 2 || text[i] < '0' || text[i] > '9')
			return -EINVAL;
		n = n * 10 + text[i] - '0';
	}
	return text[0] ? n : -EINVAL;
}

/* "RTMIN+3", "RTMAX-1" */
static int parse_realtime(const char *text)
{
	bool from_min = !strncasecmp(text, "RTMIN+", 6);
	int n;

	if (!from_min && strncasecmp(text, "RTMAX-", 6))
		return -EINVAL;
	n = parse_number(text + 6);
	if (n < 0 || n > RTMAX - RTMIN)
		return -EINVAL;
	return from_min ? RTMIN + n : RTMAX - n;
}

int bh_signal_parse(const char *text)
{
	int n = parse_number(text);

	if (n >= 0)
		return n <= RTMAX ? n : -EINVAL;
	if (!strncasecmp(text, "SIG", 3))
		text += 3;
	for (size_t i = 0; i < BH_ARRAY_SIZE(signals); i++)
		if (!strcasecmp(signals[i].name, text))
			return (int)signals[i].value;
	return parse_realtime(text);
}

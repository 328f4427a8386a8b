/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config.h"

#include <string.h>

static const struct bh_name runtimes_v[] = { { "runc", 0 }, { "kata", 1 } };
static const struct bh_name rootless_v[] = { { "auto", 0 }, { "true", 0 }, { "false", 0 } };
static const struct bh_name hypervisors_v[] = { { "qemu", 0 } };
static const struct bh_name accelerators_v[] = {
	{ "kvm", BH_ACCELERATE_KVM },
	{ "emulation", BH_ACCELERATE_EMULATION },
	{ "auto", BH_ACCELERATE_AUTO },
};
static const struct bh_name managers_v[] = {
	{ "auto", BH_CGROUP_AUTO },
	{ "cgroupfs", BH_CGROUP_FS },
	{ "systemd", BH_CGROUP_SYSTEMD },
	{ "disabled", BH_CGROUP_DISABLED },
};
static const struct bh_name formats_v[] = { { "text", BH_LOG_TEXT }, { "json", BH_LOG_JSON } };
static const struct bh_name levels_v[] = {
	{ "error", BH_LOG_ERROR },
	{ "warning", BH_LOG_WARN },
	{ "info", BH_LOG_INFO },
	{ "debug", BH_LOG_DEBUG },
};
static const struct bh_name rule_levels_v[] = {
	{ "enforce", BH_RULE_ENFORCE },
	{ "warn", BH_RULE_WARN },
	{ "off", BH_RULE_OFF },
};
static const struct bh_name caches_v[] = {
	{ "auto", BH_SHARE_CACHE_AUTO },
	{ "always", BH_SHARE_CACHE_ALWAYS },
	{ "never", BH_SHARE_CACHE_NEVER },
};

#define NAMES(v)                    \
	{                           \
		v, BH_ARRAY_SIZE(v) \
	}
static const struct bh_names runtimes = NAMES(runtimes_v), rootless = NAMES(rootless_v),
			     hypervisors = NAMES(hypervisors_v), caches = NAMES(caches_v),
			     rule_levels = NAMES(rule_levels_v),
			     accelerators = NAMES(accelerators_v), log_formats = NAMES(formats_v),
			     log_levels = NAMES(levels_v);
const struct bh_names bh_config_cgroup_managers = NAMES(managers_v);

const char *const bh_config_handlers[] = { "runc", "kata", NULL };

/* Where a member is; of another type than the kind has it does not compile. */
#define AT_(member, type)                                       \
	.offset =                                               \
		(uint16_t)(offsetof(struct bh_config, member) + \
			   0 * sizeof(char[_Generic(((struct bh_config *)0)->member, type : 1)]))
#define NAME(member, table)   .kind = BH_CONFIG_NAME, .names = &(table), AT_(member, const char *)
#define CHOICE(member, table) .kind = BH_CONFIG_CHOICE, .names = &(table), AT_(member, unsigned int)
#define PATH(member)          .kind = BH_CONFIG_PATH, AT_(member, const char *)
#define TEXT(member)          .kind = BH_CONFIG_TEXT, AT_(member, const char *)
#define BOOL(member)          .kind = BH_CONFIG_BOOL, AT_(member, bool)
#define CPU(member)           .kind = BH_CONFIG_CPU, AT_(member, uint32_t)
#define SIZE(member)          .kind = BH_CONFIG_SIZE, AT_(member, uint64_t)
#define DURATION(member)      .kind = BH_CONFIG_DURATION, AT_(member, int64_t)
#define KEYS(member)          .kind = BH_CONFIG_KEYS, AT_(member, struct bh_strv)

#define RULE(rule) CHOICE(rules.v[rule], rule_levels)

/* Why a key is not left to pods, or not even to handlers. */
#define NOT_FOR_PODS(why) .not_for_pods = (why)
#define ROOT_OPENS        NOT_FOR_PODS("root would read, write or execute what the pod names")
#define CONFINES          NOT_FOR_PODS("it is part of what confines the pod")
#define LOGS              NOT_FOR_PODS("the pod could keep quiet about itself")
#define ONE_ENDPOINT                                                                         \
	.not_for_handlers = "one endpoint tells of all pods of the node, of either handler", \
	NOT_FOR_PODS("one endpoint tells of all pods of the node")

#define KIB    INT64_C(1024)
#define MIB    (1024 * KIB)
#define TIB    (1024 * 1024 * MIB)
#define SECOND INT64_C(1000000000)
/* As many processors as a VM can have. */
#define CPU_MAX 255000

/* Each can be set for the node, for a handler and, where the administrator lists it, for a pod,
 * unless the row says why not. */
const struct bh_config_key bh_config_keys[] = {
	{ "runtime", NAME(runtime, runtimes), .fallback = "runc",
	  .not_for_handlers = "it is what chooses the handler",
	  .help = "the handler of new containers where nothing else says it: neither --runtime nor "
		  "the name that containerd's shim is called by, nor its options" },
	{ "annotations", KEYS(annotations),
	  NOT_FOR_PODS("the pod would take leave for all the rest"), .fallback = "runtime",
	  .help = "keys that a pod may set for itself, by an annotation io.bulkhead.KEY" },

	{ "root", PATH(root), ROOT_OPENS, .flags = BH_CONFIG_ROOTS, .unset = "/run/bulkhead",
	  .help = "directory of the states of root's containers, best on a tmpfs; those of "
		  "containerd are in its @containerd/" },
	{ "rootless", NAME(rootless, rootless), CONFINES, .fallback = "auto",
	  .help = "whether cgroups that may not be written are tolerated by the command line" },
	{ "log.file", PATH(log.file), ROOT_OPENS, .flags = BH_CONFIG_ROOTS,
	  .unset = "standard error",
	  .help = "file to which root's command line and the supervisors of its pods append their "
		  "log; the shim's goes to containerd. The command line goes by the handler of "
		  "new containers" },
	{ "log.format", CHOICE(log.format, log_formats), LOGS, .fallback = "text",
	  .help = "format of log lines" },
	{ "log.level", CHOICE(log.level, log_levels), LOGS, .fallback = "info",
	  .help = "least important level that is logged" },

	{ "metrics.listen", TEXT(metrics.listen), ONE_ENDPOINT, .fallback = "127.0.0.1:9758",
	  .help = "where `bulkhead metrics` answers: unix:PATH, 127.0.0.1:PORT or [::1]:PORT; any "
		  "other address is open to the network, without authentication" },
	{ "metrics.timeout", DURATION(metrics.timeout_ns), ONE_ENDPOINT, .min = SECOND / 10,
	  .max = 600 * SECOND, .fallback = "2s",
	  .help = "for each pod to answer `bulkhead metrics`" },

	{ "cgroup-manager", CHOICE(cgroup_manager, bh_config_cgroup_managers), CONFINES,
	  .fallback = "auto",
	  .help = "who makes the cgroups; auto: systemd where containerd names a slice, else "
		  "cgroupfs" },
	{ "shim-cgroup", TEXT(shim_cgroup), CONFINES, .unset = "where containerd is",
	  .help = "cgroup that the shim is to be in" },
	{ "no-pivot", BOOL(no_pivot), .fallback = "false",
	  .help = "enter the root by moving its mount, for hosts whose root is an initramfs" },
	{ "no-new-keyring", BOOL(no_new_keyring), .fallback = "false",
	  .help = "containers share the session keyring of whoever creates them" },
	{ "hooks", BOOL(hooks), .fallback = "true",
	  .help = "whether containers may have hooks: programs that run on the host" },

	{ "accelerator", CHOICE(accelerator, accelerators), .fallback = "kvm",
	  .help = "what runs a micro-VM; emulation is many times slower; auto: emulation where KVM "
		  "does not work" },
	{ "guest", PATH(guest), ROOT_OPENS, .unset = "the installed one",
	  .help = "directory of the kernel and initramfs of micro-VMs" },
	{ "hypervisor", NAME(hypervisor, hypervisors), CONFINES, .fallback = "qemu",
	  .help = "monitor of micro-VMs" },
	{ "qemu", PATH(qemu), ROOT_OPENS, .within = "/usr/",
	  .fallback = "/usr/bin/qemu-system-x86_64", .help = "QEMU's program" },
	{ "virtiofsd", PATH(virtiofsd), ROOT_OPENS, .within = "/usr/",
	  .unset = "the first that is installed",
	  .help = "the daemon that serves a pod's shared directory; one below a directory qemu/ "
		  "takes the options of QEMU's own" },
	{ "share-cache", CHOICE(share_cache, caches), .fallback = "auto",
	  .help = "what a guest remembers of its shared directory: auto: what has not changed; "
		  "always: whatever changes on the host; never: nothing, so mmap(2) cannot be "
		  "shared" },
	{ "hello-timeout", DURATION(hello_timeout_ns), .min = SECOND, .max = 3600 * SECOND,
	  .fallback = "30s",
	  .help = "for the guest's agent to answer; three times as long under emulation" },
	{ "silence-timeout", DURATION(silence_timeout_ns), .min = SECOND, .max = 3600 * SECOND,
	  .fallback = "60s",
	  .help = "how long a guest may answer nothing, or let live what was killed, before its "
		  "pod is ended; three times as long under emulation" },
	{ "console-log", SIZE(console_log), .min = 4 * KIB, .max = 64 * MIB, .fallback = "16KiB",
	  .help = "how much of the last output to the guest's console is kept" },

	{ "overhead.cpu", CPU(overhead.cpu_milli), .min = 0, .max = CPU_MAX, .fallback = "0.1",
	  .help = "cores that a pod's cgroup has beyond its limit: the overhead that its "
		  "RuntimeClass declares" },
	{ "overhead.memory", SIZE(overhead.memory), .min = 64 * MIB, .max = TIB,
	  .fallback = "100MiB",
	  .help = "memory that a pod's cgroup has beyond its limit: the overhead that its "
		  "RuntimeClass declares" },
	{ "largest.cpu", CPU(largest.cpu_milli), .min = 10, .max = CPU_MAX, .fallback = "255",
	  .help = "cores of the largest pod in a micro-VM" },
	{ "largest.memory", SIZE(largest.memory), .min = 64 * MIB, .max = 64 * TIB,
	  .flags = BH_CONFIG_UNBOUNDED, .fallback = "unlimited",
	  .help = "memory of the largest pod in a micro-VM" },

	/* the rest of these rows is what bh_rules has */
	{ "rules.host-network", RULE(BH_RULE_HOST_NETWORK), .fallback = "enforce",
	  .help = "a pod has a network of its own" },
	{ "rules.requests-equal-limits", RULE(BH_RULE_REQUESTS_EQUAL_LIMITS), .fallback = "enforce",
	  .help = "requests equal limits, for CPU and for memory" },
	{ "rules.smallest-pod", RULE(BH_RULE_SMALLEST_POD), .fallback = "enforce",
	  .help = "a pod has at least 0.25 core and 256 MiB" },
	{ "rules.ratio", RULE(BH_RULE_RATIO), .fallback = "warn",
	  .help = "a core comes with 1 to 8 GiB of memory" },
};
const size_t bh_config_n_keys = BH_ARRAY_SIZE(bh_config_keys);

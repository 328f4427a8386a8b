/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The runtime-spec document (config.json, 1.0 to 1.3) as structs. Field names are the spec's in
 * snake case. Everything lives in the arena of the document; absent strings are NULL, absent lists
 * empty, absent numbers have set = false. An empty string counts as absent; a list that is there
 * but empty has v != NULL, where the difference matters (seccomp.flags, a hook's env).
 *
 * Source: opencontainers/runtime-spec config.md, config-linux.md
 */
#ifndef BH_OCI_SPEC_H
#define BH_OCI_SPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/value.h"

/* ---- process ------------------------------------------------------------------------------- */

struct bh_console_size {
	uint32_t height, width; /* characters; 0 = not given */
};
struct bh_user {
	uint32_t uid, gid;
	struct bh_opt_u32 umask;
	BH_LIST(uint32_t) additional_gids;
	const char *username; /* Windows only by the spec: ignored */
};
struct bh_rlimit {
	int resource;     /* RLIMIT_* */
	const char *name; /* "RLIMIT_NOFILE" */
	uint64_t soft, hard;
};
/* Bit n = capability n of linux/capability.h. */
struct bh_caps {
	bool set; /* process.capabilities was there */
	uint64_t bounding, effective, inheritable, permitted, ambient;
	struct bh_strv unknown; /* names that this build does not know: for a warning */
};
struct bh_scheduler {
	bool set;
	uint32_t policy; /* SCHED_* */
	int32_t nice, priority;
	uint64_t flags; /* SCHED_FLAG_* */
	uint64_t runtime_ns, deadline_ns, period_ns;
};
struct bh_io_priority {
	bool set;
	int class; /* IOPRIO_CLASS_* */
	int32_t priority;
};
struct bh_cpu_affinity {
	const char *initial, *final; /* CPU list text such as "0-3,7", checked by the parser */
};
struct bh_process {
	bool set;
	bool terminal;
	struct bh_console_size console_size;
	const char *cwd;
	struct bh_strv args, env; /* v[n] is NULL: ready for execve(2) */
	struct bh_user user;
	BH_LIST(struct bh_rlimit) rlimits;
	struct bh_caps capabilities;
	bool no_new_privileges;
	const char *apparmor_profile, *selinux_label;
	struct bh_opt_i64 oom_score_adj;
	struct bh_scheduler scheduler;
	struct bh_io_priority io_priority;
	struct bh_cpu_affinity exec_cpu_affinity;
};

/* ---- root, mounts, hooks -------------------------------------------------------------------- */

struct bh_root {
	bool set;
	const char *path;
	bool readonly;
};
struct bh_id_map {
	uint32_t container_id, host_id, size;
};
typedef BH_LIST(struct bh_id_map) bh_id_map_list;

struct bh_mount {
	const char *destination, *source, *type;
	struct bh_strv options;
	bh_id_map_list uid_mappings, gid_mappings;
};
struct bh_hook {
	const char *path;
	struct bh_strv args, env;  /* v[n] is NULL; env.v NULL = empty environment */
	struct bh_opt_i64 timeout; /* seconds, > 0 */
};
typedef BH_LIST(struct bh_hook) bh_hook_list;

enum bh_hook_kind {
	BH_HOOK_PRESTART = 0,
	BH_HOOK_CREATE_RUNTIME,
	BH_HOOK_CREATE_CONTAINER,
	BH_HOOK_START_CONTAINER,
	BH_HOOK_POSTSTART,
	BH_HOOK_POSTSTOP,
	BH_HOOK_MAX_,
};

/* ---- linux ---------------------------------------------------------------------------------- */

enum bh_ns_kind {
	BH_NS_USER = 0,
	BH_NS_PID,
	BH_NS_NETWORK,
	BH_NS_IPC,
	BH_NS_UTS,
	BH_NS_MOUNT,
	BH_NS_CGROUP,
	BH_NS_TIME,
	BH_NS_MAX_,
};
struct bh_namespace {
	enum bh_ns_kind kind;
	const char *path; /* NULL = a new one */
};
struct bh_device {
	const char *path;
	char type; /* 'c', 'u', 'b' or 'p' */
	int64_t major, minor;
	struct bh_opt_u32 file_mode, uid, gid;
};
struct bh_net_device {
	const char *host_name; /* the map's key */
	const char *name;      /* in the container; NULL = host_name */
};
struct bh_device_rule {
	bool allow;
	char type;                      /* 'a', 'c' or 'b' */
	struct bh_opt_i64 major, minor; /* unset = all */
	const char *access;             /* subset of "rwm"; NULL = all */
};
struct bh_cpu {
	struct bh_opt_u64 shares, burst, period, realtime_period;
	struct bh_opt_i64 quota, realtime_runtime, idle; /* µs; idle 0 or 1 */
	const char *cpus, *mems;
};
struct bh_memory {
	struct bh_opt_i64 limit, reservation, swap, kernel, kernel_tcp; /* bytes, -1 = unlimited */
	struct bh_opt_u64 swappiness;
	struct bh_opt_bool disable_oom_killer, use_hierarchy, check_before_update;
};
struct bh_blkio_device {
	int64_t major, minor;
	struct bh_opt_u64 weight, leaf_weight; /* of weightDevice */
	uint64_t rate; /* of the throttle lists: bytes or operations a second */
};
typedef BH_LIST(struct bh_blkio_device) bh_blkio_device_list;
struct bh_block_io {
	struct bh_opt_u64 weight, leaf_weight;
	bh_blkio_device_list weight_device, throttle_read_bps_device, throttle_write_bps_device,
		throttle_read_iops_device, throttle_write_iops_device;
};
struct bh_hugepage_limit {
	const char *page_size; /* "2MB" */
	uint64_t limit;        /* bytes */
};
struct bh_net_priority {
	const char *name;
	uint32_t priority;
};
struct bh_network_class {
	struct bh_opt_u32 class_id;
	BH_LIST(struct bh_net_priority) priorities;
};
struct bh_rdma_limit {
	const char *device; /* the map's key */
	struct bh_opt_u32 hca_handles, hca_objects;
};
struct bh_resources {
	bool set;
	BH_LIST(struct bh_device_rule) devices;
	struct bh_memory memory;
	struct bh_cpu cpu;
	struct bh_opt_i64 pids_limit; /* -1 or 0 = unlimited, as runc reads them */
	struct bh_block_io block_io;
	BH_LIST(struct bh_hugepage_limit) hugepage_limits;
	struct bh_network_class network;
	BH_LIST(struct bh_rdma_limit) rdma;
	bh_kv_list unified;
};

enum bh_seccomp_op {
	BH_SECCOMP_NE = 0,
	BH_SECCOMP_LT,
	BH_SECCOMP_LE,
	BH_SECCOMP_EQ,
	BH_SECCOMP_GE,
	BH_SECCOMP_GT,
	BH_SECCOMP_MASKED_EQ,
	BH_SECCOMP_OP_MAX_
};
struct bh_seccomp_arg {
	uint32_t index; /* 0 to 5 */
	uint64_t value, value_two;
	enum bh_seccomp_op op;
};
/* Actions by name: the compiler of the filter owns the table. */
struct bh_seccomp_rule {
	struct bh_strv names;
	const char *action; /* "SCMP_ACT_…", known to be one of the spec's */
	struct bh_opt_u32 errno_ret;
	BH_LIST(struct bh_seccomp_arg) args;
};
struct bh_seccomp {
	bool set;
	const char *default_action;
	struct bh_opt_u32 default_errno_ret;
	struct bh_strv architectures, flags;
	const char *listener_path, *listener_metadata;
	BH_LIST(struct bh_seccomp_rule) syscalls;
};
struct bh_intel_rdt {
	bool set;
	const char *clos_id, *l3_cache_schema, *mem_bw_schema;
	struct bh_strv schemata;
	bool enable_cmt, enable_mbm, enable_monitoring;
};
struct bh_memory_policy {
	const char *mode, *nodes; /* "MPOL_BIND", "0-1"; mode NULL = none */
	struct bh_strv flags;     /* "MPOL_F_STATIC_NODES" … */
};
struct bh_personality {
	bool set;
	const char *domain; /* "LINUX" or "LINUX32" */
	struct bh_strv flags;
};
struct bh_time_offset {
	bool set;
	int64_t secs;
	uint32_t nanosecs;
};

struct bh_linux {
	bool set;
	bh_id_map_list uid_mappings, gid_mappings;
	bh_kv_list sysctl;
	struct bh_resources resources;
	const char *cgroups_path; /* NULL = not given; "" counts as not given */
	BH_LIST(struct bh_namespace) namespaces;
	BH_LIST(struct bh_device) devices;
	BH_LIST(struct bh_net_device) net_devices;
	struct bh_seccomp seccomp;
	const char *rootfs_propagation; /* "shared", "rslave" and the like; NULL = not given */
	struct bh_strv masked_paths, readonly_paths;
	const char *mount_label;
	struct bh_intel_rdt intel_rdt;
	struct bh_memory_policy memory_policy;
	struct bh_personality personality;
	struct bh_time_offset time_monotonic, time_boottime;
};

struct bh_spec {
	const char *oci_version, *hostname, *domainname;
	struct bh_process process;
	struct bh_root root;
	BH_LIST(struct bh_mount) mounts;
	bh_hook_list hooks[BH_HOOK_MAX_];
	bh_kv_list annotations;
	struct bh_linux linux_;
};

/**
 * bh_spec_parse() - read and check a config.json
 * @arena: receives everything that @spec points to; the text may go away afterwards
 * @text:  the document, @len bytes
 * @spec:  filled
 *
 * Types, ranges, enums, required fields, duplicate namespaces and the like are checked here;
 * what depends on the host (paths, kernel features) is not. Unknown fields are ignored as the spec
 * demands. An error names the JSON pointer and the value found.
 *
 * Return: 0, or -EINVAL (BH_ERR_SPEC), -ENOMEM with @err
 */
int bh_spec_parse(struct bh_arena *arena, const char *text, size_t len, struct bh_spec *spec,
		  struct bh_err *err) bh_must_check;

/** bh_spec_parse_process() - the same for a process document (exec --process) */
int bh_spec_parse_process(struct bh_arena *arena, const char *text, size_t len,
			  struct bh_process *process, struct bh_err *err) bh_must_check;

/** bh_spec_parse_resources() - the same for a linux.resources document (update --resources) */
int bh_spec_parse_resources(struct bh_arena *arena, const char *text, size_t len,
			    struct bh_resources *resources, struct bh_err *err) bh_must_check;

/** bh_spec_write_process() / bh_spec_write_resources() - as the document from which they would be
 * read, appended to @out */
void bh_spec_write_process(const struct bh_process *process, struct bh_buf *out);
void bh_spec_write_resources(const struct bh_resources *resources, struct bh_buf *out);

/** bh_spec_annotation() - Return: the value of annotation @key, or NULL */
const char *bh_spec_annotation(const struct bh_spec *spec, const char *key);

/** bh_spec_namespace() - Return: the entry for @kind, or NULL: the runtime's own is kept */
const struct bh_namespace *bh_spec_namespace(const struct bh_spec *spec, enum bh_ns_kind kind);

#endif

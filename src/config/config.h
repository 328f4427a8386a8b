/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the administrator of a node sets: /etc/bulkhead/bulkhead.yaml and, in the order of their
 * names, /etc/bulkhead/bulkhead.yaml.d/ *.yaml; or the one file (and FILE.d/) that --config or
 * $BULKHEAD_CONFIG names. All keys are in one table (keys.c), from which follow what the parser
 * takes, the defaults, `config show`, and the documentation.
 *
 * A value is, of all that set the key, the last in this order:
 *
 *	default < file < file, `handlers: NAME:` < the pod's annotation, where listed < flag
 *
 * Files are read once into a set of settings; what holds for one pod is resolved from that.
 */
#ifndef BH_CONFIG_CONFIG_H
#define BH_CONFIG_CONFIG_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "base/names.h"
#include "base/value.h"
#include "contract/rules.h"
#include "linux/cgroup.h"

#define BH_CONFIG_DIR  "/etc/bulkhead"
#define BH_CONFIG_FILE BH_CONFIG_DIR "/bulkhead.yaml"
#define BH_CONFIG_ENV  "BULKHEAD_CONFIG"
/* An annotation is this and the key. */
#define BH_CONFIG_ANNOTATION "io.bulkhead."

enum bh_accelerator_choice {
	BH_ACCELERATE_KVM = 0,   /* nothing else will do */
	BH_ACCELERATE_EMULATION, /* allowed, and wanted */
	BH_ACCELERATE_AUTO,      /* KVM where it works, else emulation, announced */
	BH_ACCELERATE_MAX_,
};

/* What the guest remembers of the shared directory's files. */
enum bh_share_cache { BH_SHARE_CACHE_AUTO = 0, BH_SHARE_CACHE_ALWAYS, BH_SHARE_CACHE_NEVER };

/* Some computing resources. */
struct bh_config_amount {
	uint32_t cpu_milli; /* thousandths of a core */
	uint64_t memory;    /* bytes; of a largest pod 0 = no bound */
};

/* One member a key; what a key means stands in keys.c. */
struct bh_config {
	const char *runtime;
	struct bh_strv annotations; /* keys that pods may set */

	const char *root; /* NULL = the program's own */
	const char *rootless;
	struct {
		const char *file; /* NULL = standard error */
		enum bh_log_format format;
		enum bh_log_level level;
	} log;

	struct {
		const char *listen;
		int64_t timeout_ns;
	} metrics;

	enum bh_cgroup_manager cgroup_manager;
	const char *shim_cgroup; /* NULL = where containerd is */
	bool no_pivot, no_new_keyring;
	bool hooks;

	enum bh_accelerator_choice accelerator;
	const char *guest; /* NULL = the installed one */
	const char *hypervisor;
	const char *qemu;
	const char *virtiofsd; /* NULL = the first that is found */
	enum bh_share_cache share_cache;
	int64_t hello_timeout_ns, silence_timeout_ns;
	uint64_t console_log; /* bytes */

	struct bh_config_amount overhead, largest; /* the contract has the smallest */
	struct bh_rule_levels rules;
};

enum bh_config_kind {
	BH_CONFIG_NAME = 0, /* const char *, one of names */
	BH_CONFIG_CHOICE,   /* an enum, by names */
	BH_CONFIG_PATH,     /* const char *, absolute */
	BH_CONFIG_TEXT,     /* const char * */
	BH_CONFIG_BOOL,
	BH_CONFIG_CPU,      /* uint32_t, thousandths of a core */
	BH_CONFIG_SIZE,     /* uint64_t, bytes */
	BH_CONFIG_DURATION, /* int64_t, nanoseconds */
	BH_CONFIG_KEYS,     /* struct bh_strv of keys that pods may be left */
	BH_CONFIG_KIND_MAX_,
};

enum bh_config_key_flags {
	BH_CONFIG_UNBOUNDED = 1 << 0, /* may be "unlimited", which is 0 */
	BH_CONFIG_ROOTS = 1 << 1,     /* of files: holds for root's processes alone */
};

struct bh_config_key {
	const char *name; /* as in an annotation: groups and their keys with dots between */
	uint8_t kind, flags;
	uint16_t offset;
	int64_t min, max;             /* of numbers, in the unit of the member */
	const struct bh_names *names; /* of choices */
	const char *within;           /* of a path: must be below it; NULL = anywhere */
	const char *fallback;         /* as it would stand in a file; NULL = not set */
	const char *unset;            /* what it then is, for people */
	const char *help;
	/* why it may not stand below `handlers: NAME:`, or be listed in `annotations`; NULL = it
	 * may */
	const char *not_for_handlers, *not_for_pods;
};

extern const struct bh_config_key bh_config_keys[];
extern const size_t bh_config_n_keys;

/* The handlers there are: NULL-terminated. */
extern const char *const bh_config_handlers[];

/* Names of choices, for who hands them on. */
extern const struct bh_names bh_config_cgroup_managers;

/* Where a value is from. */
enum bh_config_rank {
	BH_CONFIG_DEFAULT = 0,
	BH_CONFIG_FROM_FILE,
	BH_CONFIG_FROM_HANDLER,
	BH_CONFIG_FROM_ANNOTATION,
	BH_CONFIG_FROM_FLAG,
};
struct bh_config_origin {
	enum bh_config_rank rank;
	const char *name; /* of the file, annotation or flag */
	uint32_t line;    /* 0 = none */
};

/* One value that something sets. */
struct bh_config_setting {
	const struct bh_config_key *key;
	const char *handler;   /* NULL = of all */
	struct bh_strv values; /* one, but for lists */
	struct bh_config_origin origin;
};

struct bh_config_set {
	struct bh_arena arena; /* keeps all of it, and what is resolved from it */
	BH_LIST(struct bh_config_setting) settings;
	struct bh_strv files;    /* that were read */
	struct bh_strv problems; /* what was wrong, "FILE:LINE: …" each */
};

#define BH_CONFIG_SET_INIT             \
	(struct bh_config_set)         \
	{                              \
		.arena = BH_ARENA_INIT \
	}

/** bh_config_set_deinit() - free all of it, and what was resolved from it; idempotent */
void bh_config_set_deinit(struct bh_config_set *set);

/**
 * bh_config_load() - read the files there are into @set
 * @file: given by the caller; "" = none at all; NULL = what $BULKHEAD_CONFIG names, else the
 *        node's, which may be missing: that costs one system call
 *
 * Files that others than root (or this user, when it is another) could have written are refused.
 * What is wrong does not keep the rest from being read: @set has all that is right.
 *
 * Return: 0; -EINVAL or another -errno with the first problem in @err, all are in @set
 */
int bh_config_load(struct bh_config_set *set, const char *file, struct bh_err *err) bh_must_check;

/** bh_config_read() - one file's text, @len bytes; otherwise as bh_config_load() */
int bh_config_read(struct bh_config_set *set, const char *file, const char *text, size_t len,
		   struct bh_err *err) bh_must_check;

/** bh_config_flag() - what the caller was told otherwise than by a file wins over all else
 * @key:    its name; "_" is taken for "-"
 * @origin: "--accelerator", for messages
 * Return: 0; -ENOENT when there is no such key, -EINVAL when the value is wrong, with @err */
int bh_config_flag(struct bh_config_set *set, const char *key, const char *value,
		   const char *origin, struct bh_err *err) bh_must_check;

/** bh_config_flag_value() - what a flag, the last of them, sets the key to. Return: NULL = none */
const char *bh_config_flag_value(const struct bh_config_set *set, const char *key);

/**
 * bh_config_resolve() - what holds
 * @handler:     "runc" or "kata"; NULL = whatever holds for all of them
 * @annotations: of the pod; NULL = none. Without @handler the one that chooses it counts, with it
 *               all others
 * @ret:         its strings are @set's
 * @ret_origins: one for each key in the order of bh_config_keys; may be NULL
 *
 * Return: 0; -EINVAL when an annotation is wrong; -EPERM when it is not left to pods
 */
int bh_config_resolve(struct bh_config_set *set, const char *handler, const bh_kv_list *annotations,
		      struct bh_config *ret, struct bh_config_origin *ret_origins,
		      struct bh_err *err) bh_must_check;

/** bh_config_key_find() - by name. Return: NULL with @err, which names the nearest one */
const struct bh_config_key *bh_config_key_find(const char *name, struct bh_err *err);

/** bh_config_value() - a key's value as it would stand in a file; lists with ", " between.
 * Return: false when it is not set; @out then has nothing */
bool bh_config_value(const struct bh_config_key *key, const struct bh_config *config,
		     struct bh_buf *out);

/** bh_config_is_list() - whether the key's value is a list */
bool bh_config_is_list(const struct bh_config_key *key);

/** bh_config_wanted() - what values the key takes, for people */
void bh_config_wanted(const struct bh_config_key *key, struct bh_buf *out);

/** bh_config_origin() - "FILE:LINE", "default", the annotation's or the flag's name */
void bh_config_origin(const struct bh_config_origin *origin, struct bh_buf *out);

#endif

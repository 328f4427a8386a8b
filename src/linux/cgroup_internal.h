/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared by the files of the cgroup module alone: what a planned cgroup consists of, and the steps
 * that differ between version 1 and 2.
 *
 *	cgroup.c          the object: plan, print; create, open, enter as a sequence
 *	cgroup_save.c     the object as JSON, for the container's state
 *	cgroup_file.c     reading and writing control files; the names of controllers
 *	cgroup_layout.c   what the host has mounted where, and where the caller is in it
 *	cgroup_limits.c   resources → list of (file, value): pure, both versions
 *	cgroup_apply.c    writes that list
 *	cgroup_v1.c/_v2.c making and freezing a group, OOM notification
 *	cgroup_devices.c  device rules → lists (v1) or a program (v2)
 *	cgroup_procs.c    processes in a group: list, signal, remove the group
 *	cgroup_stats.c    figures as runc's `events --stats` prints them
 *	cgroup_systemd.c  slices, scopes and unit properties; runs the helper program
 */
#ifndef BH_LINUX_CGROUP_INTERNAL_H
#define BH_LINUX_CGROUP_INTERNAL_H

#include <stdint.h>

#include "linux/cgroup.h"

/* Controllers by their bit. "blkio" is called "io" on version 2. */
enum bh_cg_ctrl {
	BH_CG_CPU = 0,
	BH_CG_CPUACCT,
	BH_CG_CPUSET,
	BH_CG_MEMORY,
	BH_CG_DEVICES,
	BH_CG_FREEZER,
	BH_CG_BLKIO,
	BH_CG_PIDS,
	BH_CG_HUGETLB,
	BH_CG_NET_CLS,
	BH_CG_NET_PRIO,
	BH_CG_PERF_EVENT,
	BH_CG_RDMA,
	BH_CG_MISC,
	BH_CG_MAX_,
};
#define BH_CG_BIT(ctrl) (1U << (ctrl))

/** bh_cg_ctrl_name() - "cpu" …; on version 2 "io" for BH_CG_BLKIO */
const char *bh_cg_ctrl_name(enum bh_cg_ctrl ctrl, bool v2);

/** bh_cg_ctrl_find() - Return: the controller called @name (@len bytes), or BH_CG_MAX_ */
enum bh_cg_ctrl bh_cg_ctrl_find(const char *name, size_t len);

/* ---- layout ---------------------------------------------------------------------------------- */

/* One mounted hierarchy. Strings are in the arena that bh_cg_layout_read() was given. */
struct bh_cg_mount {
	bool v2;
	uint32_t controllers; /* v1: bits; v2: not looked at before they are needed */
	const char *name, *mountpoint, *options;
	const char *own; /* the caller's group below it, "/…"; NULL when not asked for */
};
struct bh_cg_layout {
	int mode; /* as bh_cgroup_host_mode() */
	struct bh_cg_mount *v;
	size_t n;
};

/**
 * bh_cg_layout_read() - find the hierarchies and the caller's place in them
 * @prefix:   put before "/proc" and "/sys", for tests; "" in real life
 * @want_own: whether the caller's own groups are needed (a relative path)
 */
int bh_cg_layout_read(struct bh_arena *arena, const char *prefix, bool want_own,
		      struct bh_cg_layout *ret, struct bh_err *err) bh_must_check;

/* ---- the object ------------------------------------------------------------------------------ */

struct bh_cg_hier {
	uint32_t controllers; /* v1 */
	const char *dir;      /* mountpoint and path in one */
	bool owned;           /* made, or found empty and taken over: may be killed and removed */
	bool found;           /* was there before bh_cgroup_create() */
	int fd;               /* v1: `tasks` for writing; v2: the directory; -EBADF = not open */
};

struct bh_cgroup {
	struct bh_arena arena;
	enum bh_cgroup_manager manager;
	bool rootless;
	bool loaded;              /* from a saved state: device rules stay as they are */
	bool explicit_path;       /* linux.cgroupsPath was given */
	bool wants_limits;        /* the spec asks for limits */
	bool needs_attach;        /* bh_cgroup_attach() must move new processes */
	bool started;             /* systemd: bh_cgroup_start_scope() has told systemd the limits */
	bool applied;             /* limits were written: systemd has to be told of new ones */
	int64_t owner_uid;        /* v2: to whom the group is given; -1 = nobody */
	const char *cpus, *mems;  /* v1: written before anything may enter; NULL = the parent's */
	const char *unit, *slice; /* systemd */
	struct bh_cgroup_hierarchy *pub;
	struct bh_cg_hier *hier; /* hier[i] belongs to pub[i] */
	size_t n;
};

/** bh_cg_plan_from() - bh_cgroup_plan() on a given layout: pure */
int bh_cg_plan_from(const struct bh_cg_layout *layout, const struct bh_spec *spec, const char *id,
		    enum bh_cgroup_manager manager, bool rootless, struct bh_cgroup **ret,
		    struct bh_err *err) bh_must_check;

/** bh_cg_find() - Return: the index of the hierarchy that has @ctrl: a v1 one, else the v2 one,
 * else -1 */
int bh_cg_find(const struct bh_cgroup *cg, enum bh_cg_ctrl ctrl);

/** bh_cg_find_v2() - Return: the index of the version 2 hierarchy, or -1 */
int bh_cg_find_v2(const struct bh_cgroup *cg);

/** bh_cg_pure_v2() - whether version 2 is all there is */
bool bh_cg_pure_v2(const struct bh_cgroup *cg);

/** bh_cg_set_path() - hierarchy @i's group is @path from now on. Return: 0 or -ENOMEM */
int bh_cg_set_path(struct bh_cgroup *cg, size_t i, const char *path,
		   struct bh_err *err) bh_must_check;

/* ---- control files --------------------------------------------------------------------------- */

#define BH_CG_FILE_MAX 65536 /* bytes read of a control file at most */

/* Whether @e says that a group is gone: -ENODEV comes of a control file opened before. */
static inline bool bh_cg_gone(int e)
{
	return e == -ENOENT || e == -ENODEV;
}

/** bh_cg_open() - @file of group @dir. Return: descriptor or -errno, nothing described */
int bh_cg_open(const char *dir, const char *file, int flags) bh_must_check;

/** bh_cg_read() - up to @size - 1 bytes of a control file, NUL-terminated, trailing newline cut.
 * Return: length or -errno */
ssize_t bh_cg_read(const char *dir, const char *file, char *buf, size_t size) bh_must_check;

/** bh_cg_write() - Return: 0 or -errno, nothing described */
int bh_cg_write(const char *dir, const char *file, const char *value) bh_must_check;

/** bh_cg_read_u64() - a file of one number; "max" is UINT64_MAX, a negative number 0 (kernels have
 * been seen to say so). Return: 0 or -errno; -EIO when it is no number */
int bh_cg_read_u64(const char *dir, const char *file, uint64_t *ret) bh_must_check;

/** bh_cg_read_key() - the number after "@key " in a file of such lines; 0 when there is none */
int bh_cg_read_key(const char *dir, const char *file, const char *key, uint64_t *ret) bh_must_check;

/** bh_cg_sleep() - @us microseconds */
void bh_cg_sleep(unsigned int us);

/* ---- limits ---------------------------------------------------------------------------------- */

enum bh_cg_limit_flags {
	BH_CG_LATER = 1,        /* -EINVAL: try once more after the controller's other limits */
	BH_CG_OPTIONAL = 2,     /* no such file: this kernel has nothing to limit here */
	BH_CG_WARN = 4,         /* with OPTIONAL: say so */
	BH_CG_CHECK = 8,        /* read back: the kernel clamps silently */
	BH_CG_KEEP_WORD = 16,   /* the file's first word goes before the value (cpu.max) */
	BH_CG_LESS_MEMORY = 32, /* the value is memory and swap: take memory.max off it */
	BH_CG_BY_LINE = 64,     /* one write(2) a line */
};

struct bh_cg_limit {
	enum bh_cg_ctrl ctrl; /* BH_CG_MAX_: a key of `unified` */
	bool v2;
	unsigned int flags;
	const char *field; /* of linux.resources */
	const char *file, *value;
	const char *alt_file, *alt_value; /* when there is no @file; NULL = none */
};
struct bh_cg_limits {
	struct bh_cg_limit *v;
	size_t n, cap;
	const char *warnings[8]; /* what was asked for and is ignored */
	size_t n_warnings;
};

/**
 * bh_cg_limits() - what is to be written where for @resources
 * @v2_mask: bits of the controllers that sit on version 2
 * @pure_v2: `unified` is allowed
 */
int bh_cg_limits(struct bh_arena *arena, const struct bh_resources *resources, uint32_t v2_mask,
		 bool pure_v2, struct bh_cg_limits *ret, struct bh_err *err) bh_must_check;

/** bh_cg_v2_mask() - which controllers of @cg are to be found on version 2 */
uint32_t bh_cg_v2_mask(const struct bh_cgroup *cg);

/** bh_cg_cpu_weight() - cpu.shares as cpu.weight. Source: opencontainers/cgroups 0.0.2 */
uint64_t bh_cg_cpu_weight(uint64_t shares);

/* ---- version 1, version 2 -------------------------------------------------------------------- */

/** bh_cg_v1_create() / bh_cg_v2_create() - make the group of hierarchy @i, or take over one that is
 * empty; open what enters it. Return: 0; -EBUSY somebody is in it, or it is frozen */
int bh_cg_v1_create(struct bh_cgroup *cg, size_t i, struct bh_err *err) bh_must_check;
int bh_cg_v2_create(struct bh_cgroup *cg, size_t i, struct bh_err *err) bh_must_check;

/** bh_cg_v1_join() - after systemd's start: the group where systemd made none, with @pid in it */
int bh_cg_v1_join(struct bh_cgroup *cg, size_t i, pid_t pid, struct bh_err *err) bh_must_check;

/** bh_cg_v2_join() - after systemd's start: controllers and ownership of the group it made; on a
 * hybrid the group too, with @pid in it, where systemd made none */
int bh_cg_v2_join(struct bh_cgroup *cg, size_t i, pid_t pid, struct bh_err *err) bh_must_check;

/** bh_cg_mkdir() - make the group's directory and those above it, below the mountpoint
 * @made: called for each directory that was made, outermost first; may be NULL. One for which it
 * fails is removed
 * Return: 0 made; 1 it was there; -errno */
typedef int bh_cg_made_fn(const char *dir, void *arg);
int bh_cg_mkdir(const char *mountpoint, const char *dir, bh_cg_made_fn *made,
		void *arg) bh_must_check;

/** bh_cg_check_unused() - a group that was there: nobody may be in it. Return: 0, or -EBUSY with
 * @err */
int bh_cg_check_unused(const char *dir, struct bh_err *err) bh_must_check;

/** bh_cg_v2_may_enter() - whether an ordinary user may move a process of the caller's group to the
 * group at @path: that takes the right to write the cgroup.procs of the group above both.
 * Source: cgroup-v2.rst "Delegation Containment" */
bool bh_cg_v2_may_enter(const char *mountpoint, const char *path);

/** bh_cg_v2_enable() - make @ctrls usable in the group @dir by enabling them in those above it.
 * Return: 0 or -errno */
int bh_cg_v2_enable(const char *mountpoint, const char *dir, uint32_t ctrls) bh_must_check;

/** bh_cg_v1_freeze() / bh_cg_v2_freeze() - and wait until it is so; thawing what is gone succeeds
 */
int bh_cg_v1_freeze(const char *dir, bool frozen, struct bh_err *err) bh_must_check;
int bh_cg_v2_freeze(const char *dir, bool frozen, struct bh_err *err) bh_must_check;
/** bh_cg_v1_frozen() / bh_cg_v2_frozen() - Return: 1 frozen; 0 not, or gone; -errno */
int bh_cg_v1_frozen(const char *dir, struct bh_err *err) bh_must_check;
int bh_cg_v2_frozen(const char *dir, struct bh_err *err) bh_must_check;
/** bh_cg_v1_oom_fd() / bh_cg_v2_oom_fd() - as bh_cgroup_oom_fd() */
int bh_cg_v1_oom_fd(const char *dir, struct bh_err *err) bh_must_check;
int bh_cg_v2_oom_fd(const char *dir, struct bh_err *err) bh_must_check;

/* ---- devices --------------------------------------------------------------------------------- */

#define BH_CG_DEV_ANY   (-1)
#define BH_CG_DEV_READ  2
#define BH_CG_DEV_WRITE 4
#define BH_CG_DEV_MKNOD 1
#define BH_CG_DEV_RWM   7

/* Access differs from the default for these; at most one entry per (type, major, minor), in
 * the order in which the document first names them. */
struct bh_cg_device {
	char type; /* 'b' or 'c' */
	int64_t major, minor;
	unsigned int access; /* BH_CG_DEV_* */
};
struct bh_cg_devices {
	bool default_allow;
	struct bh_cg_device *v;
	size_t n, cap;
};

/** bh_cg_devices() - the set that the rules of @resources and runc's default devices come to.
 * A rule that takes a part out of a wider one is refused: version 1 would ignore it silently. */
int bh_cg_devices(struct bh_arena *arena, const struct bh_resources *resources,
		  struct bh_cg_devices *ret, struct bh_err *err) bh_must_check;

/** bh_cg_device_text() - "c 1:3 rwm" into @buf. Return: @buf */
#define BH_CG_DEVICE_BYTES 64
const char *bh_cg_device_text(const struct bh_cg_device *device,
			      char buf[static BH_CG_DEVICE_BYTES]);

struct bpf_insn;
/** bh_cg_devices_program() - the version 2 filter. Return: instructions in @ret, or NULL */
struct bpf_insn *bh_cg_devices_program(struct bh_arena *arena, const struct bh_cg_devices *devices,
				       size_t *ret_n);

/** bh_cg_devices_apply() - put the rules in force; where nothing may be done about devices
 * (rootless, in a user namespace) that is no error */
int bh_cg_devices_apply(const struct bh_cgroup *cg, const struct bh_resources *resources,
			struct bh_err *err) bh_must_check;

/* ---- processes ------------------------------------------------------------------------------- */

/** bh_cg_remove() - remove the tree @dir; kills what is in it when @kill
 * @freezer: the v1 freezer's group, whose processes must be thawed to die; may be NULL */
int bh_cg_remove(const char *dir, bool kill, const char *freezer, struct bh_err *err) bh_must_check;

/* ---- systemd --------------------------------------------------------------------------------- */

/** bh_cg_systemd_names() - unit and slice of @cg from linux.cgroupsPath and @id */
int bh_cg_systemd_names(struct bh_cgroup *cg, const char *cgroups_path, const char *id,
			struct bh_err *err) bh_must_check;

/** bh_cg_systemd_path() - where systemd will put @cg's unit, from the hierarchy's root
 * @own: the caller's group: a user's manager works below its own. Return: in @cg's arena; NULL with
 * @err */
const char *bh_cg_systemd_path(struct bh_cgroup *cg, const char *own,
			       struct bh_err *err) bh_must_check;

/** bh_cg_systemd_update() - tell systemd new limits, so that it does not set back the old ones */
int bh_cg_systemd_update(struct bh_cgroup *cg, const struct bh_resources *resources,
			 struct bh_err *err) bh_must_check;

/** bh_cg_systemd_attach() - have @pid moved to the unit */
int bh_cg_systemd_attach(const struct bh_cgroup *cg, pid_t pid, struct bh_err *err) bh_must_check;

/** bh_cg_systemd_stop() - stop the unit and wait; one that is not there is fine */
int bh_cg_systemd_stop(struct bh_cgroup *cg, struct bh_err *err) bh_must_check;

/** bh_cg_systemd_quota() - the quota of @cpu as systemd rounds it up: the control file must not say
 * something else */
int64_t bh_cg_systemd_quota(const struct bh_cpu *cpu);

/** bh_cg_systemd_properties() - the unit properties for @resources as words: NAME TYPE VALUE…
 * Return: 0 or -errno. Pure but for reading the old cpu.max when half of it is given */
int bh_cg_systemd_properties(struct bh_arena *arena, const struct bh_cgroup *cg,
			     const struct bh_resources *resources, bool devices,
			     struct bh_strv *words, struct bh_err *err) bh_must_check;

#endif

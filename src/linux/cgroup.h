/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container's control groups, whatever the host has: version 1 hierarchies, version 2, a hybrid
 * with some controllers on each, made by hand (cgroupfs) or by systemd.
 *
 * Life: plan (pure but for reading the host's layout) → create → enter or add → apply → … →
 * destroy. A planned cgroup that was saved in the container's state can be destroyed by a process
 * that knows nothing else.
 *
 * Source: kernel Documentation/admin-guide/cgroup-v1/, cgroup-v2.rst; runtime-spec config-linux.md
 */
#ifndef BH_LINUX_CGROUP_H
#define BH_LINUX_CGROUP_H

#include <json-c/json.h>
#include <sys/types.h>

#include "base/buf.h"
#include "oci/spec.h"

enum bh_cgroup_manager {
	BH_CGROUP_FS = 0,
	BH_CGROUP_SYSTEMD,
	BH_CGROUP_DISABLED,
	BH_CGROUP_MANAGER_MAX_,
	/* None of them: systemd when the cgroups path is "slice:prefix:name", else cgroupfs. */
	BH_CGROUP_AUTO,
};

struct bh_cgroup; /* where the container's groups are, per hierarchy, and open descriptors */

/** bh_cgroup_free() - close and free; the groups stay. Takes NULL. Return: NULL */
struct bh_cgroup *bh_cgroup_free(struct bh_cgroup *cg);

static inline void bh_cgroup_freep_(struct bh_cgroup **cg)
{
	*cg = bh_cgroup_free(*cg);
}
#define bh_auto_cgroup bh_cleanup(bh_cgroup_freep_)

/**
 * bh_cgroup_plan() - decide the paths from linux.cgroupsPath, @id and the host's layout
 * @manager:  with BH_CGROUP_SYSTEMD a cgroups path is "slice:prefix:name"
 * @rootless: without privilege: a hierarchy that cannot be written is left out, not an error,
 *            unless the spec asks for limits there
 * @ret:      the caller's, free with bh_cgroup_free()
 */
int bh_cgroup_plan(const struct bh_spec *spec, const char *id, enum bh_cgroup_manager manager,
		   bool rootless, struct bh_cgroup **ret, struct bh_err *err) bh_must_check;

/** bh_cgroup_print() - the plan for people (--dry-run), a line per hierarchy and limit to be set */
void bh_cgroup_print(const struct bh_cgroup *cg, const struct bh_resources *resources,
		     struct bh_buf *out);

/** bh_cgroup_create() - make the groups (cgroupfs manager), enabling v2 controllers on the way, and
 * open what bh_cgroup_enter() needs. Undone by bh_cgroup_destroy(), also after a failure half way.
 * A group that exists with processes in it or frozen is refused, as runc does. Under systemd
 * nothing is made before bh_cgroup_start_scope(). */
int bh_cgroup_create(struct bh_cgroup *cg, struct bh_err *err) bh_must_check;

/** bh_cgroup_needs_scope() - whether bh_cgroup_start_scope() must be called once the pid is known
 */
bool bh_cgroup_needs_scope(const struct bh_cgroup *cg);

/** bh_cgroup_start_scope() - systemd: a transient scope with @pid in it, with the properties that
 * follow from @resources and the org.systemd.property.* annotations; through the helper program */
int bh_cgroup_start_scope(struct bh_cgroup *cg, const struct bh_spec *spec, pid_t pid,
			  struct bh_err *err) bh_must_check;

/** bh_cgroup_clone_fd() - descriptor for CLONE_INTO_CGROUP, borrowed, or -1 where there is no v2
 * group to be born into */
int bh_cgroup_clone_fd(const struct bh_cgroup *cg);

/**
 * bh_cgroup_enter() - the calling process, fresh from clone(2), moves itself into the v1 groups
 *
 * Context: child, single-threaded, before it lost its privileges; no allocation. Writes "0" to the
 *          `tasks` files opened by bh_cgroup_create() or bh_cgroup_open(): moving oneself as a
 * single task skips the kernel's global lock and its grace period.
 */
int bh_cgroup_enter(const struct bh_cgroup *cg, struct bh_err *err) bh_must_check;

/** bh_cgroup_copy() - the same groups, none of them open, for bh_cgroup_open() to change. It
 * borrows the original's strings. NULL: no memory */
struct bh_cgroup *bh_cgroup_copy(const struct bh_cgroup *cg);

/** bh_cgroup_open() - for exec: open the existing groups so that bh_cgroup_clone_fd() and
 * bh_cgroup_enter() work
 * @subs: arguments of runc's exec --cgroup (PATH or CTRL[,CTRL]:PATH), taken apart here; may be
 * empty
 * @init: the container's init: where the group can have no processes since it passed its
 * controllers on to groups below, the new process goes where init is (version 2, without @subs) */
int bh_cgroup_open(struct bh_cgroup *cg, const struct bh_strv *subs, pid_t init,
		   struct bh_err *err) bh_must_check;

/** bh_cgroup_needs_attach() - after bh_cgroup_open(): whether an ordinary user may not move
 * processes to the group although systemd, which made it, will: bh_cgroup_attach() is to be called
 * for the new process once its pid is known. Without it the process stays where its parent is, as
 * with runc. */
bool bh_cgroup_needs_attach(const struct bh_cgroup *cg);
/** bh_cgroup_attach() - have systemd move @pid to the group */
int bh_cgroup_attach(const struct bh_cgroup *cg, pid_t pid, struct bh_err *err) bh_must_check;

/** bh_cgroup_apply() - set every limit in @resources that is set; `update` calls it again.
 * A limit that this kernel cannot set is an error naming the field; the order is safe for raising
 * and lowering (memory before swap and the like). Device rules too: lists on v1, eBPF on v2, but
 * only on a planned cgroup: on one that was loaded they stay, as in runc's `update`. */
int bh_cgroup_apply(struct bh_cgroup *cg, const struct bh_resources *resources,
		    struct bh_err *err) bh_must_check;

/** bh_cgroup_freeze() - freeze or thaw all of it and wait until it is so */
int bh_cgroup_freeze(struct bh_cgroup *cg, bool frozen, struct bh_err *err) bh_must_check;

/** bh_cgroup_frozen() - Return: 1 frozen, 0 not (or no cgroup), -errno */
int bh_cgroup_frozen(const struct bh_cgroup *cg, struct bh_err *err) bh_must_check;

/** bh_cgroup_pids() - all pids in it and below, as this pid namespace sees them
 * @ret: malloc'd, the caller's; @ret_n: how many */
int bh_cgroup_pids(const struct bh_cgroup *cg, pid_t **ret, size_t *ret_n,
		   struct bh_err *err) bh_must_check;

/** bh_cgroup_signal() - @sig to every process in it; SIGKILL by cgroup.kill where there is one,
 * else repeated until none is left */
int bh_cgroup_signal(struct bh_cgroup *cg, int sig, struct bh_err *err) bh_must_check;

/** bh_cgroup_oom_kills() - how often the kernel's OOM killer acted in it. Return: 0 or -errno */
int bh_cgroup_oom_kills(const struct bh_cgroup *cg, uint64_t *ret,
			struct bh_err *err) bh_must_check;

/** bh_cgroup_oom_fd() - for `events`: becomes readable when the OOM killer may have acted
 * (memory.events by inotify on v2, eventfd on v1). Return: descriptor, the caller's; -1 where there
 * is no memory controller; -errno with @err */
int bh_cgroup_oom_fd(const struct bh_cgroup *cg, struct bh_err *err) bh_must_check;

/** bh_cgroup_stats_json() - the "data" object of runc's `events --stats`, appended to @out */
int bh_cgroup_stats_json(const struct bh_cgroup *cg, struct bh_buf *out,
			 struct bh_err *err) bh_must_check;

/** bh_cgroup_destroy() - kill what is left in it and remove the groups, children first; also stops
 * the scope. Idempotent; groups that are not there count as removed */
int bh_cgroup_destroy(struct bh_cgroup *cg, struct bh_err *err) bh_must_check;

/** bh_cgroup_save() / bh_cgroup_load() - append a JSON object; make the same again from it, but for
 * what is known of the spec alone. @ret: the caller's, free with bh_cgroup_free() */
void bh_cgroup_save(const struct bh_cgroup *cg, struct bh_buf *out);
int bh_cgroup_load(json_object *saved, struct bh_cgroup **ret, struct bh_err *err) bh_must_check;

/* What a mount of type "cgroup" in a container needs to know of one hierarchy. */
struct bh_cgroup_hierarchy {
	bool v2;
	const char *name; /* directory name: "cpu,cpuacct", "systemd", "unified", "" for pure v2 */
	const char *mountpoint; /* on the host */
	const char *path;    /* of the container's group, below the mountpoint; starts with '/' */
	const char *options; /* for mount(2) of v1: "cpu,cpuacct" or "name=systemd,xattr" */
};

/** bh_cgroup_hierarchies() - borrowed, valid as long as @cg; @ret_n of them */
const struct bh_cgroup_hierarchy *bh_cgroup_hierarchies(const struct bh_cgroup *cg, size_t *ret_n);

/** bh_cgroup_host_mode() - the host's layout. Return: 1, 2, or 3 for a hybrid */
int bh_cgroup_host_mode(void);

#endif

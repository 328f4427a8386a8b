/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the container's file system share: the plan, and places to mount on. */
#ifndef BH_CONTAINER_ROOTFS_INTERNAL_H
#define BH_CONTAINER_ROOTFS_INTERNAL_H

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "container/rootfs.h"
#include "linux/mount.h"

enum bh_rootfs_mount_kind {
	BH_ROOTFS_FS = 0,  /* a file system of its own */
	BH_ROOTFS_BIND,    /* a tree of the host's, or one from below the root */
	BH_ROOTFS_CGROUP,  /* whatever the host's control groups are */
	BH_ROOTFS_REMOUNT, /* flags of what is mounted there already */
	BH_ROOTFS_MOUNT_KIND_MAX_,
};

enum bh_rootfs_idmap { BH_IDMAP_NONE = 0, BH_IDMAP_TOP, BH_IDMAP_RECURSIVE };

struct bh_rootfs_mount {
	enum bh_rootfs_mount_kind kind;
	size_t index;            /* in the document's mounts, for messages */
	const char *destination; /* clean, starts with '/', never "/" alone */
	const char *source;      /* binds: absolute, or with source_in_root below the root */
	bool source_in_root;     /* the source lies in the container's root: resolved inside it */
	const char *type, *data; /* data: "key=value,flag" */
	unsigned long flags, cleared;       /* MS_* that options asked for, and asked not to have */
	uint64_t rec_set, rec_clear;        /* MOUNT_ATTR_* for the whole tree */
	BH_LIST(unsigned long) propagation; /* MS_* with or without MS_REC, in their order */
	bool copy_up;                       /* tmpfs: filled with what its place held */
	bool late_readonly; /* made read-only by bh_rootfs_seal(), when all is in place */
	bool context;       /* carries the mount label */
	enum bh_rootfs_idmap idmap;
	const bh_id_map_list *uid_maps,
		*gid_maps;       /* of the idmap; NULL = none, or those of userns_path */
	const char *userns_path; /* instead of maps: a namespace that has them */
	int userns_fd;           /* from bh_rootfs_prepare(), or -EBADF */
	int fd;                  /* kept while it is needed after the mount, or -EBADF */
};

struct bh_rootfs_device {
	const char *path; /* clean, starts with '/' */
	mode_t mode;      /* with its S_IFMT */
	dev_t rdev;
	uid_t uid;
	gid_t gid;
	bool bind; /* from the host, since mknod(2) is not permitted */
	int index; /* in linux.devices for messages; -1 = one of the default devices */
};

struct bh_rootfs_link {
	const char *path, *target;
	const char *only_if; /* a path of the host's that must exist, or NULL */
};

struct bh_rootfs_plan {
	struct bh_arena *arena;
	const struct bh_spec *spec;
	struct bh_rootfs_env env;
	const char *root;               /* on the host; absolute and clean */
	unsigned long root_propagation; /* MS_* of linux.rootfsPropagation; 0 = not given */
	BH_LIST(struct bh_rootfs_mount) mounts;
	bool setup_dev; /* false: /dev is bound from the host, nothing is made in it */
	BH_LIST(struct bh_rootfs_device) devices;
	BH_LIST(struct bh_rootfs_link) links;
	struct bh_strv readonly_paths, masked_paths; /* clean, start with '/' */
	const char *label;                           /* mount label, NULL without SELinux */

	/* What the child holds open; -EBADF when not. */
	int root_fd;   /* the container's root */
	int dev_fd;    /* a tmpfs on /dev that the plan made: its names are the plan's own */
	int proc_fd;   /* a procfs on /proc that the plan made */
	int cwd_fd;    /* which long-lived descriptor the working directory is */
	int broker_fd; /* child's end of the helper with the host's privileges */
	int broker_parent_fd;
	pid_t broker_pid;
};

/* Where to mount: a descriptor, and a name in it when the directory is one of the plan's own. */
struct bh_place {
	int fd;
	const char *name; /* "" = what fd is */
	bool owned;       /* fd is this place's and closed with it */
	bool existed;     /* it was there before; else made for the mount */
};

#define BH_PLACE_INIT                    \
	(struct bh_place)                \
	{                                \
		.fd = -EBADF, .name = "" \
	}

static inline void bh_place_deinit(struct bh_place *place)
{
	if (place->owned)
		bh_close(place->fd);
	*place = BH_PLACE_INIT;
}
#define bh_auto_place bh_cleanup(bh_place_deinit)

enum bh_place_kind { BH_PLACE_DIR = 0, BH_PLACE_FILE };

/** bh_is_null_device() - whether it is /dev/null, whatever it is called. CVE-2025-31133: one of the
 * image's making would unmask files of the host's instead of hiding any */
static inline bool bh_is_null_device(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == makedev(1, 3);
}

/* rootfs_place.c */

/** bh_place_open() - the place @path in the container's root, made as @kind if it is missing
 * @strict: no symlink on the way: for what must be where it says it is (/proc, /sys) */
int bh_place_open(struct bh_rootfs_plan *plan, const char *path, enum bh_place_kind kind,
		  bool strict, struct bh_place *ret, struct bh_err *err) bh_must_check;

/** bh_place_find() - the place @path if it exists. Return: 1 found, 0 not there, -errno */
int bh_place_find(struct bh_rootfs_plan *plan, const char *path, struct bh_place *ret,
		  struct bh_err *err) bh_must_check;

/** bh_place_parent() - directory of @path, made if missing, and its last name (points into @path)
 */
int bh_place_parent(struct bh_rootfs_plan *plan, const char *path, struct bh_place *ret,
		    struct bh_err *err) bh_must_check;

/** bh_rootfs_chdir() - the working directory to a long-lived descriptor of the plan */
int bh_rootfs_chdir(struct bh_rootfs_plan *plan, int fd, struct bh_err *err) bh_must_check;

/* rootfs_mount.c */
/** bh_rootfs_mount() - child: carry out one entry of the plan's mounts */
int bh_rootfs_mount(struct bh_rootfs_plan *plan, struct bh_rootfs_mount *m,
		    struct bh_err *err) bh_must_check;
/** bh_rootfs_idmap() - give the detached tree the ids that @m asks for */
int bh_rootfs_idmap(int tree_fd, const struct bh_rootfs_mount *m, struct bh_err *err) bh_must_check;
#define BH_CHANGES_MAX 8
/** bh_rootfs_changes() - append the recursive attributes and the propagation that @m asks for to
 * the @n changes (room for BH_CHANGES_MAX) */
int bh_rootfs_changes(const struct bh_rootfs_mount *m, struct bh_mount_change *changes, size_t *n,
		      struct bh_err *err) bh_must_check;
/** bh_rootfs_attach() - change and attach a detached tree; before Linux 5.12 the other way round */
int bh_rootfs_attach(int tree_fd, const struct bh_mount_change *changes, size_t n,
		     const struct bh_place *place, struct bh_err *err) bh_must_check;

/* rootfs_cgroup.c */
/** bh_rootfs_mount_cgroup() - the same for kind BH_ROOTFS_CGROUP */
int bh_rootfs_mount_cgroup(struct bh_rootfs_plan *plan, struct bh_rootfs_mount *m,
			   struct bh_err *err) bh_must_check;

/* rootfs_dev.c */
/** bh_rootfs_make_devices() - child: the plan's devices and links, where /dev is not the host's */
int bh_rootfs_make_devices(struct bh_rootfs_plan *plan, struct bh_err *err) bh_must_check;

/* rootfs_mask.c */
/** bh_rootfs_readonly_paths() / bh_rootfs_mask_paths() - child, in the entered root */
int bh_rootfs_readonly_paths(struct bh_rootfs_plan *plan, struct bh_err *err) bh_must_check;
int bh_rootfs_mask_paths(struct bh_rootfs_plan *plan, struct bh_err *err) bh_must_check;

/* rootfs_copyup.c */

/** bh_rootfs_copy_up() - the content of the directory @from_fd into the empty one @to_fd */
int bh_rootfs_copy_up(int from_fd, int to_fd, struct bh_err *err) bh_must_check;

/* rootfs_broker.c */

/** bh_rootfs_broker_start() - parent: fork the helper that opens sources in the child's mount
 * namespace with the host's privileges */
int bh_rootfs_broker_start(struct bh_rootfs_plan *plan, struct bh_err *err) bh_must_check;

/** bh_rootfs_broker_open() - child: the tree of mount @m, id-mapped if it asks for it. Return: fd
 */
int bh_rootfs_broker_open(struct bh_rootfs_plan *plan, const struct bh_rootfs_mount *m,
			  struct bh_err *err) bh_must_check;

#endif

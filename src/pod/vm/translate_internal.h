/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the translation share: the plan of one container, and how it grows. */
#ifndef BH_POD_VM_TRANSLATE_INTERNAL_H
#define BH_POD_VM_TRANSLATE_INTERNAL_H

#include <json-c/json.h>
#include <sys/stat.h>

#include "pod/vm/translate.h"

#define BH_WHERE_BYTES 96

/* A file or directory of the host that the guest is to see. */
struct bh_guest_share {
	const char *name; /* in the shared directory */
	const char *path; /* on the host, absolute */
	bool readonly, recursive;
	bool mounts; /* @path is where the engine's mounts of the root go first */
};

/* A block device or image file of the host that becomes a disk of the guest. */
struct bh_guest_disk {
	const char *path;
	const char *where; /* field that asked for it, for messages */
	bool block;
	dev_t rdev; /* of a block device */
	bool readonly;
	bool exclusive; /* the guest mounts and writes it: nobody else may */
	bool added;
	uint32_t number;
	size_t storage; /* index of its message */
};

struct bh_guest_plan {
	struct bh_arena arena;
	const char *id, *bundle;
	const struct bh_spec *spec; /* while planning */
	pid_t monitor_pid, sandbox_pid, target_pid;
	json_object *doc;
	const char *host_root;  /* absolute and clean */
	const char *guest_root; /* where the guest has the root */
	BH_LIST(Task__Mount *) rootfs;
	BH_LIST(struct bh_guest_share) shares;
	BH_LIST(struct bh_guest_disk) disks;
	BH_LIST(Agent__Storage *) storages;
	Agent__PrepareRequest message;
	bool shared; /* something of this container's is in the shared directory */
};

/* The one way a list grows: room for one more, zeroed. Return: NULL when out of memory */
#define bh_plan_more(plan, list)                                                                  \
	({                                                                                        \
		__typeof__((list)->v) more_ = bh_arena_grow(&(plan)->arena, (list)->v, (list)->n, \
							    (list)->n + 1, sizeof(*(list)->v));   \
		if (more_)                                                                        \
			(list)->v = more_;                                                        \
		more_ ? &more_[(list)->n++] : NULL;                                               \
	})

/* ---- translate.c ----------------------------------------------------------------------------- */

struct bh_guest_disk_wish {
	const char *path, *where;
	const struct stat *st;
	bool readonly;
	const char *fstype; /* "none" = not mounted; "" = by its superblock */
	char **options;     /* of the file system, in the arena */
	size_t n_options;
	const char *target; /* where it is mounted; "" = not */
	int device;         /* index in linux.devices, or -1 */
};

/** bh_guest_add_disk() - a disk and the message about it */
int bh_guest_add_disk(struct bh_guest_plan *plan, const struct bh_guest_disk_wish *wish,
		      struct bh_err *err) bh_must_check;

/** bh_guest_add_storage() - a message, empty but for what is set here. Return: NULL = no memory */
Agent__Storage *bh_guest_add_storage(struct bh_guest_plan *plan, const char *driver,
				     const char *source, const char *target);

/** bh_guest_look() - what kind of thing the host has at @path, symbolic links followed
 * Return: an O_PATH descriptor; -EINVAL naming the field @where */
int bh_guest_look(const char *path, const char *where, struct stat *st,
		  struct bh_err *err) bh_must_check;

/* ---- translate_mounts.c ---------------------------------------------------------------------- */

/** bh_guest_plan_root() - the container's root: engine's mounts, or what the document names */
int bh_guest_plan_root(struct bh_guest_plan *plan, struct bh_err *err) bh_must_check;

/** bh_guest_plan_mounts() - the document's mounts; needs the root */
int bh_guest_plan_mounts(struct bh_guest_plan *plan, struct bh_err *err) bh_must_check;

/* ---- translate_devices.c --------------------------------------------------------------------- */

/** bh_guest_plan_devices() - linux.devices */
int bh_guest_plan_devices(struct bh_guest_plan *plan, struct bh_err *err) bh_must_check;

/** bh_guest_add_device() - a block device that a mount named becomes one of linux.devices
 * Return: its index there, -errno */
int bh_guest_add_device(struct bh_guest_plan *plan, const char *path, const struct stat *st,
			bool readonly, struct bh_err *err) bh_must_check;

/** bh_guest_char_device() - where every guest has the character device with these numbers. Return:
 * its path; NULL = nowhere */
const char *bh_guest_char_device(dev_t rdev);

/* ---- translate_fields.c ---------------------------------------------------------------------- */

/** bh_guest_plan_fields() - everything that is no root, mount or device */
int bh_guest_plan_fields(struct bh_guest_plan *plan, struct bh_err *err) bh_must_check;

/** bh_guest_process_fields() - the same for a process document */
int bh_guest_process_fields(json_object *process, struct bh_err *err) bh_must_check;

/* ---- JSON ------------------------------------------------------------------------------------ */

/** bh_guest_member() - Return: member @key of @object, borrowed; NULL when there is none, or
 * @object is no object */
static inline json_object *bh_guest_member(json_object *object, const char *key)
{
	json_object *value = NULL;

	if (!json_object_is_type(object, json_type_object) ||
	    !json_object_object_get_ex(object, key, &value))
		return NULL;
	return value;
}

/** bh_guest_set() - member @key of @object becomes @value (consumed; NULL = there was no memory) */
int bh_guest_set(json_object *object, const char *key, json_object *value,
		 struct bh_err *err) bh_must_check;

#endif

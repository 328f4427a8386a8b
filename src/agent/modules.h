/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernel modules of the initramfs, for kernels that have them: a list names files in the order of
 * loading, one a line. Small kernels have none, and no list. Source: guest/modules.txt
 */
#ifndef BH_AGENT_MODULES_H
#define BH_AGENT_MODULES_H

#include <stdbool.h>

#include "base/err.h"

struct bh_modules {
	int dirfd;  /* where the files are; borrowed; -1 = there are none */
	char *text; /* the list; NULL = none */
	char *next; /* of its lines */
};

#define BH_MODULES_INIT     \
	(struct bh_modules) \
	{                   \
		.dirfd = -1 \
	}

/** bh_modules_open() - the list @name in @dirfd; one that is not there is empty */
int bh_modules_open(int dirfd, const char *name, struct bh_modules *ret,
		    struct bh_err *err) bh_must_check;

/** bh_modules_next() - the file name on the next line, without its folder; NULL = no more. Pure but
 * for moving on. Valid as long as @modules */
const char *bh_modules_next(struct bh_modules *modules);

/** bh_modules_load_one() - load the next module and remove its file, whose memory is the guest's.
 * One that the kernel refuses is logged: what needs it will say what it misses
 * Return: whether there was one */
bool bh_modules_load_one(struct bh_modules *modules);

/** bh_modules_load_all() - what is left of the list */
void bh_modules_load_all(struct bh_modules *modules);

/* Name of the list for a type of file system: "fs-ext4". */
#define BH_MODULES_FS_BYTES 32

/** bh_modules_load_fs() - what the file system @fstype needs, if @dirfd has a list for it. Whatever
 * goes wrong shows at the mount */
void bh_modules_load_fs(int dirfd, const char *fstype);

/** bh_modules_has_fs() - whether there is a list for @fstype, which is not yet loaded then */
bool bh_modules_has_fs(int dirfd, const char *fstype);

/** bh_modules_deinit() - free the list; idempotent. dirfd stays */
void bh_modules_deinit(struct bh_modules *modules);

#endif

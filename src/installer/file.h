/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Configuration files of others: read whole, and replaced at once, so that a reader, and whoever is
 * interrupted, has the old one or the new one.
 */
#ifndef BH_INSTALL_FILE_H
#define BH_INSTALL_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

struct bh_install_file {
	char *path; /* without symbolic links: what they lead to is replaced, not they */
	char *text; /* NULL = it is not there */
	size_t len;
	mode_t mode;
	uid_t uid;
	gid_t gid;
};

#define BH_INSTALL_FILE_INIT     \
	(struct bh_install_file) \
	{                        \
		.text = NULL     \
	}

/** bh_install_file_deinit() - free what is held; idempotent */
void bh_install_file_deinit(struct bh_install_file *file);

#define bh_auto_install_file bh_cleanup(bh_install_file_deinit)

/** bh_install_file_read() - a regular file of at most 16 MiB, or none
 * @name: absolute */
int bh_install_file_read(const char *name, struct bh_install_file *ret,
			 struct bh_err *err) bh_must_check;

/**
 * bh_install_file_write() - put a file in place, on the disk before it has its name
 * @like: whose owner and mode it gets; a missing one means root's, 0644
 * @path: absolute; its directory is made, 0755
 */
int bh_install_file_write(const struct bh_install_file *like, const char *path, const char *text,
			  size_t len, struct bh_err *err) bh_must_check;

/** bh_install_file_remove() - Return: 0, also when it is not there; -errno with @err */
int bh_install_file_remove(const char *path, struct bh_err *err) bh_must_check;

/** bh_install_dir_remove() - the directory of @path, if nothing is in it. Return: 0, also when it
 * stays or is not there; -errno with @err */
int bh_install_dir_remove(const char *path, struct bh_err *err) bh_must_check;

#endif

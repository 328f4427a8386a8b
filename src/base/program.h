/* SPDX-License-Identifier: Apache-2.0 */
/* Programs of the host: where those of the same installation are, seen from the one that runs, and
 * how one at a known place is started. What $PATH has to find is base/capture.h's. Source:
 * posix_spawn(3) */
#ifndef BH_BASE_PROGRAM_H
#define BH_BASE_PROGRAM_H

#include <limits.h>
#include <spawn.h>
#include <stddef.h>

#include "base/err.h"

/**
 * bh_program_find() - a file or directory of the same installation, or of the same build
 * @places:   directories below that of the name this program was called by, each with a '/' at its
 *            end, "" = that one; @n of them, tried first. /proc/self/exe would not do: it may be a
 *            sealed copy
 * @name:     below each of them
 * @fallback: directory where it is installed
 * @path:     receives the first that is there
 *
 * Return: 0; -ENOENT or another -errno with @err naming the last place
 */
int bh_program_find(const char *const places[], size_t n, const char *name, const char *fallback,
		    char path[static PATH_MAX], struct bh_err *err) bh_must_check;

/**
 * bh_program_start() - start the program at @path, its signals as in a fresh process
 * @actions: on its descriptors; NULL = none
 *
 * Return: 0 with @ret_pid, the caller's to wait for; -errno
 */
int bh_program_start(const char *path, const posix_spawn_file_actions_t *actions,
		     char *const argv[], char *const env[], pid_t *ret_pid) bh_must_check;

/**
 * bh_program_run() - run the program at @path to its end, /dev/null its input
 * @says: receives standard output and error together, NUL-terminated, without line breaks at the
 *        end; what does not fit into @size bytes the program cannot write
 *
 * Its signals are the caller's, so that it is not ended by those that the caller outlives.
 *
 * Return: its wait status; -errno
 */
int bh_program_run(const char *path, char *const argv[], char *const env[], char *says,
		   size_t size) bh_must_check;

#endif

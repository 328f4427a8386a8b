/* SPDX-License-Identifier: Apache-2.0 */
/* Where the parts of an installation are, seen from the program that runs. */
#ifndef BH_BASE_PROGRAM_H
#define BH_BASE_PROGRAM_H

#include <limits.h>
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

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Running a program of the host for what it prints. */
#ifndef BH_BASE_CAPTURE_H
#define BH_BASE_CAPTURE_H

#include "base/err.h"

/**
 * bh_capture() - run a program found in $PATH to its end
 * @argv: NULL-terminated
 * @ret:  malloc'd: standard output and error together, NUL-terminated, at most 16 MiB
 *
 * Return: 0; -errno, or -EIO (BH_ERR_PEER) with what it printed when it fails
 */
int bh_capture(const char *const argv[], char **ret, struct bh_err *err) bh_must_check;

/** bh_capture_output() - as bh_capture(), but standard error stays the caller's */
int bh_capture_output(const char *const argv[], char **ret, struct bh_err *err) bh_must_check;

#endif

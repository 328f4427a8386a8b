/* SPDX-License-Identifier: Apache-2.0 */
/* What stands on this host for the terminal of a process in a micro-VM: bytes go through as they
 * are, the real terminal is in the guest. */
#ifndef BH_CLI_CONSOLE_H
#define BH_CLI_CONSOLE_H

#include "base/err.h"

/** bh_console_make() - a terminal whose master goes to whoever listens at the socket @path
 * @ret_slave: the caller's, raw */
int bh_console_make(const char *path, int *ret_slave, struct bh_err *err) bh_must_check;

/** bh_console_pair() - two connected ends, both the caller's */
int bh_console_pair(int *ret_theirs, int *ret_ours, struct bh_err *err) bh_must_check;

#endif

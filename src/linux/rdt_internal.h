/* SPDX-License-Identifier: Apache-2.0 */
/* rdt.c on a given directory in place of the mounted resctrl, for its tests. */
#ifndef BH_LINUX_RDT_INTERNAL_H
#define BH_LINUX_RDT_INTERNAL_H

#include "linux/rdt.h"

/** bh_rdt_create_at() / bh_rdt_add_at() / bh_rdt_update_at() / bh_rdt_destroy_at() - @root_fd: that
 * directory; else as in rdt.h */
int bh_rdt_create_at(int root_fd, const struct bh_intel_rdt *rdt, const char *id, bool *ret_owned,
		     struct bh_err *err) bh_must_check;
int bh_rdt_add_at(int root_fd, const struct bh_intel_rdt *rdt, const char *id, pid_t pid,
		  struct bh_err *err) bh_must_check;
int bh_rdt_update_at(int root_fd, const struct bh_intel_rdt *rdt, const char *id,
		     struct bh_err *err) bh_must_check;
int bh_rdt_destroy_at(int root_fd, const struct bh_intel_rdt *rdt, const char *id, bool owned,
		      bool failed, struct bh_err *err) bh_must_check;

/** bh_rdt_schema_in() - whether each value of the line @schema ("L3:0=ff;1=c0") is the one that
 * @current, a schemata file, has; numbers are compared, not text. Pure */
bool bh_rdt_schema_in(const char *schema, const char *current);

/** bh_rdt_mountpoint() - the first resctrl mount of @mountinfo, a /proc/self/mountinfo, unescaped
 * in place. Return: pointer into @mountinfo, or NULL */
char *bh_rdt_mountpoint(char *mountinfo);

#endif

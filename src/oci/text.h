/* SPDX-License-Identifier: Apache-2.0 */
/* What the texts of a runtime-spec document must look like: rules for the rows of the tables. */
#ifndef BH_OCI_TEXT_H
#define BH_OCI_TEXT_H

#include "base/schema.h"

/* A CPU or node number in a list must be below this: the size of glibc's cpu_set_t, in bits. */
#define BH_CPU_MAX 1024

extern const struct bh_text_rule bh_text_absolute;    /* a path from "/" */
extern const struct bh_text_rule bh_text_version;     /* semantic version 1.x.y */
extern const struct bh_text_rule bh_text_cpu_list;    /* "0-3,7", blanks and empty parts allowed */
extern const struct bh_text_rule bh_text_interface;   /* name of a network device */
extern const struct bh_text_rule bh_text_page_size;   /* "2MB" */
extern const struct bh_text_rule bh_text_access;      /* some of "rwm", at least one */
extern const struct bh_text_rule bh_text_unified_key; /* file of a cgroup, "memory.high" */
extern const struct bh_text_rule bh_text_word;        /* not empty, no blank, no slash */
extern const struct bh_text_rule bh_text_group;       /* name of a directory, not "." or ".." */
extern const struct bh_text_rule bh_text_line;        /* no line break */

/** bh_text_cpu_list_any() - whether a list that the rule accepts names any number at all */
bool bh_text_cpu_list_any(const char *list);

#endif

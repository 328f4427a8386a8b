/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The names that documents use for the kernel's constants, each table once: the parser reads them,
 * `features` lists them, messages print them.
 */
#ifndef BH_OCI_NAMES_H
#define BH_OCI_NAMES_H

#include <stddef.h>
#include <stdint.h>

#include "base/names.h"
#include "oci/spec.h"

extern const struct bh_names bh_names_capability;   /* "CAP_CHOWN" → number */
extern const struct bh_names bh_names_rlimit;       /* "RLIMIT_CPU" → RLIMIT_CPU */
extern const struct bh_names bh_names_namespace;    /* "pid" → enum bh_ns_kind */
extern const struct bh_names bh_names_sched_policy; /* "SCHED_FIFO" → SCHED_FIFO */
extern const struct bh_names bh_names_sched_flag;   /* "SCHED_FLAG_RECLAIM" → bit */
extern const struct bh_names bh_names_ioprio_class; /* "IOPRIO_CLASS_RT" → class */
extern const struct bh_names bh_names_seccomp_op;   /* "SCMP_CMP_EQ" → enum bh_seccomp_op */
extern const struct bh_names bh_names_hook;         /* "prestart" → enum bh_hook_kind */
/* Names that stay names in struct bh_spec. */
extern const struct bh_names bh_names_seccomp_action; /* "SCMP_ACT_KILL" …: no values */
extern const struct bh_names bh_names_seccomp_arch;   /* "SCMP_ARCH_X86" …: none */
extern const struct bh_names bh_names_seccomp_flag;   /* "SECCOMP_FILTER_FLAG_LOG" …: none */
extern const struct bh_names bh_names_mpol_mode;      /* "MPOL_BIND" → MPOL_BIND */
extern const struct bh_names bh_names_mpol_flag;      /* "MPOL_F_STATIC_NODES" → bit */
extern const struct bh_names bh_names_propagation;    /* "rshared" → MS_SHARED | MS_REC */
extern const struct bh_names bh_names_personality;    /* "LINUX32" → PER_LINUX32 */

/** bh_signal_parse() - "TERM", "SIGTERM", "term", "15", "RTMIN+3". Return: number, or -EINVAL */
int bh_signal_parse(const char *text);

#endif

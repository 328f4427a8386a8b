/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The names that documents use for the kernel's constants, each table once: the parser reads them,
 * `features` lists them, messages print them.
 */
#ifndef BH_OCI_NAMES_H
#define BH_OCI_NAMES_H

#include <stddef.h>
#include <stdint.h>

#include "oci/spec.h"

struct bh_name {
	const char *name;
	int64_t value;
};
struct bh_names {
	const struct bh_name *v;
	size_t n;
};

extern const struct bh_names bh_names_capability;	  /* "CAP_CHOWN" → number */
extern const struct bh_names bh_names_rlimit;		  /* "RLIMIT_CPU" → RLIMIT_CPU */
extern const struct bh_names bh_names_namespace;	  /* "pid" → enum bh_ns_kind */
extern const struct bh_names bh_names_sched_policy;	  /* "SCHED_FIFO" → SCHED_FIFO */
extern const struct bh_names bh_names_sched_flag;	  /* "SCHED_FLAG_RECLAIM" → bit */
extern const struct bh_names bh_names_ioprio_class;	  /* "IOPRIO_CLASS_RT" → class */
extern const struct bh_names bh_names_seccomp_op;	  /* "SCMP_CMP_EQ" → enum bh_seccomp_op */
extern const struct bh_names bh_names_hook;		  /* "prestart" → enum bh_hook_kind */
extern const struct bh_names bh_names_signal;		  /* "TERM" → SIGTERM */

/** bh_names_find() - Return: the value of @name (exact), or @missing */
int64_t bh_names_find(const struct bh_names *names, const char *name, int64_t missing);

/** bh_names_of() - Return: the first name with @value, or NULL */
const char *bh_names_of(const struct bh_names *names, int64_t value);

/** bh_signal_parse() - "TERM", "SIGTERM", "term", "15", "RTMIN+3". Return: number, or -EINVAL */
int bh_signal_parse(const char *text);

#endif

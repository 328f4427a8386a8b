/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Manifests judged by the rule book, before anybody submits them: what each runtime says of each
 * pod template, what it is accounted with, how large its VM is.
 */
#ifndef BH_ADMIT_ADMIT_H
#define BH_ADMIT_ADMIT_H

#include "admit/manifest.h"
#include "base/json_writer.h"

/* The runtime classes of deploy/kubernetes, and what a pod that names none gets. */
#define BH_CLASS_KATA "kata"
#define BH_CLASS_RUNC "runc"

/* By what templates are judged. */
struct bh_admit_terms {
	const char *runtime;          /* that all are meant for; NULL = as each says */
	struct bh_rule_levels levels; /* of the rules of pods in micro-VMs */
	struct bh_amounts overhead;   /* of such a pod */
};
/* By the contract. */
#define BH_ADMIT_TERMS_INIT                                                   \
	{                                                                     \
		.overhead.v = { BH_POD_CPU_OVERHEAD, BH_POD_MEMORY_OVERHEAD } \
	}

struct bh_admit {
	struct bh_buf *out; /* the report */
	bool json;          /* else for people */
	struct bh_admit_terms terms;
	struct bh_json_writer json_; /* while a JSON report is written */
	size_t n_templates, n_refused, n_faults;
};

/** bh_admit_begin() / bh_admit_end() - before the first and after the last file */
void bh_admit_begin(struct bh_admit *admit);
void bh_admit_end(struct bh_admit *admit);

/**
 * bh_admit_text() - judge the templates of one file, @len bytes
 * @file: its name in the report
 *
 * What cannot be read or judged is counted in n_faults and is in the report as well.
 *
 * Return: 0; -ENOMEM
 */
int bh_admit_text(struct bh_admit *admit, const char *file, const char *text, size_t len,
		  struct bh_err *err) bh_must_check;

/** bh_admit_wants_kata() - whether @t asks for the Kata runtime */
bool bh_admit_wants_kata(const struct bh_template *t, const struct bh_admit_terms *terms);

/**
 * bh_admit_fix() - a manifest that the Kata runtime takes: templates that ask for it have requests
 * raised to limits, missing limits added, sizes raised to the smallest; all else stays as it is
 * @out:     the manifest
 * @changes: a line for each value that is another one
 *
 * What cannot be mended, such as the host's network, is left as it is.
 *
 * Return: 0; -EINVAL, -E2BIG with @err when it cannot be read
 */
int bh_admit_fix(const struct bh_admit_terms *terms, const char *file, const char *text, size_t len,
		 struct bh_buf *out, struct bh_buf *changes, struct bh_err *err) bh_must_check;

#endif

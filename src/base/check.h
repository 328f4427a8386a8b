/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a node is fit for a runtime, as tables of checks: a row says what is looked at, for which
 * runtimes, whether they can do without, and what to do when it is lacking. Each program checks
 * what it knows of; a report passes between them, and to callers, as a JSON document.
 */
#ifndef BH_BASE_CHECK_H
#define BH_BASE_CHECK_H

#include "base/buf.h"
#include "base/schema.h"

enum bh_check_runtime {
	BH_CHECK_RUNC = 1 << 0,
	BH_CHECK_KATA = 1 << 1,
};
#define BH_CHECK_ALL ((uint64_t)BH_CHECK_RUNC | BH_CHECK_KATA)

/* Outcome of a check: it is lacking, as @err says, but not needed with these settings. */
#define BH_CHECK_E_SPARE 1

struct bh_check {
	const char *name;
	uint64_t runtimes; /* enum bh_check_runtime */
	bool required;     /* without it they do not run */
	/** run() - look; changes nothing
	 * @found: receives what is there, in a few words
	 * Return: 0; BH_CHECK_E_SPARE or -errno with @err */
	int (*run)(const void *context, struct bh_buf *found, struct bh_err *err);
	const char *remedy;
	/* Where an ordinary user was refused; NULL = only root is told whether it is there. */
	const char *remedy_refused;
};

struct bh_check_result {
	const char *name;
	uint64_t runtimes;
	bool required, ok;
	const char *found;  /* or what is wrong */
	const char *remedy; /* NULL when ok */
};

struct bh_check_report {
	BH_LIST(struct bh_check_result) checks;
	uint64_t fit; /* runtimes that lack nothing they require, of those asked for */
};

extern const struct bh_schema bh_check_schema; /* of a report */
extern const struct bh_names bh_check_runtimes;

/** bh_check_add() - one more result; its strings are borrowed. Return: 0 or -ENOMEM */
int bh_check_add(struct bh_arena *arena, struct bh_check_report *report,
		 const struct bh_check_result *result, struct bh_err *err) bh_must_check;

/** bh_check_run() - those of @rows that are for one of @runtimes, added to @report
 * @context: for the rows' run() */
int bh_check_run(struct bh_arena *arena, const struct bh_check *rows, size_t n, uint64_t runtimes,
		 const void *context, struct bh_check_report *report,
		 struct bh_err *err) bh_must_check;

/** bh_check_judge() - set @report's fit: which of @runtimes lack nothing */
void bh_check_judge(struct bh_check_report *report, uint64_t runtimes);

#endif

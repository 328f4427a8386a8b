/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Command line options as tables: one row says what an option is called, what it takes, where the
 * value goes, what it is when not given and what it is for. Parsing, help, completion and the check
 * of the man pages all read the same rows.
 *
 * The syntax is that of runc (Go's flag package): one or two dashes mean the same, `--name value`
 * or `--name=value`, no bundling of short options. Options may follow arguments unless the set says
 * otherwise; `--` ends them.
 */
#ifndef BH_BASE_OPTION_H
#define BH_BASE_OPTION_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/value.h"

enum bh_option_type {
	BH_OPTION_FLAG = 0, /* bool */
	BH_OPTION_BOOL,     /* struct bh_opt_bool: tells "not given" from "false" */
	BH_OPTION_STRING,   /* const char * */
	BH_OPTION_STRINGS,  /* struct bh_strv, in the order given */
	BH_OPTION_I64,      /* struct bh_opt_i64, between min and max */
	BH_OPTION_U64,      /* struct bh_opt_u64 */
	BH_OPTION_SIZE, /* struct bh_opt_i64: bytes, "512m" is in powers of 1024, -1 = unlimited */
	BH_OPTION_DURATION, /* int64_t: nanoseconds, from "5s", "1m30s", "250ms" */
	BH_OPTION_MAX_,
};

enum bh_option_flags {
	BH_OPTION_HIDDEN = 1 << 0,         /* works, but help and completion keep quiet about it */
	BH_OPTION_EMPTY_IS_UNSET = 1 << 1, /* an empty number means "not given" */
};

struct bh_option {
	const char *name;
	char short_name;            /* 0 = none */
	uint8_t type;               /* enum bh_option_type */
	uint8_t flags;              /* enum bh_option_flags */
	uint16_t offset;            /* of the destination in the set's struct */
	int64_t min, max;           /* of BH_OPTION_I64; both 0 = any */
	const char *fallback;       /* parsed when the option is not given; NULL = zero */
	const char *const *choices; /* NULL-terminated: the only values; NULL = any */
	const char *value;          /* what help calls the value: "FILE"; NULL with flags */
	const char *help;
};

/* Where the value goes, in a row of a table. */
#define BH_OPTION_AT(type_name, member) .offset = offsetof(type_name, member)

struct bh_option_set {
	const struct bh_option *options;
	size_t n;
	bool stop_at_argument; /* the first argument ends the options: all after it is arguments */
	const struct bh_option_set *before; /* those that go before the verb, for a hint; or NULL */
};

/* Outcome of bh_option_parse(): the user asked for help; nothing else was looked at. */
#define BH_OPTION_E_HELP 1

/**
 * bh_option_parse() - read a command line
 * @arena:    keeps lists; strings stay those of @argv
 * @argc:     strings in @argv, without the program's or the verb's name
 * @dest:     the set's struct, zeroed by the caller
 * @ret_args: what is no option, in order; v[n] is NULL
 *
 * Return: 0; BH_OPTION_E_HELP on -h or --help; -EINVAL (BH_ERR_SPEC) with the option's name,
 * -ENOMEM
 */
int bh_option_parse(struct bh_arena *arena, const struct bh_option_set *set, int argc, char **argv,
		    void *dest, struct bh_strv *ret_args, struct bh_err *err) bh_must_check;

#endif

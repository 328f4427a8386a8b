/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the verbs of the command line share: the settings before the verb, and the table row that a
 * verb is. A file holds a group of verbs; verbs.c lists them all.
 */
#ifndef BH_CLI_CLI_H
#define BH_CLI_CLI_H

#include "base/buf.h"
#include "base/option.h"
#include "config/config.h"
#include "container/container.h"

struct bh_cli {
	struct bh_arena arena; /* lives as long as the program */
	const char *argv0;
	const char *program;      /* last component of argv[0]: the name in messages and help */
	const char *root;         /* absolute; states of new containers */
	struct bh_strv roots;     /* of all containers: that one first, then other handlers' */
	const char *filter_cache; /* directory of compiled seccomp filters */
	enum bh_cgroup_manager cgroup_manager;
	const struct bh_runtime *runtime; /* of new containers, see runtime.h */
	const char *config_file;          /* --config; NULL = not given */
	struct bh_config_set settings;    /* of files and of the options before the verb */
	struct bh_config config;          /* what of them holds for new containers */
	struct bh_err unread;             /* what is wrong with the files; code 0 = nothing */
};

enum bh_verb_flags {
	BH_VERB_ENTERS = 1 << 0, /* enters a container: run from a protected copy of the program */
	BH_VERB_FILES = 1 << 1,  /* its arguments are files, for completion */
	BH_VERB_MAKES = 1 << 2,  /* makes a container: wants the configuration to be right */
	BH_VERB_CONFIG = 1 << 3, /* looks at cli->unread itself */
};

#define BH_VERB_ANY_ARGS UINT8_MAX

struct bh_verb {
	const char *name;
	const char *args;           /* "CONTAINER [SIGNAL]" */
	const char *summary;        /* one line, no full stop */
	const char *details;        /* for its own help page; NULL = the summary says it all */
	const char *const *choices; /* what the first argument may be, for completion; NULL = ids */
	struct bh_option_set set;
	uint16_t options_bytes; /* size of the struct that the set fills */
	uint8_t min_args, max_args;
	uint8_t flags;        /* enum bh_verb_flags */
	uint8_t error_status; /* exit status when run() fails; 0 = 1 */

	/**
	 * run() - do it
	 * @options: the verb's struct, filled
	 * @args:    as many as the row says
	 *
	 * Return: the program's exit status, 0 to 255; -errno with @err
	 */
	int (*run)(struct bh_cli *cli, const void *options, const struct bh_strv *args,
		   struct bh_err *err);
};

/* All verbs in the order that help lists them; NULL-terminated. */
extern const struct bh_verb *const bh_verbs[];

/* The options before the verb, for help and completion. */
extern const struct bh_option_set bh_global_options;

/** bh_verb_find() - Return: the verb called @name, or NULL */
const struct bh_verb *bh_verb_find(const char *name);

/** bh_cli_container() - the container that the first argument names, of the first root that has it;
 * NULL with @err */
struct bh_container *bh_cli_container(const struct bh_cli *cli, const struct bh_strv *args,
				      struct bh_err *err) bh_must_check;

/** bh_cli_absolute() - @path below the working directory, cleaned lexically; in the arena */
const char *bh_cli_absolute(struct bh_cli *cli, const char *path, struct bh_err *err) bh_must_check;

/* Rows that most option tables are made of. */
#define BH_VERB_OPTIONS(table, type_name) \
	.set = { .options = table, .n = BH_ARRAY_SIZE(table) }, .options_bytes = sizeof(type_name)

#endif

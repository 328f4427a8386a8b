/* SPDX-License-Identifier: Apache-2.0 */
/* Help and version, printed from the tables. All return 0 or -errno with @err. */
#ifndef BH_CLI_HELP_H
#define BH_CLI_HELP_H

#include "cli/cli.h"

/** bh_help_program() - name, usage, verbs, global options */
int bh_help_program(const struct bh_cli *cli, struct bh_err *err) bh_must_check;

/** bh_help_verb() - usage, description and options of one verb */
int bh_help_verb(const struct bh_cli *cli, const struct bh_verb *verb,
		 struct bh_err *err) bh_must_check;

/** bh_help_unknown() - Return: -EINVAL, described */
int bh_help_unknown(const char *verb, struct bh_err *err) bh_must_check;

/** bh_help_version() - in the lines that engines parse: "NAME version X", "commit:", "spec:" */
int bh_help_version(const struct bh_cli *cli, struct bh_err *err) bh_must_check;

extern const struct bh_verb bh_verb_help;

#endif

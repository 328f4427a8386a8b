/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verb completion: scripts for shells, made from the tables. "list" prints the tables
 * themselves, a line per option, for the test that compares them with the manual pages.
 */
#include <string.h>

#include "cli/help.h"
#include "cli/verbs.h"

static const char *const topics[] = { "bash", "zsh", "fish", "list", NULL };

/* Calls @fn for every option that users are told of. */
static void each_option(const struct bh_option_set *set, const char *verb,
			void (*fn)(const struct bh_option *, const char *verb, struct bh_buf *),
			struct bh_buf *out)
{
	for (const struct bh_option *o = set->options; o < set->options + set->n; o++)
		if (!(o->flags & BH_OPTION_HIDDEN))
			fn(o, verb, out);
}

static bool takes_file(const struct bh_option *o)
{
	return o->value && (!strcmp(o->value, "FILE") || !strcmp(o->value, "SOCKET"));
}

static bool takes_directory(const struct bh_option *o)
{
	return o->value && !strcmp(o->value, "DIR");
}

/* In single quotes of a shell, where a single quote is '\''. */
static void add_quoted(struct bh_buf *out, const char *text)
{
	bh_buf_puts(out, "'");
	for (; *text; text++)
		if (*text == '\'')
			bh_buf_puts(out, "'\\''");
		else
			bh_buf_add(out, text, 1);
	bh_buf_puts(out, "'");
}

static void add_words(struct bh_buf *out, const char *const *words)
{
	for (; *words; words++)
		bh_buf_printf(out, "%s ", *words);
}

static void add_verbs(struct bh_buf *out)
{
	for (const struct bh_verb *const *v = bh_verbs; *v; v++)
		bh_buf_printf(out, "%s ", (*v)->name);
}

/* ---- bash, zsh --------------------------------------------------------------------------- */

static void bash_words(const struct bh_option *o, const char *verb, struct bh_buf *out)
{
	(void)verb;
	bh_buf_printf(out, "--%s ", o->name);
	if (o->short_name)
		bh_buf_printf(out, "-%c ", o->short_name);
}

/* "verb:--option" → what may follow it. */
static void bash_values(const struct bh_option *o, const char *verb, struct bh_buf *out)
{
	if (!o->value)
		return;
	bh_buf_printf(out, "\t%s:--%s", verb, o->name);
	if (o->short_name)
		bh_buf_printf(out, "|%s:-%c", verb, o->short_name);
	bh_buf_puts(out, ") ");
	if (o->choices) {
		bh_buf_puts(out, "COMPREPLY=($(compgen -W '");
		add_words(out, o->choices);
		bh_buf_puts(out, "' -- \"$cur\")) ;;\n");
	} else if (takes_file(o)) {
		bh_buf_puts(out, "COMPREPLY=($(compgen -f -- \"$cur\")) ;;\n");
	} else if (takes_directory(o)) {
		bh_buf_puts(out, "COMPREPLY=($(compgen -d -- \"$cur\")) ;;\n");
	} else {
		bh_buf_puts(out, ";;\n");
	}
}

static const char bash_head[] =
	"# Completion of bulkhead's commands, options and container names.\n"
	"_bulkhead() {\n"
	"\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} verb= words= i\n"
	"\tlocal root=()\n"
	"\tCOMPREPLY=()\n"
	"\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
	"\t\tcase ${COMP_WORDS[i]} in\n";

static const char bash_verb_found[] = "\t\t-*) ;;\n"
				      "\t\t*) verb=${COMP_WORDS[i]}; break ;;\n"
				      "\t\tesac\n"
				      "\tdone\n"
				      "\tcase $verb:$prev in\n";

static const char bash_words_of[] = "\t*) case $verb in\n";

static const char bash_tail[] = "\t\tesac\n"
				"\t\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\")) ;;\n"
				"\tesac\n"
				"}\n"
				"complete -F _bulkhead bulkhead\n";

/* Options before the verb that take a word of their own, which is not the verb. */
static void bash_skips(const struct bh_option *o, const char *verb, struct bh_buf *out)
{
	(void)verb;
	if (!o->value)
		return;
	bh_buf_printf(out, "\t\t--%s) %s((i++)) ;;\n", o->name,
		      strcmp(o->name, "root") ? "" : "root=(--root \"${COMP_WORDS[i+1]}\"); ");
}

static void bash_verb(const struct bh_verb *v, struct bh_buf *out)
{
	bh_buf_printf(out, "\t\t%s) words='--help ", v->name);
	each_option(&v->set, v->name, bash_words, out);
	if (v->choices)
		add_words(out, v->choices);
	if (v == &bh_verb_help)
		add_verbs(out);
	bh_buf_puts(out, "'");
	if (v->flags & BH_VERB_FILES)
		bh_buf_puts(out, "\" $(compgen -f -- \"$cur\")\"");
	else if (v->min_args && !v->choices)
		bh_buf_puts(out, "\" $(\"${COMP_WORDS[0]}\" \"${root[@]}\" list -q 2>/dev/null)\"");
	bh_buf_puts(out, " ;;\n");
}

static void print_bash(struct bh_buf *out)
{
	bh_buf_puts(out, bash_head);
	each_option(&bh_global_options, "", bash_skips, out);
	bh_buf_puts(out, bash_verb_found);
	each_option(&bh_global_options, "", bash_values, out);
	for (const struct bh_verb *const *v = bh_verbs; *v; v++)
		each_option(&(*v)->set, (*v)->name, bash_values, out);
	bh_buf_puts(out, bash_words_of);
	bh_buf_puts(out, "\t\t'') words='--help ");
	each_option(&bh_global_options, "", bash_words, out);
	add_verbs(out);
	bh_buf_puts(out, "' ;;\n");
	for (const struct bh_verb *const *v = bh_verbs; *v; v++)
		bash_verb(*v, out);
	bh_buf_puts(out, bash_tail);
}

/* zsh runs bash's function. The file is loaded when it is first needed, as the body of the function
 * that it then replaces: so it must do that function's work once. */
static void print_zsh(struct bh_buf *out)
{
	bh_buf_puts(out, "#compdef bulkhead\nautoload -U +X bashcompinit && bashcompinit\n");
	print_bash(out);
	bh_buf_puts(out, "[[ $funcstack[1] != _bulkhead ]] || _bash_complete -F _bulkhead\n");
}

/* ---- fish -------------------------------------------------------------------------------- */

static const char fish_head[] =
	"# Completion of bulkhead's commands, options and container names.\n"
	"function __bulkhead_no_verb\n"
	"\tnot __fish_seen_subcommand_from $__bulkhead_verbs\n"
	"end\n"
	"function __bulkhead_containers\n"
	"\tbulkhead list -q 2>/dev/null\n"
	"end\n"
	"complete -c bulkhead -f\n";

static void fish_option(const struct bh_option *o, const char *verb, struct bh_buf *out)
{
	if (*verb)
		bh_buf_printf(out, "complete -c bulkhead -n '__fish_seen_subcommand_from %s'",
			      verb);
	else
		bh_buf_puts(out, "complete -c bulkhead -n __bulkhead_no_verb");
	bh_buf_printf(out, " -l %s", o->name);
	if (o->short_name)
		bh_buf_printf(out, " -s %c", o->short_name);
	if (o->value)
		bh_buf_puts(out, takes_file(o) || takes_directory(o) ? " -r -F" : " -x");
	if (o->choices) {
		bh_buf_puts(out, " -a '");
		add_words(out, o->choices);
		bh_buf_puts(out, "'");
	}
	bh_buf_puts(out, " -d ");
	add_quoted(out, o->help);
	bh_buf_puts(out, "\n");
}

static void fish_verb(const struct bh_verb *v, struct bh_buf *out)
{
	bh_buf_printf(out, "complete -c bulkhead -n __bulkhead_no_verb -a %s -d ", v->name);
	add_quoted(out, v->summary);
	bh_buf_puts(out, "\n");
	each_option(&v->set, v->name, fish_option, out);
	if (!v->choices && !v->min_args && v != &bh_verb_help)
		return;
	bh_buf_printf(out, "complete -c bulkhead -n '__fish_seen_subcommand_from %s' ", v->name);
	if (v->flags & BH_VERB_FILES) {
		bh_buf_puts(out, "-F\n");
		return;
	}
	bh_buf_puts(out, "-a '");
	if (v->choices)
		add_words(out, v->choices);
	else
		bh_buf_puts(out,
			    v == &bh_verb_help ? "$__bulkhead_verbs" : "(__bulkhead_containers)");
	bh_buf_puts(out, "'\n");
}

static void print_fish(struct bh_buf *out)
{
	bh_buf_puts(out, "set -g __bulkhead_verbs ");
	add_verbs(out);
	bh_buf_puts(out, "\n");
	bh_buf_puts(out, fish_head);
	each_option(&bh_global_options, "", fish_option, out);
	for (const struct bh_verb *const *v = bh_verbs; *v; v++)
		fish_verb(*v, out);
}

/* ---- list -------------------------------------------------------------------------------- */

static void list_option(const struct bh_option *o, const char *verb, struct bh_buf *out)
{
	bh_buf_printf(out, "%s\t--%s\t", verb, o->name);
	if (o->short_name)
		bh_buf_printf(out, "-%c", o->short_name);
	bh_buf_printf(out, "\t%s\n", o->value ? o->value : "");
}

static void print_list(struct bh_buf *out)
{
	each_option(&bh_global_options, "", list_option, out);
	for (const struct bh_verb *const *v = bh_verbs; *v; v++) {
		bh_buf_printf(out, "%s\t\t\t\n", (*v)->name);
		each_option(&(*v)->set, (*v)->name, list_option, out);
	}
}

static int run_completion(struct bh_cli *cli, const void *options, const struct bh_strv *args,
			  struct bh_err *err)
{
	static void (*const printers[])(struct bh_buf *) = { print_bash, print_zsh, print_fish,
							     print_list };
	bh_auto_buf struct bh_buf out = BH_BUF_INIT;

	(void)cli;
	(void)options;
	for (size_t i = 0; topics[i]; i++)
		if (!strcmp(args->v[0], topics[i])) {
			printers[i](&out);
			return bh_buf_print(&out, err);
		}
	return bh_err_as(err, BH_ERR_SPEC, -EINVAL, "no completion for '%s'", args->v[0]);
}

const struct bh_verb bh_verb_completion = {
	.name = "completion",
	.args = "bash|zsh|fish|list",
	.summary = "print a completion script for a shell",
	.details = "\"list\" prints the options of all commands instead, a line each.",
	.choices = topics,
	.min_args = 1,
	.max_args = 1,
	.run = run_completion,
};

/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/help.h"

#include <string.h>

#include "base/nearest.h"
#include "container/commit.h"
#include "linux/seccomp.h"
#include "oci/version.h"

#define PRODUCT "bulkhead"
#define MARGIN  3 /* of what stands below a title */
#define COLUMNS 90

static const char program_usage[] =
	"Open Container Initiative runtime\n\n"
	"Runs containers from bundles: a bundle is a directory with a config.json of the OCI\n"
	"runtime specification and, mostly, a root filesystem. Container engines call this\n"
	"program; by hand, a container is made and run with\n\n"
	"    # %s run -b BUNDLE CONTAINER\n\n"
	"where CONTAINER is a name of your choice that is not yet in use.\n";

static const struct bh_option help_option = {
	.name = "help",
	.short_name = 'h',
	.type = BH_OPTION_FLAG,
	.help = "show help",
};

/* @text from column @indent on, where the line is, and below in lines of at most COLUMNS. */
static void print_wrapped(const char *text, size_t indent, struct bh_buf *out)
{
	size_t column = indent;

	while (*text) {
		size_t len = strcspn(text, " ");

		if (column > indent && column + 1 + len > COLUMNS) {
			bh_buf_printf(out, "\n%*s", (int)indent, "");
			column = indent;
		} else if (column > indent) {
			bh_buf_puts(out, " ");
			column++;
		}
		bh_buf_add(out, text, len);
		column += len;
		text += len + strspn(text + len, " ");
	}
}

/* "--name VALUE, -n VALUE". Return: bytes added. */
static size_t print_names(const struct bh_option *option, struct bh_buf *out)
{
	const char *value = option->value ? option->value : "", *space = *value ? " " : "";
	size_t before = out->len;

	bh_buf_printf(out, "--%s%s%s", option->name, space, value);
	if (option->short_name)
		bh_buf_printf(out, ", -%c%s%s", option->short_name, space, value);
	return out->len - before;
}

static size_t names_width(const struct bh_option *option)
{
	bh_auto_buf struct bh_buf buf = BH_BUF_INIT;

	return option->flags & BH_OPTION_HIDDEN ? 0 : print_names(option, &buf);
}

static void print_option(const struct bh_option *option, size_t width, struct bh_buf *out)
{
	bh_auto_buf struct bh_buf help = BH_BUF_INIT;
	size_t used;

	if (option->flags & BH_OPTION_HIDDEN)
		return;
	bh_buf_printf(out, "%*s", MARGIN, "");
	used = print_names(option, out);
	bh_buf_printf(out, "%*s", (int)(width + 2 - used), "");
	bh_buf_puts(&help, option->help);
	if (option->fallback)
		bh_buf_printf(&help, " (default: %s)", option->fallback);
	print_wrapped(bh_buf_str(&help), MARGIN + width + 2, out);
	bh_buf_puts(out, "\n");
	out->failed |= help.failed;
}

static void print_options(const struct bh_option_set *set, const char *title, struct bh_buf *out)
{
	size_t width = names_width(&help_option);

	for (size_t i = 0; i < set->n; i++) {
		size_t w = names_width(&set->options[i]);

		width = w > width ? w : width;
	}
	bh_buf_printf(out, "\n%s:\n", title);
	for (size_t i = 0; i < set->n; i++)
		print_option(&set->options[i], width, out);
	print_option(&help_option, width, out);
}

int bh_help_program(const struct bh_cli *cli, struct bh_err *err)
{
	bh_auto_buf struct bh_buf out = BH_BUF_INIT;
	size_t width = 0;

	for (const struct bh_verb *const *v = bh_verbs; *v; v++)
		width = strlen((*v)->name) > width ? strlen((*v)->name) : width;
	bh_buf_printf(&out, "NAME:\n   %s - ", cli->program);
	bh_buf_printf(&out, program_usage, cli->program);
	bh_buf_printf(&out,
		      "\nUSAGE:\n   %s [global options] command [command options] [arguments]\n",
		      cli->program);
	bh_buf_printf(&out, "\nVERSION:\n   %s\n\nCOMMANDS:\n", BH_VERSION);
	for (const struct bh_verb *const *v = bh_verbs; *v; v++)
		bh_buf_printf(&out, "   %-*s  %s\n", (int)width, (*v)->name, (*v)->summary);
	print_options(&bh_global_options, "GLOBAL OPTIONS", &out);
	return bh_buf_print(&out, err);
}

int bh_help_verb(const struct bh_cli *cli, const struct bh_verb *verb, struct bh_err *err)
{
	bh_auto_buf struct bh_buf out = BH_BUF_INIT;

	bh_buf_printf(&out, "NAME:\n   %s %s - %s\n", cli->program, verb->name, verb->summary);
	bh_buf_printf(&out, "\nUSAGE:\n   %s %s [command options]%s%s\n", cli->program, verb->name,
		      *verb->args ? " " : "", verb->args);
	if (verb->details) {
		bh_buf_printf(&out, "\nDESCRIPTION:\n%*s", MARGIN, "");
		print_wrapped(verb->details, MARGIN, &out);
		bh_buf_puts(&out, "\n");
	}
	print_options(&verb->set, "OPTIONS", &out);
	return bh_buf_print(&out, err);
}

int bh_help_unknown(const char *verb, struct bh_err *err)
{
	struct bh_nearest near = BH_NEAREST(verb);
	char hint[BH_NEAREST_HINT_BYTES];

	for (const struct bh_verb *const *v = bh_verbs; *v; v++)
		bh_nearest_try(&near, (*v)->name);
	return bh_err_as(err, BH_ERR_SPEC, -EINVAL, "No help topic for '%s'%s", verb,
			 bh_nearest_hint(&near, hint));
}

int bh_help_version(const struct bh_cli *cli, struct bh_err *err)
{
	bh_auto_buf struct bh_buf out = BH_BUF_INIT;
	char seccomp[32];

	bh_buf_printf(&out, "%s version %s\ncommit: %s\nspec: %s\n", cli->program, BH_VERSION,
		      BH_COMMIT, BH_OCI_VERSION);
	if (strcmp(cli->program, PRODUCT) != 0)
		bh_buf_puts(&out, "implementation: " PRODUCT "\n");
	bh_buf_printf(&out, "libseccomp: %s\n", bh_seccomp_library_version(seccomp));
	return bh_buf_print(&out, err);
}

static int run_help(struct bh_cli *cli, const void *options, const struct bh_strv *args,
		    struct bh_err *err)
{
	const struct bh_verb *verb = args->n ? bh_verb_find(args->v[0]) : NULL;

	(void)options;
	if (!args->n)
		return bh_help_program(cli, err);
	return verb ? bh_help_verb(cli, verb, err) : bh_help_unknown(args->v[0], err);
}

const struct bh_verb bh_verb_help = {
	.name = "help",
	.args = "[COMMAND]",
	.summary = "show the list of commands, or help for one",
	.max_args = 1,
	.run = run_help,
};

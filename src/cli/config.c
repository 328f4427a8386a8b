/* SPDX-License-Identifier: Apache-2.0 */
/* The verb config: what holds on this node and where it is from, what is wrong, what there is. */
#include <ctype.h>
#include <string.h>

#include "base/json_writer.h"
#include "cli/verbs.h"

struct config_options {
	const char *format, *handler;
	bool origin;
};

static const char *const formats[] = { "yaml", "json", NULL };

static const struct bh_option config_options[] = {
	{ .name = "format",
	  .short_name = 'f',
	  .type = BH_OPTION_STRING,
	  BH_OPTION_AT(struct config_options, format),
	  .fallback = "yaml",
	  .choices = formats,
	  .value = "FORMAT",
	  .help = "yaml or json" },
	{ .name = "handler",
	  .type = BH_OPTION_STRING,
	  BH_OPTION_AT(struct config_options, handler),
	  .choices = bh_config_handlers,
	  .value = "NAME",
	  .help = "of show: what holds for the containers of runc, or of kata" },
	{ .name = "origin",
	  .type = BH_OPTION_FLAG,
	  BH_OPTION_AT(struct config_options, origin),
	  .help = "of show: say of each value where it is from" },
};

/* ---- trees of keys ----------------------------------------------------------------------- */

/* Something that groups and values are written to, in one of the formats. */
struct tree {
	struct bh_buf *out;
	struct bh_json_writer *json; /* NULL = YAML */
	bool origin;
	int indent;
	char group[32]; /* that is open; "" = none */
};

static void indent(const struct tree *t, bool comment)
{
	bh_buf_printf(t->out, "%*s%s", 2 * (t->indent + (*t->group != '\0')), "",
		      comment ? "# " : "");
}

static void open_map(struct tree *t, const char *name)
{
	if (t->json)
		bh_json_open(t->json, name, '{');
	else
		bh_buf_printf(t->out, "%*s%s:\n", 2 * t->indent, "", name);
}

static void close_map(struct tree *t)
{
	if (t->json)
		bh_json_close(t->json, '}');
}

/* The part of the key's name that is its group's, with the dot. */
static size_t group_of(const char *name)
{
	const char *dot = strchr(name, '.');

	return dot ? (size_t)(dot - name) + 1 : 0;
}

static void enter_group(struct tree *t, const char *key)
{
	size_t n = group_of(key);

	if (strlen(t->group) == n && strncmp(t->group, key, n) == 0)
		return;
	if (*t->group)
		close_map(t);
	t->group[0] = '\0';
	if (!n || n >= sizeof(t->group))
		return;
	snprintf(t->group, n, "%s", key); /* without the dot */
	open_map(t, t->group);
	snprintf(t->group, n + 1, "%s", key);
}

/* Of characters that mean nothing in YAML, whatever stands beside them. */
static bool is_plain(const char *text)
{
	if (*text != '/' && !isalnum((unsigned char)*text))
		return false;
	for (; *text; text++)
		if (!isalnum((unsigned char)*text) && !strchr("/._+-", *text))
			return false;
	return true;
}

static void yaml_value(struct tree *t, const struct bh_config_key *key, const char *value)
{
	if (bh_config_is_list(key))
		bh_buf_printf(t->out, "[%s]", value);
	else if (is_plain(value))
		bh_buf_puts(t->out, value);
	else
		bh_buf_json_string(t->out, value);
}

static void yaml_key(struct tree *t, const struct bh_config_key *key, const char *value,
		     const char *origin)
{
	const char *name = key->name + group_of(key->name);

	indent(t, !value);
	bh_buf_printf(t->out, "%s: ", name);
	if (value)
		yaml_value(t, key, value);
	else
		bh_buf_puts(t->out, key->unset);
	if (t->origin)
		bh_buf_printf(t->out, "  # %s", value ? origin : "not set");
	bh_buf_puts(t->out, "\n");
}

static void json_value(struct tree *t, const char *name, const struct bh_config_key *key,
		       const struct bh_config *config, const char *value)
{
	const struct bh_strv *list = (const void *)((const char *)config + key->offset);

	if (key->kind == BH_CONFIG_BOOL) {
		bh_json_bool(t->json, name, strcmp(value, "true") == 0);
	} else if (bh_config_is_list(key)) {
		bh_json_open(t->json, name, '[');
		for (size_t i = 0; i < list->n; i++)
			bh_json_text(t->json, NULL, list->v[i]);
		bh_json_close(t->json, ']');
	} else {
		bh_json_text(t->json, name, value);
	}
}

/* What is not set is left out, so that the output is a configuration itself. */
static void json_key(struct tree *t, const struct bh_config_key *key,
		     const struct bh_config *config, const char *value, const char *origin)
{
	const char *name = key->name + group_of(key->name);

	if (!t->origin && value)
		json_value(t, name, key, config, value);
	if (!t->origin)
		return;
	bh_json_open(t->json, name, '{');
	if (value)
		json_value(t, "value", key, config, value);
	bh_json_text(t->json, "origin", value ? origin : "not set");
	bh_json_close(t->json, '}');
}

/* The keys whose values are of @rank, or all of them. */
static void put_keys(struct tree *t, const struct bh_config *config,
		     const struct bh_config_origin *origins, int rank)
{
	for (size_t i = 0; i < bh_config_n_keys; i++) {
		const struct bh_config_key *key = &bh_config_keys[i];
		bh_auto_buf struct bh_buf value = BH_BUF_INIT, origin = BH_BUF_INIT;
		bool set = bh_config_value(key, config, &value);

		if (rank >= 0 && origins[i].rank != (enum bh_config_rank)rank)
			continue;
		enter_group(t, key->name);
		bh_config_origin(&origins[i], &origin);
		if (t->json)
			json_key(t, key, config, set ? bh_buf_str(&value) : NULL,
				 bh_buf_str(&origin));
		else
			yaml_key(t, key, set ? bh_buf_str(&value) : NULL, bh_buf_str(&origin));
	}
	enter_group(t, "");
}

/* ---- show -------------------------------------------------------------------------------- */

static int resolve(struct bh_cli *cli, const char *handler, struct bh_config *config,
		   struct bh_config_origin **ret, struct bh_err *err)
{
	*ret = bh_arena_array(&cli->arena, bh_config_n_keys, sizeof(**ret));
	return *ret ? bh_config_resolve(&cli->settings, handler, NULL, config, *ret, err)
		    : bh_err_oom(err);
}

static bool has_settings(const struct bh_config_set *set, const char *handler)
{
	bh_for_each (s, set->settings)
		if (s->handler && strcmp(s->handler, handler) == 0)
			return true;
	return false;
}

/* What files say of single handlers. */
static int put_handlers(struct bh_cli *cli, struct tree *t, struct bh_err *err)
{
	bool any = false;

	for (const char *const *h = bh_config_handlers; *h; h++) {
		struct bh_config_origin *origins;
		struct bh_config config;
		int r;

		if (!has_settings(&cli->settings, *h))
			continue;
		r = resolve(cli, *h, &config, &origins, err);
		if (r < 0)
			return r;
		if (!any)
			open_map(t, "handlers");
		any = true;
		t->indent = 1;
		open_map(t, *h);
		t->indent = 2;
		put_keys(t, &config, origins, BH_CONFIG_FROM_HANDLER);
		close_map(t);
	}
	if (any)
		close_map(t);
	return 0;
}

static int show(struct bh_cli *cli, const struct config_options *o, const struct bh_strv *args,
		struct bh_buf *out, struct bh_err *err)
{
	struct bh_json_writer writer = { .out = out };
	struct tree t = { .out = out,
			  .json = strcmp(o->format, "json") == 0 ? &writer : NULL,
			  .origin = o->origin };
	struct bh_config_origin *origins;
	struct bh_config config;
	int r;

	if (args->n > 1)
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL, "config show takes no argument: '%s'",
				 args->v[1]);
	if (cli->unread.code < 0) {
		*err = cli->unread;
		return err->code;
	}
	r = resolve(cli, o->handler, &config, &origins, err);
	if (r < 0)
		return r;
	if (t.json)
		bh_json_open(t.json, NULL, '{');
	put_keys(&t, &config, origins, -1);
	if (!o->handler)
		r = put_handlers(cli, &t, err);
	if (t.json) {
		bh_json_close(t.json, '}');
		bh_buf_puts(out, "\n");
	}
	return r;
}

/* ---- check ------------------------------------------------------------------------------- */

static void report(const struct bh_config_set *set, struct bh_buf *out)
{
	for (size_t i = 0; i < set->problems.n; i++)
		bh_buf_printf(out, "%s\n", set->problems.v[i]);
	for (size_t i = 0; i < set->files.n && !set->problems.n; i++)
		bh_buf_printf(out, "%s: ok\n", set->files.v[i]);
}

/* Return: exit status */
static int check(struct bh_cli *cli, const struct config_options *o, const struct bh_strv *args,
		 struct bh_buf *out, struct bh_err *err)
{
	int status = EXIT_SUCCESS;

	(void)o;
	if (args->n == 1) {
		report(&cli->settings, out);
		if (!cli->settings.files.n && !cli->settings.problems.n)
			bh_buf_puts(out, "no configuration: defaults hold\n");
		return cli->unread.code < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
	}
	for (size_t i = 1; i < args->n; i++) {
		bh_cleanup(bh_config_set_deinit) struct bh_config_set set = BH_CONFIG_SET_INIT;

		if (bh_config_load(&set, args->v[i], err) < 0)
			status = EXIT_FAILURE;
		report(&set, out);
	}
	return status;
}

/* ---- keys -------------------------------------------------------------------------------- */

static const char *scope_of(const struct bh_config_key *key)
{
	if (!key->not_for_pods)
		return key->not_for_handlers ? "node, pod" : "node, handler, pod";
	return key->not_for_handlers ? "node" : "node, handler";
}

static void put_reference(const struct bh_config_key *key, struct bh_json_writer *json,
			  struct bh_buf *out)
{
	bh_auto_buf struct bh_buf wanted = BH_BUF_INIT;

	bh_config_wanted(key, &wanted);
	if (!json) {
		bh_buf_printf(out, "%s: %s\n    %s\n    for: %s; default: %s\n", key->name,
			      bh_buf_str(&wanted), key->help, scope_of(key),
			      key->fallback ? key->fallback : key->unset);
		if (key->not_for_handlers)
			bh_buf_printf(out, "    not for a handler: %s\n", key->not_for_handlers);
		if (key->not_for_pods)
			bh_buf_printf(out, "    not for a pod: %s\n", key->not_for_pods);
		return;
	}
	bh_json_open(json, NULL, '{');
	bh_json_text(json, "key", key->name);
	bh_json_text(json, "values", bh_buf_str(&wanted));
	if (key->fallback)
		bh_json_text(json, "default", key->fallback);
	else
		bh_json_text(json, "unset", key->unset);
	bh_json_text(json, "for", scope_of(key));
	if (key->not_for_handlers)
		bh_json_text(json, "not-for-handlers", key->not_for_handlers);
	if (key->not_for_pods)
		bh_json_text(json, "not-for-pods", key->not_for_pods);
	bh_json_text(json, "help", key->help);
	bh_json_close(json, '}');
}

static int keys(struct bh_cli *cli, const struct config_options *o, const struct bh_strv *args,
		struct bh_buf *out, struct bh_err *err)
{
	struct bh_json_writer writer = { .out = out };
	bool json = strcmp(o->format, "json") == 0, any = false;

	(void)cli;
	if (json)
		bh_json_open(&writer, NULL, '[');
	for (size_t i = 0; i < bh_config_n_keys; i++) {
		if (args->n > 1 && strcmp(args->v[1], bh_config_keys[i].name) != 0)
			continue;
		any = true;
		put_reference(&bh_config_keys[i], json ? &writer : NULL, out);
	}
	if (json) {
		bh_json_close(&writer, ']');
		bh_buf_puts(out, "\n");
	}
	if (any)
		return 0;
	return bh_config_key_find(args->v[1], err) ? 0 : -EINVAL;
}

/* ---- the verb ---------------------------------------------------------------------------- */

static const struct {
	const char *name;
	int (*run)(struct bh_cli *cli, const struct config_options *o, const struct bh_strv *args,
		   struct bh_buf *out, struct bh_err *err);
} subs[] = {
	{ "show", show },
	{ "check", check },
	{ "keys", keys },
};
static const char *const sub_names[] = { "show", "check", "keys", NULL };

static int run_config(struct bh_cli *cli, const void *options, const struct bh_strv *args,
		      struct bh_err *err)
{
	bh_auto_buf struct bh_buf out = BH_BUF_INIT;

	for (size_t i = 0; i < BH_ARRAY_SIZE(subs); i++) {
		int r, printed;

		if (strcmp(subs[i].name, args->v[0]) != 0)
			continue;
		r = subs[i].run(cli, options, args, &out, err);
		printed = r < 0 ? 0 : bh_buf_print(&out, err);
		return printed < 0 ? printed : r;
	}
	return bh_err_as(err, BH_ERR_SPEC, -EINVAL,
			 "config: show, check or keys is wanted, not '%s'", args->v[0]);
}

const struct bh_verb bh_verb_config = {
	.name = "config",
	.args = "show | check [FILE...] | keys [KEY]",
	.summary = "show what is configured on this node, or check it",
	.details = "`show` prints what holds, as a configuration itself. `check` reads the node's "
		   "files, or those given, and prints all that is wrong with them; its exit status "
		   "is then 1. `keys` lists all that can be set. See bulkhead.yaml(5).",
	.choices = sub_names,
	BH_VERB_OPTIONS(config_options, struct config_options),
	.min_args = 1,
	.max_args = BH_VERB_ANY_ARGS,
	.flags = BH_VERB_CONFIG,
	.run = run_config,
};

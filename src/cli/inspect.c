/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs that only look: state, list, ps. */
#include <stdlib.h>
#include <string.h>

#include "base/json_writer.h"
#include "cli/runtime.h"
#include "cli/verbs.h"

static const char *const formats[] = { "table", "json", NULL };

static bool is_json(const char *format)
{
	return !strcmp(format, "json");
}

/* ---- state ------------------------------------------------------------------------------- */

static int run_state(struct bh_cli *cli, const void *options, const struct bh_strv *args,
		     struct bh_err *err)
{
	bh_auto_container struct bh_container *c = bh_cli_container(cli, args, err);
	bh_auto_buf struct bh_buf out = BH_BUF_INIT;
	enum bh_status status;
	int r;

	(void)options;
	r = c ? bh_runtime_of(c)->status(c, &status, err) : err->code;
	if (r == 0)
		r = bh_container_state_json(c, status, true, &out, err);
	return r < 0 ? r : bh_buf_print(&out, err);
}

const struct bh_verb bh_verb_state = {
	.name = "state",
	.args = "CONTAINER",
	.summary = "print the state of a container as JSON",
	.min_args = 1,
	.max_args = 1,
	.run = run_state,
};

/* ---- list -------------------------------------------------------------------------------- */

struct list_options {
	const char *format;
	bool quiet;
};

static const struct bh_option list_options[] = {
	{ .name = "format",
	  .short_name = 'f',
	  .type = BH_OPTION_STRING,
	  BH_OPTION_AT(struct list_options, format),
	  .fallback = "table",
	  .choices = formats,
	  .value = "FORMAT",
	  .help = "table or json" },
	{ .name = "quiet",
	  .short_name = 'q',
	  .type = BH_OPTION_FLAG,
	  BH_OPTION_AT(struct list_options, quiet),
	  .help = "print ids alone" },
};

/* Columns of the table, in order. */
enum column {
	COLUMN_ID = 0,
	COLUMN_PID,
	COLUMN_STATUS,
	COLUMN_BUNDLE,
	COLUMN_CREATED,
	COLUMN_OWNER,
	COLUMN_MAX_,
};
#define COLUMN_MIN_WIDTH 12
#define COLUMN_PADDING   3

static const char *const titles[COLUMN_MAX_] = {
	"ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"
};

struct row {
	const char *cells[COLUMN_MAX_];
};

struct listing {
	struct bh_arena arena;
	bool json, quiet;
	struct bh_buf out;
	struct bh_json_writer json_writer;
	struct row *rows;
	size_t n;
};

static const char *or_empty(const char *text)
{
	return text ? text : "";
}

static int add_row(struct listing *l, const struct bh_container *c, enum bh_status status,
		   struct bh_err *err)
{
	pid_t pid = status == BH_STATUS_STOPPED ? 0 : c->init.pid;
	struct row *row = &l->rows[l->n];
	const char *source[COLUMN_MAX_] = {
		[COLUMN_ID] = c->id,         [COLUMN_STATUS] = bh_status_name(status),
		[COLUMN_BUNDLE] = c->bundle, [COLUMN_CREATED] = c->created,
		[COLUMN_OWNER] = c->owner,
	};

	for (int i = 0; i < COLUMN_MAX_; i++) {
		row->cells[i] = i == COLUMN_PID ? bh_arena_printf(&l->arena, "%d", (int)pid)
						: bh_arena_strdup(&l->arena, or_empty(source[i]));
		if (!row->cells[i])
			return bh_err_oom(err);
	}
	return 0;
}

static void add_json(struct listing *l, const struct bh_container *c, enum bh_status status)
{
	struct bh_json_writer *w = &l->json_writer;

	bh_json_open(w, NULL, '{');
	bh_json_text(w, "ociVersion", c->spec.oci_version);
	bh_json_text(w, "id", c->id);
	bh_json_i64(w, "pid", status == BH_STATUS_STOPPED ? 0 : c->init.pid);
	bh_json_text(w, "status", bh_status_name(status));
	bh_json_text(w, "bundle", c->bundle);
	bh_json_text(w, "rootfs", c->rootfs);
	bh_json_text(w, "created", c->created);
	if (c->spec.annotations.n) {
		bh_json_open(w, "annotations", '{');
		bh_for_each (a, c->spec.annotations)
			bh_json_text(w, a->key, a->value);
		bh_json_close(w, '}');
	}
	bh_json_text(w, "owner", c->owner);
	bh_json_close(w, '}');
}

/* Bytes of the terminal's column that @text takes, for text in UTF-8: continuation bytes take none.
 */
static size_t width_of(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

static void print_row(struct bh_buf *out, const char *const cells[], const size_t widths[])
{
	for (int i = 0; i < COLUMN_MAX_; i++) {
		bh_buf_puts(out, cells[i]);
		if (i < COLUMN_MAX_ - 1)
			bh_buf_printf(out, "%*s", (int)(widths[i] - width_of(cells[i])), "");
	}
	bh_buf_puts(out, "\n");
}

static void print_table(struct listing *l)
{
	size_t widths[COLUMN_MAX_];

	for (int i = 0; i < COLUMN_MAX_; i++) {
		size_t max = width_of(titles[i]);

		for (size_t r = 0; r < l->n; r++) {
			size_t w = width_of(l->rows[r].cells[i]);

			max = w > max ? w : max;
		}
		max += COLUMN_PADDING;
		widths[i] = max > COLUMN_MIN_WIDTH ? max : COLUMN_MIN_WIDTH;
	}
	print_row(&l->out, titles, widths);
	for (size_t r = 0; r < l->n; r++)
		print_row(&l->out, l->rows[r].cells, widths);
}

/* One that cannot be read, or vanishes while we look, does not hide the others. */
static int add_container(struct listing *l, const char *root, const char *id, struct bh_err *err)
{
	struct bh_err own = BH_ERR_INIT;
	char text[BH_ERR_LINE_BYTES];
	bh_auto_container struct bh_container *c = bh_container_load(root, id, &own);
	enum bh_status status;
	int r = c ? bh_runtime_of(c)->status(c, &status, &own) : own.code;

	if (r < 0) {
		dprintf(STDERR_FILENO, "load container %s: %s\n", id,
			bh_err_format(&own, text, sizeof(text)));
		return 0;
	}
	if (l->quiet)
		bh_buf_printf(&l->out, "%s\n", id);
	else if (l->json)
		add_json(l, c, status);
	else
		r = add_row(l, c, status, err);
	l->n++;
	return r;
}

static int add_root(struct listing *l, const char *root, struct bh_err *err)
{
	struct bh_strv ids = { .n = 0 };
	int r = bh_container_list(&l->arena, root, &ids, err);

	if (r < 0)
		return r;
	l->rows = bh_arena_grow(&l->arena, l->rows, l->n, l->n + ids.n + 1, sizeof(*l->rows));
	if (!l->rows)
		return bh_err_oom(err);
	for (size_t i = 0; r == 0 && i < ids.n; i++)
		r = add_container(l, root, ids.v[i], err);
	return r;
}

static int list(struct listing *l, const struct bh_cli *cli, struct bh_err *err)
{
	int r = 0;

	/* A node's are missing until the first container is made; one that is named is mistyped. */
	if (bh_config_flag_value(&cli->settings, "root") && access(cli->root, F_OK) < 0)
		return bh_err_set(err, -errno, "open %s", cli->root);
	l->json_writer.out = &l->out;
	if (l->json)
		bh_json_open(&l->json_writer, NULL, '[');
	for (size_t i = 0; r == 0 && i < cli->roots.n; i++)
		r = add_root(l, cli->roots.v[i], err);
	if (r < 0)
		return r;
	if (l->json) {
		bh_json_close(&l->json_writer, ']');
		bh_buf_puts(&l->out, "\n");
	} else if (!l->quiet) {
		print_table(l);
	}
	return bh_buf_print(&l->out, err);
}

static int run_list(struct bh_cli *cli, const void *options, const struct bh_strv *args,
		    struct bh_err *err)
{
	const struct list_options *o = options;
	struct listing l = {
		.arena = BH_ARENA_INIT,
		.json = is_json(o->format) && !o->quiet,
		.quiet = o->quiet,
		.out = BH_BUF_INIT,
	};
	int r = list(&l, cli, err);

	(void)args;
	bh_buf_deinit(&l.out);
	bh_arena_deinit(&l.arena);
	return r;
}

const struct bh_verb bh_verb_list = {
	.name = "list",
	.args = "",
	.summary = "list the containers below --root, or of all handlers",
	BH_VERB_OPTIONS(list_options, struct list_options),
	.run = run_list,
};

/* ---- ps ---------------------------------------------------------------------------------- */

struct ps_options {
	const char *format;
};

static const struct bh_option ps_options[] = {
	{ .name = "format",
	  .short_name = 'f',
	  .type = BH_OPTION_STRING,
	  BH_OPTION_AT(struct ps_options, format),
	  .fallback = "table",
	  .choices = formats,
	  .value = "FORMAT",
	  .help = "table or json" },
};

struct pids {
	pid_t *v;
	size_t n;
};

static void print_pids(const struct pids *pids, struct bh_buf *out)
{
	struct bh_json_writer w = { .out = out };

	bh_json_open(&w, NULL, '[');
	for (size_t i = 0; i < pids->n; i++)
		bh_json_i64(&w, NULL, pids->v[i]);
	bh_json_close(&w, ']');
	bh_buf_puts(out, "\n");
}

static int run_ps(struct bh_cli *cli, const void *options, const struct bh_strv *args,
		  struct bh_err *err)
{
	const struct ps_options *o = options;
	bh_auto_container struct bh_container *c = bh_cli_container(cli, args, err);
	bh_auto_buf struct bh_buf out = BH_BUF_INIT;
	struct pids pids = { .v = NULL };
	int r = c ? 0 : err->code;

	if (r == 0 && is_json(o->format)) {
		r = bh_runtime_of(c)->pids(c, &pids.v, &pids.n, err);
		print_pids(&pids, &out);
		free(pids.v);
	} else if (r == 0) {
		r = bh_runtime_of(c)->ps(c, args, &out, err);
	}
	return r < 0 ? r : bh_buf_print(&out, err);
}

const struct bh_verb bh_verb_ps = {
	.name = "ps",
	.args = "CONTAINER [PS-OPTION...]",
	.summary = "list the processes of a container",
	.details = "The table is what ps(1) prints with the PS-OPTIONs (default: -ef), less the "
		   "lines of other processes. Options of this command come before CONTAINER.",
	.set = { .options = ps_options, .n = BH_ARRAY_SIZE(ps_options), .stop_at_argument = true },
	.options_bytes = sizeof(struct ps_options),
	.min_args = 1,
	.max_args = BH_VERB_ANY_ARGS,
	.run = run_ps,
};

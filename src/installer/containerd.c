/* SPDX-License-Identifier: Apache-2.0 */
#include "installer/containerd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "installer/marks.h"
#include "installer/toml_text.h"

#define FORMAT_OLDEST 2
#define FORMAT_NEWEST 4
#define SETTINGS_MAX  16
#define DEVMAPPER     "plugins" BH_TOML_SEP "io.containerd.snapshotter.v1.devmapper"

enum setting_flags {
	MINE_ALONE = 1 << 0, /* another value is somebody else's: refused, not replaced */
};

struct setting {
	const char *table, *key;
	const char *value; /* as TOML */
	unsigned int flags;
};

struct settings {
	struct setting v[SETTINGS_MAX];
	size_t n;
	struct bh_arena *arena;
	const char *cri; /* path of CRI's plugin */
	char quote;
	bool failed; /* no memory */
};

/* Lines put in at a place, or in the place of others. */
struct change {
	size_t start, end;
	struct bh_buf lines;
};

struct changes {
	struct change v[SETTINGS_MAX + 1];
	size_t n;
};

struct editor {
	struct bh_arena *arena;
	const char *name;
	struct bh_toml_text doc;
	struct changes changes;
	struct bh_buf tail; /* new tables, at the end of the file */
	const char *tail_table;
	struct bh_err *err;
};

/* ---- what is wanted -------------------------------------------------------------------------- */

static const char *cri_plugin(int format)
{
	return format == FORMAT_OLDEST ? "plugins" BH_TOML_SEP "io.containerd.grpc.v1.cri"
				       : "plugins" BH_TOML_SEP "io.containerd.cri.v1.runtime";
}

static void want(struct settings *s, const char *table, const char *key, const char *value,
		 unsigned int flags)
{
	s->failed |= !table || !value;
	if (!s->failed && s->n < SETTINGS_MAX)
		s->v[s->n++] = (struct setting){ table, key, value, flags };
}

static void want_text(struct settings *s, const char *table, const char *key, const char *value,
		      unsigned int flags)
{
	want(s, table, key, bh_arena_printf(s->arena, "%c%s%c", s->quote, value, s->quote), flags);
}

static void want_handler(struct settings *s, const char *name, const char *type, const char *shim,
			 const struct bh_containerd_wants *wants, unsigned int flags)
{
	const char *table = bh_arena_printf(
		s->arena, "%s" BH_TOML_SEP "containerd" BH_TOML_SEP "runtimes" BH_TOML_SEP "%s",
		s->cri, name);

	want_text(s, table, "runtime_type", bh_arena_printf(s->arena, "io.containerd.%s.v2", type),
		  flags);
	if (!wants->found || strcmp(type, shim) != 0)
		want_text(s, table, "runtime_path",
			  bh_arena_printf(s->arena, "%s/containerd-shim-%s-v2", wants->shim_dir,
					  shim),
			  flags);
}

static void want_kata(struct settings *s, const struct bh_containerd_wants *wants)
{
	const char *table = bh_arena_printf(
		s->arena, "%s" BH_TOML_SEP "containerd" BH_TOML_SEP "runtimes" BH_TOML_SEP "kata",
		s->cri);

	/* A privileged container is privileged in its guest; the host's devices stay here. */
	want(s, table, "privileged_without_host_devices", "true", 0);
	want(s, table, "pod_annotations",
	     bh_arena_printf(s->arena, "[%cio.bulkhead.*%c]", s->quote, s->quote), MINE_ALONE);
	if (wants->pool && wants->handler_snapshotter)
		want_text(s, table, "snapshotter", "devmapper", MINE_ALONE);
}

static void want_pool(struct settings *s, const struct bh_containerd_wants *wants)
{
	if (!wants->pool)
		return;
	want_text(s, DEVMAPPER, "pool_name", wants->pool, MINE_ALONE);
	want_text(s, DEVMAPPER, "base_image_size", "10GB", 0); /* thin: what is used is taken */
	want(s, DEVMAPPER, "discard_blocks", "true", 0);
}

static int list_settings(struct bh_arena *arena, int format,
			 const struct bh_containerd_wants *wants, struct settings *ret,
			 struct bh_err *err)
{
	*ret = (struct settings){ .arena = arena,
				  .cri = cri_plugin(format),
				  .quote = format == FORMAT_OLDEST ? '"' : '\'' };
	want_handler(ret, "runc", wants->own_type ? "runc" : "bulkhead", "bulkhead", wants, 0);
	want_handler(ret, "kata", "bulkhead-kata", "bulkhead-kata", wants, MINE_ALONE);
	want_kata(ret, wants);
	want_pool(ret, wants);
	return ret->failed ? bh_err_oom(err) : 0;
}

/* ---- what is there --------------------------------------------------------------------------- */

static int refuse(const struct editor *e, const struct bh_toml_item *item, const char *why)
{
	const char *line = e->doc.text + item->start;
	size_t len = item->end - item->start;
	const char *newline = memchr(line, '\n', len);

	len = newline ? (size_t)(newline - line) : len;
	for (; len && (*line == ' ' || *line == '\t'); len--)
		line++;
	if (len && line[len - 1] == '\r')
		len--;
	return bh_err_as(e->err, BH_ERR_SPEC, -EINVAL, "%s:%u: %.*s: %s", e->name, item->line,
			 (int)(len < 200 ? len : 200), line, why);
}

static int scan(struct editor *e, const char *text, size_t len)
{
	int r = bh_toml_text_scan(e->arena, text, len, &e->doc, e->err);

	return r < 0 ? bh_err_ctx(e->err, "%s", e->name) : 0;
}

static int find_format(struct editor *e, int *ret)
{
	const struct bh_toml_item *item = bh_toml_text_find(&e->doc, BH_TOML_KEY, "version");
	char *end;
	long format;

	if (!item)
		return bh_err_as(e->err, BH_ERR_SPEC, -EINVAL,
				 "%s: no `version`: this is format 1, which knows no shims; see "
				 "`containerd config migrate`",
				 e->name);
	format = strtol(e->doc.text + item->value_start, &end, 10);
	if (end != e->doc.text + item->value_end || format < FORMAT_OLDEST ||
	    format > FORMAT_NEWEST)
		return refuse(e, item, "formats 2, 3 and 4 are known");
	*ret = (int)format;
	return 0;
}

/* CRI may be named by its old short name. */
static bool is_cri(const char *plugin)
{
	return !strcmp(plugin, "cri") || !strcmp(plugin, "io.containerd.grpc.v1.cri") ||
	       !strcmp(plugin, "io.containerd.cri.v1.runtime");
}

static int check_cri_is_on(const struct editor *e)
{
	const struct bh_toml_item *item =
		bh_toml_text_find(&e->doc, BH_TOML_KEY, "disabled_plugins");
	const char *plugin;
	size_t at = 0;

	while (item && (plugin = bh_toml_text_next(e->arena, &e->doc, item, &at)))
		if (is_cri(plugin)) {
			(void)refuse(e, item, "CRI is switched off");
			return BH_CONTAINERD_E_OFF;
		}
	return 0;
}

static bool below(const char *path, const char *parent)
{
	size_t n = strlen(parent);

	return !strncmp(path, parent, n) && path[n] == BH_TOML_SEP[0];
}

/* Whether [@table] may be written: it is no value, no list of tables, and not made by dotted keys.
 */
static int check_new_table(const struct editor *e, const char *table)
{
	for (size_t i = 0; i < e->doc.n; i++) {
		const struct bh_toml_item *item = &e->doc.items[i];
		bool around = !strcmp(item->path, table) || below(table, item->path);

		if (item->kind == BH_TOML_KEY && around)
			return refuse(e, item, "write this as tables with [headers] of their own");
		if (item->kind == BH_TOML_TABLE_LIST && around)
			return refuse(e, item, "a list of tables cannot be added to");
		if (item->kind == BH_TOML_KEY && item->dotted && below(item->path, table))
			return refuse(e, item, "write this as a table with a [header] of its own");
	}
	return 0;
}

/* Whether a value is what is wanted, in whichever quotes. */
static bool has_value(const struct editor *e, const struct bh_toml_item *item, const char *value)
{
	const char *there = e->doc.text + item->value_start;
	size_t len = item->value_end - item->value_start, at = 0;
	const char *text;

	if (len == strlen(value) && !memcmp(there, value, len))
		return true;
	if (*value != '"' && *value != '\'')
		return false;
	text = *there == '"' || *there == '\'' ? bh_toml_text_next(e->arena, &e->doc, item, &at)
					       : NULL;
	return text && strlen(text) == strlen(value) - 2 &&
	       !memcmp(text, value + 1, strlen(value) - 2);
}

static bool is_empty(const struct editor *e, const struct bh_toml_item *item)
{
	return has_value(e, item, "\"\"") || has_value(e, item, "[]");
}

/* ---- changes --------------------------------------------------------------------------------- */

static struct change *change_at(struct editor *e, size_t start, size_t end)
{
	struct change *c;

	for (size_t i = 0; i < e->changes.n; i++)
		if (start == end && e->changes.v[i].start == start && e->changes.v[i].end == end)
			return &e->changes.v[i];
	c = &e->changes.v[e->changes.n++];
	*c = (struct change){ .start = start, .end = end, .lines = BH_BUF_INIT };
	return c;
}

/* The same lines with another value: what is before and behind it stays. */
static void replace(struct editor *e, const struct bh_toml_item *item, const char *value)
{
	struct change *c = change_at(e, item->start, item->end);
	const char *text = e->doc.text;

	bh_buf_add(&c->lines, text + item->start, item->value_start - item->start);
	bh_buf_puts(&c->lines, value);
	bh_buf_add(&c->lines, text + item->value_end, item->end - item->value_end);
	if (text[item->end - 1] != '\n')
		bh_buf_puts(&c->lines, "\n");
}

static void insert(struct editor *e, const struct bh_toml_item *header, const struct setting *s)
{
	struct change *c = change_at(e, header->end, header->end);
	const char *line = e->doc.text + header->start;
	size_t blanks = strspn(line, " \t");

	bh_buf_add(&c->lines, line, blanks);
	bh_buf_printf(&c->lines, "  %s = %s\n", s->key, s->value);
}

/* "[plugins.'io.containerd.cri.v1.runtime'.containerd]", indented by its depth. */
static void put_header(struct bh_buf *out, const char *path, char quote)
{
	size_t n;

	bh_buf_puts(out, "[");
	for (; *path; path += n + (path[n] != '\0')) {
		bool plain;

		n = strcspn(path, BH_TOML_SEP);
		plain = !memchr(path, '.', n);
		bh_buf_printf(out,
			      plain          ? "%.*s"
			      : quote == '"' ? "\"%.*s\""
					     : "'%.*s'",
			      (int)n, path);
		if (path[n])
			bh_buf_puts(out, ".");
	}
	bh_buf_puts(out, "]\n");
}

static void append(struct bh_buf *tail, const char **tail_table, const struct setting *s,
		   char quote)
{
	if (!*tail_table || strcmp(*tail_table, s->table) != 0) {
		bh_buf_puts(tail, "\n");
		put_header(tail, s->table, quote);
	}
	*tail_table = s->table;
	bh_buf_printf(tail, "  %s = %s\n", s->key, s->value);
}

static int apply_setting(struct editor *e, const struct setting *s, char quote)
{
	const char *path = bh_arena_printf(e->arena, "%s" BH_TOML_SEP "%s", s->table, s->key);
	const struct bh_toml_item *item;
	int r;

	if (!path)
		return bh_err_oom(e->err);
	item = bh_toml_text_find(&e->doc, BH_TOML_KEY, path);
	if (item && has_value(e, item, s->value))
		return 0;
	if (item && s->flags & MINE_ALONE && !is_empty(e, item))
		return refuse(e, item,
			      bh_arena_printf(e->arena, "somebody else's: it would have to be %s",
					      s->value));
	if (item) {
		replace(e, item, s->value);
		return 0;
	}
	item = bh_toml_text_find(&e->doc, BH_TOML_TABLE, s->table);
	if (item) {
		insert(e, item, s);
		return 0;
	}
	r = check_new_table(e, s->table);
	if (r == 0)
		append(&e->tail, &e->tail_table, s, quote);
	return r;
}

/* A path of a handler's shim that is set already would win over the type. */
static int check_runtime_path(struct editor *e, const struct settings *s)
{
	for (size_t i = 0; i + 1 < s->n; i++) {
		const struct bh_toml_item *item;

		if (strcmp(s->v[i].key, "runtime_type") != 0 ||
		    strcmp(s->v[i + 1].key, "runtime_path") == 0)
			continue;
		item = bh_toml_text_find(
			&e->doc, BH_TOML_KEY,
			bh_arena_printf(e->arena, "%s" BH_TOML_SEP "runtime_path", s->v[i].table));
		if (item && !is_empty(e, item))
			return refuse(e, item, "this would win over the handler's runtime_type");
	}
	return 0;
}

/* What is put in before what is replaced at the same place. */
static int by_place(const void *a, const void *b)
{
	const struct change *left = a, *right = b;

	if (left->start != right->start)
		return left->start < right->start ? -1 : 1;
	return left->end < right->end ? -1 : left->end > right->end;
}

static void write_changes(struct editor *e, struct bh_buf *out)
{
	const char *text = e->doc.text;
	bool no_newline = e->doc.len && text[e->doc.len - 1] != '\n';
	size_t at = 0;

	qsort(e->changes.v, e->changes.n, sizeof(e->changes.v[0]), by_place);
	for (size_t i = 0; i < e->changes.n; i++) {
		struct change *c = &e->changes.v[i];
		bool last = no_newline && c->end == e->doc.len;

		bh_buf_add(out, text + at, c->start - at);
		bh_marks_add(out, text + c->start, c->end - c->start, bh_buf_str(&c->lines), last);
		no_newline &= !last;
		out->failed |= c->lines.failed;
		at = c->end;
	}
	bh_buf_add(out, text + at, e->doc.len - at);
	if (e->tail.len)
		bh_marks_add(out, "", 0, bh_buf_str(&e->tail), no_newline);
	out->failed |= e->tail.failed;
}

static int edit(struct editor *e, const struct bh_containerd_wants *wants, struct bh_buf *ret)
{
	struct settings settings;
	int format, r = check_cri_is_on(e);

	r = r != 0 ? r : find_format(e, &format);
	if (r != 0)
		return r;
	r = list_settings(e->arena, format, wants, &settings, e->err);
	r = r < 0 ? r : check_runtime_path(e, &settings);
	for (size_t i = 0; r == 0 && i < settings.n; i++)
		r = apply_setting(e, &settings.v[i], settings.quote);
	if (r < 0)
		return r;
	write_changes(e, ret);
	return ret->failed ? bh_err_oom(e->err) : 0;
}

int bh_containerd_edit(const char *name, const char *text, size_t len,
		       const struct bh_containerd_wants *wants, struct bh_buf *ret,
		       struct bh_err *err)
{
	bh_auto_arena struct bh_arena arena = BH_ARENA_INIT;
	struct editor e = { .arena = &arena, .name = name, .err = err };
	int r = scan(&e, text, len);

	r = r < 0 ? r : edit(&e, wants, ret);
	for (size_t i = 0; i < e.changes.n; i++)
		bh_buf_deinit(&e.changes.v[i].lines);
	bh_buf_deinit(&e.tail);
	return r;
}

/* ---- beside ---------------------------------------------------------------------------------- */

void bh_containerd_drop_in(int format, const struct bh_containerd_wants *wants, struct bh_buf *ret)
{
	bh_auto_arena struct bh_arena arena = BH_ARENA_INIT;
	bh_auto_buf struct bh_buf lines = BH_BUF_INIT;
	const char *table = NULL;
	struct settings s;

	if (list_settings(&arena, format, wants, &s, NULL) < 0)
		ret->failed = true;
	bh_buf_printf(&lines, "%sversion = %d\n", wants->dir_made ? BH_CONTAINERD_DIR_MADE : "",
		      format);
	for (size_t i = 0; i < s.n; i++)
		append(&lines, &table, &s.v[i], s.quote);
	bh_marks_add(ret, "", 0, bh_buf_str(&lines), false);
	ret->failed |= lines.failed;
}

int bh_containerd_imports(struct bh_arena *arena, const char *name, const char *text, size_t len,
			  int *ret_format, const char **ret_dir, struct bh_err *err)
{
	static const char pattern[] = "/*.toml";
	struct editor e = { .arena = arena, .name = name, .err = err };
	const struct bh_toml_item *item;
	const char *import;
	size_t at = 0;
	int r = scan(&e, text, len);

	*ret_dir = NULL;
	r = r < 0 ? r : check_cri_is_on(&e);
	r = r != 0 ? r : find_format(&e, ret_format);
	if (r != 0)
		return r;
	item = bh_toml_text_find(&e.doc, BH_TOML_KEY, "imports");
	while (item && !*ret_dir && (import = bh_toml_text_next(arena, &e.doc, item, &at))) {
		size_t n = strlen(import), tail = strlen(pattern);

		/* containerd takes a relative one from its own directory: not followed here. */
		if (n > tail && import[0] == '/' && !strcmp(import + n - tail, pattern) &&
		    strcspn(import, "*?[") == n - tail + 1)
			*ret_dir = bh_arena_strndup(arena, import, n - tail);
	}
	return 0;
}

int bh_containerd_handler_shim(struct bh_arena *arena, const char *text, size_t len,
			       const char *handler, const char **ret, struct bh_err *err)
{
	static const char *const keys[] = { "runtime_path", "runtime_type" };
	struct editor e = { .arena = arena, .name = "containerd config dump", .err = err };
	int r = scan(&e, text, len);

	*ret = "";
	for (size_t i = 0; r == 0 && !**ret && i < BH_ARRAY_SIZE(keys); i++) {
		const struct bh_toml_item *item = NULL;
		size_t at = 0;

		for (int format = FORMAT_OLDEST; !item && format <= FORMAT_OLDEST + 1; format++)
			item = bh_toml_text_find(
				&e.doc, BH_TOML_KEY,
				bh_arena_printf(arena,
						"%s" BH_TOML_SEP "containerd" BH_TOML_SEP
						"runtimes" BH_TOML_SEP "%s" BH_TOML_SEP "%s",
						cri_plugin(format), handler, keys[i]));
		*ret = item ? bh_toml_text_next(arena, &e.doc, item, &at) : "";
		if (!*ret)
			return bh_err_as(err, BH_ERR_SPEC, -EINVAL,
					 "%s: %s of handler '%s' is no string", e.name, keys[i],
					 handler);
	}
	return r;
}

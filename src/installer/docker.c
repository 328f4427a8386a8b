/* SPDX-License-Identifier: Apache-2.0 */
#include "installer/docker.h"

#include <json-c/json.h>
#include <string.h>

#include "base/arena.h"
#include "base/json.h"

#define RUNTIMES      "runtimes"
#define DEFAULT       "default-runtime"
#define FIRST_INDENT  "    " /* where nothing shows how the file is indented */
#define MEMBERS_FIRST 16

/* `"key": value`, by offsets. */
struct member {
	size_t start, key_end; /* with its quotes */
	size_t value_start, value_end;
};

struct object {
	size_t open, close; /* of its brackets */
	struct member *v;
	size_t n, cap;
};

struct editor {
	struct bh_arena arena;
	const char *name, *text;
	size_t len;
	const char *program; /* of our runtime */
	struct bh_buf *notes;
	struct bh_err *err;
};

/* ---- where things are ------------------------------------------------------------------------ */

/* The text was parsed before: there are no surprises in it, but a NUL ends all loops. */
static size_t skip_blanks(const struct editor *e, size_t at)
{
	while (at < e->len && strchr(" \t\r\n", e->text[at]) && e->text[at])
		at++;
	return at;
}

static size_t skip_string(const struct editor *e, size_t at)
{
	for (at++; at < e->len && e->text[at] != '"'; at++)
		if (e->text[at] == '\\')
			at++;
	return at < e->len ? at + 1 : e->len;
}

/* After the value at @at. */
static size_t skip_value(const struct editor *e, size_t at)
{
	size_t depth = 0;

	do {
		char c = at < e->len ? e->text[at] : '\0';

		if (c == '"') {
			at = skip_string(e, at);
		} else if (c && strchr("{[", c)) {
			depth++;
			at++;
		} else if (c && strchr("}]", c)) {
			depth--;
			at++;
		} else {
			at++;
		}
	} while (at < e->len && (depth > 0 || !strchr(",}] \t\r\n", e->text[at])));
	return at < e->len ? at : e->len;
}

static int add_member(struct editor *e, struct object *o, const struct member *m)
{
	if (o->n == o->cap) {
		size_t cap = o->cap ? 2 * o->cap : MEMBERS_FIRST;
		void *more = bh_arena_grow(&e->arena, o->v, o->n, cap, sizeof(*m));

		if (!more)
			return bh_err_oom(e->err);
		o->v = more;
		o->cap = cap;
	}
	o->v[o->n++] = *m;
	return 0;
}

static int scan_object(struct editor *e, size_t open, struct object *ret)
{
	size_t at = skip_blanks(e, open + 1);

	*ret = (struct object){ .open = open };
	while (at < e->len && e->text[at] == '"') {
		struct member m = { .start = at, .key_end = skip_string(e, at) };
		int r;

		m.value_start = skip_blanks(e, skip_blanks(e, m.key_end) + 1);
		m.value_end = skip_value(e, m.value_start);
		r = add_member(e, ret, &m);
		if (r < 0)
			return r;
		at = skip_blanks(e, m.value_end);
		if (at < e->len && e->text[at] == ',')
			at = skip_blanks(e, at + 1);
	}
	ret->close = at;
	return 0;
}

/* The last one of this name, which is the one that counts. */
static const struct member *find(const struct editor *e, const struct object *o, const char *key)
{
	size_t len = strlen(key);

	for (size_t i = o->n; i-- > 0;)
		if (o->v[i].key_end - o->v[i].start == len + 2 &&
		    !memcmp(e->text + o->v[i].start + 1, key, len))
			return &o->v[i];
	return NULL;
}

static unsigned int line_of(const struct editor *e, size_t at)
{
	unsigned int line = 1;

	for (size_t i = 0; i < at; i++)
		line += e->text[i] == '\n';
	return line;
}

static int refuse(const struct editor *e, const struct member *m, const char *why)
{
	size_t len = m->value_end - m->start;

	return bh_err_as(e->err, BH_ERR_SPEC, -EINVAL, "%s:%u: %.*s: %s", e->name,
			 line_of(e, m->start), (int)(len < 200 ? len : 200), e->text + m->start,
			 why);
}

static void note(const struct editor *e, const struct member *m, const char *what)
{
	size_t len = m->value_end - m->start;

	bh_buf_printf(e->notes, "%s:%u: %.*s: %s\n", e->name, line_of(e, m->start),
		      (int)(len < 200 ? len : 200), e->text + m->start, what);
}

/* Whether a value is an object with nothing but our path. */
static bool is_ours(const struct editor *e, const struct member *m)
{
	struct json_object *value = NULL, *path = NULL;
	struct bh_err ignored = BH_ERR_INIT;
	bool ours;

	if (bh_json_parse(e->text + m->value_start, m->value_end - m->value_start, &value,
			  &ignored) < 0)
		return false;
	ours = json_object_object_length(value) == 1 &&
	       json_object_object_get_ex(value, "path", &path) &&
	       json_object_is_type(path, json_type_string) &&
	       !strcmp(json_object_get_string(path), e->program);
	json_object_put(value);
	return ours;
}

static bool is_text(const struct editor *e, const struct member *m, const char *text)
{
	size_t len = m->value_end - m->value_start;

	return len == strlen(text) + 2 && e->text[m->value_start] == '"' &&
	       !memcmp(e->text + m->value_start + 1, text, len - 2);
}

/* ---- putting in ------------------------------------------------------------------------------ */

/* A member more in @o, as the last one of it and written as its neighbours are. Offset and text of
 * what is put in. */
static void new_member(const struct editor *e, const struct object *o, const char *member,
		       size_t *at, struct bh_buf *text)
{
	const struct member *last = o->n ? &o->v[o->n - 1] : NULL;
	size_t before;

	if (!last) {
		*at = o->open + 1;
		bh_buf_printf(text, "\n" FIRST_INDENT "%s\n", member);
		return;
	}
	before = o->n > 1 ? o->v[o->n - 2].value_end : o->open + 1;
	if (o->n > 1)
		before = skip_blanks(e, before) + 1; /* after the comma */
	*at = last->value_end;
	bh_buf_puts(text, ",");
	bh_buf_add(text, e->text + before, last->start - before);
	/* Where the only member stands right behind the bracket. */
	if (last->start == before)
		bh_buf_puts(text, " ");
	bh_buf_puts(text, member);
}

/* The text with @what put in at @at; blanks that fill an otherwise empty object go. */
static void put_in(const struct editor *e, size_t at, size_t until, const struct bh_buf *what,
		   struct bh_buf *ret)
{
	bh_buf_add(ret, e->text, at);
	bh_buf_add(ret, bh_buf_str(what), what->len);
	bh_buf_add(ret, e->text + until, e->len - until);
	ret->failed |= what->failed;
}

static int open_document(struct editor *e, struct object *top)
{
	struct json_object *tree = NULL;
	int r = bh_json_parse(e->text, e->len, &tree, e->err);

	json_object_put(tree);
	if (r < 0)
		return bh_err_ctx(e->err, "%s", e->name);
	return scan_object(e, skip_blanks(e, 0), top);
}

/* One member put into an object of the document, which starts at @open. */
static int insert(struct editor *e, const struct object *o, const char *member, struct bh_buf *ret)
{
	bh_auto_buf struct bh_buf what = BH_BUF_INIT;
	size_t at;

	new_member(e, o, member, &at, &what);
	put_in(e, at, o->n ? at : o->close, &what, ret);
	return ret->failed ? bh_err_oom(e->err) : 0;
}

static int insert_runtime(struct editor *e, struct bh_buf *ret)
{
	struct object top, runtimes;
	const struct member *m, *own;
	const char *entry;
	bh_auto_buf struct bh_buf path = BH_BUF_INIT;
	int r = open_document(e, &top);

	if (r < 0)
		return r;
	bh_buf_json_string(&path, e->program);
	entry = bh_arena_printf(&e->arena, "\"" BH_DOCKER_RUNTIME "\": {\"path\": %s}",
				bh_buf_str(&path));
	if (!entry || path.failed)
		return bh_err_oom(e->err);
	m = find(e, &top, RUNTIMES);
	if (!m) {
		entry = bh_arena_printf(&e->arena, "\"" RUNTIMES "\": {%s}", entry);
		return entry ? insert(e, &top, entry, ret) : bh_err_oom(e->err);
	}
	if (e->text[m->value_start] != '{')
		return refuse(e, m, "must be an object");
	r = scan_object(e, m->value_start, &runtimes);
	own = r == 0 ? find(e, &runtimes, BH_DOCKER_RUNTIME) : NULL;
	if (r < 0 || (own && !is_ours(e, own)))
		return r < 0 ? r : refuse(e, own, "somebody else's runtime has this name");
	if (!own)
		return insert(e, &runtimes, entry, ret);
	bh_buf_add(ret, e->text, e->len);
	return 0;
}

static int insert_default(struct editor *e, struct bh_buf *ret)
{
	const struct member *m;
	struct object top;
	int r = open_document(e, &top);

	if (r < 0)
		return r;
	m = find(e, &top, DEFAULT);
	if (!m)
		return insert(e, &top, "\"" DEFAULT "\": \"" BH_DOCKER_RUNTIME "\"", ret);
	if (!is_text(e, m, BH_DOCKER_RUNTIME))
		note(e, m, "left as it is; `docker run --runtime " BH_DOCKER_RUNTIME "` chooses");
	bh_buf_add(ret, e->text, e->len);
	return 0;
}

/* ---- taking out ------------------------------------------------------------------------------ */

static void remove_member(const struct editor *e, const struct object *o, const struct member *m,
			  struct bh_buf *ret)
{
	size_t index = (size_t)(m - o->v), from = m->start, to = m->value_end;

	if (index > 0)
		from = o->v[index - 1].value_end;
	else if (o->n > 1)
		to = o->v[1].start;
	else {
		from = o->open + 1;
		to = o->close;
	}
	bh_buf_add(ret, e->text, from);
	bh_buf_add(ret, e->text + to, e->len - to);
}

/* Return: 1 when the runtime is there and was changed by somebody, so that it stays */
static int remove_runtime(struct editor *e, struct bh_buf *ret)
{
	const struct member *m, *own = NULL;
	struct object top, runtimes = { .n = 0 };
	int r = open_document(e, &top);

	if (r < 0)
		return r;
	m = find(e, &top, RUNTIMES);
	if (m && e->text[m->value_start] == '{')
		r = scan_object(e, m->value_start, &runtimes);
	own = r == 0 ? find(e, &runtimes, BH_DOCKER_RUNTIME) : NULL;
	if (r < 0)
		return r;
	if (own && is_ours(e, own)) {
		if (runtimes.n == 1)
			remove_member(e, &top, m, ret);
		else
			remove_member(e, &runtimes, own, ret);
		return 0;
	}
	bh_buf_add(ret, e->text, e->len);
	if (own)
		note(e, own, "was changed since, and stays");
	return own ? 1 : 0;
}

static int remove_default(struct editor *e, struct bh_buf *ret)
{
	const struct member *m;
	struct object top;
	int r = open_document(e, &top);

	if (r < 0)
		return r;
	m = find(e, &top, DEFAULT);
	if (m && is_text(e, m, BH_DOCKER_RUNTIME))
		remove_member(e, &top, m, ret);
	else
		bh_buf_add(ret, e->text, e->len);
	return 0;
}

/* ---- both ------------------------------------------------------------------------------------ */

/* The text with one member in or out. Return: 1 = and that is all; 0; -errno with e->err */
typedef int (*step_fn)(struct editor *e, struct bh_buf *ret);

static int take_steps(struct editor *e, const step_fn steps[static 2], struct bh_buf *ret)
{
	bh_auto_buf struct bh_buf between = BH_BUF_INIT;
	int r = steps[0](e, &between);

	e->text = bh_buf_str(&between);
	e->len = between.len;
	if (r >= 0 && between.failed)
		r = bh_err_oom(e->err);
	if (r == 0)
		r = steps[1](e, ret);
	else if (r > 0)
		bh_buf_add(ret, e->text, e->len);
	bh_arena_deinit(&e->arena);
	if (r < 0)
		return r;
	return ret->failed ? bh_err_oom(e->err) : 0;
}

int bh_docker_edit(const char *name, const char *text, size_t len, const char *program,
		   struct bh_buf *ret, struct bh_buf *notes, struct bh_err *err)
{
	static const step_fn steps[] = { insert_runtime, insert_default };
	struct editor e = { BH_ARENA_INIT, name, text, len, program, notes, err };

	return take_steps(&e, steps, ret);
}

int bh_docker_undo(const char *name, const char *text, size_t len, const char *program,
		   struct bh_buf *ret, struct bh_buf *notes, struct bh_err *err)
{
	static const step_fn steps[] = { remove_runtime, remove_default };
	struct editor e = { BH_ARENA_INIT, name, text, len, program, notes, err };

	return take_steps(&e, steps, ret);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation
 *
 * A manifest is mended where it stands: an edit replaces a value or puts one in front of another
 * key, so comments, order and style stay. Edits are made in rounds, each on the text of the one
 * before: first requests and limits are made equal, then what is still too small is raised. What
 * several parts share by an alias is edited once; whoever needs more of it does so a round later.
 *
 * Limits: ROUNDS_MAX rounds.
 */
#include "admit/admit.h"

#include <string.h>

#define ROUNDS_MAX 8
/* Edits of one place are near each other, but for far aliases: those are found when they are made.
 */
#define LOOK_BACK 64

struct edit {
	size_t at, len; /* bytes that are replaced */
	size_t n;       /* which one it is */
	const char *text;
};

/* A value that a round made another one. */
struct change {
	size_t template, part; /* which ones of the file */
	enum bh_side side;
	enum bh_resource resource;
	size_t n;           /* which change it is */
	const char *line;   /* as far as the value */
	const char *before; /* NULL = it was not there */
	const char *now;
};

struct changes {
	struct bh_arena arena;
	struct change *v;
	size_t n, cap;
};

struct fixer {
	struct bh_arena arena; /* of one round */
	const struct bh_admit_terms *terms;
	const char *file, *text;
	size_t len;
	size_t *lines; /* where each begins */
	size_t n_lines;
	struct edit *edits;
	size_t n_edits, cap;
	const struct bh_template *t; /* at hand */
	size_t n_templates;
	struct changes *changes;
	bool failed; /* out of memory */
};

/* ---- places in the text ---------------------------------------------------------------------- */

/* Bytes of the line break at @p, as libyaml counts lines; 0 = none. */
static size_t line_break(const char *p, size_t left)
{
	if (left >= 2 && p[0] == '\r' && p[1] == '\n')
		return 2;
	if (*p == '\n' || *p == '\r')
		return 1;
	if (left >= 2 && memcmp(p, "\xc2\x85", 2) == 0)
		return 2;
	return left >= 3 && memcmp(p, "\xe2\x80", 2) == 0 && (p[2] == '\xa8' || p[2] == '\xa9') ? 3
												: 0;
}

static void find_lines(struct fixer *f)
{
	size_t n = 1;

	for (size_t i = 0; i < f->len; i++)
		n += f->text[i] == '\n' || f->text[i] == '\r' || f->text[i] == '\x85' ||
		     f->text[i] == '\xa8' || f->text[i] == '\xa9';
	f->lines = bh_arena_array(&f->arena, n, sizeof(size_t));
	f->failed |= !f->lines;
	f->n_lines = 1;
	for (size_t i = 0, w; f->lines && i < f->len; i += w ? w : 1) {
		w = line_break(f->text + i, f->len - i);
		if (w)
			f->lines[f->n_lines++] = i + w;
	}
}

/* Lines and columns from 1, columns in characters. */
static size_t offset_of(const struct fixer *f, uint32_t line, uint32_t column)
{
	size_t at = line <= f->n_lines ? f->lines[line - 1] : f->len;

	for (; column > 1 && at < f->len; column--)
		for (at++; at < f->len && (f->text[at] & 0xc0) == 0x80;)
			at++;
	return at;
}

/* Where a node's own text begins, behind its anchor and tag. */
static size_t start_of(const struct fixer *f, const struct bh_yaml *node)
{
	size_t at = offset_of(f, node->line, node->column);

	while (at < f->len && (f->text[at] == '&' || f->text[at] == '!')) {
		while (at < f->len && !strchr(" \t\r\n", f->text[at]))
			at++;
		while (at < f->len && strchr(" \t\r\n", f->text[at]))
			at++;
	}
	return at;
}

/* ---- edits ----------------------------------------------------------------------------------- */

/* Return: false when something else happens there */
static bool add_edit(struct fixer *f, size_t at, size_t len, const char *text)
{
	for (size_t i = 1; i <= f->n_edits && i <= LOOK_BACK; i++)
		if (f->edits[f->n_edits - i].at == at)
			return false;
	if (f->n_edits == f->cap) {
		size_t cap = f->cap ? 2 * f->cap : 64;
		struct edit *grown =
			bh_arena_grow(&f->arena, f->edits, f->n_edits, cap, sizeof(*grown));

		f->failed |= !grown;
		if (!grown)
			return false;
		f->edits = grown;
		f->cap = cap;
	}
	f->failed |= !text;
	f->edits[f->n_edits] = (struct edit){ .at = at, .len = len, .n = f->n_edits, .text = text };
	f->n_edits++;
	return true;
}

/* Whether JSON could have it without quotes. */
static bool is_number(const char *text)
{
	return *text && !text[strspn(text, "0123456789+-.eE")];
}

static bool replace(struct fixer *f, const struct bh_yaml *node, const char *text)
{
	size_t at = start_of(f, node), end = offset_of(f, node->end_line, node->end_column);
	char quote[2] = { at < f->len ? f->text[at] : '\0', '\0' };

	if (quote[0] == '|' || quote[0] == '>')
		return false; /* a block: where it ends depends on what follows */
	if (quote[0] != '"' && quote[0] != '\'')
		quote[0] = is_number(node->text) && !is_number(text) ? '"' : '\0';
	return add_edit(f, at, end > at ? end - at : 0,
			bh_arena_printf(&f->arena, "%s%s%s", quote, text, quote));
}

/* What is not there: behind the colon, if there is one, "key" alone has none. */
static bool replace_null(struct fixer *f, const struct bh_yaml *null, const char *text)
{
	size_t at = start_of(f, null);

	if (!*null->text && (!at || f->text[at - 1] != ':'))
		return false;
	return replace(f, null, bh_arena_printf(&f->arena, " %s", text));
}

static void drop_quotes(char *text)
{
	char *to = text;

	for (; text && *text; text++)
		if (*text != '"')
			*to++ = *text;
	if (to)
		*to = '\0';
}

/* @flow or @block in front of the first key of @map. */
static bool put_first(struct fixer *f, const struct bh_yaml *map, char *flow, const char *block)
{
	const struct bh_yaml *first = map->first;
	const int pad = first ? (int)first->key_column - 1 : 0;
	size_t at;

	if (!first) /* {} */
		return add_edit(f, start_of(f, map) + 1, 0, flow);
	at = offset_of(f, first->key_line, first->key_column);
	if (!map->flow)
		return add_edit(f, at, 0, bh_arena_printf(&f->arena, "%s\n%*s", block, pad, ""));
	if (at < f->len && f->text[at] != '"')
		drop_quotes(flow);
	return add_edit(f, at, 0, bh_arena_printf(&f->arena, "%s, ", flow ? flow : ""));
}

static bool add_side(struct fixer *f, const struct bh_part *part, const char *side,
		     const char *resource, const char *amount)
{
	const struct bh_yaml *map = part->resources, *null = bh_yaml_get(map, side);
	const int pad = map->first ? (int)map->first->key_column + 1 : 0;
	char *flow = bh_arena_printf(&f->arena, "\"%s\": {\"%s\": \"%s\"}", side, resource, amount);
	const char *block =
		bh_arena_printf(&f->arena, "%s:\n%*s%s: %s", side, pad, "", resource, amount);

	if (null)
		return replace_null(
			f, null, bh_arena_printf(&f->arena, "{\"%s\": \"%s\"}", resource, amount));
	return put_first(f, map, flow, block);
}

static struct change *add_change(struct changes *all)
{
	if (all->n == all->cap) {
		size_t cap = all->cap ? 2 * all->cap : 64;
		struct change *grown =
			bh_arena_grow(&all->arena, all->v, all->n, cap, sizeof(*grown));

		if (!grown)
			return NULL;
		all->v = grown;
		all->cap = cap;
	}
	return &all->v[all->n++];
}

static void note(struct fixer *f, const struct bh_part *part, enum bh_side side, enum bh_resource r,
		 const char *before, const char *now)
{
	struct bh_arena *arena = &f->changes->arena;
	struct change *c = add_change(f->changes);
	char field[160];

	f->failed |= !c;
	if (!c)
		return;
	*c = (struct change){
		.template = f->n_templates,
		.part = part == &f->t->pod ? 0 : (size_t)(part - f->t->parts.v) + 1,
		.side = side,
		.resource = r,
		.n = f->changes->n,
		.line = bh_arena_printf(arena, "%s: %s \"%s\": %s", f->file, f->t->kind, f->t->name,
					bh_part_field(f->t, part, side, r, field, sizeof(field))),
		.before = before ? bh_arena_strdup(arena, before) : NULL,
		.now = bh_arena_strdup(arena, now),
	};
	f->failed |= !c->line || !c->now || (before && !c->before);
}

static int compare(size_t a, size_t b)
{
	return (a > b) - (a < b);
}

static int by_value(const void *a, const void *b)
{
	const struct change *x = a, *y = b;
	int r = compare(x->template, y->template);

	r = r ? r : compare(x->part, y->part);
	r = r ? r : compare(x->side, y->side);
	return r ? r : compare(x->resource, y->resource);
}

static int by_value_and_time(const void *a, const void *b)
{
	const struct change *x = a, *y = b;
	int r = by_value(a, b);

	return r ? r : compare(x->n, y->n);
}

/* A line a value, from what it was to what the last round made of it. */
static void print_changes(const struct changes *all, struct bh_buf *out)
{
	if (all->n)
		qsort(all->v, all->n, sizeof(*all->v), by_value_and_time);
	for (size_t i = 0, last; i < all->n; i = last + 1) {
		const struct change *c = &all->v[i];

		for (last = i; last + 1 < all->n && by_value(c, &all->v[last + 1]) == 0;)
			last++;
		bh_buf_printf(out, "%s: %s%s%s\n", c->line, all->v[last].now,
			      c->before ? " instead of " : " added", c->before ? c->before : "");
	}
}

static void set(struct fixer *f, const struct bh_part *part, enum bh_side side, enum bh_resource r,
		int64_t amount)
{
	const struct bh_yaml *node = part->amounts[side][r], *map = part->sides[side], *null;
	const char *name = bh_resource_names[r];
	char text[BH_AMOUNT_BYTES];
	bool done;

	bh_amount_format(r, amount, text);
	null = map && !node ? bh_yaml_get(map, name) : NULL;
	if (node)
		done = replace(f, node, text);
	else if (null)
		done = replace_null(f, null, bh_arena_printf(&f->arena, "\"%s\"", text));
	else if (map)
		done = put_first(f, map, bh_arena_printf(&f->arena, "\"%s\": \"%s\"", name, text),
				 bh_arena_printf(&f->arena, "%s: %s", name, text));
	else
		done = add_side(f, part, bh_side_names[side], name, text);
	if (done)
		note(f, part, side, r, node ? node->text : NULL, text);
}

static int64_t most(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* Both sides of @part become @target; a request that is not there is the limit by itself, unless
 * @explicit. */
static void level(struct fixer *f, const struct bh_part *part, enum bh_resource r, int64_t target,
		  bool explicit)
{
	const struct bh_container_demand *d = &part->demand;

	if (!d->has_limit[r] || d->limit.v[r] != target)
		set(f, part, BH_SIDE_LIMIT, r, target);
	if (d->has_request[r] ? d->request.v[r] != target : explicit)
		set(f, part, BH_SIDE_REQUEST, r, target);
}

static void equalise(struct fixer *f, const struct bh_template *t, enum bh_resource r)
{
	const struct bh_container_demand *pod = &t->pod.demand;

	if (pod->has_limit[r] || pod->has_request[r]) {
		level(f, &t->pod, r, most(t->demand.limit.v[r], pod->request.v[r]), true);
		return;
	}
	bh_for_each (part, t->parts) {
		const struct bh_container_demand *d = &part->demand;

		if (d->has_request[r])
			level(f, part, r, most(d->limit.v[r], d->request.v[r]), false);
	}
}

/* The part whose limit is to grow: the largest of the containers, else any. */
static const struct bh_part *part_to_raise(const struct bh_template *t, enum bh_resource r)
{
	const struct bh_part *best = NULL;

	bh_for_each (part, t->parts) {
		if (!part->demand.limit.v[r])
			continue;
		if (!best || part->kind < best->kind ||
		    (part->kind == best->kind && part->demand.limit.v[r] > best->demand.limit.v[r]))
			best = part;
	}
	return best;
}

/* What the pod is accounted with where @part counts. */
static int64_t sum_with(const struct bh_template *t, const struct bh_part *part, enum bh_resource r)
{
	int64_t sum = 0;

	if (part->kind == BH_CONTAINER_INIT)
		return t->demand.limit.v[r];
	bh_for_each (p, t->parts)
		if (p->kind != BH_CONTAINER_INIT)
			sum = bh_amount_add(sum, p->demand.limit.v[r]);
	return sum;
}

static void enlarge(struct fixer *f, const struct bh_template *t, enum bh_resource r)
{
	const struct bh_part *part = part_to_raise(t, r);

	if (t->pod.demand.has_limit[r])
		level(f, &t->pod, r, bh_pod_min.v[r], false);
	else if (part)
		level(f, part, r, part->demand.limit.v[r] + bh_pod_min.v[r] - sum_with(t, part, r),
		      false);
}

static int on_template(void *arg, const struct bh_template *t, struct bh_err *err)
{
	struct fixer *f = arg;
	struct bh_findings found;
	bool unequal = false;

	f->n_templates++;
	if (t->fault || !bh_admit_wants_kata(t, f->terms))
		return 0;
	f->t = t;
	bh_rules_judge(&t->demand, &f->terms->levels, &found);
	for (size_t i = 0; i < found.n; i++)
		if (found.v[i].row->rule == BH_RULE_REQUESTS_EQUAL_LIMITS) {
			equalise(f, t, found.v[i].resource);
			unequal = true;
		}
	for (size_t i = 0; i < found.n && !unequal; i++)
		if (found.v[i].row->rule == BH_RULE_SMALLEST_POD && found.v[i].refused)
			enlarge(f, t, found.v[i].resource);
	return f->failed ? bh_err_oom(err) : 0;
}

/* ---- rounds ---------------------------------------------------------------------------------- */

static int by_place(const void *a, const void *b)
{
	const struct edit *x = a, *y = b;

	if (x->at != y->at)
		return x->at > y->at ? 1 : -1;
	return (x->n > y->n) - (x->n < y->n);
}

static void apply(struct fixer *f, struct bh_buf *out)
{
	size_t at = 0;

	if (f->n_edits)
		qsort(f->edits, f->n_edits, sizeof(*f->edits), by_place);
	for (size_t i = 0; i < f->n_edits; i++) {
		const struct edit *e = &f->edits[i];

		if (e->at < at || (i && e->at == e[-1].at))
			continue;
		bh_buf_add(out, f->text + at, e->at - at);
		bh_buf_puts(out, e->text);
		at = e->at + e->len;
	}
	bh_buf_add(out, f->text + at, f->len - at);
}

/* Return: how many edits there were; -errno */
static int make_round(struct fixer *f, struct bh_buf *out, struct bh_err *err)
{
	int r;

	f->n_edits = f->cap = f->n_templates = 0;
	f->edits = NULL;
	find_lines(f);
	r = f->failed ? bh_err_oom(err)
		      : bh_manifest_read(f->text, f->len, on_template, f, NULL, err);
	if (r == 0) {
		apply(f, out);
		r = out->failed ? bh_err_oom(err) : f->n_edits > 0;
	}
	bh_arena_deinit(&f->arena);
	return r;
}

static int make_rounds(struct fixer *f, struct bh_buf *now, struct bh_err *err)
{
	int r = 1;

	for (int round = 0; r > 0 && round < ROUNDS_MAX; round++) {
		bh_auto_buf struct bh_buf next = BH_BUF_INIT, swap;

		f->text = bh_buf_str(now);
		f->len = now->len;
		r = now->failed ? bh_err_oom(err) : make_round(f, &next, err);
		swap = *now;
		*now = next;
		next = swap;
		swap = BH_BUF_INIT;
	}
	return r < 0 ? r : 0;
}

int bh_admit_fix(const struct bh_admit_terms *terms, const char *file, const char *text, size_t len,
		 struct bh_buf *out, struct bh_buf *changes, struct bh_err *err)
{
	bh_auto_buf struct bh_buf now = BH_BUF_INIT;
	struct changes all = { .n = 0 };
	struct fixer f = { .terms = terms, .file = file, .changes = &all };
	int r;

	bh_buf_add(&now, text, len);
	r = make_rounds(&f, &now, err);
	if (r == 0) {
		print_changes(&all, changes);
		bh_buf_add(out, bh_buf_str(&now), now.len);
	}
	bh_arena_deinit(&all.arena);
	return r == 0 && (out->failed || changes->failed) ? bh_err_oom(err) : r;
}

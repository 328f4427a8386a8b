/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libyaml tells what it reads as events. Each opens, closes or is a value; open ones stand on a
 * stack whose height is the depth of the document. An alias becomes a node of its own that shares
 * what is in the anchor's: it costs no memory, but it weighs as much.
 */
#include "base/yaml.h"

#include <string.h>
#include <yaml.h>

#define CORE_TAGS  "tag:yaml.org,2002:"
#define STRING_TAG CORE_TAGS "str"

struct anchor {
	struct anchor *next;
	const char *name;
	const struct bh_yaml *node;
};

struct open {
	struct bh_yaml *node;
	struct bh_yaml *last;
	const char *anchor;
	const char *key; /* of the value that comes next */
	uint32_t key_line, key_column;
	uint32_t n;
};

struct reader {
	struct bh_arena *arena;
	yaml_parser_t parser;
	struct open open[BH_YAML_DEPTH_MAX];
	size_t depth;
	struct anchor *anchors;
	uint32_t n_anchors;
	const struct bh_yaml *root;
	uint32_t n_nodes;
	uint32_t line; /* of what is at hand */
	bh_yaml_fn fn;
	void *arg;
};

static int fail(const char *what, struct bh_err *err)
{
	return bh_err_as(err, BH_ERR_SPEC, -EINVAL, "%s", what);
}

static int too_much(const char *what, unsigned int limit, struct bh_err *err)
{
	return bh_err_as(err, BH_ERR_SPEC, -E2BIG, "more than %u %s", limit, what);
}

static int keep(struct reader *r, const char *text, size_t len, const char **ret,
		struct bh_err *err)
{
	if (memchr(text, '\0', len))
		return fail("a NUL in a text", err);
	*ret = bh_arena_strndup(r->arena, text, len);
	return *ret ? 0 : bh_err_oom(err);
}

static int read_tag(const yaml_char_t *tag, bool *ret_string, struct bh_err *err)
{
	const char *name = (const char *)tag;

	*ret_string = name && strcmp(name, STRING_TAG) == 0;
	if (!name || !*name || !strcmp(name, "!") || !strncmp(name, CORE_TAGS, strlen(CORE_TAGS)))
		return 0;
	return bh_err_as(err, BH_ERR_SPEC, -EINVAL, "the tag '%.64s' is not known", name);
}

/* ---- placing ------------------------------------------------------------------------------- */

static int remember(struct reader *r, const char *name, const struct bh_yaml *node,
		    struct bh_err *err)
{
	struct anchor *a;

	if (!name)
		return 0;
	if (++r->n_anchors > BH_YAML_ANCHORS_MAX)
		return too_much("anchors", BH_YAML_ANCHORS_MAX, err);
	a = bh_arena_new(r->arena, struct anchor);
	if (!a)
		return bh_err_oom(err);
	*a = (struct anchor){ .next = r->anchors, .name = name, .node = node };
	r->anchors = a;
	return 0;
}

/* @node is complete: where it belongs. */
static int place(struct reader *r, struct bh_yaml *node, struct bh_err *err)
{
	struct open *in = r->depth ? &r->open[r->depth - 1] : NULL;

	if (!in) {
		r->root = node;
		return 0;
	}
	if (in->node->kind == BH_YAML_MAP) {
		node->key = in->key;
		node->key_line = in->key_line;
		node->key_column = in->key_column;
		in->key = NULL;
	}
	if (in->last)
		in->last->next = node;
	else
		in->node->first = node;
	in->last = node;
	in->n++;
	if (__builtin_add_overflow(in->node->weight, node->weight, &in->node->weight) ||
	    in->node->weight > BH_YAML_NODES_MAX)
		return too_much("values", BH_YAML_NODES_MAX, err);
	if (in->node->height < node->height + 1)
		in->node->height = (uint16_t)(node->height + 1);
	return r->depth + node->height > BH_YAML_DEPTH_MAX
		       ? too_much("levels", BH_YAML_DEPTH_MAX, err)
		       : 0;
}

static struct bh_yaml *new_node(struct reader *r, enum bh_yaml_kind kind, const yaml_event_t *event,
				struct bh_err *err)
{
	struct bh_yaml *node;

	if (++r->n_nodes > BH_YAML_NODES_MAX) {
		too_much("values", BH_YAML_NODES_MAX, err);
		return NULL;
	}
	node = bh_arena_new(r->arena, struct bh_yaml);
	if (!node) {
		bh_err_oom(err);
		return NULL;
	}
	*node = (struct bh_yaml){ .kind = kind,
				  .line = (uint32_t)event->start_mark.line + 1,
				  .column = (uint32_t)event->start_mark.column + 1,
				  .end_line = (uint32_t)event->end_mark.line + 1,
				  .end_column = (uint32_t)event->end_mark.column + 1,
				  .weight = 1,
				  .text = "" };
	return node;
}

/* Whether the next value is a key. */
static bool wants_key(const struct reader *r)
{
	const struct open *in = r->depth ? &r->open[r->depth - 1] : NULL;

	return in && in->node->kind == BH_YAML_MAP && !in->key;
}

static int take_anchor(struct reader *r, const yaml_char_t *name, const char **ret,
		       struct bh_err *err)
{
	*ret = NULL;
	return name ? keep(r, (const char *)name, strlen((const char *)name), ret, err) : 0;
}

/* ---- events -------------------------------------------------------------------------------- */

static int on_scalar(struct reader *r, const yaml_event_t *event, struct bh_err *err)
{
	const char *text = NULL, *anchor = NULL;
	struct bh_yaml *node;
	bool string, is_key;
	int e = read_tag(event->data.scalar.tag, &string, err);

	if (e == 0)
		e = keep(r, (const char *)event->data.scalar.value, event->data.scalar.length,
			 &text, err);
	e = e < 0 ? e : take_anchor(r, event->data.scalar.anchor, &anchor, err);
	if (e < 0)
		return e;
	is_key = wants_key(r);
	if (is_key) {
		r->open[r->depth - 1].key = text;
		r->open[r->depth - 1].key_line = r->line;
		r->open[r->depth - 1].key_column = (uint32_t)event->start_mark.column + 1;
	}
	if (is_key && !anchor)
		return 0;
	node = new_node(r, BH_YAML_SCALAR, event, err);
	if (!node)
		return err->code;
	node->text = text;
	node->quoted = string || event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
	e = remember(r, anchor, node, err);
	return e < 0 || is_key ? e : place(r, node, err);
}

static int on_alias(struct reader *r, const yaml_event_t *event, struct bh_err *err)
{
	const char *name = (const char *)event->data.alias.anchor;
	const struct anchor *a = r->anchors;
	struct bh_yaml *node;

	while (a && strcmp(a->name, name) != 0)
		a = a->next;
	if (!a)
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL, "there is no anchor '%.64s' before it",
				 name);
	if (wants_key(r))
		return fail("an alias as a key", err);
	node = new_node(r, a->node->kind, event, err);
	if (!node)
		return err->code;
	*node = *a->node;
	node->key = NULL;
	node->next = NULL;
	return place(r, node, err);
}

static int on_open(struct reader *r, const yaml_event_t *event, struct bh_err *err)
{
	bool map = event->type == YAML_MAPPING_START_EVENT, ignored;
	const yaml_char_t *name = map ? event->data.mapping_start.anchor
				      : event->data.sequence_start.anchor;
	const yaml_char_t *tag = map ? event->data.mapping_start.tag
				     : event->data.sequence_start.tag;
	const char *anchor = NULL;
	struct bh_yaml *node;
	int e;

	if (r->depth == BH_YAML_DEPTH_MAX)
		return too_much("levels", BH_YAML_DEPTH_MAX, err);
	if (wants_key(r))
		return fail("a key that is no scalar", err);
	e = read_tag(tag, &ignored, err);
	e = e < 0 ? e : take_anchor(r, name, &anchor, err);
	if (e < 0)
		return e;
	node = new_node(r, map ? BH_YAML_MAP : BH_YAML_LIST, event, err);
	if (!node)
		return err->code;
	node->flow = map ? event->data.mapping_start.style == YAML_FLOW_MAPPING_STYLE
			 : event->data.sequence_start.style == YAML_FLOW_SEQUENCE_STYLE;
	r->open[r->depth++] = (struct open){ .node = node, .anchor = anchor };
	return 0;
}

static int by_key(const void *a, const void *b)
{
	const struct bh_yaml *const *x = a, *const *y = b;
	int c = strcmp((*x)->key, (*y)->key);

	return c ? c : ((*x)->key_line > (*y)->key_line) - ((*x)->key_line < (*y)->key_line);
}

static int check_keys(struct reader *r, const struct open *map, struct bh_err *err)
{
	bh_auto_free const struct bh_yaml **sorted = calloc(map->n, sizeof(struct bh_yaml *));
	size_t n = 0;

	if (!sorted)
		return bh_err_oom(err);
	bh_yaml_for_each (item, map->node)
		sorted[n++] = item;
	qsort(sorted, n, sizeof(struct bh_yaml *), by_key);
	for (size_t i = 1; i < n; i++) {
		if (strcmp(sorted[i - 1]->key, sorted[i]->key) != 0)
			continue;
		r->line = sorted[i]->key_line;
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL, "'%.64s' once more, after line %u",
				 sorted[i]->key, sorted[i - 1]->key_line);
	}
	return 0;
}

static int on_close(struct reader *r, const yaml_event_t *event, struct bh_err *err)
{
	struct open in = r->open[--r->depth];
	int e = in.node->kind == BH_YAML_MAP && in.n > 1 ? check_keys(r, &in, err) : 0;

	in.node->end_line = (uint32_t)event->end_mark.line + 1;
	in.node->end_column = (uint32_t)event->end_mark.column + 1;
	e = e < 0 ? e : remember(r, in.anchor, in.node, err);
	return e < 0 ? e : place(r, in.node, err);
}

static int on_event(struct reader *r, const yaml_event_t *event, struct bh_err *err)
{
	r->line = (uint32_t)event->start_mark.line + 1;
	switch (event->type) {
	case YAML_SCALAR_EVENT:
		return on_scalar(r, event, err);
	case YAML_ALIAS_EVENT:
		return on_alias(r, event, err);
	case YAML_MAPPING_START_EVENT:
	case YAML_SEQUENCE_START_EVENT:
		return on_open(r, event, err);
	case YAML_MAPPING_END_EVENT:
	case YAML_SEQUENCE_END_EVENT:
		return on_close(r, event, err);
	case YAML_DOCUMENT_START_EVENT:
		r->root = NULL;
		r->anchors = NULL;
		r->n_anchors = 0;
		r->n_nodes = 0;
		return 0;
	case YAML_DOCUMENT_END_EVENT:
		r->line = 0;
		return r->fn(r->arg, r->root && bh_yaml_is_null(r->root) ? NULL : r->root, err);
	case YAML_NO_EVENT:
	case YAML_STREAM_START_EVENT:
	case YAML_STREAM_END_EVENT:
		break;
	}
	return 0;
}

/* What libyaml has to say of its last failure. */
static int parser_error(struct reader *r, struct bh_err *err)
{
	const yaml_parser_t *p = &r->parser;

	if (p->error == YAML_MEMORY_ERROR)
		return bh_err_oom(err);
	r->line = (uint32_t)(p->problem_mark.line ? p->problem_mark.line : p->mark.line) + 1;
	if (p->context)
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL, "no YAML: %s (%s, line %zu)",
				 p->problem, p->context, p->context_mark.line + 1);
	return bh_err_as(err, BH_ERR_SPEC, -EINVAL, "no YAML: %s",
			 p->problem ? p->problem : "cannot be read");
}

static int read_events(struct reader *r, struct bh_err *err)
{
	bool more = true;

	while (more) {
		yaml_event_t event;
		int e;

		if (!yaml_parser_parse(&r->parser, &event))
			return parser_error(r, err);
		more = event.type != YAML_STREAM_END_EVENT;
		e = on_event(r, &event, err);
		yaml_event_delete(&event);
		if (e < 0)
			return e;
	}
	return 0;
}

int bh_yaml_read(struct bh_arena *arena, const char *text, size_t len, bh_yaml_fn fn, void *arg,
		 uint32_t *ret_line, struct bh_err *err)
{
	bh_auto_free struct reader *r = calloc(1, sizeof(*r));
	struct bh_err own = BH_ERR_INIT;
	int e;

	if (!r || !yaml_parser_initialize(&r->parser))
		return bh_err_oom(err);
	r->arena = arena;
	r->fn = fn;
	r->arg = arg;
	yaml_parser_set_encoding(&r->parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&r->parser, (const unsigned char *)text, len);
	e = read_events(r, err ? err : &own);
	if (ret_line)
		*ret_line = e < 0 ? r->line : 0;
	yaml_parser_delete(&r->parser);
	return e;
}

const struct bh_yaml *bh_yaml_get(const struct bh_yaml *map, const char *key)
{
	if (map->kind != BH_YAML_MAP)
		return NULL;
	bh_yaml_for_each (item, map)
		if (strcmp(item->key, key) == 0)
			return item;
	return NULL;
}

bool bh_yaml_is_null(const struct bh_yaml *node)
{
	static const char *const words[] = { "", "~", "null", "Null", "NULL" };

	if (node->kind != BH_YAML_SCALAR || node->quoted)
		return false;
	for (size_t i = 0; i < BH_ARRAY_SIZE(words); i++)
		if (strcmp(node->text, words[i]) == 0)
			return true;
	return false;
}

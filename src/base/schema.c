/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation. One walk over the tree that json-c made: bh_reader_object() finds the row of
 * each key and hands the value to the function of the row's kind, which stores into the caller's
 * struct and copies texts into the arena. The way down is a chain of frames on the stack; only an
 * error turns it into a JSON pointer, so the way that succeeds pays nothing for it. The tree's
 * depth is bounded (BH_JSON_DEPTH_MAX), and so is the recursion, by the depth of the tables.
 */
#include "base/schema.h"

#include <string.h>

#include <json-c/json_object.h>
#include <json-c/linkhash.h>

#include "base/buf.h"
#include "base/json.h"

/* Bytes of a value that a message shows. */
#define SHOWN_BYTES 80

struct frame {
	const struct frame *up;
	const char *key; /* NULL: element number index of a list */
	size_t index;
};

struct bh_reader {
	struct bh_arena *arena;
	struct bh_err *err;
	const struct frame *at; /* NULL: the document itself */
	char where[BH_ERR_WHERE_BYTES];
	char quoted[SHOWN_BYTES + sizeof("…")];
};

/* ---- messages --------------------------------------------------------------------------- */

/* A part of a JSON pointer: "~" and "/" escaped as RFC 6901 says, control characters shown as "?".
 */
static size_t add_key(char *buf, size_t used, size_t size, const char *key)
{
	for (; *key && used + 3 < size; key++) {
		if (*key == '~' || *key == '/') {
			buf[used++] = '~';
			buf[used++] = *key == '~' ? '0' : '1';
		} else {
			buf[used++] = (unsigned char)*key < ' ' || *key == 0x7f ? '?' : *key;
		}
	}
	buf[used] = '\0';
	return used;
}

static size_t add_frames(char *buf, size_t size, const struct frame *frame)
{
	size_t used;

	if (!frame) {
		buf[0] = '\0';
		return 0;
	}
	used = add_frames(buf, size, frame->up);
	if (used + 24 >= size)
		return used;
	if (!frame->key)
		return used + (size_t)snprintf(buf + used, size - used, "/%zu", frame->index);
	buf[used++] = '/';
	return add_key(buf, used, size, frame->key);
}

const char *bh_reader_at(struct bh_reader *r, const char *fmt, ...)
{
	size_t used = add_frames(r->where, sizeof(r->where), r->at);
	va_list args;

	if (used + 1 >= sizeof(r->where))
		return r->where;
	r->where[used++] = '/';
	va_start(args, fmt);
	vsnprintf(r->where + used, sizeof(r->where) - used, fmt, args);
	va_end(args);
	return r->where;
}

/* The JSON pointer of the value at hand. */
static const char *here(struct bh_reader *r)
{
	add_frames(r->where, sizeof(r->where), r->at);
	return r->where;
}

/* @text cut to what a message shows, never inside a character. */
static const char *show(struct bh_reader *r, const char *text)
{
	size_t n = strnlen(text, SHOWN_BYTES + 1);
	bool cut = n > SHOWN_BYTES;

	if (cut)
		for (n = SHOWN_BYTES; n && ((unsigned char)text[n] & 0xc0) == 0x80; n--)
			;
	snprintf(r->quoted, sizeof(r->quoted), "%.*s%s", (int)n, text, cut ? "…" : "");
	return r->quoted;
}

const char *bh_reader_quote(struct bh_reader *r, const char *text)
{
	bh_auto_buf struct bh_buf buf = BH_BUF_INIT;

	bh_buf_json_string(&buf, text);
	return show(r, bh_buf_str(&buf));
}

static const char *show_json(struct bh_reader *r, struct json_object *json)
{
	const char *text = json_object_to_json_string_ext(
		json, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);

	return show(r, text ? text : "value");
}

int bh_reader_fail(struct bh_reader *r, const char *where, const char *fmt, ...)
{
	char text[BH_ERR_TEXT_BYTES / 2];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	return bh_err_spec(r->err, where, "%s", text);
}

static int fail_value(struct bh_reader *r, struct json_object *json, const char *complaint)
{
	return bh_reader_fail(r, here(r), "%s %s", show_json(r, json), complaint);
}

int bh_reader_oom(struct bh_reader *r)
{
	return bh_err_oom(r->err);
}

struct bh_arena *bh_reader_arena(struct bh_reader *r)
{
	return r->arena;
}

/* ---- scalars ---------------------------------------------------------------------------- */

static int want_type(struct bh_reader *r, struct json_object *json, enum json_type type,
		     const char *complaint)
{
	return json_object_is_type(json, type) ? 0 : fail_value(r, json, complaint);
}

static int read_bool(struct bh_reader *r, struct json_object *json, bool *ret)
{
	int e = want_type(r, json, json_type_boolean, "is not true or false");

	if (!e)
		*ret = json_object_get_boolean(json);
	return e;
}

struct range {
	int64_t min;
	uint64_t max;
};

static struct range range_of(const struct bh_field *f)
{
	static const struct range ranges[BH_KIND_MAX_] = {
		[BH_KIND_I32] = { INT32_MIN, INT32_MAX },
		[BH_KIND_U32] = { 0, UINT32_MAX },
		[BH_KIND_I64] = { INT64_MIN, INT64_MAX },
		[BH_KIND_U64] = { 0, UINT64_MAX },
		[BH_KIND_OPT_U32] = { 0, UINT32_MAX },
		[BH_KIND_OPT_I64] = { INT64_MIN, INT64_MAX },
		[BH_KIND_OPT_U64] = { 0, UINT64_MAX },
		[BH_KIND_U32_LIST] = { 0, UINT32_MAX },
	};

	return f->min || f->max ? (struct range){ f->min, f->max } : ranges[f->kind];
}

/* The integer's bits; the caller stores them into a type that the range fits. */
static int read_integer(struct bh_reader *r, const struct bh_field *f, struct json_object *json,
			uint64_t *ret)
{
	struct range range = range_of(f);
	int64_t v;
	bool fits;
	int e;

	e = want_type(r, json, json_type_int, "is not an integer");
	if (e)
		return e;
	v = json_object_get_int64(json); /* above INT64_MAX it clamps */
	*ret = v < 0 ? (uint64_t)v : json_object_get_uint64(json);
	fits = v < 0 ? v >= range.min : *ret <= range.max && (range.min <= 0 || v >= range.min);
	if (fits)
		return 0;
	return bh_reader_fail(r, here(r), "%s is not between %lld and %llu", show_json(r, json),
			      (long long)range.min, (unsigned long long)range.max);
}

/* A string that meets @f's names and rule; borrowed from the tree. */
static int read_text(struct bh_reader *r, const struct bh_field *f, struct json_object *json,
		     const char **ret)
{
	int e = want_type(r, json, json_type_string, "is not a string");

	if (e)
		return e;
	*ret = json_object_get_string(json);
	if (f->rule && !f->rule->ok(*ret))
		return fail_value(r, json, f->rule->complaint);
	return 0;
}

/* The number that a string stands for. */
static int read_name(struct bh_reader *r, const struct bh_field *f, struct json_object *json,
		     int64_t *ret)
{
	const char *text;
	int e = read_text(r, f, json, &text);

	if (e)
		return e;
	*ret = bh_names_find(f->names, text, INT64_MIN);
	return *ret == INT64_MIN ? fail_value(r, json, "is not known here") : 0;
}

static int read_string(struct bh_reader *r, const struct bh_field *f, struct json_object *json,
		       const char **ret)
{
	const char *text;
	int64_t value;
	int e;

	e = want_type(r, json, json_type_string, "is not a string");
	if (e)
		return e;
	if (!json_object_get_string_len(json))
		return f->flags & BH_FIELD_REQUIRED ? fail_value(r, json, "must not be empty") : 0;
	e = f->names ? read_name(r, f, json, &value) : read_text(r, f, json, &text);
	if (e)
		return e;
	*ret = bh_arena_strndup(r->arena, json_object_get_string(json),
				(size_t)json_object_get_string_len(json));
	return *ret ? 0 : bh_reader_oom(r);
}

/* ---- lists and maps of scalars ---------------------------------------------------------- */

/* Room for a list's @n elements and one more, all zero: never NULL, and string vectors end in NULL.
 */
static int new_list(struct bh_reader *r, size_t n, size_t size, void *member, void **ret)
{
	struct bh_strv list = { .v = bh_arena_array(r->arena, n + 1, size), .n = n };

	if (!list.v)
		return bh_reader_oom(r);
	*ret = list.v;
	memcpy(member, &list, sizeof(list)); /* every BH_LIST() is laid out like this */
	return 0;
}

static int open_list(struct bh_reader *r, const struct bh_field *f, struct json_object *json,
		     size_t size, void *member, void **ret)
{
	int e = want_type(r, json, json_type_array, "is not a list");

	if (e)
		return e;
	if (f->flags & BH_FIELD_REQUIRED && !json_object_array_length(json))
		return fail_value(r, json, "must not be empty");
	return new_list(r, json_object_array_length(json), size, member, ret);
}

static int read_element(struct bh_reader *r, const struct bh_field *f, struct json_object *json,
			void *element)
{
	const char *text;
	uint64_t number;
	int64_t value;
	int e;

	if (f->kind == BH_KIND_U32_LIST) {
		e = read_integer(r, f, json, &number);
		if (!e)
			*(uint32_t *)element = (uint32_t)number;
		return e;
	}
	e = read_text(r, f, json, &text);
	if (!e && f->names)
		e = read_name(r, f, json, &value);
	if (e)
		return e;
	text = bh_arena_strndup(r->arena, text, (size_t)json_object_get_string_len(json));
	*(const char **)element = text;
	return text ? 0 : bh_reader_oom(r);
}

static int read_elements(struct bh_reader *r, const struct bh_field *f, struct json_object *json,
			 size_t size, void *member)
{
	struct frame frame = { .up = r->at };
	void *v;
	int e = open_list(r, f, json, size, member, &v);

	for (size_t n = e ? 0 : json_object_array_length(json); frame.index < n; frame.index++) {
		r->at = &frame;
		e = read_element(r, f, json_object_array_get_idx(json, frame.index),
				 (char *)v + frame.index * size);
		if (e)
			return e;
		r->at = frame.up;
	}
	return e;
}

/* A list of names, each a bit or more. */
static int read_bits(struct bh_reader *r, const struct bh_field *f, struct json_object *json,
		     uint64_t *ret)
{
	struct frame frame = { .up = r->at };
	int e = want_type(r, json, json_type_array, "is not a list");

	for (size_t n = e ? 0 : json_object_array_length(json); frame.index < n; frame.index++) {
		int64_t bits;

		r->at = &frame;
		e = read_name(r, f, json_object_array_get_idx(json, frame.index), &bits);
		if (e)
			return e;
		r->at = frame.up;
		*ret |= (uint64_t)bits;
	}
	return e;
}

/* The key of a map's entry, in the arena. */
static int read_key(struct bh_reader *r, const struct bh_field *f, const char *key,
		    const char **ret)
{
	if (f->rule && !f->rule->ok(key))
		return bh_reader_fail(r, here(r), "%s %s", bh_reader_quote(r, key),
				      f->rule->complaint);
	*ret = bh_arena_strdup(r->arena, key);
	return *ret ? 0 : bh_reader_oom(r);
}

static int read_kv(struct bh_reader *r, const struct bh_field *f, const char *key,
		   struct json_object *json, struct bh_kv *ret)
{
	int e = read_key(r, f, key, &ret->key);

	if (e)
		return e;
	e = want_type(r, json, json_type_string, "is not a string");
	if (e)
		return e;
	ret->value = bh_arena_strndup(r->arena, json_object_get_string(json),
				      (size_t)json_object_get_string_len(json));
	return ret->value ? 0 : bh_reader_oom(r);
}

/* ---- objects ---------------------------------------------------------------------------- */

/* An object as a list of key and value: strings, or structs whose first member is the key. */
static int read_map(struct bh_reader *r, const struct bh_field *f, struct json_object *json,
		    void *member)
{
	size_t size = f->sub ? f->sub->size : sizeof(struct bh_kv);
	struct frame frame = { .up = r->at };
	char *element;
	void *v;
	int e;

	e = want_type(r, json, json_type_object, "is not an object");
	if (!e)
		e = new_list(r, (size_t)json_object_object_length(json), size, member, &v);
	if (e)
		return e;
	element = v;
	json_object_object_foreach (json, key, value) {
		frame.key = key;
		r->at = &frame;
		if (f->sub) {
			e = read_key(r, f, key, (const char **)element);
			e = e ? e : bh_reader_object(r, f->sub, value, element);
		} else {
			e = read_kv(r, f, key, value, (struct bh_kv *)element);
		}
		if (e)
			return e;
		r->at = frame.up;
		element += size;
	}
	return 0;
}

static int read_objects(struct bh_reader *r, const struct bh_field *f, struct json_object *json,
			void *member)
{
	struct frame frame = { .up = r->at };
	void *v;
	int e = open_list(r, f, json, f->sub->size, member, &v);

	for (size_t n = e ? 0 : json_object_array_length(json); frame.index < n; frame.index++) {
		r->at = &frame;
		e = bh_reader_object(r, f->sub, json_object_array_get_idx(json, frame.index),
				     (char *)v + frame.index * f->sub->size);
		if (e)
			return e;
		r->at = frame.up;
	}
	return e;
}

/* Numbers, and texts that stand for numbers. */
static int read_number(struct bh_reader *r, const struct bh_field *f, struct json_object *json,
		       void *member)
{
	uint64_t number = 0;
	int64_t value = 0;
	int e;

	if (f->names && f->kind == BH_KIND_U64)
		return read_bits(r, f, json, member);
	e = f->names ? read_name(r, f, json, &value) : read_integer(r, f, json, &number);
	if (e)
		return e;
	number |= (uint64_t)value;
	switch (f->kind) {
	case BH_KIND_CHAR:
		*(char *)member = (char)number;
		break;
	case BH_KIND_I32:
		*(int32_t *)member = (int32_t)number;
		break;
	case BH_KIND_U32:
		*(uint32_t *)member = (uint32_t)number;
		break;
	case BH_KIND_I64:
		*(int64_t *)member = (int64_t)number;
		break;
	case BH_KIND_U64:
		*(uint64_t *)member = number;
		break;
	case BH_KIND_OPT_U32:
		*(struct bh_opt_u32 *)member = (struct bh_opt_u32){ true, (uint32_t)number };
		break;
	case BH_KIND_OPT_I64:
		*(struct bh_opt_i64 *)member = (struct bh_opt_i64){ true, (int64_t)number };
		break;
	default:
		*(struct bh_opt_u64 *)member = (struct bh_opt_u64){ true, number };
		break;
	}
	return 0;
}

static int read_value(struct bh_reader *r, const struct bh_field *f, struct json_object *json,
		      void *member)
{
	struct bh_opt_bool *opt;

	switch (f->kind) {
	case BH_KIND_BOOL:
		return read_bool(r, json, member);
	case BH_KIND_OPT_BOOL:
		opt = member;
		opt->set = true;
		return read_bool(r, json, &opt->v);
	case BH_KIND_STRING:
		return read_string(r, f, json, member);
	case BH_KIND_STRV:
		return read_elements(r, f, json, sizeof(const char *), member);
	case BH_KIND_U32_LIST:
		return read_elements(r, f, json, sizeof(uint32_t), member);
	case BH_KIND_KV:
	case BH_KIND_MAP:
		return read_map(r, f, json, member);
	case BH_KIND_OBJECT:
		return bh_reader_object(r, f->sub, json, member);
	case BH_KIND_LIST:
		return read_objects(r, f, json, member);
	case BH_KIND_CUSTOM:
		return f->read(r, json, member);
	default:
		return read_number(r, f, json, member);
	}
}

/* Return: the number of the row named @key, or -1 */
static int find_field(const struct bh_schema *schema, const char *key)
{
	size_t len = strlen(key);

	for (int i = 0; i < schema->n_fields; i++)
		if (schema->fields[i].name_len == len && !memcmp(schema->fields[i].name, key, len))
			return i;
	return -1;
}

static int read_fields(struct bh_reader *r, const struct bh_schema *schema,
		       struct json_object *json, void *object, uint64_t *seen)
{
	struct frame frame = { .up = r->at };

	json_object_object_foreach (json, key, value) {
		int i = find_field(schema, key);
		int e = 0;

		if (!value || (i < 0 && !schema->closed))
			continue;
		frame.key = key;
		r->at = &frame;
		if (i < 0)
			return bh_reader_fail(r, here(r), "%s is not known here",
					      bh_reader_quote(r, key));
		e = read_value(r, &schema->fields[i], value,
			       (char *)object + schema->fields[i].offset);
		if (e)
			return e;
		r->at = frame.up;
		*seen |= 1ULL << i;
	}
	return 0;
}

int bh_reader_object(struct bh_reader *r, const struct bh_schema *schema, struct json_object *json,
		     void *object)
{
	uint64_t seen = 0;
	int e;

	e = want_type(r, json, json_type_object, "is not an object");
	e = e ? e : read_fields(r, schema, json, object, &seen);
	if (e)
		return e;
	for (int i = 0; i < schema->n_fields; i++)
		if (schema->fields[i].flags & BH_FIELD_REQUIRED && !(seen & 1ULL << i))
			return bh_reader_fail(r, bh_reader_at(r, "%s", schema->fields[i].name),
					      "required, but missing");
	if (schema->has_set)
		*(bool *)object = true;
	return schema->check ? schema->check(r, object) : 0;
}

int bh_schema_read(const struct bh_schema *schema, struct bh_arena *arena, const char *text,
		   size_t len, void *ret, struct bh_err *err)
{
	struct bh_reader reader = { .arena = arena, .err = err };
	struct json_object *tree;
	int r;

	r = bh_json_parse(text, len, &tree, err);
	if (r)
		return r;
	r = bh_reader_object(&reader, schema, tree, ret);
	json_object_put(tree);
	return r;
}

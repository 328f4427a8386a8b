/* SPDX-License-Identifier: Apache-2.0 */
/* The other way of base/schema.h: a struct as the document that its tables read. */
#include <string.h>

#include "base/json_writer.h"
#include "base/schema.h"

static void write_object(struct bh_json_writer *w, const char *key, const struct bh_schema *schema,
			 const void *object);

/* Lists of any element begin alike. */
typedef BH_LIST(char) any_list;

/* The name that stands for a value, or the number. */
static void write_number(struct bh_json_writer *w, const struct bh_field *f, int64_t value)
{
	const char *name = f->names ? bh_names_of(f->names, value) : NULL;

	if (name)
		bh_json_text(w, f->name, name);
	else
		bh_json_i64(w, f->name, value);
}

/* The names of the bits that are set. */
static void write_bits(struct bh_json_writer *w, const struct bh_field *f, uint64_t bits)
{
	if (!f->names) {
		bh_json_u64(w, f->name, bits);
		return;
	}
	bh_json_open(w, f->name, '[');
	for (size_t i = 0; i < f->names->n; i++)
		if (bits & (uint64_t)f->names->v[i].value)
			bh_json_text(w, NULL, f->names->v[i].name);
	bh_json_close(w, ']');
}

static void write_u32_list(struct bh_json_writer *w, const struct bh_field *f, const void *member)
{
	const BH_LIST(uint32_t) *list = member;

	if (!list->v)
		return;
	bh_json_open(w, f->name, '[');
	for (size_t i = 0; i < list->n; i++)
		bh_json_u64(w, NULL, list->v[i]);
	bh_json_close(w, ']');
}

static void write_list(struct bh_json_writer *w, const struct bh_field *f, const void *member)
{
	const any_list *list = member;

	if (!list->v)
		return;
	bh_json_open(w, f->name, '[');
	for (size_t i = 0; i < list->n; i++)
		write_object(w, NULL, f->sub, list->v + i * f->sub->size);
	bh_json_close(w, ']');
}

/* The key is the first member of the element. */
static void write_map(struct bh_json_writer *w, const struct bh_field *f, const void *member)
{
	const any_list *list = member;

	if (!list->v)
		return;
	bh_json_open(w, f->name, '{');
	for (size_t i = 0; i < list->n; i++) {
		const char *element = list->v + i * f->sub->size, *key;

		memcpy(&key, element, sizeof(key));
		write_object(w, key, f->sub, element);
	}
	bh_json_close(w, '}');
}

static void write_kv(struct bh_json_writer *w, const struct bh_field *f, const void *member)
{
	const bh_kv_list *list = member;

	if (!list->v)
		return;
	bh_json_open(w, f->name, '{');
	bh_for_each (kv, *list)
		bh_json_text(w, kv->key, kv->value);
	bh_json_close(w, '}');
}

static void write_strv(struct bh_json_writer *w, const struct bh_field *f, const void *member)
{
	const struct bh_strv *list = member;

	if (!list->v)
		return;
	bh_json_open(w, f->name, '[');
	for (size_t i = 0; i < list->n; i++)
		bh_json_text(w, NULL, list->v[i]);
	bh_json_close(w, ']');
}

static void write_char(struct bh_json_writer *w, const struct bh_field *f, char value)
{
	if (value)
		write_number(w, f, value);
}

/* Numbers that may be absent: only when they are not. */
#define WRITE_OPT(type, fn)                      \
	do {                                     \
		const type *opt_ = member;       \
		if (opt_->set)                   \
			fn(w, f->name, opt_->v); \
	} while (0)

static void write_field(struct bh_json_writer *w, const struct bh_field *f, const void *member)
{
	switch ((enum bh_kind)f->kind) {
	case BH_KIND_BOOL:
		bh_json_bool(w, f->name, *(const bool *)member);
		break;
	case BH_KIND_CHAR:
		write_char(w, f, *(const char *)member);
		break;
	case BH_KIND_I32:
		write_number(w, f, *(const int32_t *)member);
		break;
	case BH_KIND_U32:
		write_number(w, f, *(const uint32_t *)member);
		break;
	case BH_KIND_I64:
		write_number(w, f, *(const int64_t *)member);
		break;
	case BH_KIND_U64:
		write_bits(w, f, *(const uint64_t *)member);
		break;
	case BH_KIND_STRING:
		if (*(const char *const *)member)
			bh_json_text(w, f->name, *(const char *const *)member);
		break;
	case BH_KIND_OPT_BOOL:
		WRITE_OPT(struct bh_opt_bool, bh_json_bool);
		break;
	case BH_KIND_OPT_U32:
		WRITE_OPT(struct bh_opt_u32, bh_json_u64);
		break;
	case BH_KIND_OPT_I64:
		WRITE_OPT(struct bh_opt_i64, bh_json_i64);
		break;
	case BH_KIND_OPT_U64:
		WRITE_OPT(struct bh_opt_u64, bh_json_u64);
		break;
	case BH_KIND_STRV:
		write_strv(w, f, member);
		break;
	case BH_KIND_KV:
		write_kv(w, f, member);
		break;
	case BH_KIND_U32_LIST:
		write_u32_list(w, f, member);
		break;
	case BH_KIND_OBJECT:
		write_object(w, f->name, f->sub, member);
		break;
	case BH_KIND_LIST:
		write_list(w, f, member);
		break;
	case BH_KIND_MAP:
		write_map(w, f, member);
		break;
	case BH_KIND_CUSTOM:
		if (f->write)
			f->write(w, f->name, member);
		break;
	case BH_KIND_OTHER:
	case BH_KIND_MAX_:
		break;
	}
}

static void write_object(struct bh_json_writer *w, const char *key, const struct bh_schema *schema,
			 const void *object)
{
	if (schema->has_set && !*(const bool *)object)
		return;
	bh_json_open(w, key, '{');
	for (uint8_t i = 0; i < schema->n_fields; i++)
		write_field(w, &schema->fields[i], (const char *)object + schema->fields[i].offset);
	bh_json_close(w, '}');
}

void bh_schema_write(const struct bh_schema *schema, const void *object, struct bh_buf *out)
{
	struct bh_json_writer w = { .out = out };

	write_object(&w, NULL, schema, object);
}

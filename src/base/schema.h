/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Documents by table: a row a field says how it is called, where in which struct it goes, and what
 * is allowed. The kind of value that is wanted follows from the type of the struct's member, so a
 * row cannot contradict the struct.
 *
 *	static const struct bh_field root_fields[] = {
 *		BH_FIELD(struct bh_root, path, "path", .flags = BH_FIELD_REQUIRED),
 *		BH_FIELD(struct bh_root, readonly, "readonly"),
 *	};
 *	static const struct bh_schema root_schema = BH_SCHEMA(struct bh_root, root_fields);
 *
 * Rules for all documents: a field that no row names is ignored; null and an empty string count as
 * absent; a value of the wrong type, outside of its range or not among its names is an error whose
 * `where` is the JSON pointer and whose text starts with the value found.
 */
#ifndef BH_BASE_SCHEMA_H
#define BH_BASE_SCHEMA_H

#include "base/arena.h"
#include "base/err.h"
#include "base/names.h"
#include "base/value.h"

struct json_object;
struct bh_buf;
struct bh_json_writer;
struct bh_reader;
struct bh_schema;

enum bh_kind {
	BH_KIND_OTHER = 0, /* a member that needs a row of its own kind, see the macros below */
	BH_KIND_BOOL,
	BH_KIND_CHAR, /* needs names */
	BH_KIND_I32,  /* with names: the number that a string stands for */
	BH_KIND_U32,  /* same */
	BH_KIND_I64,
	BH_KIND_U64,    /* with names: the bits that a list of strings stands for */
	BH_KIND_STRING, /* with names: one of them */
	BH_KIND_OPT_BOOL,
	BH_KIND_OPT_U32,
	BH_KIND_OPT_I64,
	BH_KIND_OPT_U64,
	BH_KIND_STRV, /* strings; with names: all of them among these */
	BH_KIND_KV,   /* object with string values */
	BH_KIND_U32_LIST,
	BH_KIND_OBJECT, /* a struct inside the struct, read by sub */
	BH_KIND_LIST,   /* BH_LIST(struct ...), its elements read by sub */
	BH_KIND_MAP,    /* the same from an object: the first member of an element is its key */
	BH_KIND_CUSTOM, /* by read */
	BH_KIND_MAX_,
};

enum bh_field_flags {
	BH_FIELD_REQUIRED = 1, /* must be there and not be empty */
};

/* What a text must look like beyond being a string. */
struct bh_text_rule {
	bool (*ok)(const char *text);
	const char *complaint; /* follows the value: "is not an absolute path" */
};

struct bh_field {
	const char *name;
	uint8_t name_len;
	uint8_t kind;  /* enum bh_kind */
	uint8_t flags; /* enum bh_field_flags */
	uint16_t offset;
	int64_t min; /* both 0: what the member can hold */
	uint64_t max;
	const struct bh_names *names;
	const struct bh_text_rule *rule; /* of a string, of each of a list's, of a map's keys */
	const struct bh_schema *sub;
	/* The whole value at @object + offset; fails with bh_reader_fail(). */
	int (*read)(struct bh_reader *r, struct json_object *json, void *member);
	/* The same the other way, with @key; NULL = it is left out. */
	void (*write)(struct bh_json_writer *w, const char *key, const void *member);
};

struct bh_schema {
	const struct bh_field *fields;
	uint8_t n_fields; /* at most 64 */
	bool has_set;     /* the first member is `bool set`, and becomes true */
	bool closed;      /* a field that no row names is an error */
	uint16_t size;    /* of the struct, in bytes */
	/* Runs once the object was read, for what concerns more than one field. */
	int (*check)(struct bh_reader *r, void *object);
};

#define BH_KIND_OF_(type, member) \
	_Generic(((type *)0)->member,                                                              \
		bool: BH_KIND_BOOL,                                                                \
		char: BH_KIND_CHAR,                                                                \
		int32_t: BH_KIND_I32,                                                              \
		uint32_t: BH_KIND_U32,                                                             \
		int64_t: BH_KIND_I64,                                                              \
		uint64_t: BH_KIND_U64,                                                             \
		const char *: BH_KIND_STRING,                                                      \
		struct bh_opt_bool: BH_KIND_OPT_BOOL,                                              \
		struct bh_opt_u32: BH_KIND_OPT_U32,                                                \
		struct bh_opt_i64: BH_KIND_OPT_I64,                                                \
		struct bh_opt_u64: BH_KIND_OPT_U64,                                                \
		struct bh_strv: BH_KIND_STRV,                                                      \
		bh_kv_list: BH_KIND_KV,                                                            \
		default: BH_KIND_OTHER)

#define BH_ROW_(key, kind_, offset_, ...)                                                         \
	{                                                                                         \
		.name = (key), .name_len = sizeof(key) - 1, .kind = (kind_), .offset = (offset_), \
		__VA_ARGS__                                                                       \
	}

/* A row by the type of its member; the rest are designated initialisers of struct bh_field. */
#define BH_FIELD(type, member, key, ...) \
	BH_ROW_(key, BH_KIND_OF_(type, member), offsetof(type, member), __VA_ARGS__)
#define BH_FIELD_AS(kind, type, member, key, ...) \
	BH_ROW_(key, kind, offsetof(type, member), __VA_ARGS__)
/* An object whose fields are members of the same struct. */
#define BH_FIELD_INLINE(key, schema) BH_ROW_(key, BH_KIND_OBJECT, 0, .sub = (schema))

#define BH_SCHEMA(type, rows, ...)                                                       \
	{                                                                                \
		.fields = (rows), .n_fields = BH_ARRAY_SIZE(rows), .size = sizeof(type), \
		__VA_ARGS__                                                              \
	}

/**
 * bh_schema_read() - a document into a struct
 * @arena: receives everything that the struct points to
 * @text:  JSON, @len bytes; may go away afterwards
 * @ret:   the struct of @schema, zeroed by the caller
 *
 * Return: 0, or -EINVAL (BH_ERR_SPEC), -ENOMEM with @err; @ret is then not to be used
 */
int bh_schema_read(const struct bh_schema *schema, struct bh_arena *arena, const char *text,
		   size_t len, void *ret, struct bh_err *err) bh_must_check;

/** bh_schema_write() - a struct as the document from which it would be read, compact, appended to
 * @out. What is absent is left out */
void bh_schema_write(const struct bh_schema *schema, const void *object, struct bh_buf *out);

/* For checks and readers of fields: */

/** bh_reader_arena() - of the document */
struct bh_arena *bh_reader_arena(struct bh_reader *r);

/**
 * bh_reader_at() - the JSON pointer of a field
 * @fmt: the field below the object (in a check) or the value (in a reader) at hand, such as
 *       "rlimits/%zu/type"
 *
 * Return: the pointer, valid until the next call
 */
const char *bh_reader_at(struct bh_reader *r, const char *fmt, ...) bh_printf(2, 3);

/** bh_reader_quote() - @text as a short JSON string for a message. Return: valid until the next
 * call */
const char *bh_reader_quote(struct bh_reader *r, const char *text);

/** bh_reader_fail() - @where is wrong. Return: -EINVAL */
int bh_reader_fail(struct bh_reader *r, const char *where, const char *fmt, ...) bh_printf(3, 4);

/** bh_reader_oom() - Return: -ENOMEM */
int bh_reader_oom(struct bh_reader *r);

/** bh_reader_object() - @json into another struct than the member's own; for readers of fields */
int bh_reader_object(struct bh_reader *r, const struct bh_schema *schema, struct json_object *json,
		     void *ret) bh_must_check;

#endif

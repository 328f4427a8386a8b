/* SPDX-License-Identifier: Apache-2.0 */
#include "systemd/variant.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 8
#define SPACE     " \t\n"

struct parser {
	struct bh_arena *arena;
	const char *p;
	struct bh_err *err;
};

static const struct {
	const char *name;
	char type;
	int64_t min;
	uint64_t max;
} keywords[] = {
	{ "boolean", 'b', 0, 0 },
	{ "byte", 'y', 0, UINT8_MAX },
	{ "int16", 'n', INT16_MIN, INT16_MAX },
	{ "uint16", 'q', 0, UINT16_MAX },
	{ "int32", 'i', INT32_MIN, INT32_MAX },
	{ "uint32", 'u', 0, UINT32_MAX },
	{ "int64", 'x', INT64_MIN, INT64_MAX },
	{ "uint64", 't', 0, UINT64_MAX },
	{ "double", 'd', 0, 0 },
	{ "string", 's', 0, 0 },
	{ "objectpath", 'o', 0, 0 },
};

static int fail(struct parser *p, const char *what)
{
	return bh_err_as(p->err, BH_ERR_SPEC, -EINVAL, "%s at '%.20s'", what, p->p);
}

static void skip_space(struct parser *p)
{
	p->p += strspn(p->p, SPACE);
}

/* Takes @word when it is next and ends there. */
static bool take_word(struct parser *p, const char *word)
{
	size_t len = strlen(word);
	char end;

	if (strncmp(p->p, word, len) != 0)
		return false;
	end = p->p[len];
	if ((end >= 'a' && end <= 'z') || (end >= '0' && end <= '9') || end == '_')
		return false;
	p->p += len;
	return true;
}

/* The signature of one character, or "a" and it. */
static const char *signature(struct parser *p, const char *prefix, char type)
{
	return bh_arena_printf(p->arena, "%s%c", prefix, type);
}

/* Between quotes; a backslash takes the next character as it is, or makes it \n or \t. */
static int parse_string(struct parser *p, char type, struct bh_variant *ret)
{
	char quote = *p->p++;
	char *out = bh_arena_alloc(p->arena, strlen(p->p) + 1);

	ret->s = out;
	ret->signature = signature(p, "", type);
	if (!out || !ret->signature)
		return bh_err_oom(p->err);
	for (; *p->p && *p->p != quote; p->p++) {
		if (*p->p != '\\') {
			*out++ = *p->p;
			continue;
		}
		p->p++;
		if (!*p->p)
			break;
		*out++ = (char)(*p->p == 'n' ? '\n' : *p->p == 't' ? '\t' : *p->p);
	}
	if (*p->p != quote)
		return fail(p, "string without an end");
	p->p++;
	return 0;
}

static int parse_double(struct parser *p, struct bh_variant *ret)
{
	char *end;

	errno = 0;
	ret->d = strtod(p->p, &end);
	if (errno || end == p->p)
		return fail(p, "not a number");
	p->p = end;
	ret->signature = "d";
	return 0;
}

/* A whole number of type keywords[@k]. */
static int parse_integer(struct parser *p, size_t k, struct bh_variant *ret)
{
	bool negative = *p->p == '-';
	char *end;

	errno = 0;
	if (p->p[negative] < '0' || p->p[negative] > '9')
		return fail(p, "not a number");
	if (keywords[k].min < 0)
		ret->i = strtoll(p->p, &end, 0);
	else
		ret->u = strtoull(p->p, &end, 0);
	if (errno ||
	    (keywords[k].min < 0 ? ret->i < keywords[k].min || ret->i > (int64_t)keywords[k].max
				 : negative || ret->u > keywords[k].max))
		return fail(p, "number out of range");
	p->p = end;
	ret->signature = signature(p, "", keywords[k].type);
	return ret->signature ? 0 : bh_err_oom(p->err);
}

/* What starts with a digit or a sign, with no type before it. */
static int parse_number(struct parser *p, struct bh_variant *ret)
{
	size_t len = strspn(p->p, "+-0123456789.eExXabcdfABCDF"), k = 0;
	bool hex = len > 1 && (p->p[1] == 'x' || p->p[1] == 'X');

	if (!hex && strcspn(p->p, ".eE") < len)
		return parse_double(p, ret);
	while (keywords[k].type != 'i')
		k++;
	return parse_integer(p, k, ret);
}

static int parse_value(struct parser *p, char type, unsigned int depth, struct bh_variant *ret);

/* [a, b, …], all of one type; @type is that of the items, or 0. */
static int parse_array(struct parser *p, char type, unsigned int depth, struct bh_variant *ret)
{
	const char *item = NULL;
	size_t cap = 0;
	int e;

	p->p++;
	*ret = (struct bh_variant){ .signature = NULL };
	for (skip_space(p); *p->p != ']'; skip_space(p)) {
		struct bh_variant *next;

		if (ret->items.n && *p->p++ != ',')
			return fail(p, "',' expected");
		if (ret->items.n == cap) {
			cap = cap ? cap * 2 : 8;
			ret->items.v = bh_arena_grow(p->arena, ret->items.v, ret->items.n, cap,
						     sizeof(*ret->items.v));
			if (!ret->items.v)
				return bh_err_oom(p->err);
		}
		next = &ret->items.v[ret->items.n];
		skip_space(p);
		e = parse_value(p, type, depth + 1, next);
		if (e < 0)
			return e;
		if ((item && strcmp(item, next->signature) != 0) ||
		    (type && next->signature[0] != type))
			return fail(p, "items of different types");
		item = next->signature;
		ret->items.n++;
	}
	p->p++;
	if (!item && !type)
		return fail(p, "empty array without a type");
	ret->signature = item ? bh_arena_printf(p->arena, "a%s", item) : signature(p, "a", type);
	return ret->signature ? 0 : bh_err_oom(p->err);
}

/* A value of a named type: @k is its place in keywords[]. */
static int parse_typed(struct parser *p, size_t k, struct bh_variant *ret)
{
	skip_space(p);
	switch (keywords[k].type) {
	case 'b':
		ret->b = take_word(p, "true");
		ret->signature = "b";
		return ret->b || take_word(p, "false") ? 0 : fail(p, "true or false expected");
	case 'd':
		return parse_double(p, ret);
	case 's':
	case 'o':
		return *p->p == '\'' || *p->p == '"' ? parse_string(p, keywords[k].type, ret)
						     : fail(p, "string expected");
	default:
		return parse_integer(p, k, ret);
	}
}

/* "@TYPE value"; of arrays, those of simple types. */
static int parse_annotated(struct parser *p, unsigned int depth, struct bh_variant *ret)
{
	bool array = p->p[1] == 'a';
	char type = p->p[1 + array];

	for (size_t k = 0; k < BH_ARRAY_SIZE(keywords); k++) {
		if (keywords[k].type != type || !p->p[2 + array] || !strchr(SPACE, p->p[2 + array]))
			continue;
		p->p += 2 + array;
		skip_space(p);
		if (!array)
			return parse_typed(p, k, ret);
		return *p->p == '[' ? parse_array(p, type, depth, ret) : fail(p, "'[' expected");
	}
	return fail(p, "unknown type");
}

/* @type: what an item of an array must be, or 0. */
static int parse_value(struct parser *p, char type, unsigned int depth, struct bh_variant *ret)
{
	if (depth > DEPTH_MAX)
		return fail(p, "too deep");
	for (size_t k = 0; k < BH_ARRAY_SIZE(keywords); k++)
		if (take_word(p, keywords[k].name) || (type && keywords[k].type == type))
			return parse_typed(p, k, ret);
	switch (*p->p) {
	case '@':
		return parse_annotated(p, depth, ret);
	case '[':
		return parse_array(p, 0, depth, ret);
	case '\'':
	case '"':
		return parse_string(p, 's', ret);
	case 't':
	case 'f':
		return parse_typed(p, 0, ret);
	default:
		return parse_number(p, ret);
	}
}

int bh_variant_parse(struct bh_arena *arena, const char *text, struct bh_variant *ret,
		     struct bh_err *err)
{
	struct parser p = { .arena = arena, .p = text, .err = err };
	int e;

	skip_space(&p);
	e = parse_value(&p, 0, 0, ret);
	skip_space(&p);
	return e == 0 && *p.p ? fail(&p, "nothing more expected") : e;
}

int bh_variant_to_usec(struct bh_variant *value, struct bh_err *err)
{
	const uint64_t second = 1000000;
	uint64_t usec = 0;
	bool bad = false;

	if (strcmp(value->signature, "d") == 0) {
		bad = !(value->d >= 0 && value->d < (double)(UINT64_MAX / second));
		usec = bad ? 0 : (uint64_t)(value->d * (double)second);
	} else if (strchr("yqut", value->signature[0])) {
		bad = __builtin_mul_overflow(value->u, second, &usec);
	} else if (strchr("nix", value->signature[0])) {
		bad = value->i < 0 || __builtin_mul_overflow((uint64_t)value->i, second, &usec);
	} else {
		bad = true;
	}
	if (bad)
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL, "not a number of seconds");
	*value = (struct bh_variant){ .signature = "t", .u = usec };
	return 0;
}

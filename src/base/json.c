/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <json-c/json_object.h>
#include <json-c/json_tokener.h>

/* Where the scan is, and what it found wrong there. */
struct scan {
	const char *p, *end;
	const char *wrong;
	bool plain; /* ASCII so far */
};

/* What the scan stops at inside a string, and outside of one. */
enum { STOP_INSIDE = 1, STOP_OUTSIDE = 2 };
static const uint8_t stops[256] = {
	[1 ... 31] = STOP_INSIDE, /* must be escaped */
	['\0'] = STOP_INSIDE | STOP_OUTSIDE,
	['\\'] = STOP_INSIDE,
	['"'] = STOP_INSIDE | STOP_OUTSIDE,
	['0' ... '9'] = STOP_OUTSIDE,
	['\''] = STOP_OUTSIDE, /* json-c takes it for a quote */
	['N'] = STOP_OUTSIDE,  /* NaN */
	['I'] = STOP_OUTSIDE,  /* Infinity */
	[128 ... 255] = STOP_INSIDE | STOP_OUTSIDE,
};

static void skip_to_stop(struct scan *s, uint8_t where)
{
	while (s->p < s->end && !(stops[(unsigned char)*s->p] & where))
		s->p++;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static size_t skip_blanks(const char *text, size_t len, size_t at)
{
	while (at < len && strchr(" \t\n\r", text[at]))
		at++;
	return at;
}

static bool wrong(struct scan *s, const char *what)
{
	s->wrong = what;
	return false;
}

/* The string whose opening quote is at p - 1; leaves p behind the closing one. */
static bool scan_string(struct scan *s)
{
	for (skip_to_stop(s, STOP_INSIDE); s->p < s->end; skip_to_stop(s, STOP_INSIDE)) {
		char c = *s->p++;

		if (c == '"')
			return true;
		if ((unsigned char)c < ' ')
			return wrong(s, "control character in a string");
		if (c == '\\' && s->end - s->p >= 5 && !memcmp(s->p, "u0000", 5))
			return wrong(s, "NUL character in a string");
		if (c == '\\' && s->p < s->end)
			s->p++; /* what is escaped is no stop */
		s->plain &= (signed char)c >= 0;
	}
	return true;
}

/* Whether the @n digits at @digits are a number above @max, which has 19 or 20 digits. */
static bool is_above(const char *digits, size_t n, const char *max)
{
	return n > strlen(max) || (n == strlen(max) && memcmp(digits, max, n) > 0);
}

/* The number whose first digit is at p; leaves p behind its digits. */
static bool scan_digits(struct scan *s, bool negative, bool integer)
{
	const char *first = s->p;
	bool too_big;

	while (s->p < s->end && is_digit(*s->p))
		s->p++;
	if (s->p < s->end && (*s->p == '.' || *s->p == 'e' || *s->p == 'E'))
		integer = false;
	too_big = is_above(first, (size_t)(s->p - first),
			   negative ? "9223372036854775808" : "18446744073709551615");
	return integer && too_big ? wrong(s, "number that does not fit into 64 bits") : true;
}

/* What json-c would let pass. Everything else that is wrong is left for it to find. */
static bool scan_text(struct scan *s, const char *text)
{
	for (skip_to_stop(s, STOP_OUTSIDE); s->p < s->end; skip_to_stop(s, STOP_OUTSIDE)) {
		char before = s->p > text ? s->p[-1] : ' ';
		bool fraction = before == '.' || before == 'e' || before == 'E' || before == '+';

		if (is_digit(*s->p)) {
			if (!scan_digits(s, before == '-', !fraction))
				return false;
		} else if (*s->p++ != '"') {
			return wrong(s, "unexpected character");
		} else if (!scan_string(s)) {
			return false;
		}
	}
	return true;
}

static int fail_at(const char *text, size_t at, const char *what, struct bh_err *err)
{
	size_t line = 1, column = 1;

	for (size_t i = 0; i < at; i++) {
		column = text[i] == '\n' ? 1 : column + 1;
		line += text[i] == '\n';
	}
	return bh_err_as(err, BH_ERR_SPEC, -EINVAL, "not valid JSON: %s at line %zu, column %zu",
			 what, line, column);
}

static int tokenize(struct json_tokener *tok, const char *text, size_t len,
		    struct json_object **ret, struct bh_err *err)
{
	struct json_object *tree;
	size_t at = skip_blanks(text, len, 0);

	if (at < len && text[at] != '{')
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL, "the document is not a JSON object");
	tree = json_tokener_parse_ex(tok, text, (int)len);
	at = json_tokener_get_parse_end(tok);
	switch (json_tokener_get_error(tok)) {
	case json_tokener_success:
		break;
	case json_tokener_continue:
		return fail_at(text, at, "unexpected end of the document", err);
	default:
		return fail_at(text, at, json_tokener_error_desc(json_tokener_get_error(tok)), err);
	}
	/* json-c says it like this, with nothing or half a tree, when memory is gone. Text after
	 * the end is an error of its own. */
	if (!tree || skip_blanks(text, len, at) < len) {
		json_object_put(tree);
		return bh_err_oom(err);
	}
	*ret = tree;
	return 0;
}

int bh_json_parse(const char *text, size_t len, struct json_object **ret, struct bh_err *err)
{
	struct scan scan = { .p = text, .end = text + len, .plain = true };
	struct json_tokener *tok;
	int r;

	if (len > INT_MAX)
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL, "the document has %zu bytes", len);
	if (!scan_text(&scan, text))
		return fail_at(text, (size_t)(scan.p - text) - 1, scan.wrong, err);
	tok = json_tokener_new_ex(BH_JSON_DEPTH_MAX);
	if (!tok)
		return bh_err_oom(err);
	json_tokener_set_flags(tok,
			       JSON_TOKENER_STRICT | (scan.plain ? 0 : JSON_TOKENER_VALIDATE_UTF8));
	r = tokenize(tok, text, len, ret, err);
	json_tokener_free(tok);
	return r;
}

void bh_json_putp_(struct json_object **tree)
{
	json_object_put(*tree);
}

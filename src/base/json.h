/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON text that nobody vouches for, made a json-c tree. Stricter than json-c where its leniency
 * would let two readers of one document see two different things: no NUL in strings or keys (a C
 * string would end there), no integers that do not fit into 64 bits (json-c clamps them), nothing
 * after the document, no raw control characters, no single quotes, no NaN.
 *
 * Source: RFC 8259
 */
#ifndef BH_BASE_JSON_H
#define BH_BASE_JSON_H

#include <stddef.h>

#include "base/err.h"

struct json_object;

/* Levels of nesting that a document may have. The runtime-spec's own documents need eight. */
#define BH_JSON_DEPTH_MAX 64

/**
 * bh_json_parse() - one JSON object, and white space around it
 * @text: @len bytes, not necessarily NUL-terminated
 * @ret:  the tree; free with json_object_put()
 *
 * Twice the same key in an object: the last one counts.
 *
 * Return: 0, or -EINVAL (BH_ERR_SPEC, with line and column), -ENOMEM with @err
 */
int bh_json_parse(const char *text, size_t len, struct json_object **ret,
		  struct bh_err *err) bh_must_check;

void bh_json_putp_(struct json_object **tree);
#define bh_auto_json bh_cleanup(bh_json_putp_)

#endif

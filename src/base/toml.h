/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part of TOML that configuration of programs is written in: tables, and keys with one string,
 * number or boolean. Lists, dates, floating point numbers and strings of several lines are refused,
 * with the line that they are in.
 *
 * Source: toml.io, version 1.0
 */
#ifndef BH_BASE_TOML_H
#define BH_BASE_TOML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Bytes of a key, and of a string, each with its NUL. */
#define BH_TOML_TEXT_BYTES 4096

enum bh_toml_kind { BH_TOML_STRING = 0, BH_TOML_BOOL, BH_TOML_INT };

struct bh_toml_value {
	enum bh_toml_kind kind;
	const char *text; /* borrowed until the return */
	int64_t number;   /* also 0 or 1 of a boolean */
};

/** Called for each key: "key", in a table "table.key". Return: 0, or -errno with @err */
typedef int (*bh_toml_fn)(void *arg, const char *key, const struct bh_toml_value *value,
			  struct bh_err *err);

/** bh_toml_read() - a document, @len bytes. Return: 0; -EINVAL with @err naming the line; what @fn
 * returned, with the line as well */
int bh_toml_read(const char *text, size_t len, bh_toml_fn fn, void *arg,
		 struct bh_err *err) bh_must_check;

#endif

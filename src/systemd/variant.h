/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values in GVariant's text format, as the annotations org.systemd.property.NAME have them: true,
 * 5, 2.5, 'text', uint64 5, ['a', 'b'], @as []. Of the format that is what unit properties are made
 * of; dictionaries, variants in variants and tuples are refused.
 *
 * Source: GLib "GVariant text format"
 */
#ifndef BH_SYSTEMD_VARIANT_H
#define BH_SYSTEMD_VARIANT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"

struct bh_variant {
	const char *signature; /* of D-Bus: "t", "as" … */
	union {
		bool b;
		int64_t i;  /* signed types */
		uint64_t u; /* unsigned types */
		double d;
		const char *s;
		struct {
			struct bh_variant *v;
			size_t n;
		} items;
	};
};

/** bh_variant_parse() - one value, all of @text; strings and items in @arena
 * Return: 0, -EINVAL or -ENOMEM with @err */
int bh_variant_parse(struct bh_arena *arena, const char *text, struct bh_variant *ret,
		     struct bh_err *err) bh_must_check;

/** bh_variant_to_usec() - a number of seconds as microseconds of type "t". Return: 0 or -EINVAL */
int bh_variant_to_usec(struct bh_variant *value, struct bh_err *err) bh_must_check;

#endif

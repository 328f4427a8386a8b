/* SPDX-License-Identifier: Apache-2.0 */
/* Values of unit properties: what is taken has a signature that fits what it holds. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "systemd/variant.h"

#define CHECK(what)              \
	do {                     \
		if (!(what))     \
			abort(); \
	} while (0)

static void check(const struct bh_variant *v)
{
	CHECK(v->signature && strspn(v->signature, "a") < 10);
	if (v->signature[0] != 'a') {
		CHECK(strlen(v->signature) == 1 && strchr("bynqiuxtdso", v->signature[0]));
		CHECK(!strchr("so", v->signature[0]) || strlen(v->s) < SIZE_MAX);
		return;
	}
	for (size_t i = 0; i < v->items.n; i++) {
		CHECK(!strcmp(v->items.v[i].signature, v->signature + 1));
		check(&v->items.v[i]);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bh_auto_arena struct bh_arena arena = BH_ARENA_INIT;
	char *text = bh_arena_strndup(&arena, (const char *)data, size);
	struct bh_err err = BH_ERR_INIT;
	struct bh_variant v;

	if (!text)
		return 0;
	if (bh_variant_parse(&arena, text, &v, &err) < 0) {
		CHECK(err.code == -EINVAL && err.text[0]);
		return 0;
	}
	check(&v);
	if (bh_variant_to_usec(&v, &err) == 0)
		CHECK(!strcmp(v.signature, "t"));
	return 0;
}

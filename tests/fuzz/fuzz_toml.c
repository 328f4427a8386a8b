/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration: keys and strings are within their bounds, errors name a line. */
#include <stdlib.h>
#include <string.h>

#include "base/toml.h"
#include "fuzz.h"

#define CHECK(what)              \
	do {                     \
		if (!(what))     \
			abort(); \
	} while (0)

static int on_key(void *arg, const char *key, const struct bh_toml_value *value, struct bh_err *err)
{
	(void)arg;
	(void)err;
	CHECK(strlen(key) < BH_TOML_TEXT_BYTES);
	CHECK(strlen(value->text) < BH_TOML_TEXT_BYTES);
	CHECK(value->kind != BH_TOML_BOOL || value->number == 0 || value->number == 1);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bh_err err = BH_ERR_INIT;
	int r = bh_toml_read((const char *)data, size, on_key, NULL, &err);

	CHECK(r == 0 || (r == -EINVAL && strncmp(err.text, "line ", 5) == 0));
	return 0;
}

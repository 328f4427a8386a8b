/* SPDX-License-Identifier: Apache-2.0 */
/* YAML of strangers: trees are within their limits, however they are walked. */
#include <stdlib.h>
#include <string.h>

#include "base/yaml.h"
#include "fuzz.h"

#define CHECK(what)              \
	do {                     \
		if (!(what))     \
			abort(); \
	} while (0)

static uint32_t count(const struct bh_yaml *node, unsigned int depth)
{
	uint32_t n = 1;

	CHECK(depth <= BH_YAML_DEPTH_MAX);
	CHECK(node->line > 0 && node->column > 0);
	CHECK(node->kind == BH_YAML_SCALAR ? !node->first : !*node->text);
	bh_yaml_for_each (item, node) {
		CHECK((node->kind == BH_YAML_MAP) == (item->key != NULL));
		n += count(item, depth + 1);
	}
	return n;
}

static int on_document(void *arg, const struct bh_yaml *root, struct bh_err *err)
{
	(void)arg;
	(void)err;
	CHECK(!root || count(root, 0) == root->weight);
	CHECK(!root || root->weight <= BH_YAML_NODES_MAX);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bh_auto_arena struct bh_arena arena = BH_ARENA_INIT;
	struct bh_err err = BH_ERR_INIT;
	uint32_t line;
	int r = bh_yaml_read(&arena, (const char *)data, size, on_document, NULL, &line, &err);

	CHECK(r == 0 || r == -EINVAL || r == -E2BIG);
	CHECK((r == 0) == (line == 0));
	CHECK(r == 0 || *err.text);
	return 0;
}

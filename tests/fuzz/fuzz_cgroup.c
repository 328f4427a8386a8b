/* SPDX-License-Identifier: Apache-2.0 */
/* Resources documents as limits, device programs and unit properties: files stay in the group, and
 * programs end. */
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "linux/cgroup_internal.h"

#define CHECK(what)              \
	do {                     \
		if (!(what))     \
			abort(); \
	} while (0)

static void check_limits(struct bh_arena *arena, const struct bh_resources *r, bool v2)
{
	struct bh_err err = BH_ERR_INIT;
	struct bh_cg_limits limits;

	if (bh_cg_limits(arena, r, v2 ? ~0U : 0, v2, &limits, &err) < 0) {
		CHECK(err.text[0]);
		return;
	}
	for (size_t i = 0; i < limits.n; i++) {
		CHECK(limits.v[i].field && limits.v[i].value);
		CHECK(strchr(limits.v[i].file, '.') && !strchr(limits.v[i].file, '/'));
		CHECK(limits.v[i].file[0] != '.');
	}
}

static void check_devices(struct bh_arena *arena, const struct bh_resources *r)
{
	struct bh_err err = BH_ERR_INIT;
	struct bh_cg_devices set;
	struct bpf_insn *insn;
	size_t n;

	if (bh_cg_devices(arena, r, &set, &err) < 0) {
		CHECK(err.text[0]);
		return;
	}
	for (size_t i = 1; i < set.n; i++)
		CHECK(set.v[i - 1].type != set.v[i].type || set.v[i - 1].major != set.v[i].major ||
		      set.v[i - 1].minor != set.v[i].minor);
	insn = bh_cg_devices_program(arena, &set, &n);
	CHECK(insn && insn[n - 1].code == (BPF_JMP | BPF_EXIT));
	for (size_t i = 0; i < n; i++)
		if (BPF_CLASS(insn[i].code) == BPF_JMP32)
			CHECK(insn[i].off >= 0 && i + 1 + (size_t)insn[i].off < n);
}

static void check_properties(struct bh_arena *arena, const struct bh_resources *r)
{
	struct bh_cgroup_hierarchy pub = { .v2 = true, .name = "" };
	struct bh_cg_hier hier = { .dir = "/nowhere" };
	struct bh_cgroup cg = { .pub = &pub, .hier = &hier, .n = 1 };
	struct bh_err err = BH_ERR_INIT;
	struct bh_strv words = { .n = 0 };

	if (bh_cg_systemd_properties(arena, &cg, r, true, &words, &err) < 0) {
		CHECK(err.text[0]);
		return;
	}
	for (size_t i = 0; i < words.n; i++)
		CHECK(strlen(words.v[i]) < 512);
	CHECK(!words.v[words.n]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bh_auto_arena struct bh_arena arena = BH_ARENA_INIT;
	struct bh_resources resources;

	if (bh_spec_parse_resources(&arena, (const char *)data, size, &resources, NULL) < 0)
		return 0;
	check_limits(&arena, &resources, false);
	check_limits(&arena, &resources, true);
	check_devices(&arena, &resources);
	check_properties(&arena, &resources);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The seccomp object of a config.json: what is taken becomes a program that the kernel would take,
 * or an error that says where. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "linux/seccomp_internal.h"

#define CHECK(what)              \
	do {                     \
		if (!(what))     \
			abort(); \
	} while (0)

static void check_program(const struct bh_seccomp_filter *filter)
{
	CHECK(filter->n > 0 && filter->n <= BPF_MAXINSNS);
	CHECK(filter->insns[filter->n - 1].code == (BPF_RET | BPF_K));
	for (size_t i = 0; i < filter->n; i++) {
		const struct sock_filter *insn = &filter->insns[i];

		switch (insn->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			CHECK(insn->k % 4 == 0 && insn->k < 64);
			break;
		case BPF_ALU | BPF_AND | BPF_K:
		case BPF_RET | BPF_K:
			break;
		case BPF_JMP | BPF_JA:
			CHECK((uint64_t)i + 1 + insn->k < filter->n);
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
		case BPF_JMP | BPF_JGT | BPF_K:
		case BPF_JMP | BPF_JGE | BPF_K:
			CHECK(i + 1 + insn->jt < filter->n);
			CHECK(i + 1 + insn->jf < filter->n);
			break;
		default:
			abort();
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char before[] = "{\"ociVersion\":\"1.2.0\",\"root\":{\"path\":\"r\"},"
				     "\"linux\":{\"seccomp\":";
	struct bh_seccomp_filter filter = BH_SECCOMP_FILTER_INIT;
	bh_auto_arena struct bh_arena arena = BH_ARENA_INIT;
	bh_auto_buf struct bh_buf text = BH_BUF_INIT;
	struct bh_err err = BH_ERR_INIT;
	struct bh_spec spec;

	bh_buf_puts(&text, before);
	bh_buf_add(&text, data, size);
	bh_buf_puts(&text, "}}");
	if (text.failed || bh_spec_parse(&arena, text.data, text.len, &spec, &err) < 0 ||
	    !spec.linux_.seccomp.set)
		return 0;
	if (bh_seccomp_compile(&spec.linux_.seccomp, -1, &filter, &err) < 0)
		CHECK(err.code == -EINVAL && err.text[0] && err.where[0] == '/' && !filter.insns);
	else
		check_program(&filter);
	bh_seccomp_filter_deinit(&filter);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Cache files of compiled seccomp programs: no bytes are taken for a program that leaves itself,
 * and none but the key's own. The input is taken for a file first, then for the program of a file
 * that is right in all else, so that the sum does not keep the fuzzer out. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "linux/seccomp_internal.h"

#define CHECK(what)              \
	do {                     \
		if (!(what))     \
			abort(); \
	} while (0)

static const char key_text[] = "the key of the seeds";

static void check_program(const struct bh_seccomp_filter *filter)
{
	CHECK(filter->n > 0 && filter->n <= BPF_MAXINSNS);
	CHECK(BPF_CLASS(filter->insns[filter->n - 1].code) == BPF_RET);
	for (size_t i = 0; i < filter->n; i++) {
		const struct sock_filter *insn = &filter->insns[i];

		if (BPF_CLASS(insn->code) != BPF_JMP)
			continue;
		if (BPF_OP(insn->code) == BPF_JA) {
			CHECK((uint64_t)i + 1 + insn->k < filter->n);
			continue;
		}
		CHECK(i + 1 + insn->jt < filter->n);
		CHECK(i + 1 + insn->jf < filter->n);
	}
}

static void decode(const void *data, size_t size, const struct bh_buf *key)
{
	struct bh_seccomp_filter filter = BH_SECCOMP_FILTER_INIT;
	int r = bh_seccomp_cache_decode(data, size, key, &filter);

	if (r == 0)
		check_program(&filter);
	else
		CHECK(r == -EBADMSG && !filter.insns && filter.n == 0);
	bh_seccomp_filter_deinit(&filter);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bh_seccomp_filter filter = { .n = (uint16_t)(size / sizeof(*filter.insns)) };
	bh_auto_buf struct bh_buf key = BH_BUF_INIT, other = BH_BUF_INIT, file = BH_BUF_INIT;

	if (size > BPF_MAXINSNS * sizeof(*filter.insns))
		return 0;
	bh_buf_puts(&key, key_text);
	decode(data, size, &key);
	filter.insns = malloc(size + 1);
	if (!filter.insns)
		return 0;
	memcpy(filter.insns, data, size);
	bh_seccomp_cache_encode(&key, &filter, &file);
	free(filter.insns);
	if (file.failed)
		return 0;
	decode(file.data, file.len, &key);
	bh_buf_puts(&other, "the key of the SEEDS");
	filter = BH_SECCOMP_FILTER_INIT;
	CHECK(bh_seccomp_cache_decode(file.data, file.len, &other, &filter) < 0);
	return 0;
}

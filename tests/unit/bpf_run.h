/* SPDX-License-Identifier: Apache-2.0 */
/* A machine for classic BPF as seccomp(2) allows it, to ask a filter what it would answer. */
#ifndef BH_TESTS_BPF_RUN_H
#define BH_TESTS_BPF_RUN_H

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Aborts on anything that the kernel would refuse: an unknown instruction, a jump or load outside.
 */
static inline uint32_t bpf_run(const struct sock_filter *insns, size_t n,
			       const struct seccomp_data *data)
{
	uint32_t a = 0;

	for (size_t i = 0; i < n; i++) {
		const struct sock_filter *insn = &insns[i];
		bool yes = false;

		switch (insn->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			if (insn->k % 4 || insn->k >= sizeof(*data))
				abort();
			memcpy(&a, (const char *)data + insn->k, sizeof(a));
			continue;
		case BPF_ALU | BPF_AND | BPF_K:
			a &= insn->k;
			continue;
		case BPF_RET | BPF_K:
			return insn->k;
		case BPF_JMP | BPF_JA:
			i += insn->k;
			continue;
		case BPF_JMP | BPF_JEQ | BPF_K:
			yes = a == insn->k;
			break;
		case BPF_JMP | BPF_JGT | BPF_K:
			yes = a > insn->k;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			yes = a >= insn->k;
			break;
		case BPF_JMP | BPF_JSET | BPF_K:
			yes = a & insn->k;
			break;
		default:
			abort();
		}
		i += yes ? insn->jt : insn->jf;
	}
	abort();
}

#endif

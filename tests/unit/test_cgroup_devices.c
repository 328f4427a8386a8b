/* SPDX-License-Identifier: Apache-2.0 */
/* Device rules: the set they come to, and the program made of it, run here instruction by
 * instruction. */
#include <linux/bpf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "linux/cgroup_internal.h"

#define ANY                  \
	{                    \
		.set = false \
	}
#define NUM(x)                        \
	{                             \
		.set = true, .v = (x) \
	}
#define RULES(...)                                                         \
	(struct bh_resources)                                              \
	{                                                                  \
		.devices = {                                               \
			(struct bh_device_rule[]){ __VA_ARGS__ },          \
			sizeof((struct bh_device_rule[]){ __VA_ARGS__ }) / \
				sizeof(struct bh_device_rule)              \
		}                                                          \
	}

/* The few instructions that the generator uses. */
static uint32_t run(const struct bpf_insn *insn, size_t n, const struct bpf_cgroup_dev_ctx *ctx)
{
	uint32_t reg[11] = { 0 };

	for (size_t pc = 0; pc < n; pc++) {
		const struct bpf_insn *i = &insn[pc];
		uint32_t *dst = &reg[i->dst_reg], src = reg[i->src_reg];
		bool jump = false;

		switch (i->code) {
		case BPF_LDX | BPF_MEM | BPF_W:
			/* The verifier refuses a load from what is no longer the context. */
			assert_int_equal(i->src_reg, BPF_REG_1);
			memcpy(dst, (const char *)ctx + i->off, sizeof(*dst));
			break;
		case BPF_ALU | BPF_MOV | BPF_X:
			*dst = src;
			break;
		case BPF_ALU | BPF_MOV | BPF_K:
			*dst = (uint32_t)i->imm;
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			*dst &= (uint32_t)i->imm;
			break;
		case BPF_ALU | BPF_RSH | BPF_K:
			*dst >>= i->imm;
			break;
		case BPF_JMP32 | BPF_JNE | BPF_K:
			jump = *dst != (uint32_t)i->imm;
			break;
		case BPF_JMP32 | BPF_JEQ | BPF_K:
			jump = *dst == (uint32_t)i->imm;
			break;
		case BPF_JMP32 | BPF_JNE | BPF_X:
			jump = *dst != src;
			break;
		case BPF_JMP | BPF_EXIT:
			return reg[0];
		default:
			fail_msg("unknown instruction %#x", i->code);
		}
		if (jump)
			pc += (size_t)i->off;
	}
	fail_msg("ran off the end");
	return 0;
}

/* Whether @access to a device is allowed by @r. */
static bool allowed(const struct bh_resources *r, char type, uint32_t major, uint32_t minor,
		    const char *access)
{
	struct bpf_cgroup_dev_ctx ctx = { .major = major, .minor = minor };
	bh_auto_arena struct bh_arena arena = BH_ARENA_INIT;
	uint32_t bits = (strchr(access, 'r') ? BPF_DEVCG_ACC_READ : 0) |
			(strchr(access, 'w') ? BPF_DEVCG_ACC_WRITE : 0) |
			(strchr(access, 'm') ? BPF_DEVCG_ACC_MKNOD : 0);
	struct bh_cg_devices set;
	struct bpf_insn *insn;
	size_t n;

	ctx.access_type = bits << 16 | (type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR);
	assert_int_equal(bh_cg_devices(&arena, r, &set, NULL), 0);
	insn = bh_cg_devices_program(&arena, &set, &n);
	assert_non_null(insn);
	return run(insn, n, &ctx);
}

static void without_rules_the_defaults_are_all(void **state)
{
	struct bh_resources r = { .set = true };

	(void)state;
	assert_true(allowed(&r, 'c', 1, 3, "rw"));
	assert_true(allowed(&r, 'c', 136, 77, "rw"));
	assert_true(allowed(&r, 'b', 8, 0, "m"));
	assert_false(allowed(&r, 'b', 8, 0, "r"));
	assert_false(allowed(&r, 'b', 1, 3, "rw"));
	assert_false(allowed(&r, 'c', 1, 1, "rm"));
}

static void rules_add_up_in_their_order(void **state)
{
	struct bh_resources r = RULES(
		{ true, 'c', NUM(9), NUM(9), "rwm" }, { false, 'a', ANY, ANY, "rwm" },
		{ true, 'b', NUM(8), ANY, "r" }, { true, 'b', NUM(8), ANY, "w" },
		{ true, 'c', NUM(4000000000), NUM(5), NULL }, { true, 'c', NUM(4), NUM(5), "rw" },
		{ false, 'c', NUM(4), NUM(5), "w" }, { true, 'c', NUM(4), NUM(6), "a" });

	(void)state;
	assert_false(allowed(&r, 'c', 9, 9, "r"));
	assert_true(allowed(&r, 'b', 8, 3, "rw"));
	assert_true(allowed(&r, 'c', 4000000000U, 5, "rwm"));
	assert_true(allowed(&r, 'c', 4, 5, "r"));
	assert_false(allowed(&r, 'c', 4, 5, "rw"));
	assert_true(allowed(&r, 'c', 4, 6, "rwm"));
}

static void with_all_allowed_some_can_be_denied(void **state)
{
	struct bh_resources r =
		RULES({ true, 'a', ANY, ANY, "rwm" }, { false, 'b', NUM(8), NUM(1), "w" });

	(void)state;
	assert_true(allowed(&r, 'c', 1, 1, "rwm"));
	assert_true(allowed(&r, 'b', 8, 1, "r"));
	assert_false(allowed(&r, 'b', 8, 1, "rw"));
	assert_true(allowed(&r, 'b', 8, 2, "rw"));
}

static void a_hole_in_a_wider_rule_is_refused(void **state)
{
	struct bh_resources r =
		RULES({ true, 'c', NUM(4), ANY, "rw" }, { false, 'c', NUM(4), NUM(5), "w" });
	bh_auto_arena struct bh_arena arena = BH_ARENA_INIT;
	struct bh_err err = BH_ERR_INIT;
	struct bh_cg_devices set;

	(void)state;
	assert_int_equal(bh_cg_devices(&arena, &r, &set, &err), -EINVAL);
	assert_string_equal(err.text,
			    "rule 'c 4:5 w' cannot punch a hole in the wider rule 'c 4:* rw'");
	assert_string_equal(err.where, "/linux/resources/devices");
}

static void numbers_out_of_range_are_refused(void **state)
{
	struct bh_resources cases[] = {
		RULES({ true, 'c', NUM(-2), ANY, "r" }),
		RULES({ true, 'c', NUM(4294967296), ANY, "r" }),
		RULES({ true, 'c', ANY, NUM(4294967296), "r" }),
		RULES({ true, 'c', ANY, ANY, "" }),
	};
	bh_auto_arena struct bh_arena arena = BH_ARENA_INIT;
	struct bh_cg_devices set;

	(void)state;
	for (size_t i = 0; i < BH_ARRAY_SIZE(cases); i++)
		assert_int_equal(bh_cg_devices(&arena, &cases[i], &set, NULL), -EINVAL);
}

static void devices_in_the_controllers_words(void **state)
{
	const struct bh_cg_device any = { 'b', BH_CG_DEV_ANY, 7, BH_CG_DEV_MKNOD };
	char text[BH_CG_DEVICE_BYTES];

	(void)state;
	assert_string_equal(bh_cg_device_text(&any, text), "b *:7 m");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_rules_the_defaults_are_all),
		cmocka_unit_test(rules_add_up_in_their_order),
		cmocka_unit_test(with_all_allowed_some_can_be_denied),
		cmocka_unit_test(a_hole_in_a_wider_rule_is_refused),
		cmocka_unit_test(numbers_out_of_range_are_refused),
		cmocka_unit_test(devices_in_the_controllers_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What our generator makes of profiles drawn at random (from fixed seeds), compared with what
 * libseccomp's makes of them, for every system call number, and with the plain meaning of their
 * conditions. x86-64, where there are three architectures to compare.
 *
 * libseccomp is asked about one rule with conditions a name at the most: 2.5.4 forgets to load the
 * upper half of an argument again where two rules order the same one (rules "less than" and
 * "greater or equal" on one argument show it), and allows or denies what it should not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <linux/audit.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "bpf_run.h"
#include "linux/seccomp_internal.h"

#ifdef __x86_64__

#define X32_BIT   0x40000000u
#define NAMES_MAX 600
#define RULES_MAX 120
#define ARGS_MAX  4
#define FEW_NAMES 40
#define NUMBERS   600           /* more than any architecture has */
#define LAST_NAME "futex_waitv" /* in each profile, so that the largest number is known: */
#define LAST      449u

/* ---- chance ---------------------------------------------------------------------------------- */

static uint64_t chance_state;

static uint32_t chance(uint32_t below) /* xorshift64*, the same everywhere */
{
	chance_state ^= chance_state >> 12;
	chance_state ^= chance_state << 25;
	chance_state ^= chance_state >> 27;
	return (uint32_t)((chance_state * UINT64_C(0x2545f4914f6cdd1d)) >> 32) % below;
}

static uint64_t chance_value(void)
{
	static const uint64_t values[] = {
		0,           1,
		2,           5,
		0x7fffffff,  0x80000000,
		0xfffffffe,  0xffffffff,
		0x100000000, 0x100000001,
		0x7e020000,  0x100000005,
		UINT64_MAX,  0x8000000000000000u,
	};

	return values[chance(BH_ARRAY_SIZE(values))];
}

/* ---- names ----------------------------------------------------------------------------------- */

static const char *names[NAMES_MAX], *plain_names[NAMES_MAX]; /* plain: not multiplexed */
static size_t n_names, n_plain_names;
static const uint32_t tokens[] = { SCMP_ARCH_X86_64, SCMP_ARCH_X86, SCMP_ARCH_X32 };

/* i386 hides the arguments of these from filters; what libseccomp does about it is not what we do.
 */
static bool is_multiplexed(const char *name)
{
	int number = seccomp_syscall_resolve_name_arch(SCMP_ARCH_X86, name);

	return (number <= -100 && number > -300) || strcmp(name, "socketcall") == 0 ||
	       strcmp(name, "ipc") == 0;
}

static int find_names(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		for (int number = 0; number < (int)LAST && n_names < NAMES_MAX; number++) {
			char *name = seccomp_syscall_resolve_num_arch(tokens[i], number);

			/* The second time only what the first has not. */
			if (name &&
			    (i == 0 || seccomp_syscall_resolve_name_arch(tokens[0], name) < 0))
				names[n_names++] = name;
			else
				free(name);
		}
	}
	for (size_t i = 0; i < n_names; i++) {
		if (!is_multiplexed(names[i]))
			plain_names[n_plain_names++] = names[i];
	}
	return n_plain_names > 2 * RULES_MAX ? 0 : -1;
}

static int free_names(void **state)
{
	(void)state;
	for (size_t i = 0; i < n_names; i++)
		free((char *)(uintptr_t)names[i]);
	return 0;
}

/* ---- profiles -------------------------------------------------------------------------------- */

struct profile {
	struct bh_seccomp spec;
	struct bh_seccomp_rule rules[RULES_MAX];
	struct bh_seccomp_arg args[RULES_MAX][ARGS_MAX];
	const char *rule_names[RULES_MAX][NAMES_MAX];
	const char *archs[3];
};

static const struct {
	const char *name;
	uint32_t errno_ret, value;
} action_choice[] = {
	{ "SCMP_ACT_ALLOW", 0, SCMP_ACT_ALLOW },
	{ "SCMP_ACT_ERRNO", 1, SCMP_ACT_ERRNO(1) },
	{ "SCMP_ACT_ERRNO", 38, SCMP_ACT_ERRNO(38) },
	{ "SCMP_ACT_KILL_PROCESS", 0, SCMP_ACT_KILL_PROCESS },
	{ "SCMP_ACT_LOG", 0, SCMP_ACT_LOG },
	{ "SCMP_ACT_TRACE", 7, SCMP_ACT_TRACE(7) },
	{ "SCMP_ACT_TRAP", 0, SCMP_ACT_TRAP },
};

/* The action of a name's rules with conditions is always the same: which of two that both match
 * counts is nobody's promise. */
static uint32_t action_of(const char *name)
{
	uint32_t sum = 0;

	for (const char *p = name; *p; p++)
		sum = sum * 31 + (uint8_t)*p;
	return sum % BH_ARRAY_SIZE(action_choice);
}

static void set_action(struct bh_seccomp_rule *rule, uint32_t choice)
{
	rule->action = action_choice[choice].name;
	rule->errno_ret = (struct bh_opt_u32){ .set = action_choice[choice].errno_ret != 0,
					       .v = action_choice[choice].errno_ret };
}

/* @p: dense or sparse lists of names without conditions */
static void draw_plain_rule(struct profile *p, size_t i, uint32_t density)
{
	struct bh_seccomp_rule *rule = &p->rules[i];

	set_action(rule, chance(BH_ARRAY_SIZE(action_choice)));
	rule->names.v = p->rule_names[i];
	for (size_t k = 0; k < n_names; k++) {
		if (chance(100) < density)
			rule->names.v[rule->names.n++] = names[k];
	}
}

/* @alone: the only one of its name, else many meet in few names */
static void draw_conditional_rule(struct profile *p, size_t i, bool alone)
{
	struct bh_seccomp_rule *rule = &p->rules[i];
	const char *name = plain_names[alone ? 2 * i + chance(2) : chance(FEW_NAMES)];
	uint32_t first = chance(6), n = 1 + chance(3);

	set_action(rule, action_of(name));
	rule->names.v = p->rule_names[i];
	rule->names.v[rule->names.n++] = name;
	rule->args.v = p->args[i];
	for (uint32_t k = 0; k < n; k++) {
		bool again = !alone && k > 0 && chance(8) == 0;

		rule->args.v[rule->args.n++] = (struct bh_seccomp_arg){
			.index = again ? first : (first + k) % 6,
			.op = chance(BH_SECCOMP_OP_MAX_),
			.value = chance_value(),
			.value_two = chance_value(),
		};
		/* A mask of nothing makes libseccomp forget that there is a condition. */
		if (rule->args.v[k].op == BH_SECCOMP_MASKED_EQ)
			rule->args.v[k].value |= UINT64_C(0x100000001);
	}
}

static void draw_profile(struct profile *p, uint64_t seed, bool alone)
{
	static const char *const arch_names[] = { "SCMP_ARCH_X86_64", "SCMP_ARCH_X86",
						  "SCMP_ARCH_X32" };
	size_t n_plain, n;
	uint32_t choice;

	*p = (struct profile){ .spec.set = true };
	chance_state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	for (int i = 0; i < 20; i++)
		chance(2);
	choice = chance(BH_ARRAY_SIZE(action_choice));
	p->spec.default_action = action_choice[choice].name;
	p->spec.default_errno_ret.set = action_choice[choice].errno_ret != 0;
	p->spec.default_errno_ret.v = action_choice[choice].errno_ret;
	p->spec.architectures.v = p->archs;
	for (size_t i = 0; i < 3; i++) {
		if (chance(3) > 0)
			p->archs[p->spec.architectures.n++] = arch_names[i];
	}
	p->spec.syscalls.v = p->rules;
	n_plain = 1 + chance(4);
	n = n_plain + chance(RULES_MAX - 8);
	for (size_t i = 0; i < n; i++) {
		if (i < n_plain)
			draw_plain_rule(p, i, chance(2) ? 5 : 90);
		else
			draw_conditional_rule(p, i, alone);
	}
	/* Rules without conditions do not always come first. */
	for (size_t i = 0; i < n_plain; i++) {
		size_t k = chance((uint32_t)n);
		struct bh_seccomp_rule other = p->rules[k];

		p->rules[k] = p->rules[i];
		p->rules[i] = other;
	}
	p->rules[n] = (struct bh_seccomp_rule){ .action = p->spec.default_action,
						.errno_ret = p->spec.default_errno_ret };
	p->rules[n].names.v = p->rule_names[n];
	p->rules[n].names.v[p->rules[n].names.n++] = LAST_NAME;
	p->spec.syscalls.n = n + 1;
}

/* ---- libseccomp ------------------------------------------------------------------------------ */

static uint32_t action_value(const char *name, const struct bh_opt_u32 *errno_ret)
{
	for (size_t i = 0; i < BH_ARRAY_SIZE(action_choice); i++) {
		if (strcmp(action_choice[i].name, name) == 0 &&
		    action_choice[i].errno_ret == (errno_ret->set ? errno_ret->v : 0))
			return action_choice[i].value;
	}
	abort();
}

static void oracle_add(scmp_filter_ctx context, uint32_t action, const char *name,
		       const struct scmp_arg_cmp *args, unsigned int n)
{
	int number = seccomp_syscall_resolve_name(name);
	int r = seccomp_rule_add_array(context, action, number, n, args);

	assert_true(r == 0 || r == -EEXIST);
}

static void oracle_rule(scmp_filter_ctx context, const struct bh_seccomp_rule *rule,
			uint32_t action)
{
	static const enum scmp_compare ops[] = {
		[BH_SECCOMP_NE] = SCMP_CMP_NE,
		[BH_SECCOMP_LT] = SCMP_CMP_LT,
		[BH_SECCOMP_LE] = SCMP_CMP_LE,
		[BH_SECCOMP_EQ] = SCMP_CMP_EQ,
		[BH_SECCOMP_GE] = SCMP_CMP_GE,
		[BH_SECCOMP_GT] = SCMP_CMP_GT,
		[BH_SECCOMP_MASKED_EQ] = SCMP_CMP_MASKED_EQ,
	};
	struct scmp_arg_cmp args[ARGS_MAX];
	unsigned int seen = 0;
	bool twice = false;

	for (size_t i = 0; i < rule->args.n; i++) {
		const struct bh_seccomp_arg *arg = &rule->args.v[i];

		args[i] = (struct scmp_arg_cmp){ .arg = arg->index,
						 .op = ops[arg->op],
						 .datum_a = arg->value,
						 .datum_b = arg->value_two };
		twice = twice || (seen & (1u << arg->index));
		seen |= 1u << arg->index;
	}
	for (size_t i = 0; i < rule->names.n; i++) {
		for (size_t k = 0; twice && k < rule->args.n; k++)
			oracle_add(context, action, rule->names.v[i], &args[k], 1);
		if (!twice)
			oracle_add(context, action, rule->names.v[i], args,
				   (unsigned int)rule->args.n);
	}
}

/* runc's way of giving a profile to libseccomp, without its stub for newer calls. */
static struct sock_filter *oracle_build(const struct bh_seccomp *spec, size_t *ret_n)
{
	uint32_t default_action = action_value(spec->default_action, &spec->default_errno_ret);
	scmp_filter_ctx context = seccomp_init(default_action);
	int fd = memfd_create("oracle", MFD_CLOEXEC);
	struct sock_filter *insns;
	off_t size;

	assert_non_null(context);
	assert_true(fd >= 0);
	for (size_t i = 0; i < spec->architectures.n; i++) {
		const struct bh_seccomp_arch *arch = bh_seccomp_arch_here(spec->architectures.v[i]);
		int r = seccomp_arch_add(context, arch->token);

		assert_true(r == 0 || r == -EEXIST);
	}
	for (size_t i = 0; i < spec->syscalls.n; i++) {
		const struct bh_seccomp_rule *rule = &spec->syscalls.v[i];
		uint32_t action = action_value(rule->action, &rule->errno_ret);

		if (action != default_action)
			oracle_rule(context, rule, action);
	}
	assert_int_equal(seccomp_export_bpf(context, fd), 0);
	seccomp_release(context);
	size = lseek(fd, 0, SEEK_END);
	insns = malloc((size_t)size);
	assert_non_null(insns);
	assert_int_equal(pread(fd, insns, (size_t)size, 0), size);
	close(fd);
	*ret_n = (size_t)size / sizeof(*insns);
	return insns;
}

/* ---- comparison ------------------------------------------------------------------------------ */

struct pair {
	const struct profile *profile;
	struct bh_seccomp_filter ours;
	struct sock_filter *oracle;
	size_t oracle_n;
	uint64_t seed;
	uint32_t x32_last; /* its numbers go on behind those that all have: 512 to 547 */
};

static bool has_arch(const struct bh_seccomp *spec, const char *name)
{
	for (size_t i = 0; i < spec->architectures.n; i++) {
		if (strcmp(spec->architectures.v[i], name) == 0)
			return true;
	}
	return strcmp(name, "SCMP_ARCH_X86_64") == 0;
}

/* Whether the number is beyond those that the profile names, on an architecture that it is for. */
static bool is_newer(const struct pair *pair, const struct seccomp_data *data)
{
	const struct bh_seccomp *spec = &pair->profile->spec;
	uint32_t number = (uint32_t)data->nr;

	if (data->arch == AUDIT_ARCH_I386)
		return has_arch(spec, "SCMP_ARCH_X86") && number > LAST;
	if (data->arch != AUDIT_ARCH_X86_64)
		return false;
	if (number >= X32_BIT && has_arch(spec, "SCMP_ARCH_X32"))
		return number > pair->x32_last;
	return number == UINT32_MAX || (number < X32_BIT && number > LAST);
}

static bool answers_newer(const struct bh_seccomp *spec)
{
	const char *action = spec->default_action;

	return strcmp(action, "SCMP_ACT_ALLOW") == 0 || strcmp(action, "SCMP_ACT_LOG") == 0 ||
	       strcmp(action, "SCMP_ACT_TRACE") == 0;
}

static void compare_one(const struct pair *pair, const struct seccomp_data *data)
{
	const struct bh_seccomp *spec = &pair->profile->spec;
	uint32_t ours = bpf_run(pair->ours.insns, pair->ours.n, data);
	uint32_t expected = bpf_run(pair->oracle, pair->oracle_n, data);

	if (is_newer(pair, data))
		expected = answers_newer(spec)
				   ? action_value(spec->default_action, &spec->default_errno_ret)
				   : SECCOMP_RET_ERRNO | 38;
	if (ours != expected)
		fail_msg("seed %llu, arch %#x, number %#x, arguments %#llx %#llx %#llx %#llx %#llx "
			 "%#llx: ours %#x, expected %#x",
			 (unsigned long long)pair->seed, data->arch, data->nr,
			 (unsigned long long)data->args[0], (unsigned long long)data->args[1],
			 (unsigned long long)data->args[2], (unsigned long long)data->args[3],
			 (unsigned long long)data->args[4], (unsigned long long)data->args[5], ours,
			 expected);
}

static void compare_number(const struct pair *pair, uint32_t arch, uint32_t number, int samples)
{
	struct seccomp_data data = { .arch = arch, .nr = (int)number };

	for (int i = 0; i < samples; i++) {
		for (size_t k = 0; k < 6; k++)
			data.args[k] = chance_value() + (chance(6) == 0 ? chance(3) - 1 : 0);
		compare_one(pair, &data);
	}
}

static void compare_all(const struct pair *pair)
{
	static const uint32_t archs[] = { AUDIT_ARCH_X86_64, AUDIT_ARCH_I386, AUDIT_ARCH_ARM };
	static const uint32_t edges[] = { 1000000, X32_BIT - 1, UINT32_MAX };

	for (size_t i = 0; i < BH_ARRAY_SIZE(archs); i++) {
		for (uint32_t number = 0; number < NUMBERS; number++)
			compare_number(pair, archs[i], number, 2);
		for (size_t k = 0; k < BH_ARRAY_SIZE(edges); k++)
			compare_number(pair, archs[i], edges[k], 1);
	}
	for (uint32_t number = 0; number < NUMBERS; number++)
		compare_number(pair, AUDIT_ARCH_X86_64, X32_BIT | number, 2);
	/* Deeper where there are conditions. */
	for (size_t i = 0; i < pair->profile->spec.syscalls.n; i++) {
		const struct bh_seccomp_rule *rule = &pair->profile->rules[i];

		if (rule->args.n == 0)
			continue;
		for (size_t k = 0; k < BH_ARRAY_SIZE(tokens); k++) {
			int number = seccomp_syscall_resolve_name_arch(tokens[k], rule->names.v[0]);

			if (number >= 0)
				compare_number(pair, k == 1 ? AUDIT_ARCH_I386 : AUDIT_ARCH_X86_64,
					       (uint32_t)number, 300);
		}
	}
}

static uint32_t find_x32_last(const struct bh_seccomp *spec)
{
	int last = 0;

	for (size_t i = 0; i < spec->syscalls.n; i++) {
		for (size_t k = 0; k < spec->syscalls.v[i].names.n; k++) {
			int number = seccomp_syscall_resolve_name_arch(
				SCMP_ARCH_X32, spec->syscalls.v[i].names.v[k]);

			last = number > last ? number : last;
		}
	}
	return (uint32_t)last;
}

static void same_answers_as_libseccomp(void **state)
{
	static struct profile profile;

	(void)state;
	for (uint64_t seed = 1; seed <= 24; seed++) {
		struct pair pair = { .profile = &profile, .seed = seed };
		struct bh_err err = BH_ERR_INIT;

		draw_profile(&profile, seed, true);
		assert_int_equal(bh_seccomp_build(&profile.spec, &pair.ours, &err), 0);
		pair.x32_last = find_x32_last(&profile.spec);
		pair.oracle = oracle_build(&profile.spec, &pair.oracle_n);
		compare_all(&pair);
		free(pair.oracle);
		bh_seccomp_filter_deinit(&pair.ours);
	}
}

/* ---- the meaning ----------------------------------------------------------------------------- */

static bool holds(const struct bh_seccomp_arg *arg, const struct seccomp_data *data, bool wide)
{
	uint64_t mask = wide ? UINT64_MAX : UINT32_MAX;
	uint64_t is = data->args[arg->index] & mask, value = arg->value & mask;

	switch (arg->op) {
	case BH_SECCOMP_NE:
		return is != value;
	case BH_SECCOMP_LT:
		return is < value;
	case BH_SECCOMP_LE:
		return is <= value;
	case BH_SECCOMP_EQ:
		return is == value;
	case BH_SECCOMP_GE:
		return is >= value;
	case BH_SECCOMP_GT:
		return is > value;
	case BH_SECCOMP_MASKED_EQ:
		return (is & value) == (arg->value_two & value);
	default:
		abort();
	}
}

static bool rule_holds(const struct bh_seccomp_rule *rule, const struct seccomp_data *data,
		       bool wide)
{
	unsigned int seen = 0;
	size_t n = 0;
	bool twice = false;

	for (size_t i = 0; i < rule->args.n; i++) {
		twice = twice || (seen & (1u << rule->args.v[i].index));
		seen |= 1u << rule->args.v[i].index;
		n += holds(&rule->args.v[i], data, wide);
	}
	return twice ? n > 0 : n == rule->args.n;
}

static uint32_t meaning(const struct bh_seccomp *spec, const char *name,
			const struct seccomp_data *data, bool wide)
{
	uint32_t default_action = action_value(spec->default_action, &spec->default_errno_ret);
	uint32_t ret = default_action;
	bool found = false;

	for (size_t i = 0; i < spec->syscalls.n; i++) {
		const struct bh_seccomp_rule *rule = &spec->syscalls.v[i];
		uint32_t action = action_value(rule->action, &rule->errno_ret);

		for (size_t k = 0; k < rule->names.n && action != default_action; k++) {
			if (strcmp(rule->names.v[k], name) != 0)
				continue;
			if (rule->args.n == 0)
				return action;
			if (!found && rule_holds(rule, data, wide)) {
				ret = action;
				found = true;
			}
		}
	}
	return ret;
}

static void check_meaning(const struct profile *profile, const struct bh_seccomp_filter *ours,
			  uint64_t seed)
{
	for (size_t i = 0; i < FEW_NAMES * BH_ARRAY_SIZE(tokens); i++) {
		const char *name = plain_names[i / BH_ARRAY_SIZE(tokens)];
		uint32_t token = tokens[i % BH_ARRAY_SIZE(tokens)];
		struct seccomp_data data = {
			.arch = token == SCMP_ARCH_X86 ? AUDIT_ARCH_I386 : AUDIT_ARCH_X86_64,
			.nr = seccomp_syscall_resolve_name_arch(token, name),
		};
		bool here = token == SCMP_ARCH_X86_64 ||
			    has_arch(&profile->spec,
				     token == SCMP_ARCH_X86 ? "SCMP_ARCH_X86" : "SCMP_ARCH_X32");

		for (int k = 0; k < 200 && data.nr >= 0; k++) {
			uint32_t got, expected;

			for (size_t a = 0; a < 6; a++)
				data.args[a] = chance_value() +
					       (chance(6) == 0 ? chance(3) - 1 : 0);
			expected = !here ? SCMP_ACT_KILL
					 : meaning(&profile->spec, name, &data,
						   token == SCMP_ARCH_X86_64);
			got = bpf_run(ours->insns, ours->n, &data);
			if (got != expected)
				fail_msg("seed %llu, %s on %#x: ours %#x, expected %#x",
					 (unsigned long long)seed, name, token, got, expected);
		}
	}
}

static void conditions_mean_what_they_say(void **state)
{
	static struct profile profile;

	(void)state;
	for (uint64_t seed = 1; seed <= 60; seed++) {
		struct bh_seccomp_filter ours = BH_SECCOMP_FILTER_INIT;
		struct bh_err err = BH_ERR_INIT;

		draw_profile(&profile, seed, false);
		assert_int_equal(bh_seccomp_build(&profile.spec, &ours, &err), 0);
		check_meaning(&profile, &ours, seed);
		bh_seccomp_filter_deinit(&ours);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_answers_as_libseccomp),
		cmocka_unit_test(conditions_mean_what_they_say),
	};

	return cmocka_run_group_tests(tests, find_names, free_names);
}

#else

int main(void)
{
	puts("skipped: needs x86-64, whose three architectures libseccomp is compared on");
	return 77;
}

#endif

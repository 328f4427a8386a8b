/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A profile becomes a BPF program: libseccomp knows the numbers behind the names, the rest is here.
 *
 * libseccomp's own generator is not used: for the usual profile of 400 names it takes 18 ms and
 * makes 1400 instructions, most of them one comparison a name. Numbers of the same action stand
 * together in most tables, so here a profile is cut into ranges, and a search by halves finds the
 * range of a number in some seven steps:
 *
 *	ld  arch
 *	jeq ARCH → its search            one for each architecture; no match → kill
 *	...
 *	ld  nr
 *	jge MIDDLE → upper half ...
 *	ret ACTION                       of a range
 *	ld  args ... jeq ... ret ACTION  of a number with conditions: rule by rule, none → default
 *
 * Meaning, the same as libseccomp's for profiles that do not contradict themselves:
 * - A rule without conditions is stronger than those with; of two, the first counts.
 * - Of the rules with conditions, the first that matches counts. Conditions are joined by "and"; a
 *   rule that has two on one argument is as many rules as conditions, as runc has always read it.
 * - 32-bit architectures have 32-bit arguments: the upper halves of values are not looked at.
 * - A rule whose action is the default is no rule.
 * - On i386 the socket and IPC calls are also reached through socketcall(2) and ipc(2), whose
 *   arguments are in memory, where no filter sees them. A rule without conditions for such a call
 *   holds there too. One with conditions holds there without them if it is stricter than the
 *   default, else not at all.
 *
 * Numbers above the largest that the profile names are system calls that are newer than it. They
 * answer ENOSYS in place of the profile's default, mostly EPERM, which the C library takes for a
 * refusal where ENOSYS makes it try the older call. A profile that allows by default, or says
 * ENOSYS itself, needs none of that.
 *
 * The tests compare all of this with what libseccomp makes of the same profiles.
 */
#include <assert.h>
#include <endian.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <string.h>

#include "base/log.h"
#include "linux/seccomp_internal.h"

#define POINTER_BYTES 64
#define X32_BIT       UINT32_C(0x40000000) /* __X32_SYSCALL_BIT, in x86's headers alone */
#define NO_CALL       UINT32_MAX           /* what a tracer sets to skip a call */

/* A rule as one system call of one architecture sees it. */
struct call {
	uint32_t number, order; /* order: among the rules */
	uint32_t action;
	int mux; /* what the first argument must be besides, 0 = anything */
	const struct bh_seccomp_rule *rule; /* whose conditions hold; NULL = none do */
};

struct calls {
	struct call *v; /* malloc'd */
	size_t n, room;
	uint32_t end; /* one above the largest number that the profile names; 0 = it names none */
};

struct build {
	uint32_t default_action, newer_action;
	const struct bh_seccomp_arch *archs[BH_SECCOMP_ARCHS_MAX]; /* the program's own first */
	struct calls calls[BH_SECCOMP_ARCHS_MAX];
	size_t n;
};

static void build_deinit(struct build *b)
{
	for (size_t i = 0; i < b->n; i++)
		free(b->calls[i].v);
}

/* ---- from names to numbers ------------------------------------------------------------------- */

/* Newer than the oldest libseccomp that this builds with. Since 424 a new call has the same number
 * everywhere. */
static const struct {
	const char *name;
	int number;
} newer_calls[] = {
	{ "cachestat", 451 },         { "fchmodat2", 452 },        { "map_shadow_stack", 453 },
	{ "futex_wake", 454 },        { "futex_wait", 455 },       { "futex_requeue", 456 },
	{ "statmount", 457 },         { "listmount", 458 },        { "lsm_get_self_attr", 459 },
	{ "lsm_set_self_attr", 460 }, { "lsm_list_modules", 461 }, { "mseal", 462 },
	{ "setxattrat", 463 },        { "getxattrat", 464 },       { "listxattrat", 465 },
	{ "removexattrat", 466 },     { "open_tree_attr", 467 },   { "file_getattr", 468 },
	{ "file_setattr", 469 },
};

/* i386: libseccomp answers -100 - CALL for calls of socketcall(2) and -200 - CALL for those of
 * ipc(2), most of which have numbers of their own too; 0 = not this one. */
static const uint16_t socket_numbers[] = {
	[1] = 359,  [2] = 361,  [3] = 362,  [4] = 363,  [6] = 367,  [7] = 368,
	[8] = 360,  [11] = 369, [12] = 371, [13] = 373, [14] = 366, [15] = 365,
	[16] = 370, [17] = 372, [18] = 364, [19] = 337, [20] = 345,
};
static const uint16_t ipc_numbers[] = {
	[2] = 393,  [3] = 394,  [11] = 400, [12] = 401, [13] = 399,
	[14] = 402, [21] = 397, [22] = 398, [23] = 395, [24] = 396,
};
static const struct multiplexer {
	int first, number; /* libseccomp's for call 0; of the multiplexer itself */
	const uint16_t *direct;
	int n;
} multiplexers[] = {
	{ -100, 102, socket_numbers, BH_ARRAY_SIZE(socket_numbers) },
	{ -200, 117, ipc_numbers, BH_ARRAY_SIZE(ipc_numbers) },
};

static int resolve(const struct bh_seccomp_arch *arch, const char *name)
{
	int number = seccomp_syscall_resolve_name_arch(arch->token, name);

	for (size_t i = 0; number == __NR_SCMP_ERROR && i < BH_ARRAY_SIZE(newer_calls); i++) {
		if (strcmp(newer_calls[i].name, name) == 0)
			number = newer_calls[i].number;
	}
	if (number >= 0 && arch->token == SCMP_ARCH_X32)
		number |= (int)X32_BIT;
	return number;
}

static int add_call(const struct build *b, struct calls *calls, struct call call, int number)
{
	if (calls->end <= (uint32_t)number)
		calls->end = (uint32_t)number + 1;
	if (call.action == b->default_action)
		return 0;
	if (calls->n == calls->room) {
		size_t room = calls->room ? calls->room * 2 : 512;
		struct call *bigger = reallocarray(calls->v, room, sizeof(*calls->v));

		if (!bigger)
			return -ENOMEM;
		calls->v = bigger;
		calls->room = room;
	}
	call.number = (uint32_t)number;
	calls->v[calls->n++] = call;
	return 0;
}

/* Greater = more is allowed: the kernel's own order, seccomp(2). */
static int32_t freedom(uint32_t action)
{
	return (int32_t)(action & SECCOMP_RET_ACTION_FULL);
}

static int add_multiplexed(const struct build *b, struct calls *calls, struct call call, int number)
{
	for (size_t i = 0; i < BH_ARRAY_SIZE(multiplexers); i++) {
		const struct multiplexer *m = &multiplexers[i];
		int index = m->first - number, r = 0;

		if (index <= 0 || index >= m->n)
			continue;
		if (m->direct[index])
			r = add_call(b, calls, call, m->direct[index]);
		if (r < 0 || (call.rule && freedom(call.action) > freedom(b->default_action)))
			return r;
		call.rule = NULL;
		call.mux = index;
		return add_call(b, calls, call, m->number);
	}
	return 0;
}

static int add_name(struct build *b, const char *name, const struct call *call)
{
	int r = 0;

	for (size_t i = 0; i < b->n && r == 0; i++) {
		int number = resolve(b->archs[i], name);

		if (number == __NR_SCMP_ERROR && i == 0)
			bh_debug("seccomp: unknown system call '%s', ignoring it", name);
		if (number >= 0)
			r = add_call(b, &b->calls[i], *call, number);
		else if (b->archs[i]->audit == AUDIT_ARCH_I386)
			r = add_multiplexed(b, &b->calls[i], *call, number);
	}
	return r;
}

static int check_rule(const struct bh_seccomp_rule *rule, uint32_t action, const char *where,
		      struct bh_err *err)
{
	bh_for_each (arg, rule->args) {
		if (arg->index > 5)
			return bh_err_spec(err, where, "system calls have no argument %u",
					   arg->index);
	}
	/* The listener's number is written to the parent, which may not wait for the agent. */
	for (size_t i = 0; action == SCMP_ACT_NOTIFY && i < rule->names.n; i++) {
		if (strcmp(rule->names.v[i], "write") == 0)
			return bh_err_spec(err, where,
					   "SCMP_ACT_NOTIFY cannot be used for the write syscall");
	}
	return 0;
}

static int add_rules(struct build *b, const struct bh_seccomp *profile, struct bh_err *err)
{
	for (size_t k = 0; k < profile->syscalls.n; k++) {
		const struct bh_seccomp_rule *rule = &profile->syscalls.v[k];
		struct call call = { .order = (uint32_t)k, .rule = rule->args.n > 0 ? rule : NULL };
		char where[POINTER_BYTES];
		int r;

		snprintf(where, sizeof(where), "/linux/seccomp/syscalls/%zu", k);
		r = bh_seccomp_action(rule->action, &rule->errno_ret, where, &call.action, err);
		r = r < 0 ? r : check_rule(rule, call.action, where, err);
		if (r < 0)
			return r;
		for (size_t i = 0; i < rule->names.n; i++) {
			if (add_name(b, rule->names.v[i], &call) < 0)
				return bh_err_oom(err);
		}
	}
	return 0;
}

static int find_archs(const struct bh_seccomp *profile, struct build *b, struct bh_err *err)
{
	b->archs[0] = bh_seccomp_arch_native();
	b->n = 1;
	for (size_t i = 0; i < profile->architectures.n; i++) {
		const char *name = profile->architectures.v[i];
		const struct bh_seccomp_arch *arch = bh_seccomp_arch_here(name);
		size_t k = 0;

		if (!bh_seccomp_arch_known(name))
			return bh_err_spec(err, "/linux/seccomp/architectures",
					   "unknown seccomp architecture '%s'", name);
		if (!arch) {
			bh_debug("seccomp: no program of %s can run here, ignoring it", name);
			continue;
		}
		while (k < b->n && b->archs[k] != arch)
			k++;
		if (k == b->n)
			b->archs[b->n++] = arch;
	}
	return 0;
}

/* ---- from numbers to ranges ------------------------------------------------------------------ */

/* From @start to the start of the next range. */
struct range {
	uint32_t start, action;
	const struct call *calls; /* to try in their order; the last resort is the action */
	size_t n;
	bool wide; /* the architecture has 64-bit arguments */
};

struct ranges {
	struct range *v; /* malloc'd, large enough */
	size_t n;
};

static void ranges_deinit(struct ranges *ranges)
{
	free(ranges->v);
}

static void add_range(struct ranges *ranges, uint32_t start, uint32_t action)
{
	const struct range *last = ranges->n > 0 ? &ranges->v[ranges->n - 1] : NULL;

	if (!last || last->n > 0 || last->action != action)
		ranges->v[ranges->n++] = (struct range){ .start = start, .action = action };
}

static int compare_calls(const void *left, const void *right)
{
	const struct call *a = left, *b = right;

	if (a->number != b->number)
		return a->number < b->number ? -1 : 1;
	return a->order < b->order ? -1 : a->order > b->order;
}

/* The @n rules for one number. */
static void add_number(const struct build *b, struct ranges *ranges, const struct call *calls,
		       size_t n, bool wide)
{
	for (size_t i = 0; i < n; i++) {
		if (!calls[i].rule && !calls[i].mux) {
			add_range(ranges, calls[0].number, calls[i].action);
			return;
		}
	}
	ranges->v[ranges->n++] = (struct range){ .start = calls[0].number,
						 .action = b->default_action,
						 .calls = calls,
						 .n = n,
						 .wide = wide };
}

/* All numbers of architecture @i, from @next to the end. */
static void add_ranges(const struct build *b, size_t i, uint32_t next, struct ranges *ranges)
{
	const struct calls *calls = &b->calls[i];
	bool wide = b->archs[i]->token & __AUDIT_ARCH_64BIT;
	size_t n;

	for (size_t k = 0; k < calls->n; k += n) {
		const struct call *call = &calls->v[k];

		for (n = 1; k + n < calls->n && call[n].number == call->number; n++)
			;
		if (call->number > next)
			add_range(ranges, next, b->default_action);
		add_number(b, ranges, call, n, wide);
		next = call->number + 1;
	}
	if (calls->end > next) {
		add_range(ranges, next, b->default_action);
		next = calls->end;
	}
	add_range(ranges, next, calls->end ? b->newer_action : b->default_action);
}

/* ---- from ranges to instructions ------------------------------------------------------------- */

struct program {
	struct sock_filter *v; /* malloc'd, BPF_MAXINSNS */
	size_t n;
	bool full;
};

static size_t emit(struct program *p, int code, uint32_t k, uint8_t yes, uint8_t no)
{
	if (p->n == BPF_MAXINSNS) {
		p->full = true;
		return 0;
	}
	p->v[p->n] = (struct sock_filter){ .code = (uint16_t)code, .jt = yes, .jf = no, .k = k };
	return p->n++;
}

static void emit_return(struct program *p, uint32_t action)
{
	emit(p, BPF_RET | BPF_K, action, 0, 0);
}

/* The comparison at @at jumps to the end of the program, as it is now, when its answer is @answer.
 */
static void jump_to_end(struct program *p, size_t at, bool answer)
{
	size_t distance = p->n - at - 1;
	struct sock_filter *insn = &p->v[at];

	if (distance > UINT8_MAX) {
		/* A long jump comes in between; what is behind it has no jump across it. */
		emit(p, BPF_JMP | BPF_JA, 0, 0, 0);
		if (p->full)
			return;
		memmove(insn + 2, insn + 1, distance * sizeof(*insn));
		insn[1] = (struct sock_filter){ .code = BPF_JMP | BPF_JA, .k = (uint32_t)distance };
		distance = 0;
		insn->jt = 1;
		insn->jf = 1;
	}
	if (answer)
		insn->jt = (uint8_t)distance;
	else
		insn->jf = (uint8_t)distance;
}

/* While a rule is being written its comparisons jump to these in place of distances. */
enum { NEXT = 0, MATCH = 254, MISS = 255 };

static void settle(struct program *p, size_t from, uint8_t mark)
{
	for (size_t i = from; i < p->n; i++) {
		struct sock_filter *insn = &p->v[i];
		uint8_t distance = (uint8_t)(p->n - i - 1);

		if (BPF_CLASS(insn->code) != BPF_JMP)
			continue;
		if (insn->jt == mark)
			insn->jt = distance;
		if (insn->jf == mark)
			insn->jf = distance;
	}
}

static void emit_load_arg(struct program *p, unsigned int index, bool upper)
{
	bool second = upper == (__BYTE_ORDER == __LITTLE_ENDIAN);

	emit(p, BPF_LD | BPF_W | BPF_ABS,
	     (uint32_t)(offsetof(struct seccomp_data, args) + index * sizeof(uint64_t) +
			(second ? sizeof(uint32_t) : 0)),
	     0, 0);
}

static void emit_equal(struct program *p, const struct bh_seccomp_arg *arg, uint64_t mask,
		       uint64_t value, bool wide)
{
	bool negated = arg->op == BH_SECCOMP_NE;
	uint8_t differ = negated ? MATCH : MISS;

	if (wide && ((mask | value) >> 32)) {
		emit_load_arg(p, arg->index, true);
		if (mask >> 32 != UINT32_MAX)
			emit(p, BPF_ALU | BPF_AND | BPF_K, (uint32_t)(mask >> 32), 0, 0);
		emit(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(value >> 32), NEXT, differ);
	}
	emit_load_arg(p, arg->index, false);
	if ((uint32_t)mask != UINT32_MAX)
		emit(p, BPF_ALU | BPF_AND | BPF_K, (uint32_t)mask, 0, 0);
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)value, negated ? MISS : NEXT, differ);
}

static void emit_order(struct program *p, const struct bh_seccomp_arg *arg, bool wide)
{
	bool or_equal = arg->op == BH_SECCOMP_GE || arg->op == BH_SECCOMP_LT;
	bool greater = arg->op == BH_SECCOMP_GE || arg->op == BH_SECCOMP_GT;
	uint8_t above = greater ? MATCH : MISS, below = greater ? MISS : MATCH;

	if (wide) {
		emit_load_arg(p, arg->index, true);
		emit(p, BPF_JMP | BPF_JGT | BPF_K, (uint32_t)(arg->value >> 32), above, NEXT);
		emit(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(arg->value >> 32), NEXT, below);
	}
	emit_load_arg(p, arg->index, false);
	emit(p, BPF_JMP | (or_equal ? BPF_JGE : BPF_JGT) | BPF_K, (uint32_t)arg->value, above,
	     below);
}

static void emit_condition(struct program *p, const struct bh_seccomp_arg *arg, bool wide)
{
	size_t from = p->n;

	switch (arg->op) {
	case BH_SECCOMP_EQ:
	case BH_SECCOMP_NE:
		emit_equal(p, arg, UINT64_MAX, arg->value, wide);
		break;
	case BH_SECCOMP_MASKED_EQ:
		/* What the mask hides cannot be asked for: libseccomp reads it so too. */
		emit_equal(p, arg, arg->value, arg->value_two & arg->value, wide);
		break;
	default:
		emit_order(p, arg, wide);
	}
	settle(p, from, MATCH);
}

static bool has_one_twice(const struct bh_seccomp_rule *rule)
{
	unsigned int seen = 0;

	bh_for_each (arg, rule->args) {
		if (seen & (1u << arg->index))
			return true;
		seen |= 1u << arg->index;
	}
	return false;
}

/* One rule; a miss goes on behind it. */
static void emit_call(struct program *p, const struct call *call, bool wide)
{
	const struct bh_seccomp_arg mux = { .op = BH_SECCOMP_EQ, .value = (uint64_t)call->mux };
	bool any = call->rule && has_one_twice(call->rule);
	size_t from = p->n;

	if (call->mux)
		emit_condition(p, &mux, wide);
	for (size_t i = 0; call->rule && i < call->rule->args.n; i++) {
		emit_condition(p, &call->rule->args.v[i], wide);
		if (any) {
			emit_return(p, call->action);
			settle(p, from, MISS);
			from = p->n;
		}
	}
	if (!any) {
		emit_return(p, call->action);
		settle(p, from, MISS);
	}
}

static_assert(1 + 7 * 5 + 1 < MATCH, "six arguments and a multiplexer, five instructions each");

/* A search ends in a few returns that all its branches share. Until they are written, a branch to
 * one has these bits in its code, which BPF leaves free, and the return's place in the list as its
 * distance. */
enum { SHARED_YES = 0x100, SHARED_NO = 0x200 };
#define RETURNS_MAX 16

struct returns {
	uint32_t actions[RETURNS_MAX];
	size_t n;
	bool off; /* the search is too long for it: each range gets a return of its own */
};

/* Makes the comparison at @at return the action of @range on @answer. Return: false if it cannot */
static bool share_return(struct program *p, size_t at, bool answer, const struct range *range,
			 struct returns *returns)
{
	struct sock_filter *insn = &p->v[at];
	size_t i = 0;

	while (i < returns->n && returns->actions[i] != range->action)
		i++;
	if (returns->off || range->n > 0 || i == RETURNS_MAX)
		return false;
	if (i == returns->n)
		returns->actions[returns->n++] = range->action;
	insn->code |= answer ? SHARED_YES : SHARED_NO;
	if (answer)
		insn->jt = (uint8_t)i;
	else
		insn->jf = (uint8_t)i;
	return true;
}

static void emit_search(struct program *p, const struct range *ranges, size_t n,
			struct returns *returns)
{
	size_t half = n / 2, at;

	if (n > 1) {
		at = emit(p, BPF_JMP | BPF_JGE | BPF_K, ranges[half].start, 0, 0);
		if (half > 1 || !share_return(p, at, false, ranges, returns))
			emit_search(p, ranges, half, returns);
		if (n - half > 1 || !share_return(p, at, true, ranges + half, returns)) {
			jump_to_end(p, at, true);
			emit_search(p, ranges + half, n - half, returns);
		}
		return;
	}
	for (size_t i = 0; i < ranges->n; i++)
		emit_call(p, &ranges->calls[i], ranges->wide);
	emit_return(p, ranges->action);
}

/* Writes the shared returns and turns the branches to them into distances, from the instruction
 * @from on. Return: false if one is too far */
static bool emit_returns(struct program *p, size_t from, const struct returns *returns)
{
	size_t first = p->n;

	for (size_t i = 0; i < returns->n; i++)
		emit_return(p, returns->actions[i]);
	for (size_t i = from; i < first; i++) {
		struct sock_filter *insn = &p->v[i];
		size_t yes = first + insn->jt - i - 1, no = first + insn->jf - i - 1;

		if (((insn->code & SHARED_YES) && yes > UINT8_MAX) ||
		    ((insn->code & SHARED_NO) && no > UINT8_MAX))
			return false;
		if (insn->code & SHARED_YES)
			insn->jt = (uint8_t)yes;
		if (insn->code & SHARED_NO)
			insn->jf = (uint8_t)no;
		insn->code &= (uint16_t) ~(SHARED_YES | SHARED_NO);
	}
	return true;
}

static void emit_ranges(struct program *p, const struct ranges *ranges)
{
	struct returns returns = { .n = 0 };
	size_t from = p->n;

	emit_search(p, ranges->v, ranges->n, &returns);
	if (emit_returns(p, from, &returns))
		return;
	p->n = from;
	returns = (struct returns){ .off = true };
	emit_search(p, ranges->v, ranges->n, &returns);
}

static int emit_arch(struct program *p, const struct build *b, size_t i)
{
	bh_cleanup(ranges_deinit) struct ranges ranges = { .v = NULL };
	size_t at, x32 = 0, calls = 0;

	for (size_t k = 0; k < b->n; k++) {
		if (b->archs[k]->token == SCMP_ARCH_X32)
			x32 = k;
		calls += b->calls[k].n;
	}
	/* Each call starts a range and ends one; and a few at the ends of tables. */
	ranges.v = reallocarray(NULL, 2 * calls + 8, sizeof(*ranges.v));
	if (!ranges.v)
		return -ENOMEM;
	add_ranges(b, i, 0, &ranges);
	if (b->archs[i]->token == SCMP_ARCH_X86_64 && x32) {
		add_ranges(b, x32, X32_BIT, &ranges);
	} else if (b->archs[i]->token == SCMP_ARCH_X86_64) {
		add_range(&ranges, X32_BIT, SCMP_ACT_KILL);
		add_range(&ranges, NO_CALL, b->newer_action);
	}
	at = emit(p, BPF_JMP | BPF_JEQ | BPF_K, b->archs[i]->audit, 0, 0);
	emit(p, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr), 0, 0);
	emit_ranges(p, &ranges);
	jump_to_end(p, at, false);
	return 0;
}

static int make_program(struct build *b, struct bh_seccomp_filter *filter, struct bh_err *err)
{
	bh_auto_free struct sock_filter *insns = NULL;
	struct program p = { .n = 0 };
	int r = 0;

	insns = reallocarray(NULL, BPF_MAXINSNS, sizeof(*insns));
	if (!insns)
		return bh_err_oom(err);
	p.v = insns;
	for (size_t i = 0; i < b->n; i++) {
		if (b->calls[i].n > 0)
			qsort(b->calls[i].v, b->calls[i].n, sizeof(struct call), compare_calls);
	}
	emit(&p, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch), 0, 0);
	for (size_t i = 0; i < b->n && r == 0; i++) {
		if (b->archs[i]->token != SCMP_ARCH_X32)
			r = emit_arch(&p, b, i);
	}
	emit_return(&p, SCMP_ACT_KILL);
	if (r < 0)
		return bh_err_oom(err);
	if (p.full)
		return bh_err_spec(err, "/linux/seccomp",
				   "the profile is more than the %d instructions that the kernel "
				   "takes",
				   BPF_MAXINSNS);
	filter->insns = reallocarray(insns, p.n, sizeof(*insns));
	if (!filter->insns)
		return bh_err_oom(err);
	insns = NULL;
	filter->n = (uint16_t)p.n;
	return 0;
}

static bool answers_newer_calls(uint32_t default_action)
{
	/* A tracer is trusted to answer for itself. */
	return default_action == SCMP_ACT_ALLOW || default_action == SCMP_ACT_LOG ||
	       (default_action & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_TRACE;
}

int bh_seccomp_build(const struct bh_seccomp *profile, struct bh_seccomp_filter *filter,
		     struct bh_err *err)
{
	bh_cleanup(build_deinit) struct build b = { .n = 0 };
	int r = bh_seccomp_action(profile->default_action, &profile->default_errno_ret,
				  "/linux/seccomp/defaultAction", &b.default_action, err);

	if (r < 0)
		return r;
	if (b.default_action == SCMP_ACT_NOTIFY)
		return bh_err_spec(err, "/linux/seccomp/defaultAction",
				   "SCMP_ACT_NOTIFY cannot be used as default action");
	b.newer_action = answers_newer_calls(b.default_action) ? b.default_action
							       : SCMP_ACT_ERRNO(ENOSYS);
	r = find_archs(profile, &b, err);
	r = r < 0 ? r : add_rules(&b, profile, err);
	return r < 0 ? r : make_program(&b, filter, err);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A profile becomes a program: libseccomp's rules, behind a short stub of our own.
 *
 * The stub answers ENOSYS for system calls that are newer than the profile. Without it they would
 *get the profile's default, mostly EPERM, which the C library takes for a refusal where ENOSYS
 *makes it try the older call. "Newer" is what has a number above the largest that the profile names
 *for the architecture in question; a profile that allows by default, or says ENOSYS itself, needs
 *no stub:
 *
 *	     ld  arch
 *	     jeq ARCH → numbers of ARCH	   one for each; no match → program
 *	     ld  nr
 *	    [jset x32's bit → x32]
 *	     jgt largest → enosys, else → program
 *	enosys:  ret ERRNO(ENOSYS)
 *	program: libseccomp's
 */
#include <assert.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <string.h>
#include <sys/mman.h>

#include "base/log.h"
#include "base/path.h"
#include "linux/seccomp_internal.h"

#define X32_BIT       0x40000000u /* __X32_SYSCALL_BIT, which only x86's headers have */
#define ARCHS_MAX     8           /* of one machine */
#define POINTER_BYTES 64
#define ARGS_MAX      32 /* conditions of a rule; the parser has no limit */
#define TREE_RULES    32 /* libseccomp up to 2.5.4 makes wrong trees of no rule at all */

static void freep_context(scmp_filter_ctx *context)
{
	if (*context)
		seccomp_release(*context);
	*context = NULL;
}

/* The architectures of a profile that this machine can run, its own first. */
struct arch_list {
	const struct bh_seccomp_arch *v[ARCHS_MAX];
	size_t n;
};

static int find_archs(const struct bh_seccomp *profile, struct arch_list *ret, struct bh_err *err)
{
	*ret = (struct arch_list){ .v = { bh_seccomp_arch_native() }, .n = 1 };
	for (size_t i = 0; i < profile->architectures.n; i++) {
		const char *name = profile->architectures.v[i];
		const struct bh_seccomp_arch *arch = bh_seccomp_arch_find(name);
		size_t k = 0;

		if (!arch)
			return bh_err_spec(err, "/linux/seccomp/architectures",
					   "unknown seccomp architecture '%s'", name);
		if (!arch->here) {
			bh_debug("seccomp: no program of %s can run here, ignoring it", name);
			continue;
		}
		while (k < ret->n && ret->v[k] != arch)
			k++;
		if (k == ret->n && k < ARCHS_MAX)
			ret->v[ret->n++] = arch;
	}
	return 0;
}

/* ---- libseccomp's program -------------------------------------------------------------------- */

static const enum scmp_compare compare_of[BH_SECCOMP_OP_MAX_] = {
	[BH_SECCOMP_NE] = SCMP_CMP_NE,
	[BH_SECCOMP_LT] = SCMP_CMP_LT,
	[BH_SECCOMP_LE] = SCMP_CMP_LE,
	[BH_SECCOMP_EQ] = SCMP_CMP_EQ,
	[BH_SECCOMP_GE] = SCMP_CMP_GE,
	[BH_SECCOMP_GT] = SCMP_CMP_GT,
	[BH_SECCOMP_MASKED_EQ] = SCMP_CMP_MASKED_EQ,
};

static int add_rule(scmp_filter_ctx context, uint32_t action, int number, unsigned int n,
		    const struct scmp_arg_cmp *args)
{
	int r = seccomp_rule_add_array(context, action, number, n, args);

	return r == -EEXIST ? 0 : r; /* the same twice */
}

/* Conditions on one argument twice cannot stand in one rule of libseccomp: each becomes a rule of
 * its own, any of which may match, as runc has always read such profiles. */
static int add_call(scmp_filter_ctx context, uint32_t action, int number,
		    const struct scmp_arg_cmp *args, unsigned int n)
{
	unsigned int seen = 0;
	bool twice = false;
	int r = 0;

	for (unsigned int i = 0; i < n; i++) {
		twice = twice || (seen & (1u << args[i].arg));
		seen |= 1u << args[i].arg;
	}
	if (!twice)
		return add_rule(context, action, number, n, args);
	for (unsigned int i = 0; i < n && r == 0; i++)
		r = add_rule(context, action, number, 1, &args[i]);
	return r;
}

static int add_names(scmp_filter_ctx context, const struct bh_seccomp_rule *rule, uint32_t action,
		     const char *where, struct bh_err *err)
{
	struct scmp_arg_cmp args[ARGS_MAX];
	unsigned int n = 0;

	bh_for_each (arg, rule->args) {
		if (arg->index > 5 || n == ARGS_MAX)
			return bh_err_spec(err, where, "condition %u on argument %u", n,
					   arg->index);
		args[n++] = (struct scmp_arg_cmp){ .arg = arg->index,
						   .op = compare_of[arg->op],
						   .datum_a = arg->value,
						   .datum_b = arg->value_two };
	}
	for (size_t i = 0; i < rule->names.n; i++) {
		const char *name = rule->names.v[i];
		int number = seccomp_syscall_resolve_name(name), r;

		if (number == __NR_SCMP_ERROR) {
			bh_debug("seccomp: unknown system call '%s', ignoring it", name);
			continue;
		}
		r = add_call(context, action, number, args, n);
		if (r < 0)
			return bh_err_set(err, r, "seccomp rule for '%s'", name);
	}
	return 0;
}

static int add_rules(scmp_filter_ctx context, const struct bh_seccomp *profile,
		     uint32_t default_action, struct bh_err *err)
{
	bh_for_each (rule, profile->syscalls) {
		char where[POINTER_BYTES];
		uint32_t action;
		int r;

		snprintf(where, sizeof(where), "/linux/seccomp/syscalls/%zu",
			 (size_t)(rule - profile->syscalls.v));
		r = bh_seccomp_action(rule->action, &rule->errno_ret, where, &action, err);
		/* The listener's number is written to the parent, which may not wait for the agent.
		 */
		for (size_t i = 0; r == 0 && action == SCMP_ACT_NOTIFY && i < rule->names.n; i++) {
			if (strcmp(rule->names.v[i], "write") == 0)
				r = bh_err_spec(err, where,
						"SCMP_ACT_NOTIFY cannot be used for the write "
						"syscall");
		}
		/* What is the default anyhow is refused by libseccomp. */
		if (r == 0 && action != default_action)
			r = add_names(context, rule, action, where, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int export_program(scmp_filter_ctx context, size_t stub_n, struct bh_seccomp_filter *filter,
			  struct bh_err *err)
{
	bh_auto_close int fd = memfd_create("seccomp", MFD_CLOEXEC);
	size_t unit = sizeof(*filter->insns), size;
	off_t end;
	int r;

	if (fd < 0)
		return bh_err_set(err, -errno, "memfd_create");
	r = seccomp_export_bpf(context, fd);
	if (r < 0)
		return bh_err_set(err, r, "compile seccomp profile");
	end = lseek(fd, 0, SEEK_END);
	if (end <= 0 || (size_t)end % unit != 0 || (size_t)end / unit + stub_n > BPF_MAXINSNS)
		return bh_err_as(err, BH_ERR_SPEC, -E2BIG,
				 "seccomp profile of %lld bytes is more than the %d instructions "
				 "that the kernel takes",
				 (long long)end, BPF_MAXINSNS);
	size = (size_t)end;
	filter->insns = calloc(size / unit + stub_n, unit);
	if (!filter->insns)
		return bh_err_oom(err);
	if (pread(fd, filter->insns + stub_n, size, 0) != (ssize_t)size)
		return bh_err_set(err, -EIO, "read compiled seccomp profile");
	filter->n = (uint16_t)(size / unit + stub_n);
	return 0;
}

/* ---- the stub -------------------------------------------------------------------------------- */

struct arch_numbers {
	uint32_t audit;
	uint32_t largest, largest_x32; /* 0 = the profile names none */
};

static void find_largest(const struct bh_seccomp *profile, const struct bh_seccomp_arch *arch,
			 struct arch_numbers *ret)
{
	bool x32 = arch->token == SCMP_ARCH_X32;
	uint32_t *largest = x32 ? &ret->largest_x32 : &ret->largest;

	bh_for_each (rule, profile->syscalls) {
		for (size_t i = 0; i < rule->names.n; i++) {
			int number =
				seccomp_syscall_resolve_name_arch(arch->token, rule->names.v[i]);

			/* Negative ones are libseccomp's marks for calls of other architectures. */
			if (number >= 0 && ((uint32_t)number & ~X32_BIT) > (*largest & ~X32_BIT))
				*largest = (uint32_t)number;
		}
	}
	if (x32 && *largest)
		*largest |= X32_BIT;
}

static size_t find_numbers(const struct bh_seccomp *profile, const struct arch_list *archs,
			   struct arch_numbers ret[static ARCHS_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < archs->n; i++) {
		size_t k = 0;

		while (k < n && ret[k].audit != archs->v[i]->audit)
			k++;
		if (k == n)
			ret[n++] = (struct arch_numbers){ .audit = archs->v[i]->audit };
		find_largest(profile, archs->v[i], &ret[k]);
	}
	return n;
}

/* Jumps are written with targets in place of distances and converted when all is known. */
enum { TO_ENOSYS = 250, TO_PROGRAM, TO_NEXT };
#define STUB_MAX (3 + ARCHS_MAX * 6)
static_assert(STUB_MAX < TO_ENOSYS, "a target is an index or a mark");

struct stub {
	struct sock_filter insns[STUB_MAX];
	size_t n;
};

static size_t stub_add(struct stub *stub, int code, uint32_t k, uint8_t yes, uint8_t no)
{
	stub->insns[stub->n] =
		(struct sock_filter){ .code = (uint16_t)code, .jt = yes, .jf = no, .k = k };
	return stub->n++;
}

static uint8_t stub_distance(const struct stub *stub, size_t from, uint8_t target)
{
	size_t to = target == TO_NEXT      ? from + 1
		    : target == TO_ENOSYS  ? stub->n - 1
		    : target == TO_PROGRAM ? stub->n
					   : target;

	return (uint8_t)(to - from - 1);
}

static void stub_add_arch(struct stub *stub, const struct arch_numbers *numbers)
{
	size_t fork = 0;

	stub_add(stub, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr), 0, 0);
	if (numbers->audit == AUDIT_ARCH_X86_64)
		fork = stub_add(stub, BPF_JMP | BPF_JSET | BPF_K, X32_BIT, TO_PROGRAM, TO_NEXT);
	/* s390 hands calls that it does not know at all to the filter as number 0. */
	if (numbers->audit == AUDIT_ARCH_S390 || numbers->audit == AUDIT_ARCH_S390X)
		stub_add(stub, BPF_JMP | BPF_JEQ | BPF_K, 0, TO_ENOSYS, TO_NEXT);
	stub_add(stub, BPF_JMP | BPF_JGT | BPF_K, numbers->largest,
		 numbers->largest ? TO_ENOSYS : TO_PROGRAM, TO_PROGRAM);
	if (numbers->largest_x32) {
		stub->insns[fork].jt = (uint8_t)stub->n;
		stub_add(stub, BPF_JMP | BPF_JGT | BPF_K, numbers->largest_x32, TO_ENOSYS,
			 TO_PROGRAM);
	}
}

static void make_stub(const struct bh_seccomp *profile, const struct arch_list *archs,
		      struct stub *stub)
{
	struct arch_numbers numbers[ARCHS_MAX];
	size_t n = find_numbers(profile, archs, numbers);

	stub->n = 0;
	stub_add(stub, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch), 0, 0);
	for (size_t i = 0; i < n; i++)
		stub_add(stub, BPF_JMP | BPF_JEQ | BPF_K, numbers[i].audit, 0,
			 i + 1 < n ? TO_NEXT : TO_PROGRAM);
	for (size_t i = 0; i < n; i++) {
		stub->insns[1 + i].jt = (uint8_t)stub->n;
		stub_add_arch(stub, &numbers[i]);
	}
	stub_add(stub, BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS, 0, 0);
	for (size_t i = 0; i < stub->n; i++) {
		struct sock_filter *insn = &stub->insns[i];

		if (BPF_CLASS(insn->code) != BPF_JMP)
			continue;
		insn->jt = stub_distance(stub, i, insn->jt);
		insn->jf = stub_distance(stub, i, insn->jf);
	}
}

static bool needs_stub(uint32_t default_action)
{
	/* A tracer is trusted to answer for itself. */
	return default_action != SCMP_ACT_ALLOW && default_action != SCMP_ACT_LOG &&
	       (default_action & SECCOMP_RET_ACTION_FULL) != SECCOMP_RET_TRACE &&
	       default_action != SCMP_ACT_ERRNO(ENOSYS);
}

/* ---- both ------------------------------------------------------------------------------------ */

static int make_context(const struct bh_seccomp *profile, const struct arch_list *archs,
			uint32_t default_action, scmp_filter_ctx *ret, struct bh_err *err)
{
	size_t rules = 0;
	int r = 0;

	*ret = seccomp_init(default_action);
	if (!*ret)
		return bh_err_as(err, BH_ERR_OS, -EINVAL, "seccomp default action %s: refused",
				 profile->default_action);
	for (size_t i = 1; i < archs->n && r == 0; i++) {
		r = seccomp_arch_add(*ret, archs->v[i]->token);
		if (r == -EEXIST || r == -EDOM) /* EDOM: of the other byte order */
			r = 0;
		if (r < 0)
			return bh_err_set(err, r, "seccomp architecture %s", archs->v[i]->name);
	}
	bh_for_each (rule, profile->syscalls)
		rules += rule->names.n;
	/* A tree answers in a dozen instructions where the list takes hundreds; an older library
	 * that has none makes the list. */
	if (rules > TREE_RULES)
		r = seccomp_attr_set(*ret, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (r < 0)
		bh_debug("seccomp: no binary tree: %s", strerror(-r));
	return 0;
}

int bh_seccomp_build(const struct bh_seccomp *profile, struct bh_seccomp_filter *filter,
		     struct bh_err *err)
{
	bh_cleanup(freep_context) scmp_filter_ctx context = NULL;
	struct stub stub = { .n = 0 };
	struct arch_list archs;
	uint32_t default_action;
	int r = bh_seccomp_action(profile->default_action, &profile->default_errno_ret,
				  "/linux/seccomp/defaultAction", &default_action, err);

	if (r < 0)
		return r;
	if (default_action == SCMP_ACT_NOTIFY)
		return bh_err_spec(err, "/linux/seccomp/defaultAction",
				   "SCMP_ACT_NOTIFY cannot be used as default action");
	r = find_archs(profile, &archs, err);
	if (r == 0)
		r = make_context(profile, &archs, default_action, &context, err);
	if (r == 0)
		r = add_rules(context, profile, default_action, err);
	if (r < 0)
		return r;
	if (needs_stub(default_action))
		make_stub(profile, &archs, &stub);
	r = export_program(context, stub.n, filter, err);
	if (r == 0 && stub.n > 0)
		memcpy(filter->insns, stub.insns, stub.n * sizeof(stub.insns[0]));
	return r;
}

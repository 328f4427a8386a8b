/* SPDX-License-Identifier: Apache-2.0 */
/* Source: runtime-spec config-linux.md "Seccomp" */
#include <string.h>

#include "oci/names.h"
#include "oci/spec_internal.h"

/* ---- one rule --------------------------------------------------------------------------- */

static const struct bh_field arg_fields[] = {
	BH_FIELD(struct bh_seccomp_arg, index, "index", .max = 5, .flags = BH_FIELD_REQUIRED),
	BH_FIELD(struct bh_seccomp_arg, value, "value", .flags = BH_FIELD_REQUIRED),
	BH_FIELD(struct bh_seccomp_arg, value_two, "valueTwo"),
	BH_FIELD(struct bh_seccomp_arg, op, "op", .names = &bh_names_seccomp_op,
		 .flags = BH_FIELD_REQUIRED),
};
static const struct bh_schema arg_schema = BH_SCHEMA(struct bh_seccomp_arg, arg_fields);

/* Only two actions carry a number. */
static int errno_check(struct bh_reader *r, const char *action, const struct bh_opt_u32 *ret,
		       const char *field)
{
	if (!ret->set || !strcmp(action, "SCMP_ACT_ERRNO") || !strcmp(action, "SCMP_ACT_TRACE"))
		return 0;
	return bh_reader_fail(r, bh_reader_at(r, "%s", field),
			      "%u has no meaning with action \"%s\"", ret->v, action);
}

static bool notifies(const char *action)
{
	return !strcmp(action, "SCMP_ACT_NOTIFY");
}

static int rule_check(struct bh_reader *r, void *object)
{
	const struct bh_seccomp_rule *rule = object;

	/* The runtime itself has to write the listener's number after the filter is in place. */
	for (size_t i = 0; notifies(rule->action) && i < rule->names.n; i++)
		if (!strcmp(rule->names.v[i], "write"))
			return bh_reader_fail(
				r, bh_reader_at(r, "names/%zu", i),
				"SCMP_ACT_NOTIFY cannot be used for the write syscall");
	return errno_check(r, rule->action, &rule->errno_ret, "errnoRet");
}

static const struct bh_field rule_fields[] = {
	BH_FIELD(struct bh_seccomp_rule, names, "names", .flags = BH_FIELD_REQUIRED),
	BH_FIELD(struct bh_seccomp_rule, action, "action", .names = &bh_names_seccomp_action,
		 .flags = BH_FIELD_REQUIRED),
	BH_FIELD(struct bh_seccomp_rule, errno_ret, "errnoRet"),
	BH_FIELD_AS(BH_KIND_LIST, struct bh_seccomp_rule, args, "args", .sub = &arg_schema),
};
static const struct bh_schema rule_schema =
	BH_SCHEMA(struct bh_seccomp_rule, rule_fields, .check = rule_check);

/* ---- the profile ------------------------------------------------------------------------ */

static int listener_check(struct bh_reader *r, const struct bh_seccomp *s)
{
	if (notifies(s->default_action))
		return bh_reader_fail(r, bh_reader_at(r, "defaultAction"),
				      "\"SCMP_ACT_NOTIFY\" cannot be the default action");
	if (s->listener_path)
		return 0;
	if (s->listener_metadata)
		return bh_reader_fail(r, bh_reader_at(r, "listenerMetadata"),
				      "%s needs a listenerPath",
				      bh_reader_quote(r, s->listener_metadata));
	for (size_t i = 0; i < s->syscalls.n; i++)
		if (notifies(s->syscalls.v[i].action))
			return bh_reader_fail(r, bh_reader_at(r, "syscalls/%zu/action", i),
					      "\"SCMP_ACT_NOTIFY\" needs a listenerPath");
	return 0;
}

static int seccomp_check(struct bh_reader *r, void *object)
{
	struct bh_seccomp *s = object;
	int e;

	/* A profile without action and rules is none: older engines write that, and runc takes it.
	 */
	s->set = s->default_action || s->syscalls.n;
	if (!s->set)
		return 0;
	if (!s->default_action)
		return bh_reader_fail(r, bh_reader_at(r, "defaultAction"), "required, but missing");
	e = errno_check(r, s->default_action, &s->default_errno_ret, "defaultErrnoRet");
	return e ? e : listener_check(r, s);
}

#define F(member, key, ...) BH_FIELD(struct bh_seccomp, member, key, __VA_ARGS__)
static const struct bh_field seccomp_fields[] = {
	F(default_action, "defaultAction", .names = &bh_names_seccomp_action),
	F(default_errno_ret, "defaultErrnoRet"),
	F(architectures, "architectures", .names = &bh_names_seccomp_arch),
	F(flags, "flags", .names = &bh_names_seccomp_flag),
	F(listener_path, "listenerPath"),
	F(listener_metadata, "listenerMetadata"),
	BH_FIELD_AS(BH_KIND_LIST, struct bh_seccomp, syscalls, "syscalls", .sub = &rule_schema),
};
const struct bh_schema bh_schema_seccomp =
	BH_SCHEMA(struct bh_seccomp, seccomp_fields, .check = seccomp_check);

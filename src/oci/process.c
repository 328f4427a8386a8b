/* SPDX-License-Identifier: Apache-2.0 */
/* Source: runtime-spec config.md "Process" */
#include <string.h>
#include <sys/resource.h>

#include "base/json_writer.h"
#include "oci/names.h"
#include "oci/spec_internal.h"
#include "oci/text.h"

/* ---- small parts ------------------------------------------------------------------------ */

static const struct bh_field console_size_fields[] = {
	BH_FIELD(struct bh_console_size, height, "height"),
	BH_FIELD(struct bh_console_size, width, "width"),
};
static const struct bh_schema console_size_schema =
	BH_SCHEMA(struct bh_console_size, console_size_fields);

static const struct bh_field user_fields[] = {
	BH_FIELD(struct bh_user, uid, "uid"),
	BH_FIELD(struct bh_user, gid, "gid"),
	BH_FIELD(struct bh_user, umask, "umask"),
	BH_FIELD_AS(BH_KIND_U32_LIST, struct bh_user, additional_gids, "additionalGids"),
	BH_FIELD(struct bh_user, username, "username"),
};
static const struct bh_schema user_schema = BH_SCHEMA(struct bh_user, user_fields);

static int rlimit_check(struct bh_reader *r, void *object)
{
	struct bh_rlimit *limit = object;

	limit->name = bh_names_of(&bh_names_rlimit, limit->resource);
	if (limit->soft <= limit->hard)
		return 0;
	return bh_reader_fail(r, bh_reader_at(r, "soft"), "%llu is above the hard limit %llu",
			      (unsigned long long)limit->soft, (unsigned long long)limit->hard);
}

static const struct bh_field rlimit_fields[] = {
	BH_FIELD(struct bh_rlimit, resource, "type", .names = &bh_names_rlimit,
		 .flags = BH_FIELD_REQUIRED),
	BH_FIELD(struct bh_rlimit, soft, "soft"),
	BH_FIELD(struct bh_rlimit, hard, "hard"),
};
static const struct bh_schema rlimit_schema =
	BH_SCHEMA(struct bh_rlimit, rlimit_fields, .check = rlimit_check);

static const struct bh_field io_priority_fields[] = {
	BH_FIELD(struct bh_io_priority, class, "class", .names = &bh_names_ioprio_class,
		 .flags = BH_FIELD_REQUIRED),
	BH_FIELD(struct bh_io_priority, priority, "priority", .max = 7),
};
static const struct bh_schema io_priority_schema =
	BH_SCHEMA(struct bh_io_priority, io_priority_fields, .has_set = true);

static const struct bh_field affinity_fields[] = {
	BH_FIELD(struct bh_cpu_affinity, initial, "initial", .rule = &bh_text_cpu_list),
	BH_FIELD(struct bh_cpu_affinity, final, "final", .rule = &bh_text_cpu_list),
};
static const struct bh_schema affinity_schema = BH_SCHEMA(struct bh_cpu_affinity, affinity_fields);

/* ---- scheduler -------------------------------------------------------------------------- */

/* A field that only some policies have. */
static int only_for(struct bh_reader *r, const char *field, int64_t value, const char *policies)
{
	return bh_reader_fail(r, bh_reader_at(r, "%s", field), "%lld is only possible with %s",
			      (long long)value, policies);
}

/* As runc reads sched_setattr(2). */
static int scheduler_check(struct bh_reader *r, void *object)
{
	const struct bh_scheduler *s = object;
	const char *policy = bh_names_of(&bh_names_sched_policy, s->policy);
	bool fair = !strcmp(policy, "SCHED_OTHER") || !strcmp(policy, "SCHED_BATCH");
	bool realtime = !strcmp(policy, "SCHED_FIFO") || !strcmp(policy, "SCHED_RR");

	if (fair && (s->nice < -20 || s->nice > 19))
		return bh_reader_fail(r, bh_reader_at(r, "nice"), "%d is not between -20 and 19",
				      s->nice);
	if (s->priority && !realtime)
		return only_for(r, "priority", s->priority, "SCHED_FIFO and SCHED_RR");
	if (!strcmp(policy, "SCHED_DEADLINE"))
		return 0;
	if (s->runtime_ns)
		return only_for(r, "runtime", (int64_t)s->runtime_ns, "SCHED_DEADLINE");
	if (s->deadline_ns)
		return only_for(r, "deadline", (int64_t)s->deadline_ns, "SCHED_DEADLINE");
	return s->period_ns ? only_for(r, "period", (int64_t)s->period_ns, "SCHED_DEADLINE") : 0;
}

static const struct bh_field scheduler_fields[] = {
	BH_FIELD(struct bh_scheduler, policy, "policy", .names = &bh_names_sched_policy,
		 .flags = BH_FIELD_REQUIRED),
	BH_FIELD(struct bh_scheduler, nice, "nice"),
	BH_FIELD(struct bh_scheduler, priority, "priority"),
	BH_FIELD(struct bh_scheduler, flags, "flags", .names = &bh_names_sched_flag),
	BH_FIELD(struct bh_scheduler, runtime_ns, "runtime"),
	BH_FIELD(struct bh_scheduler, deadline_ns, "deadline"),
	BH_FIELD(struct bh_scheduler, period_ns, "period"),
};
static const struct bh_schema scheduler_schema =
	BH_SCHEMA(struct bh_scheduler, scheduler_fields, .has_set = true, .check = scheduler_check);

/* ---- capabilities ----------------------------------------------------------------------- */

/* The sets as they are written. */
struct cap_names {
	struct bh_strv bounding, effective, inheritable, permitted, ambient;
};

static const struct bh_field cap_fields[] = {
	BH_FIELD(struct cap_names, bounding, "bounding"),
	BH_FIELD(struct cap_names, effective, "effective"),
	BH_FIELD(struct cap_names, inheritable, "inheritable"),
	BH_FIELD(struct cap_names, permitted, "permitted"),
	BH_FIELD(struct cap_names, ambient, "ambient"),
};
static const struct bh_schema cap_schema = BH_SCHEMA(struct cap_names, cap_fields);

/* Unknown names are only warned about: so many are enough. */
#define UNKNOWN_MAX 64

/* The bits of @names; those without one go to @unknown, once each. */
static uint64_t cap_bits(const struct bh_strv *names, struct bh_strv *unknown)
{
	uint64_t bits = 0;

	for (size_t i = 0; i < names->n; i++) {
		int64_t n = bh_names_find(&bh_names_capability, names->v[i], -1);

		if (n >= 0)
			bits |= 1ULL << n;
		else if (unknown->n < UNKNOWN_MAX && !bh_strv_has(unknown, names->v[i]))
			unknown->v[unknown->n++] = names->v[i];
	}
	return bits;
}

static int read_capabilities(struct bh_reader *r, struct json_object *json, void *member)
{
	struct bh_caps *caps = member;
	struct cap_names names = { 0 };
	int e;

	e = bh_reader_object(r, &cap_schema, json, &names);
	if (e)
		return e;
	caps->unknown.v =
		bh_arena_array(bh_reader_arena(r), UNKNOWN_MAX + 1, sizeof(*caps->unknown.v));
	if (!caps->unknown.v)
		return bh_reader_oom(r);
	caps->set = true;
	caps->bounding = cap_bits(&names.bounding, &caps->unknown);
	caps->effective = cap_bits(&names.effective, &caps->unknown);
	caps->inheritable = cap_bits(&names.inheritable, &caps->unknown);
	caps->permitted = cap_bits(&names.permitted, &caps->unknown);
	caps->ambient = cap_bits(&names.ambient, &caps->unknown);
	return 0;
}

static void write_cap_set(struct bh_json_writer *w, const char *key, uint64_t bits)
{
	bh_json_open(w, key, '[');
	for (size_t i = 0; i < bh_names_capability.n; i++)
		if (bits & 1ULL << bh_names_capability.v[i].value)
			bh_json_text(w, NULL, bh_names_capability.v[i].name);
	bh_json_close(w, ']');
}

static void write_capabilities(struct bh_json_writer *w, const char *key, const void *member)
{
	const struct bh_caps *caps = member;

	if (!caps->set)
		return;
	bh_json_open(w, key, '{');
	write_cap_set(w, "bounding", caps->bounding);
	write_cap_set(w, "effective", caps->effective);
	write_cap_set(w, "inheritable", caps->inheritable);
	write_cap_set(w, "permitted", caps->permitted);
	write_cap_set(w, "ambient", caps->ambient);
	bh_json_close(w, '}');
}

/* ---- process ---------------------------------------------------------------------------- */

static int process_check(struct bh_reader *r, void *object)
{
	const struct bh_process *process = object;
	bool seen[RLIM_NLIMITS] = { false };

	for (size_t i = 0; i < process->rlimits.n; i++) {
		const struct bh_rlimit *limit = &process->rlimits.v[i];

		if (seen[limit->resource])
			return bh_reader_fail(r, bh_reader_at(r, "rlimits/%zu/type", i),
					      "\"%s\" is listed twice", limit->name);
		seen[limit->resource] = true;
	}
	return 0;
}

#define F(member, key, ...) BH_FIELD(struct bh_process, member, key, __VA_ARGS__)
#define OBJECT(member, key, schema) \
	BH_FIELD_AS(BH_KIND_OBJECT, struct bh_process, member, key, .sub = (schema))

static const struct bh_field process_fields[] = {
	F(terminal, "terminal"),
	OBJECT(console_size, "consoleSize", &console_size_schema),
	F(cwd, "cwd", .rule = &bh_text_absolute, .flags = BH_FIELD_REQUIRED),
	F(args, "args", .flags = BH_FIELD_REQUIRED),
	F(env, "env"),
	OBJECT(user, "user", &user_schema),
	BH_FIELD_AS(BH_KIND_LIST, struct bh_process, rlimits, "rlimits", .sub = &rlimit_schema),
	BH_FIELD_AS(BH_KIND_CUSTOM, struct bh_process, capabilities, "capabilities",
		    .read = read_capabilities, .write = write_capabilities),
	F(no_new_privileges, "noNewPrivileges"),
	F(apparmor_profile, "apparmorProfile", .rule = &bh_text_line),
	F(selinux_label, "selinuxLabel", .rule = &bh_text_line),
	F(oom_score_adj, "oomScoreAdj", .min = -1000, .max = 1000),
	OBJECT(scheduler, "scheduler", &scheduler_schema),
	OBJECT(io_priority, "ioPriority", &io_priority_schema),
	OBJECT(exec_cpu_affinity, "execCPUAffinity", &affinity_schema),
};
const struct bh_schema bh_schema_process =
	BH_SCHEMA(struct bh_process, process_fields, .has_set = true, .check = process_check);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Groups that systemd makes: a transient scope (or slice) per container. systemd is spoken to by a
 * helper program, because its library costs each start more than a millisecond. What is asked of it
 * is a list of words in busctl(1)'s manner, NAME TYPE VALUE…; NAME@VERSION is left out by the
 * helper when systemd is older. Properties systemd does not know are written to the control files
 * as well, by the ordinary way, after the scope is there.
 *
 * Where the group really is, is read from /proc/PID/cgroup once systemd has moved the process.
 *
 * Source: org.freedesktop.systemd1(5), systemd.resource-control(5), systemd's CGROUP_DELEGATION.md
 */
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/log.h"
#include "base/path.h"
#include "base/program.h"
#include "base/ranges.h"
#include "linux/cgroup_internal.h"

#define HELPER            "bulkhead-systemd"
#define PERIOD_DEFAULT_US 100000
#define PER_SEC_STEP_US   10000 /* systemd keeps whole percents of a processor */
#define CPU_MAX           8192

/* ---- names and paths ------------------------------------------------------------------------- */

static bool is_unit_name(const char *s)
{
	return *s && strlen(s) < 256 &&
	       s[strspn(s,
			"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:-_.\\@")] ==
		       '\0';
}

static bool ends_with(const char *s, const char *suffix)
{
	size_t len = strlen(s), n = strlen(suffix);

	return len >= n && strcmp(s + len - n, suffix) == 0;
}

int bh_cg_systemd_names(struct bh_cgroup *cg, const char *cgroups_path, const char *id,
			struct bh_err *err)
{
	const char *where = "/linux/cgroupsPath";
	char *path = bh_arena_printf(&cg->arena, "%s%s", cg->explicit_path ? "" : ":bulkhead:",
				     cg->explicit_path ? cgroups_path : id);
	char *prefix = path ? strchr(path, ':') : NULL,
	     *name = prefix ? strchr(prefix + 1, ':') : NULL;

	if (!path)
		return bh_err_oom(err);
	if (!name || strchr(name + 1, ':'))
		return bh_err_spec(err, where,
				   "expected cgroupsPath to be of format \"slice:prefix:name\" for "
				   "systemd cgroups, got \"%s\" instead",
				   cgroups_path);
	*prefix++ = *name++ = '\0';
	cg->slice = path[0] ? path : cg->rootless ? "user.slice" : "system.slice";
	cg->unit = ends_with(name, ".slice")
			   ? name
			   : bh_arena_printf(&cg->arena, "%s-%s.scope", prefix, name);
	if (!cg->unit)
		return bh_err_oom(err);
	if (!is_unit_name(cg->unit) || !is_unit_name(cg->slice) || !ends_with(cg->slice, ".slice"))
		return bh_err_spec(err, where, "'%s' in '%s' is no unit in a slice", cg->unit,
				   cg->slice);
	return 0;
}

/* "a-b.slice" is below "a.slice": adds "/a.slice/a-b.slice". "-.slice" is the root. */
static int expand_slice(const char *slice, struct bh_buf *out, struct bh_err *err)
{
	size_t len = strlen(slice) - strlen(".slice");

	if (strcmp(slice, "-.slice") == 0)
		return 0;
	for (size_t i = 0; i <= len; i++) {
		if (i < len && slice[i] != '-')
			continue;
		if (i == 0 || slice[i - 1] == '-')
			return bh_err_spec(err, "/linux/cgroupsPath", "invalid slice name: %s",
					   slice);
		bh_buf_printf(out, "/%.*s.slice", (int)i, slice);
	}
	return 0;
}

const char *bh_cg_systemd_path(struct bh_cgroup *cg, const char *own, struct bh_err *err)
{
	bh_auto_buf struct bh_buf path = BH_BUF_INIT;
	char manager[64];
	const char *found;

	snprintf(manager, sizeof(manager), "/user@%u.service", geteuid());
	found = cg->rootless && own ? strstr(own, manager) : NULL;
	if (found)
		bh_buf_add(&path, own, (size_t)(found - own) + strlen(manager));
	else if (cg->rootless)
		bh_buf_printf(&path, "/user.slice/user-%u.slice%s", geteuid(), manager);
	if (expand_slice(cg->slice, &path, err) < 0)
		return NULL;
	bh_buf_printf(&path, "/%s", cg->unit);
	found = path.failed ? NULL : bh_arena_strdup(&cg->arena, bh_buf_str(&path));
	if (!found)
		bh_err_oom(err);
	return found;
}

/* ---- properties ------------------------------------------------------------------------------ */

struct words {
	struct bh_arena *arena;
	struct bh_strv *v;
	size_t cap;
	struct bh_err *err;
	int e;
};

/* Adds one word, formatted. */
static void word(struct words *w, const char *fmt, ...) bh_printf(2, 3);
static void word(struct words *w, const char *fmt, ...)
{
	char text[512];
	va_list args;

	if (w->e)
		return;
	if (w->v->n + 1 >= w->cap) {
		w->cap = w->cap ? w->cap * 2 : 128;
		w->v->v = bh_arena_grow(w->arena, w->v->v, w->v->n, w->cap, sizeof(*w->v->v));
	}
	va_start(args, fmt);
	if (vsnprintf(text, sizeof(text), fmt, args) >= (int)sizeof(text))
		w->e = bh_err_set(w->err, -E2BIG, "unit property '%.40s…'", text);
	va_end(args);
	if (w->e)
		return;
	if (!w->v->v || !(w->v->v[w->v->n] = bh_arena_strdup(w->arena, text)))
		w->e = bh_err_oom(w->err);
	else
		w->v->v[++w->v->n] = NULL;
}

/* A property of one value. */
static void property(struct words *w, const char *name, const char *type, const char *value)
{
	word(w, "%s", name);
	word(w, "%s", type);
	word(w, "%s", value);
}

static void property_u64(struct words *w, const char *name, uint64_t value)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	property(w, name, "t", text);
}

/* As systemd rounds it. Return: microseconds a second */
static uint64_t quota_per_sec(int64_t quota, uint64_t period)
{
	uint64_t per_sec = (uint64_t)((unsigned __int128)quota * 1000000 / period);

	return (per_sec + PER_SEC_STEP_US - 1) / PER_SEC_STEP_US * PER_SEC_STEP_US;
}

static void cpu_quota(struct words *w, int64_t quota, uint64_t period)
{
	if (period)
		property_u64(w, "CPUQuotaPeriodUSec@242", period);
	if (quota || period)
		property_u64(w, "CPUQuotaPerSecUSec",
			     quota > 0 ? quota_per_sec(quota, period ? period : PERIOD_DEFAULT_US)
				       : UINT64_MAX);
}

/* "0-2,8" as the bytes of a bit mask. */
static void cpu_mask(struct words *w, const char *name, const char *list)
{
	unsigned char mask[CPU_MAX / 8] = { 0 };
	struct bh_range range;
	const char *p = list;
	size_t bytes = 0;
	int r;

	while ((r = bh_range_next(&p, CPU_MAX, &range)) > 0) {
		for (size_t i = range.first; i <= range.last; i++)
			mask[i / 8] |= (unsigned char)(1U << i % 8);
		if (range.last / 8 >= bytes)
			bytes = range.last / 8 + 1;
	}
	if (r < 0) {
		if (!w->e)
			w->e = bh_err_spec(w->err, "/linux/resources/cpu",
					   "'%s' is no list of numbers below %d", list, CPU_MAX);
		return;
	}
	word(w, "%s", name);
	word(w, "ay");
	word(w, "%zu", bytes);
	for (size_t i = 0; i < bytes; i++)
		word(w, "%u", mask[i]);
}

static void device_allow(struct words *w, const struct bh_cg_device *d)
{
	const char *type = d->type == 'b' ? "block" : "char";

	if (d->major == BH_CG_DEV_ANY)
		word(w, "%s-*", type);
	else if (d->minor == BH_CG_DEV_ANY)
		word(w, "%s-%" PRId64, type, d->major);
	else
		word(w, "/dev/%s/%" PRId64 ":%" PRId64, type, d->major, d->minor);
	word(w, "%s%s%s", d->access & BH_CG_DEV_READ ? "r" : "",
	     d->access & BH_CG_DEV_WRITE ? "w" : "", d->access & BH_CG_DEV_MKNOD ? "m" : "");
}

/* systemd has no list of what is denied; and none of one minor number with any major. Both are in
 * force all the same, by the filter that is put in place after the scope's start. */
static void devices(struct words *w, const struct bh_resources *resources)
{
	struct bh_cg_devices set;
	size_t n = 0;
	int e = bh_cg_devices(w->arena, resources, &set, w->err);

	if (e < 0) {
		w->e = w->e ? w->e : e;
		return;
	}
	property(w, "DeviceAllow", "a(ss)", "0");
	property(w, "DevicePolicy", "s", set.default_allow ? "auto" : "strict");
	for (size_t i = 0; i < set.n; i++)
		n += set.v[i].major != BH_CG_DEV_ANY || set.v[i].minor == BH_CG_DEV_ANY;
	if (set.default_allow || !n)
		return;
	word(w, "DeviceAllow");
	word(w, "a(ss)");
	word(w, "%zu", n);
	for (size_t i = 0; i < set.n; i++)
		if (set.v[i].major != BH_CG_DEV_ANY || set.v[i].minor == BH_CG_DEV_ANY)
			device_allow(w, &set.v[i]);
}

int64_t bh_cg_systemd_quota(const struct bh_cpu *cpu)
{
	uint64_t period = cpu->period.set && cpu->period.v ? cpu->period.v : PERIOD_DEFAULT_US;

	if (!cpu->quota.set || cpu->quota.v <= 0)
		return cpu->quota.v;
	return (int64_t)((unsigned __int128)quota_per_sec(cpu->quota.v, period) * period / 1000000);
}

/* The half of quota and period that @cpu does not give, as the group has it. */
static void quota_of(const struct bh_cgroup *cg, const struct bh_cpu *cpu, int64_t *quota,
		     uint64_t *period)
{
	int i = bh_cg_find(cg, BH_CG_CPU);
	char text[64];

	*quota = cpu->quota.set ? cpu->quota.v : 0;
	*period = cpu->period.set ? cpu->period.v : 0;
	if (!cg->loaded || i < 0 || !*quota == !*period || !cg->pub[i].v2 ||
	    bh_cg_read(cg->hier[i].dir, "cpu.max", text, sizeof(text)) < 0)
		return;
	if (!*quota)
		*quota = text[0] == 'm' ? -1 : strtoll(text, NULL, 10);
	else
		*period = strtoull(text + strcspn(text, " "), NULL, 10);
}

static void resources_v1(struct words *w, const struct bh_resources *r)
{
	if (r->memory.limit.set && r->memory.limit.v)
		property_u64(w, "MemoryLimit", (uint64_t)r->memory.limit.v);
	if (r->cpu.shares.set && r->cpu.shares.v)
		property_u64(w, "CPUShares", r->cpu.shares.v);
	if (r->block_io.weight.set && r->block_io.weight.v)
		property_u64(w, "BlockIOWeight", r->block_io.weight.v);
}

static void resources_v2(struct words *w, const struct bh_resources *r)
{
	int64_t limit = r->memory.limit.set ? r->memory.limit.v : 0;
	int64_t swap = r->memory.swap.set ? r->memory.swap.v : 0;
	bool idle = r->cpu.idle.set && r->cpu.idle.v == 1;

	if (limit)
		property_u64(w, "MemoryMax", (uint64_t)limit);
	if (r->memory.reservation.set && r->memory.reservation.v)
		property_u64(w, "MemoryLow", (uint64_t)r->memory.reservation.v);
	if (swap == -1 || (limit == -1 && swap == 0))
		property_u64(w, "MemorySwapMax", UINT64_MAX);
	else if (swap > 0 && limit)
		property_u64(w, "MemorySwapMax", (uint64_t)(limit > 0 ? swap - limit : swap));
	if (idle)
		property_u64(w, "CPUWeight@252", 0);
	if (r->cpu.shares.set && r->cpu.shares.v && idle)
		bh_warn("unable to apply both CPUWeight and CpuIdle to systemd, ignoring "
			"CPUWeight");
	else if (r->cpu.shares.set && r->cpu.shares.v)
		property_u64(w, "CPUWeight", bh_cg_cpu_weight(r->cpu.shares.v));
}

/* ---- unified --------------------------------------------------------------------------------- */

static const struct {
	const char *key, *name;
} unified_numbers[] = {
	{ "memory.high", "MemoryHigh" }, { "memory.low", "MemoryLow" },
	{ "memory.max", "MemoryMax" },   { "memory.min", "MemoryMin" },
	{ "pids.max", "TasksMax" },      { "memory.swap.max", "MemorySwapMax" },
	{ "cpu.weight", "CPUWeight" },
};

static const char *unified_value(const struct bh_resources *r, const char *name)
{
	bh_for_each (kv, r->unified)
		if (strcmp(kv->key, name) == 0)
			return kv->value + strspn(kv->value, " \t\n");
	return NULL;
}

/* "max" or a number. */
static bool parse_max(const char *text, uint64_t *ret)
{
	char *end;

	if (strncmp(text, "max", 3) == 0) {
		*ret = UINT64_MAX;
		return text[3 + strspn(text + 3, " \t\n")] == '\0';
	}
	errno = 0;
	*ret = strtoull(text, &end, 10);
	return errno == 0 && end != text && text[0] != '-' && end[strspn(end, " \t\n")] == '\0';
}

static void unified_cpu(struct words *w, const struct bh_resources *r)
{
	const char *max = unified_value(r, "cpu.max"), *idle = unified_value(r, "cpu.idle");

	if (max) {
		int64_t quota = strncmp(max, "max", 3) == 0 ? 0 : strtoll(max, NULL, 10);
		const char *rest = max + strcspn(max, " \t\n");
		uint64_t period = strtoull(rest, NULL, 10);

		cpu_quota(w, quota, period ? period : PERIOD_DEFAULT_US);
	}
	if (idle && idle[0] == '1')
		property_u64(w, "CPUWeight@252", 0);
	if (unified_value(r, "cpuset.cpus"))
		cpu_mask(w, "AllowedCPUs@244", unified_value(r, "cpuset.cpus"));
	if (unified_value(r, "cpuset.mems"))
		cpu_mask(w, "AllowedMemoryNodes@244", unified_value(r, "cpuset.mems"));
}

/* What systemd has a name for; the rest is written to the files alone. */
static void unified(struct words *w, const struct bh_resources *r)
{
	const char *idle = unified_value(r, "cpu.idle");

	unified_cpu(w, r);
	for (size_t i = 0; i < BH_ARRAY_SIZE(unified_numbers); i++) {
		const char *value = unified_value(r, unified_numbers[i].key);
		uint64_t number;

		if (!value)
			continue;
		if (idle && idle[0] == '1' && strcmp(unified_numbers[i].key, "cpu.weight") == 0) {
			bh_warn("unable to apply both cpu.weight and cpu.idle to systemd, ignoring "
				"cpu.weight");
			continue;
		}
		if (parse_max(value, &number))
			property_u64(w, unified_numbers[i].name, number);
		else if (!w->e)
			w->e = bh_err_spec(w->err, "/linux/resources/unified",
					   "unified resource \"%s\" value conversion error: '%s'",
					   unified_numbers[i].key, value);
	}
}

int bh_cg_systemd_properties(struct bh_arena *arena, const struct bh_cgroup *cg,
			     const struct bh_resources *r, bool with_devices, struct bh_strv *list,
			     struct bh_err *err)
{
	struct words w = { .arena = arena, .v = list, .cap = list->n + 1, .err = err };
	bool pure_v2 = bh_cg_pure_v2(cg);
	uint64_t period;
	int64_t quota;

	if (with_devices)
		devices(&w, r);
	if (pure_v2)
		resources_v2(&w, r);
	else
		resources_v1(&w, r);
	quota_of(cg, &r->cpu, &quota, &period);
	cpu_quota(&w, quota, period);
	if (r->pids_limit.set && r->pids_limit.v)
		property_u64(&w, "TasksMax",
			     r->pids_limit.v > 0 ? (uint64_t)r->pids_limit.v : UINT64_MAX);
	if (r->cpu.cpus && r->cpu.cpus[0])
		cpu_mask(&w, "AllowedCPUs@244", r->cpu.cpus);
	if (r->cpu.mems && r->cpu.mems[0])
		cpu_mask(&w, "AllowedMemoryNodes@244", r->cpu.mems);
	if (pure_v2)
		unified(&w, r);
	return w.e;
}

/* ---- the helper ------------------------------------------------------------------------------ */

static const char *const helper_places[] = { "", "../libexec/bulkhead/", "../systemd/" };

/* Runs it to its end; what it writes to standard error is its one line of explanation. */
static int run_helper(const struct bh_strv *words, struct bh_err *err)
{
	char path[PATH_MAX], said[BH_ERR_TEXT_BYTES / 2];
	int status;
	int e = bh_program_find(helper_places, BH_ARRAY_SIZE(helper_places), HELPER, BH_LIBEXECDIR,
				path, err);

	if (e < 0)
		return bh_err_ctx(err, "systemd helper");
	status = bh_program_run(path, (char *const *)words->v, environ, said, sizeof(said));
	if (status < 0)
		return bh_err_set(err, status, "run '%s'", path);
	said[strcspn(said, "\n")] = '\0';
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	return bh_err_as(err, BH_ERR_PEER, -EREMOTEIO, "systemd: %s",
			 said[0] ? said : "the helper died");
}

/* HELPER [--user] VERB UNIT */
static void command(struct words *w, const struct bh_cgroup *cg, const char *verb)
{
	word(w, HELPER);
	if (cg->rootless)
		word(w, "--user");
	word(w, "%s", verb);
	word(w, "%s", cg->unit);
}

int bh_cg_systemd_update(struct bh_cgroup *cg, const struct bh_resources *resources,
			 struct bh_err *err)
{
	bh_auto_arena struct bh_arena arena = BH_ARENA_INIT;
	struct bh_strv list = { .n = 0 };
	struct words w = { .arena = &arena, .v = &list, .err = err };
	size_t n;
	int e;

	command(&w, cg, "set");
	n = list.n;
	e = w.e ? w.e : bh_cg_systemd_properties(&arena, cg, resources, false, &list, err);
	if (e < 0 || list.n == n)
		return e;
	e = run_helper(&list, err);
	return e < 0 ? bh_err_ctx(err, "unable to set unit properties of '%s'", cg->unit) : 0;
}

int bh_cg_systemd_stop(struct bh_cgroup *cg, struct bh_err *err)
{
	bh_auto_arena struct bh_arena arena = BH_ARENA_INIT;
	struct bh_strv list = { .n = 0 };
	struct words w = { .arena = &arena, .v = &list, .err = err };
	int e;

	command(&w, cg, "stop");
	e = w.e ? w.e : run_helper(&list, err);
	return e < 0 ? bh_err_ctx(err, "stop unit '%s'", cg->unit) : 0;
}

int bh_cg_systemd_attach(const struct bh_cgroup *cg, pid_t pid, struct bh_err *err)
{
	bh_auto_arena struct bh_arena arena = BH_ARENA_INIT;
	struct bh_strv list = { .n = 0 };
	struct words w = { .arena = &arena, .v = &list, .err = err };
	int e;

	command(&w, cg, "attach");
	word(&w, "%d", pid);
	e = w.e ? w.e : run_helper(&list, err);
	return e < 0 ? bh_err_ctx(err, "move process %d to unit '%s'", pid, cg->unit) : 0;
}

/* ---- start ----------------------------------------------------------------------------------- */

/* The annotations org.systemd.property.NAME, whose values are in GVariant's text format: "@". */
static void annotations(struct words *w, const struct bh_spec *spec)
{
	static const char prefix[] = "org.systemd.property.";

	bh_for_each (kv, spec->annotations) {
		const char *name = kv->key + sizeof(prefix) - 1;

		if (strncmp(kv->key, prefix, sizeof(prefix) - 1) != 0)
			continue;
		if (strlen(name) < 3 ||
		    name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")]) {
			if (!w->e)
				w->e = bh_err_spec(w->err, "/annotations",
						   "annotation %s name incorrect: %s", kv->key,
						   strlen(name) < 3 ? "too short"
								    : "contains non-alphabetic "
								      "character");
			return;
		}
		property(w, name, "@", kv->value);
	}
}

static void unit_properties(struct words *w, const struct bh_cgroup *cg, pid_t pid)
{
	static const char *const accounting[] = { "MemoryAccounting", "CPUAccounting",
						  "TasksAccounting" };
	char text[32];

	word(w, "Description");
	word(w, "s");
	word(w, "container %s", cg->unit);
	if (ends_with(cg->unit, ".slice")) {
		property(w, "Wants", "as", "1");
		word(w, "%s", cg->slice);
	} else {
		property(w, "Slice", "s", cg->slice);
		property(w, "Delegate", "b", "true");
	}
	snprintf(text, sizeof(text), "%d", pid);
	property(w, "PIDs", "au", "1");
	word(w, "%s", text);
	for (size_t i = 0; i < BH_ARRAY_SIZE(accounting); i++)
		property(w, accounting[i], "b", "true");
	property(w, bh_cg_pure_v2(cg) ? "IOAccounting" : "BlockIOAccounting", "b", "true");
	property(w, "DefaultDependencies", "b", "false");
}

/* Where systemd put @pid; only for version 2, where there is one place. */
static int find_scope(struct bh_cgroup *cg, pid_t pid, struct bh_err *err)
{
	char dir[64], text[PATH_MAX + 64], *path;
	ssize_t n;

	snprintf(dir, sizeof(dir), "/proc/%d", pid);
	n = bh_cg_read(dir, "cgroup", text, sizeof(text));
	if (n < 0)
		return bh_err_set(err, (int)n, "read '%s/cgroup'", dir);
	path = strstr(text, "0::");
	if (!path || path[3] != '/' || !path[4])
		return bh_err_as(err, BH_ERR_PEER, -EREMOTEIO,
				 "systemd did not move process %d to unit '%s'", pid, cg->unit);
	return bh_cg_set_path(cg, 0, path + 3, err);
}

int bh_cgroup_start_scope(struct bh_cgroup *cg, const struct bh_spec *spec, pid_t pid,
			  struct bh_err *err)
{
	const struct bh_resources *resources = &spec->linux_.resources;
	bh_auto_arena struct bh_arena arena = BH_ARENA_INIT;
	struct bh_strv list = { .n = 0 };
	struct words w = { .arena = &arena, .v = &list, .err = err };
	int e;

	command(&w, cg, "start");
	unit_properties(&w, cg, pid);
	e = w.e ? w.e : bh_cg_systemd_properties(&arena, cg, resources, true, &list, err);
	w.cap = list.n + 1;
	annotations(&w, spec);
	e = e ? e : w.e;
	if (e < 0)
		return e;
	e = run_helper(&list, err);
	if (e < 0)
		return bh_err_ctx(err, "unable to start unit '%s'", cg->unit);
	cg->started = true; /* a unit that was somebody else's is not ours to stop */
	if (bh_cg_pure_v2(cg)) {
		e = find_scope(cg, pid, err);
		return e < 0 ? e : bh_cg_v2_join(cg, 0, pid, err);
	}
	for (size_t i = 0; e == 0 && i < cg->n; i++)
		e = cg->pub[i].v2 ? bh_cg_v2_join(cg, i, pid, err) : bh_cg_v1_join(cg, i, pid, err);
	return e;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Writes the list of limits. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/path.h"
#include "linux/cgroup_internal.h"

struct writer {
	struct bh_cgroup *cg;
	struct bh_err *err;
	uint32_t enabled; /* v2 controllers that were enabled on the way */
};

static int write_lines(const char *dir, const char *file, const char *text)
{
	bh_auto_close int fd = bh_cg_open(dir, file, O_WRONLY);
	int e = fd < 0 ? fd : 0;

	do {
		size_t len = strcspn(text, "\n");

		if (text[len] == '\n')
			len++;
		if (e == 0)
			e = bh_fd_write(fd, text, len);
		text += len;
	} while (e == 0 && *text);
	return e;
}

/* A controller that a hybrid host left on version 2 is enabled when its first limit is written. */
static bool enable_on_hybrid(struct writer *w, const struct bh_cg_limit *l, int i)
{
	uint32_t bit = BH_CG_BIT(l->ctrl);

	if (!l->v2 || l->ctrl == BH_CG_MAX_ || bh_cg_pure_v2(w->cg) || w->enabled & bit)
		return false;
	w->enabled |= bit;
	return bh_cg_v2_enable(w->cg->pub[i].mountpoint, w->cg->hier[i].dir, bit) == 0;
}

/* The value that really goes into the file, where it depends on what the group has now. */
static int complete_value(const struct bh_cg_limit *l, const char *dir, char *buf, size_t size,
			  const char **value, struct bh_err *err)
{
	char word[64];
	uint64_t memory;
	ssize_t n;
	int e;

	if (l->flags & BH_CG_KEEP_WORD) {
		n = bh_cg_read(dir, l->file, word, sizeof(word));
		if (n < 0)
			return bh_err_set(err, (int)n, "read '%s/%s'", dir, l->file);
		word[strcspn(word, " ")] = '\0';
		snprintf(buf, size, "%s %s", word, l->value);
		*value = buf;
	} else if (l->flags & BH_CG_LESS_MEMORY) {
		uint64_t both = strtoull(l->value, NULL, 10);

		e = bh_cg_read_u64(dir, "memory.max", &memory);
		if (e == 0 && (memory == UINT64_MAX || memory > both))
			return bh_err_spec(err, "/linux/resources/memory/swap", "%s: %s", l->value,
					   memory == UINT64_MAX
						   ? "unable to set swap limit without memory limit"
						   : "memory+swap limit should be >= memory limit");
		snprintf(buf, size, "%" PRIu64, e == 0 ? both - memory : both);
		*value = buf;
	}
	return 0;
}

/* The kernel clamps shares without a word. */
static int check_shares(const struct bh_cg_limit *l, const char *dir, struct bh_err *err)
{
	uint64_t want = strtoull(l->value, NULL, 10), got;
	int e = bh_cg_read_u64(dir, l->file, &got);

	if (e < 0)
		return bh_err_set(err, e, "read '%s/%s'", dir, l->file);
	if (got == want)
		return 0;
	return bh_err_spec(err, "/linux/resources/cpu/shares",
			   "%" PRIu64 ": the %s allowed cpu-shares is %" PRIu64, want,
			   want > got ? "maximum" : "minimum", got);
}

/* Whether the v2 group @dir has the controller called @name, @len bytes. */
static bool has_controller(const char *dir, const char *name, size_t len)
{
	char have[1024];
	ssize_t n = bh_cg_read(dir, "cgroup.controllers", have, sizeof(have));

	for (const char *p = have; n > 0 && *p; p += strcspn(p, " "), p += *p == ' ')
		if (strcspn(p, " ") == len && memcmp(p, name, len) == 0)
			return true;
	return false;
}

/* Says why @l could not be set. */
static int describe(struct writer *w, const struct bh_cg_limit *l, const char *dir, int e,
		    const char *file, const char *value)
{
	bool missing = e == -ENOENT || e == -EPERM || e == -EACCES;
	uint64_t usage = 0, peak = 0;
	size_t len = strcspn(file, ".");

	if (e == -EBUSY && !l->v2 && strcmp(l->file, "memory.limit_in_bytes") == 0 &&
	    bh_cg_read_u64(dir, "memory.usage_in_bytes", &usage) == 0 &&
	    bh_cg_read_u64(dir, "memory.max_usage_in_bytes", &peak) == 0)
		return bh_err_as(w->err, BH_ERR_OS, e,
				 "unable to set memory limit to %s (current usage: %" PRIu64
				 ", peak usage: %" PRIu64 ")",
				 value, usage, peak);
	missing = l->v2 && missing && strncmp(file, "cgroup.", 7) != 0 &&
		  !has_controller(dir, file, len);
	if (l->ctrl == BH_CG_MAX_ && missing)
		return bh_err_set(w->err, e,
				  "unified resource \"%s\" can't be set: controller \"%.*s\" not "
				  "available",
				  file, (int)len, file);
	if (l->ctrl == BH_CG_MAX_)
		return bh_err_set(w->err, e, "unable to set unified resource \"%s\" to \"%s\"",
				  file, value);
	return bh_err_set(w->err, e, "%s: failed to write \"%s\" to %s/%s%s", l->field, value, dir,
			  file, missing ? " (controller not available)" : "");
}

/* Return: 0; -EAGAIN to be tried later; -errno with the error described */
static int write_limit(struct writer *w, const struct bh_cg_limit *l, bool last_chance)
{
	int i = l->v2 ? bh_cg_find_v2(w->cg) : bh_cg_find(w->cg, l->ctrl);
	const char *value = l->value, *file = l->file, *dir;
	char buf[128];
	int e;

	if (i < 0)
		return bh_err_as(w->err, BH_ERR_OS, -ENODEV,
				 "cannot set %s limit: container could not join or create cgroup "
				 "(%s = %s)",
				 l->ctrl == BH_CG_MAX_ ? "unified"
						       : bh_cg_ctrl_name(l->ctrl, l->v2),
				 l->field, l->value);
	dir = w->cg->hier[i].dir;
	e = complete_value(l, dir, buf, sizeof(buf), &value, w->err);
	if (e < 0)
		return e;
	e = l->flags & BH_CG_BY_LINE ? write_lines(dir, file, value)
				     : bh_cg_write(dir, file, value);
	if (e == -ENOENT && l->alt_file) {
		file = l->alt_file;
		value = l->alt_value;
		e = bh_cg_write(dir, file, value);
	}
	if (e == -ENOENT && enable_on_hybrid(w, l, i))
		return write_limit(w, l, last_chance);
	if (e == -ENOENT && l->flags & BH_CG_OPTIONAL) {
		if (l->flags & BH_CG_WARN)
			bh_warn("%s is not supported by this kernel, ignoring", l->field);
		return 0;
	}
	if (e == -EINVAL && l->flags & BH_CG_LATER && !last_chance)
		return -EAGAIN;
	if (e == 0 && l->flags & BH_CG_CHECK)
		return check_shares(l, dir, w->err);
	return e < 0 ? describe(w, l, dir, e, file, value) : 0;
}

/* memory.checkBeforeUpdate: version 1 refuses by itself what would be exceeded at once. */
static int check_usage(const struct bh_cgroup *cg, const struct bh_memory *m, struct bh_err *err)
{
	int i = bh_cg_find(cg, BH_CG_MEMORY);
	uint64_t usage;

	if (!m->check_before_update.set || !m->check_before_update.v || i < 0 || !cg->pub[i].v2 ||
	    bh_cg_read_u64(cg->hier[i].dir, "memory.current", &usage) < 0)
		return 0;
	if (m->swap.set && m->swap.v > 0 && (uint64_t)m->swap.v <= usage)
		return bh_err_spec(err, "/linux/resources/memory/swap",
				   "rejecting memory+swap limit %" PRId64 " <= usage %" PRIu64,
				   m->swap.v, usage);
	if (m->limit.set && m->limit.v > 0 && (uint64_t)m->limit.v <= usage)
		return bh_err_spec(err, "/linux/resources/memory/limit",
				   "rejecting memory limit %" PRId64 " <= usage %" PRIu64,
				   m->limit.v, usage);
	return 0;
}

/* The limits of one controller, from @first on; what has to wait is written at its end. */
static int write_controller(struct writer *w, const struct bh_cg_limits *limits, size_t first,
			    size_t *ret_next)
{
	const struct bh_cg_limit *v = limits->v;
	uint64_t later = 0;
	size_t i = first;
	int e = 0;

	for (; i < limits->n && v[i].ctrl == v[first].ctrl; i++) {
		e = write_limit(w, &v[i], i - first >= 64);
		if (e == -EAGAIN)
			later |= 1ULL << (i - first);
		else if (e < 0)
			return e;
	}
	*ret_next = i;
	for (i = 0; later; i++, later >>= 1) {
		e = later & 1 ? write_limit(w, &v[first + i], true) : 0;
		if (e < 0)
			return e;
	}
	return 0;
}

int bh_cgroup_apply(struct bh_cgroup *cg, const struct bh_resources *resources, struct bh_err *err)
{
	bh_auto_arena struct bh_arena arena = BH_ARENA_INIT;
	struct writer w = { .cg = cg, .err = err };
	struct bh_resources written = *resources;
	struct bh_cg_limits limits;
	int e;

	if (cg->manager == BH_CGROUP_DISABLED)
		return 0;
	if (cg->manager == BH_CGROUP_SYSTEMD)
		written.cpu.quota.v = bh_cg_systemd_quota(&resources->cpu);
	e = bh_cg_limits(&arena, &written, bh_cg_v2_mask(cg), bh_cg_pure_v2(cg), &limits, err);
	if (e == 0)
		e = check_usage(cg, &resources->memory, err);
	for (size_t i = 0; e == 0 && i < limits.n_warnings; i++)
		bh_warn("%s", limits.warnings[i]);
	if (e == 0 && cg->manager == BH_CGROUP_SYSTEMD && (cg->loaded || cg->applied))
		e = bh_cg_systemd_update(cg, resources, err);
	for (size_t i = 0; e == 0 && i < limits.n;)
		e = write_controller(&w, &limits, i, &i);
	if (e == 0 && !cg->loaded)
		e = bh_cg_devices_apply(cg, resources, err);
	cg->applied = cg->applied || e == 0;
	return e;
}

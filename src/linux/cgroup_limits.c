/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Resources to a list of (file, value), one function a controller and version. Order matters within
 * a controller; where the kernel takes values in one order when a limit is raised and in the other
 * when it is lowered, the entry is marked BH_CG_LATER and simply tried again after the others.
 *
 * Zero means "not set" for most numbers, as runc has it: callers send zeros for what they leave
 * out.
 *
 * Source: kernel admin-guide/cgroup-v1/, cgroup-v2.rst; config-linux.md "Control groups"
 */
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "linux/cgroup_internal.h"

struct builder {
	struct bh_arena *arena;
	struct bh_cg_limits *out;
	struct bh_err *err;
	enum bh_cg_ctrl ctrl;
	bool v2;
	int e; /* the first failure; later calls do nothing */
};

static void fail_oom(struct builder *b)
{
	if (b->e == 0)
		b->e = bh_err_oom(b->err);
}

static void warn(struct builder *b, const char *text)
{
	if (b->out->n_warnings < BH_ARRAY_SIZE(b->out->warnings))
		b->out->warnings[b->out->n_warnings++] = text;
}

/* Adds one entry, to be completed by the caller. Return: NULL after a failure */
static struct bh_cg_limit *add(struct builder *b, const char *field, const char *file,
			       unsigned int flags, const char *fmt, ...) bh_printf(5, 6);
static struct bh_cg_limit *add(struct builder *b, const char *field, const char *file,
			       unsigned int flags, const char *fmt, ...)
{
	struct bh_cg_limits *l = b->out;
	char text[512];
	va_list args;

	if (b->e)
		return NULL;
	if (l->n == l->cap) {
		l->cap += 24;
		l->v = bh_arena_grow(b->arena, l->v, l->n, l->cap, sizeof(*l->v));
	}
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (l->v)
		l->v[l->n] = (struct bh_cg_limit){
			.ctrl = b->ctrl,
			.v2 = b->v2,
			.flags = flags,
			.field = field,
			.file = file,
			.value = bh_arena_strdup(b->arena, text),
		};
	if (!l->v || !file || !l->v[l->n].value) {
		fail_oom(b);
		return NULL;
	}
	return &l->v[l->n++];
}

static void add_number(struct builder *b, const char *field, const char *file, unsigned int flags,
		       int64_t value)
{
	add(b, field, file, flags, "%" PRId64, value);
}

/* ---- cpu, cpuset ----------------------------------------------------------------------------- */

uint64_t bh_cg_cpu_weight(uint64_t shares)
{
	double l;

	if (shares == 0)
		return 0;
	if (shares <= 2)
		return 1;
	if (shares >= 262144)
		return 10000;
	/* Quadratic in the logarithm, through (2, 1), (1024, 100) and (262144, 10000). */
	l = log2((double)shares);
	return (uint64_t)ceil(pow(10, (l * l + 125 * l) / 612.0 - 7.0 / 34.0));
}

static void cpu_v1(struct builder *b, const struct bh_resources *r)
{
	const struct bh_cpu *c = &r->cpu;
	bool quota = c->quota.set && c->quota.v != 0;
	unsigned int later = quota ? BH_CG_LATER : 0;
	bool runtime = c->realtime_runtime.set && c->realtime_runtime.v != 0;

	if (c->shares.set && c->shares.v)
		add_number(b, "cpu.shares", "cpu.shares", BH_CG_CHECK | BH_CG_LATER,
			   (int64_t)c->shares.v);
	if (c->period.set && c->period.v)
		add_number(b, "cpu.period", "cpu.cfs_period_us", later, (int64_t)c->period.v);
	if (c->burst.set)
		add_number(b, "cpu.burst", "cpu.cfs_burst_us", later | BH_CG_OPTIONAL | BH_CG_WARN,
			   (int64_t)c->burst.v);
	if (quota)
		add_number(b, "cpu.quota", "cpu.cfs_quota_us", 0, c->quota.v);
	if (c->idle.set)
		add_number(b, "cpu.idle", "cpu.idle", 0, c->idle.v);
	if (c->realtime_period.set && c->realtime_period.v)
		add_number(b, "cpu.realtimePeriod", "cpu.rt_period_us", runtime ? BH_CG_LATER : 0,
			   (int64_t)c->realtime_period.v);
	if (runtime)
		add_number(b, "cpu.realtimeRuntime", "cpu.rt_runtime_us", 0, c->realtime_runtime.v);
}

static void cpu_v2(struct builder *b, const struct bh_resources *r)
{
	const struct bh_cpu *c = &r->cpu;
	bool quota = c->quota.set && c->quota.v != 0, period = c->period.set && c->period.v != 0;

	/* An idle group takes no weight: before idle for who becomes idle, after for who ceases. */
	if (c->shares.set && c->shares.v)
		add(b, "cpu.shares", "cpu.weight", BH_CG_LATER, "%" PRIu64,
		    bh_cg_cpu_weight(c->shares.v));
	if (c->idle.set)
		add_number(b, "cpu.idle", "cpu.idle", 0, c->idle.v);
	if (c->burst.set)
		add_number(b, "cpu.burst", "cpu.max.burst", quota ? BH_CG_LATER : 0,
			   (int64_t)c->burst.v);
	if (quota && c->quota.v < 0)
		add(b, "cpu.quota", "cpu.max", 0, period ? "max %" PRIu64 : "max", c->period.v);
	else if (quota && period)
		add(b, "cpu.quota", "cpu.max", 0, "%" PRId64 " %" PRIu64, c->quota.v, c->period.v);
	else if (quota)
		add_number(b, "cpu.quota", "cpu.max", 0, c->quota.v);
	else if (period)
		add_number(b, "cpu.period", "cpu.max", BH_CG_KEEP_WORD, (int64_t)c->period.v);
	if ((c->realtime_period.set && c->realtime_period.v) ||
	    (c->realtime_runtime.set && c->realtime_runtime.v))
		warn(b, "cpu.realtimeRuntime and realtimePeriod: cgroup v2 has no such limit");
}

static void cpuset(struct builder *b, const struct bh_resources *r)
{
	if (r->cpu.cpus && r->cpu.cpus[0])
		add(b, "cpu.cpus", "cpuset.cpus", 0, "%s", r->cpu.cpus);
	if (r->cpu.mems && r->cpu.mems[0])
		add(b, "cpu.mems", "cpuset.mems", 0, "%s", r->cpu.mems);
}

/* ---- memory ---------------------------------------------------------------------------------- */

static void memory_common(struct builder *b, const struct bh_memory *m)
{
	if (m->kernel.set || m->kernel_tcp.set)
		warn(b, "Kernel memory settings are ignored and will be removed");
	if (m->use_hierarchy.set && !m->use_hierarchy.v)
		warn(b, "memory.useHierarchy false: memory is always accounted hierarchically");
}

static void memory_v1(struct builder *b, const struct bh_resources *r)
{
	const struct bh_memory *m = &r->memory;
	bool limit = m->limit.set && m->limit.v != 0, swap = m->swap.set && m->swap.v != 0;

	if (limit)
		add_number(b, "memory.limit", "memory.limit_in_bytes", BH_CG_LATER, m->limit.v);
	if (swap)
		add_number(b, "memory.swap", "memory.memsw.limit_in_bytes", BH_CG_LATER, m->swap.v);
	else if (limit && m->limit.v == -1)
		add(b, "memory.swap", "memory.memsw.limit_in_bytes", BH_CG_OPTIONAL, "-1");
	if (m->reservation.set && m->reservation.v)
		add_number(b, "memory.reservation", "memory.soft_limit_in_bytes", 0,
			   m->reservation.v);
	if (m->disable_oom_killer.set && m->disable_oom_killer.v)
		add(b, "memory.disableOOMKiller", "memory.oom_control", 0, "1");
	if (m->use_hierarchy.set && m->use_hierarchy.v)
		add(b, "memory.useHierarchy", "memory.use_hierarchy", BH_CG_OPTIONAL, "1");
	if (m->swappiness.set && m->swappiness.v > 100 && m->swappiness.v != UINT64_MAX && !b->e)
		b->e = bh_err_spec(b->err, "/linux/resources/memory/swappiness",
				   "invalid memory swappiness value: %" PRIu64
				   " (valid range is 0-100)",
				   m->swappiness.v);
	else if (m->swappiness.set && m->swappiness.v != UINT64_MAX)
		add_number(b, "memory.swappiness", "memory.swappiness", 0,
			   (int64_t)m->swappiness.v);
	memory_common(b, m);
}

static void add_max(struct builder *b, const char *field, const char *file, int64_t value)
{
	if (value == -1)
		add(b, field, file, 0, "max");
	else
		add_number(b, field, file, 0, value);
}

static void memory_v2(struct builder *b, const struct bh_resources *r)
{
	const struct bh_memory *m = &r->memory;
	int64_t limit = m->limit.set ? m->limit.v : 0, swap = m->swap.set ? m->swap.v : 0;

	if (limit < -1 && !b->e)
		b->e = bh_err_spec(b->err, "/linux/resources/memory/limit",
				   "invalid memory value: %" PRId64, limit);
	if (swap > 0 && limit > swap && !b->e)
		b->e = bh_err_spec(b->err, "/linux/resources/memory/swap",
				   "%" PRId64 ": memory+swap limit should be >= memory limit",
				   swap);
	/* "max" and "0" mean what is the case anyway where there is no swap. */
	if (swap == -1 || (limit == -1 && swap == 0))
		add(b, "memory.swap", "memory.swap.max", BH_CG_OPTIONAL, "max");
	else if (swap > 0 && limit == 0)
		add_number(b, "memory.swap", "memory.swap.max", BH_CG_LESS_MEMORY, swap);
	else if (swap > 0)
		add_number(b, "memory.swap", "memory.swap.max", swap == limit ? BH_CG_OPTIONAL : 0,
			   limit > 0 ? swap - limit : swap);
	if (limit)
		add_max(b, "memory.limit", "memory.max", limit);
	if (m->reservation.set && m->reservation.v)
		add_max(b, "memory.reservation", "memory.low", m->reservation.v);
	if (m->disable_oom_killer.set && m->disable_oom_killer.v)
		warn(b, "memory.disableOOMKiller: cgroup v2 has no such switch");
	if (m->swappiness.set && m->swappiness.v != UINT64_MAX)
		warn(b, "memory.swappiness: cgroup v2 has no such setting");
	memory_common(b, m);
}

/* ---- pids, hugetlb, rdma, network ------------------------------------------------------------ */

static void pids(struct builder *b, const struct bh_resources *r)
{
	if (r->pids_limit.set && r->pids_limit.v > 0)
		add_number(b, "pids.limit", "pids.max", 0, r->pids_limit.v);
	else if (r->pids_limit.set && r->pids_limit.v < 0)
		add(b, "pids.limit", "pids.max", 0, "max");
}

static void hugetlb(struct builder *b, const struct bh_resources *r)
{
	const char *suffix = b->v2 ? "max" : "limit_in_bytes";

	bh_for_each (h, r->hugepage_limits) {
		if (!h->page_size ||
		    strspn(h->page_size, "0123456789KMGB") != strlen(h->page_size)) {
			if (!b->e)
				b->e = bh_err_spec(b->err, "/linux/resources/hugepageLimits",
						   "page size '%s' is none",
						   h->page_size ? h->page_size : "");
			return;
		}
		for (int rsvd = 0; rsvd < 2; rsvd++)
			add(b, "hugepageLimits",
			    bh_arena_printf(b->arena, "hugetlb.%s.%s%s", h->page_size,
					    rsvd ? "rsvd." : "", suffix),
			    rsvd ? BH_CG_OPTIONAL : 0, "%" PRIu64, h->limit);
	}
}

static void rdma(struct builder *b, const struct bh_resources *r)
{
	bh_for_each (d, r->rdma) {
		char handles[32] = "", objects[32] = "";

		if (d->hca_handles.set)
			snprintf(handles, sizeof(handles), " hca_handle=%" PRIu32,
				 d->hca_handles.v);
		if (d->hca_objects.set)
			snprintf(objects, sizeof(objects), " hca_object=%" PRIu32,
				 d->hca_objects.v);
		add(b, "rdma", "rdma.max", 0, "%s%s%s", d->device, handles, objects);
	}
}

static void net_cls(struct builder *b, const struct bh_resources *r)
{
	if (!r->network.class_id.set || !r->network.class_id.v)
		return;
	if (b->v2)
		warn(b, "network.classID: cgroup v2 has no such setting");
	else
		add_number(b, "network.classID", "net_cls.classid", 0, r->network.class_id.v);
}

static void net_prio(struct builder *b, const struct bh_resources *r)
{
	if (b->v2 && r->network.priorities.n)
		warn(b, "network.priorities: cgroup v2 has no such setting");
	if (b->v2)
		return;
	bh_for_each (p, r->network.priorities)
		add(b, "network.priorities", "net_prio.ifpriomap", 0, "%s %" PRIu32, p->name,
		    p->priority);
}

/* ---- blkio, io ------------------------------------------------------------------------------- */

static const struct throttle {
	size_t offset; /* of the list in struct bh_block_io */
	const char *field, *v1_file, *v2_key;
} throttles[] = {
	{ offsetof(struct bh_block_io, throttle_read_bps_device), "blockIO.throttleReadBpsDevice",
	  "blkio.throttle.read_bps_device", "rbps" },
	{ offsetof(struct bh_block_io, throttle_write_bps_device), "blockIO.throttleWriteBpsDevice",
	  "blkio.throttle.write_bps_device", "wbps" },
	{ offsetof(struct bh_block_io, throttle_read_iops_device), "blockIO.throttleReadIOPSDevice",
	  "blkio.throttle.read_iops_device", "riops" },
	{ offsetof(struct bh_block_io, throttle_write_iops_device),
	  "blockIO.throttleWriteIOPSDevice", "blkio.throttle.write_iops_device", "wiops" },
};

static const bh_blkio_device_list *throttle_list(const struct bh_block_io *io,
						 const struct throttle *t)
{
	return (const void *)((const char *)io + t->offset);
}

static void with_alt(struct builder *b, struct bh_cg_limit *limit, const char *file,
		     const char *value)
{
	if (!limit)
		return;
	limit->alt_file = file;
	limit->alt_value = value;
	if (!value)
		fail_oom(b);
}

static void blkio_v1(struct builder *b, const struct bh_resources *r)
{
	const struct bh_block_io *io = &r->block_io;
	struct bh_cg_limit *l;

	if (io->weight.set && io->weight.v) {
		l = add(b, "blockIO.weight", "blkio.weight", 0, "%" PRIu64, io->weight.v);
		with_alt(b, l, "blkio.bfq.weight", l ? l->value : NULL);
	}
	if (io->leaf_weight.set && io->leaf_weight.v)
		add_number(b, "blockIO.leafWeight", "blkio.leaf_weight", 0,
			   (int64_t)io->leaf_weight.v);
	bh_for_each (d, io->weight_device) {
		if (d->weight.set && d->weight.v) {
			l = add(b, "blockIO.weightDevice", "blkio.weight_device", 0,
				"%" PRId64 ":%" PRId64 " %" PRIu64, d->major, d->minor,
				d->weight.v);
			with_alt(b, l, "blkio.bfq.weight_device", l ? l->value : NULL);
		}
		if (d->leaf_weight.set && d->leaf_weight.v)
			add(b, "blockIO.weightDevice", "blkio.leaf_weight_device", 0,
			    "%" PRId64 ":%" PRId64 " %" PRIu64, d->major, d->minor,
			    d->leaf_weight.v);
	}
	for (size_t t = 0; t < BH_ARRAY_SIZE(throttles); t++)
		bh_for_each (d, *throttle_list(io, &throttles[t]))
			add(b, throttles[t].field, throttles[t].v1_file, 0,
			    "%" PRId64 ":%" PRId64 " %" PRIu64, d->major, d->minor, d->rate);
}

/* [10, 1000] of blkio to [1, 10000] of io.weight, linear. */
static uint64_t io_weight(uint64_t blkio_weight)
{
	return blkio_weight < 10 ? 1 : 1 + (blkio_weight - 10) * 9999 / 990;
}

static void io_v2(struct builder *b, const struct bh_resources *r)
{
	const struct bh_block_io *io = &r->block_io;
	struct bh_cg_limit *l;

	if (io->weight.set && io->weight.v) {
		l = add(b, "blockIO.weight", "io.bfq.weight", 0, "%" PRIu64, io->weight.v);
		with_alt(b, l, "io.weight",
			 bh_arena_printf(b->arena, "%" PRIu64, io_weight(io->weight.v)));
	}
	bh_for_each (d, io->weight_device) {
		if (!d->weight.set || !d->weight.v)
			continue;
		l = add(b, "blockIO.weightDevice", "io.bfq.weight", 0,
			"%" PRId64 ":%" PRId64 " %" PRIu64, d->major, d->minor, d->weight.v);
		with_alt(b, l, "io.weight",
			 bh_arena_printf(b->arena, "%" PRId64 ":%" PRId64 " %" PRIu64, d->major,
					 d->minor, io_weight(d->weight.v)));
	}
	if (io->leaf_weight.set && io->leaf_weight.v)
		warn(b, "blockIO.leafWeight: cgroup v2 has no such setting");
	for (size_t t = 0; t < BH_ARRAY_SIZE(throttles); t++)
		bh_for_each (d, *throttle_list(io, &throttles[t])) {
			/* Version 1 takes 0 for "no limit"; version 2 has a word for it. */
			if (d->rate)
				add(b, throttles[t].field, "io.max", 0,
				    "%" PRId64 ":%" PRId64 " %s=%" PRIu64, d->major, d->minor,
				    throttles[t].v2_key, d->rate);
			else
				add(b, throttles[t].field, "io.max", 0,
				    "%" PRId64 ":%" PRId64 " %s=max", d->major, d->minor,
				    throttles[t].v2_key);
		}
}

/* ---- unified --------------------------------------------------------------------------------- */

/* Writing one of these would pull in or kill processes: no limit, and not the document's to ask. */
static bool is_no_limit(const char *key)
{
	static const char *const files[] = { "cgroup.procs", "cgroup.threads", "cgroup.kill" };

	for (size_t i = 0; i < BH_ARRAY_SIZE(files); i++)
		if (strcmp(key, files[i]) == 0)
			return true;
	return false;
}

static int unified(struct builder *b, const struct bh_resources *r, bool pure_v2)
{
	const char *where = "/linux/resources/unified";

	if (r->unified.n && !pure_v2)
		return bh_err_spec(b->err, where,
				   "invalid configuration: cannot use unified on cgroup v1");
	b->ctrl = BH_CG_MAX_;
	b->v2 = true;
	bh_for_each (kv, r->unified) {
		const char *dot = strchr(kv->key, '.');

		if (strchr(kv->key, '/'))
			return bh_err_spec(
				b->err, where,
				"unified resource \"%s\" must be a file name (no slashes)",
				kv->key);
		if (!dot || dot == kv->key)
			return bh_err_spec(b->err, where,
					   "unified resource \"%s\" must be in the form "
					   "CONTROLLER.PARAMETER",
					   kv->key);
		if (is_no_limit(kv->key))
			return bh_err_spec(b->err, where, "unified resource \"%s\" is no limit",
					   kv->key);
		struct bh_cg_limit *l = add(b, "unified", kv->key, BH_CG_BY_LINE, "%s", "");

		if (l)
			l->value = kv->value;
	}
	return b->e;
}

static const struct {
	enum bh_cg_ctrl ctrl;
	void (*limits[2])(struct builder *b, const struct bh_resources *r); /* v1, v2 */
} controllers[] = {
	{ BH_CG_PIDS, { pids, pids } },
	{ BH_CG_MEMORY, { memory_v1, memory_v2 } },
	{ BH_CG_BLKIO, { blkio_v1, io_v2 } },
	{ BH_CG_CPU, { cpu_v1, cpu_v2 } },
	{ BH_CG_CPUSET, { cpuset, cpuset } },
	{ BH_CG_HUGETLB, { hugetlb, hugetlb } },
	{ BH_CG_RDMA, { rdma, rdma } },
	{ BH_CG_NET_CLS, { net_cls, net_cls } },
	{ BH_CG_NET_PRIO, { net_prio, net_prio } },
};

int bh_cg_limits(struct bh_arena *arena, const struct bh_resources *resources, uint32_t v2_mask,
		 bool pure_v2, struct bh_cg_limits *ret, struct bh_err *err)
{
	struct builder b = { .arena = arena, .out = ret, .err = err };

	*ret = (struct bh_cg_limits){ .n = 0 };
	for (size_t i = 0; i < BH_ARRAY_SIZE(controllers); i++) {
		b.ctrl = controllers[i].ctrl;
		b.v2 = v2_mask & BH_CG_BIT(b.ctrl);
		controllers[i].limits[b.v2](&b, resources);
	}
	return b.e ? b.e : unified(&b, resources, pure_v2);
}

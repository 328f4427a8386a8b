/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The figures are read once, as the document of `events --stats`; two tables say where each of them
 * goes in containerd's messages.
 *
 * Source: containerd/cgroups cgroup1/stats/metrics.proto, cgroup2/stats/metrics.proto
 */
#include "task/metrics.h"

#include <string.h>

#include "base/arena.h"
#include "base/json.h"
#include "rpc/conn.h"
#include "rpc/metrics.pb-c.h"

#define V1_TYPE    "io.containerd.cgroups.v1.Metrics"
#define V2_TYPE    "io.containerd.cgroups.v2.Metrics"
#define NS_TO_USEC 1000

struct v1 {
	Metrics__V1 all;
	Metrics__Pids pids;
	Metrics__V1Cpu cpu;
	Metrics__V1CpuUsage usage;
	Metrics__V1Throttle throttling;
	Metrics__V1Memory memory;
	Metrics__V1MemoryEntry memory_usage, swap, kernel, tcp;
	Metrics__V1Blkio blkio;
	Metrics__V1OomControl oom;
};

struct v2 {
	Metrics__V2 all;
	Metrics__Pids pids;
	Metrics__V2Cpu cpu;
	Metrics__V2Memory memory;
	Metrics__V2MemoryEvents events;
	Metrics__V2Io io;
	uint64_t with_swap, with_swap_limit; /* memory and swap together */
};

struct row {
	const char *path; /* in the document */
	size_t offset;    /* of the uint64_t in struct v1 or v2 */
	uint64_t divisor; /* 0 = as it is */
};

#define V1(path, member)                             \
	{                                            \
		path, offsetof(struct v1, member), 0 \
	}
#define V1_ENTRY(path, member)                                            \
	V1(path "/limit", member.limit), V1(path "/usage", member.usage), \
		V1(path "/max", member.max), V1(path "/failcnt", member.failcnt)
#define V1_STAT(name, member) V1("memory/raw/" name, memory.member)
#define V1_BOTH(name, member) V1_STAT(name, member), V1_STAT("total_" name, total_##member)

static const struct row v1_rows[] = {
	V1("pids/current", pids.current),
	V1("pids/limit", pids.limit),
	V1("cpu/usage/total", usage.total),
	V1("cpu/usage/kernel", usage.kernel),
	V1("cpu/usage/user", usage.user),
	V1("cpu/throttling/periods", throttling.periods),
	V1("cpu/throttling/throttledPeriods", throttling.throttled_periods),
	V1("cpu/throttling/throttledTime", throttling.throttled_time),
	V1_ENTRY("memory/usage", memory_usage),
	V1_ENTRY("memory/swap", swap),
	V1_ENTRY("memory/kernel", kernel),
	V1_ENTRY("memory/kernelTCP", tcp),
	V1_BOTH("cache", cache),
	V1_BOTH("rss", rss),
	V1_BOTH("rss_huge", rss_huge),
	V1_BOTH("mapped_file", mapped_file),
	V1_BOTH("dirty", dirty),
	V1_BOTH("writeback", writeback),
	V1_BOTH("pgpgin", pg_pg_in),
	V1_BOTH("pgpgout", pg_pg_out),
	V1_BOTH("pgfault", pg_fault),
	V1_BOTH("pgmajfault", pg_maj_fault),
	V1_BOTH("inactive_anon", inactive_anon),
	V1_BOTH("active_anon", active_anon),
	V1_BOTH("inactive_file", inactive_file),
	V1_BOTH("active_file", active_file),
	V1_BOTH("unevictable", unevictable),
	V1_STAT("hierarchical_memory_limit", hierarchical_memory_limit),
	V1_STAT("hierarchical_memsw_limit", hierarchical_swap_limit),
};

#define V2(path, member)                             \
	{                                            \
		path, offsetof(struct v2, member), 0 \
	}
#define V2_USEC(path, member)                                 \
	{                                                     \
		path, offsetof(struct v2, member), NS_TO_USEC \
	}
#define V2_STAT(member) V2("memory/raw/" #member, memory.member)

static const struct row v2_rows[] = {
	V2("pids/current", pids.current),
	V2("pids/limit", pids.limit),
	V2_USEC("cpu/usage/total", cpu.usage_usec),
	V2_USEC("cpu/usage/user", cpu.user_usec),
	V2_USEC("cpu/usage/kernel", cpu.system_usec),
	V2("cpu/throttling/periods", cpu.nr_periods),
	V2("cpu/throttling/throttledPeriods", cpu.nr_throttled),
	V2_USEC("cpu/throttling/throttledTime", cpu.throttled_usec),
	V2("memory/usage/usage", memory.usage),
	V2("memory/usage/limit", memory.usage_limit),
	V2("memory/usage/max", memory.max_usage),
	V2("memory/swap/usage", with_swap),
	V2("memory/swap/limit", with_swap_limit),
	V2_STAT(anon),
	V2_STAT(file),
	V2_STAT(kernel_stack),
	V2_STAT(slab),
	V2_STAT(sock),
	V2_STAT(shmem),
	V2_STAT(file_mapped),
	V2_STAT(file_dirty),
	V2_STAT(file_writeback),
	V2_STAT(anon_thp),
	V2_STAT(inactive_anon),
	V2_STAT(active_anon),
	V2_STAT(inactive_file),
	V2_STAT(active_file),
	V2_STAT(unevictable),
	V2_STAT(slab_reclaimable),
	V2_STAT(slab_unreclaimable),
	V2_STAT(pgfault),
	V2_STAT(pgmajfault),
	V2_STAT(pgrefill),
	V2_STAT(pgscan),
	V2_STAT(pgsteal),
	V2_STAT(pgactivate),
	V2_STAT(pgdeactivate),
	V2_STAT(pglazyfree),
	V2_STAT(pglazyfreed),
	V2_STAT(thp_fault_alloc),
	V2_STAT(thp_collapse_alloc),
};

/* ---- the document ---------------------------------------------------------------------------- */

/* The value at @path, keys with slashes between them; NULL = none. */
static json_object *at(json_object *o, const char *path)
{
	char key[64];

	while (o && *path) {
		size_t len = strcspn(path, "/");

		if (len >= sizeof(key))
			return NULL;
		memcpy(key, path, len);
		key[len] = '\0';
		if (!json_object_object_get_ex(o, key, &o))
			return NULL;
		path += len + (path[len] == '/');
	}
	return o;
}

static uint64_t number(json_object *o, const char *path)
{
	json_object *value = at(o, path);

	return value ? json_object_get_uint64(value) : 0;
}

static void fill(void *messages, json_object *o, const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t value = number(o, rows[i].path);

		*(uint64_t *)((char *)messages + rows[i].offset) =
			rows[i].divisor ? value / rows[i].divisor : value;
	}
}

static size_t length(json_object *list)
{
	return list ? json_object_array_length(list) : 0;
}

/* A message's list of @n others, each as new. Return: NULL when out of memory */
static void *new_list(struct bh_arena *arena, size_t n, const ProtobufCMessageDescriptor *type)
{
	void **list = bh_arena_array(arena, n + 1, sizeof(*list));
	char *items = bh_arena_array(arena, n + 1, type->sizeof_message);

	if (!list || !items)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		list[i] = items + i * type->sizeof_message;
		protobuf_c_message_init(type, list[i]);
	}
	return list;
}

/* ---- version 1 ------------------------------------------------------------------------------- */

static int percpu(struct bh_arena *arena, json_object *o, Metrics__V1CpuUsage *usage)
{
	json_object *list = at(o, "cpu/usage/percpu");

	usage->n_per_cpu = length(list);
	usage->per_cpu = bh_arena_array(arena, usage->n_per_cpu + 1, sizeof(uint64_t));
	if (!usage->per_cpu)
		return -ENOMEM;
	for (size_t i = 0; i < usage->n_per_cpu; i++)
		usage->per_cpu[i] = json_object_get_uint64(json_object_array_get_idx(list, i));
	return 0;
}

static int blkio(struct bh_arena *arena, json_object *list, Metrics__V1BlkioEntry ***ret,
		 size_t *ret_n)
{
	*ret_n = length(list);
	*ret = new_list(arena, *ret_n, &metrics__v1_blkio_entry__descriptor);
	if (!*ret)
		return -ENOMEM;
	for (size_t i = 0; i < *ret_n; i++) {
		json_object *o = json_object_array_get_idx(list, i), *op = at(o, "op");
		Metrics__V1BlkioEntry *entry = (*ret)[i];

		if (op)
			entry->op = (char *)json_object_get_string(op);
		entry->major = number(o, "major");
		entry->minor = number(o, "minor");
		entry->value = number(o, "value");
	}
	return 0;
}

static int hugetlb_v1(struct bh_arena *arena, json_object *o, Metrics__V1 *all)
{
	json_object *sizes = at(o, "hugetlb");
	size_t n = sizes ? (size_t)json_object_object_length(sizes) : 0;

	all->hugetlb = new_list(arena, n, &metrics__v1_hugetlb__descriptor);
	if (!all->hugetlb)
		return -ENOMEM;
	if (!n)
		return 0;
	json_object_object_foreach (sizes, size, entry) {
		Metrics__V1Hugetlb *h = all->hugetlb[all->n_hugetlb++];

		h->pagesize = size;
		h->usage = number(entry, "usage");
		h->max = number(entry, "max");
		h->failcnt = number(entry, "failcnt");
	}
	return 0;
}

/* In a function of its own: the messages are initialised by assignment, member by member. */
static void init_v1(struct v1 *m)
{
	*m = (struct v1){ .all = METRICS__V1__INIT,
			  .pids = METRICS__PIDS__INIT,
			  .cpu = METRICS__V1_CPU__INIT,
			  .usage = METRICS__V1_CPU_USAGE__INIT,
			  .throttling = METRICS__V1_THROTTLE__INIT,
			  .memory = METRICS__V1_MEMORY__INIT,
			  .memory_usage = METRICS__V1_MEMORY_ENTRY__INIT,
			  .swap = METRICS__V1_MEMORY_ENTRY__INIT,
			  .kernel = METRICS__V1_MEMORY_ENTRY__INIT,
			  .tcp = METRICS__V1_MEMORY_ENTRY__INIT,
			  .blkio = METRICS__V1_BLKIO__INIT,
			  .oom = METRICS__V1_OOM_CONTROL__INIT };
	m->all.pids = &m->pids;
	m->all.cpu = &m->cpu;
	m->cpu.usage = &m->usage;
	m->cpu.throttling = &m->throttling;
	m->all.memory = &m->memory;
	m->memory.usage = &m->memory_usage;
	m->memory.swap = &m->swap;
	m->memory.kernel = &m->kernel;
	m->memory.kernel_tcp = &m->tcp;
	m->all.blkio = &m->blkio;
	m->all.memory_oom_control = &m->oom;
}

static int make_v1(struct bh_arena *arena, json_object *o, uint64_t oom_kills, struct v1 *m)
{
	init_v1(m);
	fill(m, o, v1_rows, BH_ARRAY_SIZE(v1_rows));
	m->oom.oom_kill = oom_kills;
	if (percpu(arena, o, &m->usage) < 0 || hugetlb_v1(arena, o, &m->all) < 0 ||
	    blkio(arena, at(o, "blkio/ioServiceBytesRecursive"), &m->blkio.service_bytes,
		  &m->blkio.n_service_bytes) < 0 ||
	    blkio(arena, at(o, "blkio/ioServicedRecursive"), &m->blkio.serviced,
		  &m->blkio.n_serviced) < 0)
		return -ENOMEM;
	return 0;
}

/* ---- version 2 ------------------------------------------------------------------------------- */

/* The entry of a device, made if it is new. */
static Metrics__V2IoEntry *device(struct bh_arena *arena, Metrics__V2Io *io, json_object *o)
{
	uint64_t major = number(o, "major"), minor = number(o, "minor");
	Metrics__V2IoEntry *entry;

	for (size_t i = 0; i < io->n_usage; i++)
		if (io->usage[i]->major == major && io->usage[i]->minor == minor)
			return io->usage[i];
	entry = bh_arena_alloc(arena, sizeof(*entry));
	if (!entry)
		return NULL;
	metrics__v2_io_entry__init(entry);
	entry->major = major;
	entry->minor = minor;
	io->usage[io->n_usage++] = entry;
	return entry;
}

static int io_v2(struct bh_arena *arena, json_object *o, Metrics__V2Io *io)
{
	static const struct {
		const char *list, *op;
		size_t offset;
	} rows[] = {
		{ "blkio/ioServiceBytesRecursive", "Read", offsetof(Metrics__V2IoEntry, rbytes) },
		{ "blkio/ioServiceBytesRecursive", "Write", offsetof(Metrics__V2IoEntry, wbytes) },
		{ "blkio/ioServicedRecursive", "Read", offsetof(Metrics__V2IoEntry, rios) },
		{ "blkio/ioServicedRecursive", "Write", offsetof(Metrics__V2IoEntry, wios) },
	};
	size_t most = length(at(o, rows[0].list)) + length(at(o, rows[2].list));

	io->usage = bh_arena_array(arena, most + 1, sizeof(*io->usage));
	if (!io->usage)
		return -ENOMEM;
	for (size_t r = 0; r < BH_ARRAY_SIZE(rows); r++) {
		json_object *list = at(o, rows[r].list);

		for (size_t i = 0; i < length(list); i++) {
			json_object *e = json_object_array_get_idx(list, i), *op = at(e, "op");
			Metrics__V2IoEntry *entry;

			if (!op || strcmp(json_object_get_string(op), rows[r].op) != 0)
				continue;
			entry = device(arena, io, e);
			if (!entry)
				return -ENOMEM;
			*(uint64_t *)((char *)entry + rows[r].offset) = number(e, "value");
		}
	}
	return 0;
}

static int hugetlb_v2(struct bh_arena *arena, json_object *o, Metrics__V2 *all)
{
	json_object *sizes = at(o, "hugetlb");
	size_t n = sizes ? (size_t)json_object_object_length(sizes) : 0;

	all->hugetlb = new_list(arena, n, &metrics__v2_hugetlb__descriptor);
	if (!all->hugetlb)
		return -ENOMEM;
	if (!n)
		return 0;
	json_object_object_foreach (sizes, size, entry) {
		Metrics__V2Hugetlb *h = all->hugetlb[all->n_hugetlb++];

		h->pagesize = size;
		h->current = number(entry, "usage");
		h->max = number(entry, "max");
	}
	return 0;
}

static void init_v2(struct v2 *m)
{
	*m = (struct v2){ .all = METRICS__V2__INIT,
			  .pids = METRICS__PIDS__INIT,
			  .cpu = METRICS__V2_CPU__INIT,
			  .memory = METRICS__V2_MEMORY__INIT,
			  .events = METRICS__V2_MEMORY_EVENTS__INIT,
			  .io = METRICS__V2_IO__INIT };
	m->all.pids = &m->pids;
	m->all.cpu = &m->cpu;
	m->all.memory = &m->memory;
	m->all.memory_events = &m->events;
	m->all.io = &m->io;
}

/* Of what is told together; without a limit there is none of either. */
static uint64_t without(uint64_t both, uint64_t one)
{
	if (both == UINT64_MAX)
		return both;
	return both > one ? both - one : 0;
}

static int make_v2(struct bh_arena *arena, json_object *o, uint64_t oom_kills, struct v2 *m)
{
	init_v2(m);
	fill(m, o, v2_rows, BH_ARRAY_SIZE(v2_rows));
	m->memory.swap_usage = without(m->with_swap, m->memory.usage);
	m->memory.swap_limit = without(m->with_swap_limit, m->memory.usage_limit);
	m->events.oom = oom_kills;
	m->events.oom_kill = oom_kills;
	return io_v2(arena, o, &m->io) < 0 ? -ENOMEM : hugetlb_v2(arena, o, &m->all);
}

/* ---- both ------------------------------------------------------------------------------------ */

static int pack(const ProtobufCMessage *message, const char *type, Wire__Any *ret)
{
	ret->type_url = (char *)type;
	ret->value.len = protobuf_c_message_get_packed_size(message);
	ret->value.data = malloc(ret->value.len + 1);
	if (!ret->value.data)
		return -ENOMEM;
	protobuf_c_message_pack(message, ret->value.data);
	return 0;
}

static int make(json_object *o, uint64_t oom_kills, Wire__Any *ret)
{
	bh_auto_arena struct bh_arena arena = BH_ARENA_INIT;
	struct v1 v1;
	struct v2 v2;

	if (bh_cgroup_host_mode() == 2)
		return make_v2(&arena, o, oom_kills, &v2) < 0 ? -ENOMEM
							      : pack(&v2.all.base, V2_TYPE, ret);
	return make_v1(&arena, o, oom_kills, &v1) < 0 ? -ENOMEM : pack(&v1.all.base, V1_TYPE, ret);
}

int bh_task_metrics(const struct bh_cgroup *cg, Wire__Any *ret, struct bh_err *err)
{
	bh_auto_buf struct bh_buf text = BH_BUF_INIT;
	json_object *o = NULL;
	uint64_t oom_kills = 0;
	int r = bh_cgroup_stats_json(cg, &text, err);

	if (r == 0 && text.failed)
		r = bh_err_oom(err);
	r = r < 0 ? r : bh_json_parse(bh_buf_str(&text), text.len, &o, err);
	if (r < 0)
		return r;
	(void)!bh_cgroup_oom_kills(cg, &oom_kills, NULL); /* none without a memory controller */
	r = make(o, oom_kills, ret);
	json_object_put(o);
	return r < 0 ? bh_err_oom(err) : 0;
}

int bh_task_metrics_check(const Wire__Any *any, struct bh_err *err)
{
	static const struct {
		const char *type;
		const ProtobufCMessageDescriptor *message;
	} types[] = {
		{ V1_TYPE, &metrics__v1__descriptor },
		{ V2_TYPE, &metrics__v2__descriptor },
	};

	for (size_t i = 0; any && i < BH_ARRAY_SIZE(types); i++) {
		ProtobufCMessage *message;

		if (strcmp(any->type_url, types[i].type) != 0)
			continue;
		message = bh_rpc_unpack(types[i].message, any->value.data, any->value.len);
		if (!message)
			break;
		protobuf_c_message_free_unpacked(message, NULL);
		return 0;
	}
	return bh_err_as(err, BH_ERR_PEER, -EBADMSG, "figures that are none");
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The figures of a group in the words and the order of runc's `events --stats`: engines and
 * monitors read them. As there, a figure of zero is left out where the table below says so, and a
 * control file that this kernel or this group does not have counts as zeros.
 */
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/json_writer.h"
#include "base/path.h"
#include "base/ranges.h"
#include "linux/cgroup_internal.h"

#define TICK_NS 10000000ULL /* of cpuacct.stat: USER_HZ is 100 everywhere */

struct stats {
	const struct bh_cgroup *cg;
	struct bh_json_writer w;
	struct bh_err *err;
	int e; /* the first failure */
};

static void number_if(struct stats *s, const char *name, uint64_t value)
{
	if (value)
		bh_json_u64(&s->w, name, value);
}

/* ---- files ----------------------------------------------------------------------------------- */

static const char *dir_of(const struct stats *s, enum bh_cg_ctrl ctrl, bool *v2)
{
	int i = bh_cg_find(s->cg, ctrl);

	*v2 = i >= 0 && s->cg->pub[i].v2;
	return i < 0 ? NULL : s->cg->hier[i].dir;
}

/* The whole file, malloc'd; NULL when there is none. Anything else that goes wrong is noted. */
static char *slurp(struct stats *s, const char *dir, const char *file)
{
	bh_auto_close int fd = dir ? bh_cg_open(dir, file, O_RDONLY) : -ENOENT;
	char *text = NULL;
	int e = fd < 0 ? fd : bh_fd_read(fd, file, 1 << 24, &text, NULL, NULL);

	if (e < 0 && !bh_cg_gone(e) && e != -EOPNOTSUPP && s->e == 0)
		s->e = bh_err_set(s->err, e, "read '%s/%s'", dir, file);
	return text;
}

static uint64_t figure(struct stats *s, const char *dir, const char *file)
{
	uint64_t value = 0;
	int e = dir ? bh_cg_read_u64(dir, file, &value) : -ENOENT;

	if (e < 0 && !bh_cg_gone(e) && e != -EOPNOTSUPP && s->e == 0)
		s->e = bh_err_set(s->err, e, "read '%s/%s'", dir, file);
	return e < 0 ? 0 : value;
}

/* The number after "@name " in lines of such, times @factor. */
static uint64_t value_of(const char *text, const char *name, uint64_t factor)
{
	size_t len = strlen(name);

	for (const char *p = text; p && *p; p += strcspn(p, "\n"), p += *p == '\n')
		if (strncmp(p, name, len) == 0 && p[len] == ' ' && p[len + 1] != '-')
			return strtoull(p + len + 1, NULL, 10) * factor;
	return 0;
}

/* ---- pressure -------------------------------------------------------------------------------- */

/* "0.00" as "0", "1.50" as "1.5": what a float's shortest form is. */
static void decimal(struct stats *s, const char *name, const char *text)
{
	size_t len = strspn(text, "0123456789.");
	char digits[32];

	if (memchr(text, '.', len))
		while (len && text[len - 1] == '0')
			len--;
	if (len && text[len - 1] == '.')
		len--;
	snprintf(digits, sizeof(digits), "%.*s", (int)len, text);
	bh_json_raw(&s->w, name, len ? digits : "0");
}

static void pressure_line(struct stats *s, const char *text, const char *name)
{
	static const char *const averages[] = { "avg10", "avg60", "avg300" };
	const char *line = text;
	size_t len = strlen(name);

	while (*line && !(strncmp(line, name, len) == 0 && line[len] == ' ')) {
		line += strcspn(line, "\n");
		line += *line == '\n';
	}
	bh_json_open(&s->w, name, '{');
	for (size_t i = 0; i < BH_ARRAY_SIZE(averages); i++) {
		const char *p = strstr(line, averages[i]);

		decimal(s, averages[i], p ? p + strlen(averages[i]) + 1 : "0");
	}
	line = strstr(line, "total=");
	bh_json_u64(&s->w, "total", line ? strtoull(line + 6, NULL, 10) : 0);
	bh_json_close(&s->w, '}');
}

static void pressure(struct stats *s, const char *dir, const char *file)
{
	bh_auto_free char *text = bh_cg_pure_v2(s->cg) ? slurp(s, dir, file) : NULL;

	if (!text)
		return;
	bh_json_open(&s->w, "psi", '{');
	pressure_line(s, text, "some");
	pressure_line(s, text, "full");
	bh_json_close(&s->w, '}');
}

/* ---- cpu, cpuset ----------------------------------------------------------------------------- */

/* Column @column of each line after the first @skip, or with @column 0 each word, as a list. */
static void number_list(struct stats *s, const char *name, const char *text, int skip, int column)
{
	bool any = false;

	for (const char *p = text; p && *p;) {
		const char *word = p;

		p += strcspn(p, column ? "\n" : " \n");
		p += *p != '\0';
		if (skip-- > 0)
			continue;
		for (int i = 0; i < column && word < p; i++)
			word += strcspn(word, " \n") + 1;
		if (word >= p || *word < '0' || *word > '9')
			continue;
		if (!any)
			bh_json_open(&s->w, name, '[');
		bh_json_u64(&s->w, NULL, strtoull(word, NULL, 10));
		any = true;
	}
	if (any)
		bh_json_close(&s->w, ']');
}

static void cpu_usage_v1(struct stats *s)
{
	bool v2;
	const char *dir = dir_of(s, BH_CG_CPUACCT, &v2);
	bh_auto_free char *percpu = slurp(s, dir, "cpuacct.usage_percpu");
	bh_auto_free char *all = slurp(s, dir, "cpuacct.usage_all");
	bh_auto_free char *stat = slurp(s, dir, "cpuacct.stat");

	number_if(s, "total", figure(s, dir, "cpuacct.usage"));
	number_list(s, "percpu", percpu, 0, 0);
	number_list(s, "percpu_kernel", all, 1, 2);
	number_list(s, "percpu_user", all, 1, 1);
	bh_json_u64(&s->w, "kernel", value_of(stat, "system", TICK_NS));
	bh_json_u64(&s->w, "user", value_of(stat, "user", TICK_NS));
}

static void cpu(struct stats *s)
{
	bool v2;
	const char *dir = dir_of(s, BH_CG_CPU, &v2);
	bh_auto_free char *stat = slurp(s, dir, "cpu.stat");

	bh_json_open(&s->w, "cpu", '{');
	bh_json_open(&s->w, "usage", '{');
	if (v2) {
		number_if(s, "total", value_of(stat, "usage_usec", 1000));
		bh_json_u64(&s->w, "kernel", value_of(stat, "system_usec", 1000));
		bh_json_u64(&s->w, "user", value_of(stat, "user_usec", 1000));
	} else {
		cpu_usage_v1(s);
	}
	bh_json_close(&s->w, '}');
	bh_json_open(&s->w, "throttling", '{');
	number_if(s, "periods", value_of(stat, "nr_periods", 1));
	number_if(s, "throttledPeriods", value_of(stat, "nr_throttled", 1));
	number_if(s, "throttledTime",
		  v2 ? value_of(stat, "throttled_usec", 1000)
		     : value_of(stat, "throttled_time", 1));
	bh_json_close(&s->w, '}');
	pressure(s, dir, "cpu.pressure");
	bh_json_close(&s->w, '}');
}

/* "0-2,5" as [0,1,2,5] */
static void id_list(struct stats *s, const char *name, const char *dir, const char *file)
{
	bh_auto_free char *text = slurp(s, dir, file);
	const char *p = text;
	struct bh_range range;
	bool any = false;

	while (p && bh_range_next(&p, UINT16_MAX, &range) > 0) {
		if (!any)
			bh_json_open(&s->w, name, '[');
		any = true;
		for (size_t i = range.first; i <= range.last; i++)
			bh_json_u64(&s->w, NULL, i);
	}
	if (any)
		bh_json_close(&s->w, ']');
}

static void cpuset(struct stats *s)
{
	static const char *const flags[] = {
		"mem_hardwall",       "mem_exclusive",   "memory_migrate",     "memory_spread_page",
		"memory_spread_slab", "memory_pressure", "sched_load_balance",
	};
	bool v2;
	const char *dir = dir_of(s, BH_CG_CPUSET, &v2);
	bh_auto_free char *level = NULL;
	char file[64];

	if (v2)
		dir = NULL;
	bh_json_open(&s->w, "cpuset", '{');
	id_list(s, "cpus", dir, "cpuset.cpus");
	bh_json_u64(&s->w, "cpu_exclusive", figure(s, dir, "cpuset.cpu_exclusive"));
	id_list(s, "mems", dir, "cpuset.mems");
	for (size_t i = 0; i < BH_ARRAY_SIZE(flags); i++) {
		snprintf(file, sizeof(file), "cpuset.%s", flags[i]);
		bh_json_u64(&s->w, flags[i], figure(s, dir, file));
	}
	level = slurp(s, dir, "cpuset.sched_relax_domain_level");
	bh_json_i64(&s->w, "sched_relax_domain_level", level ? strtoll(level, NULL, 10) : 0);
	bh_json_close(&s->w, '}');
}

/* ---- memory ---------------------------------------------------------------------------------- */

struct amount {
	uint64_t limit, usage, max, failcnt;
};

static void amount(struct stats *s, const char *name, const struct amount *a)
{
	bh_json_open(&s->w, name, '{');
	bh_json_u64(&s->w, "limit", a->limit);
	number_if(s, "usage", a->usage);
	number_if(s, "max", a->max);
	bh_json_u64(&s->w, "failcnt", a->failcnt);
	bh_json_close(&s->w, '}');
}

static struct amount amount_v1(struct stats *s, const char *dir, const char *name)
{
	static const char *const files[] = { "limit_in_bytes", "usage_in_bytes",
					     "max_usage_in_bytes", "failcnt" };
	uint64_t v[BH_ARRAY_SIZE(files)];
	char file[64];

	for (size_t i = 0; i < BH_ARRAY_SIZE(files); i++) {
		snprintf(file, sizeof(file), "%s.%s", name, files[i]);
		v[i] = figure(s, dir, file);
	}
	return (struct amount){ v[0], v[1], v[2], v[3] };
}

static struct amount amount_v2(struct stats *s, const char *dir, const char *name)
{
	static const char *const files[] = { "max", "current", "peak" };
	uint64_t v[BH_ARRAY_SIZE(files)];
	char file[64];

	for (size_t i = 0; i < BH_ARRAY_SIZE(files); i++) {
		snprintf(file, sizeof(file), "%s.%s", name, files[i]);
		v[i] = figure(s, dir, file);
	}
	return (struct amount){ v[0], v[1], v[2], 0 };
}

static int compare_lines(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* "name number" lines as an object with its keys in order; @text is cut apart. */
static void raw(struct stats *s, char *text)
{
	bh_auto_free const char **lines = NULL;
	size_t n = 0, i = 0;
	char *save = NULL;

	for (const char *p = text; p && (p = strchr(p, '\n')); p++)
		n++;
	lines = calloc(n + 1, sizeof(*lines));
	for (char *line = lines && n ? strtok_r(text, "\n", &save) : NULL; line && i < n;
	     line = strtok_r(NULL, "\n", &save)) {
		char *space = strchr(line, ' ');

		if (space) {
			*space = '\0';
			lines[i++] = line;
		}
	}
	if (!i)
		return;
	qsort(lines, i, sizeof(*lines), compare_lines);
	bh_json_open(&s->w, "raw", '{');
	for (n = 0; n < i; n++) {
		const char *value = lines[n] + strlen(lines[n]) + 1;

		bh_json_u64(&s->w, lines[n], value[0] == '-' ? 0 : strtoull(value, NULL, 10));
	}
	bh_json_close(&s->w, '}');
}

static void memory(struct stats *s)
{
	bool v2;
	const char *dir = dir_of(s, BH_CG_MEMORY, &v2);
	bh_auto_free char *stat = slurp(s, dir, "memory.stat");
	struct amount usage = { 0 }, swap = { 0 }, kernel = { 0 }, tcp = { 0 };

	bh_json_open(&s->w, "memory", '{');
	number_if(s, "cache", value_of(stat, v2 ? "file" : "cache", 1));
	if (stat && v2) {
		usage = amount_v2(s, dir, "memory");
		/* As version 1 has it: memory and swap together, and no maximum of both. */
		swap = amount_v2(s, dir, "memory.swap");
		swap.usage += usage.usage;
		if (swap.limit != UINT64_MAX)
			swap.limit += usage.limit;
		swap.max = 0;
	} else if (stat) {
		usage = amount_v1(s, dir, "memory");
		swap = amount_v1(s, dir, "memory.memsw");
		kernel = amount_v1(s, dir, "memory.kmem");
		tcp = amount_v1(s, dir, "memory.kmem.tcp");
	}
	amount(s, "usage", &usage);
	amount(s, "swap", &swap);
	amount(s, "kernel", &kernel);
	amount(s, "kernelTCP", &tcp);
	raw(s, stat);
	pressure(s, dir, "memory.pressure");
	bh_json_close(&s->w, '}');
}

/* ---- pids ------------------------------------------------------------------------------------ */

static void pids(struct stats *s)
{
	bool v2;
	const char *dir = dir_of(s, BH_CG_PIDS, &v2);
	uint64_t limit = figure(s, dir, "pids.max"), current = figure(s, dir, "pids.current");
	bh_auto_free char *procs = !current && v2 ? slurp(s, dir, "cgroup.procs") : NULL;

	/* A group without the controller: its processes, counted. */
	for (const char *p = procs; p && (p = strchr(p, '\n')); p++)
		current++;
	bh_json_open(&s->w, "pids", '{');
	number_if(s, "current", current);
	number_if(s, "limit", limit == UINT64_MAX ? 0 : limit);
	bh_json_close(&s->w, '}');
}

/* ---- blkio, io ------------------------------------------------------------------------------- */

enum io_list { BYTES, COUNT, QUEUED, SERVICE_TIME, WAIT_TIME, MERGED, TIME, SECTORS, IO_LIST_MAX };

static const char *const io_names[IO_LIST_MAX] = {
	[BYTES] = "ioServiceBytesRecursive", [COUNT] = "ioServicedRecursive",
	[QUEUED] = "ioQueueRecursive",       [SERVICE_TIME] = "ioServiceTimeRecursive",
	[WAIT_TIME] = "ioWaitTimeRecursive", [MERGED] = "ioMergedRecursive",
	[TIME] = "ioTimeRecursive",          [SECTORS] = "sectorsRecursive",
};

/* Entries of one list, each an object; zeros are left out. */
struct io_entries {
	struct bh_buf text;
	struct bh_json_writer w;
};

static void io_entry(struct io_entries *list, uint64_t major, uint64_t minor, const char *op,
		     uint64_t value)
{
	list->w.out = &list->text;
	bh_json_open(&list->w, NULL, '{');
	if (major)
		bh_json_u64(&list->w, "major", major);
	if (minor)
		bh_json_u64(&list->w, "minor", minor);
	if (op[0])
		bh_json_text(&list->w, "op", op);
	if (value)
		bh_json_u64(&list->w, "value", value);
	bh_json_close(&list->w, '}');
}

/* "MAJOR:MINOR [Operation] NUMBER" lines; "Total NUMBER" is left out. */
static void io_file_v1(struct stats *s, const char *dir, const char *file, struct io_entries *list)
{
	bh_auto_free char *text = slurp(s, dir, file);

	for (const char *p = text; p && *p; p += strcspn(p, "\n"), p += *p == '\n') {
		uint64_t major, minor, value;
		char op[32] = "";

		if (sscanf(p, "%" SCNu64 ":%" SCNu64 " %" SCNu64, &major, &minor, &value) == 3 ||
		    sscanf(p, "%" SCNu64 ":%" SCNu64 " %31[A-Za-z] %" SCNu64, &major, &minor, op,
			   &value) == 4)
			io_entry(list, major, minor, op, value);
	}
}

/* Schedulers count in files of their own; the first set that has anything in it is taken. */
static const struct {
	const char *prefix;
	struct {
		const char *file;
		enum io_list list;
	} files[8];
} io_sets[] = {
	{ "blkio.bfq.",
	  { { "sectors_recursive", SECTORS },
	    { "io_service_time_recursive", SERVICE_TIME },
	    { "io_wait_time_recursive", WAIT_TIME },
	    { "io_merged_recursive", MERGED },
	    { "io_queued_recursive", QUEUED },
	    { "time_recursive", TIME },
	    { "io_serviced_recursive", COUNT },
	    { "io_service_bytes_recursive", BYTES } } },
	{ "blkio.bfq.",
	  { { "io_serviced_recursive", COUNT }, { "io_service_bytes_recursive", BYTES } } },
	{ "blkio.",
	  { { "sectors_recursive", SECTORS },
	    { "io_service_time_recursive", SERVICE_TIME },
	    { "io_wait_time_recursive", WAIT_TIME },
	    { "io_merged_recursive", MERGED },
	    { "io_queued_recursive", QUEUED },
	    { "time_recursive", TIME },
	    { "io_serviced_recursive", COUNT },
	    { "io_service_bytes_recursive", BYTES } } },
	{ "blkio.throttle.",
	  { { "io_serviced_recursive", COUNT }, { "io_service_bytes_recursive", BYTES } } },
	{ "blkio.throttle.", { { "io_serviced", COUNT }, { "io_service_bytes", BYTES } } },
};

static void io_v1(struct stats *s, const char *dir, struct io_entries lists[static IO_LIST_MAX])
{
	for (size_t set = 0; set < BH_ARRAY_SIZE(io_sets); set++)
		for (size_t i = 0; i < 8 && io_sets[set].files[i].file; i++) {
			struct io_entries *list = &lists[io_sets[set].files[i].list];
			char file[80];

			snprintf(file, sizeof(file), "%s%s", io_sets[set].prefix,
				 io_sets[set].files[i].file);
			io_file_v1(s, dir, file, list);
			if (!list->text.len && i == 0)
				break;
			if (!list->text.len || i == 7 || !io_sets[set].files[i + 1].file)
				return;
		}
}

/* "MAJOR:MINOR rbytes=N wbytes=N rios=N wios=N …" lines */
static void io_v2(struct stats *s, const char *dir, struct io_entries lists[static IO_LIST_MAX])
{
	static const struct {
		const char *key, *op;
		enum io_list list;
	} keys[] = {
		{ "rbytes=", "Read", BYTES },
		{ "wbytes=", "Write", BYTES },
		{ "rios=", "Read", COUNT },
		{ "wios=", "Write", COUNT },
	};
	bh_auto_free char *text = slurp(s, dir, "io.stat");
	char *save = NULL;

	for (char *line = text ? strtok_r(text, "\n", &save) : NULL; line;
	     line = strtok_r(NULL, "\n", &save)) {
		uint64_t major, minor;

		if (sscanf(line, "%" SCNu64 ":%" SCNu64, &major, &minor) != 2)
			continue;
		for (size_t k = 0; k < BH_ARRAY_SIZE(keys); k++) {
			const char *p = strstr(line, keys[k].key);

			if (p && p[-1] == ' ')
				io_entry(&lists[keys[k].list], major, minor, keys[k].op,
					 strtoull(p + strlen(keys[k].key), NULL, 10));
		}
	}
}

static void blkio(struct stats *s)
{
	struct io_entries lists[IO_LIST_MAX] = { 0 };
	bool v2;
	const char *dir = dir_of(s, BH_CG_BLKIO, &v2);

	bh_json_open(&s->w, "blkio", '{');
	if (v2)
		io_v2(s, dir, lists);
	else
		io_v1(s, dir, lists);
	for (size_t i = 0; i < IO_LIST_MAX; i++) {
		if (lists[i].text.len) {
			bh_json_open(&s->w, io_names[i], '[');
			bh_json_raw(&s->w, NULL, bh_buf_str(&lists[i].text));
			bh_json_close(&s->w, ']');
		}
		bh_buf_deinit(&lists[i].text);
	}
	pressure(s, dir, "io.pressure");
	bh_json_close(&s->w, '}');
}

/* ---- hugetlb --------------------------------------------------------------------------------- */

static void page_size_name(unsigned long kb, char out[static 24])
{
	static const char *const units[] = { "KB", "MB", "GB" };
	size_t unit = 0;

	for (; kb >= 1024 && unit + 1 < BH_ARRAY_SIZE(units); unit++)
		kb /= 1024;
	snprintf(out, 24, "%lu%s", kb, units[unit]);
}

/* One page size; nothing where the group does not have the controller. */
static void hugetlb_size(struct stats *s, const char *dir, bool v2, const char *size)
{
	uint64_t usage = 0, max = 0, failcnt = 0;
	char file[80];
	int e = -ENOENT;

	for (int rsvd = 1; rsvd >= 0 && e == -ENOENT; rsvd--) {
		const char *infix = rsvd ? "rsvd." : "";

		snprintf(file, sizeof(file), "hugetlb.%s.%s%s", size, infix,
			 v2 ? "current" : "usage_in_bytes");
		e = bh_cg_read_u64(dir, file, &usage);
		if (e < 0 || v2)
			continue;
		snprintf(file, sizeof(file), "hugetlb.%s.%smax_usage_in_bytes", size, infix);
		max = figure(s, dir, file);
		snprintf(file, sizeof(file), "hugetlb.%s.%sfailcnt", size, infix);
		failcnt = figure(s, dir, file);
	}
	if (e < 0)
		return;
	if (v2) {
		snprintf(file, sizeof(file), "hugetlb.%s.events", size);
		e = bh_cg_read_key(dir, file, "max", &failcnt);
	}
	bh_json_open(&s->w, size, '{');
	number_if(s, "usage", usage);
	number_if(s, "max", max);
	bh_json_u64(&s->w, "failcnt", e < 0 ? 0 : failcnt);
	bh_json_close(&s->w, '}');
}

static void hugetlb(struct stats *s)
{
	bh_auto_closedir DIR *sizes = opendir("/sys/kernel/mm/hugepages");
	char names[16][24];
	const char *sorted[16];
	bool v2;
	const char *dir = dir_of(s, BH_CG_HUGETLB, &v2);
	size_t n = 0;

	bh_json_open(&s->w, "hugetlb", '{');
	for (struct dirent *entry;
	     sizes && dir && n < BH_ARRAY_SIZE(names) && (entry = readdir(sizes));) {
		unsigned long kb;

		if (sscanf(entry->d_name, "hugepages-%lukB", &kb) != 1)
			continue;
		page_size_name(kb, names[n]);
		sorted[n] = names[n];
		n++;
	}
	qsort(sorted, n, sizeof(*sorted), compare_lines);
	for (size_t i = 0; i < n; i++)
		hugetlb_size(s, dir, v2, sorted[i]);
	bh_json_close(&s->w, '}');
}

int bh_cgroup_stats_json(const struct bh_cgroup *cg, struct bh_buf *out, struct bh_err *err)
{
	struct stats s = { .cg = cg, .w.out = out, .err = err };

	bh_json_open(&s.w, NULL, '{');
	cpu(&s);
	cpuset(&s);
	memory(&s);
	pids(&s);
	blkio(&s);
	hugetlb(&s);
	bh_json_raw(&s.w, "intel_rdt", "{}");
	bh_json_raw(&s.w, "network_interfaces", "null");
	bh_json_close(&s.w, '}');
	return cg->rootless ? 0 : s.e;
}

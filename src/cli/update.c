/* SPDX-License-Identifier: Apache-2.0 */
/* The verb that changes limits: update. */

#include <fcntl.h>
#include <string.h>

#include "base/log.h"
#include "base/path.h"
#include "cli/runtime.h"
#include "cli/verbs.h"

#define RESOURCES_MAX_BYTES (4 << 20)
#define WEIGHT_MAX          1000

struct update_options {
	const char *resources, *cpuset_cpus, *cpuset_mems, *l3_cache_schema, *mem_bw_schema;
	struct bh_opt_u64 cpu_period, cpu_burst, cpu_share, cpu_rt_period;
	struct bh_opt_i64 blkio_weight, cpu_quota, cpu_rt_runtime, cpu_idle, pids_limit;
	struct bh_opt_i64 memory, memory_reservation, memory_swap, kernel_memory, kernel_memory_tcp;
};

#define NUMBER(option_name, type_name, member, text)                                       \
	{                                                                                  \
		.name = option_name, .type = type_name, .flags = BH_OPTION_EMPTY_IS_UNSET, \
		BH_OPTION_AT(struct update_options, member), .value = "N", .help = text    \
	}
#define SIZE(option_name, hidden, member, text)                                             \
	{                                                                                   \
		.name = option_name, .type = BH_OPTION_SIZE,                                \
		.flags = BH_OPTION_EMPTY_IS_UNSET | (hidden),                               \
		BH_OPTION_AT(struct update_options, member), .value = "BYTES", .help = text \
	}
#define TEXT(option_name, value_name, member, text)                                            \
	{                                                                                      \
		.name = option_name, .type = BH_OPTION_STRING,                                 \
		BH_OPTION_AT(struct update_options, member), .value = value_name, .help = text \
	}

static const struct bh_option update_options[] = {
	{ .name = "resources",
	  .short_name = 'r',
	  .type = BH_OPTION_STRING,
	  BH_OPTION_AT(struct update_options, resources),
	  .value = "FILE",
	  .help = "JSON document of the form of linux.resources, - for standard input; all other "
		  "options are then ignored" },
	{ .name = "blkio-weight",
	  .type = BH_OPTION_I64,
	  .max = WEIGHT_MAX,
	  BH_OPTION_AT(struct update_options, blkio_weight),
	  .value = "N",
	  .help = "weight of block I/O, 10 to 1000" },
	NUMBER("cpu-period", BH_OPTION_U64, cpu_period, "period of the CPU limit, in µs"),
	NUMBER("cpu-quota", BH_OPTION_I64, cpu_quota, "CPU time in a period, in µs; -1 = no limit"),
	NUMBER("cpu-burst", BH_OPTION_U64, cpu_burst, "CPU time that may be saved up, in µs"),
	NUMBER("cpu-share", BH_OPTION_U64, cpu_share, "CPU weight, 2 to 262144"),
	NUMBER("cpu-rt-period", BH_OPTION_U64, cpu_rt_period, "period of real-time CPU, in µs"),
	NUMBER("cpu-rt-runtime", BH_OPTION_I64, cpu_rt_runtime,
	       "real-time CPU time in a period, in µs"),
	TEXT("cpuset-cpus", "LIST", cpuset_cpus, "CPUs to use, such as 0-3,7"),
	TEXT("cpuset-mems", "LIST", cpuset_mems, "memory nodes to use"),
	SIZE("kernel-memory", BH_OPTION_HIDDEN, kernel_memory, "ignored"),
	SIZE("kernel-memory-tcp", BH_OPTION_HIDDEN, kernel_memory_tcp, "ignored"),
	SIZE("memory", 0, memory, "memory limit, such as 512m; -1 = no limit"),
	NUMBER("cpu-idle", BH_OPTION_I64, cpu_idle, "1 = run when nothing else does, 0 = normally"),
	SIZE("memory-reservation", 0, memory_reservation, "memory below which nothing is taken"),
	SIZE("memory-swap", 0, memory_swap, "limit of memory and swap together; -1 = no limit"),
	{ .name = "pids-limit",
	  .type = BH_OPTION_I64,
	  BH_OPTION_AT(struct update_options, pids_limit),
	  .value = "N",
	  .help = "how many processes there may be; -1 = no limit" },
	TEXT("l3-cache-schema", "SCHEMA", l3_cache_schema, "Intel RDT: share of the L3 cache"),
	TEXT("mem-bw-schema", "SCHEMA", mem_bw_schema, "Intel RDT: share of memory bandwidth"),
};

static int read_resources(struct bh_cli *cli, const char *path, struct bh_resources *ret,
			  struct bh_err *err)
{
	bh_auto_free char *text = NULL;
	size_t len;
	int r;

	if (!strcmp(path, "-"))
		r = bh_fd_read(STDIN_FILENO, "standard input", RESOURCES_MAX_BYTES, &text, &len,
			       err);
	else
		r = bh_path_read(AT_FDCWD, path, BH_PATH_HOST, RESOURCES_MAX_BYTES, &text, &len,
				 err);
	if (r < 0)
		return r;
	r = bh_spec_parse_resources(&cli->arena, text, len, ret, err);
	return r < 0 ? bh_err_ctx(err, "resources") : 0;
}

static void from_options(const struct update_options *o, struct bh_resources *r)
{
	r->set = true;
	r->block_io.weight.set = o->blkio_weight.set && o->blkio_weight.v;
	r->block_io.weight.v = (uint64_t)o->blkio_weight.v;
	r->cpu = (struct bh_cpu){
		.shares = o->cpu_share,
		.burst = o->cpu_burst,
		.period = o->cpu_period,
		.realtime_period = o->cpu_rt_period,
		.quota = o->cpu_quota,
		.realtime_runtime = o->cpu_rt_runtime,
		.idle = o->cpu_idle,
		.cpus = o->cpuset_cpus && *o->cpuset_cpus ? o->cpuset_cpus : NULL,
		.mems = o->cpuset_mems && *o->cpuset_mems ? o->cpuset_mems : NULL,
	};
	r->memory.limit = o->memory;
	r->memory.reservation = o->memory_reservation;
	r->memory.swap = o->memory_swap;
	r->memory.kernel = o->kernel_memory;
	r->memory.kernel_tcp = o->kernel_memory_tcp;
	r->pids_limit = o->pids_limit;
}

static int run_update(struct bh_cli *cli, const void *options, const struct bh_strv *args,
		      struct bh_err *err)
{
	const struct update_options *o = options;
	bh_auto_container struct bh_container *c = bh_cli_container(cli, args, err);
	struct bh_resources resources = { .set = false };
	struct bh_intel_rdt rdt = {
		.l3_cache_schema = o->l3_cache_schema,
		.mem_bw_schema = o->mem_bw_schema,
	};
	int r = c ? 0 : err->code;

	rdt.set = (rdt.l3_cache_schema && *rdt.l3_cache_schema) ||
		  (rdt.mem_bw_schema && *rdt.mem_bw_schema);
	if (r == 0 && o->resources && *o->resources)
		r = read_resources(cli, o->resources, &resources, err);
	else if (r == 0)
		from_options(o, &resources);
	if (r < 0)
		return r;
	if (resources.memory.kernel.set || resources.memory.kernel_tcp.set)
		bh_warn("limits of kernel memory are gone from Linux, ignoring");
	return bh_runtime_of(c)->update(c, &resources, rdt.set ? &rdt : NULL, err);
}

const struct bh_verb bh_verb_update = {
	.name = "update",
	.args = "CONTAINER",
	.summary = "change the limits of a container",
	.details =
		"What is not given stays as it is. Sizes take k, m, g, t and p for powers of 1024.",
	BH_VERB_OPTIONS(update_options, struct update_options),
	.min_args = 1,
	.max_args = 1,
	.run = run_update,
};

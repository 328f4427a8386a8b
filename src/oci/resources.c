/* SPDX-License-Identifier: Apache-2.0 */
/* Source: runtime-spec config-linux.md "Control groups" */
#include <limits.h>

#include "oci/spec_internal.h"
#include "oci/text.h"

/* ---- devices ---------------------------------------------------------------------------- */

static const struct bh_name rule_types_v[] = { { "a", 'a' }, { "b", 'b' }, { "c", 'c' } };
static const struct bh_names rule_types = { rule_types_v, BH_ARRAY_SIZE(rule_types_v) };

static int device_rule_check(struct bh_reader *r, void *object)
{
	struct bh_device_rule *rule = object;

	(void)r;
	if (!rule->type)
		rule->type = 'a';
	return 0;
}

/* -1 is how some callers spell "all". */
static const struct bh_field device_rule_fields[] = {
	BH_FIELD(struct bh_device_rule, allow, "allow"),
	BH_FIELD(struct bh_device_rule, type, "type", .names = &rule_types),
	BH_FIELD(struct bh_device_rule, major, "major", .min = -1, .max = UINT32_MAX),
	BH_FIELD(struct bh_device_rule, minor, "minor", .min = -1, .max = UINT32_MAX),
	BH_FIELD(struct bh_device_rule, access, "access", .rule = &bh_text_access),
};
static const struct bh_schema device_rule_schema =
	BH_SCHEMA(struct bh_device_rule, device_rule_fields, .check = device_rule_check);

/* ---- memory, CPU, processes ------------------------------------------------------------- */

#define F(member, key, ...) BH_FIELD(struct bh_memory, member, key, __VA_ARGS__)
static const struct bh_field memory_fields[] = {
	F(limit, "limit"),
	F(reservation, "reservation"),
	F(swap, "swap"),
	F(kernel, "kernel"),
	F(kernel_tcp, "kernelTCP"),
	F(swappiness, "swappiness"),
	F(disable_oom_killer, "disableOOMKiller"),
	F(use_hierarchy, "useHierarchy"),
	F(check_before_update, "checkBeforeUpdate"),
};
#undef F
static const struct bh_schema memory_schema = BH_SCHEMA(struct bh_memory, memory_fields);

#define F(member, key, ...) BH_FIELD(struct bh_cpu, member, key, __VA_ARGS__)
static const struct bh_field cpu_fields[] = {
	F(shares, "shares"),
	F(quota, "quota"),
	F(burst, "burst"),
	F(period, "period"),
	F(realtime_runtime, "realtimeRuntime"),
	F(realtime_period, "realtimePeriod"),
	F(cpus, "cpus", .rule = &bh_text_line),
	F(mems, "mems", .rule = &bh_text_line),
	F(idle, "idle", .max = 1),
};
#undef F
static const struct bh_schema cpu_schema = BH_SCHEMA(struct bh_cpu, cpu_fields);

static const struct bh_field pids_fields[] = {
	BH_FIELD(struct bh_resources, pids_limit, "limit"),
};
static const struct bh_schema pids_schema = BH_SCHEMA(struct bh_resources, pids_fields);

/* ---- block devices ---------------------------------------------------------------------- */

#define F(member, key, ...) BH_FIELD(struct bh_blkio_device, member, key, __VA_ARGS__)
static const struct bh_field weight_fields[] = {
	F(major, "major", .max = UINT32_MAX),
	F(minor, "minor", .max = UINT32_MAX),
	F(weight, "weight", .max = UINT16_MAX),
	F(leaf_weight, "leafWeight", .max = UINT16_MAX),
};
static const struct bh_schema weight_schema = BH_SCHEMA(struct bh_blkio_device, weight_fields);

static const struct bh_field throttle_fields[] = {
	F(major, "major", .max = UINT32_MAX),
	F(minor, "minor", .max = UINT32_MAX),
	F(rate, "rate"),
};
#undef F
static const struct bh_schema throttle_schema = BH_SCHEMA(struct bh_blkio_device, throttle_fields);

#define F(member, key, ...) BH_FIELD(struct bh_block_io, member, key, __VA_ARGS__)
#define LIST(member, key, schema) \
	BH_FIELD_AS(BH_KIND_LIST, struct bh_block_io, member, key, .sub = (schema))
static const struct bh_field block_io_fields[] = {
	F(weight, "weight", .max = UINT16_MAX),
	F(leaf_weight, "leafWeight", .max = UINT16_MAX),
	LIST(weight_device, "weightDevice", &weight_schema),
	LIST(throttle_read_bps_device, "throttleReadBpsDevice", &throttle_schema),
	LIST(throttle_write_bps_device, "throttleWriteBpsDevice", &throttle_schema),
	LIST(throttle_read_iops_device, "throttleReadIOPSDevice", &throttle_schema),
	LIST(throttle_write_iops_device, "throttleWriteIOPSDevice", &throttle_schema),
};
#undef LIST
#undef F
static const struct bh_schema block_io_schema = BH_SCHEMA(struct bh_block_io, block_io_fields);

/* ---- huge pages, network, RDMA ---------------------------------------------------------- */

static const struct bh_field hugepage_fields[] = {
	BH_FIELD(struct bh_hugepage_limit, page_size, "pageSize", .rule = &bh_text_page_size,
		 .flags = BH_FIELD_REQUIRED),
	BH_FIELD(struct bh_hugepage_limit, limit, "limit", .flags = BH_FIELD_REQUIRED),
};
static const struct bh_schema hugepage_schema =
	BH_SCHEMA(struct bh_hugepage_limit, hugepage_fields);

static const struct bh_field priority_fields[] = {
	BH_FIELD(struct bh_net_priority, name, "name", .rule = &bh_text_interface,
		 .flags = BH_FIELD_REQUIRED),
	BH_FIELD(struct bh_net_priority, priority, "priority", .flags = BH_FIELD_REQUIRED),
};
static const struct bh_schema priority_schema = BH_SCHEMA(struct bh_net_priority, priority_fields);

static const struct bh_field network_fields[] = {
	BH_FIELD(struct bh_network_class, class_id, "classID"),
	BH_FIELD_AS(BH_KIND_LIST, struct bh_network_class, priorities, "priorities",
		    .sub = &priority_schema),
};
static const struct bh_schema network_schema = BH_SCHEMA(struct bh_network_class, network_fields);

static const struct bh_field rdma_fields[] = {
	BH_FIELD(struct bh_rdma_limit, hca_handles, "hcaHandles"),
	BH_FIELD(struct bh_rdma_limit, hca_objects, "hcaObjects"),
};
static const struct bh_schema rdma_schema = BH_SCHEMA(struct bh_rdma_limit, rdma_fields);

/* ---- resources -------------------------------------------------------------------------- */

#define ROW(kind, member, key, ...) \
	BH_FIELD_AS(BH_KIND_##kind, struct bh_resources, member, key, __VA_ARGS__)
static const struct bh_field resources_fields[] = {
	ROW(LIST, devices, "devices", .sub = &device_rule_schema),
	ROW(OBJECT, memory, "memory", .sub = &memory_schema),
	ROW(OBJECT, cpu, "cpu", .sub = &cpu_schema),
	BH_FIELD_INLINE("pids", &pids_schema),
	ROW(OBJECT, block_io, "blockIO", .sub = &block_io_schema),
	ROW(LIST, hugepage_limits, "hugepageLimits", .sub = &hugepage_schema),
	ROW(OBJECT, network, "network", .sub = &network_schema),
	ROW(MAP, rdma, "rdma", .sub = &rdma_schema, .rule = &bh_text_word),
	ROW(KV, unified, "unified", .rule = &bh_text_unified_key),
};
const struct bh_schema bh_schema_resources =
	BH_SCHEMA(struct bh_resources, resources_fields, .has_set = true);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * Rows of linux.resources, which is also the document of update --resources
 * (config-linux.md#control-groups).
 */
#include "ocispec.h"
#include "tables.h"

static const struct oci_row device_rule_rows[] = {
    OCI_BOOL(struct oci_device_rule, allow, "allow", OCI_REQUIRED),
    OCI_ENUM(struct oci_device_rule, type, "type", oci_rule_type_names, 0),
    OCI_OPT_I64(struct oci_device_rule, major, "major", 0),
    OCI_OPT_I64(struct oci_device_rule, minor, "minor", 0),
    OCI_ACCESS(struct oci_device_rule, access, "access", 0),
    OCI_END,
};
static const struct oci_table device_rule_table =
    OCI_TABLE("linux.resources.devices[]", struct oci_device_rule, device_rule_rows);

static const struct oci_row memory_rows[] = {
    OCI_OPT_I64(struct oci_memory, limit, "limit", 0),
    OCI_OPT_I64(struct oci_memory, reservation, "reservation", 0),
    OCI_OPT_I64(struct oci_memory, swap, "swap", 0),
    OCI_OPT_I64(struct oci_memory, kernel, "kernel", 0),
    OCI_OPT_I64(struct oci_memory, kernel_tcp, "kernelTCP", 0),
    OCI_OPT_U64_RANGE(struct oci_memory, swappiness, "swappiness", 0, 100, OCI_MAX_ABSENT),
    OCI_OPT_BOOL(struct oci_memory, disable_oom_killer, "disableOOMKiller", 0),
    OCI_OPT_BOOL(struct oci_memory, use_hierarchy, "useHierarchy", 0),
    OCI_OPT_BOOL(struct oci_memory, check_before_update, "checkBeforeUpdate", 0),
    OCI_END,
};
static const struct oci_table memory_table =
    OCI_TABLE("linux.resources.memory", struct oci_memory, memory_rows);

static const struct oci_row cpu_rows[] = {
    OCI_OPT_U64(struct oci_cpu, shares, "shares", 0),
    OCI_OPT_I64(struct oci_cpu, quota, "quota", 0),
    OCI_OPT_U64(struct oci_cpu, burst, "burst", 0),
    OCI_OPT_U64(struct oci_cpu, period, "period", 0),
    OCI_OPT_I64(struct oci_cpu, realtime_runtime, "realtimeRuntime", 0),
    OCI_OPT_U64(struct oci_cpu, realtime_period, "realtimePeriod", 0),
    OCI_STRING(struct oci_cpu, cpus, "cpus", OCI_NO_NEWLINE),
    OCI_STRING(struct oci_cpu, mems, "mems", OCI_NO_NEWLINE),
    OCI_OPT_I64_RANGE(struct oci_cpu, idle, "idle", 0, 1, 0),
    OCI_END,
};
static const struct oci_table cpu_table =
    OCI_TABLE("linux.resources.cpu", struct oci_cpu, cpu_rows);

static const struct oci_row pids_rows[] = {
    OCI_OPT_I64(struct oci_pids, limit, "limit", 0),
    OCI_END,
};
static const struct oci_table pids_table =
    OCI_TABLE("linux.resources.pids", struct oci_pids, pids_rows);

static const struct oci_row weight_device_rows[] = {
    OCI_I64(struct oci_weight_device, major, "major", OCI_REQUIRED),
    OCI_I64(struct oci_weight_device, minor, "minor", OCI_REQUIRED),
    OCI_OPT_U64_RANGE(struct oci_weight_device, weight, "weight", 0, UINT16_MAX, 0),
    OCI_OPT_U64_RANGE(struct oci_weight_device, leaf_weight, "leafWeight", 0, UINT16_MAX, 0),
    OCI_END,
};
static const struct oci_table weight_device_table = OCI_TABLE(
    "linux.resources.blockIO.weightDevice[]", struct oci_weight_device, weight_device_rows);

static const struct oci_row throttle_device_rows[] = {
    OCI_I64(struct oci_throttle_device, major, "major", OCI_REQUIRED),
    OCI_I64(struct oci_throttle_device, minor, "minor", OCI_REQUIRED),
    OCI_U64(struct oci_throttle_device, rate, "rate", OCI_REQUIRED),
    OCI_END,
};
static const struct oci_table throttle_device_table = OCI_TABLE(
    "linux.resources.blockIO.throttle*[]", struct oci_throttle_device, throttle_device_rows);

static const struct oci_row block_io_rows[] = {
    OCI_OPT_U64_RANGE(struct oci_block_io, weight, "weight", 0, UINT16_MAX, 0),
    OCI_OPT_U64_RANGE(struct oci_block_io, leaf_weight, "leafWeight", 0, UINT16_MAX, 0),
    OCI_ARRAY(struct oci_block_io, weight_device, "weightDevice", weight_device_table, 0),
    OCI_ARRAY(struct oci_block_io, throttle_read_bps_device, "throttleReadBpsDevice",
              throttle_device_table, 0),
    OCI_ARRAY(struct oci_block_io, throttle_write_bps_device, "throttleWriteBpsDevice",
              throttle_device_table, 0),
    OCI_ARRAY(struct oci_block_io, throttle_read_iops_device, "throttleReadIOPSDevice",
              throttle_device_table, 0),
    OCI_ARRAY(struct oci_block_io, throttle_write_iops_device, "throttleWriteIOPSDevice",
              throttle_device_table, 0),
    OCI_END,
};
static const struct oci_table block_io_table =
    OCI_TABLE("linux.resources.blockIO", struct oci_block_io, block_io_rows);

static const struct oci_row hugepage_limit_rows[] = {
    OCI_STRING(struct oci_hugepage_limit, page_size, "pageSize", OCI_REQUIRED | OCI_NOT_EMPTY),
    OCI_U64(struct oci_hugepage_limit, limit, "limit", OCI_REQUIRED),
    OCI_END,
};
static const struct oci_table hugepage_limit_table =
    OCI_TABLE("linux.resources.hugepageLimits[]", struct oci_hugepage_limit, hugepage_limit_rows);

static const struct oci_row interface_priority_rows[] = {
    OCI_STRING(struct oci_interface_priority, name, "name", OCI_REQUIRED | OCI_NOT_EMPTY),
    OCI_U32(struct oci_interface_priority, priority, "priority", OCI_REQUIRED),
    OCI_END,
};
static const struct oci_table interface_priority_table = OCI_TABLE(
    "linux.resources.network.priorities[]", struct oci_interface_priority, interface_priority_rows);

static const struct oci_row network_rows[] = {
    OCI_OPT_U64_RANGE(struct oci_network, class_id, "classID", 0, UINT32_MAX, 0),
    OCI_ARRAY(struct oci_network, priorities, "priorities", interface_priority_table, 0),
    OCI_END,
};
static const struct oci_table network_table =
    OCI_TABLE("linux.resources.network", struct oci_network, network_rows);

static const struct oci_row rdma_rows[] = {
    OCI_OPT_U64_RANGE(struct oci_rdma, hca_handles, "hcaHandles", 0, UINT32_MAX, 0),
    OCI_OPT_U64_RANGE(struct oci_rdma, hca_objects, "hcaObjects", 0, UINT32_MAX, 0),
    OCI_END,
};
static const struct oci_table rdma_table =
    OCI_TABLE("linux.resources.rdma.*", struct oci_rdma, rdma_rows);

static const struct oci_row resources_rows[] = {
    OCI_ARRAY(struct oci_resources, devices, "devices", device_rule_table, 0),
    OCI_OBJECT(struct oci_resources, memory, "memory", memory_table, 0),
    OCI_OBJECT(struct oci_resources, cpu, "cpu", cpu_table, 0),
    OCI_OBJECT(struct oci_resources, pids, "pids", pids_table, 0),
    OCI_OBJECT(struct oci_resources, block_io, "blockIO", block_io_table, 0),
    OCI_ARRAY(struct oci_resources, hugepage_limits, "hugepageLimits", hugepage_limit_table, 0),
    OCI_OBJECT(struct oci_resources, network, "network", network_table, 0),
    OCI_OBJECTS(struct oci_resources, rdma, "rdma", rdma_table, 0),
    OCI_MAP(struct oci_resources, unified, "unified", 0),
    OCI_END,
};
const struct oci_table oci_resources_table =
    OCI_TABLE("linux.resources", struct oci_resources, resources_rows);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * Rows of the events document. Members are named as runc names them, and those that its consumers
 * look at are written even when they are zero.
 */
#include "cgroup/stats.h"

#define Z OCI_EMIT_ZERO

static const struct oci_row pressure_line_rows[] = {
    OCI_HUNDREDTHS(struct cgroup_pressure_line, avg10, "avg10", Z),
    OCI_HUNDREDTHS(struct cgroup_pressure_line, avg60, "avg60", Z),
    OCI_HUNDREDTHS(struct cgroup_pressure_line, avg300, "avg300", Z),
    OCI_U64(struct cgroup_pressure_line, total, "total", Z),
    OCI_END,
};
static const struct oci_table pressure_line_table =
    OCI_TABLE("psi line", struct cgroup_pressure_line, pressure_line_rows);
static const struct oci_row pressure_rows[] = {
    OCI_INLINE(struct cgroup_pressure, some, "some", pressure_line_table, 0),
    OCI_INLINE(struct cgroup_pressure, full, "full", pressure_line_table, 0),
    OCI_END,
};
static const struct oci_table pressure_table =
    OCI_TABLE("psi", struct cgroup_pressure, pressure_rows);

static const struct oci_row cpu_usage_rows[] = {
    OCI_U64(struct cgroup_cpu_usage, total, "total", Z),
    OCI_U64S(struct cgroup_cpu_usage, percpu, "percpu", 0),
    OCI_U64S(struct cgroup_cpu_usage, percpu_kernel, "percpu_kernel", 0),
    OCI_U64S(struct cgroup_cpu_usage, percpu_user, "percpu_user", 0),
    OCI_U64(struct cgroup_cpu_usage, kernel, "kernel", Z),
    OCI_U64(struct cgroup_cpu_usage, user, "user", Z),
    OCI_END,
};
static const struct oci_table cpu_usage_table =
    OCI_TABLE("cpu.usage", struct cgroup_cpu_usage, cpu_usage_rows);
static const struct oci_row throttling_rows[] = {
    OCI_U64(struct cgroup_throttling, periods, "periods", 0),
    OCI_U64(struct cgroup_throttling, throttled_periods, "throttledPeriods", 0),
    OCI_U64(struct cgroup_throttling, throttled_time, "throttledTime", 0),
    OCI_END,
};
static const struct oci_table throttling_table =
    OCI_TABLE("cpu.throttling", struct cgroup_throttling, throttling_rows);
static const struct oci_row cpu_rows[] = {
    OCI_INLINE(struct cgroup_cpu_stats, usage, "usage", cpu_usage_table, 0),
    OCI_INLINE(struct cgroup_cpu_stats, throttling, "throttling", throttling_table, 0),
    OCI_OBJECT(struct cgroup_cpu_stats, psi, "psi", pressure_table, 0),
    OCI_END,
};
static const struct oci_table cpu_table = OCI_TABLE("cpu", struct cgroup_cpu_stats, cpu_rows);

static const struct oci_row cpuset_rows[] = {
    OCI_U32S(struct cgroup_cpuset_stats, cpus, "cpus", 0),
    OCI_U64(struct cgroup_cpuset_stats, cpu_exclusive, "cpu_exclusive", Z),
    OCI_U32S(struct cgroup_cpuset_stats, mems, "mems", 0),
    OCI_U64(struct cgroup_cpuset_stats, mem_hardwall, "mem_hardwall", Z),
    OCI_U64(struct cgroup_cpuset_stats, mem_exclusive, "mem_exclusive", Z),
    OCI_U64(struct cgroup_cpuset_stats, memory_migrate, "memory_migrate", Z),
    OCI_U64(struct cgroup_cpuset_stats, memory_spread_page, "memory_spread_page", Z),
    OCI_U64(struct cgroup_cpuset_stats, memory_spread_slab, "memory_spread_slab", Z),
    OCI_U64(struct cgroup_cpuset_stats, memory_pressure, "memory_pressure", Z),
    OCI_U64(struct cgroup_cpuset_stats, sched_load_balance, "sched_load_balance", Z),
    OCI_I64(struct cgroup_cpuset_stats, sched_relax_domain_level, "sched_relax_domain_level", Z),
    OCI_END,
};
static const struct oci_table cpuset_table =
    OCI_TABLE("cpuset", struct cgroup_cpuset_stats, cpuset_rows);

static const struct oci_row entry_rows[] = {
    OCI_U64(struct cgroup_memory_entry, limit, "limit", Z),
    OCI_U64(struct cgroup_memory_entry, usage, "usage", 0),
    OCI_U64(struct cgroup_memory_entry, max, "max", 0),
    OCI_U64(struct cgroup_memory_entry, failcnt, "failcnt", Z),
    OCI_END,
};
static const struct oci_table entry_table =
    OCI_TABLE("memory.*", struct cgroup_memory_entry, entry_rows);
static const struct oci_row memory_rows[] = {
    OCI_U64(struct cgroup_memory_stats, cache, "cache", 0),
    OCI_INLINE(struct cgroup_memory_stats, usage, "usage", entry_table, 0),
    OCI_INLINE(struct cgroup_memory_stats, swap, "swap", entry_table, 0),
    OCI_INLINE(struct cgroup_memory_stats, kernel, "kernel", entry_table, 0),
    OCI_INLINE(struct cgroup_memory_stats, kernel_tcp, "kernelTCP", entry_table, 0),
    OCI_COUNTS(struct cgroup_memory_stats, raw, "raw", 0),
    OCI_OBJECT(struct cgroup_memory_stats, psi, "psi", pressure_table, 0),
    OCI_END,
};
static const struct oci_table memory_table =
    OCI_TABLE("memory", struct cgroup_memory_stats, memory_rows);

static const struct oci_row pids_rows[] = {
    OCI_U64(struct cgroup_pids_stats, current, "current", 0),
    OCI_U64(struct cgroup_pids_stats, limit, "limit", 0),
    OCI_END,
};
static const struct oci_table pids_table = OCI_TABLE("pids", struct cgroup_pids_stats, pids_rows);

static const struct oci_row io_entry_rows[] = {
    OCI_U64(struct cgroup_io_entry, major, "major", 0),
    OCI_U64(struct cgroup_io_entry, minor, "minor", 0),
    OCI_STRING(struct cgroup_io_entry, op, "op", 0),
    OCI_U64(struct cgroup_io_entry, value, "value", 0),
    OCI_END,
};
static const struct oci_table io_entry_table =
    OCI_TABLE("blkio.*[]", struct cgroup_io_entry, io_entry_rows);
static const struct oci_row io_rows[] = {
    OCI_ARRAY(struct cgroup_io_stats, bytes, "ioServiceBytesRecursive", io_entry_table, 0),
    OCI_ARRAY(struct cgroup_io_stats, operations, "ioServicedRecursive", io_entry_table, 0),
    OCI_OBJECT(struct cgroup_io_stats, psi, "psi", pressure_table, 0),
    OCI_END,
};
static const struct oci_table io_table = OCI_TABLE("blkio", struct cgroup_io_stats, io_rows);

static const struct oci_row hugetlb_rows[] = {
    OCI_U64(struct cgroup_hugetlb_stats, usage, "usage", 0),
    OCI_U64(struct cgroup_hugetlb_stats, max, "max", 0),
    OCI_U64(struct cgroup_hugetlb_stats, failcnt, "failcnt", Z),
    OCI_END,
};
static const struct oci_table hugetlb_table =
    OCI_TABLE("hugetlb.*", struct cgroup_hugetlb_stats, hugetlb_rows);

static const struct oci_row stats_rows[] = {
    OCI_INLINE(struct cgroup_stats, cpu, "cpu", cpu_table, 0),
    OCI_INLINE(struct cgroup_stats, cpuset, "cpuset", cpuset_table, 0),
    OCI_INLINE(struct cgroup_stats, memory, "memory", memory_table, 0),
    OCI_INLINE(struct cgroup_stats, pids, "pids", pids_table, 0),
    OCI_INLINE(struct cgroup_stats, blkio, "blkio", io_table, 0),
    OCI_OBJECTS(struct cgroup_stats, hugetlb, "hugetlb", hugetlb_table, 0),
    OCI_END,
};
static const struct oci_table stats_table = OCI_TABLE("data", struct cgroup_stats, stats_rows);

static const struct oci_row event_rows[] = {
    OCI_STRING(struct cgroup_event, type, "type", OCI_REQUIRED),
    OCI_STRING(struct cgroup_event, id, "id", OCI_REQUIRED),
    OCI_OBJECT(struct cgroup_event, data, "data", stats_table, 0),
    OCI_END,
};
const struct oci_table cgroup_event_table = OCI_TABLE("event", struct cgroup_event, event_rows);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What `events` prints: the numbers of a container's cgroups, in the shape of runc's events, which
 * monitoring programs read; v1 and v2 fill the same members.
 */
#ifndef CGROUP_STATS_H
#define CGROUP_STATS_H

#include "cgroup/cgroup.h"

#include <stdint.h>

/* A pressure file: averages in hundredths of a percent, total in microseconds. */
struct cgroup_pressure_line {
    uint32_t avg10, avg60, avg300;
    uint64_t total;
};
struct cgroup_pressure {
    struct cgroup_pressure_line some, full;
};

struct cgroup_cpu_usage {
    uint64_t total, kernel, user; /* nanoseconds */
    uint64_t *percpu, *percpu_kernel, *percpu_user;
    size_t percpu_n, percpu_kernel_n, percpu_user_n;
};
struct cgroup_throttling {
    uint64_t periods, throttled_periods, throttled_time;
};
struct cgroup_cpu_stats {
    struct cgroup_cpu_usage usage;
    struct cgroup_throttling throttling;
    struct cgroup_pressure *psi;
};

struct cgroup_cpuset_stats {
    uint32_t *cpus, *mems;
    size_t cpus_n, mems_n;
    uint64_t cpu_exclusive, mem_hardwall, mem_exclusive, memory_migrate, memory_spread_page,
        memory_spread_slab, memory_pressure, sched_load_balance;
    int64_t sched_relax_domain_level;
};

struct cgroup_memory_entry {
    uint64_t limit, usage, max, failcnt; /* bytes, a count */
};
struct cgroup_memory_stats {
    uint64_t cache;
    struct cgroup_memory_entry usage, swap, kernel, kernel_tcp; /* swap: memory plus swap */
    struct oci_count *raw;                                      /* memory.stat */
    size_t raw_n;
    struct cgroup_pressure *psi;
};

struct cgroup_pids_stats {
    uint64_t current, limit; /* limit 0: none */
};

struct cgroup_io_entry {
    uint64_t major, minor;
    const char *op;
    uint64_t value;
};
struct cgroup_io_stats {
    struct cgroup_io_entry *bytes, *operations;
    size_t bytes_n, operations_n;
    struct cgroup_pressure *psi;
};

struct cgroup_hugetlb_stats {
    const char *size; /* "2MB" */
    uint64_t usage, max, failcnt;
};

struct cgroup_stats {
    struct cgroup_cpu_stats cpu;
    struct cgroup_cpuset_stats cpuset;
    struct cgroup_memory_stats memory;
    struct cgroup_pids_stats pids;
    struct cgroup_io_stats blkio;
    struct cgroup_hugetlb_stats *hugetlb;
    size_t hugetlb_n;
};

/* One line of output. */
struct cgroup_event {
    const char *type; /* "stats", "oom" */
    const char *id;
    struct cgroup_stats *data; /* NULL for oom */
};
extern const struct oci_table cgroup_event_table;

/**
 * cgroup_stats_read - the numbers as they are now; what a machine does not count stays zero
 * @out: filled from @arena
 */
int cgroup_stats_read(const struct cgroup_record *record, struct oci_arena *arena,
                      struct cgroup_stats *out, struct err *err);

/* Telling of OOM kills: an eventfd on v1, memory.events on v2. */
struct cgroup_oom {
    int fd;       /* to poll for .events; -1: nobody counts (any more) */
    int dir;      /* of the place, which owns it */
    short events; /* POLLIN or POLLPRI */
    bool v2;
    int64_t count;
};

/** cgroup_oom_watch - begin to watch; without a memory controller .fd is -1. cgroup_oom_close() */
int cgroup_oom_watch(const struct cgroup_record *record, struct cgroup_oom *oom, struct err *err);

/** cgroup_oom_new - after poll(2): how many there were since the last call. Closes .fd when the
 * cgroup is gone: there is nothing more to come */
uint64_t cgroup_oom_new(struct cgroup_oom *oom);
void cgroup_oom_close(struct cgroup_oom *oom);

/* ---- parts, pure; for the unit tests ---- */

/** cgroup_parse_pressure - the text of a pressure file; -1 if it is none */
int cgroup_parse_pressure(const char *text, struct cgroup_pressure *out);

/** cgroup_parse_flat - "key number" lines */
int cgroup_parse_flat(const char *text, struct oci_arena *arena, struct oci_count **out, size_t *n);

/** cgroup_parse_list - "0-2,5" -> 0 1 2 5 */
int cgroup_parse_list(const char *text, struct oci_arena *arena, uint32_t **out, size_t *n);

/** cgroup_parse_io - io.stat of v2; @keys: pairs of key and op, ended by NULL */
int cgroup_parse_io(const char *text, const char *const *keys, struct oci_arena *arena,
                    struct cgroup_io_entry **out, size_t *n);

/** cgroup_parse_blkio - a file of v1: "8:0 Read 4096" */
int cgroup_parse_blkio(const char *text, struct oci_arena *arena, struct cgroup_io_entry **out,
                       size_t *n);

#endif

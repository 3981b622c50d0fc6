/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * linux.resources as an ordered list of writes (config-linux.md#control-groups). Pure: no file is
 * looked at. The order is the one that a fresh cgroup accepts at the first try. Where an update may
 * need another one, because two values bound each other (memory.limit <= memory.swap, quota <=
 * ratio of the period, burst <= quota), the rows say CGROUP_AGAIN: the kernel's EINVAL puts them
 * behind the others. That costs a create nothing, where reading the present values would.
 *
 * Go programs write 0 where they mean "not set" for members that have no useful zero (limits of
 * memory, shares, quota, periods): 0 is left out there. It is a value for swappiness, idle, burst
 * and pids.limit.
 */
#include "base/util.h"
#include "cgroup/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

int cgroup_writes_add(struct cgroup_writes *out, struct oci_arena *arena,
                      const struct cgroup_write *row, struct err *err)
{
    if (!row->member || !row->value)
        return err_set(err, ENOMEM, "linux.resources");
    if (out->n == out->room) {
        size_t room = out->room ? 2 * out->room : 32;
        struct cgroup_write *list = oci_alloc(arena, room * sizeof *list);

        if (!list)
            return err_set(err, ENOMEM, "linux.resources");
        if (out->n)
            memcpy(list, out->list, out->n * sizeof *list);
        out->list = list;
        out->room = room;
    }
    out->list[out->n++] = *row;
    return 0;
}

/* A number on its way to a file: presence and value as text, whatever its type was. */
struct number {
    const char *text; /* NULL: absent */
};

static int from_i64(struct oci_arena *arena, struct oci_opt_i64 v, bool zero, struct number *out,
                    struct err *err)
{
    out->text = NULL;
    if (!v.set || (v.value == 0 && !zero))
        return 0;
    out->text = oci_printf(arena, "%" PRId64, v.value);
    return out->text ? 0 : err_set(err, ENOMEM, "linux.resources");
}

static int from_u64(struct oci_arena *arena, struct oci_opt_u64 v, bool zero, struct number *out,
                    struct err *err)
{
    out->text = NULL;
    if (!v.set || (v.value == 0 && !zero))
        return 0;
    out->text = oci_printf(arena, "%" PRIu64, v.value);
    return out->text ? 0 : err_set(err, ENOMEM, "linux.resources");
}

static struct number from_bool(struct oci_opt_bool v)
{
    return (struct number){.text = !v.set ? NULL : v.value ? "1" : "0"};
}

static struct number from_string(const char *v)
{
    return (struct number){.text = v && *v ? v : NULL};
}

/* One row of a conversion: which value goes to which file, and when. */
struct target {
    struct number value;
    const char *member, *file;
    enum cgroup_phase phase;
    unsigned flags;
};

static int add_targets(struct cgroup_writes *out, struct oci_arena *arena, const char *controller,
                       const struct target *list, size_t n, struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        struct cgroup_write row = {
            .member = list[i].member,
            .controller = controller,
            .file = list[i].file,
            .value = list[i].value.text,
            .phase = list[i].phase,
            .flags = list[i].flags,
        };

        if (row.value && cgroup_writes_add(out, arena, &row, err) < 0)
            return -1;
    }
    return 0;
}

static int convert_memory(const struct oci_memory *m, struct oci_arena *arena,
                          struct cgroup_writes *out, struct err *err)
{
    struct number limit, reservation, swap, kernel, tcp, swappiness;
    unsigned swap_flags = m->swap.value < 0 ? CGROUP_OPTIONAL : 0;

    if (from_i64(arena, m->limit, false, &limit, err) < 0 ||
        from_i64(arena, m->reservation, false, &reservation, err) < 0 ||
        from_i64(arena, m->swap, false, &swap, err) < 0 ||
        from_i64(arena, m->kernel, false, &kernel, err) < 0 ||
        from_i64(arena, m->kernel_tcp, false, &tcp, err) < 0 ||
        from_u64(arena, m->swappiness, true, &swappiness, err) < 0)
        return -1;
    /* No limit on memory means none on memory plus swap; the kernel refuses the first without the
     * second. */
    if (m->limit.set && m->limit.value < 0 && !swap.text) {
        swap.text = "-1";
        swap_flags = CGROUP_OPTIONAL;
    }
    const struct target list[] = {
        /* Before the cgroup has children. False cannot be had any more since 5.11. */
        {from_bool(m->use_hierarchy), "memory.useHierarchy", "memory.use_hierarchy", CGROUP_EARLY,
         m->use_hierarchy.value ? 0 : CGROUP_MAY_FAIL},
        {swappiness, "memory.swappiness", "memory.swappiness", CGROUP_EARLY, 0},
        /* Without effect since 5.16, by then deprecated for years: never worth a failure. */
        {kernel, "memory.kernel", "memory.kmem.limit_in_bytes", CGROUP_EARLY, CGROUP_MAY_FAIL},
        {tcp, "memory.kernelTCP", "memory.kmem.tcp.limit_in_bytes", CGROUP_EARLY, 0},
        {from_bool(m->disable_oom_killer), "memory.disableOOMKiller", "memory.oom_control",
         CGROUP_LATE, 0},
        {limit, "memory.limit", "memory.limit_in_bytes", CGROUP_LATE, CGROUP_AGAIN},
        {swap, "memory.swap", "memory.memsw.limit_in_bytes", CGROUP_LATE,
         CGROUP_AGAIN | swap_flags},
        {reservation, "memory.reservation", "memory.soft_limit_in_bytes", CGROUP_LATE, 0},
    };

    return add_targets(out, arena, "memory", list, ARRAY_SIZE(list), err);
}

static int convert_cpu(const struct oci_cpu *c, struct oci_arena *arena, struct cgroup_writes *out,
                       struct err *err)
{
    struct number shares, period, quota, burst, rt_period, rt_runtime, idle, idle_off = {NULL};

    if (from_u64(arena, c->shares, false, &shares, err) < 0 ||
        from_u64(arena, c->period, false, &period, err) < 0 ||
        from_i64(arena, c->quota, false, &quota, err) < 0 ||
        from_u64(arena, c->burst, true, &burst, err) < 0 ||
        from_u64(arena, c->realtime_period, false, &rt_period, err) < 0 ||
        from_i64(arena, c->realtime_runtime, false, &rt_runtime, err) < 0 ||
        from_i64(arena, c->idle, true, &idle, err) < 0)
        return -1;
    /* An idle group has no shares to set: leave the state before, enter it after. */
    if (idle.text && c->idle.value == 0) {
        idle_off = idle;
        idle.text = NULL;
    }
    const struct target cpu[] = {
        {idle_off, "cpu.idle", "cpu.idle", CGROUP_EARLY, 0},
        {shares, "cpu.shares", "cpu.shares", CGROUP_EARLY, 0},
        {idle, "cpu.idle", "cpu.idle", CGROUP_EARLY, 0},
        {period, "cpu.period", "cpu.cfs_period_us", CGROUP_EARLY, CGROUP_AGAIN},
        {quota, "cpu.quota", "cpu.cfs_quota_us", CGROUP_EARLY, CGROUP_AGAIN},
        {burst, "cpu.burst", "cpu.cfs_burst_us", CGROUP_EARLY, CGROUP_AGAIN},
        {rt_period, "cpu.realtimePeriod", "cpu.rt_period_us", CGROUP_EARLY, CGROUP_AGAIN},
        {rt_runtime, "cpu.realtimeRuntime", "cpu.rt_runtime_us", CGROUP_EARLY, CGROUP_AGAIN},
    };
    const struct target cpuset[] = {
        {from_string(c->cpus), "cpu.cpus", "cpuset.cpus", CGROUP_EARLY, 0},
        {from_string(c->mems), "cpu.mems", "cpuset.mems", CGROUP_EARLY, 0},
    };

    if (add_targets(out, arena, "cpu", cpu, ARRAY_SIZE(cpu), err) < 0)
        return -1;
    return add_targets(out, arena, "cpuset", cpuset, ARRAY_SIZE(cpuset), err);
}

static int convert_pids(const struct oci_pids *p, struct oci_arena *arena,
                        struct cgroup_writes *out, struct err *err)
{
    struct target row = {{NULL}, "pids.limit", "pids.max", CGROUP_LATE, 0};

    if (from_i64(arena, p->limit, true, &row.value, err) < 0)
        return -1;
    if (p->limit.set && p->limit.value < 0)
        row.value.text = "max";
    return add_targets(out, arena, "pids", &row, 1, err);
}

int cgroup_convert_v1(const struct oci_resources *r, struct oci_arena *arena,
                      struct cgroup_writes *out, struct err *err)
{
    *out = (struct cgroup_writes){.list = NULL};
    if (!r)
        return 0;
    if (cgroup_convert_devices_v1(r, arena, out, err) < 0 ||
        (r->cpu && convert_cpu(r->cpu, arena, out, err) < 0) ||
        (r->memory && convert_memory(r->memory, arena, out, err) < 0) ||
        (r->pids && convert_pids(r->pids, arena, out, err) < 0))
        return -1;
    return 0;
}

static bool block_io_asks(const struct oci_block_io *b)
{
    return b &&
           ((b->weight.set && b->weight.value) || (b->leaf_weight.set && b->leaf_weight.value) ||
            b->weight_device_n || b->throttle_read_bps_device_n || b->throttle_write_bps_device_n ||
            b->throttle_read_iops_device_n || b->throttle_write_iops_device_n);
}

/* Empty objects ask for nothing: Docker writes "blockIO": {"weight": 0} into every config.json. */
const char *cgroup_unsupported(const struct oci_resources *r)
{
    if (!r)
        return NULL;
    if (block_io_asks(r->block_io))
        return "blockIO";
    if (r->hugepage_limits_n)
        return "hugepageLimits";
    if (r->network &&
        ((r->network->class_id.set && r->network->class_id.value) || r->network->priorities_n))
        return "network";
    if (r->rdma_n)
        return "rdma";
    if (r->unified_n)
        return "unified";
    return NULL;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * An update is a partial document: what is absent or null stays as it is. Scalars replace scalars,
 * a list replaces a list, the entries of unified replace the entry of the same name. Only what
 * changes is written, and what the kernel, or the conversion to v2, takes together with it.
 */
#include "host/update.h"

#include <string.h>

#define TAKE(to, from, m)                                                                          \
    do {                                                                                           \
        if ((from)->m.set)                                                                         \
            (to)->m = (from)->m;                                                                   \
    } while (0)
#define TAKE_NONZERO(to, from, m)                                                                  \
    do {                                                                                           \
        if ((from)->m.set && (from)->m.value)                                                      \
            (to)->m = (from)->m;                                                                   \
    } while (0)
#define TAKE_LIST(to, from, m)                                                                     \
    do {                                                                                           \
        if ((from)->m##_n) {                                                                       \
            (to)->m = (from)->m;                                                                   \
            (to)->m##_n = (from)->m##_n;                                                           \
        }                                                                                          \
    } while (0)

/* A copy in the arena: of @old, or zeroes. */
static void *copy_of(struct oci_arena *arena, const void *old, size_t size)
{
    void *copy = oci_alloc(arena, size);

    if (copy && old)
        memcpy(copy, old, size);
    return copy;
}

static void merge_memory(struct oci_memory *to, const struct oci_memory *from)
{
    TAKE_NONZERO(to, from, limit);
    TAKE_NONZERO(to, from, reservation);
    TAKE_NONZERO(to, from, swap);
    /* No limit on memory means none on memory plus swap, as it does at create. */
    if (from->limit.value < 0 && from->swap.value == 0 && to->swap.set)
        to->swap.value = -1;
    TAKE_NONZERO(to, from, kernel);
    TAKE_NONZERO(to, from, kernel_tcp);
    TAKE(to, from, swappiness);
    TAKE(to, from, disable_oom_killer);
    TAKE(to, from, use_hierarchy);
    TAKE(to, from, check_before_update);
}

static void merge_cpu(struct oci_cpu *to, const struct oci_cpu *from)
{
    TAKE_NONZERO(to, from, shares);
    TAKE_NONZERO(to, from, quota);
    TAKE(to, from, burst);
    TAKE_NONZERO(to, from, period);
    TAKE_NONZERO(to, from, realtime_runtime);
    TAKE_NONZERO(to, from, realtime_period);
    TAKE(to, from, idle);
    if (from->cpus && *from->cpus)
        to->cpus = from->cpus;
    if (from->mems && *from->mems)
        to->mems = from->mems;
}

static void merge_block_io(struct oci_block_io *to, const struct oci_block_io *from)
{
    TAKE_NONZERO(to, from, weight);
    TAKE_NONZERO(to, from, leaf_weight);
    TAKE_LIST(to, from, weight_device);
    TAKE_LIST(to, from, throttle_read_bps_device);
    TAKE_LIST(to, from, throttle_write_bps_device);
    TAKE_LIST(to, from, throttle_read_iops_device);
    TAKE_LIST(to, from, throttle_write_iops_device);
}

static int merge_unified(struct oci_resources *to, const struct oci_resources *from,
                         struct oci_arena *arena)
{
    struct oci_pair *list = oci_alloc(arena, (to->unified_n + from->unified_n) * sizeof *list + 1);
    size_t n = to->unified_n;

    if (!list)
        return -1;
    if (n)
        memcpy(list, to->unified, n * sizeof *list);
    for (size_t i = 0; i < from->unified_n; i++) {
        size_t at = 0;

        while (at < n && strcmp(list[at].key, from->unified[i].key) != 0)
            at++;
        list[at] = from->unified[i];
        n += at == n;
    }
    to->unified = list;
    to->unified_n = n;
    return 0;
}

static bool same_number(struct oci_opt_i64 a, struct oci_opt_i64 b)
{
    return (a.set ? a.value : -1) == (b.set ? b.value : -1);
}

static bool same_devices(const struct oci_resources *a, const struct oci_resources *b)
{
    if (a->devices_n != b->devices_n)
        return false;
    for (size_t i = 0; i < a->devices_n; i++) {
        const struct oci_device_rule *x = &a->devices[i], *y = &b->devices[i];

        if (x->allow != y->allow || x->type != y->type || x->access != y->access ||
            !same_number(x->major, y->major) || !same_number(x->minor, y->minor))
            return false;
    }
    return true;
}

/* Other cpus can make a partition invalid: asking for it again has the kernel's verdict read. */
static int add_partition(struct oci_resources *out, const struct oci_resources *merged,
                         struct oci_arena *arena)
{
    static const char partition[] = "cpuset.cpus.partition";
    struct oci_pair *list;

    for (size_t i = 0; i < out->unified_n; i++) {
        if (strcmp(out->unified[i].key, partition) == 0)
            return 0;
    }
    for (size_t i = 0; i < merged->unified_n; i++) {
        if (strcmp(merged->unified[i].key, partition) != 0)
            continue;
        list = oci_alloc(arena, (out->unified_n + 1) * sizeof *list);
        if (!list)
            return -1;
        if (out->unified_n)
            memcpy(list, out->unified, out->unified_n * sizeof *list);
        list[out->unified_n++] = merged->unified[i];
        out->unified = list;
    }
    return 0;
}

/* What goes with the changes, from what holds after them. */
static int add_companions(struct oci_resources *out, const struct oci_resources *merged,
                          struct oci_arena *arena)
{
    if (out->memory) {
        struct oci_memory *m = copy_of(arena, out->memory, sizeof *m);

        if (!m)
            return -1;
        if ((m->limit.set && m->limit.value) || (m->swap.set && m->swap.value)) {
            m->limit = merged->memory->limit;
            m->swap = merged->memory->swap;
        }
        m->check_before_update = merged->memory->check_before_update;
        out->memory = m;
    }
    if (out->cpu) {
        struct oci_cpu *c = copy_of(arena, out->cpu, sizeof *c);

        if (!c)
            return -1;
        if (c->quota.set || c->period.set || c->burst.set) {
            c->quota = merged->cpu->quota;
            c->period = merged->cpu->period;
            c->burst = merged->cpu->burst;
        }
        out->cpu = c;
        if (c->cpus && *c->cpus && add_partition(out, merged, arena) < 0)
            return -1;
    }
    return 0;
}

int update_merge(struct oci_resources *base, const struct oci_resources *changes,
                 struct oci_resources *out, struct oci_arena *arena)
{
    struct oci_memory *memory = copy_of(arena, base->memory, sizeof *memory);
    struct oci_cpu *cpu = copy_of(arena, base->cpu, sizeof *cpu);
    struct oci_pids *pids = copy_of(arena, base->pids, sizeof *pids);
    struct oci_block_io *io = copy_of(arena, base->block_io, sizeof *io);
    struct oci_network *network = copy_of(arena, base->network, sizeof *network);

    if (!memory || !cpu || !pids || !io || !network)
        return -1;
    *out = *changes;
    if (same_devices(base, changes))
        out->devices_n = 0;
    TAKE_LIST(base, changes, devices);
    if (changes->memory) {
        merge_memory(memory, changes->memory);
        base->memory = memory;
    }
    if (changes->cpu) {
        merge_cpu(cpu, changes->cpu);
        base->cpu = cpu;
    }
    if (changes->pids) {
        TAKE(pids, changes->pids, limit);
        base->pids = pids;
    }
    if (changes->block_io) {
        merge_block_io(io, changes->block_io);
        base->block_io = io;
    }
    if (changes->network) {
        TAKE_NONZERO(network, changes->network, class_id);
        TAKE_LIST(network, changes->network, priorities);
        base->network = network;
    }
    TAKE_LIST(base, changes, hugepage_limits);
    TAKE_LIST(base, changes, rdma);
    if (changes->unified_n && merge_unified(base, changes, arena) < 0)
        return -1;
    return add_companions(out, base, arena);
}

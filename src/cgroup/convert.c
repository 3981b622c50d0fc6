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
 *
 * A value that asks for what there is without it (no limit, no burst) is CGROUP_OPTIONAL: it is
 * written where the file exists, because an update may take a limit away, and missed nowhere.
 */
#include "base/util.h"
#include "cgroup/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

int cgroup_writes_add(struct cgroup_writes *out, struct oci_arena *arena,
                      const struct cgroup_write *row, struct err *err)
{
    if (!row->member || !row->file || !row->value)
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

/* -1 asks for no limit, which is what there is where nobody can set one. */
static unsigned no_limit(struct oci_opt_i64 v)
{
    return v.set && v.value < 0 ? CGROUP_OPTIONAL : 0;
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

static int convert_memory(struct cgroup_conversion *conversion, const struct oci_memory *m)
{
    struct oci_arena *arena = conversion->arena;
    struct err *err = conversion->err;
    struct number limit, reservation, swap, kernel, tcp, swappiness;
    unsigned swap_flags = m->swap.value < 0 ? CGROUP_OPTIONAL : 0;

    if (conversion->v2 & CGROUP_MEMORY)
        return cgroup_convert_memory_v2(conversion);
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
        {tcp, "memory.kernelTCP", "memory.kmem.tcp.limit_in_bytes", CGROUP_EARLY,
         no_limit(m->kernel_tcp)},
        {from_bool(m->disable_oom_killer), "memory.disableOOMKiller", "memory.oom_control",
         CGROUP_LATE, 0},
        {limit, "memory.limit", "memory.limit_in_bytes", CGROUP_LATE,
         CGROUP_AGAIN | no_limit(m->limit)},
        {swap, "memory.swap", "memory.memsw.limit_in_bytes", CGROUP_LATE,
         CGROUP_AGAIN | swap_flags},
        {reservation, "memory.reservation", "memory.soft_limit_in_bytes", CGROUP_LATE,
         no_limit(m->reservation)},
    };

    return add_targets(conversion->out, arena, "memory", list, ARRAY_SIZE(list), err);
}

static int convert_cpuset(struct cgroup_conversion *c, const struct oci_cpu *cpu)
{
    const struct target list[] = {
        {from_string(cpu->cpus), "cpu.cpus", "cpuset.cpus", CGROUP_EARLY, 0},
        {from_string(cpu->mems), "cpu.mems", "cpuset.mems", CGROUP_EARLY, 0},
    };
    size_t first = c->out->n;

    if (add_targets(c->out, c->arena, "cpuset", list, ARRAY_SIZE(list), c->err) < 0)
        return -1;
    /* The files have the same names on both. */
    for (size_t i = first; i < c->out->n; i++)
        c->out->list[i].v2 = c->v2 & CGROUP_CPUSET;
    return 0;
}

static int convert_cpu_v1(struct cgroup_conversion *conversion, const struct oci_cpu *c)
{
    struct oci_arena *arena = conversion->arena;
    struct err *err = conversion->err;
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
        {idle_off, "cpu.idle", "cpu.idle", CGROUP_EARLY, CGROUP_OPTIONAL},
        {shares, "cpu.shares", "cpu.shares", CGROUP_EARLY, 0},
        {idle, "cpu.idle", "cpu.idle", CGROUP_EARLY, 0},
        {period, "cpu.period", "cpu.cfs_period_us", CGROUP_EARLY, CGROUP_AGAIN},
        {quota, "cpu.quota", "cpu.cfs_quota_us", CGROUP_EARLY, CGROUP_AGAIN | no_limit(c->quota)},
        {burst, "cpu.burst", "cpu.cfs_burst_us", CGROUP_EARLY,
         CGROUP_AGAIN | (c->burst.value ? 0 : CGROUP_OPTIONAL)},
        {rt_period, "cpu.realtimePeriod", "cpu.rt_period_us", CGROUP_EARLY, CGROUP_AGAIN},
        {rt_runtime, "cpu.realtimeRuntime", "cpu.rt_runtime_us", CGROUP_EARLY, CGROUP_AGAIN},
    };

    return add_targets(conversion->out, arena, "cpu", cpu, ARRAY_SIZE(cpu), err);
}

static int convert_cpu(struct cgroup_conversion *c, const struct oci_cpu *cpu)
{
    if ((c->v2 & CGROUP_CPU ? cgroup_convert_cpu_v2(c) : convert_cpu_v1(c, cpu)) < 0)
        return -1;
    return convert_cpuset(c, cpu);
}

static int convert_pids(const struct oci_pids *p, struct oci_arena *arena,
                        struct cgroup_writes *out, struct err *err)
{
    struct target row = {{NULL}, "pids.limit", "pids.max", CGROUP_LATE, no_limit(p->limit)};

    if (from_i64(arena, p->limit, true, &row.value, err) < 0)
        return -1;
    if (p->limit.set && p->limit.value < 0)
        row.value.text = "max";
    return add_targets(out, arena, "pids", &row, 1, err);
}

static int convert_devices(struct cgroup_conversion *c)
{
    const struct cgroup_write row = {.member = "devices",
                                     .controller = "devices",
                                     .file = CGROUP_BPF_FILE,
                                     .value = "",
                                     .phase = CGROUP_EARLY,
                                     .v2 = true};

    if (!(c->v2 & CGROUP_DEVICES))
        return cgroup_convert_devices_v1(c);
    /* One program for the whole list. */
    if (cgroup_check_device_numbers(c->r, c->err) < 0)
        return -1;
    return c->r->devices_n ? cgroup_writes_add(c->out, c->arena, &row, c->err) : 0;
}

static int convert_v1(struct cgroup_conversion *c)
{
    const struct oci_resources *r = c->r;

    if ((r->cpu && convert_cpu(c, r->cpu) < 0) || (r->memory && convert_memory(c, r->memory) < 0) ||
        (r->pids && !(c->v2 & CGROUP_PIDS) && convert_pids(r->pids, c->arena, c->out, c->err) < 0))
        return -1;
    return 0;
}

int cgroup_convert(const struct oci_resources *r, unsigned v2, struct oci_arena *arena,
                   struct cgroup_writes *out, struct err *err)
{
    return cgroup_convert_from(r, v2, NULL, arena, out, err);
}

int cgroup_convert_from(const struct oci_resources *r, unsigned v2, const char *devices_list,
                        struct oci_arena *arena, struct cgroup_writes *out, struct err *err)
{
    struct cgroup_conversion c = {
        .r = r, .v2 = v2, .devices_list = devices_list, .arena = arena, .out = out, .err = err};

    *out = (struct cgroup_writes){.list = NULL};
    if (!r)
        return 0;
    if (convert_devices(&c) < 0 || convert_v1(&c) < 0 ||
        (r->pids && (v2 & CGROUP_PIDS) && cgroup_convert_pids_v2(&c) < 0) ||
        (r->block_io && cgroup_convert_io(&c) < 0) || cgroup_convert_hugetlb(&c) < 0 ||
        (r->network && cgroup_convert_network(&c) < 0) || cgroup_convert_rdma(&c) < 0)
        return -1;
    return cgroup_convert_unified(&c);
}

unsigned cgroup_family_of(const char *controller)
{
    static const struct {
        const char *name;
        unsigned family;
    } list[] = {
        {"cpu", CGROUP_CPU},         {"cpuset", CGROUP_CPUSET},     {"memory", CGROUP_MEMORY},
        {"pids", CGROUP_PIDS},       {"blkio", CGROUP_IO},          {"io", CGROUP_IO},
        {"hugetlb", CGROUP_HUGETLB}, {"devices", CGROUP_DEVICES},   {"rdma", CGROUP_RDMA},
        {"net_cls", CGROUP_NET_CLS}, {"net_prio", CGROUP_NET_PRIO},
    };

    for (size_t i = 0; i < ARRAY_SIZE(list); i++) {
        if (strcmp(list[i].name, controller) == 0)
            return list[i].family;
    }
    return 0;
}

static unsigned families_of(const char *controllers)
{
    unsigned families = 0;

    for (const char *p = controllers; p && *p;) {
        size_t len = strcspn(p, ",");
        char word[16];

        if (len < sizeof word) {
            memcpy(word, p, len);
            word[len] = '\0';
            families |= cgroup_family_of(word);
        }
        p += len + (p[len] == ',');
    }
    return families;
}

unsigned cgroup_on_v2(const struct cgroup_machine *machine)
{
    unsigned v1 = 0;
    bool v2 = false;

    for (size_t i = 0; i < machine->n; i++) {
        v2 = v2 || machine->list[i].v2;
        if (!machine->list[i].v2)
            v1 |= families_of(machine->list[i].controllers);
    }
    return v2 ? CGROUP_ALL_V2 & ~v1 : 0;
}

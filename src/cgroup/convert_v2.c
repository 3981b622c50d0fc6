/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * cpu, memory and pids of linux.resources, which is written in terms of v1, for v2
 * (Documentation/admin-guide/cgroup-v2.rst). Values keep their meaning, not their number: swap is
 * memory plus swap there and swap alone here, shares are weights on another scale. Members for
 * which v2 has nothing are refused, unless they ask for what v2 does anyway.
 */
#include "base/util.h"
#include "cgroup/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int cgroup_refuse(struct err *err, const char *member, const char *format, ...)
{
    char why[256];
    va_list args;

    va_start(args, format);
    vsnprintf(why, sizeof why, format, args);
    va_end(args);
    err_set(err, 0, "linux.resources.%s: %s", member, why);
    return err_object(err, "linux.resources.%s", member);
}

int cgroup_inconvertible(struct cgroup_conversion *c, const char *member)
{
    static const struct {
        const char *member, *instead;
    } list[] = {
        {"memory.swappiness", "vm.swappiness is the machine's there, memory.swap limits the swap"},
        {"memory.kernel", "memory.limit counts kernel memory there"},
        {"memory.kernelTCP", "memory.limit counts network buffers there"},
        {"memory.useHierarchy", "a limit always holds for the cgroups below, too"},
        {"memory.disableOOMKiller",
         "unified memory.high holds processes back instead of killing them"},
        {"cpu.realtimeRuntime", "it has no budget for realtime, leave it out"},
        {"cpu.realtimePeriod", "it has no budget for realtime, leave it out"},
        {"blockIO.leafWeight", "give the weight to a cgroup below"},
        {"network.classID", "mount the v1 hierarchy of net_cls, or match the cgroup itself (nft "
                            "socket cgroupv2)"},
        {"network.priorities", "mount the v1 hierarchy of net_prio"},
    };

    cgroup_refuse(c->err, member, "cannot be converted to cgroup v2");
    for (size_t i = 0; i < ARRAY_SIZE(list); i++) {
        if (strcmp(list[i].member, member) == 0)
            err_hint(c->err, "%s", list[i].instead);
    }
    return -1;
}

/* ---- cpu.weight ---- */

/* log2 by repeated squaring: each turn gives one binary digit. Exact for powers of two. */
static long double log2_of(uint64_t number)
{
    int whole = 63 - __builtin_clzll(number);
    long double x = (long double)number / (long double)(1ull << whole), sum = whole, bit = 0.5L;

    for (int i = 0; i < 60 && x != 1.0L; i++, bit /= 2) {
        x *= x;
        if (x >= 2.0L) {
            x /= 2;
            sum += bit;
        }
    }
    return sum;
}

/* 10^e for e >= 0: the whole part by multiplying, the rest by the exponential series. */
static long double power_of_10(long double e)
{
    const long double ln10 = 2.302585092994045684017991454684364208L;
    long double whole = 1.0L, sum = 1.0L, term = 1.0L;

    while (e >= 1.0L) {
        e -= 1.0L;
        whole *= 10;
    }
    for (int i = 1; i < 40; i++) {
        term *= e * ln10 / i;
        sum += term;
    }
    return whole * sum;
}

unsigned cgroup_weight_of_shares(uint64_t shares)
{
    long double l, weight;
    unsigned whole;

    if (shares <= 2)
        return 1;
    if (shares >= 262144)
        return 10000;
    l = log2_of(shares);
    weight = power_of_10((l * l + 125.0L * l) / 612.0L - 7.0L / 34.0L);
    whole = (unsigned)weight;
    /* Rounded up; what is a whole number but for the rounding of this computation stays one. */
    return weight - whole > 1e-9L ? whole + 1 : whole;
}

/* ---- rows ---- */

static int add(struct cgroup_conversion *c, const char *member, const char *controller,
               const char *file, const char *value, enum cgroup_phase phase, unsigned flags)
{
    const struct cgroup_write row = {.member = member,
                                     .controller = controller,
                                     .file = file,
                                     .value = value,
                                     .phase = phase,
                                     .flags = flags,
                                     .v2 = true};

    return cgroup_writes_add(c->out, c->arena, &row, c->err);
}

static const char *number_or_max(struct cgroup_conversion *c, int64_t value)
{
    return value < 0 ? "max" : oci_printf(c->arena, "%" PRId64, value);
}

/* cpu.max takes quota and period in one write; what is not given keeps its value. */
static const char *cpu_max(struct cgroup_conversion *c, const struct oci_cpu *cpu)
{
    const char *quota =
        number_or_max(c, cpu->quota.set && cpu->quota.value ? cpu->quota.value : -1);

    if (!quota || !cpu->period.set || cpu->period.value == 0)
        return quota;
    return oci_printf(c->arena, "%s %" PRIu64, quota, cpu->period.value);
}

int cgroup_convert_cpu_v2(struct cgroup_conversion *c)
{
    const struct oci_cpu *cpu = c->r->cpu;
    bool max = (cpu->quota.set && cpu->quota.value) || (cpu->period.set && cpu->period.value);
    bool limited = cpu->quota.value > 0 || (cpu->period.set && cpu->period.value);
    bool idle = cpu->idle.set && cpu->idle.value;

    if (cpu->realtime_runtime.set && cpu->realtime_runtime.value)
        return cgroup_inconvertible(c, "cpu.realtimeRuntime");
    if (cpu->realtime_period.set && cpu->realtime_period.value)
        return cgroup_inconvertible(c, "cpu.realtimePeriod");
    /* An idle group has no weight to set: leave the state before, enter it after. */
    if (cpu->idle.set && !idle &&
        add(c, "cpu.idle", "cpu", "cpu.idle", "0", CGROUP_EARLY, CGROUP_OPTIONAL) < 0)
        return -1;
    if (cpu->shares.set && cpu->shares.value &&
        add(c, "cpu.shares", "cpu", "cpu.weight",
            oci_printf(c->arena, "%u", cgroup_weight_of_shares(cpu->shares.value)), CGROUP_EARLY,
            0) < 0)
        return -1;
    if (idle && add(c, "cpu.idle", "cpu", "cpu.idle", "1", CGROUP_EARLY, 0) < 0)
        return -1;
    if (max &&
        add(c, cpu->quota.set && cpu->quota.value ? "cpu.quota" : "cpu.period", "cpu", "cpu.max",
            cpu_max(c, cpu), CGROUP_EARLY, CGROUP_AGAIN | (limited ? 0 : CGROUP_OPTIONAL)) < 0)
        return -1;
    if (cpu->burst.set && add(c, "cpu.burst", "cpu", "cpu.max.burst",
                              oci_printf(c->arena, "%" PRIu64, cpu->burst.value), CGROUP_EARLY,
                              CGROUP_AGAIN | (cpu->burst.value ? 0 : CGROUP_OPTIONAL)) < 0)
        return -1;
    return 0;
}

/* memory.swap is memory plus swap; memory.swap.max is swap alone. NULL: nothing to write. */
static int swap_max(struct cgroup_conversion *c, const char **value, unsigned *flags)
{
    const struct oci_memory *m = c->r->memory;
    bool unlimited = m->limit.set && m->limit.value < 0;

    *value = NULL;
    *flags = 0;
    if (!m->swap.set || m->swap.value == 0) {
        *value = unlimited ? "max" : NULL;
        *flags = CGROUP_OPTIONAL;
        return 0;
    }
    if (m->swap.value < 0) {
        *value = "max";
        *flags = CGROUP_OPTIONAL;
        return 0;
    }
    if (!m->limit.set || m->limit.value == 0)
        return cgroup_refuse(c->err, "memory.swap",
                             "needs memory.limit on cgroup v2: it is memory plus swap");
    if (unlimited)
        return cgroup_refuse(c->err, "memory.swap",
                             "cannot be limited on cgroup v2 while memory.limit is not");
    if (m->swap.value < m->limit.value)
        return cgroup_refuse(c->err, "memory.swap",
                             "%" PRId64 " is less than memory.limit %" PRId64
                             " (it is memory plus swap)",
                             m->swap.value, m->limit.value);
    /* No swap at all is what a kernel without swap accounting has too, if there is no swap; with
     * swap the file is there. */
    *flags = m->swap.value == m->limit.value ? CGROUP_OPTIONAL : 0;
    *value = oci_printf(c->arena, "%" PRId64, m->swap.value - m->limit.value);
    return *value ? 0 : err_set(c->err, ENOMEM, "linux.resources");
}

int cgroup_convert_memory_v2(struct cgroup_conversion *c)
{
    const struct oci_memory *m = c->r->memory;
    unsigned check = m->check_before_update.value ? CGROUP_CHECK_USAGE : 0, flags;
    const char *swap;

    /* No limit on tcp buffers is what there is: only a limit is too much to ask. So with the limit
     * on kernel memory, and with accounting that does not go down the tree. */
    if (m->kernel.set && m->kernel.value > 0)
        return cgroup_inconvertible(c, "memory.kernel");
    if (m->use_hierarchy.set && !m->use_hierarchy.value)
        return cgroup_inconvertible(c, "memory.useHierarchy");
    if (m->kernel_tcp.set && m->kernel_tcp.value > 0)
        return cgroup_inconvertible(c, "memory.kernelTCP");
    if (m->swappiness.set)
        return cgroup_inconvertible(c, "memory.swappiness");
    if (m->disable_oom_killer.value)
        return cgroup_inconvertible(c, "memory.disableOOMKiller");
    if (swap_max(c, &swap, &flags) < 0)
        return -1;
    /* Swap goes first: memory that a lower limit pushes out must not end beyond the new one. */
    if (swap && add(c, "memory.swap", "memory", "memory.swap.max", swap, CGROUP_LATE, flags) < 0)
        return -1;
    if (m->limit.set && m->limit.value &&
        add(c, "memory.limit", "memory", "memory.max", number_or_max(c, m->limit.value),
            CGROUP_LATE, m->limit.value > 0 ? check : CGROUP_OPTIONAL) < 0)
        return -1;
    if (m->reservation.set && m->reservation.value &&
        add(c, "memory.reservation", "memory", "memory.low", number_or_max(c, m->reservation.value),
            CGROUP_LATE, 0) < 0)
        return -1;
    return 0;
}

int cgroup_convert_pids_v2(struct cgroup_conversion *c)
{
    const struct oci_pids *p = c->r->pids;

    if (!p->limit.set)
        return 0;
    return add(c, "pids.limit", "pids", "pids.max", number_or_max(c, p->limit.value), CGROUP_LATE,
               p->limit.value < 0 ? CGROUP_OPTIONAL : 0);
}

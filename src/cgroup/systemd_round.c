/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * What systemd makes of a value on its way to the cgroup's file. It keeps a quota as time per
 * second, in whole percents once it is stored, and computes cpu.max of that again; it derives BFQ's
 * weights from those of io.weight. The rows that ocirun writes itself are changed to the same, or
 * unit and cgroup would disagree until the manager's next reload, and differently after it.
 */
#include "cgroup/systemd.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define NO_LIMIT UINT64_MAX
#define SECOND UINT64_C(1000000)
#define PERIOD_DEFAULT 100000 /* microseconds, as all of these */
#define PERIOD_MIN 1000
#define PERIOD_MAX 1000000
#define QUOTA_MIN 1000
#define QUOTA_STEP 10000 /* of a second: one percent */
#define WEIGHT_DEFAULT 100

uint64_t systemd_quota(int64_t quota, uint64_t period)
{
    uint64_t per_second, rest;

    period = period ? period : PERIOD_DEFAULT;
    if (quota <= 0 || (uint64_t)quota > UINT64_MAX / SECOND)
        return NO_LIMIT;
    per_second = (uint64_t)quota * SECOND / period;
    rest = (uint64_t)quota * SECOND % period;
    /* Any fraction is rounded up: cgroups below may have been given all of it. */
    if (per_second % QUOTA_STEP)
        return per_second + QUOTA_STEP - per_second % QUOTA_STEP;
    return rest ? per_second + QUOTA_STEP : per_second;
}

void systemd_cfs(uint64_t per_second, uint64_t *quota, uint64_t *period)
{
    uint64_t p = *period ? *period : PERIOD_DEFAULT;

    /* The kernel wants a millisecond of both. */
    if (per_second && per_second != NO_LIMIT && p < QUOTA_MIN * SECOND / per_second)
        p = QUOTA_MIN * SECOND / per_second;
    p = p < PERIOD_MIN ? PERIOD_MIN : p > PERIOD_MAX ? PERIOD_MAX : p;
    *period = p;
    *quota = NO_LIMIT;
    if (per_second == NO_LIMIT)
        return;
    *quota = per_second / SECOND * p + per_second % SECOND * p / SECOND;
    if (*quota < QUOTA_MIN)
        *quota = QUOTA_MIN;
}

/* "max", "-1" or a number that the kernel takes. */
static bool take_quota(const char *text, int64_t *quota)
{
    uint64_t value;

    if (!systemd_number(text, &value) ||
        (value != NO_LIMIT && (value < QUOTA_MIN || value > INT64_MAX)))
        return false;
    *quota = value == NO_LIMIT ? -1 : (int64_t)value;
    return true;
}

static bool take_period(const char *text, uint64_t *period)
{
    uint64_t value;

    if (!systemd_number(text, &value) || value < PERIOD_MIN || value > PERIOD_MAX)
        return false;
    *period = value;
    return true;
}

static bool take_cpu_max(struct cgroup_write *row, struct systemd_cpu *out)
{
    char quota[24];
    size_t len = strcspn(row->value, " ");

    *out = (struct systemd_cpu){.quota = -1};
    if (len == 0 || len >= sizeof quota)
        return false;
    memcpy(quota, row->value, len);
    quota[len] = '\0';
    out->quota_row = row;
    if (row->value[len])
        out->period_row = row;
    return take_quota(quota, &out->quota) &&
           (!out->period_row || take_period(row->value + len + 1, &out->period));
}

void systemd_cpu_find(const struct cgroup_writes *w, bool v2, struct systemd_cpu *out)
{
    bool good = true;

    *out = (struct systemd_cpu){.quota = -1};
    for (size_t i = 0; i < w->n; i++) {
        struct cgroup_write *row = &w->list[i];

        if (row->v2 != v2)
            continue;
        if (v2 && strcmp(row->file, "cpu.max") == 0) {
            good = take_cpu_max(row, out);
        } else if (!v2 && strcmp(row->file, "cpu.cfs_quota_us") == 0) {
            out->quota_row = row;
            good = good && take_quota(row->value, &out->quota);
        } else if (!v2 && strcmp(row->file, "cpu.cfs_period_us") == 0) {
            out->period_row = row;
            good = good && take_period(row->value, &out->period);
        }
    }
    if (!good)
        *out = (struct systemd_cpu){.quota = -1};
}

static int round_quota(const struct cgroup_writes *w, bool v2, struct oci_arena *arena,
                       struct err *err)
{
    struct systemd_cpu cpu;
    uint64_t quota, period;

    systemd_cpu_find(w, v2, &cpu);
    if (!cpu.quota_row || cpu.quota < 0)
        return 0;
    period = cpu.period;
    systemd_cfs(systemd_quota(cpu.quota, cpu.period), &quota, &period);
    if (cpu.period_row == cpu.quota_row) {
        cpu.quota_row->value = oci_printf(arena, "%" PRIu64 " %" PRIu64, quota, period);
    } else {
        cpu.quota_row->value = oci_printf(arena, "%" PRIu64, quota);
        if (cpu.period_row)
            cpu.period_row->value = oci_printf(arena, "%" PRIu64, period);
    }
    if (!cpu.quota_row->value || (cpu.period_row && !cpu.period_row->value))
        return err_set(err, ENOMEM, "linux.resources.cpu");
    return 0;
}

static uint64_t bfq_weight(uint64_t io_weight)
{
    if (io_weight <= WEIGHT_DEFAULT)
        return io_weight;
    return WEIGHT_DEFAULT + (io_weight - WEIGHT_DEFAULT) * 900 / 9900;
}

/* @io: the weight that systemd has been given, "4950", or "8:0 4950" for one device */
static int round_weight(struct cgroup_write *row, const char *io, struct oci_arena *arena,
                        struct err *err)
{
    const char *blank = strchr(io, ' ');
    const char *text = blank ? blank + 1 : io;
    uint64_t value;

    if (!systemd_number(text, &value))
        return 0;
    row->value = oci_printf(arena, "%.*s%" PRIu64, (int)(text - io), io, bfq_weight(value));
    return row->value ? 0 : err_set(err, ENOMEM, "linux.resources.blockIO");
}

/* The pair that blockIO.weight became: a weight of BFQ, or one of the kernel's own where there is
 * no BFQ. systemd (252 and later were seen to) takes what it has been given for io.weight's scale,
 * on v1 too, and converts it to BFQ's; a device's weight on v1 it does not write where BFQ reads
 * it. */
static int round_weights(const struct cgroup_writes *w, struct oci_arena *arena, struct err *err)
{
    for (size_t i = 0; i + 1 < w->n; i++) {
        struct cgroup_write *row = &w->list[i];

        if (!(row->flags & CGROUP_OR_NEXT))
            continue;
        if (strcmp(row->file, "io.bfq.weight") == 0 &&
            round_weight(row, row[1].value, arena, err) < 0)
            return -1;
        if (strcmp(row[1].file, "blkio.bfq.weight") == 0 &&
            round_weight(&row[1], row->value, arena, err) < 0)
            return -1;
    }
    return 0;
}

int systemd_round(struct cgroup_writes *writes, struct oci_arena *arena, struct err *err)
{
    if (round_quota(writes, true, arena, err) < 0 || round_quota(writes, false, arena, err) < 0)
        return -1;
    return round_weights(writes, arena, err);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * The writes that linux.resources became (convert.c), once more as properties of a unit. The files
 * are written all the same, because the kernel says no where systemd only logs; the properties are
 * there so that the unit agrees: systemd writes what it knows of a unit again whenever it likes, at
 * a daemon-reload or when a neighbour changes. So a value that systemd would round is rounded in
 * the file too, and a property is a file's value in other words, never another value.
 *
 * A file that has no property stays as it was written: systemd leaves it alone. On v2 that includes
 * the device program: the unit's policy stays wide open, and ours decides alone; a reload of the
 * manager, which would attach its own again, then cannot take away a device that a hook or an
 * update allowed. On v1, where the manager resets the one list that there is, the unit has it too
 * (systemd_devices.c).
 *
 * Which versions know a property: systemd.resource-control(5) and org.freedesktop.systemd1(5).
 */
#include "cgroup/systemd.h"

#include "base/util.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define NO_LIMIT UINT64_MAX
#define WEIGHT_DEFAULT 100

/* A property under way. */
struct making {
    struct oci_arena *arena;
    struct systemd_properties *out;
    const struct cgroup_write *row;
    unsigned since, until; /* of the property */
    uint64_t page;
    struct err *err;
};

/* ---- the list ---- */

int systemd_add(struct systemd_properties *out, struct oci_arena *arena,
                const struct systemd_property *property, struct err *err)
{
    struct systemd_property copy = *property;

    if (copy.values_n) {
        copy.values = oci_alloc(arena, copy.values_n * sizeof *copy.values);
        if (!copy.values)
            return err_set(err, ENOMEM, "properties of the unit");
        memcpy(copy.values, property->values, copy.values_n * sizeof *copy.values);
    }
    if (out->n == out->room) {
        size_t room = out->room ? 2 * out->room : 32;
        struct systemd_property *list = oci_alloc(arena, room * sizeof *list);

        if (!list)
            return err_set(err, ENOMEM, "properties of the unit");
        if (out->n)
            memcpy(list, out->list, out->n * sizeof *list);
        out->list = list;
        out->room = room;
    }
    out->list[out->n++] = copy;
    return 0;
}

bool systemd_known(const struct systemd_property *p, unsigned version)
{
    return version == 0 || (version >= p->since && (!p->until || version < p->until));
}

unsigned systemd_version(const char *text)
{
    text += *text == 'v';
    return *text >= '1' && *text <= '9' ? (unsigned)strtoul(text, NULL, 10) : 0;
}

/* Put @p in, in place of what an earlier row made of the same name; rows that are lines of one list
 * add to it. */
static int put(const struct making *m, struct systemd_property *p, bool list)
{
    p->member = oci_printf(m->arena, "linux.resources.%s", m->row->member);
    if (!p->member)
        return err_set(m->err, ENOMEM, "properties of the unit");
    p->phase = p->at_start ? CGROUP_EARLY : m->row->phase;
    p->since = m->since;
    p->until = m->until;
    for (size_t i = 0; i < m->out->n; i++) {
        struct systemd_property *old = &m->out->list[i];
        struct systemd_value *values;

        if (strcmp(old->name, p->name) != 0)
            continue;
        values = oci_alloc(m->arena, (old->values_n + p->values_n) * sizeof *values);
        if (!values)
            return err_set(m->err, ENOMEM, "properties of the unit");
        if (list)
            memcpy(values, old->values, old->values_n * sizeof *values);
        else
            old->values_n = 0;
        memcpy(values + old->values_n, p->values, p->values_n * sizeof *values);
        p->values_n += old->values_n;
        p->values = values;
        *old = *p;
        return 0;
    }
    return systemd_add(m->out, m->arena, p, m->err);
}

static int put_u64(const struct making *m, const char *name, uint64_t value)
{
    struct systemd_value v = {.type = 't', .v.u = value};
    struct systemd_property p = {.name = name, .signature = "t", .values = &v, .values_n = 1};

    return put(m, &p, false);
}

/* ---- numbers ---- */

bool systemd_number(const char *text, uint64_t *value)
{
    char *end;

    if (strcmp(text, "max") == 0 || strcmp(text, "-1") == 0) {
        *value = NO_LIMIT;
        return true;
    }
    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    *value = strtoull(text, &end, 10);
    return errno == 0 && *end == '\0';
}

/* How a row becomes a property. Returns 0, also when there is nothing that could be said; -1. */
struct rule {
    const char *file;
    bool v2;
    const char *property;
    unsigned since, until;
    int (*make)(const struct making *m, const struct rule *rule);
};

static int make_number(const struct making *m, const struct rule *rule)
{
    uint64_t value;

    return systemd_number(m->row->value, &value) ? put_u64(m, rule->property, value) : 0;
}

/* The kernel counts in pages, and shows what it counts. */
static int make_bytes(const struct making *m, const struct rule *rule)
{
    uint64_t value;

    if (!systemd_number(m->row->value, &value))
        return 0;
    if (value != NO_LIMIT)
        value -= value % m->page;
    return put_u64(m, rule->property, value);
}

static int make_idle(const struct making *m, const struct rule *rule)
{
    /* CPUWeight=idle is 0; leaving that state is having a weight. */
    if (strcmp(m->row->value, "1") == 0)
        return put_u64(m, rule->property, 0);
    return put_u64(m, rule->property, WEIGHT_DEFAULT);
}

static int make_switch(const struct making *m, const struct rule *rule)
{
    struct systemd_value v = {.type = 'b', .v.u = strcmp(m->row->value, "0") != 0};
    struct systemd_property p = {
        .name = rule->property, .signature = "b", .values = &v, .values_n = 1};

    return put(m, &p, false);
}

/* Told at the start or never; and systemd writes memory.oom.group with every other limit of memory.
 */
static int make_oom_policy(const struct making *m, const struct rule *rule)
{
    struct systemd_value v = {.type = 's',
                              .v.s = strcmp(m->row->value, "1") == 0 ? "kill" : "continue"};
    struct systemd_property p = {
        .name = rule->property, .signature = "s", .values = &v, .values_n = 1, .at_start = true};

    return put(m, &p, false);
}

/* ---- sets of cpus and nodes: an array of bytes, the lowest bit of the first one is number 0 ----
 */

#define SET_MAX 8192

static bool parse_set(const char *text, unsigned char *bits, size_t *bytes)
{
    *bytes = 0;
    while (*text) {
        unsigned long first, last;
        char *end;

        if (*text == ',' || *text == ' ' || *text == '\n') {
            text++;
            continue;
        }
        if (*text < '0' || *text > '9')
            return false;
        first = last = strtoul(text, &end, 10);
        if (*end == '-')
            last = end[1] >= '0' && end[1] <= '9' ? strtoul(end + 1, &end, 10) : SET_MAX;
        if (first > last || last >= SET_MAX || (*end && !strchr(", \n", *end)))
            return false;
        for (unsigned long i = first; i <= last; i++)
            bits[i / 8] |= (unsigned char)(1u << i % 8);
        if (last / 8 + 1 > *bytes)
            *bytes = last / 8 + 1;
        text = end;
    }
    return true;
}

static int make_set(const struct making *m, const struct rule *rule)
{
    unsigned char bits[SET_MAX / 8] = {0};
    struct systemd_value values[SET_MAX / 8];
    struct systemd_property p = {.name = rule->property, .signature = "ay", .values = values};

    if (!parse_set(m->row->value, bits, &p.values_n))
        return 0;
    for (size_t i = 0; i < p.values_n; i++)
        values[i] = (struct systemd_value){.type = 'y', .v.u = bits[i]};
    return put(m, &p, false);
}

/* ---- block devices: "8:0 VALUE", "8:0 rbps=VALUE wiops=VALUE" ---- */

static int put_device(const struct making *m, const char *name, const char *device, uint64_t value)
{
    struct systemd_value v[2] = {{.type = 's', .v.s = device}, {.type = 't', .v.u = value}};
    struct systemd_property p = {.name = name, .signature = "a(st)", .values = v, .values_n = 2};

    return device ? put(m, &p, true) : err_set(m->err, ENOMEM, "properties of the unit");
}

/* Cut "8:0 rest" apart. NULL: the row is about no single device. */
static const char *device_of(const struct making *m, const char **rest)
{
    size_t len = strspn(m->row->value, "0123456789:");

    if (len == 0 || m->row->value[len] != ' ' || !memchr(m->row->value, ':', len))
        return NULL;
    *rest = m->row->value + len + 1;
    return oci_printf(m->arena, "/dev/block/%.*s", (int)len, m->row->value);
}

static int make_rate(const struct making *m, const struct rule *rule)
{
    const char *rest, *device = device_of(m, &rest);
    uint64_t value;

    if (!device || !systemd_number(rest, &value))
        return 0;
    return put_device(m, rule->property, device, value ? value : NO_LIMIT);
}

static int make_io_max(const struct making *m, const struct rule *rule)
{
    static const struct {
        const char *key, *property;
    } keys[] = {{"rbps=", "IOReadBandwidthMax"},
                {"wbps=", "IOWriteBandwidthMax"},
                {"riops=", "IOReadIOPSMax"},
                {"wiops=", "IOWriteIOPSMax"}};
    const char *rest, *device = device_of(m, &rest);

    (void)rule;
    while (device && *rest) {
        size_t len = strcspn(rest, " ");

        for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
            size_t key = strlen(keys[i].key);
            uint64_t value;
            const char *text;

            if (strncmp(rest, keys[i].key, key) != 0)
                continue;
            text = oci_strndup(m->arena, rest + key, len - key);
            if (!text)
                return err_set(m->err, ENOMEM, "properties of the unit");
            if (systemd_number(text, &value) && put_device(m, keys[i].property, device, value) < 0)
                return -1;
        }
        rest += len + (rest[len] == ' ');
    }
    return 0;
}

static int make_latency(const struct making *m, const struct rule *rule)
{
    const char *rest, *device = device_of(m, &rest);
    uint64_t value;

    if (!device || strncmp(rest, "target=", 7) != 0 || !systemd_number(rest + 7, &value))
        return 0;
    return put_device(m, rule->property, device, value);
}

/* "500", "default 500": the weight of all; "8:0 500" of one. */
static int make_io_weight(const struct making *m, const struct rule *rule)
{
    const char *rest, *device = device_of(m, &rest), *text = m->row->value;
    uint64_t value;

    if (device)
        return systemd_number(rest, &value) && value != NO_LIMIT
                   ? put_device(m, rule->v2 ? "IODeviceWeight" : "BlockIODeviceWeight", device,
                                value)
                   : 0;
    if (strncmp(text, "default ", 8) == 0)
        text += 8;
    return systemd_number(text, &value) ? put_u64(m, rule->property, value) : 0;
}

/* ---- the table ---- */

static const struct rule rules[] = {
    {"cpu.weight", true, "CPUWeight", 0, 0, make_number},
    {"cpu.idle", true, "CPUWeight", 252, 0, make_idle},
    {"cpuset.cpus", true, "AllowedCPUs", 244, 0, make_set},
    {"cpuset.mems", true, "AllowedMemoryNodes", 244, 0, make_set},
    {"memory.max", true, "MemoryMax", 0, 0, make_bytes},
    {"memory.high", true, "MemoryHigh", 0, 0, make_bytes},
    {"memory.low", true, "MemoryLow", 0, 0, make_bytes},
    {"memory.min", true, "MemoryMin", 240, 0, make_bytes},
    {"memory.swap.max", true, "MemorySwapMax", 0, 0, make_bytes},
    {"memory.zswap.max", true, "MemoryZSwapMax", 253, 0, make_bytes},
    {"memory.zswap.writeback", true, "MemoryZSwapWriteback", 256, 0, make_switch},
    {"memory.oom.group", true, "OOMPolicy", 253, 0, make_oom_policy},
    {"pids.max", true, "TasksMax", 0, 0, make_number},
    {"io.weight", true, "IOWeight", 0, 0, make_io_weight},
    {"io.max", true, NULL, 0, 0, make_io_max},
    {"io.latency", true, "IODeviceLatencyTargetUSec", 240, 0, make_latency},
    {"cpu.shares", false, "CPUShares", 0, 258, make_number},
    {"memory.limit_in_bytes", false, "MemoryLimit", 0, 258, make_bytes},
    {"pids.max", false, "TasksMax", 0, 0, make_number},
    {"blkio.weight", false, "BlockIOWeight", 0, 258, make_io_weight},
    {"blkio.weight_device", false, "BlockIODeviceWeight", 0, 258, make_io_weight},
    {"blkio.throttle.read_bps_device", false, "BlockIOReadBandwidth", 0, 258, make_rate},
    {"blkio.throttle.write_bps_device", false, "BlockIOWriteBandwidth", 0, 258, make_rate},
};

static bool has_row(const struct cgroup_writes *w, const char *file)
{
    for (size_t i = 0; i < w->n; i++) {
        if (strcmp(w->list[i].file, file) == 0)
            return true;
    }
    return false;
}

static int make_row(struct making *m, const struct cgroup_writes *all, bool v2)
{
    const struct cgroup_write *row = m->row;

    /* On a hybrid machine systemd's controllers are v1. */
    if (row->v2 != v2)
        return 0;
    /* Not idle, and a weight: that one says it. */
    if (strcmp(row->file, "cpu.idle") == 0 && strcmp(row->value, "0") == 0 &&
        has_row(all, "cpu.weight"))
        return 0;
    for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
        const struct rule *rule = &rules[i];

        if (rule->v2 != row->v2 || strcmp(rule->file, row->file) != 0)
            continue;
        m->since = rule->since;
        m->until = rule->until;
        return rule->make(m, rule);
    }
    return 0;
}

/* ---- the whole ---- */

static int convert_quota(struct making *m, const struct cgroup_writes *writes, bool v2)
{
    struct systemd_cpu cpu;

    systemd_cpu_find(writes, v2, &cpu);
    if (cpu.period_row) {
        m->row = cpu.period_row;
        m->since = 242;
        m->until = 0;
        if (put_u64(m, "CPUQuotaPeriodUSec", cpu.period) < 0)
            return -1;
    }
    if (!cpu.quota_row)
        return 0;
    m->row = cpu.quota_row;
    m->since = m->until = 0;
    return put_u64(m, "CPUQuotaPerSecUSec", systemd_quota(cpu.quota, cpu.period));
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct systemd_property *)a)->name,
                  ((const struct systemd_property *)b)->name);
}

int systemd_convert(struct cgroup_writes *writes, bool v2, uint64_t page, struct oci_arena *arena,
                    struct systemd_properties *out, struct err *err)
{
    struct systemd_properties made = {.list = NULL};
    struct making m = {.arena = arena, .out = &made, .page = page, .err = err};

    for (size_t i = 0; i < writes->n; i++) {
        m.row = &writes->list[i];
        if (make_row(&m, writes, v2) < 0)
            return -1;
    }
    if (convert_quota(&m, writes, v2) < 0)
        return -1;
    if (made.n)
        qsort(made.list, made.n, sizeof *made.list, by_name);
    for (size_t i = 0; i < made.n; i++) {
        if (systemd_add(out, arena, &made.list[i], err) < 0)
            return -1;
    }
    return systemd_round(writes, arena, err);
}

/* ---- what is not set ---- */

static bool has_name(const struct systemd_properties *list, const char *name)
{
    for (size_t i = 0; i < list->n; i++) {
        if (strcmp(list->list[i].name, name) == 0)
            return true;
    }
    return false;
}

int systemd_with_kept(const struct systemd_properties *wanted, bool v2, struct oci_arena *arena,
                      struct systemd_properties *out, struct err *err)
{
    static const char *const more[] = {
        "CPUQuotaPerSecUSec", "CPUQuotaPeriodUSec", "IOReadBandwidthMax", "IOWriteBandwidthMax",
        "IOReadIOPSMax",      "IOWriteIOPSMax",     "IODeviceWeight"};
    struct systemd_property kept = {.signature = "", .keep = true};

    for (size_t i = 0; i < wanted->n; i++) {
        if (systemd_add(out, arena, &wanted->list[i], err) < 0)
            return -1;
    }
    for (size_t i = 0; i < ARRAY_SIZE(rules) + (v2 ? ARRAY_SIZE(more) : 2); i++) {
        const struct rule *rule = i < ARRAY_SIZE(rules) ? &rules[i] : NULL;

        kept.name = rule ? rule->property : more[i - ARRAY_SIZE(rules)];
        kept.since = rule ? rule->since : 0;
        kept.until = rule ? rule->until : 0;
        if ((rule && rule->v2 != v2) || !kept.name || strcmp(kept.name, "OOMPolicy") == 0 ||
            has_name(out, kept.name))
            continue;
        if (systemd_add(out, arena, &kept, err) < 0)
            return -1;
    }
    if (out->n)
        qsort(out->list, out->n, sizeof *out->list, by_name);
    return 0;
}

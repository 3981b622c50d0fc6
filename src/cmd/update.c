/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ocirun update: new limits for a container that runs, from a document or from options. The options
 * are runc's and crun's; a document makes all of them ignored.
 */
#include "cmd/cmd.h"

#include "base/fd.h"
#include "base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define DOCUMENT_MAX (16 << 20)

struct update_options {
    const char *file;
    struct oci_memory memory;
    struct oci_cpu cpu;
    struct oci_pids pids;
    struct oci_block_io block_io;
};

static int parse_number(const char *text, struct oci_opt_i64 *out, struct err *err)
{
    char *end;

    errno = 0;
    out->value = strtoll(text, &end, 10);
    out->set = true;
    if (end == text || *end || errno || text[0] == ' ')
        return err_set(err, 0, "\"%s\" is not a number", text);
    return 0;
}

static int parse_natural(const char *text, struct oci_opt_u64 *out, struct err *err)
{
    struct oci_opt_i64 number;

    if (parse_number(text, &number, err) < 0)
        return -1;
    if (number.value < 0)
        return err_set(err, 0, "\"%s\" is negative", text);
    *out = (struct oci_opt_u64){.set = true, .value = (uint64_t)number.value};
    return 0;
}

/* 64m, 1g, 512k, also with a b behind; -1 is no limit. */
static int parse_size(const char *text, struct oci_opt_i64 *out, struct err *err)
{
    static const char units[] = "bkmgtp";
    const char *unit;
    char *end;

    errno = 0;
    out->value = strtoll(text, &end, 10);
    out->set = true;
    if (end == text || errno || text[0] == ' ' || out->value < -1)
        return err_set(err, 0, "\"%s\" is not a size like 512k, 64m or 1g, nor -1", text);
    if (!*end)
        return 0;
    if (out->value < 0)
        return err_set(err, 0, "\"%s\" is negative", text);
    unit = strchr(units, *end | 0x20);
    if (!unit || (end[1] && ((end[1] | 0x20) != 'b' || end[2] || unit == units)))
        return err_set(err, 0, "\"%s\" is not a size like 512k, 64m or 1g, nor -1", text);
    for (; unit > units; unit--) {
        if (__builtin_mul_overflow(out->value, 1024, &out->value))
            return err_set(err, 0, "\"%s\" is too large", text);
    }
    return 0;
}

/* One function a member, for the table of options. */
#define PARSER(name, how, member)                                                                  \
    static int name(void *options, const char *value, struct err *err)                             \
    {                                                                                              \
        struct update_options *o = options;                                                        \
                                                                                                   \
        return how(value, &o->member, err);                                                        \
    }
PARSER(parse_blkio_weight, parse_natural, block_io.weight)
PARSER(parse_cpu_period, parse_natural, cpu.period)
PARSER(parse_cpu_quota, parse_number, cpu.quota)
PARSER(parse_cpu_burst, parse_natural, cpu.burst)
PARSER(parse_cpu_shares, parse_natural, cpu.shares)
PARSER(parse_cpu_rt_period, parse_natural, cpu.realtime_period)
PARSER(parse_cpu_rt_runtime, parse_number, cpu.realtime_runtime)
PARSER(parse_cpu_idle, parse_number, cpu.idle)
PARSER(parse_memory, parse_size, memory.limit)
PARSER(parse_memory_reservation, parse_size, memory.reservation)
PARSER(parse_memory_swap, parse_size, memory.swap)
PARSER(parse_pids_limit, parse_number, pids.limit)

static int parse_resctrl(void *options, const char *value, struct err *err)
{
    (void)options;
    (void)value;
    return err_set(err, 0, "not supported yet: linux.intelRdt");
}

static const struct option_row rows[] = {
    OPT_TEXT(struct update_options, file, "resources", 'r', "FILE",
             "read a linux.resources document, - from standard input"),
    OPT_CALL(parse_blkio_weight, "blkio-weight", 0, "N", "weight of block io, 10 to 1000"),
    OPT_CALL(parse_cpu_period, "cpu-period", 0, "USEC", "period of the cpu quota"),
    OPT_CALL(parse_cpu_quota, "cpu-quota", 0, "USEC", "cpu time in each period, -1: no limit"),
    OPT_CALL(parse_cpu_burst, "cpu-burst", 0, "USEC", "unused quota that may be saved up"),
    OPT_CALL(parse_cpu_shares, "cpu-share", 0, "N", "cpu shares, 2 to 262144"),
    OPT_CALL(parse_cpu_shares, "cpu-shares", 0, "N", NULL),
    OPT_CALL(parse_cpu_rt_period, "cpu-rt-period", 0, "USEC", "period of realtime processes"),
    OPT_CALL(parse_cpu_rt_runtime, "cpu-rt-runtime", 0, "USEC", "realtime in each period"),
    OPT_CALL(parse_cpu_idle, "cpu-idle", 0, "N", "1: run only when nothing else does"),
    OPT_TEXT(struct update_options, cpu.cpus, "cpuset-cpus", 0, "LIST", "cpus to run on"),
    OPT_TEXT(struct update_options, cpu.mems, "cpuset-mems", 0, "LIST", "memory nodes to use"),
    OPT_CALL(parse_memory, "memory", 0, "SIZE", "memory, with k, m or g; -1: no limit"),
    OPT_CALL(parse_memory_reservation, "memory-reservation", 0, "SIZE", "soft limit of memory"),
    OPT_CALL(parse_memory_swap, "memory-swap", 0, "SIZE", "memory plus swap; -1: no limit"),
    OPT_CALL(parse_pids_limit, "pids-limit", 0, "N", "processes and threads; -1: no limit"),
    OPT_CALL(parse_resctrl, "l3-cache-schema", 0, "TEXT", NULL),
    OPT_CALL(parse_resctrl, "mem-bw-schema", 0, "TEXT", NULL),
    /* Without effect since Linux 5.16; still given by scripts. */
    OPT_IGNORED_VALUE("kernel-memory"),
    OPT_IGNORED_VALUE("kernel-memory-tcp"),
    OPT_END,
};

static const struct options_syntax syntax = {
    .command = "update",
    .arguments = "ID",
    .summary = "Change the limits of a container that exists. What is not given stays as it is. "
               "With\n--resources all other options are ignored.",
    .rows = rows,
    .min = 1,
    .max = 1,
};

static int read_document(const char *file, struct oci_arena *arena, struct oci_resources *out,
                         struct err *err)
{
    bool standard = strcmp(file, "-") == 0;
    _cleanup_close_ int opened = standard ? -1 : open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    _cleanup_free_ char *text = NULL;
    size_t len;

    if (!standard && opened < 0)
        return err_errno(err, "--resources %s", file);
    if (fd_read_all(standard ? 0 : opened, DOCUMENT_MAX, &text, &len, err) < 0)
        return err_context(err, "--resources %s", file);
    return resources_decode(text, len, standard ? "standard input" : file, arena, out, err);
}

static int resources_of(struct update_options *o, struct oci_arena *arena,
                        struct oci_resources *out, struct err *err)
{
    if (o->file)
        return read_document(o->file, arena, out, err);
    if (o->cpu.idle.set && o->cpu.idle.value != 0 && o->cpu.idle.value != 1)
        return err_set(err, 0, "--cpu-idle: %lld is neither 0 nor 1", (long long)o->cpu.idle.value);
    *out = (struct oci_resources){
        .memory = &o->memory, .cpu = &o->cpu, .pids = &o->pids, .block_io = &o->block_io};
    return 0;
}

int cmd_update(const struct runtime *rt, int argc, char **argv, int *status, struct err *err)
{
    struct update_options o = {.file = NULL};
    struct oci_resources changes;
    struct oci_arena *arena;
    struct arguments args;
    int r = options_parse(&syntax, &o, argc, argv, &args, err);

    (void)status;
    if (r != 0)
        return r;
    arena = oci_arena_new();
    if (!arena)
        return err_set(err, ENOMEM, "update");
    r = resources_of(&o, arena, &changes, err);
    if (r == 0)
        r = container_update(rt, args.list[0], &changes, err);
    oci_arena_free(arena);
    return r;
}

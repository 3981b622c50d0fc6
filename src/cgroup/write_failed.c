/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * The kernel says no in one word. This page knows what it means for each file: the error names the
 * member, the value, the file and the cgroup, the hint tells what to do.
 */
#include "cgroup/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

static void memory_busy(const struct cgroup_place *place, int dir, const struct cgroup_write *row,
                        struct err *err)
{
    int64_t usage = cgroup_read_number_at(dir, "memory.usage_in_bytes", NULL);
    int64_t peak = cgroup_read_number_at(dir, "memory.max_usage_in_bytes", NULL);

    err_set(err, 0,
            "linux.resources.%s: unable to set memory limit to %s "
            "(current usage: %" PRId64 ", peak usage: %" PRId64 ")",
            row->member, row->value, usage, peak);
    err->errnum = EBUSY;
    err_hint(err, "the processes in cgroup %s use more than that, and it cannot be reclaimed",
             place->path);
}

static void hint_missing(const struct cgroup_write *row, struct err *err)
{
    if (strcmp(row->member, "memory.swap") == 0)
        err_hint(err, "the kernel does not account swap: boot it with swapaccount=1");
    else if (strcmp(row->controller, "hugetlb") == 0)
        err_hint(err, "this machine has no huge pages of that size");
    else if (strstr(row->file, "weight"))
        err_hint(err, "weights of block devices need the BFQ scheduler or io.cost");
    else
        err_hint(err, "this kernel has no %s", row->file);
}

static void hint_cpuset(int dir, const struct cgroup_write *row, bool v2, struct err *err)
{
    bool cpus = strcmp(row->file, "cpuset.cpus") == 0;
    char have[256];

    if (cgroup_read_at(dir,
                       v2 ? (cpus ? "cpuset.cpus.effective" : "cpuset.mems.effective")
                          : (cpus ? "cpuset.effective_cpus" : "cpuset.effective_mems"),
                       have, sizeof have) > 0)
        err_hint(err, "the cgroups above leave it %s %s", cpus ? "cpus" : "memory nodes", have);
}

static void hint_invalid(const struct cgroup_write *row, bool v2, struct err *err)
{
    if (strcmp(row->member, "memory.swap") == 0)
        err_hint(err, "it is memory plus swap and cannot be below the memory limit");
    else if (strcmp(row->member, "memory.limit") == 0 && !v2)
        err_hint(err, "it cannot be above memory.swap, which is memory plus swap: set both");
    else if (strncmp(row->member, "cpu.realtime", 12) == 0)
        err_hint(err, "the parent cgroup's %s has to allow it beside the other cgroups below it",
                 row->file);
    else if (strcmp(row->member, "cpu.shares") == 0)
        err_hint(err, "a group with cpu.idle has no shares");
    else if (strncmp(row->member, "cpu.", 4) == 0)
        err_hint(err, "a period is 1000 to 1000000, a quota at least 1000 and not above the "
                      "parent's, a burst not above the quota (microseconds)");
}

int cgroup_write_failed(const struct cgroup_place *place, int dir, const struct cgroup_write *row,
                        int errnum, struct err *err)
{
    if (errnum == EBUSY && !place->v2 &&
        (strcmp(row->member, "memory.limit") == 0 || strcmp(row->member, "memory.swap") == 0)) {
        memory_busy(place, dir, row, err);
        return err_object(err, "linux.resources.%s", row->member);
    }
    err_set(err, errnum, "linux.resources.%s: write %s to %s of cgroup %s", row->member, row->value,
            row->file, place->path);
    if (errnum == ENOENT)
        hint_missing(row, err);
    else if (strcmp(row->controller, "cpuset") == 0)
        hint_cpuset(dir, row, place->v2, err);
    else if (errnum == ENODEV && strncmp(row->member, "blockIO", 7) == 0)
        err_hint(err, "there is no such block device; partitions have no limits of their own");
    else if (errnum == ENODEV && strncmp(row->member, "network", 7) == 0)
        err_hint(err, "there is no such network interface");
    else if (errnum == EINVAL)
        hint_invalid(row, place->v2, err);
    return err_object(err, "linux.resources.%s", row->member);
}

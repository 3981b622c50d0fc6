/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of state.json: decoder and encoder are the ones of config.json. */
#include "host/record.h"

#include "libocispec/rows.h"

#include <time.h>

static const struct oci_row process_rows[] = {
    OCI_I64(struct record_process, pid, "pid", OCI_EMIT_ZERO),
    OCI_U64(struct record_process, start_time, "startTime", OCI_EMIT_ZERO),
    OCI_END,
};
static const struct oci_table process_table =
    OCI_TABLE("process", struct record_process, process_rows);

static const struct oci_row rlimit_rows[] = {
    OCI_ENUM(struct oci_rlimit, type, "type", oci_rlimit_names, OCI_REQUIRED),
    OCI_U64(struct oci_rlimit, soft, "soft", OCI_REQUIRED | OCI_EMIT_ZERO),
    OCI_U64(struct oci_rlimit, hard, "hard", OCI_REQUIRED | OCI_EMIT_ZERO),
    OCI_END,
};
static const struct oci_table rlimit_table = OCI_TABLE("rlimit", struct oci_rlimit, rlimit_rows);

static const struct oci_row record_rows[] = {
    OCI_U32(struct record, version, "version", OCI_REQUIRED),
    OCI_STRING(struct record, id, "id", OCI_REQUIRED),
    OCI_STRING(struct record, bundle, "bundle", OCI_REQUIRED),
    OCI_STRING(struct record, rootfs, "rootfs", 0),
    OCI_STRING(struct record, created, "created", OCI_REQUIRED),
    OCI_U32(struct record, owner, "owner", OCI_EMIT_ZERO),
    OCI_BOOL(struct record, committed, "committed", OCI_EMIT_ZERO),
    OCI_INLINE(struct record, creator, "creator", process_table, 0),
    OCI_INLINE(struct record, init, "init", process_table, 0),
    OCI_INLINE(struct record, hook, "hook", process_table, 0),
    OCI_U64(struct record, pid_namespace, "pidNamespace", 0),
    OCI_INLINE(struct record, cgroup, "cgroup", cgroup_record_table, 0),
    OCI_SET(struct record, namespaces, "namespaces", oci_namespace_names, 0),
    OCI_BOOL(struct record, pid_joined, "pidJoined", 0),
    OCI_BOOL(struct record, chroot, "chroot", 0),
    OCI_STRING(struct record, mount_namespace, "mountNamespace", 0),
    OCI_U64(struct record, rootfs_mount, "rootfsMount", 0),
    OCI_BOOL(struct record, notify, "notify", 0),
    OCI_BOOL(struct record, has_process, "hasProcess", 0),
    OCI_BOOL(struct record, scheduling, "scheduling", 0),
    OCI_BOOL(struct record, start_hooks, "startHooks", 0),
    OCI_OBJECT(struct record, hooks, "hooks", oci_hooks_table, 0),
    OCI_MAP(struct record, annotations, "annotations", 0),
    OCI_ARRAY(struct record, rlimits, "rlimits", rlimit_table, 0),
    OCI_END,
};
const struct oci_table record_table = OCI_TABLE("state.json", struct record, record_rows);

/* The civil date of a day, counted from 1970-01-01 (which is day 719468 of an era that begins with
 * March, so that the leap day is the last one of its year). gmtime_r(3) would read /etc/localtime
 * for it. */
static void date_of(int64_t day, int *year, int *month, int *mday)
{
    int64_t z = day + 719468, era = z / 146097, of_era = z % 146097;
    int64_t y = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * y + y / 4 - y / 100);
    int64_t m = (5 * of_year + 2) / 153;

    *mday = (int)(of_year - (153 * m + 2) / 5 + 1);
    *month = (int)(m < 10 ? m + 3 : m - 9);
    *year = (int)(y + era * 400 + (*month <= 2));
}

const char *record_time(struct oci_arena *arena, int64_t seconds, long nanoseconds)
{
    int64_t of_day = seconds % 86400;
    int year, month, mday;

    date_of(seconds / 86400, &year, &month, &mday);
    return oci_printf(arena, "%04d-%02d-%02dT%02d:%02d:%02d.%09ldZ", year, month, mday,
                      (int)(of_day / 3600), (int)(of_day / 60 % 60), (int)(of_day % 60),
                      nanoseconds);
}

const char *record_now(struct oci_arena *arena)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return record_time(arena, now.tv_sec, now.tv_nsec);
}

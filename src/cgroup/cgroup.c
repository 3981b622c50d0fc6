/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * Questions and orders that go to v1 or to v2, whichever the container has for them: freezing is
 * v1's where its freezer is mounted (a hybrid's v2 tree is there for kill and events), the count of
 * OOM kills is where the memory controller is.
 */
#include "cgroup/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

int cgroup_frozen(const struct cgroup_record *record)
{
    struct cgroup_place *v1 = cgroup_place_of(record, "freezer");
    struct cgroup_place *v2 = cgroup_place_of(record, "");
    int a = -1, b = -1;

    if (v1)
        a = cgroup_v1_frozen(v1);
    /* Somebody else may have used the other half of a hybrid: frozen is frozen. */
    if (a <= 0 && v2)
        b = cgroup_v2_frozen(v2);
    return a > b ? a : b;
}

int cgroup_freeze(const struct cgroup_record *record, bool freeze, struct err *err)
{
    struct cgroup_place *v1 = cgroup_place_of(record, "freezer");
    struct cgroup_place *v2 = cgroup_place_of(record, "");

    if (record->driver == CGROUP_DISABLED)
        return err_set(err, 0, "cgroups are disabled for this container: it cannot be %s",
                       freeze ? "paused" : "resumed");
    if (v1 && cgroup_v1_freeze(v1, freeze, err) < 0)
        return -1;
    if (v1 && freeze)
        return 0;
    if (v2)
        return cgroup_v2_freeze(v2, freeze, err);
    return v1 ? 0 : err_set(err, 0, "the container has no cgroup that can be frozen");
}

int cgroup_let_die(const struct cgroup_record *record, struct err *err)
{
    struct cgroup_place *v1 = cgroup_place_of(record, "freezer");
    struct err ignored = ERR_INIT;

    if (v1 && cgroup_place_dir(v1, &ignored) >= 0 && cgroup_v1_has_children(v1))
        cgroup_v1_thaw_all(v1);
    return cgroup_frozen(record) == 1 ? cgroup_freeze(record, false, err) : 0;
}

/* "512 KiB", "3 MiB": the largest unit that divides the number, or that leaves two digits. */
static void size_text(int64_t bytes, char *buf, size_t size)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    size_t unit = 0;

    while (unit < 4 && bytes >= 1024 && (bytes % 1024 == 0 || bytes >= 100 * 1024)) {
        bytes /= 1024;
        unit++;
    }
    snprintf(buf, size, "%" PRId64 " %s", bytes, units[unit]);
}

static void oom_text(int64_t limit, int64_t peak, char *text, size_t size)
{
    char a[32], b[32];

    size_text(limit, a, sizeof a);
    size_text(peak, b, sizeof b);
    if (limit >= 0 && peak >= 0)
        snprintf(text, size, "limit %s, usage %s", a, b);
    else if (limit >= 0)
        snprintf(text, size, "limit %s", a);
}

int cgroup_oom_killed(const struct cgroup_record *record, char *text, size_t size)
{
    struct cgroup_place *place = cgroup_place_of(record, "memory");
    struct err ignored = ERR_INIT;
    int64_t kills;
    int dir;

    if (text && size)
        text[0] = '\0';
    if (!place)
        place = cgroup_place_of(record, "");
    if (!place)
        return -1;
    kills =
        cgroup_place_number(place, place->v2 ? "memory.events" : "memory.oom_control", "oom_kill");
    if (kills <= 0 || !text || (dir = cgroup_place_dir(place, &ignored)) < 0)
        return kills < 0 ? -1 : kills > 0;
    if (place->v2)
        oom_text(cgroup_read_number_at(dir, "memory.max", NULL),
                 cgroup_read_number_at(dir, "memory.peak", NULL), text, size);
    else
        oom_text(cgroup_read_number_at(dir, "memory.limit_in_bytes", NULL),
                 cgroup_read_number_at(dir, "memory.max_usage_in_bytes", NULL), text, size);
    return 1;
}

void cgroup_release(const struct cgroup_record *record)
{
    for (size_t i = 0; i < record->places_n; i++)
        cgroup_place_close(&record->places[i]);
}

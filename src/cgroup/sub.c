/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A place below the container's own, for exec --cgroup: never above or beside it. */
#include "cgroup/cgroup.h"

#include "base/util.h"

#include <errno.h>
#include <string.h>

static bool has_dotdot(const char *path)
{
    for (const char *p = path; (p = strstr(p, "..")); p += 2) {
        if ((p == path || p[-1] == '/') && (p[2] == '/' || p[2] == '\0'))
            return true;
    }
    return false;
}

/* Whether @list ("cpu,cpuacct") names one of the controllers of a place. */
static bool names_controller(const char *list, size_t len, const char *controllers)
{
    const char *end = list + len;

    while (list < end) {
        size_t n = strcspn(list, ",");
        const char *found;

        if (list + n > end)
            n = (size_t)(end - list);
        for (found = controllers ? controllers : ""; *found;
             found += strcspn(found, ","), found += *found == ',') {
            size_t m = strcspn(found, ",");

            if (m == n && !memcmp(found, list, n))
                return true;
        }
        list += n + (list + n < end);
    }
    return false;
}

int cgroup_sub(const struct cgroup_record *record, const char *sub, struct oci_arena *arena,
               struct cgroup_record *out, struct err *err)
{
    const char *colon, *path;
    size_t named = 0;

    *out = *record;
    if (!sub || !*sub)
        return 0;
    colon = strchr(sub, ':');
    path = colon ? colon + 1 : sub;
    while (*path == '/')
        path++;
    if (has_dotdot(path))
        return err_set(err, 0, "--cgroup %s: bad sub cgroup path", sub);
    out->places = oci_alloc(arena, (record->places_n + 1) * sizeof *out->places);
    if (!out->places)
        return err_set(err, ENOMEM, "--cgroup %s", sub);
    for (size_t i = 0; i < record->places_n; i++) {
        out->places[i] = record->places[i];
        out->places[i].dir = 0; /* an open directory belongs to the container's own place */
        if (!*path ||
            (colon && !names_controller(sub, (size_t)(colon - sub), record->places[i].controllers)))
            continue;
        out->places[i].path = oci_printf(arena, "%s%s%s", record->places[i].path,
                                         strcmp(record->places[i].path, "/") ? "/" : "", path);
        if (!out->places[i].path)
            return err_set(err, ENOMEM, "--cgroup %s", sub);
        named++;
    }
    if (*path && !named)
        return err_set(err, 0, "--cgroup %s: the container is in no such hierarchy", sub);
    return 0;
}

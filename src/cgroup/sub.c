/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A place below the container's own, for exec: the one that --cgroup names, or the one in which
 * init is. Never above or beside it. */
#include "base/fd.h"
#include "base/util.h"
#include "cgroup/internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define PROC_CGROUP_MAX (1u << 20)

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
    out->inner = NULL;
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
        const char *own = cgroup_inner_path(record, &record->places[i], arena);

        out->places[i].dir = 0; /* an open directory belongs to the container's own place */
        out->places[i].path = own;
        if (own && (!*path || (colon && !names_controller(sub, (size_t)(colon - sub),
                                                          record->places[i].controllers))))
            continue;
        if (own)
            out->places[i].path =
                oci_printf(arena, "%s%s%s", own, strcmp(own, "/") ? "/" : "", path);
        if (!out->places[i].path)
            return err_set(err, ENOMEM, "--cgroup %s", sub);
        named++;
    }
    if (*path && !named)
        return err_set(err, 0, "--cgroup %s: the container is in no such hierarchy", sub);
    return 0;
}

/* Cut @text, the content of /proc/PID/cgroup, to the path of its v2 line; NULL: there is none. */
static char *v2_line(char *text)
{
    char *line;

    while ((line = strsep(&text, "\n"))) {
        if (strncmp(line, "0::/", 4) == 0)
            return line + 3;
    }
    return NULL;
}

static const char *mount_root(const struct cgroup_place *place)
{
    struct err ignored = ERR_INIT;
    const struct cgroup_machine *machine = cgroup_machine_get(&ignored);

    for (size_t i = 0; machine && i < machine->n; i++) {
        if (machine->list[i].v2 && strcmp(machine->list[i].mount, place->mount) == 0)
            return machine->list[i].root;
    }
    return "/";
}

int cgroup_with_init(const struct cgroup_record *record, int proc, pid_t pid,
                     struct oci_arena *arena, struct cgroup_record *out, struct err *err)
{
    struct cgroup_place *place = cgroup_place_of(record, "");
    struct err ignored = ERR_INIT;
    _cleanup_free_ char *text = NULL;
    char word[2], name[32];
    _cleanup_close_ int dir = place ? cgroup_inner_dir(record, place, &ignored) : -1;
    const char *path;
    size_t len;

    *out = *record;
    if (dir < 0 || cgroup_read_at(dir, "cgroup.subtree_control", word, sizeof word) <= 0)
        return 0;
    out->inner = NULL;
    snprintf(name, sizeof name, "%d/cgroup", (int)pid);
    if (fd_read_file_at(proc, name, PROC_CGROUP_MAX, &text, NULL, err) < 0)
        return -1;
    path = v2_line(text);
    path = path ? cgroup_own_below(path, mount_root(place)) : "/";
    len = strlen(place->path);
    if (strncmp(path, place->path, len) != 0 || path[len] != '/') {
        out->inner = record->inner;
        return 0;
    }
    out->places = oci_alloc(arena, record->places_n * sizeof *out->places);
    if (!out->places)
        return err_set(err, ENOMEM, "cgroup of init");
    for (size_t i = 0; i < record->places_n; i++) {
        out->places[i] = record->places[i];
        out->places[i].dir = 0; /* an open directory belongs to the container's own place */
        if (&record->places[i] == place && !(out->places[i].path = oci_strdup(arena, path)))
            return err_set(err, ENOMEM, "cgroup of init");
    }
    return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * linux.cgroupsPath to one place a hierarchy (config-linux.md#cgroups-path). Absolute: below the
 * mount of each hierarchy. Relative: below the caller's own cgroup of that hierarchy, which differs
 * from hierarchy to hierarchy. Absent or empty: "/ID". For ordinary users the last two begin in a
 * cgroup that is theirs (unprivileged.c).
 *
 * Each hierarchy of the machine is joined, limits or not: named ones so that a manager inside has
 * its tree, v2 beside v1 because it has cgroup.kill and cgroup.events.
 */
#include "cgroup/systemd.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int bad_path(struct err *err, const char *path, const char *why)
{
    err_set(err, 0, "linux.cgroupsPath: \"%s\" %s", path, why);
    return err_object(err, "linux.cgroupsPath");
}

const char *cgroup_path_normalise(const char *path, struct oci_arena *arena, struct err *err)
{
    char *out = oci_alloc(arena, strlen(path) + 1), *to = out;

    if (!out) {
        err_set(err, ENOMEM, "linux.cgroupsPath");
        return NULL;
    }
    for (const char *p = path; *p;) {
        size_t len = strcspn(p, "/");

        if (len == 2 && memcmp(p, "..", 2) == 0) {
            bad_path(err, path, "holds \"..\"");
            return NULL;
        }
        if (len > NAME_MAX || memchr(p, '\n', len)) {
            bad_path(err, path, "is not the name of a cgroup");
            return NULL;
        }
        if (len > 0 && !(len == 1 && *p == '.')) {
            if (to != out)
                *to++ = '/';
            memcpy(to, p, len);
            to += len;
        }
        p += len + (p[len] == '/');
    }
    if (to == out) {
        bad_path(err, path, "is the root cgroup");
        return NULL;
    }
    return out;
}

int cgroup_plan_on(const struct cgroup_machine *machine, const char *path, const char *id,
                   struct oci_arena *arena, struct cgroup_record *out, struct err *err)
{
    bool absolute = path && *path == '/', relative = path && *path && !absolute;
    const char *tail = cgroup_path_normalise(path && *path ? path : id, arena, err);

    if (!tail)
        return -1;
    out->places = oci_alloc(arena, (machine->n + 1) * sizeof *out->places);
    if (!out->places)
        return err_set(err, ENOMEM, "cgroup places");
    for (size_t i = 0; i < machine->n; i++) {
        const struct cgroup_hierarchy *h = &machine->list[i];
        int parent = absolute ? 0 : cgroup_default_parent(h);
        struct cgroup_place p = {.controllers = h->controllers, .mount = h->mount, .v2 = h->v2};

        if (relative && parent == 0 && strcmp(h->own, "/") != 0)
            parent = (int)strlen(h->own);
        p.path = oci_printf(arena, "%.*s/%s", parent, h->own, tail);
        if (!p.path)
            return err_set(err, ENOMEM, "cgroup places");
        if (strlen(p.mount) + strlen(p.path) + sizeof "/cgroup.procs" > PATH_MAX)
            return bad_path(err, path ? path : id, "is too long");
        out->places[out->places_n++] = p;
    }
    return 0;
}

int cgroup_plan(const char *path, const char *id, enum cgroup_driver driver,
                struct oci_arena *arena, struct cgroup_record *out, struct err *err)
{
    const struct cgroup_machine *machine;

    *out = (struct cgroup_record){.driver = driver == CGROUP_UNSET ? CGROUP_CGROUPFS : driver};
    if (driver == CGROUP_DISABLED)
        return 0;
    machine = cgroup_machine_get(err);
    if (!machine ||
        (driver == CGROUP_SYSTEMD ? systemd_plan(machine, path, id, arena, out, err)
                                  : cgroup_plan_on(machine, path, id, arena, out, err)) < 0)
        return -1;
    /* The record is stored before anything is made, and a runtime that is killed half-way has to be
     * cleaned up by it: what does not exist now will have been made by us. cgroup_prepare()
     * corrects the rare case in which somebody else was faster. */
    for (size_t i = 0; i < out->places_n; i++) {
        struct cgroup_place *p = &out->places[i];
        char full[PATH_MAX];

        snprintf(full, sizeof full, "%s%s", p->mount, p->path);
        p->created = access(full, F_OK) < 0 && errno == ENOENT;
    }
    return 0;
}

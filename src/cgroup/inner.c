/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * A container's processes live in its cgroup, unless an annotation wants them in one below it:
 * run.oci.systemd.subgroup, run.oci.delegate-cgroup. The limits stay where they are, above, out of
 * the reach of whoever owns the inner cgroup; statistics, kill, freeze and remove act on the
 * container's cgroup and so on the inner one too. The controllers are handed down, because who
 * looks for memory.events looks in the cgroup of the container's pid. Only on v2: v1 can delegate
 * nothing safely.
 *
 * Without controllers to hand down, or when they cannot be enabled, the inner cgroup is still
 * there: nothing depends on them but those who look.
 */
#include "cgroup/systemd.h"

#include "base/fd.h"
#include "base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const char subgroup[] = "run.oci.systemd.subgroup";
static const char delegated[] = "run.oci.delegate-cgroup";

static int check_name(const char *annotation, const char *name, struct err *err)
{
    for (const char *p = name; *p;) {
        size_t len = strcspn(p, "/");

        if (len == 0 || len > NAME_MAX || (len == 1 && *p == '.') || strncmp(p, "..", len) == 0 ||
            memchr(p, '\n', len)) {
            err_set(err, 0, "annotations.%s: \"%.64s\" is not the name of a cgroup", annotation,
                    name);
            return err_object(err, "annotations.%s", annotation);
        }
        p += len + (p[len] == '/' && p[len + 1]);
    }
    return 0;
}

static int add(struct cgroup_record *record, const struct oci_config *config,
               const char *annotation, struct oci_arena *arena, struct err *err)
{
    const char *name = oci_annotation(config, annotation);

    if (!name || !*name)
        return 0;
    if (check_name(annotation, name, err) < 0)
        return -1;
    if (!cgroup_place_of(record, "")) {
        err_set(err, 0, "annotations.%s: needs cgroup v2, which this %s", annotation,
                record->driver == CGROUP_DISABLED ? "container does not use"
                                                  : "machine has not mounted");
        return err_object(err, "annotations.%s", annotation);
    }
    record->inner =
        record->inner ? oci_printf(arena, "%s/%s", record->inner, name) : oci_strdup(arena, name);
    return record->inner ? 0 : err_set(err, ENOMEM, "annotations.%s", annotation);
}

int cgroup_plan_annotations(struct cgroup_record *record, const struct oci_config *config,
                            struct oci_arena *arena, struct err *err)
{
    if (record->driver == CGROUP_SYSTEMD && (systemd_plan_unit(record, config, arena, err) < 0 ||
                                             add(record, config, subgroup, arena, err) < 0))
        return -1;
    return add(record, config, delegated, arena, err);
}

int cgroup_inner_dir(const struct cgroup_record *record, struct cgroup_place *place,
                     struct err *err)
{
    int dir = cgroup_place_dir(place, err), fd;

    if (dir < 0)
        return -1;
    fd = place->v2 && record->inner
             ? path_open_beneath(dir, record->inner, O_RDONLY | O_DIRECTORY, err)
             : fcntl(dir, F_DUPFD_CLOEXEC, 3);
    return fd < 0 && !err_is_set(err) ? err_errno(err, "cgroup %s", place->path) : fd;
}

const char *cgroup_inner_path(const struct cgroup_record *record, const struct cgroup_place *place,
                              struct oci_arena *arena)
{
    if (!place->v2 || !record->inner)
        return oci_strdup(arena, place->path);
    return oci_printf(arena, "%s/%s", strcmp(place->path, "/") ? place->path : "", record->inner);
}

/* Call @visit for the place's directory and each one down to the inner cgroup's parent, with the
 * name of the next one. */
static int walk(const struct cgroup_record *record,
                int (*visit)(int dir, const char *name, struct err *err), struct err *err)
{
    struct cgroup_place *place = cgroup_place_of(record, "");
    _cleanup_close_ int dir = -1;
    char name[NAME_MAX + 1];

    if (!record->inner || !place)
        return 0;
    dir = cgroup_place_dir(place, err);
    if (dir >= 0)
        dir = fcntl(dir, F_DUPFD_CLOEXEC, 3);
    for (const char *p = record->inner; dir >= 0 && *p;) {
        size_t len = strcspn(p, "/");
        int next;

        snprintf(name, sizeof name, "%.*s", (int)len, p);
        if (visit(dir, name, err) < 0)
            return -1;
        p += len + (p[len] == '/');
        next = *p ? cgroup_open_below(dir, name) : -1;
        if (*p && next < 0)
            return err_errno(err, "cgroup %s/%s", place->path, record->inner);
        fd_close(dir);
        dir = next;
    }
    return 0;
}

static int make_one(int dir, const char *name, struct err *err)
{
    if (mkdirat(dir, name, 0755) == 0 || errno == EEXIST)
        return 0;
    return err_errno(err, "make cgroup %s below the container's", name);
}

static int enable_one(int dir, const char *name, struct err *err)
{
    (void)name;
    (void)err;
    cgroup_enable_all(dir);
    return 0;
}

int cgroup_inner_make(const struct cgroup_record *record, struct err *err)
{
    return walk(record, make_one, err);
}

void cgroup_inner_enable(const struct cgroup_record *record)
{
    struct err ignored = ERR_INIT;

    walk(record, enable_one, &ignored);
}

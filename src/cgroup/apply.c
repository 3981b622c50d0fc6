/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * What is asked of the machine (cgroup_check) and carrying it out (cgroup_apply): both read the
 * same list of writes that convert.c makes, so what passes the check has a place to be written to.
 */
#include "base/fd.h"
#include "base/log.h"
#include "base/util.h"
#include "cgroup/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

static bool machine_has(const struct cgroup_machine *machine, const char *controller)
{
    for (size_t i = 0; machine && i < machine->n; i++) {
        if (cgroup_has_controller(machine->list[i].controllers, controller))
            return true;
    }
    return false;
}

/* Whether the row may be left out where its controller is not to be had. Who has no privilege
 * cannot make device nodes, and the user namespace keeps it so: the list has nothing to add. */
static bool row_is_dispensable(const struct cgroup_write *row)
{
    if (row->flags & (CGROUP_OPTIONAL | CGROUP_MAY_FAIL))
        return true;
    return strcmp(row->controller, "devices") == 0 && cgroup_unprivileged();
}

static int refuse(struct err *err, const char *member, const char *why)
{
    err_set(err, 0, "linux.resources.%s: %s", member, why);
    return err_object(err, "linux.resources.%s", member);
}

static int no_hierarchy(const struct cgroup_write *row, struct err *err)
{
    err_set(err, 0, "linux.resources.%s: no %s cgroup hierarchy is mounted", row->member,
            row->controller);
    err_hint(err, "mount it, or leave linux.resources.%s out", row->member);
    return err_object(err, "linux.resources.%s", row->member);
}

static int not_yet(struct err *err, const char *member)
{
    int len = (int)strcspn(member, ".[");

    err_set(err, 0, "not supported yet: linux.resources.%.*s", len, member);
    return err_object(err, "linux.resources.%.*s", len, member);
}

/* What no kernel accepts, said in the configuration's own terms. */
static int check_values(const struct oci_resources *r, struct err *err)
{
    const struct oci_memory *m = r->memory;
    const struct oci_cpu *c = r->cpu;

    if (m && m->swap.value > 0 && m->limit.value > m->swap.value) {
        err_set(err, 0,
                "linux.resources.memory.swap: %" PRId64 " is less than memory.limit %" PRId64
                " (it is memory plus swap)",
                m->swap.value, m->limit.value);
        return err_object(err, "linux.resources.memory.swap");
    }
    if (c && c->burst.set && c->quota.value > 0 && c->burst.value > (uint64_t)c->quota.value) {
        err_set(err, 0, "linux.resources.cpu.burst: %" PRIu64 " is more than cpu.quota %" PRId64,
                c->burst.value, c->quota.value);
        return err_object(err, "linux.resources.cpu.burst");
    }
    return 0;
}

static int check_disabled(const struct oci_resources *r, const struct cgroup_writes *writes,
                          struct err *err)
{
    const char *member = cgroup_unsupported(r);

    for (size_t i = 0; !member && i < writes->n; i++) {
        if (strcmp(writes->list[i].controller, "devices") != 0)
            member = writes->list[i].member;
    }
    if (member) {
        refuse(err, member, "cgroups are disabled");
        return err_hint(err, "choose another --cgroup-manager, or leave linux.resources out");
    }
    if (writes->n > 0)
        log_warning("linux.resources.devices is not enforced: cgroups are disabled");
    return 0;
}

static int check_rows(const struct cgroup_machine *machine, const struct cgroup_writes *writes,
                      struct err *err)
{
    bool v1 = false, v2 = false;

    for (size_t i = 0; i < machine->n; i++)
        *(machine->list[i].v2 ? &v2 : &v1) = true;
    for (size_t i = 0; i < writes->n; i++) {
        const struct cgroup_write *row = &writes->list[i];

        if (machine_has(machine, row->controller))
            continue;
        if (v2 && !v1 && !(strcmp(row->controller, "devices") == 0 && cgroup_unprivileged()))
            return not_yet(err, row->member);
        if (!row_is_dispensable(row))
            return no_hierarchy(row, err);
    }
    return 0;
}

int cgroup_check_on(const struct cgroup_machine *machine, const struct oci_resources *resources,
                    enum cgroup_driver driver, struct err *err)
{
    struct oci_arena *arena;
    struct cgroup_writes writes;
    int failed;

    if (driver == CGROUP_SYSTEMD)
        return err_set(err, 0, "not supported yet: systemd cgroup driver");
    if (!resources)
        return 0;
    if (driver != CGROUP_DISABLED && cgroup_unsupported(resources))
        return not_yet(err, cgroup_unsupported(resources));
    arena = oci_arena_new();
    if (!arena)
        return err_set(err, ENOMEM, "linux.resources");
    failed = cgroup_convert_v1(resources, arena, &writes, err);
    if (!failed)
        failed = check_values(resources, err);
    if (!failed)
        failed = driver == CGROUP_DISABLED ? check_disabled(resources, &writes, err)
                                           : check_rows(machine, &writes, err);
    oci_arena_free(arena);
    return failed;
}

int cgroup_check(const struct oci_resources *resources, enum cgroup_driver driver, struct err *err)
{
    static const struct cgroup_machine none;
    const struct cgroup_machine *machine = &none;

    if (driver != CGROUP_DISABLED && driver != CGROUP_SYSTEMD && resources)
        machine = cgroup_machine_get(err);
    return machine ? cgroup_check_on(machine, resources, driver, err) : -1;
}

/* The file that was written last stays open: a device list is many lines to the same two files. */
struct writer {
    const struct cgroup_record *record;
    const struct cgroup_place *place;
    const char *file;
    int fd;
};

/* Returns 0, -1 with errno for the write itself; @place and the directory in *dir tell where. */
static int write_row(struct writer *w, struct cgroup_place *place, int dir,
                     const struct cgroup_write *row)
{
    size_t len = strlen(row->value);
    ssize_t n;

    if (w->place != place || !w->file || strcmp(w->file, row->file) != 0) {
        w->fd = fd_close(w->fd);
        w->place = place;
        w->file = row->file;
        w->fd = openat(dir, row->file, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
        if (w->fd < 0) {
            w->file = NULL;
            return -1;
        }
    }
    do {
        n = write(w->fd, row->value, len);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -1 : 0;
}

static int no_place(const struct cgroup_write *row, struct err *err)
{
    struct err ignored = ERR_INIT;

    if (row_is_dispensable(row)) {
        log_debug("linux.resources.%s: no %s cgroup, left out", row->member, row->controller);
        return 0;
    }
    if (!machine_has(cgroup_machine_get(&ignored), row->controller))
        return no_hierarchy(row, err);
    err_set(err, EACCES, "linux.resources.%s: no %s cgroup could be made", row->member,
            row->controller);
    return err_object(err, "linux.resources.%s", row->member);
}

/* Returns 0, -1, or 1 when the row is to be tried again. */
static int apply_row(struct writer *w, const struct cgroup_write *row, bool last, struct err *err)
{
    struct cgroup_place *place = cgroup_place_of(w->record, row->controller);
    int dir, errnum;

    if (!place)
        return no_place(row, err);
    dir = cgroup_place_dir(place, err);
    if (dir < 0)
        return err_context(err, "linux.resources.%s", row->member);
    if (write_row(w, place, dir, row) == 0)
        return 0;
    errnum = errno;
    if (errnum == EINVAL && (row->flags & CGROUP_AGAIN) && !last)
        return 1;
    if ((row->flags & CGROUP_OPTIONAL) && errnum == ENOENT)
        return 0;
    cgroup_v1_write_failed(place, dir, row, errnum, err);
    if (row->flags & CGROUP_MAY_FAIL) {
        log_warning("%s", err->text);
        return 0;
    }
    /* Below a parent with a stricter list nothing more can be allowed. */
    if ((row->flags & CGROUP_ADDED) && errnum == EPERM) {
        log_debug("%s", err->text);
        return 0;
    }
    return -1;
}

/* Go round again with the rows that were refused because of each other, as long as it helps. */
static int apply_pending(struct writer *w, struct cgroup_write *rows, size_t n, struct err *err)
{
    while (n > 0) {
        size_t left = 0;

        for (size_t i = 0; i < n; i++) {
            int r = apply_row(w, &rows[i], false, err);

            if (r < 0)
                return -1;
            if (r > 0)
                rows[left++] = rows[i];
        }
        if (left == n)
            return apply_row(w, &rows[0], true, err);
        n = left;
    }
    return 0;
}

static int apply_rows(struct writer *w, struct cgroup_writes *writes, enum cgroup_phase phase,
                      struct err *err)
{
    size_t pending = 0;

    for (size_t i = 0; i < writes->n; i++) {
        int r;

        if (writes->list[i].phase != phase)
            continue;
        r = apply_row(w, &writes->list[i], false, err);
        if (r < 0)
            return -1;
        if (r > 0)
            writes->list[pending++] = writes->list[i];
    }
    return apply_pending(w, writes->list, pending, err);
}

int cgroup_apply(const struct cgroup_record *record, const struct oci_resources *resources,
                 enum cgroup_phase phase, struct err *err)
{
    struct writer w = {.record = record, .fd = -1};
    struct oci_arena *arena;
    struct cgroup_writes writes;
    int failed;

    if (!resources || record->driver == CGROUP_DISABLED)
        return 0;
    arena = oci_arena_new();
    if (!arena)
        return err_set(err, ENOMEM, "linux.resources");
    if (phase == CGROUP_EARLY && resources->memory && resources->memory->kernel.set &&
        resources->memory->kernel.value != 0)
        log_warning("linux.resources.memory.kernel has no effect on Linux 5.16 and newer");
    failed = cgroup_convert_v1(resources, arena, &writes, err);
    if (!failed)
        failed = apply_rows(&w, &writes, phase, err);
    fd_close(w.fd);
    oci_arena_free(arena);
    return failed;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * Carrying out the list of writes that the conversion made: for create in two phases, for update at
 * once. An update that fails takes back what it has written: the old content of each file is read
 * before the first write to it, and restored in reverse order, so that each step back leads to a
 * state that the kernel accepted before.
 *
 * A device list of v1 is many writes, of which the first takes everything away: in an update the
 * processes are frozen for so long, or one of them would be refused its /dev/null. Signals wait for
 * that stretch: an update that is ended in it would leave the container paused. systemd writes the
 * whole list of v1 again whatever it is told, so with that driver it is every update of a list that
 * does not allow everything; a manager that does not answer is found out before. v2 needs no such
 * thing: its program is replaced in one step.
 */
#include "base/fd.h"
#include "base/log.h"
#include "base/util.h"
#include "cgroup/systemd.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The file that was written last stays open: a device list is many lines to the same two files. */
struct writer {
    const struct cgroup_record *record;
    const struct oci_resources *resources;
    const struct cgroup_place *place;
    const char *file;
    int fd;
    struct cgroup_undo *undo; /* NULL: nothing will be taken back */
    unsigned in_unit;         /* systemd: phases that the unit has been told already, as bits */
    bool held;                /* frozen while a device list is written */
    sigset_t mask;            /* while it is held: the signals blocked before */
};

static struct cgroup_place *row_place(const struct writer *w, const struct cgroup_write *row)
{
    return cgroup_place_of(w->record, row->v2 ? "" : row->controller);
}

static int write_value(struct writer *w, const char *value)
{
    size_t len = strlen(value);
    ssize_t n;

    do {
        n = write(w->fd, value, len);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -1 : 0;
}

/* Returns 0, or -1 with errno for the write itself. */
static int write_row(struct writer *w, struct cgroup_place *place, int dir,
                     const struct cgroup_write *row)
{
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
    if (w->undo)
        cgroup_undo_note(w->undo, place, dir, row);
    if (write_value(w, row->value) < 0)
        return -1;
    if (w->undo && cgroup_is_device_row(row))
        w->undo->devices = true;
    return 0;
}

/* The place that the row needs and that this caller could not make, or NULL. */
static const struct cgroup_place *refused_place(const struct cgroup_record *record,
                                                const struct cgroup_write *row)
{
    for (size_t i = record->places_n; i < record->places_n + record->refused_n; i++) {
        const struct cgroup_place *p = &record->places[i];

        if (row->v2 ? p->v2 : !p->v2 && cgroup_has_controller(p->controllers, row->controller))
            return p;
    }
    return NULL;
}

static int no_place(const struct writer *w, const struct cgroup_write *row, struct err *err)
{
    const struct cgroup_place *refused = refused_place(w->record, row);
    static const struct cgroup_machine none;
    const struct cgroup_machine *machine;
    struct err ignored = ERR_INIT;

    if (cgroup_write_dispensable(row) || (row->flags & CGROUP_OR_NEXT)) {
        log_debug("linux.resources.%s: no %s cgroup, left out", row->member, row->controller);
        return row->flags & CGROUP_OR_NEXT ? 2 : 0;
    }
    if (refused)
        return cgroup_refused(refused, row->member, row->controller, err);
    machine = cgroup_machine_get(&ignored);
    for (size_t i = 0; machine && i < machine->n; i++) {
        const struct cgroup_hierarchy *h = &machine->list[i];

        if (row->v2 ? !h->v2 : h->v2 || !cgroup_has_controller(h->controllers, row->controller))
            continue;
        err_set(err, 0, "linux.resources.%s: the container has no cgroup below %s", row->member,
                h->mount);
        err_hint(err, "it was created by a user who may not make one there");
        return err_object(err, "linux.resources.%s", row->member);
    }
    return cgroup_no_hierarchy(machine ? machine : &none, row, err);
}

static int apply_program(struct writer *w, int dir, struct err *err)
{
    _cleanup_free_ struct bpf_insn *insns = NULL;
    size_t n;

    if (cgroup_device_program(w->resources->devices, w->resources->devices_n, &insns, &n, err) < 0)
        return -1;
    if (cgroup_devices_attach(dir, insns, n, err) == 0) {
        if (w->undo)
            w->undo->devices = true;
        return 0;
    }
    if (cgroup_unprivileged() && err->errnum == EPERM) {
        log_debug("%s", err->text);
        return 0;
    }
    return -1;
}

/* memory.checkBeforeUpdate, which on v2 nobody else looks at. */
static int check_usage(const struct cgroup_place *place, int dir, const struct cgroup_write *row,
                       struct err *err)
{
    int64_t usage = cgroup_read_number_at(dir, "memory.current", NULL);
    int64_t limit = strtoll(row->value, NULL, 10);

    if (usage <= limit)
        return 0;
    cgroup_refuse(err, row->member, "rejecting memory limit %" PRId64 " < usage %" PRId64, limit,
                  usage);
    return err_hint(err,
                    "leave checkBeforeUpdate out to have cgroup %s reclaimed, and its "
                    "processes killed",
                    place->path);
}

/* A file of v2 that is not there: its controller may not be enabled. Returns 0, -1, or 1 when the
 * file is missing none the less. */
static int enable_and_write(struct writer *w, struct cgroup_place *place, int dir,
                            const struct cgroup_write *row, struct err *err)
{
    if (cgroup_enable(place, row->controller, row->member, err) < 0)
        return -1;
    return write_row(w, place, dir, row) < 0 ? 1 : 0;
}

static int row_failed(const struct cgroup_place *place, int dir, const struct cgroup_write *row,
                      int errnum, struct err *err)
{
    cgroup_write_failed(place, dir, row, errnum, err);
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

/* Returns 0, -1, 1 when the row is to be tried again, 2 when the next row stands in for it. */
static int apply_row(struct writer *w, const struct cgroup_write *row, bool last, struct err *err)
{
    struct cgroup_place *place = row_place(w, row);
    int dir, errnum, r;

    if (!place)
        return no_place(w, row, err);
    dir = cgroup_place_dir(place, err);
    if (dir < 0)
        return err_context(err, "linux.resources.%s", row->member);
    if (row->v2 && strcmp(row->file, CGROUP_BPF_FILE) == 0)
        return apply_program(w, dir, err);
    if ((row->flags & CGROUP_CHECK_USAGE) && check_usage(place, dir, row, err) < 0)
        return -1;
    if (write_row(w, place, dir, row) == 0)
        return 0;
    errnum = errno;
    if (errnum == ENOENT && row->v2 && *row->controller) {
        r = enable_and_write(w, place, dir, row, err);
        if (r <= 0)
            return r < 0 && (row->flags & CGROUP_OPTIONAL) ? 0 : r;
        errnum = errno;
    }
    if (errnum == EINVAL && (row->flags & CGROUP_AGAIN) && !last)
        return 1;
    if (errnum == ENOENT && (row->flags & CGROUP_OR_NEXT))
        return 2;
    /* A scheduler that is not in use may refuse its weight: the other file has it then. */
    if (errnum == EOPNOTSUPP && (row->flags & CGROUP_OR_NEXT))
        return 2;
    if ((row->flags & CGROUP_OPTIONAL) && errnum == ENOENT)
        return 0;
    return row_failed(place, dir, row, errnum, err);
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

static void hold(struct writer *w)
{
    struct err ignored = ERR_INIT;
    sigset_t all;

    if (w->held || cgroup_frozen(w->record) != 0)
        return;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &w->mask);
    w->held = cgroup_freeze(w->record, true, &ignored) == 0;
    if (w->held)
        return;
    sigprocmask(SIG_SETMASK, &w->mask, NULL);
    log_debug("the device list is changed without freezing: %s", ignored.text);
}

static void release(struct writer *w)
{
    struct err why = ERR_INIT;

    if (!w->held)
        return;
    if (cgroup_freeze(w->record, false, &why) < 0)
        log_warning("%s", why.text);
    w->held = false;
    sigprocmask(SIG_SETMASK, &w->mask, NULL);
}

/* The kernel takes any word for a partition, and says in the file whether it has become one. */
static int check_partition(struct writer *w, const struct cgroup_writes *writes, unsigned phases,
                           struct err *err)
{
    for (size_t i = 0; i < writes->n; i++) {
        const struct cgroup_write *row = &writes->list[i];
        struct cgroup_place *place = row_place(w, row);
        char text[256];

        if (!(phases & 1u << row->phase) || !row->v2 || !place ||
            strcmp(row->file, "cpuset.cpus.partition") != 0 ||
            cgroup_read_at(place->dir - 1, row->file, text, sizeof text) < 0 ||
            !strstr(text, "invalid"))
            continue;
        cgroup_refuse(err, row->member, "write %s to %s of cgroup %s: it reads \"%s\"", row->value,
                      row->file, place->path, text);
        return err_hint(err, "a partition needs a parent that is one and cpus that no sibling has "
                             "(cpuset.cpus, cpuset.cpus.exclusive)");
    }
    return 0;
}

static int apply_rows(struct writer *w, struct cgroup_writes *writes, unsigned phases,
                      struct err *err)
{
    size_t pending = 0;

    for (size_t i = 0; i < writes->n; i++) {
        const struct cgroup_write *row = &writes->list[i];
        int r;

        if (!(phases & 1u << row->phase))
            continue;
        r = apply_row(w, row, false, err);
        if (r < 0)
            return -1;
        if (r == 0 && (row->flags & CGROUP_OR_NEXT))
            i++;
        if (r == 1)
            writes->list[pending++] = *row;
    }
    return apply_pending(w, writes->list, pending, err);
}

static bool is_about_devices(const struct cgroup_write *row)
{
    return strcmp(row->controller, "devices") == 0;
}

/* Whether one of v1 is still to be written: it comes first. */
static bool has_device_list(const struct cgroup_writes *writes, unsigned phases)
{
    return writes->n && cgroup_is_device_row(&writes->list[0]) &&
           (phases & 1u << writes->list[0].phase);
}

/* The device list comes first, so that nothing in the container can use what is to be denied; in an
 * update last, when nothing else can fail any more that would bring the old one back. */
static int apply_in_order(struct writer *w, const struct cgroup_writes *writes, unsigned phases,
                          struct err *err)
{
    struct cgroup_writes devices = *writes, rest = *writes;

    devices.n = 0;
    while (devices.n < writes->n && is_about_devices(&writes->list[devices.n]))
        devices.n++;
    rest.list += devices.n;
    rest.n -= devices.n;
    if (!w->undo)
        return apply_rows(w, &devices, phases, err) < 0 || apply_rows(w, &rest, phases, err) < 0 ||
                       check_partition(w, &rest, phases, err) < 0
                   ? -1
                   : 0;
    if (apply_rows(w, &rest, phases, err) < 0 || check_partition(w, &rest, phases, err) < 0)
        return -1;
    if (has_device_list(&devices, phases))
        hold(w);
    return apply_rows(w, &devices, phases, err);
}

/* The files first: where a value is wrong, the kernel says so, and systemd would only log it. */
static int apply_writes(struct writer *w, struct cgroup_writes *writes, unsigned phases,
                        struct oci_arena *arena, struct err *err)
{
    struct systemd_properties properties = {.list = NULL};
    /* A unit is started with the early part. */
    unsigned new_to_unit = phases & ~w->in_unit;
    bool list = has_device_list(writes, new_to_unit);
    int closed = 0;

    if (w->record->driver != CGROUP_SYSTEMD)
        return apply_in_order(w, writes, phases, err);
    if (systemd_add_resources(w->record, writes, new_to_unit, arena, &properties, err) < 0)
        return -1;
    if (properties.n || list)
        closed = systemd_add_devices(w->record, writes, new_to_unit, arena, &properties, err);
    if (closed < 0)
        return -1;
    /* Nobody is held for a manager that does not answer. */
    if (w->undo && (closed || list) && systemd_answers(w->record, err) < 0)
        return -1;
    if (apply_in_order(w, writes, phases, err) < 0)
        return -1;
    if (w->undo && closed)
        hold(w);
    return systemd_set(w->record, &properties, w->held, arena, err);
}

static int apply(struct writer *w, unsigned phases, struct err *err)
{
    const struct cgroup_machine *machine = cgroup_machine_get(err);
    _cleanup_free_ char *devices = NULL;
    struct cgroup_writes writes;
    struct oci_arena *arena;
    int failed;

    if (!machine || ((phases & 1u << CGROUP_EARLY) && cgroup_devices_partial(w->resources) &&
                     cgroup_devices_read(w->record, &devices, err) < 0))
        return -1;
    arena = oci_arena_new();
    if (!arena)
        return err_set(err, ENOMEM, "linux.resources");
    failed = cgroup_convert_from(w->resources, cgroup_on_v2(machine), devices, arena, &writes, err);
    if (!failed)
        failed = cgroup_check_holes(&writes, err);
    if (!failed)
        failed = apply_writes(w, &writes, phases, arena, err);
    w->fd = fd_close(w->fd);
    oci_arena_free(arena);
    return failed;
}

int cgroup_apply(const struct cgroup_record *record, const struct oci_resources *resources,
                 enum cgroup_phase phase, struct err *err)
{
    struct writer w = {
        .record = record, .resources = resources, .fd = -1, .in_unit = 1u << CGROUP_EARLY};

    if (!resources || record->driver == CGROUP_DISABLED)
        return 0;
    if (phase == CGROUP_EARLY && resources->memory && resources->memory->kernel.set &&
        resources->memory->kernel.value != 0)
        log_warning("linux.resources.memory.kernel has no effect on Linux 5.16 and newer");
    return apply(&w, 1u << phase, err);
}

/* The list that held before. Of one that is open the kernel does not show what is denied: the
 * configuration does. */
static void restore_devices(struct writer *w, const struct oci_resources *before)
{
    struct oci_device_rule everything = {.allow = true};
    bool listed = before && before->devices_n;
    struct oci_resources old = {.devices = listed ? before->devices : &everything,
                                .devices_n = listed ? before->devices_n : 1};
    struct cgroup_place *place = cgroup_place_of(w->record, "devices");
    struct err ignored = ERR_INIT;
    int dir = place ? cgroup_place_dir(place, &ignored) : -1;

    if (place)
        hold(w);
    if (dir >= 0 && w->undo->devices_list) {
        cgroup_devices_write_back(dir, w->undo->devices_list);
        if (*w->undo->devices_list != 'a')
            return;
    }
    if (cgroup_apply(w->record, &old, CGROUP_EARLY, &ignored) < 0)
        log_warning("%s", ignored.text);
}

int cgroup_update(const struct cgroup_record *record, const struct oci_resources *resources,
                  const struct oci_resources *before, struct err *err)
{
    struct cgroup_undo undo = {.list = NULL};
    struct writer w = {.record = record, .resources = resources, .fd = -1, .undo = &undo};
    int failed;

    if (record->driver == CGROUP_DISABLED)
        return err_set(err, 0, "cgroups are disabled for this container: it has no limits");
    failed = apply(&w, 1u << CGROUP_EARLY | 1u << CGROUP_LATE, err);
    if (failed) {
        cgroup_undo_all(&undo);
        if (undo.devices)
            restore_devices(&w, before);
    }
    release(&w);
    cgroup_undo_clear(&undo);
    return failed;
}

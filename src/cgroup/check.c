/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * What is asked of the machine, before anything is touched. The same list of writes that apply.c
 * carries out is held against the machine's hierarchies, so what passes here has a place to be
 * written to; whether the cgroups above hand a controller down is known only when it is tried.
 */
#include "base/fd.h"
#include "base/log.h"
#include "base/util.h"
#include "cgroup/systemd.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>

const char *cgroup_available(const struct cgroup_hierarchy *h)
{
    static char words[512];
    static const struct cgroup_hierarchy *known; /* whose words they are */
    struct err ignored = ERR_INIT;
    const struct cgroup_place top = {.mount = h->mount, .path = "/", .v2 = true};
    _cleanup_close_ int dir = -1;

    if (h->available)
        return h->available;
    if (h == known)
        return words;
    dir = cgroup_mount_open(&top, &ignored);
    if (dir < 0 || cgroup_read_at(dir, "cgroup.controllers", words, sizeof words) < 0)
        return "";
    known = h;
    return words;
}

/* Whether the row has a hierarchy to be written to. */
static bool machine_has(const struct cgroup_machine *machine, const struct cgroup_write *row)
{
    for (size_t i = 0; machine && i < machine->n; i++) {
        const struct cgroup_hierarchy *h = &machine->list[i];

        if (h->v2 != row->v2)
            continue;
        if (!h->v2 ? cgroup_has_controller(h->controllers, row->controller)
                   : !*row->controller || strcmp(row->controller, "devices") == 0 ||
                         cgroup_has_word(cgroup_available(h), row->controller))
            return true;
    }
    return false;
}

/* Who has no privilege cannot make device nodes, and the user namespace keeps it so: the list has
 * nothing to add. */
bool cgroup_write_dispensable(const struct cgroup_write *row)
{
    if (row->flags & (CGROUP_OPTIONAL | CGROUP_MAY_FAIL))
        return true;
    return strcmp(row->controller, "devices") == 0 && cgroup_unprivileged();
}

/* The line of /proc/cgroups for a controller: its hierarchy, and whether it is enabled; -1: none.
 * Since 6.14 it lists only what can be mounted as v1. */
static int kernel_line(const char *controller, long *hierarchy)
{
    const char *name = strcmp(controller, "io") == 0 ? "blkio" : controller;
    _cleanup_close_ int fd = open("/proc/cgroups", O_RDONLY | O_CLOEXEC | O_NOCTTY);
    _cleanup_free_ char *text = NULL;
    struct err ignored = ERR_INIT;
    size_t len = strlen(name);

    if (fd < 0 || fd_read_all(fd, 65536, &text, NULL, &ignored) < 0)
        return -1;
    for (const char *p = text; *p; p += strcspn(p, "\n"), p += *p == '\n') {
        char *end;

        if (strncmp(p, name, len) != 0 || p[len] != '\t')
            continue;
        *hierarchy = strtol(p + len, &end, 10);
        strtol(end, &end, 10); /* the number of cgroups */
        return strtol(end, NULL, 10) != 0;
    }
    return -1;
}

static const char *v2_mount(const struct cgroup_machine *machine)
{
    for (size_t i = 0; i < machine->n; i++) {
        if (machine->list[i].v2)
            return machine->list[i].mount;
    }
    return "/sys/fs/cgroup";
}

int cgroup_no_hierarchy(const struct cgroup_machine *machine, const struct cgroup_write *row,
                        struct err *err)
{
    long hierarchy = 0;
    int enabled = kernel_line(row->controller, &hierarchy);

    if (row->v2)
        cgroup_refuse(err, row->member,
                      "there is no %s controller: not mounted as v1, not in "
                      "%s/cgroup.controllers",
                      row->controller, v2_mount(machine));
    else
        cgroup_refuse(err, row->member, "no %s cgroup hierarchy is mounted", row->controller);
    if (enabled == 0)
        return err_hint(err, "the kernel was booted with cgroup_disable=%s", row->controller);
    if (enabled > 0 && hierarchy != 0)
        return err_hint(err,
                        "it is in use as a cgroup v1 hierarchy that is not mounted here: mount "
                        "it, or unmount it everywhere");
    if (!row->v2)
        return err_hint(err, "mount it, or leave linux.resources.%s out", row->member);
    if (enabled > 0)
        return err_hint(err,
                        "the cgroup that is mounted there was not given it: it has to be in "
                        "cgroup.subtree_control of the one above, or in Delegate= of the unit");
    return err_hint(err, "the kernel has it not, or the cgroup that is mounted there was not given "
                         "it");
}

/* What no kernel accepts, said in the configuration's own terms. */
static int check_values(const struct oci_resources *r, struct err *err)
{
    const struct oci_memory *m = r->memory;
    const struct oci_cpu *c = r->cpu;

    if (m && m->swap.value > 0 && m->limit.value > m->swap.value)
        return cgroup_refuse(err, "memory.swap",
                             "%" PRId64 " is less than memory.limit %" PRId64
                             " (it is memory plus swap)",
                             m->swap.value, m->limit.value);
    if (c && c->burst.set && c->quota.value > 0 && c->burst.value > (uint64_t)c->quota.value)
        return cgroup_refuse(err, "cpu.burst", "%" PRIu64 " is more than cpu.quota %" PRId64,
                             c->burst.value, c->quota.value);
    return 0;
}

static int check_disabled(const struct cgroup_writes *writes, struct err *err)
{
    for (size_t i = 0; i < writes->n; i++) {
        if (strcmp(writes->list[i].controller, "devices") == 0)
            continue;
        cgroup_refuse(err, writes->list[i].member, "cgroups are disabled");
        return err_hint(err, "choose another --cgroup-manager, or leave linux.resources out");
    }
    if (writes->n > 0)
        log_warning("linux.resources.devices is not enforced: cgroups are disabled");
    return 0;
}

static int check_rows(const struct cgroup_machine *machine, const struct cgroup_writes *writes,
                      struct err *err)
{
    for (size_t i = 0; i < writes->n; i++) {
        const struct cgroup_write *row = &writes->list[i];

        if (!cgroup_write_dispensable(row) && !machine_has(machine, row) &&
            !(row->flags & CGROUP_OR_NEXT))
            return cgroup_no_hierarchy(machine, row, err);
    }
    return 0;
}

int cgroup_check_holes(const struct cgroup_writes *writes, struct err *err)
{
    for (size_t i = 0; i < writes->n; i++) {
        const struct cgroup_write *row = &writes->list[i];

        if (!row->hole || cgroup_write_dispensable(row))
            continue;
        cgroup_refuse(err, row->member,
                      "the devices controller of cgroup v1 cannot take \"%s\" out of the %s",
                      row->value, row->hole);
        return err_hint(err, "list the devices there one by one");
    }
    return 0;
}

/* What systemd can keep of a whole list, which depends on nothing that was there before it. */
static int check_unit(const struct oci_resources *resources, const struct cgroup_writes *writes,
                      struct oci_arena *arena, struct err *err)
{
    struct systemd_properties ignored = {.list = NULL};

    return cgroup_devices_partial(resources) ? 0
                                             : systemd_first_devices(writes, arena, &ignored, err);
}

int cgroup_check_on(const struct cgroup_machine *machine, const struct oci_resources *resources,
                    enum cgroup_driver driver, struct err *err)
{
    struct oci_arena *arena;
    struct cgroup_writes writes;
    int failed;

    if (!resources)
        return 0;
    arena = oci_arena_new();
    if (!arena)
        return err_set(err, ENOMEM, "linux.resources");
    failed = check_values(resources, err);
    if (!failed)
        failed = cgroup_convert(resources,
                                driver == CGROUP_DISABLED ? CGROUP_UNIFIED : cgroup_on_v2(machine),
                                arena, &writes, err);
    if (!failed)
        failed = driver == CGROUP_DISABLED ? check_disabled(&writes, err)
                                           : check_rows(machine, &writes, err);
    if (!failed && driver != CGROUP_DISABLED)
        failed = cgroup_check_holes(&writes, err);
    if (!failed && driver == CGROUP_SYSTEMD)
        failed = check_unit(resources, &writes, arena, err);
    oci_arena_free(arena);
    return failed;
}

int cgroup_check(const struct oci_resources *resources, enum cgroup_driver driver, struct err *err)
{
    static const struct cgroup_machine none;
    const struct cgroup_machine *machine = &none;

    if (driver != CGROUP_DISABLED && resources)
        machine = cgroup_machine_get(err);
    return machine ? cgroup_check_on(machine, resources, driver, err) : -1;
}

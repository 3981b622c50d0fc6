/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * The device list of v1 as properties of the unit. A manager that writes the unit's settings again
 * empties devices.list first, so the unit has to know what is allowed. It can say "these and no
 * others" (DevicePolicy=strict), or "all"; a list that takes single devices away from many is
 * neither, and the unit then says "all": the file holds until the next reload, which is more than
 * the unit could have kept.
 *
 * Devices are named by number: "/dev/char/1:3", "char-136", "char-*" (systemd.resource-control(5)),
 * so that no node has to exist.
 */
#include "cgroup/systemd.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* "c 1:3 rwm" as a device of DeviceAllow=, and its access; NULL: cannot be said. */
static const char *name_device(const char *line, struct oci_arena *arena, const char **access)
{
    char type, major[16], minor[16], rights[8];
    const char *kind;

    if (sscanf(line, "%c %15[0-9*]:%15[0-9*] %7[rwm]", &type, major, minor, rights) != 4)
        return NULL;
    kind = type == 'b' ? "block" : "char";
    *access = oci_strdup(arena, rights);
    if (!*access || (strcmp(major, "*") == 0 && strcmp(minor, "*") != 0))
        return NULL;
    if (strcmp(major, "*") == 0)
        return oci_printf(arena, "%s-*", kind);
    if (strcmp(minor, "*") == 0)
        return oci_printf(arena, "%s-%s", kind, major);
    return oci_printf(arena, "/dev/%s/%s:%s", kind, major, minor);
}

/* The pairs of DeviceAllow, @n of them; @values has room. Returns whether the list can be said. */
static bool list_devices(const struct cgroup_writes *w, struct oci_arena *arena,
                         struct systemd_value *values, size_t *n)
{
    bool closed = false;

    *n = 0;
    for (size_t i = 0; i < w->n; i++) {
        const struct cgroup_write *row = &w->list[i];
        bool allow = strcmp(row->file, "devices.allow") == 0;
        const char *device, *access;

        if (row->v2 || strcmp(row->controller, "devices") != 0)
            continue;
        if (strcmp(row->value, "a") == 0) {
            closed = !allow;
            *n = 0;
            continue;
        }
        if (!closed && allow)
            continue;
        device = allow ? name_device(row->value, arena, &access) : NULL;
        if (!device)
            return false;
        values[(*n)++] = (struct systemd_value){.type = 's', .v.s = device};
        values[(*n)++] = (struct systemd_value){.type = 's', .v.s = access};
    }
    return closed;
}

int systemd_devices(const struct cgroup_writes *writes, struct oci_arena *arena,
                    struct systemd_properties *out, struct err *err)
{
    struct systemd_value policy = {.type = 's', .v.s = "auto"};
    struct systemd_property list = {
        .name = "DeviceAllow", .signature = "a(ss)", .member = "linux.resources.devices"};
    struct systemd_property p = {.name = "DevicePolicy",
                                 .signature = "s",
                                 .values = &policy,
                                 .values_n = 1,
                                 .member = "linux.resources.devices"};
    bool any = false;

    for (size_t i = 0; i < writes->n && !any; i++)
        any = !writes->list[i].v2 && strcmp(writes->list[i].controller, "devices") == 0;
    if (!any)
        return 0;
    list.values = oci_alloc(arena, 2 * writes->n * sizeof *list.values);
    if (!list.values)
        return err_set(err, ENOMEM, "properties of the unit");
    if (list_devices(writes, arena, list.values, &list.values_n))
        policy.v.s = "strict";
    else
        list.values_n = 0;
    list.phase = p.phase = CGROUP_EARLY;
    if (systemd_add(out, arena, &list, err) < 0)
        return -1;
    return systemd_add(out, arena, &p, err);
}

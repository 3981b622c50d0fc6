/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * The device list of v1 as properties of the unit. A manager writes all settings of a unit again
 * with each one that it is told, and empties devices.list first: so what is not in the unit is lost
 * with the next update, and the unit is told what the list says at that moment, whoever wrote it; a
 * hook that lets a device in has done so in the list alone. What a hook denies where all else is
 * allowed the kernel does not show, and it is lost.
 *
 * The unit can say "these and no others" (DevicePolicy=strict), or "all". What else the kernel can
 * hold, a list that takes single devices away from all, is an error: it would be in force until the
 * next update only, and then everything would be open.
 *
 * Devices are named by number: "/dev/char/1:3", "char-136", "char-*" (systemd.resource-control(5)),
 * so that no node has to exist.
 */
#include "cgroup/systemd.h"

#include "base/log.h"

#include <errno.h>
#include <string.h>

/* The device as DeviceAllow= names it; NULL with errno 0: it has no name there. */
static const char *name_device(const struct cgroup_device *d, struct oci_arena *arena)
{
    const char *kind = d->type == 'b' ? "block" : "char", *name;

    errno = 0;
    if (strcmp(d->major, "*") == 0 && strcmp(d->minor, "*") != 0)
        return NULL;
    if (strcmp(d->major, "*") == 0)
        name = oci_printf(arena, "%s-*", kind);
    else if (strcmp(d->minor, "*") == 0)
        name = oci_printf(arena, "%s-%s", kind, d->major);
    else
        name = oci_printf(arena, "/dev/%s/%s:%s", kind, d->major, d->minor);
    if (!name)
        errno = ENOMEM;
    return name;
}

static int refuse(const struct cgroup_device *d, bool open, struct err *err)
{
    char access[4];

    if (open)
        cgroup_refuse(
            err, d->member,
            "denies single devices where all are allowed: systemd cannot keep such a list "
            "on cgroup v1");
    else
        cgroup_refuse(err, d->member, "systemd has no name for \"%c %s:%s %s\" on cgroup v1",
                      d->type, d->major, d->minor, cgroup_device_access(d->access, access));
    return err_hint(err, "deny everything first and allow devices one by one, or use "
                         "--cgroup-manager cgroupfs");
}

/* DeviceAllow's values: pairs of a device and its access. */
static int allow(const struct cgroup_device_list *list, struct oci_arena *arena,
                 struct systemd_property *out, struct err *err)
{
    out->values = oci_alloc(arena, (2 * list->n + 1) * sizeof *out->values);
    if (!out->values)
        return err_set(err, ENOMEM, "properties of the unit");
    for (size_t i = 0; i < list->n; i++) {
        const struct cgroup_device *d = &list->list[i];
        const char *name = name_device(d, arena), *access;
        char letters[4];

        if (!name && errno == 0 && d->member)
            return refuse(d, false, err);
        /* Let in past the configuration, and lost as soon as the unit is told anything. */
        if (!name && errno == 0) {
            log_warning(
                "systemd has no name for \"%c %s:%s\" on cgroup v1: it is not allowed any more",
                d->type, d->major, d->minor);
            continue;
        }
        access = oci_strdup(arena, cgroup_device_access(d->access, letters));
        if (!name || !access)
            return err_set(err, ENOMEM, "properties of the unit");
        out->values[out->values_n++] = (struct systemd_value){.type = 's', .v.s = name};
        out->values[out->values_n++] = (struct systemd_value){.type = 's', .v.s = access};
    }
    return 0;
}

int systemd_devices(const struct cgroup_device_list *list, struct oci_arena *arena,
                    struct systemd_properties *out, struct err *err)
{
    struct systemd_value policy = {.type = 's', .v.s = list->open ? "auto" : "strict"};
    struct systemd_property devices = {.name = "DeviceAllow",
                                       .signature = "a(ss)",
                                       .member = "linux.resources.devices",
                                       .phase = CGROUP_EARLY};
    struct systemd_property p = {.name = "DevicePolicy",
                                 .signature = "s",
                                 .values = &policy,
                                 .values_n = 1,
                                 .member = "linux.resources.devices",
                                 .phase = CGROUP_EARLY};

    if (list->open && list->n)
        return refuse(&list->list[0], true, err);
    if (!list->open && allow(list, arena, &devices, err) < 0)
        return -1;
    return systemd_add(out, arena, &devices, err) < 0 || systemd_add(out, arena, &p, err) < 0 ? -1
                                                                                              : 0;
}

int systemd_devices_after(const char *text, const struct cgroup_writes *writes, unsigned phases,
                          struct oci_arena *arena, struct cgroup_device_list *out, struct err *err)
{
    if (cgroup_device_list_read(text, writes->n, arena, out, err) < 0)
        return -1;
    for (size_t i = 0; i < writes->n; i++) {
        const struct cgroup_write *row = &writes->list[i];

        if (cgroup_is_device_row(row) && (phases & 1u << row->phase))
            cgroup_device_list_write(out, row);
    }
    return 0;
}

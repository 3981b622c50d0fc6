/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * What the kernel makes of lines for v1's devices controller (security/device_cgroup.c). It keeps a
 * default, and the devices for which the opposite holds. A line against the default adds one, or
 * adds to the access of one that is there; a line for the default takes away only what is there in
 * the same words. The file devices.list shows the devices when the default is "no", and otherwise
 * only the default.
 */
#include "base/fd.h"
#include "base/log.h"
#include "cgroup/internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define TEXT_MAX (1u << 20)

static const char letters[] = "rwm";

bool cgroup_device_parse(const char *line, struct cgroup_device *out)
{
    char access[8];

    *out = (struct cgroup_device){.access = 0};
    if (sscanf(line, "%c %15[0-9*]:%15[0-9*] %7[rwm]", &out->type, out->major, out->minor,
               access) != 4)
        return false;
    for (size_t i = 0; letters[i]; i++) {
        if (strchr(access, letters[i]))
            out->access |= 1u << i;
    }
    return true;
}

const char *cgroup_device_access(uint32_t access, char buf[static 4])
{
    size_t len = 0;

    for (size_t i = 0; letters[i]; i++) {
        if (access & 1u << i)
            buf[len++] = letters[i];
    }
    buf[len] = '\0';
    return buf;
}

int cgroup_device_list_read(const char *text, size_t more, struct oci_arena *arena,
                            struct cgroup_device_list *out, struct err *err)
{
    bool open = !text || *text == 'a';
    size_t lines = 1;

    for (const char *p = text; p && *p; p++)
        lines += *p == '\n';
    *out = (struct cgroup_device_list){.open = open};
    out->list = oci_alloc(arena, (lines + more) * sizeof *out->list);
    if (!out->list)
        return err_set(err, ENOMEM, "device list");
    for (const char *p = text; !open && *p; p += strcspn(p, "\n"), p += *p == '\n') {
        if (cgroup_device_parse(p, &out->list[out->n]))
            out->n++;
    }
    return 0;
}

bool cgroup_device_same(const struct cgroup_device *a, const struct cgroup_device *b)
{
    return a->type == b->type && strcmp(a->major, b->major) == 0 && strcmp(a->minor, b->minor) == 0;
}

void cgroup_device_list_add(struct cgroup_device_list *list, const struct cgroup_device *device)
{
    for (size_t i = 0; i < list->n; i++) {
        struct cgroup_device *d = &list->list[i];

        if (!cgroup_device_same(d, device))
            continue;
        /* It is there for what was said last. */
        d->access |= device->access;
        d->member = device->member;
        return;
    }
    list->list[list->n++] = *device;
}

static void take_away(struct cgroup_device_list *list, const struct cgroup_device *device)
{
    size_t n = 0;

    for (size_t i = 0; i < list->n; i++) {
        if (cgroup_device_same(&list->list[i], device))
            list->list[i].access &= ~device->access;
        if (list->list[i].access)
            list->list[n++] = list->list[i];
    }
    list->n = n;
}

void cgroup_device_list_write(struct cgroup_device_list *list, const struct cgroup_write *row)
{
    bool allow = strcmp(row->file, "devices.allow") == 0;
    struct cgroup_device device;

    if (strcmp(row->value, "a") == 0) {
        list->open = allow;
        list->n = 0;
        return;
    }
    if (!cgroup_device_parse(row->value, &device))
        return;
    device.member = row->member;
    if (allow == list->open)
        take_away(list, &device);
    else
        cgroup_device_list_add(list, &device);
}

int cgroup_devices_text(int dir, char **text, struct err *err)
{
    return fd_read_file_at(dir, "devices.list", TEXT_MAX, text, NULL, err);
}

int cgroup_devices_read(const struct cgroup_record *record, char **text, struct err *err)
{
    struct cgroup_place *place = cgroup_place_of(record, "devices");
    int dir;

    *text = NULL;
    if (!place)
        return 0;
    dir = cgroup_place_dir(place, err);
    return dir < 0 ? -1 : cgroup_devices_text(dir, text, err);
}

void cgroup_devices_write_back(int dir, const char *text)
{
    bool open = *text == 'a';

    if (cgroup_write_at(dir, open ? "devices.allow" : "devices.deny", "a") < 0) {
        log_warning("the device list could not be set back: %s", strerror(errno));
        return;
    }
    for (; !open && *text; text += strcspn(text, "\n"), text += *text == '\n') {
        char line[64];

        snprintf(line, sizeof line, "%.*s", (int)strcspn(text, "\n"), text);
        if (cgroup_write_at(dir, "devices.allow", line) < 0)
            log_warning("the device list could not be set back to %s: %s", line, strerror(errno));
    }
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * What update has to know to take a write back: the file's old content. A file with one value gets
 * it as it was. One with a line a device ("8:0 rbps=1048576 …") is written a line at a time, so the
 * old line of the same device is looked up, and where there was none the value that means none.
 */
#include "base/log.h"
#include "base/util.h"
#include "cgroup/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONTENT_MAX 16384

/* Files with a line a device, and what stands for no line. */
static const struct {
    const char *suffix, *none;
} keyed[] = {
    {"io.max", "rbps=max wbps=max riops=max wiops=max"},
    {"_bps_device", "0"},
    {"_iops_device", "0"},
    {"weight_device", "0"},
    {"io.weight", "default"},
    {"io.bfq.weight", "default"},
    {"io.latency", "target=0"},
    {"rdma.max", "hca_handle=max hca_object=max"},
    {"misc.max", "max"},
    {"net_prio.ifpriomap", "0"},
};

static bool ends_with(const char *text, const char *suffix)
{
    size_t a = strlen(text), b = strlen(suffix);

    return a >= b && strcmp(text + a - b, suffix) == 0;
}

static char *text_of(const char *text, size_t len)
{
    /* An empty write is none: the file is emptied by a line feed. */
    return len ? strndup(text, len) : strdup("\n");
}

static bool is_partition(const char *file)
{
    return strcmp(file, "cpuset.cpus.partition") == 0;
}

char *cgroup_undo_value(const char *file, const char *content, const char *written)
{
    const char *none = NULL;
    size_t key = strcspn(written, " ");
    char *text;

    if (strcmp(file, "memory.oom_control") == 0) {
        const char *p = strstr(content, "oom_kill_disable ");

        return p ? strndup(p + 17, 1) : NULL;
    }
    /* "root invalid (…)": the state is the kernel's, the word is what was written. */
    if (is_partition(file))
        return text_of(content, strcspn(content, " \n"));
    for (size_t i = 0; i < ARRAY_SIZE(keyed); i++) {
        if (ends_with(file, keyed[i].suffix))
            none = keyed[i].none;
    }
    /* io.weight and io.bfq.weight also take a number alone, which is the line "default". */
    if (none && !written[key] && ends_with(file, "weight")) {
        written = "default";
        key = 7;
    } else if (!none || !written[key]) {
        return text_of(content, strcspn(content, "\n"));
    }
    for (const char *p = content; *p; p += strcspn(p, "\n"), p += *p == '\n') {
        if (strncmp(p, written, key) == 0 && p[key] == ' ')
            return text_of(p, strcspn(p, "\n"));
    }
    if (strncmp(written, "default", key) == 0)
        return text_of(content, strcspn(content, "\n"));
    return asprintf(&text, "%.*s %s", (int)key, written, none) < 0 ? NULL : text;
}

static struct cgroup_undone *grow(struct cgroup_undo *undo)
{
    if (undo->n == undo->room) {
        size_t room = undo->room ? 2 * undo->room : 16;
        struct cgroup_undone *list = reallocarray(undo->list, room, sizeof *list);

        if (!list)
            return NULL;
        undo->list = list;
        undo->room = room;
    }
    return &undo->list[undo->n];
}

void cgroup_undo_note(struct cgroup_undo *undo, const struct cgroup_place *place, int dir,
                      const struct cgroup_write *row)
{
    char content[CONTENT_MAX];
    struct cgroup_undone *u;

    if (strcmp(row->controller, "devices") == 0) {
        struct err ignored = ERR_INIT;

        if (!undo->devices_list)
            cgroup_devices_text(dir, &undo->devices_list, &ignored);
        return;
    }
    u = grow(undo);
    if (!u || cgroup_read_at(dir, row->file, content, sizeof content) < 0)
        return;
    *u = (struct cgroup_undone){.dir = dir, .place = place, .file = strdup(row->file)};
    u->value = cgroup_undo_value(row->file, content, row->value);
    if (u->file && u->value) {
        undo->n++;
        return;
    }
    free(u->file);
    free(u->value);
}

static void write_back(const struct cgroup_undone *u)
{
    if (cgroup_write_at(u->dir, u->file, u->value) < 0)
        log_warning("cgroup %s: %s could not be set back to %s", u->place->path, u->file, u->value);
}

void cgroup_undo_all(struct cgroup_undo *undo)
{
    for (size_t i = undo->n; i-- > 0;)
        write_back(&undo->list[i]);
    /* Once invalid, a partition stays it until it is asked for again, with its cpus back. */
    for (size_t i = undo->n; i-- > 0;) {
        if (is_partition(undo->list[i].file))
            write_back(&undo->list[i]);
    }
}

void cgroup_undo_clear(struct cgroup_undo *undo)
{
    for (size_t i = 0; i < undo->n; i++) {
        free(undo->list[i].file);
        free(undo->list[i].value);
    }
    free(undo->list);
    free(undo->devices_list);
    *undo = (struct cgroup_undo){.list = NULL};
}

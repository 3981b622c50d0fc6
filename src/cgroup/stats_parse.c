/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The formats of the kernel's statistics files: pressure, flat keyed, nested keyed, lists. Pure. */
#include "cgroup/stats.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "12.34" in hundredths. */
static uint32_t hundredths(const char *text)
{
    char *end;
    unsigned long whole = strtoul(text, &end, 10);
    uint32_t value = (uint32_t)whole * 100;

    if (*end == '.' && end[1] >= '0' && end[1] <= '9') {
        value += (uint32_t)(end[1] - '0') * 10;
        if (end[2] >= '0' && end[2] <= '9')
            value += (uint32_t)(end[2] - '0');
    }
    return value;
}

static void parse_pressure_line(const char *line, size_t len, struct cgroup_pressure_line *out)
{
    static const char *const keys[] = {"avg10=", "avg60=", "avg300="};
    uint32_t *const values[] = {&out->avg10, &out->avg60, &out->avg300};
    const char *p;

    for (size_t i = 0; i < 3; i++) {
        p = memmem(line, len, keys[i], strlen(keys[i]));
        if (p)
            *values[i] = hundredths(p + strlen(keys[i]));
    }
    p = memmem(line, len, "total=", 6);
    if (p)
        out->total = strtoull(p + 6, NULL, 10);
}

int cgroup_parse_pressure(const char *text, struct cgroup_pressure *out)
{
    bool found = false;

    *out = (struct cgroup_pressure){.some = {0}};
    for (const char *p = text; *p; p += *p == '\n') {
        size_t len = strcspn(p, "\n");

        if (strncmp(p, "some ", 5) == 0)
            parse_pressure_line(p, len, &out->some);
        else if (strncmp(p, "full ", 5) == 0)
            parse_pressure_line(p, len, &out->full);
        found = found || strncmp(p, "some ", 5) == 0;
        p += len;
    }
    return found ? 0 : -1;
}

static size_t count_lines(const char *text)
{
    size_t n = 1;

    for (; *text; text++)
        n += *text == '\n';
    return n;
}

int cgroup_parse_flat(const char *text, struct oci_arena *arena, struct oci_count **out, size_t *n)
{
    *n = 0;
    *out = oci_alloc(arena, count_lines(text) * sizeof **out);
    if (!*out)
        return -1;
    for (const char *p = text; *p; p += strcspn(p, "\n"), p += *p == '\n') {
        size_t key = strcspn(p, " \n");
        char *end;
        uint64_t value;

        if (p[key] != ' ' || key == 0)
            continue;
        value = strtoull(p + key + 1, &end, 10);
        if (end == p + key + 1)
            continue;
        (*out)[*n].key = oci_strndup(arena, p, key);
        (*out)[*n].value = value;
        if (!(*out)[(*n)++].key)
            return -1;
    }
    return 0;
}

int cgroup_parse_list(const char *text, struct oci_arena *arena, uint32_t **out, size_t *n)
{
    const size_t max = 8192; /* NR_CPUS of the largest kernels */
    uint32_t *list = oci_alloc(arena, max * sizeof *list);

    *out = list;
    *n = 0;
    if (!list)
        return -1;
    for (const char *p = text; *p >= '0' && *p <= '9';) {
        char *end;
        unsigned long first = strtoul(p, &end, 10), last = first;

        if (*end == '-')
            last = strtoul(end + 1, &end, 10);
        for (unsigned long i = first; i <= last && *n < max; i++)
            list[(*n)++] = (uint32_t)i;
        p = end + (*end == ',');
    }
    return 0;
}

/* "8:0 " at the beginning of a line; what follows, or NULL. */
static const char *device_of(const char *line, struct cgroup_io_entry *e)
{
    char *end;

    /* strtoull() skips what is blank, the end of the line too. */
    if (!isdigit((unsigned char)line[0]))
        return NULL;
    e->major = strtoull(line, &end, 10);
    if (*end != ':' || !isdigit((unsigned char)end[1]))
        return NULL;
    e->minor = strtoull(end + 1, &end, 10);
    return *end != ' ' ? NULL : end;
}

int cgroup_parse_io(const char *text, const char *const *keys, struct oci_arena *arena,
                    struct cgroup_io_entry **out, size_t *n)
{
    size_t keys_n = 0;

    while (keys[2 * keys_n])
        keys_n++;
    *n = 0;
    *out = oci_alloc(arena, count_lines(text) * keys_n * sizeof **out);
    if (!*out)
        return -1;
    for (const char *p = text; *p; p += strcspn(p, "\n"), p += *p == '\n') {
        size_t len = strcspn(p, "\n");
        struct cgroup_io_entry e;
        const char *rest = device_of(p, &e);

        for (size_t i = 0; rest && i < keys_n; i++) {
            const char *found =
                memmem(rest, len - (size_t)(rest - p), keys[2 * i], strlen(keys[2 * i]));

            if (!found)
                continue;
            e.op = keys[2 * i + 1];
            e.value = strtoull(found + strlen(keys[2 * i]), NULL, 10);
            (*out)[(*n)++] = e;
        }
    }
    return 0;
}

int cgroup_parse_blkio(const char *text, struct oci_arena *arena, struct cgroup_io_entry **out,
                       size_t *n)
{
    *n = 0;
    *out = oci_alloc(arena, count_lines(text) * sizeof **out);
    if (!*out)
        return -1;
    for (const char *p = text; *p; p += strcspn(p, "\n"), p += *p == '\n') {
        struct cgroup_io_entry e;
        const char *rest = device_of(p, &e);
        size_t len = rest ? strcspn(rest + 1, " \n") : 0;

        if (len == 0 || rest[1 + len] != ' ')
            continue;
        e.op = oci_strndup(arena, rest + 1, len);
        if (!e.op)
            return -1;
        e.value = strtoull(rest + 1 + len, NULL, 10);
        (*out)[(*n)++] = e;
    }
    return 0;
}

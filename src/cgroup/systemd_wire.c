/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * A request to a service manager as bytes, for the helper that talks to it in place of a static
 * executable (systemd_helper.c): a list of fields, each ended by NUL, numbers in decimal. The first
 * one is the version of the format: the two programs are installed together, and notice if not.
 */
#include "cgroup/systemd.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WIRE_VERSION 2

/* Bounds on what is decoded. */
#define PROPERTIES_MAX 4096
#define VALUES_MAX 65536

/* The answer is a struct err as it is, so that its size belongs to the format. */
static const char *version(char text[static 32])
{
    snprintf(text, 32, "%d/%zu", WIRE_VERSION, sizeof(struct err));
    return text;
}

/* ---- writing ---- */

__attribute__((format(printf, 2, 3))) static void field(FILE *f, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vfprintf(f, format, args);
    va_end(args);
    fputc('\0', f);
}

static void write_value(FILE *f, const struct systemd_value *v)
{
    switch (v->type) {
    case 's':
    case 'o':
    case 'g':
        field(f, "%c%s", v->type, v->v.s);
        break;
    case 'n':
    case 'i':
    case 'x':
        field(f, "%c%" PRId64, v->type, v->v.i);
        break;
    case 'd':
        field(f, "%c%a", v->type, v->v.d);
        break;
    default:
        field(f, "%c%" PRIu64, v->type, v->v.u);
    }
}

char *systemd_wire_encode(const struct systemd_request *r, size_t *len)
{
    char *text = NULL, ours[32];
    FILE *f = open_memstream(&text, len);

    if (!f)
        return NULL;
    field(f, "%s", version(ours));
    field(f, "%d", (int)r->op);
    field(f, "%d", r->timeout);
    field(f, "%s", r->bus);
    field(f, "%s", r->unit);
    field(f, "%zu", r->properties_n);
    for (size_t i = 0; i < r->properties_n; i++) {
        const struct systemd_property *p = &r->properties[i];

        field(f, "%s", p->name);
        field(f, "%s", p->signature);
        field(f, "%s", p->member ? p->member : "");
        field(f, "%u", p->since);
        field(f, "%u", p->until);
        field(f, "%d", p->required);
        field(f, "%d", p->at_start);
        field(f, "%d", p->keep);
        field(f, "%zu", p->values_n);
        for (size_t k = 0; k < p->values_n; k++)
            write_value(f, &p->values[k]);
    }
    if (fclose(f) == 0)
        return text;
    free(text);
    return NULL;
}

/* ---- reading ---- */

struct reader {
    const char *at, *end;
    bool bad;
};

static const char *next(struct reader *r)
{
    const char *text = r->at, *nul = r->bad ? NULL : memchr(text, '\0', (size_t)(r->end - text));

    if (!nul) {
        r->bad = true;
        return "";
    }
    r->at = nul + 1;
    return text;
}

static uint64_t next_number(struct reader *r, uint64_t max)
{
    const char *text = next(r);
    uint64_t value = strtoull(text, NULL, 10);

    if (*text < '0' || *text > '9' || value > max)
        r->bad = true;
    return r->bad ? 0 : value;
}

static void read_value(struct reader *r, struct systemd_value *v)
{
    const char *text = next(r);

    v->type = *text;
    switch (*text) {
    case 's':
    case 'o':
    case 'g':
        v->v.s = text + 1;
        break;
    case 'n':
    case 'i':
    case 'x':
        v->v.i = strtoll(text + 1, NULL, 10);
        break;
    case 'd':
        v->v.d = strtod(text + 1, NULL);
        break;
    case 'b':
    case 'y':
    case 'q':
    case 'u':
    case 't':
        v->v.u = strtoull(text + 1, NULL, 10);
        break;
    default:
        r->bad = true;
    }
}

static int read_property(struct reader *r, struct oci_arena *arena, struct systemd_property *p)
{
    p->name = next(r);
    p->signature = next(r);
    p->member = next(r);
    if (!*p->member)
        p->member = NULL;
    p->since = (unsigned)next_number(r, UINT32_MAX);
    p->until = (unsigned)next_number(r, UINT32_MAX);
    p->required = next_number(r, 1);
    p->at_start = next_number(r, 1);
    p->keep = next_number(r, 1);
    p->values_n = next_number(r, VALUES_MAX);
    p->values = oci_alloc(arena, (p->values_n + 1) * sizeof *p->values);
    if (!p->values)
        return -1;
    for (size_t i = 0; i < p->values_n; i++)
        read_value(r, &p->values[i]);
    return 0;
}

int systemd_wire_decode(const char *data, size_t len, struct oci_arena *arena,
                        struct systemd_request *out, struct err *err)
{
    struct reader r = {.at = data, .end = data + len};
    struct systemd_property *list;
    char ours[32];

    *out = (struct systemd_request){.op = SYSTEMD_STOP};
    if (strcmp(next(&r), version(ours)) != 0)
        return err_set(err, EPROTO, "systemd helper: of another version than the caller");
    out->op = (enum systemd_op)next_number(&r, SYSTEMD_ASK);
    out->timeout = (int)next_number(&r, INT32_MAX);
    out->bus = next(&r);
    out->unit = next(&r);
    out->properties_n = next_number(&r, PROPERTIES_MAX);
    out->properties = list = oci_alloc(arena, (out->properties_n + 1) * sizeof *list);
    for (size_t i = 0; list && i < out->properties_n; i++) {
        if (read_property(&r, arena, &list[i]) < 0)
            list = NULL;
    }
    if (!list)
        return err_set(err, ENOMEM, "systemd helper");
    if (r.bad || r.at != r.end)
        return err_set(err, EPROTO, "systemd helper: what the caller sends is damaged");
    return 0;
}

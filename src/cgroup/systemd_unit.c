/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * With this driver linux.cgroupsPath is no path: SLICE:PREFIX:NAME names a unit, PREFIX-NAME.scope,
 * and the slice that it belongs to. Where its cgroup is follows from systemd.slice(5): dashes in
 * the name of a slice are levels, "a-b.slice" is below "a.slice", "-.slice" is the root.
 *
 * What is not a unit name is refused here, with the member's name: systemd's own answer would be
 * "Invalid unit name or type". Ids may hold a '+', which unit names may not: it is escaped.
 */
#include "cgroup/systemd.h"

#include <errno.h>
#include <string.h>

/* UNIT_NAME_MAX of systemd, without the terminating NUL. */
#define NAME_LENGTH 255

#define DEFAULT_PREFIX "ocirun"

static const char remedy[] =
    "the systemd driver takes SLICE:PREFIX:NAME, for instance system.slice:ocirun:NAME; "
    "--cgroup-manager cgroupfs takes paths";

static int bad_path(struct err *err, const char *path, const char *why)
{
    err_set(err, 0, "linux.cgroupsPath: \"%.128s\" %s", path, why);
    return err_object(err, "linux.cgroupsPath");
}

static bool ends_with(const char *text, const char *suffix)
{
    size_t a = strlen(text), b = strlen(suffix);

    return a >= b && strcmp(text + a - b, suffix) == 0;
}

static bool is_name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr(":_.-\\@", c));
}

/* "a+b" -> "a\x2bb"; NULL when memory is exhausted. */
static const char *escape(const char *text, struct oci_arena *arena)
{
    static const char digits[] = "0123456789abcdef";
    char *out = oci_alloc(arena, 4 * strlen(text) + 1), *to = out;

    for (const char *p = text; out && *p; p++) {
        if (is_name_byte(*p)) {
            *to++ = *p;
            continue;
        }
        *to++ = '\\';
        *to++ = 'x';
        *to++ = digits[(unsigned char)*p >> 4];
        *to++ = digits[(unsigned char)*p & 15];
    }
    return out;
}

/* Dashes separate levels, so none can be empty. */
static bool is_slice(const char *slice)
{
    size_t len = strlen(slice);

    if (!ends_with(slice, ".slice") || len > NAME_LENGTH)
        return false;
    len -= strlen(".slice");
    if (len == 0 || (slice[0] == '-' && len > 1) || (len > 1 && slice[len - 1] == '-'))
        return false;
    for (size_t i = 0; i < len; i++) {
        if (!is_name_byte(slice[i]) || slice[i] == '@' ||
            (slice[i] == '-' && i + 1 < len && slice[i + 1] == '-'))
            return false;
    }
    return true;
}

/* A file of a controller could have that name, or systemd's own escape: cg_escape() puts a '_'
 * before it. */
static const char *escaped_cgroup(const char *name)
{
    return name[0] == '_' || name[0] == '.' || strncmp(name, "cgroup.", 7) == 0 ? "_" : "";
}

const char *systemd_slice_path(const char *slice, struct oci_arena *arena)
{
    size_t len = strlen(slice);
    char *out, *to;

    if (!is_slice(slice))
        return NULL;
    if (strcmp(slice, "-.slice") == 0)
        return "";
    len -= strlen(".slice");
    /* At most a level a byte, each with a '/', the escape and the suffix. */
    out = to = oci_alloc(arena, (len + 1) * (len + sizeof "/_.slice") / 2 + sizeof "/_.slice");
    if (!out)
        return NULL;
    for (size_t i = 1; i <= len; i++) {
        const char *mark;

        if (i < len && slice[i] != '-')
            continue;
        mark = escaped_cgroup(slice);
        *to++ = '/';
        memcpy(to, mark, strlen(mark));
        to += strlen(mark);
        memcpy(to, slice, i);
        to += i;
        memcpy(to, ".slice", strlen(".slice"));
        to += strlen(".slice");
    }
    *to = '\0';
    return out;
}

struct parts {
    const char *slice, *prefix, *name;
};

static int split(const char *path, const char *id, bool user, struct oci_arena *arena,
                 struct parts *out, struct err *err)
{
    const char *first, *second;

    *out = (struct parts){user ? "user.slice" : "system.slice", DEFAULT_PREFIX, id};
    if (!path || !*path)
        return 0;
    first = strchr(path, ':');
    second = first ? strchr(first + 1, ':') : NULL;
    if (!second || strchr(second + 1, ':') || strchr(path, '/')) {
        bad_path(err, path, "is not SLICE:PREFIX:NAME");
        return err_hint(err, "%s", remedy);
    }
    if (first > path)
        out->slice = oci_strndup(arena, path, (size_t)(first - path));
    out->prefix = oci_strndup(arena, first + 1, (size_t)(second - first - 1));
    if (second[1])
        out->name = second + 1;
    if (out->slice && strcmp(out->slice, "-") == 0)
        out->slice = "-.slice";
    return out->slice && out->prefix ? 0 : err_set(err, ENOMEM, "linux.cgroupsPath");
}

static int name_unit(const struct parts *p, const char *path, struct oci_arena *arena,
                     struct systemd_unit *out, struct err *err)
{
    const char *name = escape(p->name, arena), *prefix = escape(p->prefix, arena);

    if (!name || !prefix)
        return err_set(err, ENOMEM, "linux.cgroupsPath");
    out->slice = p->slice;
    out->is_slice = ends_with(name, ".slice");
    if (out->is_slice)
        out->name = name;
    else
        out->name = oci_printf(arena, "%s%s%s%s", prefix, *prefix ? "-" : "", name,
                               ends_with(name, ".scope") ? "" : ".scope");
    if (!out->name)
        return err_set(err, ENOMEM, "linux.cgroupsPath");
    if (strlen(out->name) > NAME_LENGTH) {
        bad_path(err, path, "is too long");
        return err_hint(err, "the unit \"%.32s...\" may have %d bytes, and has %zu", out->name,
                        NAME_LENGTH, strlen(out->name));
    }
    if (out->is_slice && (!is_slice(name) || strcmp(name, "-.slice") == 0))
        return bad_path(err, path, "names a slice that cannot be made");
    if (strcmp(out->name, ".scope") == 0 || out->name[0] == '@')
        return bad_path(err, path, "is not the name of a unit");
    return 0;
}

int systemd_unit_parse(const char *path, const char *id, bool user, struct oci_arena *arena,
                       struct systemd_unit *out, struct err *err)
{
    struct parts p;
    const char *above;

    *out = (struct systemd_unit){.slice = NULL};
    if (split(path, id, user, arena, &p, err) < 0)
        return -1;
    above = systemd_slice_path(p.slice, arena);
    if (!above) {
        err_set(err, 0, "linux.cgroupsPath: \"%.128s\" is not the name of a slice", p.slice);
        err_object(err, "linux.cgroupsPath");
        if (!ends_with(p.slice, ".slice"))
            return err_hint(err, "did you mean %.128s.slice?", p.slice);
        return err_hint(err, "dashes are levels: \"a-b.slice\" is below \"a.slice\", "
                             "\"-.slice\" is the root");
    }
    if (name_unit(&p, path ? path : id, arena, out, err) < 0)
        return -1;
    /* A slice is where its own name says. */
    out->cgroup = out->is_slice
                      ? systemd_slice_path(out->name, arena)
                      : oci_printf(arena, "%s/%s%s", above, escaped_cgroup(out->name), out->name);
    return out->cgroup ? 0 : err_set(err, ENOMEM, "linux.cgroupsPath");
}

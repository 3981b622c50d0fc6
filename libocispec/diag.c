/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * What is said when a document is refused: place, path and sentence. All of it is made only when
 * there is something to say; the decoder's stack of frames is the path.
 */
#include "decode.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void append_name(char *path, size_t size, const char *name, size_t len)
{
    size_t used = strlen(path);
    bool plain = scan_is_plain(name, len);
    const char *before = !plain ? "[\"" : used ? "." : "";

    snprintf(path + used, size - used, "%s%.*s%s", before, (int)(len < size ? len : size), name,
             plain ? "" : "\"]");
}

/* Names are checked before they come here: they are UTF-8 without NUL. */
static void make_path(const struct decoder *d, char *path, size_t size)
{
    path[0] = '\0';
    for (unsigned i = 0; i < d->depth; i++) {
        const struct frame *frame = &d->frames[i];
        size_t used = strlen(path);

        if (!frame->inside)
            continue;
        if (frame->is_array)
            snprintf(path + used, size - used, "[%zu]", frame->index);
        else
            append_name(path, size, frame->name, frame->name_len);
    }
}

/* A text that was cut may end inside a character. */
static void trim_utf8(char *text)
{
    size_t len = strlen(text);

    while (len > 0 && !oci_is_utf8(text, len))
        text[--len] = '\0';
}

__attribute__((format(printf, 4, 0))) static void diagnose(const struct decoder *d,
                                                           struct oci_diag *diag, size_t offset,
                                                           const char *format, va_list args)
{
    memset(diag, 0, sizeof(*diag));
    make_path(d, diag->path, sizeof(diag->path));
    trim_utf8(diag->path);
    vsnprintf(diag->message, sizeof(diag->message), format, args);
    trim_utf8(diag->message);
    scan_position(d->text, d->len, offset, &diag->line, &diag->column);
}

int decode_fail(struct decoder *d, size_t offset, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    diagnose(d, d->diag, offset, format, args);
    va_end(args);
    return -1;
}

void decode_warn(struct decoder *d, size_t offset, const char *format, ...)
{
    struct oci_diag diag;
    va_list args;

    if (!d->warn)
        return;
    va_start(args, format);
    diagnose(d, &diag, offset, format, args);
    va_end(args);
    d->warn(d->warn_data, &diag);
}

int decode_oom(struct decoder *d)
{
    memset(d->diag, 0, sizeof(*d->diag));
    snprintf(d->diag->message, sizeof(d->diag->message), "out of memory");
    return -1;
}

const char *decode_type_name(enum json_type type)
{
    switch (type) {
    case JSON_NULL:
        return "null";
    case JSON_BOOL:
        return "a boolean";
    case JSON_NUMBER:
        return "a number";
    case JSON_STRING:
        return "a string";
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "an array";
    case JSON_KEY:
    case JSON_OBJECT_END:
    case JSON_ARRAY_END:
        break;
    }
    return "nothing";
}

const char *decode_quote(char buf[QUOTE_SIZE], const char *text)
{
    /* Room for the longest escape, the dots, the closing quote and NUL. */
    const size_t room = QUOTE_SIZE - sizeof("\\x00…\"");
    size_t used = 0;

    buf[used++] = '"';
    for (; *text && used < room; text++) {
        unsigned char c = (unsigned char)*text;

        if (c < 0x20 || c == 0x7f)
            used += (size_t)snprintf(buf + used, QUOTE_SIZE - used, "\\x%02x", c);
        else
            buf[used++] = *text;
    }
    buf[used] = '\0';
    trim_utf8(buf);
    used = strlen(buf);
    snprintf(buf + used, QUOTE_SIZE - used, *text ? "…\"" : "\"");
    return buf;
}

static void append_choices(char *buf, size_t size, const struct oci_names *names)
{
    enum { CHOICES_MAX = 10 };
    size_t n = 0;

    while (names->list[n].name)
        n++;
    if (n > CHOICES_MAX)
        return;
    for (size_t i = 0; i < n; i++) {
        size_t used = strlen(buf);

        snprintf(buf + used, size - used, "%s%s%s", i ? ", " : " (allowed: ", names->list[i].name,
                 i + 1 == n ? ")" : "");
    }
}

void decode_not_a_name(char *buf, size_t size, const struct oci_names *names, const char *name)
{
    const char *nearest = oci_name_nearest(names, name);
    const char *article = strchr("aeiouAEIOU", names->what[0]) ? "an" : "a";
    char quoted[QUOTE_SIZE];

    snprintf(buf, size, "%s is not %s %s", decode_quote(quoted, name), article, names->what);
    if (nearest) {
        size_t used = strlen(buf);

        snprintf(buf + used, size - used, " (did you mean \"%s\"?)", nearest);
    } else {
        append_choices(buf, size, names);
    }
}

void oci_diag_format(const struct oci_diag *diag, const char *file, char *buf, size_t size)
{
    char place[32] = "";

    if (diag->line)
        snprintf(place, sizeof(place), ":%u:%u", diag->line, diag->column);
    snprintf(buf, size, "%s%s%s%s%s%s", file ? file : "", file ? place : "", file ? ": " : "",
             diag->path, diag->path[0] ? ": " : "", diag->message);
}

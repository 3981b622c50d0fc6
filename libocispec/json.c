/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * yajl calls back for each token, with the number of bytes consumed up to the token's end. The
 * token's start follows from its text: a string without escapes and a number are handed over as
 * pointers into the document; a string with escapes is a copy, and its opening quote is found by
 * going back from the closing one. The whole document is given in one piece, so no other text is
 * ever a copy, except a number that ends the document (yajl waits for what follows).
 */
#include "json.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yajl/yajl_gen.h>
#include <yajl/yajl_parse.h>

struct parse {
    yajl_handle handle;
    const char *text;
    size_t len;
    bool at_end; /* the whole text is consumed */
    json_fn *fn;
    void *data;
};

static int give(struct parse *p, struct json_event *event, size_t size)
{
    event->end = p->at_end ? p->len : yajl_get_bytes_consumed(p->handle);
    event->start = event->end - size;
    return p->fn(p->data, event) == 0;
}

static int on_null(void *data)
{
    struct json_event event = {.type = JSON_NULL};

    return give(data, &event, strlen("null"));
}

static int on_boolean(void *data, int value)
{
    struct json_event event = {.type = JSON_BOOL, .boolean = value};

    return give(data, &event, value ? strlen("true") : strlen("false"));
}

static int on_number(void *data, const char *text, size_t len)
{
    struct json_event event = {.type = JSON_NUMBER, .text = text, .len = len};

    return give(data, &event, len);
}

/* Inside a string each quote follows an odd number of backslashes; the opening one follows none. */
static size_t string_size(const char *text, size_t end)
{
    for (size_t start = end - 1; start-- > 0;) {
        size_t backslashes = 0;

        if (text[start] != '"')
            continue;
        while (backslashes < start && text[start - 1 - backslashes] == '\\')
            backslashes++;
        if (backslashes % 2 == 0)
            return end - start;
    }
    return end;
}

static int give_text(struct parse *p, enum json_type type, const unsigned char *text, size_t len)
{
    struct json_event event = {.type = type, .text = (const char *)text, .len = len};
    uintptr_t at = (uintptr_t)text, document = (uintptr_t)p->text;
    size_t end = yajl_get_bytes_consumed(p->handle);

    event.escaped = at < document || at >= document + p->len;
    return give(p, &event, event.escaped ? string_size(p->text, end) : len + 2);
}

static int on_string(void *data, const unsigned char *text, size_t len)
{
    return give_text(data, JSON_STRING, text, len);
}

static int on_key(void *data, const unsigned char *text, size_t len)
{
    return give_text(data, JSON_KEY, text, len);
}

static int give_mark(struct parse *p, enum json_type type)
{
    struct json_event event = {.type = type};

    return give(p, &event, 1);
}

static int on_object(void *data)
{
    return give_mark(data, JSON_OBJECT);
}

static int on_object_end(void *data)
{
    return give_mark(data, JSON_OBJECT_END);
}

static int on_array(void *data)
{
    return give_mark(data, JSON_ARRAY);
}

static int on_array_end(void *data)
{
    return give_mark(data, JSON_ARRAY_END);
}

static const yajl_callbacks callbacks = {
    .yajl_null = on_null,
    .yajl_boolean = on_boolean,
    .yajl_number = on_number, /* with it yajl never converts: numbers stay exact */
    .yajl_string = on_string,
    .yajl_start_map = on_object,
    .yajl_map_key = on_key,
    .yajl_end_map = on_object_end,
    .yajl_start_array = on_array,
    .yajl_end_array = on_array_end,
};

enum json_result json_parse(const char *text, size_t len, json_fn *fn, void *data, char *error,
                            size_t size)
{
    struct parse p = {.text = text, .len = len, .fn = fn, .data = data};
    enum json_result result = JSON_SYNTAX;
    yajl_status status;

    snprintf(error, size, "out of memory");
    p.handle = yajl_alloc(&callbacks, NULL, &p);
    if (!p.handle)
        return JSON_SYNTAX;
    /* The caller checks the encoding, more strictly and with a place. */
    yajl_config(p.handle, yajl_dont_validate_strings, 1);

    status = yajl_parse(p.handle, (const unsigned char *)text, len);
    if (status == yajl_status_ok) {
        p.at_end = true;
        status = yajl_complete_parse(p.handle);
    }
    if (status == yajl_status_ok) {
        result = JSON_DONE;
    } else if (status == yajl_status_client_canceled) {
        result = JSON_STOPPED;
    } else {
        unsigned char *message = yajl_get_error(p.handle, 0, NULL, 0);

        if (message) {
            snprintf(error, size, "%.*s", (int)strcspn((char *)message, "\n"), (char *)message);
            yajl_free_error(p.handle, message);
        }
    }
    yajl_free(p.handle);
    return result;
}

/* ---- writing -----------------------------------------------------------------------------------
 */

/*
 * Once a call fails, no text comes out. A { or [ waits in @open for what follows, because yajl
 * spreads an empty object or array over three lines.
 */
struct json_writer {
    yajl_gen gen;
    char open; /* '{', '[' or 0 */
    bool failed;
};

struct json_writer *json_writer_new(enum oci_style style)
{
    struct json_writer *writer = calloc(1, sizeof(*writer));

    if (!writer)
        return NULL;
    writer->gen = yajl_gen_alloc(NULL);
    if (!writer->gen) {
        free(writer);
        return NULL;
    }
    if (style != OCI_STYLE_COMPACT) {
        yajl_gen_config(writer->gen, yajl_gen_beautify, 1);
        yajl_gen_config(writer->gen, yajl_gen_indent_string, style == OCI_STYLE_TABS ? "\t" : "  ");
    }
    return writer;
}

static void check(struct json_writer *writer, yajl_gen_status status)
{
    if (status != yajl_gen_status_ok)
        writer->failed = true;
}

/* The generator, with everything written that waits. */
static yajl_gen ready(struct json_writer *writer)
{
    if (writer->open == '{')
        check(writer, yajl_gen_map_open(writer->gen));
    else if (writer->open == '[')
        check(writer, yajl_gen_array_open(writer->gen));
    writer->open = '\0';
    return writer->gen;
}

/* yajl copies a "number" as it is. */
static bool close_empty(struct json_writer *writer, const char *both)
{
    if (!writer->open)
        return false;
    writer->open = '\0';
    check(writer, yajl_gen_number(writer->gen, both, strlen(both)));
    return true;
}

void json_open_object(struct json_writer *writer)
{
    ready(writer);
    writer->open = '{';
}

void json_close_object(struct json_writer *writer)
{
    if (!close_empty(writer, "{}"))
        check(writer, yajl_gen_map_close(writer->gen));
}

void json_open_array(struct json_writer *writer)
{
    ready(writer);
    writer->open = '[';
}

void json_close_array(struct json_writer *writer)
{
    if (!close_empty(writer, "[]"))
        check(writer, yajl_gen_array_close(writer->gen));
}

void json_string(struct json_writer *writer, const char *text)
{
    check(writer, yajl_gen_string(ready(writer), (const unsigned char *)text, strlen(text)));
}

void json_bool(struct json_writer *writer, bool value)
{
    check(writer, yajl_gen_bool(ready(writer), value));
}

void json_i64(struct json_writer *writer, int64_t value)
{
    check(writer, yajl_gen_integer(ready(writer), value));
}

/* yajl_gen_integer() ends at INT64_MAX. */
void json_u64(struct json_writer *writer, uint64_t value)
{
    char text[24];
    int len = snprintf(text, sizeof(text), "%" PRIu64, value);

    check(writer, yajl_gen_number(ready(writer), text, (size_t)len));
}

void json_hundredths(struct json_writer *writer, uint32_t value)
{
    char text[24];
    int len = snprintf(text, sizeof(text), "%" PRIu32 ".%02" PRIu32, value / 100, value % 100);

    check(writer, yajl_gen_number(ready(writer), text, (size_t)len));
}

void json_null(struct json_writer *writer)
{
    check(writer, yajl_gen_null(ready(writer)));
}

char *json_writer_finish(struct json_writer *writer, size_t *len)
{
    const unsigned char *text;
    size_t size;
    char *copy = NULL;

    if (!writer->failed && yajl_gen_get_buf(writer->gen, &text, &size) == yajl_gen_status_ok) {
        copy = malloc(size + 1);
        if (copy) {
            memcpy(copy, text, size);
            copy[size] = '\0';
            if (len)
                *len = size;
        }
    }
    yajl_gen_free(writer->gen);
    free(writer);
    return copy;
}

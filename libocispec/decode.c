/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * A walker over the events of a JSON text with a stack of frames, one for each open { or [. A frame
 * knows the table of its object, or the row of its array; a member's name selects the row, and the
 * row says what the value must be and where it goes. Unknown members open frames too, so that
 * duplicates, nesting and text are checked everywhere.
 *
 * Duplicates: a member with a row has a bit in its frame; for all other names see seen.c.
 *
 * An array of structs grows by doubling and is copied: its elements are complete when that happens,
 * because an element is closed before the next one opens.
 */
#include "decode.h"

#include <stdio.h>
#include <string.h>

static struct frame *top(struct decoder *d)
{
    return d->depth ? &d->frames[d->depth - 1] : NULL;
}

static char *at(void *object, size_t offset)
{
    return (char *)object + offset;
}

/* ---- names
 * ------------------------------------------------------------------------------------------ */

static bool row_is(const struct oci_row *row, const char *name, size_t len)
{
    return strncmp(row->name, name, len) == 0 && !row->name[len];
}

/* The row of a member, or NULL. Starts behind the last one found. */
static const struct oci_row *find_row(struct frame *frame)
{
    const struct oci_row *rows = frame->table->rows;

    for (size_t i = frame->next; rows[i].kind != OCI_KIND_END; i++) {
        if (row_is(&rows[i], frame->name, frame->name_len)) {
            frame->next = i + 1;
            return &rows[i];
        }
    }
    for (size_t i = 0; i < frame->next; i++) {
        if (row_is(&rows[i], frame->name, frame->name_len)) {
            frame->next = i + 1;
            return &rows[i];
        }
    }
    return NULL;
}

/* In a closed table: the names of its rows serve for the proposal. */
static int fail_unknown(struct decoder *d, const struct frame *frame)
{
    struct oci_name list[65] = {{NULL, 0}};
    struct oci_names names = {.list = list};
    char what[80], message[400];
    char *name = value_string(d, frame->name, frame->name_len);
    size_t n = 0;

    if (!name)
        return -1;
    for (const struct oci_row *row = frame->table->rows; row->kind != OCI_KIND_END; row++)
        list[n++].name = row->name;
    snprintf(what, sizeof(what), "member of %s", frame->table->name);
    names.what = what;
    decode_not_a_name(message, sizeof(message), &names, name);
    return decode_fail(d, frame->name_start, "%s", message);
}

static int on_key(struct decoder *d, const struct json_event *event)
{
    struct frame *frame = top(d);
    int seen;

    /* A name that is not text cannot be in the path: the error stands at the object. */
    frame->inside = false;
    if (value_check_text(d, event) < 0)
        return -1;
    frame->name = event->text;
    frame->name_len = event->len;
    frame->name_start = event->start;
    if (event->escaped) {
        frame->name = value_string(d, event->text, event->len);
        if (!frame->name)
            return -1;
    }
    frame->inside = true;

    if (frame->kind == FRAME_OBJECT) {
        frame->row = find_row(frame);
        if (frame->row) {
            uint64_t bit = UINT64_C(1) << (frame->row - frame->table->rows);

            if (frame->named & bit)
                return decode_fail(d, event->start, "member appears twice");
            frame->named |= bit;
            return 0;
        }
        if (frame->table->closed)
            return fail_unknown(d, frame);
    }
    if ((frame->kind == FRAME_MAP || frame->kind == FRAME_OBJECTS) && event->len == 0)
        return decode_fail(d, event->start, "the member name must not be empty");
    seen = names_seen_before(d, frame);
    return seen > 0 ? decode_fail(d, event->start, "member appears twice") : seen;
}

/* ---- opening
 * ------------------------------------------------------------------------------------------ */

static struct frame *push(struct decoder *d, enum frame_kind kind, const struct json_event *event)
{
    struct frame *frame;

    if (d->depth == JSON_DEPTH_MAX) {
        decode_fail(d, event->start, "nested more than %d levels deep", JSON_DEPTH_MAX);
        return NULL;
    }
    frame = &d->frames[d->depth++];
    memset(frame, 0, sizeof(*frame));
    frame->kind = kind;
    frame->is_array = event->type == JSON_ARRAY;
    frame->start = event->start;
    frame->serial = ++d->serial;
    return frame;
}

static int push_object(struct decoder *d, const struct oci_table *table, void *object,
                       const struct json_event *event)
{
    const uint32_t all = OCI_ACCESS_READ | OCI_ACCESS_WRITE | OCI_ACCESS_MKNOD;
    struct frame *frame = push(d, FRAME_OBJECT, event);

    if (!frame)
        return -1;
    frame->table = table;
    frame->object = object;
    for (const struct oci_row *row = table->rows; row->kind != OCI_KIND_END; row++)
        if (row->kind == OCI_KIND_ACCESS)
            memcpy(at(object, row->offset), &all, sizeof(all));
    return 0;
}

/* An object below a row that points to it or holds it. */
static int open_object_member(struct decoder *d, struct frame *frame,
                              const struct json_event *event)
{
    const struct oci_row *row = frame->row;
    void *object = at(frame->object, row->offset);

    if (row->kind == OCI_KIND_OBJECT) {
        object = oci_alloc(d->arena, row->table->size);
        if (!object)
            return decode_oom(d);
        memcpy(at(frame->object, row->offset), &object, sizeof(object));
    }
    return push_object(d, row->table, object, event);
}

/* An array, or an object whose names are keys: its frame stands for the row. */
static int open_collection(struct decoder *d, struct frame *parent, enum frame_kind kind,
                           const struct json_event *event)
{
    struct frame *frame = push(d, kind, event);
    struct oci_set set = {.set = true};
    size_t size = kind == FRAME_MAP ? sizeof(struct oci_pair) : sizeof(void *);

    if (!frame)
        return -1;
    frame->row = parent->row;
    frame->object = parent->object;
    if (frame->row->kind == OCI_KIND_SET) {
        memcpy(at(frame->object, frame->row->offset), &set, sizeof(set));
        return 0;
    }
    /* Also an empty one is an array, not NULL. */
    if (frame->row->table)
        size = frame->row->table->size;
    else if (frame->row->kind == OCI_KIND_U32S || frame->row->kind == OCI_KIND_ENUMS)
        size = sizeof(uint32_t);
    return value_grow(d, frame, size) ? 0 : -1;
}

/* An element of an array of objects, or a member of an object of objects. */
static int open_element(struct decoder *d, struct frame *frame, const struct json_event *event)
{
    const struct oci_row *row = frame->row;
    void *element = value_grow(d, frame, row->table->size);
    size_t n;

    if (!element)
        return -1;
    memcpy(&n, at(frame->object, row->count_offset), sizeof(n));
    n++;
    memcpy(at(frame->object, row->count_offset), &n, sizeof(n));
    if (frame->kind == FRAME_OBJECTS) {
        char *name = value_string(d, frame->name, frame->name_len);

        if (!name)
            return -1;
        memcpy(element, &name, sizeof(name));
    }
    return push_object(d, row->table, element, event);
}

/* ---- values
 * -------------------------------------------------------------------------------------------- */

static enum json_type member_type(enum oci_kind kind)
{
    switch (kind) {
    case OCI_KIND_BOOL:
    case OCI_KIND_OPT_BOOL:
        return JSON_BOOL;
    case OCI_KIND_I32:
    case OCI_KIND_U32:
    case OCI_KIND_I64:
    case OCI_KIND_U64:
    case OCI_KIND_OPT_I64:
    case OCI_KIND_OPT_U64:
        return JSON_NUMBER;
    case OCI_KIND_STRING:
    case OCI_KIND_ENUM:
    case OCI_KIND_ACCESS:
        return JSON_STRING;
    case OCI_KIND_SET:
    case OCI_KIND_STRINGS:
    case OCI_KIND_U32S:
    case OCI_KIND_ENUMS:
    case OCI_KIND_ARRAY:
        return JSON_ARRAY;
    case OCI_KIND_INLINE:
    case OCI_KIND_OBJECT:
    case OCI_KIND_MAP:
    case OCI_KIND_OBJECTS:
    case OCI_KIND_U64S:
    case OCI_KIND_COUNTS:
    case OCI_KIND_HUNDREDTHS:
    case OCI_KIND_END:
        break;
    }
    return JSON_OBJECT;
}

/* What the value that comes next in @frame has to be. */
static enum json_type wanted_type(const struct frame *frame)
{
    switch (frame->kind) {
    case FRAME_OBJECT:
        return member_type(frame->row->kind);
    case FRAME_MAP:
        return JSON_STRING;
    case FRAME_ARRAY:
        if (frame->row->kind == OCI_KIND_U32S)
            return JSON_NUMBER;
        return frame->row->kind == OCI_KIND_ARRAY ? JSON_OBJECT : JSON_STRING;
    default:
        return JSON_OBJECT;
    }
}

static int take_member(struct decoder *d, struct frame *frame, const struct json_event *event)
{
    switch (frame->row->kind) {
    case OCI_KIND_INLINE:
    case OCI_KIND_OBJECT:
        return open_object_member(d, frame, event);
    case OCI_KIND_MAP:
        return open_collection(d, frame, FRAME_MAP, event);
    case OCI_KIND_OBJECTS:
        return open_collection(d, frame, FRAME_OBJECTS, event);
    case OCI_KIND_SET:
    case OCI_KIND_STRINGS:
    case OCI_KIND_U32S:
    case OCI_KIND_ENUMS:
    case OCI_KIND_ARRAY:
        return open_collection(d, frame, FRAME_ARRAY, event);
    default:
        return value_store(d, frame->row, frame->object, event);
    }
}

static int take_unknown(struct decoder *d, const struct json_event *event)
{
    if (event->type == JSON_OBJECT || event->type == JSON_ARRAY)
        return push(d, FRAME_SKIP, event) ? 0 : -1;
    return event->type == JSON_STRING ? value_check_text(d, event) : 0;
}

static int take_root(struct decoder *d, const struct json_event *event)
{
    if (event->type != JSON_OBJECT)
        return decode_fail(d, event->start, "an object is expected, found %s",
                           decode_type_name(event->type));
    return push_object(d, d->table, d->out, event);
}

static int on_value(struct decoder *d, const struct json_event *event)
{
    struct frame *frame = top(d);
    enum json_type wanted;

    if (!frame)
        return take_root(d, event);
    if (frame->is_array) {
        frame->index += frame->inside;
        frame->inside = true;
    }
    if (frame->kind == FRAME_SKIP || (frame->kind == FRAME_OBJECT && !frame->row))
        return take_unknown(d, event);
    if (event->type == JSON_NULL && !frame->is_array)
        return 0;

    wanted = wanted_type(frame);
    if (event->type != wanted)
        return decode_fail(d, event->start, "%s is expected, found %s", decode_type_name(wanted),
                           decode_type_name(event->type));
    if (event->type == JSON_STRING && value_check_text(d, event) < 0)
        return -1;
    switch (frame->kind) {
    case FRAME_OBJECT:
        frame->present |= UINT64_C(1) << (frame->row - frame->table->rows);
        return take_member(d, frame, event);
    case FRAME_MAP:
        return value_append_pair(d, frame, event);
    case FRAME_OBJECTS:
        return open_element(d, frame, event);
    default:
        return frame->row->kind == OCI_KIND_ARRAY ? open_element(d, frame, event)
                                                  : value_append(d, frame, event);
    }
}

/* ---- closing
 * -------------------------------------------------------------------------------------------- */

static int check_required(struct decoder *d, const struct frame *frame)
{
    const struct oci_row *rows = frame->table->rows;

    for (size_t i = 0; rows[i].kind != OCI_KIND_END; i++)
        if ((rows[i].flags & OCI_REQUIRED) && !(frame->present & UINT64_C(1) << i))
            return decode_fail(d, frame->start, "member \"%s\" is missing", rows[i].name);
    return 0;
}

static bool elements_equal(const struct oci_row *key, char *a, char *b)
{
    const char *a_text, *b_text;

    if (key->kind == OCI_KIND_ENUM)
        return memcmp(a + key->offset, b + key->offset, sizeof(int)) == 0;
    memcpy(&a_text, a + key->offset, sizeof(a_text));
    memcpy(&b_text, b + key->offset, sizeof(b_text));
    return a_text && b_text && strcmp(a_text, b_text) == 0;
}

/* The element just closed against those before it, by their first enum or string. */
static int check_unique(struct decoder *d, const struct frame *frame)
{
    const struct oci_table *table = frame->row->table;
    const struct oci_row *key = table->rows;
    char *elements, *last, quoted[QUOTE_SIZE];
    size_t size = sizeof(d->diag->path), used;

    while (key->kind != OCI_KIND_ENUM && key->kind != OCI_KIND_STRING)
        key++;
    memcpy(&elements, at(frame->object, frame->row->offset), sizeof(elements));
    last = elements + frame->index * table->size;
    for (char *other = elements; other < last; other += table->size) {
        const char *name;
        int value;

        if (!elements_equal(key, other, last))
            continue;
        if (key->kind == OCI_KIND_ENUM) {
            memcpy(&value, last + key->offset, sizeof(value));
            name = oci_name_of(key->names, value);
        } else {
            memcpy(&name, last + key->offset, sizeof(name));
        }
        decode_fail(d, frame->start, "%s appears twice", decode_quote(quoted, name));
        used = strlen(d->diag->path);
        snprintf(d->diag->path + used, size - used, ".%s", key->name);
        oci_locate(d->text, d->len, d->diag->path, &d->diag->line, &d->diag->column);
        return -1;
    }
    return 0;
}

static int on_end(struct decoder *d)
{
    struct frame *frame = top(d), *parent;

    frame->inside = false;
    if (frame->kind == FRAME_OBJECT && check_required(d, frame) < 0)
        return -1;
    if (frame->kind == FRAME_ARRAY && (frame->row->flags & OCI_NOT_EMPTY)) {
        size_t n;

        memcpy(&n, at(frame->object, frame->row->count_offset), sizeof(n));
        if (n == 0)
            return decode_fail(d, frame->start, "the array must not be empty");
    }
    d->depth--;
    parent = top(d);
    if (parent && parent->kind == FRAME_ARRAY && (parent->row->flags & OCI_UNIQUE))
        return check_unique(d, parent);
    return 0;
}

static int on_event(void *data, const struct json_event *event)
{
    struct decoder *d = data;

    switch (event->type) {
    case JSON_KEY:
        return on_key(d, event);
    case JSON_OBJECT_END:
    case JSON_ARRAY_END:
        return on_end(d);
    default:
        return on_value(d, event);
    }
}

int oci_decode(const struct oci_table *table, void *out, const char *text, size_t len,
               struct oci_arena *arena, oci_warn_fn *warn, void *data, struct oci_diag *diag)
{
    struct decoder d = {
        .text = text,
        .len = len,
        .arena = arena,
        .table = table,
        .out = out,
        .warn = warn,
        .warn_data = data,
        .diag = diag,
    };
    char error[256];
    const char *fault;
    size_t offset;
    enum json_result result;

    memset(diag, 0, sizeof(*diag));
    memset(out, 0, table->size);
    result = json_parse(text, len, on_event, &d, error, sizeof(error));
    names_seen_free(&d);
    if (result == JSON_DONE)
        return 0;
    if (result == JSON_SYNTAX) {
        d.depth = 0;
        if (scan_fault(text, len, &offset, &fault))
            return decode_fail(&d, offset, "%s", fault);
        return decode_fail(&d, 0, "%s", error);
    }
    return -1;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * The decoder's rows read the other way: for each row of a struct's table, the member is written if
 * it is there. "There" is: a pointer that is not NULL (an empty array is written as []), an
 * optional scalar that is set, any other scalar that is not zero, and whatever is required or
 * OCI_EMIT_ZERO.
 */
#include "json.h"

#include <string.h>

static void write_object(struct json_writer *w, const struct oci_table *table, const char *object);

/* A member's value, whatever the kind of its row. */
union value {
    bool flag;
    int32_t i32;
    uint32_t u32;
    int64_t i64;
    uint64_t u64;
    int number;
    const void *pointer;
    const char *text;
    struct oci_opt_bool opt_bool;
    struct oci_opt_i64 opt_i64;
    struct oci_opt_u64 opt_u64;
    struct oci_set set;
};

static size_t value_size(enum oci_kind kind)
{
    switch (kind) {
    case OCI_KIND_BOOL:
        return sizeof(bool);
    case OCI_KIND_OPT_BOOL:
        return sizeof(struct oci_opt_bool);
    case OCI_KIND_I32:
    case OCI_KIND_U32:
    case OCI_KIND_ENUM:
    case OCI_KIND_ACCESS:
    case OCI_KIND_HUNDREDTHS:
        return sizeof(uint32_t);
    case OCI_KIND_I64:
    case OCI_KIND_U64:
        return sizeof(uint64_t);
    case OCI_KIND_OPT_I64:
    case OCI_KIND_OPT_U64:
        return sizeof(struct oci_opt_u64);
    case OCI_KIND_SET:
        return sizeof(struct oci_set);
    case OCI_KIND_INLINE:
    case OCI_KIND_END:
        return 0;
    default:
        return sizeof(void *);
    }
}

static bool is_present(const struct oci_row *row, const union value *v)
{
    bool always = row->flags & (OCI_REQUIRED | OCI_EMIT_ZERO);

    switch (row->kind) {
    case OCI_KIND_BOOL:
        return v->flag || always;
    case OCI_KIND_OPT_BOOL:
        return v->opt_bool.set;
    case OCI_KIND_I32:
    case OCI_KIND_U32:
    case OCI_KIND_HUNDREDTHS:
        return v->u32 || always;
    case OCI_KIND_I64:
    case OCI_KIND_U64:
        return v->u64 || always;
    case OCI_KIND_OPT_I64:
    case OCI_KIND_OPT_U64:
        return v->opt_u64.set;
    case OCI_KIND_ENUM: /* zero is UNSET, or the default */
        return v->number && oci_name_of(row->names, v->number);
    case OCI_KIND_ACCESS:
        return v->u32;
    case OCI_KIND_SET:
        return v->set.set;
    case OCI_KIND_INLINE:
        return true;
    case OCI_KIND_END:
        return false;
    default: /* pointers */
        return v->pointer;
    }
}

static void write_set(struct json_writer *w, const struct oci_names *names, uint64_t bits)
{
    json_open_array(w);
    for (const struct oci_name *n = names->list; n->name; n++)
        if ((bits >> n->value & 1) && oci_name_of(names, n->value) == n->name)
            json_string(w, n->name);
    json_close_array(w);
}

static void write_access(struct json_writer *w, uint32_t bits)
{
    char letters[4] = "";
    size_t n = 0;

    for (size_t i = 0; i < 3; i++)
        if (bits >> i & 1)
            letters[n++] = "rwm"[i];
    json_string(w, letters);
}

static void write_array(struct json_writer *w, const struct oci_row *row, const char *array,
                        size_t n)
{
    json_open_array(w);
    for (size_t i = 0; i < n; i++) {
        if (row->kind == OCI_KIND_STRINGS)
            json_string(w, ((const char *const *)(const void *)array)[i]);
        else if (row->kind == OCI_KIND_U32S)
            json_u64(w, ((const uint32_t *)(const void *)array)[i]);
        else if (row->kind == OCI_KIND_U64S)
            json_u64(w, ((const uint64_t *)(const void *)array)[i]);
        else if (row->kind == OCI_KIND_ENUMS)
            json_string(w,
                        oci_name_of(row->names, (int)((const uint32_t *)(const void *)array)[i]));
        else
            write_object(w, row->table, array + i * row->table->size);
    }
    json_close_array(w);
}

static void write_map(struct json_writer *w, const struct oci_pair *pairs, size_t n)
{
    json_open_object(w);
    for (size_t i = 0; i < n; i++) {
        json_string(w, pairs[i].key);
        json_string(w, pairs[i].value);
    }
    json_close_object(w);
}

static void write_counts(struct json_writer *w, const struct oci_count *counts, size_t n)
{
    json_open_object(w);
    for (size_t i = 0; i < n; i++) {
        json_string(w, counts[i].key);
        json_u64(w, counts[i].value);
    }
    json_close_object(w);
}

static void write_objects(struct json_writer *w, const struct oci_table *table,
                          const char *elements, size_t n)
{
    json_open_object(w);
    for (size_t i = 0; i < n; i++) {
        const char *element = elements + i * table->size;
        const char *name;

        memcpy(&name, element, sizeof(name));
        json_string(w, name);
        write_object(w, table, element);
    }
    json_close_object(w);
}

static void write_collection(struct json_writer *w, const struct oci_row *row, const char *object,
                             const void *items)
{
    size_t n;

    memcpy(&n, object + row->count_offset, sizeof(n));
    if (row->kind == OCI_KIND_MAP)
        write_map(w, items, n);
    else if (row->kind == OCI_KIND_COUNTS)
        write_counts(w, items, n);
    else if (row->kind == OCI_KIND_OBJECTS)
        write_objects(w, row->table, items, n);
    else
        write_array(w, row, items, n);
}

static void write_value(struct json_writer *w, const struct oci_row *row, const char *object,
                        const union value *v)
{
    switch (row->kind) {
    case OCI_KIND_BOOL:
        json_bool(w, v->flag);
        break;
    case OCI_KIND_OPT_BOOL:
        json_bool(w, v->opt_bool.value);
        break;
    case OCI_KIND_I32:
        json_i64(w, v->i32);
        break;
    case OCI_KIND_U32:
        json_u64(w, v->u32);
        break;
    case OCI_KIND_HUNDREDTHS:
        json_hundredths(w, v->u32);
        break;
    case OCI_KIND_I64:
        json_i64(w, v->i64);
        break;
    case OCI_KIND_U64:
        json_u64(w, v->u64);
        break;
    case OCI_KIND_OPT_I64:
        json_i64(w, v->opt_i64.value);
        break;
    case OCI_KIND_OPT_U64:
        json_u64(w, v->opt_u64.value);
        break;
    case OCI_KIND_STRING:
        json_string(w, v->text);
        break;
    case OCI_KIND_ENUM:
        json_string(w, oci_name_of(row->names, v->number));
        break;
    case OCI_KIND_SET:
        write_set(w, row->names, v->set.bits);
        break;
    case OCI_KIND_ACCESS:
        write_access(w, v->u32);
        break;
    case OCI_KIND_INLINE:
        write_object(w, row->table, object + row->offset);
        break;
    case OCI_KIND_OBJECT:
        write_object(w, row->table, v->pointer);
        break;
    default:
        write_collection(w, row, object, v->pointer);
    }
}

static void write_object(struct json_writer *w, const struct oci_table *table, const char *object)
{
    json_open_object(w);
    for (const struct oci_row *row = table->rows; row->kind != OCI_KIND_END; row++) {
        union value v = {.u64 = 0};

        memcpy(&v, object + row->offset, value_size(row->kind));
        if (!is_present(row, &v))
            continue;
        json_string(w, row->name);
        write_value(w, row, object, &v);
    }
    json_close_object(w);
}

char *oci_encode(const struct oci_table *table, const void *object, enum oci_style style,
                 size_t *len)
{
    struct json_writer *w = json_writer_new(style);

    if (!w)
        return NULL;
    write_object(w, table, object);
    return json_writer_finish(w, len);
}

char *oci_encode_array(const struct oci_table *table, const void *objects, size_t n,
                       enum oci_style style, size_t *len)
{
    struct json_writer *w = json_writer_new(style);

    if (!w)
        return NULL;
    json_open_array(w);
    for (size_t i = 0; i < n; i++)
        write_object(w, table, (const char *)objects + i * table->size);
    json_close_array(w);
    return json_writer_finish(w, len);
}

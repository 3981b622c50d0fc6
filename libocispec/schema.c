/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * The rows as a JSON Schema (draft 2020-12). What is optional may be null, as the decoder reads it.
 * Two rules of the rows have no counterpart: unique by one member (uniqueItems compares whole
 * elements), and names that are only warned about, which are therefore not listed as enums.
 */
#include "json.h"

#include <stdio.h>

static void write_table(struct json_writer *w, const struct oci_table *table, bool nullable);

static void write_type(struct json_writer *w, const char *type, bool nullable)
{
    json_string(w, "type");
    if (!nullable) {
        json_string(w, type);
        return;
    }
    json_open_array(w);
    json_string(w, type);
    json_string(w, "null");
    json_close_array(w);
}

static void write_names(struct json_writer *w, const struct oci_names *names, bool nullable)
{
    json_string(w, "enum");
    json_open_array(w);
    for (const struct oci_name *n = names->list; n->name; n++)
        json_string(w, n->name);
    if (nullable)
        json_null(w);
    json_close_array(w);
}

static void write_range(struct json_writer *w, const struct oci_row *row)
{
    int64_t min = row->min;
    uint64_t max = row->max;

    if (!min && !max) {
        bool narrow = row->kind == OCI_KIND_I32;
        bool is_signed = narrow || row->kind == OCI_KIND_I64 || row->kind == OCI_KIND_OPT_I64;

        if (is_signed)
            min = narrow ? INT32_MIN : INT64_MIN;
        if (row->kind == OCI_KIND_U32 || row->kind == OCI_KIND_U32S)
            max = UINT32_MAX;
        else
            max = narrow ? INT32_MAX : is_signed ? INT64_MAX : UINT64_MAX;
    }
    json_string(w, "minimum");
    json_i64(w, min);
    json_string(w, "maximum");
    json_u64(w, max);
}

static void write_pattern(struct json_writer *w, const char *pattern)
{
    json_string(w, "pattern");
    json_string(w, pattern);
}

/* A prefix holds no characters that mean something in a pattern. */
static void write_prefix_pattern(struct json_writer *w, const char *prefix, bool one_line)
{
    char pattern[64];

    snprintf(pattern, sizeof(pattern), "^%s%s", prefix, one_line ? "[^\\n]*$" : "");
    write_pattern(w, pattern);
}

/* @flags: the row's, with ABSOLUTE for an element that must be absolute. At most one pattern. */
static void write_text_rules(struct json_writer *w, const struct oci_row *row, unsigned flags)
{
    if (flags & OCI_ABSOLUTE)
        write_pattern(w, "^/");
    else if (flags & OCI_ENV_ENTRY)
        write_pattern(w, "^[^=]+=");
    else if (flags & OCI_SEMVER)
        write_pattern(
            w, "^1\\.(0|[1-9][0-9]*)\\.(0|[1-9][0-9]*)(-[0-9A-Za-z.-]+)?(\\+[0-9A-Za-z.-]+)?$");
    else if (row->prefix)
        write_prefix_pattern(w, row->prefix, flags & OCI_NO_NEWLINE);
    else if (flags & OCI_NO_NEWLINE)
        write_pattern(w, "^[^\\n]*$");
    if (row->kind == OCI_KIND_STRING && (flags & OCI_NOT_EMPTY)) {
        json_string(w, "minLength");
        json_u64(w, 1);
    }
}

static void write_items(struct json_writer *w, const struct oci_row *row)
{
    json_string(w, "items");
    if (row->kind == OCI_KIND_ARRAY) {
        write_table(w, row->table, false);
        return;
    }
    json_open_object(w);
    write_type(w, row->kind == OCI_KIND_U32S ? "integer" : "string", false);
    if (row->kind == OCI_KIND_U32S)
        write_range(w, row);
    else if (row->names && !(row->flags & OCI_UNKNOWN_WARNS))
        write_names(w, row->names, false);
    else if (row->kind == OCI_KIND_STRINGS)
        write_text_rules(w, row,
                         row->flags & OCI_ABSOLUTE_EACH ? OCI_ABSOLUTE
                                                        : row->flags & ~(unsigned)OCI_ABSOLUTE);
    json_close_object(w);
}

static void write_array(struct json_writer *w, const struct oci_row *row, bool nullable)
{
    write_type(w, "array", nullable);
    write_items(w, row);
    if (row->flags & OCI_NOT_EMPTY) {
        json_string(w, "minItems");
        json_u64(w, 1);
    }
    if (row->flags & OCI_EMPTY) {
        json_string(w, "maxItems");
        json_u64(w, 0);
    }
}

/* An object whose members' names are keys; a null member is an absent one. */
static void write_keyed(struct json_writer *w, const struct oci_row *row, bool nullable)
{
    write_type(w, "object", nullable);
    json_string(w, "propertyNames");
    json_open_object(w);
    json_string(w, "minLength");
    json_u64(w, 1);
    json_close_object(w);
    json_string(w, "additionalProperties");
    if (row->kind == OCI_KIND_OBJECTS) {
        write_table(w, row->table, true);
        return;
    }
    json_open_object(w);
    write_type(w, "string", true);
    json_close_object(w);
}

static void write_scalar(struct json_writer *w, const struct oci_row *row, bool nullable)
{
    switch (row->kind) {
    case OCI_KIND_BOOL:
    case OCI_KIND_OPT_BOOL:
        write_type(w, "boolean", nullable);
        break;
    case OCI_KIND_STRING:
        write_type(w, "string", nullable);
        write_text_rules(w, row, row->flags);
        break;
    case OCI_KIND_ENUM:
        write_type(w, "string", nullable);
        write_names(w, row->names, nullable);
        break;
    case OCI_KIND_ACCESS:
        write_type(w, "string", nullable);
        write_pattern(w, "^[rwm]+$");
        break;
    default:
        write_type(w, "integer", nullable);
        write_range(w, row);
    }
}

static void write_row(struct json_writer *w, const struct oci_row *row)
{
    bool nullable = !(row->flags & OCI_REQUIRED);

    json_string(w, row->name);
    if (row->kind == OCI_KIND_INLINE || row->kind == OCI_KIND_OBJECT) {
        write_table(w, row->table, nullable);
        return;
    }
    json_open_object(w);
    switch (row->kind) {
    case OCI_KIND_MAP:
    case OCI_KIND_OBJECTS:
        write_keyed(w, row, nullable);
        break;
    case OCI_KIND_SET:
    case OCI_KIND_STRINGS:
    case OCI_KIND_U32S:
    case OCI_KIND_ENUMS:
    case OCI_KIND_ARRAY:
        write_array(w, row, nullable);
        break;
    default:
        write_scalar(w, row, nullable);
    }
    json_close_object(w);
}

static void write_table_members(struct json_writer *w, const struct oci_table *table, bool nullable)
{
    bool required = false;

    json_string(w, "title");
    json_string(w, table->name);
    write_type(w, "object", nullable);
    json_string(w, "properties");
    json_open_object(w);
    for (const struct oci_row *row = table->rows; row->kind != OCI_KIND_END; row++) {
        write_row(w, row);
        required = required || (row->flags & OCI_REQUIRED);
    }
    json_close_object(w);
    if (table->closed) {
        json_string(w, "additionalProperties");
        json_bool(w, false);
    }
    if (!required)
        return;
    json_string(w, "required");
    json_open_array(w);
    for (const struct oci_row *row = table->rows; row->kind != OCI_KIND_END; row++)
        if (row->flags & OCI_REQUIRED)
            json_string(w, row->name);
    json_close_array(w);
}

static void write_table(struct json_writer *w, const struct oci_table *table, bool nullable)
{
    json_open_object(w);
    write_table_members(w, table, nullable);
    json_close_object(w);
}

char *oci_schema(const struct oci_table *table)
{
    struct json_writer *w = json_writer_new(OCI_STYLE_SPACES);

    if (!w)
        return NULL;
    json_open_object(w);
    json_string(w, "$schema");
    json_string(w, "https://json-schema.org/draft/2020-12/schema");
    write_table_members(w, table, false);
    json_close_object(w);
    return json_writer_finish(w, NULL);
}

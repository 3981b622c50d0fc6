/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Rows: everything that is true of a JSON member stands in its row. Decoder, encoder, JSON Schema
 * and error texts read the rows; adding a member is adding a row (and the code that carries it
 * out).
 */
#ifndef OCISPEC_ROWS_H
#define OCISPEC_ROWS_H

#include "types.h"

enum oci_kind {
    OCI_KIND_END,
    OCI_KIND_BOOL,     /* bool */
    OCI_KIND_OPT_BOOL, /* struct oci_opt_bool */
    OCI_KIND_I32,      /* int32_t */
    OCI_KIND_U32,      /* uint32_t */
    OCI_KIND_I64,      /* int64_t */
    OCI_KIND_U64,      /* uint64_t */
    OCI_KIND_OPT_I64,  /* struct oci_opt_i64 */
    OCI_KIND_OPT_U64,  /* struct oci_opt_u64 */
    OCI_KIND_STRING,   /* const char * */
    OCI_KIND_ENUM,     /* an enum (int) with .names */
    OCI_KIND_SET,      /* struct oci_set: array of .names */
    OCI_KIND_ACCESS,   /* uint32_t: letters of "rwm" (enum oci_access) */
    OCI_KIND_STRINGS,  /* const char **, count */
    OCI_KIND_U32S,     /* uint32_t *, count */
    OCI_KIND_ENUMS,    /* uint32_t *, count; values from .names */
    OCI_KIND_INLINE,   /* object stored in place */
    OCI_KIND_OBJECT,   /* pointer to an object, NULL when absent */
    OCI_KIND_ARRAY,    /* array of objects: pointer, count */
    OCI_KIND_MAP,      /* struct oci_pair *, count: string to string */
    OCI_KIND_OBJECTS, /* object whose members are objects: pointer, count; the member's name goes to
                         the first member (a const char *) of the element */
    /* Of documents that are only written: */
    OCI_KIND_U64S,       /* uint64_t *, count */
    OCI_KIND_COUNTS,     /* struct oci_count *, count: string to number */
    OCI_KIND_HUNDREDTHS, /* uint32_t: 1234 is 12.34 */
};

enum oci_row_flags {
    OCI_REQUIRED = 1 << 0,
    OCI_ABSOLUTE = 1 << 1,      /* a string that begins with / */
    OCI_NOT_EMPTY = 1 << 2,     /* string, array: at least one character or element */
    OCI_UNKNOWN_WARNS = 1 << 3, /* SET: an unknown name is a warning and left out */
    OCI_EMIT_ZERO = 1 << 4,     /* written by the encoder even when zero, false or empty */
    OCI_ENV_ENTRY = 1 << 5, /* STRINGS: each entry holds a '=' that is not its first character */
    OCI_SEMVER = 1 << 6,    /* STRING: SemVer 2.0.0, major version 1 */
    OCI_UNIQUE = 1 << 7,    /* ARRAY: no two elements equal in their first enum or string row */
    OCI_ABSOLUTE_EACH = 1 << 8, /* STRINGS: each begins with / */
    OCI_NO_NEWLINE = 1 << 9,    /* STRING, STRINGS: no line feed */
    OCI_EMPTY = 1 << 10,        /* arrays: no element is defined, any is an error */
    OCI_MAX_ABSENT = 1 << 11,   /* OPT_U64: UINT64_MAX equals absent, whatever the range: engines in
                                   Go wrote uint64(-1) for "not set". Not part of the schema. */
};

/* Names of an enum's values. @what completes "… is not a(n) WHAT": "namespace type". A value may
 * have several names (aliases); the first is the one that is written. */
struct oci_names {
    const char *what;
    const struct oci_name {
        const char *name;
        int value;
    } * list; /* ends with a NULL name */
};

struct oci_table;

struct oci_row {
    const char *name;
    enum oci_kind kind;
    unsigned flags;
    size_t offset;
    size_t count_offset; /* arrays: offset of the size_t */
    int64_t min;         /* numbers: allowed range; both 0: the C type's own */
    uint64_t max;
    const struct oci_names *names;
    const struct oci_table *table;
    const char *prefix; /* STRING: how it begins, or NULL */
};

struct oci_table {
    const char *name;           /* for the schema: "linux.namespaces[]" */
    size_t size;                /* of the struct */
    const struct oci_row *rows; /* at most 64 */
    bool closed;                /* a member without a row is an error */
};

#define OCI_ROW_(s, m, n, k, f, ...)                                                               \
    {                                                                                              \
        .name = (n), .kind = (k), .offset = offsetof(s, m), .flags = (f), __VA_ARGS__              \
    }
#define OCI_BOOL(s, m, n, f) OCI_ROW_(s, m, n, OCI_KIND_BOOL, f, .min = 0)
#define OCI_OPT_BOOL(s, m, n, f) OCI_ROW_(s, m, n, OCI_KIND_OPT_BOOL, f, .min = 0)
#define OCI_I32(s, m, n, f) OCI_ROW_(s, m, n, OCI_KIND_I32, f, .min = 0)
#define OCI_I32_RANGE(s, m, n, lo, hi, f)                                                          \
    OCI_ROW_(s, m, n, OCI_KIND_I32, f, .min = (lo), .max = (hi))
#define OCI_U32(s, m, n, f) OCI_ROW_(s, m, n, OCI_KIND_U32, f, .min = 0)
#define OCI_U32_RANGE(s, m, n, lo, hi, f)                                                          \
    OCI_ROW_(s, m, n, OCI_KIND_U32, f, .min = (lo), .max = (hi))
#define OCI_I64(s, m, n, f) OCI_ROW_(s, m, n, OCI_KIND_I64, f, .min = 0)
#define OCI_U64(s, m, n, f) OCI_ROW_(s, m, n, OCI_KIND_U64, f, .min = 0)
#define OCI_OPT_I64(s, m, n, f) OCI_ROW_(s, m, n, OCI_KIND_OPT_I64, f, .min = 0)
#define OCI_OPT_I64_RANGE(s, m, n, lo, hi, f)                                                      \
    OCI_ROW_(s, m, n, OCI_KIND_OPT_I64, f, .min = (lo), .max = (hi))
#define OCI_OPT_U64(s, m, n, f) OCI_ROW_(s, m, n, OCI_KIND_OPT_U64, f, .min = 0)
#define OCI_OPT_U64_RANGE(s, m, n, lo, hi, f)                                                      \
    OCI_ROW_(s, m, n, OCI_KIND_OPT_U64, f, .min = (lo), .max = (hi))
#define OCI_STRING(s, m, n, f) OCI_ROW_(s, m, n, OCI_KIND_STRING, f, .min = 0)
#define OCI_ENUM(s, m, n, nm, f) OCI_ROW_(s, m, n, OCI_KIND_ENUM, f, .names = &(nm))
#define OCI_SET(s, m, n, nm, f) OCI_ROW_(s, m, n, OCI_KIND_SET, f, .names = &(nm))
#define OCI_ACCESS(s, m, n, f) OCI_ROW_(s, m, n, OCI_KIND_ACCESS, f, .min = 0)
#define OCI_COUNTED_(s, m, n, k, f, ...)                                                           \
    OCI_ROW_(s, m, n, k, f, .count_offset = offsetof(s, m##_n), __VA_ARGS__)
#define OCI_STRINGS(s, m, n, f) OCI_COUNTED_(s, m, n, OCI_KIND_STRINGS, f, .min = 0)
#define OCI_U32S(s, m, n, f) OCI_COUNTED_(s, m, n, OCI_KIND_U32S, f, .min = 0)
#define OCI_ENUMS(s, m, n, nm, f) OCI_COUNTED_(s, m, n, OCI_KIND_ENUMS, f, .names = &(nm))
#define OCI_ARRAY(s, m, n, t, f) OCI_COUNTED_(s, m, n, OCI_KIND_ARRAY, f, .table = &(t))
#define OCI_MAP(s, m, n, f) OCI_COUNTED_(s, m, n, OCI_KIND_MAP, f, .min = 0)
#define OCI_OBJECTS(s, m, n, t, f) OCI_COUNTED_(s, m, n, OCI_KIND_OBJECTS, f, .table = &(t))
#define OCI_INLINE(s, m, n, t, f) OCI_ROW_(s, m, n, OCI_KIND_INLINE, f, .table = &(t))
#define OCI_OBJECT(s, m, n, t, f) OCI_ROW_(s, m, n, OCI_KIND_OBJECT, f, .table = &(t))
#define OCI_U64S(s, m, n, f) OCI_COUNTED_(s, m, n, OCI_KIND_U64S, f, .min = 0)
#define OCI_COUNTS(s, m, n, f) OCI_COUNTED_(s, m, n, OCI_KIND_COUNTS, f, .min = 0)
#define OCI_HUNDREDTHS(s, m, n, f) OCI_ROW_(s, m, n, OCI_KIND_HUNDREDTHS, f, .min = 0)
#define OCI_END                                                                                    \
    {                                                                                              \
        .kind = OCI_KIND_END                                                                       \
    }
#define OCI_TABLE(n, s, r)                                                                         \
    {                                                                                              \
        .name = (n), .size = sizeof(s), .rows = (r)                                                \
    }

#endif

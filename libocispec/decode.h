/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The decoder's insides, shared by decode.c, value.c, seen.c and diag.c. */
#ifndef OCISPEC_DECODE_H
#define OCISPEC_DECODE_H

#include "json.h"
#include "scan.h"

enum frame_kind {
    FRAME_OBJECT,  /* described by a table */
    FRAME_ARRAY,   /* the array of a row */
    FRAME_MAP,     /* names are keys, values are strings */
    FRAME_OBJECTS, /* names are keys, values are objects */
    FRAME_SKIP,    /* an unknown object or array */
};

/* One open { or [. */
struct frame {
    enum frame_kind kind;
    bool is_array;                 /* [ rather than { */
    bool inside;                   /* stands in a member or an element, not before or behind them */
    const struct oci_table *table; /* OBJECT */
    void *object;                  /* OBJECT: being filled; else: the struct that holds the row */
    const struct oci_row *row;     /* OBJECT: of the member, NULL if unknown; else: of the whole */
    uint64_t named, present;       /* OBJECT: bit N is row N; named includes null */
    size_t next;                   /* OBJECT: row to compare first, members often come in order */
    size_t capacity;               /* of the array that grows */
    uint64_t serial;               /* tells this object from all others */
    size_t index;                  /* of the element */
    const char *name;              /* of the member, name_len bytes */
    size_t name_len;
    size_t start, name_start; /* offsets in the text */
};

/* A member name that no row knows, to find it twice. */
struct seen_name {
    uint64_t serial; /* 0: empty slot */
    const char *name;
    size_t len;
};

struct decoder {
    const char *text;
    size_t len;
    struct oci_arena *arena;
    const struct oci_table *table;
    void *out;
    oci_warn_fn *warn;
    void *warn_data;
    struct oci_diag *diag;
    struct frame frames[JSON_DEPTH_MAX];
    unsigned depth;
    uint64_t serial;
    struct seen_name *seen; /* open addressing; size is a power of two */
    size_t seen_size, seen_n;
};

/* ---- diag.c ---------------------------------------------------------------------------------- */

/** decode_fail - fill the diagnosis with the current path; always returns -1 */
int decode_fail(struct decoder *d, size_t offset, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/** decode_warn - the same for a warning */
void decode_warn(struct decoder *d, size_t offset, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/** decode_oom - the diagnosis "out of memory"; returns -1 */
int decode_oom(struct decoder *d);

/** decode_type_name - "a string", "an object" */
const char *decode_type_name(enum json_type type);

enum { QUOTE_SIZE = 96 };

/** decode_quote - text in double quotes, shortened, without control characters; returns @buf */
const char *decode_quote(char buf[QUOTE_SIZE], const char *text);

/** decode_not_a_name - the message about an unknown name, with a proposal */
void decode_not_a_name(char *buf, size_t size, const struct oci_names *names, const char *name);

/* ---- seen.c -----------------------------------------------------------------------------------
 */

/** names_seen_before - remember the name at which @frame stands
 * Returns 1 if its object had it already, 0 if not, -1 on error. */
int names_seen_before(struct decoder *d, const struct frame *frame);
void names_seen_free(struct decoder *d);

/* ---- value.c ----------------------------------------------------------------------------------
 */

/** value_store - a scalar into the member of a row */
int value_store(struct decoder *d, const struct oci_row *row, void *object,
                const struct json_event *event);

/** value_append - a scalar behind the array of a row */
int value_append(struct decoder *d, struct frame *frame, const struct json_event *event);

/** value_append_pair - a string into a map */
int value_append_pair(struct decoder *d, struct frame *frame, const struct json_event *event);

/** value_grow - room for one more element of @size bytes and a zero one behind it; its address */
void *value_grow(struct decoder *d, struct frame *frame, size_t size);

/** value_check_text - encoding, NUL, line feed and so on, of any string or name */
int value_check_text(struct decoder *d, const struct json_event *event);

/** value_string - a copy in the arena, or NULL with the diagnosis filled */
char *value_string(struct decoder *d, const char *text, size_t len);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* JSON as events, and events as JSON: the only place that knows the JSON library. Internal. */
#ifndef OCISPEC_JSON_H
#define OCISPEC_JSON_H

#include "ocispec.h"

enum json_type {
    JSON_NULL,
    JSON_BOOL,
    JSON_NUMBER,
    JSON_STRING,
    JSON_OBJECT,
    JSON_ARRAY,
    JSON_KEY,
    JSON_OBJECT_END,
    JSON_ARRAY_END,
};

struct json_event {
    enum json_type type;
    bool boolean;      /* JSON_BOOL */
    bool escaped;      /* STRING, KEY: had escapes, so that @text is a copy that soon vanishes */
    const char *text;  /* STRING, KEY: decoded; NUMBER: as written; not terminated */
    size_t len;        /* of @text */
    size_t start, end; /* offsets in the document: first byte, behind the last byte */
};

/* Returns 0 to go on, -1 to stop. */
typedef int json_fn(void *data, const struct json_event *event);

enum json_result { JSON_DONE, JSON_STOPPED, JSON_SYNTAX };

/**
 * json_parse - call @fn for each event of a document
 * @error, @size: on JSON_SYNTAX, what the JSON library says
 * UTF-8 is not checked here. Returns JSON_STOPPED if @fn stopped.
 */
enum json_result json_parse(const char *text, size_t len, json_fn *fn, void *data, char *error,
                            size_t size);

struct json_writer;

struct json_writer *json_writer_new(enum oci_style style);
void json_open_object(struct json_writer *writer);
void json_close_object(struct json_writer *writer);
void json_open_array(struct json_writer *writer);
void json_close_array(struct json_writer *writer);
void json_string(struct json_writer *writer, const char *text); /* also a member's name */
void json_bool(struct json_writer *writer, bool value);
void json_i64(struct json_writer *writer, int64_t value);
void json_u64(struct json_writer *writer, uint64_t value);
/** json_hundredths - @value / 100 with two decimals */
void json_hundredths(struct json_writer *writer, uint32_t value);
void json_null(struct json_writer *writer);

/** json_writer_finish - the text (free() it) or NULL if anything failed; the writer is gone */
char *json_writer_finish(struct json_writer *writer, size_t *len);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libocispec: OCI documents in, C structs out, and back.
 *
 * Each JSON object is described by a table of rows (rows.h): member name, C type, offset, whether
 * it is required, its range or its names, the table of the object below. One walker decodes, one
 * encodes, one prints the JSON Schema; all three read the same rows. The library knows nothing of
 * Linux and touches no file.
 */
#ifndef OCISPEC_H
#define OCISPEC_H

#include "arena.h"
#include "rows.h"
#include "types.h"

/* The tables of the documents. */
extern const struct oci_table oci_config_table; /* struct oci_config */
/* The same without what the host side alone carries out (cgroups, seccomp, network devices): a
 * program inside the container skips it. */
extern const struct oci_table oci_config_inside_table;
extern const struct oci_table oci_process_table;   /* struct oci_process: exec --process */
extern const struct oci_table oci_resources_table; /* struct oci_resources: update --resources */
extern const struct oci_table oci_hooks_table;     /* struct oci_hooks */
extern const struct oci_table oci_state_table;     /* struct oci_state */
extern const struct oci_table oci_features_table;  /* struct oci_features */

/* Names of the enums; see struct oci_names in rows.h. */
extern const struct oci_names oci_namespace_names;
extern const struct oci_names oci_capability_names; /* value: the kernel's number */
extern const struct oci_names oci_rlimit_names;
extern const struct oci_names oci_status_names;
extern const struct oci_names oci_sched_policy_names;
extern const struct oci_names oci_sched_flag_names;
extern const struct oci_names oci_seccomp_action_names;
extern const struct oci_names oci_seccomp_op_names;
extern const struct oci_names oci_seccomp_arch_names;
extern const struct oci_names oci_seccomp_flag_names;
extern const struct oci_names oci_mpol_mode_names;
extern const struct oci_names oci_mpol_flag_names;
extern const struct oci_names oci_hook_kind_names; /* prestart … poststop, values 0..5 */

/*
 * Where and why a document is refused. The parts are apart so that the caller decides on the
 * wording around them; oci_diag_format() gives the usual "FILE:LINE:COLUMN: PATH: MESSAGE".
 */
struct oci_diag {
    unsigned line, column; /* from 1; 0: not known */
    char path[256];        /* "linux.namespaces[2].type"; "" for the document itself */
    char message[512];     /* what was found and what is allowed; lower case, no period */
};

/**
 * oci_warn_fn - called for what is odd but accepted (an unknown capability)
 * @data: as given to oci_decode()
 * @diag: place and text; valid during the call only
 */
typedef void oci_warn_fn(void *data, const struct oci_diag *diag);

/**
 * oci_decode - decode a JSON document into the struct that @table describes
 * @table: the document's table
 * @out:   the struct, zeroed by this function; strings and arrays inside point into @arena
 * @text:  the document, @len bytes; need not be terminated
 * @arena: owns everything that is decoded
 * @warn:  NULL, or called for each warning with @data
 * @diag:  filled on failure
 *
 * null equals absent. Unknown members are skipped (their syntax, nesting, duplicate names and UTF-8
 * are still checked). Errors: wrong type, unknown enum value, number out of range or not integral,
 * missing required member, duplicate member name, NUL in a string, invalid UTF-8, nesting beyond
 * 64, text after the document, and the flags of rows.h.
 *
 * Returns 0, or -1 with @diag filled (also when memory is exhausted).
 */
int oci_decode(const struct oci_table *table, void *out, const char *text, size_t len,
               struct oci_arena *arena, oci_warn_fn *warn, void *data, struct oci_diag *diag);

/* How oci_encode() lays out its text. */
enum oci_style {
    OCI_STYLE_COMPACT, /* one line, no newline at the end */
    OCI_STYLE_SPACES,  /* two spaces a level, newline at the end: state, features */
    OCI_STYLE_TABS,    /* one tab a level, newline at the end: config.json */
};

/**
 * oci_encode - write a struct as JSON
 * @table:  its table
 * @object: the struct
 * @style:  layout
 * @len:    NULL, or set to the length without the terminating NUL
 *
 * Members that are absent are left out; rows flagged OCI_EMIT_ZERO are always written.
 * Returns the text (free() it), or NULL when memory is exhausted.
 */
char *oci_encode(const struct oci_table *table, const void *object, enum oci_style style,
                 size_t *len);

/**
 * oci_encode_array - the same for an array of @n structs, each described by @table
 * @objects: array of structs (table->size apart)
 */
char *oci_encode_array(const struct oci_table *table, const void *objects, size_t n,
                       enum oci_style style, size_t *len);

/**
 * oci_utf8_length - the length of the UTF-8 character (RFC 3629: no overlong forms, no surrogates)
 * at @text, which has @len > 0 bytes; 0 if it is none
 */
size_t oci_utf8_length(const char *text, size_t len);

/**
 * oci_is_utf8 - whether a text is UTF-8 throughout. What is encoded has to be: nothing else would
 * be decoded again.
 */
bool oci_is_utf8(const char *text, size_t len);

/**
 * oci_schema - the JSON Schema (draft 2020-12) of the document that @table describes
 * Returns the text (free() it), or NULL when memory is exhausted.
 */
char *oci_schema(const struct oci_table *table);

/**
 * oci_locate - line and column of a member, for errors that are found after decoding
 * @path: as in struct oci_diag: "linux.namespaces[2].path"
 * When the member itself is absent, its nearest ancestor that exists is located.
 * Returns 0, or -1 if the text cannot be read.
 */
int oci_locate(const char *text, size_t len, const char *path, unsigned *line, unsigned *column);

/**
 * oci_diag_format - "FILE:LINE:COLUMN: PATH: MESSAGE" (parts that are not known left out)
 */
void oci_diag_format(const struct oci_diag *diag, const char *file, char *buf, size_t size);

/**
 * oci_name_value - the value of @name, or -1; exact comparison
 * oci_name_of    - the first name that has @value, or NULL
 * oci_name_nearest - the name closest to @name by edits, or NULL when none is close enough to help
 */
int oci_name_value(const struct oci_names *names, const char *name);
const char *oci_name_of(const struct oci_names *names, int value);
const char *oci_name_nearest(const struct oci_names *names, const char *name);

/**
 * oci_default_config - the configuration that `spec` writes
 * @arena:    owns it
 * @rootless: for an ordinary user: a user namespace with one mapping, no network namespace
 * @uid, @gid: the caller's ids, mapped to 0 when @rootless
 * The result runs as it is on a tree with a shell (terminal: true, args ["sh"]).
 * Returns NULL when memory is exhausted.
 */
struct oci_config *oci_default_config(struct oci_arena *arena, bool rootless, uint32_t uid,
                                      uint32_t gid);

/**
 * oci_annotation - the value of an annotation, or NULL
 */
const char *oci_annotation(const struct oci_config *config, const char *key);

#endif

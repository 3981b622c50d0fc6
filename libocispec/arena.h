/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Memory that is freed all at once. Not thread safe. */
#ifndef OCISPEC_ARENA_H
#define OCISPEC_ARENA_H

#include <stddef.h>

struct oci_arena;

/** oci_arena_new - an empty arena, or NULL; free it with oci_arena_free() */
struct oci_arena *oci_arena_new(void);

/** oci_arena_free - frees everything that was allocated from it; NULL is allowed */
void oci_arena_free(struct oci_arena *arena);

/** oci_alloc - @size zeroed bytes, aligned for any type, or NULL when memory is exhausted */
void *oci_alloc(struct oci_arena *arena, size_t size);

/** oci_strdup - a copy of @text (@len bytes) with a terminating NUL, or NULL */
char *oci_strndup(struct oci_arena *arena, const char *text, size_t len);
char *oci_strdup(struct oci_arena *arena, const char *text);

/** oci_printf - formatted text in the arena, or NULL */
char *oci_printf(struct oci_arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif

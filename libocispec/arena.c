/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * A list of blocks, newest first; an allocation takes the next bytes of the newest block. What is
 * handed out is zeroed then, and not the whole block before: its end may never be touched. A block
 * holds 16 kB: an engine's config.json needs two or three. What does not fit gets a block of its
 * own.
 */
#include "arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_SIZE = 16 * 1024 };

struct block {
    struct block *next;
    size_t size, used; /* of bytes */
    alignas(max_align_t) char bytes[];
};

struct oci_arena {
    struct block *blocks;
};

struct oci_arena *oci_arena_new(void)
{
    return calloc(1, sizeof(struct oci_arena));
}

void oci_arena_free(struct oci_arena *arena)
{
    struct block *block;

    if (!arena)
        return;
    while ((block = arena->blocks)) {
        arena->blocks = block->next;
        free(block);
    }
    free(arena);
}

static struct block *block_new(struct oci_arena *arena, size_t size)
{
    size_t total = size > BLOCK_SIZE / 4 ? size : BLOCK_SIZE;
    struct block *block = malloc(sizeof(*block) + total);

    if (!block)
        return NULL;
    block->size = total;
    block->used = 0;
    /* A large one goes behind the newest, which may have room left. */
    if (total == size && arena->blocks) {
        block->next = arena->blocks->next;
        arena->blocks->next = block;
    } else {
        block->next = arena->blocks;
        arena->blocks = block;
    }
    return block;
}

void *oci_alloc(struct oci_arena *arena, size_t size)
{
    const size_t align = alignof(max_align_t);
    struct block *block = arena->blocks;
    void *bytes;

    if (size > SIZE_MAX / 2)
        return NULL;
    size = size ? (size + align - 1) / align * align : align;
    if (!block || block->size - block->used < size) {
        block = block_new(arena, size);
        if (!block)
            return NULL;
    }
    bytes = block->bytes + block->used;
    block->used += size;
    return memset(bytes, 0, size);
}

char *oci_strndup(struct oci_arena *arena, const char *text, size_t len)
{
    char *copy = oci_alloc(arena, len + 1);

    if (copy && len)
        memcpy(copy, text, len);
    return copy;
}

char *oci_strdup(struct oci_arena *arena, const char *text)
{
    return oci_strndup(arena, text, strlen(text));
}

char *oci_printf(struct oci_arena *arena, const char *format, ...)
{
    char buf[256]; /* most are short, and formatting twice costs */
    va_list args;
    char *text;
    int len;

    va_start(args, format);
    len = vsnprintf(buf, sizeof buf, format, args);
    va_end(args);
    if (len < 0)
        return NULL;
    if ((size_t)len < sizeof buf)
        return oci_strndup(arena, buf, (size_t)len);
    text = oci_alloc(arena, (size_t)len + 1);
    if (!text)
        return NULL;
    va_start(args, format);
    vsnprintf(text, (size_t)len + 1, format, args);
    va_end(args);
    return text;
}

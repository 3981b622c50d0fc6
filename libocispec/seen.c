/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * Duplicates among names that have no row: keys of maps, unknown members, members of unknown
 * objects. One hash table with open addressing serves the whole document; each object has a serial
 * number, which is part of the key. So a document of any shape costs time in proportion to its
 * length.
 */
#include "decode.h"

#include <stdlib.h>
#include <string.h>

/* FNV-1a, begun with an address, which differs from run to run. */
static size_t name_hash(const struct decoder *d, uint64_t serial, const char *name, size_t len)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ serial ^ (uintptr_t)d << 16;

    for (size_t i = 0; i < len; i++)
        hash = (hash ^ (unsigned char)name[i]) * UINT64_C(0x100000001b3);
    return (size_t)(hash ^ hash >> 32);
}

static struct seen_name *seen_slot(const struct decoder *d, uint64_t serial, const char *name,
                                   size_t len)
{
    size_t i = name_hash(d, serial, name, len);

    for (;; i++) {
        struct seen_name *slot = &d->seen[i & (d->seen_size - 1)];

        if (!slot->serial ||
            (slot->serial == serial && slot->len == len && memcmp(slot->name, name, len) == 0))
            return slot;
    }
}

static int seen_grow(struct decoder *d)
{
    struct seen_name *old = d->seen;
    size_t old_size = d->seen_size;

    d->seen_size = old_size ? old_size * 2 : 64;
    d->seen = calloc(d->seen_size, sizeof(*d->seen));
    if (!d->seen) {
        d->seen = old;
        d->seen_size = old_size;
        return decode_oom(d);
    }
    for (size_t i = 0; i < old_size; i++)
        if (old[i].serial)
            *seen_slot(d, old[i].serial, old[i].name, old[i].len) = old[i];
    free(old);
    return 0;
}

int names_seen_before(struct decoder *d, const struct frame *frame)
{
    struct seen_name *slot;

    if (d->seen_n * 2 >= d->seen_size && seen_grow(d) < 0)
        return -1;
    slot = seen_slot(d, frame->serial, frame->name, frame->name_len);
    if (slot->serial)
        return 1;
    *slot = (struct seen_name){frame->serial, frame->name, frame->name_len};
    d->seen_n++;
    return 0;
}

void names_seen_free(struct decoder *d)
{
    free(d->seen);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The small parsers of text that comes from the kernel, the command line or a container's files.
 * The first byte says which; the rest is the text.
 */
#include "base/mount.h"
#include "base/proc.h"
#include "cgroup/internal.h"
#include "cgroup/stats.h"
#include "init/init.h"

#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Cut @text at each @separator. Returns how many words there are. */
static size_t split(char *text, char separator, const char *words[static WORDS_MAX + 1])
{
    size_t n = 0;

    for (char *p = text; p && n < WORDS_MAX; n++) {
        words[n] = p;
        p = strchr(p, separator);
        if (p)
            *p++ = '\0';
    }
    words[n] = NULL;
    return n;
}

static void options(char *text, struct oci_arena *arena)
{
    const char *words[WORDS_MAX + 1];
    struct mount_options out;
    struct err err = ERR_INIT;
    size_t n = split(text, ',', words);

    mount_options_parse(words, n, arena, &out, &err);
}

static void machine(char *text, struct oci_arena *arena)
{
    const char *halves[WORDS_MAX + 1];
    struct cgroup_machine machine = {.list = NULL};
    struct cgroup_record record = {.places = NULL};
    struct err err = ERR_INIT;
    size_t n = split(text, '\f', halves);

    if (cgroup_machine_parse(halves[0], n > 1 ? halves[1] : "", arena, &machine, &err) == 0)
        cgroup_plan_on(&machine, n > 2 ? halves[2] : NULL, "id", arena, &record, &err);
}

static void statistics(char *text, struct oci_arena *arena)
{
    static const char *const keys[] = {" rbytes=", "Read", " wbytes=", "Write", NULL};
    struct cgroup_pressure pressure;
    struct cgroup_io_entry *io;
    struct oci_count *counts;
    uint32_t *list;
    size_t n;

    cgroup_parse_pressure(text, &pressure);
    cgroup_parse_flat(text, arena, &counts, &n);
    cgroup_parse_list(text, arena, &list, &n);
    cgroup_parse_io(text, keys, arena, &io, &n);
    cgroup_parse_blkio(text, arena, &io, &n);
}

/* HOME of a user, from a passwd file that the container wrote. */
static void home(const char *text, size_t size)
{
    size_t len = 0;
    const char *found = lookup_home(text, size, 1000, &len);

    if (found && (found < text || found + len > text + size))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct oci_arena *arena = oci_arena_new();
    char *text, name[24];

    if (!arena || size == 0) {
        oci_arena_free(arena);
        return 0;
    }
    /* Of its exact size, so that the sanitizer sees who reads beyond it. */
    text = malloc(size);
    if (!text)
        abort();
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    switch (data[0] % 5) {
    case 0:
        options(text, arena);
        break;
    case 1:
        machine(text, arena);
        break;
    case 2:
        statistics(text, arena);
        break;
    case 3:
        home(text, size - 1);
        break;
    default:
        proc_signal_name(proc_signal_number(text), name);
    }
    free(text);
    oci_arena_free(arena);
    return 0;
}

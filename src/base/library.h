/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Libraries that are opened when something of theirs is first asked for.
 *
 * Most commands need none of them, and mapping one costs a good part of a whole `state`.
 */
#ifndef BASE_LIBRARY_H
#define BASE_LIBRARY_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

/** A function of the library, and where the pointer to it belongs in the caller's table. */
struct library_symbol {
    size_t offset;
    const char *name;
};

/**
 * LIBRARY_NOTE - tells package tools about a dependency that ld.so does not see
 *
 * An ELF note (UAPI specification ELF_DLOPEN_METADATA) is three words, the owner padded to four
 * bytes, and a text padded likewise. All are string literals; @priority is "required",
 * "recommended" or "suggested". To be used once in a file, where definitions stand.
 */
#define LIBRARY_NOTE(soname, feature, description, priority)                                       \
    LIBRARY_NOTE_TEXT("[{\"soname\":[\"" soname "\"],\"feature\":\"" feature                       \
                      "\",\"description\":\"" description "\",\"priority\":\"" priority "\"}]")

#define LIBRARY_NOTE_TEXT(content)                                                                 \
    static const struct {                                                                          \
        uint32_t owner_size, text_size, type;                                                      \
        char owner[sizeof "FDO"];                                                                  \
        char text[(sizeof(content) + 3) / 4 * 4];                                                  \
    } library_note __attribute__((used, section(".note.dlopen"), aligned(4))) = {                  \
        sizeof "FDO", sizeof(content), 0x407c0c0a, "FDO", content}

/**
 * library_open - open a library for the life of the process and fill a table of its functions
 * @soname: for example "libseccomp.so.2"
 * @what: what needs it, for messages: "seccomp"
 * @symbols, @n: the functions
 * @table: the caller's table; written only if every function is there
 * @path: NULL, or where the name of the file that was found goes; valid as long as the process
 *
 * Returns 0, or -1 with @err: no such library (with a hint), or it lacks a function.
 */
int library_open(const char *soname, const char *what, const struct library_symbol *symbols,
                 size_t n, void *table, const char **path, struct err *err);

#endif

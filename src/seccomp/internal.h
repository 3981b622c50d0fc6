/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the files of this room share: profile → rules (resolve.c, compile.c) → sorted ranges
 * (ranges.c) → instructions (emit.c). Everything in between lives in one arena.
 */
#ifndef SECCOMP_INTERNAL_H
#define SECCOMP_INTERNAL_H

#include "base/err.h"
#include "libocispec/ocispec.h"
#include "seccomp/seccomp.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SECCOMP_ARGS = 6,
    SECCOMP_TARGETS = 2, /* a name stands for at most a direct call and a multiplexed one */
    SECCOMP_X32_BIT = 0x40000000,
    SECCOMP_ARM_PRIVATE = 0x0f0000, /* ARM: cacheflush, set_tls, … start here */
};

/* ---- library.c ------------------------------------------------------------------------------- */

struct scmp_version;

/* The functions of libseccomp that are used. */
struct seccomp_library {
    const struct scmp_version *(*version)(void);
    int (*resolve_name)(uint32_t arch, const char *name); /* -1: unknown; < -1: pseudo number */
    char *(*resolve_number)(uint32_t arch, int number);   /* malloc'ed, or NULL */
};

/** seccomp_library - the table, loading libseccomp if need be; NULL with @err filled */
const struct seccomp_library *seccomp_library(struct err *err);

/** seccomp_library_path - the file that was loaded; "" when linked in; NULL before it is loaded */
const char *seccomp_library_path(void);

/* ---- resolve.c ------------------------------------------------------------------------------- */

/* What the kernel calls one architecture, and what it means for a filter. */
struct seccomp_arch {
    enum oci_seccomp_arch id;
    uint32_t token; /* libseccomp's: AUDIT_ARCH_*, x32 has one of its own */
    uint32_t audit; /* seccomp_data.arch */
    bool narrow;    /* 32-bit arguments: libseccomp compares their low halves only */
};

/* A system call as the kernel sees it. */
struct seccomp_target {
    uint32_t number;
    bool multiplexed; /* socketcall(2), ipc(2): ... */
    uint32_t call;    /* ... with this first argument */
};

/* Names behind socketcall(2) and ipc(2) of one architecture, found when first asked for. */
struct seccomp_multiplexers {
    bool known;
    int socketcall, ipc;       /* numbers, negative: there is none */
    int sockets[32], ipcs[32]; /* direct call for each sub-call, -1: there is none */
};

/** seccomp_native_arch - the machine that this program was built for */
const struct seccomp_arch *seccomp_native_arch(void);

/** seccomp_find_arch - by the specification's value; NULL: cannot occur under this kernel */
const struct seccomp_arch *seccomp_find_arch(uint32_t id);

/**
 * seccomp_resolve - the system calls that @name stands for
 * @mux: zeroed before the first call for @arch
 * Returns how many of @targets were filled: 0 when @arch has no such call; -1 when no architecture
 * has.
 */
int seccomp_resolve(const struct seccomp_library *library, const struct seccomp_arch *arch,
                    struct seccomp_multiplexers *mux, const char *name,
                    struct seccomp_target targets[SECCOMP_TARGETS]);

/* ---- compile.c ------------------------------------------------------------------------------- */

struct seccomp_compare {
    uint32_t index;
    enum oci_seccomp_op op;
    uint64_t value, mask; /* MASKED_EQ: (argument & mask) == value */
};

/* All comparisons hold: action. */
struct seccomp_alternative {
    uint32_t action;
    uint32_t compares_n;
    struct seccomp_compare compares[SECCOMP_ARGS];
};

/* What happens to a system call: the first alternative that holds, else the action. */
struct seccomp_leaf {
    uint32_t action;
    bool narrow;
    struct seccomp_alternative *alternatives;
    size_t alternatives_n;
    int label; /* emit.c: where its code is, -1: nowhere yet */
};

/* Numbers from @first up to the next range's first. */
struct seccomp_range {
    uint32_t first;
    struct seccomp_leaf *leaf;
};

/* All numbers of one seccomp_data.arch. */
struct seccomp_section {
    uint32_t audit;
    struct seccomp_range *ranges; /* sorted; the first begins at 0 */
    size_t ranges_n;
};

/* One rule for one system call. */
struct seccomp_entry {
    uint32_t number;
    size_t order; /* position in the profile */
    struct seccomp_alternative what;
};

/* What is being built for one architecture. */
struct seccomp_table {
    const struct oci_seccomp *profile;
    const struct seccomp_library *library;
    const struct seccomp_arch *arch;
    struct seccomp_multiplexers mux;
    struct oci_arena *arena;
    uint32_t default_action;
    bool any_named;
    uint32_t newest; /* number of the newest call that is named; meaningless without any_named */
    struct seccomp_entry *entries;
    size_t entries_n, entries_size;
    struct seccomp_range *ranges;
    size_t ranges_n, ranges_size;
};

/** seccomp_no_memory - fill @err; returns -1 */
int seccomp_no_memory(struct err *err);

/** seccomp_is_private - whether @number is one of ARM's own calls, far above the others */
bool seccomp_is_private(const struct seccomp_arch *arch, uint32_t number);

/* ---- ranges.c -------------------------------------------------------------------------------- */

/** seccomp_range_add - numbers from @first on mean @leaf, until the next call says otherwise */
int seccomp_range_add(struct seccomp_table *table, uint32_t first, const struct seccomp_leaf *leaf,
                      struct err *err);

/** seccomp_ranges - sort .entries and add the ranges that they make from number @start on */
int seccomp_ranges(struct seccomp_table *table, uint32_t start, struct err *err);

/* ---- check.c --------------------------------------------------------------------------------- */

/** seccomp_action - SECCOMP_RET_* value with its data; EPERM where no errno is given */
uint32_t seccomp_action(enum oci_seccomp_action action, struct oci_opt_u64 errno_ret);

/** seccomp_profile_flags - flags for seccomp(2) */
uint32_t seccomp_profile_flags(const struct oci_seccomp *profile);

/* ---- emit.c ---------------------------------------------------------------------------------- */

/**
 * seccomp_emit - turn sections into a program; other architectures kill the thread
 * @sections: in the order in which they are tried
 */
int seccomp_emit(const struct seccomp_section *sections, size_t n, struct seccomp_program *out,
                 struct err *err);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * seccomp profile in, BPF program out. Runs on the host side; init only loads the finished program.
 *
 * libseccomp resolves syscall names (and pseudo-syscalls such as those behind socketcall); the
 * program is generated here: a balanced tree over merged ranges of syscall numbers per
 * architecture. Compiled programs are cached.
 */
#ifndef SECCOMP_SECCOMP_H
#define SECCOMP_SECCOMP_H

#include "base/err.h"
#include "libocispec/ocispec.h"

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct seccomp_program {
    struct sock_filter *filter; /* malloc'ed */
    size_t n;
    uint32_t flags; /* for seccomp(2) */
};

/** seccomp_available - whether this build and machine can compile a profile (libseccomp found) */
bool seccomp_available(struct err *err);

/** seccomp_library_version - "2.5.4", or NULL; loads libseccomp; static storage */
const char *seccomp_library_version(void);

/** seccomp_kernel_flags - SECCOMP_FILTER_FLAG_* that the running kernel accepts */
uint32_t seccomp_kernel_flags(void);

/**
 * seccomp_check - rules over several members, before any side effect
 * errnoRet with an action that takes none (or beyond 65535, which the kernel would cut), NOTIFY
 * (not supported yet), listenerMetadata without listenerPath, flags the kernel lacks. Any profile
 * is refused by a build without seccomp. err->object is the JSON path. Does not need libseccomp.
 * Source: runtime-spec config-linux.md#seccomp.
 */
int seccomp_check(const struct oci_seccomp *profile, struct err *err);

/**
 * seccomp_compile - compile a profile
 * @fail_unknown: an unknown syscall name is an error (annotation
 * run.oci.seccomp_fail_unknown_syscall)
 * @out: emptied on failure; free it with seccomp_program_clear()
 * Calls seccomp_check(). Syscalls newer than the newest one that the profile names give ENOSYS, per
 * architecture, when the default action refuses (ERRNO, TRAP, KILL*): see compile.c. Without flags
 * in the profile, out->flags is SPEC_ALLOW where the kernel knows it. E2BIG: more than 4096
 * instructions.
 */
int seccomp_compile(const struct oci_seccomp *profile, bool fail_unknown,
                    struct seccomp_program *out, struct err *err);

/**
 * seccomp_load_cached - seccomp_compile() through the cache
 * @cache: directory fd of the runtime's private cache directory ("<root>/.cache"), or -1. Ignored
 *         unless it is ours and its mode 0700. Holds at most 64 files called seccomp-*. A hit does
 *         not load libseccomp.
 * Returns a sealed memfd that holds the program (n * 8 bytes), or -1; @n and @flags filled.
 */
int seccomp_load_cached(const struct oci_seccomp *profile, bool fail_unknown, int cache,
                        uint32_t *n, uint32_t *flags, struct err *err);

/** seccomp_program_clear - free what seccomp_compile() made; an empty program is allowed */
void seccomp_program_clear(struct seccomp_program *program);

#endif

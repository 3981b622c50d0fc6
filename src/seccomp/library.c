/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libseccomp behind one table of function pointers.
 *
 * Only the compilation of a profile that is not in the cache needs it, and mapping it costs a good
 * part of a whole `state`: so it is opened when first asked for (base/library.h). A static build
 * has the functions at link time; a build without seccomp has an empty table.
 */
#include "seccomp/internal.h"

#include "base/util.h"

#ifndef DISABLE_SECCOMP

#include "base/library.h"

#include <seccomp.h>
#include <stddef.h>
#include <stdio.h>

static struct seccomp_library library;
static const char *library_path;

#ifdef STATIC_BUILD

static const struct seccomp_library linked = {
    .version = seccomp_version,
    .resolve_name = seccomp_syscall_resolve_name_arch,
    .resolve_number = seccomp_syscall_resolve_num_arch,
};

static int load(struct err *err)
{
    (void)err;
    library = linked;
    library_path = "";
    return 0;
}

#else

#define LIBRARY_SONAME "libseccomp.so.2"

LIBRARY_NOTE(LIBRARY_SONAME, "seccomp", "Support for seccomp filters", "recommended");

static const struct library_symbol symbols[] = {
    {offsetof(struct seccomp_library, version), "seccomp_version"},
    {offsetof(struct seccomp_library, resolve_name), "seccomp_syscall_resolve_name_arch"},
    {offsetof(struct seccomp_library, resolve_number), "seccomp_syscall_resolve_num_arch"},
};

static int load(struct err *err)
{
    return library_open(LIBRARY_SONAME, "seccomp needs libseccomp", symbols, ARRAY_SIZE(symbols),
                        &library, &library_path, err);
}

#endif

const struct seccomp_library *seccomp_library(struct err *err)
{
    if (!library.version && load(err) < 0)
        return NULL;
    return &library;
}

const char *seccomp_library_path(void)
{
    return library_path;
}

bool seccomp_available(struct err *err)
{
    return seccomp_library(err) != NULL;
}

const char *seccomp_library_version(void)
{
    static char text[32];
    struct err ignored = ERR_INIT;
    const struct seccomp_library *found = seccomp_library(&ignored);

    if (!found)
        return NULL;

    const struct scmp_version *version = found->version();

    snprintf(text, sizeof text, "%u.%u.%u", version->major, version->minor, version->micro);
    return text;
}

#else

const struct seccomp_library *seccomp_library(struct err *err)
{
    err_set(err, 0, "seccomp: this program was built without it");
    return NULL;
}

const char *seccomp_library_path(void)
{
    return NULL;
}

bool seccomp_available(struct err *err)
{
    return seccomp_library(err) != NULL;
}

const char *seccomp_library_version(void)
{
    return NULL;
}

#endif

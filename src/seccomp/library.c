/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libseccomp behind one table of function pointers.
 *
 * Only the compilation of a profile that is not in the cache needs it, and mapping it costs a good
 * part of a whole `state`: so it is opened by dlopen when first asked for. The note below tells
 * package tools about the dependency that ld.so does not see (ELF .note.dlopen). A static build has
 * the functions at link time; a build without seccomp has an empty table.
 */
#include "seccomp/internal.h"

#ifndef DISABLE_SECCOMP

#include <dlfcn.h>
#include <link.h>
#include <seccomp.h>
#include <stdio.h>

#define LIBRARY_SONAME "libseccomp.so.2"

static struct seccomp_library library;
static const char *library_path;

#ifdef STATIC_BUILD

static const struct seccomp_library linked = {
    .version = seccomp_version,
    .resolve_name = seccomp_syscall_resolve_name_arch,
    .resolve_number = seccomp_syscall_resolve_num_arch,
};

static int library_open(struct err *err)
{
    (void)err;
    library = linked;
    library_path = "";
    return 0;
}

#else

#define NOTE_OWNER "FDO"
#define NOTE_TYPE 0x407c0c0a
#define NOTE_TEXT                                                                                  \
    "[{\"soname\":[\"" LIBRARY_SONAME "\"],\"feature\":\"seccomp\","                               \
    "\"description\":\"Support for seccomp filters\",\"priority\":\"recommended\"}]"

/* An ELF note is three words, the owner padded to four bytes, and the text padded likewise. */
static const struct {
    uint32_t owner_size, text_size, type;
    char owner[sizeof NOTE_OWNER];
    char text[(sizeof NOTE_TEXT + 3) / 4 * 4];
} dlopen_note __attribute__((used, section(".note.dlopen"), aligned(4))) = {
    sizeof NOTE_OWNER, sizeof NOTE_TEXT, NOTE_TYPE, NOTE_OWNER, NOTE_TEXT,
};

static int library_open(struct err *err)
{
    struct seccomp_library found = {0};
    struct link_map *map;
    void *handle = dlopen(LIBRARY_SONAME, RTLD_NOW | RTLD_NODELETE);

    if (!handle) {
        err_set(err, 0, "seccomp needs libseccomp: %s", dlerror());
        return err_hint(err, "install libseccomp (%s)", LIBRARY_SONAME);
    }
    /* POSIX lets a data pointer from dlsym be read as a function pointer, ISO C does not. */
    *(void **)&found.version = dlsym(handle, "seccomp_version");
    *(void **)&found.resolve_name = dlsym(handle, "seccomp_syscall_resolve_name_arch");
    *(void **)&found.resolve_number = dlsym(handle, "seccomp_syscall_resolve_num_arch");
    if (!found.version || !found.resolve_name || !found.resolve_number) {
        dlclose(handle);
        return err_set(err, 0, "seccomp needs libseccomp: %s lacks a function", LIBRARY_SONAME);
    }
    library_path = dlinfo(handle, RTLD_DI_LINKMAP, &map) == 0 ? map->l_name : LIBRARY_SONAME;
    library = found;
    return 0; /* stays open for the life of the process */
}

#endif

const struct seccomp_library *seccomp_library(struct err *err)
{
    if (!library.version && library_open(err) < 0)
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

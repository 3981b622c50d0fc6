/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * sd-bus behind one table of function pointers.
 *
 * Only create, run, update and delete with the systemd driver talk to a manager, so libsystemd is
 * opened by dlopen when one of them does. The note below tells package tools about the dependency
 * that ld.so does not see (ELF .note.dlopen). A build without systemd has an empty table.
 */
#include "cgroup/systemd_library.h"

#if !defined DISABLE_SYSTEMD && !defined STATIC_BUILD

#include <dlfcn.h>
#include <stddef.h>

#define LIBRARY_SONAME "libsystemd.so.0"

#define NOTE_OWNER "FDO"
#define NOTE_TYPE 0x407c0c0a
#define NOTE_TEXT                                                                                  \
    "[{\"soname\":[\"" LIBRARY_SONAME "\"],\"feature\":\"systemd\","                               \
    "\"description\":\"Support for the systemd cgroup driver\",\"priority\":\"suggested\"}]"

/* An ELF note is three words, the owner padded to four bytes, and the text padded likewise. */
static const struct {
    uint32_t owner_size, text_size, type;
    char owner[sizeof NOTE_OWNER];
    char text[(sizeof NOTE_TEXT + 3) / 4 * 4];
} dlopen_note __attribute__((used, section(".note.dlopen"), aligned(4))) = {
    sizeof NOTE_OWNER, sizeof NOTE_TEXT, NOTE_TYPE, NOTE_OWNER, NOTE_TEXT,
};

static struct systemd_library library;

#define SYMBOL(member, function)                                                                   \
    {                                                                                              \
        offsetof(struct systemd_library, member), #function                                        \
    }

static const struct {
    size_t offset;
    const char *name;
} symbols[] = {
    SYMBOL(bus_new, sd_bus_new),
    SYMBOL(set_address, sd_bus_set_address),
    SYMBOL(set_bus_client, sd_bus_set_bus_client),
    SYMBOL(start, sd_bus_start),
    SYMBOL(is_ready, sd_bus_is_ready),
    SYMBOL(get_fd, sd_bus_get_fd),
    SYMBOL(close, sd_bus_close),
    SYMBOL(unref, sd_bus_unref),
    SYMBOL(call, sd_bus_call),
    SYMBOL(process, sd_bus_process),
    SYMBOL(wait, sd_bus_wait),
    SYMBOL(add_match, sd_bus_add_match),
    SYMBOL(error_free, sd_bus_error_free),
    SYMBOL(new_method_call, sd_bus_message_new_method_call),
    SYMBOL(message_unref, sd_bus_message_unref),
    SYMBOL(append_basic, sd_bus_message_append_basic),
    SYMBOL(open_container, sd_bus_message_open_container),
    SYMBOL(close_container, sd_bus_message_close_container),
    SYMBOL(read_basic, sd_bus_message_read_basic),
    SYMBOL(enter_container, sd_bus_message_enter_container),
    SYMBOL(exit_container, sd_bus_message_exit_container),
    SYMBOL(message_copy, sd_bus_message_copy),
};

const struct systemd_library *systemd_library(struct err *err)
{
    struct systemd_library found = {0};
    void *handle;

    if (library.bus_new)
        return &library;
    handle = dlopen(LIBRARY_SONAME, RTLD_NOW | RTLD_NODELETE);
    if (!handle) {
        err_set(err, 0, "the systemd cgroup driver needs libsystemd: %s", dlerror());
        err_hint(err, "install libsystemd (%s)", LIBRARY_SONAME);
        return NULL;
    }
    /* POSIX lets a data pointer from dlsym be read as a function pointer, ISO C does not. */
    for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++) {
        void *symbol = dlsym(handle, symbols[i].name);

        if (!symbol) {
            dlclose(handle);
            err_set(err, 0, "the systemd cgroup driver needs libsystemd: %s lacks %s",
                    LIBRARY_SONAME, symbols[i].name);
            return NULL;
        }
        *(void **)((char *)&found + symbols[i].offset) = symbol;
    }
    library = found;
    return &library; /* stays open for the life of the process */
}

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * sd-bus behind one table of function pointers.
 *
 * Only create, run, update and delete with the systemd driver talk to a manager, so libsystemd is
 * opened when one of them does (base/library.h). A build without systemd has an empty table.
 */
#include "cgroup/systemd_library.h"

#if !defined DISABLE_SYSTEMD && !defined STATIC_BUILD

#include "base/library.h"
#include "base/util.h"

#include <stddef.h>

#define LIBRARY_SONAME "libsystemd.so.0"

LIBRARY_NOTE(LIBRARY_SONAME, "systemd", "Support for the systemd cgroup driver", "suggested");

static struct systemd_library library;

#define SYMBOL(member, function)                                                                   \
    {                                                                                              \
        offsetof(struct systemd_library, member), #function                                        \
    }

static const struct library_symbol symbols[] = {
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
    if (!library.bus_new &&
        library_open(LIBRARY_SONAME, "the systemd cgroup driver needs libsystemd", symbols,
                     ARRAY_SIZE(symbols), &library, NULL, err) < 0)
        return NULL;
    return &library;
}

#endif

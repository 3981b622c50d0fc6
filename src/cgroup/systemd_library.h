/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The functions of sd-bus that the driver uses: sd-bus(3). */
#ifndef CGROUP_SYSTEMD_LIBRARY_H
#define CGROUP_SYSTEMD_LIBRARY_H

#include "base/err.h"

#include <stdint.h>

#ifndef DISABLE_SYSTEMD

#include <systemd/sd-bus.h>

/* The types are those of the library's own header: a function that changes does not compile. */
struct systemd_library {
    __typeof__(sd_bus_new) *bus_new;
    __typeof__(sd_bus_set_address) *set_address;
    __typeof__(sd_bus_set_bus_client) *set_bus_client;
    __typeof__(sd_bus_start) *start;
    __typeof__(sd_bus_is_ready) *is_ready;
    __typeof__(sd_bus_get_fd) *get_fd;
    __typeof__(sd_bus_close) *close;
    __typeof__(sd_bus_unref) *unref;
    __typeof__(sd_bus_call) *call;
    __typeof__(sd_bus_process) *process;
    __typeof__(sd_bus_wait) *wait;
    __typeof__(sd_bus_add_match) *add_match;
    __typeof__(sd_bus_error_free) *error_free;
    __typeof__(sd_bus_message_new_method_call) *new_method_call;
    __typeof__(sd_bus_message_unref) *message_unref;
    __typeof__(sd_bus_message_append_basic) *append_basic;
    __typeof__(sd_bus_message_open_container) *open_container;
    __typeof__(sd_bus_message_close_container) *close_container;
    __typeof__(sd_bus_message_read_basic) *read_basic;
    __typeof__(sd_bus_message_enter_container) *enter_container;
    __typeof__(sd_bus_message_exit_container) *exit_container;
    __typeof__(sd_bus_message_copy) *message_copy;
};

/** systemd_library - the table, opened when first asked for; NULL with @err filled */
const struct systemd_library *systemd_library(struct err *err);

#endif
#endif

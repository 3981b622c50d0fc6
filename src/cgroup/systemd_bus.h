/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the two files share that talk to a manager by sd-bus: systemd_bus.c and systemd_message.c.
 */
#ifndef CGROUP_SYSTEMD_BUS_H
#define CGROUP_SYSTEMD_BUS_H

#include "cgroup/systemd.h"
#include "cgroup/systemd_library.h"

#ifndef DISABLE_SYSTEMD

#define MANAGER_PATH "/org/freedesktop/systemd1"
#define MANAGER "org.freedesktop.systemd1.Manager"

/* One request under way. */
struct bus {
    const struct systemd_library *lib;
    const struct systemd_request *request;
    sd_bus *bus;
    unsigned version; /* of the manager; 0: not known */
    int64_t deadline;
    char job[256];    /* the last one of our unit that has ended */
    char result[64];  /* how */
    uint64_t dropped; /* properties that the manager does not know: bits of their numbers */
    char object[512]; /* the unit's path, if what it has is to be told again; "" */
};

/** bus_open, bus_close - the connection */
int bus_open(struct bus *b, struct err *err);
void bus_close(struct bus *b);

/** bus_left - microseconds until the deadline, at least one */
uint64_t bus_left(const struct bus *b);

/** bus_is_direct - whether the address is a manager's own socket, with no bus between */
bool bus_is_direct(const char *address);

/** bus_unreachable - the error for a connection that failed with -@r */
int bus_unreachable(const struct bus *b, int r, struct err *err);

/* Those that follow return what sd-bus returns: negative errno, or not. */

/** bus_new_call - a call to the manager's service */
int bus_new_call(struct bus *b, sd_bus_message **m, const char *path, const char *interface,
                 const char *method);

/** bus_call - call @m and let go of it; @error and @reply may be NULL */
int bus_call(struct bus *b, sd_bus_message *m, sd_bus_error *error, sd_bus_message **reply);

/** bus_call_strings - a method of the manager that takes strings; NULL: no more */
int bus_call_strings(struct bus *b, const char *method, const char *first, const char *second,
                     sd_bus_error *error, sd_bus_message **reply);

/** bus_get_string - a property that is a string, cut to @size */
int bus_get_string(struct bus *b, const char *path, const char *interface, const char *name,
                   char *buf, size_t size);

/** bus_find_order - see whether this is the call that gives the unit's drop-in files their order */
void bus_find_order(struct bus *b);

/** bus_append_properties - the request's properties, but those that the manager does not know */
int bus_append_properties(struct bus *b, sd_bus_message *m);

/** bus_is_error - whether @error is the one called @name */
bool bus_is_error(const sd_bus_error *error, const char *name);

/** bus_drop_unknown - whether @error is about a property that can be left out; it is from now on */
bool bus_drop_unknown(struct bus *b, const sd_bus_error *error);

/** bus_refused - the error for a call that failed: the member, the unit, the reason, the remedy
 * @what: "start" */
int bus_refused(struct bus *b, const char *what, int r, const sd_bus_error *error, struct err *err);

#endif
#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * Messages to a service manager, and its errors. Values are written by their types, one basic value
 * after the other. A manager's error is one sentence that may name a property; which member of the
 * configuration that property came from is known here, so the two are put together. Where an
 * annotation has the wrong type, which the manager answers with hardly more than an errno, its
 * description of itself tells the right one.
 */
#include "cgroup/systemd_bus.h"

#include "base/proc.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#if !defined DISABLE_SYSTEMD && !defined STATIC_BUILD

#define DESTINATION "org.freedesktop.systemd1"
#define PROPERTIES "org.freedesktop.DBus.Properties"
#define UNIT "org.freedesktop.systemd1.Unit"
/* The first version that compares drop-in files in one order (bus_find_order). */
#define SORTED_SINCE 257
/* A scope that every manager has, for what it says about scopes. */
#define SOME_SCOPE MANAGER_PATH "/unit/init_2escope"

/* ---- connection ---- */

uint64_t bus_left(const struct bus *b)
{
    int64_t milliseconds = b->deadline - proc_now();

    return milliseconds > 0 ? (uint64_t)milliseconds * 1000 : 1;
}

bool bus_is_direct(const char *address)
{
    static const char suffix[] = "/systemd/private";
    size_t len = strcspn(address, ",;");

    return len >= sizeof suffix - 1 &&
           strncmp(address + len - (sizeof suffix - 1), suffix, sizeof suffix - 1) == 0;
}

int bus_unreachable(const struct bus *b, int r, struct err *err)
{
    err_set(err, -r, "systemd cgroup driver: no bus: connect to %s", b->request->bus);
    if (r == -EACCES || r == -EPERM)
        return err_hint(err, "that manager is another user's");
    return err_hint(err, "systemd does not run, or is not reachable from here");
}

/* Authentication has a deadline of sd-bus' own, which is longer than ours. */
static int wait_until_ready(struct bus *b, struct err *err)
{
    int r;

    while ((r = b->lib->is_ready(b->bus)) == 0) {
        if (proc_now() >= b->deadline) {
            err_set(err, 0, "systemd cgroup driver: no bus: nobody answers on %s within %d s",
                    b->request->bus, b->request->timeout / 1000);
            return err_hint(err, "systemd is stuck, or something else has taken its place");
        }
        r = b->lib->process(b->bus, NULL);
        if (r == 0)
            r = b->lib->wait(b->bus, bus_left(b));
        if (r < 0)
            break;
    }
    return r < 0 ? bus_unreachable(b, r, err) : 0;
}

/* An address may name a program to execute (unixexec:), a host, or several addresses to try. Ours
 * come from the environment and from records, which a user has written whom root deletes a
 * container for. */
static bool is_socket_address(const char *address)
{
    return (strncmp(address, "unix:path=", 10) == 0 ||
            strncmp(address, "unix:abstract=", 14) == 0) &&
           !strchr(address, ';');
}

int bus_open(struct bus *b, struct err *err)
{
    int r;

    if (!is_socket_address(b->request->bus)) {
        err_set(err, 0, "systemd cgroup driver: \"%s\" is not the address of one unix socket",
                b->request->bus);
        return err_hint(err,
                        "DBUS_SESSION_BUS_ADDRESS has to look like unix:path=/run/user/1000/bus");
    }
    r = b->lib->bus_new(&b->bus);
    if (r >= 0)
        r = b->lib->set_address(b->bus, b->request->bus);
    if (r >= 0 && !bus_is_direct(b->request->bus))
        r = b->lib->set_bus_client(b->bus, 1);
    if (r >= 0)
        r = b->lib->start(b->bus);
    return r < 0 ? bus_unreachable(b, r, err) : wait_until_ready(b, err);
}

void bus_close(struct bus *b)
{
    if (!b->bus)
        return;
    b->lib->close(b->bus);
    b->lib->unref(b->bus);
    b->bus = NULL;
}

/* ---- messages ---- */

int bus_new_call(struct bus *b, sd_bus_message **m, const char *path, const char *interface,
                 const char *method)
{
    return b->lib->new_method_call(b->bus, m, DESTINATION, path, interface, method);
}

/* Call @m and let go of it. @reply may be NULL. */
int bus_call(struct bus *b, sd_bus_message *m, sd_bus_error *error, sd_bus_message **reply)
{
    int r = b->lib->call(b->bus, m, bus_left(b), error, reply);

    b->lib->message_unref(m);
    return r;
}

/* A method of the manager that takes strings. */
int bus_call_strings(struct bus *b, const char *method, const char *first, const char *second,
                     sd_bus_error *error, sd_bus_message **reply)
{
    sd_bus_message *m = NULL;
    int r = bus_new_call(b, &m, MANAGER_PATH, MANAGER, method);

    if (r >= 0 && first)
        r = b->lib->append_basic(m, 's', first);
    if (r >= 0 && second)
        r = b->lib->append_basic(m, 's', second);
    if (r < 0) {
        b->lib->message_unref(m);
        return r;
    }
    return bus_call(b, m, error, reply);
}

/* Ask for a property. @reply is a message to be let go of, at the variant. */
static int get(struct bus *b, const char *path, const char *interface, const char *name,
               sd_bus_message **reply)
{
    sd_bus_message *m = NULL;
    int r = bus_new_call(b, &m, path, PROPERTIES, "Get");

    if (r >= 0)
        r = b->lib->append_basic(m, 's', interface);
    if (r >= 0)
        r = b->lib->append_basic(m, 's', name);
    if (r >= 0)
        return bus_call(b, m, NULL, reply);
    b->lib->message_unref(m);
    return r;
}

/* A property that is a string. */
int bus_get_string(struct bus *b, const char *path, const char *interface, const char *name,
                   char *buf, size_t size)
{
    sd_bus_message *reply = NULL;
    const char *text = NULL;
    int r = get(b, path, interface, name, &reply);

    if (r >= 0)
        r = b->lib->enter_container(reply, 'v', "s");
    if (r >= 0)
        r = b->lib->read_basic(reply, 's', &text);
    if (r >= 0)
        snprintf(buf, size, "%s", text);
    b->lib->message_unref(reply);
    return r < 0 ? r : 0;
}

static int append_value(struct bus *b, sd_bus_message *m, const struct systemd_value *v)
{
    union {
        uint8_t y;
        int16_t n;
        uint16_t q;
        int32_t i;
        uint32_t u;
        int b;
    } small;

    switch (v->type) {
    case 'b':
        small.b = v->v.u != 0;
        break;
    case 'y':
        small.y = (uint8_t)v->v.u;
        break;
    case 'q':
        small.q = (uint16_t)v->v.u;
        break;
    case 'u':
        small.u = (uint32_t)v->v.u;
        break;
    case 'n':
        small.n = (int16_t)v->v.i;
        break;
    case 'i':
        small.i = (int32_t)v->v.i;
        break;
    case 's':
    case 'o':
    case 'g':
        return b->lib->append_basic(m, v->type, v->v.s);
    default: /* t x d: as they are */
        return b->lib->append_basic(m, v->type, &v->v);
    }
    return b->lib->append_basic(m, v->type, &small);
}

static int append_array(struct bus *b, sd_bus_message *m, const struct systemd_property *p)
{
    const char *element = p->signature + 1;
    size_t arity = *element == '(' ? strlen(element) - 2 : 1;
    char members[32];
    int r = b->lib->open_container(m, 'a', element);

    snprintf(members, sizeof members, "%.*s", (int)arity, element + 1);
    for (size_t i = 0; r >= 0 && i + arity <= p->values_n; i += arity) {
        if (*element == '(')
            r = b->lib->open_container(m, 'r', members);
        for (size_t k = 0; r >= 0 && k < arity; k++)
            r = append_value(b, m, &p->values[i + k]);
        if (r >= 0 && *element == '(')
            r = b->lib->close_container(m);
    }
    return r < 0 ? r : b->lib->close_container(m);
}

static int append_property(struct bus *b, sd_bus_message *m, const struct systemd_property *p)
{
    int r = b->lib->open_container(m, 'r', "sv");

    if (r >= 0)
        r = b->lib->append_basic(m, 's', p->name);
    if (r >= 0)
        r = b->lib->open_container(m, 'v', p->signature);
    if (r >= 0)
        r = p->signature[0] == 'a' ? append_array(b, m, p) : append_value(b, m, p->values);
    if (r >= 0)
        r = b->lib->close_container(m);
    return r < 0 ? r : b->lib->close_container(m);
}

/* Lists are added to: an update empties DeviceAllow first, which otherwise would only ever grow. */
static int append_emptied(struct bus *b, sd_bus_message *m, const struct systemd_property *p)
{
    struct systemd_property empty = *p;

    empty.values_n = 0;
    if (b->request->op != SYSTEMD_SET || strcmp(p->name, "DeviceAllow") != 0 || !p->values_n)
        return 0;
    return append_property(b, m, &empty);
}

/*
 * A manager writes a drop-in file for each property that it is told, remembers them in the order in
 * which they came, and compares that with the files of the directory in the order of their names:
 * until 257 a unit for which these differ "needs" a daemon-reload (NeedDaemonReload), although all
 * values are the same. So the first call for a unit names everything that a later one may set, with
 * the values that the unit has; after that the order is right and stays so.
 */
void bus_find_order(struct bus *b)
{
    sd_bus_message *reply = NULL, *files = NULL;
    const char *path = NULL, *file;

    if (b->version >= SORTED_SINCE ||
        bus_call_strings(b, "GetUnit", b->request->unit, NULL, NULL, &reply) < 0)
        return;
    if (b->lib->read_basic(reply, 'o', &path) >= 0 &&
        get(b, path, UNIT, "DropInPaths", &files) >= 0 &&
        b->lib->enter_container(files, 'v', "as") >= 0 &&
        b->lib->enter_container(files, 'a', "s") >= 0 && b->lib->read_basic(files, 's', &file) == 0)
        snprintf(b->object, sizeof b->object, "%s", path);
    b->lib->message_unref(files);
    b->lib->message_unref(reply);
}

static int append_kept(struct bus *b, sd_bus_message *m, const struct systemd_property *p)
{
    const char *suffix = strrchr(b->request->unit, '.');
    const char *interface = suffix && strcmp(suffix, ".slice") == 0
                                ? "org.freedesktop.systemd1.Slice"
                                : "org.freedesktop.systemd1.Scope";
    sd_bus_message *value = NULL;
    int r;

    if (!*b->object || get(b, b->object, interface, p->name, &value) < 0)
        return 0; /* in order already; or this manager does not know it */
    r = b->lib->open_container(m, 'r', "sv");
    if (r >= 0)
        r = b->lib->append_basic(m, 's', p->name);
    if (r >= 0)
        r = b->lib->message_copy(m, value, 1);
    if (r >= 0)
        r = b->lib->close_container(m);
    b->lib->message_unref(value);
    return r;
}

static bool is_dropped(const struct bus *b, size_t i)
{
    return i < 64 && b->dropped >> i & 1;
}

int bus_append_properties(struct bus *b, sd_bus_message *m)
{
    int r = b->lib->open_container(m, 'a', "(sv)");

    for (size_t i = 0; r >= 0 && i < b->request->properties_n; i++) {
        const struct systemd_property *p = &b->request->properties[i];

        if (is_dropped(b, i) || (!p->required && !systemd_known(p, b->version)))
            continue;
        if (p->keep) {
            r = append_kept(b, m, p);
            continue;
        }
        r = append_emptied(b, m, p);
        if (r >= 0)
            r = append_property(b, m, p);
    }
    return r < 0 ? r : b->lib->close_container(m);
}

/* ---- what the manager refuses ---- */

bool bus_is_error(const sd_bus_error *error, const char *name)
{
    return error->name && strcmp(error->name, name) == 0;
}

static bool is_word_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* Which of the properties the message is about: its name stands in it. An annotation may say again
 * what the driver says itself: the later one counts. */
static const struct systemd_property *find_property(const struct bus *b, const char *message)
{
    for (size_t i = b->request->properties_n; message && i-- > 0;) {
        const struct systemd_property *p = &b->request->properties[i];
        const char *at = strstr(message, p->name);

        if (at && !is_word_byte(at[strlen(p->name)]) && (at == message || !is_word_byte(at[-1])))
            return p;
    }
    return NULL;
}

/* Returns whether there is something to leave out, for another try. */
bool bus_drop_unknown(struct bus *b, const sd_bus_error *error)
{
    const struct systemd_property *p = find_property(b, error->message);
    size_t i = p ? (size_t)(p - b->request->properties) : 64;

    if (!(p && p->keep) && !bus_is_error(error, "org.freedesktop.DBus.Error.PropertyReadOnly") &&
        !bus_is_error(error, "org.freedesktop.DBus.Error.UnknownProperty"))
        return false;
    if (!p || p->required || i >= 64 || is_dropped(b, i) ||
        (p->at_start && b->request->op == SYSTEMD_SET))
        return false;
    b->dropped |= UINT64_C(1) << i;
    return true;
}

/* The type that a scope's property has, from what the manager says about its interfaces. */
static bool declared_type(const char *xml, const char *name, char *type, size_t size)
{
    char head[160];
    const char *at;

    snprintf(head, sizeof head, "<property name=\"%s\" type=\"", name);
    at = strstr(xml, head);
    if (!at)
        return false;
    at += strlen(head);
    snprintf(type, size, "%.*s", (int)strcspn(at, "\""), at);
    return true;
}

/* An annotation of another type than the property's, which the manager's own error hardly tells. */
static int wrong_type(struct bus *b, struct err *err)
{
    sd_bus_message *m = NULL, *reply = NULL;
    const char *xml = NULL;
    int found = 0,
        r = bus_new_call(b, &m, SOME_SCOPE, "org.freedesktop.DBus.Introspectable", "Introspect");

    if (r >= 0)
        r = bus_call(b, m, NULL, &reply);
    if (r >= 0)
        r = b->lib->read_basic(reply, 's', &xml);
    for (size_t i = 0; r >= 0 && xml && !found && i < b->request->properties_n; i++) {
        const struct systemd_property *p = &b->request->properties[i];
        char type[32];

        if (!p->required || !declared_type(xml, p->name, type, sizeof type) ||
            strcmp(type, p->signature) == 0)
            continue;
        err_set(err, 0, "%s: has the D-Bus type \"%s\", systemd's %s has \"%s\"", p->member,
                p->signature, p->name, type);
        err_object(err, "%s", p->member);
        if (strcmp(type, "t") == 0)
            err_hint(err, "write it as \"uint64 NUMBER\"");
        found = -1;
    }
    b->lib->message_unref(reply);
    return found;
}

int bus_refused(struct bus *b, const char *what, int r, const sd_bus_error *error, struct err *err)
{
    const struct systemd_property *p = find_property(b, error->message);
    const char *unit = b->request->unit;

    if (r == -ETIMEDOUT || bus_is_error(error, "org.freedesktop.DBus.Error.NoReply"))
        return err_set(err, ETIMEDOUT, "systemd: %s %s: no reply on %s within %d s", what, unit,
                       b->request->bus, b->request->timeout / 1000);
    if (r == -ENOTCONN || r == -ECONNRESET || r == -EPIPE || r == -ECONNREFUSED || r == -ENOENT)
        return bus_unreachable(b, r, err);
    if (p && p->at_start && b->request->op == SYSTEMD_SET) {
        err_set(err, 0, "%s: systemd has %s of %s from its start, and does not change it",
                p->member, p->name, unit);
        err_object(err, "%s", p->member);
        return err_hint(err, "it has to be in the configuration at create");
    }
    if (p && p->required && bus_is_error(error, "org.freedesktop.DBus.Error.PropertyReadOnly")) {
        err_set(err, 0, "%s: systemd %u has no such property for %s, or it cannot be set",
                p->member, b->version, unit);
        err_object(err, "%s", p->member);
        return err_hint(err, "org.freedesktop.systemd1(5) lists them");
    }
    if (!p && b->bus && wrong_type(b, err) < 0)
        return -1;
    err_set(err, error->message ? 0 : -r, "%s%ssystemd: %s %s%s%s", p && p->member ? p->member : "",
            p && p->member ? ": " : "", what, unit, error->message ? ": " : "",
            error->message ? error->message : "");
    if (p && p->member)
        return err_object(err, "%s", p->member);
    if (bus_is_error(error, "org.freedesktop.DBus.Error.AccessDenied") ||
        bus_is_error(error, "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired"))
        return err_hint(err, "the manager at %s does not let this user make units",
                        b->request->bus);
    return -1;
}

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * The calls to the service manager: org.freedesktop.systemd1(5). A call that starts or stops a unit
 * only queues a job; its end is the signal JobRemoved, which may arrive before the reply that names
 * the job, so it is listened to before the call and kept until then. Everything together has one
 * deadline.
 *
 * Managers differ in the properties that they know. Those of the driver are left out by version,
 * and what the manager says it does not know after all is dropped and the call repeated: the limit
 * is in the cgroup's file either way. What an annotation asks for is never dropped.
 *
 * A connection lives for one request: a manager sends its own socket's clients every signal, and a
 * runtime that waits for a container would not read them.
 */
#include "cgroup/systemd_bus.h"

#include "base/proc.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#if !defined DISABLE_SYSTEMD && !defined STATIC_BUILD

#define ATTEMPTS_MAX 32 /* unknown properties, units to be reset */

/* ---- jobs ---- */

static int job_removed(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct bus *b = userdata;
    const char *path, *unit, *result;
    uint32_t id;

    (void)error;
    if (b->lib->read_basic(m, 'u', &id) < 0 || b->lib->read_basic(m, 'o', &path) < 0 ||
        b->lib->read_basic(m, 's', &unit) < 0 || b->lib->read_basic(m, 's', &result) < 0)
        return 0;
    if (strcmp(unit, b->request->unit) != 0)
        return 0;
    snprintf(b->job, sizeof b->job, "%s", path);
    snprintf(b->result, sizeof b->result, "%s", result);
    return 0;
}

static int listen_for_jobs(struct bus *b, struct err *err)
{
    int r = 0;

    /* A bus passes on what somebody has subscribed to; the manager's own socket passes on all. */
    if (!bus_is_direct(b->request->bus))
        r = bus_call_strings(b, "Subscribe", NULL, NULL, NULL, NULL);
    if (r >= 0)
        r = b->lib->add_match(b->bus, NULL,
                              "type='signal',interface='" MANAGER
                              "',member='JobRemoved',path='" MANAGER_PATH "'",
                              job_removed, b);
    return r < 0 ? bus_unreachable(b, r, err) : 0;
}

static int job_failed(struct bus *b, const char *what, struct err *err)
{
    err_set(err, 0, "systemd: %s %s: the job's result is \"%s\"", what, b->request->unit,
            b->result);
    return err_hint(err, "systemctl%s status %s tells more",
                    strstr(b->request->bus, "/user/") ? " --user" : "", b->request->unit);
}

static int wait_for_job(struct bus *b, const char *what, sd_bus_message *reply, struct err *err)
{
    const char *job = NULL;
    int r = b->lib->read_basic(reply, 'o', &job);

    while (r >= 0 && strcmp(b->job, job) != 0) {
        if (proc_now() >= b->deadline) {
            err_set(err, ETIMEDOUT, "systemd: %s %s: job %s has not ended within %d s on %s", what,
                    b->request->unit, job, b->request->timeout / 1000, b->request->bus);
            return err_hint(err, "systemctl list-jobs tells what it waits for");
        }
        r = b->lib->process(b->bus, NULL);
        if (r == 0)
            r = b->lib->wait(b->bus, bus_left(b));
    }
    if (r < 0) {
        err_set(err, -r, "systemd: %s %s: the connection to %s ended", what, b->request->unit,
                b->request->bus);
        return err_hint(err, "the manager was executed again, or has ended");
    }
    return strcmp(b->result, "done") == 0 ? 0 : job_failed(b, what, err);
}

/* ---- the requests ---- */

static void reset_failed(struct bus *b)
{
    /* Not failed, or not there: nothing to reset. */
    bus_call_strings(b, "ResetFailedUnit", b->request->unit, NULL, NULL, NULL);
}

/* ActiveState of the unit; "" when there is none. */
static void active_state(struct bus *b, char *buf, size_t size)
{
    sd_bus_message *reply = NULL;
    const char *path = NULL;

    *buf = '\0';
    if (bus_call_strings(b, "GetUnit", b->request->unit, NULL, NULL, &reply) >= 0 &&
        b->lib->read_basic(reply, 'o', &path) >= 0)
        bus_get_string(b, path, "org.freedesktop.systemd1.Unit", "ActiveState", buf, size);
    b->lib->message_unref(reply);
}

/* Returns 0 when the unit that was in the way has been reset, -1 otherwise. */
static int unit_exists(struct bus *b, struct err *err)
{
    char state[64];

    active_state(b, state, sizeof state);
    if (strcmp(state, "failed") == 0 || strcmp(state, "inactive") == 0 || !*state) {
        reset_failed(b);
        return 0;
    }
    err_set(err, EEXIST, "systemd: unit %s exists, it is %s", b->request->unit, state);
    return err_hint(err, "another container or service has that name: choose another id, or "
                         "another linux.cgroupsPath");
}

static int start_call(struct bus *b, sd_bus_error *error, sd_bus_message **reply)
{
    sd_bus_message *m = NULL;
    int r = bus_new_call(b, &m, MANAGER_PATH, MANAGER, "StartTransientUnit");

    if (r >= 0)
        r = b->lib->append_basic(m, 's', b->request->unit);
    if (r >= 0)
        r = b->lib->append_basic(m, 's', "replace");
    if (r >= 0)
        r = bus_append_properties(b, m);
    /* No auxiliary units. */
    if (r >= 0)
        r = b->lib->open_container(m, 'a', "(sa(sv))");
    if (r >= 0)
        r = b->lib->close_container(m);
    if (r < 0) {
        b->lib->message_unref(m);
        return r;
    }
    return bus_call(b, m, error, reply);
}

static int set_call(struct bus *b, sd_bus_error *error, sd_bus_message **reply)
{
    sd_bus_message *m = NULL;
    int r = bus_new_call(b, &m, MANAGER_PATH, MANAGER, "SetUnitProperties"), runtime = 1;

    if (r >= 0)
        r = b->lib->append_basic(m, 's', b->request->unit);
    if (r >= 0)
        r = b->lib->append_basic(m, 'b', &runtime);
    if (r >= 0)
        r = bus_append_properties(b, m);
    if (r < 0) {
        b->lib->message_unref(m);
        return r;
    }
    return bus_call(b, m, error, reply);
}

/* Call until the manager takes it, or refuses what cannot be left out. */
static int attempt(struct bus *b, const char *what,
                   int (*make)(struct bus *, sd_bus_error *, sd_bus_message **),
                   sd_bus_message **reply, struct err *err)
{
    int failed = 1;

    for (int i = 0; failed > 0 && i < ATTEMPTS_MAX; i++) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        int r = make(b, &error, reply);

        if (r >= 0)
            failed = 0;
        else if (bus_is_error(&error, "org.freedesktop.systemd1.UnitExists") && i < 3)
            failed = unit_exists(b, err) < 0 ? -1 : 1;
        else if (!bus_drop_unknown(b, &error))
            failed = bus_refused(b, what, r, &error, err);
        b->lib->error_free(&error);
    }
    return failed > 0 ? err_set(err, ELOOP, "systemd: %s %s", what, b->request->unit) : failed;
}

static int start(struct bus *b, struct err *err)
{
    sd_bus_message *reply = NULL;
    int failed = attempt(b, "start", start_call, &reply, err);

    if (!failed)
        failed = wait_for_job(b, "start", reply, err);
    b->lib->message_unref(reply);
    return failed;
}

static bool has_devices(const struct systemd_request *request)
{
    for (size_t i = 0; i < request->properties_n; i++) {
        if (strcmp(request->properties[i].name, "DeviceAllow") == 0)
            return true;
    }
    return false;
}

/* The manager writes to the cgroup after it has answered, but before it looks at the next message:
 * an answer to that one says that the device list, which the processes must not see half written,
 * is whole again. */
static int set(struct bus *b, struct err *err)
{
    char version[64];

    bus_find_order(b);
    if (attempt(b, "set properties of", set_call, NULL, err) < 0)
        return err->errnum == ETIMEDOUT ? err_hint(err, "it may still be done") : -1;
    /* Without an answer the properties are set all the same. */
    if (has_devices(b->request))
        bus_get_string(b, MANAGER_PATH, MANAGER, "Version", version, sizeof version);
    return 0;
}

static int stop(struct bus *b, struct err *err)
{
    sd_bus_error error = SD_BUS_ERROR_NULL;
    sd_bus_message *reply = NULL;
    int failed = 0,
        r = bus_call_strings(b, "StopUnit", b->request->unit, "replace", &error, &reply);

    if (r >= 0)
        failed = wait_for_job(b, "stop", reply, err);
    else if (!bus_is_error(&error, "org.freedesktop.systemd1.NoSuchUnit"))
        failed = bus_refused(b, "stop", r, &error, err);
    if (r >= 0)
        reset_failed(b);
    b->lib->message_unref(reply);
    b->lib->error_free(&error);
    return failed;
}

/*
 * A unit is started with a process, by its number: to a manager in another pid namespace that is
 * another process. Who listens on a socket and has no number here is in such a one (SO_PEERCRED,
 * unix(7)). Which namespace ours is does not matter: a container may have a systemd of its own.
 */
static int check_namespace(struct bus *b, struct err *err)
{
    int fd = b->lib->get_fd(b->bus), domain = 0;
    socklen_t size = sizeof domain;
    struct ucred peer;

    if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) < 0 || domain != AF_UNIX)
        return 0;
    size = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 || peer.pid != 0)
        return 0;
    err_set(err, 0, "systemd cgroup driver: the manager on %s is in another pid namespace",
            b->request->bus);
    return err_hint(err, "run ocirun in that one (engines: --pid host), or use "
                         "--cgroup-manager cgroupfs");
}

static int carry_out(struct bus *b, struct err *err)
{
    const sd_bus_error none = SD_BUS_ERROR_NULL;
    char version[64];
    int r;

    if (bus_open(b, err) < 0)
        return -1;
    if (b->request->op == SYSTEMD_STOP)
        return listen_for_jobs(b, err) < 0 ? -1 : stop(b, err);
    if (b->request->op == SYSTEMD_START && check_namespace(b, err) < 0)
        return -1;
    r = bus_get_string(b, MANAGER_PATH, MANAGER, "Version", version, sizeof version);
    if (r == -ETIMEDOUT)
        return bus_refused(b, "ask about", r, &none, err);
    if (r < 0)
        return bus_unreachable(b, r, err);
    b->version = systemd_version(version);
    if (b->request->op == SYSTEMD_SET)
        return set(b, err);
    if (b->request->op == SYSTEMD_ASK)
        return 0;
    return listen_for_jobs(b, err) < 0 ? -1 : start(b, err);
}

int systemd_call(const struct systemd_request *request, struct err *err)
{
    struct bus b = {.request = request, .deadline = proc_now() + request->timeout};
    int failed;

    b.lib = systemd_library(err);
    if (!b.lib)
        return -1;
    failed = carry_out(&b, err);
    bus_close(&b);
    return failed;
}

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * start connects to the socket that init listens on and says GO. Init runs the startContainer
 * hooks, asks for the limits that only the host side can set, and executes the program:
 * close-on-exec ends the connection, which is how start knows. There is no second way to start:
 * while one start talks to init, another one waits in the socket's queue, and is turned away when
 * execve closes it.
 *
 * A paused container is not started. Whether it is paused is asked only of an init that has not
 * even taken our GO after a moment, so that it costs nothing otherwise. Init, when it is resumed,
 * drops a GO whose sender is gone, and the container stays created.
 */
#include "host/start.h"

#include "base/fd.h"
#include "base/log.h"
#include "base/proc.h"
#include "base/protocol.h"
#include "base/util.h"
#include "base/wording.h"
#include "host/hooks.h"
#include "host/limits.h"
#include "host/notify.h"
#include "host/schedule.h"

#include <errno.h>
#include <linux/sockios.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define MOMENT 100 /* milliseconds: an init that may run takes GO within less */

static int wrong_status(enum oci_status status, struct err *err)
{
    switch (status) {
    case OCI_STATUS_STOPPED:
        return err_set(err, 0, WORDING_START_STOPPED);
    case OCI_STATUS_CREATING:
        return err_set(err, 0, "cannot start a container that is still being created");
    case OCI_STATUS_PAUSED:
        return err_set(err, 0, "cannot start a container in the paused state");
    default:
        return err_set(err, 0, WORDING_START_RUNNING);
    }
}

/* Rare enough that the snapshot is read for it, and not the record made longer for everybody. */
static int apply_scheduling(const struct found *f, struct err *err)
{
    struct oci_config config;

    if (store_config(f->dir, f->arena, &config, err) < 0)
        return -1;
    return config.process ? schedule_apply((pid_t)f->record.init.pid, config.process, err) : 0;
}

static void set_deadline(int sock, int timeout)
{
    const struct timeval deadline = {timeout / 1000, timeout % 1000 * 1000};

    setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof deadline);
}

/* Whether GO still lies where we have put it: what init has read is charged to us no longer. */
static bool is_untaken(int sock)
{
    int bytes = 0;

    return ioctl(sock, SIOCOUTQ, &bytes) == 0 && bytes > 0;
}

/* The answer to GO. Hooks inside take what time they take; init alone answers at once unless it is
 * frozen. */
static int expect_limits(const struct runtime *rt, const struct found *f, int sock,
                         struct protocol_message *m, struct err *err)
{
    set_deadline(sock, MOMENT < rt->timeout ? MOMENT : rt->timeout);
    if (protocol_expect(sock, PROTOCOL_LIMITS, m, err) == 0)
        return 0;
    if (err->errnum != EAGAIN || err->stage[0])
        return -1;
    if (is_untaken(sock) && cgroup_frozen(&f->record.cgroup) == 1)
        return wrong_status(OCI_STATUS_PAUSED, err);
    *err = (struct err)ERR_INIT;
    set_deadline(sock, f->record.start_hooks ? 0 : rt->timeout);
    return protocol_expect(sock, PROTOCOL_LIMITS, m, err);
}

/* From here on the program may send READY=1. The socket is ours to replace only now that init has
 * answered: another start may be waiting on it. Nobody listens: no reason not to run. */
static void serve_notify(const struct found *f, struct notify *notify)
{
    const char *upstream = getenv("NOTIFY_SOCKET");
    struct err err = ERR_INIT;

    if (!notify || notify->sock >= 0 || !upstream || !*upstream)
        return;
    if (notify_reopen(f->dir, upstream, notify, &err) < 0)
        log_warning("%s", err.text);
}

/* The service manager's trouble is not the container's. */
static void wait_ready(const struct found *f, int pidfd, struct notify *notify)
{
    const struct record_process *init = &f->record.init;
    struct err err = ERR_INIT;

    if (notify && notify->sock >= 0 &&
        notify_wait_ready(notify, (pid_t)init->pid, init->start_time, pidfd, &err) < 0)
        log_warning("%s", err.text);
}

/* The signals that nobody has sent to the program: those of a filter, and of an execve that fails
 * when there is no way back. One that was sent to it and came a moment too early is its end. */
static bool is_end_of_program(int status)
{
    int sig = status - 128;

    return sig > 0 && sig != SIGKILL && sig != SIGSYS && sig != SIGSEGV && sig != SIGBUS;
}

/* The end of file comes as well when init is killed at its execve, by the program's seccomp filter
 * for instance. Then it has ended under its own name, which a program that was quick has not. */
static int look_for_program(const struct runtime *rt, const struct record *r, struct err *err)
{
    _cleanup_close_ int pidfd = -1;
    struct err ignored;
    char name[24];
    int status;

    if (!proc_ended_as((pid_t)r->init.pid, r->init.start_time, PROTOCOL_INIT_NAME))
        return 0;
    pidfd = proc_pidfd((pid_t)r->init.pid, r->init.start_time);
    if (pidfd >= 0)
        proc_wait_pidfd(pidfd, rt->timeout, &ignored);
    status = proc_exit_status((pid_t)r->init.pid, r->init.start_time);
    if (is_end_of_program(status))
        return 0;
    return err_set(err, 0, "init was killed%s%s before the program ran", status > 128 ? " by " : "",
                   status > 128 ? proc_signal_name(status - 128, name) : "");
}

/* Talk to init until its end of the connection closes. Returns 0 when the program runs. */
static int converse(const struct runtime *rt, const struct found *f, int sock,
                    struct notify *notify, struct err *err)
{
    const struct record *r = &f->record;
    struct protocol_limits left;
    struct protocol_message m;
    int got;

    if (protocol_send(sock, PROTOCOL_GO, NULL, 0, NULL, 0, err) < 0 ||
        expect_limits(rt, f, sock, &m, err) < 0) {
        /* Nothing was said to us: init was busy with another start, which has succeeded. */
        if (!err->stage[0] && (err->errnum == EPIPE || err->errnum == ECONNRESET))
            return proc_alive((pid_t)r->init.pid, r->init.start_time)
                       ? err_set(err, 0, WORDING_START_RUNNING)
                       : err_set(err, 0, WORDING_START_STOPPED);
        return -1;
    }
    set_deadline(sock, rt->timeout);
    serve_notify(f, notify);
    if (r->scheduling && apply_scheduling(f, err) < 0)
        return -1;
    if (limits_rlimits((pid_t)r->init.pid, r->rlimits, r->rlimits_n, &left, err) < 0 ||
        protocol_send(sock, PROTOCOL_LIMITS_DONE, &left, sizeof left, NULL, 0, err) < 0)
        return -1;
    got = protocol_expect(sock, PROTOCOL_READY, &m, err);
    /* An error of init's has its stage; without one this is the end of file. */
    return got < 0 && err->errnum == EPIPE && !err->stage[0] ? look_for_program(rt, r, err) : -1;
}

static void destroy(const struct runtime *rt, const struct found *f)
{
    struct err err = ERR_INIT;

    if (container_delete_held(rt, f, &err) < 0)
        log_warning("%s", err.text);
}

/* 9: after the program runs. A failure stops and destroys the container (1.3). */
static int poststart(const struct runtime *rt, struct found *f, struct err *err)
{
    const struct oci_hooks *hooks = f->record.hooks;

    if (!hooks || hooks_run(&f->record, "poststart", hooks->poststart, hooks->poststart_n,
                            OCI_STATUS_RUNNING, (pid_t)f->record.init.pid, NULL, NULL, err) == 0)
        return 0;
    destroy(rt, f);
    return -1;
}

int start_container(const struct runtime *rt, struct found *f, int sock, int pidfd,
                    struct notify *notify, struct err *err)
{
    _cleanup_close_ int connected = -1;
    enum oci_status status;
    char who[256];

    if (!f->record.has_process)
        return err_set(err, 0, "process: the configuration has none, so there is nothing to start");
    if (sock < 0 && f->record.committed) {
        connected = fd_unix_connect_at(f->dir, STORE_SOCKET, SOCK_SEQPACKET, err);
        sock = connected;
    }
    if (sock < 0) {
        status = f->record.committed ? store_status(f) : OCI_STATUS_CREATING;
        return wrong_status(status, err);
    }
    if (converse(rt, f, sock, notify, err) < 0) {
        if (err->errnum == EAGAIN) {
            proc_describe((pid_t)f->record.init.pid, who, sizeof who);
            return err_set(err, ETIMEDOUT, "init did not answer within %d s: %s",
                           rt->timeout / 1000, who);
        }
        /* 7: the specification has a failing startContainer hook destroy the container. */
        if (!strcmp(err->stage, "hooks"))
            destroy(rt, f);
        return -1;
    }
    /* From here on the missing socket says "running" without anybody having to try it. */
    unlinkat(f->dir, STORE_SOCKET, 0);
    wait_ready(f, pidfd, notify);
    return poststart(rt, f, err);
}

int container_start(const struct runtime *rt, const char *id, struct err *err)
{
    _cleanup_found_ struct found f = FOUND_INIT;
    _cleanup_close_ int pidfd = -1;
    struct notify notify = {.sock = -1, .upstream = -1};
    int result;

    if (store_find(rt, id, &f, err) < 0)
        return -1;
    if (f.record.notify)
        pidfd = proc_pidfd((pid_t)f.record.init.pid, f.record.init.start_time);
    result = start_container(rt, &f, -1, pidfd, f.record.notify ? &notify : NULL, err);
    notify_close(&notify);
    return result;
}

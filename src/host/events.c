/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * events: statistics at the pace that is asked for, OOM kills when they happen, the end when init
 * ends. One poll(2) waits for all three: a timer, the cgroup's own notification, a pidfd.
 */
#include "base/fd.h"
#include "base/proc.h"
#include "base/sys.h"
#include "base/util.h"
#include "base/wording.h"
#include "cgroup/stats.h"
#include "host/store.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>

struct watch {
    const struct found *f;
    event_fn *print;
    int pidfd, timer;
    struct cgroup_oom oom;
};

static int print_event(const struct watch *w, const char *type, struct cgroup_stats *data,
                       struct err *err)
{
    const struct cgroup_event event = {.type = type, .id = w->f->record.id, .data = data};
    size_t len;
    _cleanup_free_ char *text = oci_encode(&cgroup_event_table, &event, OCI_STYLE_COMPACT, &len);

    if (!text)
        return err_set(err, ENOMEM, "events");
    return w->print(text, len, err);
}

static int print_stats(const struct watch *w, struct err *err)
{
    struct oci_arena *arena = oci_arena_new();
    struct cgroup_stats stats;
    int r;

    if (!arena)
        return err_set(err, ENOMEM, "events");
    r = cgroup_stats_read(&w->f->record.cgroup, arena, &stats, err);
    if (r == 0)
        r = print_event(w, "stats", &stats, err);
    oci_arena_free(arena);
    return r;
}

static int start_timer(int milliseconds, struct err *err)
{
    const struct timespec pace = {milliseconds / 1000, (long)(milliseconds % 1000) * 1000000};
    const struct itimerspec spec = {.it_interval = pace, .it_value = pace};
    _cleanup_close_ int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);

    if (fd < 0 || timerfd_settime(fd, 0, &spec, NULL) < 0)
        return err_errno(err, "timer");
    return util_take_fd(fd);
}

static int print_oom(struct watch *w, struct err *err)
{
    for (uint64_t n = cgroup_oom_new(&w->oom); n > 0; n--) {
        if (print_event(w, "oom", NULL, err) < 0)
            return -1;
    }
    return 0;
}

static int loop(struct watch *w, struct err *err)
{
    struct pollfd p[] = {{.fd = w->pidfd, .events = POLLIN},
                         {.fd = w->timer, .events = POLLIN},
                         {.fd = w->oom.fd, .events = w->oom.events}};
    uint64_t turns;

    for (;;) {
        if (poll(p, ARRAY_SIZE(p), -1) < 0) {
            if (errno == EINTR)
                continue;
            return err_errno(err, "poll");
        }
        /* What killed init comes before its end, in the output too; and the kernel holds a
         * notification back when there has just been one, so at the end the count itself tells. */
        if ((p[2].revents || p[0].revents) && print_oom(w, err) < 0)
            return -1;
        p[2].fd = w->oom.fd;
        if (p[0].revents)
            return 0;
        if (p[1].revents && read(w->timer, &turns, sizeof turns) == sizeof turns &&
            print_stats(w, err) < 0)
            return -1;
    }
}

static int watch(struct watch *w, int interval, struct err *err)
{
    const struct record *r = &w->f->record;
    _cleanup_close_ int pidfd = sys_pidfd_open((pid_t)r->init.pid, 0);
    _cleanup_close_ int timer = -1;
    int result;

    if (pidfd < 0 && errno != ESRCH)
        return err_errno(err, "process %d", (int)r->init.pid);
    if (pidfd < 0 || !proc_alive((pid_t)r->init.pid, r->init.start_time))
        return 0;
    timer = start_timer(interval, err);
    if (timer < 0 || cgroup_oom_watch(&r->cgroup, &w->oom, err) < 0)
        return -1;
    w->pidfd = pidfd;
    w->timer = timer;
    result = loop(w, err);
    cgroup_oom_close(&w->oom);
    return result;
}

int container_events(const struct runtime *rt, const char *id, int interval, event_fn *print,
                     struct err *err)
{
    _cleanup_found_ struct found f = FOUND_INIT;
    struct watch w = {.f = &f, .print = print, .oom = {.fd = -1}};
    enum oci_status status;

    if (store_find(rt, id, &f, err) < 0)
        return -1;
    status = store_status(&f);
    if (status == OCI_STATUS_STOPPED || status == OCI_STATUS_CREATING)
        return err_set(err, 0, WORDING_NOT_RUNNING);
    if (f.record.cgroup.places_n == 0)
        return err_set(err, 0, "the container has no cgroup: nothing is counted");
    return interval > 0 ? watch(&w, interval, err) : print_stats(&w, err);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * Being told of OOM kills. v1: an eventfd that is registered for memory.oom_control in
 * cgroup.event_control; it also fires when the cgroup is removed. v2: memory.events polls POLLPRI
 * when one of its counters changes; oom_kill is the one that counts.
 */
#include "base/fd.h"
#include "base/util.h"
#include "cgroup/internal.h"
#include "cgroup/stats.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static int watch_v1(int dir, struct cgroup_oom *oom, struct err *err)
{
    _cleanup_close_ int control = openat(dir, "memory.oom_control", O_RDONLY | O_CLOEXEC);
    char text[32];

    if (control < 0)
        return err_errno(err, "memory.oom_control");
    oom->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (oom->fd < 0)
        return err_errno(err, "eventfd");
    oom->events = POLLIN;
    snprintf(text, sizeof text, "%d %d", oom->fd, control);
    if (cgroup_write_at(dir, "cgroup.event_control", text) < 0) {
        err_errno(err, "cgroup.event_control");
        oom->fd = fd_close(oom->fd);
        return -1;
    }
    return 0;
}

static int64_t kills(int fd)
{
    char text[512];
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    const char *p;

    if (n <= 0)
        return -1;
    text[n] = '\0';
    p = strstr(text, "oom_kill ");
    return p ? strtoll(p + 9, NULL, 10) : -1;
}

int cgroup_oom_watch(const struct cgroup_record *record, struct cgroup_oom *oom, struct err *err)
{
    struct cgroup_place *place = cgroup_place_of(record, "memory");
    int dir;

    *oom = (struct cgroup_oom){.fd = -1};
    if (!place)
        place = cgroup_place_of(record, "");
    if (!place)
        return 0;
    dir = cgroup_place_dir(place, err);
    if (dir < 0)
        return -1;
    oom->dir = dir;
    if (!place->v2)
        return watch_v1(dir, oom, err);
    oom->v2 = true;
    oom->events = POLLPRI;
    oom->fd = openat(dir, "memory.events", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (oom->fd < 0)
        return errno == ENOENT ? 0 : err_errno(err, "memory.events");
    oom->count = kills(oom->fd);
    return 0;
}

uint64_t cgroup_oom_new(struct cgroup_oom *oom)
{
    uint64_t value = 0;
    int64_t count;

    if (oom->fd < 0)
        return 0;
    if (!oom->v2) {
        if (read(oom->fd, &value, sizeof value) != sizeof value)
            return 0;
        if (faccessat(oom->dir, "memory.oom_control", F_OK, 0) == 0)
            return value;
        /* One of these was for the removal. */
        oom->fd = fd_close(oom->fd);
        return value - 1;
    }
    count = kills(oom->fd);
    /* Removed: poll(2) would report that without end. */
    if (count < 0)
        oom->fd = fd_close(oom->fd);
    if (count <= oom->count)
        return 0;
    value = (uint64_t)(count - oom->count);
    oom->count = count;
    return value;
}

void cgroup_oom_close(struct cgroup_oom *oom)
{
    oom->fd = fd_close(oom->fd);
}

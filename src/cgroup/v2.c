/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * What is peculiar to v2: cgroup.events, a file that polls POLLPRI whenever "populated" or "frozen"
 * of the cgroup or anything below it changes. Waiting is reading it, polling, reading it again;
 * nothing is asked in between (cgroup-v2.rst, "(Un)populated notification").
 */
#include "base/fd.h"
#include "base/proc.h"
#include "cgroup/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FREEZE_TIMEOUT 30000 /* milliseconds */

/* The number behind @key in the text of cgroup.events, or -1. */
static int64_t event_value(const char *text, const char *key)
{
    size_t len = strlen(key);

    for (const char *p = text; p; p = strchr(p, '\n')) {
        p += *p == '\n';
        if (strncmp(p, key, len) == 0 && p[len] == ' ')
            return strtoll(p + len + 1, NULL, 10);
    }
    return -1;
}

int cgroup_v2_wait(int dir, const char *key, int64_t value, int milliseconds)
{
    _cleanup_close_ int fd = openat(dir, "cgroup.events", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    int64_t deadline = proc_now() + milliseconds;
    char text[256];

    if (fd < 0)
        return errno == ENOENT || errno == ENODEV ? 0 : -1;
    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLPRI};
        ssize_t n = pread(fd, text, sizeof text - 1, 0);
        int64_t left = deadline - proc_now();

        if (n < 0 && errno == ENODEV)
            return 0;
        if (n < 0 && errno != EINTR)
            return -1;
        text[n > 0 ? n : 0] = '\0';
        if (event_value(text, key) == value)
            return 0;
        if (left <= 0) {
            errno = ETIMEDOUT;
            return -1;
        }
        if (poll(&p, 1, (int)left) < 0 && errno != EINTR)
            return -1;
    }
}

int cgroup_v2_frozen(struct cgroup_place *place)
{
    int64_t frozen = cgroup_place_number(place, "cgroup.events", "frozen");

    return frozen < 0 ? -1 : frozen > 0;
}

int cgroup_v2_freeze(struct cgroup_place *place, bool freeze, struct err *err)
{
    int dir = cgroup_place_dir(place, err);

    if (dir < 0)
        return -1;
    if (cgroup_write_at(dir, "cgroup.freeze", freeze ? "1" : "0") < 0 ||
        cgroup_v2_wait(dir, "frozen", freeze, FREEZE_TIMEOUT) < 0) {
        int saved = errno;

        if (freeze)
            cgroup_write_at(dir, "cgroup.freeze", "0");
        errno = saved;
        return err_errno(err, "%s cgroup %s", freeze ? "freeze" : "thaw", place->path);
    }
    return 0;
}

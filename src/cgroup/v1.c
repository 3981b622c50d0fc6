/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * What is peculiar to v1: cpusets that start empty, a freezer that has to be asked again and again,
 * and memory limits that the kernel refuses below the usage. Nothing of it sends events, so this is
 * where the one timed wait is.
 */
#include "base/fd.h"
#include "base/path.h"
#include "base/proc.h"
#include "cgroup/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define PAUSE_MAX 50         /* milliseconds */
#define FREEZE_TIMEOUT 10000 /* milliseconds */

void cgroup_backoff_start(struct cgroup_backoff *b, int milliseconds)
{
    *b = (struct cgroup_backoff){.deadline = proc_now() + milliseconds, .pause = 1};
}

bool cgroup_backoff_wait(struct cgroup_backoff *b)
{
    if (proc_now() >= b->deadline)
        return false;
    poll(NULL, 0, b->pause);
    b->pause = b->pause * 2 > PAUSE_MAX ? PAUSE_MAX : b->pause * 2;
    return true;
}

/* Copy one of the parent's lists unless the level has its own. */
static int cpuset_inherit(int parent, int dir, const char *file, const char *path, struct err *err)
{
    char value[4096];
    int n = cgroup_read_at(dir, file, value, sizeof value);

    if (n > 0)
        return 0;
    if (n == 0)
        n = cgroup_read_at(parent, file, value, sizeof value);
    if (n < 0 || cgroup_write_at(dir, file, value) < 0)
        return err_errno(err, "%s of cgroup %s: take over the parent's value", file, path);
    return 0;
}

int cgroup_v1_cpuset_fill(const struct cgroup_place *place, int mount, struct err *err)
{
    _cleanup_close_ int parent = cgroup_open_below(mount, "");
    char level[PATH_MAX];

    if (parent < 0)
        return err_errno(err, "cgroup mount %s", place->mount);
    for (const char *p = place->path + 1; *p;) {
        size_t len = strcspn(p, "/");
        int dir;

        if (len >= sizeof level)
            return err_set(err, ENAMETOOLONG, "cgroup %s", place->path);
        memcpy(level, p, len);
        level[len] = '\0';
        dir = cgroup_open_below(parent, level);
        if (dir < 0)
            return err_errno(err, "cgroup %s%s", place->mount, place->path);
        if (cpuset_inherit(parent, dir, "cpuset.cpus", place->path, err) < 0 ||
            cpuset_inherit(parent, dir, "cpuset.mems", place->path, err) < 0)
            return fd_close(dir);
        fd_close(parent);
        parent = dir;
        p += len + (p[len] == '/');
    }
    return 0;
}

int cgroup_v1_frozen(struct cgroup_place *place)
{
    char state[32];

    if (cgroup_place_read(place, "freezer.state", state, sizeof state) < 0)
        return -1;
    return strcmp(state, "THAWED") != 0;
}

/*
 * FREEZING turns into FROZEN only while somebody reads the state, and a process that forks at the
 * wrong moment or sits in a vfork can keep it from that for ever: writing FROZEN again catches the
 * first, a moment of THAWED now and then the second.
 */
static int freeze_and_wait(int dir)
{
    struct cgroup_backoff b;
    char state[32];

    cgroup_backoff_start(&b, FREEZE_TIMEOUT);
    for (unsigned turn = 1;; turn++) {
        if (cgroup_write_at(dir, "freezer.state", "FROZEN") < 0 ||
            cgroup_read_at(dir, "freezer.state", state, sizeof state) < 0)
            return -1;
        if (strcmp(state, "FROZEN") == 0)
            return 0;
        if (turn % 8 == 0)
            cgroup_write_at(dir, "freezer.state", "THAWED");
        if (!cgroup_backoff_wait(&b))
            break;
    }
    cgroup_write_at(dir, "freezer.state", "THAWED");
    errno = ETIMEDOUT;
    return -1;
}

int cgroup_v1_freeze(struct cgroup_place *place, bool freeze, struct err *err)
{
    int dir = cgroup_place_dir(place, err);

    if (dir < 0)
        return -1;
    if (freeze ? freeze_and_wait(dir) < 0 : cgroup_write_at(dir, "freezer.state", "THAWED") < 0)
        return err_errno(err, "%s cgroup %s", freeze ? "freeze" : "thaw", place->path);
    return 0;
}

bool cgroup_v1_has_children(const struct cgroup_place *place)
{
    struct stat st;

    /* The kernel counts them in the links. */
    return fstat(place->dir - 1, &st) < 0 || st.st_nlink != 2;
}

void cgroup_v1_thaw_all(struct cgroup_place *place)
{
    struct err ignored = ERR_INIT;
    int dir = cgroup_place_dir(place, &ignored);
    struct cgroup_tree tree;

    if (dir < 0 || cgroup_tree_read(dir, &tree) < 0)
        return;
    for (size_t i = 0; i < tree.n; i++) {
        _cleanup_close_ int fd = cgroup_open_below(dir, tree.paths[i]);

        if (fd >= 0)
            cgroup_write_at(fd, "freezer.state", "THAWED");
    }
    cgroup_tree_clear(&tree);
}

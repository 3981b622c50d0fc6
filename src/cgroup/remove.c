/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * Removing cgroups. The usual case is one rmdir(2) a hierarchy below its verified mount. EBUSY
 * means sub-cgroups (made by a manager inside: removed, deepest first) or tasks that are on their
 * way out: v2 tells by cgroup.events when they are gone, v1 has to be asked again.
 *
 * A hierarchy that is no longer mounted (a state directory outlived a reboot into another layout)
 * holds nothing that could be removed by us, and counts as gone.
 *
 * Only the container's own directory goes. Parents that were made on the way stay, as with every
 * other runtime: engines put the next container there, and may have set limits on them.
 */
#include "base/fd.h"
#include "base/log.h"
#include "base/proc.h"
#include "base/util.h"
#include "cgroup/systemd.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DYING_TIMEOUT 1000   /* milliseconds for what should be gone already */
#define KILLED_TIMEOUT 30000 /* milliseconds for what was killed just now */
#define FREE_TURNS 8         /* attempts on v2 before there is a pause between them */

/* Remove everything below @dir that can be removed. */
static void remove_below(int dir)
{
    struct cgroup_tree tree;

    if (cgroup_tree_read(dir, &tree) < 0)
        return;
    for (size_t i = tree.n; i-- > 1;) {
        char *slash = strrchr(tree.paths[i], '/');
        _cleanup_close_ int parent = -1;

        if (slash)
            *slash = '\0';
        parent = cgroup_open_below(dir, slash ? tree.paths[i] : "");
        if (parent >= 0)
            unlinkat(parent, slash ? slash + 1 : tree.paths[i], AT_REMOVEDIR);
    }
    cgroup_tree_clear(&tree);
}

static int still_busy(struct cgroup_place *place, struct err *err)
{
    _cleanup_free_ pid_t *pids = NULL;
    size_t n = 0;

    if (cgroup_place_processes(place, &pids, &n, err) == 0 && n > 0)
        return cgroup_not_empty(place, pids, n, err);
    return err_set(err, EBUSY, "remove cgroup %s%s", place->mount, place->path);
}

/*
 * Wait for what keeps the cgroup busy; false when the time is over. On v2 "populated 0" means that
 * the next rmdir(2) succeeds, once the sub-cgroups are gone. Only if somebody makes new ones at the
 * same time has it to be asked again as on v1.
 */
static bool wait_until_free(struct cgroup_place *place, unsigned turn, struct cgroup_backoff *b)
{
    int64_t left = b->deadline - proc_now();

    if (!place->v2)
        return cgroup_backoff_wait(b);
    if (left <= 0 || cgroup_v2_wait(place->dir - 1, "populated", 0, (int)left) < 0)
        return false;
    return turn < FREE_TURNS || cgroup_backoff_wait(b);
}

/* What cgroup_mount_open() says of a hierarchy that is mounted no longer, or not here. */
static bool mount_is_gone(const struct err *err)
{
    if (err->errnum != ENOENT && err->errnum != ENOTDIR && err->errnum != EXDEV)
        return false;
    log_warning("%s", err->text);
    return true;
}

int cgroup_place_remove(struct cgroup_place *place, int milliseconds, struct err *err)
{
    struct err why = ERR_INIT;
    _cleanup_close_ int mount = cgroup_mount_open(place, &why);
    struct cgroup_backoff b;

    if (mount < 0 && mount_is_gone(&why))
        return 0;
    if (mount < 0) {
        *err = why;
        return -1;
    }
    cgroup_backoff_start(&b, milliseconds);
    for (unsigned turn = 0;; turn++) {
        int dir;

        if (unlinkat(mount, place->path + 1, AT_REMOVEDIR) == 0 || errno == ENOENT ||
            errno == ENODEV) {
            cgroup_place_close(place);
            return 0;
        }
        if (errno != EBUSY)
            return err_errno(err, "remove cgroup %s%s", place->mount, place->path);
        dir = cgroup_place_dir(place, err);
        if (dir < 0 && err->errnum == ENOENT)
            continue;
        if (dir < 0)
            return -1;
        if (turn > 0 && !wait_until_free(place, turn, &b))
            return still_busy(place, err);
        remove_below(dir);
    }
}

bool systemd_manages(const struct cgroup_place *place)
{
    static const char *const managed[] = {"name=systemd", "cpu",     "cpuacct", "blkio",
                                          "memory",       "devices", "pids"};

    for (size_t i = 0; i < ARRAY_SIZE(managed); i++) {
        if (place->v2 || cgroup_has_controller(place->controllers, managed[i]))
            return true;
    }
    return false;
}

/* The slices above a cgroup that was made where systemd does not manage: nobody else takes them
 * away. */
static void remove_slices(const struct cgroup_place *place)
{
    struct err ignored = ERR_INIT;
    _cleanup_close_ int mount = cgroup_mount_open(place, &ignored);
    _cleanup_free_ char *path = strdup(place->path + 1);
    bool ours = !systemd_manages(place);
    char *slash;

    while (ours && mount >= 0 && path && (slash = strrchr(path, '/'))) {
        *slash = '\0';
        if (unlinkat(mount, path, AT_REMOVEDIR) < 0)
            break;
    }
}

static bool is_ours(const struct cgroup_record *record)
{
    for (size_t i = 0; i < record->places_n; i++) {
        if (record->places[i].created)
            return true;
    }
    return false;
}

/* SIGKILL to all in the cgroup of @place. */
static int kill_in(const struct cgroup_record *record, struct cgroup_place *place, struct err *err)
{
    struct err why = ERR_INIT;

    if (cgroup_signal_place(record, place, SIGKILL, &why) == 0 || mount_is_gone(&why))
        return 0;
    *err = why;
    return -1;
}

int cgroup_clear(const struct cgroup_record *record, struct err *err)
{
    struct cgroup_place *place = cgroup_process_place(record, false);
    struct err ignored = ERR_INIT;
    struct cgroup_backoff b;

    if (!place || is_ours(record))
        return 0;
    if (kill_in(record, place, err) < 0)
        return -1;
    cgroup_backoff_start(&b, KILLED_TIMEOUT);
    for (unsigned turn = 0;; turn++) {
        _cleanup_free_ pid_t *pids = NULL;
        size_t n, left = 0;

        if (cgroup_place_processes(place, &pids, &n, &ignored) < 0)
            return 0;
        /* Those are never killed: see cgroup_signal_place(). */
        for (size_t i = 0; i < n; i++)
            left += pids[i] != getpid() && pids[i] != 1;
        if (left == 0)
            return 0;
        if (!(left == n ? wait_until_free(place, turn, &b) : cgroup_backoff_wait(&b)))
            return cgroup_not_empty(place, pids, n, err);
    }
}

static int remove_all(const struct cgroup_record *record, bool kill, struct err *err)
{
    /* Only in cgroups that we made: others may hold processes of others, for instance when create
     * refused one for just that reason. See cgroup_clear(). */
    struct cgroup_place *inside = cgroup_process_place(record, true);
    int timeout = kill ? KILLED_TIMEOUT : DYING_TIMEOUT;
    struct err later = ERR_INIT;
    int failed = 0;

    if (kill && inside && kill_in(record, inside, err) < 0)
        return -1;
    /* v2 first: once it is free by events, so are the others, and the back-off has nothing to do.
     */
    if (inside && cgroup_place_remove(inside, timeout, err) < 0)
        failed = -1;
    for (size_t i = 0; i < record->places_n; i++) {
        struct cgroup_place *p = &record->places[i];

        if (!p->created || p == inside)
            cgroup_place_close(p);
        else if (cgroup_place_remove(p, failed ? 0 : timeout, failed ? &later : err) < 0)
            failed = -1;
    }
    return failed;
}

/* Whoever else is there goes on, or removes it. */
static void remove_contested(const struct cgroup_record *record)
{
    struct err why = ERR_INIT;

    for (size_t i = 0; i < record->places_n; i++) {
        struct cgroup_place *p = &record->places[i];

        if (p->created && cgroup_place_remove(p, 0, &why) < 0)
            log_debug("%s", why.text);
        cgroup_place_close(p);
    }
}

int cgroup_remove(const struct cgroup_record *record, bool kill, struct err *err)
{
    struct cgroup_place *inside = cgroup_process_place(record, true);
    struct err why = ERR_INIT;
    int stopped;

    if (record->contested) {
        remove_contested(record);
        return 0;
    }
    if (record->driver != CGROUP_SYSTEMD || !is_ours(record))
        return remove_all(record, kill, err);
    /* Killed first: systemd would ask them to end, and wait. */
    if (kill && inside && kill_in(record, inside, err) < 0)
        return -1;
    stopped = systemd_stop(record, &why);
    if (remove_all(record, kill, stopped < 0 ? &why : err) < 0) {
        if (stopped < 0)
            *err = why;
        return -1;
    }
    for (size_t i = 0; i < record->places_n; i++)
        remove_slices(&record->places[i]);
    /* Its cgroup is gone: to systemd the unit has ended, told or not. */
    if (stopped < 0)
        log_warning("%s", why.text);
    return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * Making the container's cgroups, one hierarchy after the other, and putting processes into them. A
 * cgroup that is there already is used if it is empty and not frozen; that nobody else has thought
 * the same of it shows after entering it. Nothing is changed in parents but that empty cpusets on
 * the way are filled.
 */
#include "base/fd.h"
#include "base/log.h"
#include "base/path.h"
#include "base/util.h"
#include "cgroup/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* How often a parent may vanish between being made and being used. */
#define MAKE_ATTEMPTS 8

/* Make the missing parents of @path. */
static int make_parents(int mount, const char *path)
{
    char parent[PATH_MAX];

    for (const char *p = strchr(path, '/'); p; p = strchr(p + 1, '/')) {
        size_t len = (size_t)(p - path);

        if (len >= sizeof parent) {
            errno = ENAMETOOLONG;
            return -1;
        }
        memcpy(parent, path, len);
        parent[len] = '\0';
        if (mkdirat(mount, parent, 0755) < 0 && errno != EEXIST)
            return -1;
    }
    return 0;
}

/* 1: made, 0: it was there, -1 with errno. */
static int make_cgroup(int mount, const char *path)
{
    for (int attempt = 0; attempt < MAKE_ATTEMPTS; attempt++) {
        if (mkdirat(mount, path, 0755) == 0)
            return 1;
        if (errno == EEXIST)
            return 0;
        if (errno != ENOENT || (make_parents(mount, path) < 0 && errno != ENOENT))
            return -1;
    }
    errno = ENOENT;
    return -1;
}

static int make_failed(const struct cgroup_place *place, int errnum, struct err *err)
{
    err_set(err, errnum, "make cgroup %s%s", place->mount, place->path);
    if (errnum == EROFS || errnum == EACCES || errnum == EPERM)
        err_hint(err, "--cgroup-manager disabled runs without cgroups");
    else if (errnum == EAGAIN)
        err_hint(err, "cgroup.max.descendants or cgroup.max.depth of a parent is reached");
    return -1;
}

/* Processes in an existing cgroup, or frozen here or above: a process that enters would stand
 * still. */
static int check_usable(struct cgroup_place *place, bool made, struct err *err)
{
    _cleanup_free_ pid_t *pids = NULL;
    bool freezer = cgroup_has_controller(place->controllers, "freezer");
    int frozen = 0;
    size_t n = 0;

    if (!made && cgroup_place_processes(place, &pids, &n, err) < 0)
        return -1;
    if (n > 0)
        return cgroup_not_empty(place, pids, n, err);
    /* A new child of the root is not frozen: the root cannot be. */
    if (made && !strchr(place->path + 1, '/'))
        return 0;
    if (place->v2)
        frozen = cgroup_v2_frozen(place);
    else if (freezer)
        frozen = cgroup_v1_frozen(place);
    if (frozen <= 0)
        return 0;
    err_set(err, 0, "cgroup %s is frozen", place->path);
    return err_hint(err, "it or a cgroup above it was paused in %s", place->mount);
}

/* A place that this caller has no right to: it goes without. */
static int refuse_place(struct cgroup_place *place, int errnum)
{
    place->refused = errnum;
    return 1;
}

int cgroup_place_prepare(struct cgroup_place *place, bool enable, struct err *err)
{
    _cleanup_close_ int mount = cgroup_mount_open(place, err);
    int made, fd, above;

    place->created = false;
    if (mount < 0)
        return -1;
    if (place->v2 && cgroup_unprivileged() && !cgroup_may_enter(place, &above))
        return refuse_place(place, EACCES);
    made = make_cgroup(mount, place->path + 1);
    if (made < 0) {
        int errnum = errno;

        if ((errnum == EACCES || errnum == EPERM || errnum == EROFS) && cgroup_unprivileged())
            return refuse_place(place, errnum);
        return make_failed(place, errnum, err);
    }
    place->created = made;
    /* Beside v1 the v2 hierarchy is there for kill and events: a controller of it is enabled when a
     * limit needs it. */
    if (place->v2 && enable)
        cgroup_enable_some(place, mount);
    fd = path_open_beneath(mount, place->path + 1, O_RDONLY | O_DIRECTORY, err);
    if (fd < 0)
        return err_context(err, "cgroup mount %s", place->mount);
    cgroup_place_keep(place, fd);
    if (!place->v2 && cgroup_has_controller(place->controllers, "cpuset") &&
        cgroup_v1_cpuset_fill(place, mount, err) < 0)
        return -1;
    return check_usable(place, made, err);
}

static void remove_made(struct cgroup_place *place)
{
    struct err ignored = ERR_INIT;

    if (place->created && cgroup_place_remove(place, 0, &ignored) < 0)
        log_debug("%s", ignored.text);
}

/* Places 0..n-1 were handled: remove what was made; the others were not touched. In one in which a
 * process was born it still is: that is left to whoever ends it. */
static void rollback(struct cgroup_record *record, size_t n)
{
    for (size_t i = 0; i < record->places_n; i++) {
        struct cgroup_place *p = &record->places[i];

        if (p->born)
            continue;
        if (i < n)
            remove_made(p);
        p->created = false;
        cgroup_place_close(p);
    }
}

void cgroup_set_aside(struct cgroup_record *record, size_t i)
{
    struct cgroup_place place = record->places[i];

    log_debug("cgroup %s%s: no permission, goes without", place.mount, place.path);
    cgroup_place_close(&place);
    record->places_n--;
    memmove(&record->places[i], &record->places[i + 1],
            (record->places_n - i) * sizeof record->places[i]);
    record->places[record->places_n] = place;
    record->refused_n++;
}

int cgroup_prepare(struct cgroup_record *record, struct err *err)
{
    for (size_t i = 0; i < record->places_n;) {
        struct cgroup_place *p = &record->places[i];
        int r = p->born ? 0 : cgroup_place_prepare(p, record->places_n == 1, err);

        if (r < 0) {
            rollback(record, i + 1);
            return -1;
        }
        if (r == 0)
            i++;
        else
            cgroup_set_aside(record, i);
    }
    if (cgroup_inner_make(record, err) < 0) {
        rollback(record, record->places_n);
        return -1;
    }
    cgroup_inner_enable(record);
    return 0;
}

int cgroup_prepare_v2(struct cgroup_record *record, struct err *err)
{
    if (record->places_n < 2 || record->inner)
        return 0;
    for (size_t i = 0; i < record->places_n; i++) {
        struct cgroup_place *p = &record->places[i];
        int r;

        if (!p->v2)
            continue;
        r = cgroup_place_prepare(p, false, err);
        p->born = r == 0;
        if (r == 0)
            return 1;
        if (r > 0) {
            cgroup_set_aside(record, i);
            return 0;
        }
        remove_made(p);
        rollback(record, 0);
        return -1;
    }
    return 0;
}

bool cgroup_unprepare(struct cgroup_record *record)
{
    bool any = false;

    for (size_t i = 0; i < record->places_n; i++) {
        struct cgroup_place *p = &record->places[i];

        p->created = p->created && p->born;
        any = any || p->created;
    }
    return any;
}

int cgroup_v2_fd(const struct cgroup_record *record)
{
    struct cgroup_place *p = cgroup_place_of(record, "");
    struct err ignored = ERR_INIT;

    return p ? cgroup_inner_dir(record, p, &ignored) : -1;
}

static void enter_threaded(const struct cgroup_place *place, struct err *err)
{
    char type[32] = "threaded";

    if (place->dir > 0)
        cgroup_read_at(place->dir - 1, "cgroup.type", type, sizeof type);
    err_hint(err,
             "its cgroup.type is \"%s\": %s takes no containers, choose another linux.cgroupsPath",
             type, strcmp(type, "threaded") == 0 ? "it" : "a threaded cgroup above it");
}

static int enter_failed(const struct cgroup_place *place, pid_t pid, int errnum, struct err *err)
{
    err_set(err, errnum, "move process %d into cgroup %s%s", (int)pid, place->mount, place->path);
    if (errnum == ENOSPC)
        err_hint(err, "its cpuset.cpus or cpuset.mems is empty");
    else if (errnum == EBUSY && place->v2)
        err_hint(err,
                 "it has controllers in cgroup.subtree_control: processes live in its children");
    else if (errnum == EOPNOTSUPP && place->v2)
        enter_threaded(place, err);
    else if (errnum == EACCES && place->v2)
        err_hint(err, "the caller has to be in a cgroup that belongs to the same user: start below "
                      "the user's manager (systemd-run --user --scope)");
    else if (errnum == EINVAL && cgroup_has_controller(place->controllers, "cpu"))
        err_hint(err, "a process with a realtime scheduler needs cpu.rt_runtime_us there");
    return -1;
}

bool cgroup_on_v1(const struct cgroup_record *record)
{
    for (size_t i = 0; i < record->places_n; i++) {
        if (!record->places[i].v2)
            return true;
    }
    return false;
}

size_t cgroup_tasks_fds(const struct cgroup_record *record, int *fds, size_t max)
{
    struct err ignored;
    size_t n = 0;

    for (size_t i = 0; i < record->places_n; i++) {
        struct cgroup_place *p = &record->places[i];
        int dir, fd = -1;

        if (p->v2)
            continue;
        dir = n < max ? cgroup_place_dir(p, &ignored) : -1;
        if (dir >= 0)
            fd = openat(dir, "tasks", O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd >= 0) {
            fds[n++] = fd;
            continue;
        }
        while (n > 0)
            fd_close(fds[--n]);
        return 0;
    }
    return n;
}

int cgroup_enter(const struct cgroup_record *record, pid_t pid, enum cgroup_which which,
                 struct err *err)
{
    char text[16];

    snprintf(text, sizeof text, "%d", (int)pid);
    for (size_t i = 0; i < record->places_n; i++) {
        struct cgroup_place *p = &record->places[i];
        _cleanup_close_ int dir = -1;

        if (which == (p->v2 ? CGROUP_V1 : CGROUP_V2))
            continue;
        dir = cgroup_inner_dir(record, p, err);
        if (dir < 0)
            return -1;
        if (cgroup_write_at(dir, "cgroup.procs", text) < 0)
            return enter_failed(p, pid, errno, err);
    }
    /* systemd had put it into the cgroup above, which could not give away controllers then. */
    if (record->creating && which != CGROUP_V1)
        cgroup_inner_enable(record);
    return 0;
}

int cgroup_alone(struct cgroup_record *record, pid_t pid, struct err *err)
{
    struct cgroup_place *place = cgroup_process_place(record, false);
    _cleanup_close_ int inner = -1;
    char text[256], *end;
    int dir;

    /* A unit of systemd's has one maker. */
    if (record->driver != CGROUP_CGROUPFS || !place)
        return 0;
    dir = cgroup_place_dir(place, err);
    if (dir >= 0 && record->inner) {
        inner = cgroup_inner_dir(record, place, err);
        dir = inner;
    }
    if (dir < 0)
        return -1;
    /* What cannot be read (threaded, or gone) has its error elsewhere. */
    if (cgroup_read_at(dir, "cgroup.procs", text, sizeof text) <= 0)
        return 0;
    for (char *p = text; *p; p = end) {
        pid_t other = (pid_t)strtol(p, &end, 10);

        if (other == pid && end != p)
            continue;
        record->contested = true;
        return cgroup_not_empty(place, &other, 1, err);
    }
    return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Files of kernel file systems (procfs, sysfs, cgroups): reached below a directory that was
 * verified, without ".." and links, and without leaving its mount, for something may be mounted
 * over what is looked for. openat2(2) does all that; where it cannot be had, each component is
 * opened by itself and its mount compared.
 */
#include "base/fd.h"
#include "base/path_walk.h"
#include "base/sys.h"
#include "base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What tells one mount from another: st_dev, and the mount's id where the kernel gives it (5.8). */
struct place {
    dev_t dev;
    bool has_mount;
    uint64_t mount;
};

static int place_of(int fd, struct place *p)
{
    struct statx stx;
    struct stat st;

    if (fstat(fd, &st) < 0)
        return -1;
    *p = (struct place){.dev = st.st_dev};
    if (statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &stx) == 0 && (stx.stx_mask & STATX_MNT_ID)) {
        p->has_mount = true;
        p->mount = stx.stx_mnt_id;
    }
    return 0;
}

static int place_check(int fd, const struct place *wanted)
{
    struct place p;

    if (place_of(fd, &p) < 0)
        return -1;
    if (p.dev != wanted->dev || (p.has_mount && wanted->has_mount && p.mount != wanted->mount))
        return path_walk_fail(EXDEV);
    return 0;
}

static int beneath_walk(int dir, const char *path, int flags)
{
    _cleanup_close_ int at = -1;
    struct component c = {.last = false};
    struct place place;
    struct walk w;

    if (path_walk_start(&w, dir, path, strlen(path)) < 0 || place_of(dir, &place) < 0)
        return -1;
    while (!c.last && path_walk_next(&w, &c) > 0) {
        struct stat st;
        int parent = at < 0 ? dir : at;
        int fd = openat(parent, c.name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

        if (fd < 0)
            return -1;
        if (place_check(fd, &place) < 0 || fstat(fd, &st) < 0)
            return fd_close(fd);
        if (S_ISLNK(st.st_mode)) {
            fd_close(fd);
            return path_walk_fail(ELOOP);
        }
        if (c.last && !(flags & O_PATH)) {
            fd_close(fd);
            fd = openat(parent, c.name, flags | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY);
            if (fd < 0)
                return -1;
            if (place_check(fd, &place) < 0)
                return fd_close(fd);
        }
        fd_close(at);
        at = fd;
        if (((flags & O_DIRECTORY) || c.slash) && !S_ISDIR(st.st_mode))
            return path_walk_fail(ENOTDIR);
    }
    if (!c.last)
        return -1;
    return util_take_fd(at);
}

/* Whether the path has a component "..": the callers' paths have none, so nothing has to be decided
 * about what it would mean. */
static bool path_has_dotdot(const char *path)
{
    for (const char *p = path; *p; p += strspn(p, "/")) {
        size_t len = strcspn(p, "/");

        if (len == 2 && p[0] == '.' && p[1] == '.')
            return true;
        p += len;
    }
    return false;
}

int path_open_beneath(int dir, const char *path, int flags, struct err *err)
{
    bool walk;
    int fd;

    if (path[0] == '/' || path_has_dotdot(path))
        return err_set(err, EXDEV, "open %s", path);
    if (flags & O_CREAT)
        return err_set(err, EINVAL, "open %s", path);
    fd = path_openat2(
        dir, path, flags,
        RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS, &walk);
    if (walk)
        fd = beneath_walk(dir, path, flags);
    return fd < 0 ? err_errno(err, "open %s", path) : fd;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * Directories of cgroups, and the small files in them. A directory is trusted as a cgroup only
 * after fstatfs(2) named the filesystem: /sys/fs/cgroup itself is a tmpfs on v1, in which anybody
 * may have made a directory that looks like one. Below the verified mount nothing is followed and
 * no other filesystem is entered; a verified directory is kept open in its place, so that making,
 * entering and limiting cost one open of it. Who looks at one file of each of many containers keeps
 * the verified mounts open instead, and opens nothing below them but the file.
 *
 * Names inside come from tables, never with a '/'. A cgroup that a container may write to can be
 * nested deeper than PATH_MAX and wider than RLIMIT_NOFILE: trees are lists of paths, opened piece
 * by piece, one descriptor at a time.
 */
#include "base/fd.h"
#include "base/path.h"
#include "base/sys.h"
#include "base/util.h"
#include "cgroup/internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

/* Longest piece of a path handed to the kernel at once. */
#define PIECE_MAX (PATH_MAX - NAME_MAX - 1)

int cgroup_mount_open(const struct cgroup_place *place, struct err *err)
{
    _cleanup_close_ int fd = open(place->mount, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct statfs fs;

    if (fd < 0 || fstatfs(fd, &fs) < 0) {
        err_errno(err, "cgroup mount %s", place->mount);
    } else if (fs.f_type == (place->v2 ? CGROUP2_SUPER_MAGIC : CGROUP_SUPER_MAGIC)) {
        return util_take_fd(fd);
    } else {
        err_set(err, 0, "cgroup mount %s: not a cgroup%s filesystem", place->mount,
                place->v2 ? "2" : "");
        err->errnum = EXDEV;
    }
    if (err->errnum == EXDEV || err->errnum == ENOENT || err->errnum == ENOTDIR)
        err_hint(err, "something was mounted over it: unmount that, or run without cgroups "
                      "(--cgroup-manager disabled)");
    return -1;
}

void cgroup_place_keep(struct cgroup_place *place, int fd)
{
    cgroup_place_close(place);
    place->dir = fd + 1;
}

void cgroup_place_close(struct cgroup_place *place)
{
    if (place->dir > 0)
        fd_close(place->dir - 1);
    place->dir = 0;
}

int cgroup_place_dir(struct cgroup_place *place, struct err *err)
{
    _cleanup_close_ int mount = -1;
    int fd;

    if (place->dir > 0)
        return place->dir - 1;
    mount = cgroup_mount_open(place, err);
    if (mount < 0)
        return -1;
    fd = path_open_beneath(mount, place->path[1] ? place->path + 1 : ".", O_RDONLY | O_DIRECTORY,
                           err);
    if (fd < 0)
        return err_context(err, "cgroup mount %s", place->mount);
    cgroup_place_keep(place, fd);
    return place->dir - 1;
}

/* Controllers that are asked about and v2; what else there is in records is opened each time. */
#define KEPT_MAX 4

static struct {
    bool on;
    size_t n;
    struct {
        const struct cgroup_place *place; /* of the first record that had it */
        int fd;
    } list[KEPT_MAX];
} kept;

void cgroup_keep_mounts(bool keep)
{
    kept.on = keep;
    while (!keep && kept.n > 0)
        fd_close(kept.list[--kept.n].fd);
}

/* Whether the place's mount is kept; @fd: the verified mount, not the caller's to close, or -1 of
 * one that could not be opened, which is not tried again either. */
static bool mount_kept(const struct cgroup_place *place, int *fd)
{
    struct err ignored = ERR_INIT;

    for (size_t i = 0; i < kept.n; i++) {
        const struct cgroup_place *p = kept.list[i].place;

        if (p->v2 == place->v2 && strcmp(p->mount, place->mount) == 0) {
            *fd = kept.list[i].fd;
            return true;
        }
    }
    if (!kept.on || kept.n == KEPT_MAX)
        return false;
    *fd = cgroup_mount_open(place, &ignored);
    /* No room for an fd is no property of the mount. */
    if (*fd < 0 &&
        (ignored.errnum == EMFILE || ignored.errnum == ENFILE || ignored.errnum == ENOMEM))
        return false;
    kept.list[kept.n].place = place;
    kept.list[kept.n++].fd = *fd;
    return true;
}

/* Nothing mounted over a cgroup is one of ours. Without openat2 (5.6, or a filter) O_NOFOLLOW has
 * to do: there are no links in a cgroup filesystem. */
static int open_piece(int at, const char *piece)
{
    const struct open_how how = {
        .flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS,
    };
    int fd = sys_openat2(at, piece, &how, sizeof how);

    if (fd < 0 && (errno == ENOSYS || errno == EPERM))
        fd = openat(at, piece, (int)how.flags);
    return fd;
}

int cgroup_open_below(int dir, const char *path)
{
    int at = dir;

    for (;;) {
        char piece[PIECE_MAX + 1];
        size_t len = strlen(path);
        int fd;

        if (len > PIECE_MAX) {
            for (len = PIECE_MAX; len > 0 && path[len] != '/';)
                len--;
        }
        memcpy(piece, path, len);
        piece[len] = '\0';
        fd = open_piece(at, len ? piece : ".");
        if (at != dir)
            fd_close(at);
        if (fd < 0)
            return -1;
        path += len;
        if (*path == '\0')
            return fd;
        path++;
        at = fd;
    }
}

int cgroup_write_at(int dir, const char *name, const char *value)
{
    _cleanup_close_ int fd = -1;
    size_t len = strlen(value);
    ssize_t n;

    if (strchr(name, '/')) {
        errno = EINVAL;
        return -1;
    }
    fd = openat(dir, name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return -1;
    do {
        n = write(fd, value, len);
    } while (n < 0 && errno == EINTR);
    if (n >= 0 && (size_t)n != len)
        errno = EIO;
    return n == (ssize_t)len ? 0 : -1;
}

/* @opened is closed; -1 is what could not be opened. */
static int read_small(int opened, char *buf, size_t size)
{
    _cleanup_close_ int fd = opened;
    ssize_t n;

    if (fd < 0)
        return -1;
    do {
        n = read(fd, buf, size - 1);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return -1;
    if (n > 0 && buf[n - 1] == '\n')
        n--;
    buf[n] = '\0';
    return (int)n;
}

int cgroup_read_at(int dir, const char *name, char *buf, size_t size)
{
    return read_small(openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), buf, size);
}

int cgroup_place_read(struct cgroup_place *place, const char *name, char *buf, size_t size)
{
    struct err ignored = ERR_INIT;
    char path[PATH_MAX];
    int dir, mount;

    /* A path that the name makes too long is opened in two. */
    if (place->dir == 0 && mount_kept(place, &mount) &&
        snprintf(path, sizeof path, "%s/%s", place->path[1] ? place->path : "", name) <
            (int)sizeof path)
        return mount < 0
                   ? -1
                   : read_small(path_open_beneath(mount, path + 1, O_RDONLY, &ignored), buf, size);
    dir = cgroup_place_dir(place, &ignored);
    return dir < 0 ? -1 : cgroup_read_at(dir, name, buf, size);
}

/* The number in the text of a file, or the one after @key. */
static int64_t number_in(const char *p, const char *key)
{
    char *end;
    size_t len = key ? strlen(key) : 0;
    unsigned long long value;

    while (key && (strncmp(p, key, len) != 0 || p[len] != ' ')) {
        p = strchr(p, '\n');
        if (!p)
            return -1;
        p++;
    }
    p += key ? len + 1 : 0;
    errno = 0;
    value = strtoull(p, &end, 10);
    if (end == p || errno != 0 || *p == '-')
        return -1;
    return value > INT64_MAX ? INT64_MAX : (int64_t)value;
}

int64_t cgroup_read_number_at(int dir, const char *name, const char *key)
{
    char buf[4096];

    return cgroup_read_at(dir, name, buf, sizeof buf) < 0 ? -1 : number_in(buf, key);
}

int64_t cgroup_place_number(struct cgroup_place *place, const char *name, const char *key)
{
    char buf[4096];

    return cgroup_place_read(place, name, buf, sizeof buf) < 0 ? -1 : number_in(buf, key);
}

static int tree_add(struct cgroup_tree *tree, const char *parent, const char *name)
{
    size_t len = strlen(parent) + strlen(name) + 2;
    char *path;

    if (tree->n == tree->room) {
        size_t room = tree->room ? 2 * tree->room : 8;
        char **paths = reallocarray(tree->paths, room, sizeof *paths);

        if (!paths)
            return -1;
        tree->paths = paths;
        tree->room = room;
    }
    path = malloc(len);
    if (!path)
        return -1;
    snprintf(path, len, "%s%s%s", parent, *parent ? "/" : "", name);
    tree->paths[tree->n++] = path;
    return 0;
}

/* Add the sub-cgroups of @dir, which is called @path. @dir is closed. */
static int tree_add_children(struct cgroup_tree *tree, int dir, const char *path)
{
    struct stat st;
    struct dirent *e;
    DIR *d;
    int failed = 0, saved;

    /* The kernel counts sub-directories in the link count: a leaf need not be read. */
    if (fstat(dir, &st) == 0 && st.st_nlink == 2) {
        fd_close(dir);
        return 0;
    }
    d = fdopendir(dir);
    if (!d)
        return fd_close(dir);
    while (!failed && (errno = 0, e = readdir(d))) {
        if (e->d_type == DT_DIR && strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            failed = tree_add(tree, path, e->d_name);
    }
    if (errno)
        failed = -1;
    saved = errno;
    closedir(d);
    errno = saved;
    return failed;
}

int cgroup_tree_read(int dir, struct cgroup_tree *tree)
{
    *tree = (struct cgroup_tree){.paths = NULL};
    if (tree_add(tree, "", "") < 0)
        return -1;
    for (size_t i = 0; i < tree->n; i++) {
        int fd = cgroup_open_below(dir, tree->paths[i]);

        /* Sub-cgroups come and go while their manager lives; what is mounted over one is none. */
        if (fd < 0 && (errno == ENOENT || errno == ENODEV || errno == EXDEV))
            continue;
        if (fd < 0 || tree_add_children(tree, fd, tree->paths[i]) < 0) {
            int saved = errno;

            cgroup_tree_clear(tree);
            errno = saved;
            return -1;
        }
    }
    return 0;
}

void cgroup_tree_clear(struct cgroup_tree *tree)
{
    for (size_t i = 0; i < tree->n; i++)
        free(tree->paths[i]);
    free(tree->paths);
    *tree = (struct cgroup_tree){.paths = NULL};
}

struct cgroup_place *cgroup_place_of(const struct cgroup_record *record, const char *controller)
{
    for (size_t i = 0; i < record->places_n; i++) {
        struct cgroup_place *p = &record->places[i];

        if (*controller ? !p->v2 && cgroup_has_controller(p->controllers, controller) : p->v2)
            return p;
    }
    return NULL;
}

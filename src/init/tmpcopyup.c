/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * The mount option tmpcopyup: a new tmpfs starts with a copy of the directory that it covers. The
 * covered directory is still there, behind the fd that was opened as the mount's target. The tree
 * belongs to the container, so everything goes by directory fds and names of one component, nothing
 * is followed, and what is opened for reading is known to be a file by then: of a device the
 * opening alone can be an act.
 *
 * A directory gets its mode, owner and times after its contents.
 */
#include "base/fd.h"
#include "base/proc.h"
#include "base/sys.h"
#include "base/util.h"
#include "init/mounts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define DEPTH_MAX 128 /* three fds a level: far below any limit that a runtime is started with */

/* Where a copy is. */
struct place {
    int from, to; /* directories */
    int procfs;
    unsigned depth;
};

static int copy_tree(const struct place *at, struct err *err);

/* Extended attributes that the tmpfs can hold; the others are left behind, as cp does. */
static void copy_xattrs(int from, int to)
{
    char names[4096], value[4096];
    ssize_t len = flistxattr(from, names, sizeof names);

    for (ssize_t at = 0; at < len; at += (ssize_t)strlen(names + at) + 1) {
        ssize_t size = fgetxattr(from, names + at, value, sizeof value);

        if (size >= 0)
            (void)fsetxattr(to, names + at, value, (size_t)size, 0);
    }
}

/* Owner before mode: chown clears the set-id bits. */
static int copy_metadata(int from, int to, const struct stat *st, struct err *err)
{
    const struct timespec times[2] = {st->st_atim, st->st_mtim};

    if (fchown(to, st->st_uid, st->st_gid) < 0)
        return err_errno(err, "change owner");
    if (fchmod(to, st->st_mode & 07777) < 0)
        return err_errno(err, "change mode");
    copy_xattrs(from, to);
    if (futimens(to, times) < 0)
        return err_errno(err, "change times");
    return 0;
}

static int copy_data(int from, int to, struct err *err)
{
    char buf[16384];
    ssize_t n;

    while ((n = sendfile(to, from, NULL, 1 << 30)) > 0)
        ;
    if (n == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return err_errno(err, "copy");
    /* Some filesystems have no splice. */
    while ((n = read(from, buf, sizeof buf)) > 0)
        if (fd_write_all(to, buf, (size_t)n, err) < 0)
            return -1;
    return n == 0 ? 0 : err_errno(err, "read");
}

static int copy_file(const struct place *at, const char *name, struct err *err)
{
    struct stat st;
    _cleanup_close_ int path = openat(at->from, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    _cleanup_close_ int from = -1, to = -1;

    if (path < 0 || fstat(path, &st) < 0)
        return err_errno(err, "open");
    if (!S_ISREG(st.st_mode))
        return err_set(err, EBUSY, "changed while it was copied");
    from = proc_reopen(at->procfs, path, O_RDONLY, err);
    if (from < 0)
        return -1;
    to = openat(at->to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (to < 0)
        return err_errno(err, "create");
    if (copy_data(from, to, err) < 0)
        return -1;
    return copy_metadata(from, to, &st, err);
}

static int copy_directory(const struct place *at, const char *name, struct err *err)
{
    const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    _cleanup_close_ int from = openat(at->from, name, flags);
    _cleanup_close_ int to = -1;
    struct place below = {.from = from, .procfs = at->procfs, .depth = at->depth + 1};
    struct stat st;

    if (from < 0 || fstat(from, &st) < 0)
        return err_errno(err, "open");
    if (mkdirat(at->to, name, 0700) < 0 || (to = openat(at->to, name, flags)) < 0)
        return err_errno(err, "create");
    below.to = to;
    if (copy_tree(&below, err) < 0)
        return -1;
    return copy_metadata(from, to, &st, err);
}

static int copy_link(int from_dir, int to_dir, const char *name, const struct stat *st,
                     struct err *err)
{
    char target[4096];
    ssize_t len = readlinkat(from_dir, name, target, sizeof target - 1);

    if (len < 0)
        return err_errno(err, "read link");
    target[len] = '\0';
    if (symlinkat(target, to_dir, name) < 0 ||
        fchownat(to_dir, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
        return err_errno(err, "create link");
    return 0;
}

/* Devices, fifos and sockets. Nobody else sees @to_dir yet, so the name stays what it is. */
static int copy_node(int to_dir, const char *name, const struct stat *st, struct err *err)
{
    if (mknodat(to_dir, name, st->st_mode & (S_IFMT | 07777U), st->st_rdev) < 0 ||
        fchownat(to_dir, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
        return err_errno(err, "create node");
    return 0;
}

static int copy_entry(const struct place *at, const char *name, struct err *err)
{
    struct stat st;

    if (fstatat(at->from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return err_errno(err, "stat");
    switch (st.st_mode & S_IFMT) {
    case S_IFDIR:
        return copy_directory(at, name, err);
    case S_IFREG:
        return copy_file(at, name, err);
    case S_IFLNK:
        return copy_link(at->from, at->to, name, &st, err);
    default:
        return copy_node(at->to, name, &st, err);
    }
}

static void dir_closep(DIR **dir)
{
    if (*dir != NULL)
        closedir(*dir);
}

static int copy_tree(const struct place *at, struct err *err)
{
    int own = openat(at->from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    __attribute__((cleanup(dir_closep))) DIR *dir = own < 0 ? NULL : fdopendir(own);
    const struct dirent *entry;

    if (dir == NULL) {
        err_errno(err, "read directory");
        fd_close(own);
        return -1;
    }
    if (at->depth > DEPTH_MAX)
        return err_set(err, ELOOP, "directories nested too deep");
    while ((errno = 0, entry = readdir(dir)) != NULL) {
        const char *name = entry->d_name;

        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
            continue;
        if (copy_entry(at, name, err) < 0)
            return err_context(err, "%s", name);
    }
    return errno == 0 ? 0 : err_errno(err, "read directory");
}

int init_tmpcopyup(int from, int to, int procfs, struct err *err)
{
    const struct place top = {.from = from, .to = to, .procfs = procfs};

    return copy_tree(&top, err) < 0 ? err_context(err, "tmpcopyup") : 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * openat2(2) resolves a whole path in the kernel and is the normal way. It cannot always be had:
 * the filter of an outer container may not know it (ENOSYS, EPERM), and any rename or mount on the
 * machine makes a lookup of ".." fail with EAGAIN. The other way is a walk in user space, and
 * creation of what is missing uses the same walk:
 *
 * - Each component is opened with O_PATH | O_NOFOLLOW relative to the directory before it, so the
 *   kernel never sees more than one component and never follows a link.
 * - A link is read through its own fd (what was opened is what is read) and its text is put before
 *   the rest of the path; an absolute one starts again at the root. 40 of them are allowed, as in
 * the kernel.
 * - The directories passed are kept on a stack. ".." takes one off; it is never opened, so it
 * cannot lead out of the root however directories are moved meanwhile, and at the root it stays.
 * - The last component is opened twice when more than O_PATH is asked for: what is opened must be
 *   what was looked at, otherwise it was exchanged and the component is looked up again.
 */
#include "base/path.h"

#include "base/fd.h"
#include "base/path_walk.h"
#include "base/proc.h"
#include "base/sys.h"
#include "base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define EAGAIN_ATTEMPTS 16
#define RACES_MAX 256   /* lookups that a component which keeps changing gets */
#define LINKS_MAX 40    /* MAXSYMLINKS of the kernel */
#define PROC_ROOT_INO 1 /* of the kernel's proc_fs.h */
#define PARENT_MODE 0755

/* ---- the walk ------------------------------------------------------------------------------- */

int path_walk_fail(int errnum)
{
    errno = errnum;
    return -1;
}

static int walk_top(const struct walk *w)
{
    return w->fds[w->depth];
}

static void walk_pop_to(struct walk *w, size_t depth)
{
    while (w->depth > depth)
        fd_close(w->fds[w->depth--]);
}

int path_walk_start(struct walk *w, int root, const char *path, size_t len)
{
    if (!len)
        return path_walk_fail(ENOENT);
    if (len >= PATH_MAX)
        return path_walk_fail(ENAMETOOLONG);
    memcpy(w->rest, path, len);
    w->rest[len] = '\0';
    w->at = w->rest;
    w->fds[0] = root;
    w->depth = 0;
    w->links = w->races = 0;
    w->create = w->made = false;
    return 0;
}

/* Take the next component off; returns 1, 0 at the end of the path, -1 when it is too long. */
int path_walk_next(struct walk *w, struct component *c)
{
    size_t len;

    w->at += strspn(w->at, "/");
    if (!*w->at)
        return 0;
    len = strcspn(w->at, "/");
    if (len > NAME_MAX)
        return path_walk_fail(ENAMETOOLONG);
    memcpy(c->name, w->at, len);
    c->name[len] = '\0';
    w->at += len;
    c->slash = *w->at == '/';
    c->last = w->at[strspn(w->at, "/")] == '\0';
    return 1;
}

/* Make the component, which was not there a moment ago. The umask of whoever called the runtime
 * must not decide who can use a mount point. */
static int walk_create(struct walk *w, const struct component *c)
{
    mode_t mode = c->last ? w->mode : PARENT_MODE, mask = umask(0);
    int ret;

    if (c->last && !c->slash && w->kind == PATH_FILE) {
        ret = openat(walk_top(w), c->name,
                     O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, mode);
        fd_close(ret);
    } else {
        ret = mkdirat(walk_top(w), c->name, mode);
    }
    umask(mask);
    if (ret < 0)
        return -1;
    if (c->last)
        w->made = true;
    return 0;
}

/* Open the component as it is, creating it if that is wanted. */
static int walk_lookup(struct walk *w, const struct component *c, struct stat *st)
{
    for (; w->races < RACES_MAX; w->races++) {
        int fd = openat(walk_top(w), c->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

        if (fd >= 0)
            return fstat(fd, st) < 0 ? fd_close(fd) : fd;
        if (errno != ENOENT || !w->create)
            return -1;
        if (walk_create(w, c) < 0 && errno != EEXIST)
            return -1;
    }
    return path_walk_fail(EAGAIN);
}

/* Links in procfs lead anywhere, whatever their text says; only those directly in its root (self,
 * thread-self, mounts, net) are plain text. */
static bool walk_is_magic(const struct walk *w, int link)
{
    struct statfs fs;
    struct stat st;

    if (fstatfs(link, &fs) < 0)
        return true;
    if (fs.f_type != PROC_SUPER_MAGIC)
        return false;
    return fstat(walk_top(w), &st) < 0 || st.st_ino != PROC_ROOT_INO;
}

static int walk_expand(struct walk *w, int link)
{
    size_t len = strlen(w->at);
    char text[PATH_MAX];
    ssize_t n;

    if (++w->links > LINKS_MAX || walk_is_magic(w, link))
        return path_walk_fail(ELOOP);
    n = readlinkat(link, "", text, sizeof text);
    if (n < 0)
        return -1;
    if (n == 0)
        return path_walk_fail(ENOENT);
    if ((size_t)n == sizeof text || (size_t)n + len >= sizeof w->rest)
        return path_walk_fail(ENAMETOOLONG);
    memmove(w->rest + n, w->at, len + 1);
    memcpy(w->rest, text, (size_t)n);
    w->at = w->rest;
    if (text[0] == '/')
        walk_pop_to(w, 0);
    return 0;
}

static int walk_push(struct walk *w, int fd, const struct stat *st)
{
    if (!S_ISDIR(st->st_mode)) {
        fd_close(fd);
        return path_walk_fail(ENOTDIR);
    }
    if (w->depth + 1 == DEPTH_MAX) {
        fd_close(fd);
        return path_walk_fail(ENAMETOOLONG);
    }
    w->fds[++w->depth] = fd;
    return 0;
}

/* Open for real what @fd, the last component, stands for. Sets *raced when it is not there any
 * more. */
static int walk_finish(const struct walk *w, const char *name, int fd, const struct stat *seen,
                       int flags, bool *raced)
{
    _cleanup_close_ int path = fd;
    _cleanup_close_ int real = -1;
    struct stat st;

    if ((flags & O_DIRECTORY) && !S_ISDIR(seen->st_mode))
        return path_walk_fail(ENOTDIR);
    if (flags & O_PATH)
        return util_take_fd(path);
    if (S_ISLNK(seen->st_mode))
        return path_walk_fail(ELOOP);
    real = openat(walk_top(w), name, flags | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY);
    if (real < 0) {
        *raced = errno == ELOOP || errno == ENOENT || errno == ENOTDIR;
        return -1;
    }
    if (fstat(real, &st) < 0)
        return -1;
    if (st.st_dev != seen->st_dev || st.st_ino != seen->st_ino) {
        *raced = true;
        return -1;
    }
    return util_take_fd(real);
}

static int walk_steps(struct walk *w, int flags)
{
    for (;;) {
        const char *again = w->at;
        bool raced = false;
        struct component c;
        struct stat st;
        int fd, ret;

        ret = path_walk_next(w, &c);
        if (ret < 0)
            return -1;
        if (ret == 0) /* the path ended in "/", "." or ".." */
            return openat(walk_top(w), ".", flags | O_NOFOLLOW | O_CLOEXEC);
        if (strcmp(c.name, ".") == 0)
            continue;
        if (strcmp(c.name, "..") == 0) {
            walk_pop_to(w, w->depth ? w->depth - 1 : 0);
            continue;
        }
        fd = walk_lookup(w, &c, &st);
        if (fd < 0)
            return -1;
        if (S_ISLNK(st.st_mode) && (!c.last || c.slash || !(flags & O_NOFOLLOW))) {
            ret = walk_expand(w, fd);
            fd_close(fd);
            if (ret < 0)
                return -1;
            continue;
        }
        if (!c.last || c.slash) {
            if (walk_push(w, fd, &st) < 0)
                return -1;
            continue;
        }
        fd = walk_finish(w, c.name, fd, &st, flags, &raced);
        if (!raced)
            return fd;
        if (++w->races >= RACES_MAX)
            return path_walk_fail(EAGAIN);
        w->at = again;
    }
}

static int walk_run(struct walk *w, int flags)
{
    int fd = walk_steps(w, flags);

    walk_pop_to(w, 0);
    return fd;
}

static int walk_open(int root, const char *path, int flags)
{
    struct walk w;

    if (path_walk_start(&w, root, path, strlen(path)) < 0)
        return -1;
    return walk_run(&w, flags);
}

/* ---- openat2 -------------------------------------------------------------------------------- */

int path_openat2(int dir, const char *path, int flags, uint64_t resolve, bool *walk)
{
    /* O_PATH allows few other flags, and openat2 is strict about it. */
    struct open_how how = {.flags = (uint64_t)flags | O_CLOEXEC | (flags & O_PATH ? 0 : O_NOCTTY),
                           .resolve = resolve};
    static bool missing;
    int fd = -1;

    *walk = true;
    if (missing)
        return -1;
    /* Any rename or mount on the machine, not only one below the root, makes a lookup of ".." fail
     * with EAGAIN; it is an invitation to try again, and busy hosts take a few turns. */
    for (int attempt = 0; attempt < EAGAIN_ATTEMPTS; attempt++) {
        fd = sys_openat2(dir, path, &how, sizeof how);
        if (fd >= 0 || errno != EAGAIN)
            break;
    }
    if (fd < 0 && errno == ENOSYS)
        missing = true;
    /* EPERM may also be the file's own answer; the walk then gets the same. */
    *walk = fd < 0 && (errno == ENOSYS || errno == EPERM || errno == EAGAIN);
    return fd;
}

static int path_resolve(int root, const char *path, int flags)
{
    bool walk;
    int fd;

    if (flags & O_CREAT)
        return path_walk_fail(EINVAL);
    fd = path_openat2(root, path, flags, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS, &walk);
    return walk ? walk_open(root, path, flags) : fd;
}

int path_own_root(void)
{
    return open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
}

int path_open_in_root(int root, const char *path, int flags, struct err *err)
{
    int fd = path_resolve(root, path, flags);

    return fd < 0 ? err_errno(err, "open %s in the rootfs", path) : fd;
}

int path_walk_in_root(int root, const char *path, int flags, struct err *err)
{
    int fd = flags & O_CREAT ? path_walk_fail(EINVAL) : walk_open(root, path, flags);

    return fd < 0 ? err_errno(err, "open %s in the rootfs", path) : fd;
}

/* ---- creating ------------------------------------------------------------------------------- */

int path_make_in_root(int root, const char *path, enum path_kind kind, mode_t mode, bool *made,
                      struct err *err)
{
    size_t len = strlen(path);
    struct walk w;
    int fd;

    if (made)
        *made = false;
    fd = path_resolve(root, path, O_PATH);
    if (fd >= 0)
        return fd;
    /* "/etc/hosts/" as the target of a file means /etc/hosts. */
    while (kind == PATH_FILE && len > 1 && path[len - 1] == '/')
        len--;
    if ((errno != ENOENT && !(errno == ENOTDIR && path[len])) ||
        path_walk_start(&w, root, path, len) < 0)
        return err_errno(err, "open %s in the rootfs", path);
    w.create = true;
    w.kind = kind;
    w.mode = mode;
    fd = walk_run(&w, O_PATH);
    if (fd < 0)
        return err_errno(err, "create %s in the rootfs", path);
    if (made)
        *made = w.made;
    return fd;
}

int path_make_parent_in_root(int root, const char *path, const char **name, struct err *err)
{
    const char *slash = strrchr(path, '/');
    struct walk w;
    int fd;

    *name = slash ? slash + 1 : path;
    if (!**name || strcmp(*name, ".") == 0 || strcmp(*name, "..") == 0 || strlen(*name) > NAME_MAX)
        return err_set(err, strlen(*name) > NAME_MAX ? ENAMETOOLONG : EINVAL,
                       "create %s in the rootfs", path);
    if (*name == path)
        fd = path_walk_start(&w, root, ".", 1);
    else
        fd = path_walk_start(&w, root, path, (size_t)(*name - path));
    if (fd == 0) {
        w.create = true;
        w.kind = PATH_DIR;
        w.mode = PARENT_MODE;
        fd = walk_run(&w, O_PATH | O_DIRECTORY);
    }
    return fd < 0 ? err_errno(err, "create the directory of %s in the rootfs", path) : fd;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * A mount is made apart from the tree (fsopen … fsmount, or open_tree), changed while nobody can
 * reach it, and attached by move_mount to a target that is an fd: no path is looked up twice.
 *
 * Old kernels (5.10 has no mount_setattr) and the filters of nested containers take calls away.
 * Each has one substitute, here and nowhere else: mount(2), which wants a path. The path is the
 * number of the fd, looked up in self/fd of the procfs handle after an fchdir there: one component,
 * a magic link that leads straight to what the fd stands for. The current directory is put back
 * afterwards.
 *
 * A filter may say EPERM where an old kernel says ENOSYS, and so may a kernel that means it:
 * mount(2) is then asked too, and its answer is the one that counts.
 */
#include "base/mount.h"
#include "base/fd.h"
#include "base/mount_call.h"
#include "base/proc.h"
#include "base/sys.h"
#include "base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

bool mount_call_is_missing(int errnum)
{
    return errnum == ENOSYS || errnum == EPERM;
}

bool mount_move_is_missing(void)
{
    static bool there;

    if (!there)
        there = sys_move_mount(-1, "", -1, "", 0) == 0 || !mount_call_is_missing(errno);
    return !there;
}

/* The same attribute for mount_setattr(2), mount(2) and statfs(2). */
static const struct flag_row {
    uint64_t attr;
    unsigned long ms, st;
} flag_rows[] = {
    {MOUNT_ATTR_RDONLY, MS_RDONLY, 0x0001},
    {MOUNT_ATTR_NOSUID, MS_NOSUID, 0x0002},
    {MOUNT_ATTR_NODEV, MS_NODEV, 0x0004},
    {MOUNT_ATTR_NOEXEC, MS_NOEXEC, 0x0008},
    {MOUNT_ATTR_NOATIME, MS_NOATIME, 0x0400},
    {MOUNT_ATTR_NODIRATIME, MS_NODIRATIME, 0x0800},
    {MOUNT_ATTR_NOSYMFOLLOW, MS_NOSYMFOLLOW, 0x2000},
};

unsigned long mount_attr_to_ms(uint64_t attr)
{
    unsigned long ms = 0;

    for (size_t i = 0; i < ARRAY_SIZE(flag_rows); i++)
        if (attr & flag_rows[i].attr)
            ms |= flag_rows[i].ms;
    if (attr & MOUNT_ATTR_STRICTATIME)
        ms |= MS_STRICTATIME;
    return ms;
}

int mount_current_attr(int fd, uint64_t *attr)
{
    struct statfs fs;

    if (fstatfs(fd, &fs) < 0)
        return -1;
    *attr = 0;
    for (size_t i = 0; i < ARRAY_SIZE(flag_rows); i++)
        if ((unsigned long)fs.f_flags & flag_rows[i].st)
            *attr |= flag_rows[i].attr;
    if (!(fs.f_flags & 0x1000) && !(*attr & MOUNT_ATTR_NOATIME))
        *attr |= MOUNT_ATTR_STRICTATIME;
    return 0;
}

long mount_statfs_magic(int fd)
{
    struct statfs fs;

    return fstatfs(fd, &fs) < 0 ? -1 : (long)fs.f_type;
}

/* ---- mount(2) on fds ------------------------------------------------------------------------- */

static int open_self_fd(int procfs)
{
    struct err ignored = ERR_INIT;
    int fd = proc_open_self(procfs, "fd", O_PATH | O_DIRECTORY, &ignored);

    if (fd < 0)
        errno = ignored.errnum;
    return fd;
}

int mount_on_fd(int procfs, int source_fd, const char *source, int target, const char *type,
                unsigned long flags, const void *data)
{
    if (procfs < 0) {
        errno = ENOSYS;
        return -1;
    }
    _cleanup_close_ int cwd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    _cleanup_close_ int dir = open_self_fd(procfs);
    char from[16], to[16];
    int result, saved;

    if (dir < 0 || fchdir(dir) < 0)
        return -1;
    snprintf(from, sizeof from, "%d", source_fd);
    snprintf(to, sizeof to, "%d", target);
    result = sys_mount(source_fd >= 0 ? from : source, to, type, flags, data);
    saved = errno;
    /* A current directory that cannot be opened (no x for the mapped root) is no place to return
     * to. */
    if ((cwd < 0 || fchdir(cwd) < 0) && chdir("/") < 0)
        return -1;
    errno = saved;
    return result;
}

long mount_id(int procfs, int fd)
{
    struct err ignored = ERR_INIT;
    char name[32], buf[512];
    ssize_t len;

    snprintf(name, sizeof name, "fdinfo/%d", fd);
    _cleanup_close_ int info = proc_open_self(procfs, name, O_RDONLY, &ignored);
    if (info < 0 || (len = read(info, buf, sizeof buf - 1)) <= 0)
        return -1;
    buf[len] = '\0';
    const char *id = strstr(buf, "mnt_id:");
    return id == NULL ? -1 : strtol(id + 7, NULL, 10);
}

/* Whether @fd may be what was made with @type: what containers have, for others nobody knows. */
static bool is_of_type(int fd, const char *type)
{
    static const struct {
        const char *type;
        long magic;
    } rows[] = {
        {"proc", PROC_SUPER_MAGIC},       {"sysfs", SYSFS_MAGIC},
        {"tmpfs", TMPFS_MAGIC},           {"devpts", DEVPTS_SUPER_MAGIC},
        {"mqueue", MQUEUE_SUPER_MAGIC},   {"cgroup", CGROUP_SUPER_MAGIC},
        {"cgroup2", CGROUP2_SUPER_MAGIC},
    };

    for (size_t i = 0; type != NULL && i < ARRAY_SIZE(rows); i++)
        if (strcmp(type, rows[i].type) == 0)
            return mount_statfs_magic(fd) == rows[i].magic;
    return true;
}

/*
 * The root of what mount(2) has just put on @target. An fd does not see what is mounted over it, so
 * the kernel is asked for its path and that is opened; someone may move directories in between, so
 * the result has to be a root other than the mount below, of the same kind as what was mounted.
 * @expect: the bind's source, or -1; @type: of a new filesystem, or NULL.
 */
static int open_covering(int procfs, int target, int expect, const char *type, struct err *err)
{
    _cleanup_close_ int dir = open_self_fd(procfs);
    char name[16], path[4096];
    struct stat a, b;
    ssize_t len;

    snprintf(name, sizeof name, "%d", target);
    if (dir < 0 || (len = readlinkat(dir, name, path, sizeof path - 1)) <= 0)
        return err_errno(err, "path of a mount target");
    path[len] = '\0';
    _cleanup_close_ int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return err_errno(err, "open a new mount");
    if (mount_id(procfs, fd) == mount_id(procfs, target))
        return err_set(err, EBUSY, "the mount target moved");
    if (!is_of_type(fd, type))
        return err_set(err, EBUSY, "the mount target moved");
    if (expect >= 0 && (fstat(expect, &a) < 0 || fstat(fd, &b) < 0 || a.st_dev != b.st_dev ||
                        a.st_ino != b.st_ino))
        return err_set(err, EBUSY, "the mount target moved");
    return util_take_fd(fd);
}

/* ---- attributes and propagation -------------------------------------------------------------- */

static int setattr_call(int fd, bool recursive, uint64_t set, uint64_t clear, uint64_t propagation)
{
    struct mount_attr attr = {.attr_set = set, .attr_clr = clear, .propagation = propagation};

    return sys_mount_setattr(fd, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0U), &attr,
                             sizeof attr);
}

static int remount_bind(int fd, uint64_t set, uint64_t clear, int procfs)
{
    uint64_t now;

    if (mount_current_attr(fd, &now) < 0)
        return -1;
    return mount_on_fd(procfs, -1, NULL, fd, NULL,
                       MS_REMOUNT | MS_BIND | mount_attr_to_ms((now & ~clear) | set), NULL);
}

/* -1 with errno */
static int change_attr(int fd, bool recursive, uint64_t set, uint64_t clear, int procfs)
{
    if (setattr_call(fd, recursive, set, clear, 0) == 0)
        return 0;
    if (recursive || procfs < 0 || !mount_call_is_missing(errno))
        return -1;
    return remount_bind(fd, set, clear, procfs);
}

int mount_set_attr(int fd, bool recursive, uint64_t set, uint64_t clear, int procfs,
                   struct err *err)
{
    uint64_t now;
    int errnum;

    if (set == 0 && clear == 0)
        return 0;
    if (change_attr(fd, recursive, set, clear, procfs) == 0)
        return 0;
    errnum = errno;
    /* Flags that came from a more privileged mount namespace are locked. "rw" is what engines write
     * on every bind that is not asked to be read-only: no wish to unlock anything. */
    if (errnum == EPERM && !recursive && (clear & MOUNT_ATTR_RDONLY) &&
        mount_current_attr(fd, &now) == 0 && (now & MOUNT_ATTR_RDONLY)) {
        clear &= ~(uint64_t)MOUNT_ATTR_RDONLY;
        if (change_attr(fd, false, set, clear, procfs) == 0)
            return 0;
        errnum = errno;
    }
    if (recursive && errnum == ENOSYS) {
        err_set(err, ENOSYS, "recursive mount flags such as rro (mount_setattr)");
        return err_hint(err, "they need Linux 5.12 or newer");
    }
    err_set(err, errnum, "change mount flags%s", recursive ? " recursively" : "");
    if (errnum == EPERM && clear)
        err_hint(err, "a flag that the machine has set on it cannot be cleared in a user "
                      "namespace: leave out suid, dev, exec and the like");
    return -1;
}

unsigned long mount_propagation_flags(enum oci_propagation propagation, bool *recursive)
{
    static const unsigned long flags[] = {
        [OCI_PROPAGATION_PRIVATE] = MS_PRIVATE,
        [OCI_PROPAGATION_RPRIVATE] = MS_PRIVATE | MS_REC,
        [OCI_PROPAGATION_SHARED] = MS_SHARED,
        [OCI_PROPAGATION_RSHARED] = MS_SHARED | MS_REC,
        [OCI_PROPAGATION_SLAVE] = MS_SLAVE,
        [OCI_PROPAGATION_RSLAVE] = MS_SLAVE | MS_REC,
        [OCI_PROPAGATION_UNBINDABLE] = MS_UNBINDABLE,
        [OCI_PROPAGATION_RUNBINDABLE] = MS_UNBINDABLE | MS_REC,
    };

    if ((size_t)propagation >= ARRAY_SIZE(flags))
        return 0;
    *recursive = (flags[propagation] & MS_REC) != 0;
    return flags[propagation] & ~(unsigned long)MS_REC;
}

int mount_set_propagation(int fd, enum oci_propagation propagation, int procfs, struct err *err)
{
    bool recursive = false;
    unsigned long flags = mount_propagation_flags(propagation, &recursive);

    if (flags == 0)
        return 0;
    if (setattr_call(fd, recursive, 0, 0, flags) == 0)
        return 0;
    if (!mount_call_is_missing(errno) || procfs < 0)
        return err_errno(err, "change mount propagation");
    if (mount_on_fd(procfs, -1, NULL, fd, NULL, flags | (recursive ? (unsigned long)MS_REC : 0),
                    NULL) < 0)
        return err_errno(err, "change mount propagation");
    return 0;
}

int mount_clone(int dir, const char *path, bool recursive, bool nofollow, struct err *err)
{
    unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC;
    int fd;

    if (recursive)
        flags |= AT_RECURSIVE;
    if (nofollow)
        flags |= AT_SYMLINK_NOFOLLOW;
    if (path[0] == '\0')
        flags |= AT_EMPTY_PATH;
    fd = mount_move_is_missing() ? -1 : sys_open_tree(dir, path, flags);
    return fd >= 0 ? fd : err_errno(err, "clone mount%s%s", path[0] ? " " : "", path);
}

/* ---- attaching ------------------------------------------------------------------------------- */

static int attach_by_mount(struct mount_object *o, int target, int procfs, struct err *err)
{
    unsigned long flags =
        o->plain ? MS_BIND | (o->recursive ? (unsigned long)MS_REC : 0) : o->flags;
    int covering;

    if (mount_on_fd(procfs, o->plain ? o->fd : -1, o->source, target, o->type, flags,
                    o->plain ? NULL : o->data) < 0)
        return err_errno(err, "mount%s%s", o->type ? " " : "", o->type ? o->type : "");
    covering = open_covering(procfs, target, o->plain ? o->fd : -1, o->plain ? NULL : o->type, err);
    if (covering < 0)
        return -1;
    fd_close(o->fd);
    o->fd = covering;
    o->plain = false;
    return 0;
}

int mount_attach(struct mount_object *object, int target, int procfs, struct err *err)
{
    if (object->fd < 0 || object->plain)
        return attach_by_mount(object, target, procfs, err);
    if (sys_move_mount(object->fd, "", target, "",
                       MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
        return err_errno(err, "attach mount");
    return 0;
}

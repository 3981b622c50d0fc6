/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * linux.maskedPaths and linux.readonlyPaths, after pivot_root. A path is resolved once, in the
 * root, and what is mounted comes from an fd: a file is covered by the null device that
 * init_devices() has verified to be character device 1:3 and not by whatever /dev/null names by now
 * (CVE-2025-31133); a directory by an empty tmpfs. "/" itself cannot be masked, and is made
 * read-only as by root.readonly. One tmpfs serves all directories: it is mounted
 * on the first of them, the others get clones (a clone can only be taken of a mount that is
 * attached).
 *
 * What lies in /proc or /sys, which is nearly all of both lists, is looked up from the mount that
 * mounts[] put there and not from the root: whoever can rename entries of the rootfs meanwhile,
 * from a container that shares it, could exchange /proc for a link while the lists are carried out,
 * so that nothing is found to cover, and back again.
 */
#include "base/fd.h"
#include "base/path.h"
#include "base/sys.h"
#include "base/util.h"
#include "init/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Whether entry @i is the same text as an earlier one: engines send lists that overlap. */
static bool is_duplicate(const char *const *paths, size_t i)
{
    for (size_t j = 0; j < i; j++)
        if (strcmp(paths[i], paths[j]) == 0)
            return true;
    return false;
}

/* What mounts[] put on these places; init carries out one configuration in its life. */
static struct view {
    const char *place;
    int fd; /* root of the mount, or -1 */
} proc_view = {"/proc", -1}, sys_view = {"/sys", -1};

int init_masks_mounted(const char *place, int fd, struct err *err)
{
    struct view *v = strcmp(place, proc_view.place) == 0  ? &proc_view
                     : strcmp(place, sys_view.place) == 0 ? &sys_view
                                                          : NULL;

    if (v == NULL)
        return 0;
    fd_close(v->fd);
    v->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    return v->fd < 0 ? err_errno(err, "keep %s", place) : 0;
}

/* A hook may have put another mount over it since: the upper one counts, if of the same kind. */
static void refresh_view(struct init *in, struct view *v)
{
    struct err ignored = ERR_INIT;

    if (v->fd < 0)
        return;
    _cleanup_close_ int now =
        path_open_in_root(in->rootfs, v->place, O_PATH | O_NOFOLLOW, &ignored);
    if (now < 0 || mount_statfs_magic(now) != mount_statfs_magic(v->fd))
        return;
    fd_close(v->fd);
    v->fd = util_take_fd(now);
}

/* A path that lies in @v: an O_PATH fd, or -1 where there is no such mount or path. */
static int open_in_view(const struct view *v, const char *path)
{
    size_t len = strlen(v->place);
    struct err ignored = ERR_INIT;

    if (v->fd < 0 || strncmp(path, v->place, len) != 0 || path[len] != '/' ||
        strstr(path, "/..") != NULL)
        return -1;
    return path_open_in_root(v->fd, path + len, O_PATH, &ignored);
}

/* An O_PATH fd; -1 with @err->errnum 0 when there is no such path. */
static int open_path(struct init *in, const char *path, struct err *err)
{
    int fd = open_in_view(&proc_view, path);

    if (fd < 0)
        fd = open_in_view(&sys_view, path);
    if (fd < 0)
        fd = path_open_in_root(in->rootfs, path, O_PATH, err);
    if (fd < 0 && (err->errnum == ENOENT || err->errnum == ENOTDIR))
        *err = (struct err)ERR_INIT;
    return fd;
}

/* Whether it is "/" itself, by whatever name. A mount there would be above the root that we are in
 * already, and cover nothing. */
static bool is_root(const struct init *in, int fd)
{
    struct statx a, b;

    if (statx(fd, "", AT_EMPTY_PATH, STATX_INO | STATX_MNT_ID, &a) < 0 ||
        statx(in->rootfs, "", AT_EMPTY_PATH, STATX_INO | STATX_MNT_ID, &b) < 0)
        return false;
    /* The rootfs may be bound elsewhere in itself; mount ids are there since Linux 5.8. */
    return a.stx_dev_major == b.stx_dev_major && a.stx_dev_minor == b.stx_dev_minor &&
           a.stx_ino == b.stx_ino && (!(a.stx_mask & STATX_MNT_ID) || a.stx_mnt_id == b.stx_mnt_id);
}

/* Attach and close. With open_tree refused, bind @source in its place. */
static int cover(struct init *in, int source, int target, bool recursive, int *kept,
                 struct err *err)
{
    struct mount_object object = {.recursive = recursive};
    int result;

    object.fd = mount_clone(source, "", recursive, false, err);
    if (object.fd < 0) {
        if (err->errnum != ENOSYS && err->errnum != EPERM)
            return -1;
        object.plain = true;
        object.fd = fcntl(source, F_DUPFD_CLOEXEC, 0);
    }
    result = init_mounts_attach(in, &object, target, err);
    if (result == 0 && kept != NULL)
        *kept = object.fd;
    else
        fd_close(object.fd);
    return result;
}

static int new_empty_tmpfs(struct init *in, struct mount_object *out, struct err *err)
{
    /* The second inode is for kernels that count the root twice. */
    const char *data[] = {"nr_blocks=1", "nr_inodes=2", "mode=755", NULL, NULL};
    struct mount_options o = {
        .set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
        .data = data,
        .data_n = 3,
    };

    if (init_label_option(in, "tmpfs", &data[3], err) < 0)
        return -1;
    if (data[3])
        o.data_n++;
    return mount_new("tmpfs", "tmpfs", &o, out, err);
}

static int mask_directory(struct init *in, int target, int *empty, struct err *err)
{
    struct mount_object object;

    if (*empty >= 0)
        return cover(in, *empty, target, false, NULL, err);
    if (new_empty_tmpfs(in, &object, err) < 0)
        return -1;
    if (init_mounts_attach(in, &object, target, err) < 0) {
        fd_close(object.fd);
        return -1;
    }
    *empty = object.fd;
    return 0;
}

static int mask_one(struct init *in, const char *path, int *empty, struct err *err)
{
    _cleanup_close_ int target = open_path(in, path, err);
    struct stat st;

    if (target < 0)
        return err->errnum == 0 ? 0 : -1;
    if (fstat(target, &st) < 0)
        return err_errno(err, "mask");
    if (is_root(in, target))
        return err_set(err, EINVAL, "the root cannot be masked");
    if (S_ISDIR(st.st_mode))
        return mask_directory(in, target, empty, err);
    if (in->dev_null < 0)
        return err_set(err, ENODEV, "mask with /dev/null");
    return cover(in, in->dev_null, target, false, NULL, err);
}

int init_masked_paths(void *init, struct err *err)
{
    struct init *in = init;
    const char *const *paths = in->linux_.masked_paths;
    _cleanup_close_ int empty = -1;

    for (size_t i = 0; i < in->linux_.masked_paths_n; i++) {
        if (is_duplicate(paths, i))
            continue;
        if (mask_one(in, paths[i], &empty, err) < 0) {
            err_context(err, "linux.maskedPaths[%zu] %s", i, paths[i]);
            return err_object(err, "linux.maskedPaths[%zu]", i);
        }
    }
    proc_view.fd = fd_close(proc_view.fd);
    sys_view.fd = fd_close(sys_view.fd);
    return 0;
}

static int readonly_one(struct init *in, const char *path, struct err *err)
{
    _cleanup_close_ int target = open_path(in, path, err);
    _cleanup_close_ int clone = -1;
    struct mount_object object;
    struct err attr_err = ERR_INIT;

    if (target < 0)
        return err->errnum == 0 ? 0 : -1;
    if (is_root(in, target)) /* as root.readonly */
        return mount_set_attr(in->rootfs, false, MOUNT_ATTR_RDONLY, 0, init_mounts_procfs(in), err);
    clone = mount_clone(target, "", true, false, err);
    if (clone >= 0 && (mount_set_attr(clone, true, MOUNT_ATTR_RDONLY, 0, -1, &attr_err) == 0)) {
        object = (struct mount_object){.fd = clone};
        return init_mounts_attach(in, &object, target, err);
    }
    if (clone < 0 && err->errnum != ENOSYS && err->errnum != EPERM)
        return -1;
    /* No mount_setattr, or no open_tree: first attach, then remount. */
    clone = fd_close(clone);
    if (cover(in, target, target, true, &clone, err) < 0)
        return -1;
    return mount_set_attr(clone, false, MOUNT_ATTR_RDONLY, 0, init_mounts_procfs(in), err);
}

int init_readonly_paths(void *init, struct err *err)
{
    struct init *in = init;
    const char *const *paths = in->linux_.readonly_paths;

    refresh_view(in, &proc_view);
    refresh_view(in, &sys_view);
    for (size_t i = 0; i < in->linux_.readonly_paths_n; i++) {
        if (is_duplicate(paths, i))
            continue;
        if (readonly_one(in, paths[i], err) < 0) {
            err_context(err, "linux.readonlyPaths[%zu] %s", i, paths[i]);
            return err_object(err, "linux.readonlyPaths[%zu]", i);
        }
    }
    return 0;
}

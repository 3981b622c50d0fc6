/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * A destination is text from the configuration, resolved in a tree that somebody else may own and
 * may be changing. It is opened once; every rule is then checked on the fd, so that what was
 * checked is what is mounted on.
 *
 * Why /proc has rules of its own: init and everybody who enters the container later writes security
 * labels and settings to files of procfs. A mount that puts other files there takes these writes
 * away (CVE-2019-16884, CVE-2025-52881). So, on /proc itself only a procfs, or a bind of the root
 * of a real one; below it only ordinary files over those few that tell about resources, which is
 * what lxcfs does. Whether a target lies in it is the kernel's answer (statfs, the device number),
 * whatever the path was called. Another procfs in the tree, such as the machine's under /host, is
 * the container's business: nobody writes by way of it.
 */
#include "init/mount_target.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/proc.h"
#include "base/sys.h"
#include "base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What lxcfs and its like replace, relative to /proc. */
static const char *const replaceable[] = {
    "cpuinfo",
    "diskstats",
    "meminfo",
    "stat",
    "swaps",
    "uptime",
    "loadavg",
    "slabinfo",
    "sys/kernel/ns_last_pid",
    "sys/crypto/fips_enabled",
};

bool mount_target_clean(const char *path, char *buf, size_t size)
{
    size_t used = 0;

    while (*path != '\0') {
        size_t len;

        path += strspn(path, "/");
        len = strcspn(path, "/");
        if (len == 2 && path[0] == '.' && path[1] == '.') {
            while (used > 0 && buf[--used] != '/')
                ;
        } else if (len > 0 && !(len == 1 && path[0] == '.')) {
            if (used + len + 2 > size)
                return false;
            buf[used++] = '/';
            memcpy(buf + used, path, len);
            used += len;
        }
        path += len;
    }
    if (used == 0)
        buf[used++] = '/';
    buf[used] = '\0';
    return true;
}

static bool is_type(const struct oci_mount *m, const struct mount_options *o, const char *type)
{
    return !o->bind && m->type != NULL && strcmp(m->type, type) == 0;
}

static bool same_file(int a, int b)
{
    struct stat sa, sb;

    return fstat(a, &sa) == 0 && fstat(b, &sb) == 0 && sa.st_dev == sb.st_dev &&
           sa.st_ino == sb.st_ino;
}

/* Whether @fd, which lies in a procfs, lies in the one on /proc, or in that of our handle. What
 * cannot be looked at is taken for it. */
static bool is_own_proc(struct init *in, int fd)
{
    struct err err = ERR_INIT;
    struct stat st, own;
    _cleanup_close_ int proc =
        path_open_in_root(in->rootfs, "/proc", O_PATH | O_DIRECTORY | O_NOFOLLOW, &err);

    if (fstat(fd, &st) < 0)
        return true;
    if (in->proc >= 0 && (fstat(in->proc, &own) < 0 || own.st_dev == st.st_dev))
        return true;
    if (proc < 0)
        return err.errnum != ENOENT;
    return fstat(proc, &own) < 0 || own.st_dev == st.st_dev;
}

/* The last component as it is, not what a link there leads to. */
static int open_itself(int rootfs, const char *path, bool make_dir, bool *made, struct err *err)
{
    const char *name;
    _cleanup_close_ int parent = path_make_parent_in_root(rootfs, path, &name, err);
    int fd;

    if (parent < 0)
        return -1;
    *made = make_dir && mkdirat(parent, name, 0755) == 0;
    if (make_dir && !*made && errno != EEXIST)
        return err_errno(err, "create mount target");
    fd = openat(parent, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    return fd >= 0 ? fd : err_errno(err, "open mount target");
}

/* Whether @target is one of the files that may be replaced, in the procfs on /proc. */
static bool is_replaceable(struct init *in, const char *path, int target)
{
    struct err ignored = ERR_INIT;

    for (size_t i = 0; i < ARRAY_SIZE(replaceable); i++) {
        if (strcmp(path + strlen("/proc/"), replaceable[i]) != 0)
            continue;
        if (mount_statfs_magic(target) != PROC_SUPER_MAGIC)
            return true; /* no procfs there: an ordinary directory called proc */
        _cleanup_close_ int proc =
            path_open_in_root(in->rootfs, "/proc", O_PATH | O_DIRECTORY | O_NOFOLLOW, &ignored);
        _cleanup_close_ int file =
            proc < 0 ? -1 : path_open_beneath(proc, replaceable[i], O_PATH, &ignored);
        return file >= 0 && proc_is_root(proc) && same_file(file, target);
    }
    return false;
}

static int check_proc(struct init *in, const struct oci_mount *m, const struct mount_options *o,
                      int source, const struct mount_target *t, struct err *err)
{
    bool named = strcmp(t->path, "/proc") == 0;
    bool below = strncmp(t->path, "/proc/", 6) == 0;
    bool inside = mount_statfs_magic(t->fd) == PROC_SUPER_MAGIC;
    struct stat st;

    if (!named && !below && (!inside || !is_own_proc(in, t->fd)))
        return 0;
    if (named && (is_type(m, o, "proc") || o->remount))
        return 0;
    if ((named || proc_is_root(t->fd)) && source >= 0 && proc_is_root(source))
        return 0;
    if (below && source >= 0 && fstat(source, &st) == 0 && S_ISREG(st.st_mode) &&
        mount_statfs_magic(source) != PROC_SUPER_MAGIC && is_replaceable(in, t->path, t->fd))
        return 0;
    if (inside && !named && !below)
        return err_set(err, EPERM, "destination leads into /proc, where nothing may be mounted");
    err_set(err, EPERM, "%s",
            named ? "only a procfs may be mounted on /proc" : "nothing may be mounted in /proc");
    return err_hint(err, "allowed are proc itself, a bind of a real /proc, and files over "
                         "/proc/meminfo and its like");
}

static int open_target(struct init *in, const struct oci_mount *m, const struct mount_options *o,
                       bool dir, struct mount_target *out, struct err *err)
{
    if (o->remount)
        return path_open_in_root(in->rootfs, out->path, O_PATH, err);
    /* A link in place of the directory would put the real filesystem elsewhere (CVE-2019-19921). */
    if (is_type(m, o, "proc") || is_type(m, o, "sysfs"))
        return open_itself(in->rootfs, out->path, true, &out->made, err);
    if (o->dest_nofollow) {
        int fd = open_itself(in->rootfs, out->path, dir, &out->made, err);
        if (fd >= 0 || err->errnum != ENOENT)
            return fd;
    }
    return path_make_in_root(in->rootfs, m->destination, dir ? PATH_DIR : PATH_FILE, 0755,
                             &out->made, err);
}

int mount_target_open(struct init *in, const struct oci_mount *m, const struct mount_options *o,
                      int source, bool dir, struct mount_target *out, struct err *err)
{
    struct stat st, root;

    *out = (struct mount_target){.fd = -1};
    if (!mount_target_clean(m->destination, out->path, sizeof out->path))
        return err_set(err, ENAMETOOLONG, "destination");
    if (strcmp(out->path, "/") == 0 && !o->remount)
        return err_set(err, EPERM, "nothing may be mounted on /");

    _cleanup_close_ int fd = open_target(in, m, o, dir, out, err);
    if (fd < 0)
        return -1;
    if (fstat(fd, &st) < 0 || fstat(in->rootfs, &root) < 0)
        return err_errno(err, "mount target");
    out->fd = fd;
    out->is_dir = S_ISDIR(st.st_mode);
    out->mode = st.st_mode & 07777;
    if ((is_type(m, o, "proc") || is_type(m, o, "sysfs")) && !out->is_dir)
        return err_set(err, ENOTDIR, "filesystem \"%s\" must be mounted on ordinary directory",
                       m->type);
    if (st.st_dev == root.st_dev && st.st_ino == root.st_ino && !o->remount)
        return err_set(err, EPERM, "nothing may be mounted on /");
    if (check_proc(in, m, o, source, out, err) < 0)
        return -1;
    (void)util_take_fd(fd);
    return 0;
}

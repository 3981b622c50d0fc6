/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * /dev of the container: the devices that every container has (config-linux.md#default-devices),
 * those of the configuration, and the usual links (runtime-linux.md#dev-symbolic-links). The
 * directory is opened once, inside the rootfs: an image whose /dev is a link to elsewhere gets its
 * nodes wherever that is inside its own tree, never outside (CVE-2026-41579).
 *
 * A node that is there already and is the right one is kept; something else at its path is an
 * error. In a user namespace mknod is refused, and the host's nodes are bound on empty files
 * instead.
 *
 * An engine that binds a directory on /dev brings its own devices: nothing is created there but
 * what the configuration lists.
 */
#include "base/fd.h"
#include "base/path.h"
#include "base/sys.h"
#include "base/util.h"
#include "init/init.h"
#include "init/mount_target.h"
#include "init/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* In the order of in->default_device_sources. */
static const struct default_device {
    const char *name;
    unsigned major, minor;
} default_devices[] = {
    {"null", 1, 3},   {"zero", 1, 5},    {"full", 1, 7},
    {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0},
};

static const struct link_row {
    const char *name, *target;
    bool check; /* made only if the target exists (otherwise: if /proc is there) */
} links[] = {
    {"fd", "/proc/self/fd", false},       {"stdin", "/proc/self/fd/0", false},
    {"stdout", "/proc/self/fd/1", false}, {"stderr", "/proc/self/fd/2", false},
    {"core", "/proc/kcore", true},
};

/* One node to be made. */
struct node {
    int dir;
    const char *name;
    mode_t mode; /* type and permissions */
    dev_t dev;
    uid_t uid;
    gid_t gid;
    int *source; /* to be bound if mknod does not work; -1 inside: none */
    bool owner;  /* whether it would not belong to uid:gid by itself */
};

static bool is_node(const struct stat *st, const struct node *n)
{
    return (st->st_mode & S_IFMT) == (n->mode & S_IFMT) &&
           (S_ISFIFO(n->mode) || st->st_rdev == n->dev);
}

/* Bind the host's node on an empty file. The clone is made private: it was a member of the peer
 * group of the host's /dev. */
static int bind_node(struct init *in, const struct node *n, struct err *err)
{
    struct mount_object object = {.fd = -1, .plain = init_mounts_sources_are_plain()};
    _cleanup_close_ int made = -1, target = -1;
    struct err ignored = ERR_INIT;
    struct stat st;
    int result = -1;

    if (!n->source)
        return err_set(err, EINVAL, "nothing to bind");
    object.fd = *n->source;
    *n->source = -1;
    if (fstat(object.fd, &st) < 0 || !is_node(&st, n)) {
        err_set(err, ENODEV, "the host has another device of that name");
        goto out;
    }
    /* What is there already may be a device of the image's, which nobody here is to open. */
    made = openat(n->dir, n->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (made >= 0 || errno == EEXIST)
        target = openat(n->dir, n->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (target < 0 || fstat(target, &st) < 0) {
        err_errno(err, "create mount target");
        goto out;
    }
    if (!S_ISREG(st.st_mode)) {
        err_set(err, EEXIST, "something else is at its path");
        goto out;
    }
    if (!object.plain)
        mount_set_propagation(object.fd, OCI_PROPAGATION_PRIVATE, -1, &ignored);
    result = init_mounts_attach(in, &object, target, err);
out:
    fd_close(object.fd);
    return result;
}

static int make_node(struct init *in, const struct node *n, struct err *err)
{
    bool bind = n->source != NULL && *n->source >= 0;
    struct stat st;

    if (!bind) {
        if (mknodat(n->dir, n->name, n->mode, n->dev) == 0) {
            if (n->owner && fchownat(n->dir, n->name, n->uid, n->gid, AT_SYMLINK_NOFOLLOW) < 0)
                return err_errno(err, "change owner");
            return 0;
        }
        if (errno != EEXIST) {
            err_errno(err, "create device");
            if (err->errnum == EPERM && n->source)
                err_hint(err, "in a user namespace devices are bound from the machine, which has "
                              "none at this path");
            return -1;
        }
    }
    if (fstatat(n->dir, n->name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
        if (is_node(&st, n))
            return 0;
        if (!bind)
            return err_set(err, EEXIST, "something else is at its path");
    }
    return bind_node(in, n, err);
}

/* A device that cannot be had is missed when it turns out to be needed: see make_node(). */
static int clone_device(const char *path)
{
    struct err ignored = ERR_INIT;

    return init_mounts_open_source(path, false, false, &ignored);
}

int init_devices_open_sources(struct init *in, struct err *err)
{
    size_t n = in->linux_.devices_n;

    if ((in->setup.flags & SETUP_PRIVILEGED) || !(in->setup.flags & SETUP_USER_NAMESPACE))
        return 0;
    if (in->device_sources == NULL && n > 0) {
        in->device_sources = oci_alloc(in->arena, n * sizeof *in->device_sources);
        if (in->device_sources == NULL)
            return err_set(err, ENOMEM, "linux.devices");
        memset(in->device_sources, 0xff, n * sizeof *in->device_sources);
    }
    for (size_t i = 0; i < n; i++)
        if (in->device_sources[i] < 0 && in->linux_.devices[i].type != OCI_DEVICE_FIFO)
            in->device_sources[i] = clone_device(in->linux_.devices[i].path);
    for (size_t i = 0; i < ARRAY_SIZE(default_devices); i++) {
        char path[32];

        snprintf(path, sizeof path, "/dev/%s", default_devices[i].name);
        if (in->default_device_sources[i] < 0)
            in->default_device_sources[i] = clone_device(path);
    }
    return 0;
}

/* Nodes that were there already leave their sources over. */
static void close_sources(struct init *in)
{
    for (size_t i = 0; in->device_sources != NULL && i < in->linux_.devices_n; i++)
        in->device_sources[i] = fd_close(in->device_sources[i]);
    for (size_t i = 0; i < ARRAY_SIZE(default_devices); i++)
        in->default_device_sources[i] = fd_close(in->default_device_sources[i]);
}

/* ---- what every container has ---------------------------------------------------------------- */

static bool dev_is_bound(const struct init *in)
{
    char path[4096];

    for (size_t i = 0; i < in->config.mounts_n; i++) {
        const struct oci_mount *m = &in->config.mounts[i];

        if (!mount_target_clean(m->destination, path, sizeof path) || strcmp(path, "/dev") != 0)
            continue;
        for (size_t j = 0; j < m->options_n; j++)
            if (strcmp(m->options[j], "bind") == 0 || strcmp(m->options[j], "rbind") == 0)
                return true;
    }
    return false;
}

static int make_defaults(struct init *in, int dev, bool owner, bool bound, struct err *err)
{
    for (size_t i = 0; i < ARRAY_SIZE(default_devices); i++) {
        const struct default_device *d = &default_devices[i];
        struct node n = {.dir = dev,
                         .name = d->name,
                         .mode = S_IFCHR | 0666,
                         .dev = makedev(d->major, d->minor),
                         .owner = owner};
        struct stat st;

        if (in->setup.flags & SETUP_USER_NAMESPACE)
            n.source = &in->default_device_sources[i];
        if (bound && fstatat(dev, d->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        if (make_node(in, &n, err) < 0)
            return err_context(err, "/dev/%s", d->name);
    }
    return 0;
}

static bool exists(struct init *in, const char *path)
{
    struct err ignored = ERR_INIT;
    _cleanup_close_ int fd = path_open_in_root(in->rootfs, path, O_PATH, &ignored);

    return fd >= 0;
}

/* An image's own ptmx would be a terminal of no instance of devpts, or of the wrong one. The node
 * 5:2 is kept: the kernel looks for the pts directory beside it. */
static int make_ptmx(int dev, struct err *err)
{
    char now[16];
    struct stat st;
    ssize_t len;

    if (symlinkat("pts/ptmx", dev, "ptmx") == 0)
        return 0;
    if (errno != EEXIST)
        return err_errno(err, "create link");
    len = readlinkat(dev, "ptmx", now, sizeof now);
    if (len == 8 && memcmp(now, "pts/ptmx", 8) == 0)
        return 0;
    if (fstatat(dev, "ptmx", &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISCHR(st.st_mode) &&
        st.st_rdev == makedev(5, 2))
        return 0;
    if (unlinkat(dev, "ptmx", 0) < 0 || symlinkat("pts/ptmx", dev, "ptmx") < 0)
        return err_errno(err, "replace link");
    return 0;
}

static int make_links(struct init *in, int dev, struct err *err)
{
    bool proc = exists(in, "/proc/self/fd");

    for (size_t i = 0; proc && i < ARRAY_SIZE(links); i++) {
        if (links[i].check && !exists(in, links[i].target))
            continue;
        if (symlinkat(links[i].target, dev, links[i].name) < 0 && errno != EEXIST)
            return err_errno(err, "/dev/%s", links[i].name);
    }
    return make_ptmx(dev, err) < 0 ? err_context(err, "/dev/ptmx") : 0;
}

/* ---- linux.devices --------------------------------------------------------------------------- */

static int make_configured(struct init *in, size_t i, int dev, struct err *err)
{
    static const mode_t types[] = {
        [OCI_DEVICE_CHAR] = S_IFCHR,
        [OCI_DEVICE_BLOCK] = S_IFBLK,
        [OCI_DEVICE_UNBUFFERED] = S_IFCHR,
        [OCI_DEVICE_FIFO] = S_IFIFO,
    };
    const struct oci_device *d = &in->linux_.devices[i];
    struct node n = {.mode =
                         types[d->type] | (d->file_mode.set ? d->file_mode.value & 07777 : 0666),
                     .uid = (uid_t)d->uid.value,
                     .gid = (gid_t)d->gid.value,
                     .owner = true};
    _cleanup_close_ int parent = -1;

    if (d->type != OCI_DEVICE_FIFO)
        n.dev = makedev((unsigned)d->major.value, (unsigned)d->minor.value);
    if ((in->setup.flags & SETUP_USER_NAMESPACE) && in->device_sources != NULL &&
        d->type != OCI_DEVICE_FIFO)
        n.source = &in->device_sources[i];
    if (strncmp(d->path, "/dev/", 5) == 0 && d->path[5] != '\0' && strcmp(d->path + 5, "..") != 0 &&
        strcmp(d->path + 5, ".") != 0 && strchr(d->path + 5, '/') == NULL) {
        n.dir = dev;
        n.name = d->path + 5;
        return make_node(in, &n, err);
    }
    parent = path_make_parent_in_root(in->rootfs, d->path, &n.name, err);
    if (parent < 0)
        return -1;
    n.dir = parent;
    return make_node(in, &n, err);
}

/* The container's /dev/null, as an fd, for the masks: it has to be the device and nothing else. */
static int find_null(struct init *in, int dev, struct err *err)
{
    struct stat st;
    _cleanup_close_ int fd = openat(dev, "null", O_PATH | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0)
        return errno == ENOENT ? 0 : err_errno(err, "/dev/null");
    if (fstat(fd, &st) < 0 || !S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3))
        return err_set(err, ENODEV, "/dev/null is not the null device");
    in->dev_null = util_take_fd(fd);
    return 0;
}

static int make_all(struct init *in, int dev, struct err *err)
{
    bool bound = dev_is_bound(in), owner;
    struct stat st;

    if (fstat(dev, &st) < 0)
        return err_errno(err, "/dev");
    if (!S_ISDIR(st.st_mode))
        return err_set(err, ENOTDIR, "/dev");
    /* New files belong to 0:0 like their maker, unless the directory hands its group down. */
    owner = (st.st_mode & S_ISGID) || geteuid() != 0 || getegid() != 0;

    for (size_t i = 0; i < in->linux_.devices_n; i++) {
        if (make_configured(in, i, dev, err) < 0) {
            err_context(err, "linux.devices[%zu] %s", i, in->linux_.devices[i].path);
            return err_object(err, "linux.devices[%zu]", i);
        }
    }
    if (make_defaults(in, dev, owner, bound, err) < 0)
        return -1;
    if (!bound && make_links(in, dev, err) < 0)
        return -1;
    return find_null(in, dev, err);
}

int init_devices(void *init, struct err *err)
{
    struct init *in = init;
    _cleanup_close_ int dev = path_make_in_root(in->rootfs, "/dev", PATH_DIR, 0755, NULL, err);
    mode_t mask;
    int result;

    in->dev_null = -1;
    if (dev < 0)
        return err_context(err, "/dev");
    mask =
        umask(0); /* mknodat gives the mode as asked for: chmod by name would be one more lookup */
    result = make_all(in, dev, err);
    umask(mask);
    if (in->setup.flags & SETUP_USER_NAMESPACE)
        close_sources(in);
    return result;
}

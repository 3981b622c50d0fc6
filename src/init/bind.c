/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * Bind mounts: mounts[] entries whose source is a path of the host.
 *
 * The host side has cloned the sources and sent the clones; an unprivileged one cannot, and init
 * clones them itself in init_mounts_open_sources(), before anything of the container is in the
 * tree. A clone belongs to the peer group of the mount it was taken from: what is mounted on it
 * would appear on the host too. So it is made a slave before it is attached, unless the entry asks
 * for shared.
 *
 * Options of a bind change only what they name; everything else stays as the source has it.
 */
#include "init/bind.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/path.h"
#include "base/sys.h"
#include "base/util.h"
#include "init/mount_target.h"
#include "init/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* What outlives the entry that it came from. init carries out one configuration in its life. */
static struct {
    int *readonly; /* roots of mounts that become read-only at the end */
    size_t readonly_n;
    bool plain_sources; /* open_tree is refused: sources are O_PATH fds, not clones */
} later;

static const char *const *options_of(const struct oci_mount *m)
{
    return (const char *const *)m->options;
}

bool init_mounts_sources_are_plain(void)
{
    return later.plain_sources;
}

/* ---- sources --------------------------------------------------------------------------------- */

static bool clone_is_refused(const struct err *err)
{
    return err->errnum == ENOSYS || err->errnum == EPERM;
}

int init_mounts_host_clone(const char *path, bool recursive, struct mount_object *out,
                           struct err *err)
{
    _cleanup_close_ int root = path_own_root();

    *out = (struct mount_object){.fd = -1, .recursive = recursive};
    if (root < 0)
        return err_errno(err, "open /");
    _cleanup_close_ int fd = path_open_in_root(root, path, O_PATH, err);
    if (fd < 0)
        return err_context(err, "%s", path);
    out->fd = mount_clone(fd, "", recursive, false, err);
    if (out->fd < 0 && clone_is_refused(err)) {
        out->fd = util_take_fd(fd);
        out->plain = true;
    }
    return out->fd < 0 ? -1 : 0;
}

int init_mounts_open_source(const char *path, bool recursive, bool nofollow, struct err *err)
{
    int fd;

    if (!later.plain_sources) {
        fd = mount_clone(AT_FDCWD, path, recursive, nofollow, err);
        if (fd >= 0 || !clone_is_refused(err))
            return fd;
        later.plain_sources = true;
    }
    fd = open(path, O_PATH | O_CLOEXEC | (nofollow ? O_NOFOLLOW : 0));
    return fd >= 0 ? fd : err_errno(err, "open %s", path);
}

/* A source that is not absolute is relative to the bundle (config.md#mounts). */
static int open_source(struct init *in, const struct oci_mount *m, const struct mount_options *o,
                       struct err *err)
{
    const char *path = m->source;
    int fd;

    if (path == NULL)
        return err_set(err, EINVAL, "bind mount without source");
    if (path[0] != '/')
        path = oci_printf(in->arena, "%s/%s", in->setup.bundle, path);
    if (path == NULL)
        return err_set(err, ENOMEM, "bind source");
    fd = init_mounts_open_source(path, o->recursive, o->src_nofollow || o->copy_symlink, err);
    if (fd >= 0)
        return fd;
    err_set(err, err->errnum, "bind source %s", m->source);
    if (err->errnum == EINVAL && !o->recursive)
        err_hint(err, "with mounts below it that may not be uncovered, it has to be rbind");
    return -1;
}

/* The host side's fd tells the path, and what has to be found there. Without the directory the
 * container runs, as it does where nobody listens, and is not told of a socket. */
static void open_notify(struct init *in)
{
    _cleanup_close_ int dir = in->notify_source;
    char link[32], path[4096];
    struct stat want, st;
    struct err err = ERR_INIT;
    ssize_t len;

    in->notify_source = -1;
    if (!(in->setup.flags & SETUP_NOTIFY))
        return;
    snprintf(link, sizeof link, "self/fd/%d", dir);
    len = readlinkat(in->host_proc, link, path, sizeof path - 1);
    if (len > 0) {
        path[len] = '\0';
        in->notify_source = init_mounts_open_source(path, false, true, &err);
    }
    if (in->notify_source >= 0 && fstat(dir, &want) == 0 && fstat(in->notify_source, &st) == 0 &&
        want.st_dev == st.st_dev && want.st_ino == st.st_ino)
        return;
    init_warn(in, "sd_notify directory: %s", err.text[0] ? err.text : "not found");
    in->notify_source = fd_close(in->notify_source);
    in->notify_failed = true;
    in->setup.flags &= ~(uint32_t)SETUP_NOTIFY;
}

int init_mounts_open_sources(struct init *in, struct err *err)
{
    size_t n = in->config.mounts_n;

    if (in->setup.flags & SETUP_PRIVILEGED)
        return 0;
    open_notify(in);
    if (in->sources == NULL && n > 0) {
        in->sources = oci_alloc(in->arena, n * sizeof *in->sources);
        in->source_is_dir = oci_alloc(in->arena, n * sizeof *in->source_is_dir);
        if (in->sources == NULL || in->source_is_dir == NULL)
            return err_set(err, ENOMEM, "mounts");
        memset(in->sources, 0xff, n * sizeof *in->sources);
    }
    for (size_t i = 0; i < n; i++) {
        const struct oci_mount *m = &in->config.mounts[i];
        struct mount_options o;
        struct stat st;

        if (mount_options_parse(options_of(m), m->options_n, in->arena, &o, err) < 0)
            return -1;
        if (!o.bind || o.remount || in->sources[i] >= 0)
            continue;
        in->sources[i] = open_source(in, m, &o, err);
        if (in->sources[i] < 0 || fstat(in->sources[i], &st) < 0) {
            err_object(err, "mounts[%zu].source", i);
            return err_context(err, "mounts[%zu] %s", i, m->destination);
        }
        in->source_is_dir[i] = S_ISDIR(st.st_mode);
    }
    return 0;
}

/* ---- after attaching ------------------------------------------------------------------------- */

/* Keep @fd, which becomes read-only when everything inside is made. */
int init_bind_readonly_later(struct init *in, int fd, struct err *err)
{
    if (later.readonly == NULL) {
        later.readonly = oci_alloc(in->arena, (in->config.mounts_n + 1) * sizeof(int));
        if (later.readonly == NULL)
            return err_set(err, ENOMEM, "mounts");
    }
    later.readonly[later.readonly_n++] = fd;
    return 0;
}

int init_mounts_late_readonly(struct init *in, struct err *err)
{
    for (size_t i = 0; i < later.readonly_n; i++) {
        int fd = later.readonly[i];
        int result = mount_set_attr(fd, false, MOUNT_ATTR_RDONLY, 0, init_mounts_procfs(in), err);

        fd_close(fd);
        if (result < 0)
            return -1;
    }
    later.readonly_n = 0;
    return 0;
}

static bool wants_shared(const struct mount_options *o)
{
    for (unsigned i = 0; i < o->propagation_n; i++)
        if (o->propagation[i] == OCI_PROPAGATION_SHARED ||
            o->propagation[i] == OCI_PROPAGATION_RSHARED)
            return true;
    return false;
}

int init_bind_propagation(struct init *in, const struct mount_options *o, int fd, struct err *err)
{
    for (unsigned i = 0; i < o->propagation_n; i++)
        if (mount_set_propagation(fd, (enum oci_propagation)o->propagation[i],
                                  init_mounts_procfs(in), err) < 0)
            return -1;
    if (wants_shared(o))
        in->shared_mounts = true;
    return 0;
}

/* ---- bind ------------------------------------------------------------------------------------ */

/* What is left to do to a bind once it is attached. */
struct bind_rest {
    bool slave, attr, rec_attr, propagation;
};

/*
 * Change the detached clone, in one call where one is enough: mount_setattr takes flags and
 * propagation together, but for the whole tree or for the top only. When the kernel has no such
 * call, everything is left for after attaching.
 */
static int prepare_clone(struct init *in, const struct mount_options *o, int fd,
                         struct bind_rest *rest, struct err *err)
{
    enum oci_propagation first = OCI_PROPAGATION_RSLAVE;
    bool shared = wants_shared(o), whole = false;
    struct mount_attr attr = {.attr_set = 0};

    *rest = (struct bind_rest){.propagation = o->propagation_n > 0,
                               .attr = o->set != 0 || o->clear != 0,
                               .rec_attr = o->rec_set != 0 || o->rec_clear != 0,
                               .slave = !shared};
    if (later.plain_sources)
        return 0;
    /* The only propagation of the entry may as well be set right away, if it stays: on a shared
     * mount (or in the host's own tree) attaching may make it shared again. */
    if (!shared && o->propagation_n == 1 && !in->shared_mounts &&
        !(in->setup.flags & SETUP_CHROOT)) {
        bool recursive = false;

        mount_propagation_flags((enum oci_propagation)o->propagation[0], &recursive);
        if (recursive || !o->recursive) {
            first = (enum oci_propagation)o->propagation[0];
            rest->propagation = false;
        }
    }
    if (!shared)
        attr.propagation = mount_propagation_flags(first, &whole);
    if (!o->recursive) {
        attr.attr_set = o->set;
        attr.attr_clr = o->clear;
        whole = false;
    }
    if (attr.propagation == 0 && attr.attr_set == 0 && attr.attr_clr == 0) {
        rest->slave = false;
    } else if (sys_mount_setattr(fd, "", AT_EMPTY_PATH | (o->recursive ? AT_RECURSIVE : 0U), &attr,
                                 sizeof attr) == 0) {
        rest->slave = false;
        rest->attr = o->recursive && rest->attr;
    } else if (errno == EPERM && attr.attr_clr != 0 && attr.propagation != 0 &&
               mount_set_propagation(fd, first, -1, err) == 0) {
        rest->slave = false; /* locked flags: mount_set_attr() below sorts them out */
    } else {
        rest->propagation = o->propagation_n > 0;
        return 0;
    }
    if (rest->attr && mount_set_attr(fd, false, o->set, o->clear, -1, err) < 0)
        return -1;
    if (rest->rec_attr && mount_set_attr(fd, true, o->rec_set, o->rec_clear, -1, err) < 0)
        return -1;
    rest->attr = rest->rec_attr = false;
    return 0;
}

static int finish_bind(struct init *in, const struct mount_options *o, int fd,
                       const struct bind_rest *rest, struct err *err)
{
    int procfs = init_mounts_procfs(in);

    if (rest->slave && mount_set_propagation(fd, OCI_PROPAGATION_RSLAVE, procfs, err) < 0)
        return -1;
    if (rest->attr && mount_set_attr(fd, false, o->set, o->clear, procfs, err) < 0)
        return -1;
    if (rest->rec_attr && mount_set_attr(fd, true, o->rec_set, o->rec_clear, procfs, err) < 0)
        return -1;
    if (rest->propagation)
        return init_bind_propagation(in, o, fd, err);
    return 0;
}

static bool is_readonly(int fd)
{
    struct statvfs fs;

    return fstatvfs(fd, &fs) == 0 && (fs.f_flag & ST_RDONLY);
}

/* copy-symlink: a source that is a link is copied as a link instead of being mounted. */
static int copy_symlink(struct init *in, const struct oci_mount *m, int source, struct err *err)
{
    char text[4096], now[4096];
    const char *name;
    ssize_t len = readlinkat(source, "", text, sizeof text - 1), old;
    _cleanup_close_ int parent = path_make_parent_in_root(in->rootfs, m->destination, &name, err);

    if (parent < 0)
        return -1;
    if (len < 0)
        return err_errno(err, "read link %s", m->source);
    text[len] = '\0';
    if (symlinkat(text, parent, name) == 0)
        return 0;
    if (errno != EEXIST)
        return err_errno(err, "create link");
    old = readlinkat(parent, name, now, sizeof now);
    if (old == len && memcmp(now, text, (size_t)len) == 0)
        return 0;
    return err_set(err, EEXIST, "create link");
}

int init_bind(struct init *in, size_t i, struct mount_options *o, struct err *err)
{
    const struct oci_mount *m = &in->config.mounts[i];
    struct mount_object object = {.fd = in->sources ? in->sources[i] : -1};
    bool is_dir = in->source_is_dir && in->source_is_dir[i], late;
    struct mount_target target;
    struct bind_rest rest;
    struct stat st;

    if (object.fd < 0)
        return err_set(err, EINVAL, "bind source %s did not arrive", m->source ? m->source : "");
    in->sources[i] = -1;
    if (o->data_n > 0)
        log_debug("mounts[%zu] %s: option %s of a bind mount is ignored", i, m->destination,
                  o->data[0]);
    _cleanup_close_ int source = object.fd;
    if (o->copy_symlink && fstat(source, &st) == 0 && S_ISLNK(st.st_mode))
        return copy_symlink(in, m, source, err);

    if (mount_target_open(in, m, o, source, is_dir, &target, err) < 0)
        return -1;
    _cleanup_close_ int target_fd = target.fd;
    if (target.is_dir != is_dir)
        return err_set(err, ENOTDIR, "bind %s on %s", is_dir ? "a directory" : "a file",
                       target.is_dir ? "a directory" : "a file");

    late = ((o->set | o->rec_set) & MOUNT_ATTR_RDONLY) && strcmp(target.path, "/dev") == 0 &&
           !is_readonly(source);
    if (late)
        o->set &= ~(uint64_t)MOUNT_ATTR_RDONLY;
    object.plain = later.plain_sources;
    object.recursive = o->recursive;
    if (prepare_clone(in, o, object.fd, &rest, err) < 0)
        return -1;
    /* It may close the fd and put another one in its place. */
    object.fd = util_take_fd(source);
    if (init_mounts_attach_entry(in, &object, target_fd, err) < 0) {
        fd_close(object.fd);
        return -1;
    }
    source = object.fd;
    if (finish_bind(in, o, source, &rest, err) < 0 ||
        init_masks_mounted(target.path, source, err) < 0)
        return -1;
    /* rro: what is below keeps it. */
    if (late && (o->rec_set & MOUNT_ATTR_RDONLY) &&
        mount_set_attr(source, false, 0, MOUNT_ATTR_RDONLY, init_mounts_procfs(in), err) < 0)
        return -1;
    return late ? init_bind_readonly_later(in, util_take_fd(source), err) : 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * mounts[] of the configuration, in order (config.md#mounts). Each entry is a bind mount or a new
 * filesystem. Either way the mount exists first as a detached object, gets its flags there, and is
 * put on a target that was opened inside the rootfs (mount_target.c).
 *
 * Bind mounts are in bind.c; here are the list, and the new filesystems.
 *
 * Two things are late: a tmpfs that is read-only, and a read-only bind on /dev, become so in
 * init_rootfs_finish(), since targets and devices are still to be made in them.
 */
#include "init/mounts.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/path.h"
#include "base/proc.h"
#include "base/sys.h"
#include "base/util.h"
#include "init/bind.h"
#include "init/mount_target.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

static bool has_namespace(const struct init *in, enum oci_namespace_type type)
{
    return (in->setup.namespaces & (1U << type)) != 0;
}

int init_mounts_procfs(const struct init *in)
{
    return in->proc >= 0 ? in->proc : in->host_proc;
}

int init_mounts_attach(struct init *in, struct mount_object *object, int target, struct err *err)
{
    return in->shared_mounts ? mount_attach_alone(object, target, init_mounts_procfs(in), err)
                             : mount_attach(object, target, init_mounts_procfs(in), err);
}

int init_mounts_attach_entry(struct init *in, struct mount_object *object, int target,
                             struct err *err)
{
    int result = init_mounts_attach(in, object, target, err);

    if (result < 0 && in->shared_mounts && err->errnum == EOPNOTSUPP)
        result = mount_attach(object, target, init_mounts_procfs(in), err);
    return result;
}

static const char *const *options_of(const struct oci_mount *m)
{
    return (const char *const *)m->options;
}

/* ---- new filesystems ------------------------------------------------------------------------- */

static bool has_option(const struct mount_options *o, const char *prefix)
{
    for (size_t i = 0; i < o->data_n; i++)
        if (strncmp(o->data[i], prefix, strlen(prefix)) == 0)
            return true;
    return false;
}

/* Add a filesystem's option; the array may be the parser's, which has no room. */
static int add_option(struct init *in, struct mount_options *o, const char *option, struct err *err)
{
    const char **data = oci_alloc(in->arena, (o->data_n + 2) * sizeof *data);

    if (data == NULL || option == NULL)
        return err_set(err, ENOMEM, "mount options");
    if (o->data_n > 0)
        memcpy(data, o->data, o->data_n * sizeof *data);
    data[o->data_n++] = option;
    o->data = data;
    return 0;
}

/* linux.mountLabel, unless the entry has a label of its own. */
static int add_label(struct init *in, const char *type, struct mount_options *o, struct err *err)
{
    const char *option;

    if (has_option(o, "context=") || has_option(o, "defcontext=") || has_option(o, "rootcontext="))
        return 0;
    if (init_label_option(in, type, &option, err) < 0)
        return -1;
    return option ? add_option(in, o, option, err) : 0;
}

static int add_tmpfs_mode(struct init *in, const struct mount_target *t, struct mount_options *o,
                          struct err *err)
{
    if (has_option(o, "mode="))
        return 0;
    return add_option(in, o, oci_printf(in->arena, "mode=%o", t->made ? 01777U : (unsigned)t->mode),
                      err);
}

/* The container's own procfs serves init as its handle, if it is a whole and writable one. Looked
 * at, for mount(2) does not tell what it has made: see open_covering() in base/mount.c. */
static void keep_procfs(struct init *in, const struct mount_target *t,
                        const struct mount_options *o, int *fd)
{
    if (strcmp(t->path, "/proc") != 0 || o->data_n > 0 ||
        ((o->set | o->rec_set) & MOUNT_ATTR_RDONLY) || in->proc >= 0 || !proc_is_root(*fd))
        return;
    in->proc = util_take_fd(*fd);
}

static int attach_or_close(struct init *in, struct mount_object *object, int target,
                           struct err *err)
{
    if (init_mounts_attach_entry(in, object, target, err) == 0)
        return 0;
    object->fd = fd_close(object->fd);
    return -1;
}

static int make_and_attach(struct init *in, const struct oci_mount *m,
                           const struct mount_options *o, int target, struct mount_object *object,
                           struct err *err)
{
    if (mount_new(m->type, m->source, o, object, err) < 0)
        return -1;
    return attach_or_close(in, object, target, err);
}

/*
 * In a user namespace the kernel makes a new proc or sysfs only where the old one is fully visible
 * and the pid or network namespace is ours; the host's own serves then. @err comes with the
 * kernel's refusal, which stays the message if this does not work either.
 */
static int bind_host_fs(struct init *in, const char *type, const struct mount_options *o,
                        int target, struct mount_object *out, struct err *err)
{
    bool proc = strcmp(type, "proc") == 0, pending;
    int procfs = init_mounts_procfs(in);
    struct err failed = ERR_INIT;

    if (proc && has_namespace(in, OCI_NS_PID))
        return err_hint(err, "the kernel gives a user namespace a new proc only where all of the "
                             "outer /proc is visible, without masks");
    if (init_mounts_host_clone(proc ? "/proc" : "/sys", true, out, &failed) < 0)
        return -1;
    pending = out->plain || mount_set_propagation(out->fd, OCI_PROPAGATION_RSLAVE, -1, &failed) < 0;
    if (attach_or_close(in, out, target, &failed) < 0)
        return -1;
    if ((pending && mount_set_propagation(out->fd, OCI_PROPAGATION_RSLAVE, procfs, &failed) < 0) ||
        (mount_set_attr(out->fd, true, o->set, 0, procfs, &failed) < 0 &&
         mount_set_attr(out->fd, false, o->set, 0, procfs, &failed) < 0)) {
        out->fd = fd_close(out->fd);
        return -1;
    }
    *err = (struct err)ERR_INIT;
    return 0;
}

/* The kernel calls an id that is not mapped invalid, and on some filesystems not even which. */
static void hint_ids(struct init *in, const struct mount_options *o, struct err *err)
{
    if (err->errnum != EINVAL || !(has_option(o, "uid=") || has_option(o, "gid=")))
        return;
    if (in->setup.flags & SETUP_USER_NAMESPACE)
        err_hint(err, "uid= and gid= need a mapping in the user namespace: map the id or leave "
                      "the option out");
}

static int mount_filesystem(struct init *in, const struct oci_mount *m, struct mount_options *o,
                            struct err *err)
{
    bool is_tmpfs = strcmp(m->type, "tmpfs") == 0;
    bool is_virtual = strcmp(m->type, "proc") == 0 || strcmp(m->type, "sysfs") == 0;
    bool late = is_tmpfs && ((o->set | o->rec_set) & MOUNT_ATTR_RDONLY);
    bool cloned = false;
    struct mount_object object;
    struct mount_target target;

    if (mount_target_open(in, m, o, -1, true, &target, err) < 0)
        return -1;
    _cleanup_close_ int target_fd = target.fd;
    if (!target.is_dir)
        return err_set(err, ENOTDIR, "mount %s on a file", m->type);
    if (strcmp(m->type, "cgroup") == 0 || strcmp(m->type, "cgroup2") == 0)
        return init_cgroup_mount(in, m->type, target_fd, o, err);
    if (late) {
        o->set &= ~(uint64_t)MOUNT_ATTR_RDONLY;
        o->rec_set &= ~(uint64_t)MOUNT_ATTR_RDONLY;
        o->sb_set &= ~(unsigned long)MS_RDONLY;
    }
    if ((is_tmpfs && add_tmpfs_mode(in, &target, o, err) < 0) || add_label(in, m->type, o, err) < 0)
        return -1;
    if (make_and_attach(in, m, o, target_fd, &object, err) < 0) {
        /* EPERM comes from any of fsopen, fsconfig, fsmount and mount. */
        hint_ids(in, o, err);
        if (err->errnum != EPERM || !is_virtual ||
            bind_host_fs(in, m->type, o, target_fd, &object, err) < 0)
            return -1;
        cloned = true;
    }
    _cleanup_close_ int fd = object.fd;
    if (is_tmpfs && o->tmpcopyup && init_tmpcopyup(target_fd, fd, init_mounts_procfs(in), err) < 0)
        return -1;
    if (init_bind_propagation(in, o, fd, err) < 0 || init_masks_mounted(target.path, fd, err) < 0)
        return -1;
    /* Never the machine's own queues. */
    if (strcmp(m->type, "mqueue") == 0 && has_namespace(in, OCI_NS_IPC) &&
        init_label_directory(in, fd, err) < 0)
        return -1;
    if (is_virtual && !cloned && m->type[0] == 'p')
        keep_procfs(in, &target, o, &fd);
    return late ? init_bind_readonly_later(in, util_take_fd(fd), err) : 0;
}

/* remount: new flags for what is there; when the entry is not a bind the superblock's too, but for
 * ro and rw: it may be one of the machine's, which has to stay writable for others. */
static int remount(struct init *in, const struct oci_mount *m, const struct mount_options *o,
                   struct err *err)
{
    int procfs = init_mounts_procfs(in);
    struct mount_target target;

    if (mount_target_open(in, m, o, -1, true, &target, err) < 0)
        return -1;
    _cleanup_close_ int fd = target.fd;
    if (!o->bind &&
        (o->data_n > 0 || ((o->sb_set | o->sb_clear) & ~(unsigned long)MS_RDONLY) != 0)) {
        if (mount_reconfigure(fd, o, procfs, err) < 0)
            return -1;
    } else if (mount_set_attr(fd, false, o->set, o->clear, procfs, err) < 0) {
        return -1;
    }
    if (mount_set_attr(fd, true, o->rec_set, o->rec_clear, procfs, err) < 0)
        return -1;
    return init_bind_propagation(in, o, fd, err);
}

/* ---- the list -------------------------------------------------------------------------------- */

static int mount_one(struct init *in, size_t i, struct err *err)
{
    const struct oci_mount *m = &in->config.mounts[i];
    struct mount_options o;

    if (mount_options_parse(options_of(m), m->options_n, in->arena, &o, err) < 0)
        return -1;
    if (m->destination[0] != '/')
        init_warn(in, "mounts[%zu] %s: a destination should be absolute; taken as below /", i,
                  m->destination);
    if (o.remount)
        return remount(in, m, &o, err);
    if (o.bind)
        return init_bind(in, i, &o, err);
    if (m->type == NULL || m->type[0] == '\0')
        return err_set(err, EINVAL, "neither a type nor the option bind or rbind is given");
    return mount_filesystem(in, m, &o, err);
}

/* Connecting to the socket is all that there is to do in the directory, which is the host's: the
 * container does not write to it. mount(2) is asked where a detached mount cannot be changed. */
static int attach_notify(struct init *in, struct mount_object *object, int target, struct err *err)
{
    const uint64_t set =
        MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
    int procfs = init_mounts_procfs(in);
    struct err ignored = ERR_INIT;
    bool changed = !object->plain && mount_set_attr(object->fd, false, set, 0, -1, &ignored) == 0;

    if (init_mounts_attach(in, object, target, err) < 0)
        return -1;
    return changed ? 0 : mount_set_attr(object->fd, false, set, 0, procfs, err);
}

/* The directory with the sd_notify socket, for the program's NOTIFY_SOCKET. */
static int mount_notify(struct init *in, struct err *err)
{
    struct mount_object object = {.fd = in->notify_source,
                                  .plain = init_mounts_sources_are_plain()};
    struct err ignored = ERR_INIT;
    _cleanup_close_ int target = -1;
    int result;

    if (object.fd < 0)
        return 0;
    in->notify_source = -1;
    if (!object.plain)
        mount_set_propagation(object.fd, OCI_PROPAGATION_PRIVATE, -1, &ignored);
    target = path_make_in_root(in->rootfs, "/run/notify", PATH_DIR, 0755, NULL, err);
    result = target < 0 ? -1 : attach_notify(in, &object, target, err);
    fd_close(object.fd);
    return result < 0 ? err_context(err, "/run/notify") : 0;
}

int init_mounts(void *init, struct err *err)
{
    struct init *in = init;
    struct err ignored = ERR_INIT;

    for (size_t i = 0; i < in->config.mounts_n; i++) {
        if (mount_one(in, i, err) < 0) {
            err_context(err, "mounts[%zu] %s", i, in->config.mounts[i].destination);
            return err_object(err, "mounts[%zu]", i);
        }
    }
    if ((in->setup.flags & SETUP_NOTIFY) && mount_notify(in, err) < 0)
        return -1;
    if (in->proc < 0)
        in->proc = proc_private(&ignored);
    if (in->proc < 0)
        in->proc = in->host_proc;
    return 0;
}

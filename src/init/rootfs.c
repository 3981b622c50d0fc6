/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * The container's tree is a detached clone of the directory that the configuration names. It is
 * attached at that directory's own path in init's mount namespace (which begins as a copy of the
 * host's), filled by the steps in between, and becomes "/" by pivot_root; the old tree is then
 * thrown away as a whole.
 *
 *   attach: "/" rslave: from here on nothing that init mounts reaches the host
 *   pivot:  pivot_root(".", "."), which stacks the old root below the new one; umount
 *   finish: what the configuration wants "/" to be: propagation, read-only
 *
 * "/" of the namespace is never shared with the host, whatever linux.rootfsPropagation says: shared
 * means that the container's own "/" is shared with the namespaces it makes, so it gets a peer
 * group of its own in the end. Sharing with the host is a matter of single mounts.
 *
 * The host's path may be unreachable for init (a directory without x for the mapped root): then the
 * clone is attached on "/" itself. pivot_root does not mind.
 *
 * Without a mount namespace of its own (SETUP_CHROOT) the clone is attached in the namespace that
 * there is and chroot takes the place of pivot_root; the host side undoes it with one umount of the
 * path.
 */
#include "base/fd.h"
#include "base/mountinfo.h"
#include "base/open_files.h"
#include "base/path.h"
#include "base/proc.h"
#include "base/sys.h"
#include "base/util.h"
#include "init/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool attached_on_root; /* on "/", not at its path */

/* rslave for the whole of "/", through the fallback if need be. */
static int make_root_slave(struct init *in, struct err *err)
{
    _cleanup_close_ int root = path_own_root();

    if (root < 0)
        return err_errno(err, "open /");
    return mount_set_propagation(root, OCI_PROPAGATION_RSLAVE, in->host_proc, err);
}

/* An unprivileged host side has no mount namespace to clone in: init does it. */
static int clone_rootfs(struct init *in, struct mount_object *object, struct err *err)
{
    object->fd = mount_clone(AT_FDCWD, in->setup.rootfs, true, false, err);
    if (object->fd >= 0)
        return 0;
    if (err->errnum == EACCES)
        err_hint(err, "a directory above it is closed to the user that id 0 of the container is on "
                      "the machine: map 0 to the own id, or open it (chmod o+x)");
    if (err->errnum != ENOSYS && err->errnum != EPERM)
        return err_context(err, "rootfs %s", in->setup.rootfs);
    object->plain = object->recursive = true;
    object->fd = open(in->setup.rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return object->fd >= 0 ? 0 : err_errno(err, "rootfs %s", in->setup.rootfs);
}

int init_rootfs_attach(void *init, struct err *err)
{
    struct init *in = init;
    struct mount_object object = {.fd = in->fd[SETUP_FD_ROOTFS]};
    bool ours = object.fd < 0, slave_pending = false;
    struct err ignored = ERR_INIT;

    in->fd[SETUP_FD_ROOTFS] = -1;
    if (!(in->setup.flags & SETUP_CHROOT) && make_root_slave(in, err) < 0)
        return err_context(err, "make / a slave");
    if (init_mounts_open_sources(in, err) < 0 || init_devices_open_sources(in, err) < 0 ||
        (ours && clone_rootfs(in, &object, err) < 0))
        return -1;
    /* The host side may have left it in the host's peer group: on 5.10 it cannot do otherwise. */
    slave_pending =
        object.plain || mount_set_propagation(object.fd, OCI_PROPAGATION_RSLAVE, -1, &ignored) < 0;

    _cleanup_close_ int target = open(in->setup.rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (target < 0 && (errno == EACCES || errno == ENOENT) && !(in->setup.flags & SETUP_CHROOT)) {
        attached_on_root = true;
        target = path_own_root();
    }
    if (target < 0)
        err_errno(err, "rootfs %s", in->setup.rootfs);
    if (target < 0 || mount_attach(&object, target, in->host_proc, err) < 0) {
        fd_close(object.fd);
        return err_context(err, "attach rootfs");
    }
    in->rootfs = object.fd;
    if (slave_pending &&
        mount_set_propagation(in->rootfs, OCI_PROPAGATION_RSLAVE, in->host_proc, err) < 0)
        return err_context(err, "rootfs");
    return 0;
}

/* ---- becoming the root ----------------------------------------------------------------------- */

static int pivot(struct init *in, struct err *err)
{
    _cleanup_close_ int old = path_own_root();

    if (old < 0 || fchdir(in->rootfs) < 0)
        return err_errno(err, "enter the rootfs");
    if (sys_pivot_root(".", ".") < 0) {
        err_errno(err, "pivot_root");
        if (err->errnum == EINVAL)
            err_hint(err, "on an initial ramdisk the root cannot be exchanged: use --no-pivot");
        return -1;
    }
    /* The old root, now stacked on the new one. Hooks of createContainer ran in this namespace and
     * may have shared something again: nothing of the umount may travel. */
    if (fchdir(old) < 0 || sys_mount(NULL, ".", NULL, MS_SLAVE | MS_REC, NULL) < 0 ||
        sys_umount2(".", MNT_DETACH) < 0)
        return err_errno(err, "detach the old root");
    return 0;
}

/* Take one proc or sysfs of the host away, or cover it when it is locked in its place. */
static int hide_mount(struct init *in, int host, const char *path, struct err *err)
{
    struct mount_options o = {.set = MOUNT_ATTR_RDONLY};
    struct err ignored = ERR_INIT;
    struct mount_object object;
    int result;

    _cleanup_close_ int fd = path_open_in_root(host, path, O_PATH | O_DIRECTORY, &ignored);
    if (fd < 0 || fchdir(fd) < 0)
        return 0; /* hidden below another mount */
    if (sys_umount2(".", MNT_DETACH) == 0)
        return 0;
    if (errno != EINVAL && errno != EPERM)
        return err_errno(err, "unmount %s", path);
    if (mount_new("tmpfs", "tmpfs", &o, &object, err) < 0)
        return err_context(err, "cover %s", path);
    result = mount_attach(&object, fd, init_mounts_procfs(in), err);
    fd_close(object.fd);
    return result < 0 ? err_context(err, "cover %s", path) : 0;
}

/*
 * Without pivot_root the old tree stays below the new one and a process with CAP_SYS_CHROOT can get
 * at it. The least is that it holds no full proc or sysfs, which would let a user namespace inside
 * mount new ones.
 */
static int hide_host_mounts(struct init *in, struct err *err)
{
    _cleanup_free_ char *text = proc_read_self(in->host_proc, "mountinfo", MOUNTINFO_MAX, err);
    _cleanup_close_ int host = path_own_root();
    size_t prefix = strlen(in->setup.rootfs);
    struct mountinfo m;
    char *rest = text;

    if (!text)
        return -1;
    if (host < 0)
        return err_errno(err, "open /");
    while (mountinfo_next(&rest, &m)) {
        if (strcmp(m.type, "proc") != 0 && strcmp(m.type, "sysfs") != 0)
            continue;
        if (strncmp(m.point, in->setup.rootfs, prefix) == 0 &&
            (m.point[prefix] == '/' || m.point[prefix] == 0))
            continue;
        if (hide_mount(in, host, m.point, err) < 0)
            return -1;
    }
    return 0;
}

static int move_root(struct init *in, struct err *err)
{
    struct mount_object object = {.fd = in->rootfs};
    _cleanup_close_ int root = -1;

    if (!attached_on_root && hide_host_mounts(in, err) < 0)
        return -1;
    root = path_own_root();
    if (root < 0)
        return err_errno(err, "open /");
    if (!attached_on_root && mount_attach(&object, root, -1, err) < 0) {
        if (err->errnum != ENOSYS && err->errnum != EPERM)
            return err_context(err, "move the rootfs to /");
        if (fchdir(in->rootfs) < 0 || sys_mount(".", "/", NULL, MS_MOVE, NULL) < 0)
            return err_errno(err, "move the rootfs to /");
    }
    return 0;
}

static int enter_root(struct init *in, struct err *err)
{
    if (fchdir(in->rootfs) < 0 || chroot(".") < 0)
        return err_errno(err, "chroot into the rootfs");
    return 0;
}

int init_rootfs_pivot(void *init, struct err *err)
{
    struct init *in = init;

    if (in->setup.flags & SETUP_CHROOT) {
        if (enter_root(in, err) < 0)
            return -1;
    } else if (in->setup.flags & SETUP_NO_PIVOT) {
        if (move_root(in, err) < 0 || enter_root(in, err) < 0)
            return -1;
    } else if (pivot(in, err) < 0) {
        return -1;
    }
    return chdir("/") < 0 ? err_errno(err, "chdir to /") : 0;
}

int init_rootfs_finish(void *init, struct err *err)
{
    struct init *in = init;
    int procfs = init_mounts_procfs(in);

    if (in->linux_.rootfs_propagation != OCI_PROPAGATION_UNSET &&
        mount_set_propagation(in->rootfs, in->linux_.rootfs_propagation, procfs, err) < 0)
        return err_context(err, "linux.rootfsPropagation");
    if (init_mounts_late_readonly(in, err) < 0)
        return err_context(err, "read-only mount");
    open_files_restore();
    if (in->config.root != NULL && in->config.root->readonly &&
        mount_set_attr(in->rootfs, false, MOUNT_ATTR_RDONLY, 0, procfs, err) < 0)
        return err_context(err, "read-only /");
    return 0;
}

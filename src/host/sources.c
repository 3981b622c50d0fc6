/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sources are handed over as detached mounts (open_tree with OPEN_TREE_CLONE), not as plain fds:
 * after CLONE_NEWNS a mount of the host's namespace cannot be bound any more (EINVAL), and a path
 * would be resolved by whoever uses it last. They go in list order, in batches that fit into one
 * message.
 */
#include "host/sources.h"

#include "base/fd.h"
#include "base/mount.h"
#include "base/protocol.h"
#include "base/sys.h"
#include "base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct batch {
    int sock;
    struct protocol_sources m;
    int fds[PROTOCOL_MAX_FDS];
};

static int flush(struct batch *batch, struct err *err)
{
    size_t n = batch->m.n, fds = 0;
    int result;

    if (n == 0)
        return 0;
    while (fds < n && batch->fds[fds] >= 0)
        fds++;
    result = protocol_send(batch->sock, PROTOCOL_SOURCES, &batch->m, sizeof batch->m, batch->fds,
                           fds, err);
    for (size_t i = 0; i < fds; i++)
        fd_close(batch->fds[i]);
    batch->m.n = 0;
    return result;
}

/* Takes @fd, also on failure. */
static int add(struct batch *batch, enum protocol_source_kind kind, size_t index, int fd,
               struct err *err)
{
    struct stat st = {0};
    uint32_t slot;

    if (batch->m.n == PROTOCOL_MAX_FDS && flush(batch, err) < 0) {
        fd_close(fd);
        return -1;
    }
    if (fd >= 0 && fstat(fd, &st) < 0) {
        err_errno(err, "stat");
        fd_close(fd);
        return -1;
    }
    slot = batch->m.n++;
    batch->m.entry[slot].kind = kind;
    batch->m.entry[slot].index = (uint32_t)index;
    batch->m.entry[slot].is_dir = S_ISDIR(st.st_mode);
    batch->fds[slot] = fd;
    return 0;
}

int sources_rootfs(const struct bundle *b, bool shared, struct err *err)
{
    struct mount_attr slave = {.propagation = MS_SLAVE};
    int fd = mount_clone(b->rootfs_fd, "", true, false, err);

    if (fd < 0)
        return err_context(err, "rootfs %s", b->rootfs);
    if (!shared &&
        sys_mount_setattr(fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &slave, sizeof slave) < 0 &&
        mount_set_propagation(fd, OCI_PROPAGATION_RSLAVE, -1, err) < 0 && err->errnum != ENOSYS &&
        err->errnum != EPERM) {
        fd_close(fd);
        return err_context(err, "rootfs %s", b->rootfs);
    }
    return fd;
}

static int send_mounts(struct batch *batch, const struct bundle *b, struct err *err)
{
    struct mount_options options;

    for (size_t i = 0; i < b->config.mounts_n; i++) {
        const struct oci_mount *m = &b->config.mounts[i];
        int fd;

        if (mount_options_parse(m->options, m->options_n, b->arena, &options, err) < 0)
            return -1;
        if (!options.bind || options.remount || !m->source)
            continue;
        fd = mount_clone(b->dir, m->source, options.recursive,
                         options.src_nofollow || options.copy_symlink, err);
        if (fd < 0) {
            err_set(err, err->errnum, "bind source %s", m->source);
            err_object(err, "mounts[%zu].source", i);
            return err_context(err, "mounts[%zu] %s", i, m->destination);
        }
        if (add(batch, SOURCE_MOUNT, i, fd, err) < 0)
            return -1;
    }
    return 0;
}

static int send_devices(struct batch *batch, const struct bundle *b, struct err *err)
{
    static const char *const defaults[] = {"null", "zero", "full", "random", "urandom", "tty"};
    _cleanup_close_ int dev = open("/dev", O_PATH | O_DIRECTORY | O_CLOEXEC);
    const struct oci_linux *l = b->config.linux_;

    for (size_t i = 0; i < ARRAY_SIZE(defaults); i++) {
        int fd = mount_clone(dev, defaults[i], false, true, err);

        if (fd < 0)
            return err_context(err, "default device /dev/%s", defaults[i]);
        if (add(batch, SOURCE_DEFAULT_DEVICE, i, fd, err) < 0)
            return -1;
    }
    for (size_t i = 0; l && i < l->devices_n; i++) {
        int fd;

        if (l->devices[i].type == OCI_DEVICE_FIFO)
            continue;
        /* udev's names are links; that it is the device is checked by whoever binds it. */
        fd = mount_clone(AT_FDCWD, l->devices[i].path, false, false, err);
        if (fd < 0)
            return err_context(err, "linux.devices[%zu]", i);
        if (add(batch, SOURCE_DEVICE, i, fd, err) < 0)
            return -1;
    }
    return 0;
}

static int send_all(struct batch *batch, const struct bundle *b, bool privileged, bool bind_devices,
                    int notify, struct err *err)
{
    if (privileged && send_mounts(batch, b, err) < 0)
        return -1;
    if (privileged && bind_devices && send_devices(batch, b, err) < 0)
        return -1;
    if (notify >= 0) {
        int fd = privileged ? mount_clone(notify, "", false, false, err)
                            : fcntl(notify, F_DUPFD_CLOEXEC, 0);

        if (fd < 0)
            return err_context(err, "sd_notify directory");
        if (add(batch, SOURCE_NOTIFY, 0, fd, err) < 0)
            return -1;
    }
    if (flush(batch, err) < 0)
        return -1;
    if (add(batch, SOURCE_END, 0, -1, err) < 0)
        return -1;
    return flush(batch, err);
}

int sources_send(int sock, const struct bundle *b, bool privileged, bool bind_devices, int notify,
                 struct err *err)
{
    struct batch batch = {.sock = sock};
    int result = send_all(&batch, b, privileged, bind_devices, notify, err);

    for (size_t i = 0; result < 0 && i < batch.m.n; i++)
        fd_close(batch.fds[i]);
    return result;
}

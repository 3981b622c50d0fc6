/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host/namespaces.h"

#include "base/fd.h"
#include "base/proc.h"
#include "base/sys.h"
#include "base/util.h"
#include "base/wording.h"
#include "host/validate.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const files[OCI_NS_COUNT] = {
    [OCI_NS_PID] = "pid",       [OCI_NS_NETWORK] = "net", [OCI_NS_MOUNT] = "mnt",
    [OCI_NS_IPC] = "ipc",       [OCI_NS_UTS] = "uts",     [OCI_NS_USER] = "user",
    [OCI_NS_CGROUP] = "cgroup", [OCI_NS_TIME] = "time",
};

bool namespaces_is_own(enum oci_namespace_type type, const char *path)
{
    struct stat own, other;
    char self[64];

    snprintf(self, sizeof self, "/proc/self/ns/%s", files[type]);
    return stat(self, &own) == 0 && stat(path, &other) == 0 && own.st_dev == other.st_dev &&
           own.st_ino == other.st_ino;
}

static int open_namespace(const struct bundle *b, size_t index, struct err *err)
{
    const struct oci_namespace *ns = &b->config.linux_->namespaces[index];
    char member[64];
    int type, fd = open(ns->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

    snprintf(member, sizeof member, "linux.namespaces[%zu].path", index);
    if (fd < 0)
        return bundle_fail(b, err, member, "%s: %s", ns->path, strerror(errno));
    type = ioctl(fd, NS_GET_NSTYPE);
    if (type >= 0 && (uint64_t)type == plan_flag(ns->type))
        return fd;
    fd_close(fd);
    return bundle_fail(b, err, member, "%s is not a %s namespace", ns->path,
                       oci_name_of(&oci_namespace_names, (int)ns->type));
}

int namespaces_open(const struct record *record, int *fds, struct err *err)
{
    char path[64];

    for (int type = OCI_NS_PID; type < OCI_NS_COUNT; type++) {
        if (!(record->namespaces.bits & (1ULL << type)))
            continue;
        snprintf(path, sizeof path, "/proc/%d/ns/%s", (int)record->init.pid, files[type]);
        fds[type - OCI_NS_PID] = open(path, O_RDONLY | O_CLOEXEC);
        if (fds[type - OCI_NS_PID] < 0)
            return err_errno(err, "open %s", path);
    }
    /* They were init's if init still lives now. */
    if (!proc_alive((pid_t)record->init.pid, record->init.start_time))
        return err_set(err, 0, WORDING_NOT_RUNNING);
    return 0;
}

static int take_namespaces(struct creation *c, struct plan_input *in, struct err *err)
{
    const struct oci_linux *l = c->bundle.config.linux_;

    for (size_t i = 0; l && i < l->namespaces_n; i++) {
        enum oci_namespace_type type = l->namespaces[i].type;
        int fd;

        in->kind[type] = PLAN_NEW;
        if (!l->namespaces[i].path)
            continue;
        fd = open_namespace(&c->bundle, i, err);
        if (fd < 0)
            return -1;
        /* The kernel refuses to join our own user namespace, and there is nothing to join. */
        if (type == OCI_NS_USER && namespaces_is_own(type, l->namespaces[i].path)) {
            in->kind[type] = PLAN_ABSENT;
            c->record.namespaces.bits &= ~(1ULL << OCI_NS_USER);
            fd_close(fd);
            continue;
        }
        in->kind[type] = PLAN_JOIN;
        c->spawn.fds[SETUP_FD_NS_PID + (int)type - OCI_NS_PID] = fd;
        if (type == OCI_NS_PID)
            c->record.pid_joined = true;
        if (type == OCI_NS_MOUNT)
            c->record.mount_namespace = l->namespaces[i].path;
    }
    return 0;
}

static bool born_in_cgroup(const struct cgroup_record *cgroup)
{
    return cgroup->driver == CGROUP_CGROUPFS && cgroup->places_n == 1 && cgroup->places[0].v2;
}

int namespaces_plan(struct creation *c, struct err *err)
{
    struct plan_input in = {.privileged = spawn_privileged()};

    if (take_namespaces(c, &in, err) < 0)
        return -1;
    /* The cgroup namespace may come with the clone only if the child is born in its only cgroup. */
    in.into_cgroup = c->born_in_cgroup = born_in_cgroup(&c->record.cgroup);
    plan_make(&in, &c->spawn.plan);
    /* Even if it is not: a mount of type cgroup shows where init is. */
    c->spawn.plan.child.wait_cgroup |= c->record.cgroup.places_n > 0;
    if (cgroup_on_v1(&c->record.cgroup) && !cgroup_before_ids(&c->record.cgroup))
        c->setup.flags |= SETUP_CGROUPS;
    c->spawn.maps = c->bundle.config.linux_;
    c->record.chroot = in.kind[OCI_NS_MOUNT] != PLAN_NEW;
    if (in.kind[OCI_NS_NETWORK] == PLAN_NEW)
        c->setup.flags |= SETUP_LOOPBACK;
    if (c->spawn.plan.child.join[0])
        c->setup.flags |= SETUP_NOT_DUMPABLE;
    if (in.kind[OCI_NS_USER] != PLAN_ABSENT || proc_in_user_namespace())
        c->setup.flags |= SETUP_USER_NAMESPACE;
    return 0;
}

uint64_t namespaces_mount_id(int fd)
{
    struct statx stx;

    if (statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &stx) < 0 || !(stx.stx_mask & STATX_MNT_ID))
        return 0;
    return stx.stx_mnt_id;
}

static int unmount(const struct record *record, struct err *err)
{
    _cleanup_close_ int top = open(record->rootfs, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    /* Not attached yet, or no longer: what is there belongs to somebody else. */
    if (top < 0 || (record->rootfs_mount && namespaces_mount_id(top) != record->rootfs_mount))
        return 0;
    /* Whether it is a mount point at all shows umount2 itself; never through a link. */
    if (sys_umount2(record->rootfs, MNT_DETACH | UMOUNT_NOFOLLOW) == 0 || errno == EINVAL ||
        errno == ENOENT)
        return 0;
    return err_errno(err, "unmount %s", record->rootfs);
}

int namespaces_unmount(const struct record *record, struct err *err)
{
    _cleanup_close_ int ns = -1;
    int status;
    pid_t pid;

    if (!record->mount_namespace)
        return unmount(record, err);
    ns = open(record->mount_namespace, O_RDONLY | O_CLOEXEC);
    if (ns < 0) /* it ended, and its mounts with it */
        return errno == ENOENT ? 0 : err_errno(err, "open %s", record->mount_namespace);
    pid = fork();
    if (pid < 0)
        return err_errno(err, "unmount %s", record->rootfs);
    if (pid == 0)
        _exit(setns(ns, CLONE_NEWNS) == 0 && unmount(record, err) == 0 ? 0 : 1);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (!WIFEXITED(status) || WEXITSTATUS(status))
        return err_set(err, 0, "unmount %s in %s", record->rootfs, record->mount_namespace);
    return 0;
}

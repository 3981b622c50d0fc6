/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * What is attached to a shared mount appears on all its peers. A bind that the configuration wants
 * shared has peers in the machine's own mount namespace, and whatever the runtime puts on it, such
 * as the cover of a masked path, would appear there and stay after the container. So the mount
 * leaves its peer group for the moment of attaching:
 *
 *   a clone of it is taken, which is a member too;   it becomes private;   the new mount is
 *   attached;   it takes over the clone's memberships (MOVE_MOUNT_SET_GROUP, Linux 5.15)
 *
 * Afterwards it is shared again with the same peers, for what the container's program mounts; only
 * mounts that the machine makes in between are missed.
 *
 * Both calls want the root of the mount, which the target's fd does not give: mountinfo has the
 * path of it, and what is there has to be that mount.
 */
#include "base/fd.h"
#include "base/mount_call.h"
#include "base/mountinfo.h"
#include "base/path.h"
#include "base/proc.h"
#include "base/sys.h"
#include "base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* The flag is looked at before the descriptors: EINVAL, or ENOSYS, where it is not known. */
static bool can_join(void)
{
    return sys_move_mount(-1, "", -1, "",
                          MOVE_MOUNT_SET_GROUP | MOVE_MOUNT_F_EMPTY_PATH |
                              MOVE_MOUNT_T_EMPTY_PATH) < 0 &&
           errno == EBADF;
}

/* The root of the mount that @fd lies on, if it is shared: O_PATH; -1 with @err->errnum 0 if it is
 * not. */
static int open_shared_mount(int fd, int procfs, struct err *err)
{
    _cleanup_free_ char *text = proc_read_self(procfs, "mountinfo", MOUNTINFO_MAX, err);
    long id = mount_id(procfs, fd);
    struct mountinfo m = {.id = -1};
    char *rest = text;

    if (!text)
        return -1;
    while (m.id != id && mountinfo_next(&rest, &m))
        ;
    if (id < 0 || m.id != id)
        return err_set(err, ENOENT, "mount of a path");
    if (!m.shared) {
        *err = (struct err)ERR_INIT;
        return -1;
    }

    _cleanup_close_ int root = path_own_root();
    _cleanup_close_ int top = root < 0 ? -1 : path_open_in_root(root, m.point, O_PATH, err);

    if (top < 0)
        return root < 0 ? err_errno(err, "open /") : -1;
    if (mount_id(procfs, top) != id)
        return err_set(err, EBUSY, "another mount covers %s", m.point);
    return util_take_fd(top);
}

static int attach_apart(struct mount_object *object, int target, int top, int procfs,
                        struct err *err)
{
    _cleanup_close_ int peer = mount_clone(top, "", false, false, err);

    if (peer < 0 || mount_set_propagation(top, OCI_PROPAGATION_PRIVATE, procfs, err) < 0 ||
        mount_attach(object, target, procfs, err) < 0)
        return -1;
    if (sys_move_mount(peer, "", top, "",
                       MOVE_MOUNT_SET_GROUP | MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) <
        0)
        return err_errno(err, "make a mount shared again");
    return 0;
}

int mount_attach_alone(struct mount_object *object, int target, int procfs, struct err *err)
{
    int top = open_shared_mount(target, procfs, err), result;

    if (top < 0)
        return err->errnum ? -1 : mount_attach(object, target, procfs, err);
    if (can_join()) {
        result = attach_apart(object, target, top, procfs, err);
    } else {
        result = err_set(err, EOPNOTSUPP,
                         "it lies on a mount that is shared with the machine, where this mount "
                         "would appear too");
        err_hint(err, "without rshared on the mount below it works, or with Linux 5.15 or newer");
    }
    fd_close(top);
    return result;
}

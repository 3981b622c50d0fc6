/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * A mount of type cgroup shows the container its cgroups, in the layout of the host, which is what
 * programs inside expect of /sys/fs/cgroup:
 *
 *   v2 only:  one cgroup2.
 *   v1 in it: a tmpfs with a directory a hierarchy, named as on the host, and links for controllers
 *             that share one; in the hybrid layout also the v2 hierarchy.
 *
 * With a cgroup namespace a hierarchy is mounted anew: its root is then the container's own cgroup.
 * Without one it would show the whole machine, so in the v1 and hybrid layouts the container's own
 * directory is bound. A container on v2 only does get the whole tree then: /proc/self/cgroup gives
 * it a path from the machine's root, and programs look for that path below /sys/fs/cgroup; other
 * runtimes do the same. Where the kernel refuses a new mount (EPERM in a user namespace that does
 * not own the cgroup namespace, EBUSY) the container's own directory has to do.
 *
 * There is one superblock of v2, and a mount made in the machine's own cgroup namespace sets its
 * options anew for everybody (nsdelegate, memory_recursiveprot); so a new mount asks for those that
 * the host's mount has.
 *
 * The host's layout is read from mountinfo (cgroup_layout.c). This happens before pivot_root, while
 * init sees a copy of the host's mounts.
 */
#include "base/fd.h"
#include "base/mountinfo.h"
#include "base/proc.h"
#include "base/sys.h"
#include "base/util.h"
#include "init/cgroup_layout.h"
#include "init/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CGROUPS_MAX (1U << 20)

static int read_layout(struct init *in, struct layout *l, struct err *err)
{
    l->mountinfo = proc_read_self(in->host_proc, "mountinfo", MOUNTINFO_MAX, err);
    if (!l->mountinfo || !(l->cgroups = proc_read_self(in->host_proc, "cgroup", CGROUPS_MAX, err)))
        return -1;
    cgroup_layout_parse(l);
    return 0;
}

static void layout_free(struct layout *l)
{
    free(l->mountinfo);
    free(l->cgroups);
}

/* A clone of the container's own cgroup directory, from the host's mount of the hierarchy. */
static int clone_own(const struct layout *l, const struct hierarchy *h, struct mount_object *out,
                     struct err *err)
{
    char full[8192];

    if (!cgroup_layout_own(l, h, full, sizeof full))
        return err_set(err, ENOENT, "own cgroup of %s below %s", h->v2 ? "v2" : h->controllers,
                       h->point);
    if (init_mounts_host_clone(full, false, out, err) < 0)
        return -1;
    if (mount_statfs_magic(out->fd) != (h->v2 ? CGROUP2_SUPER_MAGIC : CGROUP_SUPER_MAGIC)) {
        out->fd = fd_close(out->fd);
        return err_set(err, EINVAL, "%s is not a cgroup", full);
    }
    return 0;
}

/* A hierarchy mounted anew, with the flags of @o. */
static int attach_new(struct init *in, const struct hierarchy *h, const struct mount_options *o,
                      int target, struct mount_object *out, struct err *err)
{
    const char *data[2] = {NULL, NULL};
    struct mount_options own = *o;

    own.data = data;
    own.data_n = h->v2 && (h->options == NULL || h->options[0] == '\0') ? 0 : 1;
    if (h->v2)
        data[0] = h->options;
    else
        data[0] = strncmp(h->controllers, "name=", 5) != 0
                      ? h->controllers
                      : oci_printf(in->arena, "none,%s", h->controllers);
    /* Read-only is a matter of this mount; the superblock may be one with the host's. */
    own.sb_set &= ~(unsigned long)MS_RDONLY;
    if (mount_new(h->v2 ? "cgroup2" : "cgroup", "cgroup", &own, out, err) < 0)
        return -1;
    return init_mounts_attach_entry(in, out, target, err);
}

/* The container's own directory of the host's mount. */
static int attach_own(struct init *in, const struct layout *l, const struct hierarchy *h,
                      const struct mount_options *o, int target, struct mount_object *out,
                      struct err *err)
{
    bool namespaced = (in->setup.namespaces & (1U << OCI_NS_CGROUP)) != 0;
    uint64_t set = o->set | o->rec_set;
    int procfs = init_mounts_procfs(in);
    struct err ignored = ERR_INIT;
    bool pending;

    if (clone_own(l, h, out, err) < 0)
        return -1;
    /* Without a cgroup namespace this may be the cgroup of a whole user session (CVE-2023-25809).
     */
    if (!namespaced && (in->setup.flags & SETUP_USER_NAMESPACE))
        set |= MOUNT_ATTR_RDONLY;
    pending =
        out->plain || mount_set_propagation(out->fd, OCI_PROPAGATION_PRIVATE, -1, &ignored) < 0;
    if (init_mounts_attach_entry(in, out, target, err) < 0 ||
        (pending && mount_set_propagation(out->fd, OCI_PROPAGATION_PRIVATE, procfs, err) < 0))
        return -1;
    return mount_set_attr(out->fd, false, set, 0, procfs, err);
}

/* @anew: try a new mount first. */
static int attach_hierarchy(struct init *in, const struct layout *l, const struct hierarchy *h,
                            const struct mount_options *o, bool anew, int target, struct err *err)
{
    struct mount_object object = {.fd = -1};
    struct err cause = ERR_INIT;
    int result = -1;

    if (anew) {
        result = attach_new(in, h, o, target, &object, &cause);
        if (result < 0 && cause.errnum != EPERM && cause.errnum != EBUSY)
            *err = cause;
    }
    if (result < 0 && (cause.errnum == 0 || cause.errnum == EPERM || cause.errnum == EBUSY)) {
        fd_close(object.fd);
        result = attach_own(in, l, h, o, target, &object, err);
        if (result < 0 && cause.errnum != 0)
            *err = cause; /* what the user asked for, not what was tried instead */
    }
    for (unsigned i = 0; result == 0 && i < o->propagation_n; i++)
        result = mount_set_propagation(object.fd, (enum oci_propagation)o->propagation[i],
                                       init_mounts_procfs(in), err);
    fd_close(object.fd);
    return result;
}

/* Links for the controllers of a hierarchy that do not give it its name: cpu -> cpu,cpuacct. */
static int link_controllers(int dir, const char *name, const char *controllers, struct err *err)
{
    _cleanup_free_ char *copy = strdup(controllers);
    char *rest = copy, *word;

    if (copy == NULL)
        return err_set(err, ENOMEM, "cgroup");
    while ((word = strsep(&rest, ",")) != NULL) {
        if (strncmp(word, "name=", 5) == 0 || strcmp(word, name) == 0)
            continue;
        if (symlinkat(name, dir, word) < 0 && errno != EEXIST)
            return err_errno(err, "create link %s", word);
    }
    return 0;
}

static int fill_tree(struct init *in, const struct layout *l, const struct mount_options *o,
                     int dir, struct err *err)
{
    bool namespaced = (in->setup.namespaces & (1U << OCI_NS_CGROUP)) != 0;

    for (size_t i = 0; i < l->n; i++) {
        const struct hierarchy *h = &l->list[i];
        const char *slash = strrchr(h->point, '/');
        const char *name = slash + 1;

        if (strcmp(h->point, "/sys/fs/cgroup") == 0)
            name = "unified"; /* cgroup2 on the usual place, v1 below it */
        if (mkdirat(dir, name, 0755) < 0)
            return err_errno(err, "create %s", name);
        _cleanup_close_ int target =
            openat(dir, name, O_PATH | O_NOFOLLOW | O_DIRECTORY | O_CLOEXEC);
        if (target < 0)
            return err_errno(err, "open %s", name);
        if (attach_hierarchy(in, l, h, o, namespaced, target, err) < 0)
            return err_context(err, "%s", name);
        if (!h->v2 && link_controllers(dir, name, h->controllers, err) < 0)
            return -1;
    }
    return 0;
}

/* The v1 or hybrid layout. The tmpfs is attached first: the kernel mounts on attached mounts only.
 */
static int mount_tree(struct init *in, const struct layout *l, const struct mount_options *o,
                      int target, struct err *err)
{
    const char *data[] = {"mode=755", NULL, NULL};
    struct mount_options tmpfs = {.set = o->set & ~(uint64_t)MOUNT_ATTR_RDONLY,
                                  .rec_set = o->rec_set & ~(uint64_t)MOUNT_ATTR_RDONLY,
                                  .data = data,
                                  .data_n = 1};
    int procfs = init_mounts_procfs(in);
    struct mount_object object;

    if (init_label_option(in, "tmpfs", &data[1], err) < 0)
        return -1;
    if (data[1])
        tmpfs.data_n++;
    if (mount_new("tmpfs", "cgroup", &tmpfs, &object, err) < 0)
        return -1;
    if (init_mounts_attach_entry(in, &object, target, err) < 0) {
        fd_close(object.fd);
        return -1;
    }
    _cleanup_close_ int dir = object.fd;
    if (fill_tree(in, l, o, dir, err) < 0)
        return -1;
    if ((o->set | o->rec_set) & MOUNT_ATTR_RDONLY)
        return mount_set_attr(dir, false, MOUNT_ATTR_RDONLY, 0, procfs, err);
    return 0;
}

int init_cgroup_mount(struct init *in, const char *type, int target, const struct mount_options *o,
                      struct err *err)
{
    struct layout l = {.n = 0};
    struct hierarchy unified = {
        .v2 = true, .root = (char[]){"/"}, .point = (char[]){"/sys/fs/cgroup"}};
    const struct hierarchy *v2 = &unified;
    int result = read_layout(in, &l, err);

    for (size_t i = 0; i < l.n; i++)
        if (l.list[i].v2)
            v2 = &l.list[i];
    if (result == 0 && l.has_v1 && strcmp(type, "cgroup") == 0)
        result = mount_tree(in, &l, o, target, err);
    else if (result == 0)
        result = attach_hierarchy(in, &l, v2, o, true, target, err);
    layout_free(&l);
    return result;
}

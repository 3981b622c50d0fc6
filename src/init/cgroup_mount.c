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
 * The host's layout is read from mountinfo: directories below /sys/fs/cgroup need not be cgroups.
 * This happens before pivot_root, while init sees a copy of the host's mounts.
 */
#include "base/fd.h"
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

#define HIERARCHIES_MAX 32
#define MOUNTINFO_MAX (64U << 20)

struct hierarchy {
    bool v2;
    char *root, *point; /* as in mountinfo */
    char *controllers;  /* v1: "cpu,cpuacct", "name=systemd" */
    char *options;      /* v2: "nsdelegate,memory_recursiveprot" */
};

struct layout {
    char *mountinfo, *cgroups; /* texts that the others point into */
    struct hierarchy list[HIERARCHIES_MAX];
    size_t n;
    bool has_v1;
};

static char *read_self(struct init *in, const char *name, struct err *err)
{
    char path[64], self[24];
    char *text = NULL;
    ssize_t len = readlinkat(in->host_proc, "self", self, sizeof self - 1);

    if (len <= 0) {
        err_errno(err, "/proc/self");
        return NULL;
    }
    self[len] = '\0';
    snprintf(path, sizeof path, "%s/%s", self, name);
    _cleanup_close_ int fd = path_open_beneath(in->host_proc, path, O_RDONLY, err);
    if (fd < 0 || fd_read_all(fd, MOUNTINFO_MAX, &text, NULL, err) < 0)
        return NULL;
    return text;
}

/* Keep of a superblock's options what says which hierarchy it is (v1: the controllers) or how it
 * behaves (v2): the rest is known and short. */
static void keep_own_options(char *options)
{
    static const char *const others[] = {
        "rw", "ro", "xattr", "noprefix", "clone_children", "cpuset_v2_mode", "seclabel", "none"};
    char *to = options, *rest = options, *word;

    while ((word = strsep(&rest, ",")) != NULL) {
        bool skip = strncmp(word, "release_agent=", 14) == 0;
        size_t len = strlen(word);

        for (size_t i = 0; i < ARRAY_SIZE(others); i++)
            skip = skip || strcmp(word, others[i]) == 0;
        if (skip || len == 0)
            continue;
        if (to != options)
            *to++ = ',';
        memmove(to, word, len);
        to += len;
    }
    *to = '\0';
}

/* ID PARENT MAJ:MIN ROOT POINT OPTIONS [TAG…] - TYPE SOURCE SUPEROPTIONS; proc_pid_mountinfo(5) */
static bool parse_line(char *line, struct hierarchy *h)
{
    char *dash = strstr(line, " - "), *tail, *type, *super;

    if (dash == NULL)
        return false;
    *dash = '\0';
    tail = dash + 3;
    type = strsep(&tail, " ");
    if (strcmp(type, "cgroup") != 0 && strcmp(type, "cgroup2") != 0)
        return false;
    strsep(&tail, " ");
    super = tail;
    for (int i = 0; i < 3; i++)
        strsep(&line, " ");
    h->root = strsep(&line, " ");
    h->point = strsep(&line, " ");
    h->v2 = type[6] == '2';
    if (h->root == NULL || h->point == NULL || super == NULL)
        return false;
    keep_own_options(super);
    if (h->v2)
        h->options = super;
    else
        h->controllers = super;
    return h->v2 || super[0] != '\0';
}

static bool is_known(const struct layout *l, const struct hierarchy *h)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->list[i].v2 == h->v2 &&
            (h->v2 || strcmp(l->list[i].controllers, h->controllers) == 0))
            return true;
    return false;
}

static int read_layout(struct init *in, struct layout *l, struct err *err)
{
    char *rest;

    l->mountinfo = read_self(in, "mountinfo", err);
    l->cgroups = l->mountinfo == NULL ? NULL : read_self(in, "cgroup", err);
    if (l->cgroups == NULL)
        return -1;
    rest = l->mountinfo;
    for (char *line; (line = strsep(&rest, "\n")) != NULL && l->n < HIERARCHIES_MAX;) {
        struct hierarchy h = {.v2 = false};

        /* Others may have mounted a hierarchy elsewhere too (containers): the usual place counts.
         */
        if (!parse_line(line, &h) || strncmp(h.point, "/sys/fs/cgroup", 14) != 0 || is_known(l, &h))
            continue;
        l->has_v1 = l->has_v1 || !h.v2;
        l->list[l->n++] = h;
    }
    return 0;
}

static void layout_free(struct layout *l)
{
    free(l->mountinfo);
    free(l->cgroups);
}

/* Path of our cgroup in @h, from lines ID:CONTROLLERS:PATH (the v2 line has no controllers). */
static bool own_path(const struct layout *l, const struct hierarchy *h, char *buf, size_t size)
{
    const char *wanted = h->v2 ? "" : h->controllers;
    size_t len = strlen(wanted);

    for (const char *line = l->cgroups; line != NULL && *line != '\0';) {
        const char *names = strchr(line, ':');
        const char *path = names == NULL ? NULL : strchr(names + 1, ':');
        const char *end = strchr(line, '\n');

        if (path == NULL)
            return false;
        names++;
        if ((size_t)(path - names) == len && memcmp(names, wanted, len) == 0) {
            int n = (int)(end == NULL ? strlen(path + 1) : (size_t)(end - path - 1));
            return (size_t)snprintf(buf, size, "%.*s", n, path + 1) < size;
        }
        line = end == NULL ? NULL : end + 1;
    }
    return false;
}

/* A clone of the container's own cgroup directory, from the host's mount of the hierarchy. */
static int clone_own(const struct layout *l, const struct hierarchy *h, struct mount_object *out,
                     struct err *err)
{
    char path[4096], full[8192];
    size_t root;

    if (!own_path(l, h, path, sizeof path))
        return err_set(err, ENOENT, "own cgroup of %s", h->v2 ? "v2" : h->controllers);
    /* The mount may show only a part of the hierarchy; in a cgroup namespace both are relative to
     * its root, and a root above it shows as "/..": its name is not to be had. */
    root = strcmp(h->root, "/") == 0 ? 0 : strlen(h->root);
    if (strncmp(h->root, "/..", 3) == 0 || strncmp(path, h->root, root) != 0)
        return err_set(err, ENOENT, "own cgroup below %s", h->point);
    snprintf(full, sizeof full, "%s%s", h->point, path + root);
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
    return mount_attach(out, target, init_mounts_procfs(in), err);
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
    if (mount_attach(out, target, procfs, err) < 0 ||
        (pending && mount_set_propagation(out->fd, OCI_PROPAGATION_PRIVATE, procfs, err) < 0))
        return -1;
    return mount_set_attr(out->fd, false, set, 0, 0, procfs, err);
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
    if (mount_attach(&object, target, procfs, err) < 0) {
        fd_close(object.fd);
        return -1;
    }
    _cleanup_close_ int dir = object.fd;
    if (fill_tree(in, l, o, dir, err) < 0)
        return -1;
    if ((o->set | o->rec_set) & MOUNT_ATTR_RDONLY)
        return mount_set_attr(dir, false, MOUNT_ATTR_RDONLY, 0, 0, procfs, err);
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

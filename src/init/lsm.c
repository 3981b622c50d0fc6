/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * The label of the program: a line written to the exec attribute, that the security module applies
 * at execve. It is written through the procfs handle of init: a fake /proc of an image or volume
 * would swallow it and leave the program unconfined (CVE-2019-16884, CVE-2025-52881).
 *
 * The label of files: linux.mountLabel goes to the file systems that are made for the container, as
 * an option of the mount; where the superblock is older than the mount (mqueue's belongs to the ipc
 * namespace), as the extended attribute of its root.
 *
 * Whether a module is switched on is seen by the host side (SETUP_APPARMOR, SETUP_SELINUX): inside,
 * its file system is not visible. A label for a module that is off has no flag, and the host side
 * has warned of it, so that one configuration serves machines with and without; with the module on,
 * every failure is an error.
 */
#include "base/fd.h"
#include "base/proc.h"
#include "base/util.h"
#include "base/wording.h"
#include "init/init.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/xattr.h>

static int attr_write(struct init *in, const char *path, const char *value, struct err *err)
{
    if (proc_write(in->proc >= 0 ? in->proc : in->host_proc, path, value, err) == 0)
        return 0;
    if (err->errnum != EACCES || in->host_proc < 0 || in->host_proc == in->proc)
        return -1;
    /* A security module that goes by path denies a procfs that is mounted nowhere. */
    return proc_write(in->host_proc, path, value, err);
}

/* Before Linux 5.8 there is only the attribute that all modules share. A missing file and a profile
 * that is not loaded both give ENOENT; writing the shared attribute tells them apart. */
static int lsm_apparmor(struct init *in, const char *profile, struct err *err)
{
    const char *what = WORDING_ATTR_APPARMOR;
    char *line = oci_printf(in->arena, "exec %s", profile);

    if (!line)
        return err_set(err, ENOMEM, "apparmorProfile");
    if (attr_write(in, "self/attr/apparmor/exec", line, err) == 0)
        return 0;
    if (err->errnum == ENOENT) {
        what = WORDING_ATTR_EXEC;
        if (attr_write(in, "self/attr/exec", line, err) == 0)
            return 0;
    }
    err_set(err, err->errnum, "apparmorProfile %s: %s", profile, what);
    if (err->errnum == ENOENT)
        err_hint(err, "the profile is not loaded");
    return -1;
}

static int lsm_selinux(struct init *in, const char *label, struct err *err)
{
    if (attr_write(in, "self/attr/exec", label, err) == 0)
        return 0;
    return err_set(err, err->errnum, "selinuxLabel %s: " WORDING_ATTR_EXEC, label);
}

int init_lsm(void *init, struct err *err)
{
    struct init *in = init;
    const char *profile, *label;

    if (!in->process)
        return 0;
    profile = in->process->apparmor_profile;
    label = in->process->selinux_label;
    if (profile && *profile && in->setup.flags & SETUP_APPARMOR &&
        lsm_apparmor(in, profile, err) < 0)
        return err_object(err, "process.apparmorProfile");
    if (label && *label && in->setup.flags & SETUP_SELINUX && lsm_selinux(in, label, err) < 0)
        return err_object(err, "process.selinuxLabel");
    return 0;
}

void init_lsm_hint(struct init *in, struct err *err)
{
    const struct oci_process *p = in->process;

    if (in->setup.flags & SETUP_SELINUX && p->selinux_label && *p->selinux_label)
        err_hint(err, "or the policy of SELinux does not let it run as process.selinuxLabel %s",
                 p->selinux_label);
}

/* ---- files ---- */

static const char *mount_label(const struct init *in)
{
    const char *label = in->linux_.mount_label;

    return label && *label && in->setup.flags & SETUP_SELINUX ? label : NULL;
}

int init_label_option(struct init *in, const char *type, const char **option, struct err *err)
{
    /* These get their labels from the policy, or have a superblock already. */
    static const char *const without[] = {"proc", "sysfs", "mqueue", "cgroup", "cgroup2"};
    const char *label = mount_label(in), *key;

    *option = NULL;
    if (!label)
        return 0;
    for (size_t i = 0; i < ARRAY_SIZE(without); i++)
        if (strcmp(type, without[i]) == 0)
            return 0;
    key = oci_annotation(&in->config, "run.oci.mount_context_type");
    *option = oci_printf(in->arena, "%s=\"%s\"", key ? key : "context", label);
    return *option ? 0 : err_set(err, ENOMEM, "linux.mountLabel");
}

int init_label_file(struct init *in, int fd, struct err *err)
{
    const char *label = mount_label(in);

    if (!label || fsetxattr(fd, "security.selinux", label, strlen(label) + 1, 0) == 0)
        return 0;
    /* Mounted with a context of its own, which is the label then; or the policy labels it by type.
     */
    if (errno == EOPNOTSUPP)
        return 0;
    /* In a user namespace the root of mqueue, whose ipc namespace was made before there were ids,
     * is not ours. The queues then work as far as the policy lets the program use unlabelled ones.
     */
    if (errno == EPERM) {
        init_warn(in, "linux.mountLabel %s: Operation not permitted, going on without", label);
        return 0;
    }
    err_errno(err, "linux.mountLabel %s", label);
    return err_object(err, "linux.mountLabel");
}

int init_label_directory(struct init *in, int fd, struct err *err)
{
    _cleanup_close_ int dir = -1;

    if (!mount_label(in))
        return 0;
    /* An O_PATH fd has no attributes. */
    dir = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return err_errno(err, "open for linux.mountLabel");
    return init_label_file(in, dir, err);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * The label of the program: a line written to the exec attribute, that the security module applies
 * at execve. It is written through the procfs handle of init: a fake /proc of an image or volume
 * would swallow it and leave the program unconfined (CVE-2019-16884, CVE-2025-52881).
 *
 * Whether a module is switched on is seen by the host side (SETUP_APPARMOR, SETUP_SELINUX): inside,
 * its file system is not visible. A label for a module that is off is a warning, so that one
 * configuration serves machines with and without; with the module on, every failure is an error.
 */
#include "base/proc.h"
#include "base/wording.h"
#include "init/init.h"

#include <errno.h>
#include <string.h>

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
    if (profile && *profile) {
        if (!(in->setup.flags & SETUP_APPARMOR))
            init_warn(in, "apparmorProfile %s: AppArmor is off here, ignored", profile);
        else if (lsm_apparmor(in, profile, err) < 0)
            return err_object(err, "process.apparmorProfile");
    }
    if (label && *label) {
        if (!(in->setup.flags & SETUP_SELINUX))
            init_warn(in, "selinuxLabel %s: SELinux is off here, ignored", label);
        else if (lsm_selinux(in, label, err) < 0)
            return err_object(err, "process.selinuxLabel");
    }
    return 0;
}

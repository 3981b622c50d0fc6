/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * Host name and kernel parameters. Both change what belongs to a namespace, so both are harmless
 * only while that namespace is the container's: the host side has refused everything else before
 * init existed (host/validate.c); the check is repeated here because a mistake would change the
 * machine.
 *
 * Parameters are written through the procfs handle of init, which nothing can be mounted over, not
 * through the container's /proc, which may be a trap (CVE-2025-52881).
 */
#include "base/sysctl.h"
#include "base/proc.h"
#include "init/init.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int init_hostname(void *init, struct err *err)
{
    struct init *in = init;
    const struct oci_config *c = &in->config;

    if (in->setup.flags & SETUP_EXEC || (!c->hostname && !c->domainname))
        return 0;
    if (!(in->setup.namespaces & 1U << OCI_NS_UTS))
        return err_set(err, 0, "%s: the container has no uts namespace of its own",
                       c->hostname ? "hostname" : "domainname");
    if (c->hostname && sethostname(c->hostname, strlen(c->hostname)) < 0)
        return err_errno(err, "hostname %s", c->hostname);
    if (c->domainname && setdomainname(c->domainname, strlen(c->domainname)) < 0)
        return err_errno(err, "domainname %s", c->domainname);
    return 0;
}

/* AppArmor and other security modules that go by path deny a procfs that is mounted nowhere, with
 * EACCES at open: then the machine's own /proc, verified by the host side, does it. Which
 * namespaces a file of /proc/sys speaks for depends on who opens it, not on the mount. */
static int sysctl_write(struct init *in, const struct oci_pair *pair, struct err *err)
{
    char path[512] = "sys/";

    if (sysctl_path(pair->key, path + 4, sizeof path - 4, err) < 0)
        return -1;
    if (proc_write(in->proc >= 0 ? in->proc : in->host_proc, path, pair->value, err) == 0)
        return 0;
    if (err->errnum == EACCES && in->proc >= 0 && in->host_proc >= 0 && in->host_proc != in->proc)
        if (proc_write(in->host_proc, path, pair->value, err) == 0)
            return 0;
    if (err->errnum == EACCES && in->setup.namespaces & 1U << OCI_NS_USER)
        err_hint(err, "the kernel leaves it to the root of the machine");
    return err_context(err, "sysctl %s", pair->key);
}

int init_sysctl(void *init, struct err *err)
{
    struct init *in = init;

    if (in->setup.flags & SETUP_EXEC)
        return 0;
    for (size_t i = 0; i < in->linux_.sysctl_n; i++) {
        const struct oci_pair *pair = &in->linux_.sysctl[i];

        if (sysctl_check(pair->key, in->setup.namespaces, err) < 0 ||
            sysctl_write(in, pair, err) < 0)
            return err_object(err, "linux.sysctl.%s", pair->key);
    }
    return 0;
}

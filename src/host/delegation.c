/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * A container that may write to its cgroups (an init system, a nested engine) has to own them. It
 * gets its own v2 cgroup if the configuration shows that this is meant: a new cgroup namespace, in
 * which that cgroup is the root, and a writable cgroup mount. The owner is the host's id of
 * process.user.uid, read from the map that is in force: a user namespace may be a joined one.
 */
#include "host/delegation.h"

#include "base/fd.h"
#include "base/log.h"
#include "base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_read_only(const struct oci_mount *m)
{
    bool read_only = false;

    for (size_t i = 0; i < m->options_n; i++) {
        if (strcmp(m->options[i], "ro") == 0)
            read_only = true;
        else if (strcmp(m->options[i], "rw") == 0)
            read_only = false;
    }
    return read_only;
}

bool delegation_wanted(const struct oci_config *config)
{
    const struct oci_linux *l = config->linux_;
    bool namespaced = false, writable = false;

    for (size_t i = 0; l && i < l->namespaces_n; i++)
        namespaced =
            namespaced || (l->namespaces[i].type == OCI_NS_CGROUP && !l->namespaces[i].path);
    for (size_t i = 0; namespaced && i < config->mounts_n; i++) {
        const struct oci_mount *m = &config->mounts[i];

        /* The last one on the place is the one that is seen. */
        if (m->type && (strcmp(m->type, "cgroup") == 0 || strcmp(m->type, "cgroup2") == 0) &&
            strcmp(m->destination, "/sys/fs/cgroup") == 0)
            writable = !is_read_only(m);
    }
    return writable;
}

int64_t delegation_map(const char *uid_map, uint32_t id)
{
    for (const char *p = uid_map; *p; p += strcspn(p, "\n"), p += *p == '\n') {
        char *end;
        unsigned long inside = strtoul(p, &end, 10);
        unsigned long outside = strtoul(end, &end, 10);
        unsigned long length = strtoul(end, NULL, 10); /* 0 where the line ended before */

        if (id >= inside && id - inside < length)
            return (int64_t)(outside + (id - inside));
    }
    return -1;
}

int delegation_apply(const struct cgroup_record *cgroup, const struct oci_config *config, int proc,
                     pid_t pid, struct err *err)
{
    _cleanup_free_ char *map = NULL;
    _cleanup_close_ int fd = -1;
    char name[32];
    int64_t owner;

    if (cgroup->places_n != 1 || !cgroup->places[0].v2 ||
        (!delegation_wanted(config) && !oci_annotation(config, "run.oci.delegate-cgroup")))
        return 0;
    snprintf(name, sizeof name, "%d/uid_map", (int)pid);
    fd = openat(proc, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return err_errno(err, "uid_map of process %d", (int)pid);
    if (fd_read_all(fd, 1 << 20, &map, NULL, err) < 0)
        return err_context(err, "uid_map of process %d", (int)pid);
    owner = delegation_map(map, config->process ? config->process->user.uid : 0);
    if (owner < 0) {
        log_debug("process.user.uid has no id on the host: the cgroup keeps its owner");
        return 0;
    }
    return cgroup_delegate(cgroup, (uid_t)owner, err);
}

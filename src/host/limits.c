/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The host side sets these because it has the privilege in the initial user namespace that init, in
 * one of its own, has not.
 */
#include "host/limits.h"

#include "base/fd.h"
#include "base/log.h"
#include "base/proc.h"
#include "base/protocol.h"
#include "libocispec/ocispec.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

int limits_rlimits(pid_t pid, const struct oci_rlimit *rlimits, size_t n,
                   struct protocol_limits *left, struct err *err)
{
    left->n = 0;
    for (size_t i = 0; i < n; i++) {
        const struct rlimit limit = {rlimits[i].soft, rlimits[i].hard};
        uint32_t resource = (uint32_t)rlimits[i].type - 1;

        if (prlimit(pid, (enum __rlimit_resource)resource, &limit, NULL) == 0)
            continue;
        /* A type stands in the list once, so there is room for all. */
        if (errno == EPERM && left->n < sizeof left->limit / sizeof *left->limit) {
            left->limit[left->n].index = (uint32_t)i;
            left->limit[left->n].resource = resource;
            left->limit[left->n].soft = rlimits[i].soft;
            left->limit[left->n++].hard = rlimits[i].hard;
            continue;
        }
        err_errno(err, "process.rlimits[%zu]: set %s to %llu (hard %llu)", i,
                  oci_name_of(&oci_rlimit_names, (int)rlimits[i].type),
                  (unsigned long long)rlimits[i].soft, (unsigned long long)rlimits[i].hard);
        return err_object(err, "process.rlimits[%zu]", i);
    }
    return 0;
}

int limits_oom_score(pid_t pid, const struct oci_process *p, struct err *err)
{
    char path[64], value[16];
    _cleanup_close_ int dir = -1;

    if (!p || !p->oom_score_adj.set)
        return 0;
    snprintf(path, sizeof path, "/proc/%d", (int)pid);
    snprintf(value, sizeof value, "%d", (int)p->oom_score_adj.value);
    dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return err_errno(err, "process.oomScoreAdj: open %s", path);
    if (fd_write_file_at(dir, "oom_score_adj", value, err) == 0)
        return 0;
    if ((err->errnum == EACCES || err->errnum == EPERM) &&
        (geteuid() != 0 || proc_in_user_namespace())) {
        log_warning("process.oomScoreAdj: %s", err->text);
        return 0;
    }
    err_context(err, "process.oomScoreAdj");
    if (err->errnum == EACCES)
        err_hint(err, "lowering it needs CAP_SYS_RESOURCE");
    return err_object(err, "process.oomScoreAdj");
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * The cheapest way is one clone3(2) with all new namespaces. Four facts of the kernel ask for more:
 *
 * - A process in a new user namespace has no privilege over namespaces that are owned outside, so
 * what is joined must be joined before the user namespace is made. Then init makes it (unshare),
 * and everything else that is new with it, so that the new namespaces belong to the new user
 * namespace.
 * - setns(2) and unshare(2) for pid namespaces act on children only, so init forks once more. The
 *   runtime could join before the clone and go back afterwards, which saves the fork; but then the
 *   child would be visible in a container's pid namespace while it still runs the runtime's own
 * file and not the read-only clone, and a process there with CAP_SYS_PTRACE gets at that file by
 *   /proc/PID/exe (CVE-2019-5736; seen to work).
 * - The offsets of a time namespace are written while no process is in it: unshare, write, fork.
 * (One that exists is simply joined: setns(2) of a time namespace acts on the caller at once.)
 * - A pid namespace's first process may not use CLONE_PARENT, so when init is to fork again, the
 * new pid namespace is unshared by init and not made by the clone.
 *
 * Joining a user namespace that exists: a privileged runtime has all capabilities over every
 * namespace below its own user namespace, so it joins all others first, whoever owns them, and the
 * user namespace last. Without privilege it is the other way round: privilege comes with the user
 * namespace.
 */
#include "host/plan.h"

#include "base/sys.h"
#include "base/util.h"

#include <sched.h>
#include <string.h>

static const uint64_t flags[OCI_NS_COUNT] = {
    [OCI_NS_PID] = CLONE_NEWPID,       [OCI_NS_NETWORK] = CLONE_NEWNET,
    [OCI_NS_MOUNT] = CLONE_NEWNS,      [OCI_NS_IPC] = CLONE_NEWIPC,
    [OCI_NS_UTS] = CLONE_NEWUTS,       [OCI_NS_USER] = CLONE_NEWUSER,
    [OCI_NS_CGROUP] = CLONE_NEWCGROUP, [OCI_NS_TIME] = CLONE_NEWTIME,
};

/* mount comes last of the ordinary ones: it changes what paths mean. */
static const enum oci_namespace_type join_order[] = {
    OCI_NS_PID, OCI_NS_NETWORK, OCI_NS_IPC, OCI_NS_UTS, OCI_NS_CGROUP, OCI_NS_TIME, OCI_NS_MOUNT,
};

uint64_t plan_flag(enum oci_namespace_type type)
{
    return flags[type];
}

static void plan_joins(const struct plan_input *in, struct plan *out)
{
    size_t n = 0;

    if (in->kind[OCI_NS_USER] == PLAN_JOIN && !in->privileged)
        out->child.join[n++] = CLONE_NEWUSER;
    for (size_t i = 0; i < ARRAY_SIZE(join_order); i++) {
        enum oci_namespace_type type = join_order[i];

        if (in->kind[type] != PLAN_JOIN)
            continue;
        if (type == OCI_NS_PID)
            out->child.fork = true;
        out->child.join[n++] = flags[type];
    }
    if (in->kind[OCI_NS_USER] == PLAN_JOIN && in->privileged)
        out->child.join[n++] = CLONE_NEWUSER;
}

void plan_make(const struct plan_input *in, struct plan *out)
{
    bool by_init; /* init makes the new namespaces, not the clone */
    uint64_t fresh = 0;

    memset(out, 0, sizeof *out);
    plan_joins(in, out);
    for (int type = OCI_NS_UNSET + 1; type < OCI_NS_COUNT; type++) {
        if (in->kind[type] == PLAN_NEW && type != OCI_NS_CGROUP && type != OCI_NS_TIME)
            fresh |= flags[type];
    }
    if (in->kind[OCI_NS_TIME] == PLAN_NEW) {
        out->child.fork = out->child.time_offsets = true;
        out->child.unshare |= CLONE_NEWTIME;
    }
    by_init = in->kind[OCI_NS_USER] == PLAN_JOIN ||
              (in->kind[OCI_NS_USER] == PLAN_NEW && out->child.join[0] != 0);
    if (by_init) {
        out->child.unshare |= fresh;
        out->child.fork |= (fresh & CLONE_NEWPID) != 0;
        out->child.wait_maps = (fresh & CLONE_NEWUSER) != 0;
    } else {
        out->clone = fresh;
        if (out->child.fork && (fresh & CLONE_NEWPID)) {
            out->clone &= ~(uint64_t)CLONE_NEWPID;
            out->child.unshare |= CLONE_NEWPID;
        }
        out->maps_before_exec = (fresh & CLONE_NEWUSER) != 0;
    }
    out->child.become_root = in->kind[OCI_NS_USER] != PLAN_ABSENT;
    if (in->kind[OCI_NS_CGROUP] == PLAN_NEW) {
        if (in->into_cgroup && !by_init)
            out->clone |= CLONE_NEWCGROUP;
        else
            out->child.unshare_late = CLONE_NEWCGROUP;
    }
    out->child.wait_cgroup = out->child.unshare_late != 0;
}

void plan_exec(uint64_t mask, bool privileged, struct plan *out)
{
    size_t n = 0;

    memset(out, 0, sizeof *out);
    if (privileged && (mask & CLONE_NEWUSER)) {
        /* The user namespace apart and last: in one call the kernel would check the others with the
         * new credentials, and a network namespace owned outside would be refused. */
        if (mask & ~(uint64_t)CLONE_NEWUSER)
            out->child.join[n++] = mask & ~(uint64_t)CLONE_NEWUSER;
        out->child.join[n++] = CLONE_NEWUSER;
    } else if (mask) {
        out->child.join[n++] = mask;
    }
    out->child.fork = (mask & CLONE_NEWPID) != 0;
    out->child.become_root_late = (mask & CLONE_NEWUSER) != 0;
}

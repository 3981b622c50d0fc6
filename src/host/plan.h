/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The namespace plan: which of the ways into a namespace (clone flag, setns or unshare by init, a
 * second fork) is used for which, and in what order. A pure function, so that
 * every combination of new, joined and absent can be checked.
 */
#ifndef HOST_PLAN_H
#define HOST_PLAN_H

#include "base/protocol.h"
#include "libocispec/types.h"

#include <stdbool.h>
#include <stdint.h>

enum plan_kind { PLAN_ABSENT, PLAN_NEW, PLAN_JOIN };

struct plan_input {
    enum plan_kind kind[OCI_NS_COUNT]; /* by enum oci_namespace_type */
    bool privileged;                   /* CAP_SYS_ADMIN in our own user namespace */
    bool into_cgroup; /* the only hierarchy is v2 and CLONE_INTO_CGROUP works: the child is born in
                         it */
};

struct plan {
    uint64_t clone;        /* CLONE_NEW* for clone3(2) */
    bool maps_before_exec; /* CLONE_NEWUSER is in .clone: the child waits for its maps, then
                              executes init */
    struct protocol_plan child;
};

/** plan_make - the plan for a container (create) */
void plan_make(const struct plan_input *in, struct plan *out);

/**
 * plan_exec - the plan for entering a container
 * @mask: CLONE_NEW* of the namespaces that differ from ours
 */
void plan_exec(uint64_t mask, bool privileged, struct plan *out);

/** plan_flag - CLONE_NEW* of a namespace type */
uint64_t plan_flag(enum oci_namespace_type type);

#endif

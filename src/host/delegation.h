/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whom a container's cgroup is given to: config-linux.md#cgroup-ownership. */
#ifndef HOST_DELEGATION_H
#define HOST_DELEGATION_H

#include "base/err.h"
#include "cgroup/cgroup.h"

/** delegation_wanted - whether the configuration asks for the cgroup to be handed over: a new
 * cgroup namespace, and a cgroup mount at /sys/fs/cgroup that is not read-only. Pure. */
bool delegation_wanted(const struct oci_config *config);

/** delegation_map - the id outside of a user namespace, from the text of its uid_map; -1: none.
 * Pure. */
int64_t delegation_map(const char *uid_map, uint32_t id);

/**
 * delegation_apply - hand the cgroup to the user of the container's process, if that is wanted
 * @proc: directory of procfs
 * @pid:  a process in the container's user namespace
 */
int delegation_apply(const struct cgroup_record *cgroup, const struct oci_config *config, int proc,
                     pid_t pid, struct err *err);

#endif

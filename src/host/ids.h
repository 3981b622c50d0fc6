/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* User namespace id maps: writing them for the container's first process. */
#ifndef HOST_IDS_H
#define HOST_IDS_H

#include "base/err.h"
#include "libocispec/types.h"

#include <stdbool.h>
#include <sys/types.h>

/**
 * ids_write - write uid_map, gid_map (and setgroups) of a process in a fresh user namespace
 * With CAP_SETUID and CAP_SETGID directly; otherwise by newuidmap(1) and newgidmap(1), or, for one
 * mapping of the caller's own id, directly with setgroups denied (user_namespaces(7)).
 * @timeout: milliseconds that each of the two programs may take; 0: for ever
 * @denied: set to whether setgroups is denied in the namespace
 */
int ids_write(pid_t pid, const struct oci_linux *config, int timeout, bool *denied,
              struct err *err);

#endif

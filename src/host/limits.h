/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the kernel lets us set for another process, by pid: rlimits, oom_score_adj. */
#ifndef HOST_LIMITS_H
#define HOST_LIMITS_H

#include "base/err.h"
#include "libocispec/types.h"

#include <sys/types.h>

/**
 * limits_rlimits - process.rlimits of @pid by prlimit(2)
 * @left: filled with those that were refused (EPERM): for init to set itself
 */
struct protocol_limits;
int limits_rlimits(pid_t pid, const struct oci_rlimit *rlimits, size_t n,
                   struct protocol_limits *left, struct err *err);

/** limits_oom_score - process.oomScoreAdj of @pid; a refusal is a warning in a user namespace */
int limits_oom_score(pid_t pid, const struct oci_process *p, struct err *err);

#endif

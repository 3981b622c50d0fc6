/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Scheduling of the program, which the host side sets by pid: process.scheduler,
 * process.ioPriority, process.execCPUAffinity. */
#ifndef HOST_SCHEDULE_H
#define HOST_SCHEDULE_H

#include "base/err.h"
#include "libocispec/types.h"

#include <sys/types.h>

/** schedule_apply - scheduler and I/O priority of @pid; sched_setattr(2), ioprio_set(2) */
int schedule_apply(pid_t pid, const struct oci_process *p, struct err *err);

/** schedule_affinity - pin @pid (0: ourselves) to a list of CPUs like "0-3,7"; NULL or "": nothing.
 * @member: for the message */
int schedule_affinity(pid_t pid, const char *cpus, const char *member, struct err *err);

/** schedule_affinity_check - whether @cpus is such a list */
int schedule_affinity_check(const char *cpus, const char *member, struct err *err);

#endif

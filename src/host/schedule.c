/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Set from outside, immediately before the program is executed: it needs privilege in the initial
 * user namespace, and a process that is SCHED_DEADLINE already could not fork hooks.
 */
#include "host/schedule.h"

#include "base/sys.h"
#include "libocispec/ocispec.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#define IOPRIO_WHO_PROCESS 1
#define IOPRIO_SHIFT 13

/* sched_setattr(2); the first version of the kernel's structure. */
struct attributes {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
};

static const uint32_t policies[] = {
    [OCI_SCHED_OTHER] = SCHED_OTHER, [OCI_SCHED_FIFO] = SCHED_FIFO, [OCI_SCHED_RR] = SCHED_RR,
    [OCI_SCHED_BATCH] = SCHED_BATCH, [OCI_SCHED_ISO] = 4,           [OCI_SCHED_IDLE] = SCHED_IDLE,
    [OCI_SCHED_DEADLINE] = 6,
};

static int apply_scheduler(pid_t pid, const struct oci_scheduler *s, struct err *err)
{
    struct attributes attr = {
        .size = sizeof attr,
        .policy = policies[s->policy],
        .flags = s->flags.bits,
        .nice = s->nice,
        .priority = (uint32_t)s->priority,
        .runtime = s->runtime,
        .deadline = s->deadline,
        .period = s->period,
    };

    if (sys_sched_setattr(pid, &attr, 0) == 0)
        return 0;
    err_errno(err, "process.scheduler: set %s",
              oci_name_of(&oci_sched_policy_names, (int)s->policy));
    if (err->errnum == EPERM)
        err_hint(err,
                 "real-time policies need CAP_SYS_NICE; SCHED_DEADLINE also an affinity of all "
                 "CPUs (linux.resources.cpu.cpus)");
    return err_object(err, "process.scheduler");
}

int schedule_apply(pid_t pid, const struct oci_process *p, struct err *err)
{
    const struct oci_io_priority *io = p->io_priority;

    if (p->scheduler && apply_scheduler(pid, p->scheduler, err) < 0)
        return -1;
    if (io && sys_ioprio_set(IOPRIO_WHO_PROCESS, pid,
                             (int)io->class << IOPRIO_SHIFT | io->priority) < 0) {
        err_errno(err, "process.ioPriority: set class %d, priority %d", (int)io->class,
                  io->priority);
        return err_object(err, "process.ioPriority");
    }
    return 0;
}

static bool number(const char **text, unsigned long *n)
{
    char *end;

    if (**text < '0' || **text > '9')
        return false;
    *n = strtoul(*text, &end, 10);
    *text = end;
    return *n < CPU_SETSIZE;
}

static int parse(const char *text, cpu_set_t *set)
{
    const char *p = text;
    unsigned long first, last;

    CPU_ZERO(set);
    for (;;) {
        if (!number(&p, &first))
            return -1;
        last = first;
        if (*p == '-' && (p++, !number(&p, &last)))
            return -1;
        if (last < first)
            return -1;
        for (unsigned long cpu = first; cpu <= last; cpu++)
            CPU_SET(cpu, set);
        if (*p == '\0')
            return 0;
        if (*p++ != ',')
            return -1;
    }
}

int schedule_affinity_check(const char *cpus, const char *member, struct err *err)
{
    cpu_set_t set;

    if (!cpus || !*cpus || parse(cpus, &set) == 0)
        return 0;
    err_set(err, 0, "\"%s\" is not a list of CPUs like 0-3,7", cpus);
    return err_object(err, "%s", member);
}

int schedule_affinity(pid_t pid, const char *cpus, const char *member, struct err *err)
{
    cpu_set_t set;

    if (!cpus || !*cpus)
        return 0;
    if (schedule_affinity_check(cpus, member, err) < 0)
        return err_context(err, "%s", member);
    if (sched_setaffinity(pid, sizeof set, (parse(cpus, &set), &set)) < 0) {
        err_errno(err, "%s: run on CPUs %s", member, cpus);
        return err_object(err, "%s", member);
    }
    return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The record of a container, state.json: everything that later commands need, so that they need no
 * option and do not look at config.json. Written before the side effects that it describes, so that
 * whatever a runtime leaves behind when it is killed can be found again.
 */
#ifndef HOST_RECORD_H
#define HOST_RECORD_H

#include "base/err.h"
#include "cgroup/cgroup.h"
#include "libocispec/ocispec.h"

#include <stdbool.h>
#include <stdint.h>

#define RECORD_VERSION 1

/* A process that survives pid reuse: pid and start time. pid 0: none. */
struct record_process {
    int64_t pid;
    uint64_t start_time; /* clock ticks since boot, /proc/PID/stat field 22 */
};

struct record {
    uint32_t version;
    const char *id;
    const char *bundle;  /* absolute */
    const char *rootfs;  /* absolute, resolved */
    const char *created; /* RFC 3339 */
    uint32_t owner;      /* uid of who created it */
    bool committed;      /* false: create has not ended (or was killed) */
    struct record_process creator;
    struct record_process init;
    struct record_process hook; /* the prestart or createRuntime hook that runs, and its group */
    uint64_t pid_namespace;     /* where these pids count: inode of /proc/PID/ns/pid; 0: unknown */
    struct cgroup_record cgroup;
    struct oci_set namespaces;   /* own or joined: bits of enum oci_namespace_type */
    bool pid_joined;             /* the pid namespace is not the container's own: somebody else's */
    bool chroot;                 /* no mount namespace of its own: delete unmounts the rootfs */
    const char *mount_namespace; /* the joined one, when the mounts are in it */
    uint64_t rootfs_mount;       /* chroot: id of our mount on the rootfs, 0: unknown */
    bool notify;                 /* there is an sd_notify socket to serve at start */
    bool has_process;
    bool scheduling;         /* start sets process.scheduler or process.ioPriority */
    bool start_hooks;        /* there are startContainer hooks: start may take long */
    struct oci_hooks *hooks; /* poststart and poststop */
    struct oci_pair *annotations;
    size_t annotations_n;
    struct oci_rlimit *rlimits; /* process.rlimits: set by start */
    size_t rlimits_n;
};

extern const struct oci_table record_table;

/** record_now - the current time as RFC 3339 in UTC with nanoseconds, in @arena */
const char *record_now(struct oci_arena *arena);

/** record_time - a point in time in the same form; @seconds since the epoch, not before it */
const char *record_time(struct oci_arena *arena, int64_t seconds, long nanoseconds);

#endif

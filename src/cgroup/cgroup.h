/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cgroups as the host side sees them: where a container's cgroup is in each hierarchy, making it,
 * entering it, its limits, its processes, removing it. v1, hybrid (v1 and v2 mounted together) and
 * pure v2 behind one interface; what was chosen at create is in the record, so that later commands
 * need no option.
 *
 * Every cgroup file is opened below a directory fd that statfs(2) says is a cgroup: an ordinary
 * directory under the tmpfs at /sys/fs/cgroup is not one.
 */
#ifndef CGROUP_CGROUP_H
#define CGROUP_CGROUP_H

#include "base/err.h"
#include "libocispec/ocispec.h"

#include <stdbool.h>
#include <sys/types.h>

enum cgroup_driver { CGROUP_UNSET, CGROUP_CGROUPFS, CGROUP_SYSTEMD, CGROUP_DISABLED };

/* One hierarchy of the machine and the container's place in it. Kept in the record (state.json). */
struct cgroup_place {
    const char *controllers; /* "memory", "cpu,cpuacct", "name=systemd"; "" for v2 */
    const char *mount;       /* where it is mounted: /sys/fs/cgroup/memory */
    const char *path;        /* the container's cgroup below it: "/podman/abc" */
    bool created;            /* made by us: removed by delete */
    bool v2;
    bool born;   /* not stored: made by cgroup_prepare_v2(), a process may have been born in it */
    int refused; /* not stored: errno of making it, for a caller who goes without */
    int dir; /* not stored: its open directory as fd + 1, 0 when there is none; see cgroup_release()
              */
};

struct cgroup_record {
    enum cgroup_driver driver;
    struct cgroup_place *places;
    size_t places_n;
    const char *unit;  /* systemd: "ocirun-ID.scope" */
    const char *bus;   /* systemd: address of its manager's socket, "unix:path=..." */
    const char *inner; /* v2: where the processes are, below the place: "container"; NULL: in it */
    const struct cgroup_unit *creating; /* not stored: what create says of the unit */
    size_t refused_n; /* not stored: places that the caller goes without, behind the others */
    bool contested;   /* not stored: cgroup_alone() found somebody else there */
};

/* Tables for the record, so that the store writes it with the same rows. */
extern const struct oci_table cgroup_record_table; /* struct cgroup_record */
extern const struct oci_names cgroup_driver_names; /* cgroupfs, systemd, disabled */

/**
 * cgroup_set_rootless - whether cgroups that are out of reach are borne with (--rootless)
 * @value: 1: yes; 0: no, they are errors; -1: if the caller is not root in the initial user
 * namespace
 */
void cgroup_set_rootless(int value);

/** cgroup_set_timeout - how long a service manager may take, in milliseconds (30 s) */
void cgroup_set_timeout(int milliseconds);

/**
 * cgroup_layout - what the machine has: bits of enum cgroup_layout_bits, or -1
 */
enum cgroup_layout_bits { CGROUP_HAS_V1 = 1, CGROUP_HAS_V2 = 2 };
int cgroup_layout(struct err *err);

/**
 * cgroup_check - refuse resources that cannot be carried out on this machine, before any side
 * effect
 * @resources: may be NULL
 * What goes to v2 and cannot be converted is refused by its member's name. With CGROUP_DISABLED
 * limits are refused and a device list is ignored with a warning (engines write one always). A
 * caller without privilege has no device list either: it cannot make devices anyway.
 */
int cgroup_check(const struct oci_resources *resources, enum cgroup_driver driver, struct err *err);

/**
 * cgroup_plan - decide the places: nothing is touched
 * @path: linux.cgroupsPath; absolute: below the mounts, relative: below the caller's own cgroup,
 * NULL or "": "/ID"; the last two beside or below the caller's own cgroup for an ordinary user;
 * ".." and the root cgroup are refused. CGROUP_SYSTEMD: SLICE:PREFIX:NAME, with the places where
 * the unit's cgroup is expected
 * @id:   container id
 * @out:  filled from @arena; .created tells what does not exist now, so that the record may be
 * stored before cgroup_prepare()
 */
int cgroup_plan(const char *path, const char *id, enum cgroup_driver driver,
                struct oci_arena *arena, struct cgroup_record *out, struct err *err);

/**
 * cgroup_prepare - make the cgroups (sets .created for those that did not exist); refuses one that
 * holds processes or is frozen
 * A place that cgroup_prepare_v2() has made is left as it is, also on failure.
 * On failure, what was made is removed again and .created is false everywhere. A caller without
 * privilege goes on without the places that it may not write to: they leave the record.
 */
int cgroup_prepare(struct cgroup_record *record, struct err *err);

/**
 * cgroup_prepare_v2 - beside v1: the place on v2 alone, for a process to be born in
 * (cgroup_v2_fd()) Returns 1; 0 when there is none, nothing beside it, or processes live below it:
 * then nothing happens; -1 on failure.
 */
int cgroup_prepare_v2(struct cgroup_record *record, struct err *err);

/** cgroup_unprepare - when cgroup_prepare() does not follow: what cgroup_prepare_v2() has made is
 * all that cgroup_remove() may remove. Returns whether there is anything. */
bool cgroup_unprepare(struct cgroup_record *record);

/**
 * cgroup_plan_annotations - what annotations say of the cgroup, for a record that has its places
 * run.oci.delegate-cgroup=NAME: the processes live in NAME below the container's cgroup, which
 * keeps the limits, and NAME is delegated; systemd: run.oci.systemd.subgroup=NAME, the same without
 * the delegation, and org.systemd.property.*: checked here, used by cgroup_start_unit().
 */
int cgroup_plan_annotations(struct cgroup_record *record, const struct oci_config *config,
                            struct oci_arena *arena, struct err *err);

/**
 * cgroup_start_unit - CGROUP_SYSTEMD, instead of cgroup_prepare(): a unit with @pid in it
 * @resources: may be NULL; what its CGROUP_EARLY part says to systemd is in the unit from the start
 * @arena: for the places, which are now where the unit really is
 * Hierarchies that systemd does not manage get a cgroup at the same path. Returns 0, or -1;
 * .created is false everywhere then, unless something may have been left behind.
 */
int cgroup_start_unit(struct cgroup_record *record, pid_t pid,
                      const struct oci_resources *resources, struct oci_arena *arena,
                      struct err *err);

/** cgroup_v2_fd - directory fd of the place on v2 for CLONE_INTO_CGROUP, or -1 if there is none. A
 * new one: the caller closes it. */
int cgroup_v2_fd(const struct cgroup_record *record);

/**
 * cgroup_enter - move @pid into the places
 * @which: those of v1 when it was born on v2 (CLONE_INTO_CGROUP), those of v2 when it enters v1
 * itself Call cgroup_apply(CGROUP_EARLY) before it: while a device list is being written, between
 * "deny all" and the entries that allow, a process inside could not make its devices.
 */
enum cgroup_which { CGROUP_ALL, CGROUP_V1, CGROUP_V2 };
int cgroup_enter(const struct cgroup_record *record, pid_t pid, enum cgroup_which which,
                 struct err *err);

/** cgroup_on_v1 - whether any of the places is of cgroup v1 */
bool cgroup_on_v1(const struct cgroup_record *record);

/**
 * cgroup_before_ids - whether a process has to be moved before it is anybody but the caller
 * Into a place of v1 an ordinary user moves only processes with the own uid, which those of a
 * container with ids of /etc/subuid lose when it is made. Who has capabilities over their user
 * namespace is not asked. Source: Linux, kernel/cgroup/cgroup-v1.c, __cgroup1_procs_write().
 */
bool cgroup_before_ids(const struct cgroup_record *record);

/**
 * cgroup_alone - whether @pid is the only process there, once it has entered
 * cgroup_prepare() looks before: of two that do so at the same time, both may find it empty. -1: it
 * is not; cgroup_remove() kills nobody then, and leaves what cannot be removed.
 */
int cgroup_alone(struct cgroup_record *record, pid_t pid, struct err *err);

/**
 * cgroup_tasks_fds - the files by which a thread enters the places of v1 itself: it writes "0"
 * @fds: filled, at most @max; the caller closes
 * Returns how many: all or none (cgroup_enter() says what is wrong).
 * Source: cgroup-v1/cgroups.rst, "Attaching processes".
 */
size_t cgroup_tasks_fds(const struct cgroup_record *record, int *fds, size_t max);

/**
 * cgroup_apply - write limits, for create and for update
 * @resources: may be NULL; what is absent is not touched
 * @phase: CGROUP_EARLY: what the set-up may run under (devices, cpu, cpuset, memory.swappiness …);
 *         CGROUP_LATE: what could stop the set-up itself (memory limits, pids.max)
 * `c *:* m` and `b *:* m` and the default devices are added to every device list.
 */
enum cgroup_phase { CGROUP_EARLY, CGROUP_LATE };
int cgroup_apply(const struct cgroup_record *record, const struct oci_resources *resources,
                 enum cgroup_phase phase, struct err *err);

/**
 * cgroup_update - write new limits to a container that runs
 * @resources: what changes, with the values that go with it (quota and period, limit and swap)
 * @before: what held so far; its device list is restored when @resources has one and a write fails
 * A failure leaves everything as it was.
 */
int cgroup_update(const struct cgroup_record *record, const struct oci_resources *resources,
                  const struct oci_resources *before, struct err *err);

/**
 * cgroup_delegate - make a user the owner of the container's cgroup on pure v2: the directory and
 * the files of /sys/kernel/cgroup/delegate that exist, nothing else. v1 is left alone.
 * Source: config-linux.md#cgroup-ownership.
 */
int cgroup_delegate(const struct cgroup_record *record, uid_t uid, struct err *err);

/**
 * cgroup_processes - pids in the container's cgroup and below, as the caller sees them
 * @pids: malloc'ed, @n of them, sorted, without duplicates; the caller frees
 */
int cgroup_processes(const struct cgroup_record *record, pid_t **pids, size_t *n, struct err *err);

/**
 * cgroup_signal_all - send @sig to every process in the container's cgroup and below
 * SIGKILL: cgroup.kill on v2 (also the v2 half of hybrid), else freeze, signal, thaw. Never signals
 * the caller or pid 1. Returns 0 also when nothing was there. An error if cgroups are disabled.
 */
int cgroup_signal_all(const struct cgroup_record *record, int sig, struct err *err);

/** cgroup_frozen - 1: frozen, 0: not, -1: cannot be told */
int cgroup_frozen(const struct cgroup_record *record);

/** cgroup_freeze - freeze or thaw and wait until it is so (cgroup.events; v1: bounded back-off) */
int cgroup_freeze(const struct cgroup_record *record, bool freeze, struct err *err);

/**
 * cgroup_let_die - thaw the container, and on v1 all cgroups below, because something in it was
 * sent SIGKILL: v1's freezer keeps it alive, and with it init, if it is in init's pid namespace
 */
int cgroup_let_die(const struct cgroup_record *record, struct err *err);

/**
 * cgroup_remove - remove what was created, sub-cgroups first; what is gone already is no error, nor
 * is a hierarchy that is no longer mounted (a warning)
 * Processes still inside are killed first when @kill. Waits for the kernel by events where there
 * are any (cgroup.events), by one bounded back-off on v1.
 */
int cgroup_remove(const struct cgroup_record *record, bool kill, struct err *err);

/**
 * cgroup_clear - end what is left in a cgroup that was there before the container, and stays
 * For a container that was created: create has found the cgroup empty, so what is in there now is
 * the container's. Waits until it has ended. Nothing where cgroup_remove() will do it.
 */
int cgroup_clear(const struct cgroup_record *record, struct err *err);

/**
 * cgroup_oom_killed - whether the kernel has OOM-killed in it: 1, 0, -1 unknown
 * @text: NULL, or filled with "limit 512 KiB, usage 508 KiB" as far as known
 */
int cgroup_oom_killed(const struct cgroup_record *record, char *text, size_t size);

/**
 * cgroup_keep_mounts - for who looks at many containers: from true to false the mounts that
 * cgroup_frozen() and cgroup_oom_killed() read below are opened and verified once, not for each
 * The records that are looked at in between have to stay in memory until then.
 */
void cgroup_keep_mounts(bool keep);

/** cgroup_release - close the directories that the record's places keep open. Optional: they are
 * close-on-exec; a long-lived process calls it when it is through with the record. */
void cgroup_release(const struct cgroup_record *record);

/**
 * cgroup_sub - the record of a cgroup below a container's (exec --cgroup)
 * @sub: NULL or "": the container's own; "PATH", or runc's "CONTROLLER[,CONTROLLER]:PATH" for v1.
 * ".." is refused. It must exist.
 * @out: from @arena
 */
int cgroup_sub(const struct cgroup_record *record, const char *sub, struct oci_arena *arena,
               struct cgroup_record *out, struct err *err);

/**
 * cgroup_with_init - where a further process can live, when no cgroup was asked for
 * A v2 cgroup that gives controllers to its children takes no processes itself (EBUSY,
 * cgroup-v2.rst "No Internal Process Constraint"): an init system in the container has moved to one
 * below it, and that is the one. Otherwise the container's own.
 * @proc: fd of the procfs in which init has the number @pid
 * @out: from @arena, or sharing the places of @record
 */
int cgroup_with_init(const struct cgroup_record *record, int proc, pid_t pid,
                     struct oci_arena *arena, struct cgroup_record *out, struct err *err);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the files of the systemd driver share: units and their names, properties with typed values,
 * and the few calls that go to a service manager. Nothing here is needed by other commands than
 * create, run, update and delete; what they know of a unit is in struct cgroup_record.
 */
#ifndef CGROUP_SYSTEMD_H
#define CGROUP_SYSTEMD_H

#include "cgroup/internal.h"

#include <stdbool.h>
#include <stdint.h>

/* ---- values ---- */

/* A basic D-Bus value. @type is its signature: b y n q i u x t d s o g. */
struct systemd_value {
    char type;
    union {
        uint64_t u; /* b y q u t */
        int64_t i;  /* n i x */
        double d;
        const char *s; /* s o g; in the arena, or static */
    } v;
};

/*
 * A property of a unit. Its value is what @signature says: a basic type, an array of one ("as"), or
 * an array of structs of basic types ("a(st)"); @values are the basic values one after the other.
 */
struct systemd_property {
    const char *name;      /* "MemoryMax" */
    const char *signature; /* "t" */
    struct systemd_value *values;
    size_t values_n;
    const char *member; /* what it comes from, for errors: "linux.resources.memory.limit",
                           "annotations.org.systemd.property.KillSignal"; NULL: the driver's own */
    enum cgroup_phase phase;
    unsigned since; /* versions of systemd that know it: from this on, */
    unsigned until; /* and before this one; 0: no end */
    bool required;  /* unknown to the manager: an error; otherwise it is left out */
    bool at_start;  /* cannot be changed later: trying to is an error then */
    bool keep;      /* no value, but a place in the order: what the unit says already */
};

struct systemd_properties {
    struct systemd_property *list;
    size_t n, room;
};

/** systemd_add - append @property, whose values may be on the stack: they are copied to @arena */
int systemd_add(struct systemd_properties *out, struct oci_arena *arena,
                const struct systemd_property *property, struct err *err);

/** systemd_known - whether a manager of @version (0: not known) has the property */
bool systemd_known(const struct systemd_property *property, unsigned version);

/** systemd_version - "v257.7-1~deb13u1" -> 257; 0: not a version */
unsigned systemd_version(const char *text);

/* ---- systemd_unit.c: names ---- */

struct systemd_unit {
    const char *slice;  /* "machine.slice", "-.slice" */
    const char *name;   /* "libpod-ID.scope" */
    const char *cgroup; /* where it will be, below the manager's own cgroup: "/machine.slice/..." */
    bool is_slice;      /* the unit is a slice itself: processes are moved there by us */
};

/**
 * systemd_unit_parse - linux.cgroupsPath, SLICE:PREFIX:NAME, as a unit
 * @path: NULL or "": all three by default
 * @user: the manager is a user's: the default slice is user.slice, otherwise system.slice
 * Bytes of ids that no unit name can hold are escaped as systemd-escape(1) does. Pure.
 */
int systemd_unit_parse(const char *path, const char *id, bool user, struct oci_arena *arena,
                       struct systemd_unit *out, struct err *err);

/** systemd_slice_path - "a-b.slice" -> "/a.slice/a-b.slice", "-.slice" -> ""; NULL: not the name of
 * a slice, or memory is exhausted. Source: systemd.slice(5). */
const char *systemd_slice_path(const char *slice, struct oci_arena *arena);

/* ---- systemd_properties.c: linux.resources ---- */

/**
 * systemd_convert - the properties that say what the writes say
 * @v2: the machine is v2 alone: the properties of v2 are the ones that count
 * @page: size of a page: limits of memory are whole ones, as in the kernel's files
 * @out: appended to, in the order of the names, each name once
 * Rows whose value systemd will write differently (quotas in steps of 10 ms a second) are changed
 * to what it will write, so that unit and cgroup agree. Pure.
 */
int systemd_convert(struct cgroup_writes *writes, bool v2, uint64_t page, struct oci_arena *arena,
                    struct systemd_properties *out, struct err *err);

/**
 * systemd_with_kept - properties for a call that sets them, among all that another call may set
 * @out: @wanted, and what is not wanted as something to keep, in the order of the names; the device
 *       list of v1 is always wanted, if there is one (systemd_add_devices())
 * Pure.
 */
int systemd_with_kept(const struct systemd_properties *wanted, bool v2, struct oci_arena *arena,
                      struct systemd_properties *out, struct err *err);

/** systemd_number - a value of a cgroup's file; "max" and "-1" are UINT64_MAX. false: none of them
 */
bool systemd_number(const char *text, uint64_t *value);

/* ---- systemd_round.c: what systemd makes of a value ---- */

/** systemd_round - change rows to what systemd will write for the same thing. Pure. */
int systemd_round(struct cgroup_writes *writes, struct oci_arena *arena, struct err *err);

/* What the rows say of quota and period; on v2 that is one row. A row is NULL when it is not there
 * or when the kernel will refuse its value anyway. */
struct systemd_cpu {
    struct cgroup_write *quota_row, *period_row;
    int64_t quota;   /* -1: none */
    uint64_t period; /* 0: not said */
};
void systemd_cpu_find(const struct cgroup_writes *writes, bool v2, struct systemd_cpu *out);

/** systemd_quota - quota and period (microseconds; period 0: 100 ms) as CPUQuotaPerSecUSec, in
 * steps of 10 ms, rounded up. UINT64_MAX for no quota. */
uint64_t systemd_quota(int64_t quota, uint64_t period);

/** systemd_cfs - the quota and the period that systemd writes for CPUQuotaPerSecUSec and
 * CPUQuotaPeriodUSec (0: 100 ms) */
void systemd_cfs(uint64_t per_second, uint64_t *quota, uint64_t *period);

/* ---- systemd_devices.c: v1 ---- */

/**
 * systemd_devices - DevicePolicy and DeviceAllow of v1's device list, appended to @out
 * A list that no unit can keep is an error that names the member; a device of it that came from
 * none is left out, with a warning.
 */
int systemd_devices(const struct cgroup_device_list *list, struct oci_arena *arena,
                    struct systemd_properties *out, struct err *err);

/** systemd_devices_after - the list that devices.list shows as @text (NULL: all is allowed), after
 * the rows of @phases (bits). Pure. */
int systemd_devices_after(const char *text, const struct cgroup_writes *writes, unsigned phases,
                          struct oci_arena *arena, struct cgroup_device_list *out, struct err *err);

/* ---- systemd_annotations.c: org.systemd.property.* ---- */

#define SYSTEMD_ANNOTATION "org.systemd.property."

/** systemd_annotations - the properties that annotations ask for, appended to @out. Pure. */
int systemd_annotations(const struct oci_pair *list, size_t n, struct oci_arena *arena,
                        struct systemd_properties *out, struct err *err);

/** systemd_parse_value - text in GVariant's notation as a value of a property: @signature, @values
 * and @values_n of @out are set. Returns 0, or -1 with the reason as the text of @err. */
int systemd_parse_value(const char *text, struct oci_arena *arena, struct systemd_property *out,
                        struct err *err);

/* ---- systemd.c: the driver's part of what cgroup.h offers ---- */

/** systemd_plan - cgroup_plan() for this driver */
int systemd_plan(const struct cgroup_machine *machine, const char *path, const char *id,
                 struct oci_arena *arena, struct cgroup_record *out, struct err *err);

/** systemd_plan_unit - take the properties of annotations into the record of a planned unit */
int systemd_plan_unit(struct cgroup_record *record, const struct oci_config *config,
                      struct oci_arena *arena, struct err *err);

/** systemd_add_resources - systemd_convert() for this machine, those of @phases (bits) */
int systemd_add_resources(const struct cgroup_record *record, struct cgroup_writes *writes,
                          unsigned phases, struct oci_arena *arena, struct systemd_properties *out,
                          struct err *err);

/** systemd_first_devices - what a new unit is to be told of v1's devices; a list that goes on from
 * another is taken to go on from one that is open, as those of slices are */
int systemd_first_devices(const struct cgroup_writes *writes, struct oci_arena *arena,
                          struct systemd_properties *out, struct err *err);

/**
 * systemd_add_devices - what a unit is to be told of v1's devices when it is told anything
 * @phases: of the rows in @writes that are not written yet, as bits
 * That is the list as it is, and those rows. Returns 1 when the list does not allow everything, 0
 * when it does, or when there is no such list and nothing is appended; -1.
 */
int systemd_add_devices(const struct cgroup_record *record, const struct cgroup_writes *writes,
                        unsigned phases, struct oci_arena *arena, struct systemd_properties *out,
                        struct err *err);

/** systemd_answers - whether the unit's manager does; -1 with the reason */
int systemd_answers(const struct cgroup_record *record, struct err *err);

/** systemd_set, systemd_stop - properties of the container's unit; its end
 * @held: the processes are frozen meanwhile, which is not for as long as a call may take otherwise
 */
int systemd_set(const struct cgroup_record *record, const struct systemd_properties *properties,
                bool held, struct oci_arena *arena, struct err *err);
int systemd_stop(const struct cgroup_record *record, struct err *err);

/* ---- remove.c ---- */

/** systemd_manages - whether systemd makes and removes cgroups in the hierarchy of @place, v1 or
 * v2, for units with the properties of ours. Pure. */
bool systemd_manages(const struct cgroup_place *place);

/* ---- systemd_address.c ---- */

/** systemd_bus_choose - which manager is ours, and the address of its socket
 * @user: set: the one of the user, not the system's
 * @uid: set to that user's id, as the manager sees it
 * Returns the address, in @arena, or NULL with @err filled. */
const char *systemd_bus_choose(struct oci_arena *arena, bool *user, uid_t *uid, struct err *err);

/* ---- systemd_bus.c: the manager ---- */

enum systemd_op { SYSTEMD_START, SYSTEMD_SET, SYSTEMD_STOP, SYSTEMD_ASK };

struct systemd_request {
    enum systemd_op op;
    const char *bus;  /* address of the socket */
    const char *unit; /* its name */
    const struct systemd_property *properties;
    size_t properties_n;
    int timeout; /* milliseconds for all of it */
};

/**
 * systemd_call - have the manager do something, and wait until it is done
 * SYSTEMD_START: a transient unit with the properties; one of that name that has failed is reset
 * first. SYSTEMD_SET: properties of a running unit, all or none. SYSTEMD_STOP: stop it and forget
 * its failure; one that is not there is no error. SYSTEMD_ASK: nothing but whether there is an
 * answer.
 * Returns 0 or -1; err->errnum EEXIST: a unit of that name is in the way; ETIMEDOUT, ECONNRESET,
 * ENOTCONN, EPIPE: it is not known whether it was done.
 */
int systemd_call(const struct systemd_request *request, struct err *err);

/* ---- systemd_wire.c: a request on its way to the helper of a static executable ---- */

/** systemd_wire_encode - @request as bytes, malloc'ed; NULL when memory is exhausted. Pure. */
char *systemd_wire_encode(const struct systemd_request *request, size_t *len);

/** systemd_wire_decode - and back; the strings stay in @data. Pure. */
int systemd_wire_decode(const char *data, size_t len, struct oci_arena *arena,
                        struct systemd_request *out, struct err *err);

#endif

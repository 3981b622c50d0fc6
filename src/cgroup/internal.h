/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of this folder share; nothing outside includes it but the unit tests. */
#ifndef CGROUP_INTERNAL_H
#define CGROUP_INTERNAL_H

#include "cgroup/cgroup.h"

#include <stdint.h>

/* ---- layout.c: the hierarchies of the machine ---- */

struct cgroup_hierarchy {
    const char
        *controllers;  /* as /proc/self/cgroup spells them: "cpu,cpuacct", "name=systemd"; "" v2 */
    const char *mount; /* mount point */
    const char *root;  /* which cgroup of the hierarchy the mount shows at its top */
    const char *own;   /* the caller's cgroup as a path below @mount: "/" or "/a/b" */
    bool v2;
    const char *available; /* v2: controllers at its top, separated by spaces; NULL: not read yet */
};

struct cgroup_machine {
    struct cgroup_hierarchy *list; /* in the order of the mounts */
    size_t n;
};

/**
 * cgroup_machine_parse - hierarchies from the texts of /proc/self/mountinfo and /proc/self/cgroup
 * A hierarchy that is mounted several times is taken where it is mounted below /sys/fs/cgroup, else
 * where it comes first. Source: proc_pid_mountinfo(5), cgroups(7).
 */
int cgroup_machine_parse(const char *mountinfo, const char *cgroup, struct oci_arena *arena,
                         struct cgroup_machine *out, struct err *err);

/** cgroup_machine_get - the machine's hierarchies, read once a process; NULL with @err filled */
const struct cgroup_machine *cgroup_machine_get(struct err *err);

/** cgroup_own_below - @own of /proc/PID/cgroup as a path below a mount that shows @root at its top;
 * "/" if it is not below */
const char *cgroup_own_below(const char *own, const char *root);

/** cgroup_has_controller - whether @word is one of the comma separated @controllers (NULL: none) */
bool cgroup_has_controller(const char *controllers, const char *word);

/* ---- unprivileged.c ---- */

/** cgroup_unprivileged - whether the caller may lack rights on the machine's cgroups: not root, or
 * in a user namespace; or as --rootless says */
bool cgroup_unprivileged(void);

/** cgroup_default_parent - where a container goes that names no cgroup: how much of @h->own is the
 * path of the cgroup to make it in (0: the top of the mount) */
int cgroup_default_parent(const struct cgroup_hierarchy *h);

/** cgroup_common - length of the path that two paths of cgroups have in common: 0 for "/a" and
 * "/b", 2 for "/a/b" and "/a/c" */
int cgroup_common(const char *a, const char *b);

/**
 * cgroup_may_enter - whether the kernel lets this caller move a process of its own there
 * @above: set if not: how much of @place->path is the cgroup that it would have to own
 * Always true for v1, which asks for less. Source: cgroup-v2.rst, "Delegation Containment".
 */
bool cgroup_may_enter(const struct cgroup_place *place, int *above);

/** cgroup_user_unit - "user@1000.service" if @path leads through it, in @buf; or NULL */
const char *cgroup_user_unit(const char *path, char *buf, size_t size);

/** cgroup_refused - the error for a limit of a place that cgroup_prepare() had to leave out */
int cgroup_refused(const struct cgroup_place *place, const char *member, const char *controller,
                   struct err *err);

/* ---- plan.c ---- */

/** cgroup_path_normalise - "/a//./b/" -> "a/b" (no leading slash); ".." and an empty result are
 * errors that name linux.cgroupsPath */
const char *cgroup_path_normalise(const char *path, struct oci_arena *arena, struct err *err);

/** cgroup_plan_on - cgroup_plan() for the cgroupfs driver on a given machine, without looking
 * whether the cgroups exist: .created is false everywhere */
int cgroup_plan_on(const struct cgroup_machine *machine, const char *path, const char *id,
                   struct oci_arena *arena, struct cgroup_record *out, struct err *err);

/* ---- inner.c: a cgroup below the container's, in which its processes live ---- */

/** cgroup_inner_make - make it, if the record has one */
int cgroup_inner_make(const struct cgroup_record *record, struct err *err);

/** cgroup_inner_enable - give the cgroups down to it the controllers that the container has; there
 * must be no process above it any more */
void cgroup_inner_enable(const struct cgroup_record *record);

/** cgroup_inner_dir - fd of the directory in which processes live: of the place itself, or below
 * it. A new one: the caller closes it. */
int cgroup_inner_dir(const struct cgroup_record *record, struct cgroup_place *place,
                     struct err *err);

/** cgroup_inner_path - its path, as a place's; in @arena */
const char *cgroup_inner_path(const struct cgroup_record *record, const struct cgroup_place *place,
                              struct oci_arena *arena);

/* ---- prepare.c ---- */

/** cgroup_place_prepare - make the place's cgroup and open it; 1: this caller has no right to */
int cgroup_place_prepare(struct cgroup_place *place, bool enable, struct err *err);

/** cgroup_set_aside - move a refused place to the end of the array, behind what is in use */
void cgroup_set_aside(struct cgroup_record *record, size_t i);

/* ---- dir.c: verified directories and the small files in them ---- */

/**
 * cgroup_mount_open - O_PATH fd of the place's mount, checked to be a cgroup filesystem of its
 * version. -1: err->errnum is ENOENT or ENOTDIR if it is not there, EXDEV if something else is.
 */
int cgroup_mount_open(const struct cgroup_place *place, struct err *err);

/**
 * cgroup_place_dir - fd of the place's directory, opened at the first call
 * Stays owned by @place: cgroup_place_close(). -1: err->errnum is ENOENT if the cgroup is gone.
 */
int cgroup_place_dir(struct cgroup_place *place, struct err *err);
void cgroup_place_keep(struct cgroup_place *place, int fd);
void cgroup_place_close(struct cgroup_place *place);

/** cgroup_open_below - directory @path below @dir ("" for @dir itself), of any length; errno on -1
 */
int cgroup_open_below(int dir, const char *path);

/** cgroup_write_at - one write(2) of @value to file @name (no '/') in @dir; errno on -1 */
int cgroup_write_at(int dir, const char *name, const char *value);

/** cgroup_read_at - content of a small file, cut at @size - 1, without its last newline; length, or
 * -1 with errno */
int cgroup_read_at(int dir, const char *name, char *buf, size_t size);

/** cgroup_read_number_at - a file that holds one number, or the number after @key in a flat keyed
 * file
 * (@key NULL: the whole file); -1 if there is none */
int64_t cgroup_read_number_at(int dir, const char *name, const char *key);

/** cgroup_place_read, cgroup_place_number - cgroup_read_at(), cgroup_read_number_at() of a place,
 * opened if need be: its directory, or no more than the file while mounts are kept */
int cgroup_place_read(struct cgroup_place *place, const char *name, char *buf, size_t size);
int64_t cgroup_place_number(struct cgroup_place *place, const char *name, const char *key);

/** Paths of a cgroup and all below it, relative to it; parents come before their children. */
struct cgroup_tree {
    char **paths; /* paths[0] is "" */
    size_t n, room;
};
int cgroup_tree_read(int dir, struct cgroup_tree *tree); /* errno on -1 */
void cgroup_tree_clear(struct cgroup_tree *tree);

/** cgroup_place_of - the place that has @controller ("" for v2), or NULL */
struct cgroup_place *cgroup_place_of(const struct cgroup_record *record, const char *controller);

/* ---- convert.c, devices_v1.c: linux.resources as a list of writes ---- */

enum cgroup_write_flags {
    CGROUP_AGAIN = 1 << 0, /* EINVAL: try again after the following writes (an update in which this
                              value and another bound each other) */
    CGROUP_OPTIONAL = 1 << 1, /* a missing file or hierarchy is no error */
    CGROUP_MAY_FAIL = 1 << 2, /* any failure is a warning */
    CGROUP_ADDED = 1 << 3, /* ours, not asked for: refused by the parent's rules (EPERM) is fine */
    CGROUP_OR_NEXT = 1 << 4,     /* the next row says the same to another file: written only if this
                                    one does not exist */
    CGROUP_CHECK_USAGE = 1 << 5, /* refuse a value below memory.current */
};

/* What a controller of linux.resources is called here; bits of a set. */
enum cgroup_family {
    CGROUP_CPU = 1 << 0,
    CGROUP_CPUSET = 1 << 1,
    CGROUP_MEMORY = 1 << 2,
    CGROUP_PIDS = 1 << 3,
    CGROUP_IO = 1 << 4, /* v1: blkio */
    CGROUP_HUGETLB = 1 << 5,
    CGROUP_DEVICES = 1 << 6, /* v2: a BPF program */
    CGROUP_RDMA = 1 << 7,
    CGROUP_NET_CLS = 1 << 8,
    CGROUP_NET_PRIO = 1 << 9,
    CGROUP_UNIFIED = 1 << 10, /* there is a v2 hierarchy */
};
#define CGROUP_ALL_V2 ((1u << 11) - 1) /* pure v2 */

/* File of the row that stands for the device list on v2. */
#define CGROUP_BPF_FILE "the device program"

struct cgroup_write {
    const char *member;     /* below linux.resources: "memory.limit", "devices[2]" */
    const char *controller; /* "memory"; "" for files of v2 that belong to none */
    const char *file;       /* "memory.limit_in_bytes" */
    const char *value;
    enum cgroup_phase phase;
    unsigned flags;
    bool v2;
    const char *hole; /* v1's devices: the wildcard that the line would need a hole in, which the
                         kernel does not make; NULL: none */
};

struct cgroup_writes {
    struct cgroup_write *list;
    size_t n, room;
};

/* A conversion under way. */
struct cgroup_conversion {
    const struct oci_resources *r;
    unsigned v2;              /* enum cgroup_family: these go to v2, the others to v1 */
    const char *devices_list; /* v1's list as it is; NULL: not known */
    struct oci_arena *arena;
    struct cgroup_writes *out;
    struct err *err;
};

/**
 * cgroup_convert - what to write, in order. Pure. @resources may be NULL: nothing.
 * @v2: enum cgroup_family: what goes to v2, see cgroup_on_v2(); all else goes to v1
 * What v2 has no equal for is an error that names the member.
 */
int cgroup_convert(const struct oci_resources *resources, unsigned v2, struct oci_arena *arena,
                   struct cgroup_writes *out, struct err *err);

/** cgroup_convert_from - the same, where a device list of v1 goes on from @devices_list, the text
 * of the file of that name */
int cgroup_convert_from(const struct oci_resources *resources, unsigned v2,
                        const char *devices_list, struct oci_arena *arena,
                        struct cgroup_writes *out, struct err *err);

/** cgroup_check_device_numbers - whether each rule has numbers that a device can have */
int cgroup_check_device_numbers(const struct oci_resources *resources, struct err *err);

/**
 * cgroup_convert_devices_v1 - the device part; appends to c->out
 * What a rule takes away is what c->devices_list and the rules before it have; of a list that is
 * not known, up to a rule for everything, only what is there in the rule's own words.
 */
int cgroup_convert_devices_v1(struct cgroup_conversion *c);

/** cgroup_devices_partial - whether the list goes on from another: it does not begin with a rule
 * for everything */
bool cgroup_devices_partial(const struct oci_resources *resources);

/** cgroup_is_device_row - whether the row is a line of v1's device list */
bool cgroup_is_device_row(const struct cgroup_write *row);

/* ---- devices_list.c: v1's device list as the kernel keeps it ---- */

struct cgroup_device {
    char type;                 /* c b */
    char major[16], minor[16]; /* "*": any */
    uint32_t access;           /* OCI_ACCESS_* */
    const char *member;        /* the one that it comes from, NULL: it was there */
};

struct cgroup_device_list {
    bool open;                  /* everything is allowed, but */
    struct cgroup_device *list; /* or nothing is, but */
    size_t n;
};

/** cgroup_device_parse - "c 1:3 rwm"; false: not such a line */
bool cgroup_device_parse(const char *line, struct cgroup_device *out);

/** cgroup_device_same - whether they are the same devices in the same words */
bool cgroup_device_same(const struct cgroup_device *a, const struct cgroup_device *b);

/** cgroup_device_access - OCI_ACCESS_* as the file has it, "rwm" */
const char *cgroup_device_access(uint32_t access, char buf[static 4]);

/** cgroup_device_list_read - the list that devices.list shows as @text; NULL: all is allowed
 * @more: room for that many devices more */
int cgroup_device_list_read(const char *text, size_t more, struct oci_arena *arena,
                            struct cgroup_device_list *out, struct err *err);

/** cgroup_device_list_add - one against the default; one row of room */
void cgroup_device_list_add(struct cgroup_device_list *list, const struct cgroup_device *device);

/** cgroup_device_list_write - what the kernel makes of the row, for which there is room */
void cgroup_device_list_write(struct cgroup_device_list *list, const struct cgroup_write *row);

/** cgroup_devices_text - devices.list of the cgroup @dir, malloc'ed */
int cgroup_devices_text(int dir, char **text, struct err *err);

/** cgroup_devices_read - that of the container; NULL where it has no v1 list */
int cgroup_devices_read(const struct cgroup_record *record, char **text, struct err *err);

/** cgroup_devices_write_back - make the list of cgroup @dir @text again, as far as that says it: of
 * a list that is open the kernel does not show what is denied. What fails is a warning. */
void cgroup_devices_write_back(int dir, const char *text);

/* Parts of cgroup_convert(): convert_v2.c, convert_io.c, convert_more.c */
int cgroup_convert_cpu_v2(struct cgroup_conversion *c);
int cgroup_convert_memory_v2(struct cgroup_conversion *c);
int cgroup_convert_pids_v2(struct cgroup_conversion *c);
int cgroup_convert_io(struct cgroup_conversion *c);
int cgroup_convert_hugetlb(struct cgroup_conversion *c);
int cgroup_convert_network(struct cgroup_conversion *c);
int cgroup_convert_rdma(struct cgroup_conversion *c);
int cgroup_convert_unified(struct cgroup_conversion *c);

/** cgroup_inconvertible - the error "linux.resources.MEMBER: cannot be converted to cgroup v2" */
int cgroup_inconvertible(struct cgroup_conversion *c, const char *member);

/** cgroup_refuse - the error "linux.resources.MEMBER: WHY" */
int cgroup_refuse(struct err *err, const char *member, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/**
 * cgroup_weight_of_shares - cpu.shares (2..262144) as cpu.weight (1..10000)
 * ceil(10^((l^2 + 125 l) / 612 - 7/34)), l = log2(shares): 2 is 1, 1024 is 100, 262144 is 10000.
 * Values beyond the range are taken as its ends, as v1's kernel code does.
 */
unsigned cgroup_weight_of_shares(uint64_t shares);

/** cgroup_io_weight - blkio.weight (10..1000) as io.weight (1..10000) */
unsigned cgroup_io_weight(uint64_t weight);

/** cgroup_writes_add - append; @value in @arena or static; -1 when memory is exhausted */
int cgroup_writes_add(struct cgroup_writes *out, struct oci_arena *arena,
                      const struct cgroup_write *row, struct err *err);

/** cgroup_family_of - "memory" -> CGROUP_MEMORY, "blkio" and "io" -> CGROUP_IO; 0: none of them */
unsigned cgroup_family_of(const char *controller);

/** cgroup_on_v2 - what goes to v2 on this machine: all that v1 does not hold, if there is a v2 */
unsigned cgroup_on_v2(const struct cgroup_machine *machine);

/** cgroup_available - the controllers at the top of a v2 hierarchy, separated by spaces */
const char *cgroup_available(const struct cgroup_hierarchy *h);

/** cgroup_has_word - whether @word is one of the space separated @words */
bool cgroup_has_word(const char *words, const char *word);

/* ---- enable.c: cgroup.subtree_control ---- */

/** cgroup_enable_some - enable for a new v2 cgroup the controllers that there are and that it lacks
 * yet, as far as its parents let it; failures are left for cgroup_enable() to tell */
void cgroup_enable_some(struct cgroup_place *place, int mount);

/** cgroup_enable_all - enable at one level what it has and its children lack */
void cgroup_enable_all(int dir);

/** cgroup_enable - enable one controller along the path down to the place
 * @member: for the error, which names the cgroup that does not have it or cannot give it */
int cgroup_enable(struct cgroup_place *place, const char *controller, const char *member,
                  struct err *err);

/* ---- devices_v2.c: rules as a BPF program ---- */

struct bpf_insn;
/**
 * cgroup_device_program - the rules, and the entries that every container has, as a program of type
 * BPF_PROG_TYPE_CGROUP_DEVICE. Pure.
 * @insns: malloc'ed, @n of them
 */
int cgroup_device_program(const struct oci_device_rule *rules, size_t rules_n,
                          struct bpf_insn **insns, size_t *n, struct err *err);

/** cgroup_added_rules - the entries that every container has */
extern const struct oci_device_rule cgroup_added_rules[];
extern const size_t cgroup_added_rules_n;

/** cgroup_rules_end_open - whether the list ends with everything allowed */
bool cgroup_rules_end_open(const struct oci_device_rule *rules, size_t n);

/* ---- bpf.c ---- */

/** cgroup_devices_attach - put the program in force for a v2 cgroup, in place of the one of ours
 * that is attached to it now, in one step; programs of others stay */
int cgroup_devices_attach(int dir, const struct bpf_insn *insns, size_t n, struct err *err);

/* ---- check.c ---- */

/** cgroup_check_holes - an error for the first row that would need a hole in a wildcard, and
 * matters */
int cgroup_check_holes(const struct cgroup_writes *writes, struct err *err);

/** cgroup_write_dispensable - whether the row may be left out where its controller is not to be had
 */
bool cgroup_write_dispensable(const struct cgroup_write *row);

/** cgroup_no_hierarchy - the error that the machine has no such controller, with the reason as far
 * as /proc/cgroups tells it */
int cgroup_no_hierarchy(const struct cgroup_machine *machine, const struct cgroup_write *row,
                        struct err *err);

/** cgroup_check_on - cgroup_check() against a given machine */
int cgroup_check_on(const struct cgroup_machine *machine, const struct oci_resources *resources,
                    enum cgroup_driver driver, struct err *err);

/* ---- v1.c ---- */

/* The one timed wait of the cgroup code: v1 tells nobody when a cgroup is empty or frozen. */
struct cgroup_backoff {
    int64_t deadline; /* CLOCK_MONOTONIC, milliseconds */
    int pause;
};
void cgroup_backoff_start(struct cgroup_backoff *b, int milliseconds);
bool cgroup_backoff_wait(struct cgroup_backoff *b); /* false: the time is over */

/** cgroup_v1_cpuset_fill - give every level down to the place its parent's cpus and mems if it has
 * none: no process can enter a cpuset that is empty */
int cgroup_v1_cpuset_fill(const struct cgroup_place *place, int mount, struct err *err);

/** cgroup_v1_frozen - 1, 0, or -1 if it cannot be told */
int cgroup_v1_frozen(struct cgroup_place *place);
int cgroup_v1_freeze(struct cgroup_place *place, bool freeze, struct err *err);

/** cgroup_v1_has_children - whether there are cgroups below the place, whose directory is open */
bool cgroup_v1_has_children(const struct cgroup_place *place);

/** cgroup_v1_thaw_all - thaw the place and all below, so that what was killed there can die */
void cgroup_v1_thaw_all(struct cgroup_place *place);

/* ---- write_failed.c ---- */

/** cgroup_write_failed - the error for a write that failed with @errnum, with what is known of it
 */
int cgroup_write_failed(const struct cgroup_place *place, int dir, const struct cgroup_write *row,
                        int errnum, struct err *err);

/* ---- undo.c: what update takes back when it fails ---- */

struct cgroup_undone {
    int dir; /* of the place */
    const struct cgroup_place *place;
    char *file, *value;
};
struct cgroup_undo {
    struct cgroup_undone *list;
    size_t n, room;
    bool devices;       /* the device list was changed */
    char *devices_list; /* v1's, before it was; NULL: not known */
};

/** cgroup_undo_note - remember what is in the row's file, before it is written */
void cgroup_undo_note(struct cgroup_undo *undo, const struct cgroup_place *place, int dir,
                      const struct cgroup_write *row);

/** cgroup_undo_all - write it back, the last one first; what fails is a warning */
void cgroup_undo_all(struct cgroup_undo *undo);
void cgroup_undo_clear(struct cgroup_undo *undo);

/** cgroup_undo_value - what restores @file, which held @content, after @written. Pure; malloc'ed */
char *cgroup_undo_value(const char *file, const char *content, const char *written);

/* ---- v2.c ---- */

/**
 * cgroup_v2_wait - wait until @key of cgroup.events has @value
 * Returns 0 (also when the cgroup is gone), or -1 with errno (ETIMEDOUT).
 */
int cgroup_v2_wait(int dir, const char *key, int64_t value, int milliseconds);
int cgroup_v2_frozen(struct cgroup_place *place);
int cgroup_v2_freeze(struct cgroup_place *place, bool freeze, struct err *err);

/* ---- processes.c ---- */

/** cgroup_place_processes - as cgroup_processes(), of one place */
int cgroup_place_processes(struct cgroup_place *place, pid_t **pids, size_t *n, struct err *err);

/** cgroup_process_place - the place that is asked for processes, or NULL: v2, else freezer, pids, …
 * @made: only one that we made */
struct cgroup_place *cgroup_process_place(const struct cgroup_record *record, bool made);

/** cgroup_signal_place - cgroup_signal_all() by way of one place */
int cgroup_signal_place(const struct cgroup_record *record, struct cgroup_place *place, int sig,
                        struct err *err);

/** cgroup_not_empty - the error "cgroup PATH is not empty: N process(es)", with the first as a hint
 */
int cgroup_not_empty(const struct cgroup_place *place, const pid_t *pids, size_t n,
                     struct err *err);

/* ---- remove.c ---- */

/** cgroup_place_remove - remove the place's cgroup, sub-cgroups first; gone is no error */
int cgroup_place_remove(struct cgroup_place *place, int milliseconds, struct err *err);

#endif

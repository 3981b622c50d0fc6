/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * The driver systemd. The container's cgroup is that of a transient unit, a scope, which systemd
 * makes around a process that lives already: so init is cloned first, and waits. Then, in order:
 *
 *   1. one call starts the unit with init's pid and the properties that may hold during the set-up;
 *      its job is awaited (systemd_bus.c);
 *   2. /proc/PID/cgroup tells where init is now: that is where the container's places are, whatever
 *      the configuration made one expect. systemd manages v2, or on v1 some controllers only; in
 *      the hierarchies that it left alone a cgroup is made at the same path, and removed by delete;
 *   3. from here on everything is as with the driver cgroupfs, by files: limits, statistics,
 *      freezing, killing. The limits are written to the files first, because the kernel says what
 *      is wrong with them, and then told to the unit.
 *
 * A name that ends with ".slice" makes a slice, which takes no process at its start: there init is
 * moved by writing, as in every other cgroup.
 */
#include "cgroup/systemd.h"

#include "base/fd.h"
#include "base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PROC_CGROUP_MAX (1u << 20)
#define HELD_TIMEOUT 5000 /* milliseconds */

/* What create says of the unit, beyond its resources. */
struct cgroup_unit {
    const char *slice, *description;
    const char *cgroup; /* the last part of its path */
    bool is_slice;
    struct systemd_properties annotations;
};

static int timeout = 30000;

void cgroup_set_timeout(int milliseconds)
{
    timeout = milliseconds;
}

static bool is_pure_v2(const struct cgroup_record *record)
{
    return record->places_n == 1 && record->places[0].v2;
}

/* ---- plan ---- */

int systemd_plan(const struct cgroup_machine *machine, const char *path, const char *id,
                 struct oci_arena *arena, struct cgroup_record *out, struct err *err)
{
    struct cgroup_unit *creating = oci_alloc(arena, sizeof *creating);
    struct systemd_unit unit;
    const char *above = "";
    bool user;
    uid_t uid;

#ifdef DISABLE_SYSTEMD
    err_set(err, 0, "systemd cgroup driver: this program was built without it");
    return err_hint(err, "use --cgroup-manager cgroupfs");
#endif
    out->bus = systemd_bus_choose(arena, &user, &uid, err);
    if (!out->bus || systemd_unit_parse(path, id, user, arena, &unit, err) < 0)
        return -1;
    if (machine->n == 0)
        return err_set(err, 0, "systemd cgroup driver: no cgroup hierarchy is mounted");
    if (user)
        above = oci_printf(arena, "/user.slice/user-%u.slice/user@%u.service", (unsigned)uid,
                           (unsigned)uid);
    out->unit = unit.name;
    out->creating = creating;
    out->places = oci_alloc(arena, machine->n * sizeof *out->places);
    if (!creating || !above || !out->places)
        return err_set(err, ENOMEM, "unit %s", unit.name);
    *creating = (struct cgroup_unit){.slice = unit.slice,
                                     .description = oci_printf(arena, "container %s", id),
                                     .cgroup = strrchr(unit.cgroup, '/') + 1,
                                     .is_slice = unit.is_slice};
    for (size_t i = 0; i < machine->n; i++) {
        const struct cgroup_hierarchy *h = &machine->list[i];
        struct cgroup_place *p = &out->places[out->places_n++];

        *p = (struct cgroup_place){.controllers = h->controllers, .mount = h->mount, .v2 = h->v2};
        p->path = oci_printf(arena, "%s%s", above, unit.cgroup);
        if (!p->path || !creating->description)
            return err_set(err, ENOMEM, "unit %s", unit.name);
        p->path = cgroup_own_below(p->path, h->root);
    }
    return 0;
}

int systemd_plan_unit(struct cgroup_record *record, const struct oci_config *config,
                      struct oci_arena *arena, struct err *err)
{
    struct cgroup_unit *creating = oci_alloc(arena, sizeof *creating);

    if (!creating)
        return err_set(err, ENOMEM, "unit %s", record->unit);
    *creating = *record->creating;
    record->creating = creating;
    return systemd_annotations(config->annotations, config->annotations_n, arena,
                               &creating->annotations, err);
}

/* ---- properties ---- */

static int add_value(struct systemd_properties *out, struct oci_arena *arena, const char *name,
                     const char *signature, struct systemd_value value, unsigned since,
                     struct err *err)
{
    const struct systemd_property p = {
        .name = name, .signature = signature, .values = &value, .values_n = 1, .since = since};

    return systemd_add(out, arena, &p, err);
}

static int add_yes_or_no(struct systemd_properties *out, struct oci_arena *arena, const char *name,
                         bool value, struct err *err)
{
    return add_value(out, arena, name, "b", (struct systemd_value){.type = 'b', .v.u = value}, 0,
                     err);
}

static int add_string(struct systemd_properties *out, struct oci_arena *arena, const char *name,
                      const char *signature, const char *value, unsigned since, struct err *err)
{
    return add_value(out, arena, name, signature, (struct systemd_value){.type = 's', .v.s = value},
                     since, err);
}

/* What every unit of ours has. CollectMode: a unit whose processes were killed is not kept as
 * failed, which would keep its name. */
static int add_common(const struct cgroup_record *record, pid_t pid, struct oci_arena *arena,
                      struct systemd_properties *out, struct err *err)
{
    const struct cgroup_unit *unit = record->creating;
    const char *const accounting[] = {"CPUAccounting", "MemoryAccounting",
                                      is_pure_v2(record) ? "IOAccounting" : "BlockIOAccounting",
                                      "TasksAccounting"};

    if (add_string(out, arena, "Description", "s", unit->description, 0, err) < 0 ||
        add_yes_or_no(out, arena, "DefaultDependencies", false, err) < 0 ||
        add_string(out, arena, "CollectMode", "s", "inactive-or-failed", 236, err) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_SIZE(accounting); i++) {
        if (add_yes_or_no(out, arena, accounting[i], true, err) < 0)
            return -1;
    }
    /* The parent of a slice is in its name. */
    if (unit->is_slice)
        return add_string(out, arena, "Wants", "as", unit->slice, 0, err);
    if (add_string(out, arena, "Slice", "s", unit->slice, 0, err) < 0 ||
        add_yes_or_no(out, arena, "Delegate", true, err) < 0)
        return -1;
    return add_value(out, arena, "PIDs", "au",
                     (struct systemd_value){.type = 'u', .v.u = (uint64_t)pid}, 0, err);
}

int systemd_add_resources(const struct cgroup_record *record, struct cgroup_writes *writes,
                          unsigned phases, struct oci_arena *arena, struct systemd_properties *out,
                          struct err *err)
{
    struct systemd_properties all = {.list = NULL};

    if (systemd_convert(writes, is_pure_v2(record), (uint64_t)sysconf(_SC_PAGESIZE), arena, &all,
                        err) < 0)
        return -1;
    for (size_t i = 0; i < all.n; i++) {
        if ((phases & 1u << all.list[i].phase) && systemd_add(out, arena, &all.list[i], err) < 0)
            return -1;
    }
    return 0;
}

int systemd_first_devices(const struct cgroup_writes *writes, struct oci_arena *arena,
                          struct systemd_properties *out, struct err *err)
{
    struct cgroup_device_list list;

    if (!writes->n || !cgroup_is_device_row(&writes->list[0]) ||
        cgroup_write_dispensable(&writes->list[0]))
        return 0;
    if (systemd_devices_after(NULL, writes, 1u << CGROUP_EARLY, arena, &list, err) < 0)
        return -1;
    return systemd_devices(&list, arena, out, err);
}

static int start_call(const struct cgroup_record *record, pid_t pid,
                      const struct oci_resources *resources, struct oci_arena *arena,
                      struct err *err)
{
    const struct cgroup_machine *machine = cgroup_machine_get(err);
    struct systemd_properties all = {.list = NULL};
    struct systemd_request request = {
        .op = SYSTEMD_START, .bus = record->bus, .unit = record->unit, .timeout = timeout};
    struct cgroup_writes writes;

    if (!machine || cgroup_convert(resources, cgroup_on_v2(machine), arena, &writes, err) < 0 ||
        add_common(record, pid, arena, &all, err) < 0 ||
        systemd_add_resources(record, &writes, 1u << CGROUP_EARLY, arena, &all, err) < 0 ||
        systemd_first_devices(&writes, arena, &all, err) < 0)
        return -1;
    for (size_t i = 0; i < record->creating->annotations.n; i++) {
        if (systemd_add(&all, arena, &record->creating->annotations.list[i], err) < 0)
            return -1;
    }
    request.properties = all.list;
    request.properties_n = all.n;
    return systemd_call(&request, err);
}

int systemd_add_devices(const struct cgroup_record *record, const struct cgroup_writes *writes,
                        unsigned phases, struct oci_arena *arena, struct systemd_properties *out,
                        struct err *err)
{
    struct cgroup_device_list list;
    _cleanup_free_ char *text = NULL;

    /* What they have is not enforced, and their manager could not either. */
    if (cgroup_unprivileged())
        return 0;
    if (cgroup_devices_read(record, &text, err) < 0 ||
        (text && (systemd_devices_after(text, writes, phases, arena, &list, err) < 0 ||
                  systemd_devices(&list, arena, out, err) < 0)))
        return -1;
    return text && !list.open;
}

int systemd_answers(const struct cgroup_record *record, struct err *err)
{
    const struct systemd_request request = {
        .op = SYSTEMD_ASK, .bus = record->bus, .unit = record->unit, .timeout = timeout};

    return systemd_call(&request, err);
}

int systemd_set(const struct cgroup_record *record, const struct systemd_properties *properties,
                bool held, struct oci_arena *arena, struct err *err)
{
    struct systemd_request request = {.op = SYSTEMD_SET,
                                      .bus = record->bus,
                                      .unit = record->unit,
                                      .timeout =
                                          held && timeout > HELD_TIMEOUT ? HELD_TIMEOUT : timeout};
    struct systemd_properties all = {.list = NULL};

    if (!properties->n)
        return 0;
    if (systemd_with_kept(properties, is_pure_v2(record), arena, &all, err) < 0)
        return -1;
    request.properties = all.list;
    request.properties_n = all.n;
    return systemd_call(&request, err);
}

int systemd_stop(const struct cgroup_record *record, struct err *err)
{
    const struct systemd_request request = {
        .op = SYSTEMD_STOP, .bus = record->bus, .unit = record->unit, .timeout = timeout};

    return record->bus && record->unit ? systemd_call(&request, err) : 0;
}

#ifdef DISABLE_SYSTEMD
int systemd_call(const struct systemd_request *request, struct err *err)
{
    (void)request;
    err_set(err, 0, "systemd cgroup driver: this program was built without it");
    return err_hint(err, "the container was made by another ocirun: use that one");
}
#endif

/* ---- where the unit is ---- */

/* The line of /proc/PID/cgroup for the hierarchy: its path. */
static const char *line_of(const char *text, const char *controllers, struct oci_arena *arena)
{
    size_t n = strlen(controllers);

    for (const char *p = text; *p; p += strcspn(p, "\n"), p += *p == '\n') {
        const char *first = strchr(p, ':');

        if (first && strncmp(first + 1, controllers, n) == 0 && first[1 + n] == ':' &&
            first[2 + n] == '/')
            return oci_strndup(arena, first + 2 + n, strcspn(first + 2 + n, "\n"));
    }
    return NULL;
}

static bool ends_with_part(const char *path, const char *part)
{
    const char *slash = path ? strrchr(path, '/') : NULL;

    return slash && strcmp(slash + 1, part) == 0;
}

static const char *root_of(const struct cgroup_machine *machine, const struct cgroup_place *place)
{
    for (size_t i = 0; i < machine->n; i++) {
        if (strcmp(machine->list[i].mount, place->mount) == 0)
            return machine->list[i].root;
    }
    return "/";
}

/*
 * Give the places their paths. @joined: bits of those where init is already. The path of the unit
 * is the one that any of systemd's hierarchies shows; the others get the same.
 */
static int find_places(struct cgroup_record *record, pid_t pid, struct oci_arena *arena,
                       uint64_t *joined, struct err *err)
{
    const struct cgroup_machine *machine = cgroup_machine_get(err);
    _cleanup_close_ int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
    _cleanup_free_ char *text = NULL;
    const char *where = NULL;
    char name[32];

    *joined = 0;
    snprintf(name, sizeof name, "%d/cgroup", (int)pid);
    if (!machine || fd_read_file_at(proc, name, PROC_CGROUP_MAX, &text, NULL, err) < 0)
        return -1;
    for (size_t i = 0; i < record->places_n && i < 64; i++) {
        struct cgroup_place *p = &record->places[i];
        const char *path = line_of(text, p->controllers, arena);

        if (!ends_with_part(path, record->creating->cgroup))
            continue;
        p->path = cgroup_own_below(path, root_of(machine, p));
        *joined |= UINT64_C(1) << i;
        if (!where || p->v2 || strcmp(p->controllers, "name=systemd") == 0)
            where = path;
    }
    if (!where && !record->creating->is_slice) {
        err_set(err, 0, "systemd: unit %s has started, but process %d is not in it", record->unit,
                (int)pid);
        return err_hint(err, "something has moved it at the same time");
    }
    for (size_t i = 0; where && i < record->places_n && i < 64; i++) {
        if (!(*joined >> i & 1))
            record->places[i].path = cgroup_own_below(where, root_of(machine, &record->places[i]));
    }
    return 0;
}

/* A hierarchy of v1 that systemd has nothing to do with: its cgroups are made as ever. */
static bool is_systemds(const struct cgroup_place *place)
{
    return place->v2 || strcmp(place->controllers, "name=systemd") == 0;
}

static int prepare_places(struct cgroup_record *record, uint64_t joined, struct err *err)
{
    size_t i = 0;

    for (uint64_t bit = 1; i < record->places_n; bit <<= 1) {
        struct cgroup_place *p = &record->places[i];
        /* A slice has no process yet that would show where it is: as planned. */
        bool there = joined & bit || (record->creating->is_slice && is_systemds(p));
        int r = there ? cgroup_place_dir(p, err) : cgroup_place_prepare(p, false, err);

        if (r < 0)
            return -1;
        if (!there && r > 0) {
            cgroup_set_aside(record, i);
            continue;
        }
        /* systemd may have made it for the slice, and leaves it where a process ends late. */
        if (record->creating->is_slice && systemd_manages(p))
            p->created = true;
        i++;
    }
    return 0;
}

/*
 * The unit is ours, and so are the cgroups that systemd made for it: the ones that init is in, or,
 * where nothing shows them, those of systemd's own hierarchies. The others are not made yet: one of
 * that name may be somebody else's, and is not to be cleared when something fails before its turn.
 */
static void claim_places(struct cgroup_record *record, uint64_t joined, bool shown)
{
    for (size_t i = 0; i < record->places_n; i++) {
        struct cgroup_place *p = &record->places[i];

        p->created = (i < 64 && (joined >> i & 1)) || (!shown && is_systemds(p));
    }
}

/* What is known not to be there is not removed: it may be somebody else's of the same name. */
static void forget_places(struct cgroup_record *record, const struct err *err)
{
    static const int unknown[] = {ETIMEDOUT, ECONNRESET, ENOTCONN, EPIPE};

    for (size_t i = 0; i < ARRAY_SIZE(unknown); i++) {
        if (err->errnum == unknown[i])
            return;
    }
    for (size_t i = 0; i < record->places_n; i++)
        record->places[i].created = false;
}

int cgroup_start_unit(struct cgroup_record *record, pid_t pid,
                      const struct oci_resources *resources, struct oci_arena *arena,
                      struct err *err)
{
    uint64_t joined;
    int failed;

    if (start_call(record, pid, resources, arena, err) < 0) {
        forget_places(record, err);
        return -1;
    }
    failed = find_places(record, pid, arena, &joined, err);
    claim_places(record, joined, !failed && !record->creating->is_slice);
    if (failed || prepare_places(record, joined, err) < 0)
        return -1;
    return cgroup_inner_make(record, err);
}

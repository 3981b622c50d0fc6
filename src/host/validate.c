/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * libocispec has checked each member by itself. Here is one function for each rule that ties
 * members together; they are called in the order of the list at the end, and nothing has been
 * touched yet. What is decoded but not carried out by this version is refused by name, never
 * ignored.
 */
#include "host/validate.h"

#include "base/mount.h"
#include "base/sysctl.h"
#include "base/util.h"
#include "host/namespaces.h"
#include "host/schedule.h"
#include "host/spawn.h"
#include "seccomp/seccomp.h"

#include <stdio.h>
#include <string.h>

struct check {
    const struct runtime *rt;
    const struct bundle *b;
    const struct create_options *o;
    bool detach;
    const struct oci_config *config;
    const struct oci_linux *lin; /* never NULL */
    const struct oci_process *p; /* may be NULL */
    uint32_t namespaces;
};

#define BIT(type) (1u << (type))

static const struct oci_linux no_linux;

const struct oci_namespace *validate_namespace(const struct oci_config *config,
                                               enum oci_namespace_type type)
{
    const struct oci_linux *l = config->linux_ ? config->linux_ : &no_linux;

    for (size_t i = 0; i < l->namespaces_n; i++) {
        if (l->namespaces[i].type == type)
            return &l->namespaces[i];
    }
    return NULL;
}

uint32_t validate_namespaces(const struct oci_config *config)
{
    const struct oci_linux *l = config->linux_ ? config->linux_ : &no_linux;
    uint32_t bits = 0;

    for (size_t i = 0; i < l->namespaces_n; i++)
        bits |= BIT(l->namespaces[i].type);
    return bits;
}

static int fail(const struct check *c, struct err *err, const char *path, const char *text)
{
    return bundle_fail(c->b, err, path, "%s", text);
}

/* @what: of it, or NULL. The member stands in front of its place: engines and people look for it.
 */
static int unsupported(const struct check *c, struct err *err, const char *path, const char *what)
{
    unsigned line = 0, column = 0;

    oci_locate(c->b->text, c->b->len, path, &line, &column);
    err_set(err, 0, "not supported yet: %s: %s:%u:%u: this version cannot carry out %s", path,
            c->b->file, line, column, what ? what : "this member");
    return err_object(err, "%s", path);
}

static int check_supported(const struct check *c, struct err *err)
{
    if (c->lin->intel_rdt)
        return unsupported(c, err, "linux.intelRdt", NULL);
    if (c->lin->net_devices_n)
        return unsupported(c, err, "linux.netDevices", NULL);
    return 0;
}

static int check_terminal(const struct check *c, struct err *err)
{
    bool terminal = c->p && c->p->terminal;

    if (terminal && c->detach && !c->o->console_socket)
        return fail(c, err, "process.terminal",
                    "cannot allocate tty if ocirun will detach without setting console socket "
                    "(--console-socket)");
    if (!terminal && c->o->console_socket)
        return fail(c, err, "process.terminal",
                    "cannot use console socket if ocirun will not detach or allocate tty");
    return 0;
}

static bool id_is_mapped(const struct oci_id_mapping *maps, size_t n, uint32_t id)
{
    for (size_t i = 0; i < n; i++) {
        if (id >= maps[i].container_id && id - maps[i].container_id < maps[i].size)
            return true;
    }
    return false;
}

static int check_groups(const struct check *c, struct err *err)
{
    const struct oci_user *user = c->p ? &c->p->user : NULL;
    char path[64];

    if (oci_annotation(c->config, "run.oci.keep_original_groups"))
        return 0;
    for (size_t i = 0; user && i < user->additional_gids_n; i++) {
        if (id_is_mapped(c->lin->gid_mappings, c->lin->gid_mappings_n, user->additional_gids[i]))
            continue;
        snprintf(path, sizeof path, "process.user.additionalGids[%zu]", i);
        return bundle_fail(c->b, err, path, "%u is not mapped by linux.gidMappings",
                           user->additional_gids[i]);
    }
    return 0;
}

static int check_user_namespace(const struct check *c, struct err *err)
{
    const struct oci_namespace *user = validate_namespace(c->config, OCI_NS_USER);
    const struct oci_linux *l = c->lin;

    if (!user) {
        if (l->uid_mappings_n || l->gid_mappings_n)
            return fail(c, err, l->uid_mappings_n ? "linux.uidMappings" : "linux.gidMappings",
                        "mappings without a user namespace in linux.namespaces");
        if (spawn_privileged())
            return 0;
        /* Making one that nobody asked for would be another container than the document's. */
        fail(c, err, "linux.namespaces",
             "an ordinary user needs a user namespace among them, with uidMappings and "
             "gidMappings");
        return err_hint(err, "\"ocirun spec --rootless\" writes such a configuration");
    }
    if (user->path)
        return 0; /* its maps exist; engines give a dummy one (podman) */
    if (!l->uid_mappings_n || !l->gid_mappings_n)
        return fail(c, err, l->uid_mappings_n ? "linux.gidMappings" : "linux.uidMappings",
                    "a new user namespace needs uidMappings and gidMappings");
    if (c->p && !id_is_mapped(l->uid_mappings, l->uid_mappings_n, c->p->user.uid))
        return bundle_fail(c->b, err, "process.user.uid", "%u is not mapped by linux.uidMappings",
                           c->p->user.uid);
    if (c->p && !id_is_mapped(l->gid_mappings, l->gid_mappings_n, c->p->user.gid))
        return bundle_fail(c->b, err, "process.user.gid", "%u is not mapped by linux.gidMappings",
                           c->p->user.gid);
    return check_groups(c, err);
}

/* prlimit(2) refuses it too, but not before start. */
static int check_rlimits(const struct check *c, struct err *err)
{
    char path[64];

    for (size_t i = 0; c->p && i < c->p->rlimits_n; i++) {
        const struct oci_rlimit *r = &c->p->rlimits[i];

        if (r->soft <= r->hard)
            continue;
        snprintf(path, sizeof path, "process.rlimits[%zu].soft", i);
        return bundle_fail(c->b, err, path, "is above the hard limit, %llu",
                           (unsigned long long)r->hard);
    }
    return 0;
}

static int check_affinity(const struct check *c, struct err *err)
{
    const struct oci_exec_cpu_affinity *a = c->p ? c->p->exec_cpu_affinity : NULL;
    struct err why = ERR_INIT;

    if (!a || (schedule_affinity_check(a->initial, "process.execCPUAffinity.initial", &why) == 0 &&
               schedule_affinity_check(a->final, "process.execCPUAffinity.final", &why) == 0))
        return 0;
    return fail(c, err, why.object, why.text);
}

/* __NEW_UTS_LEN of the kernel's linux/utsname.h. */
static int check_name_length(const struct check *c, const char *member, const char *name,
                             struct err *err)
{
    if (!name || strlen(name) <= 64)
        return 0;
    return bundle_fail(c->b, err, member, "has %zu bytes, 64 are the most", strlen(name));
}

static int check_names(const struct check *c, struct err *err)
{
    const struct oci_namespace *ns = validate_namespace(c->config, OCI_NS_UTS);
    /* One that is joined by path may be the machine's. */
    bool uts = ns && !(ns->path && namespaces_is_own(OCI_NS_UTS, ns->path));

    if (c->config->hostname && *c->config->hostname && !uts)
        return fail(c, err, "hostname",
                    "needs a uts namespace in linux.namespaces that is not our own");
    if (c->config->domainname && *c->config->domainname && !uts)
        return fail(c, err, "domainname",
                    "needs a uts namespace in linux.namespaces that is not our own");
    if (check_name_length(c, "hostname", c->config->hostname, err) < 0)
        return -1;
    return check_name_length(c, "domainname", c->config->domainname, err);
}

static int check_time_offsets(const struct check *c, struct err *err)
{
    const struct oci_namespace *time = validate_namespace(c->config, OCI_NS_TIME);

    if (!c->lin->time_offsets ||
        (!c->lin->time_offsets->monotonic && !c->lin->time_offsets->boottime))
        return 0;
    if (!time)
        return fail(c, err, "linux.timeOffsets", "needs a time namespace in linux.namespaces");
    if (time->path)
        return fail(c, err, "linux.timeOffsets",
                    "cannot be set for a time namespace that is joined by path");
    return 0;
}

/* The namespaces that are not the machine's: one that is joined by path may be ours after all. */
static uint32_t foreign_namespaces(const struct check *c)
{
    uint32_t bits = c->namespaces;

    for (size_t i = 0; i < c->lin->namespaces_n; i++) {
        const struct oci_namespace *ns = &c->lin->namespaces[i];

        if (ns->path && namespaces_is_own(ns->type, ns->path))
            bits &= ~BIT(ns->type);
    }
    return bits;
}

static int check_sysctl(const struct check *c, struct err *err)
{
    uint32_t namespaces = c->lin->sysctl_n ? foreign_namespaces(c) : 0;
    struct err why = ERR_INIT;
    char path[512];

    for (size_t i = 0; i < c->lin->sysctl_n; i++) {
        if (sysctl_check(c->lin->sysctl[i].key, namespaces, &why) == 0)
            continue;
        snprintf(path, sizeof path, "linux.sysctl.%s", c->lin->sysctl[i].key);
        return bundle_fail(c->b, err, path, "%s", why.text);
    }
    return 0;
}

static int check_devices(const struct check *c, struct err *err)
{
    char path[64];

    for (size_t i = 0; i < c->lin->devices_n; i++) {
        const struct oci_device *d = &c->lin->devices[i];
        const char *name = strrchr(d->path, '/') + 1; /* it is absolute */

        if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
            snprintf(path, sizeof path, "linux.devices[%zu].path", i);
            return bundle_fail(c->b, err, path, "%s does not end in the name of a file", d->path);
        }
        if (d->type == OCI_DEVICE_FIFO || (d->major.set && d->minor.set))
            continue;
        snprintf(path, sizeof path, "linux.devices[%zu]", i);
        return bundle_fail(c->b, err, path, "member \"%s\" is missing",
                           d->major.set ? "minor" : "major");
    }
    return 0;
}

static int check_mounts(const struct check *c, struct err *err)
{
    struct mount_options options;
    char path[64];

    for (size_t i = 0; i < c->config->mounts_n; i++) {
        const struct oci_mount *m = &c->config->mounts[i];

        snprintf(path, sizeof path, "mounts[%zu]", i);
        if (!m->uid_mappings_n != !m->gid_mappings_n)
            return fail(c, err, path, "uidMappings and gidMappings are only valid together");
        if (m->uid_mappings_n) {
            snprintf(path, sizeof path, "mounts[%zu].uidMappings", i);
            return unsupported(c, err, path, NULL);
        }
        snprintf(path, sizeof path, "mounts[%zu].options", i);
        if (mount_options_parse(m->options, m->options_n, c->b->arena, &options, err) < 0) {
            struct err why = *err;

            return bundle_fail(c->b, err, path, "%s", why.text);
        }
        if (options.idmap || options.ridmap)
            return unsupported(c, err, path, options.ridmap ? "ridmap" : "idmap");
        snprintf(path, sizeof path, "mounts[%zu].source", i);
        if (options.bind && (!m->source || !*m->source))
            return fail(c, err, path, "a bind mount needs a source");
    }
    return 0;
}

static int check_masks(const struct check *c, struct err *err)
{
    char path[64];

    for (size_t i = 0; i < c->lin->masked_paths_n; i++) {
        const char *text = c->lin->masked_paths[i];

        if (text[strspn(text, "/")] != '\0')
            continue;
        snprintf(path, sizeof path, "linux.maskedPaths[%zu]", i);
        return fail(c, err, path, "the root cannot be masked");
    }
    return 0;
}

static int check_seccomp(const struct check *c, struct err *err)
{
    struct err why = ERR_INIT;

    if (!c->lin->seccomp || seccomp_check(c->lin->seccomp, &why) == 0)
        return 0;
    bundle_fail(c->b, err, why.object[0] ? why.object : "linux.seccomp", "%s", why.text);
    if (why.hint[0])
        err_hint(err, "%s", why.hint);
    return -1;
}

static int check_cgroup(const struct check *c, struct err *err)
{
    struct err why = ERR_INIT;
    const char *text = why.text;
    size_t len;

    if (cgroup_check(c->lin->resources, c->rt->driver, &why) == 0)
        return 0;
    if (!why.object[0]) {
        *err = why;
        return -1;
    }
    /* The place in the document says what it is about already. */
    len = strlen(why.object);
    if (strncmp(why.text, why.object, len) == 0 && strncmp(why.text + len, ": ", 2) == 0)
        text += len + 2;
    bundle_fail(c->b, err, why.object, "%s", text);
    if (why.hint[0])
        err_hint(err, "%s", why.hint);
    return -1;
}

int validate_config(const struct runtime *rt, const struct bundle *b,
                    const struct create_options *o, bool detach, struct err *err)
{
    static int (*const checks[])(const struct check *c, struct err *err) = {
        check_supported, check_terminal,     check_user_namespace, check_rlimits, check_affinity,
        check_names,     check_time_offsets, check_sysctl,         check_devices, check_mounts,
        check_masks,     check_seccomp,      check_cgroup,
    };
    const struct check c = {
        .rt = rt,
        .b = b,
        .o = o,
        .detach = detach,
        .config = &b->config,
        .lin = b->config.linux_ ? b->config.linux_ : &no_linux,
        .p = b->config.process,
        .namespaces = validate_namespaces(&b->config),
    };

    for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
        if (checks[i](&c, err) < 0)
            return -1;
    }
    return 0;
}

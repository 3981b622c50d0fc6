/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * The features document (features.md, features-linux.md) says what this build carries out, so that
 * engines need not find out by failing. Its lists are the tables that the decoder and the steps use
 * themselves; what those accept and host/validate.c then refuses is taken out here, by name. A test
 * loops over every list and runs what it promises.
 *
 * Absent means "not known"; what is known to be missing is written as false.
 */
#include "config.h"

#include "host/container.h"

#include "base/mount.h"
#include "base/util.h"
#include "commit.h"
#include "seccomp/seccomp.h"

#include <errno.h>
#include <string.h>

#define SPEC_MIN "1.0.0"
#define SPEC_MAX "1.3.0"

#ifdef DISABLE_SELINUX
enum { HAS_SELINUX = false };
#else
enum { HAS_SELINUX = true };
#endif
#ifdef DISABLE_SECCOMP
enum { HAS_SECCOMP = false };
#else
enum { HAS_SECCOMP = true };
#endif

#ifdef DISABLE_SYSTEMD
enum { HAS_SYSTEMD = false };
#else
enum { HAS_SYSTEMD = true };
#endif

/* Mount options that mean something and are refused for now: host/validate.c. */
static const char *const options_refused[] = {"idmap", "ridmap"};

static const struct oci_opt_bool yes = {.set = true, .value = true};
static const struct oci_opt_bool no = {.set = true, .value = false};

/* All names but that of the value @but (-1: all). Returns NULL when memory is exhausted. */
static const char **list_names(struct oci_arena *arena, const struct oci_names *names, int but,
                               size_t *n)
{
    size_t count = 0;
    const char **list;

    for (const struct oci_name *name = names->list; name->name; name++)
        count++;
    list = oci_alloc(arena, (count + 1) * sizeof *list);
    *n = 0;
    for (const struct oci_name *name = names->list; list && name->name; name++)
        if (name->value != but)
            list[(*n)++] = name->name;
    return list;
}

/* Names of the bits in @bits. */
static const char **list_bits(struct oci_arena *arena, const struct oci_names *names, uint64_t bits,
                              size_t *n)
{
    const char **list = list_names(arena, names, -1, n);
    size_t kept = 0;

    for (size_t i = 0; list && i < *n; i++)
        if (bits >> names->list[i].value & 1)
            list[kept++] = list[i];
    if (list)
        list[kept] = NULL;
    *n = kept;
    return list;
}

static bool is_refused(const char *option)
{
    for (size_t i = 0; i < ARRAY_SIZE(options_refused); i++)
        if (strcmp(options_refused[i], option) == 0)
            return true;
    return false;
}

static const char **list_mount_options(struct oci_arena *arena, size_t *n)
{
    const char *const *all = mount_option_names();
    const char **list;
    size_t count = 0;

    while (all[count])
        count++;
    list = oci_alloc(arena, (count + 1) * sizeof *list);
    *n = 0;
    for (size_t i = 0; list && i < count; i++)
        if (!is_refused(all[i]))
            list[(*n)++] = all[i];
    return list;
}

static int fill_seccomp(struct oci_arena *arena, struct oci_features_linux *out)
{
    struct oci_features_seccomp *s = out->seccomp = oci_alloc(arena, sizeof *s);

    if (!s)
        return -1;
    s->enabled = HAS_SECCOMP ? yes : no;
    if (!HAS_SECCOMP)
        return 0;
    /* SCMP_ACT_NOTIFY is refused by seccomp_check(). */
    s->actions = list_names(arena, &oci_seccomp_action_names, OCI_ACT_NOTIFY, &s->actions_n);
    s->operators = list_names(arena, &oci_seccomp_op_names, -1, &s->operators_n);
    s->archs = list_names(arena, &oci_seccomp_arch_names, -1, &s->archs_n);
    s->known_flags = list_names(arena, &oci_seccomp_flag_names, -1, &s->known_flags_n);
    s->supported_flags =
        list_bits(arena, &oci_seccomp_flag_names, seccomp_kernel_flags(), &s->supported_flags_n);
    return s->actions && s->operators && s->archs && s->known_flags && s->supported_flags ? 0 : -1;
}

static struct oci_features_flag *flag(struct oci_arena *arena, struct oci_opt_bool value)
{
    struct oci_features_flag *f = oci_alloc(arena, sizeof *f);

    if (f)
        f->enabled = value;
    return f;
}

static int fill_linux(struct oci_arena *arena, struct oci_features_linux *out)
{
    out->namespaces = list_names(arena, &oci_namespace_names, -1, &out->namespaces_n);
    out->capabilities = list_names(arena, &oci_capability_names, -1, &out->capabilities_n);
    out->cgroup = oci_alloc(arena, sizeof *out->cgroup);
    out->apparmor = flag(arena, yes);
    out->selinux = flag(arena, HAS_SELINUX ? yes : no);
    out->intel_rdt = oci_alloc(arena, sizeof *out->intel_rdt);
    out->mount_extensions = oci_alloc(arena, sizeof *out->mount_extensions);
    out->net_devices = flag(arena, no);
    if (!out->namespaces || !out->capabilities || !out->cgroup || !out->apparmor || !out->selinux ||
        !out->intel_rdt || !out->mount_extensions || !out->net_devices)
        return -1;
    *out->cgroup = (struct oci_features_cgroup){.v1 = yes,
                                                .v2 = yes,
                                                .systemd = HAS_SYSTEMD ? yes : no,
                                                .systemd_user = HAS_SYSTEMD ? yes : no,
                                                .rdma = yes};
    out->memory_policy = oci_alloc(arena, sizeof *out->memory_policy);
    if (!out->memory_policy)
        return -1;
    out->memory_policy->modes =
        list_names(arena, &oci_mpol_mode_names, -1, &out->memory_policy->modes_n);
    out->memory_policy->flags =
        list_names(arena, &oci_mpol_flag_names, -1, &out->memory_policy->flags_n);
    *out->intel_rdt = (struct oci_features_rdt){.enabled = no, .schemata = no, .monitoring = no};
    out->mount_extensions->idmap = flag(arena, no);
    return out->mount_extensions->idmap ? fill_seccomp(arena, out) : -1;
}

static int fill_annotations(struct oci_arena *arena, struct oci_features *out)
{
    const char *library = HAS_SECCOMP ? seccomp_library_version() : NULL;
    struct oci_pair *list = oci_alloc(arena, 4 * sizeof *list);
    size_t n = 0;

    if (!list)
        return -1;
    list[n++] = (struct oci_pair){"run.oci.ocirun.version", PACKAGE_VERSION};
    list[n++] = (struct oci_pair){"run.oci.ocirun.commit", OCIRUN_COMMIT};
    list[n++] = (struct oci_pair){"org.opencontainers.runc.checkpoint.enabled", "false"};
    if (library)
        list[n++] = (struct oci_pair){"io.github.seccomp.libseccomp.version", library};
    out->annotations = list;
    out->annotations_n = n;

    out->potentially_unsafe_config_annotations = oci_alloc(arena, 3 * sizeof(char *));
    if (!out->potentially_unsafe_config_annotations)
        return -1;
    out->potentially_unsafe_config_annotations[0] = "run.oci.";
    out->potentially_unsafe_config_annotations_n = 1;
    if (HAS_SYSTEMD)
        out->potentially_unsafe_config_annotations[out->potentially_unsafe_config_annotations_n++] =
            "org.systemd.property.";
    return 0;
}

int features_fill(struct oci_arena *arena, struct oci_features *out, struct err *err)
{
    out->oci_version_min = SPEC_MIN;
    out->oci_version_max = SPEC_MAX;
    out->hooks = list_names(arena, &oci_hook_kind_names, -1, &out->hooks_n);
    out->mount_options = list_mount_options(arena, &out->mount_options_n);
    out->linux_ = oci_alloc(arena, sizeof *out->linux_);
    if (!out->hooks || !out->mount_options || !out->linux_ || fill_linux(arena, out->linux_) < 0 ||
        fill_annotations(arena, out) < 0)
        return err_set(err, ENOMEM, "collect the features");
    return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * The configuration that `spec` writes. It is kept as constants that look like the document, and
 * copied into the arena, so that the caller may change what it likes.
 */
#include "ocispec.h"

#include <string.h>

static const char *const default_args[] = {"sh", NULL};
static const char *const default_env[] = {
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "TERM=xterm",
    NULL,
};

/* What a shell and a small server need, and no more. */
static const char *const default_capabilities[] = {
    "CAP_AUDIT_WRITE",
    "CAP_KILL",
    "CAP_NET_BIND_SERVICE",
    NULL,
};

enum { DEFAULT_NOFILE = 1024, OPTIONS_MAX = 8 };

struct default_mount {
    const char *destination, *type, *source;
    const char *options[OPTIONS_MAX];
};

/* clang-format off */
static const struct default_mount default_mounts[] = {
    { "/proc", "proc", "proc", { NULL } },
    { "/dev", "tmpfs", "tmpfs", { "nosuid", "strictatime", "mode=755", "size=65536k" } },
    { "/dev/pts", "devpts", "devpts",
      { "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5" } },
    { "/dev/shm", "tmpfs", "shm", { "nosuid", "noexec", "nodev", "mode=1777", "size=65536k" } },
    { "/dev/mqueue", "mqueue", "mqueue", { "nosuid", "noexec", "nodev" } },
    { "/sys", "sysfs", "sysfs", { "nosuid", "noexec", "nodev", "ro" } },
    { "/sys/fs/cgroup", "cgroup", "cgroup", { "nosuid", "noexec", "nodev", "relatime", "ro" } },
};
/* clang-format on */

/* With one id mapped there is no group 5, and without a network namespace of its own the kernel
 * refuses a fresh sysfs. */
static const struct default_mount rootless_devpts = {
    "/dev/pts",
    "devpts",
    "devpts",
    {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"}};
static const struct default_mount rootless_sys = {
    "/sys", "none", "/sys", {"rbind", "nosuid", "noexec", "nodev", "ro"}};

static const enum oci_namespace_type default_namespaces[] = {
    OCI_NS_PID, OCI_NS_NETWORK, OCI_NS_IPC, OCI_NS_UTS, OCI_NS_MOUNT, OCI_NS_CGROUP,
};
static const enum oci_namespace_type rootless_namespaces[] = {
    OCI_NS_PID, OCI_NS_IPC, OCI_NS_UTS, OCI_NS_MOUNT, OCI_NS_CGROUP, OCI_NS_USER,
};

/* Files of the kernel that tell a container about the host, or let it act on it. */
static const char *const default_masked_paths[] = {
    "/proc/acpi",
    "/proc/asound",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    NULL,
};
static const char *const default_readonly_paths[] = {
    "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger", NULL,
};

/* The array is copied, the strings are constants. */
static const char **copy_strings(struct oci_arena *arena, const char *const *strings, size_t *n)
{
    const char **copy;
    size_t count = 0;

    while (strings[count])
        count++;
    copy = oci_alloc(arena, (count + 1) * sizeof(*copy));
    if (copy)
        memcpy(copy, strings, count * sizeof(*copy));
    *n = count;
    return copy;
}

static struct oci_set capability_set(void)
{
    struct oci_set set = {.set = true};

    for (size_t i = 0; default_capabilities[i]; i++)
        set.bits |= UINT64_C(1) << oci_name_value(&oci_capability_names, default_capabilities[i]);
    return set;
}

static struct oci_process *default_process(struct oci_arena *arena)
{
    struct oci_process *process = oci_alloc(arena, sizeof(*process));

    if (!process)
        return NULL;
    process->capabilities = oci_alloc(arena, sizeof(*process->capabilities));
    process->rlimits = oci_alloc(arena, sizeof(*process->rlimits));
    process->args = copy_strings(arena, default_args, &process->args_n);
    process->env = copy_strings(arena, default_env, &process->env_n);
    if (!process->capabilities || !process->rlimits || !process->args || !process->env)
        return NULL;
    process->terminal = true;
    process->cwd = "/";
    process->capabilities->bounding = capability_set();
    process->capabilities->effective = capability_set();
    process->capabilities->permitted = capability_set();
    process->rlimits_n = 1;
    process->rlimits[0].type = OCI_RLIMIT_NOFILE;
    process->rlimits[0].soft = process->rlimits[0].hard = DEFAULT_NOFILE;
    process->no_new_privileges = true;
    return process;
}

static bool fill_mount(struct oci_arena *arena, struct oci_mount *mount,
                       const struct default_mount *from)
{
    mount->destination = from->destination;
    mount->type = from->type;
    mount->source = from->source;
    if (!from->options[0])
        return true;
    mount->options = copy_strings(arena, from->options, &mount->options_n);
    return mount->options;
}

static bool fill_mounts(struct oci_arena *arena, struct oci_config *config, bool rootless)
{
    const size_t n = sizeof(default_mounts) / sizeof(default_mounts[0]);

    config->mounts = oci_alloc(arena, n * sizeof(*config->mounts));
    if (!config->mounts)
        return false;
    config->mounts_n = n;
    for (size_t i = 0; i < n; i++) {
        const struct default_mount *from = &default_mounts[i];

        if (rootless && strcmp(from->destination, "/dev/pts") == 0)
            from = &rootless_devpts;
        else if (rootless && strcmp(from->destination, "/sys") == 0)
            from = &rootless_sys;
        if (!fill_mount(arena, &config->mounts[i], from))
            return false;
    }
    return true;
}

static bool fill_namespaces(struct oci_arena *arena, struct oci_linux *linux_,
                            const enum oci_namespace_type *types, size_t n)
{
    linux_->namespaces = oci_alloc(arena, n * sizeof(*linux_->namespaces));
    if (!linux_->namespaces)
        return false;
    linux_->namespaces_n = n;
    for (size_t i = 0; i < n; i++)
        linux_->namespaces[i].type = types[i];
    return true;
}

static struct oci_id_mapping *one_mapping(struct oci_arena *arena, uint32_t host_id, size_t *n)
{
    struct oci_id_mapping *mapping = oci_alloc(arena, sizeof(*mapping));

    if (!mapping)
        return NULL;
    mapping->host_id = host_id;
    mapping->size = 1;
    *n = 1;
    return mapping;
}

/* No device but those that the runtime always allows. */
static struct oci_resources *default_resources(struct oci_arena *arena)
{
    struct oci_resources *resources = oci_alloc(arena, sizeof(*resources));

    if (!resources)
        return NULL;
    resources->devices = oci_alloc(arena, sizeof(*resources->devices));
    if (!resources->devices)
        return NULL;
    resources->devices_n = 1;
    resources->devices[0].access = OCI_ACCESS_READ | OCI_ACCESS_WRITE | OCI_ACCESS_MKNOD;
    return resources;
}

static bool fill_linux(struct oci_arena *arena, struct oci_linux *linux_, bool rootless,
                       uint32_t uid, uint32_t gid)
{
    linux_->masked_paths = copy_strings(arena, default_masked_paths, &linux_->masked_paths_n);
    linux_->readonly_paths = copy_strings(arena, default_readonly_paths, &linux_->readonly_paths_n);
    if (!linux_->masked_paths || !linux_->readonly_paths)
        return false;
    if (!rootless) {
        linux_->resources = default_resources(arena);
        return linux_->resources &&
               fill_namespaces(arena, linux_, default_namespaces,
                               sizeof(default_namespaces) / sizeof(default_namespaces[0]));
    }
    linux_->uid_mappings = one_mapping(arena, uid, &linux_->uid_mappings_n);
    linux_->gid_mappings = one_mapping(arena, gid, &linux_->gid_mappings_n);
    return linux_->uid_mappings && linux_->gid_mappings &&
           fill_namespaces(arena, linux_, rootless_namespaces,
                           sizeof(rootless_namespaces) / sizeof(rootless_namespaces[0]));
}

struct oci_config *oci_default_config(struct oci_arena *arena, bool rootless, uint32_t uid,
                                      uint32_t gid)
{
    struct oci_config *config = oci_alloc(arena, sizeof(*config));

    if (!config)
        return NULL;
    config->oci_version = "1.3.0";
    config->hostname = "ocirun";
    config->process = default_process(arena);
    config->root = oci_alloc(arena, sizeof(*config->root));
    config->linux_ = oci_alloc(arena, sizeof(*config->linux_));
    if (!config->process || !config->root || !config->linux_)
        return NULL;
    config->root->path = "rootfs";
    config->root->readonly = true;
    if (!fill_mounts(arena, config, rootless) ||
        !fill_linux(arena, config->linux_, rootless, uid, gid))
        return NULL;
    return config;
}

const char *oci_annotation(const struct oci_config *config, const char *key)
{
    for (size_t i = 0; i < config->annotations_n; i++)
        if (strcmp(config->annotations[i].key, key) == 0)
            return config->annotations[i].value;
    return NULL;
}

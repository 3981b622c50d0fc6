/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * Rows of config.json outside "linux": the document itself, process, root, mounts and hooks
 * (config.md). The order of the rows is the order in which the encoder writes.
 */
#include "ocispec.h"
#include "tables.h"

/* ---- process: config.md#process -------------------------------------------------------------- */

static const struct oci_row box_rows[] = {
    OCI_U64(struct oci_box, height, "height", OCI_REQUIRED),
    OCI_U64(struct oci_box, width, "width", OCI_REQUIRED),
    OCI_END,
};
static const struct oci_table box_table =
    OCI_TABLE("process.consoleSize", struct oci_box, box_rows);

/* The specification requires uid and gid; absent means 0, as every runtime reads it. */
static const struct oci_row user_rows[] = {
    OCI_U32_RANGE(struct oci_user, uid, "uid", 0, OCI_ID_MAX, OCI_EMIT_ZERO),
    OCI_U32_RANGE(struct oci_user, gid, "gid", 0, OCI_ID_MAX, OCI_EMIT_ZERO),
    OCI_OPT_U64_RANGE(struct oci_user, umask, "umask", 0, 0777, 0),
    OCI_U32S(struct oci_user, additional_gids, "additionalGids", 0),
    OCI_STRING(struct oci_user, username, "username", 0),
    OCI_END,
};
static const struct oci_table user_table = OCI_TABLE("process.user", struct oci_user, user_rows);

#define CAPABILITIES(member, name)                                                                 \
    OCI_SET(struct oci_capabilities, member, name, oci_capability_names, OCI_UNKNOWN_WARNS)

static const struct oci_row capabilities_rows[] = {
    CAPABILITIES(bounding, "bounding"),       CAPABILITIES(effective, "effective"),
    CAPABILITIES(inheritable, "inheritable"), CAPABILITIES(permitted, "permitted"),
    CAPABILITIES(ambient, "ambient"),         OCI_END,
};
static const struct oci_table capabilities_table =
    OCI_TABLE("process.capabilities", struct oci_capabilities, capabilities_rows);

static const struct oci_row rlimit_rows[] = {
    OCI_ENUM(struct oci_rlimit, type, "type", oci_rlimit_names, OCI_REQUIRED),
    OCI_U64(struct oci_rlimit, hard, "hard", OCI_REQUIRED),
    OCI_U64(struct oci_rlimit, soft, "soft", OCI_REQUIRED),
    OCI_END,
};
static const struct oci_table rlimit_table =
    OCI_TABLE("process.rlimits[]", struct oci_rlimit, rlimit_rows);

static const struct oci_row scheduler_rows[] = {
    OCI_ENUM(struct oci_scheduler, policy, "policy", oci_sched_policy_names, OCI_REQUIRED),
    OCI_I32(struct oci_scheduler, nice, "nice", 0),
    OCI_I32(struct oci_scheduler, priority, "priority", 0),
    OCI_SET(struct oci_scheduler, flags, "flags", oci_sched_flag_names, 0),
    OCI_U64(struct oci_scheduler, runtime, "runtime", 0),
    OCI_U64(struct oci_scheduler, deadline, "deadline", 0),
    OCI_U64(struct oci_scheduler, period, "period", 0),
    OCI_END,
};
static const struct oci_table scheduler_table =
    OCI_TABLE("process.scheduler", struct oci_scheduler, scheduler_rows);

static const struct oci_row io_priority_rows[] = {
    OCI_ENUM(struct oci_io_priority, class, "class", oci_ioprio_class_names, OCI_REQUIRED),
    OCI_I32_RANGE(struct oci_io_priority, priority, "priority", 0, 7, OCI_REQUIRED),
    OCI_END,
};
static const struct oci_table io_priority_table =
    OCI_TABLE("process.ioPriority", struct oci_io_priority, io_priority_rows);

static const struct oci_row exec_cpu_affinity_rows[] = {
    OCI_STRING(struct oci_exec_cpu_affinity, initial, "initial", 0),
    OCI_STRING(struct oci_exec_cpu_affinity, final, "final", 0),
    OCI_END,
};
static const struct oci_table exec_cpu_affinity_table =
    OCI_TABLE("process.execCPUAffinity", struct oci_exec_cpu_affinity, exec_cpu_affinity_rows);

static const struct oci_row process_rows[] = {
    OCI_BOOL(struct oci_process, terminal, "terminal", 0),
    OCI_OBJECT(struct oci_process, console_size, "consoleSize", box_table, 0),
    OCI_INLINE(struct oci_process, user, "user", user_table, OCI_EMIT_ZERO),
    OCI_STRINGS(struct oci_process, args, "args", OCI_NOT_EMPTY),
    OCI_STRINGS(struct oci_process, env, "env", OCI_ENV_ENTRY),
    OCI_STRING(struct oci_process, cwd, "cwd", OCI_REQUIRED | OCI_ABSOLUTE),
    OCI_OBJECT(struct oci_process, capabilities, "capabilities", capabilities_table, 0),
    OCI_ARRAY(struct oci_process, rlimits, "rlimits", rlimit_table, OCI_UNIQUE),
    OCI_BOOL(struct oci_process, no_new_privileges, "noNewPrivileges", 0),
    OCI_STRING(struct oci_process, apparmor_profile, "apparmorProfile", 0),
    OCI_STRING(struct oci_process, selinux_label, "selinuxLabel", 0),
    OCI_OPT_I64_RANGE(struct oci_process, oom_score_adj, "oomScoreAdj", -1000, 1000, 0),
    OCI_OBJECT(struct oci_process, scheduler, "scheduler", scheduler_table, 0),
    OCI_OBJECT(struct oci_process, io_priority, "ioPriority", io_priority_table, 0),
    OCI_OBJECT(struct oci_process, exec_cpu_affinity, "execCPUAffinity", exec_cpu_affinity_table,
               0),
    OCI_END,
};
const struct oci_table oci_process_table = OCI_TABLE("process", struct oci_process, process_rows);

/* ---- root, mounts: config.md#root, #mounts -----------------------------------------------------
 */

static const struct oci_row root_rows[] = {
    OCI_STRING(struct oci_root, path, "path", OCI_REQUIRED | OCI_NOT_EMPTY),
    OCI_BOOL(struct oci_root, readonly, "readonly", 0),
    OCI_END,
};
static const struct oci_table root_table = OCI_TABLE("root", struct oci_root, root_rows);

static const struct oci_row id_mapping_rows[] = {
    OCI_U32(struct oci_id_mapping, container_id, "containerID", OCI_REQUIRED),
    OCI_U32(struct oci_id_mapping, host_id, "hostID", OCI_REQUIRED),
    OCI_U32_RANGE(struct oci_id_mapping, size, "size", 1, UINT32_MAX, OCI_REQUIRED),
    OCI_END,
};
const struct oci_table oci_id_mapping_table =
    OCI_TABLE("idMapping", struct oci_id_mapping, id_mapping_rows);

/* A destination that is not absolute is deprecated, not wrong. */
static const struct oci_row mount_rows[] = {
    OCI_STRING(struct oci_mount, destination, "destination", OCI_REQUIRED | OCI_NOT_EMPTY),
    OCI_STRING(struct oci_mount, type, "type", 0),
    OCI_STRING(struct oci_mount, source, "source", 0),
    OCI_STRINGS(struct oci_mount, options, "options", 0),
    OCI_ARRAY(struct oci_mount, uid_mappings, "uidMappings", oci_id_mapping_table, 0),
    OCI_ARRAY(struct oci_mount, gid_mappings, "gidMappings", oci_id_mapping_table, 0),
    OCI_END,
};
static const struct oci_table mount_table = OCI_TABLE("mounts[]", struct oci_mount, mount_rows);

/* ---- hooks: config.md#posix-platform-hooks ------------------------------------------------------
 */

static const struct oci_row hook_rows[] = {
    OCI_STRING(struct oci_hook, path, "path", OCI_REQUIRED | OCI_ABSOLUTE),
    OCI_STRINGS(struct oci_hook, args, "args", 0),
    OCI_STRINGS(struct oci_hook, env, "env", OCI_ENV_ENTRY),
    OCI_OPT_I64_RANGE(struct oci_hook, timeout, "timeout", 1, INT64_MAX, 0),
    OCI_END,
};
static const struct oci_table hook_table = OCI_TABLE("hooks.*[]", struct oci_hook, hook_rows);

static const struct oci_row hooks_rows[] = {
    OCI_ARRAY(struct oci_hooks, prestart, "prestart", hook_table, 0),
    OCI_ARRAY(struct oci_hooks, create_runtime, "createRuntime", hook_table, 0),
    OCI_ARRAY(struct oci_hooks, create_container, "createContainer", hook_table, 0),
    OCI_ARRAY(struct oci_hooks, start_container, "startContainer", hook_table, 0),
    OCI_ARRAY(struct oci_hooks, poststart, "poststart", hook_table, 0),
    OCI_ARRAY(struct oci_hooks, poststop, "poststop", hook_table, 0),
    OCI_END,
};
const struct oci_table oci_hooks_table = OCI_TABLE("hooks", struct oci_hooks, hooks_rows);

/* ---- the document: config.md
 * ---------------------------------------------------------------------- */

#define CONFIG_ROWS(linux_table)                                                                   \
    OCI_STRING(struct oci_config, oci_version, "ociVersion", OCI_REQUIRED | OCI_SEMVER),           \
        OCI_OBJECT(struct oci_config, process, "process", oci_process_table, 0),                   \
        OCI_OBJECT(struct oci_config, root, "root", root_table, OCI_REQUIRED),                     \
        OCI_STRING(struct oci_config, hostname, "hostname", 0),                                    \
        OCI_STRING(struct oci_config, domainname, "domainname", 0),                                \
        OCI_ARRAY(struct oci_config, mounts, "mounts", mount_table, 0),                            \
        OCI_OBJECT(struct oci_config, hooks, "hooks", oci_hooks_table, 0),                         \
        OCI_MAP(struct oci_config, annotations, "annotations", 0),                                 \
        OCI_OBJECT(struct oci_config, linux_, "linux", linux_table, 0)

static const struct oci_row config_rows[] = {CONFIG_ROWS(oci_linux_table), OCI_END};
const struct oci_table oci_config_table = OCI_TABLE("config", struct oci_config, config_rows);

static const struct oci_row config_inside_rows[] = {CONFIG_ROWS(oci_linux_inside_table), OCI_END};
const struct oci_table oci_config_inside_table =
    OCI_TABLE("config", struct oci_config, config_inside_rows);

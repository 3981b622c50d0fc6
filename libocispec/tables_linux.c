/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * Rows of "linux" in config.json (config-linux.md), but for its resources.
 */
#include "ocispec.h"
#include "tables.h"

static const struct oci_row namespace_rows[] = {
    OCI_ENUM(struct oci_namespace, type, "type", oci_namespace_names, OCI_REQUIRED),
    OCI_STRING(struct oci_namespace, path, "path", OCI_ABSOLUTE),
    OCI_END,
};
static const struct oci_table namespace_table =
    OCI_TABLE("linux.namespaces[]", struct oci_namespace, namespace_rows);

static const struct oci_row time_offset_rows[] = {
    OCI_I64(struct oci_time_offset, secs, "secs", 0),
    OCI_U32(struct oci_time_offset, nanosecs, "nanosecs", 0),
    OCI_END,
};
static const struct oci_table time_offset_table =
    OCI_TABLE("linux.timeOffsets.*", struct oci_time_offset, time_offset_rows);

static const struct oci_row time_offsets_rows[] = {
    OCI_OBJECT(struct oci_time_offsets, monotonic, "monotonic", time_offset_table, 0),
    OCI_OBJECT(struct oci_time_offsets, boottime, "boottime", time_offset_table, 0),
    OCI_END,
};
/* The members are names of clocks: an unknown one is a bad value, not an extension. */
static const struct oci_table time_offsets_table = {
    .name = "linux.timeOffsets",
    .size = sizeof(struct oci_time_offsets),
    .rows = time_offsets_rows,
    .closed = true,
};

/* The kernel's dev_t has 12 bits and 20 (linux/kdev_t.h): more would be another device. */
static const struct oci_row device_rows[] = {
    OCI_STRING(struct oci_device, path, "path", OCI_REQUIRED | OCI_ABSOLUTE),
    OCI_ENUM(struct oci_device, type, "type", oci_device_type_names, OCI_REQUIRED),
    OCI_OPT_I64_RANGE(struct oci_device, major, "major", 0, 0xfff, 0),
    OCI_OPT_I64_RANGE(struct oci_device, minor, "minor", 0, 0xfffff, 0),
    OCI_OPT_U64_RANGE(struct oci_device, file_mode, "fileMode", 0, UINT32_MAX, 0),
    OCI_OPT_U64_RANGE(struct oci_device, uid, "uid", 0, OCI_ID_MAX, 0),
    OCI_OPT_U64_RANGE(struct oci_device, gid, "gid", 0, OCI_ID_MAX, 0),
    OCI_END,
};
static const struct oci_table device_table =
    OCI_TABLE("linux.devices[]", struct oci_device, device_rows);

static const struct oci_row net_device_rows[] = {
    OCI_STRING(struct oci_net_device, name, "name", 0),
    OCI_END,
};
static const struct oci_table net_device_table =
    OCI_TABLE("linux.netDevices.*", struct oci_net_device, net_device_rows);

/* ---- seccomp: config-linux.md#seccomp ------------------------------------------------------- */

static const struct oci_row seccomp_arg_rows[] = {
    OCI_U32_RANGE(struct oci_seccomp_arg, index, "index", 0, 5, OCI_REQUIRED),
    OCI_U64(struct oci_seccomp_arg, value, "value", OCI_REQUIRED),
    OCI_U64(struct oci_seccomp_arg, value_two, "valueTwo", 0),
    OCI_ENUM(struct oci_seccomp_arg, op, "op", oci_seccomp_op_names, OCI_REQUIRED),
    OCI_END,
};
static const struct oci_table seccomp_arg_table =
    OCI_TABLE("linux.seccomp.syscalls[].args[]", struct oci_seccomp_arg, seccomp_arg_rows);

static const struct oci_row seccomp_rule_rows[] = {
    OCI_STRINGS(struct oci_seccomp_rule, names, "names", OCI_REQUIRED | OCI_NOT_EMPTY),
    OCI_ENUM(struct oci_seccomp_rule, action, "action", oci_seccomp_action_names, OCI_REQUIRED),
    OCI_OPT_U64_RANGE(struct oci_seccomp_rule, errno_ret, "errnoRet", 0, UINT32_MAX, 0),
    OCI_ARRAY(struct oci_seccomp_rule, args, "args", seccomp_arg_table, 0),
    OCI_END,
};
static const struct oci_table seccomp_rule_table =
    OCI_TABLE("linux.seccomp.syscalls[]", struct oci_seccomp_rule, seccomp_rule_rows);

static const struct oci_row seccomp_rows[] = {
    OCI_ENUM(struct oci_seccomp, default_action, "defaultAction", oci_seccomp_action_names,
             OCI_REQUIRED),
    OCI_OPT_U64_RANGE(struct oci_seccomp, default_errno_ret, "defaultErrnoRet", 0, UINT32_MAX, 0),
    OCI_ENUMS(struct oci_seccomp, architectures, "architectures", oci_seccomp_arch_names, 0),
    OCI_SET(struct oci_seccomp, flags, "flags", oci_seccomp_flag_names, 0),
    OCI_STRING(struct oci_seccomp, listener_path, "listenerPath", 0),
    OCI_STRING(struct oci_seccomp, listener_metadata, "listenerMetadata", 0),
    OCI_ARRAY(struct oci_seccomp, syscalls, "syscalls", seccomp_rule_table, 0),
    OCI_END,
};
const struct oci_table oci_seccomp_table =
    OCI_TABLE("linux.seccomp", struct oci_seccomp, seccomp_rows);

/* ---- intelRdt, memoryPolicy, personality ------------------------------------------------------
 */

/* A line feed in a schema would be a second line for the kernel. */
static const struct oci_row intel_rdt_rows[] = {
    OCI_STRING(struct oci_intel_rdt, clos_id, "closID", OCI_NOT_EMPTY),
    OCI_STRING(struct oci_intel_rdt, l3_cache_schema, "l3CacheSchema", OCI_NO_NEWLINE),
    OCI_ROW_(struct oci_intel_rdt, mem_bw_schema, "memBwSchema", OCI_KIND_STRING, OCI_NO_NEWLINE,
             .prefix = "MB:"),
    OCI_STRINGS(struct oci_intel_rdt, schemata, "schemata", OCI_NO_NEWLINE),
    OCI_BOOL(struct oci_intel_rdt, enable_monitoring, "enableMonitoring", 0),
    OCI_END,
};
static const struct oci_table intel_rdt_table =
    OCI_TABLE("linux.intelRdt", struct oci_intel_rdt, intel_rdt_rows);

static const struct oci_row memory_policy_rows[] = {
    OCI_ENUM(struct oci_memory_policy, mode, "mode", oci_mpol_mode_names, OCI_REQUIRED),
    OCI_STRING(struct oci_memory_policy, nodes, "nodes", 0),
    OCI_SET(struct oci_memory_policy, flags, "flags", oci_mpol_flag_names, 0),
    OCI_END,
};
static const struct oci_table memory_policy_table =
    OCI_TABLE("linux.memoryPolicy", struct oci_memory_policy, memory_policy_rows);

static const struct oci_row personality_rows[] = {
    OCI_ENUM(struct oci_personality, domain, "domain", oci_personality_names, OCI_REQUIRED),
    OCI_STRINGS(struct oci_personality, flags, "flags", OCI_EMPTY),
    OCI_END,
};
static const struct oci_table personality_table =
    OCI_TABLE("linux.personality", struct oci_personality, personality_rows);

/* ---- linux
 * ---------------------------------------------------------------------------------------- */

/* What is carried out inside the container; the rest of the object is the host's alone. */
#define INSIDE_ROWS                                                                                \
    OCI_ARRAY(struct oci_linux, uid_mappings, "uidMappings", oci_id_mapping_table, 0),             \
        OCI_ARRAY(struct oci_linux, gid_mappings, "gidMappings", oci_id_mapping_table, 0),         \
        OCI_MAP(struct oci_linux, sysctl, "sysctl", 0),                                            \
        OCI_ARRAY(struct oci_linux, namespaces, "namespaces", namespace_table, OCI_UNIQUE),        \
        OCI_ARRAY(struct oci_linux, devices, "devices", device_table, 0),                          \
        OCI_ENUM(struct oci_linux, rootfs_propagation, "rootfsPropagation", oci_propagation_names, \
                 0),                                                                               \
        OCI_STRINGS(struct oci_linux, masked_paths, "maskedPaths", OCI_ABSOLUTE_EACH),             \
        OCI_STRINGS(struct oci_linux, readonly_paths, "readonlyPaths", OCI_ABSOLUTE_EACH),         \
        OCI_STRING(struct oci_linux, mount_label, "mountLabel", 0),                                \
        OCI_OBJECT(struct oci_linux, memory_policy, "memoryPolicy", memory_policy_table, 0),       \
        OCI_OBJECT(struct oci_linux, personality, "personality", personality_table, 0),            \
        OCI_OBJECT(struct oci_linux, time_offsets, "timeOffsets", time_offsets_table, 0)

static const struct oci_row linux_rows[] = {
    OCI_OBJECT(struct oci_linux, resources, "resources", oci_resources_table, 0),
    OCI_STRING(struct oci_linux, cgroups_path, "cgroupsPath", 0),
    INSIDE_ROWS,
    OCI_OBJECTS(struct oci_linux, net_devices, "netDevices", net_device_table, 0),
    OCI_OBJECT(struct oci_linux, seccomp, "seccomp", oci_seccomp_table, 0),
    OCI_OBJECT(struct oci_linux, intel_rdt, "intelRdt", intel_rdt_table, 0),
    OCI_END,
};
const struct oci_table oci_linux_table = OCI_TABLE("linux", struct oci_linux, linux_rows);

static const struct oci_row linux_inside_rows[] = {INSIDE_ROWS, OCI_END};
const struct oci_table oci_linux_inside_table =
    OCI_TABLE("linux", struct oci_linux, linux_inside_rows);

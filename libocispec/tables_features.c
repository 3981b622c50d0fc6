/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * Rows of the features document (features.md, features-linux.md). Absent means "not known", which
 * is not the same as false or empty: hence optional booleans, and arrays that are NULL or empty.
 */
#include "ocispec.h"

static const struct oci_row flag_rows[] = {
    OCI_OPT_BOOL(struct oci_features_flag, enabled, "enabled", 0),
    OCI_END,
};
static const struct oci_table flag_table =
    OCI_TABLE("linux.*", struct oci_features_flag, flag_rows);

static const struct oci_row cgroup_rows[] = {
    OCI_OPT_BOOL(struct oci_features_cgroup, v1, "v1", 0),
    OCI_OPT_BOOL(struct oci_features_cgroup, v2, "v2", 0),
    OCI_OPT_BOOL(struct oci_features_cgroup, systemd, "systemd", 0),
    OCI_OPT_BOOL(struct oci_features_cgroup, systemd_user, "systemdUser", 0),
    OCI_OPT_BOOL(struct oci_features_cgroup, rdma, "rdma", 0),
    OCI_END,
};
static const struct oci_table cgroup_table =
    OCI_TABLE("linux.cgroup", struct oci_features_cgroup, cgroup_rows);

static const struct oci_row seccomp_rows[] = {
    OCI_OPT_BOOL(struct oci_features_seccomp, enabled, "enabled", 0),
    OCI_STRINGS(struct oci_features_seccomp, actions, "actions", 0),
    OCI_STRINGS(struct oci_features_seccomp, operators, "operators", 0),
    OCI_STRINGS(struct oci_features_seccomp, archs, "archs", 0),
    OCI_STRINGS(struct oci_features_seccomp, known_flags, "knownFlags", 0),
    OCI_STRINGS(struct oci_features_seccomp, supported_flags, "supportedFlags", 0),
    OCI_END,
};
static const struct oci_table seccomp_table =
    OCI_TABLE("linux.seccomp", struct oci_features_seccomp, seccomp_rows);

static const struct oci_row rdt_rows[] = {
    OCI_OPT_BOOL(struct oci_features_rdt, enabled, "enabled", 0),
    OCI_OPT_BOOL(struct oci_features_rdt, schemata, "schemata", 0),
    OCI_OPT_BOOL(struct oci_features_rdt, monitoring, "monitoring", 0),
    OCI_END,
};
static const struct oci_table rdt_table =
    OCI_TABLE("linux.intelRdt", struct oci_features_rdt, rdt_rows);

static const struct oci_row memory_policy_rows[] = {
    OCI_STRINGS(struct oci_features_memory_policy, modes, "modes", 0),
    OCI_STRINGS(struct oci_features_memory_policy, flags, "flags", 0),
    OCI_END,
};
static const struct oci_table memory_policy_table =
    OCI_TABLE("linux.memoryPolicy", struct oci_features_memory_policy, memory_policy_rows);

static const struct oci_row mount_extensions_rows[] = {
    OCI_OBJECT(struct oci_features_mount_extensions, idmap, "idmap", flag_table, 0),
    OCI_END,
};
static const struct oci_table mount_extensions_table =
    OCI_TABLE("linux.mountExtensions", struct oci_features_mount_extensions, mount_extensions_rows);

static const struct oci_row linux_rows[] = {
    OCI_STRINGS(struct oci_features_linux, namespaces, "namespaces", 0),
    OCI_STRINGS(struct oci_features_linux, capabilities, "capabilities", 0),
    OCI_OBJECT(struct oci_features_linux, cgroup, "cgroup", cgroup_table, 0),
    OCI_OBJECT(struct oci_features_linux, seccomp, "seccomp", seccomp_table, 0),
    OCI_OBJECT(struct oci_features_linux, apparmor, "apparmor", flag_table, 0),
    OCI_OBJECT(struct oci_features_linux, selinux, "selinux", flag_table, 0),
    OCI_OBJECT(struct oci_features_linux, intel_rdt, "intelRdt", rdt_table, 0),
    OCI_OBJECT(struct oci_features_linux, memory_policy, "memoryPolicy", memory_policy_table, 0),
    OCI_OBJECT(struct oci_features_linux, mount_extensions, "mountExtensions",
               mount_extensions_table, 0),
    OCI_OBJECT(struct oci_features_linux, net_devices, "netDevices", flag_table, 0),
    OCI_END,
};
static const struct oci_table linux_table =
    OCI_TABLE("linux", struct oci_features_linux, linux_rows);

static const struct oci_row features_rows[] = {
    OCI_STRING(struct oci_features, oci_version_min, "ociVersionMin", OCI_REQUIRED),
    OCI_STRING(struct oci_features, oci_version_max, "ociVersionMax", OCI_REQUIRED),
    OCI_STRINGS(struct oci_features, hooks, "hooks", 0),
    OCI_STRINGS(struct oci_features, mount_options, "mountOptions", 0),
    OCI_OBJECT(struct oci_features, linux_, "linux", linux_table, 0),
    OCI_MAP(struct oci_features, annotations, "annotations", 0),
    OCI_STRINGS(struct oci_features, potentially_unsafe_config_annotations,
                "potentiallyUnsafeConfigAnnotations", 0),
    OCI_END,
};
const struct oci_table oci_features_table =
    OCI_TABLE("features", struct oci_features, features_rows);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * Rows of the state object (runtime.md#state) in the order in which engines are used to see them.
 */
#include "ocispec.h"

static const struct oci_row state_rows[] = {
    OCI_STRING(struct oci_state, oci_version, "ociVersion", OCI_REQUIRED),
    OCI_STRING(struct oci_state, id, "id", OCI_REQUIRED | OCI_NOT_EMPTY),
    OCI_OPT_I64_RANGE(struct oci_state, pid, "pid", 0, INT32_MAX, 0),
    OCI_ENUM(struct oci_state, status, "status", oci_status_names, OCI_REQUIRED),
    OCI_STRING(struct oci_state, bundle, "bundle", OCI_REQUIRED | OCI_ABSOLUTE),
    OCI_STRING(struct oci_state, rootfs, "rootfs", 0),
    OCI_STRING(struct oci_state, root, "root", 0),
    OCI_STRING(struct oci_state, created, "created", 0),
    OCI_MAP(struct oci_state, annotations, "annotations", 0),
    OCI_STRING(struct oci_state, owner, "owner", 0),
    OCI_OPT_I64(struct oci_state, exit_status, "exitStatus", 0),
    OCI_OPT_BOOL(struct oci_state, oom_killed, "oomKilled", 0),
    OCI_END,
};
const struct oci_table oci_state_table = OCI_TABLE("state", struct oci_state, state_rows);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * Rows of the cgroup part of state.json. Descriptors that a place keeps open have no row: a record
 * that was decoded starts with none.
 */
#include "cgroup/cgroup.h"

static const struct oci_name driver_list[] = {
    {"cgroupfs", CGROUP_CGROUPFS},
    {"systemd", CGROUP_SYSTEMD},
    {"disabled", CGROUP_DISABLED},
    {NULL, 0},
};
const struct oci_names cgroup_driver_names = {.what = "cgroup driver", .list = driver_list};

static const struct oci_row place_rows[] = {
    OCI_STRING(struct cgroup_place, controllers, "controllers", 0),
    OCI_STRING(struct cgroup_place, mount, "mount", OCI_REQUIRED | OCI_ABSOLUTE),
    OCI_STRING(struct cgroup_place, path, "path", OCI_REQUIRED | OCI_ABSOLUTE),
    OCI_BOOL(struct cgroup_place, created, "created", 0),
    OCI_BOOL(struct cgroup_place, v2, "v2", 0),
    OCI_END,
};
static const struct oci_table place_table =
    OCI_TABLE("cgroup.places[]", struct cgroup_place, place_rows);

static const struct oci_row record_rows[] = {
    OCI_ENUM(struct cgroup_record, driver, "driver", cgroup_driver_names, 0),
    OCI_ARRAY(struct cgroup_record, places, "places", place_table, 0),
    OCI_STRING(struct cgroup_record, unit, "unit", 0),
    OCI_STRING(struct cgroup_record, bus, "bus", 0),
    OCI_STRING(struct cgroup_record, inner, "inner", 0),
    OCI_END,
};
const struct oci_table cgroup_record_table = OCI_TABLE("cgroup", struct cgroup_record, record_rows);

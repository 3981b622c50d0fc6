/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the table files share among themselves; not for users of the library. */
#ifndef OCISPEC_TABLES_H
#define OCISPEC_TABLES_H

#include "rows.h"

extern const struct oci_table oci_id_mapping_table;
extern const struct oci_table oci_hooks_table;
extern const struct oci_table oci_linux_table;
extern const struct oci_table oci_linux_inside_table;
extern const struct oci_table oci_seccomp_table;

extern const struct oci_names oci_ioprio_class_names;
extern const struct oci_names oci_device_type_names;
extern const struct oci_names oci_rule_type_names;
extern const struct oci_names oci_propagation_names;
extern const struct oci_names oci_personality_names;

#endif

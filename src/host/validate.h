/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Checks that need more than one member, run before any side effect. */
#ifndef HOST_VALIDATE_H
#define HOST_VALIDATE_H

#include "base/err.h"
#include "host/bundle.h"
#include "host/container.h"

/**
 * validate_config - every check over several members, and what this version cannot carry out yet
 * @detach: nobody will be there to hold a terminal: it needs a console socket
 * The error names file, line, column and member.
 */
int validate_config(const struct runtime *rt, const struct bundle *b,
                    const struct create_options *o, bool detach, struct err *err);

/** validate_namespaces - bits of enum oci_namespace_type that are configured, own or joined */
uint32_t validate_namespaces(const struct oci_config *config);

/** validate_namespace - the entry of a type, or NULL */
const struct oci_namespace *validate_namespace(const struct oci_config *config,
                                               enum oci_namespace_type type);

#endif

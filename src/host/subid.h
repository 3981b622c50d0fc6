/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* /etc/subuid and /etc/subgid, read to explain what newuidmap(1) and newgidmap(1) refuse. */
#ifndef HOST_SUBID_H
#define HOST_SUBID_H

#include "base/err.h"
#include "libocispec/ocispec.h"

/**
 * subid_missing - how much of a range is not granted
 * @text:  content of the file: lines NAME:FIRST:COUNT
 * @name:  login name, or NULL; @uid: the lines may name either
 * @first: the range's first id; moved behind what is granted
 * @count: its length
 * Returns what is left of @count: 0 when all of it is granted. Adjacent lines add up.
 * Source: subuid(5).
 */
uint32_t subid_missing(const char *text, const char *name, uint32_t uid, uint32_t *first,
                       uint32_t count);

/**
 * subid_explain - say which mapping the caller has no right to
 * @file:   "/etc/subuid" or "/etc/subgid"
 * @member: "linux.uidMappings" or "linux.gidMappings"
 * @own:    the caller's own id, which needs no grant when mapped alone
 * Returns whether the reason was found: @err is filled then, else left alone (the ranges may come
 * from elsewhere: nsswitch.conf(5), subid).
 */
bool subid_explain(const char *file, const char *member, const struct oci_id_mapping *maps,
                   size_t n, uint32_t own, struct err *err);

#endif

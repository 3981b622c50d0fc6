/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* update: new limits for a container that exists. */
#ifndef HOST_UPDATE_H
#define HOST_UPDATE_H

#include "libocispec/ocispec.h"

/**
 * update_merge - what holds after an update, and what has to be written for it. Pure.
 * @base:    what holds now; overwritten with what will hold. Pointers of @changes are shared.
 * @changes: what is present in it replaces the member of @base; the rest is kept. 0 means absent
 *           for the members in which config.json means that by it (limits of memory, shares, …).
 * @out:     @changes, with the members of @base that are written together with them: limit and
 *           swap, quota, period and burst. A device list that says what @base has is left out.
 * @arena:   owns what is made new
 * Returns 0, or -1 when memory is exhausted.
 */
int update_merge(struct oci_resources *base, const struct oci_resources *changes,
                 struct oci_resources *out, struct oci_arena *arena);

#endif

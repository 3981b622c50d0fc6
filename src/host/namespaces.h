/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The namespaces of a container as the host side handles them: opened, planned, and, where mounts
 * were made outside a namespace of the container's own, cleaned. */
#ifndef HOST_NAMESPACES_H
#define HOST_NAMESPACES_H

#include "host/create.h"

/** namespaces_plan - open those that are joined (type checked), fill c->spawn.plan, its fds, the
 * flags of the set-up and what the record says about them */
int namespaces_plan(struct creation *c, struct err *err);

/** namespaces_is_own - whether the namespace at @path is the one that we are in ourselves */
bool namespaces_is_own(enum oci_namespace_type type, const char *path);

/**
 * namespaces_open - the namespaces of a running container, for exec without pidfds
 * @fds: OCI_NS_COUNT - 1 slots by type, from OCI_NS_PID on; those of @record are filled, the
 * caller's
 */
int namespaces_open(const struct record *record, int *fds, struct err *err);

/** namespaces_unmount - take away the mounts that were made for a container without a mount
 * namespace of its own: everything hangs below the rootfs' own mount, which is detached. No error
 * if it is gone. */
int namespaces_unmount(const struct record *record, struct err *err);

/** namespaces_mount_id - id of the mount that @fd lies on (statx(2), Linux 5.8), 0: unknown */
uint64_t namespaces_mount_id(int fd);

#endif

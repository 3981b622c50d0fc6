/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which kernel parameters a container may set: those that belong to a namespace it has. The host
 * side checks with sysctl_check() before anything is created; init writes them.
 */
#ifndef BASE_SYSCTL_H
#define BASE_SYSCTL_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

/**
 * sysctl_path - the file of a parameter, below /proc/sys
 * @key:  "net.ipv4.ip_forward" or "net/ipv4/ip_forward". As in sysctl.d(5) the first separator
 * decides: after a dot a slash stands for a dot ("net.ipv4.conf.eth0/100.forwarding") and dots in a
 *        key of slashes are literal
 * @path: filled with "net/ipv4/ip_forward"
 *
 * Returns 0; -1 (EINVAL) for empty components, "." and "..", or what does not fit.
 */
int sysctl_path(const char *key, char *path, size_t size, struct err *err);

/**
 * sysctl_check - whether a container may set @key
 * @namespaces: bit 1 << enum oci_namespace_type for each namespace that the container does not
 * share with the host (struct protocol_setup.namespaces)
 *
 * Allowed: kernel.{msgmax,msgmnb,msgmni,sem,shmall,shmmax,shmmni,shm_rmid_forced} and fs.mqueue.*
 * with an ipc namespace, net.* with a network namespace, kernel.domainname with a uts namespace,
 * user.* with a user namespace. kernel.hostname is refused: the configuration has `hostname`.
 *
 * Returns 0, or -1 with the namespace that is missing in the text.
 * Source: config-linux.md#sysctl, sysctl(5), namespaces(7).
 */
int sysctl_check(const char *key, uint32_t namespaces, struct err *err);

#endif

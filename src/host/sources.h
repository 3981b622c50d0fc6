/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Mount sources: what the host side opens, because only it sees the machine, and hands to init. */
#ifndef HOST_SOURCES_H
#define HOST_SOURCES_H

#include "base/err.h"
#include "host/bundle.h"

#include <stdbool.h>

/**
 * sources_rootfs - detached clone of the rootfs with everything below it, slave of its peer group
 * @shared: keep it in its peer group (rootfsPropagation shared)
 * Returns the fd; -1 with errnum EPERM when the caller may not (init does it then).
 */
int sources_rootfs(const struct bundle *b, bool shared, struct err *err);

/**
 * sources_send - open and send all sources, in batches, ending with SOURCE_END
 * @privileged: false: init opens the bind sources; only SOURCE_END is sent
 * @bind_devices: devices come as mounts, too
 * @notify: directory fd for sd_notify, or -1
 */
int sources_send(int sock, const struct bundle *b, bool privileged, bool bind_devices, int notify,
                 struct err *err);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The file that the child executes to become init. */
#ifndef HOST_IMAGE_H
#define HOST_IMAGE_H

#include "base/err.h"

/**
 * image_open - a handle of init's executable through which nobody can write to it
 *
 * The small ocirun-init of the same build where there is one, otherwise the runtime's own file.
 * Returns an O_PATH descriptor in a detached read-only mount, or one of a sealed memfd; -1 on
 * failure. While it is open anywhere, CAP_SYS_ADMIN can make the mount writable again through
 * /proc/PID/exe: close it before anybody of a container can see the process that executed it.
 */
int image_open(struct err *err);

#endif

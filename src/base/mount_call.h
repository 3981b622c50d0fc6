/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of base/mount.h share: the old call, and what stands for what in it. */
#ifndef BASE_MOUNT_CALL_H
#define BASE_MOUNT_CALL_H

#include "base/mount.h"

#include <stdbool.h>
#include <stdint.h>

#ifndef MOUNT_ATTR__ATIME
#define MOUNT_ATTR__ATIME 0x00000070
#endif

/** mount_call_is_missing - whether @errnum may mean that there is no such call: an old kernel, or a
 * filter */
bool mount_call_is_missing(int errnum);

/** mount_move_is_missing - whether move_mount(2) is (errno says how): without it nothing that is
 * made apart from the tree can be attached, so that it is not to be made. Asked once, if it is
 * there. */
bool mount_move_is_missing(void);

/** mount_attr_to_ms - MOUNT_ATTR_* as MS_* */
unsigned long mount_attr_to_ms(uint64_t attr);

/** mount_current_attr - what the mount at @fd has now. strictatime shows as the absence of
 * ST_RELATIME (0x1000). -1 with errno */
int mount_current_attr(int fd, uint64_t *attr);

/** mount_id - id of the mount that @fd lies on, as in mountinfo, or -1: the kernels that need the
 * substitutes may not have it in statx(2) */
long mount_id(int procfs, int fd);

/** mount_on_fd - mount(2) with fds in place of paths; @source_fd -1: @source as it is. -1 with
 * errno; ENOSYS without a @procfs */
int mount_on_fd(int procfs, int source_fd, const char *source, int target, const char *type,
                unsigned long flags, const void *data);

#endif

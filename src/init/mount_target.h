/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where a mount goes: the target's fd, and whether the mount may be there. */
#ifndef INIT_MOUNT_TARGET_H
#define INIT_MOUNT_TARGET_H

#include "init/init.h"

/* The target of one mount. */
struct mount_target {
    int fd;    /* O_PATH */
    bool made; /* its last component was created */
    bool is_dir;
    mode_t mode;     /* permission bits of what is covered */
    char path[4096]; /* the destination, cleaned as text: absolute, without "//", "/./" and "/" at
                        the end */
};

/**
 * mount_target_open - open (and create) the target of a mount, and hold the rules of what may be
 * where
 * @m, @o:   the mount and its options
 * @source:  bind: fd of the source; -1 otherwise
 * @dir:     whether a missing target is created as a directory
 * Rules: nothing on "/"; proc and sysfs on real directories only, reached by their own name; on and
 * in /proc only what does not hide or fake kernel files (see mount_target.c).
 */
int mount_target_open(struct init *in, const struct oci_mount *m, const struct mount_options *o,
                      int source, bool dir, struct mount_target *out, struct err *err);

/** mount_target_clean - the textual normal form of a destination; false if it does not fit */
bool mount_target_clean(const char *path, char *buf, size_t size);

#endif

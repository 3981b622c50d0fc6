/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Paths inside a rootfs. The rootfs may be hostile and may change while it is looked at, so no path
 * in it is ever used twice: it is resolved once, into an fd, and everything afterwards is done to
 * the fd.
 */
#ifndef BASE_PATH_H
#define BASE_PATH_H

#include "base/err.h"

#include <sys/types.h>

/**
 * path_own_root - the root directory that this process has now, as an O_PATH fd
 * The one absolute path whose meaning nobody else decides: "/" leads through no directory. Returns
 * -1 with errno set.
 */
int path_own_root(void);

/**
 * path_open_in_root - open a path as a process rooted at @root would see it
 * @root:  directory fd of the rootfs
 * @path:  absolute or relative; ".." and links stay inside @root
 * @flags: open(2) flags; O_CLOEXEC and O_NOCTTY are added
 * @err:   filled on failure
 *
 * Magic links are refused. Nothing is created: see path_make_in_root(). With O_NOFOLLOW the
 * last component is not followed.
 *
 * Returns a new fd, or -1. ELOOP, ENOENT, ENOTDIR and EACCES are reported as the kernel gives them.
 * Source: openat2(2), RESOLVE_IN_ROOT.
 */
int path_open_in_root(int root, const char *path, int flags, struct err *err);

/**
 * path_walk_in_root - the same, component by component in user space: for kernels or filters
 * without openat2 and for lookups that EAGAIN keeps from succeeding. Public for its tests.
 */
int path_walk_in_root(int root, const char *path, int flags, struct err *err);

/** What path_make_in_root() creates when the last component is missing. */
enum path_kind { PATH_DIR, PATH_FILE };

/**
 * path_make_in_root - open a mount target, creating what is missing
 * @root: directory fd of the rootfs
 * @path: as above
 * @kind: PATH_DIR: a directory with @mode; PATH_FILE: an empty regular file with @mode
 * @mode: permission bits of the last component when it is created (missing parents: 0755)
 * @made: NULL, or set to whether the last component was created
 *
 * A dangling link in the missing tail is expanded inside @root and the file is made where it
 * points. The existing target may be of any type: the caller checks (ENOTDIR is the kernel's word
 * for a directory on a file). Parents are made relative to directory fds, with O_NOFOLLOW.
 *
 * Returns an O_PATH fd of the target, or -1.
 */
int path_make_in_root(int root, const char *path, enum path_kind kind, mode_t mode, bool *made,
                      struct err *err);

/**
 * path_make_parent_in_root - open the directory that holds the last component of @path, creating
 * missing directories (0755)
 * @name: set to the last component (points into @path); never "", "." or ".." (EINVAL)
 * Used where the last component itself is made by mknodat, symlinkat, …
 * Returns an O_PATH directory fd usable as dirfd, or -1.
 */
int path_make_parent_in_root(int root, const char *path, const char **name, struct err *err);

/**
 * path_open_beneath - open @path below @dir: no magic links, no symlinks out, no other filesystem
 * For procfs, sysfs and cgroupfs handles: RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV
 * | RESOLVE_NO_SYMLINKS; without openat2, the walk checks st_dev and symlinks by itself.
 */
int path_open_beneath(int dir, const char *path, int flags, struct err *err);

#endif

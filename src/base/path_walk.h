/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the two files of base/path.h share: the walk by component, and openat2(2) before it. */
#ifndef BASE_PATH_WALK_H
#define BASE_PATH_WALK_H

#include "base/path.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define DEPTH_MAX 1024

struct walk {
    int fds[DEPTH_MAX]; /* fds[0] is the root and not ours */
    size_t depth;       /* index of the directory where we are */
    char rest[2 * PATH_MAX];
    const char *at; /* what of .rest is still to be walked */
    unsigned links, races;
    bool create, made;
    enum path_kind kind;
    mode_t mode;
};

struct component {
    char name[NAME_MAX + 1];
    bool last;  /* nothing but slashes follows */
    bool slash; /* and there are some */
};

/** path_walk_fail - set errno; returns -1 */
int path_walk_fail(int errnum);

/** path_walk_start - begin to walk @path, @len bytes of it, from @root; -1 with errno */
int path_walk_start(struct walk *w, int root, const char *path, size_t len);

/** path_walk_next - take the next component off the rest; 0 at the end, -1 with errno */
int path_walk_next(struct walk *w, struct component *c);

/** path_openat2 - returns the fd, or -1; *@walk tells that it is no answer and the walk has to find
 * one */
int path_openat2(int dir, const char *path, int flags, uint64_t resolve, bool *walk);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The bundle: config.json read once, decoded, with the runtime's own additions merged in. */
#ifndef HOST_BUNDLE_H
#define HOST_BUNDLE_H

#include "base/err.h"
#include "libocispec/ocispec.h"

struct bundle {
    char *path; /* absolute, resolved */
    int dir;    /* its directory fd */
    char *file; /* name of the configuration as given, for messages */
    char *text; /* the document as read: the snapshot */
    size_t len;
    struct oci_arena *arena;
    struct oci_config config;
    char *rootfs;  /* absolute, resolved */
    int rootfs_fd; /* O_PATH */
};
#define BUNDLE_INIT                                                                                \
    {                                                                                              \
        .dir = -1, .rootfs_fd = -1                                                                 \
    }

/**
 * bundle_open - read and decode
 * @path: NULL: the current directory; @file: NULL: config.json, relative to the bundle
 * The error is "FILE:LINE:COLUMN: PATH: …".
 */
int bundle_open(const char *path, const char *file, struct bundle *b, struct err *err);

/** bundle_rootfs - resolve root.path and open it (must be a directory) */
int bundle_rootfs(struct bundle *b, struct err *err);

void bundle_close(struct bundle *b);

/** bundle_fail - an error about a member: "config.json:LINE:COLUMN: PATH: TEXT". Returns -1. */
int bundle_fail(const struct bundle *b, struct err *err, const char *path, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif

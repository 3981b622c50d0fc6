/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * config.json is read exactly once; what was read is also what is stored as the snapshot that init,
 * exec and update use, so that a later change of the file has no effect (runtime.md#create).
 */
#include "host/bundle.h"

#include "base/fd.h"
#include "base/log.h"
#include "base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONFIG_MAX (16 << 20)

static void warn(void *data, const struct oci_diag *diag)
{
    char text[1024];

    oci_diag_format(diag, data, text, sizeof text);
    log_warning("%s", text);
}

static int read_config(struct bundle *b, struct err *err)
{
    _cleanup_close_ int fd = openat(b->dir, b->file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat st;

    if (fd < 0) {
        err_errno(err, "open %s in the bundle %s", b->file, b->path);
        if (err->errnum == ENOENT)
            err_hint(err, "\"ocirun spec\" writes one");
        return -1;
    }
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return err_set(err, 0, "%s in the bundle %s is not a regular file", b->file, b->path);
    return fd_read_all(fd, CONFIG_MAX, &b->text, &b->len, err);
}

/* Of a path that the record and the state would have: nobody could read them again. */
#define NOT_UTF8 "is not valid UTF-8, as the state, which names it, has to be"

int bundle_open(const char *path, const char *file, struct bundle *b, struct err *err)
{
    struct oci_diag diag;
    char text[1024];

    b->path = realpath(path ? path : ".", NULL);
    b->file = strdup(file ? file : "config.json");
    b->arena = oci_arena_new();
    if (!b->path)
        return err_errno(err, "bundle %s", path ? path : ".");
    if (!b->file || !b->arena)
        return err_set(err, ENOMEM, "bundle %s", b->path);
    if (!oci_is_utf8(b->path, strlen(b->path)))
        return err_set(err, 0, "bundle %s: " NOT_UTF8, b->path);
    b->dir = open(b->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (b->dir < 0)
        return err_errno(err, "bundle %s", b->path);
    if (read_config(b, err) < 0)
        return -1;
    if (oci_decode(&oci_config_table, &b->config, b->text, b->len, b->arena, warn, b->file, &diag) <
        0) {
        oci_diag_format(&diag, b->file, text, sizeof text);
        err_set(err, 0, "%s", text);
        return err_object(err, "%s", diag.path);
    }
    return 0;
}

int bundle_rootfs(struct bundle *b, struct err *err)
{
    const struct oci_root *root = b->config.root;
    _cleanup_free_ char *path = NULL;

    if (!root)
        return bundle_fail(b, err, "root", "member is missing");
    if (root->path[0] == '/')
        path = strdup(root->path);
    else if (asprintf(&path, "%s/%s", b->path, root->path) < 0)
        path = NULL;
    if (!path)
        return err_set(err, ENOMEM, "root.path");
    b->rootfs = realpath(path, NULL);
    if (!b->rootfs)
        return bundle_fail(b, err, "root.path", "%s: %s", path, strerror(errno));
    if (!oci_is_utf8(b->rootfs, strlen(b->rootfs)))
        return bundle_fail(b, err, "root.path", "%s: " NOT_UTF8, b->rootfs);
    b->rootfs_fd = open(b->rootfs, O_PATH | O_CLOEXEC | O_DIRECTORY);
    if (b->rootfs_fd < 0)
        return bundle_fail(b, err, "root.path", "%s: %s", b->rootfs, strerror(errno));
    return 0;
}

void bundle_close(struct bundle *b)
{
    free(b->path);
    free(b->file);
    free(b->text);
    free(b->rootfs);
    fd_close(b->dir);
    fd_close(b->rootfs_fd);
    oci_arena_free(b->arena);
    *b = (struct bundle)BUNDLE_INIT;
}

int bundle_fail(const struct bundle *b, struct err *err, const char *path, const char *format, ...)
{
    struct oci_diag diag = {0};
    char text[1024];
    va_list args;

    snprintf(diag.path, sizeof diag.path, "%s", path);
    va_start(args, format);
    vsnprintf(diag.message, sizeof diag.message, format, args);
    va_end(args);
    oci_locate(b->text, b->len, path, &diag.line, &diag.column);
    oci_diag_format(&diag, b->file, text, sizeof text);
    err_set(err, 0, "%s", text);
    return err_object(err, "%s", path);
}

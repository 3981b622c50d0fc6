/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host/hooks.h"

#include "base/fd.h"
#include "base/interrupt.h"
#include "base/log.h"
#include "base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static void warn(void *data, const struct err *err)
{
    (void)data;
    log_warning("%s", err->text);
}

static const char *annotation(const struct record *r, const char *key)
{
    for (size_t i = 0; i < r->annotations_n; i++) {
        if (!strcmp(r->annotations[i].key, key))
            return r->annotations[i].value;
    }
    return NULL;
}

static int open_output(const struct record *r, const char *key, int *fd, struct err *err)
{
    const char *path = annotation(r, key);

    *fd = -1;
    if (!path)
        return 0;
    /* Without O_NONBLOCK a FIFO that nobody reads would hold us here. */
    *fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);
    if (*fd < 0 || fcntl(*fd, F_SETFL, O_APPEND) < 0) {
        *fd = fd_close(*fd);
        return err_errno(err, "annotation %s: open %s", key, path);
    }
    return 0;
}

int hooks_output(const struct record *record, int *out, int *err_out, struct err *err)
{
    *err_out = -1;
    if (open_output(record, "run.oci.hooks.stdout", out, err) < 0)
        return -1;
    if (open_output(record, "run.oci.hooks.stderr", err_out, err) < 0) {
        *out = fd_close(*out);
        return -1;
    }
    return 0;
}

static int interrupted(void *data, struct err *err)
{
    (void)data;
    return interrupt_take(err);
}

int hooks_run(const struct record *record, const char *kind, const struct oci_hook *hooks, size_t n,
              enum oci_status status, pid_t pid, hook_born *born, void *data, struct err *err)
{
    struct oci_state state = {
        .oci_version = "1.3.0",
        .id = record->id,
        .pid = {pid != 0, pid},
        .status = status,
        .bundle = record->bundle,
        .root = record->rootfs,
        .annotations = record->annotations,
        .annotations_n = record->annotations_n,
    };
    bool keep_going = !strcmp(kind, "poststop");
    _cleanup_close_ int cwd = -1, out = -1, err_out = -1;
    _cleanup_free_ char *text = NULL;
    struct hook_run run = {.kind = kind, .born = born, .data = data};

    if (n == 0)
        return 0;
    if (hooks_output(record, &out, &err_out, err) < 0) {
        if (!keep_going)
            return -1;
        warn(NULL, err);
    }
    text = oci_encode(&oci_state_table, &state, OCI_STYLE_COMPACT, &run.state_len);
    if (!text)
        return err_set(err, ENOMEM, "state for hooks");
    /* The bundle may be gone when poststop runs. */
    cwd = open(record->bundle, O_PATH | O_DIRECTORY | O_CLOEXEC);
    run.state = text;
    run.cwd = cwd;
    run.out = out;
    run.err_out = err_out;
    run.wake_fd = interrupt_fd();
    run.wake = run.wake_fd >= 0 ? interrupted : NULL;
    return hook_run_all(hooks, n, &run, keep_going ? warn : NULL, NULL, err);
}

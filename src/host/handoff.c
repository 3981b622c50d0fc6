/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host/handoff.h"

#include "base/fd.h"
#include "base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* A file without a name until it is whole: a runtime that is killed leaves no temporary file in a
 * directory that is somebody else's. Fails where there is such a file already, or no O_TMPFILE. */
static int pid_file_new(int dir, const char *name, const char *text, size_t len)
{
    _cleanup_close_ int fd = openat(dir, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0644);
    char link[32];

    if (fd < 0 || write(fd, text, len) != (ssize_t)len || fchmod(fd, 0644) < 0)
        return -1;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    return linkat(AT_FDCWD, link, dir, name, AT_SYMLINK_FOLLOW);
}

int handoff_pid_file(const char *path, pid_t pid, struct err *err)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    _cleanup_free_ char *parent = NULL;
    _cleanup_close_ int dir = -1;
    char text[16];
    int len = snprintf(text, sizeof text, "%d", (int)pid);

    parent = slash == path ? strdup("/")
             : slash       ? strndup(path, (size_t)(slash - path))
                           : strdup(".");
    if (!parent)
        return err_set(err, ENOMEM, "pid file %s", path);
    dir = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return err_errno(err, "pid file %s", path);
    if (pid_file_new(dir, name, text, (size_t)len) == 0)
        return 0;
    if (fd_replace_file_at(dir, name, text, (size_t)len, 0644, err) < 0)
        return err_context(err, "pid file %s", path);
    return 0;
}

static int send_fd(const char *path, int fd, const char *data, int timeout, const char *what,
                   struct err *err)
{
    _cleanup_close_ int sock = fd_unix_connect(path, SOCK_STREAM, timeout, err);

    if (sock < 0)
        return err_context(err, "%s %s", what, path);
    if (fd_send(sock, data, strlen(data), &fd, 1, err) < 0)
        return err_context(err, "%s %s", what, path);
    return 0;
}

int handoff_console(const char *path, int master, const char *name, int timeout, struct err *err)
{
    return send_fd(path, master, *name ? name : "pty", timeout, "console socket", err);
}

int handoff_pidfd(const char *path, int pidfd, const char *kind, int timeout, struct err *err)
{
    return send_fd(path, pidfd, kind, timeout, "pidfd socket", err);
}

uint32_t handoff_listen_fds(void)
{
    const char *fds = getenv("LISTEN_FDS"), *pid = getenv("LISTEN_PID");
    char *end;
    unsigned long n;

    if (!fds || (pid && strtol(pid, NULL, 10) != getpid()))
        return 0;
    n = strtoul(fds, &end, 10);
    return *end || n > 256 ? 0 : (uint32_t)n;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * A static executable cannot open libsystemd, which has no static library either. There a small
 * program that is not static makes the calls: ocirun-systemd, executed only for this driver, with a
 * socket as descriptor 3: one request in, one answer out. It is looked for beside the executable,
 * then where it is installed.
 */
#include "cgroup/systemd.h"

#if !defined DISABLE_SYSTEMD && defined STATIC_BUILD

#include "base/fd.h"
#include "base/proc.h"
#include "base/sys.h"
#include "base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define HELPER "ocirun-systemd"
#define SOCKET_FD 3
#define GRACE 5000 /* milliseconds beyond the request's own deadline */

static bool find_helper(char *path, size_t size)
{
    ssize_t n = readlink("/proc/self/exe", path, size - sizeof HELPER - 1);
    char *slash;

    if (n > 0) {
        path[n] = '\0';
        slash = strrchr(path, '/');
        if (slash) {
            memcpy(slash + 1, HELPER, sizeof HELPER);
            if (access(path, X_OK) == 0)
                return true;
        }
    }
    snprintf(path, size, "%s/%s", LIBEXECDIR, HELPER);
    return access(path, X_OK) == 0;
}

__attribute__((noreturn)) static void child(const char *path, int sock)
{
    char *const argv[] = {(char *)HELPER, NULL};

    proc_default_signals();
    if (sock == SOCKET_FD ? fcntl(sock, F_SETFD, 0) < 0 : dup2(sock, SOCKET_FD) < 0)
        _exit(127);
    execv(path, argv);
    _exit(127);
}

/* What comes back: an errno, a status, and the strings of a struct err, up to the end of file. */
static int take_answer(int sock, int milliseconds, struct err *err)
{
    int64_t deadline = cgroup_now() + milliseconds;
    struct err answer;
    size_t got = 0;

    while (got < sizeof answer) {
        struct pollfd p = {.fd = sock, .events = POLLIN};
        int64_t left = deadline - cgroup_now();
        ssize_t n;

        if (left <= 0 || poll(&p, 1, (int)left) == 0)
            return err_set(err, ETIMEDOUT, "systemd helper: no answer");
        n = read(sock, (char *)&answer + got, sizeof answer - got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return err_set(err, ECONNRESET, "systemd helper: ended without an answer");
        got += (size_t)n;
    }
    *err = answer;
    return err_is_set(err) ? -1 : 0;
}

static int ask(const char *path, const char *data, size_t len, int milliseconds, struct err *err)
{
    _cleanup_close_ int ours = -1;
    int pair[2], failed;
    pid_t pid;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return err_errno(err, "socket to the systemd helper");
    ours = pair[0];
    pid = fork();
    if (pid == 0)
        child(path, pair[1]);
    fd_close(pair[1]);
    if (pid < 0)
        return err_errno(err, "systemd helper %s", path);
    failed = fd_send(ours, data, len, NULL, 0, err);
    if (!failed) {
        shutdown(ours, SHUT_WR);
        failed = take_answer(ours, milliseconds, err);
    }
    if (failed && err->errnum == ETIMEDOUT)
        kill(pid, SIGKILL); /* our child, not reaped yet */
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    return failed;
}

int systemd_call(const struct systemd_request *request, struct err *err)
{
    _cleanup_free_ char *data = NULL;
    char path[PATH_MAX];
    size_t len;

    if (!find_helper(path, sizeof path)) {
        err_set(err, 0, "the systemd cgroup driver needs %s, which is not in %s", HELPER,
                LIBEXECDIR);
        return err_hint(err, "a static executable cannot talk to systemd by itself: install the "
                             "helper there or beside ocirun, or use --cgroup-manager cgroupfs");
    }
    data = systemd_wire_encode(request, &len);
    if (!data)
        return err_set(err, ENOMEM, "systemd helper");
    return ask(path, data, len, request->timeout + GRACE, err);
}

#endif
